//! Any text as a token, and any text as the claims of one: refused, or read; never verified without a key.
#![no_main]

use std::sync::LazyLock;

use casque_appraise::{Appraiser, MaaKeys, MaaToken, MaaTrust, SignerDemand, TrustAnchors};
use casque_types::{Kem, KemPublicKey, KeyHash, Nonce, RuntimeData, Seconds, Timestamp};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    take(text);
    // Behind base64 a mutation seldom is JSON: here it is the claims themselves.
    take(&format!("{HEADER}.{}.", base64url(bytes)));
});

fn take(text: &str) {
    let Ok(token) = MaaToken::parse(text) else {
        return;
    };
    assert_eq!(token.as_str(), text);
    let _ = token.claimed_identity();
    let _ = token.claims_binding(&RUNTIME);
    assert!(token.claims().len() <= 512);
    let now = Timestamp::from_unix_s(0);
    let verified = APPRAISER.verify_token(&token, &NO_KEYS, &TRUST, now);
    assert!(verified.is_err());
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
/// `{"alg":"RS256","kid":"k","typ":"JWT"}`
const HEADER: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImsiLCJ0eXAiOiJKV1QifQ";
static NO_KEYS: LazyLock<MaaKeys> =
    LazyLock::new(|| MaaKeys::parse(br#"{"keys":[]}"#).expect("it is a key set"));
static TRUST: LazyLock<MaaTrust> = LazyLock::new(|| MaaTrust {
    issuer: "https://casque.weu.attest.azure.net"
        .parse()
        .expect("it is a URL"),
    min_rsa_bits: 2048,
    clock_skew: Seconds(60),
    max_age: Seconds(28_800),
    signer: SignerDemand::InTee,
});
static APPRAISER: LazyLock<Appraiser> = LazyLock::new(|| Appraiser::new(TrustAnchors::vendors()));
static RUNTIME: LazyLock<RuntimeData> = LazyLock::new(|| {
    RuntimeData::new(
        KeyHash::of_spki(b"server"),
        "ns/app/web".parse().expect("it is a config id"),
        Nonce::from_bytes(vec![1; 32]).expect("it is short"),
        KemPublicKey::from_bytes(Kem::XWing, vec![9; 1216]).expect("it is as long as a key"),
    )
});
