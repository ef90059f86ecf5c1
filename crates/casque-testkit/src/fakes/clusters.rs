//! Kubernetes clusters without the network.

use std::sync::{Arc, Mutex};

use casque_appraise::ServiceAccountKeys;
use casque_core::{ClusterSource, SourceFailure, SourceKind};
use casque_types::Timestamp;

use super::{Calls, failure, lock};
use crate::cluster::SoftwareCluster;

/// The clusters that a test trusts; none at first.
#[derive(Clone, Debug, Default)]
pub struct FakeClusters {
    /// The issuers that were asked about, and failures to come.
    pub calls: Calls<String>,
    trusted: Arc<Mutex<Vec<Arc<SoftwareCluster>>>>,
}

impl FakeClusters {
    /// Trusts a cluster from now on.
    pub fn trust(&self, cluster: Arc<SoftwareCluster>) {
        lock(&self.trusted).push(cluster);
    }
}

impl ClusterSource for FakeClusters {
    async fn keys(
        &self,
        issuer: &str,
        _key_id: &str,
        _now: Timestamp,
    ) -> Result<Arc<ServiceAccountKeys>, SourceFailure> {
        self.calls.record(issuer.to_owned())?;
        let trusted = lock(&self.trusted);
        let found = trusted.iter().find(|cluster| cluster.issuer() == issuer);
        let unknown = || failure(SourceKind::Cluster, "cluster-not-trusted");
        let keys = found.ok_or_else(unknown)?.jwks();
        let malformed = || failure(SourceKind::Cluster, "cluster-answer-malformed");
        let keys = ServiceAccountKeys::parse(keys.map_err(|_| malformed())?.as_bytes());
        keys.map(Arc::new).map_err(|_| malformed())
    }
}
