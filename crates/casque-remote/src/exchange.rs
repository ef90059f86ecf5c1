//! One request and its answer, with the bounds that both live under.
//!
//! Copies of what is received remain in the buffers of the TLS and HTTP libraries until they are reused;
//! what is kept here is wiped.

use casque_tls::OtherKey;
use casque_types::{KeyHash, Seconds};
use casque_wire as wire;
use reqwest::header::RETRY_AFTER;
use reqwest::{Client, Response, StatusCode, Url};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::names::NameUnresolved;

/// One answer, whatever its status.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// When the other side said to ask again, an hour at most.
    pub(crate) retry_after: Option<Seconds>,
    pub(crate) body: Zeroizing<Vec<u8>>,
}

/// Why there is no answer.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum ExchangeError {
    #[error("its name does not resolve")]
    Name,
    #[error("it cannot be reached")]
    Unreachable,
    #[error("its key hash is `{found}`, expected `{expected}`")]
    OtherKey { expected: KeyHash, found: KeyHash },
    #[error("TLS failed: {reason}")]
    Tls { reason: &'static str },
    #[error("it did not answer in time")]
    Timeout,
    #[error("it broke the connection off")]
    Broken,
    #[error("it answered with more than {limit_bytes} bytes")]
    TooLong { limit_bytes: usize },
}

/// Asks, and asks a second time when the connection broke off: an idle one may have ended just then.
pub(crate) async fn exchange(
    client: &Client,
    url: &Url,
    request: &wire::ExportRequest,
) -> Result<Answer, ExchangeError> {
    match exchange_once(client, url, request).await {
        Err(ExchangeError::Broken) => exchange_once(client, url, request).await,
        outcome => outcome,
    }
}

async fn exchange_once(
    client: &Client,
    url: &Url,
    request: &wire::ExportRequest,
) -> Result<Answer, ExchangeError> {
    let sent = client.post(url.clone()).json(request).send().await;
    let response = sent.map_err(|error| ExchangeError::of(&error))?;
    let status = response.status();
    let limit_bytes = match status {
        StatusCode::OK => MAX_ANSWER_BYTES,
        _ => MAX_REFUSAL_BYTES,
    };
    Ok(Answer {
        status,
        retry_after: retry_after(&response),
        body: read_bounded(response, limit_bytes).await?,
    })
}

/// Seconds alone: `casqued` writes no dates.
fn retry_after(response: &Response) -> Option<Seconds> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    let seconds = text.trim().parse().ok()?;
    Some(Seconds(seconds).min(MAX_RETRY_AFTER))
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

impl ExchangeError {
    /// Sorts by the types in the chain of causes; no text of `error` is kept.
    fn of(error: &reqwest::Error) -> Self {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(current) = cause {
            if current.is::<NameUnresolved>() {
                return Self::Name;
            }
            if let Some(tls) = tls_error(current) {
                return Self::of_tls(tls);
            }
            cause = current.source();
        }
        match () {
            () if error.is_timeout() => Self::Timeout,
            () if error.is_connect() => Self::Unreachable,
            () => Self::Broken,
        }
    }

    fn of_tls(error: &rustls::Error) -> Self {
        if let Some(OtherKey { expected, found }) = OtherKey::in_error(error) {
            return Self::OtherKey { expected, found };
        }
        Self::Tls {
            reason: tls_reason(error),
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
    use rustls::{AlertDescription, CertificateError, Error};
    match error {
        Error::InvalidCertificate(CertificateError::BadSignature) => {
            "it does not hold the key that it shows"
        }
        Error::InvalidCertificate(_) => "its certificate cannot be read",
        Error::AlertReceived(AlertDescription::ProtocolVersion) | Error::PeerIncompatible(_) => {
            "it does not speak TLS 1.3 as expected"
        }
        Error::AlertReceived(_) => "it refused the handshake",
        Error::InvalidMessage(_) => "what answers there does not speak TLS",
        _ => "the handshake failed",
    }
}

/// The most bytes of an exported value in its stored form: as many as a store keeps.
pub(crate) const MAX_VALUE_BYTES: usize = 1024 * 1024;
/// The value in base64, and room for the JSON around it.
const MAX_ANSWER_BYTES: usize = MAX_VALUE_BYTES / 3 * 4 + 1024;
/// Most of a refusal is not passed on anyway.
const MAX_REFUSAL_BYTES: usize = 64 * 1024;
/// The longest time that another CAS can ask to be left alone for.
const MAX_RETRY_AFTER: Seconds = Seconds(3600);
