//! Evidence from the devices of SNP and TDX guests, for kernels without configfs-tsm (before Linux 6.7).
//!
//! The firmware's answer to an SNP guest (AMD SEV-SNP ABI 56860, table 26): status (u32, 0 is success), size of the
//! report (u32), 24 reserved bytes, the report. The host's table of certificates comes in a buffer of its own.
//!
//! A TDX guest gets a `TDREPORT`, which only this machine can check: Azure's metadata service makes a quote of it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use casque_ioctl::{SnpRefusal, SnpRequest, snp_report, tdx_report};

use crate::{AttesterError, Collected, EvidenceSource, GuestData, Imds, PollEvery, Wait, Waiter};

/// The device of SNP guests.
#[derive(Clone, Debug)]
pub struct SevGuest {
    path: PathBuf,
}

/// The device of TDX guests, and Azure's metadata service.
#[derive(Debug)]
pub struct TdxGuest {
    path: PathBuf,
    imds: Imds,
}

impl SevGuest {
    /// The device at `path`, which is `/dev/sev-guest`.
    #[must_use]
    pub const fn new(path: PathBuf) -> Self {
        Self { path }
    }

    fn refused(&self, source: SnpRefusal) -> AttesterError {
        AttesterError::SnpDevice {
            path: self.path.clone(),
            source,
        }
    }

    /// The answer at one privilege level, with the host's certificates where they fit.
    fn ask(&self, device: &File, request: &SnpRequest) -> Result<Asked, AttesterError> {
        let mut certificates = vec![0; MAX_CERTIFICATE_BYTES];
        match until_ready(|| snp_report(device, request, &mut certificates)) {
            Ok(answer) => Ok((answer.to_vec(), table(certificates))),
            // The server can fetch them.
            Err(refusal) if refusal.is_too_short() => {
                let answer = until_ready(|| snp_report(device, request, &mut []));
                let answer = answer.map_err(|refusal| self.refused(refusal))?;
                Ok((answer.to_vec(), Vec::new()))
            }
            Err(refusal) => Err(self.refused(refusal)),
        }
    }
}

/// The firmware's answer, and the host's table of certificates.
type Asked = (Vec<u8>, Vec<u8>);

impl EvidenceSource for SevGuest {
    fn name(&self) -> &'static str {
        SEV_GUEST
    }

    fn gather(&self, report_data: &GuestData) -> Result<Collected, AttesterError> {
        let device = open(SEV_GUEST, &self.path)?;
        // The firmware states no level below the guest's own, which the guest does not know.
        for vmpl in 0..=MAX_VMPL {
            let request = SnpRequest {
                report_data: *report_data.as_bytes(),
                vmpl,
            };
            let (answer, certificates) = self.ask(&device, &request)?;
            let report = match report_in(&answer).ok_or_else(|| self.malformed())? {
                Ok(report) => report.to_vec(),
                Err(INVALID_PARAMETERS) if vmpl < MAX_VMPL => continue,
                Err(status) => {
                    let path = self.path.clone();
                    return Err(AttesterError::SnpStatus { path, status });
                }
            };
            let collected = Collected::SnpReport {
                report,
                certificates,
            };
            return match collected.carries(report_data) {
                true => Ok(collected),
                false => Err(self.malformed()),
            };
        }
        Err(self.malformed())
    }
}

impl SevGuest {
    fn malformed(&self) -> AttesterError {
        AttesterError::SnpAnswer {
            path: self.path.clone(),
        }
    }
}

impl TdxGuest {
    /// The device at `path`, which is `/dev/tdx_guest`.
    #[must_use]
    pub const fn new(path: PathBuf, imds: Imds) -> Self {
        Self { path, imds }
    }
}

impl EvidenceSource for TdxGuest {
    fn name(&self) -> &'static str {
        TDX_GUEST
    }

    fn gather(&self, report_data: &GuestData) -> Result<Collected, AttesterError> {
        let device = open(TDX_GUEST, &self.path)?;
        let report = tdx_report(&device, report_data.as_bytes());
        let report = report.map_err(|source| failed(TDX_GUEST, "ask", &self.path, source))?;
        let collected = Collected::TdxQuote(self.imds.td_quote(&report)?);
        match collected.carries(report_data) {
            true => Ok(collected),
            false => Err(AttesterError::OtherReportData {
                source_name: TDX_GUEST,
            }),
        }
    }
}

fn open(source_name: &'static str, path: &Path) -> Result<File, AttesterError> {
    let device = File::options().read(true).write(true).open(path);
    device.map_err(|source| failed(source_name, "open", path, source))
}

fn failed(
    source_name: &'static str,
    action: &'static str,
    path: &Path,
    source: io::Error,
) -> AttesterError {
    AttesterError::File {
        source_name,
        action,
        path: path.to_owned(),
        source,
    }
}

fn until_ready<T>(mut ask: impl FnMut() -> Result<T, SnpRefusal>) -> Result<T, SnpRefusal> {
    let mut attempts = 0_u32;
    loop {
        let refusal = match ask() {
            Ok(answer) => return Ok(answer),
            Err(refusal) => refusal,
        };
        attempts = attempts.saturating_add(1);
        let is_passing = matches!(
            refusal.source.kind(),
            io::ErrorKind::WouldBlock | io::ErrorKind::ResourceBusy | io::ErrorKind::Interrupted
        );
        if !is_passing || PollEvery::default().wait(attempts) == Wait::GiveUp {
            return Err(refusal);
        }
    }
}

/// The report in the firmware's answer, or its status; `None` when it has another form.
fn report_in(answer: &[u8]) -> Option<Result<&[u8], u32>> {
    let number = |at: usize| {
        let bytes = answer.get(at..)?.first_chunk::<4>()?;
        Some(u32::from_le_bytes(*bytes))
    };
    let status = number(0)?;
    if status != 0 {
        return Some(Err(status));
    }
    let size = usize::try_from(number(4)?).ok()?;
    (size == REPORT_BYTES).then_some(())?;
    Some(Ok(answer.get(HEADER_BYTES..)?.get(..size)?))
}

/// A host without certificates leaves the buffer as it was: its first entry, 24 bytes, is the one of zeros that ends
/// a table.
fn table(certificates: Vec<u8>) -> Vec<u8> {
    let is_empty = certificates.iter().take(24).all(|byte| *byte == 0);
    if is_empty { Vec::new() } else { certificates }
}

pub(crate) const SEV_GUEST: &str = "SNP device";
pub(crate) const TDX_GUEST: &str = "TDX device";
const MAX_VMPL: u32 = 3;
const INVALID_PARAMETERS: u32 = 0x16;
const HEADER_BYTES: usize = 32;
const REPORT_BYTES: usize = 1184;
/// `SEV_FW_BLOB_MAX_SIZE` of Linux: more is refused.
const MAX_CERTIFICATE_BYTES: usize = 16 * 1024;

#[cfg(test)]
mod tests;
