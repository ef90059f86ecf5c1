//! Why an exchange with a server failed.

use std::io;

use casque_types::KeyHash;
use casque_wire::Failure;
use thiserror::Error;

use crate::ServerAddress;

/// Why an exchange with a server failed, sorted by what the caller can do.
#[derive(Debug, Error)]
pub enum ClientError {
    /// No connection, or it broke.
    #[error("cannot talk to the server at `{address}`: check its address, and that it runs")]
    Unreachable {
        /// Where it was sought.
        address: ServerAddress,
        /// What the operating system or the HTTP layer met.
        #[source]
        source: io::Error,
    },
    /// The TLS handshake failed for another reason than the server's key.
    #[error(
        "no TLS 1.3 connection with the server at `{address}`: check that a Casque server listens there"
    )]
    Tls {
        /// Where it was sought.
        address: ServerAddress,
        /// What the TLS layer met.
        #[source]
        source: rustls::Error,
    },
    /// The server holds another key than the one that it is known by.
    #[error(
        "the server at `{address}` is another one: expected the key hash `{expected}`, found `{found}`; \
         ask its operator which hash is right"
    )]
    OtherServer {
        /// Where it was found.
        address: ServerAddress,
        /// The pinned key hash.
        expected: Box<KeyHash>,
        /// The hash of the key that it has.
        found: Box<KeyHash>,
    },
    /// A deadline passed.
    #[error("the server at `{address}` did not answer in time (while: {phase}); try again later")]
    Timeout {
        /// Where it was sought.
        address: ServerAddress,
        /// Which part took too long.
        phase: &'static str,
    },
    /// The server refused the request, or failed at it.
    #[error("the server answered {status}: {} (`{}`)", failure.message, failure.code)]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Its own account, with reasons of a denial and diagnostics of a policy.
        failure: Box<Failure>,
    },
    /// The answer is none of this protocol's.
    #[error(
        "the server at `{address}` answered something else (HTTP status {status}): expected {expected}; \
         check that it is a Casque server of this version"
    )]
    Malformed {
        /// Who answered.
        address: ServerAddress,
        /// The HTTP status.
        status: u16,
        /// What was expected.
        expected: &'static str,
    },
    /// The answer is longer than any answer of this protocol.
    #[error("the answer of the server at `{address}` is longer than {limit_bytes} bytes")]
    TooLarge {
        /// Who answered.
        address: ServerAddress,
        /// The most that is read.
        limit_bytes: usize,
    },
    /// More names than anyone can look through.
    #[error(
        "the namespace has more than {limit} policies: list the namespaces within it one by one"
    )]
    TooMany {
        /// The most that are read.
        limit: usize,
    },
    /// The server offers no key encapsulation mechanism that this client has.
    #[error("the server at `{address}` seals its answers with none of: X-Wing; update the agent")]
    NoCommonKem {
        /// Who answered.
        address: ServerAddress,
    },
    /// The caller's own key and certificate cannot be used.
    #[error("the caller's identity is unusable: expected a PKCS#8 key and the certificate over it")]
    Identity {
        /// What the TLS layer met.
        #[source]
        source: rustls::Error,
    },
    /// The given authorities cannot be used.
    #[error("expected one or more CA certificates in PEM (`-----BEGIN CERTIFICATE-----`)")]
    CertificateAuthority,
}

impl ClientError {
    /// Whether the same request may succeed later without anyone changing anything.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Timeout { .. } => true,
            Self::Refused { status, .. } => matches!(*status, 429 | 502..=504),
            _ => false,
        }
    }
}
