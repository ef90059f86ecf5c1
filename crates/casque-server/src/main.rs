//! casqued: the Casque server.
//!
//! Exit codes: 0 stopped as asked, 1 usage or configuration, 2 cannot start.

use std::error::Error;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use casque_appraise::TrustAnchors;
use casque_server::{Config, LogFormat, LogSection, Server, openapi_json};
use clap::{Parser, Subcommand};
use nix::sys::resource::{Resource, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Casque's server: policies, attestation, release of configuration and secrets.
///
/// Exit codes: 0 stopped as asked; 1 usage or configuration; 2 cannot start.
#[derive(Parser)]
#[command(name = "casqued", version)]
struct Arguments {
    /// Configuration file (TOML). Without it the defaults hold.
    #[arg(long, short, value_name = "FILE", env = "CASQUED_CONFIG")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve (the default).
    Serve,
    /// Read the configuration, say what is wrong with it, and stop.
    CheckConfig,
    /// Print the OpenAPI 3.1 document of the REST interface, and stop.
    Openapi,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let config = match arguments.config.as_deref().map(Config::read).transpose() {
        Ok(config) => config.unwrap_or_default(),
        Err(error) => return fail(&error, ExitCode::from(1)),
    };
    match arguments.command.unwrap_or(Command::Serve) {
        Command::CheckConfig => {
            say("the configuration is usable");
            ExitCode::SUCCESS
        }
        Command::Openapi => print_openapi(),
        Command::Serve => serve(&config),
    }
}

fn print_openapi() -> ExitCode {
    let written = openapi_json().map_err(io::Error::from);
    match written.and_then(|text| writeln!(io::stdout().lock(), "{text}")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, ExitCode::from(2)),
    }
}

fn serve(config: &Config) -> ExitCode {
    if let Err(error) = log_to_stderr(&config.log) {
        return fail(&*error, ExitCode::from(1));
    }
    keep_memory_private();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error, ExitCode::from(2)),
    };
    match runtime.block_on(run(config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&*error, ExitCode::from(2)),
    }
}

async fn run(config: &Config) -> Result<(), Box<dyn Error>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let server = Server::start(config, TrustAnchors::vendors()).await?;
    tracing::info!(address = %server.address(), key_hash = %server.key_hash(), "serving");
    server
        .serve(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!("stopping");
        })
        .await;
    Ok(())
}

/// No core dumps, no reading by debuggers of the same user, no swap where the limits allow it. Each is
/// said when it cannot be had; none is a reason not to serve.
fn keep_memory_private() {
    if let Err(error) = setrlimit(Resource::RLIMIT_CORE, 0, 0) {
        tracing::warn!(%error, "core dumps stay possible: the limit cannot be set");
    }
    let not_dumpable = rustix::process::DumpableBehavior::NotDumpable;
    if let Err(error) = rustix::process::set_dumpable_behavior(not_dumpable) {
        tracing::warn!(%error, "debuggers of the same user can read this process");
    }
}

fn log_to_stderr(log: &LogSection) -> Result<(), Box<dyn Error>> {
    let filter = EnvFilter::try_new(&log.level)?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    match log.format {
        LogFormat::Text => subscriber.with_ansi(false).init(),
        LogFormat::Json => subscriber.json().init(),
    }
    Ok(())
}

/// What failed and every cause, a line each.
fn fail(error: &dyn Error, code: ExitCode) -> ExitCode {
    say(&format!("casqued: {error}"));
    let mut cause = error.source();
    while let Some(error) = cause {
        say(&format!("  because: {error}"));
        cause = error.source();
    }
    code
}

#[expect(
    clippy::print_stderr,
    reason = "a program's own messages go to standard error"
)]
fn say(text: &str) {
    eprintln!("{text}");
}
