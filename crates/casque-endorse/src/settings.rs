//! Where endorsements come from, as the operator says, checked once.

use std::path::PathBuf;

use thiserror::Error;
use url::{Host, Url};

/// Where endorsements come from, and where they are kept.
#[derive(Clone, Debug)]
pub struct EndorserSettings {
    /// Base URL of Intel's PCS, of a PCCS, or of a cache with the same paths (all below
    /// `/sgx/certification/v4/`); Intel's own when none. `http` only on this machine.
    pub base_url: Option<String>,
    /// PEM file with the roots that the service's TLS certificate must chain to, in place of the Mozilla
    /// roots.
    pub ca_file: Option<PathBuf>,
    /// Where documents outlive a restart; made if it is not there.
    pub cache_directory: PathBuf,
}

/// Why the source cannot be set up.
#[derive(Debug, Error)]
pub enum EndorserSetupError {
    /// The base URL is none.
    #[error("endorsements: expected a base URL such as `{INTEL}`, found `{found}`: {reason}")]
    BaseUrl {
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
    /// The provider does not support any version of TLS: a defect.
    #[error("endorsements: TLS cannot be set up")]
    Tls(#[source] rustls::Error),
    /// The HTTP client cannot be made.
    #[error("endorsements: the HTTP client cannot be set up")]
    Client(#[source] reqwest::Error),
}

/// The addresses of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Service {
    /// Without a slash at its end.
    pub(crate) base: String,
    /// The root's revocation list: Intel keeps it apart, everybody else beside the rest.
    pub(crate) root_crl: String,
}

impl Service {
    /// Reads the operator's text.
    pub(crate) fn parse(base_url: Option<&str>) -> Result<Self, EndorserSetupError> {
        let found = base_url.unwrap_or(INTEL);
        let refused = |reason| EndorserSetupError::BaseUrl {
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
        let base = url.as_str().trim_end_matches('/').to_owned();
        let root_crl = if base == INTEL {
            INTEL_ROOT_CRL.to_owned()
        } else {
            format!("{base}/sgx/certification/v4/rootcacrl")
        };
        Ok(Self { base, root_crl })
    }
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

const INTEL: &str = "https://api.trustedservices.intel.com";
const INTEL_ROOT_CRL: &str = "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der";

#[cfg(test)]
mod tests {
    use assert_matches::assert_matches;

    use super::*;

    #[test]
    fn service_by_default_is_intels_with_its_root_list_apart() {
        let service = Service::parse(None).unwrap();
        assert_eq!(service.base, INTEL);
        assert_eq!(service.root_crl, INTEL_ROOT_CRL);
        assert_eq!(Service::parse(Some(&format!("{INTEL}/"))).unwrap(), service);
    }

    #[test]
    fn service_elsewhere_serves_its_root_list_itself() {
        let service = Service::parse(Some("https://pccs.example:8081/")).unwrap();
        assert_eq!(service.base, "https://pccs.example:8081");
        assert_eq!(
            service.root_crl,
            "https://pccs.example:8081/sgx/certification/v4/rootcacrl"
        );
    }

    #[test]
    fn service_on_this_machine_may_be_without_tls() {
        for url in [
            "http://127.0.0.1:8081",
            "http://[::1]:8081",
            "http://localhost",
        ] {
            assert_matches!(Service::parse(Some(url)), Ok(_));
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
                Service::parse(Some(url)),
                Err(EndorserSetupError::BaseUrl { reason, .. }) if reason == expected
            );
        }
    }
}
