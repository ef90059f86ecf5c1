//! What the agent is told: by flags, else by its own variables, else by SCONE's.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use casque_client::{AddressParseError, ServerAddress, ServerTrust, Timeouts};
use casque_types::{ConfigId, KeyHash, KeyHashParseError, NameParseError};
use thiserror::Error;

use crate::cli::RunArguments;
use crate::program::own_path;

/// What the agent is told.
#[derive(Clone, Debug)]
pub struct AgentSettings {
    /// Where the server is.
    pub address: ServerAddress,
    /// Which service of which policy the workload wants to be.
    pub config: ConfigId,
    /// The pinned hash of the server's identity key.
    pub server_key: KeyHash,
    /// Authorities in PEM for the certificate of an ingress at which TLS ends; without them the server
    /// itself must hold the pinned key in TLS.
    pub authorities_pem: Option<Vec<u8>>,
    /// A program in place of the policy's.
    pub program: Option<OsString>,
    /// Arguments in place of the policy's; the policy's when empty.
    pub arguments: Vec<OsString>,
    /// Where `program` is sought: the value of a `PATH`.
    pub search_path: OsString,
    /// How long to wait for the server.
    pub timeouts: Timeouts,
}

/// What is wrong with the settings.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// Something needed was not given.
    #[error("expected {}", .missing.join(";\n  "))]
    Absent {
        /// Everything that is missing, each with how to give it.
        missing: Vec<&'static str>,
    },
    /// The address of the server.
    #[error("the server's address `{found}`")]
    Address {
        /// What was given.
        found: String,
        /// What is wrong with it.
        #[source]
        source: AddressParseError,
    },
    /// The config id.
    #[error("the config id `{found}`: expected `[namespace/]policy/service`")]
    Config {
        /// What was given.
        found: String,
        /// What is wrong with it.
        #[source]
        source: NameParseError,
    },
    /// The server's key hash.
    #[error("the server's key hash: `casque cas show-identification` shows it")]
    ServerKey(#[source] KeyHashParseError),
    /// The file of authorities.
    #[error("cannot read the CA file `{}`", .path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What the operating system met.
        #[source]
        source: io::Error,
    },
}

impl AgentSettings {
    /// Settings from the command line and, for what it leaves out, the environment.
    pub(crate) fn resolve(
        arguments: &RunArguments,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, SettingsError> {
        let given = |flag: &Option<String>, names: &[&str]| {
            let of_environment = || names.iter().find_map(|name| environment(name));
            flag.clone().or_else(of_environment)
        };
        let address = given(&arguments.address, &["CASQUE_ADDR", "SCONE_CAS_ADDR"]);
        let config = given(
            &arguments.config_id,
            &["CASQUE_CONFIG_ID", "SCONE_CONFIG_ID"],
        );
        let server_key = given(&arguments.server_key, &["CASQUE_SERVER_KEY"]);
        let (Some(address), Some(config), Some(server_key)) = (&address, &config, &server_key)
        else {
            let needed = [
                (&address, NO_ADDRESS),
                (&config, NO_CONFIG),
                (&server_key, NO_SERVER_KEY),
            ];
            let missing = needed.into_iter().filter(|(given, _)| given.is_none());
            let missing = missing.map(|(_, how)| how).collect();
            return Err(SettingsError::Absent { missing });
        };
        let ca_file = given(&None, &["CASQUE_CA_FILE"]).map(PathBuf::from);
        let ca_file = arguments.ca_file.clone().or(ca_file);
        let mut program = arguments.program.iter().cloned();
        Ok(Self {
            address: read_address(address)?,
            config: read_config(config)?,
            server_key: (server_key.trim().parse()).map_err(SettingsError::ServerKey)?,
            authorities_pem: ca_file.as_deref().map(read_authorities).transpose()?,
            program: program.next(),
            arguments: program.collect(),
            search_path: own_path(environment),
            timeouts: Timeouts::default(),
        })
    }

    /// Whom the client is to believe.
    pub(crate) fn trust(&self) -> ServerTrust {
        match &self.authorities_pem {
            None => ServerTrust::Pinned(self.server_key),
            Some(authorities_pem) => ServerTrust::CertificateAuthority {
                authorities_pem: authorities_pem.clone(),
                key_hash: self.server_key,
            },
        }
    }
}

fn read_address(text: &str) -> Result<ServerAddress, SettingsError> {
    let wrong = |source| SettingsError::Address {
        found: text.to_owned(),
        source,
    };
    text.trim().parse().map_err(wrong)
}

fn read_config(text: &str) -> Result<ConfigId, SettingsError> {
    let wrong = |source| SettingsError::Config {
        found: text.to_owned(),
        source,
    };
    text.trim().parse().map_err(wrong)
}

fn read_authorities(path: &Path) -> Result<Vec<u8>, SettingsError> {
    let mut pem = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_CA_BYTES).read_to_end(&mut pem))
        .map_err(|source| SettingsError::CaFile {
            path: path.to_owned(),
            source,
        })?;
    Ok(pem)
}

const NO_ADDRESS: &str =
    "the server's address: give `--addr HOST[:PORT]`, `CASQUE_ADDR` or `SCONE_CAS_ADDR`";
const NO_CONFIG: &str = "a config id: give `[namespace/]policy/service` after `run`, `CASQUE_CONFIG_ID` or `SCONE_CONFIG_ID`";
const NO_SERVER_KEY: &str = "the key hash of the server to trust: give `--server-key HASH` or `CASQUE_SERVER_KEY` (`casque cas show-identification` shows it)";
const MAX_CA_BYTES: u64 = 1024 * 1024;

#[cfg(test)]
mod tests;
