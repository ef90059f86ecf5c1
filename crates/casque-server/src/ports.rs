//! The ports of a running server.

use std::sync::Arc;

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use casque_azure::{Azure, Clusters, Entra, KeyVault, Maa};
use casque_core::{Clock, Ports};
use casque_endorse::Endorsers;
use casque_remote::Remote;
use casque_store::SqliteStore;
use casque_types::{Rng, RngError, Timestamp};

/// The adapters that casqued runs with.
pub struct ServerPorts {
    pub(crate) store: SqliteStore,
    pub(crate) azure: Azure,
    pub(crate) endorsements: Arc<Endorsers>,
    pub(crate) clusters: Clusters,
    pub(crate) remote: Remote,
    pub(crate) clock: SystemClock,
    pub(crate) rng: SystemRng,
}

impl Ports for ServerPorts {
    type Store = SqliteStore;
    type Clock = SystemClock;
    type Rng = SystemRng;
    type Tokens = Entra;
    type Vaults = KeyVault;
    type Maa = Maa;
    type Endorsements = Endorsers;
    type Clusters = Clusters;
    type Remote = Remote;

    fn store(&self) -> &SqliteStore {
        &self.store
    }
    fn clock(&self) -> &SystemClock {
        &self.clock
    }
    fn rng(&self) -> &SystemRng {
        &self.rng
    }
    fn tokens(&self) -> &Entra {
        &self.azure.tokens
    }
    fn vaults(&self) -> &KeyVault {
        &self.azure.vaults
    }
    fn maa(&self) -> &Maa {
        &self.azure.maa
    }
    fn endorsements(&self) -> &Endorsers {
        &self.endorsements
    }
    fn clusters(&self) -> &Clusters {
        &self.clusters
    }
    fn remote(&self) -> &Remote {
        &self.remote
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the server asks what time it is"
    )]
    fn now(&self) -> Timestamp {
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        // a clock before 1970 makes everything stale or not yet valid: it fails closed
        Timestamp::from_unix_s(since_epoch.map_or(0, |since| since.as_secs()))
    }
}

/// The crypto provider's generator, seeded by the operating system.
#[derive(Clone, Debug, Default)]
pub struct SystemRng(SystemRandom);

impl Rng for SystemRng {
    fn fill(&self, out: &mut [u8]) -> Result<(), RngError> {
        self.0.fill(out).map_err(|_| RngError)
    }
}
