//! A process that puts policies, keeps values and spends is killed at arbitrary moments: what it was told is durable
//! must be there.
//!
//! The test program starts itself again as the process that is killed; the environment variable tells it so.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test program: a failed step is a failed test"
)]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use assert_matches::assert_matches;
use casque_core::{Kept, KeptRevision, Once, Spending, Store};
use casque_store::{SqliteStore, StoreSettings};
use casque_types::{PolicyHash, Secret};
use support::{CountedRng, NOW, event, hash_of, name, version};
use tempfile::TempDir;

const ROLE: &str = "CASQUE_STORE_TEST_PUTS_INTO";
const MARK: &str = "acknowledged ";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn store_killed_at_any_moment_has_every_acknowledged_policy() {
    if let Some(directory) = std::env::var_os(ROLE) {
        return put_until_killed(&PathBuf::from(directory)).await;
    }
    let place = TempDir::new().unwrap();
    let mut acknowledged = Vec::new();
    for lines in [1, 2, 3, 17, 40, 101] {
        acknowledged.extend(run_and_kill_after(lines, place.path()));
        let store = open(place.path());
        for (policy, hash) in &acknowledged {
            let policy = name(policy);
            assert_eq!(store.head(&policy).await.unwrap(), Some(*hash));
            let record = store.load(&policy, hash).await.unwrap();
            assert_eq!(record.unwrap().text.expose_text(), Some(policy.as_str()));
            let kept = store.kept(&policy, &"tag".parse().unwrap()).await;
            assert_matches!(
                kept,
                Ok(Some(Kept { value, revision: KeptRevision(2) })) if value.expose_text() == Some(policy.as_str())
            );
            let again = store.spend(once(policy.as_str()), NOW, None).await;
            assert_matches!(again, Ok(Spending::Spent));
        }
        let end = store.verify_audit_chain().await.unwrap();
        let records = u64::try_from(acknowledged.len()).unwrap().saturating_mul(4);
        assert!(end.seq >= records);
    }
}

fn open(place: &Path) -> SqliteStore {
    let settings = StoreSettings {
        directory: place.join("store"),
        root_key_file: place.join("root.key"),
    };
    SqliteStore::open(settings, CountedRng::shared()).unwrap()
}

fn once(policy: &str) -> Once {
    Once::new(format!("otp {policy}"), NOW).unwrap()
}

/// Puts a policy, keeps a value for it twice, and spends; all of it durable when it returns.
async fn write(store: &SqliteStore, policy: &str) {
    let new = version(policy, policy, None);
    store.put(new, event(policy)).await.unwrap();
    let (id, key) = (name(policy), "tag".parse().unwrap());
    for (value, expected) in [("first", None), (policy, Some(KeptRevision(1)))] {
        let value = Secret::copied_from(value.as_bytes());
        let audit = Some(event(policy));
        store.keep(&id, &key, value, expected, audit).await.unwrap();
    }
    let spent = store.spend(once(policy), NOW, Some(event(policy))).await;
    assert_matches!(spent, Ok(Spending::Fresh));
}

/// The process that is killed: eight tasks write, and say so when they are told that it is durable.
async fn put_until_killed(place: &Path) {
    let store = Arc::new(open(place));
    let tasks = (0..8).map(|task| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for number in 0_u64.. {
                let policy = format!("ns/{}-{task}-{number}", std::process::id());
                write(&store, &policy).await;
                let line = format!("{MARK}{policy}\n");
                std::io::stdout().write_all(line.as_bytes()).unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

/// Runs the other role and kills it once it has acknowledged so many; what it acknowledged until its death.
fn run_and_kill_after(lines: usize, place: &Path) -> Vec<(String, PolicyHash)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "store_killed_at_any_moment_has_every_acknowledged_policy",
        ])
        .arg("--nocapture")
        .env(ROLE, place)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut acknowledged = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let Some(policy) = line.unwrap().strip_prefix(MARK).map(str::to_owned) else {
            continue;
        };
        acknowledged.push((policy.clone(), hash_of(&policy)));
        if acknowledged.len() == lines {
            child.kill().unwrap();
        }
    }
    let status = child.wait().unwrap();
    assert!(!status.success(), "it ended by itself: {status}");
    assert!(acknowledged.len() >= lines);
    acknowledged
}
