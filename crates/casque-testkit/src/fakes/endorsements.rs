//! Endorsements of the software TEE, as a cache of Intel's would give them.

use std::sync::{Arc, Mutex};

use casque_appraise::{Endorsements, EndorsementsId, IntelEndorsementsId};
use casque_core::{EndorsementSource, SourceFailure, SourceKind};
use casque_types::Timestamp;

use super::{Calls, failure, lock};
use crate::sgx::{EndorsementSpec, SoftwareTee};

/// Endorses one software TEE; asked about another platform it fails.
#[derive(Clone, Debug)]
pub struct FakeEndorsements {
    /// What was asked, and failures to come.
    pub calls: Calls<IntelEndorsementsId>,
    tee: Arc<SoftwareTee>,
    spec: Arc<Mutex<Option<EndorsementSpec>>>,
}

impl FakeEndorsements {
    /// Valid endorsements of this software TEE at any time.
    #[must_use]
    pub fn new(tee: Arc<SoftwareTee>) -> Self {
        Self {
            calls: Calls::default(),
            tee,
            spec: Arc::default(),
        }
    }

    /// Gives these from now on.
    pub fn set(&self, spec: EndorsementSpec) {
        *lock(&self.spec) = Some(spec);
    }
}

impl EndorsementSource for FakeEndorsements {
    async fn endorsements(
        &self,
        id: &EndorsementsId,
        now: Timestamp,
    ) -> Result<Endorsements, SourceFailure> {
        let EndorsementsId::Intel(id) = *id else {
            return Err(failure(SourceKind::Amd, "amd-platform-unknown"));
        };
        self.calls.record(id)?;
        if id != self.tee.endorsements_id() {
            return Err(failure(SourceKind::Endorser, "endorser-platform-unknown"));
        }
        let spec = lock(&self.spec).clone();
        let spec = spec.unwrap_or_else(|| EndorsementSpec::valid_at(now));
        (self.tee.endorsements_of(&spec))
            .map(|endorsements| Endorsements {
                intel: Some(Arc::new(endorsements)),
                amd: None,
            })
            .map_err(|_| failure(SourceKind::Endorser, "endorser-unavailable"))
    }
}
