//! Any bytes as an HCL report, and any bytes as the paravisor's data in one: refused, or kept as they came; never
//! verified.
#![no_main]

use std::sync::LazyLock;

use casque_appraise::{
    Appraiser, AzureVmEvidence, AzureVmParts, Endorsements, Evidence, TrustAnchors,
};
use casque_types::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    take(bytes);
    // The length before the data seldom survives a mutation: here it is theirs.
    take(&framed(bytes));
});

fn take(hcl: &[u8]) {
    for td_quote in [None, Some(TD_QUOTE)] {
        let Ok(evidence) = AzureVmEvidence::parse(&AzureVmParts {
            hcl,
            message: MESSAGE,
            signature: &[0; 256],
            pcrs: &[[0; 32]; 24],
            vek: None,
            td_quote,
            ak_chain: None,
        }) else {
            continue;
        };
        let data = evidence.paravisor_data();
        assert_eq!(hcl.get(0x4D4..0x4D4 + data.len()), Some(data));
        assert_eq!(evidence.claimed_identity().pcrs.len(), 24);
        let _ = evidence.claims();
        let _ = evidence.endorsements_id();
        let evidence = Evidence::AzureVm(evidence);
        let verdict = APPRAISER.verify(
            &evidence,
            &Endorsements::default(),
            Timestamp::from_unix_s(1_795_500_000),
        );
        assert!(verdict.is_err());
    }
}

fn framed(data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let mut hcl = SNP.get(..0x4C0).unwrap_or_default().to_vec();
    for number in [length.wrapping_add(20), 1, 2, 1, length] {
        hcl.extend(number.to_le_bytes());
    }
    hcl.extend(data);
    hcl
}

static APPRAISER: LazyLock<Appraiser> = LazyLock::new(|| Appraiser::new(TrustAnchors::vendors()));
const SNP: &[u8] = include_bytes!("../seeds/hcl/snp");
const MESSAGE: &[u8] = include_bytes!("../seeds/tpm_quote/all");
const TD_QUOTE: &[u8] = include_bytes!("../fixtures/td-quote");
