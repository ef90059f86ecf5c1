//! `services[].attestation` and `mrenclaves`, section 2.1, and Casque's own entries.
//!
//! An entry is of one kind of TEE: none can be satisfied by evidence of two. What depends on the policy's mode
//! is judged behind, by [`lints`], since secrets may say either.

mod aci;
mod azure_vm;
mod kubernetes;
pub(super) mod lints;
mod maa;
mod snp;
mod tdx;

use std::fmt::Display;
use std::str::FromStr;

use casque_types::{MrEnclave, MrSigner};

use super::clauses::{Rules, Scope, UnknownSecret};
use crate::codes;
use crate::fields::{Fields, Keys, expect_text, misplaced, parse_text, refuse_empty};
use crate::findings::Findings;
use crate::placeholder::OPENING;
use crate::yaml::{Node, Value};
use crate::{AttestationEntry, Clause, Diagnostic, Mode, SgxRule, SignerRule, SvnRule, TeeRule};

pub(super) use aci::KEYS as ACI_KEYS;
pub(super) use azure_vm::KEYS as AZURE_VM_KEYS;
pub(super) use kubernetes::KEYS as KUBERNETES_KEYS;
pub(super) use maa::{CLAIM_KEYS, CONSTANT_KEYS, KEYS as MAA_KEYS};
pub(super) use snp::{FLOOR_KEYS, FLOORS_KEYS, KEYS as SNP_KEYS, TURIN_FLOOR_KEYS};
pub(super) use tdx::KEYS as TDX_KEYS;

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
        tee: Some(TeeRule::Sgx(SgxRule {
            mr_enclaves,
            signer: None,
        })),
        maa: None,
        kubernetes: None,
        position: node.position,
    }])
}

fn read_entry(node: &Node<'_>, findings: &mut Findings) -> Option<AttestationEntry> {
    let fields = Fields::open(node, &KEYS, findings)?;
    let tees = tees_of(&fields);
    let has_claims = fields.value("maa").is_some();
    if tees.is_empty() && !has_claims {
        let message = "an attestation entry must have `mrenclave`, `signer`, `snp`, `tdx`, `azure_vm`, `aci` or `maa`";
        let found = Diagnostic::error(codes::ATTESTATION_EMPTY, node.position, message);
        findings
            .push(found.hint("`casque-dev measure` or the image's build prints the measurement"));
    }
    if let [first, second, ..] = tees.as_slice()
        && let Some(entry) = fields.entry(second)
    {
        let found = super::secrets::exclusive(first, second, entry.position);
        findings
            .push(found.hint("no evidence is of both: write two entries, of which any is enough"));
    }
    let tee = match tees.first() {
        None => Ok(None),
        Some(key) => read_tee(key, &fields, findings).map(Some),
    };
    let maa = member(&fields, "maa", maa::read, findings);
    let kubernetes = member(&fields, "kubernetes", kubernetes::read, findings);
    let entry = AttestationEntry {
        tee: tee.ok()?,
        maa: maa.ok()?,
        kubernetes: kubernetes.ok()?,
        position: node.position,
    };
    // What is empty was found above, and satisfies nobody.
    (entry.tee.is_some() || entry.maa.is_some()).then_some(entry)
}

/// The first key of each kind of TEE that an entry has.
fn tees_of(fields: &Fields<'_, '_>) -> Vec<&'static str> {
    let first = |keys: &[&'static str]| {
        let mut keys = keys.iter().copied();
        keys.find(|key| fields.value(key).is_some())
    };
    let kinds: [&[&'static str]; 5] = [
        &["mrenclave", "signer"],
        &["snp"],
        &["tdx"],
        &["azure_vm"],
        &["aci"],
    ];
    kinds.iter().filter_map(|keys| first(keys)).collect()
}

fn read_tee(
    key: &str,
    fields: &Fields<'_, '_>,
    findings: &mut Findings,
) -> Result<TeeRule, Unread> {
    let node = fields.value(key).ok_or(Unread)?;
    let beside = match fields.value("maa") {
        Some(_) => Beside::Claims,
        None => Beside::Nothing,
    };
    let rule = match key {
        "snp" => snp::read(node, beside, findings).map(|rule| TeeRule::Snp(Box::new(rule))),
        "tdx" => tdx::read(node, beside, findings).map(|rule| TeeRule::Tdx(Box::new(rule))),
        "azure_vm" => azure_vm::read(node, findings).map(|rule| TeeRule::AzureVm(Box::new(rule))),
        "aci" => aci::read(node, findings).map(|rule| TeeRule::Aci(Box::new(rule))),
        _ => return read_sgx(fields, findings),
    };
    rule.ok_or(Unread)
}

fn read_sgx(fields: &Fields<'_, '_>, findings: &mut Findings) -> Result<TeeRule, Unread> {
    let mr_enclaves = fields
        .value("mrenclave")
        .map(|node| read_measurements(node, "mrenclave", findings));
    Ok(TeeRule::Sgx(SgxRule {
        mr_enclaves: mr_enclaves.unwrap_or_default(),
        signer: member(fields, "signer", read_signer, findings)?,
    }))
}

/// Something stands there, and cannot be read; why is among the findings.
struct Unread;

/// What an entry demands beside the TEE.
#[derive(Clone, Copy)]
enum Beside {
    /// Nothing that could say what runs in it.
    Nothing,
    /// Claims of the attestation service, which may.
    Claims,
}

/// What stands under a key; none where there is none.
fn member<T>(
    fields: &Fields<'_, '_>,
    key: &str,
    read: fn(&Node<'_>, &mut Findings) -> Option<T>,
    findings: &mut Findings,
) -> Result<Option<T>, Unread> {
    match fields.value(key) {
        None => Ok(None),
        Some(node) => read(node, findings).map(Some).ok_or(Unread),
    }
}

/// The digests under a key: one, or a list of which any may be it; none where there is no such key.
fn digests<T>(fields: &Fields<'_, '_>, key: &str, findings: &mut Findings) -> Vec<T>
where
    T: FromStr,
    T::Err: Display,
{
    fields.value(key).map_or_else(Vec::new, |node| {
        any_of(node, key, findings, |node, findings| {
            read_digest(node, key, findings)
        })
    })
}

/// The texts under a key, as [`digests`].
fn texts(fields: &Fields<'_, '_>, key: &str, findings: &mut Findings) -> Vec<String> {
    fields.value(key).map_or_else(Vec::new, |node| {
        any_of(node, key, findings, |node, findings| {
            read_text(node, key, findings)
        })
    })
}

fn any_of<T>(
    node: &Node<'_>,
    key: &str,
    findings: &mut Findings,
    read: impl Fn(&Node<'_>, &mut Findings) -> Option<T>,
) -> Vec<T> {
    if let Value::List(items) = &node.value
        && items.is_empty()
    {
        let message = format!("`{key}`: expected at least one value");
        let found = Diagnostic::error(codes::EMPTY_LIST, node.position, message);
        findings.push(found.hint("leave it out if it does not count"));
    }
    findings.read_all(node.one_or_more(), read)
}

/// A text that says something.
fn read_text(node: &Node<'_>, key: &str, findings: &mut Findings) -> Option<String> {
    let text = expect_text(node, key, findings)?;
    if text.as_str().contains(OPENING) {
        findings.push(misplaced(text.position(), &format!("`{key}`")));
        return None;
    }
    let text = refuse_empty(text, key, findings)?;
    Some(text.as_str().to_owned())
}

/// That an entry demands nothing that would tell a workload from others.
fn nothing_pinned(node: &Node<'_>, what: &str, needed: &str) -> Diagnostic {
    let message = format!("{what} must have {needed}: else every such machine satisfies it");
    Diagnostic::error(codes::NOTHING_PINNED, node.position, message)
        .hint("`casque explain` prints what evidence states")
}

fn read_measurements(node: &Node<'_>, key: &str, findings: &mut Findings) -> Vec<MrEnclave> {
    any_of(node, key, findings, |node, findings| {
        read_digest(node, key, findings)
    })
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
    read: &[
        "mrenclave",
        "signer",
        "snp",
        "tdx",
        "azure_vm",
        "aci",
        "maa",
        "kubernetes",
    ],
    not_yet: &[],
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
