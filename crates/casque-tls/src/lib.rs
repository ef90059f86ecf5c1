//! Identities in TLS by their public keys: what servers, clients and other CASes have in common.
//!
//! Names and dates of a certificate do not matter; its key does, and its signature over the handshake
//! (RFC 8446 section 4.4.3). Only TLS 1.3 is spoken.

use std::sync::Arc;

use casque_types::{KeyHash, Secret};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use thiserror::Error;

/// A server showed another key than the pinned one.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the server's key hash is `{found}`, not `{expected}`")]
pub struct OtherKey {
    /// The pinned one.
    pub expected: KeyHash,
    /// The one shown.
    pub found: KeyHash,
}

impl OtherKey {
    /// The one in a TLS error, if that is why the handshake failed.
    #[must_use]
    pub fn in_error(error: &rustls::Error) -> Option<Self> {
        match error {
            rustls::Error::Other(other) => other.0.downcast_ref().copied(),
            _ => None,
        }
    }
}

/// The hash of the public key in a certificate.
///
/// # Errors
/// [`rustls::Error::InvalidCertificate`] when it is no X.509 certificate.
pub fn key_hash_of(certificate: &CertificateDer<'_>) -> Result<KeyHash, rustls::Error> {
    let parsed = ParsedCertificate::try_from(certificate)?;
    Ok(KeyHash::of_spki(&parsed.subject_public_key_info()))
}

/// Refuses a key that is not the expected one.
///
/// # Errors
/// [`rustls::Error::Other`] with [`OtherKey`] inside.
pub fn require_key(expected: KeyHash, found: KeyHash) -> Result<(), rustls::Error> {
    if expected == found {
        return Ok(());
    }
    let refusal = rustls::OtherError(Arc::new(OtherKey { expected, found }));
    Err(rustls::Error::Other(refusal))
}

/// An identity of a certificate in DER and its private key in PKCS#8 DER.
///
/// # Errors
/// [`rustls::Error`] when the key is of no known type or not the certificate's.
pub fn certified_key(
    certificate: Vec<u8>,
    pkcs8: &Secret,
) -> Result<Arc<CertifiedKey>, rustls::Error> {
    // Exposed for the provider, which keeps the key that handshakes are signed with.
    let der = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(pkcs8.expose()));
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&der)?;
    let certified = CertifiedKey::new(vec![CertificateDer::from(certificate)], key);
    certified.keys_match()?;
    Ok(Arc::new(certified))
}

/// What a verifier says to a signature of TLS 1.2, which is never spoken.
///
/// # Errors
/// [`rustls::Error::General`], always.
pub fn refuse_tls12() -> Result<HandshakeSignatureValid, rustls::Error> {
    Err(rustls::Error::General(
        "only TLS 1.3 is spoken here".to_owned(),
    ))
}
