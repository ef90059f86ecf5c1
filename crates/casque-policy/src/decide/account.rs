//! What came of a projected service account token, for the `kubernetes` of entries.

use std::collections::BTreeMap;

use casque_appraise::ServiceAccount;

use crate::ServiceAccountDemand;

/// What came of the token that an attester brought, or did not, by what it was verified against
/// ([`Demands::service_accounts`](crate::Demands::service_accounts)).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceAccountFactor(BTreeMap<ServiceAccountDemand, ServiceAccountOutcome>);

/// What came of a service account token against one demand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ServiceAccountOutcome {
    /// The attester brought none.
    #[default]
    Absent,
    /// It does not verify.
    Wrong {
        /// Why, for the policy's readers.
        why: String,
        /// What to do next.
        mend: String,
    },
    /// It does, and speaks of this account.
    Right(ServiceAccount),
}

impl ServiceAccountFactor {
    /// Says what came of the token against a demand.
    pub fn insert(&mut self, demand: ServiceAccountDemand, outcome: ServiceAccountOutcome) {
        self.0.insert(demand, outcome);
    }

    /// What came of it; absent where nothing was said.
    #[must_use]
    pub fn outcome(&self, demand: &ServiceAccountDemand) -> &ServiceAccountOutcome {
        const ABSENT: &ServiceAccountOutcome = &ServiceAccountOutcome::Absent;
        self.0.get(demand).unwrap_or(ABSENT)
    }
}
