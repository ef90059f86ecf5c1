//! All fakes together.

use std::sync::Arc;

use casque_core::Ports;
use casque_types::Timestamp;

use super::{
    CountingRng, FakeClusters, FakeEndorsements, FakeMaa, FakeRemote, FakeTokens, FakeVaults,
    MemStore, MockClock,
};
use crate::maa::SoftwareMaa;
use crate::sgx::SoftwareTee;

/// Every port, faked; clones share what stands behind them.
#[derive(Clone, Debug)]
pub struct TestPorts {
    /// The store.
    pub store: MemStore,
    /// The clock.
    pub clock: MockClock,
    /// The source of randomness.
    pub rng: CountingRng,
    /// Entra ID.
    pub tokens: FakeTokens,
    /// Key Vault.
    pub vaults: FakeVaults,
    /// Microsoft Azure Attestation.
    pub maa: FakeMaa,
    /// Intel.
    pub endorsements: FakeEndorsements,
    /// Kubernetes clusters.
    pub clusters: FakeClusters,
    /// Other CASes.
    pub remote: FakeRemote,
}

impl TestPorts {
    /// Empty, at `now`, with this software TEE and this software MAA.
    #[must_use]
    pub fn new(tee: Arc<SoftwareTee>, maa: Arc<SoftwareMaa>, now: Timestamp) -> Self {
        Self {
            store: MemStore::default(),
            clock: MockClock::at(now),
            rng: CountingRng::default(),
            tokens: FakeTokens::default(),
            vaults: FakeVaults::default(),
            maa: FakeMaa::new(maa, Arc::clone(&tee)),
            endorsements: FakeEndorsements::new(tee),
            clusters: FakeClusters::default(),
            remote: FakeRemote::default(),
        }
    }
}

impl Ports for TestPorts {
    type Store = MemStore;
    type Clock = MockClock;
    type Rng = CountingRng;
    type Tokens = FakeTokens;
    type Vaults = FakeVaults;
    type Maa = FakeMaa;
    type Endorsements = FakeEndorsements;
    type Clusters = FakeClusters;
    type Remote = FakeRemote;

    fn store(&self) -> &MemStore {
        &self.store
    }
    fn clock(&self) -> &MockClock {
        &self.clock
    }
    fn rng(&self) -> &CountingRng {
        &self.rng
    }
    fn tokens(&self) -> &FakeTokens {
        &self.tokens
    }
    fn vaults(&self) -> &FakeVaults {
        &self.vaults
    }
    fn maa(&self) -> &FakeMaa {
        &self.maa
    }
    fn endorsements(&self) -> &FakeEndorsements {
        &self.endorsements
    }
    fn clusters(&self) -> &FakeClusters {
        &self.clusters
    }
    fn remote(&self) -> &FakeRemote {
        &self.remote
    }
}
