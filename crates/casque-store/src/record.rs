//! One sealed column: the record layout, and the key that seals and opens it.
//!
//! ```text
//! record          = version byte (1) | key version, u32 | nonce, 12 bytes | ciphertext | tag, 16 bytes
//! additional data = version byte | key version, u32 | lp(table) | lp(row) | lp(column) | lp(namespace)
//!                   | lp(generation, u64) | lp(beside)
//! row, beside     = lp(field) | lp(field) | ...
//! lp(x)           = length of x in bytes, u32 | x
//! ```
//!
//! Integers are big-endian. `row` holds the columns of the primary key, `beside` the columns that are not
//! confidential but that this record vouches for. The algorithm is AES-256-GCM (NIST SP 800-38D) with random
//! nonces: at most 2^32 records under one key. Vectors: `vectors/store/record-*.txt`.
//! It gives no protection against an older record of the same place and generation.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use casque_types::{Rng, Secret};

use crate::error::SealFailure;

/// The store's monotonic version: how many policies had been put when a record was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Generation(pub(crate) u64);

/// Which key of its line sealed a record; the first is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct KeyVersion(pub(crate) u32);

/// Where a record stands; a record opens only where it was sealed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// The table.
    pub(crate) table: &'static str,
    /// The columns of the primary key, in their order.
    pub(crate) row: &'a [&'a [u8]],
    /// The column.
    pub(crate) column: &'static str,
    /// The top-level namespace whose key seals it, or whose key it is.
    pub(crate) namespace: &'a str,
    /// When it was made.
    pub(crate) generation: Generation,
    /// Columns in clear that the record vouches for, in their order.
    pub(crate) beside: &'a [&'a [u8]],
}

/// The record does not open under this key at this place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotOpened;

/// A key that seals records.
pub(crate) struct DataKey {
    version: KeyVersion,
    key: LessSafeKey,
}

impl DataKey {
    /// The key with these 32 bytes.
    pub(crate) fn new(version: KeyVersion, bytes: &[u8; KEY_BYTES]) -> Result<Self, SealFailure> {
        let key = UnboundKey::new(&AES_256_GCM, bytes).map_err(|_| SealFailure::Key)?;
        Ok(Self {
            version,
            key: LessSafeKey::new(key),
        })
    }

    /// Seals `plain` for `place`.
    pub(crate) fn seal(
        &self,
        place: &Place<'_>,
        plain: &[u8],
        rng: &dyn Rng,
    ) -> Result<Vec<u8>, SealFailure> {
        let mut nonce = [0_u8; NONCE_LEN];
        rng.fill(&mut nonce)?;
        // The exact capacity: a reallocation would leave plaintext behind.
        let mut record = Vec::with_capacity(HEADER_BYTES + plain.len() + AES_256_GCM.tag_len());
        record.push(LAYOUT_VERSION);
        record.extend_from_slice(&self.version.0.to_be_bytes());
        record.extend_from_slice(&nonce);
        record.extend_from_slice(plain);
        let body = record.get_mut(HEADER_BYTES..).unwrap_or_default();
        let tag = self
            .key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(additional_bytes(self.version, place)?),
                body,
            )
            .map_err(|_| SealFailure::TooLong)?;
        record.extend_from_slice(tag.as_ref());
        Ok(record)
    }

    /// Opens a record at `place`.
    pub(crate) fn open(&self, place: &Place<'_>, record: &[u8]) -> Result<Secret, NotOpened> {
        let (version, nonce, sealed) = split(record)?;
        if version != self.version {
            return Err(NotOpened);
        }
        let aad = additional_bytes(version, place).map_err(|_| NotOpened)?;
        let mut bytes = sealed.to_vec();
        let plain_bytes = self
            .key
            .open_in_place(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(aad),
                &mut bytes,
            )
            .map_err(|_| NotOpened)?
            .len();
        bytes.truncate(plain_bytes);
        Ok(Secret::new(bytes))
    }
}

/// The version of the key that sealed a record, from its header; untrusted until the record opens.
pub(crate) fn key_version(record: &[u8]) -> Result<KeyVersion, NotOpened> {
    split(record).map(|(version, ..)| version)
}

fn split(record: &[u8]) -> Result<(KeyVersion, [u8; NONCE_LEN], &[u8]), NotOpened> {
    let Some((&[LAYOUT_VERSION], rest)) = record.split_first_chunk() else {
        return Err(NotOpened);
    };
    let (version, rest) = rest.split_first_chunk().ok_or(NotOpened)?;
    let (nonce, sealed) = rest.split_first_chunk().ok_or(NotOpened)?;
    Ok((KeyVersion(u32::from_be_bytes(*version)), *nonce, sealed))
}

fn additional_bytes(version: KeyVersion, place: &Place<'_>) -> Result<Vec<u8>, SealFailure> {
    let mut bytes = vec![LAYOUT_VERSION];
    bytes.extend_from_slice(&version.0.to_be_bytes());
    let fields: [&[u8]; 6] = [
        place.table.as_bytes(),
        &length_prefixed(place.row)?,
        place.column.as_bytes(),
        place.namespace.as_bytes(),
        &place.generation.0.to_be_bytes(),
        &length_prefixed(place.beside)?,
    ];
    bytes.extend_from_slice(&length_prefixed(&fields)?);
    Ok(bytes)
}

/// The fields one after the other, each behind its length; no two lists of fields give the same bytes.
pub(crate) fn length_prefixed(fields: &[&[u8]]) -> Result<Vec<u8>, SealFailure> {
    let mut bytes = Vec::with_capacity(fields.iter().map(|field| 4 + field.len()).sum());
    for field in fields {
        let length = u32::try_from(field.len()).map_err(|_| SealFailure::TooLong)?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(field);
    }
    Ok(bytes)
}

/// The length of every key here.
pub(crate) const KEY_BYTES: usize = 32;
const LAYOUT_VERSION: u8 = 1;
const HEADER_BYTES: usize = 1 + 4 + NONCE_LEN;

#[cfg(test)]
mod tests;
