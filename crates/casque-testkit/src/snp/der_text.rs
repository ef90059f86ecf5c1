//! Writes DER (X.690) piece by piece: only what certificates and revocation lists of this software TEE need.

use casque_types::{Seconds, Timestamp};
use der::asn1::{GeneralizedTime, ObjectIdentifier, UtcTime};
use der::{DateTime, Encode as _};

use crate::sgx::SoftwareTeeError;

/// Tag, length, and the parts one after the other.
pub(super) fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let contents = parts.concat();
    let length = contents.len().to_be_bytes();
    let significant = length.iter().position(|byte| *byte != 0);
    let significant = length
        .get(significant.unwrap_or(length.len().saturating_sub(1))..)
        .unwrap_or_default();
    let mut out = vec![tag];
    if contents.len() >= 0x80 {
        out.push(0x80 | u8::try_from(significant.len()).unwrap_or(u8::MAX));
    }
    out.extend(significant);
    out.extend(contents);
    out
}

pub(super) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, parts)
}

/// `[number]`, explicit.
pub(super) fn explicit(number: u8, contents: &[u8]) -> Vec<u8> {
    tlv(0xA0 | number, &[contents])
}

/// A number that is not negative, from its big endian bytes.
pub(super) fn integer(big_endian: &[u8]) -> Vec<u8> {
    let zeros = big_endian.iter().take_while(|byte| **byte == 0).count();
    let digits = big_endian.get(zeros..).unwrap_or_default();
    match digits.first() {
        None => tlv(0x02, &[&[0]]),
        Some(0x80..) => tlv(0x02, &[&[0], digits]),
        Some(_) => tlv(0x02, &[digits]),
    }
}

pub(super) fn bit_string(bytes: &[u8]) -> Vec<u8> {
    tlv(0x03, &[&[0], bytes])
}

pub(super) fn octet_string(bytes: &[u8]) -> Vec<u8> {
    tlv(0x04, &[bytes])
}

pub(super) fn ia5_string(text: &str) -> Vec<u8> {
    tlv(0x16, &[text.as_bytes()])
}

pub(super) fn oid(text: &str) -> Result<Vec<u8>, SoftwareTeeError> {
    let oid = ObjectIdentifier::new(text).map_err(|_| SoftwareTeeError::Stored)?;
    Ok(oid.to_der()?)
}

/// A name of a common name and this TEE's organization, in UTF-8.
pub(super) fn name(common_name: &str) -> Result<Vec<u8>, SoftwareTeeError> {
    let part = |kind: &str, text: &str| {
        let text = tlv(0x0C, &[text.as_bytes()]);
        Ok::<_, SoftwareTeeError>(tlv(0x31, &[&sequence(&[&oid(kind)?, &text])]))
    };
    Ok(sequence(&[
        &part("2.5.4.10", "Casque software TEE, for tests only")?,
        &part("2.5.4.3", common_name)?,
    ]))
}

/// An extension whose contents are `contents`.
pub(super) fn extension(
    kind: &str,
    critical: Critical,
    contents: &[u8],
) -> Result<Vec<u8>, SoftwareTeeError> {
    let flag = match critical {
        Critical::Yes => tlv(0x01, &[&[0xFF]]),
        Critical::No => Vec::new(),
    };
    Ok(sequence(&[&oid(kind)?, &flag, &octet_string(contents)]))
}

/// Whether a verifier that does not know an extension must refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Critical {
    Yes,
    No,
}

/// UTC time up to 2049, then generalized time (RFC 5280 section 4.1.2.5).
pub(super) fn time(at: Timestamp) -> Result<Vec<u8>, SoftwareTeeError> {
    let since_1970 = std::time::Duration::from_secs(at.as_unix_s());
    if let Ok(time) = UtcTime::from_unix_duration(since_1970) {
        return Ok(time.to_der()?);
    }
    let time = DateTime::from_unix_duration(since_1970)
        .map_err(|_| SoftwareTeeError::Time { found: at })?;
    Ok(GeneralizedTime::from_date_time(time).to_der()?)
}

pub(super) const A_DAY: Seconds = Seconds(86_400);
pub(super) const TWENTY_YEARS: Seconds = Seconds(20 * 365 * 86_400);
