//! `azure_vm`: the virtual TPM, then the TEE below the paravisor.

use std::collections::BTreeMap;

use casque_types::{AttestationKeyProof, AzureVmIdentity, AzureVmTee, Digest};

use super::entries::{Context, Known};
use super::report::{Report, Rule, listed};
use super::{snp, tdx};
use crate::{AttestationKeyRule, AzureVmRule, AzureVmTeeRule, ReasonCode, SecureBootRule};

pub(super) fn judge(
    rule: &AzureVmRule,
    found: &AzureVmIdentity,
    context: &Context<'_>,
    report: &mut Report,
) -> bool {
    let path = format!("{}.azure_vm", context.path);
    let mut holds = judge_pcrs(&rule.pcrs, found, &path, report);
    let is_claimed = matches!(context.known, Known::Claims);
    // The attestation service may state what the evidence does not.
    if !(is_claimed && found.secure_boot.is_none()) {
        holds &= judge_secure_boot(rule.secure_boot, found, &path, report);
    }
    if !(is_claimed && found.vm_unique_id.is_none()) {
        let id = found.vm_unique_id.as_deref();
        holds &= judge_unique_id(&rule.vm_unique_ids, id, &path, report);
    }
    if rule.attestation_key == AttestationKeyRule::Certified && !is_claimed {
        holds &= judge_key(found.attestation_key, &path, report);
    }
    holds &= judge_paravisor(&rule.tee, &path, context, report);
    holds & judge_tee(&rule.tee, found, (&path, context), report)
}

/// Registers are worth what the paravisor is worth that keeps the virtual TPM: any other TEE can state a key of
/// its own in data like a paravisor's, and quote what it likes. The attestation service, where it judged too, has
/// vouched for the paravisor (`x-ms-compliance-status`); else the entry must say which it is.
fn judge_paravisor(
    rule: &AzureVmTeeRule,
    path: &str,
    context: &Context<'_>,
    report: &mut Report,
) -> bool {
    let Known::Proof { token: None, .. } = context.known else {
        return true;
    };
    let (tee, keys) = match rule {
        AzureVmTeeRule::Snp(_) => ("snp", "`measurement` or `id_key_digest`"),
        AzureVmTeeRule::Tdx(_) => ("tdx", "`mrtd`"),
    };
    // The parser refuses such an entry too, where it knows the mode.
    rule.pins_paravisor()
        || {
            report.rule(false, || Rule {
            code: ReasonCode::ParavisorNotPinned,
            path: format!("{path}.{tee}"),
            expected: format!("{keys} in the policy"),
            found: "none".to_owned(),
            hint: format!(
                "add {keys} of Azure's paravisor, as `casque explain` prints it, or have the attestation service judge too: `require: [maa, evidence]`"
            ),
        })
        }
}

/// Azure writes the id of a machine in either case.
fn judge_unique_id(
    allowed: &[String],
    found: Option<&str>,
    path: &str,
    report: &mut Report,
) -> bool {
    if allowed.is_empty() {
        return true;
    }
    let mut allowed_ids = allowed.iter();
    let is_one = found.is_some_and(|found| allowed_ids.any(|id| id.eq_ignore_ascii_case(found)));
    report.rule(is_one, || Rule {
        code: ReasonCode::VmUniqueIdMismatch,
        path: format!("{path}.vm_unique_id"),
        expected: listed(allowed),
        found: found.unwrap_or("none stated").to_owned(),
        hint: "this is another machine: compare the `vmUniqueId` that its paravisor states with the policy"
            .to_owned(),
    })
}

fn judge_pcrs(
    pcrs: &BTreeMap<u8, Vec<Digest<32>>>,
    found: &AzureVmIdentity,
    path: &str,
    report: &mut Report,
) -> bool {
    let mut holds = true;
    for (number, allowed) in pcrs {
        let quoted = found.pcrs.get(number);
        let is_one = quoted.is_some_and(|digest| allowed.contains(digest));
        holds &= report.rule(is_one, || Rule {
            code: match quoted {
                Some(_) => ReasonCode::PcrMismatch,
                None => ReasonCode::PcrNotQuoted,
            },
            path: format!("{path}.pcrs.{number}"),
            expected: listed(allowed),
            found: quoted.map_or_else(|| "not quoted".to_owned(), Digest::to_string),
            hint: match quoted {
                Some(_) => "another boot chain than the one that was measured: compare the TPM's event log, or update the policy".to_owned(),
                None => "quote this register of the SHA-256 bank too; a token states none".to_owned(),
            },
        });
    }
    holds
}

fn judge_secure_boot(
    rule: SecureBootRule,
    found: &AzureVmIdentity,
    path: &str,
    report: &mut Report,
) -> bool {
    let (expected, on) = match rule {
        SecureBootRule::Any => return true,
        SecureBootRule::On => ("on", true),
        SecureBootRule::Off => ("off", false),
    };
    report.rule(found.secure_boot == Some(on), || Rule {
        code: match found.secure_boot {
            None => ReasonCode::SecureBootUnstated,
            Some(true) => ReasonCode::SecureBootOn,
            Some(false) => ReasonCode::SecureBootOff,
        },
        path: format!("{path}.secure_boot"),
        expected: expected.to_owned(),
        found: match found.secure_boot {
            None => "not stated".to_owned(),
            Some(true) => "on".to_owned(),
            Some(false) => "off".to_owned(),
        },
        hint: match found.secure_boot {
            None => "have Casque judge the evidence itself: the paravisor states it",
            Some(_) => "create the machine with the security profile that the policy names",
        }
        .to_owned(),
    })
}

fn judge_key(found: AttestationKeyProof, path: &str, report: &mut Report) -> bool {
    let is_certified = found == AttestationKeyProof::ReportAndCertificate;
    report.rule(is_certified, || Rule {
        code: ReasonCode::AttestationKeyNotCertified,
        path: format!("{path}.attestation_key"),
        expected: "a key that a certificate of Azure vouches for".to_owned(),
        found: match is_certified {
            true => "report and certificate".to_owned(),
            false => "a report alone".to_owned(),
        },
        hint: "bring the certificate of the attestation key with its authorities, and have Casque judge it, since a token \
               proves none; or leave `attestation_key` out: the report of the TEE names the key"
            .to_owned(),
    })
}

fn judge_tee(
    rule: &AzureVmTeeRule,
    found: &AzureVmIdentity,
    (path, context): (&str, &Context<'_>),
    report: &mut Report,
) -> bool {
    let other = |path: String, expected: &str, found: &str| Rule {
        code: ReasonCode::IdentityMismatch,
        path,
        expected: expected.to_owned(),
        found: found.to_owned(),
        hint: "create the machine with the TEE that the policy names, or add an entry for this one"
            .to_owned(),
    };
    match (rule, &found.tee) {
        (AzureVmTeeRule::Snp(rule), AzureVmTee::Snp(found)) => {
            let path = format!("{path}.snp");
            snp::judge(rule, found, &path, report)
                & snp::judge_floors(rule.tcb.as_ref(), &path, context, report)
        }
        (AzureVmTeeRule::Tdx(rule), AzureVmTee::Tdx(found)) => {
            tdx::judge(rule, found, &format!("{path}.tdx"), report)
        }
        (AzureVmTeeRule::Snp(_), AzureVmTee::Tdx(_)) => {
            report.rule(false, || other(format!("{path}.snp"), "SEV-SNP", "TDX"))
        }
        (AzureVmTeeRule::Tdx(_), AzureVmTee::Snp(_)) => {
            report.rule(false, || other(format!("{path}.tdx"), "TDX", "SEV-SNP"))
        }
    }
}
