//! Collects diagnostics, at most so many that hostile text cannot make them costly.

use crate::codes;
use crate::{Diagnostic, Position, Severity};

impl Diagnostic {
    pub(crate) fn error(
        code: &'static str,
        position: Position,
        message: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            position,
            hint: None,
        }
    }

    pub(crate) fn warning(
        code: &'static str,
        position: Position,
        message: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, position, message)
        }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// The diagnostics of one text.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    found: Vec<Diagnostic>,
    left_off: Option<Position>,
}

impl Findings {
    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        if self.found.len() < MAX_FINDINGS {
            self.found.push(diagnostic);
        } else if self.left_off.is_none() {
            self.left_off = Some(diagnostic.position);
        }
    }

    /// Adds `error` unless it is none.
    pub(crate) fn ok<T>(&mut self, result: Result<T, Diagnostic>) -> Option<T> {
        result.map_err(|diagnostic| self.push(diagnostic)).ok()
    }

    /// Whether further diagnostics are left off: what costs time to find need not be looked for.
    pub(crate) const fn is_full(&self) -> bool {
        self.found.len() >= MAX_FINDINGS
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Whether the text is refused.
    pub(crate) fn holds_error(&self) -> bool {
        let is_error = |found: &Diagnostic| found.severity == Severity::Error;
        self.left_off.is_some() || self.found.iter().any(is_error)
    }

    /// All of them in the order of the text.
    pub(crate) fn into_sorted(mut self) -> Vec<Diagnostic> {
        if let Some(position) = self.left_off {
            let message = format!("more than {MAX_FINDINGS} findings: the others are left off");
            let code = codes::TOO_MANY_FINDINGS;
            self.found.push(Diagnostic::error(code, position, message));
        }
        self.found
            .sort_by_key(|found| (found.position, found.severity));
        self.found
    }
}

/// The hint that names what is nearest to `found`, if anything is near.
pub(crate) fn nearest_hint<'n>(
    found: &str,
    known: impl Iterator<Item = &'n str>,
) -> Option<String> {
    if found.len() > MAX_COMPARED_BYTES {
        return None;
    }
    let found_lower = found.to_ascii_lowercase();
    known
        .take(MAX_COMPARED_NAMES)
        .map(|name| (likeness(&found_lower, &name.to_ascii_lowercase()), name))
        .filter(|(likeness, _)| *likeness >= LEAST_LIKENESS)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| format!("did you mean `{name}`?"))
}

/// Between 0 and 1. One letter wrong, missing, too many or swapped is always near, in short names too.
fn likeness(found: &str, known: &str) -> f64 {
    let by_letters = strsim::jaro_winkler(found, known);
    if strsim::osa_distance(found, known) <= 1 {
        by_letters.max(LEAST_LIKENESS)
    } else {
        by_letters
    }
}

/// `found` as it may stand in a message: cut, in back quotes.
pub(crate) fn quoted(found: &str) -> String {
    let mut shown: String = found.chars().take(MAX_SHOWN_CHARACTERS).collect();
    if shown.len() < found.len() {
        shown.push('…');
    }
    format!("`{}`", shown.escape_debug())
}

const MAX_FINDINGS: usize = 100;
const MAX_COMPARED_BYTES: usize = 128;
const MAX_COMPARED_NAMES: usize = 1000;
const MAX_SHOWN_CHARACTERS: usize = 64;
const LEAST_LIKENESS: f64 = 0.8;
