//! `casque endorsements` against a service on this machine that answers as AMD's does.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "the functions that tests call are tests"
)]

mod harness;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use casque_endorse::{Document, DocumentId, write_bundle_directory};
use harness::{Place, Ran};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, IsCa, Issuer,
    KeyIdMethod, KeyPair, KeyUsagePurpose, SerialNumber,
};
use time::{Duration, OffsetDateTime};

/// Answers until the test program ends.
struct Service {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Service {
    fn start(list_until: OffsetDateTime) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let (papers, seen) = (papers(list_until), Arc::clone(&asked));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                answer(&stream.unwrap(), &papers, &seen);
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// A certificate in DER, a chain in PEM, a revocation list in DER.
fn papers(list_until: OffsetDateTime) -> [Vec<u8>; 3] {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.not_after = OffsetDateTime::now_utc() + Duration::days(900);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::CrlSign];
    let root = params.self_signed(&key).unwrap();
    let list = CertificateRevocationListParams {
        this_update: OffsetDateTime::now_utc() - Duration::days(9),
        next_update: list_until,
        crl_number: SerialNumber::from(1_u64),
        issuing_distribution_point: None,
        revoked_certs: Vec::new(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let list = list.signed_by(&Issuer::new(params, key)).unwrap();
    [
        root.der().to_vec(),
        root.pem().into_bytes(),
        list.der().to_vec(),
    ]
}

fn answer(stream: &TcpStream, papers: &[Vec<u8>; 3], asked: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next().unwrap().unwrap();
    while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
    let path = request.split(' ').nth(1).unwrap();
    asked.lock().unwrap().push(path.to_owned());
    let body = match path {
        path if path.ends_with("/cert_chain") => Some(&papers[1]),
        path if path.ends_with("/crl") => Some(&papers[2]),
        path if path.contains("?blSPL=03&") => Some(&papers[0]),
        _ => None,
    };
    let (status, body) = body.map_or(("404 Not Found", [].as_slice()), |body| ("200 OK", body));
    let length = body.len();
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    stream.write_all(body).unwrap();
}

fn in_a_month() -> OffsetDateTime {
    OffsetDateTime::now_utc() + Duration::days(30)
}

fn milan() -> String {
    format!("milan:vcek:{}:3.0.8.115", "ab".repeat(64))
}

fn json(ran: &Ran) -> serde_json::Value {
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap()
}

/// The kinds that `show` lists, in its order.
fn kinds_in(place: &Place, path: &str) -> Vec<(String, String)> {
    let shown = json(&place.run(&["endorsements", "show", path, "--output", "json"]));
    let documents = shown["documents"].as_array().unwrap().iter();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    documents
        .map(|it| (text(&it["kind"]), text(&it["state"])))
        .collect()
}

fn in_force(kinds: &[&str]) -> Vec<(String, String)> {
    kinds
        .iter()
        .map(|kind| ((*kind).to_owned(), "in force".to_owned()))
        .collect()
}

#[test]
fn fetch_writes_a_bundle_that_show_and_fetch_read() {
    let (place, service) = (Place::new(), Service::start(in_a_month()));
    let milan = milan();
    let fetch = |from: &str, out: &str| {
        place.run(&[
            "endorsements",
            "fetch",
            "--dangerous-unverified",
            "--amd",
            &milan,
            "--from",
            from,
            "-o",
            out,
        ])
    };
    let ran = fetch(&service.address, "bundle.json");
    assert_eq!(
        (ran.code, ran.stdout.as_str(), ran.stderr.as_str()),
        (0, "", "")
    );
    assert_eq!(service.asked().len(), 3);
    let all = in_force(&["amd-crl", "amd-chain", "amd-vcek"]);
    assert_eq!(kinds_in(&place, "bundle.json"), all);
    // The bundle in the place of the network makes the same bundle.
    let ran = fetch("bundle.json", "again.json");
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let bytes = |name| std::fs::read(place.path(name)).unwrap();
    assert!(bytes("bundle.json") == bytes("again.json"));
    assert_eq!(service.asked().len(), 3);
    let ran = place.run(&["endorsements", "show", "bundle.json"]);
    let last = ran.stdout.lines().last().unwrap();
    assert!(
        last.starts_with("first to expire: AMD's revocation list in `bundle.json`, at 20"),
        "{last}"
    );
}

#[test]
fn fetch_refuses_what_is_not_the_vendors() {
    let (place, service) = (Place::new(), Service::start(in_a_month()));
    let ran = place.run(&[
        "endorsements",
        "fetch",
        "--amd",
        "milan",
        "--from",
        &service.address,
    ]);
    assert_eq!((ran.code, ran.stdout.as_str()), (5, ""));
    assert!(
        ran.stderr.starts_with("error[endorser-not-authentic]: "),
        "{}",
        ran.stderr
    );
}

#[test]
fn fetch_writes_what_explain_reads() {
    let (place, service) = (Place::new(), Service::start(in_a_month()));
    let file = json(&place.run(&[
        "endorsements",
        "fetch",
        "--dangerous-unverified",
        "--amd",
        &milan(),
        "--from",
        &service.address,
        "--form",
        "explain",
    ]));
    let amd = &file["amd"];
    assert!(
        amd["vcek"]
            .as_str()
            .unwrap()
            .starts_with("-----BEGIN CERTIFICATE-----\n")
    );
    assert!(
        amd["chain"]
            .as_str()
            .unwrap()
            .ends_with("-----END CERTIFICATE-----\n")
    );
    assert!(amd["crl"].as_str().unwrap().starts_with("MI"));
    assert_eq!(file["intel"], serde_json::Value::Null);
    let two = place.run(&[
        "endorsements",
        "fetch",
        "--dangerous-unverified",
        "--amd",
        "milan",
        "--amd",
        "genoa",
        "--from",
        &service.address,
        "--form",
        "explain",
    ]);
    assert_eq!(two.code, 1);
    assert!(
        two.stderr.starts_with("error[too-many-documents]: "),
        "{}",
        two.stderr
    );
}

/// A bundle with Genoa's and Milan's lists, in force until then.
fn bundle_of_lists(place: &Place, name: &str, until: OffsetDateTime) {
    let [_, _, list] = papers(until);
    let documents = ["milan-vcek", "genoa-vcek"].map(|subject| {
        let id = DocumentId::parse("amd-crl", subject).unwrap();
        Document::from_bytes(id, &list).unwrap()
    });
    write_bundle_directory(&place.path(name), &documents).unwrap();
}

#[test]
fn bundle_merges_and_keeps_what_stays_in_force_longer() {
    let place = Place::new();
    bundle_of_lists(&place, "sooner", in_a_month() - Duration::days(9));
    bundle_of_lists(&place, "later", in_a_month());
    let bundle = |paths: &[&str]| {
        let mut arguments = vec!["endorsements", "bundle"];
        arguments.extend_from_slice(paths);
        let ran = place.run(&arguments);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
        ran.stdout
    };
    let later = bundle(&["later"]);
    assert_eq!(bundle(&["sooner", "later"]), later);
    assert_eq!(bundle(&["later", "sooner"]), later);
    assert_ne!(bundle(&["sooner"]), later);
    place.write("bundle.json", &later);
    assert_eq!(
        kinds_in(&place, "bundle.json"),
        in_force(&["amd-crl", "amd-crl"])
    );
}

#[test]
fn bundle_leaves_out_what_has_expired() {
    let place = Place::new();
    bundle_of_lists(&place, "old", OffsetDateTime::now_utc() - Duration::days(2));
    let expired = ("amd-crl".to_owned(), "expired".to_owned());
    assert_eq!(kinds_in(&place, "old"), [expired.clone(), expired]);
    let ran = place.run(&["endorsements", "bundle", "old"]);
    assert_eq!(ran.code, 0);
    assert!(ran.stdout.contains("\"documents\": []"), "{}", ran.stdout);
    let left_out = "left out: `old/amd-crl-genoa-vcek.crl` expired at 20";
    assert!(ran.stderr.contains(left_out), "{}", ran.stderr);
}

#[test]
fn fetch_says_of_each_source_why_it_gave_nothing() {
    let (place, service) = (Place::new(), Service::start(in_a_month()));
    let unknown = format!("milan:vcek:{}:4.0.8.115", "ab".repeat(64));
    let ran = place.run(&[
        "endorsements",
        "fetch",
        "--dangerous-unverified",
        "--amd",
        &unknown,
        "--from",
        "http://127.0.0.1:9",
        "--from",
        &service.address,
    ]);
    assert_eq!((ran.code, ran.stdout.as_str()), (5, ""));
    for part in [
        "error[endorser-unknown-platform]: AMD's key distribution service: ",
        "`http://127.0.0.1:9/vcek/v1/Milan/",
        "cannot be reached; then",
        "does not know the Milan processor abababababababab",
        "--from",
    ] {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
}

#[test]
fn fetch_offline_of_what_a_bundle_lacks_names_the_bundle() {
    let (place, service) = (Place::new(), Service::start(in_a_month()));
    let ran = place.run(&[
        "endorsements",
        "fetch",
        "--dangerous-unverified",
        "--amd",
        "milan",
        "--from",
        &service.address,
        "--directory",
        "bundle",
    ]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let ran = place.run(&[
        "endorsements",
        "fetch",
        "--intel",
        "00906ED50000:platform",
        "--from",
        "bundle",
    ]);
    assert_eq!(ran.code, 5);
    let lacks = "the bundle `bundle` holds no `intel sgx-00906ed50000-platform`";
    assert!(ran.stderr.contains(lacks), "{}", ran.stderr);
}

#[test]
fn arguments_that_cannot_be_used_are_refused() {
    let place = Place::new();
    place.write("evidence.json", r#"{"type":"none"}"#);
    place.write("other.json", "{}");
    for (arguments, expected) in [
        (vec!["fetch"], "required"),
        (vec!["fetch", "--amd", "rome"], "expected `milan`"),
        (vec!["fetch", "--intel", "12"], "12 hexadecimal digits"),
        (
            vec!["fetch", "--amd", "milan", "--from", "a", "--from", "b"],
            "at most one bundle",
        ),
        (
            vec!["fetch", "--amd", "milan", "--from", "http://pccs.example"],
            "`http` is for this machine alone",
        ),
        (
            vec!["fetch", "--evidence", "other.json"],
            "holds no evidence",
        ),
        (vec!["show"], "required"),
        (vec!["show", "absent"], "`absent` cannot be read"),
        (
            vec!["show", "other.json"],
            "expected JSON with `version` and `documents`",
        ),
        (vec!["bundle", "other.json"], "no bundle of endorsements"),
    ] {
        let mut all = vec!["endorsements"];
        all.extend(arguments);
        let ran = place.run(&all);
        assert_eq!(
            (ran.code, ran.stdout.as_str()),
            (1, ""),
            "{all:?}: {}",
            ran.stderr
        );
        assert!(ran.stderr.contains(expected), "{all:?}: {}", ran.stderr);
    }
}
