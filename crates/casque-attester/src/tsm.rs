//! TDX quotes and SNP reports through configfs-tsm (Linux, `Documentation/ABI/testing/configfs-tsm`).
//!
//! 1. make a directory of our own below `report`;
//! 2. write 64 bytes of report data to `inblob`;
//! 3. read `generation`, which counts the writes;
//! 4. read `outblob`: the kernel makes the report now, and says that it is busy while it cannot;
//! 5. read `auxblob`, the host's certificates, if there are any, and `provider`;
//! 6. read `generation` again: when it changed, someone else wrote meanwhile, and it is done over;
//! 7. remove the directory, whatever happened.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use casque_types::ReportData;

use crate::files::{SourceFiles, shown};
use crate::{AttesterError, Collected, EvidenceSource, PollEvery, Waiter};

/// The kernel's interface for reports of confidential virtual machines.
pub struct ConfigfsTsm {
    root: PathBuf,
    waiter: Box<dyn Waiter + Send + Sync>,
}

impl ConfigfsTsm {
    /// The interface below `root`, which is `/sys/kernel/config/tsm/report`.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self::with_waiter(root, Box::new(PollEvery::default()))
    }

    /// The same with another way to wait for reports.
    #[must_use]
    pub fn with_waiter(root: PathBuf, waiter: Box<dyn Waiter + Send + Sync>) -> Self {
        Self { root, waiter }
    }

    /// Whether the kernel offers the interface; that a provider is behind it shows when a report is made.
    pub(crate) fn is_there(root: &Path) -> bool {
        root.is_dir()
    }

    fn make_entry(&self, files: &SourceFiles<'_>) -> Result<Entry, AttesterError> {
        for _ in 0..MAX_TAKEN_NAMES {
            let number = NEXT_ENTRY.fetch_add(1, Ordering::Relaxed);
            let path = self.root.join(format!("casque-{}-{number}", process::id()));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Entry(path)),
                // Left over from a process with the same number that was killed.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(files.failed("create", &path, error)),
            }
        }
        let taken = io::ErrorKind::AlreadyExists.into();
        Err(files.failed("create", &self.root, taken))
    }
}

impl std::fmt::Debug for ConfigfsTsm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConfigfsTsm")
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

impl EvidenceSource for ConfigfsTsm {
    fn name(&self) -> &'static str {
        NAME
    }

    fn gather(&self, report_data: &ReportData) -> Result<Collected, AttesterError> {
        let files = SourceFiles {
            source_name: NAME,
            waiter: &*self.waiter,
        };
        let entry = self.make_entry(&files)?;
        for _ in 0..MAX_ROUNDS {
            let Some(collected) = entry.round(&files, report_data)? else {
                continue;
            };
            if collected.carries(report_data) {
                return Ok(collected);
            }
        }
        Err(AttesterError::OtherReportData { source_name: NAME })
    }
}

/// Our own directory, removed on drop.
struct Entry(PathBuf);

impl Entry {
    /// One report; `None` when someone else wrote meanwhile.
    fn round(
        &self,
        files: &SourceFiles<'_>,
        report_data: &ReportData,
    ) -> Result<Option<Collected>, AttesterError> {
        files.write(&self.file("inblob"), report_data.as_bytes())?;
        let before = files.read(&self.file("generation"), MAX_TEXT_BYTES)?;
        let report = files.read(&self.file("outblob"), MAX_REPORT_BYTES)?;
        let provider = files.read(&self.file("provider"), MAX_TEXT_BYTES)?;
        let collected = match provider.trim_ascii() {
            b"tdx_guest" => Collected::TdxQuote(report),
            b"sev_guest" => Collected::SnpReport {
                report,
                certificates: self.certificates(files)?,
            },
            other => {
                let (path, found) = (self.file("provider"), shown(other));
                return Err(AttesterError::Provider { path, found });
            }
        };
        let after = files.read(&self.file("generation"), MAX_TEXT_BYTES)?;
        Ok((before == after).then_some(collected))
    }

    fn certificates(&self, files: &SourceFiles<'_>) -> Result<Vec<u8>, AttesterError> {
        let path = self.file("auxblob");
        // Hosts need not give certificates; the file is there when they do.
        if !fs::exists(&path).unwrap_or(false) {
            return Ok(Vec::new());
        }
        files.read(&path, MAX_REPORT_BYTES)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        // The files inside are the kernel's and go with the directory; there is nobody to tell a failure.
        let _removed = fs::remove_dir(&self.0);
    }
}

static NEXT_ENTRY: AtomicU32 = AtomicU32::new(0);

pub(crate) const NAME: &str = "configfs-tsm";
const MAX_TAKEN_NAMES: u32 = 64;
const MAX_ROUNDS: u32 = 4;
const MAX_TEXT_BYTES: usize = 256;
/// Reports and quotes have some 8 KiB, certificate tables some 16 KiB.
const MAX_REPORT_BYTES: usize = 256 * 1024;

#[cfg(test)]
mod tests;
