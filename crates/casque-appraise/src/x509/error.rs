//! Why a certificate or a chain of them proves nothing.

use casque_types::Timestamp;
use thiserror::Error;

/// Why a certificate, a chain or a revocation list proves nothing.
///
/// Names are common names out of certificates: at most 64 characters, printable ASCII.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum CertificateError {
    /// More bytes than accepted.
    #[error("expected a certificate of at most {limit_bytes} bytes, found {found_bytes}")]
    TooLong {
        /// The limit.
        limit_bytes: usize,
        /// How many there are.
        found_bytes: usize,
    },
    /// More certificates than accepted.
    #[error("expected at most {limit} certificates")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// The layout is not RFC 5280's.
    #[error("expected {expected}")]
    Malformed {
        /// What should have stood there.
        expected: &'static str,
    },
    /// Signed by an algorithm that is not accepted.
    #[error(
        "`{subject}` is signed by an algorithm that is not accepted: expected RSASSA-PSS with SHA-384, RSA PKCS#1 with SHA-2, or ECDSA on P-256 or P-384"
    )]
    Algorithm {
        /// Whose certificate.
        subject: String,
    },
    /// Its issuer's key did not sign it.
    #[error("`{subject}`: its signature is not by the key of `{issuer}`")]
    Signature {
        /// Whose certificate.
        subject: String,
        /// Who should have signed it.
        issuer: String,
    },
    /// Issued by somebody else.
    #[error("`{subject}` is issued by `{found}`, expected `{expected}`")]
    Issuer {
        /// Whose certificate.
        subject: String,
        /// Who should have issued it.
        expected: String,
        /// Who it says has.
        found: String,
    },
    /// No chain leads to the trusted certificate.
    #[error("`{subject}` is issued by `{issuer}`, whose certificate is missing")]
    NoPath {
        /// The last one on the way.
        subject: String,
        /// Its issuer.
        issuer: String,
    },
    /// Its life has not begun.
    #[error("`{subject}` is valid from {from}, and it is {now}")]
    NotYetValid {
        /// Whose certificate, or `revocation list`.
        subject: String,
        /// The first second of its life.
        from: Timestamp,
        /// The time asked for.
        now: Timestamp,
    },
    /// Its life is over.
    #[error("`{subject}` was valid until {until}, and it is {now}")]
    Expired {
        /// Whose certificate, or `revocation list`.
        subject: String,
        /// The last second of its life.
        until: Timestamp,
        /// The time asked for.
        now: Timestamp,
    },
    /// It issued a certificate and must not.
    #[error("`{subject}` must not issue certificates (`basicConstraints`, `keyUsage`)")]
    NotAuthority {
        /// Whose certificate.
        subject: String,
    },
    /// More authorities below it than it allows.
    #[error("`{subject}` allows {limit} authorities below it, and there are more")]
    PathTooLong {
        /// Whose certificate.
        subject: String,
        /// Its limit.
        limit: u8,
    },
    /// A critical extension that is not understood.
    #[error("`{subject}` has the critical extension {extension}, which is not understood")]
    CriticalExtension {
        /// Whose certificate.
        subject: String,
        /// Its object identifier.
        extension: String,
    },
    /// A key of another kind or size than needed.
    #[error("`{subject}` is for a key of another kind or size than needed")]
    Key {
        /// Whose certificate.
        subject: String,
    },
}
