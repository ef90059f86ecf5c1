//! TDX quotes and SNP reports through configfs-tsm (Linux, `Documentation/ABI/testing/configfs-tsm`).
//!
//! 1. make a directory of our own below `report`;
//! 2. write 64 bytes of report data to `inblob`;
//! 3. read `generation`, which counts the writes;
//! 4. read `outblob`: the kernel makes the report now, and says that it is busy while it cannot;
//! 5. read `auxblob`, the host's certificates, if there are any, and `provider`;
//! 6. read `generation` again: when it changed, someone else wrote meanwhile, and it is done over;
//! 7. remove the directory, whatever happened.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::files::{SourceFiles, shown};
use crate::{AttesterError, Collected, EvidenceSource, GuestData, PollEvery, Waiter};

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

    /// Which driver is behind the interface: without one the kernel makes no directory.
    pub(crate) fn provider(root: &Path) -> io::Result<Provider> {
        let entry = Entry::make(root)?;
        let files = SourceFiles {
            source_name: NAME,
            waiter: &SHORTLY,
        };
        match files.read(&entry.file("provider"), MAX_TEXT_BYTES) {
            Ok(text) => Ok(Provider::named(&text)),
            Err(AttesterError::File { source, .. }) => Err(source),
            Err(_) => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

impl fmt::Debug for ConfigfsTsm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigfsTsm")
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

impl EvidenceSource for ConfigfsTsm {
    fn name(&self) -> &'static str {
        NAME
    }

    fn gather(&self, report_data: &GuestData) -> Result<Collected, AttesterError> {
        let files = SourceFiles {
            source_name: NAME,
            waiter: &*self.waiter,
        };
        let entry = Entry::make(&self.root);
        let entry = entry.map_err(|error| files.failed("create", &self.root, error))?;
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

/// The driver that makes reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Provider {
    SevGuest,
    TdxGuest,
    /// Its name for an error: printable ASCII, cut.
    Other(String),
}

impl Provider {
    fn named(text: &[u8]) -> Self {
        match text.trim_ascii() {
            b"sev_guest" => Self::SevGuest,
            b"tdx_guest" => Self::TdxGuest,
            other => Self::Other(shown(other)),
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SevGuest => "sev_guest",
            Self::TdxGuest => "tdx_guest",
            Self::Other(name) => name,
        })
    }
}

/// Our own directory, removed on drop.
struct Entry(PathBuf);

impl Entry {
    fn make(root: &Path) -> io::Result<Self> {
        for _ in 0..MAX_TAKEN_NAMES {
            let number = NEXT_ENTRY.fetch_add(1, Ordering::Relaxed);
            let path = root.join(format!("casque-{}-{number}", process::id()));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self(path)),
                // Left over from a process with the same number that was killed.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// One report; `None` when someone else wrote meanwhile.
    fn round(
        &self,
        files: &SourceFiles<'_>,
        report_data: &GuestData,
    ) -> Result<Option<Collected>, AttesterError> {
        files.write(&self.file("inblob"), report_data.as_bytes())?;
        let before = files.read(&self.file("generation"), MAX_TEXT_BYTES)?;
        let report = files.read(&self.file("outblob"), MAX_REPORT_BYTES)?;
        let provider = files.read(&self.file("provider"), MAX_TEXT_BYTES)?;
        let collected = match Provider::named(&provider) {
            Provider::TdxGuest => Collected::TdxQuote(report),
            Provider::SevGuest => Collected::SnpReport {
                report,
                certificates: self.certificates(files)?,
            },
            Provider::Other(found) => {
                let path = self.file("provider");
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
/// The kernel fills a directory before it lets it be seen; an emulation may need a moment.
const SHORTLY: PollEvery = PollEvery {
    pause: Duration::from_millis(10),
    attempts: 20,
};
const MAX_TAKEN_NAMES: u32 = 64;
const MAX_ROUNDS: u32 = 4;
const MAX_TEXT_BYTES: usize = 256;
/// Reports and quotes have some 8 KiB, certificate tables some 16 KiB.
const MAX_REPORT_BYTES: usize = 256 * 1024;

#[cfg(test)]
mod tests;
