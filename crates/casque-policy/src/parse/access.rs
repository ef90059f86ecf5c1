//! `access_policy`, section 8.
//!
//! ```yaml
//! read: [CREATOR]                      # the default
//! update: [CREATOR]                    # the default
//! create_sessions: [CREATOR]           # what `update` says, by default
//! list_sessions: [CREATOR]             # what `read` says, by default
//! ```
//! An entry is a certificate in PEM, a key hash, `CREATOR`, or a placeholder; where one needs to write, also
//! `signer: KEY`, `require-all: [entry…]` and `require-at-least-N: [entry…]`.

use casque_types::KeyHash;

use super::clauses::{Rules, Scope, UnknownSecret};
use super::{read_key, signer};
use crate::codes;
use crate::fields::{Fields, Keys, expect_text, refuse_node, shown};
use crate::findings::{Findings, nearest_hint, quoted};
use crate::yaml::{Asked, Entry, Node, Text, Value};
use crate::{AccessPolicy, Clause, Diagnostic, LanguageVersion, Principal, Principals};

/// Reads it; the defaults stand where it says nothing.
pub(super) fn read(
    policy: &Fields<'_, '_>,
    version: LanguageVersion,
    scope: &mut Scope<'_, '_, '_>,
    findings: &mut Findings,
) -> Clause<AccessPolicy> {
    let Some(node) = policy.value("access_policy") else {
        return Clause::Stated(AccessPolicy::creator_alone());
    };
    if version.minor < 3 {
        warn_of_old_hashes(node, findings);
    }
    scope.clause(node, &RULES, findings)
}

fn read_policy(node: &Node<'_>, findings: &mut Findings) -> Option<AccessPolicy> {
    if is_left_out(node) {
        return Some(AccessPolicy::nobody());
    }
    let fields = Fields::open(node, &KEYS, findings)?;
    let mut read = |key: &str, entries: Entries| {
        let node = fields.value(key)?;
        // An operation that cannot be read is an error, and for nobody until then.
        Some(read_principals(node, key, entries, findings).unwrap_or(Principals::Nobody))
    };
    let reading = read("read", Entries::OfKeys);
    let updating = read("update", Entries::All);
    let creating = read("create_sessions", Entries::All);
    let listing = read("list_sessions", Entries::OfKeys);
    let creator = || Principals::Listed(vec![Principal::Creator]);
    let (read, update) = (
        reading.unwrap_or_else(creator),
        updating.unwrap_or_else(creator),
    );
    Some(AccessPolicy {
        create_sessions: creating.unwrap_or_else(|| update.clone()),
        list_sessions: listing.unwrap_or_else(|| read.clone()),
        read,
        update,
    })
}

/// Which entries an operation has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Entries {
    /// Those of keys: a reader signs nothing.
    OfKeys,
    /// Signers and requirements too.
    All,
}

fn read_principals(
    node: &Node<'_>,
    key: &str,
    entries: Entries,
    findings: &mut Findings,
) -> Option<Principals> {
    let nodes = node.one_or_more();
    if nodes.is_empty() {
        let message = format!("`{key}`: expected at least one entry");
        let found = Diagnostic::error(codes::EMPTY_LIST, node.position, message);
        findings.push(found.hint("`NONE` is nobody"));
        return None;
    }
    let word = match nodes {
        [alone] => alone.text().map(Text::as_str),
        _ => None,
    };
    match word {
        Some("ANY") => return Some(Principals::Any),
        Some("NONE") => return Some(Principals::Nobody),
        _ => {}
    }
    let mut reader = Reader {
        key,
        entries,
        findings,
    };
    Some(Principals::Listed(reader.entries(nodes)))
}

struct Reader<'r> {
    key: &'r str,
    entries: Entries,
    findings: &'r mut Findings,
}

impl Reader<'_> {
    fn entries(&mut self, nodes: &[Node<'_>]) -> Vec<Principal> {
        nodes.iter().filter_map(|node| self.entry(node)).collect()
    }

    /// As deep as the tree, which is bounded.
    fn entry(&mut self, node: &Node<'_>) -> Option<Principal> {
        if is_left_out(node) {
            return Some(nobody());
        }
        if let Value::Map(map) = &node.value {
            return self.map(node, map);
        }
        let text = expect_text(node, self.key, self.findings)?;
        match text.as_str() {
            "CREATOR" => Some(Principal::Creator),
            "ANY" | "NONE" => {
                self.findings.push(not_alone(text, self.key));
                None
            }
            _ => {
                let key = read_key(text, self.key);
                self.findings.ok(key).map(Principal::Key)
            }
        }
    }

    fn map(&mut self, node: &Node<'_>, map: &[Entry<'_>]) -> Option<Principal> {
        let [entry] = map else {
            let key = self.key;
            let message = format!(
                "an entry of `{key}`: expected one of {MAPS}, found {} keys",
                map.len()
            );
            self.findings
                .push(Diagnostic::error(codes::WRONG_TYPE, node.position, message));
            return None;
        };
        let count = match &*entry.key {
            "signer" => None,
            "require-all" => Some(Count::All),
            other => match other.strip_prefix("require-at-least-") {
                Some(count) => Some(Count::AtLeast(count)),
                None => {
                    self.findings.push(unknown_entry(entry, self.key));
                    return None;
                }
            },
        };
        if self.entries == Entries::OfKeys {
            self.findings.push(not_here(entry, self.key));
            return None;
        }
        match count {
            None => self.signer(&entry.value).map(Principal::Signer),
            Some(count) => self.requirement(entry, &count),
        }
    }

    fn signer(&mut self, node: &Node<'_>) -> Option<KeyHash> {
        let text = expect_text(node, "signer", self.findings)?;
        self.findings.ok(signer::read(text))
    }

    fn requirement(&mut self, entry: &Entry<'_>, count: &Count<'_>) -> Option<Principal> {
        let Value::List(nodes) = &entry.value.value else {
            let place = format!("`{}`", entry.key);
            refuse_node(&entry.value, "a list of entries", &place, self.findings);
            return None;
        };
        let of = self.entries(nodes);
        // What will fill the list may be more than it takes the place of, but none of it makes a number of 0.
        if entry.value.is_open() && count.may_fit() {
            return None;
        }
        let count = match count {
            Count::All => nodes.len(),
            Count::AtLeast(count) => parse_count(count).unwrap_or(0),
        };
        if !(1..=nodes.len()).contains(&count) {
            self.findings.push(bad_count(entry, nodes.len()));
            return None;
        }
        Some(Principal::AtLeast { count, of })
    }
}

/// How many entries of a requirement must admit the caller.
enum Count<'t> {
    All,
    AtLeast(&'t str),
}

impl Count<'_> {
    /// Whether some number of entries has it.
    fn may_fit(&self) -> bool {
        match self {
            Self::All => true,
            Self::AtLeast(count) => parse_count(count).is_some(),
        }
    }
}

fn parse_count(text: &str) -> Option<usize> {
    let is_number = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    is_number.then(|| text.parse().ok()).flatten()
}

/// An entry that admits nobody: also where others are required beside it.
const fn nobody() -> Principal {
    Principal::AtLeast {
        count: 1,
        of: Vec::new(),
    }
}

const fn is_left_out(node: &Node<'_>) -> bool {
    matches!(node.value, Value::Asked(Asked::LeftOut))
}

fn not_alone(text: &Text<'_>, key: &str) -> Diagnostic {
    let message = format!("{} must stand alone in `{key}`", shown(text));
    Diagnostic::error(codes::WORD_NOT_ALONE, text.position(), message)
}

fn unknown_entry(entry: &Entry<'_>, key: &str) -> Diagnostic {
    let message = format!("unknown key {} in an entry of `{key}`", quoted(&entry.key));
    let known = ["signer", "require-all", "require-at-least-1"];
    let hint = nearest_hint(&entry.key, known.into_iter());
    Diagnostic::error(codes::UNKNOWN_KEY, entry.position, message)
        .hint(hint.unwrap_or_else(|| format!("known here: {MAPS}")))
}

fn not_here(entry: &Entry<'_>, key: &str) -> Diagnostic {
    let message = format!("`{}` cannot stand in `{key}`", entry.key);
    Diagnostic::error(codes::ENTRY_NOT_HERE, entry.position, message)
        .hint("who reads or lists signs nothing: name a certificate or a key hash")
}

fn bad_count(entry: &Entry<'_>, entries: usize) -> Diagnostic {
    let message = match entries {
        0 => format!("`{}`: expected at least one entry", entry.key),
        _ => format!("`{}`: expected a number from 1 to {entries}", entry.key),
    };
    Diagnostic::error(codes::BAD_COUNT, entry.position, message)
        .hint("the number is that of the entries which must agree")
}

/// Language 0.2 wrote the SHA-256 of a certificate's PEM file; as deep as the tree, which is bounded.
fn warn_of_old_hashes(node: &Node<'_>, findings: &mut Findings) {
    match &node.value {
        Value::Text(text)
            if text.as_str().parse::<KeyHash>().is_ok() && text.as_str().len() == 64 =>
        {
            let message =
                "64 digits are the hash of a key here, and in language 0.2 were that of a PEM file";
            let found = Diagnostic::warning(codes::OLD_KEY_HASH, text.position(), message);
            findings.push(found.hint("write the key hash that `casque cert show-key-hash` prints, or the certificate itself"));
        }
        Value::List(items) => items
            .iter()
            .for_each(|item| warn_of_old_hashes(item, findings)),
        Value::Map(entries) => {
            for entry in entries {
                warn_of_old_hashes(&entry.value, findings);
            }
        }
        Value::Null | Value::Text(_) | Value::Asked(_) => {}
    }
}

const MAPS: &str = "`signer`, `require-all`, `require-at-least-N`";

const RULES: Rules<AccessPolicy> = Rules {
    read: read_policy,
    strictest: AccessPolicy::nobody,
    unknown: UnknownSecret::GivesNothing,
    templates: &[],
};

pub(super) const KEYS: Keys = Keys {
    place: "`access_policy`",
    read: &["read", "update", "create_sessions", "list_sessions"],
    not_yet: &[],
    legacy: &[],
};
