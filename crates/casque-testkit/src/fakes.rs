//! Fakes of every port of `casque-core`: in memory, deterministic, with faults on request and a record of calls.
//!
//! All are handles: clones share what stands behind them, so a test keeps one and gives another away.

mod clock;
mod clusters;
mod endorsements;
mod fault;
mod maa;
mod ports;
mod remote;
mod rng;
mod store;
mod tokens;
mod vaults;

pub use clock::MockClock;
pub use clusters::FakeClusters;
pub use endorsements::FakeEndorsements;
pub use fault::{Calls, failure};
pub use maa::{FakeMaa, MaaCall};
pub use ports::TestPorts;
pub use remote::{FakeRemote, RemoteCall};
pub use rng::CountingRng;
pub use store::{MemStore, StoreFault, StoreOperation};
pub use tokens::{FakeTokens, TokenCall};
pub use vaults::{FakeVaults, VaultAction, VaultCall};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, also after a test's thread has panicked with the lock held.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
