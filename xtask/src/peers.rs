//! `cargo xtask peers`: the official Azure clients, run against the local Azure of `casque-dev up`, and
//! schemathesis, run against its casqued.
//!
//! They are installed from their registries into `target/peers`, at the versions that `peers/python/requirements.txt`,
//! `peers/node/package.json`, `peers/openapi/requirements.txt` and `peers/rust/Cargo.lock` name. Without Python, Node
//! or the registries their scripts count as skipped.

mod clients;
mod local_azure;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use crate::report::stage;
use crate::run::{Profile, build_programs, built, not_started, root, target};
use crate::{Failure, Tally};

use clients::{Clients, Language, Runner};
use local_azure::LocalAzure;

/// Builds the programs and runs all scripts.
///
/// # Errors
/// The programs do not build, or the local Azure does not start.
pub fn command() -> Result<ExitCode, Failure> {
    build_programs(Profile::Dev)?;
    let tally = run()?;
    println!("{tally}");
    Ok(tally.exit_code())
}

/// Runs all scripts; the programs stand built.
///
/// # Errors
/// The local Azure does not start, or a client's installation fails while its registry answers.
pub fn run() -> Result<Tally, Failure> {
    let mut total = Tally::default();
    let mut ready = Vec::new();
    let languages = [
        Language::Python,
        Language::Node,
        Language::OpenApi,
        Language::Rust,
    ];
    for language in languages {
        let scripts = scripts(language)?;
        match clients::install(language)? {
            Clients::Ready(runner) => ready.push((runner, scripts)),
            Clients::Unavailable(why) => {
                println!(
                    "skipped: {} scripts of {}: {why}",
                    scripts.len(),
                    language.name()
                );
                total.skipped += scripts.len();
            }
        }
    }
    if ready.is_empty() {
        return Ok(total);
    }
    let azure = LocalAzure::start()?;
    for (runner, scripts) in &ready {
        for script in scripts {
            let name = script.strip_prefix(root()).unwrap_or(script);
            total += stage(&name.display().to_string(), || {
                run_script(runner, script, &azure)
            });
        }
    }
    Ok(total)
}

/// The scripts of a language; `peer.py` is what the Python ones share.
fn scripts(language: Language) -> Result<Vec<PathBuf>, Failure> {
    let folder = language.scripts();
    let unreadable =
        |error| Failure::new(format!("`{}` cannot be read: {error}", folder.display()));
    let mut scripts = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let is_script = path
            .extension()
            .is_some_and(|extension| extension == language.extension());
        if is_script && path.file_name().is_some_and(|name| name != "peer.py") {
            scripts.push(path);
        }
    }
    scripts.sort();
    Ok(scripts)
}

/// Runs one script: one line `ok NAME`, `FAIL NAME why` or `skipped: why` for each of its checks.
fn run_script(runner: &Runner, script: &Path, azure: &LocalAzure) -> Result<Tally, Failure> {
    let mut command = runner.command(script);
    command
        .arg(azure.json_file())
        .env("CASQUE_DEV_JSON", azure.json_file())
        .env("CASQUE_DEV_PROGRAM", built(Profile::Dev, "casque-dev"))
        .env(
            "CASQUE_PEERS_MODULES",
            target().join("peers/node/package.json"),
        )
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null());
    let (mut tally, success) = read_checks(&mut command)?;
    if !success && tally.failed == 0 {
        println!("FAIL the script ended without success");
        tally.failed += 1;
    }
    Ok(tally)
}

fn read_checks(command: &mut Command) -> Result<(Tally, bool), Failure> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| not_started(command, &error))?;
    let mut tally = Tally::default();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            println!("{line}");
            tally += parse_check(&line);
        }
    }
    let status = child.wait().map_err(|error| not_started(command, &error))?;
    Ok((tally, status.success()))
}

fn parse_check(line: &str) -> Tally {
    match line.split_once(' ') {
        Some(("ok", _)) => Tally::PASSED,
        Some(("FAIL", _)) => Tally::FAILED,
        Some(("skipped:", _)) => Tally::SKIPPED,
        _ => Tally::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_lines_are_counted_and_others_are_not() {
        assert_eq!(parse_check("ok identity by secret"), Tally::PASSED);
        assert_eq!(parse_check("FAIL vault ValueError: ok"), Tally::FAILED);
        assert_eq!(parse_check("skipped: offline"), Tally::SKIPPED);
        assert_eq!(parse_check("okay"), Tally::default());
    }
}
