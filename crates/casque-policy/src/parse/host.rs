//! Host arguments in `command`, section 10: `@@N` is the N-th argument that the host gives.

use std::collections::BTreeSet;

use crate::codes;
use crate::findings::Findings;
use crate::yaml::Places;
use crate::{Diagnostic, Part, Template};

/// The host arguments of one `command`.
#[derive(Default)]
pub(super) struct HostArguments {
    seen: BTreeSet<u16>,
}

impl HostArguments {
    /// `template` with its host arguments told from its text; `\@\@` becomes a literal `@@`. `places` finds
    /// one `@@` of the command after the other.
    pub(super) fn find(
        &mut self,
        template: Template,
        places: &mut Places<'_>,
        findings: &mut Findings,
    ) -> Template {
        let mut parts = Vec::with_capacity(template.parts.len());
        for part in template.parts {
            match part {
                Part::Text(text) => self.split(&text, places, &mut parts, findings),
                other => parts.push(other),
            }
        }
        Template { parts }
    }

    fn split(
        &mut self,
        text: &str,
        places: &mut Places<'_>,
        parts: &mut Vec<Part>,
        findings: &mut Findings,
    ) {
        let mut plain = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, marker, behind)) = next_marker(rest) {
            plain.push_str(before);
            rest = behind;
            let digits = digits_of(behind);
            if marker == ESCAPED || digits.is_empty() {
                if marker == MARKER {
                    places.next(MARKER);
                }
                plain.push_str(MARKER);
                continue;
            }
            rest = behind.strip_prefix(digits).unwrap_or_default();
            let position = places.next(MARKER);
            if findings.is_full() {
                return;
            }
            if let Some(number) = findings.ok(self.number(digits).map_err(|message| {
                Diagnostic::error(codes::HOST_ARGUMENT, position, message)
                    .hint("`@@1` is the first argument; for the text `@@1` give a variable, `-e V='\\@\\@1'`, and write `$V`")
            })) {
                push_text(&mut plain, parts);
                parts.push(Part::Host(number));
            }
        }
        plain.push_str(rest);
        push_text(&mut plain, parts);
    }

    fn number(&mut self, digits: &str) -> Result<u16, String> {
        let number: Option<u16> = digits.parse().ok();
        let Some(number) = number.filter(|number| (1..=MAX_NUMBER).contains(number)) else {
            let shown: String = digits.chars().take(8).collect();
            return Err(format!(
                "expected a host argument from `@@1` to `@@{MAX_NUMBER}`, found `@@{shown}`"
            ));
        };
        if !self.seen.insert(number) {
            return Err(format!("the host argument `@@{number}` stands here twice"));
        }
        Ok(number)
    }
}

/// What is before the next `@@` or `\@\@`, which of the two it is, and what is behind.
fn next_marker(text: &str) -> Option<(&str, &'static str, &str)> {
    let mut searched = text.match_indices(['@', '\\']);
    searched.find_map(|(offset, _)| {
        let (before, rest) = text.split_at_checked(offset)?;
        [MARKER, ESCAPED]
            .into_iter()
            .find_map(|marker| Some((before, marker, rest.strip_prefix(marker)?)))
    })
}

fn digits_of(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_digit());
    text.get(..end.unwrap_or(text.len())).unwrap_or_default()
}

fn push_text(plain: &mut String, parts: &mut Vec<Part>) {
    if !plain.is_empty() {
        parts.push(Part::Text(std::mem::take(plain)));
    }
}

const MARKER: &str = "@@";
const ESCAPED: &str = "\\@\\@";
const MAX_NUMBER: u16 = 999;
