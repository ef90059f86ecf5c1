//! Opening connections, and whole numbers: SQLite's are signed, the store's are not.

use std::num::TryFromIntError;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Row};

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The one that writes.
    Write,
    /// One of those that read.
    Read,
}

/// Opens the existing database with the settings that its promises rest on.
pub(crate) fn connect(path: &Path, purpose: Purpose) -> rusqlite::Result<Connection> {
    // A reader of a write-ahead log writes its index, so it opens for writing too and is kept from it by `query_only`.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.execute_batch(SETTINGS)?;
    match purpose {
        Purpose::Write => connection.execute_batch(WRITER_SETTINGS)?,
        Purpose::Read => connection.execute_batch(READER_SETTINGS)?,
    }
    Ok(connection)
}

/// A number for the database.
pub(crate) fn signed(number: u64) -> Result<i64, TryFromIntError> {
    i64::try_from(number)
}

/// A number from the database.
pub(crate) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
}

/// FULL: a commit returns after its pages and its commit mark are on the disk.
const SETTINGS: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;
    PRAGMA secure_delete = ON;
    PRAGMA trusted_schema = OFF;
    PRAGMA cell_size_check = ON;
    PRAGMA temp_store = MEMORY;
";
const WRITER_SETTINGS: &str = "PRAGMA wal_autocheckpoint = 1000;";
const READER_SETTINGS: &str = "PRAGMA query_only = ON;";
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
