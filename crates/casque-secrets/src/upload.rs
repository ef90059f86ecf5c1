//! Uploads that carry their own protection: what is signed of a session, and sessions encrypted to a server.
//!
//! SCONE publishes neither (spec/policy-language.md section 17); both are our own. Signed is
//!
//! ```text
//! "casque-session-signature-1" 0a | SHA-256 of the session's text, 32 bytes
//! ```
//!
//! over the UTF-8 bytes of the text exactly as it is sent beside the signatures: white space counts. Keys and
//! signatures stand in `signer.rs`. `openssl pkeyutl -sign -rawin` signs the message too.
//!
//! Encrypted with HPKE (RFC 9180) in base mode: DHKEM(X25519, HKDF-SHA256) (0x0020), HKDF-SHA256 (0x0001),
//! AES-256-GCM (0x0002); `info` is `casque-session-1`, without additional data:
//!
//! ```text
//! encapsulated key, 32 bytes | ciphertext | tag, 16 bytes
//! ```
//!
//! The server's key pair follows from its identity, so that every replica has it and nobody keeps it:
//!
//! ```text
//! HKDF-SHA-256 (RFC 5869): no salt, input the identity's private scalar, 32 bytes big-endian,
//!     info "casque-session-encryption-key-1", 32 bytes out
//! DeriveKeyPair (RFC 9180 section 7.1.3) of those
//! ```
//!
//! Encryption keeps a session from whoever carries it, a cluster's API server for instance, until it is
//! uploaded. It says nothing of who wrote it: sign it, or upload it with a client certificate. It has no
//! forward secrecy: who gets the identity later reads what was recorded before. Nor is it made for quantum
//! computers: SCONE prints 32 bytes as the key, which only X25519 fits.
//!
//! Vectors: `vectors/wire/session-*.txt`.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::encoding::{AsBigEndian as _, EcPrivateKeyBin};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use casque_types::{Digest, DigestParseError, Rng, RngError, Secret, sha256};
use hpke::aead::{AeadCtxS, AeadTag, AesGcm256};
use hpke::inout::InOutBuf;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable as _, Kem as _, OpModeR, OpModeS, Serializable as _};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::IdentityKey;
use crate::seed::EncapsulationSeed;

/// What the signers of a session sign: `text` is the session as it is sent beside the signatures.
#[must_use]
pub fn session_message(text: &str) -> Vec<u8> {
    let digest = sha256(text.as_bytes());
    [SIGNATURE_LABEL, digest.as_bytes()].concat()
}

/// The private half of the key pair that sessions are encrypted to.
pub struct SessionEncryptionKey {
    private: Secret,
    public: SessionEncryptionPublicKey,
}

impl SessionEncryptionKey {
    /// The key pair of the server with this identity; the same one every time.
    ///
    /// # Errors
    /// [`SessionEncryptionKeyError`]: the crypto provider failed.
    pub fn of_identity(identity: &IdentityKey) -> Result<Self, SessionEncryptionKeyError> {
        // Exposed to be parsed by the provider.
        let pkcs8 = identity.pkcs8().expose();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8)
            .map_err(|_| SessionEncryptionKeyError)?;
        let scalar: EcPrivateKeyBin<'_> = pair
            .private_key()
            .as_be_bytes()
            .map_err(|_| SessionEncryptionKeyError)?;
        let mut seed = Zeroizing::new([0_u8; SEED_BYTES]);
        Salt::new(HKDF_SHA256, &[])
            .extract(scalar.as_ref())
            .expand(&[KEY_LABEL], HKDF_SHA256)
            .and_then(|okm| okm.fill(seed.as_mut()))
            .map_err(|_| SessionEncryptionKeyError)?;
        Ok(Self::of_seed(&seed))
    }

    /// The half that is given away.
    #[must_use]
    pub const fn public(&self) -> &SessionEncryptionPublicKey {
        &self.public
    }

    fn of_seed(seed: &[u8; SEED_BYTES]) -> Self {
        let (private, public) = X25519HkdfSha256::derive_keypair(seed);
        let mut bytes = Zeroizing::new([0_u8; SEED_BYTES]);
        private.write_exact(bytes.as_mut());
        Self {
            private: Secret::copied_from(bytes.as_ref()),
            public: SessionEncryptionPublicKey(Digest::from(<[u8; 32]>::from(public.to_bytes()))),
        }
    }
}

impl fmt::Debug for SessionEncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionEncryptionKey({})", self.public)
    }
}

/// An X25519 public key (RFC 7748) that sessions are encrypted to; its text is 64 hexadecimal digits.
///
/// Nothing proves by itself whose it is: it is to be had from an attested server.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionEncryptionPublicKey(Digest<32>);

impl SessionEncryptionPublicKey {
    /// The key's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

impl From<[u8; 32]> for SessionEncryptionPublicKey {
    fn from(bytes: [u8; 32]) -> Self {
        Self(Digest::from(bytes))
    }
}

impl FromStr for SessionEncryptionPublicKey {
    type Err = DigestParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl fmt::Display for SessionEncryptionPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for SessionEncryptionPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionEncryptionPublicKey({self})")
    }
}

/// There is no key pair: the crypto provider failed.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
#[error("the crypto provider failed to derive the key that sessions are encrypted to")]
pub struct SessionEncryptionKeyError;

/// Why a session was not encrypted.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum EncryptSessionError {
    /// A point of small order, with which the secret would be known to all.
    #[error("the key to encrypt to is no X25519 public key that is safe to use")]
    Key,
    /// More than a session may have.
    #[error("the session has {found_bytes} bytes, expected at most {MAX_SESSION_BYTES}")]
    TooLong {
        /// How many there are.
        found_bytes: usize,
    },
    /// No randomness.
    #[error(transparent)]
    Rng(#[from] RngError),
    /// The crypto provider failed.
    #[error("the session could not be encrypted")]
    Provider,
}

/// Why an upload gave no session.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum DecryptSessionError {
    /// Less than key and tag, or more than a session may have.
    #[error(
        "expected an encrypted session of {AROUND_BYTES} to {MAX_ENCRYPTED_BYTES} bytes, found {found_bytes}"
    )]
    Length {
        /// How many there are.
        found_bytes: usize,
    },
    /// Encrypted to another key, or changed since.
    #[error(
        "the session is not encrypted to this server's key, or was changed: encrypt it to the key that the server shows now"
    )]
    Decrypt,
    /// Bytes that are no text.
    #[error("expected UTF-8 text inside the encrypted session")]
    NotUtf8,
}

/// Encrypts the text of a session, at most 1 MiB, to a server.
///
/// # Errors
/// [`EncryptSessionError`]: an unusable key, too long a text, no randomness, or the provider failed.
pub fn encrypt_session(
    public: &SessionEncryptionPublicKey,
    text: &Secret,
    rng: &dyn Rng,
) -> Result<Vec<u8>, EncryptSessionError> {
    let found_bytes = text.len();
    if found_bytes > MAX_SESSION_BYTES {
        return Err(EncryptSessionError::TooLong { found_bytes });
    }
    let mut sender = sender_to(public, rng)?;
    let size = found_bytes.saturating_add(AROUND_BYTES);
    let mut bytes = Zeroizing::new(Vec::with_capacity(size));
    bytes.extend_from_slice(&sender.encapsulated);
    // Exposed to be encrypted in place.
    bytes.extend_from_slice(text.expose());
    let plaintext = bytes
        .get_mut(KEY_BYTES..)
        .ok_or(EncryptSessionError::Provider)?;
    let tag = sender
        .context
        .seal_inout_detached(InOutBuf::from(plaintext), NO_ADDITIONAL_DATA)
        .map_err(|_| EncryptSessionError::Provider)?;
    bytes.extend_from_slice(&tag.to_bytes());
    // What was plaintext is ciphertext now, and may leave its wiped buffer.
    Ok(std::mem::take(&mut *bytes))
}

/// One encapsulation.
struct Sender {
    encapsulated: [u8; KEY_BYTES],
    /// Seals with what is inside the encapsulated key.
    context: AeadCtxS<AesGcm256, HkdfSha256, X25519HkdfSha256>,
}

fn sender_to(
    public: &SessionEncryptionPublicKey,
    rng: &dyn Rng,
) -> Result<Sender, EncryptSessionError> {
    let key = <X25519HkdfSha256 as hpke::Kem>::PublicKey::from_bytes(public.as_bytes())
        .map_err(|_| EncryptSessionError::Key)?;
    let mut seed = EncapsulationSeed::<SEED_BYTES>::filled_by(rng)?;
    let (encapsulated, context) = hpke::setup_sender_with_rng::<_, _, X25519HkdfSha256>(
        &OpModeS::Base,
        &key,
        SESSION_LABEL,
        &mut seed,
    )
    .map_err(|_| EncryptSessionError::Key)?;
    if seed.is_overdrawn() {
        return Err(EncryptSessionError::Provider);
    }
    Ok(Sender {
        encapsulated: encapsulated.to_bytes().into(),
        context,
    })
}

/// Decrypts what [`encrypt_session`] made; what comes out is UTF-8 text.
///
/// # Errors
/// [`DecryptSessionError`]: a length that no such session has, another key, or no text.
pub fn decrypt_session(
    key: &SessionEncryptionKey,
    encrypted: &[u8],
) -> Result<Secret, DecryptSessionError> {
    let found_bytes = encrypted.len();
    let length = DecryptSessionError::Length { found_bytes };
    if found_bytes > MAX_ENCRYPTED_BYTES {
        return Err(length);
    }
    let (encapsulated, sealed) = encrypted.split_first_chunk::<KEY_BYTES>().ok_or(length)?;
    let (ciphertext, tag) = sealed.split_last_chunk::<TAG_BYTES>().ok_or(length)?;
    let text = open(key, encapsulated, ciphertext, tag).ok_or(DecryptSessionError::Decrypt)?;
    if text.expose_text().is_none() {
        return Err(DecryptSessionError::NotUtf8);
    }
    Ok(text)
}

fn open(
    key: &SessionEncryptionKey,
    encapsulated: &[u8; KEY_BYTES],
    ciphertext: &[u8],
    tag: &[u8; TAG_BYTES],
) -> Option<Secret> {
    let encapsulated =
        <X25519HkdfSha256 as hpke::Kem>::EncappedKey::from_bytes(encapsulated).ok()?;
    let tag = AeadTag::<AesGcm256>::from_bytes(tag).ok()?;
    // Exposed to be parsed; the parsed key wipes itself.
    let private = key.private.expose();
    let private = <X25519HkdfSha256 as hpke::Kem>::PrivateKey::from_bytes(private).ok()?;
    let mut context = hpke::setup_receiver::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Base,
        &private,
        &encapsulated,
        SESSION_LABEL,
    )
    .ok()?;
    let mut text = Zeroizing::new(ciphertext.to_vec());
    context
        .open_inout_detached(
            InOutBuf::from(text.as_mut_slice()),
            NO_ADDITIONAL_DATA,
            &tag,
        )
        .ok()?;
    Some(Secret::from(text))
}

const SIGNATURE_LABEL: &[u8] = b"casque-session-signature-1\n";
/// `info` of HPKE.
const SESSION_LABEL: &[u8] = b"casque-session-1";
const KEY_LABEL: &[u8] = b"casque-session-encryption-key-1";
const NO_ADDITIONAL_DATA: &[u8] = &[];
/// What X25519 keys are made from, and what its encapsulation draws.
const SEED_BYTES: usize = 32;
const KEY_BYTES: usize = 32;
const TAG_BYTES: usize = 16;
const AROUND_BYTES: usize = KEY_BYTES + TAG_BYTES;
/// The most bytes that a session's text may have: 1 MiB.
const MAX_SESSION_BYTES: usize = 1 << 20;
const MAX_ENCRYPTED_BYTES: usize = MAX_SESSION_BYTES + AROUND_BYTES;

#[cfg(test)]
mod tests;
