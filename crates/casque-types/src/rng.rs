//! Randomness as an argument.

use thiserror::Error;

/// A source of bytes that nobody can guess. Tests give a counted one.
pub trait Rng: Send + Sync {
    /// Fills `out` with fresh random bytes.
    ///
    /// # Errors
    /// [`RngError`] when the source has failed; nothing may be made from `out` then.
    fn fill(&self, out: &mut [u8]) -> Result<(), RngError>;
}

/// The source of randomness failed.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
#[error("the source of randomness failed")]
pub struct RngError;
