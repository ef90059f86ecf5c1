//! The hash of a policy: SHA-256 over a canonical form, specified in `docs/policy-hash.md`.
//!
//! ```text
//! node = "n"                                  null
//!      | "s" length bytes                     text, UTF-8
//!      | "l" count node*                      list
//!      | "m" count ("s" length bytes node)*   map, by the bytes of its keys
//!      | "t" length bytes node                a node with a local tag, its name without `!`
//! body = SHA-256("casque-policy-body-1\n" node)
//! hash = SHA-256("casque-policy-1\n" body creator)
//! creator = 00 | 01 key hash | 02
//! ```
//! Lengths and counts are 8 bytes, big-endian. Of the root map, `creator` and entries that are null are
//! left out of the body. Not hashed: layout, comments, quotes, and the order of keys.

use aws_lc_rs::digest::{Context, SHA256};
use casque_types::{Digest, KeyHash, PolicyHash};

use crate::yaml::{Entry, Node, Value};
use crate::{AccessPolicy, Clause, Operation, Policy, Position, yaml};

/// The hash of one version of a policy.
///
/// `creator` counts where an entry of the access policy, explicit or by default, is `CREATOR`, and where
/// secrets that are not known yet may say so: it is the one that the text states, or else the one given here. A hash of such a policy without either names no
/// version that can exist in a store.
#[must_use]
pub fn policy_hash(policy: &Policy, creator: Option<&KeyHash>) -> PolicyHash {
    let mut context = Context::new(&SHA256);
    context.update(b"casque-policy-1\n");
    context.update(policy.canonical.as_bytes());
    if !names_creator(policy) {
        context.update(&[0]);
    } else if let Some(creator) = policy.creator.as_ref().or(creator) {
        context.update(&[1]);
        context.update(creator.as_bytes());
    } else {
        context.update(&[2]);
    }
    PolicyHash::from(finished(context))
}

fn names_creator(policy: &Policy) -> bool {
    match &policy.access {
        Clause::Stated(access) => stated_for_creator(access),
        // What fills it may name the creator.
        Clause::Open(_) => true,
    }
}

fn stated_for_creator(access: &AccessPolicy) -> bool {
    let operations = [
        Operation::Read,
        Operation::Update,
        Operation::CreateSessions,
        Operation::ListSessions,
    ];
    (operations.iter()).any(|operation| access.principals(*operation).name_creator())
}

/// The digest of everything in a text but its creator.
pub(crate) fn body_of(root: &Node<'_>) -> Digest<32> {
    let mut context = Context::new(&SHA256);
    context.update(b"casque-policy-body-1\n");
    match &root.value {
        Value::Map(entries) => {
            let counted = |entry: &&Entry<'_>| entry.key != "creator" && !entry.value.is_null();
            let entries = entries.iter().filter(counted).collect();
            hash_map(entries, &mut context);
        }
        _ => hash_node(root, &mut context),
    }
    Digest::from(finished(context))
}

/// As deep as the tree, which is bounded.
fn hash_node(node: &Node<'_>, context: &mut Context) {
    if let Some(tag) = node.tag {
        context.update(b"t");
        hash_bytes(tag.as_str(), context);
    }
    match &node.value {
        Value::Null => context.update(b"n"),
        Value::Text(text) => {
            context.update(b"s");
            hash_bytes(text.as_str(), context);
        }
        Value::List(items) => {
            context.update(b"l");
            hash_count(items.len(), context);
            for item in items {
                hash_node(item, context);
            }
        }
        Value::Map(entries) => hash_map(entries.iter().collect(), context),
        // Filled copies alone hold these, and the hash is over the text.
        Value::Asked(_) => context.update(b"n"),
    }
}

fn hash_map(mut entries: Vec<&Entry<'_>>, context: &mut Context) {
    entries.sort_by(|a, b| a.key.as_bytes().cmp(b.key.as_bytes()));
    context.update(b"m");
    hash_count(entries.len(), context);
    for entry in entries {
        context.update(b"s");
        hash_bytes(&entry.key, context);
        hash_node(&entry.value, context);
    }
}

fn hash_bytes(text: &str, context: &mut Context) {
    hash_count(text.len(), context);
    context.update(text.as_bytes());
}

fn hash_count(count: usize, context: &mut Context) {
    // Every count is bounded by the length of the text, 1 MiB.
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    context.update(&count.to_be_bytes());
}

fn finished(context: Context) -> [u8; 32] {
    let mut out = [0_u8; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

/// The text with `creator` as its first key, so that it says itself what its hash counts.
///
/// A text that states its creator, or is no policy, comes back as it is.
#[must_use]
pub fn with_creator(text: &str, creator: &KeyHash) -> String {
    let Some((offset, line)) = place_of_creator(text, creator) else {
        return text.to_owned();
    };
    let (before, after) = text.split_at_checked(offset).unwrap_or((text, ""));
    // Never grown: the text can hold credentials, and a block that is left behind is not wiped.
    let mut whole = String::with_capacity(text.len().saturating_add(line.len()));
    whole.push_str(before);
    whole.push_str(&line);
    whole.push_str(after);
    whole
}

/// Where to insert what.
fn place_of_creator(text: &str, creator: &KeyHash) -> Option<(usize, String)> {
    let bare = yaml::expect_bounded(text).ok()?;
    let mark_bytes = text.len().saturating_sub(bare.len());
    let root = yaml::load(bare).ok()?;
    let Value::Map(entries) = &root.value else {
        return None;
    };
    let first = entries.first()?;
    if entries.iter().any(|entry| entry.key == "creator") {
        return None;
    }
    let line_start = line_start(bare, first.position);
    let offset = offset_in_line(bare, line_start, first.position.column);
    let lead = bare.get(line_start..offset)?;
    let indentation: String = lead
        .chars()
        .take_while(|c| *c == ' ' || *c == '\t')
        .collect();
    if is_flow(bare, &root) {
        let place = offset.saturating_add(mark_bytes);
        return Some((place, format!("\"creator\": \"{creator}\", ")));
    }
    let place = line_start.saturating_add(mark_bytes);
    Some((place, format!("{indentation}creator: {creator}\n")))
}

fn is_flow(text: &str, root: &Node<'_>) -> bool {
    let start = line_start(text, root.position);
    let offset = offset_in_line(text, start, root.position.column);
    let rest = text.get(offset..).unwrap_or_default();
    // A tag may stand before the brace.
    let rest = match rest.strip_prefix('!') {
        Some(tagged) => tagged
            .split_once([' ', '\n'])
            .map_or("", |(_, behind)| behind),
        None => rest,
    };
    rest.trim_start().starts_with('{')
}

/// The byte offset of a position's line.
fn line_start(text: &str, position: Position) -> usize {
    let mut start = 0_usize;
    let mut lines = text.split_inclusive('\n');
    for _ in 1..position.line {
        start = start.saturating_add(lines.next().map_or(0, str::len));
    }
    start
}

fn offset_in_line(text: &str, line_start: usize, column: usize) -> usize {
    let line = text.get(line_start..).unwrap_or_default();
    let skipped = line.char_indices().nth(column.saturating_sub(1));
    line_start.saturating_add(skipped.map_or(line.len(), |(offset, _)| offset))
}
