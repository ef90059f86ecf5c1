//! Applies a policy to an appraisal. The rules themselves stand in [`rules`].
//!
//! Every rule that failed is told, not only the first; [`explain`] tells those that hold too. Monotone: a policy with a demand less, or a
//! toleration more, never denies what the one with it grants.

mod account;
mod explain;
mod rules;
mod scope;

use std::borrow::Cow;
use std::collections::BTreeSet;

use casque_appraise::{Appraisal, Evidence, EvidenceKind, Identity};
use casque_types::{ConfigId, PolicyName, ServiceName};

use crate::{
    AttestationEntry, ClauseError, Denial, Fills, Mode, Placeholder, Platform, Policy, Reason,
    ReasonCode, Security, Service, ServiceAccountDemand, Template, Toleration,
};

pub use account::{ServiceAccountFactor, ServiceAccountOutcome};
pub use explain::{Decision, RuleOutcome, explain};
use rules::{Known, Proof, Report, Rule};
pub use scope::EntryScope;

/// Everything that one service of a policy demands before its configuration is released: the policy's
/// clauses, closed over what their secrets say.
#[derive(Debug)]
pub struct Demands<'p> {
    policy: &'p PolicyName,
    service: &'p ServiceName,
    security: Cow<'p, Security>,
    entries: Cow<'p, [AttestationEntry]>,
    platforms: Cow<'p, [Platform]>,
    one_time_password: Option<SharedSecret>,
}

/// The shared secret of one-time passwords, and where it is stated.
#[derive(Clone, Debug)]
struct SharedSecret {
    template: Template,
    /// Path in the policy.
    path: String,
}

impl Policy {
    /// The placeholders that must be filled before it is known what a service demands.
    pub fn asks_of_demands<'p>(
        &'p self,
        service: &'p Service,
    ) -> impl Iterator<Item = &'p Placeholder> {
        (self.security.asks().iter())
            .chain(service.attestation.asks())
            .chain(service.platforms.asks())
    }

    /// What a service demands.
    ///
    /// # Errors
    /// [`ClauseError`]: what the secrets say does not fit where the policy puts it; nothing is granted then.
    pub fn demands<'p>(
        &'p self,
        service: &'p Service,
        fills: &Fills,
    ) -> Result<Demands<'p>, ClauseError> {
        let security = self.security.close(fills)?;
        let own = service.one_time_password.as_ref().map(|own| SharedSecret {
            template: own.clone(),
            path: format!("services[{}].one_time_password_shared_secret", service.name),
        });
        let one_time_password = own.or_else(|| {
            let shared = security.one_time_password.clone();
            shared.map(|template| SharedSecret {
                template,
                path: "security.attestation.one_time_password_shared_secret".to_owned(),
            })
        });
        Ok(Demands {
            policy: &self.name,
            service: &service.name,
            one_time_password,
            entries: service.attestation.close_list(fills)?,
            platforms: service.platforms.close_list(fills)?,
            security,
        })
    }
}

impl Demands<'_> {
    /// How evidence is judged.
    #[must_use]
    pub fn security(&self) -> &Security {
        &self.security
    }

    /// The shared secret of the one-time passwords, if one is demanded.
    #[must_use]
    pub fn one_time_password(&self) -> Option<&Template> {
        self.one_time_password
            .as_ref()
            .map(|shared| &shared.template)
    }

    /// Where in the policy that shared secret is stated: by the service, or for all of them.
    #[must_use]
    pub fn one_time_password_path(&self) -> Option<&str> {
        self.one_time_password
            .as_ref()
            .map(|shared| shared.path.as_str())
    }

    /// What a service account token must be verified against, for any entry: each issuer and audience once.
    pub fn service_accounts(&self) -> impl Iterator<Item = &ServiceAccountDemand> {
        let rules = self
            .entries
            .iter()
            .filter_map(|entry| entry.kubernetes.as_ref());
        let demands: BTreeSet<&ServiceAccountDemand> = rules.map(|rule| &rule.demand).collect();
        demands.into_iter()
    }

    fn tolerates_outdated(&self) -> bool {
        self.security.tolerate.contains(&Toleration::OutdatedTcb)
    }

    /// The service access token, if the attester must know it.
    #[must_use]
    pub fn service_access_token(&self) -> Option<&Template> {
        self.security.service_access_token.as_ref()
    }
}

/// What came of a second factor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FactorOutcome {
    /// The attester brought none.
    #[default]
    Absent,
    /// It is wrong.
    Wrong,
    /// It is right.
    Right,
}

/// What came of the second factors; those that are not demanded do not count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Factors {
    /// The one-time password, section 9.
    pub one_time_password: FactorOutcome,
    /// The proof that the attester knows the service access token, section 9.
    pub service_access_token: FactorOutcome,
    /// The service account token, for the `kubernetes` of entries.
    pub service_accounts: ServiceAccountFactor,
}

/// Permission to release one service's configuration to one attested key.
#[derive(Debug)]
pub struct Grant {
    appraisal: Appraisal,
    service: ServiceName,
}

impl Grant {
    /// The appraisal that it rests on.
    #[must_use]
    pub const fn appraisal(&self) -> &Appraisal {
        &self.appraisal
    }
    /// The service.
    #[must_use]
    pub const fn service(&self) -> &ServiceName {
        &self.service
    }
}

/// Applies what a service demands to an appraisal and the second factors beside it.
///
/// # Errors
/// The denial, with every rule that failed.
pub fn decide(
    demands: &Demands<'_>,
    appraisal: Appraisal,
    factors: &Factors,
) -> Result<Grant, Denial> {
    let mut report = Report::of_failures();
    let mut holds = judge_config(demands, appraisal.runtime().config(), &mut report);
    let proof = Proof::of(appraisal.verdict());
    holds &= rules::judge(demands, &proof, Some(factors), &mut report);
    if holds {
        return Ok(Grant {
            service: demands.service.clone(),
            appraisal,
        });
    }
    Err(denial(report))
}

/// Of a report in which something fails.
fn denial(report: Report) -> Denial {
    let told = report.into_told().into_iter();
    Denial {
        reasons: told.map(|told| reason(told.rule)).collect(),
    }
}

fn reason(rule: Rule) -> Reason {
    Reason {
        code: rule.code,
        path: rule.path,
        expected: rule.expected,
        found: rule.found,
        hint: rule.hint,
    }
}

/// Cheap look at unverified evidence: the denial that it would lead to for certain, before anything costly.
///
/// # Errors
/// The denial, with the rules that are sure to fail; others may fail later.
pub fn screen(demands: &Demands<'_>, evidence: &Evidence) -> Result<(), Denial> {
    let claimed = evidence.claimed_identity();
    let mut report = Report::of_failures();
    match screen_claims(demands, evidence.kind(), claimed.as_ref(), &mut report) {
        true => Ok(()),
        false => Err(denial(report)),
    }
}

fn screen_claims(
    demands: &Demands<'_>,
    kind: EvidenceKind,
    claimed: Option<&Identity>,
    report: &mut Report,
) -> bool {
    let mode = &demands.security.mode;
    match (mode, kind) {
        (Mode::DangerousNone, _) => true,
        (_, EvidenceKind::Absent) => report.rule(false, || rules::evidence_missing(mode)),
        (Mode::Hardware | Mode::Both(_), EvidenceKind::MaaToken) => {
            let found = "a token of the attestation service";
            report.rule(false, || rules::verifier_mismatch(mode, found))
        }
        _ => {
            let claimed = claimed.unwrap_or(&Identity::Unattested);
            rules::judge_identity(demands, claimed, Known::Claims, report)
        }
    }
}

/// Evidence is bound to one config id; that it is this one was checked when the nonce was redeemed, and is
/// checked again where it counts.
fn judge_config(demands: &Demands<'_>, bound: &ConfigId, report: &mut Report) -> bool {
    let is_it = bound.policy() == demands.policy && bound.service() == demands.service;
    report.rule(is_it, || Rule {
        code: ReasonCode::ConfigMismatch,
        path: "name".to_owned(),
        expected: format!("evidence bound to `{}/{}`", demands.policy, demands.service),
        found: format!("evidence bound to `{bound}`"),
        hint: "ask again: evidence serves the one configuration that it was made for".to_owned(),
    })
}

#[cfg(test)]
mod tests;
