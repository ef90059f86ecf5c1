//! A place where stores are opened, closed, tampered with and opened again.

#![allow(dead_code, reason = "each test program uses its part")]
#![allow(
    clippy::unwrap_used,
    reason = "tests only: a failed step is a failed test"
)]

use std::path::PathBuf;

use casque_core::{PutError, Store};
use casque_store::{OpenError, SqliteStore, StoreSettings};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::support::{CountedRng, event, hash_of, version};

/// A place for a store that outlives the store.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn settings(&self) -> StoreSettings {
        StoreSettings {
            directory: self.0.path().join("store"),
            root_key_file: self.0.path().join("root.key"),
        }
    }

    pub(crate) fn open(&self) -> Result<SqliteStore, OpenError> {
        SqliteStore::open(self.settings(), CountedRng::shared())
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.settings().directory.join("casque.db")
    }

    /// Does to the closed database what somebody with its file could do.
    pub(crate) fn tamper(&self, sql: &str) {
        let connection = Connection::open(self.database()).unwrap();
        connection
            .execute_batch("PRAGMA foreign_keys = OFF")
            .unwrap();
        connection.execute_batch(sql).unwrap();
    }

    /// A store with two policies in one namespace, one elsewhere, and two versions of the first; closed.
    pub(crate) async fn filled() -> Self {
        let place = Self::new();
        let store = place.open().unwrap();
        put(&store, "ns/a", "one", None).await.unwrap();
        put(&store, "ns/b", "other", None).await.unwrap();
        put(&store, "zz", "elsewhere", None).await.unwrap();
        put(&store, "ns/a", "two", Some("one")).await.unwrap();
        place
    }
}

pub(crate) async fn put(
    store: &SqliteStore,
    policy: &str,
    text: &str,
    predecessor: Option<&str>,
) -> Result<(), PutError> {
    let new = version(policy, text, predecessor.map(hash_of));
    store.put(new, event(policy)).await
}
