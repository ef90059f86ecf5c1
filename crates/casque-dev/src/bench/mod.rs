//! `casque-dev bench`: what operations cost the server, as CPU time of its process.
//!
//! Servers are processes of their own, so that the clients' work is not counted: `casque-dev serve` where
//! evidence of the software TEE is judged, the real `casqued` for memory and start. CPU time is that of
//! `/proc/<pid>/stat`, whose grain is 10 ms: means are taken over many operations. Build with `--release`, or
//! the numbers mean nothing. Names and units are those of `cargo xtask bench`.

mod author;
mod process;
mod release;
mod requests;
mod start;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread::ScopedJoinHandle;

use casque_client::{ClientError, ReleaseError};
use clap::{Args, ValueEnum};
use serde::Serialize;
use thiserror::Error;

use crate::ask::AskError;
use crate::azure::StartError;
use crate::cas::CasError;
use crate::cli::{complain, report};
use crate::seed::SeedError;
use crate::state::FileError;

/// How much to measure, and how to say it.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// How results are written.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    output: Format,
    /// How many operations a mean is taken over.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
    /// How many policies stand in the store when the start is measured.
    #[arg(long, default_value_t = 10_000)]
    policies: u32,
    /// Folder of `casqued` and `casque-agent`. Default: where this program is.
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// A mean.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Measurement {
    name: &'static str,
    /// In the unit of the budget of this name.
    value: f64,
    count: u32,
}

#[derive(Serialize)]
struct Report {
    measurements: Vec<Measurement>,
}

/// Why nothing could be measured.
#[derive(Debug, Error)]
pub(crate) enum BenchError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Tees(#[from] crate::tees::TeesError),
    #[error("an operation of the system")]
    System(#[from] io::Error),
    #[error("the local Azure did not start")]
    Azure(#[from] StartError),
    #[error(transparent)]
    Seed(#[from] SeedError),
    #[error(transparent)]
    Cas(#[from] CasError),
    #[error("the server did not start: {found}")]
    Server { found: String },
    #[error("a request failed")]
    Client(#[from] ClientError),
    #[error("a release failed")]
    Release(#[source] Box<ReleaseError<release::GatherError>>),
    #[error("the local MAA does not answer")]
    Ask(#[from] AskError),
    #[error("a certificate could not be made")]
    Certificate(#[from] rcgen::Error),
    #[error("`/proc/{pid}/{file}` does not say what is needed")]
    Proc { pid: u32, file: &'static str },
    #[error("`{name}` ended with {status}")]
    Ended {
        name: &'static str,
        status: std::process::ExitStatus,
    },
    #[error("a worker of the bench panicked")]
    Worker,
    #[error("an example policy does not parse: {found}")]
    Policy { found: String },
}

/// Measures everything and prints it.
#[must_use]
pub fn bench(args: &BenchArgs) -> ExitCode {
    match measure(args).and_then(|measurements| print(args, measurements)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

fn measure(args: &BenchArgs) -> Result<Vec<Measurement>, BenchError> {
    if cfg!(debug_assertions) {
        complain("casque-dev: this is a debug build: the numbers mean nothing");
    }
    let own = std::env::current_exe()?;
    let programs = own.parent().map(PathBuf::from).unwrap_or_default();
    let programs = args.programs.clone().unwrap_or(programs);
    let mut measurements = release::measure(&own, args.count)?;
    measurements.extend(requests::measure(&programs, args.count)?);
    measurements.extend(start::measure(&programs, args.policies)?);
    Ok(measurements)
}

/// Waits for all workers; the first failure is the result.
fn join_all(workers: Vec<ScopedJoinHandle<'_, Result<(), BenchError>>>) -> Result<(), BenchError> {
    let results = workers.into_iter().map(ScopedJoinHandle::join);
    let results: Vec<_> = results.collect();
    results
        .into_iter()
        .try_for_each(|result| result.unwrap_or(Err(BenchError::Worker)))
}

fn print(args: &BenchArgs, measurements: Vec<Measurement>) -> Result<(), BenchError> {
    let mut out = io::stdout();
    match args.output {
        Format::Json => {
            let report = serde_json::to_string(&Report { measurements });
            writeln!(out, "{}", report.map_err(io::Error::other)?)?;
        }
        Format::Text => {
            for found in measurements {
                let Measurement { name, value, count } = found;
                writeln!(out, "{name:<24} {value:>10.4}  over {count}")?;
            }
        }
    }
    Ok(())
}
