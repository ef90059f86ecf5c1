//! `access_policy`, section 8.

use super::read_key;
use crate::codes;
use crate::fields::{Fields, Keys, expect_text, not_yet};
use crate::findings::Findings;
use crate::yaml::{Node, Value};
use crate::{AccessPolicy, Diagnostic, Principal, Principals};

/// Reads it; `[CREATOR]` stands where it says nothing, and for `create_sessions` what `update` says.
pub(super) fn read(policy: &Fields<'_, '_>, findings: &mut Findings) -> AccessPolicy {
    let fields = policy
        .value("access_policy")
        .and_then(|node| Fields::open(node, &KEYS, findings));
    let mut read = |key: &str| {
        let node = fields?.value(key)?;
        read_principals(node, key, findings)
    };
    let (reading, updating, creating) = (read("read"), read("update"), read("create_sessions"));
    let update = updating.unwrap_or_else(creator_alone);
    let reading = reading.unwrap_or_else(creator_alone);
    AccessPolicy {
        list_sessions: reading.clone(),
        read: reading,
        create_sessions: creating.unwrap_or_else(|| update.clone()),
        update,
    }
}

fn creator_alone() -> Principals {
    Principals::Listed(vec![Principal::Creator])
}

fn read_principals(node: &Node<'_>, key: &str, findings: &mut Findings) -> Option<Principals> {
    let entries = node.one_or_more();
    if entries.is_empty() {
        let message = format!("`{key}`: expected at least one entry");
        let found = Diagnostic::error(codes::EMPTY_LIST, node.position, message);
        findings.push(found.hint("`NONE` is nobody"));
        return None;
    }
    let mut listed = Vec::new();
    for entry in entries {
        match read_entry(entry, key, entries.len(), findings) {
            Entry::Alone(principals) => return Some(principals),
            Entry::Creator => listed.push(Principal::Creator),
            Entry::Key(hash) => listed.push(Principal::Key(hash)),
            Entry::Refused => {}
        }
    }
    Some(Principals::Listed(listed))
}

enum Entry {
    Alone(Principals),
    Creator,
    Key(casque_types::KeyHash),
    /// Found to be wrong; the others are looked at still.
    Refused,
}

fn read_entry(node: &Node<'_>, key: &str, entries: usize, findings: &mut Findings) -> Entry {
    if let Value::Map(map) = &node.value {
        for entry in map {
            findings.push(not_yet(
                entry.position,
                &format!("`{}` in `{key}`", entry.key),
            ));
        }
        return Entry::Refused;
    }
    let Some(text) = expect_text(node, key, findings) else {
        return Entry::Refused;
    };
    let alone = match text.as_str() {
        "CREATOR" => return Entry::Creator,
        "ANY" => Principals::Any,
        "NONE" => Principals::Nobody,
        _ => {
            let hash = findings.ok(read_key(text, key));
            return hash.map_or(Entry::Refused, Entry::Key);
        }
    };
    if entries == 1 {
        return Entry::Alone(alone);
    }
    let message = format!("`{}` must stand alone in `{key}`", text.as_str());
    findings.push(Diagnostic::error(
        codes::WORD_NOT_ALONE,
        text.position(),
        message,
    ));
    Entry::Refused
}

const KEYS: Keys = Keys {
    place: "`access_policy`",
    read: &["read", "update", "create_sessions"],
    not_yet: &["list_sessions"],
    legacy: &[],
};
