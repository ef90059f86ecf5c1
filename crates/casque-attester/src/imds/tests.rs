use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::thread::JoinHandle;

use assert_matches::assert_matches;

use super::*;
use crate::testing::Impatient;

/// Answers one connection after the other, and gives back what was asked for.
struct Stub {
    base: String,
    thread: JoinHandle<Vec<String>>,
}

impl Stub {
    fn start(answers: Vec<(u16, String)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let thread = std::thread::spawn(move || {
            let mut asked = Vec::new();
            for (status, body) in answers {
                let (stream, _) = listener.accept().unwrap();
                let mut reader = BufReader::new(stream);
                asked.push(read_request(&mut reader));
                let head = format!(
                    "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                let stream = reader.get_mut();
                // Whoever was refused may have gone already.
                let _written = stream.write_all(&[head.as_bytes(), body.as_bytes()].concat());
            }
            asked
        });
        Self { base, thread }
    }

    fn imds(&self) -> Imds {
        Imds::with_waiter(&self.base, Box::new(Impatient)).unwrap()
    }

    fn asked(self) -> Vec<String> {
        self.thread.join().unwrap()
    }
}

/// The head in lower case, and the body.
fn read_request(reader: &mut BufReader<std::net::TcpStream>) -> String {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(reader.read_line(&mut head).unwrap() > 0);
    }
    let head = head.to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1);
    let length = length.map_or(0, |text| text.lines().next().unwrap().parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    head + &String::from_utf8(body).unwrap()
}

fn thim() -> String {
    format!(
        r#"{{"vcekCert":"{PEM}","certificateChain":"{PEM}{PEM}","tcbm":"DB18","cacheControl":"86400"}}"#
    )
}

#[test]
fn amd_certificates_are_asked_for_with_the_metadata_header() {
    let stub = Stub::start(vec![(200, thim())]);
    let pem = stub.imds().amd_certificates().unwrap();
    assert_eq!(pem.matches("-----BEGIN CERTIFICATE-----\n").count(), 3);
    let asked = stub.asked();
    assert!(asked[0].starts_with("get /metadata/thim/amd/certification http/1.1\r\n"));
    assert!(asked[0].contains("\r\nmetadata: true\r\n"), "{asked:?}");
}

#[test]
fn td_quote_is_asked_for_over_the_report() {
    let stub = Stub::start(vec![(200, r#"{"quote":"-_8"}"#.to_owned())]);
    assert_eq!(stub.imds().td_quote(&[0xFB, 0xFF]).unwrap(), [0xFB, 0xFF]);
    let asked = stub.asked();
    assert!(asked[0].starts_with("post /acc/tdquote http/1.1\r\n"));
    assert!(asked[0].ends_with(r#"{"report":"-_8"}"#), "{asked:?}");
}

#[test]
fn busy_service_is_asked_again_and_not_for_ever() {
    let stub = Stub::start(vec![(429, String::new()), (200, thim())]);
    assert!(stub.imds().amd_certificates().is_ok());
    assert_eq!(stub.asked().len(), 2);
    let stub = Stub::start(vec![(503, String::new()); 5]);
    let refused = stub.imds().amd_certificates();
    assert_matches!(refused, Err(ImdsError::Status { status: 503, .. }));
    assert_eq!(stub.asked().len(), 5);
}

#[test]
fn refusal_and_redirect_are_no_answer() {
    for status in [302, 404] {
        let stub = Stub::start(vec![(status, thim())]);
        let refused = stub.imds().amd_certificates();
        assert_matches!(refused, Err(ImdsError::Status { status: found, .. }) if found == status);
    }
}

#[test]
fn answer_of_another_form_is_refused() {
    for body in [
        "",
        "[]",
        r#"{"vcekCert":"x"}"#,
        r#"{"certificateChain":""}"#,
    ] {
        let stub = Stub::start(vec![(200, body.to_owned())]);
        let refused = stub.imds().amd_certificates();
        assert_matches!(refused, Err(ImdsError::Malformed { .. }), "{body}");
    }
    for body in [r#"{"quote":"!"}"#, r#"{"quote":7}"#, "{}"] {
        let stub = Stub::start(vec![(200, body.to_owned())]);
        let refused = stub.imds().td_quote(&[1]);
        assert_matches!(refused, Err(ImdsError::Malformed { .. }), "{body}");
    }
}

#[test]
fn answer_that_is_too_long_is_refused() {
    let long = format!("{}{}", thim(), " ".repeat(64 * 1024));
    let stub = Stub::start(vec![(200, long)]);
    assert_matches!(
        stub.imds().amd_certificates(),
        Err(ImdsError::Malformed { .. })
    );
}

#[test]
fn service_that_is_not_there_is_unreachable() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let refused = Imds::new(&base).unwrap().amd_certificates();
    assert_matches!(refused, Err(ImdsError::Unreachable { .. }));
}

#[test]
fn base_is_an_address_without_a_path() {
    for base in [
        "",
        "169.254.169.254",
        "https://169.254.169.254",
        "http://",
        "http://host/path",
        "http://user@host",
    ] {
        assert_matches!(Imds::new(base), Err(ImdsError::Base { .. }), "{base}");
    }
    assert!(Imds::new("http://localhost:80/").is_ok());
}

const PEM: &str = r"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
