//! Why the store is not opened, and how its inner failures become those of the port.

use std::error::Error;
use std::io;
use std::num::TryFromIntError;
use std::path::PathBuf;
use std::sync::Arc;

use casque_core::{KeepError, PutError, StoreError};
use casque_types::RngError;
use thiserror::Error;

use crate::RootKeyError;

/// Why the store was not opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The directory, the lock file or the database file cannot be made, opened or synced.
    #[error(
        "the store's file `{path}` cannot be used; it must belong to this user and be on a disk with space"
    )]
    File {
        /// The file or directory.
        path: PathBuf,
        /// The operating system's own error.
        #[source]
        source: io::Error,
    },
    /// Another process has the database open.
    #[error(
        "the store in `{directory}` is in use by another process: stop the other casqued, or give this one its own directory"
    )]
    InUse {
        /// The store's directory.
        directory: PathBuf,
    },
    /// The root key cannot be had.
    #[error(transparent)]
    RootKey(#[from] RootKeyError),
    /// The database was made with another root key.
    #[error(
        "the root key does not open the database `{database}`: expected the key it was made with; restore that key, or start with an empty directory"
    )]
    WrongRootKey {
        /// The database.
        database: PathBuf,
    },
    /// The database was written by a later version of this program.
    #[error(
        "the database `{database}` has schema {found}, this program knows schemas up to {known}: use the program that wrote it, or a later one"
    )]
    NewerSchema {
        /// The database.
        database: PathBuf,
        /// Its schema.
        found: i64,
        /// The latest schema known here.
        known: i64,
    },
    /// What the database holds does not fit together: it was changed outside Casque.
    #[error("the store is damaged")]
    Damaged(#[source] StoreError),
    /// The database does not work.
    #[error("the database `{database}` does not work")]
    Database {
        /// The database.
        database: PathBuf,
        /// Its own error.
        #[source]
        source: StoreError,
    },
    /// The writer thread was not started.
    #[error("the store's writer thread cannot be started")]
    Thread(#[source] io::Error),
}

/// Why a record was not sealed.
#[derive(Debug, Error)]
pub(crate) enum SealFailure {
    /// No nonce.
    #[error(transparent)]
    Rng(#[from] RngError),
    /// The provider does not take the key.
    #[error("the provider refused a key of 32 bytes")]
    Key,
    /// A field or value longer than 4 GiB.
    #[error("expected fields and values of less than 4 GiB")]
    TooLong,
}

/// Why an operation inside the store failed.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// A record does not open, or holds a value of another type or size than was written.
    #[error("record `{record}` does not open")]
    Damaged {
        /// Table and row.
        record: String,
    },
    /// The database's own error.
    #[error("the database failed")]
    Sql(#[from] rusqlite::Error),
    /// A record was not sealed.
    #[error("a record was not sealed")]
    Seal(#[from] SealFailure),
    /// A time or count beyond what the database can hold.
    #[error("expected times and counts of less than 2^63")]
    Beyond(#[from] TryFromIntError),
    /// The database gave up a transaction in its middle, as it does when the disk is full.
    #[error("the database rolled the transaction back: the disk may be full or failing")]
    RolledBack,
    /// Audit facts that cannot be written as JSON.
    #[error("the audit facts cannot be written")]
    Facts(#[from] serde_json::Error),
}

impl Failure {
    /// The failure of reading `record`: a value of another type or size was changed outside Casque.
    pub(crate) fn of_read(error: rusqlite::Error, record: impl FnOnce() -> String) -> Self {
        use rusqlite::Error as Sql;
        match error {
            Sql::FromSqlConversionFailure(..)
            | Sql::IntegralValueOutOfRange(..)
            | Sql::InvalidColumnType(..)
            | Sql::Utf8Error(..) => Self::Damaged { record: record() },
            other => Self::Sql(other),
        }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Damaged { record } => Self::Damaged { record },
            other => unavailable(other),
        }
    }
}

impl From<Failure> for PutError {
    fn from(failure: Failure) -> Self {
        Self::Store(failure.into())
    }
}

impl From<Failure> for KeepError {
    fn from(failure: Failure) -> Self {
        Self::Store(failure.into())
    }
}

/// A group of operations was not committed; each of its callers gets one of these.
#[derive(Clone, Debug, Error)]
#[error("the transaction was not committed")]
pub(crate) struct NotCommitted(#[source] pub(crate) Arc<Failure>);

/// The writer thread is gone.
#[derive(Clone, Copy, Debug, Error)]
#[error("the store's writer has stopped")]
pub(crate) struct WriterStopped;

/// The failure that the caller may try again.
pub(crate) fn unavailable(source: impl Error + Send + Sync + 'static) -> StoreError {
    StoreError::Unavailable {
        source: Box::new(source),
    }
}
