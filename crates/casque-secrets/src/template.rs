//! Files with placeholders, filled in: what the agent does with the container's own files.
//!
//! Placeholders are the policy's, `$$SCONE::NAME[:format…][|escape(json)]$$`, and read as there
//! (`crates/casque-policy/src/placeholder.rs`): a name may hold dots, so `web.crt` is the secret of that name
//! if there is one, and the legacy form of `web:crt` otherwise. Everything outside them is kept byte for
//! byte and need not be UTF-8. A value is never looked through for further placeholders.
//!
//! Each value is rendered once for each format that the file asks for, and the result is written into one
//! buffer whose size is known beforehand.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::rc::Rc;

use casque_types::{Encoding, Format, Secret, SecretKind, SecretName};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::render::formats_of;
use crate::{RenderError, SecretValue, render};

/// The most bytes of a file with placeholders, and of what becomes of it.
pub const MAX_TEMPLATE_BYTES: usize = 16 * 1024 * 1024;

/// Where a placeholder begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TemplatePlace {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

impl fmt::Display for TemplatePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Why a file cannot be filled in. Of secrets it holds names alone.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum TemplateError {
    /// Too long, before or after.
    #[error("expected at most {MAX_TEMPLATE_BYTES} bytes, before and after filling in")]
    TooLarge,
    /// A placeholder has no end.
    #[error("{place}: expected `$$` at the end of the placeholder that begins here")]
    Unterminated {
        /// Where it begins.
        place: TemplatePlace,
    },
    /// What stands where the name belongs is none.
    #[error(
        "{place}: expected the name of a secret (letters, digits, `_`, `-`, `.`, `~`), found `{placeholder}`"
    )]
    Name {
        /// Where it begins.
        place: TemplatePlace,
        /// What stands between `$$SCONE::` and `$$`, shortened.
        placeholder: String,
    },
    /// A variable that the server alone fills in.
    #[error("{place}: `self::` placeholders are not filled in in files, found `{placeholder}`")]
    OfServer {
        /// Where it begins.
        place: TemplatePlace,
        /// What stands between `$$SCONE::` and `$$`, shortened.
        placeholder: String,
    },
    /// No such secret was released for files.
    #[error(
        "{place}: no secret `{name}` is released for files; there are: {available}; see `secrets` and `provide_secrets` in the policy"
    )]
    Unknown {
        /// Where it begins.
        place: TemplatePlace,
        /// Its name, shortened.
        name: String,
        /// Names of those that were, shortened to the first of them.
        available: String,
    },
    /// The language has no such format.
    #[error("{place}: unknown format `{format}` of `{name}`; `{kind}` has {formats}")]
    Format {
        /// Where it begins.
        place: TemplatePlace,
        /// The secret.
        name: SecretName,
        /// What was asked for, shortened.
        format: String,
        /// The kind of the secret.
        kind: SecretKind,
        /// The formats that it has.
        formats: String,
    },
    /// The language has no such encoding.
    #[error("{place}: expected `|escape(json)` in the placeholder, found `|{encoding}`")]
    Encoding {
        /// Where it begins.
        place: TemplatePlace,
        /// What was asked for, shortened.
        encoding: String,
    },
    /// The value has no such form.
    #[error("{place}: cannot fill in `{name}`")]
    Render {
        /// Where it begins.
        place: TemplatePlace,
        /// The secret.
        name: SecretName,
        /// Why not.
        #[source]
        source: RenderError,
    },
}

/// `text` with every placeholder replaced by the value that it asks for.
///
/// # Errors
/// [`TemplateError`], for the first placeholder that cannot be filled in.
pub fn fill_template(
    text: &[u8],
    values: &BTreeMap<SecretName, SecretValue>,
) -> Result<Secret, TemplateError> {
    if text.len() > MAX_TEMPLATE_BYTES {
        return Err(TemplateError::TooLarge);
    }
    let mut filler = Filler {
        text,
        values,
        rendered: HashMap::new(),
    };
    let pieces = filler.pieces()?;
    let mut size = 0_usize;
    for piece in &pieces {
        size = size.saturating_add(piece.bytes().len());
    }
    if size > MAX_TEMPLATE_BYTES {
        return Err(TemplateError::TooLarge);
    }
    let mut filled = Zeroizing::new(Vec::with_capacity(size));
    for piece in &pieces {
        filled.extend_from_slice(piece.bytes());
    }
    Ok(Secret::from(filled))
}

/// A part of the result.
enum Piece<'a> {
    Text(&'a [u8]),
    Value(Rc<Secret>),
}

impl Piece<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text,
            // Exposed to be copied into the wiped buffer of the result.
            Self::Value(value) => value.expose(),
        }
    }
}

/// A placeholder of the text.
struct Found<'a> {
    name: &'a SecretName,
    value: &'a SecretValue,
    format: Format,
    encoding: Encoding,
}

struct Filler<'a> {
    text: &'a [u8],
    values: &'a BTreeMap<SecretName, SecretValue>,
    rendered: HashMap<(&'a str, Format, Encoding), Rc<Secret>>,
}

impl<'a> Filler<'a> {
    fn pieces(&mut self) -> Result<Vec<Piece<'a>>, TemplateError> {
        let mut pieces = Vec::new();
        let mut rest = self.text;
        while let Some((before, after)) = split_once(rest, OPENING) {
            let offset =
                (self.text.len()).saturating_sub(after.len().saturating_add(OPENING.len()));
            let (body, behind) = split_once(after, CLOSING).ok_or_else(|| {
                let place = place_of(self.text, offset);
                TemplateError::Unterminated { place }
            })?;
            pieces.push(Piece::Text(before));
            pieces.push(Piece::Value(self.value(body, offset)?));
            rest = behind;
        }
        pieces.push(Piece::Text(rest));
        Ok(pieces)
    }

    fn value(&mut self, body: &'a [u8], offset: usize) -> Result<Rc<Secret>, TemplateError> {
        let found = self.read(body, &|| place_of(self.text, offset))?;
        let key = (found.name.as_str(), found.format, found.encoding);
        if let Some(rendered) = self.rendered.get(&key) {
            return Ok(Rc::clone(rendered));
        }
        let rendered = render(found.value, found.format, found.encoding);
        let rendered = Rc::new(rendered.map_err(|source| TemplateError::Render {
            place: place_of(self.text, offset),
            name: found.name.clone(),
            source,
        })?);
        self.rendered.insert(key, Rc::clone(&rendered));
        Ok(rendered)
    }

    fn read(
        &self,
        body: &'a [u8],
        place: &dyn Fn() -> TemplatePlace,
    ) -> Result<Found<'a>, TemplateError> {
        let no_name = || TemplateError::Name {
            place: place(),
            placeholder: shortened(body),
        };
        let text = std::str::from_utf8(body).map_err(|_| no_name())?;
        let (subject, encoding) = match text.split_once('|') {
            None => (text, Encoding::Verbatim),
            Some((subject, "escape(json)")) => (subject, Encoding::EscapeJson),
            Some((_, other)) => {
                let (place, encoding) = (place(), shortened(other.as_bytes()));
                return Err(TemplateError::Encoding { place, encoding });
            }
        };
        if subject.starts_with("self::") {
            let (place, placeholder) = (place(), shortened(body));
            return Err(TemplateError::OfServer { place, placeholder });
        }
        let colon = subject.find(':').unwrap_or(subject.len());
        let (name, suffix) = subject.split_at_checked(colon).unwrap_or((subject, ""));
        let wanted: SecretName = name.parse().map_err(|_| no_name())?;
        let found = self
            .values
            .get_key_value(&wanted)
            .map(|found| (found, suffix));
        let found = found.or_else(|| self.find_legacy(subject));
        let ((name, value), suffix) = found.ok_or_else(|| self.unknown(subject, name, place()))?;
        let format = Format::from_suffix(suffix).ok_or_else(|| TemplateError::Format {
            place: place(),
            name: name.clone(),
            format: shortened(suffix.as_bytes()),
            kind: value.kind(),
            formats: formats_of(value.kind()),
        })?;
        Ok(Found {
            name,
            value,
            format,
            encoding,
        })
    }

    /// The secret that a placeholder with a suffix such as `.crt` names.
    fn find_legacy<'s>(
        &self,
        subject: &'s str,
    ) -> Option<((&'a SecretName, &'a SecretValue), &'s str)> {
        let (base, suffix) = split_legacy(subject)?;
        let found = self.values.get_key_value(&base.parse().ok()?)?;
        Some((found, suffix))
    }

    fn unknown(&self, subject: &str, name: &str, place: TemplatePlace) -> TemplateError {
        let meant = split_legacy(subject).map_or(name, |(base, _)| base);
        TemplateError::Unknown {
            place,
            name: shortened(meant.as_bytes()),
            available: self.available(),
        }
    }

    fn available(&self) -> String {
        if self.values.is_empty() {
            return "none".to_owned();
        }
        let names = self.values.keys().take(MOST_NAMES);
        let names: Vec<_> = names
            .map(|name| format!("`{}`", shortened(name.as_str().as_bytes())))
            .collect();
        match self.values.len().saturating_sub(MOST_NAMES) {
            0 => names.join(", "),
            more => format!("{} and {more} more", names.join(", ")),
        }
    }
}

fn split_legacy(subject: &str) -> Option<(&str, &str)> {
    let (base, suffix) = subject.split_at_checked(subject.rfind('.')?)?;
    Format::from_suffix(suffix).map(|_| (base, suffix))
}

/// What stands before and behind the first `separator`.
fn split_once<'a>(text: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = text
        .windows(separator.len())
        .position(|window| window == separator)?;
    let (before, rest) = text.split_at_checked(at)?;
    Some((before, rest.get(separator.len()..)?))
}

fn place_of(text: &[u8], offset: usize) -> TemplatePlace {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.iter().filter(|byte| **byte == b'\n').count();
    let last = before
        .rsplit(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    // Bytes that continue a character of UTF-8 are not counted.
    let column = last.iter().filter(|byte| **byte & 0xc0 != 0x80).count();
    TemplatePlace {
        line: line.saturating_add(1),
        column: column.saturating_add(1),
    }
}

/// Text of the file that is short enough for a message, without control characters.
fn shortened(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text.get(..MOST_SHOWN_BYTES).unwrap_or(text));
    let is_shown = |c: char| !c.is_control() && c != '`';
    text.chars()
        .map(|c| if is_shown(c) { c } else { '\u{fffd}' })
        .collect()
}

const OPENING: &[u8] = b"$$SCONE::";
const CLOSING: &[u8] = b"$$";
const MOST_NAMES: usize = 20;
const MOST_SHOWN_BYTES: usize = 80;

#[cfg(test)]
mod tests;
