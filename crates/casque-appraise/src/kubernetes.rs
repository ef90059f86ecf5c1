//! Projected service account tokens of Kubernetes (TokenRequest, bound tokens): a second factor that tells pods of one
//! machine apart. JWS over claims (RFC 7515), verified with the keys that the cluster publishes (RFC 7517).

use casque_types::{Seconds, Timestamp};
use thiserror::Error;

use crate::{EndorsementsParseError, EvidenceParseError};

/// A token, parsed, not verified. It is a bearer token: not printed.
pub struct ServiceAccountToken {
    issuer: String,
    key_id: String,
}

impl ServiceAccountToken {
    /// Reads a compact JWS of at most 16 KiB.
    ///
    /// # Errors
    /// [`EvidenceParseError`]
    pub fn parse(_text: &str) -> Result<Self, EvidenceParseError> {
        Err(EvidenceParseError::Malformed {
            kind: "service account token",
            expected: "a verifier",
        })
    }

    /// Who says that it issued it; unverified.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The id of the key that it says it is signed with.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Verifies that the cluster issued it, for this audience, and that it holds now.
    ///
    /// # Errors
    /// [`ServiceAccountTokenError`] for the first step that fails.
    pub fn verify(
        &self,
        _keys: &ServiceAccountKeys,
        _trust: &ServiceAccountTrust,
        _now: Timestamp,
    ) -> Result<ServiceAccount, ServiceAccountTokenError> {
        Err(ServiceAccountTokenError::Signature)
    }
}

/// The keys that a cluster publishes for its tokens.
#[derive(Clone, Debug)]
pub struct ServiceAccountKeys {}

impl ServiceAccountKeys {
    /// Reads a JWKS of at most 256 KiB: RSA and P-256 keys.
    ///
    /// # Errors
    /// [`EndorsementsParseError`]
    pub const fn parse(_json: &[u8]) -> Result<Self, EndorsementsParseError> {
        Err(EndorsementsParseError::Malformed {
            document: "key document",
            expected: "a verifier",
        })
    }

    /// Whether a key with this id is there.
    #[must_use]
    pub const fn contains(&self, _key_id: &str) -> bool {
        false
    }
}

/// What is demanded of a token.
#[derive(Clone, Debug)]
pub struct ServiceAccountTrust {
    /// `iss`, exactly.
    pub issuer: String,
    /// One of `aud`.
    pub audience: String,
    /// How far clocks may differ.
    pub clock_skew: Seconds,
}

/// Whom a verified token speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAccount {
    /// The cluster.
    pub issuer: String,
    /// The namespace.
    pub namespace: String,
    /// The service account.
    pub name: String,
    /// The pod that the token is bound to, if any.
    pub pod: Option<String>,
    /// End of the token's life.
    pub expires: Timestamp,
}

/// Why a token proves nothing.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum ServiceAccountTokenError {
    /// The signature does not fit.
    #[error("the token's signature does not fit: it was changed, or signed with another key")]
    Signature,
}
