//! `azure_vm`: a confidential virtual machine of Azure, by its virtual TPM and the TEE below its paravisor.

use std::collections::BTreeMap;

use casque_types::Digest;

use super::{Unread, any_of, member, nothing_pinned, read_digest, snp, tdx, texts};
use crate::codes;
use crate::fields::{Fields, Keys, refuse_node};
use crate::findings::{Findings, quoted};
use crate::yaml::{Entry, Node, Value};
use crate::{AttestationKeyRule, AzureVmRule, AzureVmTeeRule, Diagnostic, SecureBootRule};

pub(super) fn read(node: &Node<'_>, findings: &mut Findings) -> Option<AzureVmRule> {
    let fields = Fields::open(node, &KEYS, findings)?;
    if !is_pinned(&fields) {
        let needed = "`pcrs`, or `measurement` within `snp`, or `mrtd` within `tdx`";
        findings.push(nothing_pinned(node, "`azure_vm`", needed));
    }
    let pcrs = member(&fields, "pcrs", read_pcrs, findings);
    let secure_boot = match (
        fields.value("secure_boot"),
        fields.flag("secure_boot", findings),
    ) {
        (None, _) => SecureBootRule::Any,
        (Some(_), true) => SecureBootRule::On,
        (Some(_), false) => SecureBootRule::Off,
    };
    let vm_unique_ids = texts(&fields, "vm_unique_id", findings);
    let attestation_key = match fields.value("attestation_key") {
        None => Some(AttestationKeyRule::Reported),
        Some(_) => fields.word("attestation_key", KEY_WORDS, findings),
    };
    let tee = read_tee(&fields, findings);
    Some(AzureVmRule {
        pcrs: pcrs.ok()?.unwrap_or_default(),
        secure_boot,
        vm_unique_ids,
        attestation_key: attestation_key?,
        tee: tee.ok()?,
    })
}

/// Whether anything tells the machine from others. What secrets will say counts.
fn is_pinned(fields: &Fields<'_, '_>) -> bool {
    let pins = |tee: &str, key: &str| match fields.value(tee).map(|node| &node.value) {
        Some(Value::Map(entries)) => {
            (entries.iter()).any(|entry| entry.key == key && !entry.value.is_null())
        }
        Some(Value::Asked(_)) => true,
        _ => false,
    };
    fields.value("pcrs").is_some() || pins("snp", "measurement") || pins("tdx", "mrtd")
}

fn read_tee(fields: &Fields<'_, '_>, findings: &mut Findings) -> Result<AzureVmTeeRule, Unread> {
    if let (Some(_), Some(second)) = (fields.value("snp"), fields.entry("tdx")) {
        let found = super::super::secrets::exclusive("snp", "tdx", second.position);
        findings.push(found.hint("write two entries, of which any is enough"));
    }
    if let Some(node) = fields.value("snp") {
        let rule = snp::read_below_paravisor(node, findings);
        return rule.map(AzureVmTeeRule::Snp).ok_or(Unread);
    }
    let Some(node) = fields.value("tdx") else {
        let found = fields.missing("snp", "`azure_vm`");
        findings.push(found.hint("or `tdx`: the TEE of the machine, `{}` if nothing of it counts"));
        return Err(Unread);
    };
    let rule = tdx::read_below_paravisor(node, findings);
    rule.map(AzureVmTeeRule::Tdx).ok_or(Unread)
}

fn read_pcrs(node: &Node<'_>, findings: &mut Findings) -> Option<BTreeMap<u8, Vec<Digest<32>>>> {
    let Value::Map(entries) = &node.value else {
        refuse_node(node, "a map of registers to digests", "`pcrs`", findings);
        return None;
    };
    let given = entries.iter().filter(|entry| !entry.value.is_null());
    let read = findings.read_all(given, read_pcr);
    if entries.iter().all(|entry| entry.value.is_null()) {
        let message = "`pcrs`: expected at least one register";
        findings.push(Diagnostic::error(codes::EMPTY_LIST, node.position, message));
        return None;
    }
    Some(read.into_iter().collect())
}

fn read_pcr(entry: &Entry<'_>, findings: &mut Findings) -> Option<(u8, Vec<Digest<32>>)> {
    let number = (0..=GREATEST_PCR).find(|number| number.to_string() == entry.key);
    if number.is_none() {
        let found = quoted(&entry.key);
        let message =
            format!("`pcrs`: expected a register from 0 to {GREATEST_PCR}, found {found}");
        let code = codes::BAD_NUMBER;
        findings.push(Diagnostic::error(code, entry.position, message));
    }
    let key = format!("pcrs.{}", number?);
    let digests = any_of(&entry.value, &key, findings, |node, findings| {
        read_digest(node, &key, findings)
    });
    Some((number?, digests))
}

const GREATEST_PCR: u8 = 23;

const KEY_WORDS: &[(&str, AttestationKeyRule)] = &[
    ("certified", AttestationKeyRule::Certified),
    ("reported", AttestationKeyRule::Reported),
];

pub(in crate::parse) const KEYS: Keys = Keys {
    place: "`azure_vm`",
    read: &[
        "pcrs",
        "secure_boot",
        "vm_unique_id",
        "attestation_key",
        "snp",
        "tdx",
    ],
    not_yet: &[],
    legacy: &[],
};
