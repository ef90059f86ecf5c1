//! One request, one bounded answer: HTTP below, JSON above.

use std::io::{self, Read as _};
use std::time::Duration;

use casque_tls::OtherKey;
use casque_wire::ErrorAnswer;
use serde::de::DeserializeOwned;
use ureq::http::Response;
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{Connector as _, TcpConnector};
use ureq::{Agent, Body};
use zeroize::Zeroizing;

use crate::tls::{Observed, ObservedServer, client_config};
use crate::transport::TlsConnector;
use crate::{AddressParseError, ClientError, ClientIdentity, ServerAddress, ServerTrust};

/// The most bytes of an answer that are read, but for policies and releases.
pub const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// The most bytes of an answer with a sealed configuration: 16 MiB and its seal, in base64.
pub const MAX_RELEASE_BYTES: usize = 22 * 1024 * 1024;

/// What a request is to be answered with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    /// Named in errors.
    pub(crate) what: &'static str,
    pub(crate) limit_bytes: usize,
}

impl Expected {
    /// Text or values of a policy of at most 1 MiB, as JSON may write it.
    pub(crate) const fn policy(what: &'static str) -> Self {
        Self {
            what,
            limit_bytes: MAX_POLICY_BYTES,
        }
    }

    pub(crate) const fn small(what: &'static str) -> Self {
        Self {
            what,
            limit_bytes: MAX_ANSWER_BYTES,
        }
    }
}

/// How long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For the connection with its TLS handshake.
    pub connect: Duration,
    /// For the whole exchange, connection and answer included.
    pub exchange: Duration,
}

impl Default for Timeouts {
    /// 10 s to connect, 60 s in all: a release may wait for Entra ID, a vault and MAA.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            exchange: Duration::from_secs(60),
        }
    }
}

/// The HTTP side of a client.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    agent: Agent,
    address: ServerAddress,
    observed: Observed,
}

impl Exchange {
    pub(crate) fn new(
        address: ServerAddress,
        trust: &ServerTrust,
        identity: Option<ClientIdentity>,
        timeouts: Timeouts,
    ) -> Result<Self, ClientError> {
        let (config, observed) = client_config(trust, identity)?;
        let Some(name) = address.tls_name() else {
            let source = io::Error::new(io::ErrorKind::InvalidInput, AddressParseError::Host);
            return Err(ClientError::Unreachable { address, source });
        };
        let connector = ().chain(TcpConnector::default()).chain(TlsConnector { config, name });
        let agent = Agent::with_parts(http_config(timeouts), connector, DefaultResolver::default());
        Ok(Self {
            agent,
            address,
            observed,
        })
    }

    pub(crate) const fn address(&self) -> &ServerAddress {
        &self.address
    }

    /// What the server showed in TLS, once there was a connection.
    pub(crate) fn observed(&self) -> Option<&ObservedServer> {
        self.observed.get()
    }

    /// `GET path`, answered with a `T`.
    pub(crate) fn read<T: DeserializeOwned>(
        &self,
        path: &str,
        expected: Expected,
    ) -> Result<T, ClientError> {
        let request = self.agent.get(format!("{}{path}", self.address.url()));
        self.answer(request.call(), expected)
    }

    /// `POST path` with a body, answered with a `T`.
    pub(crate) fn send<T: DeserializeOwned>(
        &self,
        path: &str,
        content_type: &str,
        body: &[u8],
        expected: Expected,
    ) -> Result<T, ClientError> {
        let request = self.agent.post(format!("{}{path}", self.address.url()));
        self.answer(request.content_type(content_type).send(body), expected)
    }

    /// `PUT path` with a body, answered with a `T`.
    pub(crate) fn replace<T: DeserializeOwned>(
        &self,
        path: &str,
        content_type: &str,
        body: &[u8],
        expected: Expected,
    ) -> Result<T, ClientError> {
        let request = self.agent.put(format!("{}{path}", self.address.url()));
        self.answer(request.content_type(content_type).send(body), expected)
    }

    pub(crate) fn malformed(&self, status: u16, expected: &'static str) -> ClientError {
        ClientError::Malformed {
            address: self.address.clone(),
            status,
            expected,
        }
    }

    fn answer<T: DeserializeOwned>(
        &self,
        response: Result<Response<Body>, ureq::Error>,
        expected: Expected,
    ) -> Result<T, ClientError> {
        let mut response = response.map_err(|error| self.failed(error))?;
        let status = response.status().as_u16();
        let body = self.bounded(response.body_mut(), expected.limit_bytes)?;
        if (200..300).contains(&status) {
            return serde_json::from_slice(&body)
                .map_err(|_| self.malformed(status, expected.what));
        }
        let answer: ErrorAnswer = serde_json::from_slice(&body)
            .map_err(|_| self.malformed(status, "a JSON account of the error"))?;
        Err(ClientError::Refused {
            status,
            failure: Box::new(answer.error),
        })
    }

    fn bounded(
        &self,
        body: &mut Body,
        limit_bytes: usize,
    ) -> Result<Zeroizing<Vec<u8>>, ClientError> {
        let announced = body.content_length().map(usize::try_from);
        let capacity = match announced {
            Some(Ok(bytes)) if bytes <= limit_bytes => bytes,
            Some(_) => return Err(self.too_large(limit_bytes)),
            None => UNANNOUNCED_BYTES,
        };
        // One more byte than there should be, so that reading to the end does not move the block.
        let mut bytes = Zeroizing::new(Vec::with_capacity(capacity.saturating_add(1)));
        let limit = u64::try_from(limit_bytes).unwrap_or(u64::MAX);
        (body.as_reader().take(limit.saturating_add(1)))
            .read_to_end(&mut bytes)
            .map_err(|error| self.failed(ureq::Error::from(error)))?;
        if bytes.len() > limit_bytes {
            return Err(self.too_large(limit_bytes));
        }
        Ok(bytes)
    }

    fn too_large(&self, limit_bytes: usize) -> ClientError {
        ClientError::TooLarge {
            address: self.address.clone(),
            limit_bytes,
        }
    }

    fn failed(&self, error: ureq::Error) -> ClientError {
        let address = self.address.clone();
        match error {
            ureq::Error::Timeout(timeout) => ClientError::Timeout {
                address,
                phase: phase_of(timeout),
            },
            ureq::Error::Io(error) => match tls_error_in(&error) {
                Some(error) => self.tls_failed(error),
                None => ClientError::Unreachable {
                    address,
                    source: error,
                },
            },
            ureq::Error::Other(error) => match error.downcast::<rustls::Error>() {
                Ok(error) => self.tls_failed(*error),
                Err(error) => ClientError::Unreachable {
                    address,
                    source: io::Error::other(error),
                },
            },
            ureq::Error::HostNotFound => ClientError::Unreachable {
                address,
                source: io::Error::new(io::ErrorKind::NotFound, "no such host"),
            },
            ureq::Error::LargeResponseHeader(_, limit_bytes) => self.too_large(limit_bytes),
            other => ClientError::Unreachable {
                address,
                source: io::Error::other(other),
            },
        }
    }

    fn tls_failed(&self, error: rustls::Error) -> ClientError {
        let address = self.address.clone();
        if let Some(OtherKey { expected, found }) = OtherKey::in_error(&error) {
            return ClientError::OtherServer {
                address,
                expected: Box::new(expected),
                found: Box::new(found),
            };
        }
        ClientError::Tls {
            address,
            source: error,
        }
    }
}

fn http_config(timeouts: Timeouts) -> ureq::config::Config {
    Agent::config_builder()
        .http_status_as_error(false)
        .https_only(true)
        .proxy(None)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .no_delay(true)
        .user_agent(concat!("casque/", env!("CARGO_PKG_VERSION")))
        .accept("application/json")
        .timeout_connect(Some(timeouts.connect))
        .timeout_global(Some(timeouts.exchange))
        .max_idle_connections_per_host(1)
        .build()
}

fn tls_error_in(error: &io::Error) -> Option<rustls::Error> {
    error.get_ref()?.downcast_ref::<rustls::Error>().cloned()
}

const fn phase_of(timeout: ureq::Timeout) -> &'static str {
    match timeout {
        ureq::Timeout::Resolve => "looking up the host",
        ureq::Timeout::Connect => "connecting",
        ureq::Timeout::SendRequest | ureq::Timeout::SendBody => "sending the request",
        _ => "waiting for the answer",
    }
}

/// A policy of 1 MiB, each byte of which JSON may escape.
const MAX_POLICY_BYTES: usize = 8 * 1024 * 1024;
const UNANNOUNCED_BYTES: usize = 64 * 1024;
