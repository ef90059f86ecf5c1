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

/// The diagnostics of one text: at most a hundred errors, and a hundred warnings.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    found: Vec<Diagnostic>,
    errors: Counted,
    warnings: Counted,
}

/// How many there are of one severity, and where the first one is that is left off.
#[derive(Debug, Default)]
struct Counted {
    kept: usize,
    left_off: Option<Position>,
}

impl Findings {
    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        let counted = match diagnostic.severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        if counted.kept < MAX_FINDINGS {
            counted.kept = counted.kept.saturating_add(1);
            self.found.push(diagnostic);
        } else if counted.left_off.is_none() {
            counted.left_off = Some(diagnostic.position);
        }
    }

    /// Adds `error` unless it is none.
    pub(crate) fn ok<T>(&mut self, result: Result<T, Diagnostic>) -> Option<T> {
        result.map_err(|diagnostic| self.push(diagnostic)).ok()
    }

    /// What is read of each item, until errors are left off: hostile text is not read to its end.
    pub(crate) fn read_all<I, T>(
        &mut self,
        items: impl IntoIterator<Item = I>,
        mut read: impl FnMut(I, &mut Self) -> Option<T>,
    ) -> Vec<T> {
        let mut all = Vec::new();
        for item in items {
            if self.is_full() {
                break;
            }
            all.extend(read(item, self));
        }
        all
    }

    /// Whether errors are left off already: then the text is refused, whatever else is looked for in it.
    pub(crate) const fn is_full(&self) -> bool {
        self.errors.left_off.is_some()
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Whether the text is refused.
    pub(crate) const fn holds_error(&self) -> bool {
        self.errors.kept > 0
    }

    /// All of them in the order of the text.
    pub(crate) fn into_sorted(mut self) -> Vec<Diagnostic> {
        let code = codes::TOO_MANY_FINDINGS;
        if let Some(position) = self.errors.left_off {
            let message = format!("more than {MAX_FINDINGS} errors: the others are left off");
            self.found.push(Diagnostic::error(code, position, message));
        }
        if let Some(position) = self.warnings.left_off {
            let message = format!("more than {MAX_FINDINGS} warnings: the others are left off");
            (self.found).push(Diagnostic::warning(code, position, message));
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
    let mut steps = MAX_COMPARED_STEPS;
    known
        .take_while(|name| {
            // A comparison takes a step for each pair of letters, and some to begin with.
            let pairs = found.len().saturating_mul(name.len());
            steps = steps.saturating_sub(pairs.saturating_add(STEPS_OF_A_COMPARISON));
            steps > 0
        })
        .map(|name| (likeness(&found_lower, &name.to_ascii_lowercase()), name))
        .filter(|(likeness, _)| *likeness >= LEAST_LIKENESS)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| format!("did you mean `{name}`?"))
}

/// Between 0 and 1. One letter wrong, missing, too many or swapped is always near, in short names too.
fn likeness(found: &str, known: &str) -> f64 {
    let by_letters = strsim::jaro_winkler(found, known);
    let may_be_one_off = found.len().abs_diff(known.len()) <= MAX_BYTES_OF_A_LETTER;
    if may_be_one_off && strsim::osa_distance(found, known) <= 1 {
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
/// A hundred names of usual length or two: a hundred findings of hostile text then cost a few milliseconds.
const MAX_COMPARED_STEPS: usize = 50_000;
const STEPS_OF_A_COMPARISON: usize = 200;
const MAX_BYTES_OF_A_LETTER: usize = 4;
const MAX_SHOWN_CHARACTERS: usize = 64;
const LEAST_LIKENESS: f64 = 0.8;
