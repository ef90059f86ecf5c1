//! Gathers evidence inside the guest, ring 3: blocking, over files, devices, a TPM, and a metadata service.
//!
//! An [`EvidenceSource`] gives evidence over a [`GuestData`]. The places of all are arguments ([`SourceRoots`]):
//!
//! | source | where | evidence |
//! |---|---|---|
//! | [`GramineFiles`] | `/dev/attestation` | SGX quote (DCAP) |
//! | [`ConfidentialContainer`] | security context, and SNP reports of another source | SNP report, policy, reference |
//! | [`ConfigfsTsm`] | `/sys/kernel/config/tsm/report`, Linux 6.7 or later | TDX quote, SNP report |
//! | [`SevGuest`] | `/dev/sev-guest` | SNP report |
//! | [`TdxGuest`] | `/dev/tdx_guest`, and the metadata service | TDX quote |
//! | [`AzureVtpm`] | TPM, and the metadata service | TPM quote, paravisor's report, certificate or TDX quote |
//!
//! [`detect`] chooses one and says why.
//!
//! A [`GuestRequest`] has an attestation service judge a whole machine of Azure, with its TPM and boot, and opens the
//! token that the service seals to a key of that TPM.
//!
//! Nothing is judged here: what is checked is only that the evidence carries the report data asked for,
//! which finds two users of one source that came between each other.

mod azure_vm;
mod collected;
mod context;
mod detect;
mod devices;
mod error;
mod files;
mod gramine;
mod guest_data;
mod guest_request;
mod imds;
mod probe;
mod thim;
mod tpm;
mod tsm;
mod waiter;

pub use azure_vm::AzureVtpm;
pub use collected::{AzureVm, Collected, TeeKind, TpmQuote, certificate_pem};
pub use context::{ConfidentialContainer, ContextError, ContextPlaces, SecurityContext};
pub use detect::{Detection, Finding, Look, Outcome, SourceRoots, detect};
pub use devices::{SevGuest, TdxGuest};
pub use error::AttesterError;
pub use gramine::GramineFiles;
pub use guest_data::GuestData;
pub use guest_request::{GuestPlaces, GuestRequest, SealedToken, SealedTokenError, require_nonce};
pub use imds::{Imds, ImdsError};
pub use probe::snp_reports;
pub use tpm::{ResponseCode, Tcti, TctiParseError, TpmError};
pub use tsm::ConfigfsTsm;
pub use waiter::{PollEvery, Wait, Waiter};

/// Something inside the guest that gives evidence.
pub trait EvidenceSource {
    /// Its name for people, such as `Gramine`.
    fn name(&self) -> &'static str;

    /// Evidence that carries `report_data`.
    ///
    /// # Errors
    /// [`AttesterError`], each cause with the file that it was met at.
    fn gather(&self, report_data: &GuestData) -> Result<Collected, AttesterError>;
}

#[cfg(test)]
mod testing;
