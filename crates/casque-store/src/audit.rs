//! The audit log: a hash chain.
//!
//! ```text
//! digest = SHA-256(lp(previous) | lp(seq) | lp(at) | lp(action) | lp(subject) | lp(policy) | lp(caller) | lp(facts))
//! ```
//!
//! `lp` is that of `record.rs`, numbers are u64, big-endian; `caller` is empty when there is none; `facts` is the
//! JSON text `[["name","value"],...]` as stored; before the first entry, `previous` is 32 zero bytes. The end of
//! the chain is in the authenticated state (`state.rs`), so that a log that was rewritten or cut short is noticed.
//! Vector: `vectors/store/audit-chain.txt`. It does not prove that an entry is true.

use casque_core::{AuditEvent, StoreError};
use casque_types::{Digest, sha256};
use rusqlite::{Connection, Row, params};
use thiserror::Error;

use crate::error::{Failure, SealFailure};
use crate::record::length_prefixed;
use crate::sql::{signed, unsigned};

/// The last entry of the audit log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditHead {
    /// Its number, which is how many entries there are.
    pub seq: u64,
    /// Its digest; 32 zero bytes when there is no entry.
    pub digest: Digest<32>,
}

impl AuditHead {
    /// Before the first entry.
    pub(crate) fn before_first() -> Self {
        Self {
            seq: 0,
            digest: Digest::from([0; 32]),
        }
    }
}

/// Why the audit log is not what was written.
#[derive(Debug, Error)]
pub enum AuditDamage {
    /// An entry is missing or stands at another place.
    #[error(
        "the audit log has entry {found} where entry {expected} is expected: an entry was removed or moved"
    )]
    Order {
        /// The number that follows.
        expected: u64,
        /// The number found.
        found: u64,
    },
    /// An entry does not have the digest of its content and its predecessor.
    #[error(
        "entry {seq} of the audit log does not have its digest: it, or one before it, was changed"
    )]
    Entry {
        /// Its number.
        seq: u64,
    },
    /// The log does not end where the store's state says.
    #[error(
        "the audit log ends with entry {found}, expected entry {expected} of the store's state: it was cut short or continued outside Casque"
    )]
    End {
        /// The last entry by the state.
        expected: u64,
        /// The last entry found.
        found: u64,
    },
    /// The log cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Failure> for AuditDamage {
    fn from(failure: Failure) -> Self {
        Self::Store(failure.into())
    }
}

/// Appends one entry.
pub(crate) fn append(
    connection: &Connection,
    last: &AuditHead,
    event: &AuditEvent,
) -> Result<AuditHead, Failure> {
    let entry = Entry {
        seq: last.seq.saturating_add(1),
        at: event.at.as_unix_s(),
        action: event.action.as_str().to_owned(),
        subject: event.subject.clone(),
        policy: *event.policy.as_bytes(),
        caller: event.caller.map(|key| *key.as_bytes()),
        facts: serde_json::to_string(&event.facts)?,
    };
    let digest = entry.digest(&last.digest)?;
    connection.prepare_cached(INSERT)?.execute(params![
        signed(entry.seq)?,
        signed(entry.at)?,
        entry.action,
        entry.subject,
        entry.policy,
        entry.caller,
        entry.facts,
        last.digest.as_bytes(),
        digest.as_bytes(),
    ])?;
    Ok(AuditHead {
        seq: entry.seq,
        digest,
    })
}

/// Follows the whole chain to `end`; its time is linear in the length of the log.
pub(crate) fn verify(connection: &Connection, end: &AuditHead) -> Result<AuditHead, AuditDamage> {
    let mut last = AuditHead::before_first();
    let mut statement = connection.prepare(SELECT).map_err(Failure::from)?;
    let mut rows = statement.query([]).map_err(Failure::from)?;
    while let Some(row) = rows.next().map_err(Failure::from)? {
        last = follow(&last, row)?;
    }
    if last != *end {
        return Err(AuditDamage::End {
            expected: end.seq,
            found: last.seq,
        });
    }
    Ok(last)
}

fn follow(last: &AuditHead, row: &Row<'_>) -> Result<AuditHead, AuditDamage> {
    let expected = last.seq.saturating_add(1);
    let changed = || AuditDamage::Entry { seq: expected };
    let entry = Entry::read(row).map_err(|_| changed())?;
    if entry.seq != expected {
        return Err(AuditDamage::Order {
            expected,
            found: entry.seq,
        });
    }
    let digest = entry.digest(&last.digest).map_err(|_| changed())?;
    let previous: [u8; 32] = row.get(7).map_err(|_| changed())?;
    let stored: [u8; 32] = row.get(8).map_err(|_| changed())?;
    if previous != *last.digest.as_bytes() || stored != *digest.as_bytes() {
        return Err(changed());
    }
    Ok(AuditHead {
        seq: entry.seq,
        digest,
    })
}

/// One entry as it is stored.
struct Entry {
    seq: u64,
    at: u64,
    action: String,
    subject: String,
    policy: [u8; 32],
    caller: Option<[u8; 32]>,
    facts: String,
}

impl Entry {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: unsigned(row, 0)?,
            at: unsigned(row, 1)?,
            action: row.get(2)?,
            subject: row.get(3)?,
            policy: row.get(4)?,
            caller: row.get(5)?,
            facts: row.get(6)?,
        })
    }

    fn digest(&self, previous: &Digest<32>) -> Result<Digest<32>, SealFailure> {
        let bytes = length_prefixed(&[
            previous.as_bytes(),
            &self.seq.to_be_bytes(),
            &self.at.to_be_bytes(),
            self.action.as_bytes(),
            self.subject.as_bytes(),
            &self.policy,
            self.caller.as_ref().map_or(&[], <[u8; 32]>::as_slice),
            self.facts.as_bytes(),
        ])?;
        Ok(sha256(&bytes))
    }
}

const INSERT: &str =
    "INSERT INTO audit (seq, at, action, subject, policy, caller, facts, previous, digest)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
const SELECT: &str = "SELECT seq, at, action, subject, policy, caller, facts, previous, digest
    FROM audit ORDER BY seq";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::{Vector, vectors};

    #[test]
    fn audit_chain_has_the_digests_of_its_vector() {
        let vector = Vector::read(&vectors().join("audit-chain.txt"));
        assert_eq!(vector.text("expect"), "follows");
        let at = vector.text("at").parse().unwrap();
        let first = Entry {
            seq: 1,
            at,
            action: "policy-created".to_owned(),
            subject: "ns/app".to_owned(),
            policy: vector.array("policy"),
            caller: Some(vector.array("caller")),
            facts: "[]".to_owned(),
        };
        let second = Entry {
            seq: 2,
            at: at + 1,
            action: "configuration-released".to_owned(),
            subject: "ns/app/web".to_owned(),
            policy: vector.array("policy"),
            caller: None,
            facts: r#"[["tee","sgx"],["vault","a"]]"#.to_owned(),
        };
        let digest = first.digest(&AuditHead::before_first().digest).unwrap();
        assert_eq!(*digest.as_bytes(), vector.array("first"));
        let digest = second.digest(&digest).unwrap();
        assert_eq!(*digest.as_bytes(), vector.array("second"));
    }
}
