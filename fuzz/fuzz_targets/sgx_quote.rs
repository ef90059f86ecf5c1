//! Any bytes as an SGX quote: refused, or kept as they came, with all that they state.
#![no_main]

use casque_appraise::SgxQuote;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(quote) = SgxQuote::parse(bytes) else {
        return;
    };
    assert_eq!(quote.as_bytes(), bytes);
    assert_eq!(bytes[368..432], quote.report_data()[..]);
    let claims = quote.claims();
    assert!(claims.iter().any(|claim| claim.name == "mrenclave"));
    let platform = claims.iter().any(|claim| claim.name == "fmspc");
    assert_eq!(quote.endorsements_id().is_ok(), platform);
});
