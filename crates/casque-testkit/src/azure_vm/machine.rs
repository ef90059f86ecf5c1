//! Whole machines: a paravisor on a software TEE, and all that its agent would send.

use casque_appraise::AzureVmParts;
use casque_types::{SnpIdentity, SnpSigner, TdxIdentity};

use super::{HclSpec, HclTee, SoftwareVtpm, SoftwareVtpmError, TpmQuote, TpmQuoteSpec, td_report};
use crate::sgx::SoftwareTee;
use crate::snp::{ReportSpec, SoftwareSnp};

/// What the agent of a machine sends; valid.
#[derive(Clone, Debug)]
pub struct MachineEvidence {
    /// The blob of NV index 0x01400001.
    pub hcl: Vec<u8>,
    /// The TPM's quote of all registers.
    pub quote: TpmQuote,
    /// On SNP: the certificate of the VCEK and its authorities, PEM.
    pub vek: Option<String>,
    /// On TDX: the quote.
    pub td_quote: Option<Vec<u8>>,
    /// The attestation key's certificate and its authorities, PEM.
    pub ak_chain: String,
}

impl MachineEvidence {
    /// As the verifier takes it.
    #[must_use]
    pub fn parts(&self) -> AzureVmParts<'_> {
        AzureVmParts {
            hcl: &self.hcl,
            message: &self.quote.message,
            signature: &self.quote.signature,
            pcrs: &self.quote.pcrs,
            vek: self.vek.as_ref().map(String::as_bytes),
            td_quote: self.td_quote.as_deref(),
            ak_chain: Some(self.ak_chain.as_bytes()),
        }
    }
}

impl SoftwareVtpm {
    /// A machine on SNP whose paravisor has this identity, bound to `extra_data`, at most 64 bytes.
    ///
    /// # Errors
    /// [`SoftwareVtpmError`]: the provider failed.
    pub fn on_snp(
        &self,
        platform: &SoftwareSnp,
        identity: &SnpIdentity,
        extra_data: &[u8],
    ) -> Result<MachineEvidence, SoftwareVtpmError> {
        let spec = HclSpec::default();
        let report = ReportSpec::new(identity.clone(), self.report_data(&spec));
        let report = platform.report(&report)?;
        Ok(MachineEvidence {
            hcl: self.hcl_report(&spec, HclTee::Snp, &report)?,
            quote: self.quote(&TpmQuoteSpec::new(extra_data))?,
            vek: Some(platform.chain_pem(SnpSigner::Vcek)),
            td_quote: None,
            ak_chain: self.ak_chain()?,
        })
    }

    /// A machine on TDX whose paravisor has this identity, bound to `extra_data`, at most 64 bytes.
    ///
    /// # Errors
    /// [`SoftwareVtpmError`]: the provider failed.
    pub fn on_tdx(
        &self,
        platform: &SoftwareTee,
        identity: &TdxIdentity,
        extra_data: &[u8],
    ) -> Result<MachineEvidence, SoftwareVtpmError> {
        let spec = HclSpec::default();
        let report_data = self.report_data(&spec);
        let report = td_report(identity, &report_data);
        Ok(MachineEvidence {
            hcl: self.hcl_report(&spec, HclTee::Tdx, &report)?,
            quote: self.quote(&TpmQuoteSpec::new(extra_data))?,
            vek: None,
            td_quote: Some(platform.tdx_quote(identity, &report_data)?),
            ak_chain: self.ak_chain()?,
        })
    }
}
