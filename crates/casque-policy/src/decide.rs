//! Applies a policy to an appraisal. The rules themselves stand in [`rules`].
//!
//! Every rule that failed is told, not only the first. Monotone: a policy with a demand less, or a
//! toleration more, never denies what the one with it grants.

mod rules;

use std::borrow::Cow;

use casque_appraise::{Appraisal, Evidence, EvidenceKind, Identity};
use casque_types::{ConfigId, PolicyName, ServiceName};

use crate::{
    AttestationEntry, ClauseError, Denial, Fills, Mode, Placeholder, Platform, Policy, Reason,
    ReasonCode, Security, Service, Template,
};

use rules::Proof;

/// Everything that one service of a policy demands before its configuration is released: the policy's
/// clauses, closed over what their secrets say.
#[derive(Debug)]
pub struct Demands<'p> {
    policy: &'p PolicyName,
    service: &'p ServiceName,
    security: Cow<'p, Security>,
    entries: Cow<'p, [AttestationEntry]>,
    platforms: Cow<'p, [Platform]>,
    one_time_password: Option<Template>,
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
        let own = service.one_time_password.as_ref();
        Ok(Demands {
            policy: &self.name,
            service: &service.name,
            one_time_password: own.or(security.one_time_password.as_ref()).cloned(),
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
    pub const fn one_time_password(&self) -> Option<&Template> {
        self.one_time_password.as_ref()
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Factors {
    /// The one-time password, section 9.
    pub one_time_password: FactorOutcome,
    /// The proof that the attester knows the service access token, section 9.
    pub service_access_token: FactorOutcome,
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
    let proof = Proof {
        identity: appraisal.identity(),
        tcb: appraisal.tcb(),
        verifier: appraisal.verifier(),
        platform: appraisal.platform(),
    };
    let mut reasons = judge_config(demands, appraisal.runtime().config());
    reasons.extend(rules::judge(demands, &proof));
    reasons.extend(rules::judge_factors(demands, factors));
    if reasons.is_empty() {
        Ok(Grant {
            appraisal,
            service: demands.service.clone(),
        })
    } else {
        Err(Denial { reasons })
    }
}

/// Cheap look at unverified evidence: the denial that it would lead to for certain, before anything costly.
///
/// # Errors
/// The denial, with the rules that are sure to fail; others may fail later.
pub fn screen(demands: &Demands<'_>, evidence: &Evidence) -> Result<(), Denial> {
    let claimed = evidence.claimed_identity();
    let reasons = screen_claims(demands, evidence.kind(), claimed.as_ref());
    if reasons.is_empty() {
        Ok(())
    } else {
        Err(Denial { reasons })
    }
}

fn screen_claims(
    demands: &Demands<'_>,
    kind: EvidenceKind,
    claimed: Option<&Identity>,
) -> Vec<Reason> {
    let mode = &demands.security.mode;
    match (mode, kind) {
        (Mode::DangerousNone, _) => Vec::new(),
        (_, EvidenceKind::Absent) => {
            vec![rules::evidence_missing(mode)]
        }
        (Mode::Hardware | Mode::Both(_), EvidenceKind::MaaToken) => {
            vec![rules::verifier_mismatch(
                mode,
                "a token of the attestation service",
            )]
        }
        _ => rules::judge_identity(demands, claimed.unwrap_or(&Identity::Unattested)),
    }
}

/// Evidence is bound to one config id; that it is this one was checked when the nonce was redeemed, and is
/// checked again where it counts.
fn judge_config(demands: &Demands<'_>, bound: &ConfigId) -> Vec<Reason> {
    if bound.policy() == demands.policy && bound.service() == demands.service {
        return Vec::new();
    }
    vec![Reason {
        code: ReasonCode::ConfigMismatch,
        path: "name".to_owned(),
        expected: format!("evidence bound to `{}/{}`", demands.policy, demands.service),
        found: format!("evidence bound to `{bound}`"),
        hint: "ask again: evidence serves the one configuration that it was made for".to_owned(),
    }]
}

#[cfg(test)]
mod tests;
