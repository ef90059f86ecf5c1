//! A cluster as an operator writes it down, what can be wrong with that, and which issuers are of AKS.

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use reqwest::Url;
use thiserror::Error;

use crate::http::{Http, Pause};

/// A cluster as an operator writes it down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterSettings {
    /// The issuer of its tokens, exactly as they state it: an `https` URL of at most 512 characters.
    pub issuer: String,
    /// Its key document in a file; nothing is fetched then. Read anew when a key is not in it.
    pub jwks_file: Option<PathBuf>,
    /// Where its key document is, if its discovery document is not to be asked: an `https` URL.
    pub jwks_uri: Option<String>,
    /// Certificates in PEM that its TLS chain must end at; the Mozilla roots if there is none.
    pub ca_file: Option<PathBuf>,
}

/// Why settings make no cluster.
#[derive(Debug, Error)]
pub enum ClusterSettingsError {
    /// The issuer is no URL of the kind.
    #[error(
        "expected `issuer` of a cluster to be an `https` URL of at most 512 characters without query and fragment, found `{found}`"
    )]
    Issuer {
        /// What was found, cut.
        found: String,
    },
    /// The address of the keys is none.
    #[error("cluster `{issuer}`: expected `jwks_uri` to be an `https` URL, found `{found}`")]
    KeyUrl {
        /// The cluster.
        issuer: String,
        /// What was found.
        found: String,
    },
    /// Two places for the keys.
    #[error("cluster `{issuer}`: expected `jwks_file` or `jwks_uri`, found both")]
    Both {
        /// The cluster.
        issuer: String,
    },
    /// A cluster stands twice.
    #[error("cluster `{issuer}` is listed twice")]
    Duplicate {
        /// The cluster.
        issuer: String,
    },
    /// The CA file cannot be read.
    #[error("cluster `{issuer}`: cannot read `{path}`")]
    CaFile {
        /// The cluster.
        issuer: String,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The CA file is longer than 1 MiB.
    #[error("cluster `{issuer}`: expected `{path}` to have at most 1 MiB")]
    CaFileTooLong {
        /// The cluster.
        issuer: String,
        /// The file.
        path: PathBuf,
    },
    /// There is no HTTPS client with these settings.
    #[error("cluster `{issuer}`: its HTTPS client cannot be made")]
    Client {
        /// The cluster.
        issuer: String,
        /// Why: what is wrong with the CA file, or with TLS on this machine.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A cluster that is trusted.
#[derive(Clone)]
pub(super) struct Cluster {
    pub(super) issuer: String,
    pub(super) keys: KeysFrom,
    pub(super) http: Arc<Http>,
}

/// Where a cluster's keys are.
#[derive(Clone, Debug)]
pub(super) enum KeysFrom {
    /// In a file.
    File(PathBuf),
    /// At this address.
    Url(Url),
    /// Where its discovery document says.
    Discovery,
}

impl Cluster {
    pub(super) fn new(
        settings: ClusterSettings,
        public: &Arc<Http>,
        pause: &Arc<dyn Pause>,
    ) -> Result<Self, ClusterSettingsError> {
        let issuer = settings.issuer;
        if !is_issuer(&issuer) {
            let found = issuer.chars().take(100).collect();
            return Err(ClusterSettingsError::Issuer { found });
        }
        let keys = match (settings.jwks_file, settings.jwks_uri) {
            (None, None) => KeysFrom::Discovery,
            (Some(path), None) => KeysFrom::File(path),
            (None, Some(text)) => match https(&text) {
                Some(url) => KeysFrom::Url(url),
                None => {
                    return Err(ClusterSettingsError::KeyUrl {
                        issuer,
                        found: text,
                    });
                }
            },
            (Some(_), Some(_)) => return Err(ClusterSettingsError::Both { issuer }),
        };
        let http = match &settings.ca_file {
            None => Arc::clone(public),
            Some(path) => client(&issuer, Some(path), pause)?,
        };
        Ok(Self { issuer, keys, http })
    }

    /// The host that is asked, for sentences.
    pub(super) fn host(&self) -> String {
        let url = match &self.keys {
            KeysFrom::Url(url) => Some(url.clone()),
            _ => Url::parse(&self.issuer).ok(),
        };
        let host = url.and_then(|url| url.host_str().map(str::to_owned));
        host.unwrap_or_default()
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cluster({}, {:?})", self.issuer, self.keys)
    }
}

/// An HTTPS client that trusts this file alone, or the Mozilla roots.
pub(super) fn client(
    issuer: &str,
    ca_file: Option<&Path>,
    pause: &Arc<dyn Pause>,
) -> Result<Arc<Http>, ClusterSettingsError> {
    let pem = ca_file.map(|path| read_ca_file(issuer, path)).transpose()?;
    let http = Http::new(pem.as_deref(), Arc::clone(pause));
    http.map(Arc::new)
        .map_err(|error| ClusterSettingsError::Client {
            issuer: issuer.to_owned(),
            source: error.into(),
        })
}

fn read_ca_file(issuer: &str, path: &Path) -> Result<Vec<u8>, ClusterSettingsError> {
    let mut pem = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| {
        file.take(MAX_CA_FILE_BYTES.saturating_add(1))
            .read_to_end(&mut pem)
    });
    let (issuer, path) = (issuer.to_owned(), path.to_owned());
    match read {
        Err(source) => Err(ClusterSettingsError::CaFile {
            issuer,
            path,
            source,
        }),
        Ok(_) if u64::try_from(pem.len()).is_ok_and(|n| n > MAX_CA_FILE_BYTES) => {
            Err(ClusterSettingsError::CaFileTooLong { issuer, path })
        }
        Ok(_) => Ok(pem),
    }
}

pub(super) fn check_distinct(clusters: &[Cluster]) -> Result<(), ClusterSettingsError> {
    let mut seen = std::collections::HashSet::new();
    let twice = clusters
        .iter()
        .find(|cluster| !seen.insert(&cluster.issuer));
    match twice {
        Some(cluster) => Err(ClusterSettingsError::Duplicate {
            issuer: cluster.issuer.clone(),
        }),
        None => Ok(()),
    }
}

/// What a cluster may be named by: a URL that means itself, and nothing besides.
fn is_issuer(text: &str) -> bool {
    text.len() <= MAX_ISSUER_BYTES
        && https(text).is_some_and(|url| {
            let is_plain = url.query().is_none() && url.fragment().is_none();
            // The URL's parser adds nothing but the slash of an empty path.
            is_plain && url.as_str().trim_end_matches('/') == text.trim_end_matches('/')
        })
}

fn https(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_bare = url.username().is_empty() && url.password().is_none();
    (url.scheme() == "https" && is_bare).then_some(url)
}

/// Issuers of AKS: `https://<region>.oic.prod-aks.azure.com/<tenant>/<id>/`, both GUIDs.
pub(super) fn is_of_aks(issuer: &str) -> bool {
    let parts = || {
        let rest = issuer.strip_prefix("https://")?.strip_suffix('/')?;
        let (host, path) = rest.split_once('/')?;
        let (tenant, cluster) = path.split_once('/')?;
        Some((host.strip_suffix(AKS_SUFFIX)?, tenant, cluster))
    };
    parts().is_some_and(|(region, tenant, cluster)| {
        let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let is_region = (1..=63).contains(&region.len()) && region.bytes().all(is_word);
        is_region && is_guid(tenant) && is_guid(cluster)
    })
}

fn is_guid(text: &str) -> bool {
    text.len() == 36
        && (text.bytes().enumerate()).all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
        })
}

const AKS_SUFFIX: &str = ".oic.prod-aks.azure.com";
const MAX_ISSUER_BYTES: usize = 512;
const MAX_CA_FILE_BYTES: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    const AKS: &str = "https://eastus.oic.prod-aks.azure.com/e7cac514-f1aa-4e0d-b207-50b1d9a89d21/3f2c210e-83b4-4217-9eee-4f747d8aeeb3/";

    #[test]
    fn issuers_of_aks_are_known_by_their_form_alone() {
        assert!(is_of_aks(AKS));
        let without_slash = AKS.trim_end_matches('/');
        for text in [
            without_slash,
            &AKS.replace("https:", "http:"),
            &AKS.replace("eastus.", ""),
            &AKS.replace("eastus", "x.eastus"),
            &AKS.replace("eastus", "evil.example/x"),
            &AKS.replace("eastus", "user@eastus"),
            &AKS.replace(".com/", ".com:8443/"),
            &AKS.replace(".com/", ".com.evil.example/"),
            &AKS.replace("e7cac514", "e7cac51g"),
            &AKS.replace("e7cac514-f1aa-4e0d-b207-50b1d9a89d21", ".."),
            &format!("{AKS}more/"),
            &format!("{AKS}?x=/"),
        ] {
            assert!(!is_of_aks(text), "{text}");
        }
    }

    #[test]
    fn issuer_is_a_url_that_means_itself() {
        for text in [
            AKS,
            "https://kubernetes.default.svc.cluster.local",
            "https://k8s.example:6443/clusters/a",
        ] {
            assert!(is_issuer(text), "{text}");
        }
        for text in [
            "",
            "kubernetes/serviceaccount",
            "http://k8s.example",
            "https://k8s.example/?a",
            "https://k8s.example/#a",
            "https://user:word@k8s.example/",
            "https://k8s.example/a/../b",
            "https://K8S.example/",
            "https://k8s.example:443/",
            &format!("https://k8s.example/{}", "a".repeat(512)),
        ] {
            assert!(!is_issuer(text), "{text}");
        }
    }
}
