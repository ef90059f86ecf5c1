//! Why no evidence was gathered.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::Detection;

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
        /// `create`, `read` or `write`.
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
    /// A source outside this crate failed.
    #[error("the source of evidence failed")]
    Source(#[source] Box<dyn std::error::Error + Send + Sync>),
}
