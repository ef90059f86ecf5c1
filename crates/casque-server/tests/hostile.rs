//! Bad input: refused with a clear error, memory bounded, nobody else disturbed.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![expect(unreachable_pub, reason = "the peer is a module of this test alone")]

mod peer;

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use casque_secrets::IdentityKey;
use peer::{Answer, Running};

fn put(text: &[u8]) -> Answer {
    let directory = tempfile::tempdir().unwrap();
    let server = Running::start(directory.path(), |_| {});
    let author = IdentityKey::generate().unwrap();
    let answer = server.connect(Some(&author)).post("/session", text);
    assert_eq!(
        server.connect(None).get("/readyz").status,
        200,
        "the server still serves"
    );
    answer
}

fn first_finding(answer: &Answer) -> (String, u64) {
    let finding = &answer.json()["error"]["diagnostics"][0];
    (
        finding["code"].as_str().unwrap().to_owned(),
        finding["line"].as_u64().unwrap(),
    )
}

fn peak_resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn body_of_100_mib_is_refused_and_not_kept() {
    let directory = tempfile::tempdir().unwrap();
    let server = Running::start(directory.path(), |_| {});
    let author = IdentityKey::generate().unwrap();
    let before = peak_resident_kib();
    let mut peer = server.connect(Some(&author));
    let chunk = vec![b'a'; 1024 * 1024];
    peer.head("/session", 100 * chunk.len());
    for _ in 0..100 {
        peer.0.write_all(&chunk).unwrap();
    }
    let answer = peer.answer();
    assert_eq!(answer.status, 413);
    assert_eq!(answer.code(), "body-too-large");
    let grown = peak_resident_kib() - before;
    assert!(grown < 64 * 1024, "grew by {grown} KiB");
}

#[test]
fn attest_request_over_its_bound_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let server = Running::start(directory.path(), |_| {});
    let answer = server
        .connect(None)
        .post("/v1/attest", &vec![b' '; 4 * 1024 * 1024]);
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (413, "body-too-large")
    );
}

#[test]
fn policy_without_client_certificate_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let server = Running::start(directory.path(), |_| {});
    let answer = server
        .connect(None)
        .post("/session", b"name: a\nversion: \"0.3\"\n");
    assert_eq!(answer.status, 401);
    assert_eq!(answer.code(), "client-certificate-missing");
    assert!(
        answer.json()["msg"][0].is_string(),
        "SCONE's list of causes is there"
    );
}

#[test]
fn policy_with_invalid_utf8_names_its_line() {
    let answer = put(b"name: a\nversion: \"\xff\"\n");
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (400, "policy-not-utf8")
    );
    assert!(answer.body.contains("line 2"), "{}", answer.body);
}

#[test]
fn policy_nested_too_deep_is_refused() {
    let mut text = String::from("name: a\nversion: \"0.3\"\nsecrets: ");
    text.push_str(&"[".repeat(10_000));
    let answer = put(text.as_bytes());
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (400, "policy-malformed")
    );
}

#[test]
fn policy_with_alias_bomb_is_refused() {
    let mut text = String::from("name: a\nversion: \"0.3\"\na0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for n in 1..40 {
        let below = n - 1;
        writeln!(
            text,
            "a{n}: &a{n} [*a{below}, *a{below}, *a{below}, *a{below}, *a{below}]"
        )
        .unwrap();
    }
    let answer = put(text.as_bytes());
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (400, "policy-malformed")
    );
}

#[test]
fn policy_with_unknown_key_names_the_nearest() {
    let answer = put(b"name: a\nversion: \"0.3\"\nservces: []\n");
    assert_eq!(answer.code(), "policy-malformed");
    assert_eq!(first_finding(&answer), ("unknown-key".to_owned(), 3));
    assert!(answer.body.contains("`services`"), "{}", answer.body);
}

#[test]
fn request_of_nonsense_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let server = Running::start(directory.path(), |_| {});
    let answer = server.connect(None).post("/v1/attest", b"{\"evidence\":1}");
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (400, "request-malformed")
    );
    let answer = server.connect(None).get("/v1/secrets");
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (404, "no-such-route")
    );
}

#[test]
fn client_that_says_nothing_is_dropped_and_disturbs_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let server = Running::start(directory.path(), |config| config.limits.handshake_s = 1);
    let mut silent: Vec<TcpStream> = (0..64)
        .map(|_| TcpStream::connect(server.address).unwrap())
        .collect();
    let mut slow = server.connect(None);
    slow.0.write_all(b"GET /healthz HTTP/1.1\r\nHost").unwrap();
    assert_eq!(server.connect(None).get("/healthz").status, 200);
    for stream in &mut silent {
        let mut rest = Vec::new();
        // ends when the server closes, by its own deadline
        drop(stream.read_to_end(&mut rest));
        assert_eq!(rest, b"");
    }
    let mut rest = Vec::new();
    drop(slow.0.read_to_end(&mut rest));
    let rest = String::from_utf8(rest).unwrap();
    assert!(
        rest.is_empty() || rest.starts_with("HTTP/1.1 408"),
        "{rest}"
    );
    let metrics = server.connect(None).get("/metrics").body;
    assert!(
        metrics.contains("casque_failed_handshakes_total 64"),
        "{metrics}"
    );
}

#[test]
fn body_that_does_not_come_is_answered_within_the_limit() {
    let directory = tempfile::tempdir().unwrap();
    let server = Running::start(directory.path(), |config| config.limits.request_s = 1);
    let mut peer = server.connect(None);
    peer.head("/v1/attest", 1000);
    peer.0.write_all(b"{").unwrap();
    let answer = peer.answer();
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (503, "request-too-slow")
    );
}
