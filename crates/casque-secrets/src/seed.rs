//! The randomness of one HPKE encapsulation, drawn beforehand, since HPKE's trait has no way to fail.

use casque_types::{Rng, RngError};
use hpke::rand_core::{TryCryptoRng, TryRng};
use zeroize::Zeroizing;

/// As many bytes as the mechanism draws: 64 for X-Wing, 32 for X25519.
///
/// Should another version draw more, whoever seals sees that it [overdrew](Self::is_overdrawn), and refuses.
pub(crate) struct EncapsulationSeed<const N: usize> {
    bytes: Zeroizing<[u8; N]>,
    used: usize,
    is_overdrawn: bool,
}

impl<const N: usize> EncapsulationSeed<N> {
    pub(crate) fn filled_by(rng: &dyn Rng) -> Result<Self, RngError> {
        let mut bytes = Zeroizing::new([0_u8; N]);
        rng.fill(bytes.as_mut())?;
        Ok(Self {
            bytes,
            used: 0,
            is_overdrawn: false,
        })
    }

    /// Whether more was asked for than there was: what came of it is not random.
    pub(crate) const fn is_overdrawn(&self) -> bool {
        self.is_overdrawn
    }

    fn take(&mut self, out: &mut [u8]) {
        let end = self.used.saturating_add(out.len());
        match self.bytes.get(self.used..end) {
            Some(bytes) => out.copy_from_slice(bytes),
            None => self.is_overdrawn = true,
        }
        self.used = end;
    }
}

impl<const N: usize> TryRng for EncapsulationSeed<N> {
    type Error = core::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let mut bytes = [0_u8; 4];
        self.take(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut bytes = [0_u8; 8];
        self.take(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        self.take(out);
        Ok(())
    }
}

impl<const N: usize> TryCryptoRng for EncapsulationSeed<N> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::CountingRng;

    #[test]
    fn seed_drawn_beyond_its_end_is_noticed() {
        let mut seed = EncapsulationSeed::<64>::filled_by(&CountingRng::default()).unwrap();
        seed.take(&mut [0; 64]);
        assert!(!seed.is_overdrawn());
        seed.take(&mut [0; 1]);
        assert!(seed.is_overdrawn());
    }
}
