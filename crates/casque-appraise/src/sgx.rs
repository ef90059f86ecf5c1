//! SGX quotes.
use casque_types::{RuntimeData, SgxIdentity, Timestamp};
use thiserror::Error;

use crate::{Appraisal, EvidenceParseError, SgxEndorsements, SgxEndorsementsId, Tcb, TrustAnchors};

/// An SGX quote, parsed, not verified.
#[derive(Clone, Debug)]
pub struct SgxQuote {
    #[expect(dead_code, reason = "skeleton")]
    bytes: Vec<u8>,
    identity: SgxIdentity,
    report_data: [u8; 64],
}

impl SgxQuote {
    /// Parses a quote.
    ///
    /// # Errors
    /// Not a quote.
    pub fn parse(_bytes: &[u8]) -> Result<Self, EvidenceParseError> {
        todo!()
    }
    /// Which endorsements it needs (from its embedded PCK certificate).
    ///
    /// # Errors
    /// No usable PCK chain embedded.
    pub fn endorsements_id(&self) -> Result<SgxEndorsementsId, EvidenceParseError> {
        todo!()
    }
    /// The quote as it came.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        todo!()
    }
    /// Report data.
    #[must_use]
    pub const fn report_data(&self) -> &[u8; 64] {
        &self.report_data
    }
    /// Claimed.
    #[must_use]
    pub const fn claimed_identity(&self) -> &SgxIdentity {
        &self.identity
    }
}

/// What a quote's signatures prove; not bound to a request.
#[derive(Clone, Debug)]
pub struct SgxVerdict {
    /// The enclave.
    pub identity: SgxIdentity,
    /// Its platform.
    pub tcb: Tcb,
    /// The 64 bytes it chose.
    pub report_data: [u8; 64],
    /// When the first of the endorsements runs out.
    pub valid_until: Timestamp,
}

/// Why a quote proves nothing.
#[derive(Debug, Error)]
pub enum SgxAppraiseError {
    /// Bound to something else.
    #[error("binding")]
    Binding,
}

/// Verifies.
///
/// # Errors
/// Not authentic.
pub fn verify_sgx_quote(
    _quote: &SgxQuote,
    _endorsements: &SgxEndorsements,
    _anchors: &TrustAnchors,
    _now: Timestamp,
) -> Result<SgxVerdict, SgxAppraiseError> {
    todo!()
}

/// Verifies, and checks that the quote is bound to `runtime`.
///
/// # Errors
/// Not authentic or not bound.
pub fn appraise_sgx(
    _quote: &SgxQuote,
    _runtime: &RuntimeData,
    _endorsements: &SgxEndorsements,
    _anchors: &TrustAnchors,
    _now: Timestamp,
) -> Result<Appraisal, SgxAppraiseError> {
    todo!()
}
