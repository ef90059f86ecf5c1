//! Any bytes as the host's certificates in the JSON of Azure (THIM), and any text as each variable of a security
//! context: an error, or PEM as it stands there.
#![no_main]

use casque_attester::ContextPlaces;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // Behind base64 a mutation seldom is JSON: here it is the JSON itself.
    take("", "", &base64(bytes));
    if let Ok(text) = std::str::from_utf8(bytes) {
        take(text, text, text);
    }
});

fn take(policy: &str, reference_info: &str, certificates: &str) {
    let places = ContextPlaces {
        mounts: NOWHERE.into(),
        kata: NOWHERE.into(),
        policy: Some(policy.to_owned()),
        reference_info: Some(reference_info.to_owned()),
        host_amd_certificate: Some(certificates.to_owned()),
        directory: None,
    };
    let Ok(context) = places.read() else { return };
    let context = context.expect("a policy is there");
    assert!(context.policy.len() <= policy.len());
    assert!(context.reference_info.len() <= reference_info.len());
    let pem = context.vek.expect("certificates are there");
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----"));
    assert!(pem.len() <= certificates.len() + 2);
}

/// RFC 4648 section 4.
fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let [a, b, c] = [0, 1, 2].map(|i| u32::from(chunk.get(i).copied().unwrap_or(0)));
        let bits = a << 16 | b << 8 | c;
        for (place, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let digit = char::from(ALPHABET[(bits >> shift & 63) as usize]);
            text.push(if place <= chunk.len() { digit } else { '=' });
        }
    }
    text
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const NOWHERE: &str = "/nowhere";
