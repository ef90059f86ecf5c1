//! Quotes of SGX and TDX: what they say, and whether Intel's platform keys stand behind it.
//!
//! Signatures, chains, revocation, QE identity, TDX module and TCB level are `dcap-qvl`'s work (Intel QVL's rules);
//! this module closes what it leaves open (spec/evidence.md section 1.1):
//!
//! a. it accepts any TCB status but `Revoked`: the status goes into [`Tcb`](crate::Tcb), which a policy judges;
//! b. a platform below every listed level is its own error, [`QuoteAppraiseError::TcbNotListed`];
//! c. it ignores trailing bytes and bounds nothing: [`SgxQuote::parse`] and [`TdxQuote::parse`] do both;
//! d. its errors are texts: `stages` gives each its own variant;
//! e. it lets debug pass when told so: debug is told so, reported in the identity, and judged by the policy.
//!
//! `QuotePolicy::claims_only` judges nothing. The strict policy is never used: it refuses platforms for flags that all
//! clouds set. Service TDs are never let pass: nothing here judges them.

mod dcap;
mod error;
mod memory;
mod quote;
mod sgx;
mod stages;
mod tdx;

use casque_types::Timestamp;

use crate::{AppraiseError, Appraiser, Bound, Endorsements, Identity, Scope, Verdict, Verifier};
use dcap::{Verification, Verified};
pub use error::{IntelEndorsement, QuoteAppraiseError, RevokedThing};
pub(crate) use memory::Memory;
use quote::Signed;
pub use sgx::SgxQuote;
pub use tdx::TdxQuote;

pub(crate) fn verify_sgx(
    appraiser: &Appraiser,
    quote: &SgxQuote,
    endorsements: &Endorsements,
    now: Timestamp,
) -> Result<Verdict, AppraiseError> {
    let verified = verify(appraiser, quote.signed(), endorsements, now)?;
    Ok(Verdict {
        identity: Identity::Sgx(quote.claimed_identity().clone()),
        tcb: verified.tcb,
        verifier: Verifier::Casque,
        scope: Scope::Process,
        platform: Some(*quote.qe_id()),
        bound: Bound::ReportData(*quote.report_data()),
        token: None,
        valid_until: Some(verified.valid_until),
    })
}

pub(crate) fn verify_tdx(
    appraiser: &Appraiser,
    quote: &TdxQuote,
    endorsements: &Endorsements,
    now: Timestamp,
) -> Result<Verdict, AppraiseError> {
    let verified = verify(appraiser, quote.signed(), endorsements, now)?;
    Ok(Verdict {
        identity: Identity::Tdx(quote.claimed_identity().clone()),
        tcb: verified.tcb,
        verifier: Verifier::Casque,
        scope: Scope::Vm,
        platform: None,
        bound: Bound::ReportData(*quote.report_data()),
        token: None,
        valid_until: Some(verified.valid_until),
    })
}

/// From memory, or by the verifier and then into memory.
fn verify(
    appraiser: &Appraiser,
    quote: &Signed,
    endorsements: &Endorsements,
    now: Timestamp,
) -> Result<Verified, AppraiseError> {
    let what = "Intel's endorsements";
    let missing = AppraiseError::EndorsementsMissing { what };
    let endorsements = endorsements.intel.as_ref().ok_or(missing)?;
    // A quote that was parsed has all its parts.
    let parts = quote.parts().ok_or(QuoteAppraiseError::Other)?;
    let memory = &appraiser.intel;
    let key = memory.key(&parts, endorsements);
    if let Some(verified) = memory.recall(key, &parts, now)? {
        return Ok(verified);
    }
    let verification = Verification {
        anchors: &appraiser.anchors,
        quote: quote.as_bytes(),
        endorsements,
        now,
    };
    let verified = verification.run()?;
    memory.remember(key, &verified, now);
    Ok(verified)
}
