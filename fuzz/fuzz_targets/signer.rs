//! Any text as the signer of a session: refused, or a key that is printed and read back as the same.
#![no_main]

use casque_secrets::SignerKey;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(signer) = text.parse::<SignerKey>() else {
        return;
    };
    assert_eq!(signer.to_string().parse().as_ref(), Ok(&signer));
    assert_eq!(SignerKey::from_spki(signer.spki()).as_ref(), Ok(&signer));
    let _ = signer.verify(b"", &[0; 64]);
});
