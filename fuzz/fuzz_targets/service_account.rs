//! Any text as a service account token, as the claims of one, and as a cluster's key document: refused, or read;
//! never verified without a key.
#![no_main]

use std::sync::LazyLock;

use casque_appraise::{ServiceAccountKeys, ServiceAccountToken, ServiceAccountTrust};
use casque_types::{Seconds, Timestamp};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let keys = ServiceAccountKeys::parse(bytes);
    let Ok(text) = str::from_utf8(bytes) else {
        assert!(keys.is_err());
        return;
    };
    let keys = keys.as_ref().unwrap_or(&NO_KEYS);
    take(text, keys);
    // Behind base64 a mutation seldom is JSON: here it is the claims themselves.
    take(&format!("{HEADER}.{}.", base64url(bytes)), keys);
});

fn take(text: &str, keys: &ServiceAccountKeys) {
    let Ok(token) = ServiceAccountToken::parse(text) else {
        return;
    };
    assert!(text.len() <= ServiceAccountToken::MAX_BYTES);
    let trust = ServiceAccountTrust {
        issuer: token.issuer().to_owned(),
        ..TRUST.clone()
    };
    assert!(token.verify(keys, &trust, Timestamp::from_unix_s(0)).is_err());
}

/// RFC 4648 section 5, without padding.
fn base64url(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let [a, b, c] = [0, 1, 2].map(|i| u32::from(chunk.get(i).copied().unwrap_or(0)));
        let bits = a << 16 | b << 8 | c;
        for shift in [18, 12, 6, 0].into_iter().take(chunk.len() + 1) {
            text.push(char::from(ALPHABET[(bits >> shift & 63) as usize]));
        }
    }
    text
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// `{"alg":"RS256","kid":"k"}`
const HEADER: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImsifQ";
static NO_KEYS: LazyLock<ServiceAccountKeys> =
    LazyLock::new(|| ServiceAccountKeys::parse(br#"{"keys":[]}"#).expect("it is a key set"));
static TRUST: LazyLock<ServiceAccountTrust> = LazyLock::new(|| ServiceAccountTrust {
    issuer: String::new(),
    audience: "casque".to_owned(),
    clock_skew: Seconds(60),
});
