//! Confidential virtual machines of Azure: the paravisor's report, its attestation key, and a TPM quote.

use casque_types::{AzureVmIdentity, Timestamp};
use thiserror::Error;

use crate::{
    AppraiseError, Appraiser, Claim, Endorsements, EndorsementsId, EvidenceKind,
    EvidenceParseError, Verdict,
};

/// The parts of the evidence as they come.
#[derive(Clone, Copy, Debug)]
pub struct AzureVmParts<'a> {
    /// The blob of NV index 0x01400001, at most 4 KiB.
    pub hcl: &'a [u8],
    /// `TPMS_ATTEST` of the quote.
    pub message: &'a [u8],
    /// Its signature, 256 bytes.
    pub signature: &'a [u8],
    /// The registers of the SHA-256 bank from 0 to 23.
    pub pcrs: &'a [[u8; 32]],
    /// SNP: the VCEK, as [`SnpEvidence::parse`](crate::SnpEvidence::parse) takes it.
    pub vek: Option<&'a [u8]>,
    /// TDX: the quote over the report in the blob.
    pub td_quote: Option<&'a [u8]>,
    /// The attestation key's certificate and its authorities, PEM or DER, if there is one.
    pub ak_chain: Option<&'a [u8]>,
}

/// A TPM quote, and what vouches for its key; parsed, not verified.
#[derive(Clone, Debug)]
pub struct AzureVmEvidence {
    kind: EvidenceKind,
    extra_data: Vec<u8>,
    identity: AzureVmIdentity,
}

impl AzureVmEvidence {
    /// Reads the parts.
    ///
    /// # Errors
    /// [`EvidenceParseError`]
    pub fn parse(_parts: &AzureVmParts<'_>) -> Result<Self, EvidenceParseError> {
        Err(EvidenceParseError::Malformed {
            kind: "HCL report",
            expected: "a verifier",
        })
    }

    /// On SNP or TDX.
    #[must_use]
    pub const fn kind(&self) -> EvidenceKind {
        self.kind
    }

    /// What the TPM's quote says that it is for.
    #[must_use]
    pub fn extra_data(&self) -> &[u8] {
        &self.extra_data
    }

    /// The machine that it claims to be.
    #[must_use]
    pub fn claimed_identity(&self) -> AzureVmIdentity {
        self.identity.clone()
    }

    /// The hardware's report as the attestation service takes it (an SNP report of 1184 bytes; the TD quote).
    #[must_use]
    pub fn hardware_evidence(&self) -> &[u8] {
        &[]
    }

    /// The paravisor's data, JSON, whose digest the hardware's report carries: runtime data for the attestation
    /// service.
    #[must_use]
    pub fn paravisor_data(&self) -> &[u8] {
        &[]
    }

    /// Which endorsements it needs beside what it brings.
    ///
    /// # Errors
    /// As of the report or quote inside.
    pub fn endorsements_id(&self) -> Result<EndorsementsId, EvidenceParseError> {
        Err(EvidenceParseError::Malformed {
            kind: "HCL report",
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
    _evidence: &AzureVmEvidence,
    _endorsements: &Endorsements,
    _now: Timestamp,
) -> Result<Verdict, AppraiseError> {
    Err(AzureVmAppraiseError::NotYet.into())
}

/// Verifies the TPM's quote alone, with the attestation key in the paravisor's data, which somebody else vouches
/// for (a token).
#[expect(dead_code, reason = "the token's module calls it")]
pub(crate) fn verify_tpm_quote(_evidence: &AzureVmEvidence) -> Result<(), AzureVmAppraiseError> {
    Err(AzureVmAppraiseError::NotYet)
}

/// Why a TPM quote proves nothing.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum AzureVmAppraiseError {
    /// Not there yet.
    #[error("not there yet")]
    NotYet,
}

impl AzureVmAppraiseError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        "azure-vm-not-yet"
    }
}
