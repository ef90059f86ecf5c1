//! A policy's text as a tree whose values know which bytes of the text they take up: what `diff` hides and
//! `check --portable` points at.
//!
//! Not the parser of the language: that is `casque-policy`'s, which keeps its tree to itself. Anchors,
//! aliases and keys that are no texts are refused here as there.

use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use thiserror::Error;
use zeroize::Zeroizing;

/// A value with its place.
#[derive(Debug)]
pub(crate) struct Node {
    /// From 1.
    pub(crate) line: usize,
    /// In characters, from 1.
    pub(crate) column: usize,
    /// In bytes.
    pub(crate) start: usize,
    /// In bytes; what is between the last value and the end of a block is not part of it.
    pub(crate) end: usize,
    pub(crate) value: Value,
}

/// What a value is.
#[derive(Debug)]
pub(crate) enum Value {
    Text(Text),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A scalar; it may be a secret's.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) text: Zeroizing<String>,
    /// Whether it stands without quotes, so that its form says what it is.
    pub(crate) is_plain: bool,
}

/// A key with its value.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) line: usize,
    pub(crate) column: usize,
    /// Where the key ends, in bytes.
    pub(crate) key_end: usize,
    pub(crate) value: Node,
}

/// A text is no tree of one document.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
#[error("expected one YAML document without anchors and aliases, at most {MAX_DEPTH} levels deep")]
pub(crate) struct NotATree;

impl Node {
    /// The text, unless it is a list, a map or nothing.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) if !self.is_null() => Some(&text.text),
            _ => None,
        }
    }

    /// Whether nothing stands there.
    pub(crate) fn is_null(&self) -> bool {
        let is_null = |text: &str| matches!(text, "" | "~" | "null" | "Null" | "NULL");
        matches!(&self.value, Value::Text(text) if text.is_plain && is_null(&text.text))
    }

    /// The entries of a map; none of anything else.
    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The entry of a key.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The items of a list, or the one value that stands for such a list.
    pub(crate) fn one_or_more(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            _ => std::slice::from_ref(self),
        }
    }

    /// Whether it says the same as another, wherever that stands.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        match (&self.value, &other.value) {
            (Value::Text(one), Value::Text(other)) => one.text == other.text,
            (Value::List(one), Value::List(other)) => {
                one.len() == other.len()
                    && one
                        .iter()
                        .zip(other)
                        .all(|(one, other)| one.says_the_same(other))
            }
            (Value::Map(one), Value::Map(other)) => {
                let is_same =
                    |(a, b): (&Entry, &Entry)| a.key == b.key && a.value.says_the_same(&b.value);
                one.len() == other.len() && one.iter().zip(other).all(is_same)
            }
            _ => false,
        }
    }
}

/// Builds the tree of a text.
pub(crate) fn load(text: &str) -> Result<Node, NotATree> {
    let mut builder = Builder {
        text,
        offsets: offsets(text),
        open: Vec::new(),
        root: None,
    };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|_| NotATree)?;
        builder.step(event, span)?;
    }
    builder.root.ok_or(NotATree)
}

/// The byte offset of each character, and of the text's end: the parser counts characters.
fn offsets(text: &str) -> Vec<usize> {
    let starts = text.char_indices().map(|(offset, _)| offset);
    starts.chain([text.len()]).collect()
}

struct Builder<'t> {
    text: &'t str,
    offsets: Vec<usize>,
    open: Vec<Open>,
    root: Option<Node>,
}

/// A collection whose end has not come yet.
struct Open {
    span: Span,
    end: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map {
        entries: Vec<Entry>,
        key: Option<Key>,
    },
}

struct Key {
    text: String,
    line: usize,
    column: usize,
    end: usize,
}

impl Builder<'_> {
    fn step(&mut self, event: Event<'_>, span: Span) -> Result<(), NotATree> {
        match event {
            Event::Scalar(_, _, anchor, _)
            | Event::SequenceStart(anchor, _)
            | Event::MappingStart(anchor, _)
                if anchor != 0 =>
            {
                Err(NotATree)
            }
            Event::Alias(_) => Err(NotATree),
            Event::Scalar(text, style, _, _) => self.scalar(&text, style, span),
            Event::SequenceStart(..) => self.begin(Content::List(Vec::new()), span),
            Event::MappingStart(..) => {
                let entries = Vec::new();
                self.begin(Content::Map { entries, key: None }, span)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(span),
            _ => Ok(()),
        }
    }

    fn byte(&self, character: usize) -> usize {
        let end = self.offsets.last().copied().unwrap_or_default();
        self.offsets.get(character).copied().unwrap_or(end)
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, span: Span) -> Result<(), NotATree> {
        let (start, end) = (self.byte(span.start.index()), self.byte(span.end.index()));
        let (line, column) = place_of(span);
        if let Some(Open {
            content: Content::Map { key, .. },
            ..
        }) = self.open.last_mut()
            && key.is_none()
        {
            let text = text.to_owned();
            *key = Some(Key {
                text,
                line,
                column,
                end,
            });
            return Ok(());
        }
        let text = Text {
            text: Zeroizing::new(text.to_owned()),
            is_plain: style == ScalarStyle::Plain,
        };
        self.place(Node {
            line,
            column,
            start,
            end,
            value: Value::Text(text),
        })
    }

    fn begin(&mut self, content: Content, span: Span) -> Result<(), NotATree> {
        if self.open.len() >= MAX_DEPTH {
            return Err(NotATree);
        }
        let end = self.byte(span.start.index());
        self.open.push(Open { span, end, content });
        Ok(())
    }

    fn end(&mut self, span: Span) -> Result<(), NotATree> {
        let Some(open) = self.open.pop() else {
            return Err(NotATree);
        };
        // A block ends where something else begins; a flow collection has a bracket of its own.
        let at = self.byte(span.start.index());
        let rest = self.text.get(at..).unwrap_or_default();
        let bracket = match rest.starts_with([']', '}']) {
            true => at.saturating_add(1),
            false => 0,
        };
        let (line, column) = place_of(open.span);
        self.place(Node {
            line,
            column,
            start: self.byte(open.span.start.index()),
            end: open.end.max(bracket),
            value: match open.content {
                Content::List(items) => Value::List(items),
                Content::Map { entries, .. } => Value::Map(entries),
            },
        })
    }

    fn place(&mut self, node: Node) -> Result<(), NotATree> {
        let Some(open) = self.open.last_mut() else {
            let is_first = self.root.is_none();
            self.root = Some(node);
            return is_first.then_some(()).ok_or(NotATree);
        };
        open.end = open.end.max(node.end);
        match &mut open.content {
            Content::List(items) => items.push(node),
            Content::Map { entries, key } => {
                let key = key.take().ok_or(NotATree)?;
                entries.push(Entry {
                    key: key.text,
                    line: key.line,
                    column: key.column,
                    key_end: key.end,
                    value: node,
                });
            }
        }
        Ok(())
    }
}

fn place_of(span: Span) -> (usize, usize) {
    (span.start.line(), span.start.col().saturating_add(1))
}

const MAX_DEPTH: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_know_their_place_in_bytes() {
        let text = "\u{e4}: [b, {c: 'd'}]  # e\nf:\n  - g\n  - |\n    h\n\ni: ~\n";
        let root = load(text).unwrap();
        let slice = |node: &Node| text.get(node.start..node.end).unwrap();
        assert_eq!(slice(root.get("\u{e4}").unwrap()), "[b, {c: 'd'}]");
        let list = root.entry("f").unwrap();
        assert_eq!((list.line, list.column), (2, 1));
        assert_eq!(slice(&list.value).trim_end(), "- g\n  - |\n    h");
        assert_eq!(list.value.one_or_more()[1].text(), Some("h\n"));
        assert!(root.get("i").unwrap().is_null());
        assert_eq!(root.get("i").unwrap().text(), None);
    }

    #[test]
    fn nodes_say_the_same_whatever_their_layout() {
        let (one, other) = ("a: [b, {c: d}]\n", "a:\n- 'b'\n- c:  d\n");
        let (one, other) = (load(one).unwrap(), load(other).unwrap());
        assert!(one.says_the_same(&other));
        assert!(!one.says_the_same(&load("a: [b, {c: e}]\n").unwrap()));
        assert!(!one.says_the_same(&load("a: [b]\n").unwrap()));
    }

    #[test]
    fn text_that_is_too_deep_or_no_tree_is_refused() {
        let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
        for text in [
            "",
            "a: &b c",
            "? [a]\n: b",
            "a: b\n---\nc: d",
            "a: [",
            &deep,
        ] {
            assert_eq!(load(text).err(), Some(NotATree), "{text}");
        }
    }
}
