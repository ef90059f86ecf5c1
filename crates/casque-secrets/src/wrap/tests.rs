use assert_matches::assert_matches;
use proptest::prelude::{any, prop_assert, prop_assert_eq, prop_assume, proptest};

use super::*;
use crate::testing::{BrokenRng, CountingRng, secret, shown};
use crate::vectors::Vector;

const PLACE: &[u8] = b"cas-0123/4567";

fn key() -> WrapKey {
    WrapKey(Zeroizing::new([7; 32]))
}

fn wrapped(value: &str) -> String {
    wrap_value(&key(), PLACE, &secret(value), &CountingRng::default()).unwrap()
}

fn refused(text: &str) -> UnwrapError {
    unwrap_value(&key(), PLACE, &secret(text)).unwrap_err()
}

#[test]
fn value_wrapped_is_unwrapped_at_its_place_with_its_key_alone() {
    let text = secret(&wrapped("hunter2"));
    let value = unwrap_value(&key(), PLACE, &text).unwrap();
    assert_eq!(shown(&value), "hunter2");
    let other = WrapKey(Zeroizing::new([8; 32]));
    let refused = unwrap_value(&other, PLACE, &text).unwrap_err();
    assert_eq!(refused, UnwrapError::Decrypt);
    for place in [
        &b"cas-0123/4568"[..],
        b"cas-0123/456",
        b"cas-0123/45678",
        b"",
    ] {
        let refused = unwrap_value(&key(), place, &text).unwrap_err();
        assert_eq!(refused, UnwrapError::Decrypt);
    }
}

#[test]
fn value_of_the_most_bytes_fits_a_vault_and_of_more_is_refused() {
    let wrap = |bytes| {
        let value = Secret::new(vec![7; bytes]);
        wrap_value(&key(), PLACE, &value, &CountingRng::default())
    };
    assert_eq!(MAX_VALUE_BYTES, 18_721);
    let most = wrap(MAX_VALUE_BYTES).unwrap();
    assert_eq!(most.len(), 25_000);
    unwrap_value(&key(), PLACE, &secret(&most)).unwrap();
    let found_bytes = MAX_VALUE_BYTES + 1;
    assert_eq!(wrap(found_bytes), Err(WrapError::TooLong { found_bytes }));
}

#[test]
fn wrapped_text_bent_is_refused_by_cause() {
    let sound = wrapped("hunter22");
    assert_eq!(refused(&format!("{sound}\n")), UnwrapError::NotBase64);
    assert_eq!(refused(sound.trim_end_matches('=')), UnwrapError::NotBase64);
    let length = |found_bytes| UnwrapError::Length { found_bytes };
    assert_eq!(refused(""), length(0));
    let bytes = BASE64.decode(sound.as_bytes()).unwrap();
    let cut = |bytes: &[u8]| refused(&BASE64.encode(bytes));
    assert_eq!(cut(&bytes[..12]), length(16));
    assert_eq!(cut(&bytes[..28]), length(40));
    assert_eq!(cut(&bytes[..29]), UnwrapError::Decrypt);
    assert_eq!(cut(&[&bytes[..], &[0]].concat()), UnwrapError::Decrypt);
    assert_eq!(refused(&"A".repeat(25_004)), length(25_004));
    let mut later = bytes;
    later[0] = 2;
    assert_eq!(cut(&later), UnwrapError::Version { found: 2 });
}

#[test]
fn wrap_without_randomness_is_refused() {
    let refused = wrap_value(&key(), PLACE, &secret("42"), &BrokenRng);
    assert_eq!(refused, Err(WrapError::Rng(RngError)));
    assert_matches!(WrapKey::generate(&BrokenRng), Err(RngError));
}

#[test]
fn wrap_key_stored_is_read_back_and_another_length_refused() {
    let key = WrapKey::generate(&CountingRng::default()).unwrap();
    let again = WrapKey::from_stored(&key.to_stored()).unwrap();
    assert_eq!(again.0, key.0);
    assert_eq!(format!("{key:?}"), "WrapKey { .. }");
    for found_bytes in [0, 31, 33] {
        let refused = WrapKey::from_stored(&Secret::new(vec![0; found_bytes])).unwrap_err();
        assert_eq!(refused, WrapKeyLength { found_bytes });
    }
}

#[test]
fn wrapped_value_vectors_come_out_as_expected() {
    for text in [
        include_str!("../../../../vectors/wire/wrapped-value.txt"),
        include_str!("../../../../vectors/wire/wrapped-value-empty.txt"),
        include_str!("../../../../vectors/wire/wrapped-value-other-place.txt"),
        include_str!("../../../../vectors/wire/wrapped-value-other-key.txt"),
        include_str!("../../../../vectors/wire/wrapped-value-flipped.txt"),
        include_str!("../../../../vectors/wire/wrapped-value-other-version.txt"),
    ] {
        let vector = Vector::read(text, &["key", "place", "text", "value"]);
        let key = WrapKey::from_stored(&Secret::new(vector.bytes("key"))).unwrap();
        let wrapped = secret(vector.text("text"));
        let outcome = match unwrap_value(&key, vector.text("place").as_bytes(), &wrapped) {
            Ok(found) => {
                assert_eq!(hex::encode(found.expose()), vector.text("value"));
                "unwrapped"
            }
            Err(UnwrapError::Decrypt) => "decrypt",
            Err(UnwrapError::Version { found: 2 }) => "version",
            Err(other) => panic!("{other}"),
        };
        assert_eq!(outcome, vector.text("expect"), "{}", vector.text("about"));
    }
}

proptest! {
    #[test]
    fn value_of_any_bytes_at_any_place_is_unwrapped_to_the_same(
        bytes in any::<[u8; 32]>(),
        place in proptest::collection::vec(any::<u8>(), 0..100),
        value in proptest::collection::vec(any::<u8>(), 0..2000),
    ) {
        let key = WrapKey(Zeroizing::new(bytes));
        let value = Secret::new(value);
        let text = wrap_value(&key, &place, &value, &CountingRng::default()).unwrap();
        prop_assert!(unwrap_value(&key, &place, &secret(&text)).unwrap().ct_eq(&value));
    }

    #[test]
    fn wrapped_text_with_any_byte_flipped_is_refused(
        value in "[ -~]{0,40}",
        position in any::<proptest::sample::Index>(),
        flip in 1_u8..,
    ) {
        let mut bytes = wrapped(&value).into_bytes();
        let position = position.index(bytes.len());
        bytes[position] ^= flip;
        prop_assert!(unwrap_value(&key(), PLACE, &Secret::new(bytes)).is_err());
    }

    #[test]
    fn wrapped_bytes_with_any_byte_flipped_do_not_open(
        value in "[ -~]{0,40}",
        position in any::<proptest::sample::Index>(),
        flip in 1_u8..,
    ) {
        let mut bytes = BASE64.decode(wrapped(&value).as_bytes()).unwrap();
        let position = position.index(bytes.len());
        bytes[position] ^= flip;
        let expected = match position {
            0 => UnwrapError::Version { found: 1 ^ flip },
            _ => UnwrapError::Decrypt,
        };
        prop_assert_eq!(refused(&BASE64.encode(&bytes)), expected);
    }

    #[test]
    fn wrapped_text_at_any_other_place_is_refused(
        place in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        prop_assume!(place != PLACE);
        let refused = unwrap_value(&key(), &place, &secret(&wrapped("hunter2"))).unwrap_err();
        prop_assert_eq!(refused, UnwrapError::Decrypt);
    }
}
