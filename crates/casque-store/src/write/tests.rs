//! Groups: what one operation does to the others, and what a failure in the middle leaves.

use assert_matches::assert_matches;
use tempfile::TempDir;
use zeroize::Zeroizing;

use super::*;
use crate::RootKey;
use crate::record::KeyVersion;
use crate::schema::migrate;
use crate::sql::{Purpose, connect};
use crate::support::{CountedRng, event, hash_of, name, secret_name, version};
use crate::versions::{load_policy, load_value};

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

fn put(new: NewPolicy) -> Request {
    let subject = new.record.name.to_string();
    Request::Put(Box::new(new), event(&subject))
}

fn poisoned(policy: &str) -> Request {
    let mut new = version(policy, policy, None);
    let value = casque_types::Secret::copied_from(b"x");
    new.values.push((secret_name("poison"), value));
    put(new)
}

#[test]
fn group_second_put_of_the_same_predecessor_conflicts_with_the_first() {
    let mut bench = Bench::new();
    let group = [
        put(version("a", "one", None)),
        put(version("a", "two", None)),
    ];
    let outcomes = bench.writer.write(&group).unwrap();
    assert_matches!(
        outcomes.as_slice(),
        [Ok(()), Err(PutError::Conflict { current: Some(hash) })] if *hash == hash_of("one")
    );
    assert_eq!(bench.rows("policies"), 1);
    assert_eq!(bench.rows("audit"), 1);
}

#[test]
fn group_put_that_follows_one_of_the_same_group_is_kept() {
    let mut bench = Bench::new();
    let second = version("a", "two", Some(hash_of("one")));
    let outcomes = bench
        .writer
        .write(&[put(version("a", "one", None)), put(second)]);
    assert_matches!(outcomes.unwrap().as_slice(), [Ok(()), Ok(())]);
    assert_eq!(bench.head("a"), Some(hash_of("two")));
}

#[test]
fn group_with_a_put_that_fails_keeps_the_others() {
    let mut bench = Bench::new();
    bench.poison("ABORT");
    let group = [
        Request::Append(event("before")),
        put(version("good", "good", None)),
        poisoned("bad"),
        Request::Append(event("after")),
        put(version("better", "better", None)),
    ];
    let outcomes = bench.writer.write(&group).unwrap();
    assert_matches!(
        outcomes.as_slice(),
        [Ok(()), Ok(()), Err(PutError::Store(_)), Ok(()), Ok(())]
    );
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
fn group_that_the_database_gives_up_leaves_nothing_and_the_next_is_written() {
    let mut bench = Bench::new();
    bench.poison("ROLLBACK");
    let group = [
        put(version("good", "good", None)),
        poisoned("bad"),
        Request::Append(event("after")),
    ];
    assert_matches!(bench.writer.write(&group), Err(Failure::RolledBack));
    assert_eq!(bench.rows("policies"), 0);
    assert_eq!(bench.rows("audit"), 0);
    assert_eq!(bench.head("good"), None);
    let again = bench.writer.write(&[put(version("good", "good", None))]);
    assert_matches!(again.unwrap().as_slice(), [Ok(())]);
    assert_eq!(bench.head("good"), Some(hash_of("good")));
}

#[test]
fn crash_before_commit_leaves_the_state_before() {
    let mut bench = Bench::new();
    let first = bench.writer.write(&[put(version("a", "one", None))]);
    assert_matches!(first.unwrap().as_slice(), [Ok(())]);
    let shared = Arc::clone(&bench.writer.shared);
    let state = bench.writer.current_state().unwrap();
    // Everything of a second group is written, and the commit is not.
    let behavior = TransactionBehavior::Immediate;
    let connection = &mut bench.writer.connection;
    let mut transaction = connection.transaction_with_behavior(behavior).unwrap();
    let mut draft = Draft {
        shared: &shared,
        state,
        heads: HashMap::new(),
    };
    let second = put(version("a", "two", Some(hash_of("one"))));
    let outcomes = draft.write_all(&mut transaction, &[second]).unwrap();
    assert_matches!(outcomes.as_slice(), [Ok(())]);
    shared.state_key.store(&transaction, &draft.state).unwrap();
    transaction.cache_flush().unwrap();
    std::mem::forget(transaction);
    let (_copy, after_crash) = bench.after_crash();
    let head = after_crash.shared.heads.find(&name("a")).unwrap();
    assert_eq!(head.hash, hash_of("one"));
}

#[test]
fn namespace_key_replaced_opens_records_of_the_old_version() {
    let mut bench = Bench::new();
    let keys = Bench::shared().keys;
    bench
        .writer
        .write(&[put(version("ns/a", "one", None))])
        .unwrap();
    let rng = CountedRng::default();
    let connection = &bench.writer.connection;
    keys.add(connection, "ns", KeyVersion(2), Generation(2), &rng)
        .unwrap();
    bench
        .writer
        .write(&[put(version("ns/b", "two", None))])
        .unwrap();
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
