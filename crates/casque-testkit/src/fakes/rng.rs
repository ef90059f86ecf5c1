//! Randomness that is the same in every run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use casque_types::{Rng, RngError, sha256};

/// SHA-256 of a counter: no two calls give the same bytes, and every run gives the same ones.
#[derive(Clone, Debug, Default)]
pub struct CountingRng(Arc<State>);

#[derive(Debug, Default)]
struct State {
    counter: AtomicU64,
    fails: AtomicBool,
}

impl CountingRng {
    /// Lets every call fail, or none.
    pub fn set_failing(&self, fails: bool) {
        self.0.fails.store(fails, Ordering::SeqCst);
    }
}

impl Rng for CountingRng {
    fn fill(&self, out: &mut [u8]) -> Result<(), RngError> {
        if self.0.fails.load(Ordering::SeqCst) {
            return Err(RngError);
        }
        for block in out.chunks_mut(32) {
            let count = self.0.counter.fetch_add(1, Ordering::SeqCst);
            let digest = sha256(&count.to_be_bytes());
            for (byte, random) in block.iter_mut().zip(digest.as_bytes()) {
                *byte = *random;
            }
        }
        Ok(())
    }
}
