//! Why a quote of SGX or TDX proves nothing, each cause with a stable code.

use std::fmt;

use casque_types::Timestamp;
use thiserror::Error;

use crate::{AdvisoryIdParseError, IntelTee};

/// Why a quote of SGX or TDX proves nothing.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum QuoteAppraiseError {
    /// The endorsements are for another family of platforms.
    #[error(
        "the TCB information is not for platforms of the FMSPC in the quote's PCK certificate; fetch the endorsements that the quote names"
    )]
    WrongFmspc,
    /// One of the endorsements is about the other TEE: SGX's for a TDX quote, or TDX's for an SGX quote.
    #[error(
        "{document} is not about quotes of {}; fetch the endorsements that the quote names: paths of Intel's service begin with `/{}`",
        name(*.tee), .tee.as_str()
    )]
    EndorsementsOfOtherTee {
        /// Which.
        document: IntelEndorsement,
        /// The quote's.
        tee: IntelTee,
    },
    /// One of the endorsements cannot be read.
    #[error(
        "{document} cannot be read; fetch the endorsements anew, from Intel's service or a PCCS"
    )]
    EndorsementsMalformed {
        /// Which.
        document: IntelEndorsement,
    },
    /// One of the endorsements is past its life.
    #[error(
        "{document} has expired{}; fetch the endorsements anew, and check this machine's clock", dated(" on ", *.expired)
    )]
    EndorsementsExpired {
        /// Which.
        document: IntelEndorsement,
        /// When its life ended, if it says so.
        expired: Option<Timestamp>,
    },
    /// One of the endorsements is not yet in force.
    #[error("{document} is not valid {}; check this machine's clock", not_before(*.begins))]
    EndorsementsNotYetValid {
        /// Which.
        document: IntelEndorsement,
        /// When its life begins, if it says so.
        begins: Option<Timestamp>,
    },
    /// One of the endorsements is not signed by whom it should be.
    #[error(
        "{document} is not signed under Intel's root; fetch the endorsements anew, and check what stands between this machine and Intel's service"
    )]
    EndorsementsSignature {
        /// Which.
        document: IntelEndorsement,
    },
    /// The platform's certificate chain does not lead to the root, or is outside its life, or its certificate
    /// lacks the SGX extension.
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
    /// The quoting enclave is not Intel's, runs in debug mode, or is older than all that Intel lists.
    #[error(
        "the quoting enclave is not one that Intel's QE identity lists; update the SGX software (aesmd, QE) of the platform"
    )]
    QeIdentity,
    /// Header or report were changed after they were signed.
    #[error("the quote's signature does not fit its report; the quote was changed on its way")]
    QuoteSignature,
    /// The platform is below every level that Intel lists: of launch, or for TDX 1.5 also of now.
    #[error(
        "Intel's TCB information lists no level that the platform reaches; update its BIOS and microcode, or let Microsoft Azure Attestation judge such nodes (`mode: maa`)"
    )]
    TcbNotListed,
    /// The TCB information has no identity for the TDX module's version (`TEE_TCB_SVN`, byte 1).
    #[error(
        "Intel's TCB information does not list the version of the platform's TDX module; fetch newer endorsements, or update the platform's TDX module"
    )]
    TdxModuleNotListed,
    /// The TDX module is of another signer (`MRSIGNERSEAM`), or has other attributes (`SEAMATTRIBUTES`).
    #[error(
        "the TDX module is not the one that Intel's TCB information lists: its signer or its attributes differ; the platform runs a module that is not Intel's release"
    )]
    TdxModuleIdentity,
    /// The TDX module's security version (`TEE_TCB_SVN`, byte 0) is below every level that Intel lists for it.
    #[error(
        "Intel's TCB information lists no level that the platform's TDX module reaches; update the TDX module"
    )]
    TdxModuleTcbNotListed,
    /// The trust domain lacks the attribute SEPT_VE_DISABLE (bit 28): its host could make it take exceptions on
    /// pages that it took away.
    #[error(
        "the trust domain runs without SEPT_VE_DISABLE, and its host could inject exceptions into it; start it on a host that sets this attribute"
    )]
    TdSeptVe,
    /// The trust domain has the attribute MIGRATABLE (bit 29): a migration TD, which is not judged, may move it.
    #[error(
        "the trust domain may be migrated, by a service that is not part of this evidence; start it without the attribute MIGRATABLE"
    )]
    TdMigratable,
    /// Service TDs are bound to the trust domain (`MRSERVICETD` is not zero, or the attribute SERVTD_EXT, bit 17).
    #[error(
        "service domains are bound to the trust domain (its `MRSERVICETD` is not zero), and nothing is known of them; start it without"
    )]
    TdServiceTd,
    /// The trust domain has reserved attributes, whose meaning nobody knows yet.
    #[error(
        "the trust domain has attributes that are reserved, and may weaken it; update Casque if newer TDX modules define them"
    )]
    TdReservedAttributes,
    /// An advisory that is not known as one cannot be tolerated, nor left out.
    #[error("the TCB information names an advisory that is none: {source}")]
    Advisory {
        /// What was expected.
        #[source]
        source: AdvisoryIdParseError,
    },
    /// A TCB status that Intel does not give at that place, such as `TDRelaunchAdvised` in the TCB information.
    #[error(
        "the endorsements state a TCB status that does not belong there; fetch them anew, from Intel's service or a PCCS"
    )]
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

impl QuoteAppraiseError {
    /// The stable code; all are in [`QuoteAppraiseError::CODES`].
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::WrongFmspc => "quote-endorsements-wrong-fmspc",
            Self::EndorsementsOfOtherTee { .. } => "quote-endorsements-other-tee",
            Self::EndorsementsMalformed { .. } => "quote-endorsements-malformed",
            Self::EndorsementsExpired { .. } => "quote-endorsements-expired",
            Self::EndorsementsNotYetValid { .. } => "quote-endorsements-not-yet-valid",
            Self::EndorsementsSignature { .. } => "quote-endorsements-signature",
            Self::PckChain => "quote-pck-chain",
            Self::Revoked { .. } => "quote-revoked",
            Self::QeReport => "quote-qe-report",
            Self::QeIdentity => "quote-qe-identity",
            Self::QuoteSignature => "quote-signature",
            Self::TcbNotListed => "quote-tcb-not-listed",
            Self::TdxModuleNotListed => "quote-tdx-module-not-listed",
            Self::TdxModuleIdentity => "quote-tdx-module-identity",
            Self::TdxModuleTcbNotListed => "quote-tdx-module-tcb-not-listed",
            Self::TdSeptVe => "quote-td-sept-ve",
            Self::TdMigratable => "quote-td-migratable",
            Self::TdServiceTd => "quote-td-service-td",
            Self::TdReservedAttributes => "quote-td-reserved-attributes",
            Self::Advisory { .. } => "quote-advisory-unknown",
            Self::Status => "quote-tcb-status-unknown",
            Self::TrustAnchor => "quote-trust-anchor",
            Self::Other => "quote-refused",
        }
    }

    /// All codes, in the order of the variants.
    pub const CODES: &'static [&'static str] = &[
        "quote-endorsements-wrong-fmspc",
        "quote-endorsements-other-tee",
        "quote-endorsements-malformed",
        "quote-endorsements-expired",
        "quote-endorsements-not-yet-valid",
        "quote-endorsements-signature",
        "quote-pck-chain",
        "quote-revoked",
        "quote-qe-report",
        "quote-qe-identity",
        "quote-signature",
        "quote-tcb-not-listed",
        "quote-tdx-module-not-listed",
        "quote-tdx-module-identity",
        "quote-tdx-module-tcb-not-listed",
        "quote-td-sept-ve",
        "quote-td-migratable",
        "quote-td-service-td",
        "quote-td-reserved-attributes",
        "quote-advisory-unknown",
        "quote-tcb-status-unknown",
        "quote-trust-anchor",
        "quote-refused",
    ];
}

const fn name(tee: IntelTee) -> &'static str {
    match tee {
        IntelTee::Sgx => "SGX",
        IntelTee::Tdx => "TDX",
    }
}

fn dated(words: &str, at: Option<Timestamp>) -> String {
    at.map_or_else(String::new, |at| format!("{words}{at}"))
}

fn not_before(begins: Option<Timestamp>) -> String {
    begins.map_or_else(|| "yet".to_owned(), |at| format!("before {at}"))
}

/// One of the endorsements of a quote.
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
