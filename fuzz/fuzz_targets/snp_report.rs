//! Any bytes as a report of SEV-SNP: refused, or kept as they came; and never verified under AMD's roots without a
//! certificate.
#![no_main]

use casque_appraise::{Appraiser, Endorsements, Evidence, SnpEvidence, TrustAnchors};
use casque_types::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(evidence) = SnpEvidence::parse(bytes, None) else {
        return;
    };
    assert_eq!(evidence.report().as_bytes(), bytes);
    assert_eq!(bytes[0x50..0x90], evidence.report().report_data()[..]);
    assert!(evidence.claims().len() > 30);
    let _ = evidence.endorsements_id();
    let appraiser = Appraiser::new(TrustAnchors::vendors());
    let now = Timestamp::from_unix_s(1_790_000_000);
    let verified = appraiser.verify(&Evidence::Snp(evidence), &Endorsements::default(), now);
    assert!(verified.is_err());
});
