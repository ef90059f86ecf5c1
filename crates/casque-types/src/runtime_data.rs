//! The runtime data: one binding of evidence to a request, for every kind of TEE.
//!
//! UTF-8 JSON with exactly these members, sent and hashed verbatim:
//!
//! ```json
//! {"v":"casque-attest-1","server":"<key hash>","config":"<policy/service>",
//!  "nonce":"<base64url>","key":{"kem":"X-Wing","public":"<base64url>"}}
//! ```
//!
//! `SHA-256(runtime data)` is the binding: the first 32 bytes of `report_data` (SGX, TDX, SNP; the rest
//! is zero), and what Microsoft Azure Attestation checks for `runtimeData`. The nonce gives freshness,
//! `server` and `config` stop relays, `key` is the only key that the answer is sealed to.
//! It is not a proof: only evidence that carries the binding makes one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use thiserror::Error;

use crate::{ConfigId, Digest, KeyHash, sha256};

/// What an attester bound its evidence to, with the exact bytes that were hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeData {
    bytes: Vec<u8>,
    server: KeyHash,
    config: ConfigId,
    nonce: Nonce,
    key: KemPublicKey,
}

impl RuntimeData {
    /// Writes the runtime data for a request.
    #[must_use]
    pub fn new(server: KeyHash, config: ConfigId, nonce: Nonce, key: KemPublicKey) -> Self {
        let bytes = format!(
            r#"{{"v":"{VERSION}","server":"{server}","config":"{config}","nonce":"{}","key":{{"kem":"{}","public":"{}"}}}}"#,
            nonce.to_text(),
            key.kem.name(),
            key.to_text(),
        );
        Self {
            bytes: bytes.into_bytes(),
            server,
            config,
            nonce,
            key,
        }
    }

    /// Reads runtime data that came from outside: at most 4 KiB, exactly the members above.
    ///
    /// # Errors
    /// [`RuntimeDataError`] names the first thing that is not as it should be.
    pub fn parse(bytes: &[u8]) -> Result<Self, RuntimeDataError> {
        if bytes.len() > Self::MAX_BYTES {
            return Err(RuntimeDataError::TooLong {
                found_bytes: bytes.len(),
            });
        }
        let raw: raw::RuntimeData =
            serde_json::from_slice(bytes).map_err(RuntimeDataError::not_json)?;
        if raw.v != VERSION {
            return Err(RuntimeDataError::Version);
        }
        Ok(Self {
            bytes: bytes.to_vec(),
            server: raw.server.parse().map_err(|_| RuntimeDataError::Server)?,
            config: raw.config.parse().map_err(|_| RuntimeDataError::Config)?,
            nonce: Nonce::from_text(&raw.nonce).ok_or(RuntimeDataError::Nonce)?,
            key: KemPublicKey::from_text(&raw.key.kem, &raw.key.public)?,
        })
    }

    /// The bytes as they were sent and hashed.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The key hash of the server that the request is meant for.
    #[must_use]
    pub const fn server(&self) -> &KeyHash {
        &self.server
    }

    /// The service whose configuration is asked for.
    #[must_use]
    pub const fn config(&self) -> &ConfigId {
        &self.config
    }

    /// The server's nonce.
    #[must_use]
    pub const fn nonce(&self) -> &Nonce {
        &self.nonce
    }

    /// The key that the answer is to be sealed to.
    #[must_use]
    pub const fn key(&self) -> &KemPublicKey {
        &self.key
    }

    /// `SHA-256` over the bytes.
    #[must_use]
    pub fn binding(&self) -> Digest<32> {
        sha256(&self.bytes)
    }

    /// What evidence must carry: the binding, then 32 zero bytes.
    #[must_use]
    pub fn report_data(&self) -> ReportData {
        let mut bytes = [0_u8; 64];
        if let Some(first) = bytes.first_chunk_mut::<32>() {
            *first = *self.binding().as_bytes();
        }
        ReportData(bytes)
    }

    /// The most bytes that runtime data may have.
    pub const MAX_BYTES: usize = 4096;
}

/// The 64 bytes that a TEE signs for its guest; for a request made by [`RuntimeData::report_data`] alone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ReportData([u8; 64]);

impl ReportData {
    /// The bytes, as they stand in the evidence.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }

    /// Whether evidence carries exactly these bytes, compared in constant time.
    #[must_use]
    pub fn is_carried_by(&self, found: &[u8; 64]) -> bool {
        crate::ct_eq(&self.0, found)
    }
}

/// A server's nonce: 1 to 128 bytes that mean something to that server alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nonce(Vec<u8>);

impl Nonce {
    /// A nonce of these bytes, or `None` if there are none or more than 128.
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        (1..=MAX_NONCE_BYTES)
            .contains(&bytes.len())
            .then_some(Self(bytes))
    }

    /// Reads base64url text without padding.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        Self::from_bytes(URL_SAFE_NO_PAD.decode(text).ok()?)
    }

    /// The bytes as base64url text without padding.
    #[must_use]
    pub fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.0)
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A key encapsulation mechanism that answers can be sealed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kem {
    /// X25519 with ML-KEM-768 (draft-connolly-cfrg-xwing-kem).
    XWing,
}

impl Kem {
    /// Its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::XWing => "X-Wing",
        }
    }

    /// The length of its public keys.
    #[must_use]
    pub const fn public_key_bytes(self) -> usize {
        match self {
            Self::XWing => 1216,
        }
    }
}

/// An encapsulation key of the length that its mechanism has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KemPublicKey {
    kem: Kem,
    bytes: Vec<u8>,
}

impl KemPublicKey {
    /// A public key of these bytes, or `None` if the length is not the mechanism's.
    #[must_use]
    pub fn from_bytes(kem: Kem, bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() == kem.public_key_bytes()).then_some(Self { kem, bytes })
    }

    fn from_text(kem: &str, public: &str) -> Result<Self, RuntimeDataError> {
        if kem != Kem::XWing.name() {
            return Err(RuntimeDataError::Kem);
        }
        let bytes = URL_SAFE_NO_PAD
            .decode(public)
            .map_err(|_| RuntimeDataError::Key)?;
        Self::from_bytes(Kem::XWing, bytes).ok_or(RuntimeDataError::Key)
    }

    fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.bytes)
    }

    /// The mechanism.
    #[must_use]
    pub const fn kem(&self) -> Kem {
        self.kem
    }

    /// The key's bytes, as its mechanism writes them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Why bytes are no runtime data.
#[derive(Debug, Error)]
pub enum RuntimeDataError {
    /// More than 4 KiB.
    #[error(
        "runtime data: expected at most {} bytes, found {found_bytes}",
        RuntimeData::MAX_BYTES
    )]
    TooLong {
        /// How many there are.
        found_bytes: usize,
    },
    /// Not JSON, or not exactly the members.
    #[error(
        "runtime data: expected a JSON object with exactly the members `v`, `server`, `config`, `nonce` and `key`"
    )]
    NotJson {
        /// What the JSON parser met, with its line and column.
        #[source]
        source: serde_json::Error,
    },
    /// `v` is another version.
    #[error("runtime data: expected `v` to be `{VERSION}`")]
    Version,
    /// `server` is no key hash.
    #[error("runtime data: expected `server` to be a key hash")]
    Server,
    /// `config` is no config id.
    #[error("runtime data: expected `config` to be `[namespace/]policy/service`")]
    Config,
    /// `nonce` is not 1 to 128 bytes of base64url.
    #[error(
        "runtime data: expected `nonce` to be 1 to {MAX_NONCE_BYTES} bytes in base64url without padding"
    )]
    Nonce,
    /// `key.kem` is unknown.
    #[error("runtime data: expected `key.kem` to be `X-Wing`")]
    Kem,
    /// `key.public` is no key of that mechanism.
    #[error("runtime data: expected `key.public` to be 1216 bytes in base64url without padding")]
    Key,
}

impl RuntimeDataError {
    const fn not_json(source: serde_json::Error) -> Self {
        Self::NotJson { source }
    }
}

const VERSION: &str = "casque-attest-1";
const MAX_NONCE_BYTES: usize = 128;

/// The JSON as it stands on the wire.
mod raw {
    use super::Deserialize;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct RuntimeData {
        pub(super) v: String,
        pub(super) server: String,
        pub(super) config: String,
        pub(super) nonce: String,
        pub(super) key: Key,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Key {
        pub(super) kem: String,
        pub(super) public: String,
    }
}

#[cfg(test)]
mod tests;
