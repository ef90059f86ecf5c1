//! `security`, section 9 and 4.4.

use std::collections::BTreeSet;

use casque_appraise::{AdvisoryId, SignerDemand};
use casque_types::{Digest, MaaUrl};

use super::clauses::{Rules, Scope, UnknownSecret};
use super::factors;
use crate::codes;
use crate::fields::{Fields, Keys, expect_text, find_word, parse_text};
use crate::findings::Findings;
use crate::pem;
use crate::yaml::Node;
use crate::{
    Clause, Diagnostic, IgnoredAdvisories, MaaDemands, Mode, Position, Security, Template,
    Toleration,
};

/// Reads it; hardware evidence without toleration is demanded where it says nothing.
pub(super) fn read(
    policy: &Fields<'_, '_>,
    scope: &mut Scope<'_, '_, '_>,
    findings: &mut Findings,
) -> Clause<Security> {
    match policy.value("security") {
        None => Clause::Stated(Security::default()),
        Some(node) => scope.clause(node, &RULES, findings),
    }
}

fn read_security(node: &Node<'_>, findings: &mut Findings) -> Option<Security> {
    let fields = Fields::open(node, &KEYS, findings)?;
    judge_singletons(&fields, findings);
    let token = fields.value(factors::ACCESS_TOKEN);
    let service_access_token = token.map(|node| factors::read_access_token(node, findings));
    let security = match fields.value("attestation") {
        None => Some(Security::default()),
        Some(node) => read_attestation(node, token.is_some(), findings),
    };
    Some(Security {
        service_access_token: required(service_access_token)?,
        ..security?
    })
}

fn read_attestation(node: &Node<'_>, has_token: bool, findings: &mut Findings) -> Option<Security> {
    let fields = Fields::open(node, &ATTESTATION_KEYS, findings)?;
    let shared_secret = fields.value(factors::ONE_TIME_PASSWORD);
    let one_time_password = shared_secret.map(|node| factors::read_shared_secret(node, findings));
    judge_local(&fields, findings);
    judge_quoting_keys(&fields, findings);
    let word = read_mode_word(&fields, findings);
    let factors = match (shared_secret.is_some(), has_token) {
        (true, true) => Some("a one-time password and the service access token"),
        (true, false) => Some("a one-time password"),
        (false, true) => Some("the service access token"),
        (false, false) => None,
    };
    let tolerate = read_tolerations(&fields, word, findings);
    Some(Security {
        mode: read_mode(&fields, word, &tolerate, factors, findings),
        ignore_advisories: read_advisories(&fields, &tolerate, findings),
        tolerate,
        one_time_password: required(one_time_password)?,
        service_access_token: None,
    })
}

/// A second factor that stands there must be read, or nothing is.
#[expect(
    clippy::option_option,
    reason = "none is a valid answer, one that cannot be read is none"
)]
fn required(factor: Option<Option<Template>>) -> Option<Option<Template>> {
    match factor {
        None => Some(None),
        Some(read) => read.map(Some),
    }
}

/// `singleton_enclaves` is a matter between SCONE's runtime and its CAS.
fn judge_singletons(fields: &Fields<'_, '_>, findings: &mut Findings) {
    let Some(entry) = fields.entry("singleton_enclaves") else {
        return;
    };
    if fields.flag("singleton_enclaves", findings) {
        let message =
            "`singleton_enclaves` is a feature of SCONE's own runtime, and has no effect here";
        let found = Diagnostic::warning(codes::SCONE_RUNTIME_ONLY, entry.position, message);
        findings.push(
            found.hint(
                "evidence that Casque takes is always fresh; what an enclave keeps is up to it",
            ),
        );
    }
}

/// `must_be_sgx_local`: no evidence that Casque takes is a local report.
fn judge_local(fields: &Fields<'_, '_>, findings: &mut Findings) {
    let Some(entry) = fields.entry("must_be_sgx_local") else {
        return;
    };
    if fields.flag("must_be_sgx_local", findings) {
        let message = "`must_be_sgx_local`: Casque is no enclave on the same machine, and nothing could satisfy it";
        let found = Diagnostic::error(codes::LOCAL_ATTESTATION, entry.position, message);
        findings.push(found.hint("remove it; `platforms` can bind a service to a machine"));
    }
}

/// `trusted_scone_qe_pubkeys`: of the time of EPID.
fn judge_quoting_keys(fields: &Fields<'_, '_>, findings: &mut Findings) {
    const KEY: &str = "trusted_scone_qe_pubkeys";
    let Some(entry) = fields.entry(KEY) else {
        return;
    };
    for item in entry.value.one_or_more() {
        if let Some(text) = expect_text(item, KEY, findings) {
            findings.ok(parse_text::<Digest<32>>(text, codes::BAD_HASH, KEY));
        }
    }
    let message = format!("`{KEY}` is of the time before DCAP, and has no effect");
    let found = Diagnostic::warning(codes::LEGACY_KEY, entry.position, message);
    findings.push(found.hint("remove it"));
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ModeWord {
    Hardware,
    None,
    Maa,
    /// Secrets say it, and are not known yet.
    Open,
}

fn read_mode_word(fields: &Fields<'_, '_>, findings: &mut Findings) -> ModeWord {
    let words = [
        ("hardware", ModeWord::Hardware),
        ("none", ModeWord::None),
        ("maa", ModeWord::Maa),
    ];
    match fields.value("mode") {
        None => ModeWord::Hardware,
        Some(node) if node.is_open() => ModeWord::Open,
        // A mode that is wrong is found, and the strictest stands for it.
        Some(_) => fields
            .word("mode", &words, findings)
            .unwrap_or(ModeWord::Hardware),
    }
}

fn read_mode(
    fields: &Fields<'_, '_>,
    word: ModeWord,
    tolerate: &BTreeSet<Toleration>,
    factors: Option<&str>,
    findings: &mut Findings,
) -> Mode {
    let place = fields.value("mode").map_or(fields.position, |n| n.position);
    match word {
        ModeWord::Maa => return read_maa(fields, place, tolerate, findings),
        ModeWord::Open => return Mode::Hardware,
        ModeWord::Hardware | ModeWord::None => {}
    }
    let why = "is for `mode: maa` alone";
    fields.refuse(MAA_KEYS, codes::KEY_NOT_FOR_MODE, why, findings);
    if word == ModeWord::None {
        findings.push(dangerous_none(place, factors));
        return Mode::DangerousNone;
    }
    Mode::Hardware
}

fn dangerous_none(place: Position, factors: Option<&str>) -> Diagnostic {
    let message = match factors {
        None => {
            "`mode: none` gives every configuration to whoever asks, without evidence".to_owned()
        }
        Some(factors) => format!(
            "`mode: none` gives every configuration to whoever has {factors}, without evidence"
        ),
    };
    Diagnostic::warning(codes::DANGEROUS_MODE_NONE, place, message)
        .hint("use it to try things out, never with a secret that matters")
}

fn read_maa(
    fields: &Fields<'_, '_>,
    place: Position,
    tolerate: &BTreeSet<Toleration>,
    findings: &mut Findings,
) -> Mode {
    let may_tolerate = fields.value("tolerate").is_some_and(Node::is_open);
    if !tolerate.contains(&Toleration::MaaManagedTcb) && !may_tolerate {
        let message = "`mode: maa` needs `maa-managed-tcb` in `tolerate`";
        let found = Diagnostic::error(codes::MAA_MANAGED_TCB_MISSING, place, message);
        findings.push(found.hint(
            "the tokens of the attestation service do not state the TCB status: say that you accept its judgement",
        ));
    }
    let min_rsa_bits = read_min_rsa_bits(fields, findings);
    judge_certificates(fields, findings);
    let url = fields
        .required("url", "`security.attestation` with `mode: maa`", findings)
        .and_then(|text| findings.ok(parse_text::<MaaUrl>(text, codes::BAD_URL, "url")));
    // Without a url there is an error, and no policy; the strictest mode stands for it until then.
    url.map_or(Mode::Hardware, |url| {
        Mode::Maa(MaaDemands {
            url,
            min_rsa_bits,
            max_age: MaaDemands::MAX_AGE,
            signer: SignerDemand::Any,
        })
    })
}

/// Who vouches for the attestation service's endpoint is the operator's to say, for all policies.
fn judge_certificates(fields: &Fields<'_, '_>, findings: &mut Findings) {
    let Some(entry) = fields.entry("certificates") else {
        return;
    };
    for item in fields.items("certificates", findings) {
        let Some(text) = expect_text(item, "certificates", findings) else {
            continue;
        };
        if pem::expect_certificates(text.as_str()).is_err() {
            let message = "`certificates`: expected certificates in PEM";
            let code = codes::BAD_CERTIFICATE;
            findings.push(Diagnostic::error(code, text.position(), message));
        }
    }
    let message = "`certificates` has no effect: Casque trusts the cloud's roots, and those that its operator adds";
    let found = Diagnostic::warning(codes::MAA_CERTIFICATES_UNUSED, entry.position, message);
    findings.push(found.hint("ask the operator to add the authority of an endpoint of your own"));
}

/// Deprecated and without effect in SCONE; a greater number than the least is held to.
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
        let message = format!("`min_rsa_signing_key_size`: {bits} is read as {LEAST}");
        let found = Diagnostic::warning(codes::RSA_KEY_SIZE, node.position, message);
        findings.push(found.hint("shorter RSA keys are never trusted: remove it"));
    }
    bits.max(LEAST)
}

fn read_tolerations(
    fields: &Fields<'_, '_>,
    mode: ModeWord,
    findings: &mut Findings,
) -> BTreeSet<Toleration> {
    let Some(node) = fields.value("tolerate") else {
        return BTreeSet::new();
    };
    node.one_or_more()
        .iter()
        .filter_map(|item| read_toleration(item, mode, findings))
        .collect()
}

fn read_toleration(node: &Node<'_>, mode: ModeWord, findings: &mut Findings) -> Option<Toleration> {
    let text = expect_text(node, "tolerate", findings)?;
    let word = text.as_str();
    let mut unused = |why: &str| {
        let message = format!("`{word}` has no effect {why}");
        let found = Diagnostic::warning(codes::TOLERATION_UNUSED, text.position(), message);
        findings.push(found.hint("remove it"));
    };
    match word {
        "debug" => {
            let message = "`debug` is read as `debug-mode`";
            let found = Diagnostic::warning(codes::DEBUG_ALIAS, text.position(), message);
            findings.push(found.hint("write `debug-mode`"));
            return Some(Toleration::DebugMode);
        }
        "local-attestation-trust-cas-tcb" => {
            unused("without local attestation, which Casque does not have");
            return None;
        }
        _ => {}
    }
    let known = TOLERATIONS.iter().find(|(known, _)| *known == word);
    match (known.map(|(_, toleration)| *toleration), mode) {
        (Some(Toleration::DebugMode), _) | (_, ModeWord::Open) | (None, _) => {}
        (Some(Toleration::MaaManagedTcb), ModeWord::Maa) => {}
        (Some(Toleration::MaaManagedTcb), _) => unused("without `mode: maa`"),
        (Some(_), ModeWord::Maa) => {
            unused("with `mode: maa`, whose tokens state no TCB status");
        }
        (Some(_), ModeWord::Hardware | ModeWord::None) => {}
    }
    find_word(text, TOLERATIONS, "tolerate", findings)
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

const MAA_KEYS: &[&str] = &["url", "min_rsa_signing_key_size", "certificates"];

const RULES: Rules<Security> = Rules {
    read: read_security,
    strictest: Security::default,
    unknown: UnknownSecret::Refused,
    templates: &[factors::ONE_TIME_PASSWORD, factors::ACCESS_TOKEN],
};

pub(super) const KEYS: Keys = Keys {
    place: "`security`",
    read: &["attestation", "singleton_enclaves", factors::ACCESS_TOKEN],
    not_yet: &[],
    legacy: &[],
};

pub(super) const ATTESTATION_KEYS: Keys = Keys {
    place: "`security.attestation`",
    read: &[
        "mode",
        "url",
        "tolerate",
        "ignore_advisories",
        "min_rsa_signing_key_size",
        "certificates",
        "trusted_scone_qe_pubkeys",
        "must_be_sgx_local",
        factors::ONE_TIME_PASSWORD,
    ],
    not_yet: &["require"],
    legacy: &[],
};
