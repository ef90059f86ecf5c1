//! The command line. Answers go to standard output, everything else to standard error.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::bench;
use crate::demo;
use crate::machine;
use crate::measure;
use crate::quote;
use crate::run;
use crate::serve;
use crate::tees::TeeKind;
use crate::up;

/// A local Azure, the software TEE and a casqued beside them, for development and tests.
///
/// It protects nothing: its credentials stand in the seed file, its platform keys in the state folder.
#[derive(Debug, Parser)]
#[command(name = "casque-dev", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the local Azure and a casqued; print one JSON object on one line; run until stopped.
    Up(up::UpArgs),
    /// Start a program in the software TEE, with what its policy gives it.
    Run(run::RunArgs),
    /// Print the measurement that the software TEE gives a program.
    Measure {
        /// The kind of TEE.
        #[arg(long, value_enum, default_value_t)]
        tee: TeeKind,
        /// The program; without a slash it is looked up in PATH.
        program: OsString,
    },
    /// Start a program beside a real TPM (swtpm), as in an Azure VM on the software TEE.
    Machine(machine::MachineArgs),
    /// Tell the whole story, step by step, with the real programs.
    Demo(demo::DemoArgs),
    /// Measure what operations cost the server.
    Bench(bench::BenchArgs),
    /// Print the built-in seed file.
    Seed,
    /// Write a quote of the software TEE over a file of runtime data.
    #[command(hide = true)]
    Quote(quote::QuoteArgs),
    /// Serve a casqued under other roots.
    #[command(hide = true)]
    Serve(serve::ServeArgs),
}

/// Which local world is meant.
#[derive(Clone, Debug, Args)]
pub struct StateArgs {
    /// State folder. Default: `$XDG_STATE_HOME/casque-dev`, or `~/.local/state/casque-dev`.
    #[arg(long = "state", env = "CASQUE_DEV_STATE", value_name = "DIR")]
    pub state: Option<PathBuf>,
    #[arg(long, env = "XDG_STATE_HOME", hide = true)]
    xdg_state_home: Option<PathBuf>,
    #[arg(long, env = "HOME", hide = true)]
    home: Option<PathBuf>,
}

impl StateArgs {
    /// The folder.
    #[must_use]
    pub fn directory(&self) -> PathBuf {
        if let Some(state) = &self.state {
            return state.clone();
        }
        let absolute = |path: &&PathBuf| path.is_absolute();
        let base = self.xdg_state_home.as_ref().filter(absolute).cloned();
        let home = || {
            let home = self.home.clone().unwrap_or_else(|| PathBuf::from("/"));
            home.join(".local/state")
        };
        base.unwrap_or_else(home).join("casque-dev")
    }
}

/// Parses the arguments and does what they say.
#[must_use]
pub fn main() -> ExitCode {
    let filter = EnvFilter::try_from_env("CASQUE_DEV_LOG");
    let filter = filter.unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let result = match Cli::parse().command {
        Command::Up(args) => up::up(args).map_err(boxed),
        Command::Run(args) => return run::run(args),
        Command::Measure { tee, program } => measure::print(&program, tee).map_err(boxed),
        Command::Machine(args) => return machine::run(&args),
        Command::Demo(args) => return demo::demo(&args),
        Command::Bench(args) => return bench::bench(&args),
        Command::Serve(args) => serve::serve(&args).map_err(boxed),
        Command::Seed => std::io::stdout()
            .write_all(crate::seed::SAMPLE.as_bytes())
            .map_err(boxed),
        Command::Quote(args) => quote::write(&args).map_err(boxed),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(error.as_ref());
            ExitCode::FAILURE
        }
    }
}

/// Writes an error with its causes to standard error.
pub(crate) fn report(error: &dyn std::error::Error) {
    let mut text = format!("casque-dev: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    complain(&text);
}

/// Writes one line to standard error; nobody is left to be told when that fails.
pub(crate) fn complain(text: &str) {
    let _written = writeln!(std::io::stderr(), "{text}");
}

fn boxed(error: impl std::error::Error + 'static) -> Box<dyn std::error::Error> {
    Box::new(error)
}
