//! `mode` and `require`: who judges evidence.
//!
//! `require` is Casque's own: `[maa, evidence]` is `mode: maa` and Casque's judgement beside it. Where `mode` says
//! nothing, `require` says it.

use crate::codes;
use crate::fields::expect_text;
use crate::fields::{Fields, find_word};
use crate::findings::Findings;
use crate::yaml::{Node, Value};
use crate::{Diagnostic, Position};

/// Who judges, as far as the text says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ModeWord {
    Hardware,
    None,
    Maa,
    /// `require: [maa, evidence]`
    Both,
    /// Secrets say it, and are not known yet.
    Open,
}

/// A word of `require`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Judge {
    Maa,
    Evidence,
}

/// Reads both keys. What is wrong is found, and the strictest stands for it.
pub(super) fn read(fields: &Fields<'_, '_>, findings: &mut Findings) -> ModeWord {
    let (mode, require) = (fields.value("mode"), fields.value("require"));
    if [mode, require].iter().flatten().any(|node| node.is_open()) {
        return ModeWord::Open;
    }
    let stated = mode.map(|_| {
        fields
            .word("mode", MODES, findings)
            .unwrap_or(ModeWord::Hardware)
    });
    let Some(node) = require else {
        return stated.unwrap_or(ModeWord::Hardware);
    };
    let Some(required) = read_require(node, findings) else {
        return stated.unwrap_or(ModeWord::Hardware);
    };
    match (stated, required) {
        (None, required) => required,
        (Some(stated), required) if stated == required => stated,
        (Some(ModeWord::Maa), ModeWord::Both) => ModeWord::Both,
        (Some(stated), _) => {
            let message = "`require` and `mode` contradict each other";
            let code = codes::REQUIRE_CONTRADICTS;
            let found = Diagnostic::error(code, node.position, message);
            findings.push(found.hint(
                "`mode: maa` takes `[maa]` or `[maa, evidence]`, `mode: hardware` takes `[evidence]`",
            ));
            stated
        }
    }
}

fn read_require(node: &Node<'_>, findings: &mut Findings) -> Option<ModeWord> {
    let words = findings.read_all(node.one_or_more(), |item, findings| {
        let text = expect_text(item, "require", findings)?;
        find_word(text, JUDGES, "require", findings)
    });
    if matches!(&node.value, Value::List(items) if items.is_empty()) {
        let message = "`require`: expected `maa`, `evidence` or both";
        let found = Diagnostic::error(codes::EMPTY_LIST, node.position, message);
        findings.push(found.hint("leave it out: `mode` says who judges"));
    }
    match (
        words.contains(&Judge::Maa),
        words.contains(&Judge::Evidence),
    ) {
        (true, true) => Some(ModeWord::Both),
        (true, false) => Some(ModeWord::Maa),
        (false, true) => Some(ModeWord::Hardware),
        (false, false) => None,
    }
}

/// What the policy's text writes under `security.attestation.mode`, where `require` says nothing, and where. Of a
/// security that secrets state, the place of their placeholder.
pub(super) fn stated(policy: &Fields<'_, '_>) -> (Option<ModeWord>, Position) {
    let Some(security) = policy.value("security") else {
        return (None, policy.position);
    };
    let attestation = of(security, "attestation");
    let mode = attestation.and_then(|node| of(node, "mode"));
    let position = mode.or(attestation).unwrap_or(security).position;
    let text = mode.and_then(Node::text).map(|text| text.as_str());
    let required = attestation.and_then(|node| of(node, "require"));
    let word = MODES
        .iter()
        .find(|(word, _)| Some(*word) == text && required.is_none());
    (word.map(|(_, word)| *word), position)
}

fn of<'n, 'a>(node: &'n Node<'a>, key: &str) -> Option<&'n Node<'a>> {
    let Value::Map(entries) = &node.value else {
        return None;
    };
    let entry = entries.iter().find(|entry| entry.key == key)?;
    (!entry.value.is_null()).then_some(&entry.value)
}

const MODES: &[(&str, ModeWord)] = &[
    ("hardware", ModeWord::Hardware),
    ("none", ModeWord::None),
    ("maa", ModeWord::Maa),
];

const JUDGES: &[(&str, Judge)] = &[("maa", Judge::Maa), ("evidence", Judge::Evidence)];
