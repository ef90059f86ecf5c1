//! What the other CAS answers.

use casque_core::RemoteSource as _;
use casque_types::{PolicyHash, Seconds, Timestamp};
use casque_wire::{B64, ExportAnswer};

use super::fake_server::{FakeServer, Reply, TestIdentity};
use super::{Asker, request, told};
use crate::exchange::MAX_VALUE_BYTES;

fn answering(reply: impl Fn() -> Reply + Send + Sync + 'static) -> FakeServer {
    FakeServer::start(&TestIdentity::new(), move |_| reply())
}

fn json(status: u16, body: &str) -> FakeServer {
    let body = body.to_owned();
    answering(move || Reply::Json(status, body.clone()))
}

fn raw(text: &str) -> FakeServer {
    let text = text.to_owned();
    answering(move || Reply::Raw(text.clone().into_bytes()))
}

fn value(bytes: usize) -> String {
    let value = B64(vec![7; bytes]);
    serde_json::to_string(&ExportAnswer { value }).unwrap()
}

#[tokio::test]
async fn exported_value_is_asked_for_as_documented_and_arrives() {
    let server = json(200, r#"{"value":"aHVudGVyMg","since":"a later version"}"#);
    let asker = Asker::new();
    assert_eq!(asker.ask(&server).await.unwrap(), b"hunter2");
    let [seen] = &server.seen()[..] else {
        panic!("asked more than once");
    };
    assert_eq!(seen.line, "POST /v1/exports");
    assert_eq!(seen.caller, Some(asker.key_hash));
    let hash = "07".repeat(32);
    let expected = format!(
        r#"{{"session":"team/db","secret":"password","importer":"app","importer_hash":"{hash}"}}"#
    );
    assert_eq!(seen.body, expected.into_bytes());
}

#[tokio::test]
async fn exported_of_a_pinned_version_says_which() {
    let server = json(200, r#"{"value":""}"#);
    let mut request = request();
    request.session_hash = Some(PolicyHash::from([9; 32]));
    let (address, now) = (server.address.to_string(), Timestamp::from_unix_s(1));
    let asker = Asker::new();
    let asked = (asker.remote).exported(&address, &server.key_hash, &request, now);
    asked.await.unwrap();
    let body = String::from_utf8(server.seen().remove(0).body).unwrap();
    let pinned = format!(r#""session_hash":"{}""#, "09".repeat(32));
    assert!(body.contains(&pinned), "{body}");
}

#[tokio::test]
async fn refusal_passes_the_other_sentence_on_without_control_characters() {
    let body = r#"{"error":{"code":"not-exported","message":"`team/db` does not\r\nexport \u001b[1m`password`"}}"#;
    let server = json(403, body);
    let asker = Asker::new();
    let failure = asker.ask(&server).await.unwrap_err();
    let said = "it refuses: `team/db` does not export [1m`password` [not-exported]".to_owned();
    assert_eq!(told(&failure, &server), ("remote-refused", said, false));
    let mend = format!(
        "let that policy export the secret to policy `app` of the CAS with `cas_key` `{}`",
        asker.key_hash
    );
    assert_eq!(failure.mend, mend);
}

#[tokio::test]
async fn refusal_with_a_hint_passes_it_on() {
    let body = r#"{"error":{"code":"absent","message":"no such policy","hint":"put it\nfirst"}}"#;
    let server = json(404, body);
    let failure = Asker::new().ask(&server).await.unwrap_err();
    let said = "it refuses: no such policy [absent]".to_owned();
    assert_eq!(told(&failure, &server), ("remote-refused", said, false));
    assert_eq!(failure.mend, "put it first");
}

#[tokio::test]
async fn unavailable_says_when_to_ask_again() {
    let body = r#"{"error":{"code":"store","message":"the store is not available"}}"#;
    let answer = |retry_after: &str| {
        let length = body.len();
        format!(
            "HTTP/1.1 503 X\r\nretry-after: {retry_after}\r\ncontent-length: {length}\r\n\r\n{body}"
        )
    };
    let cases = [
        ("17", Some(Seconds(17))),
        ("9999999", Some(Seconds(3600))),
        ("soon", None),
    ];
    for (retry_after, expected) in cases {
        let server = raw(&answer(retry_after));
        let failure = Asker::new().ask(&server).await.unwrap_err();
        let said = "it cannot answer now: the store is not available [store]".to_owned();
        assert_eq!(told(&failure, &server), ("remote-unavailable", said, true));
        assert_eq!(failure.retry_after, expected);
    }
}

#[tokio::test]
async fn answer_of_another_form_is_malformed() {
    let expected_value =
        "it answered with HTTP status 200 and something else than expected an exported value";
    let expected_error = "it answered with HTTP status 404 and something else than expected the error that explains it";
    let cases = [
        (200, "", expected_value),
        (200, "hello", expected_value),
        (200, r#"{"values":{}}"#, expected_value),
        (200, r#"{"value":"?"}"#, expected_value),
        (200, r#"{"value":"aHVudGVyMg"}{"#, expected_value),
        (404, "not found", expected_error),
        (
            404,
            r#"{"error":{"code":"Not `Found`","message":"x"}}"#,
            expected_error,
        ),
    ];
    for (status, body, said) in cases {
        let server = json(status, body);
        let failure = Asker::new().ask(&server).await.unwrap_err();
        let expected = ("remote-answer-malformed", said.to_owned(), false);
        assert_eq!(told(&failure, &server), expected, "{body}");
    }
}

#[tokio::test]
async fn redirect_is_not_followed() {
    let other = json(200, r#"{"value":"aHVudGVyMg"}"#);
    let location = other.address;
    let server = raw(&format!(
        "HTTP/1.1 307 X\r\nlocation: https://{location}/v1/exports\r\ncontent-length: 0\r\n\r\n"
    ));
    let failure = Asker::new().ask(&server).await.unwrap_err();
    let said =
        "it answered with HTTP status 307 and something else than expected a value or an error";
    let expected = ("remote-answer-malformed", said.to_owned(), false);
    assert_eq!(told(&failure, &server), expected);
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn value_of_the_most_bytes_arrives_and_of_one_more_does_not() {
    let server = json(200, &value(MAX_VALUE_BYTES));
    let arrived = Asker::new().ask(&server).await.unwrap();
    assert_eq!(arrived.len(), MAX_VALUE_BYTES);
    let server = json(200, &value(MAX_VALUE_BYTES + 1));
    let failure = Asker::new().ask(&server).await.unwrap_err();
    let said = "it answered with more than 1048576 bytes".to_owned();
    let expected = ("remote-answer-too-long", said, false);
    assert_eq!(told(&failure, &server), expected);
}

#[tokio::test]
async fn answer_announced_or_sent_too_long_is_not_read_to_its_end() {
    let announced = "HTTP/1.1 200 X\r\ncontent-length: 2000000\r\n\r\n".to_owned();
    let chunk = format!("186a00\r\n{}\r\n0\r\n\r\n", "x".repeat(0x0018_6a00));
    let sent = format!("HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n{chunk}");
    for text in [announced, sent] {
        let server = raw(&text);
        let failure = Asker::new().ask(&server).await.unwrap_err();
        let said = "it answered with more than 1399124 bytes".to_owned();
        let expected = ("remote-answer-too-long", said, false);
        assert_eq!(told(&failure, &server), expected);
    }
}

#[tokio::test]
async fn refusal_too_long_is_not_read_to_its_end() {
    let server = raw("HTTP/1.1 403 X\r\ncontent-length: 65537\r\n\r\n");
    let failure = Asker::new().ask(&server).await.unwrap_err();
    let said = "it answered with more than 65536 bytes".to_owned();
    let expected = ("remote-answer-too-long", said, false);
    assert_eq!(told(&failure, &server), expected);
}
