//! Namespace keys: made, wrapped by the root key, found again.
//!
//! A namespace here is the first segment of a policy's name. The highest version seals, all versions open, so
//! that keys can be replaced while the server runs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use casque_types::{PolicyName, Rng, Secret};
use rusqlite::{Connection, OptionalExtension, Row, params};
use zeroize::Zeroizing;

use crate::error::Failure;
use crate::record::{DataKey, Generation, KEY_BYTES, KeyVersion, NotOpened, Place, key_version};
use crate::sql::{signed, unsigned};

/// The namespace whose key seals this policy.
pub(crate) fn namespace_of(name: &PolicyName) -> &str {
    name.as_str().split('/').next().unwrap_or_default()
}

/// Wraps and unwraps namespace keys.
pub(crate) struct NamespaceKeys {
    wrapping: DataKey,
    /// Keys of committed rows. The writer does not fill it: what it makes may be rolled back.
    opened: Mutex<HashMap<(String, KeyVersion), Arc<DataKey>>>,
}

impl NamespaceKeys {
    /// The namespace keys under this root key.
    pub(crate) fn new(wrapping: DataKey) -> Self {
        Self {
            wrapping,
            opened: Mutex::new(HashMap::new()),
        }
    }

    /// The key that wraps.
    pub(crate) const fn wrapping(&self) -> &DataKey {
        &self.wrapping
    }

    /// The key that seals new records of a namespace; made now if it is the namespace's first.
    pub(crate) fn current(
        &self,
        connection: &Connection,
        namespace: &str,
        generation: Generation,
        rng: &dyn Rng,
    ) -> Result<DataKey, Failure> {
        let latest = connection
            .prepare_cached(SELECT_LATEST)?
            .query_row(params![namespace], wrapped_key)
            .optional()
            .map_err(|error| Failure::of_read(error, || record_name(namespace, None)))?;
        match latest {
            Some(wrapped) => self.unwrap(namespace, &wrapped),
            None => self.add(connection, namespace, KeyVersion(1), generation, rng),
        }
    }

    /// Makes and keeps a further version.
    pub(crate) fn add(
        &self,
        connection: &Connection,
        namespace: &str,
        version: KeyVersion,
        generation: Generation,
        rng: &dyn Rng,
    ) -> Result<DataKey, Failure> {
        let mut bytes = Zeroizing::new([0_u8; KEY_BYTES]);
        rng.fill(bytes.as_mut_slice())
            .map_err(crate::error::SealFailure::Rng)?;
        let row: [&[u8]; 2] = [namespace.as_bytes(), &version.0.to_be_bytes()];
        let place = place(namespace, &row, generation);
        let wrapped = self.wrapping.seal(&place, bytes.as_slice(), rng)?;
        connection.prepare_cached(INSERT)?.execute(params![
            namespace,
            version.0,
            signed(generation.0)?,
            wrapped
        ])?;
        Ok(DataKey::new(version, &bytes)?)
    }

    /// Opens a record with the key that its header names.
    pub(crate) fn open(
        &self,
        connection: &Connection,
        place: &Place<'_>,
        record: &[u8],
        record_name: impl Fn() -> String,
    ) -> Result<Secret, Failure> {
        let damaged = |NotOpened| Failure::Damaged {
            record: record_name(),
        };
        let version = key_version(record).map_err(damaged)?;
        let Some(key) = self.find(connection, place.namespace, version)? else {
            return Err(damaged(NotOpened));
        };
        key.open(place, record).map_err(damaged)
    }

    fn find(
        &self,
        connection: &Connection,
        namespace: &str,
        version: KeyVersion,
    ) -> Result<Option<Arc<DataKey>>, Failure> {
        let id = (namespace.to_owned(), version);
        if let Some(key) = self.lock().get(&id) {
            return Ok(Some(Arc::clone(key)));
        }
        let found = connection
            .prepare_cached(SELECT_ONE)?
            .query_row(params![namespace, version.0], wrapped_key)
            .optional()
            .map_err(|error| Failure::of_read(error, || record_name(namespace, Some(version))))?;
        let Some(wrapped) = found else {
            return Ok(None);
        };
        let key = Arc::new(self.unwrap(namespace, &wrapped)?);
        let mut opened = self.lock();
        if opened.len() >= MAX_OPENED {
            opened.clear();
        }
        opened.insert(id, Arc::clone(&key));
        Ok(Some(key))
    }

    fn unwrap(&self, namespace: &str, row: &WrappedKey) -> Result<DataKey, Failure> {
        let damaged = || Failure::Damaged {
            record: record_name(namespace, Some(row.version)),
        };
        let key: [&[u8]; 2] = [namespace.as_bytes(), &row.version.0.to_be_bytes()];
        let bytes = self
            .wrapping
            .open(&place(namespace, &key, row.generation), &row.wrapped)
            .map_err(|NotOpened| damaged())?;
        // Exposed to become a key of the provider, which wipes its own copy.
        let bytes = <&[u8; KEY_BYTES]>::try_from(bytes.expose()).map_err(|_| damaged())?;
        Ok(DataKey::new(row.version, bytes)?)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(String, KeyVersion), Arc<DataKey>>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A row of `namespace_keys`.
struct WrappedKey {
    version: KeyVersion,
    generation: Generation,
    wrapped: Vec<u8>,
}

fn wrapped_key(row: &Row<'_>) -> rusqlite::Result<WrappedKey> {
    Ok(WrappedKey {
        version: KeyVersion(row.get(0)?),
        generation: Generation(unsigned(row, 1)?),
        wrapped: row.get(2)?,
    })
}

const fn place<'a>(namespace: &'a str, row: &'a [&'a [u8]], generation: Generation) -> Place<'a> {
    Place {
        table: "namespace_keys",
        row,
        column: "wrapped",
        namespace,
        generation,
        beside: &[],
    }
}

fn record_name(namespace: &str, version: Option<KeyVersion>) -> String {
    match version {
        Some(KeyVersion(version)) => format!("namespace_keys {namespace} {version}"),
        None => format!("namespace_keys {namespace}"),
    }
}

/// When this many keys are open they are forgotten, and opened again when they are needed.
const MAX_OPENED: usize = 1024;
const SELECT_LATEST: &str = "SELECT version, generation, wrapped FROM namespace_keys WHERE namespace = ?1 ORDER BY version DESC LIMIT 1";
const SELECT_ONE: &str =
    "SELECT version, generation, wrapped FROM namespace_keys WHERE namespace = ?1 AND version = ?2";
const INSERT: &str =
    "INSERT INTO namespace_keys (namespace, version, generation, wrapped) VALUES (?1, ?2, ?3, ?4)";
