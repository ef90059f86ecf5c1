//! The configuration file: the pinned servers and this command line's identity.
//!
//! ```json
//! {"default_cas": "cas",
//!  "identity": "-----BEGIN PRIVATE KEY-----…-----BEGIN CERTIFICATE-----…",
//!  "cas": {"cas": {"url": "https://cas.example.org:8081", "key_hash": "<key hash>"}}}
//! ```
//! It holds a private key: only its owner may read it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use casque_client::ServerAddress;
use casque_types::{KeyHash, Secret};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::lock::{self, FileLock};

/// What the configuration file says.
#[derive(Debug, Default)]
pub(crate) struct Config {
    pub(crate) default_cas: Option<String>,
    /// Private key and certificate in PEM.
    pub(crate) identity: Option<Secret>,
    pub(crate) cas: BTreeMap<String, PinnedCas>,
}

/// A server that the author trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PinnedCas {
    pub(crate) address: ServerAddress,
    pub(crate) key_hash: KeyHash,
}

/// Why the configuration file cannot be used.
#[derive(Debug, Error)]
pub(crate) enum ConfigError {
    #[error("there is no home directory to keep a configuration file in")]
    NoPath,
    #[error("cannot read the configuration file `{}`", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot write the configuration file `{}`", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("others than its owner may read the configuration file `{}`, which holds a private key", path.display())]
    OpenToOthers { path: PathBuf },
    #[error("the configuration file `{}` is longer than {MAX_BYTES} bytes", path.display())]
    TooLong { path: PathBuf },
    #[error(
        "the configuration file `{}` is no configuration of casque: expected the members `default_cas`, `identity` and `cas`",
        path.display()
    )]
    Malformed {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    #[error("the configuration file `{}`: `{name}` has no usable `{member}`", path.display())]
    Cas {
        path: PathBuf,
        name: String,
        member: &'static str,
    },
}

impl ConfigError {
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::NoPath => "set HOME or CASQUE_CONFIG, or give --config FILE".to_owned(),
            Self::Read { .. } | Self::Write { .. } => {
                "check the path and its permissions, or give --config FILE".to_owned()
            }
            Self::OpenToOthers { path } => format!("chmod 600 {}", path.display()),
            Self::TooLong { .. } | Self::Malformed { .. } => {
                "give another file with --config, or mend this one; a SCONE configuration is not read"
                    .to_owned()
            }
            Self::Cas { name, .. } => {
                format!("pin it again: casque cas attest ADDRESS --name {name} --key-hash HASH --replace")
            }
        }
    }
}

impl Config {
    /// Reads the file; an absent one is an empty configuration.
    pub(crate) fn load(path: &Path) -> Result<Self, ConfigError> {
        let Some(content) = read(path)? else {
            return Ok(Self::default());
        };
        // exposed: JSON is parsed from memory that is wiped
        let raw: raw::Config =
            serde_json::from_slice(content.expose()).map_err(|source| ConfigError::Malformed {
                path: path.to_owned(),
                source,
            })?;
        let mut cas = BTreeMap::new();
        for (name, entry) in raw.cas {
            let pinned = pinned(path, &name, &entry)?;
            cas.insert(name, pinned);
        }
        Ok(Self {
            default_cas: raw.default_cas,
            identity: raw.identity.map(|pem| Secret::new(pem.into_bytes())),
            cas,
        })
    }

    /// Loads, changes and stores the configuration; no other run comes between.
    pub(crate) fn change<T, E: From<ConfigError>>(
        path: &Path,
        change: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let lock = lock::lock(path).map_err(|source| write_error(path, source))?;
        let mut config = Self::load(path)?;
        let outcome = change(&mut config)?;
        config.store(&lock, path)?;
        Ok(outcome)
    }

    fn store(&self, lock: &FileLock, path: &Path) -> Result<(), ConfigError> {
        let entry = |(name, cas): (&String, &PinnedCas)| {
            let entry = raw::Cas {
                url: cas.address.url(),
                key_hash: cas.key_hash.to_string(),
            };
            (name.clone(), entry)
        };
        // exposed: it is kept in a file that only its owner may read
        let identity = self.identity.as_ref().and_then(Secret::expose_text);
        let raw = raw::Config {
            default_cas: self.default_cas.clone(),
            identity: identity.map(str::to_owned),
            cas: self.cas.iter().map(entry).collect(),
        };
        let text = serde_json::to_vec_pretty(&raw).map_err(io::Error::other);
        text.map(Secret::new)
            .and_then(|text| lock::replace(lock, path, text.expose()))
            .map_err(|source| write_error(path, source))
    }
}

fn write_error(path: &Path, source: io::Error) -> ConfigError {
    ConfigError::Write {
        path: path.to_owned(),
        source,
    }
}

fn pinned(path: &Path, name: &str, entry: &raw::Cas) -> Result<PinnedCas, ConfigError> {
    let unusable = |member| ConfigError::Cas {
        path: path.to_owned(),
        name: name.to_owned(),
        member,
    };
    Ok(PinnedCas {
        address: entry.url.parse().map_err(|_| unusable("url"))?,
        key_hash: entry.key_hash.parse().map_err(|_| unusable("key_hash"))?,
    })
}

fn read(path: &Path) -> Result<Option<Secret>, ConfigError> {
    let unread = |source| ConfigError::Read {
        path: path.to_owned(),
        source,
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unread(error)),
    };
    if lock::is_open_to_others(path).map_err(unread)? {
        return Err(ConfigError::OpenToOthers {
            path: path.to_owned(),
        });
    }
    let mut content = Vec::with_capacity(64 * 1024);
    let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX);
    (file.take(limit.saturating_add(1)))
        .read_to_end(&mut content)
        .map_err(unread)?;
    if content.len() > MAX_BYTES {
        return Err(ConfigError::TooLong {
            path: path.to_owned(),
        });
    }
    Ok(Some(Secret::new(content)))
}

const MAX_BYTES: usize = 1024 * 1024;

/// The JSON as it stands in the file.
mod raw {
    use super::{BTreeMap, Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Config {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub(super) default_cas: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub(super) identity: Option<String>,
        #[serde(default)]
        pub(super) cas: BTreeMap<String, Cas>,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Cas {
        pub(super) url: String,
        pub(super) key_hash: String,
    }
}
