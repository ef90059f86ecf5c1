//! YAML 1.2 text as a tree of located nodes: the one place that knows the YAML parser.
//!
//! Bounded before anything is built: bytes, depth, number of nodes. Refused: anchors and aliases (a
//! policy says what it means where it means it, and no alias bomb can be written), keys that are not
//! scalars, duplicate keys, several documents, characters that YAML does not print. A scalar has no type
//! but "null or text": what a text means is said by the place where it stands, never by its quotes.

mod block;
mod bounds;
mod flow;
mod input;
mod load;
mod source;
mod tags;

use std::borrow::Cow;
use std::fmt;

use zeroize::Zeroize;

use crate::{Position, Template};

pub(crate) use block::block;
pub(crate) use bounds::expect_bounded;
pub(crate) use flow::flow;
pub(crate) use load::{ScalarSpan, Style, load, scalars};
pub(crate) use source::{Offsets, Places};

/// A node of the tree.
#[derive(Debug)]
pub(crate) struct Node<'a> {
    pub(crate) position: Position,
    pub(crate) tag: Option<Tag>,
    pub(crate) value: Value<'a>,
}

/// What a node is.
#[derive(Debug)]
pub(crate) enum Value<'a> {
    /// A plain `~`, `null` or nothing.
    Null,
    Text(Text<'a>),
    List(Vec<Node<'a>>),
    Map(Vec<Entry<'a>>),
    /// What secrets say. No text holds it: filling makes it (`crate::splice`).
    Asked(Asked),
}

/// A place of a clause at which secrets speak.
#[derive(Debug)]
pub(crate) enum Asked {
    /// Text with placeholders that are not filled yet, as the text writes it.
    Open(Text<'static>),
    /// A secret that cannot be had should stand here.
    LeftOut,
    /// Text whose placeholders are filled at each release.
    Template(Template),
}

/// A local tag of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    Akv,
    Cas,
}

impl Tag {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Akv => "akv",
            Self::Cas => "cas",
        }
    }
}

/// A key with its value.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) key: Cow<'a, str>,
    pub(crate) position: Position,
    pub(crate) value: Node<'a>,
}

/// A scalar's text, wiped when dropped: it may be a secret's.
pub(crate) struct Text<'a> {
    text: Cow<'a, str>,
    /// As it stands in the file, quotes and indentation included.
    source: &'a str,
    position: Position,
    is_secret: bool,
}

impl<'a> Text<'a> {
    pub(crate) const fn new(text: Cow<'a, str>, source: &'a str, position: Position) -> Self {
        Self {
            text,
            source,
            position,
            is_secret: false,
        }
    }

    /// The value of a secret, which no message shows.
    pub(crate) fn of_secret(text: String, position: Position) -> Text<'static> {
        let mut text = Self::plain(text, position);
        text.is_secret = true;
        text
    }

    /// Text that stands in no file as it is.
    pub(crate) fn plain(text: String, position: Position) -> Text<'static> {
        Text::new(Cow::Owned(text), "", position)
    }

    /// A copy that owns its text and knows nothing of the file.
    pub(crate) fn copied(&self, position: Position) -> Text<'static> {
        Text {
            text: Cow::Owned(self.as_str().to_owned()),
            source: "",
            position,
            is_secret: self.is_secret,
        }
    }

    /// Whether it is the value of a secret.
    pub(crate) const fn is_secret(&self) -> bool {
        self.is_secret
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) const fn position(&self) -> Position {
        self.position
    }

    /// Finds one place after the other in the file.
    pub(crate) const fn places(&self) -> Places<'a> {
        Places::new(self.source, self.position)
    }
}

impl Drop for Text<'_> {
    fn drop(&mut self) {
        if let Cow::Owned(text) = &mut self.text {
            text.zeroize();
        }
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({} bytes at {})", self.text.len(), self.position)
    }
}

impl Value<'_> {
    /// What it is, for messages.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
            Self::Asked(_) => "a placeholder",
        }
    }
}

impl Asked {
    pub(crate) fn copied(&self, to: Option<Position>) -> Self {
        match self {
            Self::Open(text) => Self::Open(text.copied(to.unwrap_or(text.position()))),
            Self::LeftOut => Self::LeftOut,
            Self::Template(template) => Self::Template(template.clone()),
        }
    }
}

impl<'a> Node<'a> {
    /// A node that stands in no file as it is.
    pub(crate) const fn new(position: Position, value: Value<'a>) -> Self {
        Self {
            position,
            tag: None,
            value,
        }
    }

    /// Whether secrets that are not known yet say what stands here, or what the list here holds.
    pub(crate) fn is_open(&self) -> bool {
        match &self.value {
            Value::Asked(Asked::Open(_)) => true,
            Value::List(items) => items.iter().any(Self::is_open),
            _ => false,
        }
    }

    pub(crate) const fn text(&self) -> Option<&Text<'a>> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) const fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    /// A copy that owns its texts; places within a text are those of its beginning.
    pub(crate) fn owned(&self) -> Node<'static> {
        self.copied(None)
    }

    /// A copy of which everything stands at `position`.
    pub(crate) fn moved_to(&self, position: Position) -> Node<'static> {
        self.copied(Some(position))
    }

    /// As deep as the tree, which is bounded.
    fn copied(&self, to: Option<Position>) -> Node<'static> {
        let place = |position: Position| to.unwrap_or(position);
        let value = match &self.value {
            Value::Null => Value::Null,
            Value::Text(text) => Value::Text(text.copied(place(text.position()))),
            Value::Asked(asked) => Value::Asked(asked.copied(to)),
            Value::List(items) => Value::List(items.iter().map(|item| item.copied(to)).collect()),
            Value::Map(entries) => {
                let copied = entries.iter().map(|entry| Entry {
                    key: Cow::Owned(entry.key.to_string()),
                    position: place(entry.position),
                    value: entry.value.copied(to),
                });
                Value::Map(copied.collect())
            }
        };
        Node {
            position: place(self.position),
            tag: self.tag,
            value,
        }
    }

    /// The items of a list; a node that is none is its own only item.
    pub(crate) fn one_or_more(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            _ => std::slice::from_ref(self),
        }
    }
}
