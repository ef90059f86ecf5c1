//! The commands that look back, compare, sign and encrypt, against a server that keeps every version.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test that cannot go on fails"
)]

#[path = "../../casque-client/tests/fake_server/mod.rs"]
mod fake_server;
mod harness;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use casque_policy::Policy;
use casque_secrets::{
    IdentityKey, SessionEncryptionKey, SignerKey, decrypt_session, session_message,
};
use casque_types::{KeyHash, Secret, sha256};
use casque_wire as wire;
use fake_server::{FakeServer, Reply, Seen, TestIdentity};
use harness::{Place, Ran, assert_snapshot};

const POLICY: &str = r#"name: demo
version: "0.3"
services:
  - name: web
    mrenclaves: [aabbccddeeff00112233445566778899aabbccddeeff00112233445566778899]
    command: web --greeting $$SCONE::greeting$$
secrets:
  - name: greeting
    kind: ascii
    value: hunter2
  - name: other
    kind: ascii
    value: hunter3
"#;

/// A server that keeps all texts of each policy; hashes are of the text alone.
struct Keeper {
    identity: TestIdentity,
    key: SessionEncryptionKey,
    texts: Mutex<BTreeMap<String, Vec<String>>>,
    /// How often to be overloaded first.
    overloaded: AtomicUsize,
}

fn json(status: u16, value: &impl serde::Serialize) -> Reply {
    Reply::Json(status, serde_json::to_string(value).unwrap())
}

fn refusal(status: u16, code: &str) -> Reply {
    let error = serde_json::json!({"code": code, "message": format!("the server says {code}")});
    json(status, &serde_json::json!({"error": error}))
}

fn hash_of(text: &str) -> String {
    sha256(text.as_bytes()).to_string()
}

impl Keeper {
    fn new() -> Arc<Self> {
        let identity = TestIdentity::new();
        let pkcs8 = Secret::copied_from(&identity.pkcs8);
        let key = IdentityKey::from_pkcs8(&pkcs8).unwrap();
        Arc::new(Self {
            key: SessionEncryptionKey::of_identity(&key).unwrap(),
            identity,
            texts: Mutex::default(),
            overloaded: AtomicUsize::new(0),
        })
    }

    fn start(self: &Arc<Self>) -> FakeServer {
        let keeper = Arc::clone(self);
        FakeServer::start(&self.identity, move |seen| keeper.answer(seen))
    }

    fn answer(&self, seen: &Seen) -> Reply {
        let (method, path) = seen.line.split_once(' ').unwrap();
        if path == "/v1/version" {
            return self.version();
        }
        let is_overloaded = |left: usize| left.checked_sub(1);
        let (order, then) = (Ordering::SeqCst, Ordering::SeqCst);
        if self
            .overloaded
            .fetch_update(order, then, is_overloaded)
            .is_ok()
        {
            return refusal(503, "overloaded");
        }
        match (method, path) {
            ("POST", "/session") => self.put_any(&seen.body),
            ("PUT", "/v1/encrypted_sessions") => {
                let sent: wire::EncryptedSession = serde_json::from_slice(&seen.body).unwrap();
                assert_eq!(sent.encryption_key, self.key.public().to_string());
                let bytes = STANDARD.decode(sent.encrypted_session).unwrap();
                let text = decrypt_session(&self.key, &bytes).unwrap();
                self.put_any(text.expose())
            }
            _ => self.read(path),
        }
    }

    fn version(&self) -> Reply {
        let spki = &self.identity.spki;
        json(
            200,
            &wire::Version {
                name: "casque".to_owned(),
                version: "9.9.9".to_owned(),
                server: KeyHash::of_spki(spki).to_string(),
                server_key: wire::B64(spki.clone()),
                session_encryption_key: self.key.public().to_string(),
            },
        )
    }

    fn put_any(&self, body: &[u8]) -> Reply {
        let Ok(signed) = serde_json::from_slice::<wire::SignedSession>(body) else {
            return self.put(std::str::from_utf8(body).unwrap());
        };
        for signature in &signed.signatures {
            let signer: SignerKey = signature.signer.parse().unwrap();
            let bytes = hex::decode(&signature.signature).unwrap();
            let message = session_message(&signed.session);
            signer.verify(&message, &bytes).unwrap();
        }
        self.put(&signed.session)
    }

    fn put(&self, text: &str) -> Reply {
        let policy = Policy::parse(text).unwrap().policy;
        let mut texts = self.texts.lock().unwrap();
        let versions = texts.entry(policy.name.to_string()).or_default();
        let current = versions.last().map(|text| hash_of(text));
        if policy.predecessor.map(|hash| hash.to_string()) != current {
            return refusal(409, "policy-exists");
        }
        versions.push(text.to_owned());
        json(201, &serde_json::json!({"hash": hash_of(text)}))
    }

    fn read(&self, path: &str) -> Reply {
        let texts = self.texts.lock().unwrap();
        if let Some(query) = path.strip_prefix("/v1/sessions?namespace=") {
            let (namespace, _) = query.split_once('&').unwrap();
            let below = |name: &&String| namespace == "/" || name.starts_with(namespace);
            let sessions: Vec<_> = texts.keys().filter(below).collect();
            return json(200, &serde_json::json!({"sessions": sessions}));
        }
        let (route, name) = path.strip_prefix("/v1/").unwrap().split_once('/').unwrap();
        let (name, asked) = match name.split_once("?hash=") {
            Some((name, hash)) => (name, Some(hash)),
            None => (name, None),
        };
        let Some(versions) = texts.get(name) else {
            return refusal(404, "no-such-policy");
        };
        let found = match asked {
            Some(asked) => versions.iter().find(|text| hash_of(text) == asked),
            None => versions.last(),
        };
        match route {
            "hashes" => json(200, &serde_json::json!({"hash": hash_of(found.unwrap())})),
            "history" => json(200, &serde_json::json!({"versions": history(versions)})),
            _ => match found {
                Some(text) => json(
                    200,
                    &serde_json::json!({"session": text, "hash": hash_of(text)}),
                ),
                None => refusal(404, "no-such-version"),
            },
        }
    }

    fn last(&self, name: &str) -> String {
        self.texts.lock().unwrap()[name].last().unwrap().clone()
    }
}

fn history(versions: &[String]) -> Vec<serde_json::Value> {
    let version = |(index, text): (usize, &String)| {
        let before = index
            .checked_sub(1)
            .map(|before| hash_of(&versions[before]));
        let created = format!("2026-11-24T2{index}:00:00Z");
        serde_json::json!({"hash": hash_of(text), "predecessor": before, "created": created})
    };
    versions.iter().enumerate().map(version).collect()
}

/// A place with a policy whose command line has pinned the server as `cas`.
fn pinned(server: &FakeServer) -> Place {
    let place = Place::new();
    place.write("policy.yaml", POLICY);
    let (address, hash) = (server.address.to_string(), server.key_hash.to_string());
    let ran = place.run(&["cas", "attest", &address, "--name", "cas", "-c", &hash]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    place
}

fn printed(ran: &Ran) -> &str {
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    ran.stdout.trim()
}

/// Two versions of `demo`, of which a secret, a command and a name differ.
fn two_versions(place: &Place) -> (String, String) {
    let first = place.run(&["session", "create", "policy.yaml"]);
    let changed = POLICY
        .replace("hunter2", "hunter4")
        .replace("--greeting", "--welcome");
    place.write("changed.yaml", &changed);
    let second = place.run(&["session", "update", "changed.yaml"]);
    (printed(&first).to_owned(), printed(&second).to_owned())
}

/// Hashes of a run, which differ from run to run or would when a policy here changes.
fn with_words(ran: Ran, words: &[(&str, &str)]) -> Ran {
    let replaced = |text: String| {
        let replace = |text: String, (hash, word): &(&str, &str)| text.replace(hash, word);
        words.iter().fold(text, replace)
    };
    Ran {
        code: ran.code,
        stdout: replaced(ran.stdout),
        stderr: replaced(ran.stderr),
    }
}

#[test]
fn hash_list_and_history_show_what_there_is() {
    let server = Keeper::new().start();
    let place = pinned(&server);
    let (first, second) = two_versions(&place);
    place.run(&["session", "create", "policy.yaml", "-n", "team/app"]);
    assert_eq!(printed(&place.run(&["session", "hash", "demo"])), second);
    assert_eq!(printed(&place.run(&["session", "list"])), "demo\nteam/app");
    let listed = place.run(&["session", "list", "team", "--output", "json"]);
    assert_eq!(
        printed(&listed),
        r#"{"namespace":"team","sessions":["team/app"]}"#
    );
    let told = place.run(&["session", "history", "demo"]);
    let lines = format!("{second} 2026-11-24T21:00:00Z {first}\n{first} 2026-11-24T20:00:00Z -");
    assert_eq!(printed(&told), lines);
    let json = place.run(&["session", "history", "demo", "--output", "json"]);
    let document: serde_json::Value = serde_json::from_str(printed(&json)).unwrap();
    assert_eq!(document["versions"][0]["predecessor"], first);
    assert_eq!(
        document["versions"][1]["predecessor"],
        serde_json::Value::Null
    );
    assert_eq!(place.run(&["session", "history", "none"]).code, 7);
}

#[test]
fn diff_shows_what_changed_and_no_secret() {
    let server = Keeper::new().start();
    let place = pinned(&server);
    let (first, second) = two_versions(&place);
    let words = [(first.as_str(), "<first>"), (second.as_str(), "<second>")];
    for (snapshot, more) in [
        ("diff", &[][..]),
        ("diff_side_by_side", &["--side-by-side"][..]),
        ("diff_json", &["--output", "json"][..]),
    ] {
        let mut arguments = vec!["session", "diff", "demo"];
        arguments.extend_from_slice(more);
        let ran = place.run(&arguments);
        assert!(!ran.stdout.contains("hunter"), "{}", ran.stdout);
        assert_snapshot(snapshot, &with_words(ran, &words));
    }
    let same = place.run(&["session", "diff", "demo", &first, &second]);
    assert_eq!(same, place.run(&["session", "diff", "demo"]));
    let back = place.run(&["session", "diff", "demo", &second, &first]);
    assert!(back.stdout.contains("+    command: web --greeting"));
    let none = place.run(&["session", "diff", "demo", &first, &first]);
    assert_eq!((none.code, none.stdout.as_str()), (0, ""));
}

#[test]
fn diff_of_a_policy_with_one_version_says_so() {
    let server = Keeper::new().start();
    let place = pinned(&server);
    place.run(&["session", "create", "policy.yaml"]);
    let ran = place.run(&["session", "diff", "demo"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (7, ""));
    assert!(
        ran.stderr.starts_with("error[one-version]: "),
        "{}",
        ran.stderr
    );
    assert_eq!(place.run(&["session", "diff", "demo", "abc"]).code, 1);
}

#[test]
fn signed_session_is_put_as_it_is() {
    let keeper = Keeper::new();
    let server = keeper.start();
    let place = pinned(&server);
    let signed = place.run(&["session", "sign", "policy.yaml", "-o", "signed.json"]);
    assert_eq!((printed(&signed), signed.stderr.as_str()), ("", ""));
    let put = place.run(&["session", "create", "signed.json"]);
    assert_eq!(printed(&put), hash_of(POLICY));
    assert!(
        server.seen()[1]
            .body
            .starts_with(b"{\"session\":\"name: demo")
    );
    // Without a predecessor it can be no update, and to sign it with one is another signature.
    let ran = place.run(&["session", "update", "signed.json"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr.contains("error[no-predecessor]"),
        "{}",
        ran.stderr
    );
    let hash = printed(&place.run(&["session", "hash", "demo"])).to_owned();
    let signed = place.run(&[
        "session",
        "sign",
        "policy.yaml",
        "--predecessor",
        &hash,
        "-o",
        "next.json",
    ]);
    assert_eq!(signed.code, 0, "{}", signed.stderr);
    assert_eq!(place.run(&["session", "update", "next.json"]).code, 0);
    let line = format!("predecessor: {hash}\n");
    assert_eq!(keeper.last("demo"), format!("{line}{POLICY}"));
}

#[test]
fn signed_text_is_not_changed_any_more() {
    let server = Keeper::new().start();
    let place = pinned(&server);
    place.run(&["session", "sign", "policy.yaml", "-o", "signed.json"]);
    for more in [&["-e", "A=b"][..], &["-n", "other"][..], &["--use-env"][..]] {
        let mut arguments = vec!["session", "create", "signed.json"];
        arguments.extend_from_slice(more);
        let ran = place.run(&arguments);
        assert_eq!(ran.code, 1, "{more:?}");
        assert!(ran.stderr.starts_with("error[sealed]: "), "{}", ran.stderr);
    }
    let signed = std::fs::read_to_string(place.path("signed.json")).unwrap();
    place.write("bent.json", &signed.replace("hunter2", "hunter5"));
    let ran = place.run(&["session", "create", "bent.json"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""));
    assert!(
        ran.stderr.contains("signature 1 in `bent.json`"),
        "{}",
        ran.stderr
    );
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn encrypted_session_is_read_by_the_server_alone() {
    let keeper = Keeper::new();
    let server = keeper.start();
    let place = pinned(&server);
    let key = place.run(&["cas", "show-identification", "--session-encryption-key"]);
    assert_eq!(printed(&key), keeper.key.public().to_string());
    let offline = place.run(&["session", "encrypt", "policy.yaml", "--key", printed(&key)]);
    assert!(!offline.stdout.contains("hunter"), "{}", offline.stdout);
    place.write("encrypted.json", &offline.stdout);
    let put = place.run(&["session", "create", "encrypted.json", "--output", "json"]);
    let hash = hash_of(POLICY);
    let expected = format!(r#"{{"name":null,"hash":"{hash}","warnings":[]}}"#);
    assert_eq!(printed(&put), expected);
    let ran = place.run(&["session", "check", "encrypted.json"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr.starts_with("error[encrypted]: "),
        "{}",
        ran.stderr
    );
}

#[test]
fn policy_is_encrypted_on_the_way_when_asked() {
    let keeper = Keeper::new();
    let server = keeper.start();
    let place = pinned(&server);
    let put = place.run(&["session", "create", "policy.yaml", "--encrypted"]);
    assert_eq!(printed(&put), hash_of(POLICY));
    place.run(&[
        "session",
        "sign",
        "policy.yaml",
        "-n",
        "second",
        "-o",
        "signed.json",
    ]);
    let put = place.run(&["session", "create", "signed.json", "--encrypted"]);
    assert_eq!(put.code, 0, "{}", put.stderr);
    for seen in server.seen() {
        let body = String::from_utf8(seen.body).unwrap();
        assert!(!body.contains("hunter"), "{}: {body}", seen.line);
    }
    assert!(keeper.last("second").starts_with("name: second\n"));
}

#[test]
fn policy_that_locks_its_author_out_is_not_sent_unasked() {
    let server = Keeper::new().start();
    let place = pinned(&server);
    let other = TestIdentity::new().key_hash();
    for update in ["NONE".to_owned(), other.to_string()] {
        place.write(
            "locked.yaml",
            &format!("access_policy: {{update: {update}}}\n{POLICY}"),
        );
        let ran = place.run(&["session", "create", "locked.yaml"]);
        assert_snapshot("create_lock_out", &ran);
    }
    assert_eq!(server.seen().len(), 1, "nothing was sent");
    let ran = place.run(&["session", "create", "locked.yaml", "--dangerous-lock-out"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[test]
fn policy_whose_access_is_open_or_shared_is_sent_with_a_word() {
    let server = Keeper::new().start();
    let place = pinned(&server);
    let other = TestIdentity::new().key_hash();
    let shared = format!("access_policy: {{update: [require-all: [CREATOR, {other}]]}}\n{POLICY}");
    place.write("shared.yaml", &shared.replace("\"0.3\"", "\"0.3.10\""));
    let ran = place.run(&["session", "create", "shared.yaml", "-n", "shared"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("note: the next update takes"),
        "{}",
        ran.stderr
    );
    let open = "  - name: who\n    import: {session: b, secret: who}\n";
    let open = format!("access_policy: $$SCONE::who$$\n{POLICY}{open}");
    place.write("open.yaml", &open.replace("\"0.3\"", "\"0.3.10\""));
    let ran = place.run(&["session", "create", "open.yaml", "-n", "open"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("warning[access-open]"),
        "{}",
        ran.stderr
    );
    let ran = place.run(&[
        "session",
        "create",
        "open.yaml",
        "-n",
        "x",
        "--fail-on-warning",
    ]);
    assert_eq!(ran.code, 3);
}

#[test]
fn update_for_another_creator_is_a_lock_out() {
    let keeper = Keeper::new();
    let server = keeper.start();
    let place = pinned(&server);
    let other = TestIdentity::new().key_hash();
    let theirs = format!("creator: {other}\naccess_policy: {{update: ANY}}\n{POLICY}");
    let kept = vec![theirs];
    keeper.texts.lock().unwrap().insert("demo".to_owned(), kept);
    let ran = place.run(&["session", "update", "policy.yaml"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    assert!(ran.stderr.contains("error[lock-out]"), "{}", ran.stderr);
    place.write(
        "any.yaml",
        &format!("access_policy: {{update: ANY}}\n{POLICY}"),
    );
    assert_eq!(place.run(&["session", "update", "any.yaml"]).code, 0);
}

#[test]
fn overloaded_server_is_asked_again_when_told_to() {
    let keeper = Keeper::new();
    let server = keeper.start();
    let place = pinned(&server);
    keeper.overloaded.store(1, Ordering::SeqCst);
    let ran = place.run(&["session", "create", "policy.yaml"]);
    assert_eq!(ran.code, 8, "{}", ran.stderr);
    keeper.overloaded.store(1, Ordering::SeqCst);
    let ran = place.run(&["session", "create", "policy.yaml", "--retries", "1"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    keeper.overloaded.store(1, Ordering::SeqCst);
    let environment = [("SCONE_CLI_RETRIES", "1")];
    let ran = place.run_with(&["session", "hash", "demo"], &environment, "");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[test]
fn server_tells_its_version_and_certificate() {
    let keeper = Keeper::new();
    let server = keeper.start();
    let place = pinned(&server);
    assert_eq!(printed(&place.run(&["cas", "version"])), "casque 9.9.9");
    let certificate = place.run(&["cas", "show-certificate", "cas"]);
    place.write("server.pem", &certificate.stdout);
    let hash = place.run(&["cert", "show-key-hash", "server.pem"]);
    assert_eq!(printed(&hash), server.key_hash.to_string());
    let strangers = server.seen().into_iter().all(|seen| seen.caller.is_none());
    assert!(strangers, "none of this needs an identity");
}
