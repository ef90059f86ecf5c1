//! The current version of every policy, in memory.
//!
//! Filled when the store is opened, changed by the writer after each commit. The database's copy is checked
//! against an authenticated digest when it is read (`state.rs`), and never asked again.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::{PoisonError, RwLock};

use casque_types::{PolicyHash, PolicyName};
use rusqlite::{Connection, params};

use crate::error::Failure;
use crate::record::Generation;
use crate::sql::{signed, unsigned};

/// A current version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Its hash.
    pub(crate) hash: PolicyHash,
    /// When it was put.
    pub(crate) generation: Generation,
}

/// The current versions.
#[derive(Debug, Default)]
pub(crate) struct Heads(RwLock<HashMap<PolicyName, Head>>);

impl Heads {
    /// The current version of one policy.
    pub(crate) fn find(&self, name: &PolicyName) -> Option<Head> {
        let heads = self.0.read().unwrap_or_else(PoisonError::into_inner);
        heads.get(name).copied()
    }

    /// Sets the heads that a commit has changed.
    pub(crate) fn change(&self, changed: impl IntoIterator<Item = (PolicyName, Head)>) {
        let mut heads = self.0.write().unwrap_or_else(PoisonError::into_inner);
        heads.extend(changed);
    }

    /// Sets all heads.
    pub(crate) fn replace(&self, all: HashMap<PolicyName, Head>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = all;
    }
}

/// All heads as the database has them.
pub(crate) fn load_heads(connection: &Connection) -> Result<HashMap<PolicyName, Head>, Failure> {
    let damaged = || "heads".to_owned();
    let mut heads = HashMap::new();
    let mut statement = connection.prepare(SELECT)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let read = |error| Failure::of_read(error, damaged);
        let name: String = row.get(0).map_err(read)?;
        let name =
            PolicyName::from_str(&name).map_err(|_| Failure::Damaged { record: damaged() })?;
        let hash = row.get::<_, [u8; 32]>(1).map_err(read)?.into();
        let generation = Generation(unsigned(row, 2).map_err(read)?);
        heads.insert(name, Head { hash, generation });
    }
    Ok(heads)
}

/// Keeps one head.
pub(crate) fn store_head(
    connection: &Connection,
    name: &PolicyName,
    head: &Head,
) -> Result<(), Failure> {
    connection.prepare_cached(UPSERT)?.execute(params![
        name.as_str(),
        head.hash.as_bytes(),
        signed(head.generation.0)?
    ])?;
    Ok(())
}

const SELECT: &str = "SELECT name, hash, generation FROM heads";
const UPSERT: &str = "INSERT INTO heads (name, hash, generation) VALUES (?1, ?2, ?3)
    ON CONFLICT (name) DO UPDATE SET hash = excluded.hash, generation = excluded.generation";
