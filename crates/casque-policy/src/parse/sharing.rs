//! `export` and `import` of secrets, section 3.3; and the SCONE ids that volumes use too.
//!
//! An id is a map, a URL tail such as `host/cas_key=K,session=S` or `/session=S,session_hash=H`, or the bare
//! `name` or `name:hash` of language 0.2.

mod id;

use std::collections::BTreeSet;

use casque_types::{PolicyName, SecretName};

use super::secrets::exclusive;
use crate::codes;
use crate::fields::{Fields, Keys};
use crate::findings::Findings;
use crate::yaml::{Entry, Node, Value};
use crate::{Diagnostic, ExportTarget, Import, Position};

pub(super) use id::{Id, read_id};

/// The policy's own name, which relative references start from; the root when it has none.
pub(super) fn own_name(policy: &Fields<'_, '_>) -> PolicyName {
    let text = policy.value("name").and_then(Node::text);
    let name = text.and_then(|text| text.as_str().parse().ok());
    name.unwrap_or_else(PolicyName::root)
}

/// Reads who may import a secret.
pub(super) fn read_exports(
    secret: &Fields<'_, '_>,
    here: &PolicyName,
    findings: &mut Findings,
) -> Vec<ExportTarget> {
    let Some(node) = secret.value("export") else {
        return Vec::new();
    };
    let targets = findings.read_all(node.one_or_more(), |item, findings| {
        Some((read_target(item, here, findings)?, item.position))
    });
    let mut seen = BTreeSet::new();
    for (target, position) in &targets {
        let is_own =
            matches!(target, ExportTarget::Session { session, cas: None, .. } if session == here);
        warn_unused(is_own, !seen.insert(target), *position, findings);
        warn_to_all(target, *position, findings);
    }
    targets.into_iter().map(|(target, _)| target).collect()
}

fn warn_to_all(target: &ExportTarget, position: Position, findings: &mut Findings) {
    if matches!(target, ExportTarget::Namespace { namespace, .. } if namespace.is_root()) {
        let message = "an export to the root namespace lets every policy import the secret";
        let found = Diagnostic::warning(codes::EXPORT_TO_ALL, position, message);
        findings.push(found.hint("name the sessions, or a namespace of your own"));
    }
}

/// Finds an export that gives nobody anything.
pub(super) fn warn_unused(
    is_own: bool,
    is_repeated: bool,
    position: Position,
    findings: &mut Findings,
) {
    let message = match (is_own, is_repeated) {
        (true, _) => "a policy need not export to itself",
        (false, true) => "this export stands here already",
        (false, false) => return,
    };
    let found = Diagnostic::warning(codes::EXPORT_UNUSED, position, message);
    findings.push(found.hint("remove it"));
}

fn read_target(
    node: &Node<'_>,
    here: &PolicyName,
    findings: &mut Findings,
) -> Option<ExportTarget> {
    let id = read_id(node, &TARGET_KEYS, here, findings)?;
    let cas = id.cas_that_asks(findings);
    match (&id.session, &id.namespace) {
        (Some(_), Some(namespace)) => {
            findings.push(exclusive("session", "namespace", namespace.position));
            None
        }
        (None, Some(namespace)) => {
            if let Some(hash) = &id.hash {
                let message = "`session_hash` is not for a namespace, whose policies change";
                let found = Diagnostic::error(codes::EXCLUSIVE_KEYS, hash.position, message);
                findings.push(found.hint("name each session with its hash, or remove it"));
                return None;
            }
            Some(ExportTarget::Namespace {
                namespace: namespace.value.clone(),
                cas: cas?,
            })
        }
        (Some(session), None) => Some(ExportTarget::Session {
            session: session.value.clone(),
            hash: id.hash.map(|hash| hash.value),
            cas: cas?,
        }),
        (None, None) => {
            if !id.is_refused {
                let message = "`export` must have `session` or `namespace`";
                findings.push(Diagnostic::error(
                    codes::MISSING_KEY,
                    node.position,
                    message,
                ));
            }
            None
        }
    }
}

/// Reads where a secret is imported from; its name there is its own where the id does not say.
pub(super) fn read_import(
    entry: &Entry<'_>,
    own: &SecretName,
    here: &PolicyName,
    findings: &mut Findings,
) -> Option<Import> {
    let id = read_id(&entry.value, &IMPORT_KEYS, here, findings)?;
    let cas = id.cas_to_ask(findings);
    if id.session.is_none() && !id.is_refused {
        findings.push(missing("session", entry));
    }
    let secret = match &id.secret {
        Some(secret) => Some(secret.value.clone()),
        None if matches!(entry.value.value, Value::Map(_)) => {
            if !id.is_refused {
                findings.push(missing("secret", entry));
            }
            None
        }
        None => Some(own.clone()),
    };
    Some(Import {
        session: id.session?.value,
        hash: id.hash.map(|hash| hash.value),
        secret: secret?,
        cas: cas?,
    })
}

fn missing(key: &str, entry: &Entry<'_>) -> Diagnostic {
    let message = format!("`import` must have `{key}`");
    Diagnostic::error(codes::MISSING_KEY, entry.position, message)
        .hint("write `import: {session: NAME, secret: NAME}`")
}

pub(super) const TARGET_KEYS: Keys = Keys {
    place: "`export`",
    read: &[
        "session",
        "session_hash",
        "namespace",
        "cas_url",
        "cas_key",
        "cas_software_key",
    ],
    not_yet: &[],
    legacy: &[],
};

pub(super) const IMPORT_KEYS: Keys = Keys {
    place: "`import`",
    read: &[
        "session",
        "session_hash",
        "secret",
        "cas_url",
        "cas_key",
        "cas_software_key",
    ],
    not_yet: &[],
    legacy: &[],
};
