//! The tables, made and changed by numbered migrations; `PRAGMA user_version` counts those that were done.
//!
//! ```text
//! policies        name, hash                 -> predecessor, creator, created, generation, text (sealed)
//! secret_values   name, hash, secret         -> generation, value (sealed)
//! heads           name                       -> hash, generation          the current version of each policy
//! namespace_keys  namespace, version         -> generation, wrapped       (sealed by the root key)
//! audit           seq 1, 2, 3 ...            -> at, action, subject, policy, caller, facts, previous, digest
//! kept            policy, key                -> revision, generation, value (sealed)
//! spent           what (a keyed digest)      -> until
//! meta            one row                    -> root_key_check, generation, audit_seq, audit_digest, heads_digest,
//!                                               kept_digest, spent_digest, mac
//! ```
//!
//! Rows of `policies`, `secret_values` and `audit` are never changed. Times are seconds since 1970.
//! Schema 1 has neither `kept` nor `spent`. Schema 2 needs no new `mac`: one without them is that of schema 1
//! (`state.rs`).

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::error::Failure;

/// What the migrations led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Migrated {
    /// The tables are as this program knows them.
    Current,
    /// A later program has changed them.
    Newer {
        /// Its schema.
        found: i64,
    },
}

/// Does the migrations that are missing; `first` fills the tables of a new database in the same transaction.
pub(crate) fn migrate(
    connection: &mut Connection,
    first: impl FnOnce(&Transaction<'_>) -> Result<(), Failure>,
) -> Result<Migrated, Failure> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: i64 = transaction.pragma_query_value(None, VERSION, |row| row.get(0))?;
    if found > LATEST {
        return Ok(Migrated::Newer { found });
    }
    let done = usize::try_from(found)?;
    for migration in MIGRATIONS.iter().skip(done) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, VERSION, LATEST)?;
    if done == 0 {
        first(&transaction)?;
    }
    transaction.commit()?;
    Ok(Migrated::Current)
}

/// The schema that this program knows.
pub(crate) const LATEST: i64 = 2;
const VERSION: &str = "user_version";
const MIGRATIONS: [&str; 2] = [FIRST, SECOND];

const FIRST: &str = "
CREATE TABLE policies (
    name        TEXT NOT NULL,
    hash        BLOB NOT NULL,
    predecessor BLOB,
    creator     BLOB NOT NULL,
    created     INTEGER NOT NULL,
    generation  INTEGER NOT NULL,
    text        BLOB NOT NULL,
    PRIMARY KEY (name, hash)
) STRICT;
CREATE TABLE secret_values (
    name       TEXT NOT NULL,
    hash       BLOB NOT NULL,
    secret     TEXT NOT NULL,
    generation INTEGER NOT NULL,
    value      BLOB NOT NULL,
    PRIMARY KEY (name, hash, secret),
    FOREIGN KEY (name, hash) REFERENCES policies (name, hash)
) STRICT, WITHOUT ROWID;
CREATE TABLE heads (
    name       TEXT NOT NULL PRIMARY KEY,
    hash       BLOB NOT NULL,
    generation INTEGER NOT NULL,
    FOREIGN KEY (name, hash) REFERENCES policies (name, hash)
) STRICT, WITHOUT ROWID;
CREATE TABLE namespace_keys (
    namespace  TEXT NOT NULL,
    version    INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    wrapped    BLOB NOT NULL,
    PRIMARY KEY (namespace, version)
) STRICT, WITHOUT ROWID;
CREATE TABLE audit (
    seq      INTEGER PRIMARY KEY,
    at       INTEGER NOT NULL,
    action   TEXT NOT NULL,
    subject  TEXT NOT NULL,
    policy   BLOB NOT NULL,
    caller   BLOB,
    facts    TEXT NOT NULL,
    previous BLOB NOT NULL,
    digest   BLOB NOT NULL
) STRICT;
CREATE TABLE meta (
    id             INTEGER PRIMARY KEY CHECK (id = 1),
    root_key_check BLOB NOT NULL,
    generation     INTEGER NOT NULL,
    audit_seq      INTEGER NOT NULL,
    audit_digest   BLOB NOT NULL,
    heads_digest   BLOB NOT NULL,
    mac            BLOB NOT NULL
) STRICT;
";

const SECOND: &str = "
CREATE TABLE kept (
    policy     TEXT NOT NULL,
    key        TEXT NOT NULL,
    revision   INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    value      BLOB NOT NULL,
    PRIMARY KEY (policy, key)
) STRICT;
CREATE TABLE spent (
    what  BLOB NOT NULL PRIMARY KEY,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX spent_until ON spent (until);
ALTER TABLE meta ADD COLUMN kept_digest BLOB NOT NULL
    DEFAULT x'0000000000000000000000000000000000000000000000000000000000000000';
ALTER TABLE meta ADD COLUMN spent_digest BLOB NOT NULL
    DEFAULT x'0000000000000000000000000000000000000000000000000000000000000000';
";
