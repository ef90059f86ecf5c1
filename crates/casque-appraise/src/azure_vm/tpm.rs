//! The statement that a TPM signs when it quotes registers: `TPMS_ATTEST` of type `TPM_ST_ATTEST_QUOTE`
//! (TPM 2.0 Library Part 2: Structures, sections 10.12 and 10.13, and 10.6 for selections).
//!
//! ```text
//! magic FF544347 | type 8018 | qualifiedSigner 2 + n | extraData 2 + n
//!   | clock 8 | resetCount 4 | restartCount 4 | safe 1 | firmwareVersion 8
//!   | count 4 | count times: hash 2, size of select 1, select
//!   | pcrDigest 2 + n
//! ```
//! Integers are big endian; bit `i % 8` of byte `i / 8` of a selection is register `i`.

use std::collections::BTreeMap;

use casque_types::Digest;

use crate::bytes::Reader;
use crate::{Claim, EvidenceParseError};

/// A statement with its parts; nothing is verified.
#[derive(Clone, Debug)]
pub(super) struct TpmStatement {
    /// What the caller of the TPM chose, at most 64 bytes.
    pub(super) extra_data: Vec<u8>,
    /// `firmwareVersion`.
    pub(super) firmware_version: u64,
    /// Which registers, bank by bank, as signed.
    pub(super) selections: Vec<PcrSelection>,
    /// The digest over them.
    pub(super) pcr_digest: Vec<u8>,
}

/// Registers of one bank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PcrSelection {
    /// `TPM_ALG_ID` of the bank.
    pub(super) bank: u16,
    /// The bits, register 0 first.
    pub(super) select: Vec<u8>,
}

impl TpmStatement {
    /// Reads a statement whose length fits ([`expect_length`]), to its last byte.
    pub(super) fn parse(message: &[u8]) -> Result<Self, EvidenceParseError> {
        let mut reader = Reader::new(message);
        if reader.array() != Some(&[0xFF, b'T', b'C', b'G']) {
            return Err(malformed("`FF544347`, as the TPM itself writes"));
        }
        if reader.u16_be() != Some(ATTEST_QUOTE) {
            return Err(malformed("type 8018, a quote"));
        }
        sized(&mut reader, MAX_NAME_BYTES).ok_or(malformed("a signer of at most 68 bytes"))?;
        let extra_data = sized(&mut reader, MAX_EXTRA_DATA_BYTES)
            .ok_or(malformed("extra data of at most 64 bytes"))?;
        let firmware_version = clock_and_firmware(&mut reader)
            .ok_or(malformed("clock of 17 bytes and firmware version of 8"))?;
        let selections = selections(&mut reader).ok_or(malformed(
            "1 to 16 selections of registers, of 1 to 4 bytes each",
        ))?;
        let pcr_digest = sized(&mut reader, MAX_DIGEST_BYTES)
            .ok_or(malformed("a digest of at most 64 bytes"))?;
        if !reader.is_at_end() {
            return Err(malformed("nothing behind the digest"));
        }
        Ok(Self {
            extra_data: extra_data.to_vec(),
            firmware_version,
            selections,
            pcr_digest: pcr_digest.to_vec(),
        })
    }

    /// `extra_data` and `firmware_version`.
    pub(super) fn claims(&self) -> [Claim; 2] {
        [
            Claim::new("extra_data", hex::encode(&self.extra_data)),
            Claim::new("firmware_version", self.firmware_version),
        ]
    }

    /// The registers of the SHA-256 bank that are quoted, if nothing else is: one selection of three bytes, with at
    /// least one bit.
    pub(super) fn quoted(&self) -> Option<Mask> {
        let [
            PcrSelection {
                bank: SHA_256,
                select,
            },
        ] = self.selections.as_slice()
        else {
            return None;
        };
        let select: [u8; 3] = select.as_slice().try_into().ok()?;
        let mask = Mask(select);
        (mask.registers().next().is_some()).then_some(mask)
    }
}

/// Whether a quote can be as long as this.
///
/// # Errors
/// [`EvidenceParseError`]: shorter than one without signer, extra data and digest, or longer than 1 KiB.
pub(super) fn expect_length(message: &[u8]) -> Result<(), EvidenceParseError> {
    match message.len() {
        ..MIN_BYTES => Err(malformed("at least 45 bytes")),
        MIN_BYTES..=MAX_BYTES => Ok(()),
        found_bytes => Err(EvidenceParseError::TooLong {
            kind: KIND,
            limit_bytes: MAX_BYTES,
            found_bytes,
        }),
    }
}

/// Which of the registers 0 to 23.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mask([u8; 3]);

impl Mask {
    /// Their numbers, rising.
    pub(super) fn registers(self) -> impl Iterator<Item = u8> {
        (0..24_u8).filter(move |register| {
            let byte = self.0.get(usize::from(register / 8));
            byte.is_some_and(|byte| (byte >> (register % 8)) & 1 == 1)
        })
    }

    /// The quoted ones of `pcrs`, which are all 24, or the quoted ones alone in order; `None` for any other number.
    pub(super) fn of(self, pcrs: &[[u8; 32]]) -> Option<BTreeMap<u8, Digest<32>>> {
        let quoted = || self.registers();
        let of = |register: u8, value: &[u8; 32]| (register, Digest::from(*value));
        if pcrs.len() == 24 {
            let all = (0_u8..).zip(pcrs).filter(|(register, _)| {
                let mut quoted = quoted();
                quoted.any(|one| one == *register)
            });
            return Some(all.map(|(register, value)| of(register, value)).collect());
        }
        let pairs = quoted()
            .zip(pcrs)
            .map(|(register, value)| of(register, value));
        (quoted().count() == pcrs.len()).then(|| pairs.collect())
    }
}

fn sized<'a>(reader: &mut Reader<'a>, limit: usize) -> Option<&'a [u8]> {
    let length = usize::from(reader.u16_be()?);
    if length > limit {
        return None;
    }
    reader.slice(length)
}

fn clock_and_firmware(reader: &mut Reader<'_>) -> Option<u64> {
    reader.slice(16)?;
    let safe: &[u8; 1] = reader.array()?;
    let firmware: &[u8; 8] = reader.array()?;
    (safe[0] <= 1).then_some(u64::from_be_bytes(*firmware))
}

fn selections(reader: &mut Reader<'_>) -> Option<Vec<PcrSelection>> {
    let count = u32::from_be_bytes(*reader.array()?);
    if !(1..=MAX_SELECTIONS).contains(&count) {
        return None;
    }
    (0..count).map(|_| selection(reader)).collect()
}

fn selection(reader: &mut Reader<'_>) -> Option<PcrSelection> {
    let bank = reader.u16_be()?;
    let size: &[u8; 1] = reader.array()?;
    let size = usize::from(size[0]);
    if !(1..=MAX_SELECT_BYTES).contains(&size) {
        return None;
    }
    let select = reader.slice(size)?.to_vec();
    Some(PcrSelection { bank, select })
}

const fn malformed(expected: &'static str) -> EvidenceParseError {
    EvidenceParseError::Malformed {
        kind: KIND,
        expected,
    }
}

const KIND: &str = "TPM quote";
/// Magic, type, two empty lengths, clock, firmware version, one selection of one byte, and an empty length.
const MIN_BYTES: usize = 4 + 2 + 2 + 2 + 17 + 8 + 4 + 4 + 2;
const MAX_BYTES: usize = 1024;
const ATTEST_QUOTE: u16 = 0x8018;
/// `TPM2B_NAME`: an algorithm and a digest of at most 64 bytes.
const MAX_NAME_BYTES: usize = 68;
/// `TPM2B_DATA`.
const MAX_EXTRA_DATA_BYTES: usize = 64;
const MAX_DIGEST_BYTES: usize = 64;
const MAX_SELECTIONS: u32 = 16;
const MAX_SELECT_BYTES: usize = 4;
/// `TPM_ALG_SHA256`.
const SHA_256: u16 = 0x000B;
