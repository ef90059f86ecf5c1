//! The casqued of a local world: the server as a library, under the software TEE's root.
//!
//! The only place where a server is started with other trust anchors than the vendors'.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use casque_core::{Ports as _, Store as _};
use casque_policy::{Part, Policy};
use casque_server::{Config, Server, ServerPorts};
use casque_types::ConfigId;
use serde::Serialize;
use thiserror::Error;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::azure::{Commands, Endpoints, Program};
use crate::state::StateDirectory;
use crate::tees::SoftwareTees;

/// A running casqued.
pub struct Cas {
    address: String,
    key_hash: String,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

/// What its configuration says beside the local Azure.
#[derive(Clone, Debug, Default)]
pub struct CasSettings {
    /// Its port; 0 is a free one.
    pub port: u16,
    /// The Kubernetes clusters whose service account tokens it verifies, beside those of AKS.
    pub clusters: Vec<Cluster>,
}

/// A Kubernetes cluster, and a file with its keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cluster {
    /// The `iss` of its tokens.
    pub issuer: String,
    /// What it publishes at `<issuer>/openid/v1/jwks`.
    pub jwks_file: PathBuf,
}

/// No cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "expected a cluster such as `https://k8s.example=/path/to/jwks.json`: issuer, `=`, file with its keys"
)]
pub struct ClusterParseError;

impl FromStr for Cluster {
    type Err = ClusterParseError;

    fn from_str(text: &str) -> Result<Self, ClusterParseError> {
        match text.split_once('=') {
            Some((issuer, file)) if !issuer.is_empty() && !file.is_empty() => Ok(Self {
                issuer: issuer.to_owned(),
                jwks_file: file.into(),
            }),
            _ => Err(ClusterParseError),
        }
    }
}

/// Why it did not start.
#[derive(Debug, Error)]
pub enum CasError {
    /// The configuration could not be written.
    #[error("its configuration could not be written")]
    Write(#[from] toml::ser::Error),
    /// The configuration could not be read back.
    #[error("its configuration does not parse")]
    Parse(#[from] toml::de::Error),
    /// The server itself.
    #[error(transparent)]
    Start(#[from] casque_server::StartError),
}

impl Cas {
    /// Starts it; its state is in the folder `casqued` of the state folder.
    ///
    /// # Errors
    /// [`CasError`].
    pub async fn start(
        state: &StateDirectory,
        azure: &Endpoints,
        tees: &SoftwareTees,
        settings: &CasSettings,
        commands: &Commands,
    ) -> Result<Self, CasError> {
        let config = Config::parse(&config_text(state, azure, settings)?)?;
        let server = Server::start(&config, tees.anchors()).await?;
        let casque = server.casque();
        commands.bind(move |config| Box::pin(program_of(Arc::clone(&casque), config)));
        let address = format!("https://localhost:{}", server.address().port());
        let key_hash = server.key_hash().to_string();
        let (stop, stopped) = oneshot::channel();
        let stopped = async move {
            // A sender that is gone means the same as a word from it.
            let _told = stopped.await;
        };
        Ok(Self {
            address,
            key_hash,
            stop,
            serving: tokio::spawn(server.serve(stopped)),
        })
    }

    /// `https://localhost:<port>`.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.clone()
    }

    /// What clients pin.
    #[must_use]
    pub fn key_hash(&self) -> String {
        self.key_hash.clone()
    }

    /// Lets requests in work finish, and ends it.
    pub async fn stop(self) {
        if self.stop.send(()).is_err() || self.serving.await.is_err() {
            tracing::warn!("casqued had ended before it was told to");
        }
    }
}

/// The configuration of a casqued for this local Azure, whose state is in the state folder.
///
/// # Errors
/// [`CasError::Write`].
pub(crate) fn config_text(
    state: &StateDirectory,
    azure: &Endpoints,
    settings: &CasSettings,
) -> Result<String, CasError> {
    Ok(toml::to_string(&raw::config(state, azure, settings))?)
}

/// The program that a service's policy starts. Only the local world may ask: it owns the store.
async fn program_of(
    casque: Arc<casque_core::Casque<ServerPorts>>,
    config: ConfigId,
) -> Result<Program, String> {
    let store = casque.ports().store();
    let name = config.policy();
    let failed = |_| "the store cannot be read".to_owned();
    let absent = || format!("there is no service `{config}`");
    let hash = store.head(name).await.map_err(failed)?;
    let hash = hash.ok_or_else(absent)?;
    let record = store.load(name, &hash).await.map_err(failed)?;
    let record = record.ok_or_else(absent)?;
    // Exposed: to be parsed; the first word of a command is all that leaves.
    let text = record.text.expose_text().ok_or_else(absent)?;
    let parsed = Policy::parse(text).map_err(|_| "the stored policy does not parse".to_owned())?;
    let service = parsed.policy.service(config.service()).ok_or_else(absent)?;
    let name_it = "name the program behind `--`";
    let Some(first) = service.command.first() else {
        return Err(format!("service `{config}` has no `command`: {name_it}"));
    };
    match first.parts.as_slice() {
        [Part::Text(program)] => Ok(Program {
            program: program.clone(),
            directory: service.directory.clone(),
        }),
        _ => Err(format!(
            "the program in the `command` of `{config}` holds a placeholder: {name_it}"
        )),
    }
}

/// The configuration file as it would stand in TOML.
mod raw {
    use super::{CasSettings, Cluster, Endpoints, Serialize, StateDirectory};
    use std::path::PathBuf;

    #[derive(Serialize)]
    pub(super) struct Config {
        listen: String,
        state_directory: PathBuf,
        dns_names: Vec<String>,
        azure: Azure,
        endorsements: Endorsements,
        kubernetes: Kubernetes,
    }

    #[derive(Serialize)]
    struct Kubernetes {
        clusters: Vec<Cluster>,
    }

    #[derive(Serialize)]
    struct Azure {
        default_cloud: &'static str,
        cloud: Vec<Cloud>,
    }

    #[derive(Serialize)]
    struct Cloud {
        name: &'static str,
        authority: String,
        vault_suffixes: Vec<String>,
        maa_issuers: Vec<String>,
        vault_scope: String,
        ca_file: PathBuf,
    }

    #[derive(Serialize)]
    struct Endorsements {
        intel: Vec<String>,
        amd: Vec<String>,
        amd_spacing_ms: u64,
        ca_file: PathBuf,
    }

    pub(super) fn config(
        state: &StateDirectory,
        azure: &Endpoints,
        settings: &CasSettings,
    ) -> Config {
        let host = |url: &str| url.strip_prefix("https://").unwrap_or(url).to_owned();
        Config {
            listen: format!("127.0.0.1:{}", settings.port),
            state_directory: state.path("casqued"),
            dns_names: vec!["localhost".to_owned()],
            azure: Azure {
                default_cloud: "local",
                cloud: vec![Cloud {
                    name: "local",
                    authority: azure.authority.clone(),
                    vault_suffixes: vec![host(&azure.vault)],
                    maa_issuers: vec![azure.maa.clone()],
                    vault_scope: format!("{}/.default", azure.vault_resource),
                    ca_file: azure.ca_file.clone(),
                }],
            },
            endorsements: Endorsements {
                intel: vec![azure.pccs.clone()],
                // The local KDS is on the port of the PCCS.
                amd: vec![azure.pccs.clone()],
                amd_spacing_ms: 0,
                ca_file: azure.ca_file.clone(),
            },
            kubernetes: Kubernetes {
                clusters: settings.clusters.clone(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cluster_is_an_issuer_and_a_file() {
        let cluster: Cluster = "https://k8s.example/=/etc/jwks.json".parse().unwrap();
        assert_eq!(cluster.issuer, "https://k8s.example/");
        assert_eq!(cluster.jwks_file, PathBuf::from("/etc/jwks.json"));
        for none in [
            "https://k8s.example",
            "=/etc/jwks.json",
            "https://k8s.example=",
        ] {
            assert_eq!(none.parse::<Cluster>(), Err(ClusterParseError));
        }
    }
}
