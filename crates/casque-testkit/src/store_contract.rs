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

/// Names come once each, in the order of their bytes, page by page.
pub async fn list_is_in_byte_order_by_pages(store: &impl Store) {
    put_all(store).await;
    list(store, None, None, 99, &NAMES).await;
    list(store, None, None, 0, &[]).await;
    list(store, None, None, 2, &["a", "a-b"]).await;
    list(store, None, Some("a-b"), 2, &["a.b", "a/B"]).await;
    list(store, None, Some("a0"), 9, &["b/c"]).await;
    list(store, None, Some("b/c"), 9, &[]).await;
}

/// Those under a name come at any depth, without the name itself and without its neighbours.
pub async fn list_under_a_name_is_its_descendants(store: &impl Store) {
    put_all(store).await;
    let under_a = ["a/B", "a/b", "a/b/c", "a/b/c/d"];
    list(store, Some("a"), None, 99, &under_a).await;
    list(store, Some("a"), Some("a-b"), 2, &["a/B", "a/b"]).await;
    list(store, Some("a"), Some("a/absent"), 2, &["a/b", "a/b/c"]).await;
    list(store, Some("a"), Some("a/b/c"), 9, &["a/b/c/d"]).await;
    list(store, Some("a"), Some("b"), 9, &[]).await;
    list(store, Some("a/b"), None, 9, &["a/b/c", "a/b/c/d"]).await;
    list(store, Some("absent"), None, 9, &[]).await;
}

/// In the order of their bytes.
const NAMES: [&str; 9] = [
    "a", "a-b", "a.b", "a/B", "a/b", "a/b/c", "a/b/c/d", "a0", "b/c",
];

async fn put_all(store: &impl Store) {
    for policy in NAMES.iter().rev() {
        put(store, policy, 1, None).await.unwrap();
    }
    put(store, "a/b", 2, Some(1)).await.unwrap();
}

async fn list(
    store: &impl Store,
    under: Option<&str>,
    after: Option<&str>,
    at_most: usize,
    expected: &[&str],
) {
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

/// A thing is fresh once, until its time is over; then it is spent for good.
pub async fn spend_is_fresh_once(store: &impl Store) {
    let table = [
        ("otp a 1", 30, 10, Spending::Fresh),
        ("otp a 1", 30, 10, Spending::Spent),
        ("otp a 1", 99, 30, Spending::Spent),
        ("otp a 2", 40, 30, Spending::Fresh),
        ("otp a 3", 30, 31, Spending::Spent),
        ("otp a 1", 30, 31, Spending::Spent),
        ("otp a 2", 40, 31, Spending::Spent),
        // The first is forgotten; the same name with a later end is another thing.
        ("otp a 1", 60, 31, Spending::Fresh),
    ];
    for (step, (what, until, now, expected)) in table.into_iter().enumerate() {
        let once = Once::new(what.to_owned(), at(until)).unwrap();
        let audit = Some(event(AuditAction::PolicyRead));
        let found = store.spend(once, at(now), audit).await.unwrap();
        assert_eq!(found, expected, "step {step}");
    }
}

/// A value is kept over the revision that the caller has seen, and over no other.
pub async fn keep_is_compare_and_set(store: &impl Store) {
    let conflict = async |expected, current| {
        assert_matches!(
            keep(store, "ns/app", "tag", b"x", expected).await,
            Err(KeepError::Conflict { current: found }) if found == current,
            "{expected:?}"
        );
    };
    conflict(Some(1), None).await;
    for (number, expected) in [(1, None), (2, Some(1)), (3, Some(2))] {
        let revision = keep(store, "ns/app", "tag", &[7], expected).await.unwrap();
        let current = Some(revision);
        assert_eq!(current, Some(KeptRevision(number)));
        conflict(None, current).await;
        conflict(Some(number.saturating_sub(1)), current).await;
        conflict(Some(number.saturating_add(1)), current).await;
    }
}

/// Each policy has its own values, beside its versions and whether or not it has one, of up to 1 MiB.
pub async fn kept_are_told_apart_and_outlive_versions(store: &impl Store) {
    let (widest, longest) = ("~".repeat(1200), vec![7; Kept::MAX_VALUE_BYTES]);
    let all: [(&str, &str, &[u8]); 4] = [
        ("ns/app", "tag", &longest),
        ("ns/app", &widest, b"widest"),
        ("ns/app2", "tag", b""),
        ("ns", "tag", b"parent"),
    ];
    for (policy, key, value) in all {
        assert_matches!(store.kept(&name(policy), &id(key)).await, Ok(None));
        let kept = keep(store, policy, key, value, None).await;
        assert_matches!(kept, Ok(KeptRevision(1)));
    }
    put(store, "ns/app", 1, None).await.unwrap();
    put(store, "ns/app", 2, Some(1)).await.unwrap();
    for (policy, key, value) in all {
        let kept = store.kept(&name(policy), &id(key)).await.unwrap().unwrap();
        assert_eq!(kept.value.expose(), value, "{policy} {key}"); // to be compared
        assert_eq!(kept.revision, KeptRevision(1), "{policy} {key}");
    }
}

/// A value of more than 1 MiB is refused, and the one before it stays.
pub async fn keep_of_a_value_too_long_is_refused(store: &impl Store) {
    let too_long = vec![7; Kept::MAX_VALUE_BYTES.saturating_add(1)];
    keep(store, "app", "tag", b"one", None).await.unwrap();
    assert_matches!(
        keep(store, "app", "tag", &too_long, Some(1)).await,
        Err(KeepError::TooLong { found_bytes }) if found_bytes == too_long.len()
    );
    let kept = store.kept(&name("app"), &id("tag")).await.unwrap().unwrap();
    assert_eq!(kept.value.expose(), b"one"); // to be compared
}

async fn keep(
    store: &impl Store,
    policy: &str,
    key: &str,
    value: &[u8],
    expected: Option<u64>,
) -> Result<KeptRevision, KeepError> {
    let audit = Some(event(AuditAction::VolumeKeyMade));
    let (value, expected) = (Secret::copied_from(value), expected.map(KeptRevision));
    store
        .keep(&name(policy), &id(key), value, expected, audit)
        .await
}

fn name(text: &str) -> PolicyName {
    text.parse().unwrap()
}

fn id(text: &str) -> KeptKey {
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
