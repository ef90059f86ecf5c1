//! The store through its port: versions, conflicts, tampering with its database, keys and files.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test program: a failed step is a failed test"
)]

mod place;
mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use assert_matches::assert_matches;
use casque_core::{PutError, Store, StoreError};
use casque_store::{AuditDamage, OpenError, RootKeyError, SqliteStore};
use casque_types::{PolicyHash, Timestamp};
use place::{Place, put};
use support::{event, hash_of, name, secret_name, version};

async fn text_of(store: &SqliteStore, policy: &str, text: &str) -> Result<String, StoreError> {
    let record = store.load(&name(policy), &hash_of(text)).await?.unwrap();
    Ok(record.text.expose_text().unwrap().to_owned())
}

async fn value_of(store: &SqliteStore, policy: &str, text: &str) -> Result<Vec<u8>, StoreError> {
    let wanted = [secret_name("absent"), secret_name("password")];
    let values = store.values(&name(policy), &hash_of(text), &wanted).await?;
    assert_eq!(values.len(), 1);
    Ok(values[0].1.expose().to_vec())
}

#[tokio::test]
async fn policy_put_is_read_back_after_reopening() {
    let place = Place::new();
    let store = place.open().unwrap();
    put(&store, "ns/a", "one", None).await.unwrap();
    drop(store);
    let store = place.open().unwrap();
    let (policy, hash) = (name("ns/a"), hash_of("one"));
    assert_eq!(store.head(&policy).await.unwrap(), Some(hash));
    let kept = store.load(&policy, &hash).await.unwrap().unwrap();
    let expected = version("ns/a", "one", None).record;
    assert_eq!((kept.name, kept.hash), (expected.name, expected.hash));
    assert_eq!(kept.predecessor, None);
    assert_eq!(kept.creator, expected.creator);
    assert_eq!(kept.created, expected.created);
    assert_eq!(kept.text.expose(), b"one");
    assert_eq!(
        value_of(&store, "ns/a", "one").await.unwrap(),
        b"value of one"
    );
    store.check().await.unwrap();
}

#[tokio::test]
async fn policy_never_put_is_absent() {
    let store = Place::new();
    let store = store.open().unwrap();
    assert_eq!(store.head(&name("a")).await.unwrap(), None);
    let record = store.load(&name("a"), &hash_of("one")).await.unwrap();
    assert_matches!(record, None);
    let wanted = [secret_name("password")];
    let values = store.values(&name("a"), &hash_of("one"), &wanted).await;
    assert_matches!(values.unwrap().as_slice(), []);
}

#[tokio::test]
async fn policy_updated_keeps_every_version() {
    let place = Place::filled().await;
    let store = place.open().unwrap();
    assert_eq!(
        store.head(&name("ns/a")).await.unwrap(),
        Some(hash_of("two"))
    );
    for text in ["one", "two"] {
        assert_eq!(text_of(&store, "ns/a", text).await.unwrap(), text);
        let value = value_of(&store, "ns/a", text).await.unwrap();
        assert_eq!(value, format!("value of {text}").into_bytes());
    }
}

#[tokio::test]
async fn policy_put_over_another_head_conflicts_and_names_it() {
    let place = Place::filled().await;
    let store = place.open().unwrap();
    for predecessor in [None, Some("one"), Some("unknown")] {
        let refused = put(&store, "ns/a", "three", predecessor).await;
        assert_matches!(
            refused,
            Err(PutError::Conflict { current: Some(hash) }) if hash == hash_of("two")
        );
    }
    let refused = put(&store, "new", "one", Some("unknown")).await;
    assert_matches!(refused, Err(PutError::Conflict { current: None }));
}

#[tokio::test]
async fn policy_put_twice_conflicts_with_itself() {
    let place = Place::filled().await;
    let store = place.open().unwrap();
    let refused = put(&store, "ns/a", "two", Some("two")).await;
    assert_matches!(refused, Err(PutError::Conflict { current: Some(_) }));
}

#[tokio::test]
async fn policy_put_with_a_time_beyond_the_database_is_unavailable_and_leaves_nothing() {
    let place = Place::new();
    let store = place.open().unwrap();
    let mut new = version("a", "one", None);
    new.record.created = Timestamp::from_unix_s(u64::MAX);
    let refused = store.put(new, event("a")).await;
    assert_matches!(
        refused,
        Err(PutError::Store(StoreError::Unavailable { .. }))
    );
    assert_eq!(store.head(&name("a")).await.unwrap(), None);
    put(&store, "a", "one", None).await.unwrap();
}

#[tokio::test]
async fn database_holds_no_text_and_no_value_in_clear() {
    let place = Place::new();
    let store = place.open().unwrap();
    let text = "password: correct horse battery staple";
    put(&store, "ns/a", text, None).await.unwrap();
    for file in ["casque.db", "casque.db-wal"] {
        let bytes = std::fs::read(place.settings().directory.join(file)).unwrap();
        let found = bytes.windows(13).any(|window| window == b"correct horse");
        assert!(!found, "{file}");
    }
}

#[tokio::test]
async fn files_made_are_for_this_user_alone() {
    let place = Place::new();
    let store = place.open().unwrap();
    put(&store, "a", "one", None).await.unwrap();
    let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let directory = place.settings().directory;
    assert_eq!(mode(directory.clone()), 0o700);
    for file in ["casque.db", "casque.db-wal", "casque.db-shm", "casque.lock"] {
        assert_eq!(mode(directory.join(file)), 0o600, "{file}");
    }
}

#[tokio::test]
async fn policy_record_tampered_with_is_damaged_and_named() {
    for (what, sql) in POLICY_TAMPERING {
        let place = Place::filled().await;
        place.tamper(sql);
        let store = place.open().unwrap();
        let refused = text_of(&store, "ns/a", "two").await;
        assert_matches!(
            refused,
            Err(StoreError::Damaged { record }) if record.contains("ns"),
            "{what}"
        );
    }
}

#[tokio::test]
async fn history_with_a_record_tampered_with_is_damaged_and_named() {
    let more = [
        (
            "first version removed",
            "DELETE FROM policies WHERE generation = 1",
        ),
        (
            "first version's time",
            "UPDATE policies SET created = created + 1 WHERE generation = 1",
        ),
        (
            "chain cut",
            "UPDATE policies SET predecessor = NULL WHERE generation = 4",
        ),
        ("chain closed", "UPDATE policies SET predecessor = hash"),
    ];
    for (what, sql) in POLICY_TAMPERING.iter().chain(&more) {
        let place = Place::filled().await;
        place.tamper(sql);
        let refused = place.open().unwrap().history(&name("ns/a")).await;
        assert_matches!(
            refused,
            Err(StoreError::Damaged { record }) if record.contains("ns"),
            "{what}"
        );
    }
}

#[tokio::test]
async fn value_record_tampered_with_is_damaged_and_named() {
    for (what, sql) in VALUE_TAMPERING {
        let place = Place::filled().await;
        place.tamper(sql);
        let store = place.open().unwrap();
        let refused = value_of(&store, "ns/a", "two").await;
        assert_matches!(
            refused,
            Err(StoreError::Damaged { record }) if record.starts_with("secret_values ns/a"),
            "{what}"
        );
    }
}

#[tokio::test]
async fn heads_or_state_tampered_with_are_refused_at_start() {
    let table = [
        (
            "head put back",
            "UPDATE heads SET hash = (SELECT hash FROM policies WHERE generation = 1), generation = 1 WHERE name = 'ns/a'",
            "heads",
        ),
        (
            "head removed",
            "DELETE FROM heads WHERE name = 'ns/a'",
            "heads",
        ),
        (
            "head added",
            "INSERT INTO heads SELECT 'new', hash, generation FROM heads WHERE name = 'zz'",
            "heads",
        ),
        (
            "heads swapped",
            "UPDATE heads SET hash = zeroblob(32) WHERE name = 'zz'",
            "heads",
        ),
        (
            "head of another length",
            "UPDATE heads SET hash = x'00' WHERE name = 'zz'",
            "heads",
        ),
        (
            "head of no name",
            "UPDATE heads SET name = 'a b' WHERE name = 'zz'",
            "heads",
        ),
        ("generation", "UPDATE meta SET generation = 3", "meta 1"),
        ("audit end", "UPDATE meta SET audit_seq = 3", "meta 1"),
        ("mac", "UPDATE meta SET mac = zeroblob(32)", "meta 1"),
        ("state removed", "UPDATE meta SET mac = x''", "meta 1"),
    ];
    for (what, sql, expected) in table {
        let place = Place::filled().await;
        place.tamper(sql);
        let refused = place.open().err();
        assert_matches!(
            refused,
            Some(OpenError::Damaged(StoreError::Damaged { record })) if record == expected,
            "{what}"
        );
    }
}

#[tokio::test]
async fn audit_log_follows_to_its_end() {
    let place = Place::filled().await;
    let store = place.open().unwrap();
    let before = store.verify_audit_chain().await.unwrap();
    assert_eq!(before.seq, 4);
    store.append_audit(event("ns/a/web")).await.unwrap();
    let after = store.verify_audit_chain().await.unwrap();
    assert_eq!(after.seq, 5);
    assert_ne!(after.digest, before.digest);
}

#[tokio::test]
async fn audit_log_tampered_with_is_located() {
    let changed = [
        "UPDATE audit SET subject = 'x' WHERE seq = 2",
        "UPDATE audit SET at = at + 1 WHERE seq = 2",
        "UPDATE audit SET action = 'policy-read' WHERE seq = 2",
        "UPDATE audit SET policy = zeroblob(32) WHERE seq = 2",
        "UPDATE audit SET caller = NULL WHERE seq = 2",
        "UPDATE audit SET facts = '[]' WHERE seq = 2",
        "UPDATE audit SET previous = zeroblob(32) WHERE seq = 2",
        "UPDATE audit SET digest = zeroblob(32) WHERE seq = 2",
    ];
    for sql in changed {
        let place = Place::filled().await;
        place.tamper(sql);
        let store = place.open().unwrap();
        let damage = store.verify_audit_chain().await;
        assert_matches!(damage, Err(AuditDamage::Entry { seq: 2 }), "{sql}");
    }
}

#[tokio::test]
async fn audit_log_with_an_entry_removed_is_located() {
    let place = Place::filled().await;
    place.tamper("DELETE FROM audit WHERE seq = 2");
    let damage = place.open().unwrap().verify_audit_chain().await;
    assert_matches!(
        damage,
        Err(AuditDamage::Order {
            expected: 2,
            found: 3
        })
    );
}

#[tokio::test]
async fn audit_log_cut_short_does_not_reach_its_end() {
    let place = Place::filled().await;
    place.tamper("DELETE FROM audit WHERE seq > 2");
    let damage = place.open().unwrap().verify_audit_chain().await;
    assert_matches!(
        damage,
        Err(AuditDamage::End {
            expected: 4,
            found: 2
        })
    );
}

#[tokio::test]
async fn root_key_of_another_store_is_refused_at_start() {
    let place = Place::filled().await;
    std::fs::write(place.settings().root_key_file, [0x5a; 32]).unwrap();
    assert_matches!(place.open().err(), Some(OpenError::WrongRootKey { .. }));
}

#[tokio::test]
async fn root_key_lost_is_not_made_anew_for_an_existing_database() {
    let place = Place::filled().await;
    let file = place.settings().root_key_file;
    std::fs::remove_file(&file).unwrap();
    assert_matches!(
        place.open().err(),
        Some(OpenError::RootKey(RootKeyError::Absent { .. }))
    );
    assert!(!file.exists());
}

#[tokio::test]
async fn database_of_a_later_version_is_refused() {
    let place = Place::filled().await;
    place.tamper("PRAGMA user_version = 3");
    assert_matches!(
        place.open().err(),
        Some(OpenError::NewerSchema {
            found: 3,
            known: 2,
            ..
        })
    );
}

#[tokio::test]
async fn store_in_use_is_refused_until_it_is_closed() {
    let place = Place::new();
    let first = place.open().unwrap();
    assert_matches!(place.open().err(), Some(OpenError::InUse { .. }));
    drop(first);
    assert_matches!(place.open(), Ok(_));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_tasks_that_put_and_append_are_all_on_record() {
    let place = Place::new();
    let store = Arc::new(place.open().unwrap());
    let tasks = (0..200).map(|number| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let policy = format!("ns{}/p{number}", number % 5);
            put(&store, &policy, &policy, None).await.unwrap();
            store.append_audit(event(&policy)).await.unwrap();
            assert_eq!(text_of(&store, &policy, &policy).await.unwrap(), policy);
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    assert_eq!(store.verify_audit_chain().await.unwrap().seq, 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_tasks_that_follow_one_version_have_one_winner() {
    let place = Place::new();
    let store = Arc::new(place.open().unwrap());
    put(&store, "a", "first", None).await.unwrap();
    let tasks = (0..50).map(|number| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let text = format!("second {number}");
            let outcome = put(&store, "a", &text, Some("first")).await;
            (hash_of(&text), outcome)
        })
    });
    let mut winners: Vec<PolicyHash> = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        match task.await.unwrap() {
            (hash, Ok(())) => winners.push(hash),
            (_, Err(PutError::Conflict { current: Some(_) })) => {}
            (_, other) => panic!("{other:?}"),
        }
    }
    assert_eq!(winners.len(), 1);
    assert_eq!(
        store.head(&name("a")).await.unwrap(),
        winners.first().copied()
    );
}

#[tokio::test]
async fn store_dropped_has_written_what_was_queued() {
    let place = Place::new();
    let store = Arc::new(place.open().unwrap());
    let tasks = (0..50).map(|number| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { put(&store, &format!("p{number}"), "x", None).await })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap().unwrap();
    }
    drop(store);
    let store = place.open().unwrap();
    assert_eq!(store.verify_audit_chain().await.unwrap().seq, 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn store_with_10_000_policies_opens_with_all_their_heads() {
    let place = Place::new();
    let store = Arc::new(place.open().unwrap());
    let tasks = (0..10_000).map(|number| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { put(&store, &format!("ns/p{number}"), "x", None).await })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap().unwrap();
    }
    drop(store);
    let store = place.open().unwrap();
    for number in [0, 5_000, 9_999] {
        let head = store.head(&name(&format!("ns/p{number}"))).await;
        assert_eq!(head.unwrap(), Some(hash_of("x")));
    }
}

/// What is bent, and how; the version `two` of `ns/a` does not open any more.
const POLICY_TAMPERING: &[(&str, &str)] = &[
    (
        "text bent",
        "UPDATE policies SET text = CAST(substr(text, 1, 40) || x'00' || substr(text, 42) AS BLOB)",
    ),
    (
        "text of another row",
        "UPDATE policies SET text = (SELECT text FROM policies WHERE name = 'ns/b')",
    ),
    (
        "text of the older version",
        "UPDATE policies SET text = (SELECT text FROM policies WHERE generation = 1), generation = 1 WHERE generation = 4",
    ),
    (
        "text of another namespace",
        "UPDATE policies SET text = (SELECT text FROM policies WHERE name = 'zz')",
    ),
    (
        "value in place of the text",
        "UPDATE policies SET text = (SELECT value FROM secret_values WHERE secret_values.hash = policies.hash)",
    ),
    (
        "generation",
        "UPDATE policies SET generation = generation + 1",
    ),
    (
        "generation below zero",
        "UPDATE policies SET generation = -1",
    ),
    ("creator", "UPDATE policies SET creator = zeroblob(32)"),
    (
        "creator of another length",
        "UPDATE policies SET creator = x'00'",
    ),
    ("predecessor", "UPDATE policies SET predecessor = NULL"),
    ("created", "UPDATE policies SET created = created + 1"),
    (
        "older key version",
        "UPDATE policies SET text = CAST(x'0100000000' || substr(text, 6) AS BLOB)",
    ),
    (
        "newer key version",
        "UPDATE policies SET text = CAST(x'0100000002' || substr(text, 6) AS BLOB)",
    ),
    (
        "layout version",
        "UPDATE policies SET text = CAST(x'02' || substr(text, 2) AS BLOB)",
    ),
    ("text emptied", "UPDATE policies SET text = x''"),
    (
        "current version removed",
        "DELETE FROM policies WHERE generation = 4",
    ),
    (
        "namespace key of another namespace",
        "UPDATE namespace_keys SET wrapped = (SELECT wrapped FROM namespace_keys WHERE namespace = 'zz') WHERE namespace = 'ns'",
    ),
    (
        "namespace key bent",
        "UPDATE namespace_keys SET wrapped = CAST(substr(wrapped, 1, 60) || x'00' AS BLOB)",
    ),
    ("namespace key removed", "DELETE FROM namespace_keys"),
];

/// What is bent, and how; the value of the version `two` of `ns/a` does not open any more.
const VALUE_TAMPERING: &[(&str, &str)] = &[
    (
        "value bent",
        "UPDATE secret_values SET value = CAST(substr(value, 1, 20) || x'00' || substr(value, 22) AS BLOB)",
    ),
    (
        "value of another row",
        "WITH x AS (SELECT value AS v FROM secret_values WHERE name = 'ns/b') UPDATE secret_values SET value = (SELECT v FROM x) WHERE name = 'ns/a'",
    ),
    (
        "value of the older version",
        "UPDATE secret_values SET value = (SELECT value FROM secret_values WHERE generation = 1), generation = 1 WHERE generation = 4",
    ),
    (
        "value of another secret",
        "UPDATE secret_values SET value = (SELECT o.value FROM secret_values o WHERE o.secret = 'token' AND o.name = secret_values.name AND o.hash = secret_values.hash)",
    ),
    (
        "text in place of the value",
        "UPDATE secret_values SET value = (SELECT text FROM policies WHERE policies.hash = secret_values.hash)",
    ),
    (
        "generation",
        "UPDATE secret_values SET generation = generation + 1",
    ),
];
