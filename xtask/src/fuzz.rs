//! `cargo xtask fuzz`: each target for some seconds, from its seeds.

use std::path::Path;
use std::process::ExitCode;

use crate::report::stage;
use crate::run::{cargo, check, is_there, root, succeed};
use crate::{Failure, Tally};

/// Runs every target of `fuzz/fuzz_targets` for so many seconds, one after the other.
///
/// # Errors
/// There are no targets, or cargo-fuzz cannot be installed.
pub fn command(seconds: u32) -> Result<ExitCode, Failure> {
    let targets = targets(&root().join("fuzz/fuzz_targets"))?;
    if !is_there(&mut cargo(&["fuzz", "--version"])) {
        succeed(&mut cargo(&["install", "cargo-fuzz", "--locked"]))?;
    }
    let mut total = Tally::default();
    for target in targets {
        total += stage(&target, || run(&target, seconds));
    }
    println!("{total}");
    Ok(total.exit_code())
}

fn run(target: &str, seconds: u32) -> Result<Tally, Failure> {
    // The first folder takes what is found, the second is only read.
    let corpus = root().join("fuzz/corpus").join(target);
    let seeds = root().join("fuzz/seeds").join(target);
    for folder in [&corpus, &seeds] {
        std::fs::create_dir_all(folder).map_err(|error| {
            Failure::new(format!("`{}` cannot be made: {error}", folder.display()))
        })?;
    }
    let mut fuzz = cargo(&["fuzz", "run", target]);
    // libFuzzer's instrumentation is an unstable flag of the compiler; the stable one takes it when told so.
    fuzz.env("RUSTC_BOOTSTRAP", "1");
    fuzz.args([corpus, seeds]);
    fuzz.args(["--", "-timeout=10", "-rss_limit_mb=2048"]);
    check(fuzz.arg(format!("-max_total_time={seconds}")))
}

fn targets(folder: &Path) -> Result<Vec<String>, Failure> {
    let unreadable =
        |error| Failure::new(format!("`{}` cannot be read: {error}", folder.display()));
    let mut targets = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            targets.extend(
                path.file_stem()
                    .map(|stem| stem.to_string_lossy().into_owned()),
            );
        }
    }
    targets.sort();
    Ok(targets)
}

/// How long each target runs by default.
pub const DEFAULT_SECONDS: u32 = 60;
