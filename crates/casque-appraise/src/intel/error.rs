//! Why a quote proves nothing; and the one place that knows what `dcap-qvl` says at which stage.
//!
//! Its errors are texts. [`QuoteAppraiseError::of_stage`] knows those of version 0.7.1 by their beginning (the
//! version is pinned); a text that it does not know is [`QuoteAppraiseError::Other`] and still a refusal.

use std::fmt;

use thiserror::Error;

use crate::AdvisoryIdParseError;

/// Why a quote proves nothing.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum QuoteAppraiseError {
    /// Bound to another request.
    #[error(
        "the quote is bound to another request: its report data is not the digest of the runtime data that came with it; gather evidence anew for each challenge"
    )]
    NotBound,
    /// The endorsements are for another family of platforms.
    #[error(
        "the TCB information is not for SGX platforms of the FMSPC in the quote's PCK certificate; fetch the endorsements that the quote names"
    )]
    WrongFmspc,
    /// One of the endorsements cannot be read.
    #[error(
        "{document} cannot be read; fetch the endorsements anew, from Intel's service or a PCCS"
    )]
    EndorsementsMalformed {
        /// Which.
        document: IntelEndorsement,
    },
    /// One of the endorsements is past its life.
    #[error("{document} has expired; fetch the endorsements anew, and check this machine's clock")]
    EndorsementsExpired {
        /// Which.
        document: IntelEndorsement,
    },
    /// One of the endorsements is not yet in force.
    #[error("{document} is not valid yet; check this machine's clock")]
    EndorsementsNotYetValid {
        /// Which.
        document: IntelEndorsement,
    },
    /// One of the endorsements is not signed by whom it should be.
    #[error(
        "{document} is not signed under Intel's root; fetch the endorsements anew, and check what stands between this machine and Intel's service"
    )]
    EndorsementsSignature {
        /// Which.
        document: IntelEndorsement,
    },
    /// The platform's certificate chain does not lead to the root.
    #[error(
        "the quote's PCK certificate chain does not lead to Intel's root, or is outside its life; a software TEE is trusted by a test server alone"
    )]
    PckChain,
    /// Intel revoked something that the quote stands on. Never tolerated.
    #[error("Intel has revoked {what}; the platform can not be trusted any more")]
    Revoked {
        /// What is revoked.
        what: RevokedThing,
    },
    /// The quoting enclave's report is not signed by the platform, or does not vouch for the attestation key.
    #[error(
        "the platform does not vouch for the quote's attestation key; the quote was changed, or is no quote of this platform"
    )]
    QeReport,
    /// The quoting enclave is not Intel's, or too old.
    #[error(
        "the quoting enclave is not one that Intel's QE identity lists; update the SGX software (aesmd, QE) of the platform"
    )]
    QeIdentity,
    /// The quote was changed after it was signed.
    #[error("the quote's signature does not fit its report; the quote was changed on its way")]
    QuoteSignature,
    /// The platform is below every level that Intel lists.
    #[error(
        "Intel's TCB information lists no level that the platform reaches; update its BIOS and microcode, or let Microsoft Azure Attestation judge such nodes (`mode: maa`)"
    )]
    TcbNotListed,
    /// An advisory that is not known as one cannot be tolerated, nor left out.
    #[error("the TCB information names an advisory that is none: {source}")]
    Advisory {
        /// What was expected.
        #[source]
        source: AdvisoryIdParseError,
    },
    /// A TCB status that SGX platforms do not have.
    #[error("the TCB information states a status that SGX platforms do not have")]
    Status,
    /// The root key that was injected is no certificate.
    #[error("the root that this server was built with is no certificate; this is a defect")]
    TrustAnchor,
    /// Refused at a stage that has no name here.
    #[error(
        "the quote or its endorsements are refused by the quote verifier; gather the quote and fetch the endorsements anew"
    )]
    Other,
}

/// One of the endorsements of an SGX quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IntelEndorsement {
    /// Levels of the platform's trusted computing base.
    TcbInfo,
    /// The quoting enclave's identity.
    QeIdentity,
    /// The certificates of who signed these two.
    SignerChain,
    /// Revocation list of the PCK authority.
    PckCrl,
    /// Revocation list of the root.
    RootCrl,
}

impl fmt::Display for IntelEndorsement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TcbInfo => "Intel's TCB information",
            Self::QeIdentity => "Intel's QE identity",
            Self::SignerChain => "the certificate chain of the TCB information's signer",
            Self::PckCrl => "the revocation list of the PCK authority",
            Self::RootCrl => "the revocation list of Intel's root",
        })
    }
}

/// What Intel has revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RevokedThing {
    /// The platform's PCK certificate, or the authority that issued it.
    PckCertificate,
    /// The signer of TCB info or QE identity.
    Signer,
    /// The root.
    Root,
    /// The platform's TCB level, or its quoting enclave's.
    Tcb,
}

impl fmt::Display for RevokedThing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PckCertificate => "the platform's PCK certificate or its authority",
            Self::Signer => "the signer of the TCB information",
            Self::Root => "the root",
            Self::Tcb => "the platform's TCB level",
        })
    }
}

/// Whose certificate chain failed: the verifier's text does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chain {
    /// That of TCB info or QE identity.
    Signer,
    /// That of the platform.
    Pck,
}

impl QuoteAppraiseError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        "quote-refused"
    }

    /// The error for what the verifier said, contexts first, joined by `: `.
    pub(super) fn of_stage(text: &str) -> Self {
        STAGES
            .iter()
            .find(|(beginning, _)| text.starts_with(beginning))
            .map_or(Self::Other, |(_, error)| error.clone())
    }

    /// The error for a failed chain, by its cause (the name of a `webpki` error).
    pub(super) fn of_chain(chain: Chain, text: &str) -> Self {
        let is = |name| text.contains(name);
        if is("CertRevoked") {
            return Self::Revoked {
                what: match chain {
                    Chain::Signer => RevokedThing::Signer,
                    Chain::Pck => RevokedThing::PckCertificate,
                },
            };
        }
        // The root's list was judged before any chain.
        let document = IntelEndorsement::PckCrl;
        if is("CrlExpired") {
            return Self::EndorsementsExpired { document };
        }
        if is("UnknownRevocationStatus") || is("InvalidCrlSignature") || is("IssuerNotCrlSigner") {
            return Self::EndorsementsSignature { document };
        }
        let document = IntelEndorsement::SignerChain;
        match chain {
            Chain::Pck => Self::PckChain,
            Chain::Signer if is("CertExpired") => Self::EndorsementsExpired { document },
            Chain::Signer if is("CertNotValidYet") => Self::EndorsementsNotYetValid { document },
            Chain::Signer => Self::EndorsementsSignature { document },
        }
    }

    /// Whether the verifier said that a chain failed, but not whose.
    pub(super) fn is_of_chain(text: &str) -> bool {
        text.starts_with("Failed to verify certificate chain")
            || text.starts_with("Too many intermediate certificates")
    }

    /// Whether the verifier came past the signers' chains and found no PCK chain.
    pub(super) fn is_of_absent_pck_chain(text: &str) -> bool {
        text.starts_with("Certificate chain is too short in quote")
    }
}

const fn malformed(document: IntelEndorsement) -> QuoteAppraiseError {
    QuoteAppraiseError::EndorsementsMalformed { document }
}

const fn expired(document: IntelEndorsement) -> QuoteAppraiseError {
    QuoteAppraiseError::EndorsementsExpired { document }
}

const fn not_yet(document: IntelEndorsement) -> QuoteAppraiseError {
    QuoteAppraiseError::EndorsementsNotYetValid { document }
}

const fn signature(document: IntelEndorsement) -> QuoteAppraiseError {
    QuoteAppraiseError::EndorsementsSignature { document }
}

/// What `dcap-qvl` 0.7.1 says, in the order of its stages; a longer beginning stands before a shorter one.
static STAGES: &[(&str, QuoteAppraiseError)] = &[
    ("Failed to load root ca", QuoteAppraiseError::TrustAnchor),
    (
        "Failed to parse root CA CRL: InvalidCrlSignature",
        signature(IntelEndorsement::RootCrl),
    ),
    (
        "Failed to parse root CA CRL",
        malformed(IntelEndorsement::RootCrl),
    ),
    (
        "Failed to parse PCK CRL",
        malformed(IntelEndorsement::PckCrl),
    ),
    // These two stand alone where the root is looked up in its own list.
    ("CrlExpired", expired(IntelEndorsement::RootCrl)),
    (
        "CertRevoked",
        QuoteAppraiseError::Revoked {
            what: RevokedThing::Root,
        },
    ),
    (
        "UnknownRevocationStatus",
        signature(IntelEndorsement::RootCrl),
    ),
    (
        "Failed to parse certs",
        malformed(IntelEndorsement::SignerChain),
    ),
    (
        "Failed to decode TcbInfo",
        malformed(IntelEndorsement::TcbInfo),
    ),
    (
        "Failed to parse TCB Info leaf",
        malformed(IntelEndorsement::SignerChain),
    ),
    (
        "Failed to parse TCB Info",
        malformed(IntelEndorsement::TcbInfo),
    ),
    (
        "TCBInfo issue date is in the future",
        not_yet(IntelEndorsement::TcbInfo),
    ),
    ("TCBInfo expired", expired(IntelEndorsement::TcbInfo)),
    (
        "Certificate chain is too short for",
        malformed(IntelEndorsement::SignerChain),
    ),
    (
        "TCB Info signer must be",
        signature(IntelEndorsement::TcbInfo),
    ),
    (
        "Signature is invalid for tcb_info",
        signature(IntelEndorsement::TcbInfo),
    ),
    (
        "Failed to decode QeIdentity",
        malformed(IntelEndorsement::QeIdentity),
    ),
    (
        "Failed to parse QE Identity leaf",
        malformed(IntelEndorsement::SignerChain),
    ),
    (
        "Failed to parse QE Identity",
        malformed(IntelEndorsement::QeIdentity),
    ),
    (
        "QE Identity issue date is in the future",
        not_yet(IntelEndorsement::QeIdentity),
    ),
    ("QE Identity expired", expired(IntelEndorsement::QeIdentity)),
    (
        "QE Identity signer must be",
        signature(IntelEndorsement::QeIdentity),
    ),
    (
        "Signature is invalid for qe_identity",
        signature(IntelEndorsement::QeIdentity),
    ),
    (
        "Unsupported QE Identity",
        malformed(IntelEndorsement::QeIdentity),
    ),
    (
        "Failed to extract PCK certificates",
        QuoteAppraiseError::PckChain,
    ),
    (
        "Certificate chain is too short in quote",
        QuoteAppraiseError::PckChain,
    ),
    (
        "Failed to parse PCK certificate",
        QuoteAppraiseError::PckChain,
    ),
    ("Intel extension", QuoteAppraiseError::PckChain),
    ("Failed to find", QuoteAppraiseError::PckChain),
    (
        "Signature is invalid for qe_report",
        QuoteAppraiseError::QeReport,
    ),
    ("Invalid QE auth data length", QuoteAppraiseError::QeReport),
    ("QE report hash mismatch", QuoteAppraiseError::QeReport),
    ("QE ", QuoteAppraiseError::QeIdentity),
    (
        "No TCB levels found in QE Identity",
        QuoteAppraiseError::QeIdentity,
    ),
    (
        "ISV enclave report signature is invalid",
        QuoteAppraiseError::QuoteSignature,
    ),
    (
        "Failed to decode TCB FMSPC",
        malformed(IntelEndorsement::TcbInfo),
    ),
    ("Fmspc mismatch", QuoteAppraiseError::WrongFmspc),
    (
        "SGX quote with non-SGX TCB info",
        QuoteAppraiseError::WrongFmspc,
    ),
    (
        "No matching TCB level found",
        QuoteAppraiseError::TcbNotListed,
    ),
    (
        "TCB status is invalid: Revoked",
        QuoteAppraiseError::Revoked {
            what: RevokedThing::Tcb,
        },
    ),
];
