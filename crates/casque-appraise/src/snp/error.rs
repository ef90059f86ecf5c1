//! Why a report proves nothing; each cause with a stable code.

use casque_types::{SnpProduct, SnpSigner, Timestamp};
use thiserror::Error;

use crate::{CertificateError, EvidenceParseError};

/// Why a report proves nothing.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum SnpAppraiseError {
    /// Neither evidence nor endorsements hold the certificate of the key that signed. A VCEK's can be fetched
    /// from AMD's key service, a VLEK's must come with the report.
    #[error(
        "the certificate of the key that signed the report is missing: bring it with the report, or let the server fetch it"
    )]
    CertificateMissing,
    /// The certificate among the endorsements cannot be read.
    #[error("the fetched certificate of the key that signed the report is not one: {source}")]
    CertificateMalformed {
        /// Why not.
        source: EvidenceParseError,
    },
    /// The firmware signed with no key, or with one of a kind that is not known: it was told to mask its key.
    #[error(
        "the report is not signed by a VCEK or VLEK (`SIGNING_KEY` is {signing_key}): the host must not mask the chip's key"
    )]
    Unsigned {
        /// `SIGNING_KEY`; 7 is none.
        signing_key: u32,
    },
    /// No root of this generation is trusted.
    #[error("no root of {product} is trusted here")]
    NoAnchor {
        /// The generation.
        product: SnpProduct,
    },
    /// The certificates lead to a root that is not AMD's.
    #[error("the certificates lead to the root `{subject}`, which is not AMD's root for {product}")]
    ForeignRoot {
        /// The common name of the root that was brought.
        subject: String,
        /// The generation that the certificate is for.
        product: SnpProduct,
    },
    /// A certificate's life has not begun.
    #[error("the certificates of the report: {0}; check the clock")]
    CertificateNotYetValid(CertificateError),
    /// A certificate's life is over.
    #[error(
        "the certificates of the report: {0}; let the host fetch its certificate anew from AMD's key service"
    )]
    CertificateExpired(CertificateError),
    /// The chain to AMD's root does not hold.
    #[error("the certificates of the report: {0}")]
    Chain(CertificateError),
    /// The revocation list cannot be read, or AMD's root did not sign it.
    #[error("AMD's revocation list: {0}")]
    RevocationList(CertificateError),
    /// The revocation list is from the future.
    #[error("AMD's revocation list is of {this_update}, and it is {now}; check the clock")]
    RevocationListNotYetValid {
        /// When it was made.
        this_update: Timestamp,
        /// The time asked for.
        now: Timestamp,
    },
    /// The revocation list is out of date.
    #[error(
        "AMD's revocation list was due to be replaced by {next_update}, and it is {now}; fetch it anew"
    )]
    RevocationListExpired {
        /// The last second in which it counts.
        next_update: Timestamp,
        /// The time asked for.
        now: Timestamp,
    },
    /// A certificate is revoked.
    #[error("AMD has revoked the certificate `{subject}`")]
    Revoked {
        /// Its common name.
        subject: String,
    },
    /// The report says that another kind of key signed it than the certificate is of.
    #[error("the report is signed by a {report}, and the certificate is of a {certificate}")]
    Signer {
        /// As the report has it.
        report: SnpSigner,
        /// As the certificate has it.
        certificate: SnpSigner,
    },
    /// The report is from a processor of another generation than the certificate.
    #[error(
        "the report is from a processor of family {family:#x} model {model:#x}, and the certificate is for {certificate}"
    )]
    Product {
        /// CPUID family, as the report has it.
        family: u8,
        /// CPUID model, as the report has it.
        model: u8,
        /// The generation that the certificate is for.
        certificate: SnpProduct,
    },
    /// The report was made at another level than the certificate is for.
    #[error(
        "the report was made at `{component}` {report}, and the certificate is for {certificate}: fetch the certificate of the reported TCB"
    )]
    Tcb {
        /// The first component that differs: `fmc`, `bootloader`, `tee`, `snp` or `microcode`.
        component: &'static str,
        /// As the report has it.
        report: u8,
        /// As the certificate has it.
        certificate: u8,
    },
    /// The chip's id is masked, so nothing ties the report to its certificate's chip.
    #[error(
        "the chip's id is masked in the report (`CHIP_ID` is zero): the host must not mask it, or must use a VLEK and firmware with reports of version 3"
    )]
    ChipMasked,
    /// The report is from another chip than the certificate is for.
    #[error(
        "the report is from another processor than its certificate is for (`CHIP_ID` is not the hardware id)"
    )]
    Chip,
    /// The key of the certificate is not one for P-384.
    #[error("the certificate's key is not one on the curve P-384: {0}")]
    Key(CertificateError),
    /// The certificate's key did not sign the report.
    #[error(
        "the report's signature is not by the key of its certificate, or the report was changed"
    )]
    Signature,
    /// The certificate's key signed the report, and its layout is not known, or no guest asked for it.
    #[error(
        "the report is signed by the key of its certificate, and is not of a kind that is known: {source}; update Casque if its firmware is newer"
    )]
    Layout {
        /// What should have stood there.
        source: EvidenceParseError,
    },
}

impl SnpAppraiseError {
    /// All codes, in the order of the causes above.
    pub const CODES: &'static [&'static str] = &[
        "snp-certificate-missing",
        "snp-certificate-malformed",
        "snp-unsigned",
        "snp-no-anchor",
        "snp-foreign-root",
        "snp-certificate-not-yet-valid",
        "snp-certificate-expired",
        "snp-chain",
        "snp-revocation-list",
        "snp-revocation-list-not-yet-valid",
        "snp-revocation-list-expired",
        "snp-revoked",
        "snp-signer",
        "snp-product",
        "snp-tcb",
        "snp-chip-masked",
        "snp-chip",
        "snp-key",
        "snp-signature",
        "snp-layout",
    ];

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::CertificateMissing => "snp-certificate-missing",
            Self::CertificateMalformed { .. } => "snp-certificate-malformed",
            Self::Unsigned { .. } => "snp-unsigned",
            Self::NoAnchor { .. } => "snp-no-anchor",
            Self::ForeignRoot { .. } => "snp-foreign-root",
            Self::CertificateNotYetValid(_) => "snp-certificate-not-yet-valid",
            Self::CertificateExpired(_) => "snp-certificate-expired",
            Self::Chain(_) => "snp-chain",
            Self::RevocationList(_) => "snp-revocation-list",
            Self::RevocationListNotYetValid { .. } => "snp-revocation-list-not-yet-valid",
            Self::RevocationListExpired { .. } => "snp-revocation-list-expired",
            Self::Revoked { .. } => "snp-revoked",
            Self::Signer { .. } => "snp-signer",
            Self::Product { .. } => "snp-product",
            Self::Tcb { .. } => "snp-tcb",
            Self::ChipMasked => "snp-chip-masked",
            Self::Chip => "snp-chip",
            Self::Key(_) => "snp-key",
            Self::Signature => "snp-signature",
            Self::Layout { .. } => "snp-layout",
        }
    }

    pub(super) fn of_chain(error: CertificateError) -> Self {
        match error {
            CertificateError::NotYetValid { .. } => Self::CertificateNotYetValid(error),
            CertificateError::Expired { .. } => Self::CertificateExpired(error),
            other => Self::Chain(other),
        }
    }

    pub(super) fn of_revocation_list(error: CertificateError) -> Self {
        match error {
            CertificateError::NotYetValid { from, now, .. } => Self::RevocationListNotYetValid {
                this_update: from,
                now,
            },
            CertificateError::Expired { until, now, .. } => Self::RevocationListExpired {
                next_update: until,
                now,
            },
            other => Self::RevocationList(other),
        }
    }
}
