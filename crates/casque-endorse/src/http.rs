//! One HTTP client: TLS 1.2 or 1.3 by rustls with aws-lc-rs, no redirects, no proxies from the environment,
//! bounded answers and waits.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use casque_types::Seconds;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, StatusCode};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use crate::EndorserSetupError;
use crate::failure::FetchError;

/// An answer with status 200.
pub(crate) struct Answer {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// A client that trusts the roots in `ca_file`, or Mozilla's if there is none.
pub(crate) fn client(ca_file: Option<&Path>) -> Result<Client, EndorserSetupError> {
    let roots = ca_file.map_or_else(|| Ok(mozilla_roots()), roots_in)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(EndorserSetupError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .referer(false)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TOTAL_TIMEOUT)
        .user_agent(concat!("casque/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(EndorserSetupError::Client)
}

/// What `url` answers with, read up to `limit_bytes`.
pub(crate) async fn get(
    client: &Client,
    url: &str,
    limit_bytes: usize,
) -> Result<Answer, FetchError> {
    let failed = |error: reqwest::Error| FetchError::of_exchange(url, &error, TOTAL_TIMEOUT);
    let mut response = client.get(url).send().await.map_err(failed)?;
    if response.status() != StatusCode::OK {
        return Err(FetchError::Status {
            url: url.to_owned(),
            status: response.status().as_u16(),
            retry_after: retry_after(response.headers()),
        });
    }
    let too_long = || FetchError::TooLong {
        url: url.to_owned(),
        limit_bytes,
    };
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len().saturating_add(chunk.len()) > limit_bytes {
            return Err(too_long());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer {
        headers: std::mem::take(response.headers_mut()),
        body,
    })
}

/// `Retry-After` in seconds (RFC 9110 section 10.2.3); a date there is not read.
fn retry_after(headers: &HeaderMap) -> Option<Seconds> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    text.parse().ok().map(Seconds)
}

fn mozilla_roots() -> RootCertStore {
    RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    }
}

fn roots_in(path: &Path) -> Result<RootCertStore, EndorserSetupError> {
    let pem = fs::read(path).map_err(|source| EndorserSetupError::CaFile {
        path: path.to_owned(),
        source,
    })?;
    let unusable = || EndorserSetupError::CaCertificates {
        path: path.to_owned(),
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|_| unusable())?;
        roots.add(certificate).map_err(|_| unusable())?;
    }
    if roots.is_empty() {
        return Err(unusable());
    }
    Ok(roots)
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const TOTAL_TIMEOUT: Duration = Duration::from_secs(20);
