//! The commands that talk to a server, against one that keeps policies in memory.

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
use std::sync::Mutex;

use casque_types::{KeyHash, sha256};
use casque_wire as wire;
use fake_server::{FakeServer, Reply, Seen, TestIdentity};
use harness::{Place, assert_snapshot};

const POLICY: &str = r#"# mine
name: demo   # the demo
version: "0.3"
access_policy:
  read: ANY
services:
  - name: web
    mrenclaves: [aabbccddeeff00112233445566778899aabbccddeeff00112233445566778899]
    command: web
"#;

fn json(status: u16, value: &impl serde::Serialize) -> Reply {
    Reply::Json(status, serde_json::to_string(value).unwrap())
}

fn refusal(status: u16, code: &str, message: &str) -> Reply {
    let error = serde_json::json!({"code": code, "message": message});
    json(
        status,
        &serde_json::json!({"error": error, "msg": [message]}),
    )
}

fn version_of(spki: &[u8]) -> Reply {
    json(
        200,
        &wire::Version {
            name: "casque".to_owned(),
            version: "9.9.9".to_owned(),
            server: KeyHash::of_spki(spki).to_string(),
            server_key: wire::B64(spki.to_vec()),
            session_encryption_key: String::new(),
        },
    )
}

/// A server that keeps the last text of each policy; hashes are of the text alone.
fn server() -> FakeServer {
    let identity = TestIdentity::new();
    let spki = identity.spki.clone();
    let texts: Mutex<BTreeMap<String, String>> = Mutex::default();
    FakeServer::start(&identity, move |seen| {
        if seen.line == "GET /v1/version" {
            return version_of(&spki);
        }
        let mut texts = texts.lock().unwrap();
        if seen.line == "POST /session" {
            return put(&mut texts, seen);
        }
        if let Some(name) = seen.line.strip_prefix("GET /v1/hashes/") {
            return match texts.get(name) {
                Some(text) => {
                    let hash = sha256(text.as_bytes()).to_string();
                    json(200, &wire::CurrentHash { hash })
                }
                None => refusal(404, "no-such-policy", "Session not found: `demo`"),
            };
        }
        let name = seen.line.strip_prefix("GET /v1/sessions/").unwrap();
        match texts.get(name) {
            Some(text) => {
                let hash = sha256(text.as_bytes()).to_string();
                json(200, &serde_json::json!({"session": text, "hash": hash}))
            }
            None => refusal(404, "no-such-policy", "Session not found: `demo`"),
        }
    })
}

fn put(texts: &mut BTreeMap<String, String>, seen: &Seen) -> Reply {
    let text = String::from_utf8(seen.body.clone()).unwrap();
    let policy = casque_policy::Policy::parse(&text).unwrap().policy;
    let name = policy.name.to_string();
    let current = texts
        .get(&name)
        .map(|text| sha256(text.as_bytes()).to_string());
    if policy.predecessor.map(|hash| hash.to_string()) != current {
        return refusal(409, "policy-exists", "somebody was faster");
    }
    let hash = sha256(text.as_bytes()).to_string();
    texts.insert(name, text);
    json(201, &serde_json::json!({"hash": hash}))
}

/// A place with a policy whose command line has pinned the server as `cas`.
fn pinned(server: &FakeServer) -> Place {
    let place = Place::new();
    place.write("policy.yaml", POLICY);
    let ran = attest(
        &place,
        server,
        &["--key-hash", &server.key_hash.to_string()],
    );
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    place
}

fn attest(place: &Place, server: &FakeServer, more: &[&str]) -> harness::Ran {
    let address = server.address.to_string();
    let mut arguments = vec!["cas", "attest", &address, "--name", "cas"];
    arguments.extend_from_slice(more);
    place.run(&arguments)
}

fn lines(server: &FakeServer) -> Vec<String> {
    server.seen().into_iter().map(|seen| seen.line).collect()
}

#[test]
fn attest_with_the_right_hash_pins_and_makes_the_first_the_default() {
    let server = server();
    let place = Place::new();
    let hash = server.key_hash.to_string();
    let ran = attest(&place, &server, &["-c", &hash]);
    let url = format!("https://{}/", server.address);
    assert_eq!(
        ran.stdout,
        format!("CAS cas at {url} is pinned to {hash}\n")
    );
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert_eq!(
        place.run(&["cas", "list"]).stdout,
        format!("* cas {url} {hash}\n")
    );
    assert_eq!(
        place.run(&["cas", "show-identification"]).stdout,
        format!("{hash}\n")
    );
    assert_eq!(
        server.seen()[0].caller,
        None,
        "a stranger does not learn who we are"
    );
}

#[test]
fn attest_with_another_hash_pins_nothing() {
    let server = server();
    let place = Place::new();
    let other = TestIdentity::new().key_hash().to_string();
    let ran = attest(&place, &server, &["--key-hash", &other]);
    assert_eq!((ran.code, ran.stdout.as_str()), (5, ""));
    assert!(
        ran.stderr.contains(&server.key_hash.to_string()),
        "{}",
        ran.stderr
    );
    assert_eq!(place.run(&["cas", "list"]).stdout, "");
    assert!(server.seen().is_empty());
}

#[test]
fn attest_without_hash_needs_the_dangerous_word() {
    let server = server();
    let place = Place::new();
    let ran = attest(&place, &server, &[]);
    assert_eq!(ran.code, 5);
    assert!(
        ran.stderr.contains("--dangerous-trust-on-first-use"),
        "{}",
        ran.stderr
    );
    assert_eq!(server.connections(), 0);
    let ran = attest(&place, &server, &["--dangerous-trust-on-first-use"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("nobody vouches"), "{}", ran.stderr);
    let listed = place.run(&["cas", "show-identification", "cas"]).stdout;
    assert_eq!(listed.trim(), server.key_hash.to_string());
}

#[test]
fn attest_does_not_replace_a_pin_unasked() {
    let (old, new) = (server(), server());
    let place = pinned(&old);
    let hash = new.key_hash.to_string();
    let ran = attest(&place, &new, &["-c", &hash]);
    assert_eq!(ran.code, 5);
    assert!(ran.stderr.contains("--replace"), "{}", ran.stderr);
    assert_eq!(attest(&place, &new, &["-c", &hash, "--replace"]).code, 0);
    assert_eq!(
        place.run(&["cas", "show-identification"]).stdout.trim(),
        hash
    );
}

#[test]
fn default_is_changed_by_set_default() {
    let (one, other) = (server(), server());
    let place = pinned(&one);
    let address = other.address.to_string();
    let hash = other.key_hash.to_string();
    place.run(&["cas", "attest", &address, "-c", &hash, "--name", "second"]);
    let ran = place.run(&["cas", "set-default", "second", "--output", "json"]);
    let expected = format!(
        "{{\"name\":\"second\",\"url\":\"https://{address}/\",\"key_hash\":\"{hash}\",\"default\":true}}\n"
    );
    assert_eq!((ran.code, ran.stdout), (0, expected));
    let listed = place.run(&["cas", "list"]).stdout;
    assert!(
        listed.contains("\n* second ") && listed.starts_with("  cas "),
        "{listed}"
    );
    assert_eq!(place.run(&["cas", "set-default", "third"]).code, 5);
}

#[test]
fn create_prints_the_hash_alone_and_shows_our_identity() {
    let server = server();
    let place = pinned(&server);
    let ran = place.run(&["session", "create", "policy.yaml"]);
    let hash = sha256(POLICY.as_bytes()).to_string();
    assert_eq!(
        (ran.code, ran.stdout, ran.stderr),
        (0, format!("{hash}\n"), String::new())
    );
    let put = &server.seen()[1];
    assert_eq!(put.body, POLICY.as_bytes());
    let own = place.run(&["self", "show-key-hash"]).stdout;
    assert_eq!(put.caller.unwrap().to_string(), own.trim());
}

#[test]
fn create_of_what_exists_is_a_conflict() {
    let server = server();
    let place = pinned(&server);
    place.run(&["session", "create", "policy.yaml"]);
    let ran = place.run(&[
        "session",
        "create",
        "policy.yaml",
        "--cas",
        &server.address.to_string(),
    ]);
    assert_snapshot("create_conflict", &ran);
}

#[test]
fn update_fills_the_predecessor_in_and_keeps_the_layout() {
    let server = server();
    let place = pinned(&server);
    let first = place.run(&["session", "create", "policy.yaml"]).stdout;
    let ran = place.run(&["session", "update", "policy.yaml"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let sent = String::from_utf8(server.seen().last().unwrap().body.clone()).unwrap();
    let line = format!("predecessor: {}\n", first.trim());
    assert_eq!(
        sent,
        POLICY.replace("name: demo", &format!("{line}name: demo"))
    );
    assert_eq!(ran.stdout.trim(), sha256(sent.as_bytes()).to_string());
    // The file itself is not touched, and a second update follows the first.
    assert_eq!(place.run(&["session", "update", "policy.yaml"]).code, 0);
}

#[test]
fn update_with_a_stale_predecessor_is_a_conflict() {
    let server = server();
    let place = pinned(&server);
    place.run(&["session", "create", "policy.yaml"]);
    let stale = "0".repeat(64);
    place.write("stale.yaml", &format!("predecessor: \"{stale}\"\n{POLICY}"));
    let ran = place.run(&["session", "update", "stale.yaml"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (6, ""));
    let asked = lines(&server)
        .into_iter()
        .filter(|line| line.starts_with("GET /v1/hashes"));
    assert_eq!(asked.count(), 0);
}

#[test]
fn update_of_what_does_not_exist_says_create() {
    let server = server();
    let place = pinned(&server);
    assert_snapshot(
        "update_absent",
        &place.run(&["session", "update", "policy.yaml"]),
    );
}

#[test]
fn update_that_may_not_read_says_what_to_do() {
    let identity = TestIdentity::new();
    let spki = identity.spki.clone();
    let server = FakeServer::start(&identity, move |seen| match seen.line.as_str() {
        "GET /v1/version" => version_of(&spki),
        _ => refusal(
            403,
            "denied",
            "`demo` does not let this client's key read it",
        ),
    });
    let place = pinned(&server);
    assert_snapshot(
        "update_unreadable",
        &place.run(&["session", "update", "policy.yaml"]),
    );
}

#[test]
fn read_prints_the_text_byte_for_byte() {
    let server = server();
    let place = pinned(&server);
    place.run(&["session", "create", "policy.yaml"]);
    let ran = place.run(&["session", "read", "demo"]);
    assert_eq!(
        (ran.code, ran.stdout.as_str(), ran.stderr.as_str()),
        (0, POLICY, "")
    );
    let ran = place.run(&["session", "read", "other"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (7, ""));
    let hash = "ab".repeat(32);
    place.run(&["session", "read", "demo", "--hash", &hash]);
    assert_eq!(
        *lines(&server).last().unwrap(),
        format!("GET /v1/sessions/demo?hash={hash}")
    );
}

#[test]
fn policy_with_errors_or_unwanted_warnings_is_not_sent() {
    let server = server();
    let place = pinned(&server);
    place.write("bad.yaml", "name: demo\nversion: \"0.3\"\nservises: []\n");
    let ran = place.run(&["session", "create", "bad.yaml"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    let none = "name: demo\nversion: \"0.3\"\nsecurity: {attestation: {mode: none}}\n\
        services: [{name: web, command: web}]\n";
    place.write("none.yaml", none);
    let ran = place.run(&["session", "create", "none.yaml", "--fail-on-warning"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (3, ""));
    assert_eq!(lines(&server), ["GET /v1/version"]);
    let ran = place.run(&["session", "create", "none.yaml"]);
    assert_eq!(ran.code, 0);
    assert!(ran.stderr.contains("warning["), "{}", ran.stderr);
}

#[test]
fn findings_of_the_server_are_shown_in_the_authors_file() {
    let identity = TestIdentity::new();
    let spki = identity.spki.clone();
    let server = FakeServer::start(&identity, move |seen| match seen.line.as_str() {
        "GET /v1/version" => version_of(&spki),
        _ => {
            let found = serde_json::json!({"severity": "error", "code": "newer-rule",
                "message": "expected \u{1b}[31mless", "line": 7, "column": 11, "hint": "mend it"});
            let error = serde_json::json!({"code": "policy", "message": "the policy has errors",
                "diagnostics": [found]});
            json(400, &serde_json::json!({"error": error}))
        }
    });
    let place = pinned(&server);
    assert_snapshot(
        "create_refused_by_server",
        &place.run(&["session", "create", "policy.yaml"]),
    );
}

#[test]
fn refusals_have_their_exit_codes() {
    for (status, code) in [
        (401, 4),
        (403, 4),
        (404, 7),
        (409, 6),
        (429, 8),
        (500, 8),
        (503, 8),
    ] {
        let identity = TestIdentity::new();
        let spki = identity.spki.clone();
        let server = FakeServer::start(&identity, move |seen| match seen.line.as_str() {
            "GET /v1/version" => version_of(&spki),
            _ => refusal(status, "told", "the server's own words"),
        });
        let place = pinned(&server);
        let ran = place.run(&["session", "read", "demo", "--output", "json"]);
        assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{status}");
        let expected = "{\"error\":{\"code\":\"told\",\"message\":\"the server's own words\"}}\n";
        assert_eq!(ran.stderr, expected);
    }
}

/// A server that answers what `GET /v1/attempts/my-namespace/shop/web` answers.
fn attempts(answer: impl Fn() -> Reply + Send + Sync + 'static) -> (FakeServer, Place) {
    let identity = TestIdentity::new();
    let spki = identity.spki.clone();
    let server = FakeServer::start(&identity, move |seen| match seen.line.as_str() {
        "GET /v1/version" => version_of(&spki),
        "GET /v1/attempts/my-namespace/shop/web" => answer(),
        other => panic!("nothing else is asked: {other}"),
    });
    let place = pinned(&server);
    (server, place)
}

const LAST: [&str; 3] = ["explain", "my-namespace/shop/web", "--last"];

fn attempt(outcome: &str, code: Option<&str>) -> serde_json::Value {
    let mut told = serde_json::json!({
        "at": "2026-11-24T12:00:00Z", "session_hash": "ab", "evidence": "sgx", "outcome": outcome,
        "claims": {"mrenclave": "cd"},
    });
    if let Some(code) = code {
        told["code"] = code.into();
        told["message"] = "the quote was changed".into();
    } else {
        told["scope"] = "process".into();
        told["decision"] = serde_json::json!({
            "config": "my-namespace/shop/web", "granted": outcome == "granted",
            "rules": [{"path": "services[web]", "holds": true, "expected": "a", "found": "a"}],
        });
    }
    told
}

#[test]
fn explain_shows_the_last_attempts_and_exits_as_the_latest() {
    let cases = [
        ("granted", None, 0),
        ("denied", None, 4),
        ("not-authentic", Some("quote-signature"), 5),
        ("failed", Some("store-unavailable"), 2),
    ];
    for (outcome, code, exit) in cases {
        let told =
            serde_json::json!({"attempts": [attempt(outcome, code), attempt("denied", None)]});
        let answer = told.clone();
        let (_server, place) = attempts(move || json(200, &answer));
        let ran = place.run(&LAST);
        assert_eq!((ran.code, ran.stderr.as_str()), (exit, ""), "{outcome}");
        for words in [
            "2026-11-24T12:00:00Z by policy version ab",
            "mrenclave = cd",
            outcome,
        ] {
            assert!(ran.stdout.contains(&words.replace('-', " ")) || ran.stdout.contains(words));
        }
        let ran = place.run(&[&LAST[..], &["--output", "json"]].concat());
        let found: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!((ran.code, found), (exit, told));
    }
}

#[test]
fn explain_of_what_nobody_asked_for_says_so() {
    let (_server, place) = attempts(|| json(200, &serde_json::json!({"attempts": []})));
    let ran = place.run(&LAST);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""));
    let expected = "nobody has asked for `my-namespace/shop/web`";
    assert!(ran.stderr.starts_with(expected), "{}", ran.stderr);
    let ran = place.run(&[&LAST[..], &["--output", "json"]].concat());
    assert_eq!(
        (ran.stdout.as_str(), ran.stderr.as_str()),
        ("{\"attempts\":[]}\n", "")
    );
}

#[test]
fn explain_is_refused_to_who_may_not_read_and_of_what_is_absent() {
    for (status, code, exit) in [(403, "not-permitted", 4), (404, "policy-absent", 7)] {
        let (_server, place) = attempts(move || refusal(status, code, "the server's own words"));
        let ran = place.run(&LAST);
        assert_eq!((ran.code, ran.stdout.as_str()), (exit, ""));
        let expected = format!("error[{code}]: the server's own words\n");
        assert_eq!(ran.stderr, expected);
    }
    let ran = Place::new().run(&LAST);
    assert_eq!(ran.code, 5, "no server is known: {}", ran.stderr);
}

#[test]
fn server_that_is_gone_or_another_one_is_not_talked_to() {
    let first = server();
    let place = pinned(&first);
    let address = first.address;
    drop(first);
    let ran = place.run(&["session", "read", "demo"]);
    assert_eq!(ran.code, 5);
    assert!(ran.stderr.contains(&address.to_string()), "{}", ran.stderr);
    let other = server();
    let config = std::fs::read_to_string(place.config()).unwrap();
    let moved = config.replace(&address.to_string(), &other.address.to_string());
    std::fs::write(place.config(), moved).unwrap();
    let ran = place.run(&["session", "read", "demo"]);
    assert_eq!(ran.code, 5);
    assert!(ran.stderr.contains("is another one"), "{}", ran.stderr);
    assert!(other.seen().is_empty());
}
