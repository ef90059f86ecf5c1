//! Any text as a sealed token, and any bytes as the JSON in one: refused, or read; what opens is a compact JWS.
#![no_main]

use casque_attester::SealedToken;
use casque_types::Secret;
use casque_wire::AnyB64;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        take(text);
    }
    let text = serde_json::to_string(&AnyB64(bytes.to_vec())).unwrap();
    take(text.trim_matches('"'));
});

fn take(text: &str) {
    for inner_key in [&[9; 16][..], &[9; 32]] {
        let Ok(sealed) = SealedToken::parse(text) else {
            return;
        };
        assert_eq!(sealed.encrypted_key().len(), 256);
        let Ok(token) = sealed.open(&Secret::copied_from(inner_key)) else {
            continue;
        };
        assert!(token.len() <= text.len());
        assert_eq!(token.split('.').count(), 3);
        assert!(token.is_ascii());
    }
}
