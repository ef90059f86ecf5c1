//! What a policy makes of evidence, rule by rule, for people. Judged by the very rules that decide; grants nothing.

use casque_appraise::Verdict;

use crate::decide::rules::{self, Outcome, Proof, Report, Told};
use crate::{Demands, Factors, ReasonCode};

/// What a policy makes of evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether it would grant, to evidence bound to this service. Rules that were not judged do not count.
    pub granted: bool,
    /// Every rule that was judged, in order: who judged, the members of each entry, debugging, the platform,
    /// advisories, the machine, second factors. Of the entries one is enough.
    pub rules: Vec<RuleOutcome>,
}

/// One rule, judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleOutcome {
    /// Path in the policy, such as `services[web].attestation[0].snp.measurement`.
    pub path: String,
    /// Whether it holds. One that does not, and has no code, was not judged: what it is about is not known.
    pub holds: bool,
    /// What the policy expects.
    pub expected: String,
    /// What was found.
    pub found: String,
    /// Why it fails.
    pub code: Option<ReasonCode>,
    /// What to do next, if it fails.
    pub hint: Option<String>,
}

/// Tells every rule. Without `factors` those about second factors are told as not judged.
#[must_use]
pub fn explain(demands: &Demands<'_>, verdict: &Verdict, factors: Option<&Factors>) -> Decision {
    explain_proof(demands, &Proof::of(verdict), factors)
}

pub(super) fn explain_proof(
    demands: &Demands<'_>,
    proof: &Proof<'_>,
    factors: Option<&Factors>,
) -> Decision {
    let mut report = Report::of_everything();
    let granted = rules::judge(demands, proof, factors, &mut report);
    let told = report.into_told().into_iter();
    Decision {
        granted,
        rules: told.map(outcome).collect(),
    }
}

fn outcome(told: Told) -> RuleOutcome {
    let fails = told.outcome == Outcome::Fails;
    RuleOutcome {
        path: told.rule.path,
        holds: told.outcome == Outcome::Holds,
        expected: told.rule.expected,
        found: told.rule.found,
        code: fails.then_some(told.rule.code),
        hint: fails.then_some(told.rule.hint),
    }
}
