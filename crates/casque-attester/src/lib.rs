//! Gathers evidence inside the guest, ring 3: blocking, with the standard library alone.
//!
//! An [`EvidenceSource`] gives evidence over a [`ReportData`]. There are two, each
//! a set of files of the operating system, whose places are arguments ([`SourceRoots`]):
//!
//! | source | files | evidence |
//! |---|---|---|
//! | [`GramineFiles`] | `/dev/attestation` | SGX quote (DCAP) |
//! | [`ConfigfsTsm`] | `/sys/kernel/config/tsm/report`, Linux 6.7 or later | TDX quote, SNP report |
//!
//! [`detect`] chooses one and says why. Today's server appraises SGX quotes and MAA tokens: it refuses TDX
//! and SNP evidence by name, which is gathered here already.
//!
//! Nothing is judged here: what is checked is only that the evidence carries the report data asked for,
//! which finds two users of one source that came between each other.

mod collected;
mod detect;
mod error;
mod files;
mod gramine;
mod tsm;
mod waiter;

pub use collected::{Collected, TeeKind};
pub use detect::{Detection, Finding, Outcome, SourceRoots, detect};
pub use error::AttesterError;
pub use gramine::GramineFiles;
pub use tsm::ConfigfsTsm;
pub use waiter::{PollEvery, Wait, Waiter};

use casque_types::ReportData;

/// Something inside the guest that gives evidence.
pub trait EvidenceSource {
    /// Its name for people, such as `Gramine`.
    fn name(&self) -> &'static str;

    /// Evidence that carries `report_data`.
    ///
    /// # Errors
    /// [`AttesterError`], each cause with the file that it was met at.
    fn gather(&self, report_data: &ReportData) -> Result<Collected, AttesterError>;
}

#[cfg(test)]
mod testing;
