//! `casque-dev run`: the agent in the software TEE, against the running local world.
//!
//! With `--swtpm` the machine's TPM is a real one, swtpm (module `machine`), and the agent's own source reads it.
//!
//! The software TEE measures the file of the program before the agent attests with that measurement, and
//! the agent starts that file, whose path is the program's first argument. Between the two nothing holds the
//! file still: this is no protection.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use casque_agent::{
    AgentExit, AgentSettings, AttesterError, AzureGuest, ClientError, Collected, EvidencePlan,
    EvidenceSource, GuestPlaces, HostEnvironment, SettingsError, Timeouts, split_otp,
};
use casque_attester::{AzureVm, GuestData, SecurityContext, TpmQuote};
use casque_types::{ConfigId, NameParseError};
use casque_wire::{self as wire, AnyB64, Evidence};
use clap::Args;
use hyper::Method;
use thiserror::Error;

use crate::ask::{AskError, Asker};
use crate::azure::{EvidenceRequest, Program};
use crate::cli::{StateArgs, report};
use crate::machine::{Machine, MachineError, MachineTee};
use crate::measure::{MeasureError, Measurements, find, measurements};
use crate::state::{FileError, StateDirectory};
use crate::tees::{SoftwareTees, TeeKind, TeesError};
use crate::up::World;

/// What to start.
#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    state: StateArgs,
    /// The kind of TEE that the program is run in.
    #[arg(long, value_enum, default_value_t)]
    tee: TeeKind,
    /// Read a real TPM (swtpm), for `--tee azure-snp` and `--tee azure-tdx`
    #[arg(long)]
    swtpm: bool,
    /// Have MAA judge the machine with its TPM (`attest/AzureGuest`), with `--swtpm`
    #[arg(long, requires = "swtpm")]
    azure_guest: bool,
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
    /// The kind of TEE has no TPM.
    #[error("`--swtpm` with this kind of TEE: expected `--tee azure-snp` or `--tee azure-tdx`")]
    NoTpm,
    /// The TPM.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// The software TEE.
    #[error(transparent)]
    Tees(#[from] TeesError),
    /// The client of the server.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// `up.json` names no server.
    #[error("`up.json` names no server: start `casque-dev up` again")]
    Address,
}

/// Starts the program; the exit status is its own, or one of the agent's.
#[must_use]
pub fn run(args: RunArgs) -> ExitCode {
    match try_run(args) {
        Ok(exit) => exit.into(),
        Err(error) => {
            report(&error);
            AgentExit::Usage.into()
        }
    }
}

fn try_run(args: RunArgs) -> Result<AgentExit, RunError> {
    let (swtpm, azure_guest) = (args.swtpm, args.azure_guest);
    let (settings, source) = prepare(args)?;
    let notes = &mut io::stderr();
    if !swtpm {
        let evidence = EvidencePlan::Source(&source);
        return Ok(casque_agent::run(&settings, &evidence, notes));
    }
    let machine = source.machine()?;
    let vtpm = &machine.vtpm()?;
    if !azure_guest {
        return Ok(casque_agent::run(
            &settings,
            &EvidencePlan::Source(vtpm),
            notes,
        ));
    }
    let judge = &settings.client()?;
    let evidence = EvidencePlan::AzureGuest(AzureGuest {
        vtpm,
        places: &GuestPlaces::default(),
        judge,
    });
    Ok(casque_agent::run_with(judge, &settings, &evidence, notes))
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
        kind: args.tee,
        program: measurements(&file)?,
        asker: Asker::new(&world.ca_file)?,
        url: format!("{}/evidence", world.admin),
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
    kind: TeeKind,
    program: Measurements,
    asker: Asker,
    url: String,
    folder: PathBuf,
}

impl SoftwareSource {
    /// A machine with a real TPM, whose paravisor has the program's measurement.
    fn machine(&self) -> Result<Machine, RunError> {
        let kind = match self.kind {
            TeeKind::AzureSnp => MachineTee::AzureSnp,
            TeeKind::AzureTdx => MachineTee::AzureTdx,
            _ => return Err(RunError::NoTpm),
        };
        let state = StateDirectory::open(&self.folder)?;
        let tees = SoftwareTees::load_or_make(&state)?;
        Ok(Machine::start(&tees, kind, self.program.sha384)?)
    }

    /// Asks the local world, whose TEEs the hardware is.
    fn ask(&self, report_data: &GuestData) -> Result<Evidence, io::Error> {
        let request = EvidenceRequest {
            tee: self.kind,
            sha256: self.program.sha256.to_string(),
            sha384: self.program.sha384.to_string(),
            report_data: hex::encode(report_data.as_bytes()),
        };
        let body = serde_json::to_vec(&request)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let asked = self.asker.ask(Method::POST, &self.url, &[], body);
        let answered = runtime.block_on(asked).map_err(io::Error::other)?;
        if !answered.status.is_success() {
            let why = String::from_utf8_lossy(&answered.body).into_owned();
            return Err(io::Error::other(why));
        }
        Ok(serde_json::from_slice(&answered.body)?)
    }
}

impl EvidenceSource for SoftwareSource {
    fn name(&self) -> &'static str {
        NAME
    }

    fn gather(&self, report_data: &GuestData) -> Result<Collected, AttesterError> {
        let evidence = self.ask(report_data).and_then(collected);
        evidence.map_err(|source| AttesterError::File {
            source_name: NAME,
            action: "read",
            path: self.folder.clone(),
            source,
        })
    }
}

/// As the agent's own sources give it.
fn collected(evidence: Evidence) -> io::Result<Collected> {
    let text = |text: Option<String>| text.unwrap_or_default().into_bytes();
    Ok(match evidence {
        Evidence::Sgx { quote } => Collected::SgxQuote(quote.0),
        Evidence::Tdx { quote } => Collected::TdxQuote(quote.0),
        Evidence::Snp { report, vek } => Collected::SnpReport {
            report: report.0,
            certificates: text(vek),
        },
        Evidence::AzureSnpVtpm {
            hcl,
            quote,
            vek,
            ak_chain,
        } => Collected::AzureSnp {
            vm: azure_vm(hcl, quote, ak_chain)?,
            vek,
        },
        Evidence::AzureTdxVtpm {
            hcl,
            quote,
            td_quote,
            ak_chain,
        } => Collected::AzureTdx {
            vm: azure_vm(hcl, quote, ak_chain)?,
            td_quote: td_quote.0,
        },
        Evidence::AciSnp {
            report,
            vek,
            policy,
            uvm,
        } => Collected::AciSnp {
            report: report.0,
            certificates: Vec::new(),
            context: SecurityContext {
                policy: policy.0,
                vek,
                reference_info: uvm.0,
            },
        },
        Evidence::None {} | Evidence::Maa { .. } => {
            return Err(io::Error::other("the local world has no such evidence"));
        }
    })
}

fn azure_vm(hcl: AnyB64, quote: wire::TpmQuote, ak_chain: Option<String>) -> io::Result<AzureVm> {
    let register = |digits: &String| {
        let mut register = [0; 32];
        let read = hex::decode_to_slice(digits, &mut register);
        read.map(|()| register).map_err(io::Error::other)
    };
    let pcrs: io::Result<Vec<[u8; 32]>> = quote.pcrs.iter().map(register).collect();
    Ok(AzureVm {
        hcl: hcl.0,
        quote: TpmQuote {
            message: quote.message.0,
            signature: quote.signature.0,
            pcrs: pcrs?,
        },
        ak_certificate: ak_chain.unwrap_or_default().into_bytes(),
        ak_intermediates: Vec::new(),
    })
}

const NAME: &str = "software TEE";
