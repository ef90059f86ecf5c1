//! The port: from a request of the core to the other CAS and back.

use std::collections::HashSet;
use std::time::Duration;

use casque_core::{ExportRequest, RemoteSource, SourceFailure};
use casque_types::{KeyHash, Secret, Timestamp};
use casque_wire as wire;
use reqwest::StatusCode;
use thiserror::Error;

use crate::address::RemoteAddress;
use crate::clients::Clients;
use crate::exchange::{Answer, ExchangeError, MAX_VALUE_BYTES, exchange};
use crate::failure::{AskError, Asked, Refusal, address_failure, not_permitted};
use crate::tls::OwnTls;

/// Asks other CASes, and shows them this CAS's own key.
pub struct Remote {
    clients: Clients,
    permitted: Permitted,
    timeout: Duration,
}

/// Which addresses are asked.
pub(crate) enum Permitted {
    /// Those that the operator lists.
    Listed(HashSet<RemoteAddress>),
    /// Any, since a test's servers take free ports.
    #[cfg(test)]
    Any,
}

impl Permitted {
    fn holds(&self, address: &RemoteAddress) -> bool {
        match self {
            Self::Listed(listed) => listed.contains(address),
            #[cfg(test)]
            Self::Any => true,
        }
    }
}

/// Why other CASes cannot be asked.
#[derive(Debug, Error)]
pub enum RemoteSetupError {
    /// The own certificate cannot be read, or the key is of no known type or not the certificate's.
    #[error("expected this server's own certificate in DER and its private key in PKCS#8")]
    Identity(#[source] rustls::Error),
}

impl Remote {
    /// Of this CAS's own certificate in DER, over its identity key, and that key in PKCS#8 DER; it asks at the
    /// `permitted` addresses alone.
    ///
    /// # Errors
    /// [`RemoteSetupError::Identity`]: they do not belong together.
    pub fn new(
        certificate: Vec<u8>,
        pkcs8: &Secret,
        permitted: impl IntoIterator<Item = RemoteAddress>,
    ) -> Result<Self, RemoteSetupError> {
        let permitted = Permitted::Listed(permitted.into_iter().collect());
        Self::with_timeout(certificate, pkcs8, permitted, TOTAL_TIMEOUT)
    }

    pub(crate) fn with_timeout(
        certificate: Vec<u8>,
        pkcs8: &Secret,
        permitted: Permitted,
        timeout: Duration,
    ) -> Result<Self, RemoteSetupError> {
        let own = OwnTls::new(certificate, pkcs8).map_err(RemoteSetupError::Identity)?;
        Ok(Self {
            clients: Clients::new(own),
            permitted,
            timeout,
        })
    }

    async fn ask(
        &self,
        address: &RemoteAddress,
        server: KeyHash,
        request: &ExportRequest,
    ) -> Result<Secret, AskError> {
        let client = self.clients.client(address, server);
        let client = client.map_err(|_| AskError::Client)?;
        let url = address.url(EXPORTS).ok_or(AskError::Client)?;
        let request = message_of(request);
        let asking = exchange(&client, &url, &request);
        let answer = tokio::time::timeout(self.timeout, asking).await;
        read_answer(&answer.map_err(|_| ExchangeError::Timeout)??)
    }
}

impl RemoteSource for Remote {
    async fn exported(
        &self,
        address: &str,
        server: &KeyHash,
        request: &ExportRequest,
        _now: Timestamp,
    ) -> Result<Secret, SourceFailure> {
        let address = address.parse::<RemoteAddress>().map_err(address_failure)?;
        if !self.permitted.holds(&address) {
            return Err(not_permitted(&address));
        }
        let asked = Asked {
            address: &address,
            request,
            own_key: self.clients.own_key_hash(),
        };
        let value = self.ask(&address, *server, request).await;
        value.map_err(|error| error.failure(&asked))
    }
}

fn message_of(request: &ExportRequest) -> wire::ExportRequest {
    wire::ExportRequest {
        session: request.session.to_string(),
        session_hash: request.session_hash.as_ref().map(ToString::to_string),
        secret: request.secret.to_string(),
        importer: request.importer.to_string(),
        importer_hash: request.importer_hash.to_string(),
    }
}

fn read_answer(answer: &Answer) -> Result<Secret, AskError> {
    let status = answer.status;
    if status == StatusCode::OK {
        return read_value(answer);
    }
    if !status.is_client_error() && !status.is_server_error() {
        return Err(malformed(answer, "a value or an error"));
    }
    let refusal = serde_json::from_slice(&answer.body).ok();
    let refusal = refusal.and_then(|refusal| Refusal::new(&refusal));
    let refusal = refusal.ok_or_else(|| malformed(answer, "the error that explains it"))?;
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        let retry_after = answer.retry_after;
        return Err(AskError::Unavailable {
            refusal,
            retry_after,
        });
    }
    Err(AskError::Refused(refusal))
}

/// What the value is, the core sees: it must be the stored form of one.
fn read_value(answer: &Answer) -> Result<Secret, AskError> {
    let read: Option<wire::ExportAnswer> = serde_json::from_slice(&answer.body).ok();
    let read = read.ok_or_else(|| malformed(answer, "an exported value"))?;
    let value = Secret::new(read.value.0);
    if value.len() > MAX_VALUE_BYTES {
        let limit_bytes = MAX_VALUE_BYTES;
        return Err(ExchangeError::TooLong { limit_bytes }.into());
    }
    Ok(value)
}

const fn malformed(answer: &Answer, expected: &'static str) -> AskError {
    AskError::Malformed {
        status: answer.status.as_u16(),
        expected,
    }
}

/// The route.
const EXPORTS: &str = "/v1/exports";
/// How long one CAS may take in all, connecting and asking twice included. It is less than a release may take here.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(20);
