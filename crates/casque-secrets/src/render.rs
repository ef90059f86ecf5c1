//! Formats.
use casque_types::{Encoding, Format, Secret};
use thiserror::Error;

use crate::SecretValue;

/// Why a value cannot be written in a format.
#[derive(Debug, Error)]
pub enum RenderError {
    /// The kind has no such format.
    #[error("format")]
    Format,
}

/// The bytes that take a placeholder's place.
///
/// # Errors
/// The kind has no such format, or the value lacks what the format needs.
pub fn render(
    _value: &SecretValue,
    _format: Format,
    _encoding: Encoding,
) -> Result<Secret, RenderError> {
    todo!()
}
