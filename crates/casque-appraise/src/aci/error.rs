//! Why what is beside the report of confidential containers proves nothing, one variant for each cause.

use casque_types::{Digest, Timestamp};
use thiserror::Error;

use crate::{CertificateError, EvidenceParseError};

/// Why policy or reference prove nothing. What is wrong with the report is said by
/// [`SnpAppraiseError`](crate::SnpAppraiseError).
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum AciAppraiseError {
    /// The policy is another than the one that the group was launched with.
    #[error(
        "the policy is not the one that the group was launched with: its SHA-256 is {found}, and the report's host data is {host_data}; bring the file `security-policy-base64`, or what it decodes to"
    )]
    PolicyDigest {
        /// The report's.
        host_data: Digest<32>,
        /// Of the policy as it came.
        found: Digest<32>,
    },
    /// What says who signed the reference cannot be read.
    #[error(
        "the reference of the utility virtual machine does not say who signed it: {source}; bring the file `reference-info-base64` unchanged"
    )]
    Header {
        /// What should have stood in its protected header.
        #[source]
        source: EvidenceParseError,
    },
    /// The reference is issued by nobody who is believed.
    #[error(
        "the reference of the utility virtual machine is issued by `{found}`, which is not believed; expected Microsoft's `did:x509:0:sha256:I__iuL25oXEVFdTP_aBLx_eT1RPHbCQ_ECBQfYZpt9s::eku:…`"
    )]
    Issuer {
        /// Who issued it.
        found: String,
    },
    /// The issuer does not issue references of this feed.
    #[error(
        "the reference is of the feed `{found}`, which its issuer is not believed for; expected `{expected}`"
    )]
    Feed {
        /// The feed.
        found: String,
        /// The issuer's.
        expected: &'static str,
    },
    /// The chain has no authority with the issuer's fingerprint.
    #[error(
        "the chain in the reference has no certificate authority with the fingerprint that its issuer `{issuer}` names"
    )]
    Fingerprint {
        /// The issuer.
        issuer: String,
    },
    /// The leaf is not for what the issuer names.
    #[error(
        "the certificate that signed the reference lacks the extended key usage {expected}, which its issuer names"
    )]
    KeyUsage {
        /// The usage, dotted.
        expected: String,
    },
    /// The chain does not hold.
    #[error("the chain in the reference does not hold: {source}")]
    Chain {
        /// The first certificate that does not hold, and why.
        #[source]
        source: CertificateError,
    },
    /// The reference says that it was signed later than it is.
    #[error("the reference says that it was signed at {signed}, and it is {now}")]
    SignedLater {
        /// When it was signed.
        signed: Timestamp,
        /// The time asked for.
        now: Timestamp,
    },
    /// The leaf's key did not sign the reference.
    #[error("the reference is not signed by the first certificate of its chain")]
    Signature,
    /// What the issuer signed is no reference.
    #[error(
        "what the issuer signed is no reference of a utility virtual machine: {source}; bring another one, or have this program updated"
    )]
    Payload {
        /// What should have stood there.
        #[source]
        source: EvidenceParseError,
    },
    /// The utility virtual machine is another than the reference's.
    #[error(
        "the utility virtual machine is not the reference's: its measurement is {found}, the reference's is {reference}"
    )]
    Measurement {
        /// The reference's.
        reference: Digest<48>,
        /// The report's.
        found: Digest<48>,
    },
}

impl AciAppraiseError {
    /// The stable code; all are in [`AciAppraiseError::CODES`].
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::PolicyDigest { .. } => "aci-policy-digest",
            Self::Header { .. } => "aci-header",
            Self::Issuer { .. } => "aci-issuer",
            Self::Feed { .. } => "aci-feed",
            Self::Fingerprint { .. } => "aci-fingerprint",
            Self::KeyUsage { .. } => "aci-key-usage",
            Self::Chain { .. } => "aci-chain",
            Self::SignedLater { .. } => "aci-signed-later",
            Self::Signature => "aci-signature",
            Self::Payload { .. } => "aci-payload",
            Self::Measurement { .. } => "aci-measurement",
        }
    }

    /// Every code.
    pub const CODES: &'static [&'static str] = &[
        "aci-policy-digest",
        "aci-header",
        "aci-issuer",
        "aci-feed",
        "aci-fingerprint",
        "aci-key-usage",
        "aci-chain",
        "aci-signed-later",
        "aci-signature",
        "aci-payload",
        "aci-measurement",
    ];
}
