//! The only owner of plaintext secret bytes.
//!
//! It does not protect against a reader of this process's memory while the value is alive, nor
//! against copies that a consumer of [`Secret::expose`] makes.

use std::fmt;

use zeroize::Zeroizing;

/// Confidential bytes: wiped on drop, never printed, compared only in constant time.
///
/// It is deliberately neither `Clone`, `PartialEq`, `Display` nor `Serialize`.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over; the vector should not have been grown piecemeal, since a reallocation
    /// leaves its old block behind unwiped.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Copies bytes out of memory that its owner wipes itself.
    #[must_use]
    pub fn copied_from(bytes: &[u8]) -> Self {
        Self::new(bytes.to_vec())
    }

    /// The bytes. Each call says beside it why they must be seen there.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as UTF-8 text, or `None` if they are none.
    #[must_use]
    pub fn expose_text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// A second owner of the same bytes: each call says beside it why there must be two.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self::copied_from(&self.0)
    }

    /// How many bytes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether both hold the same bytes, in a time that depends on the lengths alone.
    #[must_use]
    pub fn ct_eq(&self, other: &Self) -> bool {
        crate::ct_eq(&self.0, &other.0)
    }
}

impl From<Zeroizing<Vec<u8>>> for Secret {
    fn from(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_debug_shows_its_length_alone() {
        let shown = format!("{:?}", Secret::new(b"hunter2".to_vec()));
        assert_eq!(shown, "Secret(7 bytes)");
    }

    #[test]
    fn secret_ct_eq_tells_equal_from_unequal() {
        let a = Secret::new(b"same".to_vec());
        assert!(a.ct_eq(&Secret::new(b"same".to_vec())));
        assert!(!a.ct_eq(&Secret::new(b"sane".to_vec())));
        assert!(!a.ct_eq(&Secret::new(b"sam".to_vec())));
    }
}
