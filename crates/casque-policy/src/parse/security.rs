//! `security`, section 9 and 4.4.

mod mode;
mod tolerations;

use casque_appraise::SignerDemand;
use casque_types::{Digest, MaaUrl, Seconds};

use super::clauses::{Rules, Scope, UnknownSecret};
use super::factors;
use crate::codes;
use crate::fields::{Fields, Keys, expect_text, parse_text};
use crate::findings::Findings;
use crate::pem;
use crate::yaml::Node;
use crate::{
    AttestationEntry, Clause, Diagnostic, MaaDemands, Mode, Position, Security, Service, Template,
    Toleration,
};

use mode::ModeWord;

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
    let word = mode::read(&fields, findings);
    let factors = match (shared_secret.is_some(), has_token) {
        (true, true) => Some("a one-time password and the service access token"),
        (true, false) => Some("a one-time password"),
        (false, true) => Some("the service access token"),
        (false, false) => None,
    };
    let tolerate = tolerations::read(&fields, word, findings);
    Some(Security {
        mode: read_mode(&fields, word, factors, findings),
        ignore_advisories: tolerations::read_advisories(&fields, &tolerate, findings),
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

fn read_mode(
    fields: &Fields<'_, '_>,
    word: ModeWord,
    factors: Option<&str>,
    findings: &mut Findings,
) -> Mode {
    let place = fields.value("mode").map_or(fields.position, |n| n.position);
    match word {
        ModeWord::Maa => return read_maa(fields, findings).map_or(Mode::Hardware, Mode::Maa),
        ModeWord::Both => return read_maa(fields, findings).map_or(Mode::Hardware, Mode::Both),
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

/// Without a url there is an error, and no policy; the strictest mode stands for it until then.
fn read_maa(fields: &Fields<'_, '_>, findings: &mut Findings) -> Option<MaaDemands> {
    let min_rsa_bits = read_min_rsa_bits(fields, findings);
    judge_certificates(fields, findings);
    let max_age = match fields.value("max_token_age_s") {
        None => Some(MaaDemands::MAX_AGE),
        Some(_) => fields
            .number("max_token_age_s", 1, MaaDemands::LONGEST_AGE.0, findings)
            .map(Seconds),
    };
    let signer = match fields.flag("require_tee_signer", findings) {
        true => SignerDemand::InTee,
        false => SignerDemand::Any,
    };
    let url = fields
        .required("url", "`security.attestation` with `mode: maa`", findings)
        .and_then(|text| findings.ok(parse_text::<MaaUrl>(text, codes::BAD_URL, "url")));
    Some(MaaDemands {
        url: url?,
        min_rsa_bits,
        max_age: max_age?,
        signer,
    })
}

/// `mode: maa` alone, with an entry that evidence of SGX may satisfy: its tokens state no TCB status, and the
/// policy must say that it accepts the instance's own judgement.
pub(super) fn judge_managed_tcb(
    policy: &Fields<'_, '_>,
    security: Option<&Security>,
    services: &[Service],
    findings: &mut Findings,
) {
    let Some(security) = security else {
        return;
    };
    let mut entries = services
        .iter()
        .filter_map(|s| s.attestation.stated())
        .flatten();
    let takes_sgx = entries.any(AttestationEntry::takes_sgx);
    let (word, position) = mode::stated(policy);
    let is_maa = matches!(security.mode, Mode::Maa(_)) || word == Some(ModeWord::Maa);
    if !is_maa || !takes_sgx || security.tolerate.contains(&Toleration::MaaManagedTcb) {
        return;
    }
    let message =
        "`mode: maa` needs `maa-managed-tcb` in `tolerate`, since an entry takes SGX enclaves";
    let found = Diagnostic::error(codes::MAA_MANAGED_TCB_MISSING, position, message);
    findings.push(found.hint(
        "the tokens of the attestation service do not state the TCB status of SGX: say that you accept its judgement",
    ));
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

const MAA_KEYS: &[&str] = &[
    "url",
    "min_rsa_signing_key_size",
    "certificates",
    "max_token_age_s",
    "require_tee_signer",
];

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
        "require",
        "max_token_age_s",
        "require_tee_signer",
        factors::ONE_TIME_PASSWORD,
    ],
    not_yet: &[],
    legacy: &[],
};
