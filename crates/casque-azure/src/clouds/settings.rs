//! A cloud as an operator writes it down, what can be wrong with that, and the built-in clouds.
//!
//! Source of the built-in ones: Microsoft's "National clouds", and the endpoints in the documentation of Key
//! Vault and Azure Attestation.

use std::path::PathBuf;

use casque_types::MaaUrl;
use thiserror::Error;
use url::Url;

use super::rule::HostRule;

/// A cloud as an operator writes it down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloudSettings {
    /// Its name, such as `public`: 1 to 64 letters, digits and hyphens.
    pub name: String,
    /// Where its Entra ID is: `https://host[:port]`.
    pub authority: String,
    /// Its vaults: `.vault.azure.net` for every host of one more label, `host[:port]` for one host.
    pub vault_suffixes: Vec<String>,
    /// Its attestation instances: `.attest.azure.net` for every host below it, `host[:port]` for one host.
    pub maa_hosts: Vec<String>,
    /// The scope of tokens for its vaults, such as `https://vault.azure.net/.default`.
    pub vault_scope: String,
    /// Certificates in PEM that its hosts' chains must end at; the Mozilla roots if there is none.
    pub ca_file: Option<PathBuf>,
}

impl CloudSettings {
    /// The public, the US government and the China cloud.
    #[must_use]
    pub fn built_in() -> [Self; 3] {
        [
            Self::of_microsoft(
                "public",
                "https://login.microsoftonline.com",
                "vault.azure.net",
                &[".attest.azure.net"],
            ),
            Self::of_microsoft(
                "us-government",
                "https://login.microsoftonline.us",
                "vault.usgovcloudapi.net",
                &[".attest.azure.us"],
            ),
            Self::of_microsoft(
                "china",
                "https://login.partner.microsoftonline.cn",
                "vault.azure.cn",
                &[],
            ),
        ]
    }

    fn of_microsoft(name: &str, authority: &str, vaults: &str, maa_hosts: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            authority: authority.to_owned(),
            vault_suffixes: vec![format!(".{vaults}")],
            maa_hosts: maa_hosts.iter().map(|host| (*host).to_owned()).collect(),
            vault_scope: format!("https://{vaults}/.default"),
            ca_file: None,
        }
    }
}

/// Why settings make no cloud.
#[derive(Debug, Error)]
pub enum CloudSettingsError {
    /// The name is empty, too long, or has other characters.
    #[error("cloud `{name}`: expected a name of 1 to 64 letters, digits and hyphens")]
    Name {
        /// The name found.
        name: String,
    },
    /// The authority is no `https` origin.
    #[error("cloud `{cloud}`: expected `authority` to be `https://host[:port]`, found `{found}`")]
    Authority {
        /// The cloud.
        cloud: String,
        /// What was found.
        found: String,
    },
    /// An entry of a host list is neither a suffix nor a host.
    #[error(
        "cloud `{cloud}`: expected `.suffix` of at least two labels or `host[:port]`, in lower case, found `{found}`"
    )]
    Host {
        /// The cloud.
        cloud: String,
        /// What was found.
        found: String,
    },
    /// The scope is not one resource's default scope.
    #[error(
        "cloud `{cloud}`: expected `vault_scope` to be `https://<resource>/.default`, found `{found}`"
    )]
    Scope {
        /// The cloud.
        cloud: String,
        /// What was found.
        found: String,
    },
    /// Two clouds have the same name.
    #[error("cloud `{cloud}` is configured twice")]
    Duplicate {
        /// The cloud.
        cloud: String,
    },
    /// Two clouds claim the same hosts, so that it is not certain which authority's tokens go there.
    #[error("clouds `{first}` and `{second}` both claim `{host}`")]
    Overlap {
        /// One cloud.
        first: String,
        /// The other.
        second: String,
        /// The entry.
        host: String,
    },
    /// There is no cloud of the default's name.
    #[error("the default cloud `{name}` is not configured; configured are {known}")]
    Default {
        /// The name.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// The CA file cannot be read.
    #[error("cloud `{cloud}`: cannot read `{path}`")]
    CaFile {
        /// The cloud.
        cloud: String,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The CA file is longer than 1 MiB.
    #[error("cloud `{cloud}`: expected `{path}` to have at most 1 MiB")]
    CaFileTooLong {
        /// The cloud.
        cloud: String,
        /// The file.
        path: PathBuf,
    },
    /// There is no HTTPS client with these settings.
    #[error("cloud `{cloud}`: its HTTPS client cannot be made")]
    Client {
        /// The cloud.
        cloud: String,
        /// Why: what is wrong with the CA file, or with TLS on this machine.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

pub(super) fn check_name(name: &str) -> Result<(), CloudSettingsError> {
    let fits = (1..=64).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    fits.then_some(()).ok_or_else(|| CloudSettingsError::Name {
        name: name.chars().take(64).collect(),
    })
}

pub(super) fn parse_authority(settings: &CloudSettings) -> Result<String, CloudSettingsError> {
    // An attestation URL has the same form: an https origin.
    let url: Result<MaaUrl, _> = settings.authority.parse();
    let url = url.map_err(|_| CloudSettingsError::Authority {
        cloud: settings.name.clone(),
        found: settings.authority.clone(),
    })?;
    Ok(url.as_str().to_owned())
}

pub(super) fn parse_rules(
    cloud: &str,
    entries: &[String],
) -> Result<Vec<HostRule>, CloudSettingsError> {
    let parse = |entry: &String| {
        HostRule::parse(entry).ok_or_else(|| CloudSettingsError::Host {
            cloud: cloud.to_owned(),
            found: entry.clone(),
        })
    };
    entries.iter().map(parse).collect()
}

pub(super) fn parse_scope(settings: &CloudSettings) -> Result<String, CloudSettingsError> {
    let scope = settings.vault_scope.as_str();
    let resource = scope
        .strip_suffix("/.default")
        .and_then(|url| Url::parse(url).ok());
    let is_one_scope = scope.bytes().all(|b| b.is_ascii_graphic())
        && resource.is_some_and(|url| url.scheme() == "https");
    if !is_one_scope {
        return Err(CloudSettingsError::Scope {
            cloud: settings.name.clone(),
            found: settings.vault_scope.clone(),
        });
    }
    Ok(scope.to_owned())
}

pub(super) fn read_ca_file(
    settings: &CloudSettings,
) -> Result<Option<Vec<u8>>, CloudSettingsError> {
    use std::io::Read as _;
    let Some(path) = settings.ca_file.clone() else {
        return Ok(None);
    };
    let mut pem = Vec::new();
    let read = std::fs::File::open(&path).and_then(|file| {
        file.take(MAX_CA_FILE_BYTES.saturating_add(1))
            .read_to_end(&mut pem)
    });
    let cloud = settings.name.clone();
    match read {
        Err(source) => Err(CloudSettingsError::CaFile {
            cloud,
            path,
            source,
        }),
        Ok(_) if u64::try_from(pem.len()).is_ok_and(|n| n > MAX_CA_FILE_BYTES) => {
            Err(CloudSettingsError::CaFileTooLong { cloud, path })
        }
        Ok(_) => Ok(Some(pem)),
    }
}

/// No two clouds of one name, and none of two that could claim the same host.
pub(super) fn check_distinct(settings: &[CloudSettings]) -> Result<(), CloudSettingsError> {
    for (index, first) in settings.iter().enumerate() {
        for second in settings.iter().skip(index.saturating_add(1)) {
            if first.name == second.name {
                return Err(CloudSettingsError::Duplicate {
                    cloud: first.name.clone(),
                });
            }
            check_disjoint(first, second, |cloud| &cloud.vault_suffixes)?;
            check_disjoint(first, second, |cloud| &cloud.maa_hosts)?;
        }
    }
    Ok(())
}

fn check_disjoint(
    first: &CloudSettings,
    second: &CloudSettings,
    hosts: fn(&CloudSettings) -> &Vec<String>,
) -> Result<(), CloudSettingsError> {
    let rules = parse_rules(&second.name, hosts(second))?;
    for rule in parse_rules(&first.name, hosts(first))? {
        if rules.iter().any(|other| other.overlaps(&rule)) {
            return Err(CloudSettingsError::Overlap {
                first: first.name.clone(),
                second: second.name.clone(),
                host: rule.to_string().replace('`', ""),
            });
        }
    }
    Ok(())
}

/// The longest CA file that is read.
const MAX_CA_FILE_BYTES: u64 = 1 << 20;
