//! The store: opened, and the port that it implements.
//!
//! Opening: 1. the directory is made and locked; 2. the root key is loaded, or made if there is no database;
//! 3. the tables are made or migrated; 4. the root key is checked against the database; 5. state and heads are
//! read and checked against each other; 6. the writer thread starts.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use casque_core::{
    AuditEvent, KeepError, Kept, KeptKey, KeptRevision, NewPolicy, Once, PolicyPage, PolicyRecord,
    PutError, Spending, Store, StoreError, VersionSummary,
};
use casque_types::{PolicyHash, PolicyName, Rng, Secret, SecretName, Timestamp};
use rusqlite::{Connection, Transaction};

use crate::error::Failure;
use crate::files::{Found, OwnedDirectory};
use crate::heads::Heads;
use crate::kept::{KeptHeads, KeptId, load_kept};
use crate::namespace_keys::NamespaceKeys;
use crate::readers::Readers;
use crate::record::{DataKey, Generation, Place};
use crate::schema::{LATEST, Migrated, migrate};
use crate::sql::{Purpose, connect};
use crate::state::{State, StateKey};
use crate::versions::{load_history, load_policy, load_value};
use crate::write::{Append, GroupWriter, Keep, Put, Shared, Spend};
use crate::writer::Writer;
use crate::{AuditDamage, AuditHead, OpenError, RootKey, RootKeyFile, RootKeySource, audit};

/// Where the store keeps its things.
#[derive(Clone, Debug)]
pub struct StoreSettings {
    /// The database's directory; made, with mode 0700, if it is not there. A local disk: SQLite's log does not work
    /// on network file systems.
    pub directory: PathBuf,
    /// The root key's file; made, with mode 0600, at first start. Best on another volume than the directory.
    pub root_key_file: PathBuf,
}

/// The store on SQLite. Dropping it writes what is queued and waits for that.
pub struct SqliteStore {
    // Fields are dropped in this order: the writer ends before the lock is released.
    writer: Writer,
    readers: Arc<Readers>,
    shared: Arc<Shared>,
    directory: OwnedDirectory,
}

impl SqliteStore {
    /// Opens the store, or makes it at first start.
    ///
    /// # Errors
    /// [`OpenError`]: files, the lock, the root key, or the database itself are not as they must be.
    pub fn open(settings: StoreSettings, rng: Arc<dyn Rng>) -> Result<Self, OpenError> {
        let source = RootKeyFile::new(settings.root_key_file);
        Self::open_with_root_key(settings.directory, &source, rng)
    }

    /// Opens the store with a root key from elsewhere.
    ///
    /// # Errors
    /// As [`SqliteStore::open`].
    pub fn open_with_root_key(
        directory: PathBuf,
        source: &dyn RootKeySource,
        rng: Arc<dyn Rng>,
    ) -> Result<Self, OpenError> {
        let directory = OwnedDirectory::take(directory)?;
        let root_key = match directory.look()? {
            Found::Existing => source.load()?,
            Found::New => source.load_or_make(rng.as_ref())?,
        };
        directory.make_database()?;
        let database = directory.database();
        let failed = |failure| open_failure(&database, failure);
        let shared = Arc::new(share(&root_key, rng).map_err(failed)?);
        let mut connection =
            connect(&database, Purpose::Write).map_err(|error| failed(error.into()))?;
        prepare(&mut connection, &shared, &database)?;
        let writer = GroupWriter::open(connection, Arc::clone(&shared)).map_err(failed)?;
        Ok(Self {
            writer: Writer::start(writer).map_err(OpenError::Thread)?,
            readers: Arc::new(Readers::new(database)),
            shared,
            directory,
        })
    }

    /// Follows the audit log from its first entry to its last; linear in its length.
    ///
    /// # Errors
    /// [`AuditDamage`]: the first entry that is not what was written.
    pub async fn verify_audit_chain(&self) -> Result<AuditHead, AuditDamage> {
        let shared = Arc::clone(&self.shared);
        self.readers
            .read(move |connection| {
                // One transaction, so that log and state are of the same moment.
                let snapshot = connection.transaction().map_err(Failure::from)?;
                let state = shared.state_key.load(&snapshot)?;
                audit::verify(&snapshot, &state.audit)
            })
            .await
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore")
            .field("directory", &self.directory)
            .finish_non_exhaustive()
    }
}

impl Store for SqliteStore {
    async fn head(&self, name: &PolicyName) -> Result<Option<PolicyHash>, StoreError> {
        Ok(self.shared.heads.find(name).map(|head| head.hash))
    }

    async fn load(
        &self,
        name: &PolicyName,
        hash: &PolicyHash,
    ) -> Result<Option<PolicyRecord>, StoreError> {
        let (shared, name, hash) = (Arc::clone(&self.shared), name.clone(), *hash);
        self.readers
            .read(move |connection| {
                let record = load_policy(connection, &shared.keys, &name, &hash)?;
                let is_head = || {
                    shared
                        .heads
                        .find(&name)
                        .is_some_and(|head| head.hash == hash)
                };
                if record.is_none() && is_head() {
                    let record = format!("policies {name} {hash}");
                    return Err(StoreError::Damaged { record });
                }
                Ok(record)
            })
            .await
    }

    async fn values(
        &self,
        name: &PolicyName,
        hash: &PolicyHash,
        wanted: &[SecretName],
    ) -> Result<Vec<(SecretName, Secret)>, StoreError> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let (shared, name, hash) = (Arc::clone(&self.shared), name.clone(), *hash);
        let wanted = wanted.to_vec();
        self.readers
            .read(move |connection| {
                // One snapshot: SQLite then takes its locks and looks at its log once, not for each value.
                let snapshot = connection.transaction().map_err(Failure::from)?;
                let mut found = Vec::with_capacity(wanted.len());
                for secret in wanted {
                    let value = load_value(&snapshot, &shared.keys, &name, &hash, &secret)?;
                    found.extend(value.map(|value| (secret, value)));
                }
                Ok(found)
            })
            .await
    }

    async fn put(&self, new: NewPolicy, audit: AuditEvent) -> Result<(), PutError> {
        self.writer.write(Put { new, audit }).await
    }

    async fn append_audit(&self, event: AuditEvent) -> Result<(), StoreError> {
        self.writer.write(Append(event)).await
    }

    async fn history(&self, name: &PolicyName) -> Result<Vec<VersionSummary>, StoreError> {
        let Some(head) = self.shared.heads.find(name) else {
            return Ok(Vec::new());
        };
        let (shared, name) = (Arc::clone(&self.shared), name.clone());
        self.readers
            .read(move |connection| {
                let snapshot = connection.transaction().map_err(Failure::from)?;
                let history = load_history(&snapshot, &shared.keys, &name, &head.hash)?;
                Ok(history)
            })
            .await
    }

    async fn list(&self, page: PolicyPage<'_>) -> Result<Vec<PolicyName>, StoreError> {
        Ok(self.shared.heads.list(&page))
    }

    async fn spend(
        &self,
        once: Once,
        now: Timestamp,
        audit: Option<AuditEvent>,
    ) -> Result<Spending, StoreError> {
        self.writer.write(Spend { once, now, audit }).await
    }

    async fn kept(&self, policy: &PolicyName, key: &KeptKey) -> Result<Option<Kept>, StoreError> {
        let id = kept_id(policy, key);
        // Memory first: the database is never behind it.
        let known = self.shared.kept.find(&id);
        let shared = Arc::clone(&self.shared);
        self.readers
            .read(move |connection| Ok(load_kept(connection, &shared.keys, &id, known)?))
            .await
    }

    async fn keep(
        &self,
        policy: &PolicyName,
        key: &KeptKey,
        value: Secret,
        expected: Option<KeptRevision>,
        audit: Option<AuditEvent>,
    ) -> Result<KeptRevision, KeepError> {
        let found_bytes = value.len();
        if found_bytes > Kept::MAX_VALUE_BYTES {
            return Err(KeepError::TooLong { found_bytes });
        }
        let work = Keep {
            id: kept_id(policy, key),
            value,
            expected,
            audit,
        };
        self.writer.write(work).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.writer.check()?;
        let shared = Arc::clone(&self.shared);
        let state = move |connection: &mut Connection| Ok(shared.state_key.load(connection)?);
        self.readers.read::<_, StoreError, _>(state).await?;
        Ok(())
    }
}

fn kept_id(policy: &PolicyName, key: &KeptKey) -> KeptId {
    KeptId {
        policy: policy.clone(),
        key: key.clone(),
    }
}

fn share(root_key: &RootKey, rng: Arc<dyn Rng>) -> Result<Shared, Failure> {
    Ok(Shared {
        heads: Heads::default(),
        kept: KeptHeads::default(),
        keys: NamespaceKeys::new(root_key.wrapping_key()?),
        state_key: StateKey::new(root_key.state_key()),
        rng,
    })
}

/// Makes or migrates the tables, and checks the root key against them.
fn prepare(connection: &mut Connection, shared: &Shared, database: &Path) -> Result<(), OpenError> {
    let failed = |failure| open_failure(database, failure);
    let migrated = migrate(connection, |first| fill(first, shared)).map_err(failed)?;
    if let Migrated::Newer { found } = migrated {
        return Err(OpenError::NewerSchema {
            database: database.to_owned(),
            found,
            known: LATEST,
        });
    }
    if opens_check(connection, shared.keys.wrapping()).map_err(failed)? {
        Ok(())
    } else {
        Err(OpenError::WrongRootKey {
            database: database.to_owned(),
        })
    }
}

/// The rows of a new database.
fn fill(first: &Transaction<'_>, shared: &Shared) -> Result<(), Failure> {
    let wrapping = shared.keys.wrapping();
    let check = wrapping.seal(&ROOT_KEY_CHECK, ROOT_KEY_CHECK_TEXT, shared.rng.as_ref())?;
    shared.state_key.insert(first, &check, &State::empty())
}

fn opens_check(connection: &Connection, wrapping: &DataKey) -> Result<bool, Failure> {
    let check: Vec<u8> = connection
        .query_row(SELECT_CHECK, [], |row| row.get(0))
        .map_err(|error| Failure::of_read(error, || "meta 1".to_owned()))?;
    Ok(wrapping.open(&ROOT_KEY_CHECK, &check).is_ok())
}

fn open_failure(database: &Path, failure: Failure) -> OpenError {
    match StoreError::from(failure) {
        damaged @ StoreError::Damaged { .. } => OpenError::Damaged(damaged),
        source @ StoreError::Unavailable { .. } => OpenError::Database {
            database: database.to_owned(),
            source,
        },
    }
}

const ROOT_KEY_CHECK: Place<'static> = Place {
    table: "meta",
    row: &[b"1"],
    column: "root_key_check",
    namespace: "",
    generation: Generation(0),
    beside: &[],
};
const ROOT_KEY_CHECK_TEXT: &[u8] = b"casque root key check";
const SELECT_CHECK: &str = "SELECT root_key_check FROM meta WHERE id = 1";
