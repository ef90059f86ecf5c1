//! Values that are kept outside, in Key Vault, under a key that Casque keeps.
//!
//! For `secret_config.store_in: !akv` (spec/policy-language.md section 4.3). The text that goes into the vault:
//!
//! ```text
//! base64 (RFC 4648 section 4) of   01 | nonce, 12 bytes | ciphertext | tag, 16 bytes
//! ```
//!
//! AES-256-GCM under the [`WrapKey`]; the additional data are
//!
//! ```text
//! "casque-wrapped-value-1" | place
//! ```
//!
//! The place is whatever tells this value from all others under the key. A value moved to another place does
//! not open; an older value put back at its own place does. Who must notice that (a vault is not trusted to
//! keep what it is given) makes each version's place another, with the policy's hash or the value's tag in
//! it, and remembers the place beside the key.
//!
//! What it does not protect: the length of the value, and that it is there at all.
//!
//! Vectors: `vectors/wire/wrapped-value*.txt`.

use std::fmt;

use casque_types::{Rng, RngError, Secret};
use data_encoding::BASE64;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::gcm::{KEY_BYTES, NONCE_BYTES, TAG_BYTES, open_value, random_nonce, seal_value};

/// A key of 32 bytes that values kept outside are wrapped with; good for 2^32 values.
pub struct WrapKey(Zeroizing<[u8; KEY_BYTES]>);

impl WrapKey {
    /// A new key.
    ///
    /// # Errors
    /// [`RngError`].
    pub fn generate(rng: &dyn Rng) -> Result<Self, RngError> {
        let mut bytes = Zeroizing::new([0_u8; KEY_BYTES]);
        rng.fill(bytes.as_mut())?;
        Ok(Self(bytes))
    }

    /// Reads [`WrapKey::to_stored`] back.
    ///
    /// # Errors
    /// [`WrapKeyLength`]: not 32 bytes.
    pub fn from_stored(bytes: &Secret) -> Result<Self, WrapKeyLength> {
        let found_bytes = bytes.len();
        // Exposed to be copied into a key that wipes itself.
        let bytes: &[u8; KEY_BYTES] = bytes
            .expose()
            .try_into()
            .map_err(|_| WrapKeyLength { found_bytes })?;
        Ok(Self(Zeroizing::new(*bytes)))
    }

    /// The key's 32 bytes, for the store to seal.
    #[must_use]
    pub fn to_stored(&self) -> Secret {
        Secret::copied_from(self.0.as_ref())
    }
}

impl fmt::Debug for WrapKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WrapKey").finish_non_exhaustive()
    }
}

/// Stored bytes are no key.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
#[error("expected a key of {KEY_BYTES} bytes, found {found_bytes}")]
pub struct WrapKeyLength {
    /// How many there are.
    pub found_bytes: usize,
}

/// Why a value was not wrapped.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum WrapError {
    /// More than Key Vault keeps.
    #[error(
        "the value has {found_bytes} bytes, Key Vault keeps at most {MAX_VALUE_BYTES} of an encrypted one"
    )]
    TooLong {
        /// How many there are.
        found_bytes: usize,
    },
    /// No randomness.
    #[error(transparent)]
    Rng(#[from] RngError),
    /// The crypto provider failed.
    #[error("the value could not be encrypted")]
    Provider,
}

/// Why a text gave no value: somebody changed what the vault keeps, or it is another's.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum UnwrapError {
    /// More or less than any wrapped value has.
    #[error(
        "expected a wrapped value of {MIN_TEXT_BYTES} to {MAX_TEXT_BYTES} characters, found {found_bytes}"
    )]
    Length {
        /// How many there are.
        found_bytes: usize,
    },
    /// Not base64.
    #[error("expected a wrapped value in base64, found other text: was it changed in the vault?")]
    NotBase64,
    /// A version that is not known.
    #[error(
        "the wrapped value has version {found}, expected {VERSION}: written by a newer Casque?"
    )]
    Version {
        /// The version found.
        found: u8,
    },
    /// Wrapped with another key, for another place, or changed since.
    #[error(
        "the wrapped value does not open with its key at its place: it was changed in the vault, or replaced by another"
    )]
    Decrypt,
}

/// Wraps a value of at most 18,721 bytes for `place`: text of at most 25,000 characters.
///
/// # Errors
/// [`WrapError`]: too long, no randomness, or the provider failed.
pub fn wrap_value(
    key: &WrapKey,
    place: &[u8],
    value: &Secret,
    rng: &dyn Rng,
) -> Result<String, WrapError> {
    let found_bytes = value.len();
    if found_bytes > MAX_VALUE_BYTES {
        return Err(WrapError::TooLong { found_bytes });
    }
    let nonce = random_nonce(rng)?;
    let header = [&[VERSION][..], &nonce].concat();
    let bytes = seal_value(&key.0, nonce, &additional_bytes(place), &header, value)
        .ok_or(WrapError::Provider)?;
    Ok(BASE64.encode(&bytes))
}

/// Unwraps what [`wrap_value`] made for this very place.
///
/// # Errors
/// [`UnwrapError`], a variant for each step that can fail.
pub fn unwrap_value(key: &WrapKey, place: &[u8], text: &Secret) -> Result<Secret, UnwrapError> {
    let found_bytes = text.len();
    let length = UnwrapError::Length { found_bytes };
    if found_bytes > MAX_TEXT_BYTES {
        return Err(length);
    }
    // Exposed to be decoded: what comes out is ciphertext.
    let bytes = BASE64
        .decode(text.expose())
        .map_err(|_| UnwrapError::NotBase64)?;
    let (found, rest) = bytes.split_first().ok_or(length)?;
    if *found != VERSION {
        return Err(UnwrapError::Version { found: *found });
    }
    let (nonce, sealed) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(length)?;
    if sealed.len() < TAG_BYTES {
        return Err(length);
    }
    open_value(&key.0, *nonce, &additional_bytes(place), sealed).ok_or(UnwrapError::Decrypt)
}

fn additional_bytes(place: &[u8]) -> Vec<u8> {
    [LABEL, place].concat()
}

const LABEL: &[u8] = b"casque-wrapped-value-1";
const VERSION: u8 = 1;
const AROUND_BYTES: usize = 1 + NONCE_BYTES + TAG_BYTES;
/// What a Key Vault secret holds for certain, whichever way its 25 kB are counted.
const MAX_TEXT_BYTES: usize = 25_000;
const MIN_TEXT_BYTES: usize = AROUND_BYTES.div_ceil(3) * 4;
const MAX_VALUE_BYTES: usize = MAX_TEXT_BYTES / 4 * 3 - AROUND_BYTES;

#[cfg(test)]
mod tests;
