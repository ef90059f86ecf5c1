//! One HTTPS client per cloud, with the bounds that everything here lives under.
//!
//! TLS 1.2 or 1.3 by rustls with aws-lc-rs; certificates must chain to the Mozilla roots, or, if the
//! operator names a CA file for the cloud, to that file's certificates alone. No redirect is followed, no
//! proxy is taken from the environment, no answer is read past its limit, and none is waited for longer
//! than [`TOTAL_TIMEOUT`]. Copies of what is sent and received remain in the buffers of the TLS and HTTP
//! libraries until they are reused; what is built and kept here is wiped.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use casque_types::{Seconds, Secret, Timestamp};
use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method, Response, StatusCode, Url};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::dns::{NameUnresolved, SystemNames};

/// Waits between attempts; tests give one that only counts.
pub(crate) trait Pause: Send + Sync {
    /// Returns after `span`.
    fn pause(&self, span: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// Waits by the runtime's timer.
#[derive(Debug)]
pub(crate) struct TimerPause;

impl Pause for TimerPause {
    fn pause(&self, span: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(tokio::time::sleep(span))
    }
}

/// An HTTPS client.
pub(crate) struct Http {
    client: Client,
    pause: Arc<dyn Pause>,
}

/// One request; never printed, since its body can be confidential.
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The most bytes that the answer's body may have.
    pub(crate) limit_bytes: usize,
}

/// One answer, whatever its status (but no redirect).
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Zeroizing<Vec<u8>>,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub(crate) enum ExchangeError {
    #[error("its name does not resolve")]
    Name { temporary: bool },
    #[error("its TLS certificate is not trusted or TLS failed ({reason})")]
    Tls { reason: &'static str },
    #[error("it cannot be reached")]
    Unreachable,
    #[error("it did not answer in time")]
    Timeout,
    #[error("it broke the connection off")]
    Broken,
    #[error("it answered with a redirect (HTTP {status})")]
    Redirected { status: u16 },
    #[error("it answered with more than {limit_bytes} bytes")]
    TooLong { limit_bytes: usize },
}

/// Why there is no client.
#[derive(Debug, Error)]
pub(crate) enum HttpError {
    #[error("expected certificates in PEM")]
    Certificates,
    #[error("expected certificates that rustls can use as roots")]
    Roots(#[source] rustls::Error),
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
    #[error("the HTTP client cannot be set up")]
    Client(#[source] reqwest::Error),
}

impl Http {
    /// A client that trusts `ca_pem` alone, or the Mozilla roots if there is none.
    pub(crate) fn new(ca_pem: Option<&[u8]>, pause: Arc<dyn Pause>) -> Result<Self, HttpError> {
        let roots = ca_pem.map_or_else(|| Ok(mozilla_roots()), own_roots)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(HttpError::Tls)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(Arc::new(SystemNames))
            .https_only(true)
            .http1_only()
            .no_proxy()
            .referer(false)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .tcp_nodelay(true)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TOTAL_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .user_agent(concat!("casque/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(HttpError::Client)?;
        Ok(Self { client, pause })
    }

    /// Sends `call`, and again after a short pause when the connection broke or the party answered 5xx
    /// without saying when to come back.
    pub(crate) async fn exchange(&self, call: &Call) -> Result<Answer, ExchangeError> {
        for span in RETRY_PAUSES {
            match self.exchange_once(call).await {
                Ok(answer) if answer.wants_retry() => {}
                Err(ExchangeError::Unreachable | ExchangeError::Broken) => {}
                outcome => return outcome,
            }
            self.pause.pause(span).await;
        }
        self.exchange_once(call).await
    }

    async fn exchange_once(&self, call: &Call) -> Result<Answer, ExchangeError> {
        let request = self.client.request(call.method.clone(), call.url.clone());
        let request = request.headers(call.headers.clone());
        let sent = request.body(call.body.clone()).send().await;
        let response = sent.map_err(|error| ExchangeError::of(&error))?;
        let status = response.status();
        if status.is_redirection() {
            return Err(ExchangeError::Redirected {
                status: status.as_u16(),
            });
        }
        let headers = response.headers().clone();
        let body = read_bounded(response, call.limit_bytes).await?;
        Ok(Answer {
            status,
            headers,
            body,
        })
    }
}

/// Reads a body into one block that is wiped and never moves.
async fn read_bounded(
    mut response: Response,
    limit_bytes: usize,
) -> Result<Zeroizing<Vec<u8>>, ExchangeError> {
    let announced = response.content_length().map(usize::try_from);
    let capacity = match announced {
        None => limit_bytes,
        Some(Ok(length)) if length <= limit_bytes => length,
        Some(_) => return Err(ExchangeError::TooLong { limit_bytes }),
    };
    let mut body = Zeroizing::new(Vec::with_capacity(capacity));
    let failed = |error: &reqwest::Error| ExchangeError::of(error);
    while let Some(chunk) = response.chunk().await.map_err(|error| failed(&error))? {
        if body.len().saturating_add(chunk.len()) > limit_bytes {
            return Err(ExchangeError::TooLong { limit_bytes });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

impl Answer {
    /// A header's text, if there is one and it is ASCII.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// When the party said to ask again: seconds, or a date (RFC 9110, 10.2.3).
    pub(crate) fn retry_after(&self, now: Timestamp) -> Option<Seconds> {
        parse_retry_after(self.headers.get(RETRY_AFTER)?.to_str().ok()?, now)
    }

    fn wants_retry(&self) -> bool {
        self.status.is_server_error() && !self.headers.contains_key(RETRY_AFTER)
    }
}

/// Reads `Retry-After`; more than [`MAX_RETRY_AFTER`] counts as that.
fn parse_retry_after(text: &str, now: Timestamp) -> Option<Seconds> {
    let text = text.trim();
    let asked = match text.parse::<u64>() {
        Ok(seconds) => Seconds(seconds),
        Err(_) => {
            let date = httpdate::parse_http_date(text).ok()?;
            let since_epoch = date.duration_since(std::time::UNIX_EPOCH).ok()?;
            Timestamp::from_unix_s(since_epoch.as_secs()).since(now)
        }
    };
    Some(asked.min(MAX_RETRY_AFTER))
}

impl ExchangeError {
    /// Sorts by the types in the chain of causes; no text of `error` is kept, since it holds the URL.
    fn of(error: &reqwest::Error) -> Self {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(current) = cause {
            if let Some(name) = current.downcast_ref::<NameUnresolved>() {
                return Self::Name {
                    temporary: name.temporary,
                };
            }
            if let Some(tls) = tls_error(current) {
                return Self::Tls {
                    reason: tls_reason(tls),
                };
            }
            cause = current.source();
        }
        match () {
            () if error.is_timeout() => Self::Timeout,
            () if error.is_connect() => Self::Unreachable,
            () => Self::Broken,
        }
    }
}

/// The TLS error that `error` is, or that it wraps as an I/O error; those hide what they wrap from `source`.
fn tls_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    let mut current = error;
    loop {
        if let Some(tls) = current.downcast_ref() {
            return Some(tls);
        }
        current = current.downcast_ref::<std::io::Error>()?.get_ref()?;
    }
}

fn tls_reason(error: &rustls::Error) -> &'static str {
    use rustls::CertificateError as C;
    match error {
        rustls::Error::InvalidCertificate(C::UnknownIssuer) => "unknown issuer",
        rustls::Error::InvalidCertificate(C::Expired | C::ExpiredContext { .. }) => {
            "expired certificate"
        }
        rustls::Error::InvalidCertificate(
            C::NotValidForName | C::NotValidForNameContext { .. },
        ) => "certificate for another name",
        rustls::Error::InvalidCertificate(_) => "bad certificate",
        rustls::Error::AlertReceived(_) => "refused by the other side",
        _ => "handshake failed",
    }
}

fn mozilla_roots() -> RootCertStore {
    RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    }
}

fn own_roots(pem: &[u8]) -> Result<RootCertStore, HttpError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| HttpError::Certificates)?;
        roots.add(certificate).map_err(HttpError::Roots)?;
    }
    if roots.is_empty() {
        return Err(HttpError::Certificates);
    }
    Ok(roots)
}

/// `Bearer <token>` in a block that is wiped when the last request that holds it is gone; `None` if the
/// token has characters that no header may have.
pub(crate) fn bearer(token: &Secret) -> Option<HeaderValue> {
    // Exposed to be written into the request that it authorises.
    let token = token.expose();
    let mut value = Zeroizing::new(Vec::with_capacity(token.len().saturating_add(BEARER.len())));
    value.extend_from_slice(BEARER);
    value.extend_from_slice(token);
    let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(value)).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one exchange may take in all.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(15);
/// How long an idle connection is kept; Azure's front ends keep theirs for longer.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// The pauses before the second and the third attempt.
const RETRY_PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(800)];
/// The longest time that a party can ask to be left alone for.
const MAX_RETRY_AFTER: Seconds = Seconds(3600);
const BEARER: &[u8] = b"Bearer ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_seconds_and_date_are_read() {
        let now = Timestamp::from_unix_s(784_111_700);
        let read = |text| parse_retry_after(text, now);
        assert_eq!(read("17"), Some(Seconds(17)));
        assert_eq!(read("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Seconds(77)));
        assert_eq!(read("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Seconds(0)));
        assert_eq!(read("99999999"), Some(MAX_RETRY_AFTER));
        assert_eq!(read("soon"), None);
    }

    #[test]
    fn bearer_token_with_line_break_is_none() {
        assert!(bearer(&Secret::new(b"abc.def".to_vec())).is_some());
        assert!(bearer(&Secret::new(b"abc\r\nHost: evil".to_vec())).is_none());
    }
}
