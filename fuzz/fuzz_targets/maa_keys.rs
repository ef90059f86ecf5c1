//! Any bytes as a key document: refused, or read.
#![no_main]

use casque_appraise::MaaKeys;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(keys) = MaaKeys::parse(bytes) {
        let _ = keys.contains("k");
    }
});
