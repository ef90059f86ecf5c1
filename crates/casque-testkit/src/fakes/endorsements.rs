//! Endorsements of the software TEEs, as a cache of the vendors' would give them.

use std::sync::{Arc, Mutex};

use casque_appraise::{AmdEndorsementsId, Endorsements, EndorsementsId, IntelEndorsementsId};
use casque_core::{EndorsementSource, SourceFailure, SourceKind};
use casque_types::Timestamp;

use super::{Calls, failure, lock};
use crate::sgx::{EndorsementSpec, SoftwareTee};
use crate::snp::SoftwareSnp;

/// Endorses one software TEE for SGX and TDX, and one for SNP if there is one; asked about another platform it fails.
#[derive(Clone, Debug)]
pub struct FakeEndorsements {
    /// What was asked, and failures to come.
    pub calls: Calls<EndorsementsId>,
    tee: Arc<SoftwareTee>,
    snp: Arc<Mutex<Option<Arc<SoftwareSnp>>>>,
    spec: Arc<Mutex<Option<EndorsementSpec>>>,
}

impl FakeEndorsements {
    /// Valid endorsements of this software TEE at any time.
    #[must_use]
    pub fn new(tee: Arc<SoftwareTee>) -> Self {
        Self {
            calls: Calls::default(),
            tee,
            snp: Arc::default(),
            spec: Arc::default(),
        }
    }

    /// Endorses this platform of SNP as well, from now on.
    pub fn endorse(&self, snp: Arc<SoftwareSnp>) {
        *lock(&self.snp) = Some(snp);
    }

    /// Gives these for SGX and TDX from now on.
    pub fn set(&self, spec: EndorsementSpec) {
        *lock(&self.spec) = Some(spec);
    }

    /// What it gives, without a record of the call.
    ///
    /// # Errors
    /// [`SourceFailure`]: another platform.
    pub fn look_up(
        &self,
        id: &EndorsementsId,
        now: Timestamp,
    ) -> Result<Endorsements, SourceFailure> {
        match id {
            EndorsementsId::Intel(id) => self.intel(*id, now),
            EndorsementsId::Amd(id) => self.amd(id, now),
        }
    }

    fn intel(
        &self,
        id: IntelEndorsementsId,
        now: Timestamp,
    ) -> Result<Endorsements, SourceFailure> {
        if id != self.tee.endorsements_id_of(id.tee) {
            return Err(failure(SourceKind::Endorser, "endorser-platform-unknown"));
        }
        let spec = lock(&self.spec).clone();
        let spec = spec.unwrap_or_else(|| EndorsementSpec::valid_for(id.tee, now));
        let intel = self.tee.endorsements_of(&spec);
        let intel = intel.map_err(|_| failure(SourceKind::Endorser, "endorser-unavailable"))?;
        Ok(Endorsements {
            intel: Some(Arc::new(intel)),
            amd: None,
        })
    }

    fn amd(&self, id: &AmdEndorsementsId, now: Timestamp) -> Result<Endorsements, SourceFailure> {
        let snp = lock(&self.snp).clone();
        let known = snp.filter(|snp| snp.platform().product == id.product);
        let known = known.ok_or_else(|| failure(SourceKind::Amd, "amd-platform-unknown"))?;
        let amd = known.endorsements(now);
        let amd = amd.map_err(|_| failure(SourceKind::Amd, "amd-unavailable"))?;
        Ok(Endorsements {
            intel: None,
            amd: Some(Arc::new(amd)),
        })
    }
}

impl EndorsementSource for FakeEndorsements {
    async fn endorsements(
        &self,
        id: &EndorsementsId,
        now: Timestamp,
    ) -> Result<Endorsements, SourceFailure> {
        self.calls.record(id.clone())?;
        self.look_up(id, now)
    }
}
