//! casque-agent: the program in front of a program.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use casque_agent::{AgentError, AgentExit, AgentSettings, Proof, run};
use casque_attester::{SourceRoots, detect};
use casque_client::ServerAddress;
use casque_types::{ConfigId, KeyHash};
use clap::{Args, Parser, Subcommand};

/// Attests, places the files of a service's configuration, and starts its program.
///
/// Exit codes: the program's own (128 and the signal's number when a signal ended it), or
/// 100 usage, 101 server unreachable or not able now, 102 no evidence, 103 denied, 104 not the pinned server,
/// 105 a file cannot be placed, 106 the program cannot be started.
#[derive(Parser)]
#[command(name = "casque-agent", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Attest as a service and start its program.
    Run(RunArguments),
    /// Say which source of evidence this guest has, and why.
    Evidence,
}

#[derive(Args)]
struct RunArguments {
    /// The service: `[namespace/]policy/service`. Also CASQUE_CONFIG_ID or SCONE_CONFIG_ID.
    config_id: Option<String>,
    /// The server: host[:port]. Also CASQUE_ADDR or SCONE_CAS_ADDR. Default port 8081.
    #[arg(long, value_name = "ADDRESS")]
    server: Option<String>,
    /// The server's key hash, as its log and `casque cas list` show it. Also CASQUE_SERVER_KEY.
    #[arg(long, value_name = "HASH")]
    server_key: Option<String>,
    /// Roots (PEM) of an ingress that ends TLS before the server. Also CASQUE_CA_FILE.
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,
    /// Bring no evidence: for policies with `mode: none` alone, which release to anyone.
    #[arg(long)]
    dangerous_no_evidence: bool,
    /// PROGRAM replaces the policy's program; ARGS, when given, its arguments.
    #[arg(last = true, value_name = "PROGRAM ARGS")]
    program: Vec<OsString>,
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            drop(error.print());
            let usage = if error.use_stderr() {
                AgentExit::Usage.code()
            } else {
                0
            };
            return ExitCode::from(usage);
        }
    };
    match arguments.command {
        Command::Run(arguments) => start(arguments),
        Command::Evidence => explain(),
    }
}

fn start(arguments: RunArguments) -> ExitCode {
    let without_evidence = arguments.dangerous_no_evidence;
    let settings = match settings(arguments) {
        Ok(settings) => settings,
        Err(message) => return fail(AgentExit::Usage, &[message]),
    };
    let ended = if without_evidence {
        run(&settings, &Proof::DangerousNothing)
    } else {
        match detect(&SourceRoots::default()) {
            Ok((source, _)) => run(&settings, &Proof::Evidence(&*source)),
            Err(error) => return fail(AgentExit::Evidence, &[error.to_string()]),
        }
    };
    match ended {
        Ok(status) => ExitCode::from(status),
        Err(error) => fail(AgentError::exit(&error), &error.lines()),
    }
}

fn explain() -> ExitCode {
    match detect(&SourceRoots::default()) {
        Ok((_, detection)) => {
            say(&detection.to_string());
            ExitCode::SUCCESS
        }
        Err(error) => fail(AgentExit::Evidence, &[error.to_string()]),
    }
}

fn settings(arguments: RunArguments) -> Result<AgentSettings, String> {
    let config = or_env(
        arguments.config_id,
        &["CASQUE_CONFIG_ID", "SCONE_CONFIG_ID"],
    );
    let config = config
        .ok_or("give the config id: `casque-agent run policy/service`, or CASQUE_CONFIG_ID")?;
    let config: ConfigId = config
        .parse()
        .map_err(|error| format!("config id `{config}`: {error}"))?;
    let address = or_env(arguments.server, &["CASQUE_ADDR", "SCONE_CAS_ADDR"]);
    let address = address.ok_or("give the server: --server host[:port], or CASQUE_ADDR")?;
    let address: ServerAddress = address
        .parse()
        .map_err(|error| format!("server `{address}`: {error}"))?;
    let server = or_env(arguments.server_key, &["CASQUE_SERVER_KEY"]);
    let server =
        server.ok_or("give the server's key hash: --server-key HASH, or CASQUE_SERVER_KEY")?;
    let server: KeyHash = server
        .parse()
        .map_err(|error| format!("server key `{server}`: {error}"))?;
    let ca_file = arguments
        .tls_ca
        .or_else(|| std::env::var_os("CASQUE_CA_FILE").map(PathBuf::from));
    let authorities_pem = ca_file
        .map(|file| {
            std::fs::read(&file)
                .map_err(|error| format!("cannot read `{}`: {error}", file.display()))
        })
        .transpose()?;
    Ok(AgentSettings {
        address,
        server,
        authorities_pem,
        config,
        command: arguments.program,
        program_file: None,
    })
}

fn or_env(given: Option<String>, names: &[&str]) -> Option<String> {
    given.or_else(|| {
        let found = names.iter().find_map(std::env::var_os)?;
        found.into_string().ok()
    })
}

fn fail(exit: AgentExit, lines: &[String]) -> ExitCode {
    for line in lines {
        say(&format!("casque-agent: {line}"));
    }
    ExitCode::from(exit.code())
}

#[expect(
    clippy::print_stderr,
    reason = "a program's own messages go to standard error"
)]
fn say(text: &str) {
    eprintln!("{text}");
}
