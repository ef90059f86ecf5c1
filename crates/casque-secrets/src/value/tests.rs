use assert_matches::assert_matches;
use proptest::prelude::*;

use super::*;
use crate::testing::secret;

fn any_value() -> impl Strategy<Value = SecretValue> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..200);
    let chain = || {
        let certificates =
            proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..50), 1..4);
        let key = proptest::option::of(proptest::collection::vec(any::<u8>(), 1..50));
        (certificates, key).prop_map(|(certificates, key)| CertificateChain {
            certificates,
            private_key: key.map(Secret::new),
        })
    };
    prop_oneof![
        "[^\0]{0,40}".prop_map(|text| SecretValue::Ascii(secret(&text))),
        bytes().prop_map(|bytes| SecretValue::Binary(Secret::new(bytes))),
        bytes().prop_map(|bytes| SecretValue::PrivateKey(Secret::new(bytes))),
        bytes().prop_map(|bytes| SecretValue::AadToken(Secret::new(bytes))),
        bytes().prop_map(SecretValue::PublicKey),
        "[^\0]{0,40}".prop_map(|text| SecretValue::ConfigFragment(secret(&text))),
        bytes().prop_map(|bytes| SecretValue::PgpKey(Secret::new(bytes))),
        "[^\0]{0,40}".prop_map(|text| SecretValue::Jwt(secret(&text))),
        chain().prop_map(SecretValue::X509),
        chain().prop_map(SecretValue::X509Ca),
    ]
}

proptest! {
    #[test]
    fn stored_value_is_read_back(value in any_value()) {
        let stored = value.to_stored();
        let read = SecretValue::from_stored(&stored).unwrap();
        prop_assert_eq!(read.kind(), value.kind());
        prop_assert!(read.to_stored().ct_eq(&stored));
    }

    #[test]
    fn stored_value_cut_anywhere_is_refused_or_shorter(value in any_value(), at in any::<prop::sample::Index>()) {
        let stored = value.to_stored();
        let cut = &stored.expose()[..at.index(stored.len())];
        // A chain may lose whole certificates, which the store's seal prevents; nothing else may pass.
        if let Ok(read) = SecretValue::from_stored(&Secret::copied_from(cut)) {
            let again = read.to_stored();
            prop_assert_eq!(again.expose(), cut);
        }
    }

    #[test]
    fn stored_value_of_any_bytes_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _read = SecretValue::from_stored(&Secret::new(bytes));
    }
}

fn refused(bytes: &[u8]) -> ValueParseError {
    SecretValue::from_stored(&Secret::copied_from(bytes)).unwrap_err()
}

#[test]
fn stored_value_trailing_byte_is_refused() {
    let mut stored = SecretValue::Ascii(secret("hi"))
        .to_stored()
        .expose()
        .to_vec();
    stored.push(0);
    let kind = SecretKind::Ascii;
    assert_eq!(refused(&stored), ValueParseError::Fields { kind });
}

#[test]
fn stored_value_of_later_version_is_named() {
    assert_eq!(refused(&[2, 1]), ValueParseError::Version { found: 2 });
    assert_eq!(refused(&[]), ValueParseError::Version { found: 0 });
    assert_eq!(refused(&[1, 11]), ValueParseError::Kind { found: 11 });
}

#[test]
fn stored_ascii_with_nul_is_refused() {
    let stored = [&[1, 1][..], &2_u64.to_be_bytes(), b"a\0"].concat();
    let kind = SecretKind::Ascii;
    assert_eq!(refused(&stored), ValueParseError::Fields { kind });
}

#[test]
fn stored_chain_without_certificate_is_refused() {
    let stored = [&[1, 4][..], &0_u64.to_be_bytes()].concat();
    assert_matches!(
        refused(&stored),
        ValueParseError::Fields {
            kind: SecretKind::X509
        }
    );
}

#[test]
fn stored_length_beyond_the_end_is_refused_without_allocating() {
    let stored = [&[1, 2][..], &u64::MAX.to_be_bytes()].concat();
    assert_matches!(
        refused(&stored),
        ValueParseError::Fields {
            kind: SecretKind::Binary
        }
    );
}
