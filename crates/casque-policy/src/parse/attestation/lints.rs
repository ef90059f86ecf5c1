//! What an attestation entry means beside how evidence is judged; looked at where the text states both.

use casque_appraise::Scope;

use crate::codes;
use crate::findings::Findings;
use crate::{AttestationEntry, AttestationKeyRule, Diagnostic, Mode, Security, Service, TeeRule};

/// Judges the entries of a service.
pub(in crate::parse) fn judge(
    service: &Service,
    security: Option<&Security>,
    findings: &mut Findings,
) {
    let (Some(security), Some(entries)) = (security, service.attestation.stated()) else {
        return;
    };
    // Without evidence no entry is judged; the mode is warned of.
    if security.mode == Mode::DangerousNone {
        return;
    }
    let has_factor = service.one_time_password.is_some()
        || security.one_time_password.is_some()
        || security.service_access_token.is_some();
    for entry in entries {
        judge_token(entry, &security.mode, findings);
        judge_paravisor(entry, &security.mode, findings);
        judge_attestation_key(entry, &security.mode, findings);
        if !has_factor {
            judge_scope(entry, findings);
            judge_machine(entry, findings);
        }
    }
}

fn judge_token(entry: &AttestationEntry, mode: &Mode, findings: &mut Findings) {
    let Some(maa) = &entry.maa else {
        return;
    };
    if mode.maa().is_none() {
        let message =
            "`maa` in an attestation entry needs `mode: maa`: without a token nothing satisfies it";
        let found = Diagnostic::error(codes::KEY_NOT_FOR_MODE, maa.position, message);
        findings.push(found.hint("name the instance in `security.attestation`, or remove it"));
    }
}

/// Nobody but the entry says then which paravisor is Azure's.
fn judge_paravisor(entry: &AttestationEntry, mode: &Mode, findings: &mut Findings) {
    let Some(TeeRule::AzureVm(rule)) = &entry.tee else {
        return;
    };
    if mode.maa().is_some() || rule.tee.pins_paravisor() {
        return;
    }
    let message = "`azure_vm` must have `measurement` or `id_key_digest` within `snp`, or `mrtd` within `tdx`: else any TEE can play the paravisor, and quote registers of its own making";
    let found = Diagnostic::error(codes::NOTHING_PINNED, entry.position, message);
    findings.push(found.hint(
        "`casque explain` prints them; or have the attestation service vouch for the paravisor: `require: [maa, evidence]`",
    ));
}

/// Of the TPM's key a token says that the paravisor names it, and nothing of a certificate.
fn judge_attestation_key(entry: &AttestationEntry, mode: &Mode, findings: &mut Findings) {
    let (Some(TeeRule::AzureVm(rule)), Mode::Maa(_)) = (&entry.tee, mode) else {
        return;
    };
    if rule.attestation_key != AttestationKeyRule::Certified {
        return;
    }
    let message = "`attestation_key: certified` with `mode: maa` alone: no token proves the certificate of the TPM's key, and nothing satisfies the entry";
    let found = Diagnostic::error(codes::KEY_NOT_FOR_MODE, entry.position, message);
    findings.push(found.hint(
        "have Casque verify it, by `require: [maa, evidence]` or `mode: hardware`; or leave `attestation_key` out",
    ));
}

fn judge_scope(entry: &AttestationEntry, findings: &mut Findings) {
    if entry.scope() != Scope::Vm || entry.kubernetes.is_some() {
        return;
    }
    let message = "this entry is proved by a whole machine: every pod and every process on it can prove the same";
    let found = Diagnostic::warning(codes::VM_SCOPE_ALONE, entry.position, message);
    findings.push(found.hint(
        "add `kubernetes` to the entry, or a one-time password or service access token, to tell them apart",
    ));
}

/// The paravisor is the same in every machine of Azure, whoever rents it.
fn judge_machine(entry: &AttestationEntry, findings: &mut Findings) {
    let Some(TeeRule::AzureVm(rule)) = &entry.tee else {
        return;
    };
    let is_told_apart = !rule.pcrs.is_empty() || !rule.vm_unique_ids.is_empty();
    if is_told_apart || entry.maa.is_some() || entry.kubernetes.is_some() {
        return;
    }
    let message = "this entry names the paravisor alone: every confidential machine of Azure with it satisfies it, whoever rents it and whatever runs in it";
    let found = Diagnostic::warning(codes::ANY_AZURE_VM, entry.position, message);
    findings
        .push(found.hint("add `pcrs`, `vm_unique_id`, or claims of a token (`x-ms-azurevm-vmid`)"));
}
