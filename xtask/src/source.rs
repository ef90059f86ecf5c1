//! Just enough of Rust's grammar to count: comments, literals, functions, and what only tests compile.
//!
//! It is no parser: it looks at one file, knows no macros, and a brace inside a macro's own syntax counts as one.

use std::path::{Path, PathBuf};

use crate::Failure;

/// The text with comments and the content of literals blanked out; lines stay lines.
#[must_use]
pub fn code_of(text: &str) -> String {
    let mut rest = text;
    let mut code = String::with_capacity(text.len());
    let mut before = ' ';
    while let Some(first) = rest.chars().next() {
        let blank = blank_length(rest, first, before);
        let (taken, after) = rest
            .split_at_checked(blank.max(first.len_utf8()))
            .unwrap_or((rest, ""));
        if blank == 0 {
            code.push(first);
        } else {
            code.extend(taken.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        }
        before = if blank == 0 { first } else { ' ' };
        rest = after;
    }
    code
}

/// How many bytes of comment or literal begin here.
fn blank_length(rest: &str, first: char, before: char) -> usize {
    let in_word = before.is_alphanumeric() || before == '_';
    match first {
        '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
        '/' if rest.starts_with("/*") => block_comment(rest),
        '"' => quoted(rest),
        'r' | 'b' | 'c' if !in_word => prefixed(rest),
        '\'' => character(rest),
        _ => 0,
    }
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    for (at, _) in rest.char_indices() {
        let here = rest.get(at..).unwrap_or_default();
        if here.starts_with("/*") {
            depth += 1;
        } else if here.starts_with("*/") {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                return at + 2;
            }
        }
    }
    rest.len()
}

/// The length of a literal `"..."` with escapes.
fn quoted(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The length of a literal with a prefix: `r#"..."#`, `b"..."`, `b'.'`, `br"..."`, `c"..."`; 0 if it is a word.
fn prefixed(rest: &str) -> usize {
    let letters = rest.len() - rest.trim_start_matches(['r', 'b', 'c']).len();
    let after = rest.get(letters..).unwrap_or_default();
    let hashes = after.len() - after.trim_start_matches('#').len();
    let is_raw = rest
        .get(..letters)
        .is_some_and(|prefix| prefix.contains('r'));
    if letters > 2 {
        return 0;
    }
    if is_raw && after.trim_start_matches('#').starts_with('"') {
        let end = format!("\"{}", "#".repeat(hashes));
        let body = letters + hashes + 1;
        let found = rest.get(body..).and_then(|content| content.find(&end));
        return found.map_or(rest.len(), |at| body + at + end.len());
    }
    match after.chars().next() {
        Some('"') => letters + quoted(after),
        Some('\'') => letters + character(after),
        _ => 0,
    }
}

/// The length of a literal `'x'` or `'\n'`; 0 if it is a lifetime.
fn character(rest: &str) -> usize {
    let mut characters = rest.char_indices().skip(1);
    match characters.next() {
        Some((_, '\\')) => rest
            .get(3..)
            .and_then(|after| after.find('\''))
            .map_or(0, |at| at + 4),
        Some(_) => match characters.next() {
            Some((at, '\'')) => at + 1,
            _ => 0,
        },
        None => 0,
    }
}

/// The code without the items that stand behind `#[cfg(test)]`.
#[must_use]
pub fn without_tests(code: &str) -> String {
    let mut kept = String::with_capacity(code.len());
    let mut rest = code;
    while let Some((before, after)) = rest.split_once("#[cfg(test)]") {
        kept.push_str(before);
        rest = after.get(item_length(after)..).unwrap_or_default();
    }
    kept.push_str(rest);
    kept
}

/// How far an item reaches: to its closing brace, or to its semicolon if that comes first.
fn item_length(code: &str) -> usize {
    let mut depth = 0_usize;
    let mut nested = 0_usize;
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' => nested += 1,
            ')' | ']' => nested = nested.saturating_sub(1),
            '{' => depth += 1,
            '}' if depth <= 1 => return at + 1,
            '}' => depth -= 1,
            ';' if depth == 0 && nested == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

/// A function with a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// The line of `fn`, from 1.
    pub line: usize,
    /// From the line of `fn` to that of its closing brace.
    pub lines: usize,
}

/// The functions of a piece of code, in their order; a nested one counts for itself and for its surroundings.
#[must_use]
pub fn functions(code: &str) -> Vec<Function> {
    let mut functions = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let before = code.get(..at).unwrap_or_default();
        let after = code.get(at + 3..).unwrap_or_default();
        let name: String = after
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect();
        let is_word = before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let body = after.get(..item_length(after)).unwrap_or_default();
        if is_word || name.is_empty() || !body.ends_with('}') {
            continue;
        }
        functions.push(Function {
            name,
            line: before.matches('\n').count() + 1,
            lines: body.matches('\n').count() + 1,
        });
    }
    functions
}

/// All Rust files below a folder, in the order of their paths.
///
/// # Errors
/// A folder cannot be read.
pub fn rust_files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let unreadable =
        |error| Failure::new(format!("`{}` cannot be read: {error}", folder.display()));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_dir() {
            files.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Whether only tests compile a file: those named so, and `testing.rs` by the habit of this workspace.
#[must_use]
pub fn is_test_file(path: &Path) -> bool {
    path.components().any(|part| {
        let part = part.as_os_str();
        ["tests", "tests.rs", "testing.rs", "testing"]
            .iter()
            .any(|name| part == *name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_of_literals_and_comments_is_blank_and_keeps_its_lines() {
        let text = "let a = \"fn b() {\"; // fn c() {\n/* { /* { */ } */ let d = 'x'; let e: &'static str = r#\"\"{\n\"#;";
        let code = code_of(text);
        assert_eq!(code.matches('\n').count(), text.matches('\n').count());
        assert!(!code.contains('{') && !code.contains('}') && !code.contains("fn"));
        assert!(code.contains("let a") && code.contains("let d") && code.contains("&'static str"));
    }

    #[test]
    fn code_of_characters_that_look_like_quotes_goes_on_behind_them() {
        let code =
            code_of(r#"match c { '"' => 1, '\'' => 2, '\\' => 3, b'{' => 4 } fn after() {}"#);
        assert!(code.contains("fn after"));
        assert_eq!(code.matches('{').count(), 2);
    }

    #[test]
    fn functions_are_found_with_their_lines() {
        let code = "struct F(fn (u8));\ntrait T { fn declared(&self); }\nfn a(x: [u8; 3]) {\n    if x {\n    }\n}\nfn b() {}\n";
        let found = functions(code);
        let found: Vec<_> = found
            .iter()
            .map(|f| (f.name.as_str(), f.line, f.lines))
            .collect();
        assert_eq!(found, [("a", 3, 4), ("b", 7, 1)]);
    }

    #[test]
    fn code_behind_cfg_test_is_left_out() {
        let code = "fn a() {}\n#[cfg(test)]\nmod tests;\nfn b() {}\n#[cfg(test)]\nmod t {\n fn c() {}\n}\nfn d() {}";
        let kept = without_tests(code);
        let names: Vec<_> = functions(&kept).into_iter().map(|f| f.name).collect();
        assert_eq!(names, ["a", "b", "d"]);
    }
}
