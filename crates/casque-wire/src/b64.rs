//! Bytes on the wire.

use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// Bytes, written as base64url without padding and read with or without.
#[derive(Clone, PartialEq, Eq)]
pub struct B64(pub Vec<u8>);

/// A text is no base64url.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
#[error("expected base64url text")]
pub struct B64Error;

impl std::str::FromStr for B64 {
    type Err = B64Error;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let padded = text.ends_with('=');
        let engine = if padded { URL_SAFE } else { URL_SAFE_NO_PAD };
        engine.decode(text).map(Self).map_err(|_| B64Error)
    }
}

impl std::fmt::Debug for B64 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "B64({} bytes)", self.0.len())
    }
}

impl Serialize for B64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for B64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}
