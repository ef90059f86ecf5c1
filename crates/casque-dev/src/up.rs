//! `casque-dev up`: the local Azure and a casqued beside it, until stopped.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};

use crate::azure::{Commands, Endpoints, LocalAzure, Ports, StartError};
use crate::cas::{Cas, CasError, CasSettings, Cluster};
use crate::cli::StateArgs;
use crate::seed::{Seed, SeedError};
use crate::state::{FileError, StateDirectory};
use crate::tees::{SoftwareTees, TeesError};

/// What to start.
#[derive(Debug, Args)]
pub struct UpArgs {
    #[command(flatten)]
    state: StateArgs,
    /// Seed file of the local Azure; see `casque-dev seed`.
    #[arg(long, value_name = "FILE")]
    seed: Option<PathBuf>,
    /// Port of the local Entra ID; 0 is a free one. The same holds for the others.
    #[arg(long, default_value_t = 0)]
    port_entra: u16,
    /// Port of the local Key Vault.
    #[arg(long, default_value_t = 0)]
    port_vault: u16,
    /// Port of the local MAA.
    #[arg(long, default_value_t = 0)]
    port_maa: u16,
    /// Port of the local IMDS.
    #[arg(long, default_value_t = 0)]
    port_imds: u16,
    /// Port of the local PCCS.
    #[arg(long, default_value_t = 0)]
    port_pccs: u16,
    /// Port of the fault switch.
    #[arg(long, default_value_t = 0)]
    port_admin: u16,
    /// Port of casqued.
    #[arg(long, default_value_t = 0)]
    port_cas: u16,
    /// A Kubernetes cluster whose service account tokens casqued verifies: its issuer, and a file with its keys.
    #[arg(long = "cluster", value_name = "ISSUER=JWKS_FILE")]
    clusters: Vec<Cluster>,
    /// Do not start casqued: the members `cas` and `cas_key_hash` are empty then.
    #[arg(long)]
    azure_only: bool,
}

/// Why the local world did not start.
#[derive(Debug, Error)]
pub enum UpError {
    /// The state folder.
    #[error(transparent)]
    State(#[from] FileError),
    /// The seed file is none.
    #[error(transparent)]
    Seed(#[from] SeedError),
    /// The seed file cannot be read.
    #[error("cannot read the seed file `{}`", path.display())]
    SeedFile {
        /// Its path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// One runs there already.
    #[error("a local world runs in `{}` already, as process {pid}: stop it, or give another folder with --state", folder.display())]
    Running {
        /// The folder.
        folder: PathBuf,
        /// Its process.
        pid: u32,
    },
    /// The software TEEs.
    #[error(transparent)]
    Tees(#[from] TeesError),
    /// The local Azure.
    #[error("the local Azure did not start")]
    Azure(#[from] StartError),
    /// casqued.
    #[error("casqued did not start")]
    Cas(#[from] CasError),
    /// Signals, standard output, the runtime.
    #[error("the operating system")]
    System(#[from] io::Error),
    /// The JSON could not be written.
    #[error("the JSON could not be written")]
    Json(#[from] serde_json::Error),
}

/// The JSON object that `up` prints, and keeps as `up.json` in the state folder while it runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct World {
    /// PEM file of the authority that vouches for the local Azure.
    pub ca_file: PathBuf,
    /// Entra ID: `https://localhost:<port>`, as all of them.
    pub authority: String,
    /// Its tenant.
    pub tenant_id: String,
    /// The application.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// PEM file of its private key, PKCS#8.
    pub client_key_file: PathBuf,
    /// PEM file of its private key and certificate.
    pub client_certificate_file: PathBuf,
    /// SHA-1 thumbprint of that certificate.
    pub client_thumbprint: String,
    /// Key Vault.
    pub vault: String,
    /// MAA.
    pub maa: String,
    /// IMDS.
    pub imds: String,
    /// casqued; empty without one.
    pub cas: String,
    /// Its key hash; empty without one.
    pub cas_key_hash: String,
    /// The fault switch.
    pub admin: String,
    /// PCCS.
    pub pccs: String,
    /// The state folder.
    pub state: PathBuf,
    /// This program.
    pub program: PathBuf,
    /// Its process.
    pub pid: u32,
}

impl World {
    fn new(endpoints: &Endpoints, state: &StateDirectory, cas: Option<&Cas>) -> io::Result<Self> {
        let endpoints = endpoints.clone();
        Ok(Self {
            ca_file: endpoints.ca_file,
            authority: endpoints.authority,
            tenant_id: endpoints.tenant_id,
            client_id: endpoints.client_id,
            client_secret: endpoints.client_secret,
            client_key_file: endpoints.client_key_file,
            client_certificate_file: endpoints.client_certificate_file,
            client_thumbprint: endpoints.client_thumbprint,
            vault: endpoints.vault,
            maa: endpoints.maa,
            imds: endpoints.imds,
            cas: cas.map_or(String::new(), Cas::address),
            cas_key_hash: cas.map_or(String::new(), Cas::key_hash),
            admin: endpoints.admin,
            pccs: endpoints.pccs,
            state: state.as_path().to_owned(),
            program: std::env::current_exe()?,
            pid: std::process::id(),
        })
    }

    /// The world that runs in this state folder, if one does.
    ///
    /// # Errors
    /// [`FileError`] when `up.json` cannot be read.
    pub fn running(state: &StateDirectory) -> Result<Option<Self>, FileError> {
        let stored = state.read(UP_FILE)?;
        let world = stored.and_then(|bytes| serde_json::from_slice::<Self>(&bytes).ok());
        Ok(world.filter(Self::is_alive))
    }

    /// Whether its process is there, and is this program rather than a later one with the same number.
    fn is_alive(&self) -> bool {
        let link = std::fs::read_link(format!("/proc/{}/exe", self.pid));
        // A program that was rebuilt while it runs is shown with ` (deleted)` behind its path.
        link.is_ok_and(|found| {
            let (found, own) = (found.to_string_lossy(), self.program.to_string_lossy());
            found.strip_suffix(" (deleted)").unwrap_or(&found) == own
        })
    }
}

/// Starts everything, prints where it is, and waits for SIGTERM or SIGINT.
///
/// # Errors
/// [`UpError`]; nothing is left running then.
pub fn up(args: UpArgs) -> Result<(), UpError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(run(args))
}

async fn run(args: UpArgs) -> Result<(), UpError> {
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    let seed = read_seed(args.seed.as_ref())?;
    let state = StateDirectory::open(&args.state.directory())?;
    if let Some(running) = World::running(&state)? {
        return Err(UpError::Running {
            folder: running.state,
            pid: running.pid,
        });
    }
    let commands = Commands::default();
    let tees = Arc::new(SoftwareTees::load_or_make(&state)?);
    let azure = LocalAzure::start(
        &seed,
        &state,
        Arc::clone(&tees),
        args.ports(),
        commands.clone(),
    )
    .await?;
    let cas = match args.azure_only {
        true => None,
        false => {
            let settings = args.cas_settings();
            Some(Cas::start(&state, azure.endpoints(), &tees, &settings, &commands).await?)
        }
    };
    let world = World::new(azure.endpoints(), &state, cas.as_ref())?;
    let line = serde_json::to_string(&world)?;
    state.write(UP_FILE, line.as_bytes())?;
    writeln!(io::stdout(), "{line}")?;
    tokio::select! {
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    state.remove(UP_FILE)?;
    if let Some(cas) = cas {
        cas.stop().await;
    }
    azure.stop();
    Ok(())
}

impl UpArgs {
    fn cas_settings(&self) -> CasSettings {
        CasSettings {
            port: self.port_cas,
            clusters: self.clusters.clone(),
        }
    }

    const fn ports(&self) -> Ports {
        Ports {
            entra: self.port_entra,
            vault: self.port_vault,
            maa: self.port_maa,
            imds: self.port_imds,
            pccs: self.port_pccs,
            admin: self.port_admin,
        }
    }
}

fn read_seed(path: Option<&PathBuf>) -> Result<Seed, UpError> {
    let Some(path) = path else {
        return Ok(Seed::sample()?);
    };
    let text = std::fs::read_to_string(path).map_err(|source| UpError::SeedFile {
        path: path.clone(),
        source,
    })?;
    Ok(Seed::parse(&text)?)
}

const UP_FILE: &str = "up.json";
