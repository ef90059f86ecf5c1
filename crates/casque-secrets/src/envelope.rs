//! Encrypted values in Azure Key Vault: what `import_akv.decryption_key` opens.
//!
//! The layout is SCONE's (spec/policy-language.md section 4.2); numbers are big-endian:
//!
//! ```text
//! text: base64 (RFC 4648 section 4) of
//!
//! 00 a1 | 00 02   | length, 2 bytes | iv, 12 bytes | ciphertext | tag, 16 bytes
//! magic | version | of ciphertext
//! ```
//!
//! AES-256-GCM. The additional data are not documented; they are empty here, inferred from nothing being
//! said of them. White space in the text is skipped: what writes base64 likes to fold it.
//!
//! Opened are: 1. the key, by its length; 2. the base64; 3. magic, version and length; 4. the encryption;
//! 5. what is inside, by the vault's content type, which SCONE lets decide here (for values in clear it
//! decides nothing, see `import.rs`):
//!
//! - `binary`: the bytes as they are;
//! - `PKCS#1`: a DER `RSAPrivateKey` (RFC 8017 appendix A.1.2), converted to PKCS#8;
//! - any other, or none: UTF-8 text, read as a vault's text in clear is.
//!
//! The envelope names neither its place nor its time: who may write into the vault can put back an older
//! one, or another's under the same key; and the content type is not protected at all.
//!
//! Vectors: `vectors/wire/envelope*.txt`.

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::KeyPair;
use casque_types::{Rng, RngError, Secret, SecretKind};
use data_encoding::BASE64;
use der::Decode as _;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::gcm::{KEY_BYTES, NONCE_BYTES, TAG_BYTES, open_value, random_nonce, seal_value};
use crate::{ImportError, SecretValue};

/// Why an envelope gave no value.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum EnvelopeError {
    /// Another length than AES-256 needs.
    #[error(
        "expected a decryption key of {KEY_BYTES} bytes, found {found_bytes}: use `kind: binary` with `size: {KEY_BYTES}`"
    )]
    Key {
        /// How many there are.
        found_bytes: usize,
    },
    /// More than any envelope has.
    #[error(
        "expected an encrypted value of at most {MAX_TEXT_BYTES} characters, found {found_bytes}"
    )]
    TooLong {
        /// How many there are.
        found_bytes: usize,
    },
    /// Something that base64 does not have: is the value in clear?
    #[error(
        "expected an encrypted value in base64 with padding; found other text: leave `decryption_key` out if it is not encrypted"
    )]
    NotBase64,
    /// It does not begin as an envelope.
    #[error(
        "expected an encrypted value that begins with the bytes `00a1`, found other bytes: leave `decryption_key` out if it is not encrypted"
    )]
    Magic,
    /// A version that is not known.
    #[error("expected an encrypted value of version {VERSION}, found version {found}")]
    Version {
        /// The version found.
        found: u16,
    },
    /// Cut off, or followed by more.
    #[error(
        "expected an encrypted value of {expected_bytes} bytes by the length that it states, found {found_bytes}: is it cut off?"
    )]
    Length {
        /// How many the length calls for; the least that there can be, when there is no length.
        expected_bytes: usize,
        /// How many there are.
        found_bytes: usize,
    },
    /// Sealed under another key, or changed since.
    #[error(
        "the encrypted value does not open under the decryption key: another key was used, or the value was changed"
    )]
    Decrypt,
    /// The policy asks for another kind than the content type says.
    #[error(
        "expected `kind: {expected}` or none for a value of content type `{content_type}`, found `kind: {found}`"
    )]
    Kind {
        /// The content type that decides.
        content_type: &'static str,
        /// The kind that it gives.
        expected: SecretKind,
        /// The kind asked for.
        found: SecretKind,
    },
    /// Bytes that are no text, without the content type that says so.
    #[error(
        "expected UTF-8 text inside the encrypted value; set its content type to `{BINARY}` for other bytes"
    )]
    NotUtf8,
    /// No RSA key where the content type says so.
    #[error(
        "expected an `RSAPrivateKey` in DER of 2048 to 8192 bits inside a value of content type `{PKCS1}`"
    )]
    Pkcs1,
    /// Text that is no value of the kind.
    #[error(transparent)]
    Import(#[from] ImportError),
}

/// Why no envelope was made.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum SealEnvelopeError {
    /// Another length than AES-256 needs.
    #[error("expected a key of {KEY_BYTES} bytes, found {found_bytes}")]
    Key {
        /// How many there are.
        found_bytes: usize,
    },
    /// More than the two bytes of length can say.
    #[error("expected a value of at most {MAX_VALUE_BYTES} bytes, found {found_bytes}")]
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

/// Opens the text of a Key Vault secret with the value of `decryption_key`.
///
/// `kind` as the policy says, `content_type` as the vault does; what they decide stands in this module.
///
/// # Errors
/// [`EnvelopeError`], a variant for each step that can fail.
pub fn open_envelope(
    text: &Secret,
    key: &Secret,
    kind: Option<SecretKind>,
    content_type: Option<&str>,
) -> Result<SecretValue, EnvelopeError> {
    let found_bytes = key.len();
    // 1. Exposed to decrypt with.
    let key = key
        .expose()
        .try_into()
        .map_err(|_| EnvelopeError::Key { found_bytes })?;
    // 2.
    let bytes = decode(text)?;
    // 3.
    let (nonce, sealed) = split(&bytes)?;
    // 4.
    let value = open_value(key, nonce, NO_ADDITIONAL_DATA, sealed).ok_or(EnvelopeError::Decrypt)?;
    // 5.
    read_value(value, kind, content_type)
}

/// Seals a value of at most 65,535 bytes under a key of 32, as [`open_envelope`] opens it.
///
/// # Errors
/// [`SealEnvelopeError`]: key or value of a wrong length, no randomness, or the provider failed.
pub fn seal_envelope(
    value: &Secret,
    key: &Secret,
    rng: &dyn Rng,
) -> Result<String, SealEnvelopeError> {
    let found_bytes = key.len();
    // Exposed to encrypt with.
    let key = key
        .expose()
        .try_into()
        .map_err(|_| SealEnvelopeError::Key { found_bytes })?;
    let found_bytes = value.len();
    let length =
        u16::try_from(found_bytes).map_err(|_| SealEnvelopeError::TooLong { found_bytes })?;
    let nonce = random_nonce(rng)?;
    let numbers = [MAGIC, VERSION, length].map(u16::to_be_bytes);
    let header = [numbers.as_flattened(), &nonce].concat();
    let bytes = seal_value(key, nonce, NO_ADDITIONAL_DATA, &header, value)
        .ok_or(SealEnvelopeError::Provider)?;
    Ok(BASE64.encode(&bytes))
}

fn decode(text: &Secret) -> Result<Zeroizing<Vec<u8>>, EnvelopeError> {
    let found_bytes = text.len();
    if found_bytes > MAX_TEXT_BYTES {
        return Err(EnvelopeError::TooLong { found_bytes });
    }
    let mut letters = Zeroizing::new(Vec::with_capacity(found_bytes));
    // Exposed to be decoded, into wiped buffers: it may be a value in clear after all.
    let text = text.expose().iter().copied();
    letters.extend(text.filter(|letter| !letter.is_ascii_whitespace()));
    BASE64
        .decode(&letters)
        .map(Zeroizing::new)
        .map_err(|_| EnvelopeError::NotBase64)
}

/// Nonce, and ciphertext with tag.
fn split(bytes: &[u8]) -> Result<([u8; NONCE_BYTES], &[u8]), EnvelopeError> {
    let found_bytes = bytes.len();
    let (magic, rest) = number(bytes).ok_or(EnvelopeError::Magic)?;
    if magic != MAGIC {
        return Err(EnvelopeError::Magic);
    }
    let cut = EnvelopeError::Length {
        expected_bytes: AROUND_BYTES,
        found_bytes,
    };
    let (found, rest) = number(rest).ok_or(cut)?;
    if found != VERSION {
        return Err(EnvelopeError::Version { found });
    }
    let (length, rest) = number(rest).ok_or(cut)?;
    let expected_bytes = usize::from(length).saturating_add(AROUND_BYTES);
    let unfit = EnvelopeError::Length {
        expected_bytes,
        found_bytes,
    };
    if found_bytes != expected_bytes {
        return Err(unfit);
    }
    let (nonce, sealed) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(unfit)?;
    Ok((*nonce, sealed))
}

fn number(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<2>()?;
    Some((u16::from_be_bytes(*number), rest))
}

fn read_value(
    value: Secret,
    kind: Option<SecretKind>,
    content_type: Option<&str>,
) -> Result<SecretValue, EnvelopeError> {
    match content_type {
        Some(BINARY) => {
            allow_kind(kind, SecretKind::Binary, BINARY)?;
            Ok(SecretValue::Binary(value))
        }
        Some(PKCS1) => {
            allow_kind(kind, SecretKind::PrivateKey, PKCS1)?;
            pkcs8_of_pkcs1(&value).map(SecretValue::PrivateKey)
        }
        _ if value.expose_text().is_none() => Err(EnvelopeError::NotUtf8),
        _ => Ok(SecretValue::from_vault(kind, &value)?),
    }
}

fn allow_kind(
    kind: Option<SecretKind>,
    expected: SecretKind,
    content_type: &'static str,
) -> Result<(), EnvelopeError> {
    match kind {
        Some(found) if found != expected => Err(EnvelopeError::Kind {
            content_type,
            expected,
            found,
        }),
        _ => Ok(()),
    }
}

fn pkcs8_of_pkcs1(value: &Secret) -> Result<Secret, EnvelopeError> {
    // Exposed to be parsed; the provider does not refuse trailing bytes itself.
    let der = value.expose();
    der::asn1::AnyRef::from_der(der).map_err(|_| EnvelopeError::Pkcs1)?;
    let key = KeyPair::from_der(der).map_err(|_| EnvelopeError::Pkcs1)?;
    let pkcs8: Pkcs8V1Der<'_> = key.as_der().map_err(|_| EnvelopeError::Pkcs1)?;
    // The provider wipes its own.
    Ok(Secret::copied_from(pkcs8.as_ref()))
}

const MAGIC: u16 = 0x00a1;
const VERSION: u16 = 2;
const NO_ADDITIONAL_DATA: &[u8] = &[];
const BINARY: &str = "binary";
const PKCS1: &str = "PKCS#1";
/// Magic, version, length, nonce and tag.
const AROUND_BYTES: usize = 6 + NONCE_BYTES + TAG_BYTES;
const MAX_VALUE_BYTES: usize = 65_535;
/// The longest envelope in base64, and as much again for white space.
const MAX_TEXT_BYTES: usize = (MAX_VALUE_BYTES + AROUND_BYTES).div_ceil(3) * 4 * 2;

#[cfg(test)]
mod tests;
