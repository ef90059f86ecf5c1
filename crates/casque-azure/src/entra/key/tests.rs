use assert_matches::assert_matches;
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use rcgen::{CertificateParams, PKCS_ECDSA_P256_SHA256};

use super::*;

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

fn pkcs8() -> Vec<u8> {
    let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = key.as_der().unwrap();
    der.as_ref().to_vec()
}

fn parse(pem: &str, thumbprint: &str) -> Result<SigningKey, SourceFailure> {
    let secret = Secret::new(pem.as_bytes().to_vec());
    SigningKey::parse(&secret, &thumbprint.parse().unwrap())
}

fn code(pem: &str) -> &'static str {
    parse(pem, THUMBPRINT).map(drop).unwrap_err().code
}

const THUMBPRINT: &str = "B033DB596639F3CA02D6537055E85B8EFE060756";

#[test]
fn key_in_pkcs8_and_in_pkcs1_is_read() {
    let pkcs8 = pkcs8();
    assert_matches!(parse(&pem("PRIVATE KEY", &pkcs8), THUMBPRINT), Ok(_));
    // PKCS#8 of an RSA key is 26 bytes of header, then the PKCS#1 key (RFC 5958, RFC 8017).
    assert_matches!(
        parse(&pem("RSA PRIVATE KEY", &pkcs8[26..]), THUMBPRINT),
        Ok(_)
    );
}

#[test]
fn key_with_windows_line_ends_and_text_around_is_read() {
    let text = pem("PRIVATE KEY", &pkcs8()).replace('\n', "\r\n");
    assert_matches!(
        parse(&format!("Bag Attributes\r\n{text}\r\n"), THUMBPRINT),
        Ok(_)
    );
}

#[test]
fn key_beside_its_certificate_needs_that_thumbprint() {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = CertificateParams::default().self_signed(&key).unwrap();
    let text = pem("PRIVATE KEY", &pkcs8()) + &pem("CERTIFICATE", certificate.der());
    let own = shown(digest(&SHA1_FOR_LEGACY_USE_ONLY, certificate.der()).as_ref());
    assert_matches!(parse(&text, &own), Ok(_));
    let failure = parse(&text, THUMBPRINT).map(drop).unwrap_err();
    assert_eq!(failure.code, "entra-thumbprint-mismatch");
    assert!(failure.what.contains(&own) && failure.what.contains(THUMBPRINT));
}

#[test]
fn key_that_is_none_is_malformed() {
    let good = pem("PRIVATE KEY", &pkcs8());
    assert_eq!(code(""), "entra-key-malformed");
    assert_eq!(
        code(&pem("CERTIFICATE REQUEST", b"x")),
        "entra-key-malformed"
    );
    assert_eq!(
        code(good.trim_end_matches("-----\n")),
        "entra-key-malformed"
    );
    assert_eq!(code(&good.replace('A', "!")), "entra-key-malformed");
    assert_eq!(code(&pem("X", b"x").repeat(17)), "entra-key-malformed");
    let bytes = Secret::new(vec![0xff; 4]);
    let refused = SigningKey::parse(&bytes, &THUMBPRINT.parse().unwrap());
    assert_eq!(refused.map(drop).unwrap_err().code, "entra-key-malformed");
}

#[test]
fn key_of_another_kind_is_unsupported() {
    let ec = rcgen::KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    assert_eq!(code(&ec.serialize_pem()), "entra-key-unsupported");
    assert_eq!(code(&pem("EC PRIVATE KEY", b"x")), "entra-key-unsupported");
    assert_eq!(
        code(&pem("ENCRYPTED PRIVATE KEY", b"x")),
        "entra-key-unsupported"
    );
    assert_eq!(code(&pem("PRIVATE KEY", b"x")), "entra-key-unsupported");
}

#[test]
fn key_of_1024_bits_is_too_small() {
    let der = STANDARD.decode(RSA_1024).unwrap();
    assert_eq!(code(&pem("RSA PRIVATE KEY", &der)), "entra-key-too-small");
}

/// A PKCS#1 key made for this test; it was never used for anything.
const RSA_1024: &str = "\
    MIICXAIBAAKBgQCw4Ktxd2g8+WmC1YKxP1ul4JNPJpebqjCxFx36ly+RhVmdD7S3vIdtNJx3ONofgc1DyfVbgNXj8/\
    ZpoMvlJjVv2Czx9+/YKeCBovxc7WLrP6FGrlMyKca1B3jfE7dBjUENf5UB+/rm3cLe/UvP5L/36N/ZrKy9s+RSq2eW\
    0jsEwQIDAQABAoGARqCftMIiXF6XNAf/lLkg5l6DU9KsLRtLMBtz/BEMjIX734xa9BcS2Jdudui7qGMTTKNDFtOeFN\
    TgqxLq98hHA4RUSrLvyLyV3sSxSUKb2i21K9SIri812bmsui0LuL0O0BIajTH3d0rz8eDUTgpAc1JaeSoQ9El6F+BB\
    SZ6njbUCQQDpyniasdNXbLEsEkWl8Dp0ATd41FnrniiiH6s+GME2ofTOhaCL5wnW0StBXnKa5OvToWHITumXv7/JEU\
    D9w+17AkEAwa4h1l2DGgQGhHj3PgG5PfhhhbojvGbutyBT/fGivGxaX2OdiW1zGO6VRfyd4JmnqDWjru7XhROlfzf7\
    L2v78wJAFNNyduVMXEdUaQafqa6Cpn7NQDg6YmDOYdLMYFW4MHOw6QzCRnQoTjiHz+Tn9KBb2ZhQq5VL/baZEQI2de\
    SULQJAdYdOfz+lo67XqaGiHt165HEJ9NU8hEJOD5Ath8cOwppZyNKxMUjadEGrEZo2z6lORNOv7SKAY//FCMsWwPMd\
    IwJBAOT6V9bg6B+gtCCmzwIWMf0+RIcsg5f601jciIzNSMUIIOBHNaQYsyw2aMJpp8xZg6dWzxiL+JlZaUN2LuJ6E5\
    U=\
    ";
