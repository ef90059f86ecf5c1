//! Any bytes as AMD's revocation list, beside a real report and its certificate: refused, unless AMD's root signed
//! them.
#![no_main]

use std::sync::Arc;

use casque_appraise::{
    AmdEndorsements, Appraiser, Endorsements, Evidence, SnpEvidence, TrustAnchors,
};
use casque_types::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(evidence) = SnpEvidence::parse(REPORT, Some(VEK)) else {
        unreachable!("a seed");
    };
    let endorsements = Endorsements {
        amd: Some(Arc::new(AmdEndorsements {
            crl: Some(bytes.to_vec()),
            ..AmdEndorsements::default()
        })),
        intel: None,
    };
    let appraiser = Appraiser::new(TrustAnchors::vendors());
    let now = Timestamp::from_unix_s(1_790_000_000);
    let verdict = appraiser.verify(&Evidence::Snp(evidence), &endorsements, now);
    if let Ok(verdict) = verdict {
        let judged = verdict.tcb().snp.as_ref().map(|platform| platform.revocation_judged);
        assert_eq!(judged, Some(true));
    }
});

const REPORT: &[u8] = include_bytes!("../seeds/snp_report/genoa");
const VEK: &[u8] = include_bytes!("../seeds/vek/genoa_pem");
