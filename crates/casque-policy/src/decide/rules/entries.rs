//! Rule 2: who may ask. Any entry of the service's `attestation` is enough, and all members of it must hold.

use std::fmt::Display;

use casque_appraise::{Identity, Tcb};
use casque_types::SgxIdentity;

use super::report::{Report, Rule, listed, one_of};
use super::token::{self, Statement};
use super::{aci, azure_vm, factors, snp, tdx};
use crate::decide::{Demands, Factors};
use crate::{AttestationEntry, ReasonCode, SgxRule, SignerRule, TeeRule};

/// What is known beside the identity.
#[derive(Clone, Copy)]
pub(in crate::decide) enum Known<'p> {
    /// Nothing yet: claims that nobody has verified are looked at.
    Claims,
    /// What was proved.
    Proof {
        tcb: &'p Tcb,
        token: Option<&'p dyn Statement>,
        /// Unless they are not known, in an explanation without an attester.
        factors: Option<&'p Factors>,
    },
}

/// Judges the entries of a service.
pub(super) fn judge(
    demands: &Demands<'_>,
    identity: &Identity,
    known: Known<'_>,
    report: &mut Report,
) -> bool {
    let path = format!("services[{}].attestation", demands.service);
    if demands.entries.is_empty() {
        return report.rule(false, || Rule {
            code: ReasonCode::AttestationMissing,
            path,
            expected: "an entry that says who may ask".to_owned(),
            found: "none".to_owned(),
            hint: "add the measurement or the signer to the service".to_owned(),
        });
    }
    let entries = demands.entries.iter().enumerate();
    report.any(entries, |(index, entry), report| {
        let path = format!("{path}[{index}]");
        let context = Context {
            path: &path,
            known,
            tolerates_outdated: demands.tolerates_outdated(),
        };
        judge_entry(entry, identity, &context, report)
    })
}

/// The service accounts of entries, where nothing else of them counts (`mode: none`).
pub(super) fn judge_accounts(
    demands: &Demands<'_>,
    factors: Option<&Factors>,
    report: &mut Report,
) -> bool {
    let rules = demands.entries.iter().map(|entry| &entry.kubernetes);
    if rules.clone().any(Option::is_none) || demands.entries.is_empty() {
        return true;
    }
    report.any(rules.flatten().enumerate(), |(index, rule), report| {
        let path = format!("services[{}].attestation[{index}]", demands.service);
        factors::judge_account(rule, &path, factors, report)
    })
}

/// What the rules of an entry need to know beside the identity.
pub(super) struct Context<'c> {
    /// The entry's path in the policy.
    pub(super) path: &'c str,
    pub(super) known: Known<'c>,
    /// Whether floors of TCBs are tolerated to be missed.
    pub(super) tolerates_outdated: bool,
}

fn judge_entry(
    entry: &AttestationEntry,
    identity: &Identity,
    context: &Context<'_>,
    report: &mut Report,
) -> bool {
    let path = context.path;
    let mut holds = match &entry.tee {
        Some(rule) => judge_tee(rule, identity, context, report),
        // Any TEE will do, by claims of the token; an entry that demands nothing satisfies nobody.
        None => {
            let is_some = *identity != Identity::Unattested && entry.maa.is_some();
            report.rule(is_some, || other_kind(path, "evidence of a TEE", identity))
        }
    };
    if let Some(rule) = &entry.maa {
        holds &= token::judge(rule, context, report);
    }
    if let Some(rule) = &entry.kubernetes {
        holds &= match context.known {
            Known::Claims => true,
            Known::Proof { factors, .. } => factors::judge_account(rule, path, factors, report),
        };
    }
    holds
}

fn judge_tee(
    rule: &TeeRule,
    identity: &Identity,
    context: &Context<'_>,
    report: &mut Report,
) -> bool {
    let path = context.path;
    match (rule, identity) {
        (TeeRule::Sgx(rule), Identity::Sgx(found)) => judge_sgx(rule, found, path, report),
        (TeeRule::Snp(rule), Identity::Snp(found)) => {
            let path = format!("{path}.snp");
            snp::judge(rule, found, &path, report)
                & snp::judge_floors(rule.tcb.as_ref(), &path, context, report)
        }
        (TeeRule::Tdx(rule), Identity::Tdx(found)) => {
            tdx::judge(rule, found, &format!("{path}.tdx"), report)
        }
        (TeeRule::AzureVm(rule), Identity::AzureVm(found)) => {
            azure_vm::judge(rule, found, context, report)
        }
        (TeeRule::Aci(rule), Identity::Aci(found)) => aci::judge(rule, found, context, report),
        (TeeRule::Sgx(_), _) => report.rule(false, || other_kind(path, "an SGX enclave", identity)),
        (TeeRule::Snp(_), _) => report.rule(false, || {
            other_kind(path, "a guest of AMD SEV-SNP", identity)
        }),
        (TeeRule::Tdx(_), _) => report.rule(false, || {
            other_kind(path, "a trust domain of Intel TDX", identity)
        }),
        (TeeRule::AzureVm(_), _) => report.rule(false, || {
            other_kind(path, "a confidential virtual machine of Azure", identity)
        }),
        (TeeRule::Aci(_), _) => report.rule(false, || no_group(path, identity)),
    }
}

/// A token, or a report, says of confidential containers that they are a guest: neither holds the group's policy, nor
/// the reference of its utility virtual machine.
fn no_group(path: &str, identity: &Identity) -> Rule {
    let rule = other_kind(
        path,
        "a group of confidential containers of Azure",
        identity,
    );
    match identity {
        Identity::Snp(_) => Rule {
            hint: "send the evidence of the containers, which holds their policy and Microsoft's reference (`aci-snp`): neither a token alone nor a report alone does; or add an entry for this guest"
                .to_owned(),
            ..rule
        },
        _ => rule,
    }
}

pub(super) fn other_kind(path: &str, expected: &str, identity: &Identity) -> Rule {
    let found = match identity {
        Identity::Unattested => "evidence that names nobody",
        Identity::Sgx(_) => "an SGX enclave",
        Identity::Snp(_) => "a guest of AMD SEV-SNP",
        Identity::Tdx(_) => "a trust domain of Intel TDX",
        Identity::AzureVm(_) => "a confidential virtual machine of Azure",
        Identity::Aci(_) => "a group of confidential containers of Azure",
    };
    Rule {
        code: ReasonCode::IdentityMismatch,
        path: path.to_owned(),
        expected: expected.to_owned(),
        found: found.to_owned(),
        hint: "run the workload in the TEE that the policy names, or add an entry for this one"
            .to_owned(),
    }
}

fn judge_sgx(rule: &SgxRule, found: &SgxIdentity, path: &str, report: &mut Report) -> bool {
    let mut holds = true;
    // An entry that demands nothing satisfies nobody; the parser refuses it too.
    if !rule.mr_enclaves.is_empty() || rule.signer.is_none() {
        let is_one = rule.mr_enclaves.contains(&found.mr_enclave);
        holds &= report.rule(is_one, || Rule {
            code: ReasonCode::MeasurementMismatch,
            path: format!("{path}.mrenclave"),
            expected: listed(&rule.mr_enclaves),
            found: found.mr_enclave.to_string(),
            hint: MEASUREMENT_HINT.to_owned(),
        });
    }
    if let Some(rule) = &rule.signer {
        holds &= judge_signer(rule, found, &format!("{path}.signer"), report);
    }
    holds
}

fn judge_signer(rule: &SignerRule, found: &SgxIdentity, path: &str, report: &mut Report) -> bool {
    let mut holds = one_of(
        std::slice::from_ref(&rule.mr_signer),
        &found.mr_signer,
        (
            ReasonCode::SignerMismatch,
            &|| format!("{path}.mrsigner"),
            "sign the enclave with the key that the policy names",
        ),
        report,
    );
    holds &= one_of(
        &[rule.product_id],
        &found.product_id,
        (
            ReasonCode::ProductMismatch,
            &|| format!("{path}.isvprodid"),
            "compare the product id that the enclave is signed with",
        ),
        report,
    );
    let svn = |code, expected: String, hint: &str| Rule {
        code,
        path: format!("{path}.isvsvn"),
        expected,
        found: found.svn.to_string(),
        hint: hint.to_owned(),
    };
    let (least, greatest) = (rule.svn.least, rule.svn.greatest);
    holds &= report.rule(found.svn >= least, || {
        let hint = "update the program: this version is too old";
        svn(ReasonCode::SvnTooLow, format!("at least {least}"), hint)
    });
    holds
        & report.rule(found.svn <= greatest, || {
            let hint = "raise the bound in the policy once the new version is trusted";
            svn(ReasonCode::SvnTooHigh, format!("at most {greatest}"), hint)
        })
}

/// A rule that a version is at least so high; at least 0 is no rule.
pub(super) fn at_least<T: PartialOrd + Default + Copy + Display>(
    least: T,
    found: T,
    (code, path, hint): (ReasonCode, &dyn Fn() -> String, &str),
    report: &mut Report,
) -> bool {
    if least == T::default() {
        return true;
    }
    report.rule(found >= least, || Rule {
        code,
        path: path(),
        expected: format!("at least {least}"),
        found: found.to_string(),
        hint: hint.to_owned(),
    })
}

pub(super) const MEASUREMENT_HINT: &str =
    "the program differs from the one that was measured: rebuild it, or update the policy";
