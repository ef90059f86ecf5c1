//! What came of the last attempts to attest, for the authors of policies: `GET /v1/attempts/<config id>`.
//!
//! In memory, of this process alone, and bounded: [`Attempts::MOST`] attempts in all, [`Attempts::MOST_OF_A_SERVICE`]
//! of one service, [`Attempts::MOST_UNPROVEN`] of them without evidence that proved a TEE, so that nobody who merely knows
//! a name can make this forget what proved itself. Claims and sentences are cut. No secret gets here: an attempt holds
//! what the evidence states, what was judged, and never a second factor or a configuration.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::error::Error as _;
use std::sync::{Arc, Mutex, PoisonError};

use casque_appraise::{Appraisal, Claim, Evidence, EvidenceKind, Identity, Verdict};
use casque_policy::{
    Credentials, Decision, Demands, Denial, Factors, Operation, RuleOutcome, explain,
};
use casque_types::{ConfigId, PolicyHash, Timestamp};

use crate::{
    AttestError, AuditAction, AuditEvent, Blame, Casque, Ports, ReadPolicyError, Store as _,
};

/// One attempt to attest for a service.
#[derive(Debug)]
pub struct Attempt {
    /// When.
    pub at: Timestamp,
    /// The version of the policy that it was judged by.
    pub policy: PolicyHash,
    /// The kind of evidence.
    pub evidence: EvidenceKind,
    /// What the evidence states: at most 128 claims of at most 512 bytes. Not proved where there is no verdict.
    pub claims: Vec<Claim>,
    /// What was proved of it; `None` when it was not judged, or proves nothing.
    pub verdict: Option<Verdict>,
    /// What the policy made of it, if it came to that: every rule, of which at most 64 KiB are kept. Without a
    /// verdict what the evidence merely claims was enough to deny, and only the rules that fail are told.
    pub decision: Option<Decision>,
    /// What came of it.
    pub outcome: AttemptOutcome,
}

/// What came of an attempt.
#[derive(Debug)]
pub enum AttemptOutcome {
    /// The configuration was released.
    Granted,
    /// The policy denies.
    Denied,
    /// The evidence proves nothing.
    NotAuthentic(AttemptFailure),
    /// Something that was needed beside could not be had.
    Failed(AttemptFailure),
}

/// Why an attempt came to no decision, or to no release after one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptFailure {
    /// Stable code: that of [`AttestError::code`].
    pub code: &'static str,
    /// A sentence with what led to it, of at most 1024 bytes.
    pub message: String,
    /// What to do next, where a party that failed said so.
    pub hint: Option<String>,
}

/// What is learnt while an attempt is under way.
#[derive(Debug, Default)]
pub(crate) struct Told {
    verdict: Option<Verdict>,
    decision: Option<Decision>,
}

impl Told {
    /// The evidence was appraised.
    pub(crate) fn appraised(&mut self, appraisal: &Appraisal) {
        let verdict = appraisal.verdict();
        self.verdict = match verdict.identity() {
            Identity::Unattested => None,
            _ => Some(verdict.clone()),
        };
    }

    /// The policy was applied.
    pub(crate) fn decided(
        &mut self,
        demands: &Demands<'_>,
        appraisal: &Appraisal,
        factors: &Factors,
    ) {
        let decision = explain(demands, appraisal.verdict(), Some(factors));
        self.decision = Some(Decision {
            rules: bounded_rules(decision.rules),
            ..decision
        });
    }

    /// The attempt, once it is over.
    pub(crate) fn attempt<T>(
        mut self,
        evidence: &Evidence,
        policy: PolicyHash,
        outcome: Result<&T, &AttestError>,
        now: Timestamp,
    ) -> Attempt {
        if let Err(AttestError::Denied { denial, .. }) = outcome {
            self.deny(denial);
        }
        Attempt {
            at: now,
            policy,
            evidence: evidence.kind(),
            claims: bounded(evidence.claims()),
            verdict: self.verdict,
            decision: self.decision,
            outcome: match outcome {
                Ok(_) => AttemptOutcome::Granted,
                Err(error) => AttemptOutcome::of(error),
            },
        }
    }
}

impl Told {
    /// What denied, where no decision tells it: claims alone, a one-time password that was used before.
    fn deny(&mut self, denial: &Denial) {
        let decision = self.decision.get_or_insert(Decision {
            granted: true,
            rules: Vec::new(),
        });
        if decision.granted {
            decision.granted = false;
            let rules = denial.reasons.iter().map(|reason| RuleOutcome {
                path: reason.path.clone(),
                holds: false,
                expected: reason.expected.clone(),
                found: reason.found.clone(),
                code: Some(reason.code),
                hint: Some(reason.hint.clone()),
            });
            let rules = std::mem::take(&mut decision.rules).into_iter().chain(rules);
            decision.rules = bounded_rules(rules.collect());
        }
    }
}

impl AttemptOutcome {
    fn of(error: &AttestError) -> Self {
        if matches!(error, AttestError::Denied { .. }) {
            return Self::Denied;
        }
        let hint = error.source_failure().map(|failure| &failure.mend);
        let failure = AttemptFailure {
            code: error.code(),
            message: cut(&with_causes(error), MOST_MESSAGE_BYTES),
            hint: hint.map(|hint| cut(hint, MOST_MESSAGE_BYTES)),
        };
        match error {
            AttestError::Appraise(_) | AttestError::NotBound | AttestError::Evidence(_) => {
                Self::NotAuthentic(failure)
            }
            AttestError::Source(source) if source.blame() == Blame::Unauthenticated => {
                Self::NotAuthentic(failure)
            }
            _ => Self::Failed(failure),
        }
    }
}

/// The attempts that this process remembers, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    kept: Mutex<VecDeque<(ConfigId, Arc<Attempt>)>>,
}

impl Attempts {
    /// The most that are remembered.
    pub(crate) const MOST: usize = 256;
    /// The most of one service.
    pub(crate) const MOST_OF_A_SERVICE: usize = 8;
    /// The most of one service that proved no TEE.
    pub(crate) const MOST_UNPROVEN: usize = 4;

    /// Remembers an attempt for a service that exists.
    pub(crate) fn keep(&self, config: &ConfigId, attempt: Attempt) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_back((config.clone(), Arc::new(attempt)));
        let is_unproven = |attempt: &Attempt| attempt.verdict.is_none();
        forget_beyond(&mut kept, Self::MOST_UNPROVEN, |(of, attempt)| {
            of == config && is_unproven(attempt)
        });
        forget_beyond(&mut kept, Self::MOST_OF_A_SERVICE, |(of, _)| of == config);
        if kept.len() > Self::MOST {
            let unproven = kept.iter().position(|(_, attempt)| is_unproven(attempt));
            kept.remove(unproven.unwrap_or(0));
        }
    }

    /// Those of a service, the latest first.
    fn of(&self, config: &ConfigId) -> Vec<Arc<Attempt>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let own = kept.iter().rev().filter(|(of, _)| of == config);
        own.map(|(_, attempt)| Arc::clone(attempt)).collect()
    }
}

/// Forgets the oldest of those that `counts`, if there are more than `most`.
fn forget_beyond<T>(kept: &mut VecDeque<T>, most: usize, counts: impl Fn(&T) -> bool) {
    if kept.iter().filter(|one| counts(one)).count() > most
        && let Some(oldest) = kept.iter().position(counts)
    {
        kept.remove(oldest);
    }
}

impl<P: Ports> Casque<P> {
    /// The last attempts to attest for a service, the latest first: at most eight, of this process alone.
    ///
    /// # Errors
    /// [`ReadPolicyError`]: the policy or the service is absent, the caller may not read the policy, or the store
    /// failed.
    pub async fn attempts(
        &self,
        config: &ConfigId,
        caller: &Credentials,
    ) -> Result<Vec<Arc<Attempt>>, ReadPolicyError> {
        let name = config.policy();
        let current = self.readable(name, Operation::Read, caller).await?;
        if current.policy.service(config.service()).is_none() {
            return Err(ReadPolicyError::NoService {
                config: config.clone(),
            });
        }
        let event = AuditEvent {
            at: self.now(),
            action: AuditAction::AttemptsRead,
            subject: config.to_string(),
            policy: current.hash,
            caller: caller.tls,
            facts: Vec::new(),
        };
        self.ports.store().append_audit(event).await?;
        Ok(self.attempts.of(config))
    }
}

fn bounded(claims: Vec<Claim>) -> Vec<Claim> {
    let short = |claim: Claim| Claim {
        name: match claim.name.len() > MOST_CLAIM_BYTES {
            true => Cow::Owned(cut(&claim.name, MOST_CLAIM_BYTES)),
            false => claim.name,
        },
        value: match claim.value.len() > MOST_CLAIM_BYTES {
            true => cut(&claim.value, MOST_CLAIM_BYTES),
            false => claim.value,
        },
    };
    claims.into_iter().take(MOST_CLAIMS).map(short).collect()
}

/// The first rules, until [`MOST_RULE_BYTES`] are kept; the last one says how many more there were.
fn bounded_rules(rules: Vec<RuleOutcome>) -> Vec<RuleOutcome> {
    let mut kept: Vec<RuleOutcome> = Vec::new();
    let mut bytes = 0_usize;
    let count = rules.len();
    for rule in rules {
        let rule = RuleOutcome {
            path: cut(&rule.path, MOST_CLAIM_BYTES),
            expected: cut(&rule.expected, MOST_CLAIM_BYTES),
            found: cut(&rule.found, MOST_CLAIM_BYTES),
            hint: rule.hint.map(|hint| cut(&hint, MOST_CLAIM_BYTES)),
            ..rule
        };
        let texts = [&rule.path, &rule.expected, &rule.found];
        let lengths = texts.into_iter().chain(&rule.hint).map(String::len);
        bytes = lengths.fold(bytes, usize::saturating_add);
        if bytes > MOST_RULE_BYTES {
            kept.push(RuleOutcome {
                path: String::new(),
                holds: false,
                expected: "fewer rules".to_owned(),
                found: format!(
                    "{} more, which are not kept",
                    count.saturating_sub(kept.len())
                ),
                code: None,
                hint: None,
            });
            break;
        }
        kept.push(rule);
    }
    kept
}

/// An error, and what led to it where the error does not say that already.
fn with_causes(error: &AttestError) -> String {
    let mut text = error.to_string();
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    for cause in causes.map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// At most so many bytes of a text, and where something is missing, that it is.
fn cut(text: &str, most_bytes: usize) -> String {
    if text.len() <= most_bytes {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(most_bytes.saturating_sub(MISSING.len()));
    format!("{}{MISSING}", text.get(..end).unwrap_or_default())
}

const MOST_CLAIMS: usize = 128;
const MOST_CLAIM_BYTES: usize = 512;
const MOST_MESSAGE_BYTES: usize = 1024;
const MOST_RULE_BYTES: usize = 64 * 1024;
const MISSING: &str = " ...";

#[cfg(test)]
mod tests {
    use super::*;

    fn config(number: usize) -> ConfigId {
        format!("policy/s{number}").parse().unwrap()
    }

    /// An attempt at this second, without a verdict.
    fn attempt(at: u64) -> Attempt {
        Attempt {
            at: Timestamp::from_unix_s(at),
            policy: PolicyHash::from([7; 32]),
            evidence: EvidenceKind::Sgx,
            claims: Vec::new(),
            verdict: None,
            decision: None,
            outcome: AttemptOutcome::Granted,
        }
    }

    fn times(attempts: &Attempts, number: usize) -> Vec<u64> {
        let of = attempts.of(&config(number));
        of.iter().map(|attempt| attempt.at.as_unix_s()).collect()
    }

    #[test]
    fn unproven_attempts_of_a_service_are_the_last_four() {
        let attempts = Attempts::default();
        for at in 0..10 {
            attempts.keep(&config(0), attempt(at));
        }
        attempts.keep(&config(1), attempt(10));
        assert_eq!(times(&attempts, 0), [9, 8, 7, 6]);
        assert_eq!(times(&attempts, 1), [10]);
    }

    #[test]
    fn attempts_of_all_services_are_bounded() {
        let attempts = Attempts::default();
        for number in 0..1000 {
            attempts.keep(&config(number), attempt(0));
        }
        assert_eq!(attempts.kept.lock().unwrap().len(), Attempts::MOST);
        assert_eq!(times(&attempts, 999), [0]);
        assert!(times(&attempts, 0).is_empty());
    }

    #[test]
    fn claims_are_bounded_in_number_and_length() {
        let long = "ä".repeat(400);
        let claims = bounded(vec![Claim::new("long", &long); 200]);
        assert_eq!(claims.len(), MOST_CLAIMS);
        let value = &claims.first().unwrap().value;
        assert!(value.len() <= MOST_CLAIM_BYTES && value.ends_with(MISSING));
        assert_eq!(cut("short", 5), "short");
    }

    #[test]
    fn rules_are_bounded_in_bytes_and_the_last_one_says_so() {
        let rule = RuleOutcome {
            path: "services[web]".to_owned(),
            holds: true,
            expected: "e".repeat(4096),
            found: "f".repeat(4096),
            code: None,
            hint: None,
        };
        assert_eq!(bounded_rules(vec![rule.clone(); 60]).len(), 60);
        let rules = bounded_rules(vec![rule; 1000]);
        let bytes: usize = rules.iter().map(|rule| rule.found.len() * 2).sum();
        assert!(bytes <= MOST_RULE_BYTES, "{bytes}");
        let last = rules.last().unwrap();
        let more = 1001 - rules.len();
        assert_eq!(last.found, format!("{more} more, which are not kept"));
    }
}
