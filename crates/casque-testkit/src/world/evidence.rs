//! Evidence of every TEE but SGX, valid and bound to an attempt.

use casque_appraise::{
    AciEvidence, AzureVmEvidence, AzureVmParts, Evidence, SnpEvidence, TdxQuote,
};
use casque_types::{SnpIdentity, TdxIdentity, sha256};

use super::{Attempt, TestWorld};
use crate::aci::{UvmSpec, software_policy};
use crate::azure_vm::{HclSpec, HclTee, TpmQuoteSpec, td_report};
use crate::snp::{ReportSpec, software_snp_identity};
use crate::tdx::software_tdx_identity;

impl TestWorld {
    /// The guest of SNP that the policies of a test grant.
    #[must_use]
    pub fn guest() -> SnpIdentity {
        software_snp_identity([0x5A; 48].into())
    }

    /// The trust domain of TDX that the policies of a test grant.
    #[must_use]
    pub fn domain() -> TdxIdentity {
        software_tdx_identity([0x7D; 48])
    }

    /// What the confidential containers that the policies of a test grant are told to run.
    #[must_use]
    pub fn containers() -> String {
        software_policy("serve")
    }

    /// A valid TDX quote of [`TestWorld::domain`], bound to the attempt.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn tdx(&self, attempt: &Attempt) -> Evidence {
        let report_data = attempt.runtime.report_data();
        let quote = self.tee.tdx_quote(&Self::domain(), report_data.as_bytes());
        let quote = quote.expect("the TEE quotes");
        Evidence::Tdx(TdxQuote::parse(&quote).expect("a quote"))
    }

    /// A valid report of [`TestWorld::guest`], bound to the attempt, without a certificate beside it: the endorser has
    /// it.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn snp(&self, attempt: &Attempt) -> Evidence {
        self.snp_of(&Self::guest(), attempt)
    }

    /// The same of another guest.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn snp_of(&self, guest: &SnpIdentity, attempt: &Attempt) -> Evidence {
        let report = self.report(guest, *attempt.runtime.report_data().as_bytes());
        Evidence::Snp(SnpEvidence::parse(&report, None).expect("a report"))
    }

    /// Valid evidence of confidential containers, bound to the attempt.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn aci(&self, attempt: &Attempt) -> Evidence {
        let policy = Self::containers();
        let mut guest = Self::guest();
        guest.host_data = sha256(policy.as_bytes());
        let report = self.report(&guest, *attempt.runtime.report_data().as_bytes());
        let reference = UvmSpec::new(guest.measurement, Self::BEGIN);
        let reference = self.uvm.reference(&reference).expect("a reference");
        let evidence = AciEvidence::parse(&report, None, policy.as_bytes(), &reference);
        Evidence::Aci(evidence.expect("evidence"))
    }

    /// A valid TPM quote of an Azure VM of [`TestWorld::guest`], bound to the attempt.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn azure_snp(&self, attempt: &Attempt) -> Evidence {
        let hcl = HclSpec::default();
        let report = self.report(&Self::guest(), self.vtpm.report_data(&hcl));
        let blob = self.vtpm.hcl_report(&hcl, HclTee::Snp, &report);
        self.azure_vm(attempt, &blob.expect("a blob"), None)
    }

    /// A valid TPM quote of an Azure VM of [`TestWorld::domain`], bound to the attempt.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn azure_tdx(&self, attempt: &Attempt) -> Evidence {
        let hcl = HclSpec::default();
        let report_data = self.vtpm.report_data(&hcl);
        let report = td_report(&Self::domain(), &report_data);
        let blob = self.vtpm.hcl_report(&hcl, HclTee::Tdx, &report);
        let quote = self.tee.tdx_quote(&Self::domain(), &report_data);
        let quote = quote.expect("the TEE quotes");
        self.azure_vm(attempt, &blob.expect("a blob"), Some(&quote))
    }

    fn azure_vm(&self, attempt: &Attempt, blob: &[u8], td_quote: Option<&[u8]>) -> Evidence {
        let binding = attempt.runtime.binding();
        let quote = self.vtpm.quote(&TpmQuoteSpec::new(binding.as_bytes()));
        let quote = quote.expect("the TPM quotes");
        let parts = AzureVmParts {
            hcl: blob,
            message: &quote.message,
            signature: &quote.signature,
            pcrs: &quote.pcrs,
            vek: None,
            td_quote,
            ak_chain: None,
        };
        Evidence::AzureVm(AzureVmEvidence::parse(&parts).expect("evidence"))
    }

    fn report(&self, guest: &SnpIdentity, report_data: [u8; 64]) -> Vec<u8> {
        let report = self
            .snp
            .report(&ReportSpec::new(guest.clone(), report_data));
        report.expect("the TEE reports")
    }
}
