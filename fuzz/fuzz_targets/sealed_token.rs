//! Any text as a sealed token, any bytes as the JSON in one, and any bytes as the claims in an opened one: refused, or
//! read. What opens is a compact JWS, and answers the request alone whose nonce is in it.
#![no_main]

use casque_attester::{SealedToken, require_nonce};
use casque_types::Secret;
use casque_wire::AnyB64;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        take(text);
    }
    take(&base64url(bytes));
    claims(bytes);
});

fn take(text: &str) {
    for inner_key in [&[9; 16][..], &[9; 32]] {
        let Ok(sealed) = SealedToken::parse(text) else {
            return;
        };
        assert_eq!(sealed.encrypted_key().len(), 256);
        let Ok(token) = sealed.open(&Secret::copied_from(inner_key), &NONCE) else {
            continue;
        };
        assert!(token.len() <= text.len());
        assert_eq!(token.split('.').count(), 3);
        assert!(token.is_ascii());
        require_nonce(&token, &NONCE).unwrap();
    }
}

/// The claims are read by another reader too, who takes the last of members that stand twice.
fn claims(bytes: &[u8]) {
    let token = format!("e30.{}.AA", base64url(bytes));
    if require_nonce(&token, &NONCE).is_err() {
        return;
    }
    assert!(require_nonce(&token, &[0x4F; 32]).is_err());
    let claims: serde_json::Value = serde_json::from_slice(bytes).unwrap();
    assert_eq!(claims["x-ms-attestation-type"], "azurevm");
    let found = &claims["x-ms-runtime"]["client-payload"]["nonce"];
    assert_eq!(found.as_str(), Some(SENT));
}

/// Without padding.
fn base64url(bytes: &[u8]) -> String {
    let text = serde_json::to_string(&AnyB64(bytes.to_vec())).unwrap();
    text.trim_matches('"').to_owned()
}

const NONCE: [u8; 32] = [0x4E; 32];
/// The nonce as it is in the seeds.
const SENT: &str =
    "NGU0ZTRlNGU0ZTRlNGU0ZTRlNGU0ZTRlNGU0ZTRlNGU0ZTRlNGU0ZTRlNGU0ZTRlNGU0ZTRlNGU0ZTRlNGU0ZQ==";
