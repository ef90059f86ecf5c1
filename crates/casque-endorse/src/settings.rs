//! Where endorsements come from, as the operator says, checked once.

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;
use url::{Host, Url};

use crate::bundle::BundleError;
use crate::source::{Place, Service, Source};

/// Where endorsements come from, and where they are kept.
///
/// A source is a word or a base URL; those in a list are asked in its order, until one gives a document that
/// is in force. `http` is accepted for this machine alone.
#[derive(Clone, Debug)]
pub struct EndorserSettings {
    /// `intel` (Intel's PCS), `azure` (the cache of Azure's Trusted Hardware Identity Management, which may
    /// serve documents past their life), or the base URL of a PCCS (all below `/sgx/certification/v4/` and
    /// `/tdx/certification/v4/`).
    pub intel: Vec<String>,
    /// `amd` (AMD's KDS), `azure` (a cache of certificates of Azure's processors: it has no revocation
    /// lists), or the base URL of a cache with the paths of the KDS.
    pub amd: Vec<String>,
    /// The least time between two requests to one of AMD's sources: it answers few, and does not publish how
    /// many.
    pub amd_spacing: Duration,
    /// How long each service is waited for while a document is at hand that is in force and may be replaced.
    pub refresh_patience: Duration,
    /// A bundle, asked before all others: a file or a directory.
    pub bundle: Option<PathBuf>,
    /// Whether services are asked.
    pub network: Network,
    /// PEM file with the roots that the services' TLS certificates must chain to, in place of the Mozilla
    /// roots.
    pub ca_file: Option<PathBuf>,
    /// Where documents outlive a restart; made if it is not there. Without one they are kept in memory alone.
    pub cache_directory: Option<PathBuf>,
}

/// Whether services are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// They are.
    Used,
    /// They are not: a bundle, and what was kept on disk, is all there is.
    Offline,
}

impl Default for EndorserSettings {
    /// The vendors' own services, one request a second to AMD's, nothing on disk.
    fn default() -> Self {
        Self {
            intel: vec!["intel".to_owned()],
            amd: vec!["amd".to_owned()],
            amd_spacing: Duration::from_secs(1),
            refresh_patience: Duration::from_secs(3),
            bundle: None,
            network: Network::Used,
            ca_file: None,
            cache_directory: None,
        }
    }
}

/// Why the source cannot be set up.
#[derive(Debug, Error)]
pub enum EndorserSetupError {
    /// A source is neither a word for one nor a base URL.
    #[error(
        "endorsements: expected `{word}`, `azure` or a base URL such as `{example}`, found `{found}`: {reason}"
    )]
    BaseUrl {
        /// The vendor's own word.
        word: &'static str,
        /// A base URL.
        example: &'static str,
        /// What was given.
        found: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The CA file cannot be read.
    #[error("endorsements: CA file `{}` cannot be read", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: std::io::Error,
    },
    /// The CA file holds something else.
    #[error("endorsements: expected one or more certificates in PEM in the CA file `{}`", path.display())]
    CaCertificates {
        /// The file.
        path: PathBuf,
    },
    /// The cache directory cannot be made.
    #[error("endorsements: cache directory `{}` cannot be made", path.display())]
    CacheDirectory {
        /// The directory.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: std::io::Error,
    },
    /// The bundle cannot be used.
    #[error("endorsements: the bundle cannot be used")]
    Bundle(#[from] BundleError),
    /// Offline without a bundle nothing can ever be had.
    #[error("endorsements: expected `bundle` where `offline` is set, found none")]
    OfflineWithoutBundle,
    /// The provider does not support any version of TLS: a defect.
    #[error("endorsements: TLS cannot be set up")]
    Tls(#[source] rustls::Error),
    /// The HTTP client cannot be made.
    #[error("endorsements: the HTTP client cannot be set up")]
    Client(#[source] reqwest::Error),
}

/// Intel's services in their order.
pub(crate) fn intel_services(
    settings: &EndorserSettings,
) -> Result<Vec<Source>, EndorserSetupError> {
    let sources = settings.intel.iter().map(|text| {
        let place = match text.as_str() {
            "intel" => pcs(INTEL.to_owned()),
            "azure" => pcs(AZURE.to_owned()),
            url => pcs(base_url(url, "intel", INTEL)?),
        };
        Ok(Source::Service(Service::new(place, Duration::ZERO)))
    });
    unless_offline(settings, sources.collect())
}

/// AMD's services in their order.
pub(crate) fn amd_services(settings: &EndorserSettings) -> Result<Vec<Source>, EndorserSetupError> {
    let sources = settings.amd.iter().map(|text| {
        let place = match text.as_str() {
            "amd" => Place::Kds {
                base: AMD.to_owned(),
            },
            "azure" => Place::AzureVcek {
                base: AZURE.to_owned(),
            },
            url => Place::Kds {
                base: base_url(url, "amd", AMD)?,
            },
        };
        Ok(Source::Service(Service::new(place, settings.amd_spacing)))
    });
    unless_offline(settings, sources.collect())
}

/// What is written wrongly is refused even where it is not used.
fn unless_offline(
    settings: &EndorserSettings,
    sources: Result<Vec<Source>, EndorserSetupError>,
) -> Result<Vec<Source>, EndorserSetupError> {
    let sources = sources?;
    match (settings.network, &settings.bundle) {
        (Network::Used, _) => Ok(sources),
        (Network::Offline, Some(_)) => Ok(Vec::new()),
        (Network::Offline, None) => Err(EndorserSetupError::OfflineWithoutBundle),
    }
}

fn pcs(base: String) -> Place {
    let root_crl = match base.as_str() {
        INTEL => INTEL_ROOT_CRL.to_owned(),
        base => format!("{base}/sgx/certification/v4/rootcacrl"),
    };
    Place::Pcs { base, root_crl }
}

/// Without a slash at its end.
fn base_url(
    found: &str,
    word: &'static str,
    example: &'static str,
) -> Result<String, EndorserSetupError> {
    let refused = |reason| EndorserSetupError::BaseUrl {
        word,
        example,
        found: found.to_owned(),
        reason,
    };
    let url = Url::parse(found).map_err(|_| refused("it is no URL"))?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refused("it has a query or a fragment"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused("it has a user name or a password"));
    }
    match url.scheme() {
        "https" => {}
        "http" if is_this_machine(&url) => {}
        "http" => return Err(refused("`http` is for this machine alone, use `https`")),
        _ => return Err(refused("its scheme is not `https`")),
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// Documents of Azure's baseline, under Intel's paths; those of TDX are guessed to stand there too. It may
/// serve documents past their life: Microsoft's documentation of Trusted Hardware Identity Management says so.
const AZURE: &str = "https://global.acccache.azure.net";
const AMD: &str = "https://kdsintf.amd.com";
const INTEL: &str = "https://api.trustedservices.intel.com";
const INTEL_ROOT_CRL: &str = "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der";

#[cfg(test)]
mod tests {
    use assert_matches::assert_matches;

    use super::*;

    fn parse(url: &str) -> Result<Place, EndorserSetupError> {
        base_url(url, "intel", INTEL).map(pcs)
    }

    #[test]
    fn service_of_intel_has_its_root_list_apart() {
        let expected = Place::Pcs {
            base: INTEL.to_owned(),
            root_crl: INTEL_ROOT_CRL.to_owned(),
        };
        assert_eq!(pcs(INTEL.to_owned()), expected);
        assert_eq!(parse(&format!("{INTEL}/")).unwrap(), expected);
    }

    #[test]
    fn service_elsewhere_serves_its_root_list_itself() {
        let expected = Place::Pcs {
            base: "https://pccs.example:8081".to_owned(),
            root_crl: "https://pccs.example:8081/sgx/certification/v4/rootcacrl".to_owned(),
        };
        assert_eq!(parse("https://pccs.example:8081/").unwrap(), expected);
    }

    #[test]
    fn service_on_this_machine_may_be_without_tls() {
        for url in [
            "http://127.0.0.1:8081",
            "http://[::1]:8081",
            "http://localhost",
        ] {
            assert_matches!(parse(url), Ok(_));
        }
    }

    #[test]
    fn service_with_another_base_url_is_refused_by_reason() {
        for (url, expected) in [
            ("pccs.example", "it is no URL"),
            (
                "http://pccs.example",
                "`http` is for this machine alone, use `https`",
            ),
            (
                "http://127.0.0.1.example",
                "`http` is for this machine alone, use `https`",
            ),
            ("file:///etc/passwd", "its scheme is not `https`"),
            (
                "https://user@pccs.example",
                "it has a user name or a password",
            ),
            ("https://pccs.example/?a=b", "it has a query or a fragment"),
            ("https://pccs.example/#a", "it has a query or a fragment"),
        ] {
            assert_matches!(
                parse(url),
                Err(EndorserSetupError::BaseUrl { reason, .. }) if reason == expected
            );
        }
    }

    #[test]
    fn source_without_network_and_bundle_is_refused() {
        let settings = EndorserSettings {
            network: Network::Offline,
            ..EndorserSettings::default()
        };
        assert_matches!(
            intel_services(&settings),
            Err(EndorserSetupError::OfflineWithoutBundle)
        );
    }
}
