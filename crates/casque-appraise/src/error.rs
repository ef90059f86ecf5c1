//! Why evidence proves nothing, whatever its kind; each cause with a stable code.

use thiserror::Error;

use crate::{
    AciAppraiseError, AzureVmAppraiseError, EvidenceParseError, MaaAppraiseError,
    QuoteAppraiseError, SnpAppraiseError,
};

/// Why evidence proves nothing.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum AppraiseError {
    /// Bound to another request.
    #[error(
        "the evidence is bound to another request: what it is bound to is not the digest of the runtime data that came with it; gather evidence anew for each challenge"
    )]
    NotBound,
    /// Endorsements that it needs were not given.
    #[error("{what} are needed to judge this evidence, and were not given")]
    EndorsementsMissing {
        /// Whose, such as `Intel's endorsements`.
        what: &'static str,
    },
    /// A part of it cannot be read.
    #[error(transparent)]
    Evidence(#[from] EvidenceParseError),
    /// A quote of SGX or TDX.
    #[error(transparent)]
    Quote(#[from] QuoteAppraiseError),
    /// A report of SEV-SNP.
    #[error(transparent)]
    Snp(#[from] SnpAppraiseError),
    /// A TPM quote of an Azure VM.
    #[error(transparent)]
    AzureVm(#[from] AzureVmAppraiseError),
    /// What is beside the report of confidential containers.
    #[error(transparent)]
    Aci(#[from] AciAppraiseError),
    /// A token.
    #[error(transparent)]
    Maa(#[from] MaaAppraiseError),
    /// Token and evidence say different things.
    #[error("the token of the attestation service contradicts the evidence: {}", list(.differences))]
    Contradiction {
        /// Every claim that differs; at least one.
        differences: Vec<Difference>,
    },
}

/// One claim that token and evidence state differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its name.
    pub claim: &'static str,
    /// As the evidence has it.
    pub evidence: String,
    /// As the token has it.
    pub token: String,
}

impl AppraiseError {
    /// The stable code; all are listed in `docs/appraisal-codes.md`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotBound => "not-bound",
            Self::EndorsementsMissing { .. } => "endorsements-missing",
            Self::Evidence(_) => "evidence-malformed",
            Self::Quote(error) => error.code(),
            Self::Snp(error) => error.code(),
            Self::AzureVm(error) => error.code(),
            Self::Aci(error) => error.code(),
            Self::Maa(error) => error.code(),
            Self::Contradiction { .. } => "token-contradicts-evidence",
        }
    }

    /// The codes of the variants that wrap no other error; those of the wrapped ones are in their own lists.
    pub const CODES: &'static [&'static str] = &[
        "not-bound",
        "endorsements-missing",
        "evidence-malformed",
        "token-contradicts-evidence",
    ];
}

fn list(differences: &[Difference]) -> String {
    let one = |difference: &Difference| {
        let Difference {
            claim,
            evidence,
            token,
        } = difference;
        format!("`{claim}` is {evidence} in the evidence and {token} in the token")
    };
    let all: Vec<String> = differences.iter().map(one).collect();
    all.join("; ")
}
