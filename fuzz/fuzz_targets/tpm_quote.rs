//! Any bytes as a TPM's quote, and any bytes as the certificates of its key: refused, or read; never verified.
#![no_main]

use std::sync::LazyLock;

use casque_appraise::{
    Appraiser, AzureVmEvidence, AzureVmParts, Endorsements, Evidence, TrustAnchors,
};
use casque_types::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    take(bytes, None);
    take(MESSAGE, Some(bytes));
});

fn take(message: &[u8], ak_chain: Option<&[u8]>) {
    for count in [0, 3, 24] {
        let Ok(evidence) = AzureVmEvidence::parse(&AzureVmParts {
            hcl: HCL,
            message,
            signature: &[0; 256],
            pcrs: &vec![[0; 32]; count],
            vek: None,
            td_quote: None,
            ak_chain,
        }) else {
            return;
        };
        assert!(evidence.extra_data().len() <= 64);
        assert!(evidence.claimed_identity().pcrs.len() <= count);
        let _ = evidence.claims();
        let evidence = Evidence::AzureVm(evidence);
        let verdict = APPRAISER.verify(
            &evidence,
            &Endorsements::default(),
            Timestamp::from_unix_s(1_795_500_000),
        );
        assert!(verdict.is_err());
    }
}

static APPRAISER: LazyLock<Appraiser> = LazyLock::new(|| Appraiser::new(TrustAnchors::vendors()));
const HCL: &[u8] = include_bytes!("../seeds/hcl/snp");
const MESSAGE: &[u8] = include_bytes!("../seeds/tpm_quote/all");
