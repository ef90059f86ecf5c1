//! Any bytes as a policy: read, hash, insert the creator, and fill variables in, without a panic.

#![no_main]

use casque_policy::{Policy, policy_hash, substitute, with_creator};
use casque_types::KeyHash;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let parsed = Policy::parse_bytes(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else {
        assert!(parsed.is_err(), "what is no UTF-8 is no policy");
        return;
    };
    // A value that would break any quoting that is not careful.
    let _ = substitute(text, &|_| Some("v\": [\n- &a 'x # ~".to_owned()));
    if let Ok(parsed) = parsed {
        let creator = KeyHash::of_spki(b"creator");
        let stored = with_creator(text, &creator);
        let read_back = Policy::parse(&stored).expect("a text with its creator is a policy still");
        let given = policy_hash(&parsed.policy, Some(&creator));
        assert_eq!(policy_hash(&read_back.policy, None), given, "it says its own hash");
    }
});
