//! Runtime data of one request, as any attester writes them.

#![expect(clippy::expect_used, reason = "the parts are valid")]

use casque_types::{Kem, KemPublicKey, KeyHash, Nonce, RuntimeData};

/// Those of a request with this nonce, otherwise always the same: what evidence is bound to where no server asks for it.
///
/// # Panics
/// Never: the parts are valid.
#[must_use]
pub fn runtime_data(nonce: u8) -> RuntimeData {
    RuntimeData::new(
        KeyHash::of_spki(b"server"),
        "ns/app/web".parse().expect("a config id"),
        Nonce::from_bytes(vec![nonce; 32]).expect("a nonce"),
        KemPublicKey::from_bytes(Kem::XWing, vec![9; 1216]).expect("a key"),
    )
}
