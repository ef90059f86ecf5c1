//! Tags: the language's own, and those of YAML's core schema that change nothing but `!!str`.

use super::Tag;
use crate::codes;
use crate::findings::quoted;
use crate::{Diagnostic, Position};

/// A tag that is understood.
pub(super) enum ReadTag {
    /// One that demands text, whatever it looks like.
    Text,
    /// One that says what the parser sees anyway.
    Core,
    Local(Tag),
}

impl ReadTag {
    pub(super) const fn local(self) -> Option<Tag> {
        match self {
            Self::Local(tag) => Some(tag),
            Self::Text | Self::Core => None,
        }
    }
}

pub(super) fn read_tag(
    tag: &saphyr_parser::Tag,
    position: Position,
) -> Result<ReadTag, Diagnostic> {
    let suffix = tag.suffix.as_str();
    if tag.is_yaml_core_schema() {
        match suffix {
            "str" => return Ok(ReadTag::Text),
            "int" | "float" | "bool" | "null" | "map" | "seq" => return Ok(ReadTag::Core),
            _ => {}
        }
    }
    match (tag.handle.as_str(), suffix) {
        ("!", "akv") => Ok(ReadTag::Local(Tag::Akv)),
        ("!", "cas") => Ok(ReadTag::Local(Tag::Cas)),
        ("", "!") | ("!", "") => Ok(ReadTag::Text),
        _ => {
            let message = format!("unknown tag {}", quoted(&tag.to_string()));
            let refused = Diagnostic::error(codes::YAML_TAG, position, message);
            Err(refused
                .hint("the language has `!akv` and `!cas`; quote a text that begins with `!`"))
        }
    }
}
