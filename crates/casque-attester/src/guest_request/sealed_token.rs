//! A token that Microsoft Azure Attestation sealed to a key of a guest's TPM: base64url of
//!
//! ```json
//! {"Jwt":"…","EncryptedInnerKey":"…","EncryptionParams":{"Iv":"…"},"AuthenticationData":"…"}
//! ```
//! Each member is base64. `EncryptedInnerKey` is RSAES-PKCS1-v1_5 under the TPM's key, 256 bytes, before which some
//! services write a zero; in it is a key for AES-GCM, 16 or 32 bytes. `Jwt` is the token's ciphertext, `Iv` the nonce of
//! 12 bytes, `AuthenticationData` the tag of 16 bytes; the additional data are the text `Transport Key`. Unknown members
//! are passed over: the service may add some, and nothing of it is believed before the token's signature is.
//!
//! The seal proves to the service that the token is read where it was asked for. It proves nothing of the service, and
//! not whose request the token answers: that is looked for inside ([`super::claims`]).

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use casque_types::{Secret, is_compact_jws};
use serde::Deserialize;
use thiserror::Error;

use super::claims::require_nonce;
use crate::ResponseCode;
use crate::thim::decode_base64;
use crate::tpm::sealing_key::KEY_BYTES;

/// A sealed token, read and not opened.
pub struct SealedToken {
    encrypted_key: [u8; KEY_BYTES],
    iv: [u8; IV_BYTES],
    /// Ciphertext, then tag.
    sealed: Vec<u8>,
}

/// Why a sealed token was not opened.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum SealedTokenError {
    /// It is longer than any token is.
    #[error("the sealed token: expected at most {limit_bytes} bytes, found {found_bytes}")]
    TooLong {
        /// Its length.
        found_bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// It is none.
    #[error(
        "the answer of the attestation service is no sealed token: expected {expected}: is it an answer of `attest/AzureGuest`?"
    )]
    Malformed {
        /// What was expected.
        expected: &'static str,
    },
    /// Its inner key was encrypted to another key than the request's, or the TPM failed and says it in the same way.
    #[error(
        "the sealed token does not open: it was sealed to another key than this request's, or changed on its way{} (`TPM2_RSA_Decrypt`: response code `{:#05x}`)", or_failure(*code), code.0
    )]
    OtherKey {
        /// What the TPM says.
        code: ResponseCode,
    },
    /// Its inner key is none.
    #[error(
        "the sealed token does not open: expected an inner key of 16 or 32 bytes, found {found_bytes}"
    )]
    InnerKey {
        /// How many bytes were in its place.
        found_bytes: usize,
    },
    /// It does not open under its inner key.
    #[error(
        "the sealed token does not open under its own inner key: it was changed on its way: attest again"
    )]
    Changed,
    /// What is in it is no token.
    #[error("the sealed token opens: expected a compact JWS in it, found something else")]
    NoJws,
    /// The token in it answers another request than this one: it is not handed on.
    #[error(
        "the sealed token opens, and is kept back: expected {expected}, found something else: it answers another request, which someone between this machine and the attestation service put in place of this one: attest again, and if it is so again, look who ends TLS on the way to the server"
    )]
    OtherNonce {
        /// What was expected.
        expected: &'static str,
    },
}

impl SealedToken {
    /// Reads the `token` of an answer, at most 256 KiB, and opens nothing.
    ///
    /// # Errors
    /// [`SealedTokenError::TooLong`]; [`SealedTokenError::Malformed`].
    pub fn parse(text: &str) -> Result<Self, SealedTokenError> {
        require_length(text)?;
        let json = decoded(text, "base64url")?;
        let expected = "JSON with `Jwt`, `EncryptedInnerKey`, `EncryptionParams` and `AuthenticationData`, each once";
        let raw: Raw = serde_json::from_slice(&json).map_err(|_| malformed(expected))?;
        let encrypted_key = decoded(&raw.encrypted_inner_key, "base64 in `EncryptedInnerKey`")?;
        let iv = decoded(&raw.encryption_params.iv, "base64 in `Iv`")?;
        let tag = decoded(&raw.authentication_data, "base64 in `AuthenticationData`")?;
        let mut sealed = decoded(&raw.jwt, "base64 in `Jwt`")?;
        if tag.len() != TAG_BYTES {
            return Err(malformed("16 bytes in `AuthenticationData`"));
        }
        sealed.extend(tag);
        Ok(Self {
            encrypted_key: without_leading_zero(&encrypted_key)
                .ok_or(malformed("256 bytes in `EncryptedInnerKey`"))?,
            iv: <[u8; IV_BYTES]>::try_from(iv).map_err(|_| malformed("12 bytes in `Iv`"))?,
            sealed,
        })
    }

    /// The inner key, encrypted to the TPM's.
    #[must_use]
    pub const fn encrypted_key(&self) -> &[u8; KEY_BYTES] {
        &self.encrypted_key
    }

    /// The token: a compact JWS, whose signature is not looked at, that answers the request which `nonce` was given for.
    ///
    /// # Errors
    /// [`SealedTokenError::InnerKey`]; [`SealedTokenError::Changed`]; [`SealedTokenError::NoJws`];
    /// [`SealedTokenError::OtherNonce`].
    pub fn open(
        mut self,
        inner_key: &Secret,
        nonce: &[u8; 32],
    ) -> Result<String, SealedTokenError> {
        let algorithm = match inner_key.len() {
            16 => &AES_128_GCM,
            32 => &AES_256_GCM,
            found_bytes => return Err(SealedTokenError::InnerKey { found_bytes }),
        };
        // Exposed to open the token with it.
        let key = UnboundKey::new(algorithm, inner_key.expose());
        let key = LessSafeKey::new(key.map_err(|_| SealedTokenError::Changed)?);
        let iv = Nonce::assume_unique_for_key(self.iv);
        let opened = key.open_in_place(iv, Aad::from(ADDITIONAL), &mut self.sealed);
        let opened = opened.map_err(|_| SealedTokenError::Changed)?;
        let token = str::from_utf8(opened).map_err(|_| SealedTokenError::NoJws)?;
        if !is_compact_jws(token) {
            return Err(SealedTokenError::NoJws);
        }
        require_nonce(token, nonce)?;
        Ok(token.to_owned())
    }
}

impl std::fmt::Debug for SealedToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealedToken({} bytes)", self.sealed.len())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Raw {
    jwt: String,
    encrypted_inner_key: String,
    encryption_params: RawParameters,
    authentication_data: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawParameters {
    iv: String,
}

/// One code is for both.
const fn or_failure(code: ResponseCode) -> &'static str {
    if code.is_failure() {
        ", or the TPM failed: attest again, and restart the machine if it is so again"
    } else {
        ": attest again"
    }
}

/// A big integer that is written with a sign has a zero before it.
fn without_leading_zero(key: &[u8]) -> Option<[u8; KEY_BYTES]> {
    let key = match key {
        [0, key @ ..] if key.len() == KEY_BYTES => key,
        key => key,
    };
    key.try_into().ok()
}

pub(super) const fn require_length(text: &str) -> Result<(), SealedTokenError> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(SealedTokenError::TooLong {
            found_bytes: text.len(),
            limit_bytes: MAX_TEXT_BYTES,
        });
    }
    Ok(())
}

fn decoded(text: &str, expected: &'static str) -> Result<Vec<u8>, SealedTokenError> {
    decode_base64(text.as_bytes()).ok_or(malformed(expected))
}

const fn malformed(expected: &'static str) -> SealedTokenError {
    SealedTokenError::Malformed { expected }
}

const ADDITIONAL: &[u8] = b"Transport Key";
const IV_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
const MAX_TEXT_BYTES: usize = 256 * 1024;

#[cfg(test)]
mod tests;
