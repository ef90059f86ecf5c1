//! Applies a policy to an appraisal. The rules themselves stand in [`rules`].
//!
//! Every rule that failed is told, not only the first. Monotone: a policy with a demand less, or a
//! toleration more, never denies what the one with it grants.

mod rules;

use casque_appraise::{Appraisal, Evidence, EvidenceKind, Identity};
use casque_types::{ConfigId, ServiceName, SgxIdentity};

use crate::{Denial, Mode, Policy, Reason, ReasonCode, Service};

use rules::Proof;

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

/// Applies a policy to an appraisal.
///
/// # Errors
/// The denial, with every rule that failed.
pub fn decide(
    policy: &Policy,
    service: &ServiceName,
    appraisal: Appraisal,
) -> Result<Grant, Denial> {
    let proof = Proof {
        identity: appraisal.identity(),
        tcb: appraisal.tcb(),
        verifier: appraisal.verifier(),
    };
    let mut reasons = judge_config(policy, service, appraisal.runtime().config());
    match policy.service(service) {
        Some(found) => reasons.extend(rules::judge(policy, found, &proof)),
        None => reasons.push(unknown_service(service)),
    }
    if reasons.is_empty() {
        Ok(Grant {
            appraisal,
            service: service.clone(),
        })
    } else {
        Err(Denial { reasons })
    }
}

/// Cheap look at unverified evidence: the denial that it would lead to for certain, before anything costly.
///
/// # Errors
/// The denial, with the rules that are sure to fail; others may fail later.
pub fn screen(policy: &Policy, service: &ServiceName, evidence: &Evidence) -> Result<(), Denial> {
    let Some(found) = policy.service(service) else {
        return Err(Denial {
            reasons: vec![unknown_service(service)],
        });
    };
    let reasons = screen_claims(policy, found, evidence.kind(), evidence.claimed_identity());
    if reasons.is_empty() {
        Ok(())
    } else {
        Err(Denial { reasons })
    }
}

fn screen_claims(
    policy: &Policy,
    service: &Service,
    kind: EvidenceKind,
    claimed: Option<&SgxIdentity>,
) -> Vec<Reason> {
    match (&policy.security.mode, kind) {
        (Mode::DangerousNone, _) => Vec::new(),
        (Mode::Hardware | Mode::Maa { .. }, EvidenceKind::Absent) => {
            vec![rules::evidence_missing(&policy.security.mode)]
        }
        (Mode::Hardware, EvidenceKind::MaaToken) => {
            vec![rules::verifier_mismatch(
                &policy.security.mode,
                "a token of the attestation service",
            )]
        }
        (Mode::Hardware, EvidenceKind::Sgx)
        | (Mode::Maa { .. }, EvidenceKind::Sgx | EvidenceKind::MaaToken) => {
            let identity = claimed.map_or(Identity::Unattested, |sgx| Identity::Sgx(sgx.clone()));
            rules::judge_identity(policy, service, &identity)
        }
    }
}

/// Evidence is bound to one config id; that it is this one was checked when the nonce was redeemed, and is
/// checked again where it counts.
fn judge_config(policy: &Policy, service: &ServiceName, bound: &ConfigId) -> Vec<Reason> {
    if *bound.policy() == policy.name && bound.service() == service {
        return Vec::new();
    }
    vec![Reason {
        code: ReasonCode::ConfigMismatch,
        path: "name".to_owned(),
        expected: format!("evidence bound to `{}/{service}`", policy.name),
        found: format!("evidence bound to `{bound}`"),
        hint: "ask again: evidence serves the one configuration that it was made for".to_owned(),
    }]
}

fn unknown_service(service: &ServiceName) -> Reason {
    Reason {
        code: ReasonCode::ServiceUnknown,
        path: "services".to_owned(),
        expected: "a service of this policy".to_owned(),
        found: format!("`{service}`"),
        hint: "compare the end of the config id with the policy's services".to_owned(),
    }
}

#[cfg(test)]
mod tests;
