//! Public keys: derived from a private key, and read when a policy gives one.
//!
//! A public key is DER `SubjectPublicKeyInfo` (RFC 5280 section 4.1) in the one form that the provider
//! writes: curves by name, points not compressed, nothing after it. Another spelling of the same key would
//! have another key hash, so it is refused rather than rewritten.

use std::ops::RangeInclusive;

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rsa::PublicEncryptingKey;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ECDSA_P521_SHA512_ASN1, ED25519,
    ParsedPublicKey, VerificationAlgorithm,
};
use casque_types::Secret;

use crate::certificate::spki_of;
use crate::{ImportError, SecretValue};

/// The public half of a private key in PKCS#8 DER.
///
/// # Errors
/// [`ImportError::KeyAlgorithm`]: it is no private key of a type that can be used.
pub fn public_key_of(private_key: &Secret) -> Result<SecretValue, ImportError> {
    spki_of(private_key).map(SecretValue::PublicKey)
}

/// Whether bytes are one public key of a type that can be used, in the form that the provider writes.
pub(crate) fn is_public_key(spki: &[u8]) -> bool {
    let mut written = CURVES.iter().filter_map(|curve| {
        let key = ParsedPublicKey::new(*curve, spki).ok()?;
        key.as_der().ok()
    });
    // The provider also reads bare points and compressed ones, which do not come out the same.
    let is_same = |der: PublicKeyX509Der<'_>| der.as_ref() == spki;
    written.any(is_same) || rsa(spki).is_some_and(is_same)
}

/// An RSA key as the provider writes it. Read as a key that encrypts, because the provider measures a
/// modulus only then, or when a signature is verified.
fn rsa(spki: &[u8]) -> Option<PublicKeyX509Der<'static>> {
    let key = PublicEncryptingKey::from_der(spki).ok()?;
    if !RSA_BITS.contains(&key.key_size_bits()) {
        return None;
    }
    key.as_der().ok()
}

static CURVES: [&dyn VerificationAlgorithm; 4] = [
    &ECDSA_P256_SHA256_ASN1,
    &ECDSA_P384_SHA384_ASN1,
    &ECDSA_P521_SHA512_ASN1,
    &ED25519,
];
const RSA_BITS: RangeInclusive<usize> = 2048..=8192;

#[cfg(test)]
mod tests;
