//! The blob that the paravisor keeps in NV index 0x01400001 of the virtual TPM (HCL: host compatibility layer).
//!
//! ```text
//! 0x000 `HCLA` 4 | version 4 | report size 4 | request type 4 | status 4 | reserved 12
//! 0x020 hardware report 1184: a report of SNP, or a TDREPORT of 1024 and zeros
//! 0x4C0 data size 4 | version 4 | report type 4 | hash type 4 | length 4
//! 0x4D4 the paravisor's data, JSON, then zeros to the end of the index
//! ```
//! Integers are little endian. Only the data are covered, by their digest in the hardware report; the rest of the
//! frame is nobody's statement. Source: real blobs of both kinds, versions 1 and 2 (spec/evidence.md section 2.3).

use crate::EvidenceParseError;
use crate::bytes::Reader;

/// The parts of a blob that count.
#[derive(Debug)]
pub(super) struct HclReport<'a> {
    /// Which TEE the hardware report is of.
    pub(super) kind: HclKind,
    /// 1184 bytes.
    pub(super) hardware_report: &'a [u8],
    /// The paravisor's data, exactly as hashed.
    pub(super) data: &'a [u8],
}

/// The type of the hardware report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HclKind {
    /// A report of SEV-SNP.
    Snp,
    /// A TDREPORT.
    Tdx,
}

impl<'a> HclReport<'a> {
    /// Reads a blob of at most 4 KiB.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, EvidenceParseError> {
        if bytes.len() > MAX_BYTES {
            return Err(EvidenceParseError::TooLong {
                kind: KIND,
                limit_bytes: MAX_BYTES,
                found_bytes: bytes.len(),
            });
        }
        let mut reader = Reader::new(bytes);
        expect_header(&mut reader).ok_or(malformed(
            "`HCLA`, version 1 or 2, and a header of 32 bytes",
        ))?;
        let hardware_report = reader
            .slice(HARDWARE_REPORT_BYTES)
            .ok_or(malformed("a hardware report in 1184 bytes"))?;
        let (kind, length) = parse_data_header(&mut reader)?;
        let data = reader
            .slice(length)
            .ok_or(malformed("as many bytes of data as their length says"))?;
        let padding = reader.rest();
        if padding.iter().any(|byte| *byte != 0) {
            return Err(malformed("nothing but zeros behind the data"));
        }
        Ok(Self {
            kind,
            hardware_report,
            data,
        })
    }
}

fn expect_header(reader: &mut Reader<'_>) -> Option<()> {
    let magic: &[u8; 4] = reader.array()?;
    let version = reader.u32_le()?;
    reader.slice(HEADER_REST_BYTES)?;
    (magic == b"HCLA" && VERSIONS.contains(&version)).then_some(())
}

fn parse_data_header(reader: &mut Reader<'_>) -> Result<(HclKind, usize), EvidenceParseError> {
    let short = malformed("a header of 20 bytes before the data");
    let mut next = || reader.u32_le().ok_or(short.clone());
    let (data_size, _version) = (next()?, next()?);
    let (report_type, hash_type, length) = (next()?, next()?, next()?);
    let kind = match report_type {
        2 => HclKind::Snp,
        4 => HclKind::Tdx,
        _ => return Err(malformed("report type 2 (SNP) or 4 (TDX)")),
    };
    if hash_type != HASH_SHA_256 {
        return Err(malformed("hash type 1 (SHA-256)"));
    }
    if length.checked_add(DATA_HEADER_BYTES) != Some(data_size) {
        return Err(malformed("a data size of 20 and the length of the data"));
    }
    let length = usize::try_from(length).map_err(|_| short)?;
    Ok((kind, length))
}

const fn malformed(expected: &'static str) -> EvidenceParseError {
    EvidenceParseError::Malformed {
        kind: KIND,
        expected,
    }
}

const KIND: &str = "HCL report";
const MAX_BYTES: usize = 4096;
const HARDWARE_REPORT_BYTES: usize = 1184;
/// Report size, request type, status, reserved.
const HEADER_REST_BYTES: usize = 24;
const VERSIONS: [u32; 2] = [1, 2];
const HASH_SHA_256: u32 = 1;
const DATA_HEADER_BYTES: u32 = 20;
