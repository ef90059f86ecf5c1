//! Confidential containers of Azure: a report of SEV-SNP, the containers' policy, and Microsoft's reference of the
//! utility virtual machine.

use casque_types::{AciIdentity, Timestamp};
use thiserror::Error;

use crate::{
    AppraiseError, Appraiser, Claim, Endorsements, EvidenceParseError, SnpEvidence, SnpReport,
    Verdict,
};

/// A report with policy and reference; parsed, not verified.
#[derive(Clone, Debug)]
pub struct AciEvidence {
    snp: SnpEvidence,
    identity: AciIdentity,
}

impl AciEvidence {
    /// Reads report and certificate as [`SnpEvidence::parse`], the policy as text (at most 1 MiB), and the reference
    /// (`COSE_Sign1`, at most 64 KiB).
    ///
    /// # Errors
    /// [`EvidenceParseError`]
    pub fn parse(
        _report: &[u8],
        _vek: Option<&[u8]>,
        _policy: &[u8],
        _uvm: &[u8],
    ) -> Result<Self, EvidenceParseError> {
        Err(EvidenceParseError::Malformed {
            kind: "UVM reference",
            expected: "a verifier",
        })
    }

    /// Report and certificate.
    #[must_use]
    pub const fn snp(&self) -> &SnpEvidence {
        &self.snp
    }

    /// The report.
    #[must_use]
    pub const fn report(&self) -> &SnpReport {
        self.snp.report()
    }

    /// The reference as it came.
    #[must_use]
    pub fn uvm(&self) -> &[u8] {
        &[]
    }

    /// The group that it claims to be.
    #[must_use]
    pub fn claimed_identity(&self) -> AciIdentity {
        self.identity.clone()
    }

    /// Everything that it states.
    #[must_use]
    pub fn claims(&self) -> Vec<Claim> {
        Vec::new()
    }
}

pub(crate) fn verify(
    _appraiser: &Appraiser,
    _evidence: &AciEvidence,
    _endorsements: &Endorsements,
    _now: Timestamp,
) -> Result<Verdict, AppraiseError> {
    Err(AciAppraiseError::NotYet.into())
}

/// Why what is beside the report proves nothing.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum AciAppraiseError {
    /// Not there yet.
    #[error("not there yet")]
    NotYet,
}

impl AciAppraiseError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        "aci-not-yet"
    }
}
