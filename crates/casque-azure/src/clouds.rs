//! Which hosts may be spoken to, and which belong together: the clouds.
//!
//! A vault or an attestation instance is named by whoever writes a policy, so that its host is believed
//! only if a cloud allows it; the scope of a token and the authority that issues it follow from that
//! cloud, never from what the host says. Built in are the public, the US government and the China cloud
//! (Microsoft's "National clouds" and the Key Vault and Attestation pages on endpoints); the operator's
//! configuration adds others, or replaces one of these under its name.
//!
//! Addresses that a name resolves to are not restricted: a vault with a private endpoint has a private one.

mod rule;
mod settings;

use std::fmt;
use std::sync::Arc;

use casque_core::{SourceFailure, SourceKind};
use casque_types::{MaaUrl, VaultAddress, VaultName};
use thiserror::Error;

use crate::code::Code;
use crate::failure::lasting;
use crate::http::{Http, HttpError, Pause};
use rule::{HostRule, listed};
pub use settings::{CloudSettings, CloudSettingsError};
use settings::{
    check_distinct, check_name, parse_authority, parse_rules, parse_scope, read_ca_file,
};

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

#[cfg(test)]
mod tests;
