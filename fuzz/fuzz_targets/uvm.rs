//! Any bytes as the reference of a utility virtual machine, and any bytes as a policy of containers, beside a report that
//! holds: refused, or read; verified only if they say what the software issuer signed. Fixtures are the software TEE's.
#![no_main]

use std::sync::LazyLock;

use casque_appraise::{
    AciEvidence, AmdAnchor, Appraiser, Endorsements, Evidence, TrustAnchors,
};
use casque_types::{SnpProduct, Timestamp};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    take(POLICY, bytes);
    take(bytes, UVM);
});

fn take(policy: &[u8], uvm: &[u8]) {
    let Ok(evidence) = AciEvidence::parse(REPORT, Some(VEK), policy, uvm) else {
        return;
    };
    assert_eq!(evidence.uvm(), uvm);
    let _ = evidence.claims();
    let identity = evidence.claimed_identity();
    let evidence = Evidence::Aci(evidence);
    let now = Timestamp::from_unix_s(1_795_500_000);
    let verdict = APPRAISER.verify(&evidence, &Endorsements::default(), now);
    if verdict.is_ok() {
        assert!(!identity.allows_all);
        assert_eq!((identity.uvm.issuer.as_str(), identity.uvm.svn), (ISSUER, 100));
        assert_eq!(identity.uvm.feed, "Casque-Software-UVM");
    }
}

static APPRAISER: LazyLock<Appraiser> = LazyLock::new(|| {
    let anchor = AmdAnchor {
        product: SnpProduct::Milan,
        ark: include_bytes!("../fixtures/aci/ark").to_vec(),
        ask: include_bytes!("../fixtures/aci/ask").to_vec(),
        asvk: include_bytes!("../fixtures/aci/asvk").to_vec(),
    };
    Appraiser::new(
        TrustAnchors::vendors()
            .dangerous_with_amd(vec![anchor])
            .dangerous_with_uvm_issuers(vec![ISSUER.to_owned()]),
    )
});
const REPORT: &[u8] = include_bytes!("../fixtures/aci/report");
const VEK: &[u8] = include_bytes!("../fixtures/aci/vek.pem");
const ISSUER: &str = include_str!("../fixtures/aci/issuer");
const UVM: &[u8] = include_bytes!("../seeds/uvm/named");
const POLICY: &[u8] = include_bytes!("../seeds/uvm/policy");
