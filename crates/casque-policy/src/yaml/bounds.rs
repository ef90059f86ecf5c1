//! What a text may be before the YAML parser sees it: how long, and of which characters.

use super::source::after;
use crate::codes;
use crate::{Diagnostic, Position};

/// The text without a byte order mark, if it is short enough and holds printable characters alone.
pub(crate) fn expect_bounded(text: &str) -> Result<&str, Diagnostic> {
    if text.len() > MAX_BYTES {
        let found = text.len();
        let message = format!("expected at most {MAX_BYTES} bytes, found {found}");
        let refused = Diagnostic::error(codes::TEXT_TOO_LONG, START, message);
        return Err(refused.hint("move big files into the image"));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lone_return = |offset: usize| {
        let behind = text.get(offset.saturating_add(1)..).unwrap_or_default();
        !behind.starts_with('\n')
    };
    let mut characters = text.char_indices();
    let refused =
        characters.find(|(offset, c)| !is_printable(*c) || (*c == '\r' && lone_return(*offset)));
    match refused {
        None => Ok(text),
        Some((offset, c)) => {
            let position = after(START, text.get(..offset).unwrap_or_default());
            let code = u32::from(c);
            let message = format!("expected printable characters, found U+{code:04X}");
            let refused = Diagnostic::error(codes::YAML_CHARACTER, position, message);
            Err(refused.hint("write it as an escape within double quotes, such as \"\\x01\""))
        }
    }
}

/// `c-printable` of YAML 1.2.2 section 5.1, without the byte order mark.
const fn is_printable(c: char) -> bool {
    matches!(c,
        '\t' | '\n' | '\r' | '\u{85}' | ' '..='~' | '\u{a0}'..='\u{d7ff}'
        | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}')
}

pub(super) const START: Position = Position { line: 1, column: 1 };
const MAX_BYTES: usize = 1 << 20;
