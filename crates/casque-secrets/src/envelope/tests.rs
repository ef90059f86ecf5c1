use assert_matches::assert_matches;
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

use super::*;
use crate::key::PrivateKey;
use crate::testing::{BrokenRng, CountingRng, openssl, pem, secret};
use crate::vectors::Vector;
use crate::{KeyAlgorithm, make_private_key};

fn key() -> Secret {
    Secret::new((0..32).collect())
}

fn sealed(value: &[u8]) -> Vec<u8> {
    let value = Secret::copied_from(value);
    let text = seal_envelope(&value, &key(), &CountingRng::default()).unwrap();
    BASE64.decode(text.as_bytes()).unwrap()
}

fn opened(bytes: &[u8], content_type: Option<&str>) -> Result<SecretValue, EnvelopeError> {
    open_envelope(&secret(&BASE64.encode(bytes)), &key(), None, content_type)
}

fn refused(bytes: &[u8]) -> EnvelopeError {
    opened(bytes, Some("binary")).unwrap_err()
}

/// The key inside PKCS#8 (RFC 5208): after version and algorithm, in an octet string.
fn pkcs1_of(pkcs8: &Secret) -> Vec<u8> {
    use der::asn1::{AnyRef, OctetStringRef};
    use der::{Reader as _, SliceReader};
    let mut reader = SliceReader::new(pkcs8.expose()).unwrap();
    let parts = |reader: &mut SliceReader<'_>| -> Result<Vec<u8>, der::Error> {
        reader.sequence(|inner| {
            AnyRef::decode(inner)?;
            AnyRef::decode(inner)?;
            let key = <&OctetStringRef>::decode(inner)?;
            Ok(key.as_bytes().to_vec())
        })
    };
    parts(&mut reader).unwrap()
}

#[test]
fn envelope_of_text_opens_to_text() {
    let value = opened(&sealed("hünter2".as_bytes()), None).unwrap();
    assert_matches!(value, SecretValue::Ascii(text) if text.expose() == "hünter2".as_bytes());
    let other = opened(&sealed(b"42"), Some("text/plain")).unwrap();
    assert_matches!(other, SecretValue::Ascii(_));
}

#[test]
fn envelope_of_text_is_read_by_the_kind_of_the_policy() {
    let text = secret(&BASE64.encode(&sealed(b"00ff")));
    let value = open_envelope(&text, &key(), Some(SecretKind::Binary), None).unwrap();
    assert_matches!(value, SecretValue::Binary(bytes) if bytes.expose() == [0, 0xff]);
    let pem = pem(
        "PRIVATE KEY",
        make_private_key(KeyAlgorithm::P256).unwrap().expose(),
    );
    let text = secret(&BASE64.encode(&sealed(pem.as_bytes())));
    let value = open_envelope(&text, &key(), Some(SecretKind::PrivateKey), None).unwrap();
    assert_matches!(value, SecretValue::PrivateKey(_));
    let refused = open_envelope(&text, &key(), Some(SecretKind::X509), None).unwrap_err();
    assert_eq!(refused, EnvelopeError::Import(ImportError::NoCertificate));
}

#[test]
fn envelope_of_content_type_binary_opens_to_its_bytes() {
    let value = opened(&sealed(&[0, 0xff, 0x0a]), Some("binary")).unwrap();
    assert_matches!(value, SecretValue::Binary(bytes) if bytes.expose() == [0, 0xff, 0x0a]);
}

#[test]
fn envelope_of_content_type_pkcs1_opens_to_the_same_key() {
    let pkcs8 = make_private_key(KeyAlgorithm::Rsa2048).unwrap();
    let value = opened(&sealed(&pkcs1_of(&pkcs8)), Some("PKCS#1")).unwrap();
    let SecretValue::PrivateKey(found) = value else {
        panic!("another kind");
    };
    let spki = |key: &Secret| PrivateKey::parse(key).unwrap().spki().unwrap();
    assert_eq!(spki(&found), spki(&pkcs8));
}

#[test]
fn envelope_of_pkcs1_by_openssl_opens_to_a_key() {
    let pem = pem(
        "PRIVATE KEY",
        make_private_key(KeyAlgorithm::Rsa3072).unwrap().expose(),
    );
    let Some((is_done, text)) = openssl(&["rsa", "-traditional"], pem.as_bytes()) else {
        return;
    };
    assert!(is_done, "{text}");
    let blocks = crate::pem::read_pem(&text).ok().unwrap();
    assert_eq!(blocks[0].label, "RSA PRIVATE KEY");
    let value = opened(&sealed(blocks[0].der.expose()), Some("PKCS#1")).unwrap();
    assert_matches!(value, SecretValue::PrivateKey(key) if PrivateKey::parse(&key).is_some());
}

#[test]
fn envelope_of_content_type_pkcs1_without_such_a_key_is_refused() {
    let pkcs8 = make_private_key(KeyAlgorithm::Rsa2048).unwrap();
    let pkcs1 = pkcs1_of(&pkcs8);
    let longer = [&pkcs1[..], &[0]].concat();
    let curve = make_private_key(KeyAlgorithm::P256).unwrap();
    for bent in [&longer, &pkcs1[1..], pkcs8.expose(), curve.expose(), b"key"] {
        let refused = opened(&sealed(bent), Some("PKCS#1")).unwrap_err();
        assert_eq!(refused, EnvelopeError::Pkcs1);
    }
}

#[test]
fn envelope_of_another_kind_than_its_content_type_is_refused() {
    let text = secret(&BASE64.encode(&sealed(b"42")));
    let refused = |kind, content_type| {
        open_envelope(&text, &key(), Some(kind), Some(content_type)).unwrap_err()
    };
    let expected = EnvelopeError::Kind {
        content_type: "binary",
        expected: SecretKind::Binary,
        found: SecretKind::Ascii,
    };
    assert_eq!(refused(SecretKind::Ascii, "binary"), expected);
    let expected = EnvelopeError::Kind {
        content_type: "PKCS#1",
        expected: SecretKind::PrivateKey,
        found: SecretKind::X509,
    };
    assert_eq!(refused(SecretKind::X509, "PKCS#1"), expected);
}

#[test]
fn envelope_of_bytes_that_are_no_text_is_refused() {
    let refused = |value: &[u8]| opened(&sealed(value), None).unwrap_err();
    assert_eq!(refused(&[0xff]), EnvelopeError::NotUtf8);
    let with_nul = EnvelopeError::Import(ImportError::Text);
    assert_eq!(refused(b"a\0b"), with_nul);
}

#[test]
fn envelope_folded_and_indented_is_read() {
    let mut text = String::new();
    for chunk in BASE64.encode(&sealed(b"42")).as_bytes().chunks(7) {
        text += &format!("  {}\r\n", std::str::from_utf8(chunk).unwrap());
    }
    let value = open_envelope(&secret(&text), &key(), None, None).unwrap();
    assert_matches!(value, SecretValue::Ascii(_));
}

#[test]
fn envelope_bent_in_its_header_is_refused_by_what_was_bent() {
    let sound = sealed(b"forty-two");
    let bent = |position: usize, value: u8| {
        let mut bytes = sound.clone();
        bytes[position] = value;
        refused(&bytes)
    };
    assert_eq!(bent(0, 1), EnvelopeError::Magic);
    assert_eq!(bent(1, 0xa0), EnvelopeError::Magic);
    assert_eq!(bent(3, 1), EnvelopeError::Version { found: 1 });
    assert_eq!(bent(2, 1), EnvelopeError::Version { found: 0x102 });
    let length = |expected_bytes, found_bytes| EnvelopeError::Length {
        expected_bytes,
        found_bytes,
    };
    assert_eq!(bent(5, 8), length(42, 43));
    assert_eq!(bent(4, 1), length(43 + 256, 43));
    assert_eq!(refused(&sound[..42]), length(43, 42));
    assert_eq!(refused(&[&sound[..], &[0]].concat()), length(43, 44));
    assert_eq!(refused(&sound[..5]), length(34, 5));
    assert_eq!(refused(&sound[..3]), length(34, 3));
    assert_eq!(refused(&sound[..1]), EnvelopeError::Magic);
    assert_eq!(refused(&[]), EnvelopeError::Magic);
}

#[test]
fn envelope_that_is_not_base64_is_refused() {
    let sound = BASE64.encode(&sealed(b"42"));
    let url = sound.replacen('A', "-", 1);
    let without_padding = BASE64.encode(&sealed(b"423")).replace('=', "");
    for text in [
        "hunter2!",
        &url,
        &without_padding,
        &format!("{sound}{sound}="),
    ] {
        let refused = open_envelope(&secret(text), &key(), None, None).unwrap_err();
        assert_eq!(refused, EnvelopeError::NotBase64, "{text}");
    }
}

#[test]
fn envelope_of_any_size_beyond_the_largest_is_refused_unread() {
    let found_bytes = MAX_TEXT_BYTES + 1;
    let text = Secret::new(vec![b'A'; found_bytes]);
    let refused = open_envelope(&text, &key(), None, None).unwrap_err();
    assert_eq!(refused, EnvelopeError::TooLong { found_bytes });
}

#[test]
fn envelope_under_another_key_is_refused() {
    let text = secret(&BASE64.encode(&sealed(b"42")));
    let refused = |key: Vec<u8>| open_envelope(&text, &Secret::new(key), None, None).unwrap_err();
    assert_eq!(refused(vec![1; 32]), EnvelopeError::Decrypt);
    for found_bytes in [0, 16, 31, 33, 64] {
        assert_eq!(
            refused(vec![1; found_bytes]),
            EnvelopeError::Key { found_bytes }
        );
    }
}

#[test]
fn seal_envelope_of_what_does_not_fit_is_refused() {
    let rng = CountingRng::default();
    let seal = |bytes, key: &Secret| seal_envelope(&Secret::new(vec![7; bytes]), key, &rng);
    seal(65_535, &key()).unwrap();
    let found_bytes = 65_536;
    let too_long = SealEnvelopeError::TooLong { found_bytes };
    assert_eq!(seal(found_bytes, &key()), Err(too_long));
    let short = SealEnvelopeError::Key { found_bytes: 7 };
    assert_eq!(seal(1, &secret("another")), Err(short));
    let refused = seal_envelope(&secret("42"), &key(), &BrokenRng);
    assert_eq!(refused, Err(SealEnvelopeError::Rng(RngError)));
}

#[test]
fn envelope_vectors_come_out_as_expected() {
    for text in [
        include_str!("../../../../vectors/wire/envelope.txt"),
        include_str!("../../../../vectors/wire/envelope-binary.txt"),
        include_str!("../../../../vectors/wire/envelope-empty.txt"),
        include_str!("../../../../vectors/wire/envelope-other-key.txt"),
        include_str!("../../../../vectors/wire/envelope-flipped.txt"),
        include_str!("../../../../vectors/wire/envelope-other-version.txt"),
        include_str!("../../../../vectors/wire/envelope-not-utf8.txt"),
    ] {
        let vector = Vector::read(text, &["key", "content_type", "text", "value"]);
        let content_type = Some(vector.text("content_type")).filter(|text| *text != "none");
        let key = Secret::new(vector.bytes("key"));
        let outcome = match open_envelope(&secret(vector.text("text")), &key, None, content_type) {
            Ok(SecretValue::Ascii(found) | SecretValue::Binary(found)) => {
                assert_eq!(hex::encode(found.expose()), vector.text("value"));
                "opened"
            }
            Ok(other) => panic!("{other:?}"),
            Err(EnvelopeError::Decrypt) => "decrypt",
            Err(EnvelopeError::Version { found: 1 }) => "version",
            Err(EnvelopeError::NotUtf8) => "not-utf8",
            Err(other) => panic!("{other}"),
        };
        assert_eq!(outcome, vector.text("expect"), "{}", vector.text("about"));
    }
}

proptest! {
    #[test]
    fn envelope_sealed_opens_to_the_same_bytes(
        value in proptest::collection::vec(any::<u8>(), 0..2000),
    ) {
        let opened = opened(&sealed(&value), Some("binary")).unwrap();
        let SecretValue::Binary(found) = opened else {
            panic!("another kind");
        };
        prop_assert_eq!(found.expose(), value);
    }

    #[test]
    fn envelope_with_any_byte_flipped_is_refused(
        value in proptest::collection::vec(any::<u8>(), 0..40),
        position in any::<proptest::sample::Index>(),
        flip in 1_u8..,
    ) {
        let mut bytes = sealed(&value);
        let position = position.index(bytes.len());
        bytes[position] ^= flip;
        prop_assert!(opened(&bytes, Some("binary")).is_err());
    }
}
