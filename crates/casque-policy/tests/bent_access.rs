//! Access, security, attestation and platforms: a valid policy, bent in one thing at a time, and what clauses
//! mean once their secrets are known.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    clippy::too_many_lines,
    reason = "test code: a panic is a failure, and a table may be long"
)]

use std::collections::BTreeSet;

use casque_policy::{
    AccessPolicy, Clause, ClauseError, Credentials, Diagnostic, Fill, Fills, Mode, Operation, Part,
    Platform, Policy, Position, Principal, Principals, Severity, Toleration,
};
use casque_types::{Digest, KeyHash, MrEnclave, Secret};
use proptest::prelude::*;

mod bending;

use bending::{bend, expect_all, found_in};

const BASE: &str = include_str!("access.yaml");
const CERTIFICATE: &str = include_str!("keys/certificate.pem");
const ED25519: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";

// ---- bends ----

#[test]
fn base_policy_has_no_findings() {
    assert_eq!(found_in(BASE), []);
}

#[test]
fn root_bent_is_found() {
    let p256 = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----";
    let hash = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9";
    expect_all(
        BASE,
        &[
            bend("salt: 00", "salt: zz", "zz01", "bad-hash"),
            bend("salt: 00", "salt: ", "0102", "bad-hash"),
            bend("namespace_hash: b9", "namespace_hash: ", "4d27", "bad-hash"),
            bend(
                "namespace_hash:",
                &format!("predecessor: {hash}\nnamespace_hash:"),
                "namespace_hash",
                "exclusive-keys",
            ),
            bend(
                "name: ns/app",
                "name: $$SCONE::reader$$",
                "$$SCONE",
                "placeholder-misplaced",
            ),
            bend("signer: |", "signr: |", "signr", "unknown-key"),
            bend("signer: |", "signer: abc\n  x: |", "abc", "bad-signer-key"),
            bend(
                "signer: |",
                &format!("signer: {:?}\n  x: |", p256),
                "\"---",
                "bad-signer-key",
            ),
            bend(
                "MCowBQYDK2VwAyEAGb9",
                "MCowBQYDK2VwAyEA",
                "^-----BEGIN",
                "bad-signer-key",
            ),
            bend(
                "MCowBQYDK2VwAyEAGb9",
                "MCowBQYDK2VuAyEAGb9",
                "^-----BEGIN",
                "bad-signer-key",
            ),
            bend("\"0.3.12\"", "0.3.11", "salt", "newer-than-version"),
            bend(
                "\"0.3.12\"",
                "0.3.11",
                "list_sessions",
                "newer-than-version",
            ),
            bend(
                "\"0.3.12\"",
                "0.3.10",
                "namespace_hash",
                "newer-than-version",
            ),
            bend("\"0.3.12\"", "0.3.9", "kind: config", "newer-than-version"),
            bend("\"0.3.12\"", "0.2", "0.2", "version-old"),
        ],
    );
}

#[test]
fn access_bent_is_found() {
    expect_all(
        BASE,
        &[
            bend(
                "create_sessions: ANY",
                "create_sessions: []",
                "[]",
                "empty-list",
            ),
            bend("ANY", "[ANY, CREATOR]", "ANY, ", "word-not-alone"),
            bend("ANY", "[{require-all: [NONE]}]", "NONE]", "word-not-alone"),
            bend("ANY", "somebody", "somebody", "bad-key-hash"),
            bend("NONE", "[{signer: x}]", "signer: x", "entry-not-here"),
            bend(
                "NONE",
                "[{require-all: [CREATOR]}]",
                "require-all: [C",
                "entry-not-here",
            ),
            bend("ANY", "[{signer: x}]", "x}]", "bad-signer-key"),
            bend("ANY", "[{sigher: x}]", "sigher", "unknown-key"),
            bend("ANY", "[{signer: x, y: z}]", "{signer", "wrong-type"),
            bend("ANY", "[{require-all: []}]", "require-all: []", "bad-count"),
            bend("ANY", "[{require-all: x}]", "x}]", "wrong-type"),
            bend(
                "ANY",
                "[{require-at-least-0: [CREATOR]}]",
                "require-at-least-0",
                "bad-count",
            ),
            bend(
                "ANY",
                "[{require-all: [{require-at-least-0: [CREATOR, $$SCONE::token$$]}]}]",
                "require-at-least-0",
                "bad-count",
            ),
            bend(
                "ANY",
                "[{require-at-least-01: [CREATOR]}]",
                "require-at-least-01",
                "bad-count",
            ),
            bend(
                "ANY",
                "[{require-at-least-x: [CREATOR]}]",
                "require-at-least-x",
                "bad-count",
            ),
            bend(
                "ANY",
                "[{require-at-least-2: [CREATOR]}]",
                "require-at-least-2: [CREATOR]}",
                "bad-count",
            ),
            bend(
                "require-at-least-2",
                "require-at-least-4",
                "require-at-least-4",
                "bad-count",
            ),
            bend(
                "create_sessions",
                "create-session",
                "create-session",
                "unknown-key",
            ),
            bend(
                "ANY",
                "$$SCONE::owmers$$",
                "$$SCONE::owmers",
                "unknown-secret-in-access",
            ),
            bend(
                "ANY",
                "$$SCONE::reader:hex$$",
                "$$SCONE::reader:hex",
                "format-not-of-kind",
            ),
            bend(
                "ANY",
                "$$SCONE::imported:chain$$",
                "$$SCONE::imported:chain$$",
                "format-not-of-kind",
            ),
            bend(
                "ANY",
                "$$SCONE::seed$$",
                "$$SCONE::seed$$",
                "fragment-misfit",
            ),
            bend(
                "ANY",
                "x$$SCONE::owners$$",
                "$$SCONE::owners$$\n",
                "fragment-misfit",
            ),
            bend(
                "ANY",
                "'x$$SCONE::owners'",
                "$$SCONE::owners'",
                "placeholder-syntax",
            ),
            bend("CREATOR]\n", "CREATED]\n", "CREATED", "bad-key-hash"),
            bend(
                "value: b94d27",
                "value: a b94d27",
                "a b94d27",
                "bad-key-hash",
            ),
            bend(
                "value: [39",
                "value: [$$SCONE::reader$$, 39",
                "^$$SCONE::owners",
                "nested-placeholder",
            ),
            bend(
                "value: [39",
                "value: [] # [39",
                "^require-at-least-2",
                "bad-count",
            ),
        ],
    );
}

#[test]
fn access_by_keys_of_the_policy_takes_their_public_side_alone() {
    let found = |asked: &str| {
        let keys =
            "  - {name: key, kind: private-key}\n  - {name: cert, kind: x509, private_key: key}\n";
        let text = format!("{BASE}{keys}").replacen("ANY", asked, 1);
        let found = found_in(&text);
        found.iter().map(|f| f.code).collect::<Vec<_>>()
    };
    assert!(found("$$SCONE::cert$$").is_empty());
    assert!(found("$$SCONE::cert:crt$$").is_empty());
    assert_eq!(found("$$SCONE::cert:privatekey$$"), ["fragment-misfit"]);
    assert_eq!(found("$$SCONE::key$$"), ["fragment-misfit"]);
}

#[test]
fn security_bent_is_found() {
    expect_all(
        BASE,
        &[
            bend(
                "singleton_enclaves: false",
                "singleton_enclaves: true",
                "singleton",
                "scone-runtime-only",
            ),
            bend(
                "singleton_enclaves: false",
                "singleton_enclaves: 1",
                "1\n  service",
                "bad-word",
            ),
            bend(
                "service_access_token: $$SCONE::token$$",
                "service_access_token: ''",
                "''",
                "empty-text",
            ),
            bend(
                "$$SCONE::token$$",
                "$$SCONE::tocken$$",
                "$$SCONE::tocken",
                "unknown-secret",
            ),
            bend(
                "mode: $$SCONE::mode$$",
                "mode: $$SCONE::mod$$",
                "$$SCONE::mod$$",
                "unknown-secret",
            ),
            bend("value: hardware", "value: software", "software", "bad-word"),
            bend(
                "value: hardware",
                "value: none",
                "none}",
                "dangerous-mode-none",
            ),
            bend("[hyperthreading", "[hyper-threading", "hyper-", "bad-word"),
            bend(
                "tolerate: [",
                "tolerate: [local-attestation-trust-cas-tcb, ",
                "local-a",
                "toleration-unused",
            ),
            bend(
                "value: [INTEL-SA-00615]",
                "value: [INTEL-SA-1]",
                "INTEL-SA-1",
                "bad-advisory",
            ),
            bend(
                "must_be_sgx_local: false",
                "must_be_sgx_local: true",
                "must_be",
                "local-attestation",
            ),
            bend(
                "must_be_sgx_local: false",
                "trusted_scone_qe_pubkeys: []",
                "trusted",
                "legacy-key",
            ),
            bend(
                "must_be_sgx_local: false",
                "trusted_scone_qe_pubkeys: [x]",
                "x]",
                "bad-hash",
            ),
            bend(
                "must_be_sgx_local: false",
                "certificates: []",
                "certificates",
                "key-not-for-mode",
            ),
            bend(
                "mode: $$SCONE::mode$$",
                "mode: maa\n    url: https://a.example\n    certificates: []",
                "certificates",
                "maa-certificates-unused",
            ),
            bend(
                "mode: $$SCONE::mode$$",
                "mode: maa\n    url: https://a.example\n    certificates: [x]",
                "x]",
                "bad-certificate",
            ),
            bend(
                "mode: $$SCONE::mode$$",
                "mode: maa\n    url: https://a.example\n    min_rsa_signing_key_size: 1024",
                "1024",
                "rsa-key-size",
            ),
            bend(
                "JBSWY3DPEHPK3PXPJBSWY3DPEH",
                "JBSWY3DPEHPK3PXPJBSWY3DPE",
                "JBSW",
                "bad-shared-secret",
            ),
            bend(
                "JBSWY3DPEHPK3PXPJBSWY3DPEH",
                "JBSWY3DPEHPK3PXPJBSWY3DPE1",
                "JBSW",
                "bad-shared-secret",
            ),
            bend(
                "JBSWY3DPEHPK3PXPJBSWY3DPEH",
                "jbswy3dpehpk3pxpjbswy3dpeh",
                "jbsw",
                "bad-shared-secret",
            ),
            bend(
                "JBSWY3DPEHPK3PXPJBSWY3DPEH",
                "JBSWY3DPEHPK3PXPJBSWY3DPEH=",
                "JBSW",
                "bad-shared-secret",
            ),
            bend(
                "JBSWY3DPEHPK3PXPJBSWY3DPEH",
                "$$SCONE::seed$$",
                "$$SCONE::seed$$",
                "bad-shared-secret",
            ),
            bend(
                "JBSWY3DPEHPK3PXPJBSWY3DPEH",
                "$$SCONE::token$$",
                "$$SCONE::token$$\n\n",
                "bad-shared-secret",
            ),
            bend(
                "JBSWY3DPEHPK3PXPJBSWY3DPEH",
                "$$SCONE::reader$$",
                "$$SCONE::reader$$\n",
                "bad-shared-secret",
            ),
            bend(
                "JBSWY3DPEHPK3PXPJBSWY3DPEH",
                "A$$SCONE::seed:base32$$",
                "A$$",
                "bad-shared-secret",
            ),
            bend(
                "$$SCONE::token$$",
                "$$SCONE::owners$$",
                "$$SCONE::owners$$\n",
                "fragment-misfit",
            ),
            bend(
                "attestation:\n    mode",
                "attestations:\n    mode",
                "attestations",
                "unknown-key",
            ),
        ],
    );
}

#[test]
fn service_bent_is_found() {
    expect_all(
        BASE,
        &[
            bend(
                "attestation: [$$SCONE::images$$]",
                "attestation: []",
                "^name: web",
                "attestation-missing",
            ),
            bend(
                "$$SCONE::images$$",
                "$$SCONE::image$$",
                "$$SCONE::image$$",
                "unknown-secret",
            ),
            bend(
                "      mrenclave: [29",
                "      mrenclaves: [29",
                "mrenclaves: [29",
                "unknown-key",
            ),
            bend(
                "      mrenclave: [29",
                "      mrenclave: [2",
                "21645",
                "bad-hash",
            ),
            bend("value: 391645", "value: 39164", "39164fc02", "bad-hash"),
            bend(
                "- mrenclave: $$SCONE::imported:hex$$",
                "- mrenclave: $$SCONE::imported$$",
                "$$SCONE::imported$$",
                "fragment-misfit",
            ),
            bend(
                "- mrenclave: $$SCONE::imported:hex$$",
                "- mrenclave: $$SCONE::imported:hex$$\n        x: y",
                "x: y",
                "unknown-key",
            ),
            bend(
                "INTEL_QE_ID:00",
                "INTEL_QE_ID:0",
                "^\"INTEL_QE_ID:0",
                "bad-platform",
            ),
            bend(
                "INTEL_QE_ID:ff",
                "INTEL_QE:ff",
                "^\"INTEL_QE:",
                "bad-platform",
            ),
            bend(
                "mode: $$SCONE::mode$$",
                "mode: none",
                "[\"INTEL",
                "platforms-unused",
            ),
            bend(
                "$$SCONE::seed:base32nopad$$",
                "JBSW",
                "JBSW\n",
                "bad-shared-secret",
            ),
            bend(
                "size: 20",
                "size: 15",
                "^$$SCONE::seed:base32",
                "bad-shared-secret",
            ),
            bend(
                "$$SCONE::seed:base32nopad$$",
                "$$SCONE::seed:hex$$",
                "$$SCONE::seed:hex",
                "bad-shared-secret",
            ),
            bend(
                "$$SCONE::seed:base32nopad$$",
                "$$SCONE::sead$$",
                "$$SCONE::sead",
                "unknown-secret",
            ),
        ],
    );
    let empty = BASE.replace(
        "[\"INTEL_QE_ID:00112233445566778899aabbccddeeff\", $$SCONE::machines$$]",
        "[]",
    );
    assert!(found_in(&empty).iter().any(|f| f.code == "empty-list"));
}

#[test]
fn language_02_hashes_are_warned_of() {
    let text = BASE
        .replace("\"0.3.12\"", "\"0.2\"")
        .replace("ANY", &"ab".repeat(32));
    let found = found_in(&text);
    assert!(
        found
            .iter()
            .any(|f| f.code == "old-key-hash" && f.severity == Severity::Warning),
        "{found:#?}"
    );
}

#[test]
fn predecessor_none_in_every_spelling() {
    for none in [
        "~", "null", "", "''", "'~'", "\"\"", "None", "NULL", "'null'",
    ] {
        let text = format!("name: x\nversion: 0.3\npredecessor: {none}\n");
        let parsed = Policy::parse(&text).unwrap_or_else(|found| panic!("{none}: {found:#?}"));
        assert_eq!(parsed.policy.predecessor, None, "{none}");
    }
}

#[test]
fn versions_are_read_with_or_without_quotes() {
    for (text, patch) in [("0.3", 0), ("'0.3'", 0), ("0.3.10", 10), ("\"0.3.12\"", 12)] {
        let text = format!("name: x\nversion: {text}\n");
        let parsed = Policy::parse(&text).unwrap();
        assert_eq!(parsed.policy.version.patch, patch);
        assert_eq!(parsed.warnings, []);
    }
}

// ---- what it means ----

fn parsed(text: &str) -> Policy {
    let parsed = Policy::parse(text).unwrap_or_else(|found| panic!("{found:#?}\n{text}"));
    parsed.policy
}

fn key(hexadecimal: &str) -> KeyHash {
    hexadecimal.parse().unwrap()
}

#[test]
fn base_policy_means_what_it_says() {
    let policy = parsed(BASE);
    let access = policy.access.stated().unwrap();
    let signer = Principal::Signer(policy.creator.unwrap());
    let reader = key("b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9");
    let owner = key("391645fc02749ef4f895da626d1ffe9bf45d34aad2177507844e1b87d220219f");
    assert_eq!(
        access.read,
        Principals::Listed(vec![Principal::Creator, Principal::Key(reader)])
    );
    let two = Principal::AtLeast {
        count: 2,
        of: vec![
            Principal::Creator,
            Principal::Key(owner),
            Principal::Creator,
        ],
    };
    let all = Principal::AtLeast {
        count: 2,
        of: vec![signer, two],
    };
    assert_eq!(access.update, Principals::Listed(vec![all]));
    assert_eq!(access.create_sessions, Principals::Any);
    assert_eq!(access.list_sessions, Principals::Nobody);
    let security = policy.security.stated().unwrap();
    assert_eq!(security.mode, Mode::Hardware);
    let tolerated = [
        Toleration::Hyperthreading,
        Toleration::InsecureIgpu,
        Toleration::OutdatedTcb,
    ];
    assert_eq!(security.tolerate, BTreeSet::from(tolerated));
    let token = security.service_access_token.as_ref().unwrap();
    assert!(matches!(&token.parts[..], [Part::Secret(asked)] if asked.secret.as_str() == "token"));
    let web = &policy.services[0];
    assert_eq!(
        web.platforms.stated().unwrap()[1],
        Platform::IntelQe(Digest::from([0xff; 16]))
    );
    assert_eq!(web.attestation.stated().unwrap().len(), 1);
    assert_eq!(policy.services[1].attestation.stated().unwrap().len(), 1);
    let later = &policy.services[2].attestation;
    assert_eq!(later.asks().len(), 1);
    assert_eq!(policy.salt.unwrap().0.as_bytes()[15], 0x0f);
}

#[test]
fn access_defaults_follow_update_and_read() {
    let text = "name: x\nversion: 0.3\naccess_policy: {read: ANY, update: NONE}\n";
    let policy = parsed(text);
    let access = policy.access.stated().unwrap();
    assert_eq!(access.create_sessions, Principals::Nobody);
    assert_eq!(access.list_sessions, Principals::Any);
    let policy = parsed("name: x\nversion: 0.3\n");
    assert_eq!(
        *policy.access.stated().unwrap(),
        AccessPolicy::creator_alone()
    );
}

fn spki_hash(pem: &str) -> KeyHash {
    let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    KeyHash::of_spki(&from_base64(&base64))
}

fn from_base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut out, mut bits, mut value) = (Vec::new(), 0, 0_u32);
    for digit in text.bytes().filter(|b| *b != b'=') {
        let digit = DIGITS.iter().position(|d| *d == digit).unwrap();
        value = (value << 6 | u32::try_from(digit).unwrap()) & 0xff_ffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push(u8::try_from(value >> bits & 0xff).unwrap());
        }
    }
    out
}

#[test]
fn signer_is_known_by_the_hash_of_its_public_key() {
    let policy = parsed(BASE);
    assert_eq!(policy.creator, Some(spki_hash(ED25519)));
}

#[test]
fn creator_may_be_a_certificate_or_a_key_hash() {
    let indented: String = CERTIFICATE
        .lines()
        .map(|line| format!("  {line}\n"))
        .collect();
    let policy = parsed(&format!("name: x\nversion: 0.3\ncreator: |\n{indented}"));
    let hash = policy.creator.unwrap();
    let policy = parsed(&format!("name: x\nversion: 0.3\ncreator: {hash}\n"));
    assert_eq!(policy.creator, Some(hash));
}

/// Keys that openssl makes: P-256 and P-384 sign sessions, RSA does not.
#[test]
fn signer_keys_of_openssl_are_read() {
    use std::process::Command;
    let make = |arguments: &[&str]| {
        let made = Command::new("openssl")
            .arg("genpkey")
            .args(arguments)
            .output()
            .ok()?;
        let file = std::env::temp_dir().join(format!("casque-signer-{}.pem", std::process::id()));
        std::fs::write(&file, made.stdout).ok()?;
        let public = Command::new("openssl")
            .args(["pkey", "-pubout", "-in"])
            .arg(&file)
            .output()
            .ok()?;
        std::fs::remove_file(file).ok()?;
        String::from_utf8(public.stdout)
            .ok()
            .filter(|pem| pem.starts_with("-----BEGIN"))
    };
    let curve = |name: &str| {
        make(&[
            "-algorithm",
            "EC",
            "-pkeyopt",
            &format!("ec_paramgen_curve:{name}"),
        ])
    };
    let Some(ed25519) = make(&["-algorithm", "ed25519"]) else {
        println!("skipped: no openssl");
        return;
    };
    let parse = |pem: &str| {
        let indented: String = pem.lines().map(|line| format!("    {line}\n")).collect();
        Policy::parse(&format!(
            "name: x\nversion: 0.3\ncreator:\n  signer: |\n{indented}"
        ))
    };
    for pem in [ed25519, curve("P-256").unwrap(), curve("P-384").unwrap()] {
        assert_eq!(parse(&pem).unwrap().policy.creator, Some(spki_hash(&pem)));
    }
    for pem in [
        make(&["-algorithm", "RSA"]).unwrap(),
        curve("P-521").unwrap(),
    ] {
        let found = parse(&pem).unwrap_err();
        assert_eq!(found[0].code, "bad-signer-key");
    }
}

// ---- open clauses ----

const OPEN: &str = "name: ns/app
version: '0.3.10'
access_policy:
  read: [ANY]
  update: UPDATE
security: SECURITY
services:
  - name: web
    attestation: ATTESTATION
secrets:
  - {name: a, import: {session: s, secret: a}}
  - {name: b, import: {session: s, secret: b}}
";

fn open(update: &str, security: &str, attestation: &str) -> Policy {
    let text = OPEN
        .replace("UPDATE", update)
        .replace("SECURITY", security)
        .replace(
            "ATTESTATION",
            if attestation == NOTHING {
                MEASURED
            } else {
                attestation
            },
        );
    parsed(&text)
}

const NO_SECURITY: &str = "~";
/// No attestation that matters.
const NOTHING: &str = "";
const MEASURED: &str =
    "{mrenclave: 291645fc02749ef4f895da626d1ffe9bf45d34aad2177507844e1b87d220219f}";
const A: &str = "$$SCONE::a$$";

fn text(value: &str) -> Fill {
    Fill::Text(Secret::copied_from(value.as_bytes()))
}

fn fragment(value: &str) -> Fill {
    Fill::Fragment(Secret::copied_from(value.as_bytes()))
}

fn close<T: Clone>(
    clause: &Clause<T>,
    fills: impl IntoIterator<Item = Fill>,
) -> Result<T, ClauseError> {
    let mut known = Fills::default();
    let mut fills = fills.into_iter();
    for asked in clause.asks() {
        if let Some(fill) = fills.next() {
            known.insert(asked, fill);
        }
    }
    clause.close(&known).map(std::borrow::Cow::into_owned)
}

fn codes(error: &ClauseError) -> Vec<&'static str> {
    error.found.iter().map(|found| found.code).collect()
}

fn caller(byte: u8) -> KeyHash {
    KeyHash::from([byte; 32])
}

fn permits(access: &AccessPolicy, keys: &[u8]) -> bool {
    let signers = keys.iter().map(|byte| caller(*byte)).collect();
    let caller = Credentials {
        tls: keys.first().map(|byte| caller(*byte)),
        signers,
    };
    access.permits(Operation::Update, &caller, Some(&self::caller(7)))
}

#[test]
fn access_whole_policy_by_a_secret() {
    let text_of = OPEN.replace("\n  read: [ANY]\n  update: UPDATE", &format!(" {A}"));
    let text_of = text_of
        .replace("SECURITY", "~")
        .replace("ATTESTATION", "[]")
        .replace("security: ~", "security: {attestation: {mode: none}}");
    let policy = parsed(&text_of);
    let access = close(&policy.access, [fragment("{update: [CREATOR]}")]).unwrap();
    assert!(permits(&access, &[7]) && !permits(&access, &[8]));
    let access = close(&policy.access, [Fill::Unreadable]).unwrap();
    assert_eq!(access, AccessPolicy::nobody());
    let error = close(&policy.access, [fragment("{updat: [CREATOR]}")]).unwrap_err();
    assert_eq!(codes(&error), ["unknown-key"]);
    assert!(!error.to_string().contains("updat:"), "{error}");
}

#[test]
fn access_entries_by_secrets_are_spliced() {
    let policy = open(&format!("[{A}, $$SCONE::b$$]"), NO_SECURITY, NOTHING);
    assert_eq!(policy.access.asks().len(), 2);
    let (one, two) = (caller(1), caller(2));
    let fills = [
        fragment(&format!("[{one}, CREATOR]")),
        text(&two.to_string()),
    ];
    let access = close(&policy.access, fills).unwrap();
    for byte in [1, 2, 7] {
        assert!(permits(&access, &[byte]));
    }
    assert!(!permits(&access, &[3]));
}

#[test]
fn access_entry_that_cannot_be_had_gives_nobody_anything() {
    let access = |update: &str, fills: Vec<Fill>| {
        let policy = open(update, NO_SECURITY, NOTHING);
        close(&policy.access, fills).unwrap()
    };
    // The others keep what they have.
    let among_others = access(&format!("[CREATOR, {A}]"), vec![Fill::Unreadable]);
    assert!(permits(&among_others, &[7]) && !permits(&among_others, &[1]));
    // Alone, it is nobody.
    for update in [
        A.to_owned(),
        format!("[{A}]"),
        format!("x{A}"),
        format!("'A{A}NY'"),
    ] {
        let alone = access(&update, vec![Fill::Unreadable]);
        assert!(!permits(&alone, &[7, 1]), "{update}");
    }
    // A requirement does not become less by it.
    let required = access(
        &format!("[{{require-all: [CREATOR, {A}]}}]"),
        vec![Fill::Unreadable],
    );
    assert!(!permits(&required, &[7]));
    let two = format!("[{{require-at-least-2: [CREATOR, {A}, {}]}}]", caller(1));
    let required = access(&two, vec![Fill::Unreadable]);
    assert!(!permits(&required, &[7]));
}

#[test]
fn attestation_by_an_empty_fragment_is_refused() {
    let text = "name: x\nversion: 0.3.10\nservices:\n- {name: web, attestation: $$SCONE::f$$}\n\
                secrets:\n- {name: f, kind: config-fragment, value: []}\n";
    let codes: Vec<_> = found_in(text).iter().map(|found| found.code).collect();
    assert!(codes.contains(&"empty-list"), "{codes:?}");
}

#[test]
fn access_entry_that_is_left_out_gives_its_placeholders_to_no_other_entry() {
    let text = OPEN
        .replace("UPDATE", "['$$SCONE::gone$$$$SCONE::a$$', '$$SCONE::b$$']")
        .replace("SECURITY", NO_SECURITY)
        .replace("ATTESTATION", MEASURED);
    let policy = parsed(&text);
    let fills = policy.access.asks().iter().map(|asked| {
        let byte = if asked.secret.as_str() == "a" { 1 } else { 2 };
        text_of_caller(byte)
    });
    let access = close(&policy.access, fills.collect::<Vec<_>>()).unwrap();
    assert!(permits(&access, &[2]) && !permits(&access, &[1]));
}

fn text_of_caller(byte: u8) -> Fill {
    text(&caller(byte).to_string())
}

#[test]
fn access_requirement_counts_what_fills_it() {
    let policy = open(
        &format!("[{{require-at-least-3: [CREATOR, {A}]}}]"),
        NO_SECURITY,
        NOTHING,
    );
    let keys = |bytes: &[u8]| {
        let keys: Vec<String> = bytes
            .iter()
            .map(|byte| format!("{{require-all: [{}]}}", caller(*byte)))
            .collect();
        fragment(&format!("[{}]", keys.join(", ")))
    };
    close(&policy.access, [keys(&[1, 2])]).unwrap();
    let error = close(&policy.access, [keys(&[1])]).unwrap_err();
    assert_eq!(codes(&error), ["bad-count"]);
}

#[test]
fn open_clause_that_is_not_filled_or_filled_badly_does_not_close() {
    let policy = open(&format!("[CREATOR, {A}]"), NO_SECURITY, NOTHING);
    let refused = |fill: Option<Fill>| codes(&close(&policy.access, fill).unwrap_err())[0];
    assert_eq!(refused(None), "fragment-misfit");
    assert_eq!(refused(Some(text("somebody"))), "bad-key-hash");
    assert_eq!(refused(Some(text("ANY"))), "word-not-alone");
    assert_eq!(refused(Some(text("$$SCONE::b$$"))), "nested-placeholder");
    assert_eq!(
        refused(Some(fragment("[$$SCONE::b$$]"))),
        "nested-placeholder"
    );
    assert_eq!(
        refused(Some(fragment("[\"\\x24$SCONE::b$$\"]"))),
        "nested-placeholder"
    );
    assert_eq!(refused(Some(fragment("[a: b: c"))), "fragment-misfit");
    let alone = open(&format!("[{A}]"), NO_SECURITY, NOTHING);
    let error = close(&alone.access, [fragment("[]")]).unwrap_err();
    assert_eq!(codes(&error)[0], "fragment-misfit");
    assert_eq!(
        refused(Some(Fill::Text(Secret::new(vec![0xff])))),
        "fragment-misfit"
    );
    let error = close(&policy.access, [text("swordfish")]).unwrap_err();
    assert!(!error.to_string().contains("swordfish"), "{error}");
    assert_eq!(
        error.found[0].position,
        Position {
            line: 5,
            column: 21
        }
    );
}

#[test]
fn security_by_a_secret_closes_to_what_it_says() {
    let policy = open("NONE", A, "[{mrenclave: $$SCONE::b:hex$$}]");
    let maa = "{attestation: {mode: maa, url: 'https://a.example', tolerate: [maa-managed-tcb]}}";
    let security = close(&policy.security, [fragment(maa)]).unwrap();
    assert!(matches!(security.mode, Mode::Maa(_)));
    let error = close(&policy.security, [Fill::Unreadable]).unwrap_err();
    assert_eq!(codes(&error), ["fragment-misfit"]);
    let policy = open(
        "NONE",
        &format!("{{service_access_token: t, attestation: {{mode: {A}}}}}"),
        "[]",
    );
    let security = close(&policy.security, [text("none")]).unwrap();
    assert_eq!(security.mode, Mode::DangerousNone);
    assert!(security.service_access_token.is_some());
}

#[test]
fn demands_close_over_all_that_a_service_asks_for() {
    let policy = open("NONE", &format!("{{attestation: {A}}}"), "[$$SCONE::b$$]");
    let service = &policy.services[0];
    let asked: Vec<_> = policy.asks_of_demands(service).collect();
    assert_eq!(asked.len(), 2);
    let mut fills = Fills::default();
    fills.insert(asked[0], fragment("{mode: hardware}"));
    assert!(policy.demands(service, &fills).is_err());
    let measured = MrEnclave::from([5; 32]);
    fills.insert(asked[1], fragment(&format!("{{mrenclave: [{measured}]}}")));
    let demands = policy.demands(service, &fills).unwrap();
    assert_eq!(demands.security().mode, Mode::Hardware);
    assert!(demands.one_time_password().is_none());
}

#[test]
fn open_clause_is_read_around_its_holes() {
    for (update, security, attestation, code) in [
        (
            "[$$SCONE::a$$, somebody]",
            "~",
            "[{signer: {}}]",
            "bad-key-hash",
        ),
        (
            "[{require-all: [$$SCONE::a$$, ANY]}]",
            "~",
            "[]",
            "word-not-alone",
        ),
        (
            "NONE",
            "{attestation: {mode: $$SCONE::a$$, tolerat: x}}",
            "[]",
            "unknown-key",
        ),
        (
            "NONE",
            "{attestation: {mode: maa, tolerate: [$$SCONE::a$$, x]}}",
            "[]",
            "bad-word",
        ),
        ("NONE", "~", "[$$SCONE::a$$, {mrenclave: 00}]", "bad-hash"),
        ("NONE", "~", "{mrenclave: [$$SCONE::a$$, x]}", "bad-hash"),
        (
            "NONE",
            "~",
            "{signer: {mrsigner: $$SCONE::a$$}}",
            "missing-key",
        ),
    ] {
        let text = OPEN
            .replace("UPDATE", update)
            .replace("SECURITY", security)
            .replace("ATTESTATION", attestation);
        let found = found_in(&text);
        assert!(found.iter().any(|f| f.code == code), "{code}: {found:#?}");
        // Holes themselves are no error.
        let about_holes = |f: &&Diagnostic| f.code == "wrong-type" || f.code == "not-supported-yet";
        assert_eq!(found.iter().find(about_holes), None);
    }
}

#[test]
fn unknown_secret_in_access_is_a_warning_and_gives_nobody_anything() {
    let text = OPEN
        .replace("UPDATE", "[$$SCONE::gone$$, CREATOR]")
        .replace("SECURITY", "{attestation: {mode: none}}")
        .replace("ATTESTATION", NOTHING);
    let parsed = Policy::parse(&text).unwrap();
    let codes: Vec<_> = parsed.warnings.iter().map(|w| w.code).collect();
    assert!(codes.contains(&"unknown-secret-in-access"), "{codes:?}");
    let access = parsed.policy.access.stated().unwrap();
    assert!(permits(access, &[7]) && !permits(access, &[1]));
}

#[test]
fn secret_that_fills_a_clause_is_not_shown() {
    let text = BASE.replace("value: hardware", "value: swordfish");
    for found in found_in(&text) {
        assert!(!found.to_string().contains("swordfish"), "{found}");
    }
}

#[test]
fn dangerous_mode_none_names_the_second_factor() {
    let warning = |security: &str| {
        let text = format!("name: x\nversion: 0.3\nsecurity: {security}\n");
        Policy::parse(&text).unwrap().warnings[0].message.clone()
    };
    assert!(warning("{attestation: {mode: none}}").contains("to whoever asks"));
    let token = warning("{service_access_token: x, attestation: {mode: none}}");
    assert!(
        token.contains("to whoever has the service access token"),
        "{token}"
    );
}

// ---- costs ----

/// A fragment that is asked for again and again.
fn multiplied(items: usize, uses: usize) -> String {
    let list = vec!["CREATOR"; items].join(", ");
    let asks = vec!["$$SCONE::big$$"; uses].join(", ");
    format!(
        "name: x\nversion: 0.3.10\naccess_policy: {{update: [{asks}]}}\nsecrets:\n- {{name: big, kind: config-fragment, value: [{list}]}}\n"
    )
}

#[test]
fn fragment_multiplied_is_refused_once() {
    assert!(Policy::parse(&multiplied(100, 100)).is_ok());
    let text = multiplied(8000, 8000);
    let found = Policy::parse(&text).unwrap_err();
    let too_large = found
        .iter()
        .filter(|f| f.code == "filled-too-large")
        .count();
    assert_eq!(too_large, 1, "{found:#?}");
}

#[test]
fn text_multiplied_is_refused() {
    let big = "x".repeat(100_000);
    let asks = vec!["$$SCONE::big$$"; 1000].join(" ");
    let text = format!(
        "name: x\nversion: 0.3.10\naccess_policy: {{update: '{asks}'}}\nsecrets:\n- {{name: big, kind: ascii, value: {big}}}\n"
    );
    let found = Policy::parse(&text).unwrap_err();
    assert!(
        found.iter().any(|f| f.code == "filled-too-large"),
        "{found:#?}"
    );
}

#[test]
fn open_clause_filled_too_large_does_not_close() {
    let asks = vec![A; 2000].join(", ");
    let policy = open(&format!("[{asks}]"), NO_SECURITY, NOTHING);
    let many = vec!["CREATOR"; 2000].join(", ");
    let fills = (0..2000).map(|_| fragment(&format!("[{many}]")));
    let error = close(&policy.access, fills).unwrap_err();
    assert_eq!(codes(&error), ["filled-too-large"]);
}

/// Many warnings are no error, and cut nothing short.
#[test]
fn warnings_beyond_a_hundred_cut_nothing_short() {
    let asks = vec!["$$SCONE::gone$$"; 500].join(", ");
    let text = format!("name: x\nversion: 0.3.10\naccess_policy: {{update: [{asks}, CREATOR]}}\n");
    let policy = parsed(&text);
    assert!(permits(policy.access.stated().unwrap(), &[7]));
}

// ---- laws ----

fn entry() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("CREATOR".to_owned()),
        (1_u8..4).prop_map(|byte| caller(byte).to_string()),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        (
            prop::collection::vec(inner, 1..4),
            any::<prop::sample::Index>(),
        )
            .prop_map(|(of, count)| {
                let count = count.index(of.len()) + 1;
                format!("{{require-at-least-{count}: [{}]}}", of.join(", "))
            })
    })
}

proptest! {
    /// Whether the text says it or a secret does, it means the same.
    #[test]
    fn access_by_fragment_means_what_it_means_stated(
        entries in prop::collection::vec(entry(), 1..4),
        keys in prop::collection::vec(prop::sample::select(vec![1_u8, 2, 3, 7]), 0..3),
    ) {
        let list = format!("[{}]", entries.join(", "));
        let stated = open(&list, NO_SECURITY, "[{mrenclave: $$SCONE::b:hex$$}]");
        let stated = stated.access.stated().unwrap();
        let asked = open(&format!("[{A}]"), NO_SECURITY, "[{mrenclave: $$SCONE::b:hex$$}]");
        let closed = close(&asked.access, [fragment(&list)]).unwrap();
        prop_assert_eq!(stated, &closed);
        // One more key never takes anything away.
        let before = permits(stated, &keys);
        let more: Vec<u8> = keys.iter().copied().chain([1, 2, 3, 7]).collect();
        prop_assert!(!before || permits(stated, &more));
    }

    /// An entry that cannot be had never gives what it would give, nor anything else.
    #[test]
    fn access_left_out_entry_gives_nothing(
        entries in prop::collection::vec(entry(), 1..4),
        at in any::<prop::sample::Index>(),
        keys in prop::collection::vec(prop::sample::select(vec![1_u8, 2, 3, 7]), 0..3),
    ) {
        let mut holed = entries.clone();
        let at = at.index(entries.len());
        holed[at] = A.to_owned();
        let b = "[{mrenclave: $$SCONE::b:hex$$}]";
        let holed = open(&format!("[{}]", holed.join(", ")), NO_SECURITY, b);
        let with = close(&holed.access, [fragment(&entries[at])]).unwrap();
        let without = close(&holed.access, [Fill::Unreadable]).unwrap();
        prop_assert!(permits(&with, &keys) || !permits(&without, &keys));
    }

    /// Nothing that fills a clause makes it fail badly.
    #[test]
    fn close_any_text_answers(text in "(read|update|attestation|mode|- |: |\\[|\\]|\\{|\\}|\n|ANY|CREATOR|\\$\\$SCONE::b\\$\\$|~|x){0,24}") {
        let policy = open(A, A, A);
        let fill = || fragment(&text);
        drop(close(&policy.access, [fill()]));
        drop(close(&policy.security, [fill()]));
        let entries = close(&policy.services[0].attestation, [fill()]);
        prop_assert!(entries.is_ok() || !entries.unwrap_err().found.is_empty());
    }
}
