//! A node as YAML text in block form, as a person would write it, which parses back to the same node.
//!
//! Keys keep their order; comments are lost. A text stands plain where it stays itself, as a literal block
//! where it has lines that a block keeps, and in double quotes elsewhere.

use std::fmt::{self, Write};

use casque_types::Secret;

use super::flow::{Length, write_text};
use super::{Entry, Node, Value};
use crate::substitute::is_plain_safe;

/// The text of a root node, in a buffer of its final size.
pub(crate) fn block(root: &Node<'_>) -> Secret {
    let mut length = Length::default();
    // Neither a count nor a string refuses to be written to.
    let _ = write_root(root, &mut length);
    let mut text = String::with_capacity(length.bytes());
    let _ = write_root(root, &mut text);
    Secret::new(text.into_bytes())
}

fn write_root(root: &Node<'_>, out: &mut impl Write) -> fmt::Result {
    out.write_str("---")?;
    write_value(root, 0, out)
}

/// What stands behind a `-`, a `key:` or the document's head. As deep as the tree, which is bounded.
fn write_value(node: &Node<'_>, indent: usize, out: &mut impl Write) -> fmt::Result {
    if let Some(tag) = node.tag {
        write!(out, " !{}", tag.as_str())?;
    }
    match &node.value {
        Value::Null | Value::Asked(_) => out.write_str(" ~\n"),
        Value::Text(text) => write_scalar(text.as_str(), indent, out),
        Value::List(items) if items.is_empty() => out.write_str(" []\n"),
        Value::Map(entries) if entries.is_empty() => out.write_str(" {}\n"),
        Value::List(items) => {
            out.write_char('\n')?;
            items
                .iter()
                .try_for_each(|item| write_item(item, indent, out))
        }
        Value::Map(entries) => {
            out.write_char('\n')?;
            (entries.iter()).try_for_each(|entry| {
                write!(out, "{:indent$}", "")?;
                write_entry(entry, indent, out)
            })
        }
    }
}

/// The first entry of a map stands behind the `-`.
fn write_item(item: &Node<'_>, indent: usize, out: &mut impl Write) -> fmt::Result {
    let deeper = indent.saturating_add(STEP);
    write!(out, "{:indent$}-", "")?;
    match (&item.value, item.tag) {
        (Value::Map(entries), None) if !entries.is_empty() => {
            for (index, entry) in entries.iter().enumerate() {
                match index {
                    0 => out.write_char(' ')?,
                    _ => write!(out, "{:deeper$}", "")?,
                }
                write_entry(entry, deeper, out)?;
            }
            Ok(())
        }
        _ => write_value(item, deeper, out),
    }
}

fn write_entry(entry: &Entry<'_>, indent: usize, out: &mut impl Write) -> fmt::Result {
    match is_plain_safe(&entry.key) {
        true => out.write_str(&entry.key)?,
        false => write_text(&entry.key, out)?,
    }
    out.write_char(':')?;
    write_value(&entry.value, indent.saturating_add(STEP), out)
}

fn write_scalar(text: &str, indent: usize, out: &mut impl Write) -> fmt::Result {
    out.write_char(' ')?;
    if is_plain_safe(text) {
        return writeln!(out, "{text}");
    }
    match block_header(text) {
        None => {
            write_text(text, out)?;
            out.write_char('\n')
        }
        Some(header) => {
            writeln!(out, "{header}")?;
            for line in text.lines() {
                match line {
                    "" => out.write_char('\n')?,
                    line => writeln!(out, "{:indent$}{line}", "", indent = indent.max(STEP))?,
                }
            }
            Ok(())
        }
    }
}

/// `|` or `|-` for a text that a literal block keeps as it is.
fn block_header(text: &str) -> Option<&'static str> {
    let body = text.strip_suffix('\n').unwrap_or(text);
    let is_line = |line: &str| {
        let is_kept =
            |c: char| matches!(c, ' '..='~' | '\u{a1}'..='\u{2027}' | '\u{2030}'..='\u{d7ff}');
        line.chars().all(is_kept) && !line.ends_with(' ')
    };
    let is_block = text.contains('\n')
        && !body.is_empty()
        && !body.starts_with([' ', '\n'])
        && !body.ends_with('\n')
        && body.split('\n').all(is_line);
    match (is_block, text.ends_with('\n')) {
        (false, _) => None,
        (true, true) => Some("|"),
        (true, false) => Some("|-"),
    }
}

const STEP: usize = 2;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::flow::tests::{same, trees};
    use super::super::load;
    use super::*;

    #[test]
    fn block_is_what_an_author_would_write() {
        let text = "{name: a, list: [x, {k: v, l: w}, \"y: z\"], map: {}, text: \"one\\ntwo\\n\", none: ~, 'a b': \"\"}";
        let expected = "---\nname: a\nlist:\n  - x\n  - k: v\n    l: w\n  - \"y: z\"\nmap: {}\ntext: |\n  one\n  two\nnone: ~\na b: \"\"\n";
        let written = block(&load(text).unwrap());
        assert_eq!(written.expose_text(), Some(expected));
    }

    proptest! {
        #[test]
        fn block_parses_back_to_the_same_node(tree in trees()) {
            let text = block(&tree);
            let text = text.expose_text().unwrap();
            let read = load(text).unwrap_or_else(|found| panic!("{text}: {found:?}"));
            prop_assert!(same(&tree, &read), "{text}");
        }
    }
}
