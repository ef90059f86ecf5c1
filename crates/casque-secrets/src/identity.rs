//! A long-lived signing key: a server's or an author's identity.
//!
//! ECDSA on P-256 with SHA-256 (FIPS 186-5): signatures are ASN.1 DER, keys PKCS#8. Others know the key by
//! its [`KeyHash`]; the self-signed certificate only carries it through TLS and proves nothing else.

use std::fmt;

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _,
    UnparsedPublicKey,
};
use casque_types::{KeyHash, Rng, Secret, Timestamp};
use rcgen::{ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose};
use thiserror::Error;

use crate::issue::{CLOCK_DIFFERENCE, END_OF_TIME, date, named, random_serial};
use crate::key::PrivateKey;
use crate::{KeyAlgorithm, MakeError, make_private_key};

/// An ECDSA P-256 key with its public half.
pub struct IdentityKey {
    pair: EcdsaKeyPair,
    pkcs8: Secret,
    spki: Vec<u8>,
    key_hash: KeyHash,
}

/// Why there is no identity.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum IdentityError {
    /// Not a P-256 PKCS#8 key.
    #[error("expected a P-256 private key in PKCS#8")]
    Key,
    /// Not a P-256 public key.
    #[error("expected a P-256 public key as DER `SubjectPublicKeyInfo` with an uncompressed point")]
    PublicKey,
    /// A signature by another key, or over another message.
    #[error("the signature is not one of this key over this message")]
    Signature,
    /// The crypto provider failed.
    #[error("the crypto provider failed to make or use a P-256 key")]
    Provider,
    /// No certificate over the key.
    #[error("no certificate could be made for the identity")]
    Certificate(#[source] MakeError),
}

impl IdentityKey {
    /// Makes a new one.
    ///
    /// # Errors
    /// [`IdentityError::Provider`].
    pub fn generate() -> Result<Self, IdentityError> {
        let pkcs8 = make_private_key(KeyAlgorithm::P256).map_err(|_| IdentityError::Provider)?;
        Self::from_pkcs8(&pkcs8)
    }

    /// Reads PKCS#8 DER.
    ///
    /// # Errors
    /// [`IdentityError::Key`]: not a P-256 key.
    pub fn from_pkcs8(der: &Secret) -> Result<Self, IdentityError> {
        // Exposed to be parsed by the provider.
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der.expose())
            .map_err(|_| IdentityError::Key)?;
        let spki: PublicKeyX509Der<'_> = pair
            .public_key()
            .as_der()
            .map_err(|_| IdentityError::Provider)?;
        let spki = spki.as_ref().to_vec();
        Ok(Self {
            pair,
            // The caller keeps its own.
            pkcs8: der.duplicate(),
            key_hash: KeyHash::of_spki(&spki),
            spki,
        })
    }

    /// PKCS#8 DER.
    #[must_use]
    pub const fn pkcs8(&self) -> &Secret {
        &self.pkcs8
    }

    /// DER SubjectPublicKeyInfo.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// Key hash.
    #[must_use]
    pub const fn key_hash(&self) -> &KeyHash {
        &self.key_hash
    }

    /// ECDSA P-256 SHA-256 signature, ASN.1 DER.
    ///
    /// # Errors
    /// [`IdentityError::Provider`].
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, IdentityError> {
        let signature = self.pair.sign(&SystemRandom::new(), message);
        let signature = signature.map_err(|_| IdentityError::Provider)?;
        Ok(signature.as_ref().to_vec())
    }

    /// A self-signed certificate over the key, DER; good for both ends of TLS, from 5 minutes before `now`
    /// without end. Names in `dns` that are IP addresses are written as such.
    ///
    /// # Errors
    /// [`IdentityError::Certificate`]: a name cannot be written, or there is no randomness.
    pub fn certificate(
        &self,
        common_name: &str,
        dns: &[String],
        now: Timestamp,
        rng: &dyn Rng,
    ) -> Result<Vec<u8>, IdentityError> {
        let mut params = named(common_name, dns).map_err(IdentityError::Certificate)?;
        let serial = random_serial(rng).map_err(|e| IdentityError::Certificate(e.into()))?;
        params.serial_number = Some(serial);
        params.not_before = date(now.minus(CLOCK_DIFFERENCE));
        params.not_after = date(END_OF_TIME);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = PrivateKey::parse(&self.pkcs8).ok_or(IdentityError::Key)?;
        let certificate = params
            .self_signed(&key)
            .map_err(|_| IdentityError::Certificate(MakeError::Sign))?;
        Ok(certificate.der().to_vec())
    }
}

impl fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdentityKey({})", self.key_hash)
    }
}

/// Verifies a signature that [`IdentityKey::sign`] made.
///
/// `spki` proves nothing by itself: compare its key hash with the one that is trusted.
///
/// # Errors
/// [`IdentityError::PublicKey`] or [`IdentityError::Signature`].
pub fn verify(spki: &[u8], message: &[u8], signature: &[u8]) -> Result<(), IdentityError> {
    let point = spki
        .strip_prefix(P256_SPKI_PREFIX)
        .filter(|point| point.len() == P256_POINT_BYTES)
        .ok_or(IdentityError::PublicKey)?;
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point)
        .verify(message, signature)
        .map_err(|_| IdentityError::Signature)
}

/// `SEQUENCE { SEQUENCE { id-ecPublicKey, prime256v1 }, BIT STRING` of 65 bytes (RFC 5480).
const P256_SPKI_PREFIX: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// `04`, x and y (SEC 1 section 2.3.3).
const P256_POINT_BYTES: usize = 65;

#[cfg(test)]
mod tests;
