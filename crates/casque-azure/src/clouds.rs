//! Which hosts may be spoken to, and which belong together: the clouds.
//!
//! A vault or an attestation instance is named by whoever writes a policy, so that its host is believed
//! only if a cloud allows it; the scope of a token and the authority that issues it follow from that
//! cloud, never from what the host says. Built in are the public, the US government and the China cloud
//! (Microsoft's "National clouds" and the Key Vault and Attestation pages on endpoints); the operator's
//! configuration adds others, or replaces one of these under its name.
//!
//! Addresses that a name resolves to are not restricted: a vault with a private endpoint has a private one.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use casque_core::{SourceFailure, SourceKind};
use casque_types::{MaaUrl, VaultAddress, VaultName};
use thiserror::Error;
use url::Url;

use crate::code::Code;
use crate::failure::lasting;
use crate::http::{Http, HttpError, Pause};

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

/// A cloud: one authority, and the hosts that its tokens may be sent to.
pub struct Cloud {
    name: Arc<str>,
    authority: String,
    vault_hosts: Vec<HostRule>,
    maa_hosts: Vec<HostRule>,
    vault_scope: String,
    http: Http,
}

impl Cloud {
    /// Checks settings, reads the CA file, and makes the HTTPS client.
    pub(crate) fn new(
        settings: CloudSettings,
        pause: &Arc<dyn Pause>,
    ) -> Result<Self, CloudSettingsError> {
        check_name(&settings.name)?;
        let ca_pem = read_ca_file(&settings)?;
        let http = Http::new(ca_pem.as_deref(), Arc::clone(pause));
        let cloud = || settings.name.clone();
        Ok(Self {
            authority: parse_authority(&settings)?,
            vault_hosts: parse_rules(&settings.name, &settings.vault_suffixes)?,
            maa_hosts: parse_rules(&settings.name, &settings.maa_hosts)?,
            vault_scope: parse_scope(&settings)?,
            http: http.map_err(|error: HttpError| CloudSettingsError::Client {
                cloud: cloud(),
                source: error.into(),
            })?,
            name: settings.name.into(),
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where its Entra ID is: `https://host[:port]`, without a slash at its end.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The scope of tokens for its vaults.
    #[must_use]
    pub fn vault_scope(&self) -> &str {
        &self.vault_scope
    }

    pub(crate) fn shared_name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    pub(crate) const fn http(&self) -> &Http {
        &self.http
    }

    /// The host of a vault that is written as a name alone.
    fn vault_host(&self, name: &VaultName) -> Option<String> {
        self.vault_hosts.iter().find_map(|rule| match rule {
            HostRule::Below(suffix) => Some(format!("{}{suffix}", name.as_str())),
            HostRule::Exactly(_) => None,
        })
    }
}

impl fmt::Debug for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cloud({}, {})", self.name, self.authority)
    }
}

/// All clouds of one Casque; no host belongs to two of them.
#[derive(Debug)]
pub struct Clouds {
    default: Cloud,
    others: Vec<Cloud>,
}

impl Clouds {
    /// The built-in clouds and the operator's `further` ones, which replace a built-in of their name.
    pub(crate) fn new(
        further: Vec<CloudSettings>,
        default_cloud: &str,
        pause: &Arc<dyn Pause>,
    ) -> Result<Self, CloudSettingsError> {
        let mut settings = further;
        for built_in in CloudSettings::built_in() {
            if settings.iter().all(|cloud| cloud.name != built_in.name) {
                settings.push(built_in);
            }
        }
        check_distinct(&settings)?;
        let known = settings.iter().map(|cloud| format!("`{}`", cloud.name));
        let known: Vec<String> = known.collect();
        let clouds: Result<Vec<Cloud>, _> = settings
            .into_iter()
            .map(|cloud| Cloud::new(cloud, pause))
            .collect();
        let (mut named, others): (Vec<_>, Vec<_>) = clouds?
            .into_iter()
            .partition(|cloud| cloud.name() == default_cloud);
        let default = named.pop().ok_or_else(|| CloudSettingsError::Default {
            name: default_cloud.to_owned(),
            known: known.join(", "),
        })?;
        Ok(Self { default, others })
    }

    /// The cloud that vaults written as a name alone, and tokens for workloads, belong to.
    #[must_use]
    pub const fn default_cloud(&self) -> &Cloud {
        &self.default
    }

    /// The cloud of a vault, and the vault's `host[:port]`.
    ///
    /// # Errors
    /// [`HostRefused`] when no cloud allows the host, or a name alone cannot be completed.
    pub fn for_vault(&self, vault: &VaultAddress) -> Result<(&Cloud, String), HostRefused> {
        let host = match vault {
            VaultAddress::Host(host) => host.clone(),
            VaultAddress::Name(name) => {
                let host = self.default.vault_host(name);
                host.ok_or_else(|| HostRefused::VaultName {
                    name: name.as_str().to_owned(),
                    cloud: self.default.name().to_owned(),
                })?
            }
        };
        let cloud = self.all().find(|cloud| {
            let mut rules = cloud.vault_hosts.iter();
            rules.any(|rule| rule.allows_vault(&host))
        });
        match cloud {
            Some(cloud) => Ok((cloud, host)),
            None => Err(HostRefused::Vault {
                allowed: listed(self.all().flat_map(|cloud| &cloud.vault_hosts)),
                host,
            }),
        }
    }

    /// The cloud of an attestation instance.
    ///
    /// # Errors
    /// [`HostRefused`] when no cloud allows the host.
    pub fn for_maa(&self, url: &MaaUrl) -> Result<&Cloud, HostRefused> {
        let host = url.authority();
        let cloud = self.all().find(|cloud| {
            let mut rules = cloud.maa_hosts.iter();
            rules.any(|rule| rule.allows(host))
        });
        cloud.ok_or_else(|| HostRefused::Maa {
            host: host.to_owned(),
            allowed: listed(self.all().flat_map(|cloud| &cloud.maa_hosts)),
        })
    }

    fn all(&self) -> impl Iterator<Item = &Cloud> {
        std::iter::once(&self.default).chain(&self.others)
    }
}

/// Why a host is not spoken to.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum HostRefused {
    /// No cloud has such a vault.
    #[error("the vault `{host}` is of no cloud that this server knows; known are {allowed}")]
    Vault {
        /// The host.
        host: String,
        /// The entries of all clouds.
        allowed: String,
    },
    /// The default cloud has no suffix to complete a name with.
    #[error(
        "the vault `{name}` is written without its host, and the cloud `{cloud}` has no suffix for it"
    )]
    VaultName {
        /// The name.
        name: String,
        /// The default cloud.
        cloud: String,
    },
    /// No cloud has such an attestation instance.
    #[error(
        "the attestation instance `{host}` is of no cloud that this server knows; known are {allowed}"
    )]
    Maa {
        /// The host.
        host: String,
        /// The entries of all clouds.
        allowed: String,
    },
}

impl From<HostRefused> for SourceFailure {
    fn from(refused: HostRefused) -> Self {
        let what = refused.to_string();
        match refused {
            HostRefused::Vault { .. } => lasting(
                SourceKind::KeyVault,
                Code::VaultHostNotAllowed,
                what,
                "check `vault` in the policy; the operator can allow further hosts in the clouds of \
                 the server's configuration",
            ),
            HostRefused::VaultName { .. } => lasting(
                SourceKind::KeyVault,
                Code::VaultNameIncomplete,
                what,
                "write the vault's whole address, such as `https://localhost:8443`",
            ),
            HostRefused::Maa { .. } => lasting(
                SourceKind::Maa,
                Code::MaaHostNotAllowed,
                what,
                "check the attestation URL in the policy; the operator can allow further hosts in the \
                 clouds of the server's configuration",
            ),
        }
    }
}

/// One entry of a host list.
#[derive(Clone, Debug, PartialEq, Eq)]
enum HostRule {
    /// Every host that ends with this suffix, which begins with a dot.
    Below(String),
    /// This `host[:port]`.
    Exactly(String),
}

impl HostRule {
    fn parse(entry: &str) -> Option<Self> {
        if let Some(rest) = entry.strip_prefix('.') {
            let is_suffix = rest.contains('.') && !rest.contains(':') && is_authority(rest);
            return is_suffix.then(|| Self::Below(entry.to_owned()));
        }
        is_authority(entry).then(|| Self::Exactly(entry.to_owned()))
    }

    fn allows(&self, host: &str) -> bool {
        match self {
            Self::Exactly(exact) => host == exact,
            Self::Below(suffix) => (host.strip_suffix(suffix.as_str()))
                .is_some_and(|rest| !rest.is_empty() && !rest.contains(':')),
        }
    }

    /// Like [`Self::allows`], and what stands before a suffix must be one vault's name.
    fn allows_vault(&self, host: &str) -> bool {
        match self {
            Self::Exactly(_) => self.allows(host),
            Self::Below(suffix) => (host.strip_suffix(suffix.as_str()))
                .is_some_and(|name| name.parse::<VaultName>().is_ok()),
        }
    }

    /// Whether some host could be allowed by both.
    fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exactly(host), rule) | (rule, Self::Exactly(host)) => rule.allows(host),
            (Self::Below(a), Self::Below(b)) => a.ends_with(b.as_str()) || b.ends_with(a.as_str()),
        }
    }
}

impl fmt::Display for HostRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Below(suffix) => write!(f, "`*{suffix}`"),
            Self::Exactly(host) => write!(f, "`{host}`"),
        }
    }
}

fn listed<'a>(rules: impl Iterator<Item = &'a HostRule>) -> String {
    rules
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

/// `host[:port]` exactly as a parsed address writes it: lower case, no default port.
fn is_authority(text: &str) -> bool {
    let url: Result<MaaUrl, _> = format!("https://{text}").parse();
    url.is_ok_and(|url| url.authority() == text)
}

fn check_name(name: &str) -> Result<(), CloudSettingsError> {
    let fits = (1..=64).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    fits.then_some(()).ok_or_else(|| CloudSettingsError::Name {
        name: name.chars().take(64).collect(),
    })
}

fn parse_authority(settings: &CloudSettings) -> Result<String, CloudSettingsError> {
    // An attestation URL has the same form: an https origin.
    let url: Result<MaaUrl, _> = settings.authority.parse();
    let url = url.map_err(|_| CloudSettingsError::Authority {
        cloud: settings.name.clone(),
        found: settings.authority.clone(),
    })?;
    Ok(url.as_str().to_owned())
}

fn parse_rules(cloud: &str, entries: &[String]) -> Result<Vec<HostRule>, CloudSettingsError> {
    let parse = |entry: &String| {
        HostRule::parse(entry).ok_or_else(|| CloudSettingsError::Host {
            cloud: cloud.to_owned(),
            found: entry.clone(),
        })
    };
    entries.iter().map(parse).collect()
}

fn parse_scope(settings: &CloudSettings) -> Result<String, CloudSettingsError> {
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

fn read_ca_file(settings: &CloudSettings) -> Result<Option<Vec<u8>>, CloudSettingsError> {
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
fn check_distinct(settings: &[CloudSettings]) -> Result<(), CloudSettingsError> {
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

/// The longest CA file that is read.
const MAX_CA_FILE_BYTES: u64 = 1 << 20;

#[cfg(test)]
mod tests;
