//! What was used and may be used once: rows of keyed digests, each until its time is over.
//!
//! A row is inserted by the one writer, so two attempts at the same thing cannot both find it fresh. The set of all
//! rows has an authenticated digest (`state.rs`), which is compared when the store is opened.

use casque_core::Once;
use casque_types::Timestamp;
use rusqlite::{Connection, Row, params};

use crate::error::Failure;
use crate::sql::{signed, unsigned};
use crate::state::{SetDigest, StateKey};

/// Whether a row was inserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inserted {
    /// It was.
    New,
    /// There was such a row.
    Known,
}

/// Inserts the row of `once`, and keeps the set's digest.
pub(crate) fn insert(
    connection: &Connection,
    key: &StateKey,
    once: &Once,
    digest: &mut SetDigest,
) -> Result<Inserted, Failure> {
    let what = key.once(once.what())?;
    let what: &[u8; 32] = what.as_ref().try_into().map_err(|_| damaged())?;
    let until = signed(once.until().as_unix_s())?;
    let rows = connection
        .prepare_cached(INSERT)?
        .execute(params![what, until])?;
    if rows == 0 {
        return Ok(Inserted::Known);
    }
    digest.toggle(&key.spent(what, once.until())?);
    Ok(Inserted::New)
}

/// Removes the rows whose time is over, and keeps the set's digest. Each row is removed once: over time it costs
/// no more than inserting.
pub(crate) fn remove_expired(
    connection: &Connection,
    key: &StateKey,
    now: Timestamp,
    digest: &mut SetDigest,
) -> Result<(), Failure> {
    let mut statement = connection.prepare_cached(REMOVE)?;
    let mut rows = statement.query(params![signed(now.as_unix_s())?])?;
    while let Some(row) = rows.next()? {
        toggle(row, key, digest)?;
    }
    Ok(())
}

/// The digest of all rows as the database has them.
pub(crate) fn digest(connection: &Connection, key: &StateKey) -> Result<SetDigest, Failure> {
    let mut digest = SetDigest::NONE;
    let mut statement = connection.prepare(SELECT)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        toggle(row, key, &mut digest)?;
    }
    Ok(digest)
}

fn toggle(row: &Row<'_>, key: &StateKey, digest: &mut SetDigest) -> Result<(), Failure> {
    let read = |error| Failure::of_read(error, || TABLE.to_owned());
    let what: [u8; 32] = row.get(0).map_err(read)?;
    let until = Timestamp::from_unix_s(unsigned(row, 1).map_err(read)?);
    digest.toggle(&key.spent(&what, until)?);
    Ok(())
}

fn damaged() -> Failure {
    Failure::Damaged {
        record: TABLE.to_owned(),
    }
}

const TABLE: &str = "spent";
const INSERT: &str = "INSERT INTO spent (what, until) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
const REMOVE: &str = "DELETE FROM spent WHERE until < ?1 RETURNING what, until";
const SELECT: &str = "SELECT what, until FROM spent";
