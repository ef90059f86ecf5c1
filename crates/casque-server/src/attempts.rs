//! Attempts to attest, for the wire.

use casque_core::{Attempt, AttemptFailure, AttemptOutcome};
use casque_explain::{Explained, Failure, explanation};
use casque_types::ConfigId;
use casque_wire as wire;

/// An attempt for this service, as it is answered to those who may read its policy.
pub(crate) fn attempt(config: &ConfigId, attempt: &Attempt) -> wire::Attempt {
    let decision = attempt.decision.as_ref();
    wire::Attempt {
        at: attempt.at.to_string(),
        session_hash: attempt.policy.to_string(),
        explanation: explanation(&Explained {
            evidence: attempt.evidence,
            claims: &attempt.claims,
            verdict: attempt.verdict.as_ref(),
            failure: match &attempt.outcome {
                AttemptOutcome::Granted | AttemptOutcome::Denied => None,
                AttemptOutcome::NotAuthentic(failure) => {
                    Some(told(wire::Outcome::NotAuthentic, failure))
                }
                AttemptOutcome::Failed(failure) => Some(told(wire::Outcome::Failed, failure)),
            },
            decision: decision.map(|decision| (config, decision)),
        }),
    }
}

fn told(outcome: wire::Outcome, failure: &AttemptFailure) -> Failure<'_> {
    Failure {
        outcome,
        code: failure.code,
        message: &failure.message,
        hint: failure.hint.as_deref(),
    }
}
