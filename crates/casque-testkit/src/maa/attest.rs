//! The software MAA's judgement of a quote: `POST /attest/SgxEnclave` without the HTTP.

use casque_appraise::{
    SgxAppraiseError, SgxEndorsements, SgxQuote, TrustAnchors, verify_sgx_quote,
};
use casque_types::{Timestamp, sha256};
use thiserror::Error;

use super::{RuntimeClaim, SoftwareMaa, SoftwareMaaError, TokenCollateral, TokenSpec};

/// Why the software MAA gave no token.
#[derive(Debug, Error)]
pub enum MaaRefusal {
    /// The quote proves nothing.
    #[error("the quote is not authentic")]
    Quote(#[from] SgxAppraiseError),
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
        quote: &SgxQuote,
        runtime: Option<RuntimeClaim>,
        endorsements: &SgxEndorsements,
        anchors: &TrustAnchors,
        now: Timestamp,
    ) -> Result<String, MaaRefusal> {
        let verdict = verify_sgx_quote(quote, endorsements, anchors, now)?;
        if let Some(runtime) = &runtime {
            let bound = sha256(runtime.as_bytes());
            if !verdict.report_data.starts_with(bound.as_bytes()) {
                return Err(MaaRefusal::RuntimeData);
            }
        }
        let mut spec = TokenSpec::sgx(verdict.identity, verdict.report_data, now);
        spec.runtime = runtime;
        spec.collateral = Some(TokenCollateral::of(quote.as_bytes(), endorsements));
        Ok(self.token(&spec)?)
    }
}
