//! Skeleton.
use casque_appraise::{Appraisal, Evidence};
use casque_types::ServiceName;

use crate::Policy;

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

/// Every rule that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// At least one.
    pub reasons: Vec<Reason>,
}

/// One rule that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Stable code.
    pub code: ReasonCode,
    /// Path in the policy, such as `services[web].attestation[0].mrenclave`.
    pub path: String,
    /// What the policy expects; for its readers only.
    pub expected: String,
    /// What was found.
    pub found: String,
    /// What to do next.
    pub hint: String,
}

/// Stable code of a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReasonCode {
    /// `measurement-mismatch`
    MeasurementMismatch,
}

impl ReasonCode {
    /// The code as text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MeasurementMismatch => "measurement-mismatch",
        }
    }
}

/// Cheap look at unverified evidence: the denial that it would lead to for certain, before anything costly.
///
/// # Errors
/// The denial.
pub fn screen(
    _policy: &Policy,
    _service: &ServiceName,
    _evidence: &Evidence,
) -> Result<(), Denial> {
    todo!()
}

/// Applies a policy to an appraisal.
///
/// # Errors
/// The denial, with every rule that failed.
pub fn decide(
    _policy: &Policy,
    _service: &ServiceName,
    _appraisal: Appraisal,
) -> Result<Grant, Denial> {
    todo!()
}
