//! Other programs: cargo above all, and what it has built.

use std::env::consts::EXE_SUFFIX;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use crate::{Failure, Tally};

/// Debug or release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Quick to build.
    Dev,
    /// What is shipped.
    Release,
}

/// The repository's root.
#[must_use]
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// A program to be run in the repository's root, without the backtraces that would cost time in every error.
#[must_use]
pub fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    command.current_dir(root()).env_remove("RUST_BACKTRACE");
    command
}

/// Cargo with these arguments.
#[must_use]
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = program(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    if let Some(vectors) = vectors() {
        command.env("CASQUE_VECTORS", vectors);
    }
    command
}

/// Runs to the end, its output on this terminal.
///
/// # Errors
/// The program cannot be started.
pub fn status(command: &mut Command) -> Result<ExitStatus, Failure> {
    command
        .status()
        .map_err(|error| not_started(command, &error))
}

/// Runs to the end; one check, which holds if the program says success.
///
/// # Errors
/// The program cannot be started.
pub fn check(command: &mut Command) -> Result<Tally, Failure> {
    Ok(if status(command)?.success() {
        Tally::PASSED
    } else {
        Tally::FAILED
    })
}

/// Runs to the end and expects success.
///
/// # Errors
/// The program cannot be started, or does not say success.
pub fn succeed(command: &mut Command) -> Result<(), Failure> {
    let status = status(command)?;
    if status.success() {
        return Ok(());
    }
    let name = command.get_program().to_string_lossy();
    Err(Failure::new(format!("`{name}` ended with {status}")))
}

/// Whether the program is there: whether it can be started with this argument and says success.
#[must_use]
pub fn is_there(command: &mut Command) -> bool {
    let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// The sentence for a program that cannot be started.
#[must_use]
pub fn not_started(command: &Command, error: &std::io::Error) -> Failure {
    let name = command.get_program().to_string_lossy();
    Failure::new(format!("`{name}` cannot be started: {error}"))
}

/// Builds the four programs.
///
/// # Errors
/// They do not build.
pub fn build_programs(profile: Profile) -> Result<(), Failure> {
    let mut build = cargo(&["build", "--bins"]);
    for package in PROGRAM_PACKAGES {
        build.args(["--package", package]);
    }
    if profile == Profile::Release {
        build.arg("--release");
    }
    succeed(&mut build)
}

/// Where a program stands once it is built.
#[must_use]
pub fn built(profile: Profile, name: &str) -> PathBuf {
    let folder = match profile {
        Profile::Dev => "debug",
        Profile::Release => "release",
    };
    target().join(folder).join(format!("{name}{EXE_SUFFIX}"))
}

/// Cargo's target folder.
#[must_use]
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

/// The folder of third-party vectors: the one that the environment names, or the default one if it is there.
fn vectors() -> Option<PathBuf> {
    if std::env::var_os("CASQUE_VECTORS").is_some() {
        return None;
    }
    root().join("../shared/vectors").canonicalize().ok()
}

/// The packages of `casqued`, `casque`, `casque-agent` and `casque-dev`.
const PROGRAM_PACKAGES: [&str; 4] = ["casque-server", "casque-cli", "casque-agent", "casque-dev"];
