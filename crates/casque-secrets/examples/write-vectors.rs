//! Writes `vectors/wire` and `vectors/secrets` anew: `cargo run -p casque-secrets --example write-vectors`.
//!
//! To be run when a layout gets a new version, never to make a failing test pass. Everything is counted
//! (keys and encapsulation come from the bytes 0, 1, 2, …) except the server's identity and its ECDSA
//! signatures, which the crypto provider draws itself: they differ with every run. What is signed is
//! built here a second time, from the description in `seal.rs` alone.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    clippy::too_many_lines,
    reason = "a tool for the engineers of this crate: it stops at the first surprise"
)]

use std::fs;
use std::sync::atomic::{AtomicU8, Ordering};

use casque_secrets::{
    CertificateChain, ConfigurationKey, IdentityKey, SealedConfiguration, SecretValue,
    make_pgp_key, render, seal_configuration,
};
use casque_types::{
    Configuration, ConfigurationFile, Encoding, FileMode, Format, KeyHash, Nonce, Rng, RngError,
    RuntimeData, Seconds, Secret, Timestamp,
};

/// Counts from a number.
struct Counting(AtomicU8);

impl Rng for Counting {
    fn fill(&self, out: &mut [u8]) -> Result<(), RngError> {
        for byte in out {
            *byte = self.0.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

fn counting_from(first: u8) -> Counting {
    Counting(AtomicU8::new(first))
}

fn main() {
    write_runtime_data();
    write_sealed_answers();
    write_stored_values();
    write_openpgp_key();
}

fn write(topic: &str, name: &str, expect: &str, about: &str, fields: &[(&str, String)]) {
    let mut text = format!("expect: {expect}\nabout: {about}\n");
    for (field, value) in fields {
        text += &format!("{field}: {value}\n");
    }
    let directory = format!("{}/../../vectors/{topic}", env!("CARGO_MANIFEST_DIR"));
    fs::create_dir_all(&directory).unwrap();
    fs::write(format!("{directory}/{name}.txt"), text).unwrap();
}

fn runtime(server: &KeyHash, key: &ConfigurationKey, nonce: u8) -> RuntimeData {
    RuntimeData::new(
        *server,
        "examples/shop/web".parse().unwrap(),
        Nonce::from_bytes(vec![nonce; 32]).unwrap(),
        key.public().clone(),
    )
}

fn write_runtime_data() {
    let key = ConfigurationKey::generate(&counting_from(0)).unwrap();
    let runtime = runtime(&KeyHash::from([0x11; 32]), &key, 0x22);
    let text = String::from_utf8(runtime.as_bytes().to_vec()).unwrap();
    let bent = |from: &str, to: &str| vec![("runtime_data", text.replacen(from, to, 1))];
    let binding = ("binding", runtime.binding().to_string());
    let report_data = ("report_data", hex::encode(runtime.report_data().as_bytes()));
    let sound = [("runtime_data", text.clone()), binding, report_data];
    let about = "key from the seed 00 01 … 1f; server 11…, nonce 22…";
    write("wire", "runtime-data", "parsed", about, &sound);
    for (name, expect, about, fields) in [
        (
            "other-version",
            "version",
            "`v` of a later version",
            bent("attest-1", "attest-2"),
        ),
        (
            "bent-server",
            "server",
            "a key hash with a letter changed",
            bent(r#"server":""#, r#"server":"1"#),
        ),
        (
            "no-service",
            "config",
            "a config id without `/`",
            bent("examples/shop/web", "web"),
        ),
        (
            "empty-nonce",
            "nonce",
            "a nonce of no bytes",
            vec![("runtime_data", without_nonce(&text))],
        ),
        (
            "other-kem",
            "kem",
            "a mechanism that is unknown",
            bent("X-Wing", "X25519"),
        ),
        (
            "short-key",
            "key",
            "a public key that lacks 3 bytes",
            vec![(
                "runtime_data",
                text.replace(&text[text.len() - 7..], "\"}}"),
            )],
        ),
        (
            "unknown-member",
            "not-json",
            "a member too many",
            bent(r#"{"v""#, r#"{"skip":true,"v""#),
        ),
        (
            "twice-nonce",
            "not-json",
            "a member twice",
            bent(r#","nonce""#, r#","nonce":"IiI","nonce""#),
        ),
        (
            "trailing",
            "not-json",
            "something after the object",
            bent("}}", "}}{}"),
        ),
    ] {
        write(
            "wire",
            &format!("runtime-data-{name}"),
            expect,
            about,
            &fields,
        );
    }
}

fn without_nonce(text: &str) -> String {
    let start = text.find(r#""nonce":""#).unwrap() + 9;
    let end = start + text[start..].find('"').unwrap();
    format!("{}{}", &text[..start], &text[end..])
}

fn configuration() -> Configuration {
    let secret = |text: &str| Secret::copied_from(text.as_bytes());
    Configuration {
        arguments: vec![secret("web").into(), secret("--verbose").into()],
        environment: vec![("DB_PASSWORD".to_owned(), secret("hunter2").into())],
        directory: Some("/srv".to_owned()),
        files: vec![ConfigurationFile {
            path: "/run/web/tls.key".to_owned(),
            mode: FileMode::from_bits(0o400).unwrap(),
            content: Secret::new(vec![0, 1, 2, 0xff]).into(),
        }],
        refresh_after: Some(Seconds(3600)),
        ..Configuration::default()
    }
}

fn write_sealed_answers() {
    let key = ConfigurationKey::generate(&counting_from(0)).unwrap();
    let identity = IdentityKey::generate().unwrap();
    let server = *identity.key_hash();
    let asked = runtime(&server, &key, 0x22);
    let sealed =
        seal_configuration(&configuration(), &asked, &identity, &counting_from(0x80)).unwrap();
    let fields = |answer: &SealedConfiguration, asked: &RuntimeData, pinned: &KeyHash, seed: u8| {
        vec![
            (
                "key_seed",
                hex::encode((seed..seed + 32).collect::<Vec<u8>>()),
            ),
            (
                "runtime_data",
                String::from_utf8(asked.as_bytes().to_vec()).unwrap(),
            ),
            ("pinned_server", pinned.to_string()),
            ("encapsulated", hex::encode(&answer.encapsulated)),
            ("ciphertext", hex::encode(&answer.ciphertext)),
            ("server_spki", hex::encode(&answer.server_spki)),
            ("signature", hex::encode(&answer.signature)),
        ]
    };
    let signed_again = |answer: &SealedConfiguration, asked: &RuntimeData| {
        let mut message = b"casque-answer-1".to_vec();
        for field in [
            &asked.binding().as_bytes()[..],
            &answer.encapsulated,
            &answer.ciphertext,
        ] {
            message.extend_from_slice(&u64::try_from(field.len()).unwrap().to_be_bytes());
            message.extend_from_slice(field);
        }
        let signature = identity.sign(&message).unwrap();
        SealedConfiguration {
            signature,
            ..answer.clone()
        }
    };
    let save = |name: &str, expect: &str, about: &str, fields: &[(&str, String)]| {
        write("wire", name, expect, about, fields);
    };
    let about = "key_seed is what X-Wing's DeriveKeyPair gets; arguments web --verbose, DB_PASSWORD=hunter2, directory /srv, file /run/web/tls.key 0400 000102ff, refresh 3600";
    save(
        "sealed-answer",
        "opened",
        about,
        &fields(&sealed, &asked, &server, 0),
    );
    let other_server = KeyHash::from([0x33; 32]);
    save(
        "sealed-answer-other-server",
        "server",
        "another server is pinned",
        &fields(&sealed, &asked, &other_server, 0),
    );
    let other_request = runtime(&server, &key, 0x23);
    save(
        "sealed-answer-other-request",
        "signature",
        "the answer to another nonce",
        &fields(&sealed, &other_request, &server, 0),
    );
    let mut flipped = sealed.clone();
    flipped.ciphertext[0] ^= 1;
    save(
        "sealed-answer-flipped",
        "signature",
        "one bit of the ciphertext flipped",
        &fields(&flipped, &asked, &server, 0),
    );
    let flipped = signed_again(&flipped, &asked);
    save(
        "sealed-answer-flipped-signed",
        "decrypt",
        "the same, signed again by the server",
        &fields(&flipped, &asked, &server, 0),
    );
    let moved = signed_again(&sealed, &other_request);
    save(
        "sealed-answer-moved",
        "decrypt",
        "sealed for one request, signed for another",
        &fields(&moved, &other_request, &server, 0),
    );
    save(
        "sealed-answer-other-key",
        "decrypt",
        "another private key than the one sealed to",
        &fields(&sealed, &asked, &server, 1),
    );
    let mut short = sealed.clone();
    short.encapsulated.pop();
    let short = signed_again(&short, &asked);
    save(
        "sealed-answer-short-encapsulated",
        "encapsulated",
        "the encapsulated key lacks a byte",
        &fields(&short, &asked, &server, 0),
    );
    let mut short = sealed.clone();
    short.ciphertext.truncate(15);
    let short = signed_again(&short, &asked);
    save(
        "sealed-answer-truncated",
        "ciphertext-length",
        "less than a tag is left",
        &fields(&short, &asked, &server, 0),
    );
}

fn write_stored_values() {
    let secret = |text: &str| Secret::copied_from(text.as_bytes());
    let chain = || CertificateChain {
        certificates: vec![b"leaf".to_vec(), b"root".to_vec()],
        private_key: Some(secret("key")),
    };
    let without_key = CertificateChain {
        private_key: None,
        ..chain()
    };
    for (name, value) in [
        ("ascii", SecretValue::Ascii(secret("hunter2"))),
        ("binary", SecretValue::Binary(Secret::new(vec![0, 0xff]))),
        ("private-key", SecretValue::PrivateKey(secret("key"))),
        ("x509", SecretValue::X509(chain())),
        ("x509-without-key", SecretValue::X509(without_key)),
        ("x509-ca", SecretValue::X509Ca(chain())),
        ("aad-token", SecretValue::AadToken(secret("eyJ"))),
        ("public-key", SecretValue::PublicKey(b"spki".to_vec())),
        (
            "config-fragment",
            SecretValue::ConfigFragment(secret("[1]")),
        ),
        ("pgp-key", SecretValue::PgpKey(Secret::new(vec![0x94, 0]))),
        ("jwt", SecretValue::Jwt(secret("e30.e30.AA"))),
    ] {
        let fields = [
            ("kind", value.kind().to_string()),
            ("stored", hex::encode(value.to_stored().expose())),
        ];
        let about = "letters stand for DER: the layout does not look into it";
        write("secrets", &format!("stored-{name}"), "read", about, &fields);
    }
    let stored = SecretValue::Ascii(secret("hunter2")).to_stored();
    let stored = hex::encode(stored.expose());
    for (name, expect, about, bent) in [
        (
            "trailing",
            "fields",
            "a byte too many",
            format!("{stored}00"),
        ),
        (
            "cut",
            "fields",
            "a byte too few",
            stored[..stored.len() - 2].to_owned(),
        ),
        (
            "other-version",
            "version",
            "version 2",
            format!("02{}", &stored[2..]),
        ),
        (
            "other-kind",
            "kind",
            "kind 11",
            format!("010b{}", &stored[4..]),
        ),
    ] {
        write(
            "secrets",
            &format!("stored-{name}"),
            expect,
            about,
            &[("stored", bent)],
        );
    }
}

fn write_openpgp_key() {
    let created = 1_700_000_000;
    let key = make_pgp_key(&counting_from(0), Timestamp::from_unix_s(created)).unwrap();
    let value = SecretValue::PgpKey(key);
    let form = |format| {
        let rendered = render(&value, format, Encoding::Verbatim).unwrap();
        hex::encode(rendered.expose())
    };
    let fields = [
        ("created", created.to_string()),
        ("secret", form(Format::PgpPrivateBinary)),
        ("public", form(Format::PgpPublicBinary)),
    ];
    let about = "drawn from the bytes 0, 1, 2, …: both private keys, then the user id";
    write("secrets", "openpgp-key", "made", about, &fields);
}
