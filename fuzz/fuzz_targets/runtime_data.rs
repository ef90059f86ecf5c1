//! Any bytes as runtime data: refused, or kept as they came; what is written anew says the same.
#![no_main]

use casque_types::{RuntimeData, sha256};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(read) = RuntimeData::parse(bytes) else {
        return;
    };
    assert_eq!(read.as_bytes(), bytes);
    assert_eq!(read.binding(), sha256(bytes));
    let written = RuntimeData::new(
        *read.server(),
        read.config().clone(),
        read.nonce().clone(),
        read.key().clone(),
    );
    let again = RuntimeData::parse(written.as_bytes()).expect("what was written is read");
    assert_eq!(again.config(), read.config());
    assert_eq!(again.server(), read.server());
});
