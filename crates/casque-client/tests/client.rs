//! The client against a server that does one thing wrong at a time.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test that cannot go on fails"
)]

mod fake_server;

use std::time::Duration;

use assert_matches::assert_matches;
use casque_client::{
    Client, ClientError, ClientIdentity, EvidenceKind, MAX_ANSWER_BYTES, ServerAddress,
    ServerTrust, Timeouts,
};
use casque_types::{KeyHash, Secret};
use casque_wire as wire;
use fake_server::{FakeServer, Reply, Seen, TestIdentity};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

fn client(server: &FakeServer) -> Client {
    client_trusting(server, &ServerTrust::Pinned(server.key_hash))
}

fn client_trusting(server: &FakeServer, trust: &ServerTrust) -> Client {
    let address = server.address.to_string().parse().unwrap();
    Client::new(address, trust, None, Timeouts::default()).unwrap()
}

fn version_of(spki: &[u8]) -> String {
    let version = wire::Version {
        name: "casque".to_owned(),
        version: "0.1.0".to_owned(),
        server: KeyHash::of_spki(spki).to_string(),
        server_key: wire::B64(spki.to_vec()),
        session_encryption_key: String::new(),
    };
    serde_json::to_string(&version).unwrap()
}

fn challenge_json(server: &KeyHash, kem: &str, nonce: &str) -> String {
    format!(
        r#"{{"nonce":"{nonce}","expires":1795424399,"server":"{server}","kems":["{kem}"],
        "evidence":["sgx","tea-leaves","none"],"later":"additions are ignored"}}"#
    )
}

fn answering(reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> FakeServer {
    FakeServer::start(&TestIdentity::new(), reply)
}

#[test]
fn version_of_the_pinned_server_is_read() {
    let identity = TestIdentity::new();
    let spki = identity.spki.clone();
    let server = FakeServer::start(&identity, move |_| Reply::Json(200, version_of(&spki)));
    let client = client(&server);
    assert_eq!(client.tls_key_hash(), None);
    let version = client.version().unwrap();
    assert_eq!(version.key_hash, server.key_hash);
    assert_eq!(client.tls_key_hash(), Some(&server.key_hash));
    assert_eq!(server.seen()[0].line, "GET /v1/version");
}

#[test]
fn server_with_another_key_is_told_nothing() {
    let server = answering(|_| Reply::Silence);
    let pinned = TestIdentity::new().key_hash();
    let refused = client_trusting(&server, &ServerTrust::Pinned(pinned)).challenge();
    assert_matches!(refused, Err(ClientError::OtherServer { expected, found, .. })
        if *expected == pinned && *found == server.key_hash);
    assert!(server.seen().is_empty());
}

#[test]
fn server_that_shows_a_key_it_does_not_hold_is_refused() {
    let (shown, held) = (TestIdentity::new(), TestIdentity::new());
    let server = FakeServer::start_impostor(&shown, &held);
    let client = client(&server);
    assert_matches!(client.challenge(), Err(ClientError::Tls { .. }));
    assert_eq!(client.tls_key_hash(), None);
    assert!(server.seen().is_empty());
}

#[test]
fn unpinned_server_that_claims_another_identity_is_refused() {
    let other = TestIdentity::new();
    let (spki, claimed) = (other.spki.clone(), other.key_hash());
    let server = answering(move |_| Reply::Json(200, version_of(&spki)));
    let refused = client_trusting(&server, &ServerTrust::DangerousUnpinned).version();
    assert_matches!(refused, Err(ClientError::OtherServer { found, .. }) if *found == claimed);
}

#[test]
fn version_whose_hash_is_not_its_keys_is_malformed() {
    let server = answering(|_| {
        let bent = version_of(b"one key").replace(
            &KeyHash::of_spki(b"one key").to_string(),
            &KeyHash::of_spki(b"another").to_string(),
        );
        Reply::Json(200, bent)
    });
    let refused = client(&server).version();
    assert_matches!(refused, Err(ClientError::Malformed { status: 200, .. }));
}

#[test]
fn silent_server_runs_into_the_deadline() {
    let server = answering(|_| Reply::Silence);
    let timeouts = Timeouts {
        exchange: Duration::from_millis(150),
        ..Timeouts::default()
    };
    let trust = ServerTrust::Pinned(server.key_hash);
    let address = server.address.to_string().parse().unwrap();
    let client = Client::new(address, &trust, None, timeouts).unwrap();
    assert_matches!(client.version(), Err(ClientError::Timeout { .. }));
}

#[test]
fn server_that_never_shakes_hands_runs_into_the_deadline() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let timeouts = Timeouts {
        connect: Duration::from_millis(150),
        ..Timeouts::default()
    };
    let trust = ServerTrust::Pinned(TestIdentity::new().key_hash());
    let address = listener.local_addr().unwrap().to_string().parse().unwrap();
    let client = Client::new(address, &trust, None, timeouts).unwrap();
    let failed = client.version();
    assert_matches!(
        failed,
        Err(ClientError::Timeout {
            phase: "connecting",
            ..
        })
    );
}

#[test]
fn answer_announced_too_long_is_not_read() {
    let head = format!(
        "HTTP/1.1 200 X\r\ncontent-length: {}\r\n\r\n",
        MAX_ANSWER_BYTES + 1
    );
    let server = answering(move |_| Reply::Raw(head.clone().into_bytes()));
    assert_matches!(client(&server).version(), Err(ClientError::TooLarge { .. }));
}

#[test]
fn answer_that_does_not_end_is_cut_off() {
    let mut bytes = b"HTTP/1.1 200 X\r\nconnection: close\r\n\r\n".to_vec();
    bytes.resize(MAX_ANSWER_BYTES + 4096, b' ');
    let server = answering(move |_| Reply::Raw(bytes.clone()));
    assert_matches!(client(&server).version(), Err(ClientError::TooLarge { .. }));
}

#[test]
fn answer_broken_off_is_unreachable() {
    let bytes = b"HTTP/1.1 200 X\r\ncontent-length: 100\r\n\r\n{\"name\"".to_vec();
    let server = answering(move |_| Reply::Raw(bytes.clone()));
    assert_matches!(
        client(&server).version(),
        Err(ClientError::Unreachable { .. })
    );
}

#[test]
fn headers_without_end_are_refused() {
    let mut bytes = b"HTTP/1.1 200 X\r\nx: ".to_vec();
    bytes.resize(MAX_ANSWER_BYTES, b'x');
    let server = answering(move |_| Reply::Raw(bytes.clone()));
    assert_matches!(client(&server).version(), Err(ClientError::TooLarge { .. }));
}

#[test]
fn redirect_is_not_followed() {
    let server = answering(|_| {
        let head = "HTTP/1.1 307 X\r\nlocation: https://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
        Reply::Raw(head.as_bytes().to_vec())
    });
    let refused = client(&server).challenge();
    assert_matches!(refused, Err(ClientError::Malformed { status: 307, .. }));
}

#[test]
fn closed_port_is_unreachable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address: ServerAddress = listener.local_addr().unwrap().to_string().parse().unwrap();
    drop(listener);
    let trust = ServerTrust::DangerousUnpinned;
    let client = Client::new(address, &trust, None, Timeouts::default()).unwrap();
    let failed = client.version().unwrap_err();
    assert_matches!(failed, ClientError::Unreachable { .. });
    assert!(failed.is_retryable());
}

#[test]
fn server_without_tls_is_named_as_such() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string().parse().unwrap();
    let plain = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        std::io::Write::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        std::io::copy(&mut stream, &mut std::io::sink()).ok();
    });
    let trust = ServerTrust::DangerousUnpinned;
    let client = Client::new(address, &trust, None, Timeouts::default()).unwrap();
    assert_matches!(client.version(), Err(ClientError::Tls { .. }));
    drop(client);
    plain.join().unwrap();
}

#[test]
fn denial_brings_its_reasons() {
    let server = answering(|_| {
        let body = r#"{"error":{"code":"denied","message":"the policy denies it",
            "reasons":[{"code":"measurement-mismatch","path":"services[web]","found":"00","hint":"h"}]}}"#;
        Reply::Json(403, body.to_owned())
    });
    let refused = client(&server).challenge();
    assert_matches!(refused, Err(ClientError::Refused { status: 403, failure })
        if failure.reasons[0].code == "measurement-mismatch");
}

#[test]
fn refusal_that_is_no_json_is_malformed() {
    let server = answering(|_| Reply::Json(502, "<html>".to_owned()));
    let refused = client(&server).challenge();
    assert_matches!(refused, Err(ClientError::Malformed { status: 502, .. }));
}

#[test]
fn challenge_is_read_and_unknown_evidence_left_out() {
    let identity = TestIdentity::new();
    let server_hash = identity.key_hash();
    let server = FakeServer::start(&identity, move |_| {
        Reply::Json(200, challenge_json(&server_hash, "X-Wing", "AQID"))
    });
    let challenge = client(&server).challenge().unwrap();
    assert_eq!(challenge.nonce.as_bytes(), [1, 2, 3]);
    assert_eq!(challenge.expires.as_unix_s(), 1_795_424_399);
    assert_eq!(challenge.evidence, [EvidenceKind::Sgx, EvidenceKind::None]);
}

#[test]
fn challenge_of_another_server_is_refused() {
    let other = TestIdentity::new().key_hash();
    let server = answering(move |_| Reply::Json(200, challenge_json(&other, "X-Wing", "AQID")));
    assert_matches!(
        client(&server).challenge(),
        Err(ClientError::OtherServer { .. })
    );
}

#[test]
fn challenge_without_our_kem_is_refused() {
    let identity = TestIdentity::new();
    let hash = identity.key_hash();
    let server = FakeServer::start(&identity, move |_| {
        Reply::Json(200, challenge_json(&hash, "RSA", "AQ"))
    });
    assert_matches!(
        client(&server).challenge(),
        Err(ClientError::NoCommonKem { .. })
    );
}

#[test]
fn challenge_without_nonce_is_malformed() {
    let identity = TestIdentity::new();
    let hash = identity.key_hash();
    let server = FakeServer::start(&identity, move |_| {
        Reply::Json(200, challenge_json(&hash, "X-Wing", ""))
    });
    assert_matches!(
        client(&server).challenge(),
        Err(ClientError::Malformed { .. })
    );
}

#[test]
fn requests_share_one_connection() {
    let identity = TestIdentity::new();
    let spki = identity.spki.clone();
    let server = FakeServer::start(&identity, move |_| Reply::Json(200, version_of(&spki)));
    let client = client(&server);
    for _ in 0..3 {
        client.version().unwrap();
    }
    assert_eq!((server.seen().len(), server.connections()), (3, 1));
}

#[test]
fn policy_put_arrives_verbatim_from_the_caller() {
    let hash = "ab".repeat(32);
    let answer = format!(r#"{{"hash":"{hash}"}}"#);
    let server = answering(move |_| Reply::Json(201, answer.clone()));
    let caller = TestIdentity::new();
    let pkcs8 = Secret::new(caller.pkcs8.clone());
    let identity = ClientIdentity::new(caller.certificate.clone(), &pkcs8).unwrap();
    let trust = ServerTrust::Pinned(server.key_hash);
    let address = server.address.to_string().parse().unwrap();
    let client = Client::new(address, &trust, Some(identity), Timeouts::default()).unwrap();
    let put = client.put_policy("name: a\n").unwrap();
    assert_eq!(put.hash.to_string(), hash);
    let seen = &server.seen()[0];
    assert_eq!(
        (seen.line.as_str(), &seen.body[..]),
        ("POST /session", &b"name: a\n"[..])
    );
    assert_eq!(seen.caller, Some(caller.key_hash()));
}

#[test]
fn policy_put_with_a_hash_that_is_none_is_malformed() {
    let server = answering(|_| Reply::Json(201, r#"{"hash":"abc"}"#.to_owned()));
    let refused = client(&server).put_policy("name: a\n");
    assert_matches!(refused, Err(ClientError::Malformed { status: 201, .. }));
}

#[test]
fn policy_version_is_asked_for_by_its_hash() {
    let hash = "cd".repeat(32);
    let answer = format!(r#"{{"session":"name: ns/a\n","hash":"{hash}"}}"#);
    let server = answering(move |_| Reply::Json(200, answer.clone()));
    let asked = hash.parse().unwrap();
    let read = client(&server)
        .read_policy(&"ns/a".parse().unwrap(), Some(&asked))
        .unwrap();
    assert_eq!(read.text.expose_text(), Some("name: ns/a\n"));
    assert_eq!(
        server.seen()[0].line,
        format!("GET /v1/sessions/ns/a?hash={hash}")
    );
}

#[test]
fn values_are_asked_for_by_scone_path() {
    let server = answering(|seen| {
        let value = r#"{"kind":"ascii","value":"42","expires":null,"renew":null}"#;
        match seen.line.contains(",secret=") {
            true => Reply::Json(200, value.to_owned()),
            false => Reply::Json(200, format!(r#"{{"values":{{"n":{value}}}}}"#)),
        }
    });
    let client = client(&server);
    let name = "s".parse().unwrap();
    let value = client.value(&name, &"n".parse().unwrap(), None).unwrap();
    assert_eq!(value.value.expose_text(), Some("42"));
    let all = client.values(&name, None).unwrap();
    assert_eq!((all.len(), all[0].0.as_str()), (1, "n"));
    assert_eq!(server.seen()[0].line, "GET /v1/values/session=s,secret=n");
}

#[test]
fn identity_of_key_and_certificate_that_do_not_fit_is_refused() {
    let (one, other) = (TestIdentity::new(), TestIdentity::new());
    let refused = ClientIdentity::new(one.certificate, &Secret::new(other.pkcs8));
    assert_matches!(refused, Err(ClientError::Identity { .. }));
}

/// An authority's certificate in PEM, and an identity that it issued for `127.0.0.1`.
fn issued() -> (String, TestIdentity) {
    let authority_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(params, authority_key);
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = leaf.signed_by(&key, &issuer).unwrap().der().to_vec();
    (authority.pem(), TestIdentity::of(&key, certificate))
}

#[test]
fn ingress_with_a_certificate_of_the_authority_is_talked_to() {
    let (authority, ingress) = issued();
    let behind = TestIdentity::new();
    let spki = behind.spki.clone();
    let server = FakeServer::start(&ingress, move |_| Reply::Json(200, version_of(&spki)));
    let trust = ServerTrust::CertificateAuthority {
        authorities_pem: authority.into_bytes(),
        key_hash: behind.key_hash(),
    };
    let version = client_trusting(&server, &trust).version().unwrap();
    assert_eq!(version.key_hash, behind.key_hash());
}

#[test]
fn ingress_with_a_certificate_of_another_authority_is_refused() {
    let ((_, ingress), (authority, _)) = (issued(), issued());
    let server = FakeServer::start(&ingress, |_| Reply::Silence);
    let trust = ServerTrust::CertificateAuthority {
        authorities_pem: authority.into_bytes(),
        key_hash: ingress.key_hash(),
    };
    let refused = client_trusting(&server, &trust).version();
    assert_matches!(refused, Err(ClientError::Tls { .. }));
}

#[test]
fn authorities_that_are_no_certificates_are_refused() {
    let trust = ServerTrust::CertificateAuthority {
        authorities_pem: b"not a certificate".to_vec(),
        key_hash: TestIdentity::new().key_hash(),
    };
    let address = "localhost".parse().unwrap();
    let refused = Client::new(address, &trust, None, Timeouts::default());
    assert_matches!(refused, Err(ClientError::CertificateAuthority));
}
