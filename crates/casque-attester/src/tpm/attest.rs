//! What a quote says: `TPMS_ATTEST` (TCG TPM 2.0 Library part 2, section 10.12.12), read to see whether it is
//! the one that was asked for. The verifier has its own, stricter reader.

use super::wire::{Reader, read_selection};

/// A quote over all 24 registers of the SHA-256 bank.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Attest<'a> {
    pub(crate) extra_data: &'a [u8],
    pub(crate) pcr_digest: &'a [u8],
}

impl<'a> Attest<'a> {
    /// `None` for anything else.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        reader.expect_u32(GENERATED)?;
        reader.expect_u16(ST_ATTEST_QUOTE)?;
        let _signer = reader.sized()?;
        let extra_data = reader.sized()?;
        let _clock_and_firmware = reader.take(CLOCK_BYTES)?;
        (read_selection(&mut reader)? == [0xFF; 3]).then_some(())?;
        let pcr_digest = reader.sized()?;
        reader.end()?;
        Some(Self {
            extra_data,
            pcr_digest,
        })
    }
}

const GENERATED: u32 = 0xFF54_4347;
const ST_ATTEST_QUOTE: u16 = 0x8018;
/// `TPMS_CLOCK_INFO` (17 bytes) and the firmware's version (8 bytes).
const CLOCK_BYTES: usize = 25;
