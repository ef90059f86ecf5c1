//! The CLI's own variables: `$NAME` and `${NAME}` in the values of a template, before it is a policy.
//!
//! Keys and comments are left alone, `$$SCONE::…$$` too. `\$` is a dollar, `\@\@` is `@@`. A value can
//! never bring structure with it: what would not stay one scalar is written between double quotes, and the
//! result is read again and compared, scalar by scalar, before it is given out. Not a shell: there are no
//! defaults, no commands, and what stands in a value is not looked through again.

mod expand;

use crate::codes;
use crate::findings::Findings;
use crate::yaml::{self, Offsets, ScalarSpan, Style, Text};
use crate::{Diagnostic, Position};

use expand::expand;

/// Fills the variables of a template in.
///
/// A plain scalar whose whole value becomes `~` is null then.
///
/// # Errors
/// The text is no YAML; a variable that `variables` does not know, or that is written wrong; more than
/// 1 MiB.
pub fn substitute(
    text: &str,
    variables: &dyn Fn(&str) -> Option<String>,
) -> Result<String, Vec<Diagnostic>> {
    let text = yaml::expect_bounded(text).map_err(one)?;
    let scalars = yaml::scalars(text).map_err(one)?;
    let mut findings = Findings::default();
    let offsets = Offsets::new(text);
    let replacements: Vec<Replacement<'_>> = scalars
        .iter()
        .filter(|scalar| !scalar.is_key && scalar.text.contains(['$', '\\']))
        .filter_map(|scalar| expand_scalar(scalar, &offsets, variables, &mut findings))
        .collect();
    let found = findings.into_sorted();
    if !found.is_empty() {
        return Err(found);
    }
    if replacements.is_empty() {
        return Ok(text.to_owned());
    }
    let expected = expected_texts(&scalars, &replacements);
    for blocks in [Blocks::InPlace, Blocks::Quoted] {
        let result = rewrite(text, &offsets, &replacements, blocks);
        if means(&result, &expected) {
            return yaml::expect_bounded(&result)
                .map(str::to_owned)
                .map_err(one);
        }
    }
    Err(vec![unsafe_value(&replacements)])
}

fn one(diagnostic: Diagnostic) -> Vec<Diagnostic> {
    vec![diagnostic]
}

/// A scalar whose text changes.
struct Replacement<'s> {
    scalar: &'s ScalarSpan<'s>,
    /// What it shall mean.
    text: String,
    /// A block's content, rewritten in place.
    in_place: Option<String>,
}

/// How blocks (`|`, `>`) are rewritten.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Blocks {
    /// As blocks: what an author would have written.
    InPlace,
    /// As double-quoted text: always possible.
    Quoted,
}

fn expand_scalar<'s>(
    scalar: &'s ScalarSpan<'s>,
    offsets: &Offsets<'s>,
    variables: &dyn Fn(&str) -> Option<String>,
    findings: &mut Findings,
) -> Option<Replacement<'s>> {
    let source = offsets.slice(scalar.start, scalar.end);
    let located = Text::new(scalar.text.as_ref().into(), source, scalar.position);
    let text = expand(&scalar.text, located.places(), variables, findings)?;
    if text == scalar.text {
        return None;
    }
    let in_place = (scalar.style == Style::Block).then(|| {
        let indentation = " ".repeat(scalar.position.column.saturating_sub(1));
        let indented = |name: &str| {
            let value = variables(name)?;
            Some(value.replace('\n', &format!("\n{indentation}")))
        };
        expand(
            source,
            located.places(),
            &indented,
            &mut Findings::default(),
        )
    });
    Some(Replacement {
        scalar,
        text,
        in_place: in_place.flatten(),
    })
}

/// What each scalar of the result must mean, in order.
fn expected_texts<'s>(
    scalars: &'s [ScalarSpan<'s>],
    replacements: &'s [Replacement<'s>],
) -> Vec<(&'s ScalarSpan<'s>, &'s str)> {
    let mut replacements = replacements.iter().peekable();
    scalars
        .iter()
        .map(|scalar| {
            let replaced =
                replacements.next_if(|r| r.scalar.start == scalar.start && !scalar.is_key);
            (scalar, replaced.map_or(&*scalar.text, |r| r.text.as_str()))
        })
        .collect()
}

/// Whether a text has the structure and the scalars that are expected.
fn means(text: &str, expected: &[(&ScalarSpan<'_>, &str)]) -> bool {
    let Ok(found) = yaml::scalars(text) else {
        return false;
    };
    found.len() == expected.len()
        && found.iter().zip(expected).all(|(found, (before, meant))| {
            (found.ordinal, found.depth, found.is_key)
                == (before.ordinal, before.depth, before.is_key)
                && found.text == *meant
        })
}

fn unsafe_value(replacements: &[Replacement<'_>]) -> Diagnostic {
    let start = Position { line: 1, column: 1 };
    let position = replacements.first().map_or(start, |r| r.scalar.position);
    let message = "a variable's value does not stay one value here";
    Diagnostic::error(codes::VARIABLE_UNSAFE, position, message)
        .hint("put the text with the variable between double quotes")
}

fn rewrite(
    text: &str,
    offsets: &Offsets<'_>,
    replacements: &[Replacement<'_>],
    blocks: Blocks,
) -> String {
    let mut result = String::with_capacity(text.len().saturating_mul(2));
    let mut copied = 0_usize;
    for replacement in replacements {
        let scalar = replacement.scalar;
        let (start, end) = (offsets.byte(scalar.start), offsets.byte(scalar.end));
        let (start, written) = match (&replacement.in_place, scalar.style, blocks) {
            (Some(content), Style::Block, Blocks::InPlace) => (start, content.clone()),
            (_, Style::Block, _) => {
                let quoted = format!("{}\n", double_quoted(&replacement.text));
                (block_header(text, start), quoted)
            }
            (_, style, _) => {
                let start = start.saturating_add(tag_length(text.get(start..end)));
                (start, inline(&replacement.text, style))
            }
        };
        result.push_str(text.get(copied..start).unwrap_or_default());
        result.push_str(&written);
        copied = end;
    }
    result.push_str(text.get(copied..).unwrap_or_default());
    result
}

/// How far a tag reaches that stands in front of a scalar.
fn tag_length(source: Option<&str>) -> usize {
    let source = source.unwrap_or_default();
    if !source.starts_with('!') {
        return 0;
    }
    let tag = source.find(char::is_whitespace).unwrap_or(0);
    let rest = source.get(tag..).unwrap_or_default();
    source.len().saturating_sub(rest.trim_start().len())
}

/// Where the header of a block stands whose content begins at `content`.
fn block_header(text: &str, content: usize) -> usize {
    let before = text.get(..content).unwrap_or_default();
    let above = before.trim_end();
    let line_start = above
        .rfind('\n')
        .map_or(0, |newline| newline.saturating_add(1));
    let line = above.get(line_start..).unwrap_or_default();
    let header = line
        .char_indices()
        .filter(|(_, c)| matches!(c, '|' | '>'))
        .map(|(offset, _)| offset)
        .find(|offset| is_block_header(line.get(*offset..).unwrap_or_default()));
    line_start.saturating_add(header.unwrap_or(line.len()))
}

/// `|`, `>`, with indicators, and perhaps a comment.
fn is_block_header(text: &str) -> bool {
    let indicators = text.get(1..).unwrap_or_default();
    let rest = indicators.trim_start_matches(|c: char| c.is_ascii_digit() || c == '+' || c == '-');
    let behind = rest.trim_start();
    behind.is_empty() || (behind.len() < rest.len() && behind.starts_with('#'))
}

fn inline(text: &str, style: Style) -> String {
    if style == Style::Plain && (text == "~" || is_plain_safe(text)) {
        return text.to_owned();
    }
    double_quoted(text)
}

/// Whether a text stays itself without quotes, in a block and in a flow collection alike. Strict: what is
/// in doubt is quoted.
pub(crate) fn is_plain_safe(text: &str) -> bool {
    if matches!(text, "null" | "Null" | "NULL") || text.ends_with([':', ' ']) {
        return false;
    }
    let first_fits = text.starts_with(|c: char| c.is_ascii_alphanumeric() || "/._$".contains(c));
    let mut before = ' ';
    first_fits
        && text.chars().all(|c| {
            let fits = match c {
                ' ' => before != ' ' && before != ':',
                _ => c.is_ascii_alphanumeric() || "/._$+=@%~-:|()".contains(c),
            };
            before = c;
            fits
        })
}

/// The text between double quotes (YAML 1.2.2 section 7.3.1).
fn double_quoted(text: &str) -> String {
    use std::fmt::Write as _;
    let mut quoted = String::with_capacity(text.len().saturating_add(2));
    quoted.push('"');
    for c in text.chars() {
        let code = u32::from(c);
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            ' '..='~' => quoted.push(c),
            _ if code < 0x100 => {
                // Writing to a string cannot fail.
                let _ = write!(quoted, "\\x{code:02x}");
            }
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                let _ = write!(quoted, "\\u{code:04x}");
            }
            _ => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
