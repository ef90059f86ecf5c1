//! One text with its variables filled in.

use crate::codes;
use crate::findings::{Findings, quoted};
use crate::yaml::Places;
use crate::{Diagnostic, Position};

/// Fills in; what is wrong is found, and the rest looked at still. `None` when the text gets too long.
pub(super) fn expand(
    text: &str,
    places: Places<'_>,
    variables: &dyn Fn(&str) -> Option<String>,
    findings: &mut Findings,
) -> Option<String> {
    let mut expansion = Expansion {
        places,
        variables,
        findings,
        result: String::with_capacity(text.len()),
    };
    let mut rest = text;
    while let Some(offset) = rest.find(['$', '\\']) {
        let (before, behind) = rest.split_at_checked(offset)?;
        expansion.result.push_str(before);
        rest = expansion.next(behind);
        if expansion.result.len() > MAX_BYTES {
            let position = expansion.places.next("$");
            let message = format!("expected at most {MAX_BYTES} bytes after substitution");
            let code = codes::TEXT_TOO_LONG;
            findings.push(Diagnostic::error(code, position, message));
            return None;
        }
    }
    expansion.result.push_str(rest);
    Some(expansion.result)
}

struct Expansion<'e> {
    places: Places<'e>,
    variables: &'e dyn Fn(&str) -> Option<String>,
    findings: &'e mut Findings,
    result: String,
}

impl Expansion<'_> {
    /// Reads on from a `$` or a backslash; what is left to read.
    fn next<'t>(&mut self, text: &'t str) -> &'t str {
        for (escape, meant) in [("\\$", "$"), ("\\@\\@", "@@")] {
            if let Some(rest) = text.strip_prefix(escape) {
                self.places.next(escape);
                self.result.push_str(meant);
                return rest;
            }
        }
        if let Some(rest) = text.strip_prefix("$$") {
            self.places.next("$$");
            self.result.push_str("$$");
            // Of a placeholder, its closing dollars must not be taken for a variable's.
            return rest;
        }
        if let Some(rest) = text.strip_prefix("${") {
            return self.braced(text, rest);
        }
        let Some(rest) = text.strip_prefix('$') else {
            self.result.push('\\');
            return text.get(1..).unwrap_or_default();
        };
        let length = name_length(rest);
        let Some((name, behind)) = rest.split_at_checked(length).filter(|_| length > 0) else {
            self.places.next("$");
            self.result.push('$');
            return rest;
        };
        let position = self.places.next(&format!("${name}"));
        self.fill(name, position);
        behind
    }

    fn braced<'t>(&mut self, text: &'t str, rest: &'t str) -> &'t str {
        let length = name_length(rest);
        let (name, behind) = rest.split_at_checked(length).unwrap_or((rest, ""));
        let closed = behind.strip_prefix('}').filter(|_| length > 0);
        let Some(behind) = closed else {
            let position = self.places.next("${");
            let shown: String = text.chars().take(16).collect();
            let message = format!("expected a variable `${{NAME}}`, found {}", quoted(&shown));
            let found = Diagnostic::error(codes::BAD_VARIABLE, position, message);
            self.findings
                .push(found.hint("write `\\${` for the two characters themselves"));
            return rest;
        };
        let position = self.places.next(&format!("${{{name}}}"));
        self.fill(name, position);
        behind
    }

    fn fill(&mut self, name: &str, position: Position) {
        match (self.variables)(name) {
            Some(value) => self.result.push_str(&value),
            None => {
                let message = format!("the variable `{name}` has no value");
                let found = Diagnostic::error(codes::UNKNOWN_VARIABLE, position, message);
                self.findings
                    .push(found.hint(format!("give it: `-e {name}=VALUE`")));
            }
        }
    }
}

/// How many bytes of a text are a variable's name: a letter or `_`, then letters, digits and `_`.
fn name_length(text: &str) -> usize {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.find(|c: char| !is_name(c)).unwrap_or(text.len())
}

const MAX_BYTES: usize = 1 << 20;
