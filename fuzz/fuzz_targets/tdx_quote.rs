//! Any bytes as a TDX quote: refused, or kept as they came without the zeros behind, with all that they state.
#![no_main]

use casque_appraise::TdxQuote;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(quote) = TdxQuote::parse(bytes) else {
        return;
    };
    let (kept, padding) = bytes.split_at(quote.as_bytes().len());
    assert_eq!(quote.as_bytes(), kept);
    assert!(padding.iter().all(|byte| *byte == 0));
    let report_data_at = if bytes[0] == 4 { 568 } else { 574 };
    let report_data = &bytes[report_data_at..report_data_at + 64];
    assert_eq!(report_data, quote.report_data());
    let claims = quote.claims();
    assert!(claims.iter().any(|claim| claim.name == "mrtd"));
    let platform = claims.iter().any(|claim| claim.name == "fmspc");
    assert_eq!(quote.endorsements_id().is_ok(), platform);
    let again = TdxQuote::parse(kept).expect("what was kept is a quote");
    assert_eq!(again.claimed_identity(), quote.claimed_identity());
});
