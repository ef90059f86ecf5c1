//! The software MAA's judgement of evidence: `POST /attest/…` without the HTTP.

use casque_appraise::{AppraiseError, Appraiser, Bound, Endorsements, Evidence, Identity, Tcb};
use casque_types::{SnpPlatform, Timestamp, sha256};
use serde_json::Value;
use thiserror::Error;

use super::subject::{SnpToken, TdxToken};
use super::{RuntimeClaim, SoftwareMaa, SoftwareMaaError, TokenCollateral, TokenSpec};

/// Why the software MAA gave no token.
#[derive(Debug, Error)]
pub enum MaaRefusal {
    /// The evidence proves nothing.
    #[error("the evidence is not authentic")]
    Evidence(#[from] AppraiseError),
    /// It is nothing that is judged: an SGX or TDX quote, or a report of SEV-SNP.
    #[error("the evidence is no SGX or TDX quote, and no report of SEV-SNP")]
    Kind,
    /// The report data are not the digest of the runtime data.
    #[error("the first 32 bytes of the report data are not SHA-256 of the runtime data")]
    RuntimeData,
    /// No token could be made.
    #[error(transparent)]
    Token(#[from] SoftwareMaaError),
}

impl SoftwareMaa {
    /// Judges evidence, and says in a signed token what it proved: [`SoftwareMaa::judge`], signed.
    ///
    /// # Errors
    /// [`MaaRefusal`].
    pub fn attest(
        &self,
        evidence: &Evidence,
        runtime: Option<RuntimeClaim>,
        endorsements: &Endorsements,
        appraiser: &Appraiser,
        now: Timestamp,
    ) -> Result<String, MaaRefusal> {
        let spec = Self::judge(evidence, runtime, endorsements, appraiser, now)?;
        Ok(self.token(&spec)?)
    }

    /// Judges an SGX or TDX quote, a report of SEV-SNP, or that of confidential containers, as this appraiser
    /// does. As the real service with its default policy, it takes any TCB status that is not revoked, and
    /// debug. Of an Azure VM its TEE's part is submitted, with the paravisor's data as runtime data
    /// ([`submission`]).
    ///
    /// # Errors
    /// [`MaaRefusal`]; none of making a token.
    pub fn judge(
        evidence: &Evidence,
        runtime: Option<RuntimeClaim>,
        endorsements: &Endorsements,
        appraiser: &Appraiser,
        now: Timestamp,
    ) -> Result<TokenSpec, MaaRefusal> {
        let verdict = appraiser.verify(evidence, endorsements, now)?;
        let Bound::ReportData(report_data) = verdict.bound() else {
            return Err(MaaRefusal::Kind);
        };
        if let Some(runtime) = &runtime {
            let bound = sha256(runtime.as_bytes());
            if !report_data.starts_with(bound.as_bytes()) {
                return Err(MaaRefusal::RuntimeData);
            }
        }
        let compliance = compliance(verdict.identity(), runtime.as_ref());
        let mut spec = match verdict.identity() {
            Identity::Sgx(identity) => TokenSpec::sgx(identity.clone(), *report_data, now),
            Identity::Snp(identity) => {
                let guest = SnpToken {
                    identity: identity.clone(),
                    platform: platform(verdict.tcb())?,
                    compliance,
                };
                TokenSpec::snp(guest, *report_data, now)
            }
            Identity::Aci(identity) => {
                let guest = SnpToken {
                    identity: identity.snp.clone(),
                    platform: platform(verdict.tcb())?,
                    compliance,
                };
                TokenSpec::snp(guest, *report_data, now)
            }
            Identity::Tdx(identity) => {
                let domain = TdxToken {
                    identity: identity.clone(),
                    status: verdict.tcb().status,
                    advisories: verdict.tcb().advisories.clone(),
                    compliance,
                };
                TokenSpec::tdx(domain, *report_data, now)
            }
            Identity::Unattested | Identity::AzureVm(_) => return Err(MaaRefusal::Kind),
        };
        spec.runtime = runtime;
        if let (Evidence::Sgx(quote), Some(intel)) = (evidence, &endorsements.intel) {
            spec.collateral = Some(TokenCollateral::of(quote.as_bytes(), intel));
        }
        Ok(spec)
    }
}

/// What is submitted of a workload's evidence, and the runtime data with it; `None` where nothing is.
#[must_use]
pub fn submission(evidence: &Evidence, runtime: &[u8]) -> Option<(Evidence, RuntimeClaim)> {
    let ours = RuntimeClaim::Json(runtime.to_vec());
    Some(match evidence {
        Evidence::Sgx(quote) => (Evidence::Sgx(quote.clone()), ours),
        Evidence::Tdx(quote) => (Evidence::Tdx(quote.clone()), ours),
        Evidence::Snp(snp) => (Evidence::Snp(snp.clone()), ours),
        Evidence::Aci(containers) => (Evidence::Aci(containers.clone()), ours),
        Evidence::AzureVm(vm) => {
            let tee = match (vm.snp(), vm.tdx()) {
                (Some(snp), _) => Evidence::Snp(snp.clone()),
                (None, tdx) => Evidence::Tdx(tdx?.clone()),
            };
            (tee, RuntimeClaim::Json(vm.paravisor_data().to_vec()))
        }
        Evidence::Absent | Evidence::MaaToken(_) => return None,
    })
}

fn platform(tcb: &Tcb) -> Result<SnpPlatform, MaaRefusal> {
    tcb.snp.clone().ok_or(MaaRefusal::Kind)
}

/// The real service knows Azure's paravisors by their measurements; here whoever has a paravisor's data is one.
fn compliance(identity: &Identity, runtime: Option<&RuntimeClaim>) -> Option<String> {
    let data = runtime.and_then(|it| serde_json::from_slice::<Value>(it.as_bytes()).ok());
    let keys = data.as_ref().and_then(|data| data.get("keys")?.as_array());
    let is_paravisor = keys.is_some_and(|keys| keys.iter().any(|key| key["kid"] == "HCLAkPub"));
    match identity {
        Identity::Aci(_) => Some("azure-compliant-uvm".to_owned()),
        Identity::Snp(_) | Identity::Tdx(_) if is_paravisor => {
            Some("azure-compliant-cvm".to_owned())
        }
        _ => None,
    }
}
