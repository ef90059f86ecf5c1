//! Reports of version 2 to 5, valid or bent in one place; the layout is drawn in `casque_appraise`.

use casque_types::{SnpIdentity, SnpProduct, SnpSigner, SnpTcb};

use super::SnpSoftwarePlatform;
use super::vek::SoftwareVek;
use crate::sgx::SoftwareTeeError;

/// What a report is to say.
#[derive(Clone, Debug)]
pub struct ReportSpec {
    /// Version 2 to 5.
    pub version: u32,
    /// The guest; its flags make the policy.
    pub identity: SnpIdentity,
    /// The 64 bytes that it chose.
    pub report_data: [u8; 64],
    /// Which key signs.
    pub signer: SnpSigner,
    /// `PLATFORM_INFO`.
    pub platform_info: u64,
    /// What is wrong with it.
    pub flaw: Option<ReportFlaw>,
}

/// One thing wrong with a report; it is signed all the same, unless the signature is it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportFlaw {
    /// Changed after it was signed.
    Signature,
    /// Not signed: zeros.
    Unsigned,
    /// The signature's numbers have a bit above the 384th.
    LongSignature,
    /// Of this version; says and lays out all else as before.
    Version(u32),
    /// With this algorithm.
    SignatureAlgorithm(u32),
    /// `SIGNING_KEY` of `KEY_INFO`.
    SigningKey(u32),
    /// Family, model, stepping.
    Cpuid([u8; 3]),
    /// From another chip.
    OtherChip,
    /// The chip's id is zero.
    MaskedChip,
    /// Behind the 8 bytes of a Turin's chip id there is something.
    LongChipId,
    /// Made at this level.
    ReportedTcb(SnpTcb),
    /// A byte is behind it.
    TrailingByte,
    /// Its last byte is missing.
    CutOff,
}

impl ReportSpec {
    /// A valid report of version 3, signed by the VCEK.
    #[must_use]
    pub const fn new(identity: SnpIdentity, report_data: [u8; 64]) -> Self {
        Self {
            version: 3,
            identity,
            report_data,
            signer: SnpSigner::Vcek,
            platform_info: 0x27,
            flaw: None,
        }
    }

    /// The same of another version.
    #[must_use]
    pub const fn of_version(mut self, version: u32) -> Self {
        self.version = version;
        self
    }

    /// The same signed by another kind of key.
    #[must_use]
    pub const fn signed_by(mut self, signer: SnpSigner) -> Self {
        self.signer = signer;
        self
    }

    /// The same with one thing wrong.
    #[must_use]
    pub const fn with_flaw(mut self, flaw: ReportFlaw) -> Self {
        self.flaw = Some(flaw);
        self
    }

    fn policy(&self) -> u64 {
        let identity = &self.identity;
        POLICY_ABI
            | 1 << 17
            | u64::from(identity.smt_allowed) << 16
            | u64::from(identity.migration_allowed) << 18
            | u64::from(identity.debug) << 19
    }

    /// `KEY_INFO`.
    const fn key_info(&self) -> u32 {
        let signing_key = match (self.flaw, self.signer) {
            (Some(ReportFlaw::SigningKey(other)), _) => other,
            (_, SnpSigner::Vcek) => 0,
            (_, SnpSigner::Vlek) => 1,
        };
        signing_key << 2
    }
}

pub(super) fn encode(
    platform: &SnpSoftwarePlatform,
    spec: &ReportSpec,
    vek: &SoftwareVek,
) -> Result<Vec<u8>, SoftwareTeeError> {
    let mut report = head(platform, spec);
    report.extend(body(platform, spec));
    report.resize(REPORT_BYTES, 0);
    if spec.flaw != Some(ReportFlaw::Unsigned) {
        sign(&mut report, vek)?;
    }
    match spec.flaw {
        Some(ReportFlaw::Signature) => change_byte(&mut report, MEASUREMENT_AT),
        Some(ReportFlaw::LongSignature) => change_byte(&mut report, SIGNATURE_AT + 48),
        Some(ReportFlaw::TrailingByte) => report.push(0),
        Some(ReportFlaw::CutOff) => drop(report.pop()),
        _ => {}
    }
    Ok(report)
}

/// Puts the signature over the first 0x2A0 bytes in its place.
pub(super) fn sign(report: &mut [u8], vek: &SoftwareVek) -> Result<(), SoftwareTeeError> {
    let Some((signed, rest)) = report.split_at_mut_checked(SIGNATURE_AT) else {
        return Err(SoftwareTeeError::TooLong);
    };
    let mut signature = vek.sign(signed)?;
    let (r, s) = signature.split_at_mut(48);
    r.reverse();
    s.reverse();
    let field = [&*r, &[0; 24], &*s, &[0; 24]].concat();
    let place = rest
        .get_mut(..field.len())
        .ok_or(SoftwareTeeError::TooLong)?;
    place.copy_from_slice(&field);
    Ok(())
}

fn head(platform: &SnpSoftwarePlatform, spec: &ReportSpec) -> Vec<u8> {
    let identity = &spec.identity;
    let (mut version, mut algorithm) = (spec.version, 1);
    match spec.flaw {
        Some(ReportFlaw::Version(other)) => version = other,
        Some(ReportFlaw::SignatureAlgorithm(other)) => algorithm = other,
        _ => {}
    }
    let mut head = Vec::with_capacity(REPORT_BYTES);
    head.extend(version.to_le_bytes());
    head.extend(identity.guest_svn.to_le_bytes());
    head.extend(spec.policy().to_le_bytes());
    head.extend(identity.family_id.as_bytes());
    head.extend(identity.image_id.as_bytes());
    head.extend(identity.vmpl.to_le_bytes());
    head.extend(u32::to_le_bytes(algorithm));
    head.extend(level(platform.product, &platform.tcb));
    head.extend(spec.platform_info.to_le_bytes());
    head.extend(spec.key_info().to_le_bytes());
    head.extend([0; 4]);
    head.extend(spec.report_data);
    head.extend(identity.measurement.as_bytes());
    head.extend(identity.host_data.as_bytes());
    head.extend(identity.id_key_digest.as_bytes());
    head.extend(identity.author_key_digest.as_bytes());
    head.extend(identity.report_id.as_bytes());
    head.extend([0xFF; 32]);
    head
}

fn body(platform: &SnpSoftwarePlatform, spec: &ReportSpec) -> Vec<u8> {
    let own = level(platform.product, &platform.tcb);
    let (mut reported, mut cpuid) = (own, platform.cpuid);
    match spec.flaw {
        Some(ReportFlaw::ReportedTcb(other)) => reported = level(platform.product, &other),
        Some(ReportFlaw::Cpuid(other)) => cpuid = other,
        _ => {}
    }
    if spec.version < 3 {
        cpuid = [0; 3];
    }
    let mut body = Vec::with_capacity(0x120);
    body.extend(reported);
    body.extend(cpuid);
    body.extend([0; 21]);
    body.extend(chip_id(platform, spec));
    body.extend(own);
    for _ in ["current", "committed"] {
        body.extend(FIRMWARE);
    }
    body.extend(own);
    if spec.version >= 5 {
        body.extend([7, 0, 0, 0, 0, 0, 0, 0]);
        body.extend([7, 0, 0, 0, 0, 0, 0, 0]);
    }
    body
}

fn chip_id(platform: &SnpSoftwarePlatform, spec: &ReportSpec) -> Vec<u8> {
    let mut id = platform.chip_id.clone();
    id.resize(64, 0);
    let masked = spec.flaw == Some(ReportFlaw::MaskedChip) || spec.signer == SnpSigner::Vlek;
    match spec.flaw {
        Some(ReportFlaw::OtherChip) => change_byte(&mut id, 0),
        Some(ReportFlaw::LongChipId) => change_byte(&mut id, 63),
        _ if masked => id.fill(0),
        _ => {}
    }
    id
}

/// `TCB_VERSION`.
fn level(product: SnpProduct, tcb: &SnpTcb) -> [u8; 8] {
    let SnpTcb {
        fmc,
        bootloader,
        tee,
        snp,
        microcode,
    } = *tcb;
    match product {
        SnpProduct::Milan | SnpProduct::Genoa => [bootloader, tee, 0, 0, 0, 0, snp, microcode],
        SnpProduct::Turin => [
            fmc.unwrap_or_default(),
            bootloader,
            tee,
            snp,
            0,
            0,
            0,
            microcode,
        ],
    }
}

fn change_byte(bytes: &mut [u8], at: usize) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1;
    }
}

const REPORT_BYTES: usize = 1184;
const SIGNATURE_AT: usize = 0x2A0;
const MEASUREMENT_AT: usize = 0x90;
/// ABI 0.31 at least, as Azure's guests have it.
const POLICY_ABI: u64 = 0x1F;
/// Build 29, minor 55, major 1.
const FIRMWARE: [u8; 4] = [29, 55, 1, 0];
