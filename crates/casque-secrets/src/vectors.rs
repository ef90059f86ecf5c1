//! The vectors in `vectors/wire` and `vectors/secrets`, which `examples/write-vectors.rs` wrote.

use std::collections::BTreeMap;

use casque_types::{RngError, RuntimeData, RuntimeDataError};

use crate::testing::shown;
use crate::{
    ConfigurationKey, OpenError, SealedConfiguration, SecretValue, ValueParseError,
    open_configuration,
};

/// A vector: `name: value` lines, of which `expect` and `about` are in every one.
pub(crate) struct Vector(BTreeMap<&'static str, &'static str>);

impl Vector {
    pub(crate) fn read(text: &'static str, fields: &[&str]) -> Self {
        let lines = text.lines().map(|line| line.split_once(": ").unwrap());
        let read: BTreeMap<_, _> = lines.collect();
        for name in read.keys() {
            let known = ["expect", "about"].contains(name) || fields.contains(name);
            assert!(known, "unknown header {name}");
        }
        Self(read)
    }

    pub(crate) fn text(&self, field: &str) -> &'static str {
        self.0[field]
    }

    pub(crate) fn bytes(&self, field: &str) -> Vec<u8> {
        hex::decode(self.text(field)).unwrap()
    }
}

macro_rules! vectors {
    ($topic:literal: $($name:literal),* $(,)?) => {
        [$(include_str!(concat!("../../../vectors/", $topic, "/", $name, ".txt"))),*]
    };
}

#[test]
fn runtime_data_vectors_come_out_as_expected() {
    let all = vectors!("wire": "runtime-data", "runtime-data-other-version", "runtime-data-bent-server",
        "runtime-data-no-service", "runtime-data-empty-nonce", "runtime-data-other-kem",
        "runtime-data-short-key", "runtime-data-unknown-member", "runtime-data-twice-nonce",
        "runtime-data-trailing");
    for text in all {
        let vector = Vector::read(text, &["runtime_data", "binding", "report_data"]);
        let outcome = match RuntimeData::parse(vector.text("runtime_data").as_bytes()) {
            Ok(read) => {
                assert_eq!(read.binding().to_string(), vector.text("binding"));
                assert_eq!(
                    read.report_data().as_bytes()[..],
                    vector.bytes("report_data")
                );
                "parsed"
            }
            Err(RuntimeDataError::TooLong { .. }) => "too-long",
            Err(RuntimeDataError::NotJson { .. }) => "not-json",
            Err(RuntimeDataError::Version) => "version",
            Err(RuntimeDataError::Server) => "server",
            Err(RuntimeDataError::Config) => "config",
            Err(RuntimeDataError::Nonce) => "nonce",
            Err(RuntimeDataError::Kem) => "kem",
            Err(RuntimeDataError::Key) => "key",
        };
        assert_eq!(outcome, vector.text("expect"), "{}", vector.text("about"));
    }
}

/// Gives the seed of a key pair.
struct SeedRng(Vec<u8>);

impl casque_types::Rng for SeedRng {
    fn fill(&self, out: &mut [u8]) -> Result<(), RngError> {
        out.copy_from_slice(&self.0);
        Ok(())
    }
}

#[test]
fn sealed_answer_vectors_come_out_as_expected() {
    let all = vectors!("wire": "sealed-answer", "sealed-answer-other-server",
        "sealed-answer-other-request", "sealed-answer-flipped", "sealed-answer-flipped-signed",
        "sealed-answer-moved", "sealed-answer-other-key", "sealed-answer-short-encapsulated",
        "sealed-answer-truncated");
    let fields = [
        "key_seed",
        "runtime_data",
        "pinned_server",
        "encapsulated",
        "ciphertext",
        "server_spki",
        "signature",
    ];
    for text in all {
        let vector = Vector::read(text, &fields);
        let key = ConfigurationKey::generate(&SeedRng(vector.bytes("key_seed"))).unwrap();
        let runtime = RuntimeData::parse(vector.text("runtime_data").as_bytes()).unwrap();
        let sealed = SealedConfiguration {
            encapsulated: vector.bytes("encapsulated"),
            ciphertext: vector.bytes("ciphertext"),
            server_spki: vector.bytes("server_spki"),
            signature: vector.bytes("signature"),
        };
        let server = vector.text("pinned_server").parse().unwrap();
        let outcome = match open_configuration(&sealed, &key, &runtime, &server) {
            Ok(opened) => {
                assert_eq!(shown(opened.environment[0].1.value().unwrap()), "hunter2");
                assert_eq!(
                    opened.files[0].content.given().unwrap().expose(),
                    [0, 1, 2, 0xff]
                );
                "opened"
            }
            Err(OpenError::Server { .. }) => "server",
            Err(OpenError::Signature) => "signature",
            Err(OpenError::Encapsulated { .. }) => "encapsulated",
            Err(OpenError::CiphertextLength { .. }) => "ciphertext-length",
            Err(OpenError::Decrypt) => "decrypt",
            Err(OpenError::Layout) => "layout",
        };
        assert_eq!(outcome, vector.text("expect"), "{}", vector.text("about"));
    }
}

#[test]
fn stored_value_vectors_come_out_as_expected() {
    let all = vectors!("secrets": "stored-ascii", "stored-binary", "stored-private-key", "stored-x509",
        "stored-x509-without-key", "stored-x509-ca", "stored-aad-token", "stored-trailing",
        "stored-cut", "stored-other-version", "stored-other-kind");
    for text in all {
        let vector = Vector::read(text, &["kind", "stored"]);
        let stored = casque_types::Secret::new(vector.bytes("stored"));
        let outcome = match SecretValue::from_stored(&stored) {
            Ok(value) => {
                assert_eq!(value.kind().as_str(), vector.text("kind"));
                assert!(value.to_stored().ct_eq(&stored));
                "read"
            }
            Err(ValueParseError::Version { .. }) => "version",
            Err(ValueParseError::Kind { .. }) => "kind",
            Err(ValueParseError::Fields { .. }) => "fields",
        };
        assert_eq!(outcome, vector.text("expect"), "{}", vector.text("about"));
    }
}
