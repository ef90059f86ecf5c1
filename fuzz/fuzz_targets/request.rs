//! Any bytes as the body of a request, or as an encrypted session: refused, or read and written as the same.
#![no_main]

use std::sync::LazyLock;

use casque_secrets::{
    IdentityKey, SessionEncryptionKey, SessionEncryptionPublicKey, SignerKey, decrypt_session,
    session_message,
};
use casque_wire::{AttestRequest, EncryptedSession, ExportRequest, SignedSession};
use libfuzzer_sys::fuzz_target;
use serde::Serialize;
use serde::de::DeserializeOwned;

fuzz_target!(|bytes: &[u8]| {
    read::<AttestRequest>(bytes);
    read::<ExportRequest>(bytes);
    if let Some(encrypted) = read::<EncryptedSession>(bytes) {
        let _ = encrypted.encryption_key.parse::<SessionEncryptionPublicKey>();
    }
    if let Some(signed) = read::<SignedSession>(bytes) {
        verify(&signed);
    }
    assert!(decrypt_session(&KEY, bytes).is_err());
});

/// Reads a body; what it says is what it is written as.
fn read<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let read: T = serde_json::from_slice(bytes).ok()?;
    let written = serde_json::to_vec(&read).expect("it is text and bytes");
    let again: T = serde_json::from_slice(&written).expect("it was read before");
    let again = serde_json::to_vec(&again).expect("it is text and bytes");
    assert_eq!(again, written);
    Some(read)
}

fn verify(signed: &SignedSession) {
    let message = session_message(&signed.session);
    for signature in &signed.signatures {
        let signer = match signature.signer.contains("-----BEGIN") {
            true => SignerKey::from_spki_pem(&signature.signer),
            false => SignerKey::from_legacy(&signature.signer),
        };
        if let Ok(signer) = signer {
            let _ = signer.verify(&message, signature.signature.as_bytes());
        }
    }
}

/// Nothing was encrypted to it.
static KEY: LazyLock<SessionEncryptionKey> = LazyLock::new(|| {
    let identity = IdentityKey::generate().expect("there is randomness");
    SessionEncryptionKey::of_identity(&identity).expect("it is a key")
});
