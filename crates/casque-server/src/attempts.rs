//! Attempts to attest, for the wire.

use std::collections::BTreeMap;

use casque_appraise::{Bound, Claim, Tcb, Verdict};
use casque_core::{Attempt, AttemptFailure, AttemptOutcome};
use casque_policy::Denial;
use casque_types::ConfigId;
use casque_wire as wire;

/// An attempt for this service, as it is answered to those who may read its policy.
pub(crate) fn attempt(config: &ConfigId, attempt: &Attempt) -> wire::Attempt {
    let verdict = attempt.verdict.as_ref();
    let (outcome, failure, decision) = match &attempt.outcome {
        AttemptOutcome::Granted => (wire::Outcome::Granted, None, Some(decision(config, None))),
        AttemptOutcome::Denied(denial) => {
            let decision = decision(config, Some(denial));
            (wire::Outcome::Denied, None, Some(decision))
        }
        AttemptOutcome::NotAuthentic(failure) => (wire::Outcome::NotAuthentic, Some(failure), None),
        AttemptOutcome::Failed(failure) => (wire::Outcome::Failed, Some(failure), None),
    };
    let said = |of: fn(&AttemptFailure) -> String| failure.map(of);
    wire::Attempt {
        at: attempt.at.to_string(),
        session_hash: attempt.policy.to_string(),
        explanation: wire::Explanation {
            evidence: attempt.evidence.as_str().to_owned(),
            outcome,
            code: said(|failure| failure.code.to_owned()),
            message: said(|failure| failure.message.clone()),
            hint: failure.and_then(|failure| failure.hint.clone()),
            verifier: verdict.map(|verdict| verdict.verifier().to_string()),
            scope: verdict.map(|verdict| verdict.scope().to_string()),
            tcb: verdict.map(|verdict| tcb(verdict.tcb())),
            report_data: verdict.and_then(report_data),
            valid_until: verdict
                .and_then(Verdict::valid_until)
                .map(|at| at.to_string()),
            claims: claims(&attempt.claims),
            decision,
        },
    }
}

/// What the policy made of it: the rules that failed, none where it grants.
fn decision(config: &ConfigId, denial: Option<&Denial>) -> wire::Decision {
    let reasons = denial.into_iter().flat_map(|denial| &denial.reasons);
    let rule = |reason: &casque_policy::Reason| wire::Rule {
        path: reason.path.clone(),
        holds: false,
        expected: reason.expected.clone(),
        found: reason.found.clone(),
        code: Some(reason.code.as_str().to_owned()),
        hint: Some(reason.hint.clone()),
    };
    wire::Decision {
        config: config.to_string(),
        granted: denial.is_none(),
        rules: reasons.map(rule).collect(),
    }
}

fn report_data(verdict: &Verdict) -> Option<String> {
    match verdict.bound() {
        Bound::Nothing => None,
        bound => Some(hex::encode(bound.as_bytes())),
    }
}

fn claims(claims: &[Claim]) -> BTreeMap<String, String> {
    let pair = |claim: &Claim| (claim.name.clone().into_owned(), claim.value.clone());
    claims.iter().map(pair).collect()
}

fn tcb(tcb: &Tcb) -> wire::TcbState {
    wire::TcbState {
        status: tcb.status.to_string(),
        advisories: tcb.advisories.iter().map(ToString::to_string).collect(),
        components: BTreeMap::new(),
    }
}
