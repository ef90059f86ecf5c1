//! Any bytes as what vouches for a report's key (DER, PEM, or the host's table), beside a real report: refused, or
//! the report is verified because they are its certificate.
#![no_main]

use casque_appraise::{Appraiser, Endorsements, Evidence, SnpEvidence, TrustAnchors};
use casque_types::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(evidence) = SnpEvidence::parse(REPORT, Some(bytes)) else {
        return;
    };
    assert!(evidence.claims().len() > 30);
    let _ = evidence.endorsements_id();
    let appraiser = Appraiser::new(TrustAnchors::vendors());
    let now = Timestamp::from_unix_s(1_790_000_000);
    let verdict = appraiser.verify(&Evidence::Snp(evidence), &Endorsements::default(), now);
    if let Ok(verdict) = verdict {
        assert_eq!(verdict.bound().as_bytes(), &REPORT[0x50..0x90]);
    }
});

const REPORT: &[u8] = include_bytes!("../seeds/snp_report/genoa");
