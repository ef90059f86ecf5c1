//! Text with placeholders, section 3.2, and host arguments, section 10.

use casque_types::{Encoding, Format, SecretName};

use crate::Position;

/// Text with placeholders, section 3.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// The parts in their order; texts are never adjacent.
    pub parts: Vec<Part>,
}

impl Template {
    /// The secrets that it asks for, in order, repeated where asked for again.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretName> {
        self.placeholders().map(|placeholder| &placeholder.secret)
    }

    /// Its placeholders, in order.
    pub fn placeholders(&self) -> impl Iterator<Item = &Placeholder> {
        self.parts.iter().filter_map(|part| match part {
            Part::Secret(placeholder) => Some(placeholder),
            Part::Text(_) | Part::Host(_) => None,
        })
    }
}

impl From<Placeholder> for Template {
    fn from(placeholder: Placeholder) -> Self {
        Self {
            parts: vec![Part::Secret(placeholder)],
        }
    }
}

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Text as it stands.
    Text(String),
    /// A secret's value.
    Secret(Placeholder),
    /// `@@N`: the N-th argument of the host, from 1; in `command` alone.
    Host(u16),
}

/// `$$SCONE::name:format|encoding$$`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placeholder {
    /// The secret; the policy has one of this name.
    pub secret: SecretName,
    /// How its value is written; the kind has this format, where the kind is known.
    pub format: Format,
    /// What is done to the text then.
    pub encoding: Encoding,
    /// Where it stands.
    pub position: Position,
}
