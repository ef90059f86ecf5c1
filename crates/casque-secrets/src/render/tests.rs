use casque_types::Encoding::{EscapeJson, Verbatim};
use proptest::prelude::*;

use super::*;
use crate::testing::{chain_of_three, openssl, pem as pem_of, secret, shown};
use crate::{KeyAlgorithm, make_private_key};

fn text_of(value: &SecretValue, format: Format) -> String {
    shown(&render(value, format, Verbatim).unwrap()).to_owned()
}

#[test]
fn render_binary_in_every_format() {
    let value = SecretValue::Binary(Secret::new(vec![0xfb, 0xff, 0x0a, 0x41]));
    assert_eq!(text_of(&value, Format::Hex), "fbff0a41");
    assert_eq!(text_of(&value, Format::Base64), "+/8KQQ==");
    assert_eq!(text_of(&value, Format::Base64Url), "-_8KQQ==");
    assert_eq!(text_of(&value, Format::Base32), "7P7QUQI=");
    assert_eq!(text_of(&value, Format::Base32NoPad), "7P7QUQI");
    for format in [Format::Plain, Format::Bin] {
        let raw = render(&value, format, Verbatim).unwrap();
        assert_eq!(raw.expose(), [0xfb, 0xff, 0x0a, 0x41]);
    }
}

#[test]
fn render_every_format_of_the_kind_and_no_other() {
    let chain = chain_of_three();
    let key = chain.private_key.as_ref().unwrap().duplicate();
    for value in [
        SecretValue::Ascii(secret("a")),
        SecretValue::AadToken(secret("a")),
        SecretValue::Binary(secret("a")),
        SecretValue::PrivateKey(key),
        SecretValue::X509(chain),
    ] {
        for (_, format) in Format::SUFFIXES {
            let expected = value.kind().formats().contains(format);
            let rendered = render(&value, *format, Verbatim);
            assert_eq!(rendered.is_ok(), expected, "{:?} {format:?}", value.kind());
        }
    }
}

#[test]
fn render_certificate_parts_are_in_their_order() {
    let chain = chain_of_three();
    let blocks: Vec<String> = (chain.certificates.iter())
        .map(|der| pem_of(CERTIFICATE, der))
        .collect();
    let leaf = chain.leaf().to_vec();
    let key = pem_of(PRIVATE_KEY, chain.private_key.as_ref().unwrap().expose());
    let value = SecretValue::X509(chain);
    assert_eq!(text_of(&value, Format::Plain), blocks[0]);
    assert_eq!(text_of(&value, Format::CertificatePem), blocks[0]);
    assert_eq!(
        text_of(&value, Format::Chain),
        blocks[1].clone() + &blocks[2]
    );
    let reversed = blocks[2].clone() + &blocks[1] + &blocks[0];
    assert_eq!(text_of(&value, Format::LegacyChain), reversed);
    assert_eq!(text_of(&value, Format::PrivateKeyPem), key);
    let der = render(&value, Format::CertificateDer, Verbatim).unwrap();
    assert_eq!(der.expose(), leaf);
}

#[test]
fn render_pem_has_lines_of_64_and_line_feeds() {
    let key = make_private_key(KeyAlgorithm::P384).unwrap();
    let text = text_of(&SecretValue::PrivateKey(key), Format::Pem);
    assert!(text.starts_with("-----BEGIN PRIVATE KEY-----\n"));
    assert!(text.ends_with("\n-----END PRIVATE KEY-----\n"));
    assert!(text.lines().all(|line| line.len() <= 64));
    assert!(!text.contains('\r'));
}

#[test]
fn render_key_that_is_not_held_is_refused() {
    let mut chain = chain_of_three();
    chain.private_key = None;
    let value = SecretValue::X509Ca(chain);
    for format in [
        Format::PrivateKeyPem,
        Format::PrivateKeyDer,
        Format::Pkcs12WithPrivateKey,
    ] {
        let kind = SecretKind::X509Ca;
        let refused = render(&value, format, Verbatim).unwrap_err();
        assert_eq!(refused, RenderError::NoPrivateKey { kind, format });
    }
}

#[test]
fn render_certificate_part_of_text_says_what_was_imported() {
    let format = Format::PrivateKeyPem;
    let plain = SecretValue::Ascii(secret("hunter2"));
    let refused = render(&plain, format, Verbatim).unwrap_err();
    assert_eq!(refused, RenderError::PlainText { format });
    let pkcs12 = render(
        &SecretValue::X509(chain_of_three()),
        Format::Pkcs12WithPrivateKey,
        Verbatim,
    )
    .unwrap();
    let pkcs12 = SecretValue::Ascii(secret(&BASE64.encode(pkcs12.expose())));
    let refused = render(&pkcs12, format, Verbatim).unwrap_err();
    assert_eq!(refused, RenderError::Pkcs12 { format });
    let refused = render(&plain, Format::Hex, Verbatim).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "a secret of kind `ascii` has no format `:hex`; it has none"
    );
}

#[test]
fn render_escape_of_bytes_that_are_no_text_is_refused() {
    let value = SecretValue::Binary(Secret::new(vec![0xff]));
    let kind = SecretKind::Binary;
    let refused = render(&value, Format::Plain, EscapeJson).unwrap_err();
    assert_eq!(refused, RenderError::NotText { kind });
}

#[test]
fn render_escape_json_writes_short_escapes() {
    let value = SecretValue::Ascii(secret("\"\\/\u{8}\u{c}\n\r\t\u{1}\u{1f}\u{7f}ä"));
    let escaped = render(&value, Format::Plain, EscapeJson).unwrap();
    assert_eq!(
        shown(&escaped),
        "\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\u{7f}ä"
    );
}

proptest! {
    #[test]
    fn render_escape_json_is_read_back(text in "\\PC*|[\u{1}-\u{ff}]*") {
        let value = SecretValue::Ascii(secret(&text));
        let escaped = render(&value, Format::Plain, EscapeJson).unwrap();
        let read: String = serde_json::from_str(&format!("\"{}\"", shown(&escaped))).unwrap();
        prop_assert_eq!(read, text);
    }
}

#[test]
fn render_pkcs12_opens_with_openssl() {
    let value = SecretValue::X509(chain_of_three());
    let pkcs12 = render(&value, Format::Pkcs12WithPrivateKey, Verbatim).unwrap();
    let arguments = ["pkcs12", "-passin", "pass:", "-nodes"];
    let Some((succeeded, text)) = openssl(&arguments, pkcs12.expose()) else {
        return;
    };
    assert!(succeeded, "{text}");
    assert!(text.contains(text_of(&value, Format::PrivateKeyPem).trim()));
    assert_eq!(text.matches("BEGIN CERTIFICATE").count(), 3);
    let (_, shown) = openssl(
        &["pkcs12", "-passin", "pass:", "-info", "-noout"],
        pkcs12.expose(),
    )
    .unwrap();
    assert!(
        shown.contains("PBES2, PBKDF2, AES-256-CBC, Iteration 2048, PRF hmacWithSHA256"),
        "{shown}"
    );
}

#[test]
fn render_private_keys_are_read_by_openssl() {
    for (algorithm, shown_as) in [
        (KeyAlgorithm::P256, "NIST CURVE: P-256"),
        (KeyAlgorithm::P384, "NIST CURVE: P-384"),
        (KeyAlgorithm::Rsa2048, "Private-Key: (2048 bit"),
    ] {
        let value = SecretValue::PrivateKey(make_private_key(algorithm).unwrap());
        let pem = text_of(&value, Format::Pem);
        let Some((succeeded, text)) = openssl(&["pkey", "-noout", "-text"], pem.as_bytes()) else {
            return;
        };
        assert!(succeeded, "{text}");
        assert!(text.contains(shown_as), "{text}");
    }
}
