//! Maps of the language: which keys stand where, and how their values are read.
//!
//! A key that the language has and Casque does not support yet is an error in its place, never silence.

use std::str::FromStr;

use crate::codes;
use crate::findings::{Findings, nearest_hint, quoted};
use crate::placeholder::OPENING;
use crate::yaml::{Asked, Entry, Node, Text, Value};
use crate::{Diagnostic, Position};

/// The keys of one kind of map.
pub(crate) struct Keys {
    /// What the map is, such as `a service`.
    pub(crate) place: &'static str,
    /// What is read.
    pub(crate) read: &'static [&'static str],
    /// What the language has, and Casque not yet.
    pub(crate) not_yet: &'static [&'static str],
    /// What language 0.1 had, and nothing needs any more.
    pub(crate) legacy: &'static [&'static str],
}

/// A map whose keys are known.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'n, 'a> {
    pub(crate) position: Position,
    entries: &'n [Entry<'a>],
}

impl<'n, 'a> Fields<'n, 'a> {
    /// Opens a map; what is no map, or stands under a key that does not belong, is found.
    pub(crate) fn open(node: &'n Node<'a>, keys: &Keys, findings: &mut Findings) -> Option<Self> {
        let Value::Map(entries) = &node.value else {
            refuse_node(node, "a map", keys.place, findings);
            return None;
        };
        for entry in entries {
            if !findings.is_full() {
                judge_key(entry, keys, findings);
            }
        }
        Some(Self {
            position: node.position,
            entries,
        })
    }

    /// The entry of a key; an explicit null is as good as none.
    pub(crate) fn entry(&self, key: &str) -> Option<&'n Entry<'a>> {
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        (!entry.value.is_null()).then_some(entry)
    }

    /// The value of a key.
    pub(crate) fn value(&self, key: &str) -> Option<&'n Node<'a>> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The text under a key, if there is one.
    pub(crate) fn text(&self, key: &str, findings: &mut Findings) -> Option<&'n Text<'a>> {
        expect_text(self.value(key)?, key, findings)
    }

    /// The text under a key that must be there.
    pub(crate) fn required(
        &self,
        key: &str,
        place: &str,
        findings: &mut Findings,
    ) -> Option<&'n Text<'a>> {
        if self.value(key).is_none() {
            findings.push(self.missing(key, place));
        }
        self.text(key, findings)
    }

    /// That a key is missing.
    pub(crate) fn missing(&self, key: &str, place: &str) -> Diagnostic {
        let message = format!("{place} must have `{key}`");
        Diagnostic::error(codes::MISSING_KEY, self.position, message)
    }

    /// The text under a key, parsed; `hint` says how one looks that parses.
    pub(crate) fn parsed<T>(
        &self,
        key: &str,
        code: &'static str,
        findings: &mut Findings,
    ) -> Option<T>
    where
        T: FromStr,
        T::Err: std::fmt::Display,
    {
        let text = self.text(key, findings)?;
        findings.ok(parse_text(text, code, key))
    }

    /// The number under a key.
    pub(crate) fn number(
        &self,
        key: &str,
        least: u64,
        greatest: u64,
        findings: &mut Findings,
    ) -> Option<u64> {
        let text = self.text(key, findings)?;
        let number: Option<u64> = parse_number(text.as_str());
        if let Some(number) = number.filter(|number| (least..=greatest).contains(number)) {
            return Some(number);
        }
        let found = shown(text);
        let message =
            format!("`{key}`: expected a number from {least} to {greatest}, found {found}");
        findings.push(Diagnostic::error(
            codes::BAD_NUMBER,
            text.position(),
            message,
        ));
        None
    }

    /// The truth value under a key; `false` when there is none.
    pub(crate) fn flag(&self, key: &str, findings: &mut Findings) -> bool {
        let Some(text) = self.text(key, findings) else {
            return false;
        };
        match text.as_str() {
            "true" | "True" | "TRUE" => true,
            "false" | "False" | "FALSE" => false,
            _ => {
                let found = shown(text);
                let message = format!("`{key}`: expected `true` or `false`, found {found}");
                findings.push(Diagnostic::error(codes::BAD_WORD, text.position(), message));
                false
            }
        }
    }

    /// The word under a key, as what it stands for.
    pub(crate) fn word<T: Copy>(
        &self,
        key: &str,
        words: &[(&str, T)],
        findings: &mut Findings,
    ) -> Option<T> {
        let text = self.text(key, findings)?;
        find_word(text, words, key, findings)
    }

    /// The items of the list under a key; none when there is no such key.
    pub(crate) fn items(&self, key: &str, findings: &mut Findings) -> &'n [Node<'a>] {
        match self.value(key) {
            None => &[],
            Some(Node {
                value: Value::List(items),
                ..
            }) => items,
            Some(node) => {
                refuse_node(node, "a list", &format!("`{key}`"), findings);
                &[]
            }
        }
    }

    /// Finds the keys of `keys` that stand here; with what is wrong about that.
    pub(crate) fn refuse(
        &self,
        keys: &[&str],
        code: &'static str,
        why: &str,
        findings: &mut Findings,
    ) {
        for entry in self.entries {
            if keys.contains(&&*entry.key) && !entry.value.is_null() {
                let message = format!("`{}` {why}", entry.key);
                findings.push(Diagnostic::error(code, entry.position, message));
            }
        }
    }

    /// All entries, where any key may stand.
    pub(crate) const fn entries(&self) -> &'n [Entry<'a>] {
        self.entries
    }
}

fn judge_key(entry: &Entry<'_>, keys: &Keys, findings: &mut Findings) {
    let key = &*entry.key;
    let place = keys.place;
    if keys.read.contains(&key) {
        return;
    }
    if keys.not_yet.contains(&key) {
        findings.push(not_yet(entry.position, &format!("`{key}` in {place}")));
        return;
    }
    if keys.legacy.contains(&key) {
        let message = format!("`{key}` in {place} is of language 0.1 and has no effect");
        let found = Diagnostic::warning(codes::LEGACY_KEY, entry.position, message);
        findings.push(found.hint("remove it"));
        return;
    }
    let message = format!("unknown key {} in {place}", quoted(key));
    let found = Diagnostic::error(codes::UNKNOWN_KEY, entry.position, message);
    let known = keys.read.iter().chain(keys.not_yet).copied();
    let hint =
        nearest_hint(key, known).unwrap_or_else(|| format!("known here: {}", keys.read.join(", ")));
    findings.push(found.hint(hint));
}

/// That something of the language is not supported yet.
pub(crate) fn not_yet(position: Position, what: &str) -> Diagnostic {
    let message = format!("{what} is not supported yet");
    Diagnostic::error(codes::NOT_SUPPORTED_YET, position, message)
}

/// That a node is not what was expected.
pub(crate) fn not_a(node: &Node<'_>, expected: &str, place: &str) -> Diagnostic {
    if holds_placeholder(node) {
        return misplaced(node.position, place);
    }
    let found = node.value.kind();
    let message = format!("{place}: expected {expected}, found {found}");
    Diagnostic::error(codes::WRONG_TYPE, node.position, message)
}

/// Finds that a node is not what was expected. What secrets will say is judged once they say it; one that
/// cannot be had says nothing that is right.
pub(crate) fn refuse_node(node: &Node<'_>, expected: &str, place: &str, findings: &mut Findings) {
    match &node.value {
        Value::Asked(Asked::Open(_)) => {}
        Value::Asked(Asked::LeftOut) => {
            let message = format!("{place}: the secret that should say it cannot be had");
            findings.push(Diagnostic::error(
                codes::FRAGMENT_MISFIT,
                node.position,
                message,
            ));
        }
        _ => findings.push(not_a(node, expected, place)),
    }
}

/// That a placeholder stands where the language has none.
pub(crate) fn misplaced(position: Position, place: &str) -> Diagnostic {
    let message = format!("{place} cannot be a placeholder");
    Diagnostic::error(codes::PLACEHOLDER_MISPLACED, position, message)
        .hint("write the value out; the command line's `$NAME` may stand here")
}

/// A text as it may stand in a message.
pub(crate) fn shown(text: &Text<'_>) -> String {
    if text.is_secret() {
        return "the value of a secret".to_owned();
    }
    quoted(text.as_str())
}

pub(crate) fn holds_placeholder(node: &Node<'_>) -> bool {
    node.text()
        .is_some_and(|text| text.as_str().contains(OPENING))
}

/// The text of a node, without NUL.
pub(crate) fn expect_text<'n, 'a>(
    node: &'n Node<'a>,
    key: &str,
    findings: &mut Findings,
) -> Option<&'n Text<'a>> {
    let Some(text) = node.text() else {
        refuse_node(node, "a text", &format!("`{key}`"), findings);
        return None;
    };
    if text.as_str().contains('\0') {
        let message = format!("`{key}`: expected a text without NUL characters");
        let found = Diagnostic::error(codes::NUL_CHARACTER, text.position(), message);
        findings.push(found);
        return None;
    }
    Some(text)
}

/// The text, if it says something.
pub(crate) fn refuse_empty<'n, 'a>(
    text: &'n Text<'a>,
    key: &str,
    findings: &mut Findings,
) -> Option<&'n Text<'a>> {
    if text.as_str().is_empty() {
        let message = format!("`{key}`: expected a text, found an empty one");
        let found = Diagnostic::error(codes::EMPTY_TEXT, text.position(), message);
        findings.push(found);
        return None;
    }
    Some(text)
}

/// A text that must not be empty, nor ask for a secret.
pub(crate) fn parse_text<T>(text: &Text<'_>, code: &'static str, key: &str) -> Result<T, Diagnostic>
where
    T: FromStr,
    T::Err: std::fmt::Display,
{
    if text.as_str().contains(OPENING) {
        return Err(misplaced(text.position(), &format!("`{key}`")));
    }
    text.as_str().parse().map_err(|error: T::Err| {
        let message = format!("`{key}`: {error}, in {}", shown(text));
        Diagnostic::error(code, text.position(), message)
    })
}

/// What a word stands for; finds one that is unknown.
pub(crate) fn find_word<T: Copy>(
    text: &Text<'_>,
    words: &[(&str, T)],
    key: &str,
    findings: &mut Findings,
) -> Option<T> {
    if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == text.as_str()) {
        return Some(*meaning);
    }
    if text.as_str().contains(OPENING) {
        findings.push(misplaced(text.position(), &format!("`{key}`")));
        return None;
    }
    if findings.is_full() {
        return None;
    }
    let known: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
    let found = shown(text);
    let message = format!("`{key}`: expected {}, found {found}", known.join(", "));
    let mut finding = Diagnostic::error(codes::BAD_WORD, text.position(), message);
    if !text.is_secret() {
        finding.hint = nearest_hint(text.as_str(), words.iter().map(|(word, _)| *word));
    }
    findings.push(finding);
    None
}

/// A whole number: decimal digits, or octal ones after `0o`, or hexadecimal ones after `0x` (YAML 1.2 core).
fn parse_number(text: &str) -> Option<u64> {
    let (digits, radix) = match (text.strip_prefix("0o"), text.strip_prefix("0x")) {
        (Some(digits), _) => (digits, 8),
        (None, Some(digits)) => (digits, 16),
        (None, None) => (text, 10),
    };
    let all_digits = digits.chars().all(|c| c.is_digit(radix));
    if !all_digits {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}
