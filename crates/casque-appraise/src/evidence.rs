//! Evidence: claims that nobody has judged yet.

use casque_types::{RuntimeData, SgxIdentity};
use thiserror::Error;

use crate::{MaaToken, SgxQuote};

/// What an attester brought.
#[derive(Debug)]
pub enum Evidence {
    /// Nothing; only `mode: none` asks for that.
    Absent,
    /// An SGX quote (ECDSA, version 3).
    Sgx(SgxQuote),
    /// A token that the attester had Microsoft Azure Attestation issue (passport model).
    MaaToken(MaaToken),
}

impl Evidence {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> EvidenceKind {
        match self {
            Self::Absent => EvidenceKind::Absent,
            Self::Sgx(_) => EvidenceKind::Sgx,
            Self::MaaToken(_) => EvidenceKind::MaaToken,
        }
    }

    /// Whether it says that it is bound to `runtime`; cheap, and proves nothing until signatures are verified.
    #[must_use]
    pub fn claims_binding(&self, runtime: &RuntimeData) -> bool {
        match self {
            Self::Absent => true,
            Self::Sgx(quote) => runtime.report_data().is_carried_by(quote.report_data()),
            Self::MaaToken(token) => token.claims_binding(runtime),
        }
    }

    /// The SGX identity that it claims; proves nothing until signatures are verified.
    #[must_use]
    pub const fn claimed_identity(&self) -> Option<&SgxIdentity> {
        match self {
            Self::Absent => None,
            Self::Sgx(quote) => Some(quote.claimed_identity()),
            Self::MaaToken(token) => token.claimed_identity(),
        }
    }
}

/// A kind of evidence, by its name on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvidenceKind {
    /// No evidence.
    Absent,
    /// An SGX quote.
    Sgx,
    /// A token of Microsoft Azure Attestation.
    MaaToken,
}

impl EvidenceKind {
    /// `none`, `sgx` or `maa`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "none",
            Self::Sgx => "sgx",
            Self::MaaToken => "maa",
        }
    }
}

/// Why bytes are no evidence of the kind that they were said to be.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum EvidenceParseError {
    /// More bytes than evidence of that kind can have.
    #[error("{kind}: expected at most {limit_bytes} bytes, found {found_bytes}")]
    TooLong {
        /// `SGX quote` or `MAA token`.
        kind: &'static str,
        /// The limit.
        limit_bytes: usize,
        /// How many there are.
        found_bytes: usize,
    },
    /// The layout is not the kind's.
    #[error("{kind}: expected {expected}")]
    Malformed {
        /// `SGX quote` or `MAA token`.
        kind: &'static str,
        /// What should have stood there.
        expected: &'static str,
    },
}
