//! One-time passwords: TOTP as the policy language knows it.
//!
//! RFC 6238 over RFC 4226: HMAC-SHA-1, 6 digits, steps of 30 seconds from the epoch. The shared secret is
//! base32 text (RFC 4648 section 6), as authenticator apps take it. SHA-1 is sound here: HMAC does not
//! need a hash without collisions, and every app speaks it.
//!
//! This module says which step a code belongs to, and remembers nothing. That a code counts once, and that
//! guesses are few, is the caller's to hold: three codes in a million are right at any time.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::hmac;
use casque_types::{Secret, Timestamp, ct_eq};
use thiserror::Error;
use zeroize::Zeroizing;

/// The secret that a server and a generator of codes share: 128 to 1024 bits.
#[derive(Debug)]
pub struct OtpSecret(Secret);

impl OtpSecret {
    /// Reads base32 text of either case, with its whole padding or none.
    ///
    /// Bits of the last letter that fill no byte are ignored, as every authenticator app does.
    ///
    /// # Errors
    /// [`OtpSecretParseError`]: not base32, or too few or too many bits.
    pub fn parse(text: &Secret) -> Result<Self, OtpSecretParseError> {
        // Exposed to be decoded into a wiped buffer.
        let letters = without_padding(text.expose())?;
        let bytes = decode_base32(letters)?;
        let found_bits = bytes.len().saturating_mul(8);
        if bytes.len() < MIN_SECRET_BYTES {
            return Err(OtpSecretParseError::TooShort { found_bits });
        }
        Ok(Self(Secret::from(bytes)))
    }

    /// The step that `code` belongs to: the one of `now`, the one before or the one after; `None` if it is
    /// none of their codes.
    ///
    /// A code that is right proves nothing when its step was [spent](OtpStep) before. The time taken does
    /// not depend on the code. Should two steps share a code, the later one is named.
    #[must_use]
    pub fn verify(&self, code: &OtpCode, now: Timestamp) -> Option<OtpStep> {
        let current = OtpStep::at(now).0;
        let first = current.saturating_sub(WINDOW_STEPS);
        let last = current.saturating_add(WINDOW_STEPS);
        let mut found = None;
        for step in first..=last {
            // No early return: every step is compared, whichever fits.
            if ct_eq(&self.code_of(step), code.0.as_ref()) {
                found = Some(OtpStep(step));
            }
        }
        found
    }

    /// The code of a step, as ASCII digits (RFC 4226 section 5.3).
    fn code_of(&self, step: u64) -> [u8; CODE_DIGITS] {
        // Exposed to become the key of the MAC.
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, self.0.expose());
        let mac = hmac::sign(&key, &step.to_be_bytes());
        let mac = mac.as_ref();
        let offset = usize::from(mac.last().copied().unwrap_or_default() & 0xf);
        let four = mac.get(offset..).and_then(<[u8]>::first_chunk::<4>);
        // An HMAC-SHA-1 has 20 bytes, so that four follow any offset up to 15.
        let mut number = u32::from_be_bytes(four.copied().unwrap_or_default()) & 0x7fff_ffff;
        let mut digits = [b'0'; CODE_DIGITS];
        for digit in digits.iter_mut().rev() {
            *digit = b'0'.saturating_add(u8::try_from(number % 10).unwrap_or_default());
            number /= 10;
        }
        digits
    }
}

/// Six digits that somebody gave as a one-time password; not printed, since they still count.
pub struct OtpCode(Zeroizing<[u8; CODE_DIGITS]>);

impl FromStr for OtpCode {
    type Err = OtpCodeParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits: [u8; CODE_DIGITS] =
            text.as_bytes().try_into().map_err(|_| OtpCodeParseError)?;
        if !digits.iter().all(u8::is_ascii_digit) {
            return Err(OtpCodeParseError);
        }
        Ok(Self(Zeroizing::new(digits)))
    }
}

impl OtpCode {
    /// The digits. Each call says beside it why they must be seen there.
    #[must_use]
    pub fn expose(&self) -> &str {
        // Made from ASCII digits alone.
        std::str::from_utf8(self.0.as_slice()).unwrap_or_default()
    }
}

impl fmt::Debug for OtpCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtpCode").finish_non_exhaustive()
    }
}

/// Number of a step of 30 seconds since 1970: what a caller records as spent, so that no code counts twice.
///
/// Who keeps only the latest step spent, and refuses it and all before, needs one number for each secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OtpStep(pub u64);

impl OtpStep {
    /// The step that a point of time belongs to.
    #[must_use]
    pub const fn at(time: Timestamp) -> Self {
        Self(time.as_unix_s() / STEP_S)
    }

    /// The first point of time at which this step's code is refused by age alone.
    ///
    /// A record of the step's being spent may be forgotten then, by a clock that never goes back.
    #[must_use]
    pub const fn forgotten_at(self) -> Timestamp {
        let step = self.0.saturating_add(WINDOW_STEPS).saturating_add(1);
        Timestamp::from_unix_s(step.saturating_mul(STEP_S))
    }
}

/// Why a text is no shared secret.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum OtpSecretParseError {
    /// Something that is not of the alphabet: a space, a hyphen, `0`, `1`, `8`, `9`.
    #[error(
        "expected base32 (letters and the digits `2` to `7`, without spaces), found another character at position {position}"
    )]
    Character {
        /// Which one, from 1, in bytes.
        position: usize,
    },
    /// A number of letters or of `=` that no base32 text has.
    #[error(
        "expected base32, found {found_letters} letters with a padding that does not fit them: is it cut off?"
    )]
    Length {
        /// How many letters there are before the padding.
        found_letters: usize,
    },
    /// Easy to guess.
    #[error(
        "expected a shared secret of at least 128 bits (26 letters of base32), found {found_bits} bits"
    )]
    TooShort {
        /// How many there are.
        found_bits: usize,
    },
    /// Longer than anyone needs.
    #[error("expected a shared secret of at most 1024 bits (205 letters of base32), found more")]
    TooLong,
}

/// A text is no one-time password.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
#[error("expected a one-time password of exactly {CODE_DIGITS} digits")]
pub struct OtpCodeParseError;

/// The letters without the `=` behind them, which are either all or none.
fn without_padding(text: &[u8]) -> Result<&[u8], OtpSecretParseError> {
    let is_padding = |byte: &&u8| **byte == b'=';
    let padding = text.iter().rev().take_while(is_padding).count();
    let found_letters = text.len().saturating_sub(padding);
    let letters = text.get(..found_letters).unwrap_or_default();
    if letters.len() > MAX_SECRET_LETTERS {
        return Err(OtpSecretParseError::TooLong);
    }
    // 1, 3 or 6 letters beyond whole blocks of 8 make no whole number of bytes.
    let expected_padding = match found_letters % BLOCK_LETTERS {
        0 => 0,
        2 => 6,
        4 => 4,
        5 => 3,
        7 => 1,
        _ => return Err(OtpSecretParseError::Length { found_letters }),
    };
    if padding != 0 && padding != expected_padding {
        return Err(OtpSecretParseError::Length { found_letters });
    }
    Ok(letters)
}

fn decode_base32(letters: &[u8]) -> Result<Zeroizing<Vec<u8>>, OtpSecretParseError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(letters.len()));
    let mut bits = 0_u16;
    let mut count = 0_u32;
    for (position, letter) in (1..).zip(letters) {
        let value = value_of(*letter).ok_or(OtpSecretParseError::Character { position })?;
        bits = (bits << 5) | u16::from(value);
        count = count.saturating_add(5);
        if count >= 8 {
            count = count.saturating_sub(8);
            let [_, byte] = (bits >> count).to_be_bytes();
            bytes.push(byte);
        }
    }
    Ok(bytes)
}

const fn value_of(letter: u8) -> Option<u8> {
    match letter {
        b'A'..=b'Z' => Some(letter.saturating_sub(b'A')),
        b'a'..=b'z' => Some(letter.saturating_sub(b'a')),
        b'2'..=b'7' => Some(letter.saturating_sub(b'2').saturating_add(26)),
        _ => None,
    }
}

/// RFC 6238 section 4.1.
const STEP_S: u64 = 30;
/// How many steps before and after the current one are taken: clocks differ, and people type slowly.
const WINDOW_STEPS: u64 = 1;
const CODE_DIGITS: usize = 6;
const BLOCK_LETTERS: usize = 8;
const MIN_SECRET_BYTES: usize = 16;
/// 1024 bits.
const MAX_SECRET_LETTERS: usize = 205;

#[cfg(test)]
mod tests;
