//! Any bytes as an SGX quote: refused, or kept as they came.
#![no_main]

use casque_appraise::SgxQuote;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(quote) = SgxQuote::parse(bytes) else {
        return;
    };
    assert_eq!(quote.as_bytes(), bytes);
    assert_eq!(bytes[368..432], quote.report_data()[..]);
    let _ = quote.endorsements_id();
});
