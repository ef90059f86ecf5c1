//! The requests about policies: what goes out, what is taken for an answer, and what is not.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test that cannot go on fails"
)]

mod fake_server;

use assert_matches::assert_matches;
use casque_client::{Client, ClientError, MAX_LISTED, ServerTrust, Timeouts};
use casque_types::{KeyHash, PolicyName};
use casque_wire as wire;
use fake_server::{FakeServer, Reply, Seen, TestIdentity};

fn answering(reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> (FakeServer, Client) {
    let server = FakeServer::start(&TestIdentity::new(), reply);
    let trust = ServerTrust::Pinned(server.key_hash);
    let address = server.address.to_string().parse().unwrap();
    let client = Client::new(address, &trust, None, Timeouts::default()).unwrap();
    (server, client)
}

fn json(value: &serde_json::Value) -> Reply {
    Reply::Json(200, value.to_string())
}

fn name(text: &str) -> PolicyName {
    text.parse().unwrap()
}

fn names(texts: &[&str]) -> Vec<PolicyName> {
    texts.iter().map(|text| name(text)).collect()
}

#[test]
fn signed_policy_is_posted_as_json() {
    let hash = "ab".repeat(32);
    let answer = serde_json::json!({"hash": hash});
    let (server, client) = answering(move |_| Reply::Json(201, answer.to_string()));
    let signed = wire::SignedSession {
        session: "name: a\n".to_owned(),
        signatures: vec![wire::SessionSignature {
            signer: "PEM".to_owned(),
            signature: "00ff".to_owned(),
        }],
    };
    assert_eq!(client.put_signed(&signed).unwrap().hash.to_string(), hash);
    let seen = &server.seen()[0];
    assert_eq!(seen.line, "POST /session");
    assert_eq!(
        std::str::from_utf8(&seen.body).unwrap(),
        r#"{"session":"name: a\n","signatures":[{"signer":"PEM","signature":"00ff"}]}"#
    );
}

#[test]
fn encrypted_policy_is_put_at_its_own_place() {
    let hash = "ab".repeat(32);
    let answer = serde_json::json!({"hash": hash, "warnings": []});
    let (server, client) = answering(move |_| Reply::Json(201, answer.to_string()));
    let encrypted = wire::EncryptedSession {
        encrypted_session: "AAAA".to_owned(),
        encryption_key: "11".repeat(32),
    };
    assert_eq!(
        client.put_encrypted(&encrypted).unwrap().hash.to_string(),
        hash
    );
    assert_eq!(server.seen()[0].line, "PUT /v1/encrypted_sessions");
}

#[test]
fn list_is_read_part_by_part() {
    let (server, client) = answering(|seen| match seen.line.contains("after=") {
        false => json(&serde_json::json!({"sessions": ["n/a", "n/b"], "next": "n/b"})),
        true => json(&serde_json::json!({"sessions": ["n/c"]})),
    });
    let listed = client.list_all(&name("n")).unwrap();
    assert_eq!(listed, names(&["n/a", "n/b", "n/c"]));
    let lines: Vec<String> = server.seen().into_iter().map(|seen| seen.line).collect();
    assert_eq!(
        lines,
        [
            "GET /v1/sessions?namespace=n&limit=1000",
            "GET /v1/sessions?namespace=n&after=n/b&limit=1000"
        ]
    );
}

#[test]
fn list_that_does_not_move_on_is_malformed() {
    let (server, client) =
        answering(|_| json(&serde_json::json!({"sessions": ["n/a"], "next": "n/a"})));
    assert_matches!(
        client.list_all(&name("n")),
        Err(ClientError::Malformed { status: 200, .. })
    );
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn list_without_end_is_cut_off() {
    let (_server, client) = answering(|seen| {
        let after = seen.line.split("after=p").nth(1);
        let after = after.and_then(|rest| rest.split('&').next());
        let page: usize = after.map_or(0, |digits| digits.parse::<usize>().unwrap() + 1);
        let many: Vec<String> = (0..50_000).map(|n| format!("p{page:03}-{n}")).collect();
        json(&serde_json::json!({"sessions": many, "next": format!("p{page:03}")}))
    });
    assert_matches!(
        client.list_all(&PolicyName::root()),
        Err(ClientError::TooMany { limit: MAX_LISTED })
    );
}

#[test]
fn list_with_a_name_that_is_none_is_malformed() {
    let (_server, client) = answering(|_| json(&serde_json::json!({"sessions": ["a b"]})));
    assert_matches!(
        client.list_all(&PolicyName::root()),
        Err(ClientError::Malformed { .. })
    );
}

#[test]
fn history_is_read_with_its_chain() {
    let (first, second) = ("11".repeat(32), "22".repeat(32));
    let answer = serde_json::json!({"versions": [
        {"hash": first, "predecessor": null, "created": "2026-11-24T20:00:00Z"},
        {"hash": second, "predecessor": first, "created": "2026-11-24T21:00:00Z"},
    ]});
    let (server, client) = answering(move |_| json(&answer));
    let versions = client.history(&name("n/a")).unwrap();
    assert_eq!(server.seen()[0].line, "GET /v1/history/n/a");
    assert_eq!(versions[0].predecessor, None);
    assert_eq!(versions[1].predecessor.as_ref(), Some(&versions[0].hash));
    assert_eq!(versions[1].created, "2026-11-24T21:00:00Z");
}

#[test]
fn history_with_a_hash_that_is_none_is_malformed() {
    let answer = serde_json::json!({"versions": [
        {"hash": "zz", "predecessor": null, "created": "2026-11-24T20:00:00Z"},
    ]});
    let (_server, client) = answering(move |_| json(&answer));
    assert_matches!(
        client.history(&name("a")),
        Err(ClientError::Malformed { .. })
    );
}

#[test]
fn root_namespace_is_one_segment_of_the_path() {
    let hash = "ab".repeat(32);
    let answer = serde_json::json!({"hash": hash, "session": "name: /\n"});
    let (server, client) = answering(move |_| json(&answer));
    let root = PolicyName::root();
    assert_eq!(client.current_hash(&root).unwrap().to_string(), hash);
    client.read_policy(&root, None).unwrap();
    let lines: Vec<String> = server.seen().into_iter().map(|seen| seen.line).collect();
    assert_eq!(lines, ["GET /v1/hashes/%2F", "GET /v1/sessions/%2F"]);
}

#[test]
fn attempts_are_read_under_their_config_id() {
    let answer = serde_json::json!({"attempts": [{
        "at": "2026-11-24T20:00:00Z", "session_hash": "11".repeat(32), "evidence": "sgx",
        "outcome": "not-authentic", "code": "quote-signature", "claims": {"mrenclave": "ab"}, "later": 1,
    }]});
    let (server, client) = answering(move |_| json(&answer));
    let attempts = client.attempts(&"n/a/web".parse().unwrap()).unwrap();
    assert_eq!(server.seen()[0].line, "GET /v1/attempts/n/a/web");
    let explanation = &attempts[0].explanation;
    assert_eq!(explanation.outcome, wire::Outcome::NotAuthentic);
    assert_eq!(explanation.code.as_deref(), Some("quote-signature"));
    assert_eq!(explanation.claims["mrenclave"], "ab");
}

#[test]
fn attempts_that_are_none_are_malformed() {
    let (_server, client) = answering(|_| json(&serde_json::json!({"attempts": [{}]})));
    assert_matches!(
        client.attempts(&"a/web".parse().unwrap()),
        Err(ClientError::Malformed { .. })
    );
}

fn version_with(identity: &TestIdentity, encryption_key: &str) -> String {
    let version = wire::Version {
        name: "casque".to_owned(),
        version: "0.1.0".to_owned(),
        server: KeyHash::of_spki(&identity.spki).to_string(),
        server_key: wire::B64(identity.spki.clone()),
        session_encryption_key: encryption_key.to_owned(),
    };
    serde_json::to_string(&version).unwrap()
}

fn version_of_a_server_with(
    encryption_key: &str,
) -> (
    Client,
    FakeServer,
    TestIdentity,
    Result<Option<String>, ClientError>,
) {
    let identity = TestIdentity::new();
    let version = version_with(&identity, encryption_key);
    let server = FakeServer::start(&identity, move |_| Reply::Json(200, version.clone()));
    let trust = ServerTrust::Pinned(server.key_hash);
    let address = server.address.to_string().parse().unwrap();
    let client = Client::new(address, &trust, None, Timeouts::default()).unwrap();
    let key = client
        .version()
        .map(|version| version.session_encryption_key.map(|key| key.to_string()));
    (client, server, identity, key)
}

#[test]
fn version_brings_the_session_encryption_key() {
    let digits = "0a".repeat(32);
    let (client, _server, identity, key) = version_of_a_server_with(&digits);
    assert_eq!(key.unwrap(), Some(digits));
    assert_eq!(client.tls_certificate(), Some(&*identity.certificate));
    assert_eq!(version_of_a_server_with("").3.unwrap(), None);
}

#[test]
fn version_with_an_encryption_key_that_is_none_is_malformed() {
    let (_, _server, _, key) = version_of_a_server_with("0a0a");
    assert_matches!(key, Err(ClientError::Malformed { .. }));
}
