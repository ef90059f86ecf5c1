//! The store's state: one authenticated row that says what the tables together must hold.
//!
//! ```text
//! mac          = HMAC-SHA-256(state key, lp("state") | lp(generation) | lp(audit seq) | lp(audit digest)
//!                | lp(heads digest) [ | lp(kept digest) | lp(spent digest) ])
//! heads digest = XOR over all heads of HMAC-SHA-256(state key, lp("head") | lp(name) | lp(hash) | lp(generation))
//! kept digest  = XOR over all kept of HMAC-SHA-256(state key, lp("kept") | lp(policy) | lp(key) | lp(generation) | lp(revision))
//! spent digest = XOR over all spent of HMAC-SHA-256(state key, lp("spent") | lp(what) | lp(until))
//! what         = HMAC-SHA-256(state key, lp("once") | lp(the name of what may be used once))
//! ```
//!
//! Numbers are u64, big-endian; `lp` is that of `record.rs`. The part in brackets is left out while both digests are
//! zero: nothing is kept or spent, and the row is that of schema 1. The row is written in every transaction. So one
//! head or kept value that was put back, a policy that was hidden, a use that was struck out, or an audit log that
//! was cut short does not fit its state, and no other state can be made without the root key. What remains is a
//! database put back as a whole. Vectors: `vectors/store/state*.txt`.

use std::collections::BTreeMap;

use aws_lc_rs::hmac;
use casque_types::{Digest, PolicyName, Timestamp};
use rusqlite::{Connection, params};

use crate::AuditHead;
use crate::error::{Failure, SealFailure};
use crate::heads::Head;
use crate::kept::{KeptHead, KeptId};
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
    pub(crate) heads: SetDigest,
    /// The digest of the heads of all kept values.
    pub(crate) kept: SetDigest,
    /// The digest of all that is spent.
    pub(crate) spent: SetDigest,
}

impl State {
    /// The state of an empty store.
    pub(crate) fn empty() -> Self {
        Self {
            generation: Generation(0),
            audit: AuditHead::before_first(),
            heads: SetDigest::NONE,
            kept: SetDigest::NONE,
            spent: SetDigest::NONE,
        }
    }
}

/// The digest of a set; the order in which its elements came does not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SetDigest([u8; 32]);

impl SetDigest {
    /// The digest of the empty set.
    pub(crate) const NONE: Self = Self([0; 32]);

    /// Adds an element that is not in the set, or takes one out that is.
    pub(crate) fn toggle(&mut self, element: &Element) {
        for (byte, other) in self.0.iter_mut().zip(element.0.as_ref()) {
            *byte ^= other;
        }
    }
}

/// One element of a set, as a keyed digest.
pub(crate) struct Element(hmac::Tag);

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
        heads: &BTreeMap<PolicyName, Head>,
    ) -> Result<SetDigest, SealFailure> {
        let mut digest = SetDigest::NONE;
        for (name, head) in heads {
            digest.toggle(&self.head(name, head)?);
        }
        Ok(digest)
    }

    /// The digest after `name` got a new head.
    pub(crate) fn moved(
        &self,
        mut digest: SetDigest,
        name: &PolicyName,
        from: Option<&Head>,
        to: &Head,
    ) -> Result<SetDigest, SealFailure> {
        if let Some(from) = from {
            digest.toggle(&self.head(name, from)?);
        }
        digest.toggle(&self.head(name, to)?);
        Ok(digest)
    }

    /// The head of a kept value as an element of its set.
    pub(crate) fn kept(&self, id: &KeptId, head: &KeptHead) -> Result<Element, SealFailure> {
        self.element(&[
            b"kept",
            id.policy.as_str().as_bytes(),
            id.key.as_str().as_bytes(),
            &head.generation.0.to_be_bytes(),
            &head.revision.0.to_be_bytes(),
        ])
    }

    /// Something that was used, as an element of its set.
    pub(crate) fn spent(&self, what: &[u8; 32], until: Timestamp) -> Result<Element, SealFailure> {
        self.element(&[b"spent", what, &until.as_unix_s().to_be_bytes()])
    }

    /// What stands in the database for something that may be used once: its name is not told.
    pub(crate) fn once(&self, what: &str) -> Result<Element, SealFailure> {
        self.element(&[b"once", what.as_bytes()])
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
            state.kept.0,
            state.spent.0,
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
                    heads: SetDigest(row.get(3)?),
                    kept: SetDigest(row.get(4)?),
                    spent: SetDigest(row.get(5)?),
                };
                Ok((state, row.get::<_, [u8; 32]>(6)?))
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

    fn head(&self, name: &PolicyName, head: &Head) -> Result<Element, SealFailure> {
        self.element(&[
            b"head",
            name.as_str().as_bytes(),
            head.hash.as_bytes(),
            &head.generation.0.to_be_bytes(),
        ])
    }

    fn element(&self, fields: &[&[u8]]) -> Result<Element, SealFailure> {
        let message = length_prefixed(fields)?;
        Ok(Element(hmac::sign(&self.0, &message)))
    }
}

impl AsRef<[u8]> for Element {
    fn as_ref(&self) -> &[u8] {
        self.0.as_ref()
    }
}

fn message(state: &State) -> Result<Vec<u8>, SealFailure> {
    let generation = state.generation.0.to_be_bytes();
    let seq = state.audit.seq.to_be_bytes();
    let mut fields: Vec<&[u8]> = vec![
        b"state",
        &generation,
        &seq,
        state.audit.digest.as_bytes(),
        &state.heads.0,
    ];
    if (state.kept, state.spent) != (SetDigest::NONE, SetDigest::NONE) {
        fields.push(&state.kept.0);
        fields.push(&state.spent.0);
    }
    length_prefixed(&fields)
}

const INSERT: &str =
    "INSERT INTO meta (id, root_key_check, generation, audit_seq, audit_digest, heads_digest, mac)
    VALUES (1, ?1, 0, 0, x'', x'', x'')";
const UPDATE: &str = "UPDATE meta
    SET generation = ?1, audit_seq = ?2, audit_digest = ?3, heads_digest = ?4, kept_digest = ?5,
        spent_digest = ?6, mac = ?7 WHERE id = 1";
const SELECT: &str =
    "SELECT generation, audit_seq, audit_digest, heads_digest, kept_digest, spent_digest, mac
    FROM meta WHERE id = 1";

#[cfg(test)]
mod tests {
    use casque_core::KeptRevision;
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
        let heads = BTreeMap::from([(name("a"), head(0x88, 1)), (name("b/c"), head(0x99, 2))]);
        let heads = key.digest(&heads).unwrap();
        assert_eq!(heads.0, vector.array("heads"));
        let digest = Digest::from(vector.array("audit digest"));
        let state = State {
            generation: Generation(2),
            audit: AuditHead { seq: 2, digest },
            heads,
            ..State::empty()
        };
        let mac = hmac::sign(&key.0, &message(&state).unwrap());
        assert_eq!(mac.as_ref(), vector.array("mac"));
    }

    #[test]
    fn state_with_kept_and_spent_has_the_mac_and_digests_of_its_vector() {
        let vector = Vector::read(&vectors().join("state-kept.txt"));
        assert_eq!(vector.text("expect"), "authentic");
        let root = RootKey::new(Zeroizing::new(vector.array("root")));
        let key = StateKey::new(root.state_key());
        let mut state = State {
            generation: Generation(2),
            audit: AuditHead {
                seq: 2,
                digest: Digest::from(vector.array("audit digest")),
            },
            heads: SetDigest(vector.array("heads")),
            ..State::empty()
        };
        let id = KeptId {
            policy: name("ns/app"),
            key: vector.text("key").parse().unwrap(),
        };
        let head = KeptHead {
            revision: KeptRevision(3),
            generation: Generation(2),
        };
        state.kept.toggle(&key.kept(&id, &head).unwrap());
        assert_eq!(state.kept.0, vector.array("kept"));
        let what = key.once(vector.text("once")).unwrap();
        let what = what.as_ref().try_into().unwrap();
        let until = Timestamp::from_unix_s(vector.text("until").parse().unwrap());
        assert_eq!(what, vector.array("what"));
        state.spent.toggle(&key.spent(&what, until).unwrap());
        assert_eq!(state.spent.0, vector.array("spent"));
        let mac = hmac::sign(&key.0, &message(&state).unwrap());
        assert_eq!(mac.as_ref(), vector.array("mac"));
    }

    #[test]
    fn heads_digest_moved_is_that_of_the_new_set() {
        let key = StateKey::new(RootKey::new(Zeroizing::new([1; 32])).state_key());
        let before = BTreeMap::from([(name("a"), head(1, 1)), (name("b"), head(2, 2))]);
        let after = BTreeMap::from([(name("a"), head(3, 3)), (name("b"), head(2, 2))]);
        let moved = key.moved(
            key.digest(&before).unwrap(),
            &name("a"),
            Some(&head(1, 1)),
            &head(3, 3),
        );
        assert_eq!(moved.unwrap(), key.digest(&after).unwrap());
    }
}
