//! New values.
use casque_types::{Rng, Seconds, Secret, Timestamp};
use thiserror::Error;

use crate::CertificateChain;

/// A type of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyAlgorithm {
    /// ECDSA P-256.
    P256,
    /// ECDSA P-384.
    P384,
    /// Ed25519.
    Ed25519,
    /// RSA 2048.
    Rsa2048,
    /// RSA 3072.
    Rsa3072,
}

/// What a new certificate is to say.
#[derive(Debug)]
pub struct CertificateRequest<'a> {
    /// The subject's key, PKCS#8 DER.
    pub private_key: &'a Secret,
    /// The issuer with its key; self-signed when none.
    pub issuer: Option<&'a CertificateChain>,
    /// Subject common name.
    pub common_name: &'a str,
    /// Extended key usage.
    pub endpoint: Option<EndpointUse>,
    /// DNS names.
    pub dns: &'a [String],
    /// Validity from `now`; to 9999-12-31T23:59:59Z when none (RFC 5280 section 4.1.2.5).
    pub valid_for: Option<Seconds>,
    /// Whether it may issue others.
    pub authority: bool,
    /// The present time.
    pub now: Timestamp,
}

/// Extended key usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointUse {
    /// serverAuth
    Server,
    /// clientAuth
    Client,
}

/// Why no value could be made.
#[derive(Debug, Error)]
pub enum MakeError {
    /// No randomness.
    #[error(transparent)]
    Rng(#[from] casque_types::RngError),
}

/// `characters` printable ASCII characters, each equally likely.
///
/// # Errors
/// No randomness.
pub fn make_ascii(_characters: usize, _rng: &dyn Rng) -> Result<Secret, MakeError> {
    todo!()
}
/// Random bytes.
///
/// # Errors
/// No randomness.
pub fn make_binary(_bytes: usize, _rng: &dyn Rng) -> Result<Secret, MakeError> {
    todo!()
}
/// A new key, PKCS#8 DER (version 2 for Ed25519).
///
/// # Errors
/// The provider failed.
pub fn make_private_key(_algorithm: KeyAlgorithm) -> Result<Secret, MakeError> {
    todo!()
}
/// Issues.
///
/// # Errors
/// The issuer cannot issue, or the provider failed.
pub fn issue_certificate(
    _request: &CertificateRequest<'_>,
    _rng: &dyn Rng,
) -> Result<CertificateChain, MakeError> {
    todo!()
}
