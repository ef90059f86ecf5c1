//! The seal around a released configuration.
//!
//! HPKE (RFC 9180) in base mode: KEM X-Wing (0x647a, draft-connolly-cfrg-xwing-kem and
//! draft-ietf-hpke-pq), HKDF-SHA256 (0x0001), AES-256-GCM (0x0002);
//! `info` is `casque-answer-1`, the additional data is the binding of the runtime data (32 bytes), the
//! plaintext is drawn in `layout.rs`. The server's identity signs, fields as in `fields.rs`:
//!
//! ```text
//! "casque-answer-1" | field binding | field encapsulated key | field ciphertext with its tag
//! ```
//!
//! So an answer is secret to the key inside the appraised evidence and authentic from the pinned server,
//! whatever carried it. [`open_configuration`] checks in this order: 1. the server's key against the pinned
//! hash, 2. the signature, 3. decapsulation and decryption, 4. the layout. Nothing here says when an answer
//! was made: the nonce inside the runtime data does.
//!
//! Vectors: `vectors/wire/sealed-answer*.txt`.

use std::fmt;

use casque_types::{Configuration, Kem, KemPublicKey, KeyHash, Rng, RngError, RuntimeData, Secret};
use hpke::aead::{AeadTag, AesGcm256};
use hpke::inout::InOutBuf;
use hpke::kdf::HkdfSha256;
use hpke::kem::XWing;
use hpke::{Deserializable as _, Kem as _, OpModeR, OpModeS, Serializable as _};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::fields::{FieldWriter, field_bytes};
use crate::layout::{configuration_bytes, read_configuration, write_configuration};
use crate::seed::EncapsulationSeed;
use crate::{IdentityError, IdentityKey, verify};

/// A sealed and signed configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedConfiguration {
    /// HPKE encapsulated key.
    pub encapsulated: Vec<u8>,
    /// HPKE ciphertext with tag.
    pub ciphertext: Vec<u8>,
    /// DER SubjectPublicKeyInfo of the server's identity.
    pub server_spki: Vec<u8>,
    /// Its signature.
    pub signature: Vec<u8>,
}

/// The agent's ephemeral key pair.
pub struct ConfigurationKey {
    private: Secret,
    public: KemPublicKey,
}

impl ConfigurationKey {
    /// A new pair.
    ///
    /// # Errors
    /// [`SealError::Rng`].
    pub fn generate(rng: &dyn Rng) -> Result<Self, SealError> {
        let mut seed = Zeroizing::new([0_u8; 32]);
        rng.fill(seed.as_mut())?;
        let (private, public) = XWing::derive_keypair(seed.as_ref());
        let mut bytes = Zeroizing::new(private.to_bytes());
        let public = KemPublicKey::from_bytes(Kem::XWing, public.to_bytes().to_vec());
        let private = Secret::copied_from(&bytes);
        bytes.fill(0);
        Ok(Self {
            private,
            public: public.ok_or(SealError::Key)?,
        })
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> &KemPublicKey {
        &self.public
    }
}

impl fmt::Debug for ConfigurationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigurationKey").finish_non_exhaustive()
    }
}

/// Why nothing was sealed.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum SealError {
    /// The key in the runtime data is none of its mechanism.
    #[error("the key in the runtime data is no X-Wing public key")]
    Key,
    /// No randomness.
    #[error(transparent)]
    Rng(#[from] RngError),
    /// More than an answer may hold.
    #[error(
        "the configuration has {found_bytes} bytes, an answer holds at most {MAX_CONFIGURATION_BYTES}"
    )]
    TooLong {
        /// How many there are.
        found_bytes: usize,
    },
    /// The crypto provider failed.
    #[error("the answer could not be sealed")]
    Provider,
    /// The identity did not sign.
    #[error("the answer could not be signed")]
    Sign(#[source] IdentityError),
}

/// Why an answer was not opened.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum OpenError {
    /// Signed by another key than the pinned one.
    #[error(
        "the answer is signed by the server `{found}`, expected `{expected}`: another server answered, or its identity changed"
    )]
    Server {
        /// The pinned server.
        expected: KeyHash,
        /// The server that the answer names.
        found: KeyHash,
    },
    /// Not signed by the key that it names, over these bytes and this request.
    #[error("the answer's signature is not the server's over this answer to this request")]
    Signature,
    /// The encapsulated key has another length.
    #[error("expected an encapsulated key of {ENCAPSULATED_BYTES} bytes, found {found_bytes}")]
    Encapsulated {
        /// How many there are.
        found_bytes: usize,
    },
    /// More than an answer may hold, or less than a tag.
    #[error(
        "expected a ciphertext of {TAG_BYTES} to {MAX_CIPHERTEXT_BYTES} bytes, found {found_bytes}"
    )]
    CiphertextLength {
        /// How many there are.
        found_bytes: usize,
    },
    /// Sealed to another key or for another request.
    #[error("the answer is not sealed to this key for this request")]
    Decrypt,
    /// What was inside the seal is no configuration.
    #[error(
        "what the server sealed is no configuration of version 1: is the server newer than this program?"
    )]
    Layout,
}

/// Encodes, seals to the key in `runtime` with its binding as additional data, and signs.
///
/// # Errors
/// The key in `runtime` is unusable, the configuration is too long, or the provider failed.
pub fn seal_configuration(
    configuration: &Configuration,
    runtime: &RuntimeData,
    identity: &IdentityKey,
    rng: &dyn Rng,
) -> Result<SealedConfiguration, SealError> {
    let found_bytes = configuration_bytes(configuration);
    if found_bytes > MAX_CONFIGURATION_BYTES {
        return Err(SealError::TooLong { found_bytes });
    }
    let buffer = write_configuration(configuration, TAG_BYTES);
    seal_bytes(buffer, runtime, identity, rng)
}

/// Seals the bytes in their own buffer.
fn seal_bytes(
    mut buffer: Zeroizing<Vec<u8>>,
    runtime: &RuntimeData,
    identity: &IdentityKey,
    rng: &dyn Rng,
) -> Result<SealedConfiguration, SealError> {
    let binding = runtime.binding();
    let key = <XWing as hpke::Kem>::PublicKey::from_bytes(runtime.key().as_bytes())
        .map_err(|_| SealError::Key)?;
    let mut seed = EncapsulationSeed::<ENCAPSULATION_SEED_BYTES>::filled_by(rng)?;
    let (encapsulated, mut context) = hpke::setup_sender_with_rng::<AesGcm256, HkdfSha256, XWing>(
        &OpModeS::Base,
        &key,
        LABEL,
        &mut seed,
    )
    .map_err(|_| SealError::Provider)?;
    if seed.is_overdrawn() {
        return Err(SealError::Provider);
    }
    let tag = context
        .seal_inout_detached(InOutBuf::from(buffer.as_mut_slice()), binding.as_bytes())
        .map_err(|_| SealError::Provider)?;
    buffer.extend_from_slice(&tag.to_bytes());
    let encapsulated = encapsulated.to_bytes().to_vec();
    // What was plaintext is ciphertext now, and may leave its wiped buffer.
    let ciphertext = std::mem::take(&mut *buffer);
    let message = signed_message(binding.as_bytes(), &encapsulated, &ciphertext);
    Ok(SealedConfiguration {
        signature: identity.sign(&message).map_err(SealError::Sign)?,
        server_spki: identity.spki().to_vec(),
        encapsulated,
        ciphertext,
    })
}

/// Checks the signature against the pinned identity, opens and decodes.
///
/// # Errors
/// Not signed by `server`, not sealed for this request, or damaged.
pub fn open_configuration(
    sealed: &SealedConfiguration,
    key: &ConfigurationKey,
    runtime: &RuntimeData,
    server: &KeyHash,
) -> Result<Configuration, OpenError> {
    let found = KeyHash::of_spki(&sealed.server_spki);
    if found != *server {
        let expected = *server;
        return Err(OpenError::Server { expected, found });
    }
    let binding = runtime.binding();
    let message = signed_message(binding.as_bytes(), &sealed.encapsulated, &sealed.ciphertext);
    verify(&sealed.server_spki, &message, &sealed.signature).map_err(|_| OpenError::Signature)?;
    let plaintext = decrypt(sealed, key, binding.as_bytes())?;
    read_configuration(&plaintext).ok_or(OpenError::Layout)
}

fn decrypt(
    sealed: &SealedConfiguration,
    key: &ConfigurationKey,
    binding: &[u8; 32],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let found_bytes = sealed.encapsulated.len();
    let encapsulated = <XWing as hpke::Kem>::EncappedKey::from_bytes(&sealed.encapsulated)
        .map_err(|_| OpenError::Encapsulated { found_bytes })?;
    let found_bytes = sealed.ciphertext.len();
    let length = OpenError::CiphertextLength { found_bytes };
    if found_bytes > MAX_CIPHERTEXT_BYTES {
        return Err(length);
    }
    let (ciphertext, tag) = sealed
        .ciphertext
        .split_last_chunk::<TAG_BYTES>()
        .ok_or(length)?;
    let tag = AeadTag::<AesGcm256>::from_bytes(tag).map_err(|_| length)?;
    // Exposed to be parsed; the parsed key wipes itself.
    let private = <XWing as hpke::Kem>::PrivateKey::from_bytes(key.private.expose())
        .map_err(|_| OpenError::Decrypt)?;
    let mut context = hpke::setup_receiver::<AesGcm256, HkdfSha256, XWing>(
        &OpModeR::Base,
        &private,
        &encapsulated,
        LABEL,
    )
    .map_err(|_| OpenError::Decrypt)?;
    let mut buffer = Zeroizing::new(ciphertext.to_vec());
    context
        .open_inout_detached(InOutBuf::from(buffer.as_mut_slice()), binding, &tag)
        .map_err(|_| OpenError::Decrypt)?;
    Ok(buffer)
}

fn signed_message(binding: &[u8; 32], encapsulated: &[u8], ciphertext: &[u8]) -> Vec<u8> {
    let fields = [binding, encapsulated, ciphertext];
    let size = fields.iter().fold(LABEL.len(), |size, field| {
        size.saturating_add(field_bytes(field.len()))
    });
    let mut writer = FieldWriter::with_capacity(size);
    writer.raw(LABEL);
    for field in fields {
        writer.field(field);
    }
    std::mem::take(&mut *writer.finish())
}

/// `info` of HPKE and the start of what is signed.
const LABEL: &[u8] = b"casque-answer-1";
const TAG_BYTES: usize = 16;
const ENCAPSULATED_BYTES: usize = 1120;
/// What X-Wing draws.
const ENCAPSULATION_SEED_BYTES: usize = 64;
/// The most bytes that a configuration may have: 16 MiB.
const MAX_CONFIGURATION_BYTES: usize = 16 << 20;
const MAX_CIPHERTEXT_BYTES: usize = MAX_CONFIGURATION_BYTES + TAG_BYTES;

#[cfg(test)]
mod tests;
