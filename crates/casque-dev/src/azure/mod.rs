//! The local Azure: Entra ID, Key Vault, MAA, IMDS and a PCCS, over TLS on loopback, from one seed file.
//!
//! Each service has a port of its own on `localhost`; one certification authority vouches for all of
//! them (`ca.pem` in the state folder). It is made so that the official Azure clients are satisfied
//! (spec/azure.md section 5, `peers/`). It protects nothing: its credentials stand in the seed file.

mod admin;
mod applications;
mod certificate;
mod entra;
mod faults;
mod imds;
mod jws;
mod kds;
mod listeners;
mod maa;
mod metadata;
mod pccs;
mod thim;
mod tls;
mod vault;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use casque_testkit::sgx::SoftwareTeeError;
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use admin::{Answer, Commands, EvidenceRequest, Program};
pub use faults::{FaultPlan, Faults, Service};
pub use metadata::MetadataService;

use crate::seed::Seed;
use crate::state::{FileError, StateDirectory};
use crate::tees::SoftwareTees;
use applications::{ApplicationFiles, CA_FILE, load_authority};
use entra::Entra;
use listeners::Listeners;
use maa::Maa;
use vault::Vault;

/// On which ports the services listen; 0 is a free one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ports {
    /// Entra ID.
    pub entra: u16,
    /// Key Vault.
    pub vault: u16,
    /// MAA.
    pub maa: u16,
    /// IMDS.
    pub imds: u16,
    /// PCCS.
    pub pccs: u16,
    /// The fault switch.
    pub admin: u16,
}

/// Where the services are, and what is needed to use them.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// PEM file of the authority that vouches for all of them.
    pub ca_file: PathBuf,
    /// Entra ID.
    pub authority: String,
    /// Its tenant.
    pub tenant_id: String,
    /// The first application of the seed.
    pub client_id: String,
    /// Its first secret that is not expired; empty when there is none.
    pub client_secret: String,
    /// PEM file of its private key, PKCS#8.
    pub client_key_file: PathBuf,
    /// PEM file of its private key and certificate.
    pub client_certificate_file: PathBuf,
    /// SHA-1 thumbprint of that certificate, as Entra shows it.
    pub client_thumbprint: String,
    /// Key Vault.
    pub vault: String,
    /// The audience of its tokens.
    pub vault_resource: String,
    /// MAA.
    pub maa: String,
    /// IMDS.
    pub imds: String,
    /// PCCS.
    pub pccs: String,
    /// The fault switch.
    pub admin: String,
}

/// A running local Azure; it stops when this is dropped.
pub struct LocalAzure {
    endpoints: Endpoints,
    services: Arc<Services>,
    _tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
}

/// The services' states, for the admin service.
pub(crate) struct Services {
    entra: Arc<Entra>,
    vault: Arc<Vault>,
    maa: Arc<Maa>,
    /// In the order of [`Service::ALL`].
    faults: [Arc<Faults>; 5],
}

impl Services {
    fn faults(&self, name: &str) -> Option<&Arc<Faults>> {
        self.faults.iter().find(|f| f.service().name() == name)
    }
}

/// Why the local Azure did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// A certificate could not be made.
    #[error("a certificate of the local Azure could not be made")]
    Certificate(#[from] rcgen::Error),
    /// The TLS provider refused the certificate or the protocol version.
    #[error("TLS could not be set up")]
    Tls(#[from] rustls::Error),
    /// A PFX could not be written.
    #[error("a PKCS#12 file could not be written")]
    Pkcs12,
    /// A key could not be made or used.
    #[error("a key could not be made or used")]
    Key,
    /// A port is not free.
    #[error("{service} cannot listen on port {port} of 127.0.0.1")]
    Bind {
        /// Which service.
        service: &'static str,
        /// The port asked for.
        port: u16,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A listener does not know its port.
    #[error("a listener has no address")]
    Listener(#[source] io::Error),
    /// A file of the state folder could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The software TEE failed.
    #[error("the software TEE could not endorse itself")]
    Tee(#[from] SoftwareTeeError),
    /// The software MAA failed.
    #[error("the local MAA could not make its key")]
    Maa,
}

impl LocalAzure {
    /// Starts all services.
    ///
    /// # Errors
    /// [`StartError`]: a port that is not free, a folder that cannot be written, a key that cannot be made.
    pub async fn start(
        seed: &Seed,
        state: &StateDirectory,
        tees: Arc<SoftwareTees>,
        ports: Ports,
        commands: Commands,
    ) -> Result<Self, StartError> {
        let authority = load_authority(state)?;
        let tls = tls::server_config(&authority)?;
        let files = ApplicationFiles::prepare(&seed.entra, state)?;
        let listeners = Listeners::bind(ports).await?;
        let endpoints = listeners.endpoints(seed, &files, &state.path(CA_FILE))?;
        let services = Arc::new(Services::new(seed, &endpoints, files, tees.clone())?);
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for (listener, router) in listeners.with_routers(seed, &services, tees, commands) {
            tasks.spawn(tls::serve(listener, tls.clone(), router, stopped.clone()));
        }
        Ok(Self {
            endpoints,
            services,
            _tasks: tasks,
            stop,
        })
    }

    /// Where the services are.
    #[must_use]
    pub const fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// The fault switch of a service.
    #[must_use]
    pub fn faults(&self, service: Service) -> Option<&Arc<Faults>> {
        self.services.faults(service.name())
    }

    /// Stops accepting; connections end when it is dropped.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }
}

impl Services {
    fn new(
        seed: &Seed,
        endpoints: &Endpoints,
        files: ApplicationFiles,
        tees: Arc<SoftwareTees>,
    ) -> Result<Self, StartError> {
        let faults = listeners::no_faults();
        let [of_entra, of_vault, of_maa, ..] = &faults;
        let entra = Arc::new(Entra::new(
            seed.entra.clone(),
            endpoints.authority.clone(),
            files.into_applications(&seed.entra),
            of_entra.clone(),
        )?);
        let url = endpoints.vault.clone();
        let vault = Vault::new(&seed.vault, url, entra.clone(), of_vault.clone())?;
        let maa = Maa::new(&endpoints.maa, tees, of_maa.clone())?;
        Ok(Self {
            entra,
            vault: Arc::new(vault),
            maa: Arc::new(maa),
            faults,
        })
    }
}
