//! What the store's tests start from: a counted source of randomness, a policy, an event.

#![allow(dead_code, reason = "each test program uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests only: a failed step is a failed test"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use casque_core::{AuditAction, AuditEvent, NewPolicy, PolicyRecord};
use casque_types::{
    KeyHash, PolicyHash, PolicyName, Rng, RngError, Secret, SecretName, Timestamp, sha256,
};

/// Bytes that never repeat within a test, and are the same in each run.
#[derive(Debug, Default)]
pub(crate) struct CountedRng(AtomicU64);

impl CountedRng {
    pub(crate) fn shared() -> Arc<dyn Rng> {
        Arc::new(Self::default())
    }
}

impl Rng for CountedRng {
    fn fill(&self, out: &mut [u8]) -> Result<(), RngError> {
        for chunk in out.chunks_mut(32) {
            let block = sha256(&self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes());
            chunk.copy_from_slice(&block.as_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

pub(crate) fn name(text: &str) -> PolicyName {
    text.parse().unwrap()
}

pub(crate) fn secret_name(text: &str) -> SecretName {
    text.parse().unwrap()
}

pub(crate) fn hash_of(text: &str) -> PolicyHash {
    PolicyHash::from(sha256(text.as_bytes()))
}

pub(crate) const NOW: Timestamp = Timestamp::from_unix_s(1_795_424_399);

/// A version with this text, and two secrets: `password`, whose value is `value of <text>`, and `token`.
pub(crate) fn version(policy: &str, text: &str, predecessor: Option<PolicyHash>) -> NewPolicy {
    let record = PolicyRecord {
        name: name(policy),
        hash: hash_of(text),
        predecessor,
        creator: KeyHash::of_spki(b"author"),
        text: Secret::copied_from(text.as_bytes()),
        created: NOW,
    };
    let value = format!("value of {text}").into_bytes();
    NewPolicy {
        record,
        values: vec![
            (secret_name("password"), Secret::new(value)),
            (secret_name("token"), Secret::copied_from(b"token")),
        ],
    }
}

pub(crate) fn event(subject: &str) -> AuditEvent {
    AuditEvent {
        at: NOW,
        action: AuditAction::ConfigurationReleased,
        subject: subject.to_owned(),
        policy: hash_of(subject),
        caller: Some(KeyHash::of_spki(b"caller")),
        facts: vec![("verifier", "sgx".to_owned())],
    }
}

/// `vectors/store` of this repository.
pub(crate) fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/store")
}

/// The `key: value` lines of a vector.
pub(crate) struct Vector(Vec<(String, String)>);

impl Vector {
    pub(crate) fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        let line = |line: &str| {
            let (key, value) = line.split_once(':').unwrap();
            (key.to_owned(), value.trim().to_owned())
        };
        Self(text.lines().map(line).collect())
    }

    pub(crate) fn text(&self, key: &str) -> &str {
        let found = self.0.iter().find(|(name, _)| name == key);
        &found.unwrap_or_else(|| panic!("no `{key}`")).1
    }

    pub(crate) fn bytes(&self, key: &str) -> Vec<u8> {
        hex::decode(self.text(key)).unwrap()
    }

    pub(crate) fn array(&self, key: &str) -> [u8; 32] {
        self.bytes(key).try_into().unwrap()
    }
}
