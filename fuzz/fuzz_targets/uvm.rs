//! Any bytes as the reference of a utility virtual machine, and any bytes as a policy of containers: refused, or read;
//! never verified.
#![no_main]

use std::sync::LazyLock;

use casque_appraise::{AciEvidence, Appraiser, Endorsements, Evidence, TrustAnchors};
use casque_types::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    take(POLICY, bytes);
    take(bytes, UVM);
});

fn take(policy: &[u8], uvm: &[u8]) {
    let Ok(evidence) = AciEvidence::parse(REPORT, None, policy, uvm) else {
        return;
    };
    assert_eq!(evidence.uvm(), uvm);
    let _ = evidence.claimed_identity();
    let _ = evidence.claims();
    let evidence = Evidence::Aci(evidence);
    let verdict = APPRAISER.verify(
        &evidence,
        &Endorsements::default(),
        Timestamp::from_unix_s(1_795_500_000),
    );
    assert!(verdict.is_err());
}

static APPRAISER: LazyLock<Appraiser> = LazyLock::new(|| Appraiser::new(TrustAnchors::vendors()));
const REPORT: &[u8] = include_bytes!("../fixtures/snp-report");
const UVM: &[u8] = include_bytes!("../seeds/uvm/named");
const POLICY: &[u8] = include_bytes!("../seeds/uvm/policy");
