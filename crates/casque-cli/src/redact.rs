//! Hides the secrets that a policy's text gives, so that two versions can be shown side by side.
//!
//! Hidden are: `value` of a secret, `application_secret`, private keys in PEM wherever they stand, and the
//! values of `service_access_token`, `one_time_password_shared_secret`, `fspf_key`, `token` and
//! `decryption_key` unless they are placeholders. In their place stands whether both versions say the same:
//! a digest would let short secrets be guessed. A comment behind a hidden value is hidden with it.
//! What a policy writes as plain configuration (arguments, variables, files) is shown.

use std::collections::BTreeMap;

use crate::yaml::{self, Node, NotATree, Value};

/// Both texts without their secrets: the older one, then the newer one.
pub(crate) fn redacted(old: &str, new: &str) -> Result<(String, String), NotATree> {
    let (old_tree, new_tree) = (yaml::load(old)?, yaml::load(new)?);
    let (old_found, new_found) = (secrets_of(&old_tree), secrets_of(&new_tree));
    let hidden_old = hidden(old, &old_found, &new_found, "<hidden: changed, before>");
    let hidden_new = hidden(new, &new_found, &old_found, "<hidden: changed>");
    Ok((hidden_old, hidden_new))
}

/// A secret in a text.
struct Found<'n> {
    path: String,
    /// Where hiding begins, in bytes: behind the key, or with the value where there is none.
    start: usize,
    /// What stands there instead of what is hidden with the value.
    lead: &'static str,
    node: &'n Node,
}

fn hidden(text: &str, own: &[Found<'_>], others: &[Found<'_>], changed: &str) -> String {
    let others: BTreeMap<&str, &Node> = (others.iter())
        .map(|found| (found.path.as_str(), found.node))
        .collect();
    let mut shown = String::with_capacity(text.len());
    let mut at = 0_usize;
    for found in own {
        let label = match others.get(found.path.as_str()) {
            Some(other) if found.node.says_the_same(other) => "<hidden: unchanged>",
            Some(_) => changed,
            None => "<hidden>",
        };
        shown.push_str(text.get(at..found.start).unwrap_or_default());
        shown.push_str(found.lead);
        shown.push_str(label);
        at = end_of(text, found.node).max(at);
    }
    shown.push_str(text.get(at..).unwrap_or_default());
    shown
}

/// Where a hidden value ends: without the line breaks behind it, with the comment behind it.
fn end_of(text: &str, node: &Node) -> usize {
    let value = text.get(node.start..node.end).unwrap_or_default();
    let end = node.start.saturating_add(value.trim_end().len());
    let rest = text.get(end..).unwrap_or_default();
    let line = rest.split(['\n', '\r']).next().unwrap_or_default();
    match line.trim_start().starts_with('#') {
        true => end.saturating_add(line.len()),
        false => end,
    }
}

/// All of them, in the order of the text.
fn secrets_of(root: &Node) -> Vec<Found<'_>> {
    let mut walk = Walk {
        found: Vec::new(),
        path: Vec::new(),
    };
    walk.node(root);
    walk.found
}

struct Walk<'n> {
    found: Vec<Found<'n>>,
    path: Vec<String>,
}

impl<'n> Walk<'n> {
    /// As deep as the tree, which is bounded.
    fn node(&mut self, node: &'n Node) {
        match &node.value {
            Value::Text(text) => {
                if text.text.contains(PRIVATE_KEY) {
                    self.hide(node.start, "", node);
                }
            }
            Value::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    let name = item.get("name").and_then(Node::text);
                    let step = name.map_or_else(|| index.to_string(), str::to_owned);
                    self.path.push(step);
                    self.node(item);
                    self.path.pop();
                }
            }
            Value::Map(entries) => {
                for entry in entries {
                    self.path.push(entry.key.clone());
                    if self.is_secret(&entry.key, &entry.value) {
                        // A comment may stand before the colon too.
                        self.hide(entry.key_end, ": ", &entry.value);
                    } else {
                        self.node(&entry.value);
                    }
                    self.path.pop();
                }
            }
        }
    }

    fn is_secret(&self, key: &str, value: &Node) -> bool {
        if value.is_null() {
            return false;
        }
        let text = value.text().unwrap_or_default();
        match key {
            "value" => self.path.first().is_some_and(|first| first == "secrets"),
            "application_secret" => true,
            "service_access_token"
            | "one_time_password_shared_secret"
            | "fspf_key"
            | "token"
            | "decryption_key" => !is_placeholder(text),
            _ => text.contains(PRIVATE_KEY),
        }
    }

    fn hide(&mut self, start: usize, lead: &'static str, node: &'n Node) {
        let path = self.path.join("/");
        self.found.push(Found {
            path,
            start,
            lead,
            node,
        });
    }
}

/// Whether a text is one placeholder and nothing else.
fn is_placeholder(text: &str) -> bool {
    let inner = text.strip_prefix("$$SCONE::");
    let inner = inner.and_then(|inner| inner.strip_suffix("$$"));
    inner.is_some_and(|inner| !inner.contains('$'))
}

const PRIVATE_KEY: &str = "PRIVATE KEY-----";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::redacted;
    use crate::yaml;

    /// A text in one of YAML's styles, as the value of a key four spaces deep.
    fn written(text: &str, style: u8) -> String {
        let lines = || text.lines().map(|line| format!("      {line}\n"));
        match style {
            0 => format!(" {}\n", serde_json::to_string(text).unwrap()),
            1 => format!(
                " '{}'\n",
                text.replace('\'', "''").replace('\n', "\n\n      ")
            ),
            2 => format!(" |-\n{}", lines().collect::<String>()),
            3 => format!(" >-  # hunter\n{}", lines().collect::<String>()),
            4 => format!(" !!str |2+\n{}", lines().collect::<String>()),
            _ => format!("\n      {}\n", serde_json::to_string(text).unwrap()),
        }
    }

    proptest! {
        #[test]
        fn no_secret_is_shown_however_it_is_written(
            text in "hunter[a-z\u{e4}\u{1f600}:#'\"{}&*!%@, -]{0,12}(\nhunter[a-z#: ]{1,6}){0,3}",
            style in 0_u8..6,
        ) {
            let value = written(&text, style);
            let policy = format!(
                "name: a\nsecrets:\n  - name: b\n    value:{value}    kind: ascii\n  - name: c\n"
            );
            prop_assume!(yaml::load(&policy).is_ok());
            let (shown, _) = redacted(&policy, &policy).unwrap();
            prop_assert!(!shown.contains("hunter"), "{policy}\n{shown}");
            prop_assert!(shown.contains("\n    kind: ascii\n  - name: c\n"), "{policy}\n{shown}");
        }
    }

    #[test]
    fn unusual_layouts_hide_as_much() {
        for text in [
            "secrets: [{name: a, ? value : hunter, kind: ascii}]\n",
            "secrets:\n- name: a\n  ? value # hunter\n  : hunter\n  kind: ascii\n",
            "secrets:\r\n- name: a\r\n  value: hunter\r\n  kind: ascii\r\n",
            "\u{feff}secrets:\n- name: a\n  \"val\\u0075e\": hunter\n  kind: ascii\n",
            "%YAML 1.2\n---\nsecrets:\n- name: a\n  value:   # hunter\n      hunter\n  kind: ascii\n...\n",
            "{\"secrets\":[{\"name\":\"a\",\"value\":\"hunter\",\"kind\":\"ascii\"}]}\n",
            "secrets:\n- value: >\n    hunter\n\n    hunter\n  kind: ascii\n  name: a",
            "secrets:\n- name: a\n  kind: ascii\n  value: hunter",
        ] {
            let Ok((shown, _)) = redacted(text, text) else {
                continue;
            };
            assert!(!shown.contains("hunter"), "{text}\n{shown}");
            assert!(
                shown.contains("ascii") && shown.contains("<hidden: unchanged>"),
                "{shown}"
            );
        }
    }

    const OLD: &str = r#"name: demo
services:
  - name: web
    command: web --pem "-----BEGIN PRIVATE KEY-----hunter1"
    one_time_password_shared_secret: HUNTER2   # hunter3
secrets:
  - {name: flow, kind: ascii, value: "hunter4, {hunter5}"} # kept
  - name: block
    kind: ascii
    value: | # hunter6
      hunter7

      hunter8

  # between
  - name: fragment
    kind: config-fragment
    value:
      - hunter9: [hunter10,
          hunter11]
        hunter12: {}
  - name: next
    kind: ascii
    "value"  : 'hunter13
      hunter14'
  - name: aad
    kind: aad-token
    application_secret: hunter15
    private_key: "-----BEGIN PRIVATE KEY-----\nhunter16"
  - name: ref
    kind: x509
    private_key: next
    import_akv: {vault: v, token: $$SCONE::aad$$}
"#;

    #[test]
    fn no_secret_is_shown_in_any_layout() {
        let (old, new) = redacted(OLD, OLD).unwrap();
        assert_eq!(old, new);
        assert!(!old.to_lowercase().contains("hunter"), "{old}");
        for kept in [
            "name: fragment",
            "# kept",
            "  # between\n",
            "private_key: next",
            "$$SCONE::aad$$",
            "kind: aad-token",
        ] {
            assert!(old.contains(kept), "{kept} in {old}");
        }
        assert_eq!(old.matches("<hidden: unchanged>").count(), 8, "{old}");
    }

    #[test]
    fn what_changed_is_said_without_what_it_is() {
        let changed = OLD.replace("hunter15", "hunter99");
        let (old, new) = redacted(OLD, &changed).unwrap();
        assert!(old.contains("application_secret: <hidden: changed, before>\n"));
        assert!(new.contains("application_secret: <hidden: changed>\n"));
        assert_eq!(new.matches("<hidden: unchanged>").count(), 7);
    }

    #[test]
    fn secret_of_one_side_alone_is_hidden_too() {
        let bare = "name: demo\n";
        let (old, new) = redacted(bare, OLD).unwrap();
        assert_eq!(old, bare);
        assert!(!new.to_lowercase().contains("hunter"), "{new}");
        assert!(new.contains("application_secret: <hidden>\n"));
    }

    #[test]
    fn characters_of_several_bytes_do_not_move_what_is_hidden() {
        let text = "name: demo\n# \u{e4}\u{1f600}\nsecrets:\n- name: a\n  value: hunter\u{e4}\n";
        let (old, _) = redacted(text, text).unwrap();
        assert!(old.ends_with("\n  value: <hidden: unchanged>\n"), "{old}");
    }

    #[test]
    fn text_that_is_no_tree_is_not_shown() {
        assert!(redacted("name: a\n", "a: &x 1\nb: *x\n").is_err());
        assert!(redacted("name: [", "name: a\n").is_err());
        assert!(redacted("name: a\n--- \nname: b\n", "name: a\n").is_err());
    }
}
