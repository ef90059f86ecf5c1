//! Evidence of every TEE but SGX, valid and bound to an attempt.

use casque_appraise::{
    AciEvidence, AzureVmEvidence, AzureVmParts, Evidence, SnpEvidence, TdxQuote,
};
use casque_types::{AzureVmTee, SnpIdentity, TdxIdentity, sha256};

use super::{Attempt, TestWorld};
use crate::aci::{UvmSpec, software_policy};
use crate::azure_vm::{HclSpec, HclTee, TpmQuoteSpec, td_report};
use crate::snp::{ReportSpec, software_snp_identity};
use crate::tdx::software_tdx_identity;

/// An Azure VM, as its evidence is to state it.
#[derive(Clone, Debug)]
pub struct MachineSpec {
    /// The paravisor in its TEE.
    pub tee: AzureVmTee,
    /// What the paravisor says.
    pub hcl: HclSpec,
    /// What the TPM quotes. That it is bound to the attempt is seen to.
    pub quote: TpmQuoteSpec,
    /// The certificate of the attestation key with its authorities, PEM.
    pub ak_chain: Option<String>,
}

impl MachineSpec {
    /// A machine on this TEE that quotes all registers; no certificate comes.
    #[must_use]
    pub fn new(tee: AzureVmTee) -> Self {
        Self {
            tee,
            hcl: HclSpec::default(),
            quote: TpmQuoteSpec::new(&[]),
            ak_chain: None,
        }
    }
}

/// A group of confidential containers, as its evidence is to state it.
#[derive(Clone, Debug)]
pub struct GroupSpec {
    /// The utility virtual machine; its host data is the digest of the policy that it was launched with.
    pub guest: SnpIdentity,
    /// The policy that comes.
    pub policy: String,
    /// The reference of the utility virtual machine.
    pub reference: UvmSpec,
}

impl GroupSpec {
    /// A group that was launched with this policy.
    #[must_use]
    pub fn new(policy: &str) -> Self {
        let mut guest = TestWorld::guest();
        guest.host_data = sha256(policy.as_bytes());
        Self {
            reference: UvmSpec::new(guest.measurement, TestWorld::BEGIN),
            guest,
            policy: policy.to_owned(),
        }
    }
}

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
        self.tdx_of(&Self::domain(), attempt)
    }

    /// The same of another trust domain.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn tdx_of(&self, domain: &TdxIdentity, attempt: &Attempt) -> Evidence {
        let quote = self.td_quote(domain, attempt.runtime.report_data().as_bytes());
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
        self.aci_of(&GroupSpec::new(&Self::containers()), attempt)
    }

    /// The same of another group.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn aci_of(&self, group: &GroupSpec, attempt: &Attempt) -> Evidence {
        let report_data = *attempt.runtime.report_data().as_bytes();
        let report = self.report(&group.guest, report_data);
        let reference = self.uvm.reference(&group.reference).expect("a reference");
        let policy = group.policy.as_bytes();
        let evidence = AciEvidence::parse(&report, None, policy, &reference);
        Evidence::Aci(evidence.expect("evidence"))
    }

    /// A valid TPM quote of an Azure VM of [`TestWorld::guest`], bound to the attempt.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn azure_snp(&self, attempt: &Attempt) -> Evidence {
        let tee = AzureVmTee::Snp(Box::new(Self::guest()));
        self.azure_vm_of(&MachineSpec::new(tee), attempt)
    }

    /// A valid TPM quote of an Azure VM of [`TestWorld::domain`], bound to the attempt.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn azure_tdx(&self, attempt: &Attempt) -> Evidence {
        let tee = AzureVmTee::Tdx(Box::new(Self::domain()));
        self.azure_vm_of(&MachineSpec::new(tee), attempt)
    }

    /// A TPM quote of an Azure VM as specified, bound to the attempt.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn azure_vm_of(&self, machine: &MachineSpec, attempt: &Attempt) -> Evidence {
        let report_data = self.vtpm.report_data(&machine.hcl);
        let (kind, report, td_quote) = match &machine.tee {
            AzureVmTee::Snp(guest) => (HclTee::Snp, self.report(guest, report_data), None),
            AzureVmTee::Tdx(domain) => {
                let quote = self.td_quote(domain, &report_data);
                (HclTee::Tdx, td_report(domain, &report_data), Some(quote))
            }
        };
        let blob = self.vtpm.hcl_report(&machine.hcl, kind, &report);
        let mut quote = machine.quote.clone();
        quote.extra_data = attempt.runtime.binding().as_bytes().to_vec();
        let quote = self.vtpm.quote(&quote).expect("the TPM quotes");
        let parts = AzureVmParts {
            hcl: &blob.expect("a blob"),
            message: &quote.message,
            signature: &quote.signature,
            pcrs: &quote.pcrs,
            vek: None,
            td_quote: td_quote.as_deref(),
            ak_chain: machine.ak_chain.as_ref().map(String::as_bytes),
        };
        Evidence::AzureVm(AzureVmEvidence::parse(&parts).expect("evidence"))
    }

    fn td_quote(&self, domain: &TdxIdentity, report_data: &[u8; 64]) -> Vec<u8> {
        let quote = self.tee.tdx_quote(domain, report_data);
        quote.expect("the TEE quotes")
    }

    fn report(&self, guest: &SnpIdentity, report_data: [u8; 64]) -> Vec<u8> {
        let report = self
            .snp
            .report(&ReportSpec::new(guest.clone(), report_data));
        report.expect("the TEE reports")
    }
}
