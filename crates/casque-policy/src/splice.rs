//! Puts values in the place of placeholders, node by node.

use std::borrow::Cow;

use crate::codes;
use crate::findings::Findings;
use crate::placeholder::{CLOSING, OPENING, sole};
use crate::yaml::{Entry, Node, Text, Value};
use crate::{Diagnostic, Position};

/// What takes a placeholder's place.
pub(crate) enum Filled {
    /// These nodes.
    Node(Node<'static>),
    /// Nothing: the entry is left out.
    LeftOut,
    /// The placeholder itself, which stays open.
    Open,
}

/// Says what takes the place of each placeholder, asked in the order of the text.
pub(crate) trait Filler {
    /// `body` is what stands between the dollars.
    fn next(&mut self, body: &str, position: Position) -> Result<Filled, Diagnostic>;
}

/// A copy of `node` with its placeholders filled in.
///
/// A placeholder that is a whole text becomes whatever fills it; within a longer text only text can. A list
/// that fills an item of a list is spliced. A text that is left out says `NONE`, nobody: that way a clause
/// loses what it cannot read, and never gains by it.
pub(crate) fn fill(
    node: &Node<'_>,
    mut filler: impl Filler,
    findings: &mut Findings,
) -> Node<'static> {
    let mut splicer = Splicer {
        filler: &mut filler,
        findings,
    };
    splicer
        .node(node)
        .unwrap_or_else(|| text_node("NONE", node.position))
}

struct Splicer<'s> {
    filler: &'s mut dyn Filler,
    findings: &'s mut Findings,
}

impl Splicer<'_> {
    /// `None` for what is left out. As deep as the tree, which is bounded.
    fn node(&mut self, node: &Node<'_>) -> Option<Node<'static>> {
        let value = match &node.value {
            Value::Null => Value::Null,
            Value::Text(text) => return self.text(node, text),
            Value::List(items) => self.list(items, node.position),
            Value::Map(entries) => Value::Map(entries.iter().map(|e| self.entry(e)).collect()),
        };
        Some(Node {
            position: node.position,
            tag: node.tag,
            value,
        })
    }

    fn entry(&mut self, entry: &Entry<'_>) -> Entry<'static> {
        let value = self.node(&entry.value);
        Entry {
            key: Cow::Owned(entry.key.to_string()),
            position: entry.position,
            value: value.unwrap_or_else(|| text_node("NONE", entry.value.position)),
        }
    }

    fn list(&mut self, items: &[Node<'_>], position: Position) -> Value<'static> {
        let mut spliced = Vec::with_capacity(items.len());
        for item in items {
            let was_placeholder = item
                .text()
                .is_some_and(|text| sole(text.as_str()).is_some());
            match self.node(item) {
                Some(Node {
                    value: Value::List(inner),
                    ..
                }) if was_placeholder => spliced.extend(inner),
                Some(node) => spliced.push(node),
                None => {}
            }
        }
        if spliced.is_empty() && !items.is_empty() {
            spliced.push(text_node("NONE", position));
        }
        Value::List(spliced)
    }

    fn text(&mut self, node: &Node<'_>, text: &Text<'_>) -> Option<Node<'static>> {
        if let Some(body) = sole(text.as_str()) {
            let filled = self.filler.next(body, text.position());
            return match filled.unwrap_or_else(|refused| self.refused(refused)) {
                Filled::Node(node) => Some(node),
                Filled::LeftOut => None,
                Filled::Open => Some(node.owned()),
            };
        }
        if !text.as_str().contains(OPENING) {
            return Some(node.owned());
        }
        Some(self.pieces(node, text))
    }

    /// A text with placeholders and other text.
    fn pieces(&mut self, node: &Node<'_>, text: &Text<'_>) -> Node<'static> {
        let mut filled = String::with_capacity(text.as_str().len());
        let mut rest = text.as_str();
        let mut places = text.places();
        while let Some((before, after)) = rest.split_once(OPENING) {
            let Some((body, behind)) = after.split_once(CLOSING) else {
                break;
            };
            filled.push_str(before);
            rest = behind;
            let position = places.next(OPENING);
            match self.filler.next(body, position) {
                Ok(Filled::Node(piece)) => match piece.text() {
                    Some(text) => filled.push_str(text.as_str()),
                    None => self.findings.push(no_text(position)),
                },
                Ok(Filled::Open) => {
                    for part in [OPENING, body, CLOSING] {
                        filled.push_str(part);
                    }
                }
                Ok(Filled::LeftOut) => {}
                Err(refused) => self.findings.push(refused),
            }
        }
        filled.push_str(rest);
        Node {
            position: node.position,
            tag: node.tag,
            value: Value::Text(Text::new(Cow::Owned(filled), "", text.position())),
        }
    }

    fn refused(&mut self, refused: Diagnostic) -> Filled {
        self.findings.push(refused);
        Filled::Open
    }
}

fn no_text(position: Position) -> Diagnostic {
    let message = "a config-fragment cannot stand within a longer text";
    Diagnostic::error(codes::FRAGMENT_MISFIT, position, message)
        .hint("let the placeholder be the whole value")
}

fn text_node(text: &'static str, position: Position) -> Node<'static> {
    Node {
        position,
        tag: None,
        value: Value::Text(Text::new(Cow::Borrowed(text), "", position)),
    }
}
