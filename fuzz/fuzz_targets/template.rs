//! Any bytes as a file with placeholders: filled in or refused, and kept as they are without any.

#![no_main]

use std::collections::BTreeMap;

use casque_secrets::{SecretValue, fill_template};
use casque_types::Secret;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // A value that holds a placeholder, which must not be filled in.
    let text = SecretValue::Ascii(Secret::copied_from(b"$$SCONE::key$$"));
    let key = SecretValue::Binary(Secret::copied_from(&[0, 0xff]));
    let name = |text: &str| text.parse().expect("a name");
    let values = BTreeMap::from([(name("text"), text), (name("key"), key)]);
    let opening = b"$$SCONE::";
    let placeholders = bytes
        .windows(opening.len())
        .filter(|window| window == opening)
        .count();
    match fill_template(bytes, &values) {
        Ok(filled) if placeholders == 0 => assert_eq!(filled.expose(), bytes),
        // Every form of these values is shorter than the placeholder that asks for it.
        Ok(filled) => assert!(filled.len() <= bytes.len()),
        Err(error) => assert!(placeholders > 0, "{error}"),
    }
});
