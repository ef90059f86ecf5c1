//! casque: the command line of policy authors, ring 4. `docs/cli.md` describes every command.
//!
//! Data go to standard output, everything else to standard error; the exit code says how it ended
//! ([`exit`]). The library reads neither clock nor environment: [`Invocation`] brings both.

mod argfile;
mod args;
mod cas;
mod cert;
mod config;
mod console;
mod edit;
mod endorsements;
mod error;
pub mod exit;
mod explain;
mod generate;
mod identity;
mod invocation;
mod lock;
mod lock_out;
mod out_file;
mod own;
mod pem;
mod policy_file;
mod portable;
mod redact;
mod report;
mod schema;
mod servers;
mod session;
mod upload;
mod yaml;

use std::ffi::OsString;
use std::io::{Read, Write};

use clap::Parser as _;

pub use args::command;
pub use invocation::{Invocation, Terminal};

use args::{Cli, Command};
use console::{Console, Style, printable};
use error::CliError;
use out_file::OutFile;

/// Runs one command; the answer is the exit code.
pub fn run(
    invocation: &Invocation,
    stdin: &mut dyn Read,
    stdout: &mut dyn Write,
    stderr: &mut dyn Write,
) -> u8 {
    let arguments = match arguments_of(invocation) {
        Ok(arguments) => arguments,
        Err(error) => return Console::new(stdin, stdout, stderr, Style::Plain).failed(&error),
    };
    let mut cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return usage(&error, &arguments, stdout, stderr),
    };
    let style = invocation.style(cli.output);
    let mut file = cli.out.take().map(OutFile::new);
    let stdout = match &mut file {
        Some(file) => file,
        None => stdout,
    };
    let mut console = Console::new(stdin, stdout, stderr, style);
    match dispatch(cli, invocation, &mut console) {
        Ok(code) => code,
        Err(error) => console.failed(&error),
    }
}

fn arguments_of(invocation: &Invocation) -> Result<Vec<OsString>, CliError> {
    let arguments = argfile::expanded(&invocation.arguments)?;
    match argfile::testing_flag(&arguments) {
        Some(flag) => Err(CliError::TestingFlag {
            flag: printable(flag),
        }),
        None => Ok(arguments),
    }
}

fn dispatch(cli: Cli, invocation: &Invocation, console: &mut Console<'_>) -> Result<u8, CliError> {
    let config = invocation.config_path(cli.config.or(cli.config_in_front));
    let config = config.as_deref();
    match cli.command {
        Command::Session(command) => session::run(&command, invocation, config, console),
        Command::Cas(command) => cas::run(&command, invocation, config, console),
        Command::Explain(args) => explain::run(&args, invocation, config, console),
        Command::Cert(command) => cert::run(&command, console),
        Command::Endorsements(command) => endorsements::run(&command, invocation, console),
        Command::Own(command) => own::run(&command, invocation, config, console),
        Command::Completions { shell } => generate::completions(shell, console),
        Command::Man { folder } => generate::manual(&folder, console),
    }
}

/// What clap has to say: help and version are data, the rest is an error of usage.
fn usage<'a>(
    error: &clap::Error,
    arguments: &[OsString],
    stdout: &'a mut dyn Write,
    stderr: &'a mut dyn Write,
) -> u8 {
    let asked_for = error.exit_code() == 0;
    let (stream, code) = match asked_for {
        true => (stdout, exit::OK),
        false if is_explain(arguments) => (stderr, exit::UNUSABLE),
        false => (stderr, exit::USAGE),
    };
    // Nobody is left to tell when the stream is closed.
    write!(stream, "{}", error.render()).ok();
    code
}

/// Whether arguments that clap refused were meant for `explain`, which has one exit code for all that cannot be used.
fn is_explain(arguments: &[OsString]) -> bool {
    let lenient = command().ignore_errors(true);
    let matches = lenient.try_get_matches_from(arguments);
    matches.is_ok_and(|matches| matches.subcommand_name() == Some("explain"))
}
