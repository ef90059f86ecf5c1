//! Why no evidence was gathered.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::{ContextError, Detection, ImdsError, SealedTokenError, TeeKind, TpmError};

/// Why no evidence was gathered.
#[derive(Debug, Error)]
pub enum AttesterError {
    /// There is no source here.
    #[error("found no source of evidence in this guest:\n{detection}")]
    NoSource {
        /// What was looked for, and where.
        detection: Detection,
    },
    /// A file of the source could not be made, read or written.
    #[error("{source_name}: cannot {action} `{}`", .path.display())]
    File {
        /// Which source.
        source_name: &'static str,
        /// `create`, `open`, `ask`, `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system met.
        #[source]
        source: io::Error,
    },
    /// The file is longer than such evidence can be.
    #[error("{source_name}: `{}` has more than {limit_bytes} bytes", .path.display())]
    TooLong {
        /// Which source.
        source_name: &'static str,
        /// The file.
        path: PathBuf,
        /// The limit.
        limit_bytes: usize,
    },
    /// Gramine was built or configured for another attestation scheme.
    #[error(
        "Gramine: expected `dcap` in `{}`, found `{found}`: set `sgx.remote_attestation = \"dcap\"` in the manifest", .path.display()
    )]
    NotDcap {
        /// The file.
        path: PathBuf,
        /// The scheme found; printable ASCII, cut at 32 characters.
        found: String,
    },
    /// The report comes from a provider that is unknown here.
    #[error(
        "configfs-tsm: expected `sev_guest` or `tdx_guest` in `{}`, found `{found}`", .path.display()
    )]
    Provider {
        /// The file.
        path: PathBuf,
        /// The provider found; printable ASCII, cut at 32 characters.
        found: String,
    },
    /// Someone else used the same files at the same time, again and again.
    #[error(
        "{source_name}: the evidence carries other report data than was asked for: does something else use the same source?"
    )]
    OtherReportData {
        /// Which source.
        source_name: &'static str,
    },
    /// The device of SNP guests refused.
    #[error("SNP device: `{}`", .path.display())]
    SnpDevice {
        /// The device.
        path: PathBuf,
        /// Why.
        #[source]
        source: casque_ioctl::SnpRefusal,
    },
    /// The firmware refused.
    #[error("SNP device: the firmware refuses a report through `{}` with status `{status:#x}`", .path.display())]
    SnpStatus {
        /// The device.
        path: PathBuf,
        /// The status in the firmware's answer.
        status: u32,
    },
    /// The firmware's answer has another form.
    #[error("SNP device: expected a report of 1184 bytes with the report data that was given from `{}`", .path.display())]
    SnpAnswer {
        /// The device.
        path: PathBuf,
    },
    /// The TPM.
    #[error(transparent)]
    Tpm(#[from] TpmError),
    /// The metadata service.
    #[error(transparent)]
    Imds(#[from] ImdsError),
    /// The TPM has no paravisor's report.
    #[error(
        "Azure vTPM: the TPM has no NV index `0x01400001`: is this a confidential virtual machine of Azure?"
    )]
    NoParavisor,
    /// The paravisor's report is none.
    #[error(
        "Azure vTPM: expected a paravisor's report (`HCLA`) of SNP or TDX in NV index `0x01400001` of the TPM"
    )]
    Paravisor,
    /// The source signs fewer bytes than were given.
    #[error(
        "{source_name}: expected 32 bytes of report data, found more: a TPM quote carries no more"
    )]
    SecondHalf {
        /// Which source.
        source_name: &'static str,
    },
    /// A request about a whole machine needs the processor's certificates.
    #[error(
        "Azure vTPM: a request to `attest/AzureGuest` needs the certificates of the host's processor, and the metadata service did not give them (`/metadata/THIM/amd/certification`): try again, and let the guest reach `169.254.169.254`"
    )]
    NoProcessorCertificates,
    /// What is named as the log of the boot is none, and nothing of it is sent.
    #[error(
        "Azure vTPM: expected the firmware's log of the boot in `{}`, which begins with the event `Spec ID Event03` of TPM 2.0, or nothing, found something else: Linux has it in `/sys/kernel/security/tpm0/binary_bios_measurements`", .path.display()
    )]
    BootLog {
        /// The file.
        path: PathBuf,
    },
    /// A request about a whole machine is too long.
    #[error(
        "Azure vTPM: the request to `attest/AzureGuest`: expected at most {limit_bytes} bytes, found {found_bytes}: the firmware's log is most of it"
    )]
    RequestTooLong {
        /// Its length.
        found_bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// The answer to a request about a whole machine.
    #[error(transparent)]
    SealedToken(#[from] SealedTokenError),
    /// The security context of a confidential container.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// There is none.
    #[error("confidential container: found no security context; looked in {looked_in}")]
    NoContext {
        /// Where it was looked for.
        looked_in: String,
    },
    /// Another kind of evidence came than can be used.
    #[error("{source_name}: expected {expected}, found evidence of kind `{found}`")]
    OtherKind {
        /// Which source.
        source_name: &'static str,
        /// What was expected.
        expected: &'static str,
        /// The kind.
        found: TeeKind,
    },
    /// A source outside this crate failed.
    #[error("the source of evidence failed")]
    Source(#[source] Box<dyn std::error::Error + Send + Sync>),
}
