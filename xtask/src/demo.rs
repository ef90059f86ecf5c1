//! `cargo xtask demo`: builds the programs and hands the terminal to `casque-dev demo`.

use std::process::ExitCode;

use crate::Failure;
use crate::run::{Profile, build_programs, built, program, status};

/// Builds and runs the demo; further arguments are its own.
///
/// # Errors
/// The programs do not build or start.
pub fn command(arguments: &[&str]) -> Result<ExitCode, Failure> {
    println!(
        "building casqued, casque, casque-agent and casque-dev; the first time takes some minutes"
    );
    build_programs(Profile::Dev)?;
    let mut demo = program(built(Profile::Dev, "casque-dev"));
    Ok(if status(demo.arg("demo").args(arguments))?.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
