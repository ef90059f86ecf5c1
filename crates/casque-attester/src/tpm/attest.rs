//! What a TPM signs: `TPMS_ATTEST` (TCG TPM 2.0 Library part 2, section 10.12.12), read to see whether it is what
//! was asked for. The verifier has its own, stricter reader.

use super::wire::{Reader, read_selection};

/// A quote over registers of the SHA-256 bank.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Quote<'a> {
    /// The qualified name of the key that signed.
    pub(crate) signer: &'a [u8],
    pub(crate) extra_data: &'a [u8],
    pub(crate) pcr_digest: &'a [u8],
}

/// That an object is in the TPM (`TPM2_Certify`).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Certification<'a> {
    /// The qualified name of the key that signed.
    pub(crate) signer: &'a [u8],
    pub(crate) extra_data: &'a [u8],
    /// The object's name.
    pub(crate) name: &'a [u8],
}

impl<'a> Quote<'a> {
    /// `None` for anything else, and for other registers than those of `mask` ([`super::wire::selection`]).
    pub(crate) fn parse(bytes: &'a [u8], mask: [u8; 3]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let (signer, extra_data) = read_head(&mut reader, ST_ATTEST_QUOTE)?;
        (read_selection(&mut reader)? == mask).then_some(())?;
        let pcr_digest = reader.sized()?;
        reader.end()?;
        Some(Self {
            signer,
            extra_data,
            pcr_digest,
        })
    }
}

impl<'a> Certification<'a> {
    /// `None` for anything else.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let (signer, extra_data) = read_head(&mut reader, ST_ATTEST_CERTIFY)?;
        let name = reader.sized()?;
        let _qualified_name = reader.sized()?;
        reader.end()?;
        Some(Self {
            signer,
            extra_data,
            name,
        })
    }
}

/// What stands before the statement itself: the signer's qualified name, and the caller's data.
fn read_head<'a>(reader: &mut Reader<'a>, kind: u16) -> Option<(&'a [u8], &'a [u8])> {
    reader.expect_u32(GENERATED)?;
    reader.expect_u16(kind)?;
    let signer = reader.sized()?;
    let extra_data = reader.sized()?;
    let _clock_and_firmware = reader.take(CLOCK_BYTES)?;
    Some((signer, extra_data))
}

const GENERATED: u32 = 0xFF54_4347;
const ST_ATTEST_CERTIFY: u16 = 0x8017;
const ST_ATTEST_QUOTE: u16 = 0x8018;
/// `TPMS_CLOCK_INFO` (17 bytes) and the firmware's version (8 bytes).
const CLOCK_BYTES: usize = 25;
