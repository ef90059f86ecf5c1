//! Keys that sign sessions: the private half of an author, the public half that a policy names.
//!
//! Which keys, and how each signs:
//!
//! ```text
//! Ed25519 (RFC 8032)                     64 bytes
//! ECDSA P-384 with SHA-384 (FIPS 186-5)  ASN.1 DER, as `openssl` writes it
//! ECDSA P-256 with SHA-256               the same; what the identity of our own CLI is
//! ```
//!
//! Public keys are PEM `PUBLIC KEY` (DER `SubjectPublicKeyInfo`, RFC 5280; RFC 8410, RFC 5480 with an
//! uncompressed point), or SCONE's older text for Ed25519 keys: Base58Check of
//!
//! ```text
//! 0a | public key, 32 bytes | first 4 bytes of SHA-256(SHA-256(the 33 bytes before))
//! ```
//!
//! Both texts of one key are one [`SignerKey`]. What is signed stands in `upload.rs`. A signature says who
//! wrote a session, never when: nothing here keeps anyone from showing an old one again. Of Ed25519 any 32
//! bytes are taken as a key: who names a point of small order, which no tool makes, names everybody.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ED25519, ParsedPublicKey, UnparsedPublicKey,
    VerificationAlgorithm,
};
use casque_types::{KeyHash, Secret, sha256};
use rcgen::SigningKey as _;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::key::PrivateKey;
use crate::pem::{PUBLIC_KEY, pem_bytes, read_pem, write_pem};

/// How a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SignerAlgorithm {
    /// Ed25519: signatures of 64 bytes.
    Ed25519,
    /// ECDSA on P-384 with SHA-384: signatures in ASN.1 DER.
    P384,
    /// ECDSA on P-256 with SHA-256: signatures in ASN.1 DER.
    P256,
}

/// A private key that signs sessions.
pub struct SigningKey {
    private: PrivateKey,
    signer: SignerKey,
}

impl SigningKey {
    /// Reads PKCS#8 DER of an Ed25519, P-384 or P-256 key.
    ///
    /// # Errors
    /// [`SigningKeyError::Key`]: another key, or none.
    pub fn from_pkcs8(der: &Secret) -> Result<Self, SigningKeyError> {
        let private = PrivateKey::parse(der).ok_or(SigningKeyError::Key)?;
        let spki = private.spki().ok_or(SigningKeyError::Provider)?;
        let signer = SignerKey::from_spki(&spki).map_err(|_| SigningKeyError::Key)?;
        Ok(Self { private, signer })
    }

    /// Its public half.
    #[must_use]
    pub const fn signer(&self) -> &SignerKey {
        &self.signer
    }

    /// Signs a message, which the algorithm hashes itself.
    ///
    /// # Errors
    /// [`SigningKeyError::Provider`].
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningKeyError> {
        self.private
            .sign(message)
            .map_err(|_| SigningKeyError::Provider)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.signer.key_hash())
    }
}

/// A public key that signatures of sessions are verified with; equal however it was written.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SignerKey {
    algorithm: SignerAlgorithm,
    spki: Vec<u8>,
}

impl SignerKey {
    /// Reads DER `SubjectPublicKeyInfo` of an Ed25519, P-384 or P-256 key.
    ///
    /// # Errors
    /// [`SignerKeyError::Algorithm`] or [`SignerKeyError::Point`].
    pub fn from_spki(der: &[u8]) -> Result<Self, SignerKeyError> {
        for algorithm in SignerAlgorithm::ALL {
            let Some(point) = algorithm.point_in(der) else {
                continue;
            };
            // Only to see that it is a point of the curve.
            ParsedPublicKey::new(algorithm.verification(), point)
                .map_err(|_| SignerKeyError::Point)?;
            let spki = der.to_vec();
            return Ok(Self { algorithm, spki });
        }
        Err(SignerKeyError::Algorithm)
    }

    /// Reads PEM text of exactly one `PUBLIC KEY`.
    ///
    /// # Errors
    /// [`SignerKeyError`]: no PEM, another or more than one block, or a key of another type.
    pub fn from_spki_pem(text: &str) -> Result<Self, SignerKeyError> {
        if text.len() > MAX_PEM_BYTES {
            return Err(SignerKeyError::TooLong);
        }
        let blocks = read_pem(text).map_err(|_| SignerKeyError::NotPem)?;
        let [block] = blocks.as_slice() else {
            return Err(SignerKeyError::NotPem);
        };
        if block.label != PUBLIC_KEY {
            return Err(SignerKeyError::OtherBlock);
        }
        // Exposed because a public key is no secret.
        Self::from_spki(block.der.expose())
    }

    /// Reads SCONE's older text of an Ed25519 key: Base58Check of version 10.
    ///
    /// # Errors
    /// [`SignerKeyError`]: not Base58Check, mistyped, or of another version.
    pub fn from_legacy(text: &str) -> Result<Self, SignerKeyError> {
        if text.len() > MAX_LEGACY_BYTES {
            return Err(SignerKeyError::TooLong);
        }
        let bytes = bs58::decode(text)
            .into_vec()
            .map_err(|_| SignerKeyError::NotBase58)?;
        let (body, check) = bytes
            .split_last_chunk::<4>()
            .ok_or(SignerKeyError::Truncated)?;
        if !sha256(sha256(body).as_bytes())
            .as_bytes()
            .starts_with(check)
        {
            return Err(SignerKeyError::Checksum);
        }
        let (found, key) = body.split_first().ok_or(SignerKeyError::Truncated)?;
        if *found != LEGACY_VERSION {
            return Err(SignerKeyError::Version { found: *found });
        }
        let key = <&[u8; 32]>::try_from(key).map_err(|_| SignerKeyError::Truncated)?;
        Self::from_spki(&[SignerAlgorithm::Ed25519.spki_prefix(), key].concat())
    }

    /// How it signs.
    #[must_use]
    pub const fn algorithm(&self) -> SignerAlgorithm {
        self.algorithm
    }

    /// DER `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// The hash that names the key in policies.
    #[must_use]
    pub fn key_hash(&self) -> KeyHash {
        KeyHash::of_spki(&self.spki)
    }

    /// Verifies a signature of [`SigningKey::sign`], or of anyone who signs so.
    ///
    /// # Errors
    /// [`SignatureError`]: by another key, over another message, or none at all.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        let point = self.algorithm.point_in(&self.spki).ok_or(SignatureError)?;
        UnparsedPublicKey::new(self.algorithm.verification(), point)
            .verify(message, signature)
            .map_err(|_| SignatureError)
    }
}

impl FromStr for SignerKey {
    type Err = SignerKeyError;

    /// Reads either text: PEM, or else Base58Check.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains("-----") {
            Self::from_spki_pem(text)
        } else {
            Self::from_legacy(text.trim())
        }
    }
}

impl fmt::Display for SignerKey {
    /// PEM `PUBLIC KEY`, without a line feed behind it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = pem_bytes(PUBLIC_KEY, self.spki.len());
        let mut text = Zeroizing::new(String::with_capacity(size));
        write_pem(&mut text, PUBLIC_KEY, &self.spki);
        f.write_str(text.trim_end())
    }
}

impl fmt::Debug for SignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignerKey({})", self.key_hash())
    }
}

impl SignerAlgorithm {
    /// The public key itself within a `SubjectPublicKeyInfo` of this algorithm.
    fn point_in(self, spki: &[u8]) -> Option<&[u8]> {
        let point = spki.strip_prefix(self.spki_prefix())?;
        (point.len() == self.point_bytes()).then_some(point)
    }

    const fn spki_prefix(self) -> &'static [u8] {
        match self {
            Self::Ed25519 => ED25519_SPKI_PREFIX,
            Self::P384 => P384_SPKI_PREFIX,
            Self::P256 => P256_SPKI_PREFIX,
        }
    }

    /// For the curves of NIST `04`, x and y (SEC 1 section 2.3.3).
    const fn point_bytes(self) -> usize {
        match self {
            Self::Ed25519 => 32,
            Self::P384 => 97,
            Self::P256 => 65,
        }
    }

    fn verification(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::Ed25519 => &ED25519,
            Self::P384 => &ECDSA_P384_SHA384_ASN1,
            Self::P256 => &ECDSA_P256_SHA256_ASN1,
        }
    }

    const ALL: [Self; 3] = [Self::Ed25519, Self::P384, Self::P256];
}

/// Why there is no signing key, or no signature.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum SigningKeyError {
    /// Another type of key, or none.
    #[error("expected an Ed25519, P-384 or P-256 private key in PKCS#8")]
    Key,
    /// The crypto provider failed.
    #[error("the crypto provider failed to use the signing key")]
    Provider,
}

/// Why a text is no signer.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum SignerKeyError {
    /// No block, more than one, or a damaged one.
    #[error("expected one whole PEM block `PUBLIC KEY`")]
    NotPem,
    /// PEM of something else.
    #[error(
        "expected a PEM block `PUBLIC KEY`, found another: print the public key of a certificate with `openssl x509 -pubkey -noout`, that of a private key with `openssl pkey -pubout`"
    )]
    OtherBlock,
    /// Another type of key.
    #[error(
        "expected an Ed25519, P-384 or P-256 public key with an uncompressed point, found another"
    )]
    Algorithm,
    /// Coordinates of no point.
    #[error("the public key is no point of its curve: it is damaged")]
    Point,
    /// Longer than any signer's text.
    #[error("the text is longer than any public key of a signer")]
    TooLong,
    /// Neither PEM nor Base58.
    #[error("expected a public key in PEM, or in the older Base58Check text")]
    NotBase58,
    /// Too few or too many bytes for a version, 32 bytes of key and 4 of checksum.
    #[error("expected 37 bytes of Base58Check, the text is cut off or has something added")]
    Truncated,
    /// A character is wrong.
    #[error("the checksum does not fit: one or more characters are mistyped")]
    Checksum,
    /// Another kind of Base58Check value; key hashes have version 1.
    #[error("expected version byte {LEGACY_VERSION} of a signer, found {found}{}", key_hash_hint(*found))]
    Version {
        /// The version byte found.
        found: u8,
    },
}

/// The signature is none of this signer over this message.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
#[error("the signature is not one of this signer over this message")]
pub struct SignatureError;

const fn key_hash_hint(version: u8) -> &'static str {
    match version {
        1 => ": it is a key hash, which does not hold the key",
        _ => "",
    }
}

const LEGACY_VERSION: u8 = 10;
const MAX_LEGACY_BYTES: usize = 64;
/// One key has less than 300; there may be text around it.
const MAX_PEM_BYTES: usize = 8192;
/// `SEQUENCE { SEQUENCE { id-Ed25519 }, BIT STRING` of 32 bytes (RFC 8410 section 4).
const ED25519_SPKI_PREFIX: &[u8] = &[
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];
/// `SEQUENCE { SEQUENCE { id-ecPublicKey, secp384r1 }, BIT STRING` of 97 bytes (RFC 5480).
const P384_SPKI_PREFIX: &[u8] = &[
    0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b,
    0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00,
];
/// `SEQUENCE { SEQUENCE { id-ecPublicKey, prime256v1 }, BIT STRING` of 65 bytes (RFC 5480).
const P256_SPKI_PREFIX: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

#[cfg(test)]
mod tests;
