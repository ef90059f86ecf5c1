//! Reports of AMD SEV-SNP (AMD publication 56860).

use casque_types::{SnpIdentity, Timestamp};
use thiserror::Error;

use crate::{AmdEndorsementsId, Appraiser, Claim, Endorsements, EvidenceParseError, Verdict};

/// A report of version 2 to 5, parsed, not verified: whatever it says, anyone may have written.
#[derive(Clone, Debug)]
pub struct SnpReport {
    identity: SnpIdentity,
    report_data: [u8; 64],
}

impl SnpReport {
    /// Reads exactly 1184 bytes.
    ///
    /// # Errors
    /// [`EvidenceParseError`] says what should have stood at the first place that is not as it should be.
    pub fn parse(_bytes: &[u8]) -> Result<Self, EvidenceParseError> {
        Err(EvidenceParseError::Malformed {
            kind: "SNP report",
            expected: "a verifier",
        })
    }

    /// The 64 bytes that the guest chose.
    #[must_use]
    pub const fn report_data(&self) -> &[u8; 64] {
        &self.report_data
    }

    /// The guest that it claims to be from.
    #[must_use]
    pub const fn claimed_identity(&self) -> &SnpIdentity {
        &self.identity
    }

    /// The length of a report.
    pub const BYTES: usize = 1184;
}

/// A report, and the certificate of the key that signed it, where the attester brought it.
#[derive(Clone, Debug)]
pub struct SnpEvidence {
    report: SnpReport,
}

impl SnpEvidence {
    /// Reads a report, and what vouches for its key: PEM or DER of the VCEK or VLEK, which in PEM may be followed
    /// by its authorities, or the host's table of certificates (`auxblob` of configfs-tsm; GUIDs, offsets and
    /// lengths of SNP extended guest requests). Each certificate at most 8 KiB.
    ///
    /// # Errors
    /// [`EvidenceParseError`]
    pub fn parse(report: &[u8], _vek: Option<&[u8]>) -> Result<Self, EvidenceParseError> {
        Ok(Self {
            report: SnpReport::parse(report)?,
        })
    }

    /// The report.
    #[must_use]
    pub const fn report(&self) -> &SnpReport {
        &self.report
    }

    /// Which endorsements it needs beside what it brings.
    ///
    /// # Errors
    /// [`EvidenceParseError`] when neither report nor certificate names the generation of the processor.
    pub fn endorsements_id(&self) -> Result<AmdEndorsementsId, EvidenceParseError> {
        Err(EvidenceParseError::Malformed {
            kind: "SNP report",
            expected: "a verifier",
        })
    }

    /// Everything that it states.
    #[must_use]
    pub fn claims(&self) -> Vec<Claim> {
        Vec::new()
    }
}

pub(crate) fn verify(
    _appraiser: &Appraiser,
    _evidence: &SnpEvidence,
    _endorsements: &Endorsements,
    _now: Timestamp,
) -> Result<Verdict, SnpAppraiseError> {
    Err(SnpAppraiseError::NotYet)
}

/// Why a report proves nothing.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum SnpAppraiseError {
    /// Not there yet.
    #[error("not there yet")]
    NotYet,
}

impl SnpAppraiseError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        "snp-not-yet"
    }
}
