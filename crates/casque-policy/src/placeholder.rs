//! Texts with placeholders become [`Template`]s: `$$SCONE::NAME[:format…][|escape(json)]$$`, section 3.2.
//!
//! A name may hold dots, so `web.crt` is the secret of that name if the policy has one, and the legacy
//! form of `web:crt` otherwise. A secret's value is never looked through for further placeholders.

use std::cell::Cell;
use std::collections::BTreeMap;

use casque_types::{Encoding, Format, SecretKind, SecretName};

use crate::codes;
use crate::findings::{Findings, nearest_hint, quoted};
use crate::yaml::{Places, Text};
use crate::{Diagnostic, Part, Placeholder, Position, Template};

/// How a placeholder begins.
pub(crate) const OPENING: &str = "$$SCONE::";
pub(crate) const CLOSING: &str = "$$";
/// How the name of what is no secret of the policy begins.
pub(crate) const SELF: &str = "self::";

/// What the rest of a policy needs to know of a secret.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Declared {
    pub(crate) kind: Option<SecretKind>,
    /// Whether its declaration was read without error; what it cannot be asked for is not said otherwise.
    pub(crate) is_understood: bool,
    /// Whether another policy gives it, and with it perhaps its kind.
    pub(crate) is_import: bool,
}

/// The secrets that placeholders may name.
#[derive(Debug, Default)]
pub(crate) struct Declarations<'a>(pub(crate) BTreeMap<&'a str, Declared>, HintsGiven);

/// How often the nearest name was looked for: where an unknown name is a warning, nothing else bounds it.
#[derive(Debug, Default)]
struct HintsGiven(Cell<usize>);

impl Declarations<'_> {
    pub(crate) fn find(&self, name: &str) -> Option<Declared> {
        self.0.get(name).copied()
    }

    pub(crate) fn names_of(&self, kind: SecretKind) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(_, declared)| declared.kind == Some(kind))
            .map(|(name, _)| *name)
    }

    fn nearest(&self, name: &str) -> Option<String> {
        let given = self.1.0.get();
        if given >= MAX_HINTS {
            return None;
        }
        self.1.0.set(given.saturating_add(1));
        nearest_hint(name, self.0.keys().copied())
    }

    /// That no secret has this name.
    pub(crate) fn unknown(&self, name: &str, position: Position) -> Diagnostic {
        let message = format!("no secret is named {}", quoted(name));
        let mut found = Diagnostic::error(codes::UNKNOWN_SECRET, position, message);
        found.hint = self
            .nearest(name)
            .or_else(|| Some("add it under `secrets`".to_owned()));
        found
    }
}

/// Reads a whole text as template.
pub(crate) fn template(
    text: &Text<'_>,
    declarations: &Declarations<'_>,
    findings: &mut Findings,
) -> Template {
    read(text.as_str(), &mut text.places(), declarations, findings)
}

/// Reads a text, or a piece of one, `places` standing behind the pieces read before.
pub(crate) fn read(
    text: &str,
    places: &mut Places<'_>,
    declarations: &Declarations<'_>,
    findings: &mut Findings,
) -> Template {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(OPENING) {
        plain.push_str(before);
        if findings.is_full() {
            return Template { parts };
        }
        let position = places.next(OPENING);
        let Some((body, behind)) = after.split_once(CLOSING) else {
            findings.push(unterminated(position));
            return Template { parts };
        };
        rest = behind;
        if let Some(placeholder) = findings.ok(parse_body(body, position, declarations)) {
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(Part::Secret(placeholder));
        }
    }
    plain.push_str(rest);
    if has_typo(&plain) {
        findings.push(typo(places.next("$$")));
    }
    if !plain.is_empty() {
        parts.push(Part::Text(plain));
    }
    Template { parts }
}

/// The one placeholder that a text is, such as the `token` of an import.
pub(crate) fn sole(text: &str) -> Option<&str> {
    let body = text.trim().strip_prefix(OPENING)?.strip_suffix(CLOSING)?;
    (!body.contains(CLOSING)).then_some(body)
}

fn has_typo(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    lower.contains("$$scone:")
}

fn typo(position: Position) -> Diagnostic {
    let message = "this looks like a placeholder, and is left as it stands";
    Diagnostic::warning(codes::PLACEHOLDER_TYPO, position, message)
        .hint("a placeholder is written `$$SCONE::name$$`, with two colons and in capitals")
}

fn unterminated(position: Position) -> Diagnostic {
    let message = "expected `$$` at the end of the placeholder";
    Diagnostic::error(codes::PLACEHOLDER_SYNTAX, position, message)
        .hint("a placeholder is written `$$SCONE::name:format$$`")
}

/// Reads what stands between the dollars.
pub(crate) fn parse_body(
    body: &str,
    position: Position,
    declarations: &Declarations<'_>,
) -> Result<Placeholder, Diagnostic> {
    let (subject, encoding) = match body.split_once('|') {
        None => (body, Encoding::Verbatim),
        Some((subject, "escape(json)")) => (subject, Encoding::EscapeJson),
        Some((_, other)) => return Err(unknown_encoding(other, position)),
    };
    if subject.starts_with(SELF) {
        return Err(misplaced_self(position));
    }
    let (name, suffix, declared) = find_secret(subject, position, declarations)?;
    let format = parse_format(name, suffix, declared, position)?;
    Ok(Placeholder {
        secret: parse_name(name, position)?,
        format,
        encoding,
        position,
    })
}

fn misplaced_self(position: Position) -> Diagnostic {
    let message = "a `self::` placeholder can only stand in the `payload` of a jwt";
    Diagnostic::error(codes::SELF_PLACEHOLDER, position, message)
        .hint("the only one is `$$SCONE::self::software_identity$$`, as a whole value")
}

/// The one placeholder that a text is, `None` when it is something else.
pub(crate) fn sole_placeholder(
    text: &Text<'_>,
    declarations: &Declarations<'_>,
) -> Option<Result<Placeholder, Diagnostic>> {
    let body = sole(text.as_str())?;
    Some(parse_body(body, text.position(), declarations))
}

fn parse_name(name: &str, position: Position) -> Result<SecretName, Diagnostic> {
    name.parse().map_err(|error| {
        let message = format!("the name in a placeholder: {error}");
        Diagnostic::error(codes::PLACEHOLDER_SYNTAX, position, message)
    })
}

/// The secret that `subject` names, and the suffix that is left.
fn find_secret<'s>(
    subject: &'s str,
    position: Position,
    declarations: &Declarations<'_>,
) -> Result<(&'s str, &'s str, Declared), Diagnostic> {
    let colon = subject.find(':').unwrap_or(subject.len());
    let (name, suffix) = subject.split_at_checked(colon).unwrap_or((subject, ""));
    parse_name(name, position)?;
    if let Some(declared) = declarations.find(name) {
        return Ok((name, suffix, declared));
    }
    if let Some((base, legacy)) = split_legacy(subject)
        && let Some(declared) = declarations.find(base)
    {
        return Ok((base, legacy, declared));
    }
    let meant = split_legacy(subject).map_or(name, |(base, _)| base);
    Err(declarations.unknown(meant, position))
}

fn split_legacy(subject: &str) -> Option<(&str, &str)> {
    let dot = subject.rfind('.')?;
    let (base, suffix) = subject.split_at_checked(dot)?;
    Format::from_suffix(suffix).map(|_| (base, suffix))
}

fn parse_format(
    name: &str,
    suffix: &str,
    declared: Declared,
    position: Position,
) -> Result<Format, Diagnostic> {
    let is_token = declared.kind == Some(SecretKind::AadToken);
    if is_token && !suffix.is_empty() {
        return Err(token_suffix(name, position));
    }
    let Some(format) = Format::from_suffix(suffix) else {
        return Err(unknown_format(name, suffix, declared, position));
    };
    match declared.kind {
        Some(kind) if declared.is_understood && !kind.formats().contains(&format) => {
            let shown = quoted(suffix);
            let message = format!("`{name}` is of kind `{kind}`, which has no format {shown}");
            let found = Diagnostic::error(codes::FORMAT_NOT_OF_KIND, position, message);
            Err(found.hint(formats_hint(kind)))
        }
        _ => Ok(format),
    }
}

/// That an aad-token is asked for in a format; section 4.1.
pub(crate) fn token_suffix(name: &str, position: Position) -> Diagnostic {
    let message = format!("`{name}` is an aad-token, which has no formats");
    Diagnostic::error(codes::AAD_TOKEN_SUFFIX, position, message)
        .hint(format!("write `$$SCONE::{name}$$`"))
}

fn unknown_format(name: &str, suffix: &str, declared: Declared, position: Position) -> Diagnostic {
    let message = format!("unknown format {} of `{name}`", quoted(suffix));
    let found = Diagnostic::error(codes::UNKNOWN_FORMAT, position, message);
    let known = Format::SUFFIXES.iter().map(|(known, _)| *known);
    match declared.kind {
        Some(kind) => found.hint(formats_hint(kind)),
        None => match nearest_hint(suffix, known) {
            Some(hint) => found.hint(hint),
            None => found,
        },
    }
}

fn formats_hint(kind: SecretKind) -> String {
    let suffixes: Vec<String> = (kind.formats().iter())
        .map(|format| match format.suffix() {
            "" => "no suffix".to_owned(),
            suffix => format!("`{suffix}`"),
        })
        .collect();
    format!("`{kind}` has {}", suffixes.join(", "))
}

fn unknown_encoding(found: &str, position: Position) -> Diagnostic {
    let message = format!(
        "expected `|escape(json)` in the placeholder, found {}",
        quoted(found)
    );
    Diagnostic::error(codes::UNKNOWN_ENCODING, position, message)
}

const MAX_HINTS: usize = 200;
