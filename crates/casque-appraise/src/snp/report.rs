//! The report itself (AMD publication 56860, SNP Firmware ABI, table "ATTESTATION_REPORT").
//!
//! ```text
//! 000 version 4 | guest SVN 4 | policy 8 | family id 16 | image id 16
//! 030 VMPL 4 | signature algorithm 4 | current TCB 8 | platform info 8 | key info 4 | reserved 4
//! 050 report data 64 | 090 measurement 48 | 0C0 host data 32 | 0E0 id key digest 48 | 110 author key digest 48
//! 140 report id 32 | 160 report id of the migration agent 32 | 180 reported TCB 8
//! 188 family 1 | model 1 | stepping 1 (version 3 on) | reserved 21 | 1A0 chip id 64 | 1E0 committed TCB 8
//! 1E8 current build, minor, major 3 | reserved 1 | committed build, minor, major 3 | reserved 1
//! 1F0 launch TCB 8 | launch and current mitigation vector 16 (version 5 on) | reserved 152
//! 2A0 signature: r 72, s 72, reserved 368
//! ```
//! Integers are little endian, `r` and `s` too. The signature goes over the first 0x2A0 bytes as they came.
//! Reserved bytes that are signed may be anything: newer firmware gives them a meaning. Those behind `r` and `s`
//! and in their upper 24 bytes, which nobody signs, are zero: anything else is no signature.
//!
//! Reading judges the length alone. Whether the layout is one that is known ([`SnpReport::layout`]) is told behind the
//! signature: a report that somebody changed is not authentic, whichever field it was.

use casque_types::{Digest, SnpIdentity, SnpProduct, SnpSigner, SnpTcb};

use crate::EvidenceParseError;
use crate::bytes::Reader;

/// A report, parsed, not verified: whatever it says, anyone may have written, its version too.
#[derive(Clone, Debug)]
pub struct SnpReport {
    bytes: Vec<u8>,
    pub(super) version: u32,
    pub(super) policy: u64,
    pub(super) platform_info: u64,
    pub(super) key_info: u32,
    pub(super) identity: SnpIdentity,
    report_data: [u8; 64],
    pub(super) report_id_ma: Digest<32>,
    pub(super) tcb: RawTcbs,
    signature_algorithm: u32,
    /// Family, model, stepping; in versions 3 to 5.
    pub(super) cpuid: Option<[u8; 3]>,
    pub(super) chip_id: [u8; 64],
    pub(super) current_version: Firmware,
    pub(super) committed_version: Firmware,
    /// At launch and now; in version 5.
    pub(super) mitigations: Option<[u64; 2]>,
    /// `r || s`, big endian, 48 bytes each; `None`: a number is too large, or something is behind them.
    signature: Option<[u8; 96]>,
}

/// The four levels, not read yet: their layout depends on the generation.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawTcbs {
    pub(super) current: RawTcb,
    pub(super) reported: RawTcb,
    pub(super) committed: RawTcb,
    pub(super) launch: RawTcb,
}

/// `TCB_VERSION`.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawTcb(pub(super) [u8; 8]);

impl RawTcb {
    /// The components as a generation lays them out.
    pub(super) const fn of(self, product: SnpProduct) -> SnpTcb {
        match (product, self.0) {
            (
                SnpProduct::Milan | SnpProduct::Genoa,
                [bootloader, tee, _, _, _, _, snp, microcode],
            ) => SnpTcb {
                fmc: None,
                bootloader,
                tee,
                snp,
                microcode,
            },
            (SnpProduct::Turin, [fmc, bootloader, tee, snp, _, _, _, microcode]) => SnpTcb {
                fmc: Some(fmc),
                bootloader,
                tee,
                snp,
                microcode,
            },
        }
    }
}

/// A version of the SNP firmware.
#[derive(Clone, Copy, Debug)]
pub(super) struct Firmware {
    pub(super) major: u8,
    pub(super) minor: u8,
    pub(super) build: u8,
}

impl SnpReport {
    /// Reads exactly 1184 bytes.
    ///
    /// # Errors
    /// [`EvidenceParseError`]: there are more or fewer.
    pub fn parse(bytes: &[u8]) -> Result<Self, EvidenceParseError> {
        if bytes.len() > Self::BYTES {
            return Err(EvidenceParseError::TooLong {
                kind: KIND,
                limit_bytes: Self::BYTES,
                found_bytes: bytes.len(),
            });
        }
        Self::read(bytes).ok_or(malformed("1184 bytes"))
    }

    /// Whether it is of a version that is known, and one that a guest asked for. The rest of this type is read as of
    /// versions 2 to 5 in any case.
    ///
    /// # Errors
    /// [`EvidenceParseError::Malformed`] says what should have stood at the first place that is not as it should be.
    pub fn layout(&self) -> Result<(), EvidenceParseError> {
        if !(2..=5).contains(&self.version) {
            return Err(malformed("version 2 to 5 in its header"));
        }
        if self.signature_algorithm != ECDSA_P384_SHA384 {
            return Err(malformed(
                "signature algorithm 1 (ECDSA P-384 with SHA-384)",
            ));
        }
        if self.identity.vmpl > 3 {
            // 0xFFFFFFFF is a report that the hypervisor asked for.
            return Err(malformed(
                "a privilege level (VMPL) of 0 to 3: a report that the guest asked for",
            ));
        }
        Ok(())
    }

    /// The bytes as they came.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The 64 bytes that the guest chose.
    #[must_use]
    pub const fn report_data(&self) -> &[u8; 64] {
        &self.report_data
    }

    /// The guest that it claims to be from.
    #[must_use]
    pub const fn claimed_identity(&self) -> &SnpIdentity {
        &self.identity
    }

    /// The generation by family and model of the processor; `None` before version 3, and for processors that
    /// are not known.
    #[must_use]
    pub fn product(&self) -> Option<SnpProduct> {
        let [family, model, _] = self.cpuid?;
        product_of_cpuid(family, model)
    }

    /// Which key it says that it was signed with; `None` where it says none or an unknown one.
    #[must_use]
    pub const fn signer(&self) -> Option<SnpSigner> {
        match self.signing_key() {
            0 => Some(SnpSigner::Vcek),
            1 => Some(SnpSigner::Vlek),
            _ => None,
        }
    }

    /// `SIGNING_KEY` of `KEY_INFO`: 0 VCEK, 1 VLEK, 7 none.
    pub(super) const fn signing_key(&self) -> u32 {
        self.key_info >> 2 & 7
    }

    /// What the signature goes over.
    pub(super) fn signed_bytes(&self) -> &[u8] {
        self.bytes.get(..SIGNATURE_AT).unwrap_or_default()
    }

    /// `r || s`, big endian; `None`: what stands in their place is none.
    pub(super) const fn signature(&self) -> Option<&[u8; 96]> {
        self.signature.as_ref()
    }

    /// Whether the chip's id is masked: all zeros.
    pub(super) fn chip_is_masked(&self) -> bool {
        self.chip_id == [0; 64]
    }

    /// The chip's id as AMD's key service names chips of a generation: 64 bytes, 8 on Turin.
    pub(super) fn chip_id_of(&self, product: SnpProduct) -> &[u8] {
        let (short, _) = self.chip_id.split_at(TURIN_CHIP_ID_BYTES);
        match product {
            SnpProduct::Milan | SnpProduct::Genoa => &self.chip_id,
            SnpProduct::Turin => short,
        }
    }

    /// Whether it is of this chip, all 64 bytes judged.
    pub(super) fn is_of_chip(&self, hwid: &[u8]) -> bool {
        let (id, rest) = self
            .chip_id
            .split_at_checked(hwid.len())
            .unwrap_or_default();
        !hwid.is_empty() && id == hwid && rest.iter().all(|byte| *byte == 0)
    }

    /// `None`: too few bytes. That there are not too many, the caller has seen.
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let head = Head::read(&mut reader)?;
        let report_data = *reader.array()?;
        let digests = Digests::read(&mut reader)?;
        let reported = RawTcb(*reader.array()?);
        let cpuid = *reader.array::<3>()?;
        reader.array::<21>()?;
        let chip_id = *reader.array()?;
        let committed = RawTcb(*reader.array()?);
        let current_version = firmware(&mut reader)?;
        let committed_version = firmware(&mut reader)?;
        let launch = RawTcb(*reader.array()?);
        let mitigations = [u64_le(&mut reader)?, u64_le(&mut reader)?];
        reader.array::<152>()?;
        let (r, s) = (reader.array()?, reader.array()?);
        let behind = reader.array::<368>()?;
        let signature = signature_of(r, s).filter(|_| *behind == [0; 368]);
        Some(Self {
            bytes: bytes.to_vec(),
            version: head.version,
            policy: head.policy,
            platform_info: head.platform_info,
            key_info: head.key_info,
            identity: identity_of(&head, &digests),
            report_data,
            report_id_ma: digests.report_id_ma,
            tcb: RawTcbs {
                current: head.current_tcb,
                reported,
                committed,
                launch,
            },
            signature_algorithm: head.signature_algorithm,
            cpuid: (3..=5).contains(&head.version).then_some(cpuid),
            chip_id,
            current_version,
            committed_version,
            mitigations: (head.version == 5).then_some(mitigations),
            signature,
        })
    }

    /// The length of a report.
    pub const BYTES: usize = 1184;
}

/// The first 0x50 bytes.
struct Head {
    version: u32,
    guest_svn: u32,
    policy: u64,
    family_id: Digest<16>,
    image_id: Digest<16>,
    vmpl: u32,
    signature_algorithm: u32,
    current_tcb: RawTcb,
    platform_info: u64,
    key_info: u32,
}

impl Head {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let head = Self {
            version: u32_le(reader)?,
            guest_svn: u32_le(reader)?,
            policy: u64_le(reader)?,
            family_id: digest(reader)?,
            image_id: digest(reader)?,
            vmpl: u32_le(reader)?,
            signature_algorithm: u32_le(reader)?,
            current_tcb: RawTcb(*reader.array()?),
            platform_info: u64_le(reader)?,
            key_info: u32_le(reader)?,
        };
        reader.array::<4>()?;
        Some(head)
    }
}

/// From 0x90 to 0x180.
struct Digests {
    measurement: Digest<48>,
    host_data: Digest<32>,
    id_key_digest: Digest<48>,
    author_key_digest: Digest<48>,
    report_id: Digest<32>,
    report_id_ma: Digest<32>,
}

impl Digests {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            measurement: digest(reader)?,
            host_data: digest(reader)?,
            id_key_digest: digest(reader)?,
            author_key_digest: digest(reader)?,
            report_id: digest(reader)?,
            report_id_ma: digest(reader)?,
        })
    }
}

const fn identity_of(head: &Head, digests: &Digests) -> SnpIdentity {
    SnpIdentity {
        measurement: digests.measurement,
        host_data: digests.host_data,
        id_key_digest: digests.id_key_digest,
        author_key_digest: digests.author_key_digest,
        family_id: head.family_id,
        image_id: head.image_id,
        report_id: digests.report_id,
        guest_svn: head.guest_svn,
        vmpl: head.vmpl,
        debug: head.policy >> 19 & 1 == 1,
        migration_allowed: head.policy >> 18 & 1 == 1,
        smt_allowed: head.policy >> 16 & 1 == 1,
    }
}

/// Family and model as CPUID combines them from base and extension. Ranges: AMD publication 57230, table of
/// products, and the public verifiers that follow it; 19h/A0h to AFh (Bergamo, Siena) are under Genoa's root.
const fn product_of_cpuid(family: u8, model: u8) -> Option<SnpProduct> {
    match (family, model) {
        (0x19, 0x00..=0x0F) => Some(SnpProduct::Milan),
        (0x19, 0x10..=0x1F | 0xA0..=0xAF) => Some(SnpProduct::Genoa),
        (0x1A, 0x00..=0x11) => Some(SnpProduct::Turin),
        _ => None,
    }
}

/// Both numbers big endian, 48 bytes each; `None` where one has more.
fn signature_of(r: &[u8; 72], s: &[u8; 72]) -> Option<[u8; 96]> {
    let mut signature = [0; 96];
    let (first, second) = signature.split_at_mut(48);
    for (number, place) in [(r, first), (s, second)] {
        let (low, high) = number.split_at(48);
        if high.iter().any(|byte| *byte != 0) {
            return None;
        }
        place.copy_from_slice(low);
        place.reverse();
    }
    Some(signature)
}

fn u32_le(reader: &mut Reader<'_>) -> Option<u32> {
    reader.array().copied().map(u32::from_le_bytes)
}

fn u64_le(reader: &mut Reader<'_>) -> Option<u64> {
    reader.array().copied().map(u64::from_le_bytes)
}

fn digest<const N: usize>(reader: &mut Reader<'_>) -> Option<Digest<N>> {
    reader.array::<N>().copied().map(Digest::from)
}

fn firmware(reader: &mut Reader<'_>) -> Option<Firmware> {
    let [build, minor, major, _] = *reader.array::<4>()?;
    Some(Firmware {
        major,
        minor,
        build,
    })
}

pub(super) const fn malformed(expected: &'static str) -> EvidenceParseError {
    EvidenceParseError::Malformed {
        kind: KIND,
        expected,
    }
}

const KIND: &str = "SNP report";
const ECDSA_P384_SHA384: u32 = 1;
const SIGNATURE_AT: usize = 0x2A0;
const TURIN_CHIP_ID_BYTES: usize = 8;
