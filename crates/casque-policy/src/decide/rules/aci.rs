//! `aci`: the group's policy, and who endorses the utility virtual machine that enforces it.

use casque_types::AciIdentity;

use super::entries::{Context, at_least};
use super::report::{Report, Rule, one_of};
use super::snp;
use crate::{AciRule, AllowAllRule, MigrationRule, ReasonCode};

pub(super) fn judge(
    rule: &AciRule,
    found: &AciIdentity,
    context: &Context<'_>,
    report: &mut Report,
) -> bool {
    let path = format!("{}.aci", context.path);
    let mut text = |allowed: &[String], found: &String, code, key: &str, hint: &str| {
        let path = || format!("{path}.{key}");
        one_of(allowed, found, (code, &path, hint), report)
    };
    let uvm = &found.uvm;
    let hint = "the utility virtual machine is of another kind than the policy names";
    let mut holds = text(
        &rule.feeds,
        &uvm.feed,
        ReasonCode::UvmFeedMismatch,
        "feed",
        hint,
    );
    let hint = "the utility virtual machine is endorsed by somebody else than the policy names";
    holds &= text(
        &rule.issuers,
        &uvm.issuer,
        ReasonCode::UvmIssuerMismatch,
        "issuer",
        hint,
    );
    let hint = "start the group anew: its utility virtual machine is too old";
    let svn_path = || format!("{path}.svn_min");
    let told: (ReasonCode, &dyn Fn() -> String, &str) = (ReasonCode::UvmSvnTooLow, &svn_path, hint);
    holds &= at_least(rule.least_svn, uvm.svn, told, report);
    holds &= judge_policy(rule, found, &path, report);
    // What the kernel of the utility virtual machine asks for; others in it are its guests.
    holds &= snp::judge_vmpl(0, &found.snp, &path, report);
    holds &= snp::judge_migration(MigrationRule::Forbidden, &found.snp, &path, report);
    holds & snp::judge_floors(rule.tcb.as_ref(), &path, context, report)
}

fn judge_policy(rule: &AciRule, found: &AciIdentity, path: &str, report: &mut Report) -> bool {
    let hint = "the group runs under another policy: compare it, or update the digest";
    let digest_path = || format!("{path}.policy_digest");
    let told: (ReasonCode, &dyn Fn() -> String, &str) =
        (ReasonCode::AciPolicyMismatch, &digest_path, hint);
    let mut holds = one_of(&rule.policy_digests, &found.snp.host_data, told, report);
    let may_allow_all = rule.allow_all == AllowAllRule::DangerousAllowed;
    // The parser refuses such an entry too: it would take every policy.
    holds &= may_allow_all || !rule.policy_digests.is_empty() || {
        report.rule(false, || Rule {
            code: ReasonCode::AciPolicyMismatch,
            path: digest_path(),
            expected: "none".to_owned(),
            found: found.snp.host_data.to_string(),
            hint: "add the digest of the group's policy".to_owned(),
        })
    };
    holds
        & report.rule(may_allow_all || !found.allows_all, || Rule {
            code: ReasonCode::AciAllowsAll,
            path: format!("{path}.dangerous_allow_all_policy"),
            expected: match may_allow_all {
                true => "any policy".to_owned(),
                false => "a policy that says what may run".to_owned(),
            },
            found: match found.allows_all {
                true => "the policy that allows everything".to_owned(),
                false => "a policy that says what may run".to_owned(),
            },
            hint:
                "make a policy of the group with `az confcom acipolicygen`, without `--debug-mode`"
                    .to_owned(),
        })
}
