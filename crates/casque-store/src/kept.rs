//! Values that are kept for a policy whatever its version: sealed into rows, opened out of them; and which revision
//! of each is the current one, in memory.
//!
//! ```text
//! table `kept`, column `value`; row = policy | key; beside = revision, u64, big-endian
//! ```
//!
//! Only the latest revision is kept. A row that was put back to an older one is noticed: when the store is opened, by
//! the authenticated digest over all kept values (`state.rs`), and while it runs, by the revisions in memory.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::{PoisonError, RwLock};

use casque_core::{Kept, KeptKey, KeptRevision};
use casque_types::{PolicyName, Rng, Secret};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::error::Failure;
use crate::namespace_keys::{NamespaceKeys, namespace_of};
use crate::record::{DataKey, Generation, Place};
use crate::sql::{signed, unsigned};
use crate::state::{SetDigest, StateKey};

/// Which kept value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct KeptId {
    /// The policy that it is kept for.
    pub(crate) policy: PolicyName,
    /// Its name.
    pub(crate) key: KeptKey,
}

impl KeptId {
    /// Table and row, for errors.
    pub(crate) fn record(&self) -> String {
        format!("kept {} {}", self.policy, self.key)
    }
}

/// The current revision of a kept value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeptHead {
    /// How often it was kept.
    pub(crate) revision: KeptRevision,
    /// How many policies had been put when it was kept.
    pub(crate) generation: Generation,
}

/// The current revisions.
#[derive(Debug, Default)]
pub(crate) struct KeptHeads(RwLock<HashMap<KeptId, KeptHead>>);

impl KeptHeads {
    /// The current revision of one kept value.
    pub(crate) fn find(&self, id: &KeptId) -> Option<KeptHead> {
        let heads = self.0.read().unwrap_or_else(PoisonError::into_inner);
        heads.get(id).copied()
    }

    /// Sets the revisions that a commit has changed.
    pub(crate) fn change(&self, changed: impl IntoIterator<Item = (KeptId, KeptHead)>) {
        let mut heads = self.0.write().unwrap_or_else(PoisonError::into_inner);
        heads.extend(changed);
    }

    /// Sets all revisions.
    pub(crate) fn replace(&self, all: HashMap<KeptId, KeptHead>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = all;
    }
}

/// All current revisions as the database has them, and their digest.
pub(crate) fn load_kept_heads(
    connection: &Connection,
    key: &StateKey,
) -> Result<(HashMap<KeptId, KeptHead>, SetDigest), Failure> {
    let mut heads = HashMap::new();
    let mut digest = SetDigest::NONE;
    let mut statement = connection.prepare(SELECT_HEADS)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (id, head) = kept_head(row)?;
        digest.toggle(&key.kept(&id, &head)?);
        heads.insert(id, head);
    }
    Ok((heads, digest))
}

fn kept_head(row: &Row<'_>) -> Result<(KeptId, KeptHead), Failure> {
    let damaged = || "kept".to_owned();
    let read = |error| Failure::of_read(error, damaged);
    let unnamed = || Failure::Damaged { record: damaged() };
    let policy: String = row.get(0).map_err(read)?;
    let key: String = row.get(1).map_err(read)?;
    let id = KeptId {
        policy: PolicyName::from_str(&policy).map_err(|_| unnamed())?,
        key: KeptKey::from_str(&key).map_err(|_| unnamed())?,
    };
    let head = KeptHead {
        revision: KeptRevision(unsigned(row, 2).map_err(read)?),
        generation: Generation(unsigned(row, 3).map_err(read)?),
    };
    Ok((id, head))
}

/// Writes a kept value over the one before it.
pub(crate) fn store_kept(
    connection: &Connection,
    key: &DataKey,
    (id, head): (&KeptId, &KeptHead),
    value: &Secret,
    rng: &dyn Rng,
) -> Result<(), Failure> {
    let revision = head.revision.0.to_be_bytes();
    let (row, beside) = (row_of(id), [revision.as_slice()]);
    let place = place(id, &row, &beside, head.generation);
    let sealed = key.seal(&place, value.expose(), rng)?; // to be sealed
    connection.prepare_cached(UPSERT)?.execute(params![
        id.policy.as_str(),
        id.key.as_str(),
        signed(head.revision.0)?,
        signed(head.generation.0)?,
        sealed,
    ])?;
    Ok(())
}

/// A kept value, if there is one; refuses one that is older than `known`, which memory has.
pub(crate) fn load_kept(
    connection: &Connection,
    keys: &NamespaceKeys,
    id: &KeptId,
    known: Option<KeptHead>,
) -> Result<Option<Kept>, Failure> {
    let row = connection
        .prepare_cached(SELECT)?
        .query_row(params![id.policy.as_str(), id.key.as_str()], |row| {
            let head = KeptHead {
                revision: KeptRevision(unsigned(row, 0)?),
                generation: Generation(unsigned(row, 1)?),
            };
            Ok((head, row.get::<_, Vec<u8>>(2)?))
        })
        .optional()
        .map_err(|error| Failure::of_read(error, || id.record()))?;
    // Memory follows the commit, so that a row may be newer than what memory had before it was read.
    let found = row.as_ref().map(|(head, _)| head.revision);
    if found < known.map(|head| head.revision) {
        return Err(Failure::Damaged {
            record: id.record(),
        });
    }
    let Some((head, sealed)) = row else {
        return Ok(None);
    };
    let revision = head.revision.0.to_be_bytes();
    let (row, beside) = (row_of(id), [revision.as_slice()]);
    let place = place(id, &row, &beside, head.generation);
    let value = keys.open(connection, &place, &sealed, || id.record())?;
    Ok(Some(Kept {
        value,
        revision: head.revision,
    }))
}

fn row_of(id: &KeptId) -> [&[u8]; 2] {
    [id.policy.as_str().as_bytes(), id.key.as_str().as_bytes()]
}

fn place<'a>(
    id: &'a KeptId,
    row: &'a [&'a [u8]],
    beside: &'a [&'a [u8]],
    generation: Generation,
) -> Place<'a> {
    Place {
        table: "kept",
        row,
        column: "value",
        namespace: namespace_of(&id.policy),
        generation,
        beside,
    }
}

const SELECT_HEADS: &str = "SELECT policy, key, revision, generation FROM kept";
const SELECT: &str = "SELECT revision, generation, value FROM kept WHERE policy = ?1 AND key = ?2";
const UPSERT: &str = "INSERT INTO kept (policy, key, revision, generation, value)
    VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (policy, key) DO UPDATE
    SET revision = excluded.revision, generation = excluded.generation, value = excluded.value";
