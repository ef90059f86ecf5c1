//! The store's state: one authenticated row that says what the tables together must hold.
//!
//! ```text
//! mac          = HMAC-SHA-256(state key, lp("state") | lp(generation) | lp(audit seq) | lp(audit digest) | lp(heads digest))
//! heads digest = XOR over all heads of HMAC-SHA-256(state key, lp("head") | lp(name) | lp(hash) | lp(generation))
//! ```
//!
//! Numbers are u64, big-endian; `lp` is that of `record.rs`. The row is written in every transaction. So one head
//! that was put back, a policy that was hidden, or an audit log that was cut short does not fit its state, and no
//! other state can be made without the root key. What remains is a database put back as a whole.

use std::collections::HashMap;

use aws_lc_rs::hmac;
use casque_types::{Digest, PolicyName};
use rusqlite::{Connection, params};

use crate::AuditHead;
use crate::error::{Failure, SealFailure};
use crate::heads::Head;
use crate::record::{Generation, length_prefixed};
use crate::sql::{signed, unsigned};

/// What the tables together must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    /// How many policies have been put.
    pub(crate) generation: Generation,
    /// The end of the audit log.
    pub(crate) audit: AuditHead,
    /// The digest of all heads.
    pub(crate) heads: HeadsDigest,
}

impl State {
    /// The state of an empty store.
    pub(crate) fn empty() -> Self {
        Self {
            generation: Generation(0),
            audit: AuditHead::before_first(),
            heads: HeadsDigest::NONE,
        }
    }
}

/// The digest of a set of heads; the order in which they came does not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeadsDigest([u8; 32]);

impl HeadsDigest {
    /// The digest of no head.
    const NONE: Self = Self([0; 32]);

    /// Adds a head that is not in the set, or takes one out that is.
    fn toggle(&mut self, element: &[u8]) {
        for (byte, other) in self.0.iter_mut().zip(element) {
            *byte ^= other;
        }
    }
}

/// Authenticates states.
pub(crate) struct StateKey(hmac::Key);

impl StateKey {
    /// States under this key.
    pub(crate) const fn new(key: hmac::Key) -> Self {
        Self(key)
    }

    /// The digest of these heads.
    pub(crate) fn digest(
        &self,
        heads: &HashMap<PolicyName, Head>,
    ) -> Result<HeadsDigest, SealFailure> {
        let mut digest = HeadsDigest::NONE;
        for (name, head) in heads {
            digest.toggle(self.element(name, head)?.as_ref());
        }
        Ok(digest)
    }

    /// The digest after `name` got a new head.
    pub(crate) fn moved(
        &self,
        mut digest: HeadsDigest,
        name: &PolicyName,
        from: Option<&Head>,
        to: &Head,
    ) -> Result<HeadsDigest, SealFailure> {
        if let Some(from) = from {
            digest.toggle(self.element(name, from)?.as_ref());
        }
        digest.toggle(self.element(name, to)?.as_ref());
        Ok(digest)
    }

    /// Makes the row of a new store.
    pub(crate) fn insert(
        &self,
        connection: &Connection,
        root_key_check: &[u8],
        state: &State,
    ) -> Result<(), Failure> {
        connection.execute(INSERT, params![root_key_check])?;
        self.store(connection, state)
    }

    /// Writes the state.
    pub(crate) fn store(&self, connection: &Connection, state: &State) -> Result<(), Failure> {
        let mac = hmac::sign(&self.0, &message(state)?);
        connection.prepare_cached(UPDATE)?.execute(params![
            signed(state.generation.0)?,
            signed(state.audit.seq)?,
            state.audit.digest.as_bytes(),
            state.heads.0,
            mac.as_ref(),
        ])?;
        Ok(())
    }

    /// Reads the state, and refuses one that was not written under this key.
    pub(crate) fn load(&self, connection: &Connection) -> Result<State, Failure> {
        let damaged = || "meta 1".to_owned();
        let (state, mac) = connection
            .prepare_cached(SELECT)?
            .query_row([], |row| {
                let audit = AuditHead {
                    seq: unsigned(row, 1)?,
                    digest: Digest::from(row.get::<_, [u8; 32]>(2)?),
                };
                let state = State {
                    generation: Generation(unsigned(row, 0)?),
                    audit,
                    heads: HeadsDigest(row.get(3)?),
                };
                Ok((state, row.get::<_, [u8; 32]>(4)?))
            })
            .map_err(|error| match error {
                rusqlite::Error::QueryReturnedNoRows => Failure::Damaged { record: damaged() },
                other => Failure::of_read(other, damaged),
            })?;
        match hmac::verify(&self.0, &message(&state)?, &mac) {
            Ok(()) => Ok(state),
            Err(_) => Err(Failure::Damaged { record: damaged() }),
        }
    }

    fn element(&self, name: &PolicyName, head: &Head) -> Result<hmac::Tag, SealFailure> {
        let message = length_prefixed(&[
            b"head",
            name.as_str().as_bytes(),
            head.hash.as_bytes(),
            &head.generation.0.to_be_bytes(),
        ])?;
        Ok(hmac::sign(&self.0, &message))
    }
}

fn message(state: &State) -> Result<Vec<u8>, SealFailure> {
    length_prefixed(&[
        b"state",
        &state.generation.0.to_be_bytes(),
        &state.audit.seq.to_be_bytes(),
        state.audit.digest.as_bytes(),
        &state.heads.0,
    ])
}

const INSERT: &str =
    "INSERT INTO meta (id, root_key_check, generation, audit_seq, audit_digest, heads_digest, mac)
    VALUES (1, ?1, 0, 0, x'', x'', x'')";
const UPDATE: &str = "UPDATE meta
    SET generation = ?1, audit_seq = ?2, audit_digest = ?3, heads_digest = ?4, mac = ?5 WHERE id = 1";
const SELECT: &str =
    "SELECT generation, audit_seq, audit_digest, heads_digest, mac FROM meta WHERE id = 1";

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::RootKey;
    use crate::support::{Vector, name, vectors};

    fn head(byte: u8, generation: u64) -> Head {
        Head {
            hash: [byte; 32].into(),
            generation: Generation(generation),
        }
    }

    #[test]
    fn state_has_the_mac_and_heads_digest_of_its_vector() {
        let vector = Vector::read(&vectors().join("state.txt"));
        assert_eq!(vector.text("expect"), "authentic");
        let root = RootKey::new(Zeroizing::new(vector.array("root")));
        let key = StateKey::new(root.state_key());
        let heads = HashMap::from([(name("a"), head(0x88, 1)), (name("b/c"), head(0x99, 2))]);
        let heads = key.digest(&heads).unwrap();
        assert_eq!(heads.0, vector.array("heads"));
        let digest = Digest::from(vector.array("audit digest"));
        let state = State {
            generation: Generation(2),
            audit: AuditHead { seq: 2, digest },
            heads,
        };
        let mac = hmac::sign(&key.0, &message(&state).unwrap());
        assert_eq!(mac.as_ref(), vector.array("mac"));
    }

    #[test]
    fn heads_digest_moved_is_that_of_the_new_set() {
        let key = StateKey::new(RootKey::new(Zeroizing::new([1; 32])).state_key());
        let before = HashMap::from([(name("a"), head(1, 1)), (name("b"), head(2, 2))]);
        let after = HashMap::from([(name("a"), head(3, 3)), (name("b"), head(2, 2))]);
        let moved = key.moved(
            key.digest(&before).unwrap(),
            &name("a"),
            Some(&head(1, 1)),
            &head(3, 3),
        );
        assert_eq!(moved.unwrap(), key.digest(&after).unwrap());
    }
}
