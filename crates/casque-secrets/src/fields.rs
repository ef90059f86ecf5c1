//! Length-prefixed fields, from which this crate's stored and signed bytes are built.
//!
//! ```text
//! number: 8 bytes, big-endian
//! field:  number of bytes | the bytes
//! ```
//!
//! The writer's buffer is wiped on drop and is to be sized beforehand, so that no growth leaves secret
//! bytes behind. The reader never allocates, and never reads past what it was given.

use zeroize::Zeroizing;

/// Writes into one wiped buffer.
pub(crate) struct FieldWriter(Zeroizing<Vec<u8>>);

impl FieldWriter {
    /// A writer for exactly `bytes` bytes.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(Zeroizing::new(Vec::with_capacity(bytes)))
    }

    pub(crate) fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn number(&mut self, number: u64) {
        self.raw(&number.to_be_bytes());
    }

    pub(crate) fn count(&mut self, count: usize) {
        // No platform has a wider usize than 64 bits.
        self.number(u64::try_from(count).unwrap_or(u64::MAX));
    }

    pub(crate) fn field(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.raw(bytes);
    }

    pub(crate) fn finish(self) -> Zeroizing<Vec<u8>> {
        self.0
    }
}

/// Reads what [`FieldWriter`] wrote; `None` from any method means that the bytes are no such thing.
pub(crate) struct FieldReader<'a>(&'a [u8]);

impl<'a> FieldReader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    pub(crate) fn number(&mut self) -> Option<u64> {
        let (number, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_be_bytes(*number))
    }

    /// A count of things that take at least `least_bytes` each: never more than can follow.
    pub(crate) fn count(&mut self, least_bytes: usize) -> Option<usize> {
        let count = usize::try_from(self.number()?).ok()?;
        (count.checked_mul(least_bytes)? <= self.0.len()).then_some(count)
    }

    pub(crate) fn field(&mut self) -> Option<&'a [u8]> {
        let length = self.count(1)?;
        let (field, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(field)
    }

    pub(crate) const fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }
}

/// How many bytes a field of `length` bytes takes.
pub(crate) const fn field_bytes(length: usize) -> usize {
    length.saturating_add(NUMBER_BYTES)
}

/// How many bytes a number takes.
pub(crate) const NUMBER_BYTES: usize = 8;
