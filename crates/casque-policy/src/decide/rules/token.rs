//! `maa`: conditions on the token of the attestation service. What it does not say does not hold.

use casque_appraise::{ClaimValue, TokenStatement};

use super::entries::{Context, Known};
use super::report::{Report, Rule, listed};
use crate::{ClaimCondition, ClaimConstant, ClaimDemand, MaaRule, ReasonCode};

/// What a verified token says.
pub(in crate::decide) trait Statement {
    fn policy_hash(&self) -> Option<&str>;
    fn claim(&self, path: &str) -> Option<ClaimValue>;
}

impl Statement for TokenStatement {
    fn policy_hash(&self) -> Option<&str> {
        self.policy_hash.as_deref()
    }

    fn claim(&self, path: &str) -> Option<ClaimValue> {
        Self::claim(self, path)
    }
}

pub(super) fn judge(rule: &MaaRule, context: &Context<'_>, report: &mut Report) -> bool {
    let Known::Proof { token, .. } = context.known else {
        return true;
    };
    let path = format!("{}.maa", context.path);
    let Some(token) = token else {
        return report.rule(false, || Rule {
            code: ReasonCode::MaaTokenMissing,
            path,
            expected: "a token of the attestation service".to_owned(),
            found: "none".to_owned(),
            hint: "judge with `mode: maa`, or remove the conditions".to_owned(),
        });
    };
    let mut holds = judge_policy_hash(&rule.policy_hashes, token, &path, report);
    for condition in &rule.claims {
        holds &= judge_claim(condition, token, &path, report);
    }
    holds
}

fn judge_policy_hash(
    allowed: &[String],
    token: &dyn Statement,
    path: &str,
    report: &mut Report,
) -> bool {
    if allowed.is_empty() {
        return true;
    }
    let found = token.policy_hash();
    let is_one = found.is_some_and(|found| allowed.iter().any(|allowed| allowed == found));
    report.rule(is_one, || Rule {
        code: ReasonCode::MaaPolicyHashMismatch,
        path: format!("{path}.policy_hash"),
        expected: listed(allowed),
        found: found.unwrap_or("none stated").to_owned(),
        hint: "the instance judged by another policy of its own: read it, then update the hash"
            .to_owned(),
    })
}

fn judge_claim(
    condition: &ClaimCondition,
    token: &dyn Statement,
    path: &str,
    report: &mut Report,
) -> bool {
    let found = token.claim(&condition.name);
    let holds = found
        .as_ref()
        .is_some_and(|found| fits(&condition.demand, found));
    report.rule(holds, || Rule {
        code: match found {
            Some(_) => ReasonCode::MaaClaimMismatch,
            None => ReasonCode::MaaClaimMissing,
        },
        path: format!("{path}.claims[{}]", condition.name),
        expected: match &condition.demand {
            ClaimDemand::AnyOf(constants) => listed(constants),
            ClaimDemand::AtLeast(least) => format!("at least {least}"),
        },
        found: found
            .as_ref()
            .map_or_else(|| "no such claim".to_owned(), shown),
        hint: claim_hint(&condition.name, found.as_ref()).to_owned(),
    })
}

/// A token about a TEE alone lacks what only one about the machine with its TPM says.
fn claim_hint(name: &str, found: Option<&ClaimValue>) -> &'static str {
    match found {
        None if name.starts_with("x-ms-azurevm-") => {
            "start the agent with `--azure-guest`: only tokens about a virtual machine with its TPM say this"
        }
        _ => "compare the claims of the token with the policy; types count: `1` is no text",
    }
}

/// Types count: a text is no number, and a list equals nothing.
fn fits(demand: &ClaimDemand, found: &ClaimValue) -> bool {
    match demand {
        ClaimDemand::AtLeast(least) => {
            matches!(found, ClaimValue::Number(number) if number >= least)
        }
        ClaimDemand::AnyOf(constants) => constants.iter().any(|constant| match (constant, found) {
            (ClaimConstant::Text(expected), ClaimValue::Text(found)) => expected == found,
            (ClaimConstant::Number(expected), ClaimValue::Number(found)) => expected == found,
            (ClaimConstant::Flag(expected), ClaimValue::Flag(found)) => expected == found,
            _ => false,
        }),
    }
}

/// A claim for people, cut: tokens are of others.
fn shown(found: &ClaimValue) -> String {
    match found {
        ClaimValue::Text(text) => {
            let cut: String = text.chars().take(MOST_SHOWN_CHARACTERS).collect();
            format!("`{}`", cut.escape_debug())
        }
        ClaimValue::Number(number) => number.to_string(),
        ClaimValue::Flag(flag) => flag.to_string(),
        ClaimValue::List(_) => "a list".to_owned(),
        ClaimValue::Other => "neither text nor whole number nor flag".to_owned(),
    }
}

const MOST_SHOWN_CHARACTERS: usize = 256;
