//! Groups: what one operation does to the others, and what a failure in the middle leaves.

use assert_matches::assert_matches;
use casque_core::{AuditEvent, KeepError, KeptRevision, NewPolicy, Once, PutError, Spending};
use casque_types::{Secret, Timestamp};
use tempfile::TempDir;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::*;
use crate::RootKey;
use crate::record::{Generation, KeyVersion};
use crate::schema::migrate;
use crate::sql::{Purpose, connect};
use crate::support::{CountedRng, NOW, event, hash_of, name, secret_name, version};
use crate::versions::{load_policy, load_value};
use crate::writer::Operation;

/// A store without its thread.
struct Bench {
    directory: TempDir,
    writer: GroupWriter,
}

impl Bench {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("casque.db");
        std::fs::write(&path, []).unwrap();
        let mut connection = connect(&path, Purpose::Write).unwrap();
        let shared = Self::shared();
        let first = |first: &Transaction<'_>| shared.state_key.insert(first, b"", &State::empty());
        migrate(&mut connection, first).unwrap();
        let writer = GroupWriter::open(connection, Arc::new(shared)).unwrap();
        Self { directory, writer }
    }

    fn shared() -> Shared {
        let root = RootKey::new(Zeroizing::new([3; 32]));
        Shared {
            heads: Heads::default(),
            kept: KeptHeads::default(),
            keys: NamespaceKeys::new(root.wrapping_key().unwrap()),
            state_key: StateKey::new(root.state_key()),
            rng: CountedRng::shared(),
        }
    }

    fn reader(&self) -> Connection {
        connect(&self.directory.path().join("casque.db"), Purpose::Read).unwrap()
    }

    /// Makes the database fail whenever a value is inserted for the secret `poison`.
    fn poison(&self, what: &str) {
        let other = connect(&self.directory.path().join("casque.db"), Purpose::Write).unwrap();
        let trigger = format!(
            "CREATE TRIGGER poison BEFORE INSERT ON secret_values WHEN NEW.secret = 'poison'
             BEGIN SELECT RAISE({what}, 'injected'); END"
        );
        other.execute_batch(&trigger).unwrap();
    }

    /// The state that another process would find now: a copy of the files, opened.
    fn after_crash(&self) -> (TempDir, GroupWriter) {
        let copy = TempDir::new().unwrap();
        for file in ["casque.db", "casque.db-wal"] {
            let from = self.directory.path().join(file);
            std::fs::copy(from, copy.path().join(file)).unwrap();
        }
        let connection = connect(&copy.path().join("casque.db"), Purpose::Write).unwrap();
        let writer = GroupWriter::open(connection, Arc::new(Self::shared())).unwrap();
        (copy, writer)
    }

    fn head(&self, policy: &str) -> Option<casque_types::PolicyHash> {
        let head = self.writer.shared.heads.find(&name(policy));
        head.map(|head| head.hash)
    }

    fn rows(&self, table: &str) -> i64 {
        let count = format!("SELECT count(*) FROM {table}");
        let row = self.reader().query_row(&count, [], |row| row.get(0));
        row.unwrap()
    }
}

/// Operations that are written together.
#[derive(Default)]
struct Group(Vec<Box<dyn Queued>>);

type Answered<W> = oneshot::Receiver<Result<<W as Work>::Done, <W as Work>::Refusal>>;

impl Group {
    fn add<W: Work>(&mut self, work: W) -> Answered<W> {
        let (operation, answered) = Operation::queued(work);
        self.0.push(operation);
        answered
    }

    fn write(mut self, writer: &mut GroupWriter) -> Result<(), Failure> {
        writer.write(&mut self.0)?;
        for operation in self.0 {
            operation.answer(Ok(()));
        }
        Ok(())
    }
}

fn outcome<T>(mut answered: oneshot::Receiver<T>) -> T {
    answered.try_recv().unwrap()
}

impl Bench {
    fn write<W: Work>(&mut self, work: W) -> Result<W::Done, W::Refusal> {
        let mut group = Group::default();
        let answered = group.add(work);
        group.write(&mut self.writer).unwrap();
        outcome(answered)
    }
}

fn put(new: NewPolicy) -> Put {
    let audit = event(new.record.name.as_str());
    Put { new, audit }
}

fn spend(what: &str, audit: AuditEvent) -> Spend {
    Spend {
        once: Once::new(what.to_owned(), NOW).unwrap(),
        now: NOW,
        audit: Some(audit),
    }
}

fn keep(key: &str, value: &[u8], expected: Option<u64>, audit: AuditEvent) -> Keep {
    Keep {
        id: KeptId {
            policy: name("ns/a"),
            key: key.parse().unwrap(),
        },
        value: Secret::copied_from(value),
        expected: expected.map(KeptRevision),
        audit: Some(audit),
    }
}

fn poisoned(policy: &str) -> Put {
    let mut new = version(policy, policy, None);
    let value = Secret::copied_from(b"x");
    new.values.push((secret_name("poison"), value));
    put(new)
}

#[test]
fn group_second_put_of_the_same_predecessor_conflicts_with_the_first() {
    let mut bench = Bench::new();
    let mut group = Group::default();
    let one = group.add(put(version("a", "one", None)));
    let two = group.add(put(version("a", "two", None)));
    group.write(&mut bench.writer).unwrap();
    assert_matches!(outcome(one), Ok(()));
    assert_matches!(
        outcome(two),
        Err(PutError::Conflict { current: Some(hash) }) if hash == hash_of("one")
    );
    assert_eq!(bench.rows("policies"), 1);
    assert_eq!(bench.rows("audit"), 1);
}

#[test]
fn group_put_that_follows_one_of_the_same_group_is_kept() {
    let mut bench = Bench::new();
    let mut group = Group::default();
    let one = group.add(put(version("a", "one", None)));
    let two = group.add(put(version("a", "two", Some(hash_of("one")))));
    group.write(&mut bench.writer).unwrap();
    assert_matches!((outcome(one), outcome(two)), (Ok(()), Ok(())));
    assert_eq!(bench.head("a"), Some(hash_of("two")));
}

#[test]
fn group_second_spend_of_the_same_is_spent_and_leaves_no_record() {
    let mut bench = Bench::new();
    let mut group = Group::default();
    let one = group.add(spend("otp", event("one")));
    let two = group.add(spend("otp", event("two")));
    let other = group.add(spend("other otp", event("three")));
    group.write(&mut bench.writer).unwrap();
    assert_matches!(outcome(one), Ok(Spending::Fresh));
    assert_matches!(outcome(two), Ok(Spending::Spent));
    assert_matches!(outcome(other), Ok(Spending::Fresh));
    assert_eq!(bench.rows("spent"), 2);
    assert_eq!(bench.rows("audit"), 2);
    bench.after_crash();
}

#[test]
fn group_second_keep_over_the_same_revision_conflicts_with_the_first() {
    let mut bench = Bench::new();
    let mut group = Group::default();
    let one = group.add(keep("tag", b"one", None, event("one")));
    let two = group.add(keep("tag", b"two", None, event("two")));
    let next = group.add(keep("tag", b"three", Some(1), event("three")));
    group.write(&mut bench.writer).unwrap();
    assert_matches!(outcome(one), Ok(KeptRevision(1)));
    let current = Some(KeptRevision(1));
    assert_matches!(outcome(two), Err(KeepError::Conflict { current: c }) if c == current);
    assert_matches!(outcome(next), Ok(KeptRevision(2)));
    assert_eq!(bench.rows("kept"), 1);
    assert_eq!(bench.rows("audit"), 2);
    bench.after_crash();
}

#[test]
fn group_with_a_put_that_fails_keeps_the_others() {
    let mut bench = Bench::new();
    bench.poison("ABORT");
    let mut group = Group::default();
    let before = group.add(Append(event("before")));
    let good = group.add(put(version("good", "good", None)));
    let bad = group.add(poisoned("bad"));
    let after = group.add(Append(event("after")));
    let better = group.add(put(version("better", "better", None)));
    group.write(&mut bench.writer).unwrap();
    assert_matches!((outcome(before), outcome(after)), (Ok(()), Ok(())));
    assert_matches!((outcome(good), outcome(better)), (Ok(()), Ok(())));
    assert_matches!(outcome(bad), Err(PutError::Store(_)));
    assert_eq!(bench.rows("policies"), 2);
    assert_eq!(bench.rows("secret_values"), 4);
    assert_eq!(bench.rows("namespace_keys"), 2);
    assert_eq!(bench.rows("audit"), 4);
    assert_eq!(bench.head("bad"), None);
    let (_copy, after_crash) = bench.after_crash();
    let head = after_crash.shared.heads.find(&name("better"));
    assert_eq!(head.map(|head| head.generation), Some(Generation(2)));
}

#[test]
fn group_with_a_keep_and_a_spend_that_fail_keeps_the_others() {
    let mut bench = Bench::new();
    let mut beyond = event("beyond");
    beyond.at = Timestamp::from_unix_s(u64::MAX);
    let mut group = Group::default();
    let kept = group.add(keep("tag", b"one", None, event("one")));
    let bad_keep = group.add(keep("tag", b"two", Some(1), beyond.clone()));
    let bad_spend = group.add(spend("otp", beyond));
    let spent = group.add(spend("other otp", event("two")));
    group.write(&mut bench.writer).unwrap();
    assert_matches!(outcome(kept), Ok(KeptRevision(1)));
    assert_matches!(
        outcome(bad_keep),
        Err(KeepError::Store(StoreError::Unavailable { .. }))
    );
    assert_matches!(outcome(bad_spend), Err(StoreError::Unavailable { .. }));
    assert_matches!(outcome(spent), Ok(Spending::Fresh));
    assert_eq!((bench.rows("spent"), bench.rows("audit")), (1, 2));
    let (_copy, mut after_crash) = bench.after_crash();
    let mut group = Group::default();
    let otp = group.add(spend("otp", event("three")));
    let tag = group.add(keep("tag", b"two", Some(1), event("four")));
    group.write(&mut after_crash).unwrap();
    assert_matches!(outcome(otp), Ok(Spending::Fresh));
    assert_matches!(outcome(tag), Ok(KeptRevision(2)));
}

#[test]
fn spend_forgets_what_is_over_and_the_rest_fits_the_state() {
    let mut bench = Bench::new();
    for (what, until, now) in [("a", 5, 1), ("b", 9, 1), ("c", 20, 9), ("d", 20, 10)] {
        let work = Spend {
            once: Once::new(what.to_owned(), Timestamp::from_unix_s(until)).unwrap(),
            now: Timestamp::from_unix_s(now),
            audit: None,
        };
        assert_matches!(bench.write(work), Ok(Spending::Fresh), "{what}");
    }
    assert_eq!(bench.rows("spent"), 2);
    assert_eq!(bench.rows("audit"), 0);
    bench.after_crash();
}

#[test]
fn group_that_the_database_gives_up_leaves_nothing_and_the_next_is_written() {
    let mut bench = Bench::new();
    bench.poison("ROLLBACK");
    let mut group = Group::default();
    let mut dropped = (
        group.add(put(version("good", "good", None))),
        group.add(keep("tag", b"one", None, event("one"))),
        group.add(poisoned("bad")),
        group.add(Append(event("after"))),
    );
    assert_matches!(group.write(&mut bench.writer), Err(Failure::RolledBack));
    assert_matches!(dropped.0.try_recv(), Err(_));
    assert_matches!(dropped.3.try_recv(), Err(_));
    for table in ["policies", "kept", "audit"] {
        assert_eq!(bench.rows(table), 0, "{table}");
    }
    assert_eq!(bench.head("good"), None);
    assert_matches!(bench.write(put(version("good", "good", None))), Ok(()));
    assert_eq!(bench.head("good"), Some(hash_of("good")));
    let kept = bench.write(keep("tag", b"one", None, event("one")));
    assert_matches!(kept, Ok(KeptRevision(1)));
}

#[test]
fn operation_of_a_group_that_was_not_committed_learns_why() {
    let (operation, answered) = Operation::queued(Append(event("a")));
    operation.answer(Err(NotCommitted(Arc::new(Failure::RolledBack))));
    assert_matches!(
        outcome(answered),
        Err(StoreError::Unavailable { source }) if source.is::<NotCommitted>()
    );
}

#[test]
fn crash_before_commit_leaves_the_state_before() {
    let mut bench = Bench::new();
    assert_matches!(bench.write(put(version("a", "one", None))), Ok(()));
    let shared = Arc::clone(&bench.writer.shared);
    let state = bench.writer.current_state().unwrap();
    // Everything of a second group is written, and the commit is not.
    let behavior = TransactionBehavior::Immediate;
    let connection = &mut bench.writer.connection;
    let mut transaction = connection.transaction_with_behavior(behavior).unwrap();
    let mut draft = Draft::over(&shared, state);
    let second = put(version("a", "two", Some(hash_of("one"))));
    second.write(&mut draft, &mut transaction).unwrap();
    let kept = keep("tag", b"one", None, event("one"));
    assert_matches!(
        kept.write(&mut draft, &mut transaction),
        Ok(KeptRevision(1))
    );
    shared.state_key.store(&transaction, &draft.state).unwrap();
    transaction.cache_flush().unwrap();
    std::mem::forget(transaction);
    let (_copy, after_crash) = bench.after_crash();
    let head = after_crash.shared.heads.find(&name("a")).unwrap();
    assert_eq!(head.hash, hash_of("one"));
    assert_eq!(after_crash.shared.kept.find(&kept.id), None);
}

#[test]
fn namespace_key_replaced_opens_records_of_the_old_version() {
    let mut bench = Bench::new();
    let keys = Bench::shared().keys;
    bench.write(put(version("ns/a", "one", None))).unwrap();
    let rng = CountedRng::default();
    let connection = &bench.writer.connection;
    keys.add(connection, "ns", KeyVersion(2), Generation(2), &rng)
        .unwrap();
    bench.write(put(version("ns/b", "two", None))).unwrap();
    let reader = bench.reader();
    for (policy, text, key_version) in [("ns/a", "one", 1), ("ns/b", "two", 2)] {
        let (policy, hash) = (name(policy), hash_of(text));
        let record = load_policy(&reader, &keys, &policy, &hash).unwrap();
        assert_eq!(record.unwrap().text.expose(), text.as_bytes());
        let password = secret_name("password");
        let value = load_value(&reader, &keys, &policy, &hash, &password).unwrap();
        assert_eq!(
            value.unwrap().expose(),
            format!("value of {text}").as_bytes()
        );
        let sealed: Vec<u8> = reader
            .query_row(
                "SELECT text FROM policies WHERE name = ?1",
                [policy.as_str()],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(
            crate::record::key_version(&sealed),
            Ok(KeyVersion(key_version))
        );
    }
}

#[test]
fn connection_of_the_writer_has_the_promised_settings() {
    let bench = Bench::new();
    let text = |pragma: &str| -> String {
        let connection = &bench.writer.connection;
        connection
            .pragma_query_value(None, pragma, |row| row.get(0))
            .unwrap()
    };
    let number = |pragma: &str| -> i64 {
        let connection = &bench.writer.connection;
        connection
            .pragma_query_value(None, pragma, |row| row.get(0))
            .unwrap()
    };
    assert_eq!(text("journal_mode"), "wal");
    assert_eq!(number("synchronous"), 2);
    assert_eq!(number("foreign_keys"), 1);
    assert_eq!(number("secure_delete"), 1);
    assert_eq!(number("busy_timeout"), 5000);
}
