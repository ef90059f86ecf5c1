//! What the agent is told: by flags, else by its own variables, else by SCONE's.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use casque_attester::{ImdsError, TctiParseError};
use casque_client::{
    AddressParseError, Client, ClientError, SecondFactors, ServerAddress, ServerTrust, Timeouts,
};
use casque_secrets::{OtpCode, OtpCodeParseError};
use casque_types::{ConfigId, KeyHash, KeyHashParseError, NameParseError, Secret, is_compact_jws};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::HostEnvironment;
use crate::cli::RunArguments;
use crate::intermediates::MAX_BYTES;
use crate::program::own_path;

/// What the agent is told.
#[derive(Debug)]
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
    /// The host's arguments (`@@N`) if the policy takes any; else arguments in place of the policy's, or
    /// the policy's when empty.
    pub arguments: Vec<OsString>,
    /// Where `program`, and `gocryptfs` for volumes, are sought: the value of a `PATH`.
    pub search_path: OsString,
    /// The host's variables (`@@NAME`), for the policy to take.
    pub host: HostEnvironment,
    /// What is shown beside the evidence.
    pub factors: SecondFactors,
    /// The directory of the volumes' encrypted directories; beside each volume when there is none.
    pub volumes: Option<PathBuf>,
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
    /// The one-time password.
    #[error(
        "the one-time password: give the 6 digits as `--otp`, behind `@` in the config id, or as `CASQUE_OTP`"
    )]
    Otp(#[source] OtpCodeParseError),
    /// The file of the service access token.
    #[error("cannot read a service access token from `{}`", .path.display())]
    AccessTokenFile {
        /// The file.
        path: PathBuf,
        /// What the operating system met.
        #[source]
        source: io::Error,
    },
    /// It holds no token.
    #[error(
        "expected a service access token of 1 to {MAX_TOKEN_BYTES} bytes in `{}`", .path.display()
    )]
    AccessToken {
        /// The file.
        path: PathBuf,
    },
    /// The file of the service account token.
    #[error("cannot read a service account token from `{}`", .path.display())]
    AccountTokenFile {
        /// The file.
        path: PathBuf,
        /// What the operating system met.
        #[source]
        source: io::Error,
    },
    /// It holds no token.
    #[error(
        "expected a service account token (three base64url parts joined by `.`) of at most {MAX_ACCOUNT_TOKEN_BYTES} bytes in `{}`", .path.display()
    )]
    AccountToken {
        /// The file.
        path: PathBuf,
    },
    /// A token is to stand beside no evidence.
    #[error(
        "`--evidence none` with `--maa-token-file`: leave `--evidence` out to show the token alone, or name a source to show both"
    )]
    TokenBesideNothing,
    /// A guest is to be judged by another source.
    #[error(
        "`--azure-guest` with `--evidence {found}`: only the TPM of an Azure virtual machine (`azure-vtpm`) opens what the attestation service answers"
    )]
    GuestOfOtherSource {
        /// The source that was named.
        found: String,
    },
    /// A switch that is neither.
    #[error("`CASQUE_AZURE_GUEST`: expected `true` or `false`")]
    AzureGuest,
    /// The file of intermediate certificates.
    #[error("cannot read certificates of the TPM's attestation key from `{}`", .path.display())]
    AkIntermediates {
        /// The file.
        path: PathBuf,
        /// What the operating system met.
        #[source]
        source: io::Error,
    },
    /// It holds something else.
    #[error(
        "expected 1 to 4 certificates in `{}`, in PEM without other blocks or one in DER, of at most {MAX_BYTES} bytes together, found {found}: `--ak-intermediates` takes the authorities between the TPM's attestation key and Azure's root, which are where `caIssuers` of the key's certificate says", .path.display()
    )]
    NoAkIntermediates {
        /// The file.
        path: PathBuf,
        /// What was found.
        found: &'static str,
    },
    /// How the TPM is reached.
    #[error("the TPM")]
    Tpm(#[source] TctiParseError),
    /// The address of the metadata service.
    #[error(transparent)]
    Imds(ImdsError),
    /// The report data.
    #[error("expected report data of at most 64 bytes in hexadecimal digits")]
    ReportData,
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
        host: &HostEnvironment,
    ) -> Result<Self, SettingsError> {
        let given = |flag: &Option<String>, names: &[&str]| {
            let of_host = || names.iter().find_map(|name| host.setting(name));
            flag.clone().or_else(|| of_host().map(str::to_owned))
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
        let path = |flag: &Option<PathBuf>, name: &str| {
            flag.clone()
                .or_else(|| host.setting(name).map(PathBuf::from))
        };
        let ca_file = path(&arguments.ca_file, "CASQUE_CA_FILE");
        let (config, otp) = split_otp(config);
        let otp = arguments.otp.as_deref().or(otp);
        let token_file = arguments.service_access_token_file.as_deref();
        let account_token_file = arguments.service_account_token_file.as_deref();
        let mut program = arguments.program.iter().cloned();
        Ok(Self {
            address: read_address(address)?,
            config: read_config(config)?,
            factors: second_factors(otp, token_file, account_token_file, host)?,
            volumes: path(&arguments.volumes, "CASQUE_VOLUMES"),
            server_key: (server_key.trim().parse()).map_err(SettingsError::ServerKey)?,
            authorities_pem: ca_file.as_deref().map(read_authorities).transpose()?,
            program: program.next(),
            arguments: program.collect(),
            search_path: own_path(host),
            host: host.clone(),
            timeouts: Timeouts::default(),
        })
    }

    /// A client of the server.
    ///
    /// # Errors
    /// [`ClientError`]: the authorities, or the address.
    pub fn client(&self) -> Result<Client, ClientError> {
        Client::new(self.address.clone(), &self.trust(), None, self.timeouts)
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

impl HostEnvironment {
    /// The second factors: the one-time password given here or else in `CASQUE_OTP`, and of the host's environment
    /// `CASQUE_SERVICE_ACCESS_TOKEN` or else `SCONE_SERVICE_ACCESS_TOKEN`, and the service account token in the file
    /// that `CASQUE_SERVICE_ACCOUNT_TOKEN_FILE` names.
    ///
    /// # Errors
    /// [`SettingsError::Otp`]; [`SettingsError::AccountTokenFile`] and [`SettingsError::AccountToken`].
    pub fn second_factors(&self, otp: Option<&str>) -> Result<SecondFactors, SettingsError> {
        second_factors(otp, None, None, self)
    }
}

/// What is given before what the host's environment says.
fn second_factors(
    otp: Option<&str>,
    token_file: Option<&Path>,
    account_token_file: Option<&Path>,
    host: &HostEnvironment,
) -> Result<SecondFactors, SettingsError> {
    let of_host = || host.setting("CASQUE_SERVICE_ACCOUNT_TOKEN_FILE");
    let account_token_file = account_token_file.or_else(|| of_host().map(Path::new));
    let otp = otp.or_else(|| host.setting("CASQUE_OTP"));
    Ok(SecondFactors {
        one_time_password: otp.map(read_otp).transpose()?,
        access_token: read_access_token(token_file, host)?,
        service_account_token: account_token_file.map(read_account_token).transpose()?,
    })
}

/// The two parts of SCONE's form `policy/service@123456`: no name holds an `@`.
#[must_use]
pub fn split_otp(config: &str) -> (&str, Option<&str>) {
    match config.trim().split_once('@') {
        Some((config, otp)) => (config, Some(otp)),
        None => (config, None),
    }
}

fn read_otp(text: &str) -> Result<OtpCode, SettingsError> {
    text.trim().parse().map_err(SettingsError::Otp)
}

fn read_access_token(
    file: Option<&Path>,
    host: &HostEnvironment,
) -> Result<Option<Secret>, SettingsError> {
    if let Some(path) = file {
        return read_token_file(path).map(Some);
    }
    let names = ["CASQUE_SERVICE_ACCESS_TOKEN", "SCONE_SERVICE_ACCESS_TOKEN"];
    let token = names.iter().find_map(|name| host.setting(name));
    Ok(token.map(|token| Secret::copied_from(token.as_bytes())))
}

/// The file without the line's end that editors put behind it.
fn read_token_file(path: &Path) -> Result<Secret, SettingsError> {
    let text = read_secret(path, MAX_TOKEN_BYTES).map_err(|source| {
        let path = path.to_owned();
        SettingsError::AccessTokenFile { path, source }
    })?;
    let token = text.strip_suffix(b"\n").unwrap_or(&text);
    let token = token.strip_suffix(b"\r").unwrap_or(token);
    if token.is_empty() || text.len() > MAX_TOKEN_BYTES {
        let path = path.to_owned();
        return Err(SettingsError::AccessToken { path });
    }
    Ok(Secret::copied_from(token))
}

/// The token that the kubelet has put there last: it puts a new one there before the old one expires.
fn read_account_token(path: &Path) -> Result<Secret, SettingsError> {
    let text = read_secret(path, MAX_ACCOUNT_TOKEN_BYTES).map_err(|source| {
        let path = path.to_owned();
        SettingsError::AccountTokenFile { path, source }
    })?;
    let token = text.trim_ascii();
    let is_token = std::str::from_utf8(token).is_ok_and(is_compact_jws);
    if !is_token || text.len() > MAX_ACCOUNT_TOKEN_BYTES {
        let path = path.to_owned();
        return Err(SettingsError::AccountToken { path });
    }
    Ok(Secret::copied_from(token))
}

/// One byte more than there may be, and room for it, so that reading to the end does not move the block.
fn read_secret(path: &Path, limit_bytes: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    let limit = limit_bytes.saturating_add(1);
    let mut text = Zeroizing::new(Vec::with_capacity(limit.saturating_add(1)));
    let limit = u64::try_from(limit).unwrap_or(u64::MAX);
    File::open(path)?.take(limit).read_to_end(&mut text)?;
    Ok(text)
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
const MAX_TOKEN_BYTES: usize = 4096;
/// What servers take.
const MAX_ACCOUNT_TOKEN_BYTES: usize = 16 * 1024;

#[cfg(test)]
mod tests;
