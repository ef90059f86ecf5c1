//! Bytes of evidence, which come from many hands.

use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::B64Error;

/// Bytes that signatures cover: written as base64url without padding, read as base64 or base64url, with padding
/// or without, in one line or in several: ASCII white space counts nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct AnyB64(pub Vec<u8>);

impl std::str::FromStr for AnyB64 {
    type Err = B64Error;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains(|c: char| c.is_ascii_whitespace()) {
            let joined: String = text.split_ascii_whitespace().collect();
            return joined.parse();
        }
        let is_url = text.contains(['-', '_']);
        let engine = if is_url { &ANY_URL } else { &ANY_STANDARD };
        engine.decode(text).map(Self).map_err(|_| B64Error)
    }
}

impl fmt::Debug for AnyB64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AnyB64({} bytes)", self.0.len())
    }
}

impl Serialize for AnyB64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for AnyB64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(ReadAnyB64)
    }
}

struct ReadAnyB64;

impl de::Visitor<'_> for ReadAnyB64 {
    type Value = AnyB64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("base64 or base64url text")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<AnyB64, E> {
        text.parse().map_err(E::custom)
    }
}

const ANY_PADDING: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const ANY_URL: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, ANY_PADDING);
const ANY_STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, ANY_PADDING);

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for AnyB64 {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::Type::String)
            .content_encoding("base64url")
            .into()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for AnyB64 {}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose;

    use super::*;

    #[test]
    fn bytes_are_read_from_either_alphabet_with_padding_or_without() {
        for text in ["-_8=", "-_8", "+/8=", "+/8"] {
            assert_eq!(text.parse::<AnyB64>().unwrap().0, [0xfb, 0xff], "{text}");
        }
        assert!("-/8".parse::<AnyB64>().is_err());
        assert!("a*b".parse::<AnyB64>().is_err());
    }

    #[test]
    fn bytes_are_read_from_several_lines() {
        let bytes = [0xfb; 100];
        let text = general_purpose::STANDARD.encode(bytes);
        let (first, second) = text.split_at(76);
        for lines in [
            format!("{text}\n"),
            format!("{first}\n{second}\n"),
            format!("\t{first}\r\n{second} "),
        ] {
            assert_eq!(lines.parse::<AnyB64>().unwrap().0, bytes, "{lines}");
        }
        // Not white space of ASCII.
        assert!("AAAA\u{a0}".parse::<AnyB64>().is_err());
    }
}
