//! `cargo xtask <command>`: see `HELP`.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool of the workspace: it talks to a terminal"
)]

use std::process::ExitCode;

use xtask::{Failure, bench, demo, fuzz, measure, peers, test};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match command(&arguments) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn command(arguments: &[&str]) -> Result<ExitCode, Failure> {
    match arguments {
        ["test"] => test::command(),
        ["demo", rest @ ..] => demo::command(rest),
        ["peers"] => peers::command(),
        ["bench"] => bench::command(),
        ["fuzz"] => fuzz::command(fuzz::DEFAULT_SECONDS),
        ["fuzz", "--seconds", seconds] => fuzz::command(parse_seconds(seconds)?),
        ["measure"] => measure::command(),
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        [other, ..] => Err(Failure::new(format!(
            "expected a command with its arguments as `cargo xtask help` lists them, found `{other}`"
        ))),
    }
}

fn parse_seconds(text: &str) -> Result<u32, Failure> {
    text.parse().map_err(|_| {
        Failure::new(format!(
            "expected a whole number of seconds behind `--seconds`, found `{text}`"
        ))
    })
}

const HELP: &str = "\
cargo xtask COMMAND

  test                   everything that must hold: format, lints, tests, documentation, the demos, foreign clients
  demo                   build Casque and tell its story on this terminal: a granted start and a denied one
  peers                  run foreign clients: Azure's own against the local Azure, schemathesis against casqued
  bench                  measure the release build against the budgets of the design, and the rates of appraisal
  fuzz [--seconds N]     run each fuzz target for N seconds (60)
  measure                length of functions and files, for people to look at
  help                   this text

CASQUE_VECTORS names the folder of third-party vectors; default `../shared/vectors`, when it is there.
";
