//! A node as YAML text in flow form, which parses back to the same node: how a config-fragment is stored.
//!
//! Texts and keys stand in double quotes, so that without tags the result is JSON but for the escapes of
//! characters that do not print.

use std::fmt::{self, Write};

use casque_types::Secret;

use super::{Node, Value};

/// The text of a node, in a buffer of its final size.
pub(crate) fn flow(node: &Node<'_>) -> Secret {
    let mut length = Length::default();
    // Neither a count nor a string refuses to be written to.
    let _ = write_node(node, &mut length);
    let mut text = String::with_capacity(length.0);
    let _ = write_node(node, &mut text);
    Secret::new(text.into_bytes())
}

/// Counts bytes: a string that grows would leave copies of itself behind.
#[derive(Default)]
pub(super) struct Length(usize);

impl Length {
    pub(super) const fn bytes(&self) -> usize {
        self.0
    }
}

impl Write for Length {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = self.0.saturating_add(text.len());
        Ok(())
    }
}

/// As deep as the tree, which is bounded.
fn write_node(node: &Node<'_>, out: &mut impl Write) -> fmt::Result {
    if let Some(tag) = node.tag {
        write!(out, "!{} ", tag.as_str())?;
    }
    match &node.value {
        // Nothing is filled in among the values of secrets.
        Value::Null | Value::Asked(_) => out.write_str("null"),
        Value::Text(text) => write_text(text.as_str(), out),
        Value::List(items) => {
            out.write_char('[')?;
            for (index, item) in items.iter().enumerate() {
                out.write_str(if index == 0 { "" } else { ", " })?;
                write_node(item, out)?;
            }
            out.write_char(']')
        }
        Value::Map(entries) => {
            out.write_char('{')?;
            for (index, entry) in entries.iter().enumerate() {
                out.write_str(if index == 0 { "" } else { ", " })?;
                write_text(&entry.key, out)?;
                out.write_str(": ")?;
                write_node(&entry.value, out)?;
            }
            out.write_char('}')
        }
    }
}

/// A text between double quotes (YAML 1.2.2 section 5.7).
pub(super) fn write_text(text: &str, out: &mut impl Write) -> fmt::Result {
    out.write_char('"')?;
    for c in text.chars() {
        let code = u32::from(c);
        match c {
            '"' => out.write_str("\\\"")?,
            '\\' => out.write_str("\\\\")?,
            '\n' => out.write_str("\\n")?,
            '\t' => out.write_str("\\t")?,
            '\r' => out.write_str("\\r")?,
            ' '..='~' => out.write_char(c)?,
            '\u{a1}'..='\u{2027}' | '\u{202a}'..='\u{d7ff}' => out.write_char(c)?,
            '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}' => out.write_char(c)?,
            _ if code <= 0xffff => write!(out, "\\u{code:04x}")?,
            _ => write!(out, "\\U{code:08x}")?,
        }
    }
    out.write_char('"')
}

#[cfg(test)]
pub(super) mod tests {
    use std::borrow::Cow;

    use proptest::prelude::*;

    use super::super::{Entry, Tag, Text, load};
    use super::*;
    use crate::Position;

    const START: Position = Position { line: 1, column: 1 };

    fn node(value: Value<'static>, tag: Option<Tag>) -> Node<'static> {
        Node {
            position: START,
            tag,
            value,
        }
    }

    pub(crate) fn trees() -> impl Strategy<Value = Node<'static>> {
        let text = prop_oneof![
            any::<String>(),
            "[ -~]{0,12}",
            Just("~".to_owned()),
            Just("null".to_owned())
        ];
        let leaf = prop_oneof![
            Just(()).prop_map(|()| node(Value::Null, None)),
            text.prop_map(|text| {
                let text = Text::new(Cow::Owned(text), "", START);
                node(Value::Text(text), None)
            }),
        ];
        leaf.prop_recursive(6, 40, 5, |inner| {
            let tags = || prop_oneof![3 => Just(None), 1 => Just(Some(Tag::Akv)), 1 => Just(Some(Tag::Cas))];
            let keyed = proptest::collection::btree_map(any::<String>(), inner.clone(), 0..5);
            prop_oneof![
                (proptest::collection::vec(inner, 0..5), tags())
                    .prop_map(|(items, tag)| node(Value::List(items), tag)),
                (keyed, tags()).prop_map(|(entries, tag)| {
                    let entries = entries.into_iter().map(|(key, value)| Entry {
                        key: Cow::Owned(key),
                        position: START,
                        value,
                    });
                    node(Value::Map(entries.collect()), tag)
                }),
            ]
        })
    }

    pub(crate) fn same(a: &Node<'_>, b: &Node<'_>) -> bool {
        let values = match (&a.value, &b.value) {
            (Value::Null, Value::Null) => true,
            (Value::Text(a), Value::Text(b)) => a.as_str() == b.as_str(),
            (Value::List(a), Value::List(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
            }
            (Value::Map(a), Value::Map(b)) => {
                let pairs = || a.iter().zip(b);
                a.len() == b.len()
                    && pairs().all(|(a, b)| a.key == b.key && same(&a.value, &b.value))
            }
            _ => false,
        };
        values && a.tag == b.tag
    }

    proptest! {
        #[test]
        fn flow_text_parses_back_to_the_same_node(tree in trees()) {
            let text = flow(&tree);
            let text = text.expose_text().unwrap();
            let read = load(text).unwrap();
            prop_assert!(same(&tree, &read), "{text}");
        }
    }

    #[test]
    fn flow_buffer_never_grows() {
        let tree = load("a: [b, \"\\u1234\", ~, {c: d}]").unwrap();
        let text = flow(&tree);
        assert_eq!(
            text.expose_text(),
            Some("{\"a\": [\"b\", \"\u{1234}\", null, {\"c\": \"d\"}]}")
        );
    }
}
