//! A long-lived signing key: a server's or an author's identity.
use casque_types::{KeyHash, Rng, Secret, Timestamp};
use thiserror::Error;

/// An ECDSA P-256 key with its self-signed certificate's parts.
#[derive(Debug)]
pub struct IdentityKey {
    key_hash: KeyHash,
}

/// Why there is no identity.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// Not a P-256 PKCS#8 key.
    #[error("expected a P-256 private key in PKCS#8")]
    Key,
}

impl IdentityKey {
    /// Makes a new one.
    ///
    /// # Errors
    /// The provider failed.
    pub fn generate() -> Result<Self, IdentityError> {
        todo!()
    }
    /// Reads PKCS#8 DER.
    ///
    /// # Errors
    /// Not a P-256 key.
    pub fn from_pkcs8(_der: &Secret) -> Result<Self, IdentityError> {
        todo!()
    }
    /// PKCS#8 DER.
    #[must_use]
    pub const fn pkcs8(&self) -> &Secret {
        todo!()
    }
    /// DER SubjectPublicKeyInfo.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        todo!()
    }
    /// Key hash.
    #[must_use]
    pub const fn key_hash(&self) -> &KeyHash {
        &self.key_hash
    }
    /// ECDSA P-256 SHA-256 signature, ASN.1 DER.
    ///
    /// # Errors
    /// The provider failed.
    pub fn sign(&self, _message: &[u8]) -> Result<Vec<u8>, IdentityError> {
        todo!()
    }
    /// A self-signed certificate over the key, DER.
    ///
    /// # Errors
    /// The provider failed.
    pub fn certificate(
        &self,
        _common_name: &str,
        _dns: &[String],
        _now: Timestamp,
        _rng: &dyn Rng,
    ) -> Result<Vec<u8>, IdentityError> {
        todo!()
    }
}
