//! Evidence of confidential virtual machines of Azure, whose processor is the paravisor's alone: the guest has
//! a TPM of the paravisor's making.
//!
//! 1. read NV index 0x01400001: the paravisor's report ("HCL report") with SNP report or TDREPORT in it, whose
//!    report data is the digest of data that name the attestation key;
//! 2. read NV index 0x01C101D0 where it is defined: the attestation key's certificate, padded;
//! 3. quote all registers of the SHA-256 bank by the attestation key 0x81000003, over the first 32 bytes of the
//!    report data;
//! 4. SNP: ask the metadata service for the processor's certificate, which the verifier can fetch too; TDX: ask
//!    it for a quote over the TDREPORT.
//!
//! The quote carries the binding, not the report: NV index 0x01400002, by which a guest can put data of its own
//! into the report, is shared by all programs of the machine, and is not used.

use std::io::{Read, Write};
use std::time::Duration;

use crate::tpm::Tpm;
use crate::{
    AttesterError, AzureVm, Collected, EvidenceSource, GuestData, Imds, PollEvery, Tcti, TpmError,
    Waiter,
};

/// The TPM and the metadata service of a confidential virtual machine of Azure.
pub struct AzureVtpm {
    tcti: Tcti,
    imds: Imds,
    waiter: Box<dyn Waiter + Send + Sync>,
    ak_intermediates: Vec<u8>,
}

/// What the paravisor's report holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hardware<'a> {
    Snp { report: &'a [u8] },
    Tdx { report: &'a [u8] },
}

impl AzureVtpm {
    /// The TPM reached by `tcti`, and the metadata service.
    #[must_use]
    pub fn new(tcti: Tcti, imds: Imds) -> Self {
        Self::with_waiter(tcti, imds, Box::new(TPM_IS_BUSY))
    }

    /// The same with another way to wait for a TPM that is busy.
    #[must_use]
    pub fn with_waiter(tcti: Tcti, imds: Imds, waiter: Box<dyn Waiter + Send + Sync>) -> Self {
        Self {
            tcti,
            imds,
            waiter,
            ak_intermediates: Vec::new(),
        }
    }

    /// With the authorities between the attestation key's certificate and Azure's root for virtual TPMs, PEM. The TPM
    /// does not have them, and a policy that demands a certified key needs them. They are sent as they are, at most
    /// four certificates: whoever appraises the evidence believes its own root alone, and refuses it with certificates
    /// that do not lead there, or that have expired.
    #[must_use]
    pub fn with_ak_intermediates(mut self, pem: Vec<u8>) -> Self {
        self.ak_intermediates = pem;
        self
    }

    /// Whether the TPM has a paravisor's report.
    pub(crate) fn has_report(tcti: &Tcti) -> Result<bool, TpmError> {
        let mut tpm = Tpm::open(tcti, &TPM_IS_BUSY)?;
        Ok(tpm.nv_public(HCL_REPORT)?.is_some())
    }

    fn of_tpm(&self, carried: &GuestData) -> Result<AzureVm, AttesterError> {
        // Before the TPM is opened.
        let extra_data = extra_data(carried)?;
        let mut vm = AzureVm::of_tpm(self.open_tpm()?, extra_data)?;
        if !vm.ak_certificate.is_empty() {
            vm.ak_intermediates = self.ak_intermediates.clone();
        }
        Ok(vm)
    }

    pub(crate) fn open_tpm(&self) -> Result<Tpm<'_>, TpmError> {
        Tpm::open(&self.tcti, &*self.waiter)
    }
}

impl AzureVm {
    /// The same over a TPM that was opened already, in whatever way: each write is a command, each answer is read
    /// until it is whole. Errors name it by `tcti`.
    ///
    /// # Errors
    /// [`AttesterError::Tpm`]; [`AttesterError::NoParavisor`]; [`AttesterError::SecondHalf`].
    pub fn read(
        stream: impl Read + Write + 'static,
        tcti: &Tcti,
        waiter: &dyn Waiter,
        carried: &GuestData,
    ) -> Result<Self, AttesterError> {
        let tpm = Tpm::over(Box::new(stream), tcti, waiter);
        Self::of_tpm(tpm, extra_data(carried)?)
    }

    fn of_tpm(mut tpm: Tpm<'_>, extra_data: &[u8; 32]) -> Result<Self, AttesterError> {
        let hcl = tpm
            .nv_read(HCL_REPORT, MAX_HCL_BYTES)?
            .ok_or(AttesterError::NoParavisor)?;
        let certificate = tpm.nv_read(AK_CERTIFICATE, MAX_CERTIFICATE_BYTES)?;
        let quote = tpm.quote(AK, extra_data)?;
        let ak_certificate = without_padding(&certificate.unwrap_or_default()).to_vec();
        Ok(Self {
            hcl,
            quote,
            ak_certificate,
            ak_intermediates: Vec::new(),
        })
    }
}

/// What a TPM's quote has room for: the first half, with zeros behind it.
fn extra_data(carried: &GuestData) -> Result<&[u8; 32], AttesterError> {
    let halves = carried.as_bytes().split_first_chunk::<32>();
    let (first, rest) = halves.ok_or(NO_HALF)?;
    match rest.iter().all(|byte| *byte == 0) {
        true => Ok(first),
        false => Err(NO_HALF),
    }
}

impl EvidenceSource for AzureVtpm {
    fn name(&self) -> &'static str {
        NAME
    }

    fn gather(&self, report_data: &GuestData) -> Result<Collected, AttesterError> {
        let vm = self.of_tpm(report_data)?;
        let collected = match hardware(&vm.hcl).ok_or(AttesterError::Paravisor)? {
            Hardware::Snp { .. } => {
                // Without it the verifier asks AMD: no reason to fail.
                let vek = self.imds.amd_certificates().ok();
                Collected::AzureSnp { vm, vek }
            }
            Hardware::Tdx { report } => {
                let td_quote = self.imds.td_quote(report)?;
                Collected::AzureTdx { vm, td_quote }
            }
        };
        if !collected.carries(report_data) {
            return Err(AttesterError::OtherReportData { source_name: NAME });
        }
        Ok(collected)
    }
}

impl std::fmt::Debug for AzureVtpm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AzureVtpm")
            .field("tcti", &self.tcti)
            .field("imds", &self.imds)
            .finish_non_exhaustive()
    }
}

/// Header of 32 bytes that begins with `HCLA`; the hardware's report in 1184 bytes; sizes and kinds, little-endian.
pub(crate) fn hardware(hcl: &[u8]) -> Option<Hardware<'_>> {
    hcl.starts_with(b"HCLA").then_some(())?;
    let kind = u32_le(hcl, KIND_OFFSET)?;
    let report = hcl.get(REPORT_OFFSET..)?;
    match kind {
        2 => {
            let report = report.get(..SNP_REPORT_BYTES)?;
            Some(Hardware::Snp { report })
        }
        4 => {
            let report = report.get(..TDREPORT_BYTES)?;
            Some(Hardware::Tdx { report })
        }
        _ => None,
    }
}

/// The paravisor's data, exactly as their digest in the hardware's report covers them.
pub(crate) fn paravisor_data(hcl: &[u8]) -> Option<&[u8]> {
    let size = usize::try_from(u32_le(hcl, DATA_SIZE_OFFSET)?).ok()?;
    hcl.get(DATA_OFFSET..)?.get(..size)
}

fn u32_le(hcl: &[u8], offset: usize) -> Option<u32> {
    let bytes = hcl.get(offset..)?.first_chunk::<4>()?;
    Some(u32::from_le_bytes(*bytes))
}

/// The DER value at the start of a padded area: `SEQUENCE` with a length in two bytes, as certificates have it.
/// Nothing when the area starts with anything else: an area of zeros has no certificate yet.
fn without_padding(area: &[u8]) -> &[u8] {
    let Some((&[0x30, 0x82, high, low], _)) = area.split_first_chunk::<4>() else {
        return &[];
    };
    let size = usize::from(u16::from_be_bytes([high, low])).saturating_add(4);
    area.get(..size).unwrap_or_default()
}

pub(crate) const NAME: &str = "Azure vTPM";
const NO_HALF: AttesterError = AttesterError::SecondHalf { source_name: NAME };
pub(crate) const HCL_REPORT: u32 = 0x0140_0001;
const AK_CERTIFICATE: u32 = 0x01C1_01D0;
pub(crate) const AK: u32 = 0x8100_0003;
const REPORT_OFFSET: usize = 0x20;
const TDREPORT_BYTES: usize = 1024;
const SNP_REPORT_BYTES: usize = 1184;
const KIND_OFFSET: usize = 0x4C8;
const DATA_SIZE_OFFSET: usize = 0x4D0;
const DATA_OFFSET: usize = 0x4D4;
/// Such reports have some 2,600 bytes.
const MAX_HCL_BYTES: usize = 16 * 1024;
const MAX_CERTIFICATE_BYTES: usize = 8 * 1024;
/// The resource manager and other programs: 5 s.
const TPM_IS_BUSY: PollEvery = PollEvery {
    pause: Duration::from_millis(50),
    attempts: 100,
};

#[cfg(test)]
mod tests;
