//! The software MAA's judgement of a quote: `POST /attest/SgxEnclave` without the HTTP.

use std::sync::Arc;

use casque_appraise::{
    AppraiseError, Appraiser, Bound, Endorsements, Evidence, Identity, IntelEndorsements,
    TrustAnchors,
};
use casque_types::{Timestamp, sha256};
use thiserror::Error;

use super::{RuntimeClaim, SoftwareMaa, SoftwareMaaError, TokenCollateral, TokenSpec};

/// Why the software MAA gave no token.
#[derive(Debug, Error)]
pub enum MaaRefusal {
    /// The quote proves nothing.
    #[error("the quote is not authentic")]
    Quote(#[from] AppraiseError),
    /// It is no SGX quote.
    #[error("the evidence is no SGX quote")]
    Kind,
    /// The report data are not the digest of the runtime data.
    #[error("the first 32 bytes of the report data are not SHA-256 of the runtime data")]
    RuntimeData,
    /// No token could be made.
    #[error(transparent)]
    Token(#[from] SoftwareMaaError),
}

impl SoftwareMaa {
    /// Judges a quote under `anchors`, and says in a signed token what it proved. As the real service with
    /// its default policy, it takes any TCB status that is not revoked, and debug enclaves.
    ///
    /// # Errors
    /// [`MaaRefusal`].
    pub fn attest_sgx(
        &self,
        evidence: &Evidence,
        runtime: Option<RuntimeClaim>,
        endorsements: &IntelEndorsements,
        anchors: &TrustAnchors,
        now: Timestamp,
    ) -> Result<String, MaaRefusal> {
        let all = Endorsements {
            intel: Some(Arc::new(endorsements.clone())),
            amd: None,
        };
        let verdict = Appraiser::new(anchors.clone()).verify(evidence, &all, now)?;
        let (Evidence::Sgx(quote), Identity::Sgx(identity), Bound::ReportData(report_data)) =
            (evidence, verdict.identity(), verdict.bound())
        else {
            return Err(MaaRefusal::Kind);
        };
        if let Some(runtime) = &runtime {
            let bound = sha256(runtime.as_bytes());
            if !report_data.starts_with(bound.as_bytes()) {
                return Err(MaaRefusal::RuntimeData);
            }
        }
        let mut spec = TokenSpec::sgx(identity.clone(), *report_data, now);
        spec.runtime = runtime;
        spec.collateral = Some(TokenCollateral::of(quote.as_bytes(), endorsements));
        Ok(self.token(&spec)?)
    }
}
