//! Randomness of the crypto provider.

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use casque_types::{Rng, RngError};

#[derive(Debug, Default)]
pub(crate) struct SystemRng(SystemRandom);

impl Rng for SystemRng {
    fn fill(&self, out: &mut [u8]) -> Result<(), RngError> {
        self.0.fill(out).map_err(|_| RngError)
    }
}
