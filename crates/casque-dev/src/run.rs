//! `casque-dev run`: the agent in the software TEE, against the running local world.
//!
//! The software TEE measures the file of the program before the agent attests with that measurement, and
//! the agent starts that file, whose path is the program's first argument. Between the two nothing holds the
//! file still: this is no protection.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use casque_agent::{
    AgentExit, AgentSettings, AttesterError, Collected, EvidencePlan, EvidenceSource,
    HostEnvironment, SettingsError, Timeouts, split_otp,
};
use casque_testkit::sgx::{SoftwareTee, software_identity};
use casque_types::{ConfigId, NameParseError, ReportData, SgxIdentity};
use clap::Args;
use hyper::Method;
use thiserror::Error;

use crate::ask::{AskError, Asker};
use crate::azure::Program;
use crate::cli::{StateArgs, report};
use crate::measure::{MeasureError, find, measure};
use crate::state::{FileError, StateDirectory};
use crate::tee::{self, TeeError};
use crate::up::World;

/// What to start.
#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    state: StateArgs,
    /// The service: `[namespace/]policy/service`, and `@123456` behind it where a one-time password is needed.
    config_id: String,
    /// PROGRAM replaces the policy's program; ARGS, when given, its arguments.
    #[arg(last = true, value_name = "PROGRAM ARGS")]
    program: Vec<OsString>,
}

/// Why the agent was not even begun.
#[derive(Debug, Error)]
pub enum RunError {
    /// The state folder.
    #[error(transparent)]
    State(#[from] FileError),
    /// No world runs there.
    #[error("no local world with a casqued runs in `{}`: start `casque-dev up` first", folder.display())]
    NotUp {
        /// The folder.
        folder: PathBuf,
    },
    /// The software TEE.
    #[error(transparent)]
    Tee(#[from] TeeError),
    /// The program.
    #[error(transparent)]
    Measure(#[from] MeasureError),
    /// The runtime for the one question.
    #[error("no asynchronous runtime")]
    Runtime(#[source] io::Error),
    /// The local world does not answer.
    #[error("the local world does not say which program the service starts")]
    Ask(#[from] AskError),
    /// It knows no program.
    #[error("{why}")]
    NoProgram {
        /// Why not.
        why: String,
    },
    /// The config id.
    #[error("expected a config id such as `policy/service`: {0}")]
    Config(#[from] NameParseError),
    /// The one-time password.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// `up.json` names no server.
    #[error("`up.json` names no server: start `casque-dev up` again")]
    Address,
}

/// Starts the program; the exit status is its own, or one of the agent's.
#[must_use]
pub fn run(args: RunArgs) -> ExitCode {
    let (settings, source) = match prepare(args) {
        Ok(prepared) => prepared,
        Err(error) => {
            report(&error);
            return AgentExit::Usage.into();
        }
    };
    let evidence = EvidencePlan::Source(&source);
    casque_agent::run(&settings, &evidence, &mut io::stderr()).into()
}

fn prepare(args: RunArgs) -> Result<(AgentSettings, SoftwareSource), RunError> {
    let state = StateDirectory::open(&args.state.directory())?;
    let world = World::running(&state)?.filter(|world| !world.cas.is_empty());
    let world = world.ok_or_else(|| RunError::NotUp {
        folder: state.as_path().to_owned(),
    })?;
    let (config, otp) = split_otp(&args.config_id);
    let config: ConfigId = config.parse()?;
    // An empty PROGRAM keeps the policy's, as with the agent.
    let file = match args.program.first().filter(|program| !program.is_empty()) {
        Some(program) => find(program, None)?,
        None => policy_program(&world, &config)?,
    };
    let source = SoftwareSource {
        tee: tee::load(&state)?,
        identity: software_identity(measure(&file)?),
        folder: state.as_path().to_owned(),
    };
    let host: HostEnvironment = std::env::vars_os().collect();
    let settings = AgentSettings {
        address: world.cas.parse().map_err(|_| RunError::Address)?,
        config,
        server_key: world.cas_key_hash.parse().map_err(|_| RunError::Address)?,
        authorities_pem: None,
        program: Some(file.into_os_string()),
        arguments: args.program.into_iter().skip(1).collect(),
        search_path: host.value("PATH").unwrap_or_default().to_owned(),
        factors: host.second_factors(otp)?,
        volumes: host.setting("CASQUE_VOLUMES").map(PathBuf::from),
        host,
        timeouts: Timeouts::default(),
    };
    Ok((settings, source))
}

/// The file of the program that the policy starts, as the local world tells it: in a real TEE the program is
/// measured before anybody asks.
fn policy_program(world: &World, config: &ConfigId) -> Result<PathBuf, RunError> {
    let asker = Asker::new(&world.ca_file)?;
    let url = format!("{}/command?config={config}", world.admin);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(RunError::Runtime)?;
    let answer = runtime.block_on(asker.ask(Method::GET, &url, &[], ""))?;
    match serde_json::from_slice::<Program>(&answer.body) {
        Ok(program) if answer.status.is_success() => {
            let directory = program.directory.as_deref().map(Path::new);
            Ok(find(OsStr::new(&program.program), directory)?)
        }
        _ => Err(RunError::NoProgram {
            why: String::from_utf8_lossy(&answer.body).into_owned(),
        }),
    }
}

/// Evidence of the software TEE for one program.
struct SoftwareSource {
    tee: SoftwareTee,
    identity: SgxIdentity,
    folder: PathBuf,
}

impl EvidenceSource for SoftwareSource {
    fn name(&self) -> &'static str {
        NAME
    }

    fn gather(&self, report_data: &ReportData) -> Result<Collected, AttesterError> {
        let quote = self.tee.quote(&self.identity, report_data.as_bytes());
        quote
            .map(Collected::SgxQuote)
            .map_err(|error| AttesterError::File {
                source_name: NAME,
                action: "read",
                path: self.folder.clone(),
                source: io::Error::other(error),
            })
    }
}

const NAME: &str = "software TEE";
