//! The hash by which policies, clients and agents name a public key.
//!
//! SCONE prints key hashes as Base58Check with version byte 1 over 32 bytes
//! (spec/policy-language.md section 8). What SCONE hashes is not documented; here it is SHA-256 over
//! the DER `SubjectPublicKeyInfo` (RFC 5280 section 4.1), so a hash that SCONE printed names no key here.
//!
//! ```text
//! 01 | SHA-256(SPKI DER), 32 bytes | first 4 bytes of SHA-256(SHA-256(the 33 bytes before))
//! ```

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::{Digest, sha256};

/// SHA-256 over a DER `SubjectPublicKeyInfo`; its text is Base58Check, or 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyHash(Digest<32>);

impl KeyHash {
    /// The hash of a public key given as DER `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn of_spki(spki_der: &[u8]) -> Self {
        Self(sha256(spki_der))
    }

    /// The hash of the Ed25519 key that SCONE's older clients printed as Base58Check with version byte 10 over
    /// the 32 bytes of the key (spec/policy-language.md section 8).
    ///
    /// # Errors
    /// [`KeyHashParseError`]: another text, or another version byte.
    pub fn of_legacy_signer(text: &str) -> Result<Self, KeyHashParseError> {
        let (version, key) = decode_base58check(text)?;
        if version != SIGNER_VERSION {
            return Err(KeyHashParseError::SignerVersion { version });
        }
        let spki = [&ED25519_SPKI_HEAD[..], &key[..]].concat();
        Ok(Self::of_spki(&spki))
    }

    /// The 32 bytes of the digest.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

impl From<[u8; 32]> for KeyHash {
    fn from(bytes: [u8; 32]) -> Self {
        Self(Digest::from(bytes))
    }
}

impl FromStr for KeyHash {
    type Err = KeyHashParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() == 64 {
            return text
                .parse()
                .map(Self)
                .map_err(|_| KeyHashParseError::NotHexadecimal);
        }
        match decode_base58check(text)? {
            (VERSION, digest) => Ok(Self::from(digest)),
            (version, _) => Err(KeyHashParseError::Version { version }),
        }
    }
}

/// The version byte, and the 32 bytes behind it.
fn decode_base58check(text: &str) -> Result<(u8, [u8; 32]), KeyHashParseError> {
    if text.len() > MAX_TEXT_CHARACTERS {
        return Err(KeyHashParseError::TooLong);
    }
    let bytes = bs58::decode(text)
        .into_vec()
        .map_err(|_| KeyHashParseError::NotBase58)?;
    let Some((body, check)) = bytes.split_last_chunk::<4>() else {
        return Err(KeyHashParseError::Truncated);
    };
    if checksum(body) != *check {
        return Err(KeyHashParseError::Checksum);
    }
    let (&version, payload) = body.split_first().ok_or(KeyHashParseError::Truncated)?;
    let payload = payload
        .try_into()
        .map_err(|_| KeyHashParseError::Truncated)?;
    Ok((version, payload))
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::with_capacity(37);
        bytes.push(VERSION);
        bytes.extend_from_slice(self.0.as_bytes());
        let check = checksum(&bytes);
        bytes.extend_from_slice(&check);
        f.write_str(&bs58::encode(bytes).into_string())
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyHash({self})")
    }
}

fn checksum(body: &[u8]) -> [u8; 4] {
    let twice = sha256(sha256(body).as_bytes());
    let [a, b, c, d, ..] = *twice.as_bytes();
    [a, b, c, d]
}

/// Why a text is no key hash.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum KeyHashParseError {
    /// 64 characters that are not all hexadecimal digits.
    #[error("expected 64 hexadecimal digits or Base58Check text")]
    NotHexadecimal,
    /// A character outside the bitcoin alphabet of Base58.
    #[error("expected Base58Check text, found a character outside its alphabet")]
    NotBase58,
    /// Too few or too many bytes for a version, 32 bytes of digest and 4 of checksum.
    #[error("expected 37 bytes of Base58Check, the text is cut off or has something added")]
    Truncated,
    /// Longer than any key hash.
    #[error("expected at most 64 characters")]
    TooLong,
    /// The checksum does not fit: a character is wrong.
    #[error("the checksum does not fit: one or more characters are mistyped")]
    Checksum,
    /// Another kind of Base58Check value; SCONE's session signers have version 10.
    #[error("expected version byte 1 of a key hash, found {version}")]
    Version {
        /// The version byte found.
        version: u8,
    },
    /// Not the key of a session signer.
    #[error("expected version byte 10 of a signer's key, found {version}")]
    SignerVersion {
        /// The version byte found.
        version: u8,
    },
}

const VERSION: u8 = 1;
const SIGNER_VERSION: u8 = 10;
/// `SubjectPublicKeyInfo` of Ed25519 (RFC 8410 section 4) up to the 32 bytes of the key.
const ED25519_SPKI_HEAD: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];
const MAX_TEXT_CHARACTERS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_hash_printed_is_read_back() {
        let hash = KeyHash::of_spki(b"a key");
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert_eq!(hash.0.to_string().parse(), Ok(hash));
    }

    #[test]
    fn key_hash_one_letter_bent_fails_its_checksum() {
        let text = KeyHash::of_spki(b"a key").to_string();
        let mut bent = text.clone();
        let last = bent.pop().unwrap();
        bent.push(if last == '2' { '3' } else { '2' });
        assert_eq!(bent.parse::<KeyHash>(), Err(KeyHashParseError::Checksum));
    }

    fn signer() -> String {
        let mut bytes = vec![10_u8];
        bytes.extend_from_slice(&[7; 32]);
        let check = checksum(&bytes);
        bytes.extend_from_slice(&check);
        bs58::encode(bytes).into_string()
    }

    #[test]
    fn key_hash_of_legacy_signer_is_that_of_its_spki() {
        let spki = [&ED25519_SPKI_HEAD[..], &[7; 32]].concat();
        assert_eq!(
            KeyHash::of_legacy_signer(&signer()),
            Ok(KeyHash::of_spki(&spki))
        );
        let hash = KeyHash::of_spki(b"a key").to_string();
        let refused = KeyHash::of_legacy_signer(&hash);
        assert_eq!(
            refused,
            Err(KeyHashParseError::SignerVersion { version: 1 })
        );
    }

    #[test]
    fn key_hash_of_signer_version_is_refused_by_its_version() {
        let text = signer();
        let refused = text.parse::<KeyHash>();
        assert_eq!(refused, Err(KeyHashParseError::Version { version: 10 }));
    }
}
