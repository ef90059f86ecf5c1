//! `cargo xtask demo`: builds the programs and hands the terminal to `casque-dev demo`. [`check_all`] has it told for
//! every kind of TEE, and shows one line for each.

use std::process::{Command, ExitCode, Stdio};

use crate::run::{Profile, build_programs, built, not_started, program, status};
use crate::{Failure, Tally};

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

/// Runs the demo in every kind of TEE; what a demo printed is shown when it did not go as told.
///
/// # Errors
/// `casque-dev` cannot be started: it must have been built.
pub fn check_all() -> Result<Tally, Failure> {
    let mut tally = Tally::default();
    for tee in TEES {
        let mut demo = program(built(Profile::Dev, "casque-dev"));
        demo.args(["demo", "--tee", tee]);
        tally += check_one(tee, &mut demo)?;
    }
    Ok(tally)
}

fn check_one(tee: &str, demo: &mut Command) -> Result<Tally, Failure> {
    let output = demo.stdin(Stdio::null()).output();
    let output = output.map_err(|error| not_started(demo, &error))?;
    if output.status.success() {
        println!("demo in {tee}: went as told");
        return Ok(Tally::PASSED);
    }
    print!("{}", String::from_utf8_lossy(&output.stdout));
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    println!("demo in {tee}: ended with {}", output.status);
    Ok(Tally::FAILED)
}

/// The words of `casque-dev demo --tee`.
const TEES: [&str; 6] = ["sgx", "snp", "tdx", "azure-snp", "azure-tdx", "aci"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn demo_that_ends_otherwise_fails() {
        assert_eq!(
            check_one("sgx", &mut program("false")).unwrap(),
            Tally::FAILED
        );
        assert_eq!(
            check_one("sgx", &mut program("true")).unwrap(),
            Tally::PASSED
        );
        assert!(check_one("sgx", &mut program("no-such-program-here")).is_err());
    }
}
