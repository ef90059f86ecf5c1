//! Bytes on the wire.

use std::fmt;

use base64::Engine as _;
use base64::display::Base64Display;
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

impl fmt::Debug for B64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "B64({} bytes)", self.0.len())
    }
}

impl Serialize for B64 {
    /// Writes without a copy of the text beside, since the bytes can be confidential.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Base64Display::new(&self.0, &URL_SAFE_NO_PAD))
    }
}

impl<'de> Deserialize<'de> for B64 {
    /// Reads without a copy of the text beside, as long as the text has no escapes.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(ReadB64)
    }
}

struct ReadB64;

impl de::Visitor<'_> for ReadB64 {
    type Value = B64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("base64url text")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<B64, E> {
        text.parse().map_err(E::custom)
    }
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for B64 {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::Type::String)
            .content_encoding("base64url")
            .pattern(Some("^(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-][AQgw]|[A-Za-z0-9_-]{2}[AEIMQUYcgkosw048])?$"))
            .into()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for B64 {}
