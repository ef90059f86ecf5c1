//! `security`, section 9 and 4.4.

use std::collections::BTreeSet;

use casque_appraise::AdvisoryId;
use casque_types::MaaUrl;

use crate::codes;
use crate::fields::{Fields, Keys, expect_text, find_word, not_yet, parse_text};
use crate::findings::Findings;
use crate::yaml::Node;
use crate::{Diagnostic, IgnoredAdvisories, Mode, Position, Security, Toleration};

/// Reads it; hardware evidence without toleration is demanded where it says nothing.
pub(super) fn read(policy: &Fields<'_, '_>, findings: &mut Findings) -> Security {
    let attestation = policy
        .value("security")
        .and_then(|node| Fields::open(node, &KEYS, findings))
        .and_then(|security| security.value("attestation"))
        .and_then(|node| Fields::open(node, &ATTESTATION_KEYS, findings));
    let Some(fields) = attestation else {
        return Security::default();
    };
    let tolerate = read_tolerations(&fields, findings);
    Security {
        mode: read_mode(&fields, &tolerate, findings),
        ignore_advisories: read_advisories(&fields, &tolerate, findings),
        tolerate,
        ..Security::default()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ModeWord {
    Hardware,
    None,
    Maa,
}

fn read_mode(
    fields: &Fields<'_, '_>,
    tolerate: &BTreeSet<Toleration>,
    findings: &mut Findings,
) -> Mode {
    let words = [
        ("hardware", ModeWord::Hardware),
        ("none", ModeWord::None),
        ("maa", ModeWord::Maa),
    ];
    let word = match fields.value("mode") {
        None => ModeWord::Hardware,
        // A mode that is wrong is found, and the strictest stands for it.
        Some(_) => fields
            .word("mode", &words, findings)
            .unwrap_or(ModeWord::Hardware),
    };
    let place = fields.value("mode").map_or(fields.position, |n| n.position);
    if word == ModeWord::Maa {
        return read_maa(fields, place, tolerate, findings);
    }
    let why = "is for `mode: maa` alone";
    fields.refuse(MAA_KEYS, codes::KEY_NOT_FOR_MODE, why, findings);
    if word == ModeWord::None {
        let message = "`mode: none` gives every configuration to whoever asks, without evidence";
        let found = Diagnostic::warning(codes::DANGEROUS_MODE_NONE, place, message);
        findings.push(found.hint("use it to try things out, never with a secret that matters"));
        return Mode::DangerousNone;
    }
    Mode::Hardware
}

fn read_maa(
    fields: &Fields<'_, '_>,
    place: Position,
    tolerate: &BTreeSet<Toleration>,
    findings: &mut Findings,
) -> Mode {
    if !tolerate.contains(&Toleration::MaaManagedTcb) {
        let message = "`mode: maa` needs `maa-managed-tcb` in `tolerate`";
        let found = Diagnostic::error(codes::MAA_MANAGED_TCB_MISSING, place, message);
        findings.push(found.hint(
            "the tokens of the attestation service do not state the TCB status: say that you accept its judgement",
        ));
    }
    let min_rsa_bits = read_min_rsa_bits(fields, findings);
    let url = fields
        .required("url", "`security.attestation` with `mode: maa`", findings)
        .and_then(|text| findings.ok(parse_text::<MaaUrl>(text, codes::BAD_URL, "url")));
    // Without a url there is an error, and no policy; the strictest mode stands for it until then.
    url.map_or(Mode::Hardware, |url| Mode::Maa { url, min_rsa_bits })
}

fn read_min_rsa_bits(fields: &Fields<'_, '_>, findings: &mut Findings) -> u32 {
    const LEAST: u32 = 2048;
    let Some(node) = fields.value("min_rsa_signing_key_size") else {
        return LEAST;
    };
    let bits = fields.number("min_rsa_signing_key_size", 1, 16_384, findings);
    let Some(bits) = bits.and_then(|bits| u32::try_from(bits).ok()) else {
        return LEAST;
    };
    if bits < LEAST {
        let message =
            format!("`min_rsa_signing_key_size`: expected at least {LEAST}, found {bits}");
        let found = Diagnostic::error(codes::RSA_KEY_SIZE, node.position, message);
        findings.push(found.hint("shorter RSA keys are never trusted: choose another instance"));
        return LEAST;
    }
    bits
}

fn read_tolerations(fields: &Fields<'_, '_>, findings: &mut Findings) -> BTreeSet<Toleration> {
    let Some(node) = fields.value("tolerate") else {
        return BTreeSet::new();
    };
    let is_maa = fields
        .value("mode")
        .and_then(Node::text)
        .is_some_and(|mode| mode.as_str() == "maa");
    node.one_or_more()
        .iter()
        .filter_map(|item| read_toleration(item, is_maa, findings))
        .collect()
}

fn read_toleration(node: &Node<'_>, is_maa: bool, findings: &mut Findings) -> Option<Toleration> {
    let text = expect_text(node, "tolerate", findings)?;
    match text.as_str() {
        "debug" => {
            let message = "`debug` is read as `debug-mode`";
            let found = Diagnostic::warning(codes::DEBUG_ALIAS, text.position(), message);
            findings.push(found.hint("write `debug-mode`"));
            return Some(Toleration::DebugMode);
        }
        "local-attestation-trust-cas-tcb" => {
            let what = "`local-attestation-trust-cas-tcb`";
            findings.push(not_yet(text.position(), what));
            return None;
        }
        _ => {}
    }
    let toleration = find_word(text, TOLERATIONS, "tolerate", findings)?;
    let is_for_maa = toleration == Toleration::MaaManagedTcb;
    if toleration != Toleration::DebugMode && is_for_maa != is_maa {
        let word = text.as_str();
        let message = if is_maa {
            format!("`{word}` has no effect with `mode: maa`, whose tokens state no TCB status")
        } else {
            format!("`{word}` has no effect without `mode: maa`")
        };
        let found = Diagnostic::warning(codes::TOLERATION_UNUSED, text.position(), message);
        findings.push(found.hint("remove it"));
    }
    Some(toleration)
}

fn read_advisories(
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

const MAA_KEYS: &[&str] = &["url", "min_rsa_signing_key_size"];

const KEYS: Keys = Keys {
    place: "`security`",
    read: &["attestation"],
    not_yet: &["singleton_enclaves", "service_access_token"],
    legacy: &[],
};

const ATTESTATION_KEYS: Keys = Keys {
    place: "`security.attestation`",
    read: &[
        "mode",
        "url",
        "tolerate",
        "ignore_advisories",
        "min_rsa_signing_key_size",
    ],
    not_yet: &[
        "certificates",
        "trusted_scone_qe_pubkeys",
        "must_be_sgx_local",
        "one_time_password_shared_secret",
        "require",
    ],
    legacy: &[],
};
