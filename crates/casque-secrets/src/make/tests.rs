use assert_matches::assert_matches;

use super::*;
use crate::testing::{BrokenRng, CountingRng, shown};

#[test]
fn make_ascii_each_of_64_characters_comes_equally_often() {
    let text = make_ascii(256, &CountingRng::default()).unwrap();
    let text = shown(&text);
    let mut counts = [0_u32; 128];
    for byte in text.bytes() {
        counts[usize::from(byte)] += 1;
    }
    let expected = |c: char| {
        if c.is_ascii_alphanumeric() || c == '_' || c == '.' {
            4
        } else {
            0
        }
    };
    for (c, count) in ('\0'..='\u{7f}').zip(counts) {
        assert_eq!(count, expected(c), "{c:?}");
    }
}

#[test]
fn make_binary_is_what_the_rng_gave() {
    let bytes = make_binary(4, &CountingRng::default()).unwrap();
    assert_eq!(bytes.expose(), [0, 1, 2, 3]);
}

#[test]
fn make_without_randomness_is_refused() {
    assert_matches!(make_ascii(1, &BrokenRng), Err(MakeError::Rng(RngError)));
    assert_matches!(make_binary(1, &BrokenRng), Err(MakeError::Rng(RngError)));
}

#[test]
fn make_ed25519_is_pkcs8_version_2() {
    let key = make_private_key(KeyAlgorithm::Ed25519).unwrap();
    // SEQUENCE, length, INTEGER 1: OneAsymmetricKey v2 (RFC 5958).
    assert_eq!(key.expose()[2..5], [0x02, 0x01, 0x01]);
}

#[test]
fn make_private_key_twice_differs() {
    let [a, b] = [(); 2].map(|()| make_private_key(KeyAlgorithm::P256).unwrap());
    assert!(!a.ct_eq(&b));
}
