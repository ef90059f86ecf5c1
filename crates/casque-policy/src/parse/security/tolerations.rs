//! `tolerate` and `ignore_advisories`: what would otherwise deny, and is accepted.

use std::collections::BTreeSet;

use casque_appraise::AdvisoryId;

use super::mode::ModeWord;
use crate::codes;
use crate::fields::{Fields, expect_text, find_word, parse_text};
use crate::findings::Findings;
use crate::yaml::Node;
use crate::{Diagnostic, IgnoredAdvisories, Position, Toleration};

/// Reads `tolerate`; warns of words without effect.
pub(super) fn read(
    fields: &Fields<'_, '_>,
    mode: ModeWord,
    findings: &mut Findings,
) -> BTreeSet<Toleration> {
    let Some(node) = fields.value("tolerate") else {
        return BTreeSet::new();
    };
    let items = node.one_or_more().iter();
    let read: Vec<(Toleration, Position)> = items
        .filter_map(|item| Some((read_toleration(item, findings)?, item.position)))
        .collect();
    let all: BTreeSet<Toleration> = read.iter().map(|(toleration, _)| *toleration).collect();
    for (toleration, position) in read {
        judge_toleration(toleration, &all, (mode, position), findings);
    }
    all
}

fn read_toleration(node: &Node<'_>, findings: &mut Findings) -> Option<Toleration> {
    let text = expect_text(node, "tolerate", findings)?;
    match text.as_str() {
        "debug" => {
            let message = "`debug` is read as `debug-mode`";
            let found = Diagnostic::warning(codes::DEBUG_ALIAS, text.position(), message);
            findings.push(found.hint("write `debug-mode`"));
            Some(Toleration::DebugMode)
        }
        word @ "local-attestation-trust-cas-tcb" => {
            let why = "without local attestation, which Casque does not have";
            findings.push(unused(word, why, text.position()));
            None
        }
        _ => find_word(text, TOLERATIONS, "tolerate", findings),
    }
}

/// Finds a toleration without effect in this mode. With `mode: maa`, a token of TDX states a status, which
/// counts unless the instance's judgement is accepted; floors of SNP count always.
fn judge_toleration(
    toleration: Toleration,
    all: &BTreeSet<Toleration>,
    (mode, position): (ModeWord, Position),
    findings: &mut Findings,
) {
    let why = match (toleration, mode) {
        (Toleration::DebugMode, _) | (_, ModeWord::Open) => return,
        (Toleration::MaaManagedTcb, ModeWord::Maa) => return,
        (Toleration::MaaManagedTcb, ModeWord::Both) => {
            "with `require: [maa, evidence]`, where Casque judges the platform too"
        }
        (Toleration::MaaManagedTcb, _) => "without `mode: maa`",
        (_, ModeWord::Maa) if !all.contains(&Toleration::MaaManagedTcb) => return,
        (Toleration::OutdatedTcb, ModeWord::Maa) => {
            let message = "`outdated-tcb` beside `maa-managed-tcb`: the status of the platform is not looked at, the floors of `tcb` neither";
            let found = Diagnostic::warning(codes::TOLERATIONS_OVERLAP, position, message);
            findings.push(found.hint("keep the one that you mean"));
            return;
        }
        (_, ModeWord::Maa) => "beside `maa-managed-tcb`, which leaves the platform to the instance",
        (_, ModeWord::Hardware | ModeWord::None | ModeWord::Both) => return,
    };
    let known = TOLERATIONS.iter().find(|(_, known)| *known == toleration);
    let word = known.map_or("?", |(word, _)| word);
    findings.push(unused(word, why, position));
}

fn unused(word: &str, why: &str, position: Position) -> Diagnostic {
    let message = format!("`{word}` has no effect {why}");
    Diagnostic::warning(codes::TOLERATION_UNUSED, position, message).hint("remove it")
}

/// Reads `ignore_advisories`.
pub(super) fn read_advisories(
    fields: &Fields<'_, '_>,
    tolerate: &BTreeSet<Toleration>,
    findings: &mut Findings,
) -> IgnoredAdvisories {
    let Some(node) = fields.value("ignore_advisories") else {
        return IgnoredAdvisories::Listed(BTreeSet::new());
    };
    let mut listed = BTreeSet::new();
    for item in node.one_or_more() {
        let Some(text) = expect_text(item, "ignore_advisories", findings) else {
            continue;
        };
        if text.as_str() == "*" {
            warn_all_ignored(text.position(), tolerate, findings);
            return IgnoredAdvisories::All;
        }
        let parsed = parse_text::<AdvisoryId>(text, codes::BAD_ADVISORY, "ignore_advisories");
        listed.extend(findings.ok(parsed));
    }
    IgnoredAdvisories::Listed(listed)
}

fn warn_all_ignored(position: Position, tolerate: &BTreeSet<Toleration>, findings: &mut Findings) {
    if tolerate.contains(&Toleration::DebugMode) {
        return;
    }
    let message = "`\"*\"` ignores every advisory, those to come included";
    let found = Diagnostic::warning(codes::ADVISORIES_ALL_IGNORED, position, message);
    findings.push(found.hint("list the advisories that you have read"));
}

const TOLERATIONS: &[(&str, Toleration)] = &[
    ("debug-mode", Toleration::DebugMode),
    ("hyperthreading", Toleration::Hyperthreading),
    ("insecure-igpu", Toleration::InsecureIgpu),
    (
        "software-hardening-needed",
        Toleration::SoftwareHardeningNeeded,
    ),
    ("aepic-leak", Toleration::AepicLeak),
    ("insecure-configuration", Toleration::InsecureConfiguration),
    ("outdated-tcb", Toleration::OutdatedTcb),
    ("maa-managed-tcb", Toleration::MaaManagedTcb),
];
