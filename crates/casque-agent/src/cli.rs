//! The command line.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

use casque_attester::{EvidenceSource, GuestPlaces, Look};
use clap::{Args, Parser, Subcommand};

use crate::report::{note_boot_log, report};
use crate::show::{ShowArguments, show_evidence};
use crate::sources::{ADVANCED, EvidenceChoice, Source, SourceArguments};
use crate::{
    AgentError, AgentExit, AgentSettings, AzureGuest, EvidencePlan, HostEnvironment, MaaPassport,
    SettingsError, run, run_with,
};

/// Attests to a Casque server, places the files that it releases, and starts the workload.
#[derive(Debug, Parser)]
#[command(name = "casque-agent", version, about, after_help = EXIT_CODES)]
pub struct AgentCli {
    #[command(subcommand)]
    command: AgentCommand,
}

#[derive(Debug, Subcommand)]
enum AgentCommand {
    /// Gets the configuration and runs the program with it.
    #[command(after_help = EXIT_CODES)]
    Run(Box<RunArguments>),
    /// Gathers evidence, and says from which source and why.
    Evidence(Box<ShowArguments>),
}

/// The arguments of `casque-agent run`.
#[derive(Debug, Default, Args)]
pub(crate) struct RunArguments {
    /// Which service to be: `[namespace/]policy/service[@OTP]` [env: `CASQUE_CONFIG_ID`, `SCONE_CONFIG_ID`]
    pub(crate) config_id: Option<String>,
    /// The server, port 8081 unless said [env: `CASQUE_ADDR`, `SCONE_CAS_ADDR`]
    #[arg(long = "addr", alias = "server", value_name = "HOST[:PORT]")]
    pub(crate) address: Option<String>,
    /// Key hash of the server to trust [env: `CASQUE_SERVER_KEY`]
    #[arg(long, value_name = "HASH")]
    pub(crate) server_key: Option<String>,
    /// Authorities of an ingress at which TLS ends, PEM [env: `CASQUE_CA_FILE`]
    #[arg(long, alias = "tls-ca", value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Read a token of Microsoft Azure Attestation from here, best a named pipe; instead of evidence, or beside it
    /// where `--evidence` is given too
    #[arg(long, value_name = "FILE")]
    pub(crate) maa_token_file: Option<PathBuf>,
    /// First write the runtime data here that the token must be over
    #[arg(long, value_name = "FILE", requires = "maa_token_file")]
    pub(crate) runtime_data_file: Option<PathBuf>,
    /// Have the policy's attestation service judge this Azure virtual machine with its TPM and boot, and show its token
    /// beside the evidence [env: `CASQUE_AZURE_GUEST`]
    #[arg(long, conflicts_with_all = ["maa_token_file", "runtime_data_file"])]
    pub(crate) azure_guest: bool,
    /// What the firmware measured of the boot, without it `/sys/kernel/security/tpm0/binary_bios_measurements`; for
    /// `--azure-guest` [env: `CASQUE_TCG_LOG`]
    #[arg(long, value_name = "PATH", help_heading = ADVANCED)]
    pub(crate) tcg_log: Option<PathBuf>,
    /// One-time password of 6 digits, for policies that ask for one [env: `CASQUE_OTP`]
    #[arg(long, value_name = "DIGITS")]
    pub(crate) otp: Option<String>,
    /// Read the service access token from here [env, the token itself: `CASQUE_SERVICE_ACCESS_TOKEN`,
    /// `SCONE_SERVICE_ACCESS_TOKEN`]
    #[arg(long, value_name = "FILE")]
    pub(crate) service_access_token_file: Option<PathBuf>,
    /// Read a projected service account token of Kubernetes from here, for policies that demand one
    /// [env: `CASQUE_SERVICE_ACCOUNT_TOKEN_FILE`]
    #[arg(long, value_name = "FILE")]
    pub(crate) service_account_token_file: Option<PathBuf>,
    /// Keep the encrypted directories of volumes here, as `DIR/NAME.encrypted`; without it beside each
    /// volume, as `PATH.encrypted` [env: `CASQUE_VOLUMES`]
    #[arg(long, value_name = "DIR")]
    pub(crate) volumes: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) sources: SourceArguments,
    /// A program in place of the policy's (`""`: the policy's), and arguments: the host's (`@@N`) if the
    /// policy takes any, else in place of the policy's
    #[arg(last = true, value_name = "PROGRAM [ARGS]")]
    pub(crate) program: Vec<OsString>,
}

/// The whole program: reads the command line, runs, and says how it ended.
pub fn main_with(
    arguments: impl IntoIterator<Item = OsString>,
    host: &HostEnvironment,
    output: &mut dyn Write,
    notes: &mut dyn Write,
) -> AgentExit {
    let cli = match AgentCli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            let _written = write!(notes, "{error}");
            return AgentExit::Usage;
        }
        Err(help) => {
            let _written = write!(output, "{help}");
            return AgentExit::Program(0);
        }
    };
    let done = match cli.command {
        AgentCommand::Run(arguments) => run_arguments(*arguments, host, notes),
        AgentCommand::Evidence(arguments) => show_evidence(&arguments, host, output, notes),
    };
    match done {
        Ok(exit) => exit,
        Err(error) => {
            report(&error, None, notes);
            error.exit()
        }
    }
}

fn run_arguments(
    arguments: RunArguments,
    host: &HostEnvironment,
    notes: &mut dyn Write,
) -> Result<AgentExit, AgentError> {
    let settings = AgentSettings::resolve(&arguments, host)?;
    if is_azure_guest(&arguments, host)? {
        return run_azure_guest(&arguments, &settings, host, notes);
    }
    let runtime_data_file = arguments.runtime_data_file;
    let passport = arguments.maa_token_file.map(|token_file| MaaPassport {
        token_file,
        runtime_data_file,
    });
    let sources = &arguments.sources;
    let passport = match (sources.evidence, passport) {
        (None, Some(passport)) => {
            return Ok(run(&settings, &EvidencePlan::MaaToken(passport), notes));
        }
        (Some(EvidenceChoice::None), Some(_)) => {
            return Err(SettingsError::TokenBesideNothing.into());
        }
        (_, passport) => passport,
    };
    let Source::There { source, .. } = sources.open(host, Look::UntilFound)? else {
        return Ok(run(&settings, &EvidencePlan::Absent, notes));
    };
    let source: &dyn EvidenceSource = &*source;
    let plan = match passport {
        None => EvidencePlan::Source(source),
        Some(passport) => EvidencePlan::Both { source, passport },
    };
    Ok(run(&settings, &plan, notes))
}

fn is_azure_guest(arguments: &RunArguments, host: &HostEnvironment) -> Result<bool, SettingsError> {
    if arguments.azure_guest || arguments.maa_token_file.is_some() {
        return Ok(arguments.azure_guest);
    }
    match host.setting("CASQUE_AZURE_GUEST") {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(SettingsError::AzureGuest),
    }
}

fn run_azure_guest(
    arguments: &RunArguments,
    settings: &AgentSettings,
    host: &HostEnvironment,
    notes: &mut dyn Write,
) -> Result<AgentExit, AgentError> {
    let vtpm = &arguments.sources.open_azure_vtpm(host)?;
    let usual = GuestPlaces::default();
    let of_host = || host.setting("CASQUE_TCG_LOG").map(PathBuf::from);
    let tcg_log = arguments.tcg_log.clone().or_else(of_host);
    let places = &GuestPlaces {
        tcg_log: tcg_log.unwrap_or(usual.tcg_log),
        ..usual
    };
    note_boot_log(&places.tcg_log, notes);
    let judge = &settings.client()?;
    let plan = EvidencePlan::AzureGuest(AzureGuest {
        vtpm,
        places,
        judge,
    });
    Ok(run_with(judge, settings, &plan, notes))
}

const EXIT_CODES: &str = "\
Exit codes: the program's own, 128 + n when signal n ended it, or
  100  the command line or the settings are wrong
  101  the server cannot be reached, or failed
  102  no evidence could be gathered
  103  the server refused; a denial's reasons are on standard error
  104  the server, or its answer, is not the pinned one's, or it does not know the access token
  105  the files cannot be placed
  106  the program cannot be started
  107  the agent itself failed
  108  a volume cannot be mounted";

#[cfg(test)]
mod tests;
