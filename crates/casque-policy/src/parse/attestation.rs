//! `services[].attestation` and `mrenclaves`, section 2.1.

use std::fmt::Display;
use std::str::FromStr;

use casque_types::{MrEnclave, MrSigner};

use super::clauses::{Rules, Scope, UnknownSecret};
use crate::codes;
use crate::fields::{Fields, Keys, expect_text, parse_text};
use crate::findings::Findings;
use crate::yaml::{Node, Value};
use crate::{AttestationEntry, Clause, Diagnostic, Mode, SignerRule, SvnRule};

/// Reads what a service demands; nothing where it says nothing, which is an error unless `mode` is `none`.
pub(super) fn read(
    service: &Fields<'_, '_>,
    mode: Option<&Mode>,
    scope: &mut Scope<'_, '_, '_>,
    findings: &mut Findings,
) -> Clause<Vec<AttestationEntry>> {
    let (entries, legacy) = (service.entry("attestation"), service.entry("mrenclaves"));
    if let (Some(_), Some(second)) = (entries, legacy) {
        let found = super::secrets::exclusive("attestation", "mrenclaves", second.position);
        findings.push(found);
    }
    let (entry, rules) = match (entries, legacy) {
        (Some(entry), _) if !entry.value.one_or_more().is_empty() => (entry, &RULES),
        (None, Some(entry)) => (entry, &LEGACY_RULES),
        _ => {
            // A mode that secrets say is judged once they say it.
            if mode.is_some_and(|mode| *mode != Mode::DangerousNone) {
                let message = "a service must have `attestation` or `mrenclaves`";
                let code = codes::ATTESTATION_MISSING;
                let found = Diagnostic::error(code, service.position, message);
                findings.push(found.hint("say which measurement or which signer it has"));
            }
            return Clause::Stated(Vec::new());
        }
    };
    scope.clause(&entry.value, rules, findings)
}

fn read_entries(node: &Node<'_>, findings: &mut Findings) -> Option<Vec<AttestationEntry>> {
    let entries = node.one_or_more();
    if entries.is_empty() {
        // A fragment's: what the policy's own text states is looked at before.
        let message = "`attestation`: expected at least one measurement or signer";
        let found = Diagnostic::error(codes::EMPTY_LIST, node.position, message);
        findings.push(found.hint("say it in the value of the config-fragment"));
        return None;
    }
    let read = entries
        .iter()
        .filter_map(|entry| read_entry(entry, findings));
    Some(read.collect())
}

/// `mrenclaves`, the older form.
fn read_legacy(node: &Node<'_>, findings: &mut Findings) -> Option<Vec<AttestationEntry>> {
    let mr_enclaves = read_measurements(node, "mrenclaves", findings);
    if mr_enclaves.is_empty() {
        return None;
    }
    Some(vec![AttestationEntry {
        mr_enclaves,
        signer: None,
        position: node.position,
    }])
}

fn read_entry(node: &Node<'_>, findings: &mut Findings) -> Option<AttestationEntry> {
    let fields = Fields::open(node, &KEYS, findings)?;
    let mr_enclaves = fields
        .value("mrenclave")
        .map(|node| read_measurements(node, "mrenclave", findings));
    let signer = fields
        .value("signer")
        .map(|node| read_signer(node, findings));
    if mr_enclaves.is_none() && signer.is_none() {
        let message = "an attestation entry must have `mrenclave` or `signer`";
        let found = Diagnostic::error(codes::ATTESTATION_EMPTY, node.position, message);
        findings
            .push(found.hint("`casque-dev measure` or the image's build prints the measurement"));
        return None;
    }
    let signer = match signer {
        None => None,
        Some(read) => Some(read?),
    };
    Some(AttestationEntry {
        mr_enclaves: mr_enclaves.unwrap_or_default(),
        signer,
        position: node.position,
    })
}

fn read_measurements(node: &Node<'_>, key: &str, findings: &mut Findings) -> Vec<MrEnclave> {
    if let Value::List(items) = &node.value
        && items.is_empty()
    {
        let message = format!("`{key}`: expected at least one measurement");
        findings.push(Diagnostic::error(codes::EMPTY_LIST, node.position, message));
    }
    node.one_or_more()
        .iter()
        .filter_map(|item| read_digest(item, key, findings))
        .collect()
}

fn read_digest<T>(node: &Node<'_>, key: &str, findings: &mut Findings) -> Option<T>
where
    T: FromStr,
    T::Err: Display,
{
    let text = expect_text(node, key, findings)?;
    findings.ok(parse_text(text, codes::BAD_HASH, key))
}

fn read_signer(node: &Node<'_>, findings: &mut Findings) -> Option<SignerRule> {
    let fields = Fields::open(node, &SIGNER_KEYS, findings)?;
    for key in ["mrsigner", "isvprodid"] {
        if fields.value(key).is_none() {
            findings.push(fields.missing(key, "`signer`"));
        }
    }
    let mr_signer: Option<MrSigner> = fields
        .value("mrsigner")
        .and_then(|node| read_digest(node, "mrsigner", findings));
    let product_id = read_u16(&fields, "isvprodid", findings);
    let svn = read_svn(&fields, findings);
    Some(SignerRule {
        mr_signer: mr_signer?,
        product_id: product_id?,
        svn: svn?,
    })
}

fn read_u16(fields: &Fields<'_, '_>, key: &str, findings: &mut Findings) -> Option<u16> {
    let number = fields.number(key, 0, u64::from(u16::MAX), findings)?;
    u16::try_from(number).ok()
}

fn read_svn(fields: &Fields<'_, '_>, findings: &mut Findings) -> Option<SvnRule> {
    if fields.value("isvsvn").is_some() {
        for key in ["isvsvn_min", "isvsvn_max"] {
            if let Some(entry) = fields.entry(key) {
                let found = super::secrets::exclusive("isvsvn", key, entry.position);
                findings.push(found);
            }
        }
        let exact = read_u16(fields, "isvsvn", findings)?;
        return Some(SvnRule {
            least: exact,
            greatest: exact,
        });
    }
    let bound = |key: &str, open: u16, findings: &mut Findings| match fields.value(key) {
        None => Some(open),
        Some(_) => read_u16(fields, key, findings),
    };
    let least = bound("isvsvn_min", 0, findings);
    let greatest = bound("isvsvn_max", u16::MAX, findings);
    let (least, greatest) = (least?, greatest?);
    if least > greatest {
        let place = fields
            .entry("isvsvn_max")
            .map_or(fields.position, |e| e.position);
        let message = format!("no version is at least {least} and at most {greatest}");
        findings.push(Diagnostic::error(codes::SVN_RANGE, place, message));
        return None;
    }
    Some(SvnRule { least, greatest })
}

const RULES: Rules<Vec<AttestationEntry>> = Rules {
    read: read_entries,
    strictest: Vec::new,
    unknown: UnknownSecret::Refused,
    templates: &[],
};

const LEGACY_RULES: Rules<Vec<AttestationEntry>> = Rules {
    read: read_legacy,
    ..RULES
};

pub(super) const KEYS: Keys = Keys {
    place: "an attestation entry",
    read: &["mrenclave", "signer"],
    not_yet: &["snp", "tdx", "azure_vm", "aci", "maa", "kubernetes"],
    legacy: &[],
};

pub(super) const SIGNER_KEYS: Keys = Keys {
    place: "`signer`",
    read: &[
        "mrsigner",
        "isvprodid",
        "isvsvn",
        "isvsvn_min",
        "isvsvn_max",
    ],
    not_yet: &[],
    legacy: &[],
};
