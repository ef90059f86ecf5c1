//! Rule 6: second factors, with any mode; and the service account of an entry.

use super::report::{Report, Rule};
use crate::decide::{Demands, FactorOutcome, Factors, ServiceAccountOutcome};
use crate::{ReasonCode, ServiceAccountRule};

/// Judges the factors that hold for a service as a whole.
pub(super) fn judge(demands: &Demands<'_>, factors: Option<&Factors>, report: &mut Report) -> bool {
    let mut holds = true;
    if let Some(shared) = &demands.one_time_password {
        let outcome = factors.map(|factors| factors.one_time_password);
        holds &= judge_outcome(outcome, report, |outcome| Rule {
            code: match outcome {
                FactorOutcome::Wrong => ReasonCode::OtpWrong,
                FactorOutcome::Absent | FactorOutcome::Right => ReasonCode::OtpMissing,
            },
            path: shared.path.clone(),
            expected: "the one-time password of this moment".to_owned(),
            found: match outcome {
                FactorOutcome::Absent => "none".to_owned(),
                FactorOutcome::Wrong => "another one".to_owned(),
                FactorOutcome::Right => "the right one".to_owned(),
            },
            hint:
                "append `@` and the six digits to the config id; look at the clocks of both sides"
                    .to_owned(),
        });
    }
    if demands.security.service_access_token.is_some() {
        let outcome = factors.map(|factors| factors.service_access_token);
        holds &= judge_outcome(outcome, report, access_token);
    }
    holds
}

fn judge_outcome(
    outcome: Option<FactorOutcome>,
    report: &mut Report,
    rule: impl FnOnce(FactorOutcome) -> Rule,
) -> bool {
    match outcome {
        Some(outcome) => report.rule(outcome == FactorOutcome::Right, || rule(outcome)),
        None => report.not_judged(|| rule(FactorOutcome::Absent)),
    }
}

fn access_token(outcome: FactorOutcome) -> Rule {
    let (code, found) = match outcome {
        FactorOutcome::Absent => (ReasonCode::AccessTokenMissing, "none"),
        FactorOutcome::Wrong => (ReasonCode::AccessTokenWrong, "a proof of another token"),
        FactorOutcome::Right => (
            ReasonCode::AccessTokenMissing,
            "a proof of the policy's token",
        ),
    };
    Rule {
        code,
        path: "security.service_access_token".to_owned(),
        expected: "a proof that the attester knows the service access token".to_owned(),
        found: found.to_owned(),
        hint: "start the agent with `SCONE_SERVICE_ACCESS_TOKEN` set to the policy's token"
            .to_owned(),
    }
}

/// Judges the service account that an entry demands.
pub(super) fn judge_account(
    rule: &ServiceAccountRule,
    path: &str,
    factors: Option<&Factors>,
    report: &mut Report,
) -> bool {
    let told = |code, found: String, hint: &str| Rule {
        code,
        path: format!("{path}.kubernetes"),
        expected: format!(
            "service account {}/{} of {}",
            rule.namespace, rule.service_account, rule.demand.issuer
        ),
        found,
        hint: hint.to_owned(),
    };
    let missing = |found: &str| {
        let hint = "project a service account token with the policy's audience into the pod, and name its file to the agent";
        told(ReasonCode::ServiceAccountMissing, found.to_owned(), hint)
    };
    let Some(factors) = factors else {
        return report.not_judged(|| missing("none"));
    };
    match factors.service_accounts.outcome(&rule.demand) {
        ServiceAccountOutcome::Absent => report.rule(false, || missing("none")),
        ServiceAccountOutcome::Wrong { why, mend } => report.rule(false, || {
            told(ReasonCode::ServiceAccountWrong, why.clone(), mend)
        }),
        ServiceAccountOutcome::Right(account) => {
            let is_it = account.issuer == rule.demand.issuer.as_str()
                && account.namespace == rule.namespace
                && account.name == rule.service_account;
            report.rule(is_it, || {
                let (namespace, name) = (&account.namespace, &account.name);
                let found = format!("service account {namespace}/{name} of {}", account.issuer);
                let hint = "run the pod under the service account that the policy names";
                told(ReasonCode::ServiceAccountMismatch, found, hint)
            })
        }
    }
}
