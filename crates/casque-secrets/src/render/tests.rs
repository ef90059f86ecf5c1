use casque_types::Encoding::{EscapeJson, Verbatim};
use proptest::prelude::*;

use super::*;
use crate::fields::FieldWriter;
use crate::testing::{
    ALGORITHMS, CountingRng, NOW, chain_of, chain_of_three, openssl, pem as pem_of, secret, shown,
};
use crate::{KeyAlgorithm, make_pgp_key, make_private_key, public_key_of};

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

/// A value of each kind, with whether it holds every part that a format may ask for.
fn value_of_each_kind() -> Vec<(SecretValue, bool)> {
    let chain = chain_of_three();
    let key = chain.private_key.as_ref().unwrap().duplicate();
    let mut without_key = chain_of_three();
    without_key.private_key = None;
    vec![
        (SecretValue::Ascii(secret("a")), true),
        (SecretValue::Binary(Secret::new(vec![0xff])), true),
        (public_key_of(&key).unwrap(), true),
        (SecretValue::PrivateKey(key), true),
        (SecretValue::X509(chain), true),
        (SecretValue::X509Ca(without_key), false),
        (SecretValue::X509Ca(chain_of_three()), true),
        (SecretValue::AadToken(secret("a")), true),
        (SecretValue::ConfigFragment(secret("{a: [1]}")), true),
        (
            SecretValue::PgpKey(make_pgp_key(&CountingRng::default(), NOW).unwrap()),
            true,
        ),
        (SecretValue::Jwt(secret("e30.e30.AA")), true),
    ]
}

#[test]
fn render_is_total_over_kinds_formats_and_encodings() {
    let values = value_of_each_kind();
    for kind in SecretKind::ALL {
        // A session-ca is kept as the x509-ca that it shows.
        let is_here = values.iter().any(|(value, _)| value.kind() == *kind);
        assert_eq!(is_here, *kind != SecretKind::SessionCa, "{kind}");
    }
    for (value, is_whole) in &values {
        for (_, format) in Format::SUFFIXES {
            for encoding in [Verbatim, EscapeJson] {
                let rendered = render(value, *format, encoding);
                let about = format!("{} {format:?} {encoding:?}", value.kind());
                assert_eq!(
                    rendered.err(),
                    expected_error(value, *is_whole, *format, encoding),
                    "{about}"
                );
            }
        }
    }
}

/// What the documentation of the formats says, apart from the code that renders.
fn expected_error(
    value: &SecretValue,
    is_whole: bool,
    format: Format,
    encoding: Encoding,
) -> Option<RenderError> {
    let kind = value.kind();
    if !kind.formats().contains(&format) {
        // Text may stand for a certificate that was to be imported, which has an error of its own.
        let is_part = kind == SecretKind::Ascii && SecretKind::X509.formats().contains(&format);
        return Some(if is_part {
            RenderError::PlainText { format }
        } else {
            RenderError::Format { kind, format }
        });
    }
    let needs_key = [
        Format::PrivateKeyPem,
        Format::PrivateKeyDer,
        Format::Pkcs12WithPrivateKey,
    ];
    if !is_whole && needs_key.contains(&format) {
        return Some(RenderError::NoPrivateKey { kind, format });
    }
    let is_bytes = match format {
        Format::Plain => kind == SecretKind::Binary,
        Format::Bin
        | Format::Der
        | Format::CertificateDer
        | Format::PrivateKeyDer
        | Format::Pkcs12WithPrivateKey
        | Format::SpkiDer
        | Format::PgpPrivateBinary
        | Format::PgpPublicBinary => true,
        _ => false,
    };
    (is_bytes && encoding == EscapeJson).then_some(RenderError::NotText { kind })
}

proptest! {
    #[test]
    fn render_of_any_stored_value_never_panics(
        kind in 1_u8..=10,
        fields in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..64), 1..4),
        format in proptest::sample::select(Format::SUFFIXES),
        encoding in proptest::sample::select(vec![Verbatim, EscapeJson]),
    ) {
        let mut stored = FieldWriter::with_capacity(300);
        stored.byte(1);
        stored.byte(kind);
        for field in &fields {
            stored.field(field);
        }
        if let Ok(value) = SecretValue::from_stored(&Secret::from(stored.finish())) {
            let is_of_kind = value.kind().formats().contains(&format.1);
            let rendered = render(&value, format.1, encoding);
            prop_assert!(rendered.is_err() || is_of_kind);
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
fn render_pkcs12_of_each_type_of_keys_opens_with_openssl() {
    for algorithm in ALGORITHMS {
        let value = SecretValue::X509(chain_of([algorithm; 3]));
        let pkcs12 = render(&value, Format::Pkcs12WithPrivateKey, Verbatim).unwrap();
        let arguments = ["pkcs12", "-passin", "pass:", "-nodes"];
        let Some((succeeded, text)) = openssl(&arguments, pkcs12.expose()) else {
            return;
        };
        assert!(succeeded, "{algorithm:?}: {text}");
        assert!(text.contains("BEGIN PRIVATE KEY"), "{algorithm:?}: {text}");
        assert_eq!(text.matches("BEGIN CERTIFICATE").count(), 3);
        let of_key = openssl(&["pkey", "-pubout"], text.as_bytes()).unwrap().1;
        let of_leaf = openssl(&["x509", "-noout", "-pubkey"], text.as_bytes())
            .unwrap()
            .1;
        assert!(of_key.starts_with("-----BEGIN PUBLIC KEY-----"));
        assert_eq!(of_key, of_leaf, "{algorithm:?}");
        let arguments = ["pkcs12", "-passin", "pass:", "-info", "-noout"];
        let (_, shown) = openssl(&arguments, pkcs12.expose()).unwrap();
        assert!(
            shown.contains("PBES2, PBKDF2, AES-256-CBC, Iteration 2048, PRF hmacWithSHA256"),
            "{shown}"
        );
    }
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
