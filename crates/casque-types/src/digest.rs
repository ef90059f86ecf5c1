//! Digests of fixed length and their hexadecimal text.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// `N` raw digest bytes; its text is `2 * N` lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest<const N: usize>([u8; N]);

impl<const N: usize> Digest<N> {
    /// The raw bytes, in the order in which they are printed.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; N] {
        &self.0
    }
}

impl<const N: usize> From<[u8; N]> for Digest<N> {
    fn from(bytes: [u8; N]) -> Self {
        Self(bytes)
    }
}

impl<const N: usize> FromStr for Digest<N> {
    type Err = DigestParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let expected_digits = N.saturating_mul(2);
        let found_digits = text.chars().count();
        if found_digits != expected_digits {
            return Err(DigestParseError::Length {
                expected_digits,
                found_digits,
            });
        }
        let mut bytes = [0_u8; N];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| DigestParseError::NotHexadecimal)?;
        Ok(Self(bytes))
    }
}

impl<const N: usize> fmt::Display for Digest<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl<const N: usize> fmt::Debug for Digest<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is no digest of the expected length.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum DigestParseError {
    /// The text has another number of characters.
    #[error("expected {expected_digits} hexadecimal digits, found {found_digits} characters")]
    Length {
        /// How many digits the digest has.
        expected_digits: usize,
        /// How many characters the text has.
        found_digits: usize,
    },
    /// A character is not one of `0-9a-fA-F`.
    #[error("expected hexadecimal digits only")]
    NotHexadecimal,
}

/// Declares a named digest: a newtype with the text, order and parse of [`Digest`].
macro_rules! named_digest {
    ($(#[$doc:meta])* $name:ident, $n:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name($crate::Digest<$n>);

        impl $name {
            /// The raw bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $n] {
                self.0.as_bytes()
            }
        }
        impl From<[u8; $n]> for $name {
            fn from(bytes: [u8; $n]) -> Self {
                Self($crate::Digest::from(bytes))
            }
        }
        impl From<$crate::Digest<$n>> for $name {
            fn from(digest: $crate::Digest<$n>) -> Self {
                Self(digest)
            }
        }
        impl std::str::FromStr for $name {
            type Err = $crate::DigestParseError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(&self.0, f)
            }
        }
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}
pub(crate) use named_digest;

named_digest!(
    /// SHA-256 over the canonical form of one version of a policy (see `docs/policy-hash.md`).
    PolicyHash,
    32
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_upper_case_text_is_read_and_printed_lower_case() {
        let digest: Digest<2> = "ABcd".parse().unwrap();
        assert_eq!(digest.to_string(), "abcd");
    }

    #[test]
    fn digest_short_text_names_both_lengths() {
        let refused = "abc".parse::<Digest<2>>().unwrap_err();
        let expected = DigestParseError::Length {
            expected_digits: 4,
            found_digits: 3,
        };
        assert_eq!(refused, expected);
    }

    #[test]
    fn digest_foreign_letter_is_not_hexadecimal() {
        let refused = "abcg".parse::<Digest<2>>().unwrap_err();
        assert_eq!(refused, DigestParseError::NotHexadecimal);
    }
}
