//! What is kept and what is spent: across restarts, under many tasks, tampered with, and in databases of schema 1.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test program: a failed step is a failed test"
)]

mod place;
mod support;

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use assert_matches::assert_matches;
use casque_core::{
    AuditAction, AuditEvent, KeepError, Kept, KeptRevision, Once, PolicyPage, Spending, Store,
    StoreError,
};
use casque_store::{OpenError, SqliteStore};
use casque_types::{PolicyHash, Seconds, Secret, Timestamp};
use place::{Place, put};
use rusqlite::Connection;
use support::{NOW, event, hash_of, name, vectors};

const UNTIL: Timestamp = NOW.plus(Seconds(30));

async fn keep(
    store: &SqliteStore,
    policy: &str,
    key: &str,
    value: &str,
    expected: Option<u64>,
) -> Result<KeptRevision, KeepError> {
    let (policy, key) = (name(policy), key.parse().unwrap());
    let value = Secret::copied_from(value.as_bytes());
    let expected = expected.map(KeptRevision);
    store.keep(&policy, &key, value, expected, None).await
}

async fn kept(store: &SqliteStore, policy: &str, key: &str) -> Result<Option<Kept>, StoreError> {
    store.kept(&name(policy), &key.parse().unwrap()).await
}

async fn spend(store: &SqliteStore, what: &str, now: Timestamp) -> Result<Spending, StoreError> {
    let once = Once::new(what.to_owned(), UNTIL).unwrap();
    store.spend(once, now, None).await
}

/// The policies of [`Place::filled`]; `tag` of `ns/a` kept twice, `key` beside it, one for another policy and one in
/// another namespace; two things spent. Closed.
async fn filled() -> Place {
    let place = Place::filled().await;
    let store = place.open().unwrap();
    for (policy, key) in [
        ("ns/a", "tag"),
        ("ns/a", "key"),
        ("ns/b", "tag"),
        ("zz", "tag"),
    ] {
        keep(&store, policy, key, "first", None).await.unwrap();
    }
    place.tamper("CREATE TABLE old AS SELECT * FROM kept");
    for (policy, key) in [
        ("ns/a", "tag"),
        ("ns/a", "key"),
        ("ns/b", "tag"),
        ("zz", "tag"),
    ] {
        keep(&store, policy, key, "correct horse", Some(1))
            .await
            .unwrap();
    }
    spend(&store, "otp 1", NOW).await.unwrap();
    spend(&store, "otp battery", NOW).await.unwrap();
    place
}

#[tokio::test]
async fn kept_and_spent_are_found_after_reopening() {
    let place = filled().await;
    let store = place.open().unwrap();
    let found = kept(&store, "ns/a", "tag").await.unwrap().unwrap();
    assert_eq!(found.value.expose(), b"correct horse");
    assert_eq!(found.revision, KeptRevision(2));
    assert_matches!(kept(&store, "ns", "tag").await, Ok(None));
    assert_matches!(
        keep(&store, "ns/a", "tag", "x", Some(1)).await,
        Err(KeepError::Conflict {
            current: Some(KeptRevision(2))
        })
    );
    assert_matches!(spend(&store, "otp 1", UNTIL).await, Ok(Spending::Spent));
    assert_matches!(spend(&store, "otp 2", UNTIL).await, Ok(Spending::Fresh));
}

#[tokio::test]
async fn kept_over_many_puts_is_still_there() {
    let place = filled().await;
    let store = place.open().unwrap();
    put(&store, "ns/a", "three", Some("two")).await.unwrap();
    let next = keep(&store, "ns/a", "tag", "later", Some(2)).await;
    assert_matches!(next, Ok(KeptRevision(3)));
    drop(store);
    let store = place.open().unwrap();
    let found = kept(&store, "ns/a", "tag").await.unwrap().unwrap();
    assert_eq!(found.value.expose(), b"later");
}

#[tokio::test]
async fn database_holds_no_kept_value_and_no_name_of_what_is_spent() {
    let place = Place::new();
    let store = place.open().unwrap();
    keep(&store, "ns/a", "tag", "correct horse", None)
        .await
        .unwrap();
    spend(&store, "otp battery", NOW).await.unwrap();
    for file in ["casque.db", "casque.db-wal"] {
        let bytes = std::fs::read(place.settings().directory.join(file)).unwrap();
        for clear in [&b"correct horse"[..], b"battery"] {
            let found = bytes.windows(clear.len()).any(|window| window == clear);
            assert!(!found, "{file}");
        }
    }
}

#[tokio::test]
async fn audit_records_of_spend_and_keep_are_in_the_chain() {
    let place = Place::new();
    let store = place.open().unwrap();
    let audit = |action| {
        let event = event("ns/a");
        Some(AuditEvent { action, ..event })
    };
    let once = Once::new("otp".to_owned(), UNTIL).unwrap();
    let spent = store
        .spend(once.clone(), NOW, audit(AuditAction::ValueExported))
        .await;
    assert_matches!(spent, Ok(Spending::Fresh));
    let again = store
        .spend(once, NOW, audit(AuditAction::ValueExported))
        .await;
    assert_matches!(again, Ok(Spending::Spent));
    let (policy, key) = (name("ns/a"), "tag".parse().unwrap());
    let event = audit(AuditAction::VolumeKeyMade);
    let keep = store
        .keep(&policy, &key, Secret::copied_from(b"x"), None, event)
        .await;
    assert_matches!(keep, Ok(KeptRevision(1)));
    assert_eq!(store.verify_audit_chain().await.unwrap().seq, 2);
    let connection = Connection::open(place.database()).unwrap();
    let mut actions = connection
        .prepare("SELECT action FROM audit ORDER BY seq")
        .unwrap();
    let actions = actions
        .query_map([], |row| row.get::<_, String>(0))
        .unwrap();
    let actions: Vec<String> = actions.map(Result::unwrap).collect();
    assert_eq!(actions, ["value-exported", "volume-key-made"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_tasks_that_spend_the_same_have_one_that_finds_it_fresh() {
    let place = Place::new();
    let store = Arc::new(place.open().unwrap());
    let tasks = (0..100).map(|number| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { spend(&store, &format!("otp {}", number % 2), NOW).await })
    });
    let mut fresh = 0;
    for task in tasks.collect::<Vec<_>>() {
        fresh += i32::from(task.await.unwrap().unwrap() == Spending::Fresh);
    }
    assert_eq!(fresh, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_tasks_that_count_in_a_kept_value_lose_no_step() {
    let place = Place::new();
    let store = Arc::new(place.open().unwrap());
    let tasks = (0..8).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for _ in 0..10 {
                count(&store).await;
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let found = kept(&store, "a", "count").await.unwrap().unwrap();
    assert_eq!(found.value.expose_text(), Some("80"));
    assert_eq!(found.revision, KeptRevision(80));
}

/// Adds one to what is kept, as often as it takes.
async fn count(store: &SqliteStore) {
    loop {
        let found = kept(store, "a", "count").await.unwrap();
        let number = found.as_ref().map_or(0, |found| {
            let text = found.value.expose_text().unwrap();
            text.parse::<u64>().unwrap()
        });
        let revision = found.map(|found| found.revision.0);
        let next = number.saturating_add(1).to_string();
        match keep(store, "a", "count", &next, revision).await {
            Ok(_) => return,
            Err(KeepError::Conflict { .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn kept_or_spent_rows_tampered_with_are_refused_at_start() {
    for (what, sql, expected) in START_TAMPERING {
        let place = filled().await;
        place.tamper(sql);
        let refused = place.open().err();
        assert_matches!(
            refused,
            Some(OpenError::Damaged(StoreError::Damaged { record })) if record == *expected,
            "{what}"
        );
    }
}

#[tokio::test]
async fn kept_value_tampered_with_is_damaged_and_named() {
    for (what, sql) in VALUE_TAMPERING {
        let place = filled().await;
        place.tamper(sql);
        let store = place.open().unwrap();
        let refused = kept(&store, "ns/a", "tag").await;
        assert_matches!(
            refused,
            Err(StoreError::Damaged { record }) if record == "kept ns/a tag",
            "{what}"
        );
    }
}

#[tokio::test]
async fn kept_row_tampered_with_while_the_store_runs_is_damaged_and_named() {
    let table = [
        (
            "row put back",
            "DELETE FROM kept; INSERT INTO kept SELECT * FROM old",
        ),
        ("row removed", "DELETE FROM kept"),
        ("revision", "UPDATE kept SET revision = revision + 1"),
        ("generation", "UPDATE kept SET generation = generation - 1"),
        ("revision below zero", "UPDATE kept SET revision = -1"),
    ];
    for (what, sql) in table {
        let place = filled().await;
        let store = place.open().unwrap();
        place.tamper(sql);
        let refused = kept(&store, "ns/a", "tag").await;
        assert_matches!(
            refused,
            Err(StoreError::Damaged { record }) if record == "kept ns/a tag",
            "{what}"
        );
    }
}

#[tokio::test]
async fn database_of_schema_1_opens_with_all_it_holds_and_keeps_and_spends() {
    let place = of_schema_1();
    let store = place.open().unwrap();
    let history = store.history(&name("ns/a")).await.unwrap();
    let hashes: Vec<PolicyHash> = history.iter().map(|version| version.hash).collect();
    assert_eq!(hashes, [hash_of("one"), hash_of("two")]);
    let all = PolicyPage {
        under: None,
        after: None,
        at_most: 9,
    };
    assert_eq!(store.list(all).await.unwrap(), [name("ns/a"), name("zz")]);
    assert_matches!(kept(&store, "ns/a", "tag").await, Ok(None));
    keep(&store, "ns/a", "tag", "value", None).await.unwrap();
    assert_matches!(spend(&store, "otp", NOW).await, Ok(Spending::Fresh));
    put(&store, "ns/a", "three", Some("two")).await.unwrap();
    drop(store);
    let store = place.open().unwrap();
    let found = kept(&store, "ns/a", "tag").await.unwrap().unwrap();
    assert_eq!(found.value.expose(), b"value");
    assert_matches!(spend(&store, "otp", NOW).await, Ok(Spending::Spent));
    assert_eq!(store.history(&name("ns/a")).await.unwrap().len(), 3);
    assert_eq!(store.verify_audit_chain().await.unwrap().seq, 4);
}

#[tokio::test]
async fn database_of_schema_1_tampered_with_is_refused_as_before() {
    let table = [
        ("generation", "UPDATE meta SET generation = 2", "meta 1"),
        (
            "head removed",
            "DELETE FROM heads WHERE name = 'zz'",
            "heads",
        ),
    ];
    for (what, sql, expected) in table {
        let place = of_schema_1();
        place.tamper(sql);
        assert_matches!(
            place.open().err(),
            Some(OpenError::Damaged(StoreError::Damaged { record })) if record == expected,
            "{what}"
        );
    }
}

#[tokio::test]
async fn database_of_schema_1_with_another_root_key_is_refused_and_stays_readable() {
    let place = of_schema_1();
    let key_file = place.settings().root_key_file;
    std::fs::write(&key_file, [0x5a; 32]).unwrap();
    assert_matches!(place.open().err(), Some(OpenError::WrongRootKey { .. }));
    std::fs::write(&key_file, [0x77; 32]).unwrap();
    assert_matches!(place.open(), Ok(_));
}

/// A store as the program of schema 1 left it.
fn of_schema_1() -> Place {
    let place = Place::new();
    let settings = place.settings();
    std::fs::create_dir(&settings.directory).unwrap();
    std::fs::write(&settings.root_key_file, [0x77; 32]).unwrap();
    let owner_only = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&settings.root_key_file, owner_only).unwrap();
    let dump = std::fs::read_to_string(vectors().join("schema-1.sql")).unwrap();
    place.tamper(&dump);
    place
}

/// What is bent, how, and the record that is named when the store is opened.
const START_TAMPERING: &[(&str, &str, &str)] = &[
    (
        "kept rows put back",
        "DELETE FROM kept; INSERT INTO kept SELECT * FROM old",
        "kept",
    ),
    (
        "one kept row put back",
        "DELETE FROM kept WHERE policy = 'zz'; INSERT INTO kept SELECT * FROM old WHERE policy = 'zz'",
        "kept",
    ),
    (
        "kept row removed",
        "DELETE FROM kept WHERE policy = 'zz'",
        "kept",
    ),
    (
        "kept row added",
        "INSERT INTO kept SELECT policy, 'new', revision, generation, value FROM kept WHERE policy = 'zz'",
        "kept",
    ),
    (
        "revision",
        "UPDATE kept SET revision = 3 WHERE policy = 'zz'",
        "kept",
    ),
    (
        "revision below zero",
        "UPDATE kept SET revision = -1",
        "kept",
    ),
    (
        "generation",
        "UPDATE kept SET generation = 3 WHERE policy = 'zz'",
        "kept",
    ),
    (
        "policy of no name",
        "UPDATE kept SET policy = 'a b' WHERE policy = 'zz'",
        "kept",
    ),
    (
        "key of no name",
        "UPDATE kept SET key = 'ä' WHERE policy = 'zz'",
        "kept",
    ),
    (
        "use struck out",
        "DELETE FROM spent WHERE what = (SELECT min(what) FROM spent)",
        "spent",
    ),
    ("all uses struck out", "DELETE FROM spent", "spent"),
    (
        "use added",
        "INSERT INTO spent VALUES (zeroblob(32), 1)",
        "spent",
    ),
    (
        "use that ends earlier",
        "UPDATE spent SET until = until - 1 WHERE what = (SELECT min(what) FROM spent)",
        "spent",
    ),
    ("use below zero", "UPDATE spent SET until = -1", "spent"),
    (
        "use of another length",
        "UPDATE spent SET what = x'00' WHERE what = (SELECT min(what) FROM spent)",
        "spent",
    ),
    (
        "kept rows and their digest removed",
        "DELETE FROM kept; UPDATE meta SET kept_digest = zeroblob(32)",
        "meta 1",
    ),
    (
        "uses and their digest removed",
        "DELETE FROM spent; UPDATE meta SET spent_digest = zeroblob(32)",
        "meta 1",
    ),
    (
        "both, as in schema 1",
        "DELETE FROM kept; DELETE FROM spent; UPDATE meta SET kept_digest = zeroblob(32), spent_digest = zeroblob(32)",
        "meta 1",
    ),
    (
        "digests swapped",
        "UPDATE meta SET kept_digest = spent_digest, spent_digest = kept_digest",
        "meta 1",
    ),
    (
        "digest of another length",
        "UPDATE meta SET kept_digest = x''",
        "meta 1",
    ),
];

/// What is bent, and how; `tag` of `ns/a` does not open any more.
const VALUE_TAMPERING: &[(&str, &str)] = &[
    (
        "value bent",
        "UPDATE kept SET value = CAST(substr(value, 1, 20) || x'00' || substr(value, 22) AS BLOB)",
    ),
    (
        "value of another key",
        "UPDATE kept SET value = (SELECT value FROM kept WHERE policy = 'ns/a' AND key = 'key') WHERE key = 'tag'",
    ),
    (
        "value of another policy",
        "UPDATE kept SET value = (SELECT value FROM kept WHERE policy = 'ns/b') WHERE policy = 'ns/a'",
    ),
    (
        "value of another namespace",
        "UPDATE kept SET value = (SELECT value FROM kept WHERE policy = 'zz') WHERE policy = 'ns/a'",
    ),
    (
        "value of the older revision",
        "UPDATE kept SET value = (SELECT value FROM old WHERE old.policy = kept.policy AND old.key = kept.key)",
    ),
    (
        "text in place of the value",
        "UPDATE kept SET value = (SELECT text FROM policies WHERE generation = 4) WHERE policy = 'ns/a'",
    ),
    (
        "older key version",
        "UPDATE kept SET value = CAST(x'0100000000' || substr(value, 6) AS BLOB)",
    ),
    ("value emptied", "UPDATE kept SET value = x''"),
];
