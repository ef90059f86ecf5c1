//! Reads fixed layouts front to back; every read is bounded by what is left.

/// What is left to read.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next `N` bytes.
    pub(crate) const fn array<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let Some((first, rest)) = self.0.split_first_chunk::<N>() else {
            return None;
        };
        self.0 = rest;
        Some(first)
    }

    /// The next `length` bytes.
    pub(crate) const fn slice(&mut self, length: usize) -> Option<&'a [u8]> {
        let Some((first, rest)) = self.0.split_at_checked(length) else {
            return None;
        };
        self.0 = rest;
        Some(first)
    }

    /// The next two bytes, least significant first.
    pub(crate) fn u16_le(&mut self) -> Option<u16> {
        self.array().copied().map(u16::from_le_bytes)
    }

    /// The next two bytes, most significant first.
    pub(crate) fn u16_be(&mut self) -> Option<u16> {
        self.array().copied().map(u16::from_be_bytes)
    }

    /// The next four bytes, least significant first.
    pub(crate) fn u32_le(&mut self) -> Option<u32> {
        self.array().copied().map(u32::from_le_bytes)
    }

    /// The next four bytes, least significant first, as a length.
    pub(crate) fn length_u32_le(&mut self) -> Option<usize> {
        let length = u32::from_le_bytes(*self.array()?);
        usize::try_from(length).ok()
    }

    /// Everything that is left, which stays to be read.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// Whether nothing is left.
    pub(crate) const fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }
}
