//! The operator's configuration: a TOML file, unknown keys refused.
//!
//! It holds no secret and no trust anchor: an operator runs the server and is not trusted with secrets.
//! `deploy/casqued.toml` is a commented sample that a test parses.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use casque_azure::{CloudSettings, ClusterSettings};
use casque_endorse::{EndorserSettings, Network};
use casque_remote::{RemoteAddress, RemoteAddressError};
use serde::Deserialize;
use thiserror::Error;

/// The whole configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Address and port to listen on. Default `0.0.0.0:8081`; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where database, root key and identity are kept; made with mode 0700. Default `/var/lib/casque`.
    pub state_directory: PathBuf,
    /// The root key, 32 bytes in a file of mode 0600. Default `root.key` in the state directory; best on
    /// another volume.
    pub root_key_file: Option<PathBuf>,
    /// DNS names in the server's own certificate. Default `localhost`. Clients pin the key, not the name.
    pub dns_names: Vec<String>,
    /// Bounds.
    pub limits: LimitsSection,
    /// Azure clouds.
    pub azure: AzureSection,
    /// Where endorsements come from.
    pub endorsements: EndorsementsSection,
    /// Kubernetes clusters.
    pub kubernetes: KubernetesSection,
    /// Other CASes.
    pub remote: RemoteSection,
    /// Logging.
    pub log: LogSection,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 8081)),
            state_directory: PathBuf::from("/var/lib/casque"),
            root_key_file: None,
            dns_names: vec!["localhost".to_owned()],
            limits: LimitsSection::default(),
            azure: AzureSection::default(),
            endorsements: EndorsementsSection::default(),
            kubernetes: KubernetesSection::default(),
            remote: RemoteSection::default(),
            log: LogSection::default(),
        }
    }
}

impl Config {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// [`ConfigError`] with the file, and the line and column of what is wrong in it.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text).map_err(|source| ConfigError::Parse {
            path: path.to_owned(),
            source: Box::new(source),
        })
    }

    /// Parses a configuration's text.
    ///
    /// # Errors
    /// What is wrong, with its line and column.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }
}

/// Why there is no configuration.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is no configuration.
    #[error("the configuration `{}` is not usable", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Why and where.
        #[source]
        source: Box<toml::de::Error>,
    },
}

/// Kubernetes clusters whose service account tokens policies may demand, beside those of AKS, which are built in.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KubernetesSection {
    /// The clusters. Default none.
    #[serde(deserialize_with = "raw::clusters")]
    pub clusters: Vec<ClusterSettings>,
}

/// Other CASes that policies may import from.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RemoteSection {
    /// Where they are. Default none: no policy can make the server connect to another CAS.
    pub addresses: Vec<ListedAddress>,
}

/// An address in the configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct ListedAddress(pub RemoteAddress);

impl TryFrom<String> for ListedAddress {
    type Error = RemoteAddressError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

/// Bounds on what clients can make the server do.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsSection {
    /// Connections open at once. Default 1024; further ones wait to be accepted.
    pub connections: usize,
    /// Requests in work at once. Default 256; further ones are answered 503.
    pub requests: usize,
    /// Seconds for one TLS handshake, and for the head of one request. Default 10.
    pub handshake_s: u64,
    /// Seconds for one request from its head to its answer. Default 60.
    pub request_s: u64,
    /// Seconds that a nonce is good. Default 60.
    pub nonce_s: u64,
    /// Seconds after which agents are told to ask again. Default 43200 (12 h).
    pub refresh_s: u64,
    /// Seconds that the clock of MAA may differ from ours. Default 120.
    pub clock_skew_s: u64,
    /// Parsed policies kept in memory. Default 1024.
    pub cached_policies: usize,
}

impl Default for LimitsSection {
    fn default() -> Self {
        Self {
            connections: 1024,
            requests: 256,
            handshake_s: 10,
            request_s: 60,
            nonce_s: 60,
            refresh_s: 43_200,
            clock_skew_s: 120,
            cached_policies: 1024,
        }
    }
}

/// Azure clouds: the public ones are built in, further ones are listed here.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AzureSection {
    /// The cloud of bare vault names and of tokens that workloads ask for. Default `public`; built in are
    /// also `us-government` and `china`.
    pub default_cloud: String,
    /// Further clouds.
    #[serde(rename = "cloud", deserialize_with = "raw::clouds")]
    pub clouds: Vec<CloudSettings>,
}

impl Default for AzureSection {
    fn default() -> Self {
        Self {
            default_cloud: "public".to_owned(),
            clouds: Vec::new(),
        }
    }
}

/// Where endorsements come from: sources in the order in which they are asked (`docs/endorsements.md`).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EndorsementsSection {
    /// `intel`, `azure`, or the base URL of a PCCS. Default `["intel"]`.
    pub intel: Vec<String>,
    /// `amd`, `azure`, or the base URL of a cache with AMD's paths. Default `["amd"]`.
    pub amd: Vec<String>,
    /// The least time between two requests to one of AMD's sources, in milliseconds. Default 1000.
    pub amd_spacing_ms: u64,
    /// A bundle of `casque endorsements bundle`, asked before all others: a file or a directory.
    pub bundle: Option<PathBuf>,
    /// Ask no service: the bundle, and what was fetched before, is all there is.
    pub offline: bool,
    /// PEM file with the roots that the TLS certificates of these services must chain to, in place of the
    /// public ones.
    pub ca_file: Option<PathBuf>,
}

impl Default for EndorsementsSection {
    fn default() -> Self {
        let EndorserSettings {
            intel,
            amd,
            amd_spacing,
            ..
        } = EndorserSettings::default();
        Self {
            intel,
            amd,
            amd_spacing_ms: u64::try_from(amd_spacing.as_millis()).unwrap_or(u64::MAX),
            bundle: None,
            offline: false,
            ca_file: None,
        }
    }
}

impl EndorsementsSection {
    /// The settings of a server that keeps documents in `cache_directory`.
    pub(crate) fn settings(&self, cache_directory: PathBuf) -> EndorserSettings {
        EndorserSettings {
            intel: self.intel.clone(),
            amd: self.amd.clone(),
            amd_spacing: Duration::from_millis(self.amd_spacing_ms),
            bundle: self.bundle.clone(),
            network: match self.offline {
                true => Network::Offline,
                false => Network::Used,
            },
            ca_file: self.ca_file.clone(),
            cache_directory: Some(cache_directory),
            ..EndorserSettings::default()
        }
    }
}

/// Logging, to standard error.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSection {
    /// Least level: `error`, `warn`, `info`, `debug`. Default `info`.
    pub level: String,
    /// `text` or `json`. Default `text`.
    pub format: LogFormat,
}

impl Default for LogSection {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: LogFormat::Text,
        }
    }
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One line of words.
    Text,
    /// One JSON object a line.
    Json,
}

mod raw {
    use super::{CloudSettings, ClusterSettings, Deserialize, PathBuf};

    /// One cluster as it stands in the file.
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Cluster {
        issuer: String,
        jwks_file: Option<PathBuf>,
        jwks_uri: Option<String>,
        ca_file: Option<PathBuf>,
    }

    pub(super) fn clusters<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<ClusterSettings>, D::Error> {
        let raw = Vec::<Cluster>::deserialize(deserializer)?;
        let settings = |cluster: Cluster| ClusterSettings {
            issuer: cluster.issuer,
            jwks_file: cluster.jwks_file,
            jwks_uri: cluster.jwks_uri,
            ca_file: cluster.ca_file,
        };
        Ok(raw.into_iter().map(settings).collect())
    }

    /// One cloud as it stands in the file.
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Cloud {
        name: String,
        authority: String,
        vault_suffixes: Vec<String>,
        maa_issuers: Vec<String>,
        #[serde(default = "default_scope")]
        vault_scope: String,
        ca_file: Option<PathBuf>,
    }

    /// An issuer may be written as the URL that it is, or as the host that it has.
    fn host_of(issuer: String) -> String {
        match issuer.strip_prefix("https://") {
            Some(host) => host.trim_end_matches('/').to_owned(),
            None => issuer,
        }
    }

    fn default_scope() -> String {
        "https://vault.azure.net/.default".to_owned()
    }

    pub(super) fn clouds<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<CloudSettings>, D::Error> {
        let raw = Vec::<Cloud>::deserialize(deserializer)?;
        Ok(raw.into_iter().map(Cloud::settings).collect())
    }

    impl Cloud {
        fn settings(self) -> CloudSettings {
            CloudSettings {
                name: self.name,
                authority: self.authority,
                vault_suffixes: self.vault_suffixes,
                maa_hosts: self.maa_issuers.into_iter().map(host_of).collect(),
                vault_scope: self.vault_scope,
                ca_file: self.ca_file,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn config_sample_in_deploy_is_parsed_and_equals_the_defaults() {
        let sample = include_str!("../../../deploy/casqued.toml");
        let config = Config::parse(sample).unwrap();
        let default = Config::default();
        assert_eq!(format!("{config:#?}"), format!("{default:#?}"));
    }

    #[test]
    fn config_sample_uncommented_is_parsed_too() {
        let sample = include_str!("../../../deploy/casqued.toml");
        let uncommented: Vec<&str> = sample
            .lines()
            .map(|line| line.strip_prefix("#| ").unwrap_or(line))
            .collect();
        let config = Config::parse(&uncommented.join("\n")).unwrap();
        assert_eq!(config.azure.clouds.len(), 1);
        assert_eq!(config.kubernetes.clusters.len(), 1);
        assert!(config.endorsements.offline && config.endorsements.bundle.is_some());
        assert_eq!(config.remote.addresses.len(), 1);
    }

    #[test]
    fn config_unknown_key_is_refused_with_its_line() {
        let refused = Config::parse("listen = \"127.0.0.1:1\"\nskip_checks = true\n").unwrap_err();
        assert!(refused.to_string().contains("line 2"), "{refused}");
        assert!(refused.to_string().contains("skip_checks"), "{refused}");
    }

    #[test]
    fn config_unknown_key_of_a_cluster_is_refused() {
        let text = "[[kubernetes.clusters]]\nissuer=\"https://k8s.example\"\ninsecure=true\n";
        let refused = Config::parse(text).unwrap_err().to_string();
        assert!(refused.contains("insecure"), "{refused}");
    }

    #[test]
    fn config_unknown_key_of_a_cloud_is_refused() {
        let text = "[[azure.cloud]]\nname=\"x\"\nauthority=\"https://a\"\nvault_suffixes=[]\nmaa_issuers=[]\ntrust=1\n";
        assert!(
            Config::parse(text)
                .unwrap_err()
                .to_string()
                .contains("trust")
        );
    }
}
