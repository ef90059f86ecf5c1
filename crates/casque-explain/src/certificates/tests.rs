use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use casque_testkit::snp::SoftwareSnp;
use casque_types::{SnpProduct, SnpSigner, Timestamp};
use serde_json::json;

use super::*;

const NOW: Timestamp = Timestamp::from_unix_s(1_795_500_000);

static AMD: LazyLock<SoftwareSnp> =
    LazyLock::new(|| SoftwareSnp::generate(SnpProduct::Milan, NOW).unwrap());

fn chain() -> String {
    AMD.chain_pem(SnpSigner::Vcek)
}

/// The first certificate of a chain, and the rest.
fn split(chain: &str) -> (&str, &str) {
    chain.split_at(chain.match_indices("-----BEGIN").nth(1).unwrap().0)
}

/// The three certificates of the chain in every form that carries them all.
fn forms() -> Vec<(&'static str, String)> {
    let chain = chain();
    let (vcek, authorities) = split(&chain);
    let bag = "Bag Attributes\n    localKeyID: 01 00\nsubject=CN = SEV-VCEK\n";
    let spread = chain.replace("-----BEGIN", &format!("{bag}-----BEGIN"));
    let thim = json!({
        "vcekCert": vcek, "tcbm": "7308000000000003",
        "certificateChain": authorities, "cacheControl": "86400",
    });
    let (thim, lines) = (thim.to_string(), chain.replace('\n', "\r\n"));
    let text = |text: &str| STANDARD.encode(text);
    vec![
        ("PEM", chain.clone()),
        ("PEM with other ends of lines", lines),
        ("PEM behind white space", format!("\n\n  {chain}")),
        ("PEM behind `0`", format!("0: certificate\n{chain}")),
        ("PEM with text around each", spread.clone()),
        ("base64 of PEM", text(&chain)),
        ("base64 of PEM with text", text(&spread)),
        ("THIM's JSON", format!(" {thim}\n")),
        ("base64 of THIM's JSON", text(&thim)),
        ("the same in lines", wrapped(&text(&thim))),
        ("base64url of THIM's JSON", URL_SAFE_NO_PAD.encode(&thim)),
    ]
}

/// 76 columns, as `base64` writes.
fn wrapped(text: &str) -> String {
    let lines = text.as_bytes().chunks(76);
    let lines = lines.map(|line| str::from_utf8(line).unwrap());
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn certificates_are_the_same_in_every_form() {
    let anchor = AMD.anchor();
    let expected = [
        AMD.certificate(SnpSigner::Vcek).to_vec(),
        anchor.ask,
        anchor.ark,
    ];
    for (name, text) in forms() {
        let found = read_der_certificates(&text);
        assert_eq!(found.as_deref(), Some(&expected[..]), "{name}");
    }
    let der = &expected[0];
    for text in [STANDARD.encode(der), wrapped(&STANDARD.encode(der))] {
        assert_eq!(read_der_certificates(&text).unwrap(), expected[..1]);
    }
    assert!(is_of_signing_key(&expected[0]));
    assert!(!is_of_signing_key(&expected[1]) && !is_of_signing_key(b"garbage"));
}

#[test]
fn certificate_without_a_chain_is_read_from_thims_json() {
    let chain = chain();
    let (vcek, _) = split(&chain);
    for rest in [json!(null), json!("")] {
        let thim = json!({"vcekCert": vcek, "certificateChain": rest});
        let found = read_der_certificates(&thim.to_string()).unwrap();
        assert_eq!(found, [AMD.certificate(SnpSigner::Vcek)]);
    }
}

#[test]
fn table_of_the_host_is_left_as_it_is() {
    let table = AMD.certificate_table(SnpSigner::Vcek).unwrap();
    let found = read_certificates(&STANDARD.encode(&table));
    assert_eq!(found, Some(table));
}

#[test]
fn text_without_a_certificate_is_none() {
    let chain = chain();
    let (vcek, _) = split(&chain);
    let (without_end, _) = vcek.split_once("-----END").unwrap();
    let many = vcek.repeat(17);
    let long = STANDARD.encode([&[0x30, 0x82, 0x30, 0x00][..], &[0; 0x3000]].concat());
    let thim = json!({"vcekCert": "none", "certificateChain": chain}).to_string();
    for text in [
        "",
        " \n",
        "no certificate",
        "AAAA",
        "{}",
        "null",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        without_end,
        &many,
        &long,
        &thim,
    ] {
        assert_eq!(read_der_certificates(text), None, "{text}");
    }
    assert!(read_der_certificates(&vcek.repeat(16)).is_some());
}
