//! Any text as an encrypted value of Key Vault, and any bytes as what is inside one: refused, or opened.
#![no_main]

use casque_secrets::{SecretValue, open_envelope, seal_envelope};
use casque_types::{Rng, RngError, Secret, SecretKind};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let key = Secret::new(vec![7; 32]);
    let inside = Secret::copied_from(bytes);
    open_all(&inside, &key);
    // No mutation gets past the encryption: here it is what was encrypted.
    let Ok(text) = seal_envelope(&inside, &key, &FixedRng) else {
        return;
    };
    let text = Secret::new(text.into_bytes());
    open_all(&text, &key);
    let opened = open_envelope(&text, &key, None, Some("binary"));
    assert!(matches!(opened, Ok(SecretValue::Binary(found)) if found.ct_eq(&inside)));
});

fn open_all(text: &Secret, key: &Secret) {
    for content_type in [None, Some("binary"), Some("PKCS#1")] {
        for kind in [None, Some(SecretKind::PrivateKey), Some(SecretKind::X509)] {
            let _ = open_envelope(text, key, kind, content_type);
        }
    }
}

/// One nonce: nothing here is secret.
struct FixedRng;

impl Rng for FixedRng {
    fn fill(&self, out: &mut [u8]) -> Result<(), RngError> {
        out.fill(9);
        Ok(())
    }
}
