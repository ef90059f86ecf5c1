//! New values: text, bytes and private keys.
//!
//! Text and bytes come from the caller's [`Rng`]. Keys are made by the crypto provider from its own
//! generator, which cannot be replaced. What is issued rather than made stands in `issue.rs`.
//!
//! The characters of made text are letters, digits, `_` and `.`: printable ASCII that needs no quotes in a
//! shell, in JSON, YAML, SQL or a URL, where other punctuation has bitten SCONE's users. They are 64, so
//! each carries exactly 6 bits: the default of 20 characters has 120.

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, RsaKeyPair,
};
use casque_types::{Rng, RngError, Secret};
use thiserror::Error;
use zeroize::Zeroizing;

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

/// Why no value could be made.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum MakeError {
    /// No randomness.
    #[error(transparent)]
    Rng(#[from] RngError),
    /// The crypto provider made no key.
    #[error("the crypto provider could not make a key")]
    Provider,
    /// The subject's key cannot be read.
    #[error(
        "the subject's private key is none in PKCS#8 of a type that certificates are issued for"
    )]
    SubjectKey,
    /// The issuer's key is not held.
    #[error("the issuer's private key is not held: import the certificate together with its key")]
    IssuerKeyAbsent,
    /// The issuer's certificate or key cannot be read, or they do not belong together.
    #[error("the issuer's certificate and private key cannot be read, or do not belong together")]
    IssuerUnreadable,
    /// The issuer is no authority.
    #[error("the issuer may not issue others: its certificate lacks basic constraints `CA:TRUE`")]
    IssuerNotAuthority,
    /// The issuer's name is one that cannot be repeated byte for byte.
    #[error(
        "the issuer's name has several values in one part or repeats a part, which cannot be issued under"
    )]
    IssuerName,
    /// No common name, or one beyond X.509's limit.
    #[error("expected a common name of 1 to 64 characters (RFC 5280), found {found_characters}")]
    CommonName {
        /// How many it has.
        found_characters: usize,
    },
    /// A subject alternative name that is neither DNS name nor IP address.
    #[error("expected a DNS name in ASCII or an IP address as alternative name {position}")]
    AlternativeName {
        /// Which one, from 1.
        position: usize,
    },
    /// The provider or encoder failed to sign.
    #[error("the certificate could not be signed")]
    Sign,
}

/// `characters` printable ASCII characters, each equally likely: letters, digits, `_` and `.`.
///
/// # Errors
/// No randomness.
pub fn make_ascii(characters: usize, rng: &dyn Rng) -> Result<Secret, MakeError> {
    let mut text = random(characters, rng)?;
    for byte in text.iter_mut() {
        *byte = character(*byte & 0x3f);
    }
    Ok(Secret::from(text))
}

/// Random bytes.
///
/// # Errors
/// No randomness.
pub fn make_binary(bytes: usize, rng: &dyn Rng) -> Result<Secret, MakeError> {
    random(bytes, rng).map(Secret::from)
}

/// A new key, PKCS#8 DER (version 2 for Ed25519).
///
/// # Errors
/// [`MakeError::Provider`].
pub fn make_private_key(algorithm: KeyAlgorithm) -> Result<Secret, MakeError> {
    let made = match algorithm {
        KeyAlgorithm::P256 => ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING),
        KeyAlgorithm::P384 => ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING),
        KeyAlgorithm::Ed25519 => ed25519(),
        KeyAlgorithm::Rsa2048 => rsa(KeySize::Rsa2048),
        KeyAlgorithm::Rsa3072 => rsa(KeySize::Rsa3072),
    };
    made.map_err(|Unspecified| MakeError::Provider)
}

// The provider wipes its own copies of the documents below.

fn ecdsa(curve: &'static EcdsaSigningAlgorithm) -> Result<Secret, Unspecified> {
    let document = EcdsaKeyPair::generate(curve)?.to_pkcs8v1()?;
    Ok(Secret::copied_from(document.as_ref()))
}

fn ed25519() -> Result<Secret, Unspecified> {
    let document = Ed25519KeyPair::generate()?.to_pkcs8()?;
    Ok(Secret::copied_from(document.as_ref()))
}

fn rsa(size: KeySize) -> Result<Secret, Unspecified> {
    let document: Pkcs8V1Der<'_> = RsaKeyPair::generate(size)?.as_der()?;
    Ok(Secret::copied_from(document.as_ref()))
}

fn random(bytes: usize, rng: &dyn Rng) -> Result<Zeroizing<Vec<u8>>, MakeError> {
    let mut buffer = Zeroizing::new(vec![0_u8; bytes]);
    rng.fill(&mut buffer)?;
    Ok(buffer)
}

/// The character of a number below 64, without a table whose access times depend on it.
const fn character(number: u8) -> u8 {
    match number {
        0..=25 => b'A'.wrapping_add(number),
        26..=51 => b'a'.wrapping_add(number.wrapping_sub(26)),
        52..=61 => b'0'.wrapping_add(number.wrapping_sub(52)),
        62 => b'_',
        _ => b'.',
    }
}

#[cfg(test)]
mod tests;
