//! Reading JSON answers: confidential members go straight into `Secret`, numbers may stand as text.
//!
//! Errors of serde_json are mapped and not printed, since they quote what they met. A value with escapes
//! passes through a buffer of serde_json that is not wiped.

use std::fmt;

use casque_types::Secret;
use serde::de::{DeserializeOwned, Error as _, Visitor};
use serde::{Deserialize, Deserializer};

/// Reads one JSON value and nothing after it; `None` if it is not of the form `T`.
pub(crate) fn read<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    serde_json::from_slice(body).ok()
}

/// A confidential JSON string.
#[derive(Debug)]
pub(crate) struct SecretText(pub(crate) Secret);

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = SecretText;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_str<E>(self, text: &str) -> Result<SecretText, E> {
                Ok(SecretText(Secret::copied_from(text.as_bytes())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// Whole seconds, as a JSON number or as text (`3599` or `"3599"`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LooseSeconds(pub(crate) u64);

impl<'de> Deserialize<'de> for LooseSeconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = LooseSeconds;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number")
            }
            fn visit_u64<E>(self, seconds: u64) -> Result<LooseSeconds, E> {
                Ok(LooseSeconds(seconds))
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<LooseSeconds, E> {
                let seconds = text.parse().map_err(|_| E::custom("not a whole number"));
                seconds.map(LooseSeconds)
            }
        }
        deserializer
            .deserialize_any(Number)
            .map_err(|_| D::Error::custom("not a whole number"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loose_seconds_number_and_text_are_read() {
        assert_eq!(read::<LooseSeconds>(b"3599"), Some(LooseSeconds(3599)));
        assert_eq!(read::<LooseSeconds>(b"\"3599\""), Some(LooseSeconds(3599)));
        assert_eq!(read::<LooseSeconds>(b"-1"), None);
        assert_eq!(read::<LooseSeconds>(b"\"1h\""), None);
    }

    #[test]
    fn secret_text_escapes_are_read() {
        let text: SecretText = read(br#""a\nb\u00e9""#).unwrap();
        assert!(text.0.ct_eq(&Secret::new("a\nb\u{e9}".as_bytes().to_vec())));
    }
}
