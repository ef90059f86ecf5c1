//! `casque-dev quote`: a quote of the software TEE, for clients that attest on their own.

use std::fs;
use std::io;
use std::path::PathBuf;

use casque_testkit::sgx::{SoftwareTeeError, software_identity};
use casque_types::sha256;
use clap::Args;
use thiserror::Error;

use crate::cli::StateArgs;
use crate::measure::{MeasureError, find, measure};
use crate::state::{FileError, StateDirectory};
use crate::tee::{self, TeeError};

/// What to quote.
#[derive(Debug, Args)]
pub struct QuoteArgs {
    #[command(flatten)]
    state: StateArgs,
    /// Runtime data: their SHA-256 is the first half of the report data.
    #[arg(long)]
    runtime: PathBuf,
    /// Where to write the quote.
    #[arg(long)]
    output: PathBuf,
    /// The program that the quote is to speak for.
    #[arg(long, default_value = "sh")]
    program: std::ffi::OsString,
}

/// Why there is no quote.
#[derive(Debug, Error)]
pub enum QuoteError {
    /// The state folder.
    #[error(transparent)]
    State(#[from] FileError),
    /// The software TEE.
    #[error(transparent)]
    Tee(#[from] TeeError),
    /// The program.
    #[error(transparent)]
    Measure(#[from] MeasureError),
    /// The quote could not be made.
    #[error("the software TEE made no quote")]
    Quote(#[from] SoftwareTeeError),
    /// A file.
    #[error("cannot read or write `{}`", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Writes a quote.
///
/// # Errors
/// [`QuoteError`].
pub fn write(args: &QuoteArgs) -> Result<(), QuoteError> {
    let at = |path: &PathBuf| {
        let path = path.clone();
        move |source| QuoteError::File { path, source }
    };
    let state = StateDirectory::open(&args.state.directory())?;
    let tee = tee::load(&state)?;
    let runtime = fs::read(&args.runtime).map_err(at(&args.runtime))?;
    let identity = software_identity(measure(&find(&args.program, None)?)?);
    let mut report_data = [0_u8; 64];
    let digest = sha256(&runtime);
    for (byte, of_digest) in report_data.iter_mut().zip(digest.as_bytes()) {
        *byte = *of_digest;
    }
    let quote = tee.quote(&identity, &report_data)?;
    fs::write(&args.output, quote).map_err(at(&args.output))
}
