//! Kubernetes clusters without the network.

use std::sync::Arc;

use casque_appraise::ServiceAccountKeys;
use casque_core::{ClusterSource, SourceFailure, SourceKind};
use casque_types::Timestamp;

use super::failure;

/// No cluster.
#[derive(Clone, Debug, Default)]
pub struct FakeClusters {}

impl ClusterSource for FakeClusters {
    async fn keys(
        &self,
        _issuer: &str,
        _key_id: &str,
        _now: Timestamp,
    ) -> Result<Arc<ServiceAccountKeys>, SourceFailure> {
        Err(failure(SourceKind::Cluster, "cluster-unknown"))
    }
}
