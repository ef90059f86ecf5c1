//! The way to the other CAS, and connections that are kept.

use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use casque_core::RemoteSource as _;
use casque_types::{KeyHash, Secret, Timestamp};

use super::fake_server::{FakeServer, Reply, TestIdentity};
use super::{Asker, request, told};
use crate::Remote;

const VALUE: &str = r#"{"value":"aHVudGVyMg"}"#;

fn closing_answer() -> Reply {
    let length = VALUE.len();
    Reply::Raw(format!("HTTP/1.1 200 X\r\ncontent-length: {length}\r\n\r\n{VALUE}").into_bytes())
}

#[tokio::test]
async fn connection_is_used_again_and_no_value_is_kept() {
    let asked = AtomicUsize::new(0);
    let server = FakeServer::start(&TestIdentity::new(), move |_| {
        let body = match asked.fetch_add(1, Ordering::SeqCst) {
            0 => r#"{"value":"b25l"}"#,
            _ => r#"{"value":"dHdv"}"#,
        };
        Reply::Json(200, body.to_owned())
    });
    let asker = Asker::new();
    assert_eq!(asker.ask(&server).await.unwrap(), b"one");
    assert_eq!(asker.ask(&server).await.unwrap(), b"two");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn connection_that_proved_one_key_does_not_serve_another() {
    let server = FakeServer::start(&TestIdentity::new(), |_| Reply::Json(200, VALUE.to_owned()));
    let asker = Asker::new();
    assert_eq!(asker.ask(&server).await.unwrap(), b"hunter2");
    let other = KeyHash::of_spki(b"another key");
    let refused = asker.ask_at(&server.address.to_string(), other).await;
    assert_eq!(refused.unwrap_err().code, "remote-other-key");
    assert_eq!(asker.ask(&server).await.unwrap(), b"hunter2");
    assert_eq!((server.connections(), server.seen().len()), (2, 2));
}

#[tokio::test]
async fn idle_connection_that_the_server_closed_is_replaced() {
    let server = FakeServer::start(&TestIdentity::new(), |_| closing_answer());
    let asker = Asker::new();
    for _ in 0..5 {
        assert_eq!(asker.ask(&server).await.unwrap(), b"hunter2");
    }
    assert_eq!(server.seen().len(), 5);
}

#[tokio::test]
async fn connection_broken_off_once_is_asked_again() {
    let asked = AtomicUsize::new(0);
    let server = FakeServer::start(&TestIdentity::new(), move |_| {
        match asked.fetch_add(1, Ordering::SeqCst) {
            0 => Reply::Raw(Vec::new()),
            _ => Reply::Json(200, VALUE.to_owned()),
        }
    });
    assert_eq!(Asker::new().ask(&server).await.unwrap(), b"hunter2");
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn connection_broken_off_twice_is_unreachable() {
    for answer in [
        "",
        "HTTP/1.1 200 X\r\ncontent-length: 22\r\n\r\n{\"value\":",
    ] {
        let server = FakeServer::start(&TestIdentity::new(), move |_| {
            Reply::Raw(answer.as_bytes().to_vec())
        });
        let failure = Asker::new().ask(&server).await.unwrap_err();
        let said = "it broke the connection off".to_owned();
        assert_eq!(told(&failure, &server), ("remote-unreachable", said, true));
        assert_eq!(server.seen().len(), 2);
    }
}

#[tokio::test]
async fn server_that_says_nothing_is_not_waited_for() {
    let server = FakeServer::start(&TestIdentity::new(), |_| Reply::Silence);
    let asker = Asker::with_timeout(Duration::from_millis(200));
    let failure = asker.ask(&server).await.unwrap_err();
    let said = "it did not answer in time".to_owned();
    assert_eq!(told(&failure, &server), ("remote-timeout", said, true));
}

#[tokio::test]
async fn port_where_nobody_listens_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let asked = Asker::new();
    let asked = asked.ask_at(&address, KeyHash::of_spki(b"a key")).await;
    let failure = asked.unwrap_err();
    let what = format!(
        "asked `{address}` for secret `password` of policy `team/db`: it cannot be reached"
    );
    assert_eq!((failure.code, failure.what), ("remote-unreachable", what));
    assert!(failure.retryable);
}

#[tokio::test]
async fn name_without_address_is_said_to_be_none() {
    let asker = Asker::new();
    let asked = asker.ask_at("cas.invalid", KeyHash::of_spki(b"a key"));
    let failure = asked.await.unwrap_err();
    assert_eq!(failure.code, "remote-name-unresolved");
    let what = "asked `cas.invalid:8081` for secret `password` of policy `team/db`: its name does not resolve";
    assert_eq!(failure.what, what);
}

#[tokio::test]
async fn address_that_is_none_is_not_shown_and_nobody_is_asked() {
    let asker = Asker::new();
    let asked = asker.ask_at("https://user:hunter2@cas/", KeyHash::of_spki(b"a key"));
    let failure = asked.await.unwrap_err();
    assert_eq!(failure.code, "remote-address-malformed");
    let what = "`cas_url` is no address of a CAS: expected no path, query, fragment or user name beside the host, found one";
    assert_eq!(failure.what, what);
}

#[tokio::test]
async fn address_that_the_operator_does_not_list_is_not_asked() {
    let server = FakeServer::start(&TestIdentity::new(), |_| panic!("nobody may ask"));
    let own = TestIdentity::new();
    let key = Secret::new(own.pkcs8);
    let listed = "cas.example.net".parse().unwrap();
    let remote = Remote::new(own.certificate, &key, [listed]).unwrap();
    let now = Timestamp::from_unix_s(1_800_000_000);
    let address = server.address.to_string();
    let wanted = request();
    let asked = remote.exported(&address, &server.key_hash, &wanted, now);
    let failure = asked.await.unwrap_err();
    assert_eq!(failure.code, "remote-not-permitted");
    assert!(failure.what.contains(&address), "{}", failure.what);
}
