use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};

use super::*;
use crate::SignerKey;
use crate::testing::{BrokenRng, CountingRng, secret, shown};
use crate::vectors::Vector;

const TEXT: &str = "name: app\nversion: \"0.3\"\n";

fn key() -> SessionEncryptionKey {
    SessionEncryptionKey::of_seed(&[7; 32])
}

fn encrypted() -> Vec<u8> {
    encrypt_session(key().public(), &secret(TEXT), &CountingRng::default()).unwrap()
}

fn refused(bytes: &[u8]) -> DecryptSessionError {
    decrypt_session(&key(), bytes).unwrap_err()
}

#[test]
fn session_message_is_of_its_exact_text() {
    assert_ne!(session_message("a"), session_message("a\n"));
    let message = session_message(TEXT);
    assert_eq!(message.len(), 27 + 32);
    assert!(message.starts_with(b"casque-session-signature-1\n"));
}

#[test]
fn session_encrypted_is_decrypted_by_the_server_that_it_is_for() {
    assert_eq!(shown(&decrypt_session(&key(), &encrypted()).unwrap()), TEXT);
    let other = SessionEncryptionKey::of_seed(&[8; 32]);
    let refused = decrypt_session(&other, &encrypted()).unwrap_err();
    assert_eq!(refused, DecryptSessionError::Decrypt);
}

#[test]
fn session_encrypted_with_any_byte_flipped_is_refused() {
    let sound = encrypted();
    for position in 0..sound.len() {
        let mut bent = sound.clone();
        bent[position] ^= 1;
        assert_eq!(refused(&bent), DecryptSessionError::Decrypt, "{position}");
    }
}

#[test]
fn session_encrypted_cut_or_longer_is_refused() {
    let sound = encrypted();
    let cut = &sound[..sound.len() - 1];
    assert_eq!(refused(cut), DecryptSessionError::Decrypt);
    let longer = [&sound[..], &[0]].concat();
    assert_eq!(refused(&longer), DecryptSessionError::Decrypt);
    for found_bytes in [0, 31, 47] {
        let length = DecryptSessionError::Length { found_bytes };
        assert_eq!(refused(&sound[..found_bytes]), length);
    }
    let found_bytes = MAX_ENCRYPTED_BYTES + 1;
    let length = DecryptSessionError::Length { found_bytes };
    assert_eq!(refused(&vec![0; found_bytes]), length);
}

#[test]
fn session_of_the_most_bytes_is_encrypted_and_of_more_refused() {
    let rng = CountingRng::default();
    let encrypt = |bytes| encrypt_session(key().public(), &Secret::new(vec![b'a'; bytes]), &rng);
    let most = encrypt(MAX_SESSION_BYTES).unwrap();
    assert_eq!(
        decrypt_session(&key(), &most).unwrap().len(),
        MAX_SESSION_BYTES
    );
    let found_bytes = MAX_SESSION_BYTES + 1;
    let too_long = EncryptSessionError::TooLong { found_bytes };
    assert_eq!(encrypt(found_bytes), Err(too_long));
}

#[test]
fn session_that_is_no_text_is_refused() {
    let rng = CountingRng::default();
    let bytes = encrypt_session(key().public(), &Secret::new(vec![0xff]), &rng).unwrap();
    assert_eq!(refused(&bytes), DecryptSessionError::NotUtf8);
}

#[test]
fn session_for_a_key_of_small_order_is_refused() {
    let rng = CountingRng::default();
    let outcome = encrypt_session(&[0; 32].into(), &secret(TEXT), &rng);
    assert_eq!(outcome, Err(EncryptSessionError::Key));
    // The same point where the encapsulated key stands.
    let mut bent = encrypted();
    bent[..32].fill(0);
    assert_eq!(refused(&bent), DecryptSessionError::Decrypt);
}

#[test]
fn session_without_randomness_is_refused() {
    let refused = encrypt_session(key().public(), &secret(TEXT), &BrokenRng);
    assert_eq!(refused, Err(EncryptSessionError::Rng(RngError)));
}

#[test]
fn encryption_key_follows_from_the_identity_alone() {
    let identity = IdentityKey::generate().unwrap();
    let again = IdentityKey::from_pkcs8(identity.pkcs8()).unwrap();
    let one = SessionEncryptionKey::of_identity(&identity).unwrap();
    let two = SessionEncryptionKey::of_identity(&again).unwrap();
    assert_eq!(one.public(), two.public());
    let other = IdentityKey::generate().unwrap();
    let other = SessionEncryptionKey::of_identity(&other).unwrap();
    assert_ne!(one.public(), other.public());
}

#[test]
fn encryption_key_printed_is_read_back() {
    let public = *key().public();
    let text = public.to_string();
    assert_eq!(text.len(), 64);
    assert_eq!(text.parse(), Ok(public));
    assert_eq!(
        format!("{:?}", key()),
        format!("SessionEncryptionKey({text})")
    );
    let expected = DigestParseError::Length {
        expected_digits: 64,
        found_digits: 62,
    };
    let refused = text.replacen(char::is_alphanumeric, "", 2);
    assert_eq!(refused.parse::<SessionEncryptionPublicKey>(), Err(expected));
}

#[test]
fn session_encrypted_vectors_come_out_as_expected() {
    for text in [
        include_str!("../../../../vectors/wire/session-encrypted.txt"),
        include_str!("../../../../vectors/wire/session-encrypted-other-identity.txt"),
        include_str!("../../../../vectors/wire/session-encrypted-flipped.txt"),
        include_str!("../../../../vectors/wire/session-encrypted-cut.txt"),
        include_str!("../../../../vectors/wire/session-encrypted-not-utf8.txt"),
    ] {
        let vector = Vector::read(
            text,
            &["identity_pkcs8", "public_key", "encrypted", "session"],
        );
        let identity = Secret::new(vector.bytes("identity_pkcs8"));
        let identity = IdentityKey::from_pkcs8(&identity).unwrap();
        let key = SessionEncryptionKey::of_identity(&identity).unwrap();
        assert_eq!(key.public().to_string(), vector.text("public_key"));
        let outcome = match decrypt_session(&key, &vector.bytes("encrypted")) {
            Ok(found) => {
                assert_eq!(hex::encode(found.expose()), vector.text("session"));
                "decrypted"
            }
            Err(DecryptSessionError::Decrypt) => "decrypt",
            Err(DecryptSessionError::Length { .. }) => "length",
            Err(DecryptSessionError::NotUtf8) => "not-utf8",
        };
        assert_eq!(outcome, vector.text("expect"), "{}", vector.text("about"));
    }
}

#[test]
fn session_signature_vectors_come_out_as_expected() {
    for text in [
        include_str!("../../../../vectors/wire/session-signature-ed25519.txt"),
        include_str!("../../../../vectors/wire/session-signature-p384.txt"),
        include_str!("../../../../vectors/wire/session-signature-p256.txt"),
        include_str!("../../../../vectors/wire/session-signature-other-text.txt"),
        include_str!("../../../../vectors/wire/session-signature-other-signer.txt"),
        include_str!("../../../../vectors/wire/session-signature-flipped.txt"),
    ] {
        let vector = Vector::read(text, &["signer", "session", "message", "signature"]);
        let session = String::from_utf8(vector.bytes("session")).unwrap();
        let message = session_message(&session);
        assert_eq!(hex::encode(&message), vector.text("message"));
        let signer = match vector.text("signer").parse::<SignerKey>() {
            Ok(legacy) => legacy,
            Err(_) => SignerKey::from_spki(&vector.bytes("signer")).unwrap(),
        };
        let outcome = match signer.verify(&message, &vector.bytes("signature")) {
            Ok(()) => "verified",
            Err(_) => "refused",
        };
        assert_eq!(outcome, vector.text("expect"), "{}", vector.text("about"));
    }
}

proptest! {
    // X25519 is slow without optimisation.
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn session_of_any_text_is_decrypted_to_the_same(text in any::<String>(), seed in any::<[u8; 32]>()) {
        let key = SessionEncryptionKey::of_seed(&seed);
        let rng = CountingRng::default();
        let bytes = encrypt_session(key.public(), &secret(&text), &rng).unwrap();
        let found = decrypt_session(&key, &bytes).unwrap();
        prop_assert_eq!(shown(&found), text);
    }

    #[test]
    fn session_of_any_bytes_is_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(decrypt_session(&key(), &bytes).is_err());
    }
}
