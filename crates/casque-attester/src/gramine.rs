//! SGX quotes from Gramine's files (Gramine documentation, "Attestation and Secret Provisioning").
//!
//! 1. `attestation_type` says `dcap`;
//! 2. 64 bytes of report data are written to `user_report_data`;
//! 3. `quote` is read: a quote over those bytes.
//!
//! The files belong to the whole enclave: two threads that use them at once get each other's report data.
//! Here they are used under a lock, and what came out is compared with what was asked for.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::files::{SourceFiles, shown};
use crate::waiter::Never;
use crate::{AttesterError, Collected, EvidenceSource, GuestData};

/// The pseudo-files that Gramine shows inside an enclave.
#[derive(Debug)]
pub struct GramineFiles {
    root: PathBuf,
    in_use: Mutex<()>,
}

impl GramineFiles {
    /// The files below `root`, which is `/dev/attestation`.
    #[must_use]
    pub const fn new(root: PathBuf) -> Self {
        Self {
            root,
            in_use: Mutex::new(()),
        }
    }

    /// Whether the files are there; what they say is looked at when evidence is gathered.
    pub(crate) fn is_there(root: &Path) -> bool {
        fs::exists(root.join(QUOTE)).unwrap_or(false)
            && fs::exists(root.join(REPORT_DATA)).unwrap_or(false)
    }
}

impl EvidenceSource for GramineFiles {
    fn name(&self) -> &'static str {
        NAME
    }

    fn gather(&self, report_data: &GuestData) -> Result<Collected, AttesterError> {
        // A thread that panicked left nothing behind that the next write would not replace.
        let _in_use = self.in_use.lock().unwrap_or_else(PoisonError::into_inner);
        let files = SourceFiles {
            source_name: NAME,
            waiter: &Never,
        };
        let path = self.root.join(TYPE);
        let found = files.read(&path, MAX_TYPE_BYTES)?;
        if found.trim_ascii() != b"dcap" {
            let found = shown(&found);
            return Err(AttesterError::NotDcap { path, found });
        }
        files.write(&self.root.join(REPORT_DATA), report_data.as_bytes())?;
        let quote = files.read(&self.root.join(QUOTE), MAX_QUOTE_BYTES)?;
        let collected = Collected::SgxQuote(quote);
        if !collected.carries(report_data) {
            return Err(AttesterError::OtherReportData { source_name: NAME });
        }
        Ok(collected)
    }
}

pub(crate) const NAME: &str = "Gramine";
const TYPE: &str = "attestation_type";
const REPORT_DATA: &str = "user_report_data";
const QUOTE: &str = "quote";
const MAX_TYPE_BYTES: usize = 256;
/// Quotes have some 5 KiB, with three certificates inside.
const MAX_QUOTE_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests;
