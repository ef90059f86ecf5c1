//! Puts values in the place of placeholders, node by node.
//!
//! What is put in can be much: a list that is asked for a hundred times. A [`Budget`] bounds what one filling
//! makes, so that a short text never becomes a costly one.

use std::borrow::Cow;

use crate::codes;
use crate::findings::Findings;
use crate::placeholder::{CLOSING, OPENING, sole};
use crate::yaml::{Asked, Entry, Node, Text, Value};
use crate::{Diagnostic, Position, Template};

/// What takes a placeholder's place.
pub(crate) enum Filled {
    /// These nodes.
    Node(Node<'static>),
    /// Nothing: the secret cannot be had.
    LeftOut,
    /// The placeholder itself, which stays open.
    Open,
}

/// Says what takes the place of each placeholder, asked in the order of the text.
pub(crate) trait Filler {
    /// `body` is what stands between the dollars.
    fn fill(
        &mut self,
        body: &str,
        position: Position,
        findings: &mut Findings,
    ) -> Result<Filled, Diagnostic>;

    /// The value of an entry whose placeholders are filled at each release, and not here; `None` for all
    /// other entries.
    fn template(&mut self, entry: &Entry<'_>, findings: &mut Findings) -> Option<Template>;
}

/// How much filling may make.
#[derive(Debug)]
pub(crate) struct Budget {
    nodes: usize,
    text_bytes: usize,
    is_spent: bool,
}

impl Default for Budget {
    /// As much as a whole policy may have.
    fn default() -> Self {
        Self {
            nodes: MAX_NODES,
            text_bytes: MAX_TEXT_BYTES,
            is_spent: false,
        }
    }
}

impl Budget {
    /// Takes what a text costs.
    pub(crate) fn take(&mut self, nodes: usize, text_bytes: usize) -> Result<(), Spent> {
        let left = (
            self.nodes.checked_sub(nodes),
            self.text_bytes.checked_sub(text_bytes),
        );
        let (Some(nodes), Some(text_bytes)) = left else {
            let is_first = !std::mem::replace(&mut self.is_spent, true);
            return Err(Spent { is_first });
        };
        (self.nodes, self.text_bytes) = (nodes, text_bytes);
        Ok(())
    }

    /// Takes what the copy of a node costs. As deep as the tree, which is bounded.
    pub(crate) fn take_node(&mut self, node: &Node<'_>) -> Result<(), Spent> {
        match &node.value {
            Value::Null | Value::Asked(_) => self.take(1, 0),
            Value::Text(text) => self.take(1, text.as_str().len()),
            Value::List(items) => {
                self.take(1, 0)?;
                items.iter().try_for_each(|item| self.take_node(item))
            }
            Value::Map(entries) => {
                self.take(1, 0)?;
                entries.iter().try_for_each(|entry| {
                    self.take(1, entry.key.len())?;
                    self.take_node(&entry.value)
                })
            }
        }
    }
}

/// The budget is spent.
pub(crate) struct Spent {
    is_first: bool,
}

impl Spent {
    /// The finding, said once: what follows would only repeat it.
    pub(crate) fn found(&self, position: Position) -> Option<Diagnostic> {
        let message = format!(
            "what secrets fill in makes the policy too large: at most {MAX_NODES} keys and values, and {MAX_TEXT_BYTES} bytes of text"
        );
        let found = Diagnostic::error(codes::FILLED_TOO_LARGE, position, message);
        self.is_first
            .then(|| found.hint("ask for a large secret once only"))
    }
}

/// A copy of `node` with its placeholders filled in.
///
/// A placeholder that is a whole text becomes whatever fills it; within a longer text only text can. A list
/// that fills an item of a list is spliced. What cannot be had leaves [`Asked::LeftOut`] where it should
/// stand, never a text or list that says something else without it.
pub(crate) fn fill(
    node: &Node<'_>,
    mut filler: impl Filler,
    budget: &mut Budget,
    findings: &mut Findings,
) -> Node<'static> {
    let mut splicer = Splicer {
        filler: &mut filler,
        budget,
        findings,
    };
    splicer.node(node)
}

struct Splicer<'s> {
    filler: &'s mut dyn Filler,
    budget: &'s mut Budget,
    findings: &'s mut Findings,
}

impl Splicer<'_> {
    /// As deep as the tree, which is bounded.
    fn node(&mut self, node: &Node<'_>) -> Node<'static> {
        if let Err(spent) = self.budget.take(1, 0) {
            self.spent(&spent, node.position);
            return open_node("", node.position);
        }
        let value = match &node.value {
            Value::Null => Value::Null,
            Value::Text(text) | Value::Asked(Asked::Open(text)) => return self.text(node, text),
            Value::Asked(asked) => Value::Asked(asked.copied(None)),
            Value::List(items) => self.list(items, node.position),
            Value::Map(entries) => Value::Map(entries.iter().map(|e| self.entry(e)).collect()),
        };
        Node {
            position: node.position,
            tag: node.tag,
            value,
        }
    }

    fn entry(&mut self, entry: &Entry<'_>) -> Entry<'static> {
        let value = match self.filler.template(entry, self.findings) {
            None => self.node(&entry.value),
            Some(template) => {
                let template = Value::Asked(Asked::Template(template));
                Node::new(entry.value.position, template)
            }
        };
        Entry {
            key: Cow::Owned(entry.key.to_string()),
            position: entry.position,
            value,
        }
    }

    fn list(&mut self, items: &[Node<'_>], position: Position) -> Value<'static> {
        let mut spliced = Vec::with_capacity(items.len());
        for item in items {
            let filled = self.node(item);
            match filled.value {
                Value::List(inner) if asks_whole(item) => spliced.extend(inner),
                _ => spliced.push(filled),
            }
        }
        if spliced.is_empty() && !items.is_empty() {
            // No list of the language means the same with no entry as with one.
            let message = "the lists that fill this list are empty";
            let found = Diagnostic::error(codes::FRAGMENT_MISFIT, position, message);
            self.findings.push(found);
        }
        Value::List(spliced)
    }

    fn text(&mut self, node: &Node<'_>, text: &Text<'_>) -> Node<'static> {
        if let Some(body) = sole(text.as_str()) {
            let filled = self.fill(body, text.position());
            let value = match filled {
                Filled::Node(node) => return node,
                Filled::LeftOut => Value::Asked(Asked::LeftOut),
                Filled::Open => Value::Asked(Asked::Open(text.copied(text.position()))),
            };
            return Node::new(node.position, value);
        }
        if !text.as_str().contains(OPENING) {
            if let Err(spent) = self.budget.take(0, text.as_str().len()) {
                self.spent(&spent, text.position());
            }
            return node.owned();
        }
        Node::new(node.position, self.pieces(text))
    }

    /// A text with placeholders and other text.
    fn pieces(&mut self, text: &Text<'_>) -> Value<'static> {
        let mut pieces = Pieces::default();
        let mut rest = text.as_str();
        let mut places = text.places();
        while let Some((before, after)) = rest.split_once(OPENING) {
            let position = places.next(OPENING);
            let Some((body, behind)) = after.split_once(CLOSING) else {
                self.findings.push(unterminated(position));
                return Value::Asked(Asked::Open(text.copied(text.position())));
            };
            pieces.text.push_str(before);
            rest = behind;
            match self.fill(body, position) {
                Filled::Node(piece) => match piece.text() {
                    Some(piece) => pieces.add(piece),
                    None => self.findings.push(no_text(position)),
                },
                Filled::Open => pieces.leave_open(body),
                Filled::LeftOut => pieces.is_left_out = true,
            }
        }
        pieces.text.push_str(rest);
        pieces.finish(text.position())
    }

    /// What is refused stays open: its error is told, and no other one for the same place.
    fn fill(&mut self, body: &str, position: Position) -> Filled {
        if self.budget.is_spent || self.findings.is_full() {
            return Filled::Open;
        }
        let filled = match self.filler.fill(body, position, self.findings) {
            Ok(filled) => filled,
            Err(refused) => {
                self.findings.push(refused);
                return Filled::Open;
            }
        };
        if let Filled::Node(node) = &filled
            && let Err(spent) = self.budget.take_node(node)
        {
            self.spent(&spent, position);
            return Filled::Open;
        }
        filled
    }

    fn spent(&mut self, spent: &Spent, position: Position) {
        if let Some(found) = spent.found(position) {
            self.findings.push(found);
        }
    }
}

/// The text that the pieces of a text make.
#[derive(Default)]
struct Pieces {
    text: String,
    is_open: bool,
    is_left_out: bool,
    is_secret: bool,
}

impl Pieces {
    fn add(&mut self, piece: &Text<'_>) {
        self.text.push_str(piece.as_str());
        self.is_secret = self.is_secret || piece.is_secret();
    }

    fn leave_open(&mut self, body: &str) {
        for part in [OPENING, body, CLOSING] {
            self.text.push_str(part);
        }
        self.is_open = true;
    }

    fn finish(self, position: Position) -> Value<'static> {
        match self {
            // Without one piece, the others might say more than all of them.
            Self {
                is_left_out: true, ..
            } => Value::Asked(Asked::LeftOut),
            Self {
                is_open: true,
                text,
                ..
            } => Value::Asked(Asked::Open(Text::plain(text, position))),
            Self {
                is_secret: true,
                text,
                ..
            } => Value::Text(Text::of_secret(text, position)),
            Self { text, .. } => Value::Text(Text::plain(text, position)),
        }
    }
}

/// Whether a node is one placeholder as a whole.
fn asks_whole(node: &Node<'_>) -> bool {
    match &node.value {
        Value::Text(text) | Value::Asked(Asked::Open(text)) => sole(text.as_str()).is_some(),
        _ => false,
    }
}

/// Whether a placeholder stands anywhere in a node. As deep as the tree, which is bounded.
pub(crate) fn asks(node: &Node<'_>) -> bool {
    match &node.value {
        Value::Null | Value::Asked(_) => false,
        Value::Text(text) => text.as_str().contains(OPENING),
        Value::List(items) => items.iter().any(asks),
        Value::Map(entries) => entries.iter().any(|entry| asks(&entry.value)),
    }
}

fn open_node(text: &str, position: Position) -> Node<'static> {
    let text = Text::plain(text.to_owned(), position);
    Node::new(position, Value::Asked(Asked::Open(text)))
}

fn no_text(position: Position) -> Diagnostic {
    let message = "a config-fragment cannot stand within a longer text";
    Diagnostic::error(codes::FRAGMENT_MISFIT, position, message)
        .hint("let the placeholder be the whole value")
}

fn unterminated(position: Position) -> Diagnostic {
    let message = "expected `$$` at the end of the placeholder";
    Diagnostic::error(codes::PLACEHOLDER_SYNTAX, position, message)
        .hint("a placeholder is written `$$SCONE::name:format$$`")
}

/// As many as a text may have.
const MAX_NODES: usize = 16_384;
const MAX_TEXT_BYTES: usize = 1024 * 1024;
