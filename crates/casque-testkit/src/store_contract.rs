//! What every `casque_core::Store` does, whatever stands behind it: run against the fake and against the real ones.
//!
//! Each function starts from a store of its own, empty. Faults, crashes and tampering are the adapter's own tests.

#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "tests that several crates run: a failed step is a failed test"
)]

use assert_matches::assert_matches;
use casque_core::{
    AuditAction, AuditEvent, KeepError, Kept, KeptKey, KeptRevision, NewPolicy, Once, PolicyPage,
    PolicyRecord, PutError, Spending, Store, VersionSummary,
};
use casque_types::{KeyHash, PolicyHash, PolicyName, Secret, Timestamp, sha256};

/// Versions are found one after the other, each put over the one before it only.
pub async fn history_follows_the_predecessors(store: &impl Store) {
    let policy = name("ns/app");
    assert_eq!(store.history(&policy).await.unwrap(), []);
    put(store, "ns/app", 1, None).await.unwrap();
    put(store, "ns/app2", 9, None).await.unwrap();
    put(store, "ns/app", 2, Some(1)).await.unwrap();
    put(store, "ns/app", 3, Some(2)).await.unwrap();
    for (number, predecessor, current) in [(4, None, 3), (4, Some(2), 3), (3, Some(3), 3)] {
        assert_matches!(
            put(store, "ns/app", number, predecessor).await,
            Err(PutError::Conflict { current: Some(found) }) if found == hash(current)
        );
    }
    let expected = [(1, None), (2, Some(1)), (3, Some(2))];
    let expected = expected.map(|(number, predecessor)| VersionSummary {
        hash: hash(number),
        predecessor: predecessor.map(hash),
        created: at(u64::from(number)),
    });
    assert_eq!(store.history(&policy).await.unwrap(), expected);
    assert_eq!(store.history(&name("ns")).await.unwrap(), []);
}

/// Names come in the order of their bytes, page by page, and those under a name without the name itself.
pub async fn list_is_in_byte_order_by_pages_and_namespace(store: &impl Store) {
    let sorted = [
        "a", "a-b", "a.b", "a/B", "a/b", "a/b/c", "a/b/c/d", "a0", "b/c",
    ];
    for policy in sorted.iter().rev() {
        put(store, policy, 1, None).await.unwrap();
    }
    put(store, "a/b", 2, Some(1)).await.unwrap();
    let table: [(Option<&str>, Option<&str>, usize, &[&str]); 13] = [
        (None, None, 99, &sorted),
        (None, None, 0, &[]),
        (None, None, 2, &["a", "a-b"]),
        (None, Some("a-b"), 2, &["a.b", "a/B"]),
        (None, Some("a0"), 9, &["b/c"]),
        (None, Some("b/c"), 9, &[]),
        (Some("a"), None, 99, &["a/B", "a/b", "a/b/c", "a/b/c/d"]),
        (Some("a"), Some("a-b"), 2, &["a/B", "a/b"]),
        (Some("a"), Some("a/absent"), 9, &["a/b", "a/b/c", "a/b/c/d"]),
        (Some("a"), Some("a/b/c"), 9, &["a/b/c/d"]),
        (Some("a"), Some("b"), 9, &[]),
        (Some("a/b"), None, 9, &["a/b/c", "a/b/c/d"]),
        (Some("absent"), None, 9, &[]),
    ];
    for (under, after, at_most, expected) in table {
        let (under, after) = (under.map(name), after.map(name));
        let page = PolicyPage {
            under: under.as_ref(),
            after: after.as_ref(),
            at_most,
        };
        let found = store.list(page).await.unwrap();
        let found: Vec<&str> = found.iter().map(PolicyName::as_str).collect();
        assert_eq!(found, expected, "{page:?}");
    }
}

/// A thing is fresh once, until its time is over; then it is spent for good.
pub async fn spend_is_fresh_once(store: &impl Store) {
    let spend = async |what: &str, until: u64, now: u64| {
        let once = Once::new(what.to_owned(), at(until)).unwrap();
        let audit = Some(event(AuditAction::PolicyRead));
        store.spend(once, at(now), audit).await.unwrap()
    };
    assert_eq!(spend("otp a 1", 30, 10).await, Spending::Fresh);
    assert_eq!(spend("otp a 1", 30, 10).await, Spending::Spent);
    assert_eq!(spend("otp a 1", 99, 30).await, Spending::Spent);
    assert_eq!(spend("otp a 2", 40, 30).await, Spending::Fresh);
    assert_eq!(spend("otp a 3", 30, 31).await, Spending::Spent);
    assert_eq!(spend("otp a 1", 30, 31).await, Spending::Spent);
    assert_eq!(spend("otp a 2", 40, 31).await, Spending::Spent);
    // The first is forgotten; the same name with a later end is another thing.
    assert_eq!(spend("otp a 1", 60, 31).await, Spending::Fresh);
}

/// A value is kept over the revision that the caller has seen, and over no other.
pub async fn keep_is_compare_and_set(store: &impl Store) {
    let (policy, other) = (name("ns/app"), name("ns/app2"));
    let (tag, wide) = (key("volume data tag"), key(&"~".repeat(1200)));
    assert_matches!(store.kept(&policy, &tag).await, Ok(None));
    let keep = async |policy: &PolicyName, key: &KeptKey, value: &[u8], expected: Option<u64>| {
        let audit = Some(event(AuditAction::VolumeTagUpdated));
        let (value, expected) = (Secret::copied_from(value), expected.map(KeptRevision));
        store.keep(policy, key, value, expected, audit).await
    };
    assert_matches!(
        keep(&policy, &tag, b"x", Some(1)).await,
        Err(KeepError::Conflict { current: None })
    );
    assert_matches!(keep(&policy, &tag, b"one", None).await, Ok(KeptRevision(1)));
    for expected in [None, Some(0), Some(2)] {
        assert_matches!(
            keep(&policy, &tag, b"x", expected).await,
            Err(KeepError::Conflict {
                current: Some(KeptRevision(1))
            })
        );
    }
    assert_matches!(keep(&other, &tag, b"", None).await, Ok(KeptRevision(1)));
    assert_matches!(
        keep(&policy, &wide, b"wide", None).await,
        Ok(KeptRevision(1))
    );
    // The policy's versions come and go beside it.
    put(store, "ns/app", 1, None).await.unwrap();
    let longest = vec![7; Kept::MAX_VALUE_BYTES];
    assert_matches!(
        keep(&policy, &tag, &longest, Some(1)).await,
        Ok(KeptRevision(2))
    );
    let found_bytes = Kept::MAX_VALUE_BYTES.saturating_add(1);
    assert_matches!(
        keep(&policy, &tag, &vec![7; found_bytes], Some(2)).await,
        Err(KeepError::TooLong { found_bytes: found }) if found == found_bytes
    );
    put(store, "ns/app", 2, Some(1)).await.unwrap();
    let table: [(_, _, &[u8], _); 3] = [
        (&policy, &tag, &longest, 2),
        (&other, &tag, b"", 1),
        (&policy, &wide, b"wide", 1),
    ];
    for (policy, key, value, revision) in table {
        let kept = store.kept(policy, key).await.unwrap().unwrap();
        let found = (kept.value.expose(), kept.revision); // to be compared
        assert_eq!(found, (value, KeptRevision(revision)));
    }
}

fn name(text: &str) -> PolicyName {
    text.parse().unwrap()
}

fn key(text: &str) -> KeptKey {
    text.parse().unwrap()
}

fn hash(number: u8) -> PolicyHash {
    sha256(&[number]).into()
}

const fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_s(seconds)
}

fn event(action: AuditAction) -> AuditEvent {
    AuditEvent {
        at: at(5),
        action,
        subject: "ns/app".to_owned(),
        policy: hash(1),
        caller: None,
        facts: Vec::new(),
    }
}

async fn put(
    store: &impl Store,
    policy: &str,
    number: u8,
    predecessor: Option<u8>,
) -> Result<(), PutError> {
    let record = PolicyRecord {
        name: name(policy),
        hash: hash(number),
        predecessor: predecessor.map(hash),
        creator: KeyHash::from([9; 32]),
        text: Secret::copied_from(b"text"),
        created: at(u64::from(number)),
    };
    let new = NewPolicy {
        record,
        values: Vec::new(),
    };
    store.put(new, event(AuditAction::PolicyUpdated)).await
}
