//! Why a TPM quote of a confidential virtual machine of Azure proves nothing, one variant for each cause.

use thiserror::Error;

use crate::{CertificateError, EvidenceParseError};

/// Why a TPM quote, or what vouches for its key, proves nothing. What is wrong with the report or the quote of the
/// TEE inside is said by [`SnpAppraiseError`](crate::SnpAppraiseError) or
/// [`QuoteAppraiseError`](crate::QuoteAppraiseError).
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum AzureVmAppraiseError {
    /// The hardware's report data is not the digest of the paravisor's data, followed by zeros.
    #[error(
        "the report of the TEE does not vouch for the paravisor's data: its report data is not their SHA-256 and zeros; bring the blob of NV index 0x01400001 unchanged"
    )]
    ReportData,
    /// The TD quote was made over another TDREPORT than the one in the blob.
    #[error(
        "the TD quote is not over the TDREPORT in the HCL report: their report data differ; ask for the quote with the TDREPORT of this very blob"
    )]
    TdReportData,
    /// The hardware vouches for the paravisor's data, and they cannot be read.
    #[error(
        "the report of the TEE vouches for the paravisor's data, and they cannot be read: {source}; the paravisor is another than Azure's, or newer than this program"
    )]
    ParavisorData {
        /// What should have stood there.
        #[source]
        source: EvidenceParseError,
    },
    /// The attestation key did not sign the quote.
    #[error(
        "the TPM quote is not signed by the attestation key `HCLAkPub` of the paravisor's data (RSASSA-PKCS1 with SHA-256); quote with the key 0x81000003"
    )]
    Signature,
    /// The attestation key signed something else than a quote.
    #[error(
        "what the attestation key signed is no quote of registers: {source}; sign with `TPM2_Quote` alone"
    )]
    Statement {
        /// What should have stood there.
        #[source]
        source: EvidenceParseError,
    },
    /// The quote is over something else than registers of the SHA-256 bank.
    #[error(
        "the TPM quote selects {found}, expected registers of the SHA-256 bank alone, in one selection of 3 bytes; quote `sha256:0,1,...`"
    )]
    PcrSelection {
        /// What it selects: each bank with the bytes of its selection, such as `bank 0x0004 ffffff`.
        found: String,
    },
    /// Not as many registers came as the quote needs.
    #[error(
        "the TPM quote selects {selected} registers and {found} came, expected all 24 or the selected ones alone"
    )]
    PcrCount {
        /// How many the quote selects.
        selected: usize,
        /// How many came.
        found: usize,
    },
    /// The registers are not the quoted ones.
    #[error(
        "the registers are not the quoted ones: the digest in the TPM quote is not SHA-256 over those it selects, in order; read them in the same state as the quote"
    )]
    PcrDigest,
    /// The certificate is of another key than the attestation key.
    #[error(
        "the attestation key's certificate is for another key than `HCLAkPub`; bring the certificate of NV index 0x01C101D0 of the same machine"
    )]
    AkCertificateKey,
    /// The certificate's chain does not hold.
    #[error(
        "the chain of the attestation key's certificate to Azure's root does not hold: {source}"
    )]
    AkCertificateChain {
        /// The first certificate that does not hold, and why.
        #[source]
        source: CertificateError,
    },
    /// A certificate of the chain has expired.
    #[error("the chain of the attestation key's certificate has run out: {source}")]
    AkCertificateExpired {
        /// Which one, and when.
        #[source]
        source: CertificateError,
    },
    /// A certificate of the chain is not valid yet.
    #[error("the chain of the attestation key's certificate is not valid yet: {source}")]
    AkCertificateNotYetValid {
        /// Which one, and when.
        #[source]
        source: CertificateError,
    },
    /// The root that is to be believed cannot be read.
    #[error("the root for virtual TPMs cannot be read: {source}")]
    Root {
        /// Why.
        #[source]
        source: CertificateError,
    },
}

impl AzureVmAppraiseError {
    /// The stable code; all are in [`AzureVmAppraiseError::CODES`].
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ReportData => "azure-vm-report-data",
            Self::TdReportData => "azure-vm-td-report-data",
            Self::ParavisorData { .. } => "azure-vm-paravisor-data",
            Self::Signature => "azure-vm-signature",
            Self::Statement { .. } => "azure-vm-statement",
            Self::PcrSelection { .. } => "azure-vm-pcr-selection",
            Self::PcrCount { .. } => "azure-vm-pcr-count",
            Self::PcrDigest => "azure-vm-pcr-digest",
            Self::AkCertificateKey => "azure-vm-ak-certificate-key",
            Self::AkCertificateChain { .. } => "azure-vm-ak-certificate-chain",
            Self::AkCertificateExpired { .. } => "azure-vm-ak-certificate-expired",
            Self::AkCertificateNotYetValid { .. } => "azure-vm-ak-certificate-not-yet-valid",
            Self::Root { .. } => "azure-vm-root",
        }
    }

    /// Every code.
    pub const CODES: &'static [&'static str] = &[
        "azure-vm-report-data",
        "azure-vm-td-report-data",
        "azure-vm-paravisor-data",
        "azure-vm-signature",
        "azure-vm-statement",
        "azure-vm-pcr-selection",
        "azure-vm-pcr-count",
        "azure-vm-pcr-digest",
        "azure-vm-ak-certificate-key",
        "azure-vm-ak-certificate-chain",
        "azure-vm-ak-certificate-expired",
        "azure-vm-ak-certificate-not-yet-valid",
        "azure-vm-root",
    ];

    pub(super) fn of_chain(source: CertificateError) -> Self {
        match source {
            CertificateError::Expired { .. } => Self::AkCertificateExpired { source },
            CertificateError::NotYetValid { .. } => Self::AkCertificateNotYetValid { source },
            _ => Self::AkCertificateChain { source },
        }
    }
}
