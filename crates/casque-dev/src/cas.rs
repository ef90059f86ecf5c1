//! The casqued of a local world.
use crate::azure::{Commands, Endpoints};
use crate::state::StateDirectory;
use casque_testkit::sgx::SoftwareTee;
use std::sync::Arc;
use thiserror::Error;
/// x
#[derive(Debug, Error)]
#[error("not yet")]
pub struct CasError;
/// x
pub struct Cas;
impl Cas {
    /// x
    pub async fn start(
        _: &StateDirectory,
        _: &Endpoints,
        _: &Arc<SoftwareTee>,
        _: u16,
        _: &Commands,
    ) -> Result<Self, CasError> {
        Err(CasError)
    }
    /// x
    pub fn address(&self) -> String {
        String::new()
    }
    /// x
    pub fn key_hash(&self) -> String {
        String::new()
    }
    /// x
    pub async fn stop(self) {}
}
