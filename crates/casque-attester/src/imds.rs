//! Azure's instance metadata service, which a machine reaches at a link-local address without a proxy.
//!
//! | request | answer |
//! |---|---|
//! | `GET /metadata/THIM/amd/certification`, header `Metadata: true` | certificates of the host's SNP processor |
//! | `POST /acc/tdquote` `{"report":"<TDREPORT, base64url>"}` | `{"quote":"<TDX quote, base64url>"}` |
//!
//! The service speaks HTTP without TLS: what it says is believed by nobody, and is verified by whoever appraises
//! the evidence.

use std::io;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use ureq::{Agent, Body, http::Response};

use crate::thim::{certificates_pem, decode_base64};
use crate::{PollEvery, Wait, Waiter};

/// The metadata service.
pub struct Imds {
    agent: Agent,
    base: String,
    waiter: Box<dyn Waiter + Send + Sync>,
}

/// Why the metadata service did not give what was asked for.
#[derive(Debug, Error)]
pub enum ImdsError {
    /// Its address.
    #[error(
        "expected `http://HOST[:PORT]` as the address of the metadata service, found `{found}`"
    )]
    Base {
        /// What was given.
        found: String,
    },
    /// It did not answer.
    #[error(
        "cannot reach the metadata service at `{url}`: it answers inside Azure virtual machines, and in pods unless a network policy forbids `169.254.169.254`"
    )]
    Unreachable {
        /// What was asked for.
        url: String,
        /// What was met.
        #[source]
        source: io::Error,
    },
    /// It answered with another status than 200.
    #[error("the metadata service answered `{url}` with HTTP status {status}")]
    Status {
        /// What was asked for.
        url: String,
        /// The status.
        status: u16,
    },
    /// It answered something else.
    #[error(
        "the metadata service answered `{url}`: expected {expected} of at most {MAX_ANSWER_BYTES} bytes"
    )]
    Malformed {
        /// What was asked for.
        url: String,
        /// What was expected.
        expected: &'static str,
    },
}

impl Imds {
    /// The service at `base`, such as [`Imds::BASE`].
    ///
    /// # Errors
    /// [`ImdsError::Base`]
    pub fn new(base: &str) -> Result<Self, ImdsError> {
        Self::with_waiter(base, Box::new(ONCE_A_SECOND))
    }

    /// The same with another way to wait before a request is sent again.
    ///
    /// # Errors
    /// [`ImdsError::Base`]
    pub fn with_waiter(
        base: &str,
        waiter: Box<dyn Waiter + Send + Sync>,
    ) -> Result<Self, ImdsError> {
        let base = base.trim_end_matches('/');
        let host = base.strip_prefix("http://").unwrap_or_default();
        if host.is_empty() || host.contains(['/', '?', '#', '@', ' ']) {
            let found = base.to_owned();
            return Err(ImdsError::Base { found });
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("casque/", env!("CARGO_PKG_VERSION")))
            .accept("application/json")
            .timeout_connect(Some(CONNECT))
            .timeout_global(Some(EXCHANGE))
            .build();
        Ok(Self {
            agent: config.new_agent(),
            base: base.to_owned(),
            waiter,
        })
    }

    /// The certificate of the key that signs this host's SNP reports, then its authorities, PEM.
    ///
    /// # Errors
    /// [`ImdsError`]
    pub fn amd_certificates(&self) -> Result<String, ImdsError> {
        let url = format!("{}/metadata/THIM/amd/certification", self.base);
        let answer = self.exchange(&url, || {
            self.agent.get(&url).header("Metadata", "true").call()
        })?;
        let expected = "JSON with certificates in PEM in `vcekCert` and `certificateChain`";
        certificates_pem(&answer).ok_or(ImdsError::Malformed { url, expected })
    }

    /// A TDX quote over a TDREPORT.
    ///
    /// # Errors
    /// [`ImdsError`]
    pub fn td_quote(&self, report: &[u8]) -> Result<Vec<u8>, ImdsError> {
        let url = format!("{}/acc/tdquote", self.base);
        let report = URL_SAFE_NO_PAD.encode(report);
        let expected = "JSON with a quote in base64url in `quote`";
        let malformed = || ImdsError::Malformed {
            url: url.clone(),
            expected,
        };
        let body = serde_json::to_vec(&QuoteRequest { report }).map_err(|_| malformed())?;
        let answer = self.exchange(&url, || {
            let request = self.agent.post(&url).header("Metadata", "true");
            request.content_type("application/json").send(&body)
        })?;
        let answer: QuoteAnswer = serde_json::from_slice(&answer).map_err(|_| malformed())?;
        decode_base64(answer.quote.as_bytes()).ok_or_else(malformed)
    }

    /// The body of a good answer; sent again while the service says that it is busy, or is being updated.
    fn exchange(
        &self,
        url: &str,
        send: impl Fn() -> Result<Response<Body>, ureq::Error>,
    ) -> Result<Vec<u8>, ImdsError> {
        let url = || url.to_owned();
        let mut attempts = 0_u32;
        loop {
            let mut response = send().map_err(|error| ImdsError::Unreachable {
                url: url(),
                source: error.into_io(),
            })?;
            let status = response.status().as_u16();
            attempts = attempts.saturating_add(1);
            if matches!(status, 410 | 429 | 500..) && self.waiter.wait(attempts) == Wait::Again {
                continue;
            }
            if status != 200 {
                return Err(ImdsError::Status { url: url(), status });
            }
            let body = response.body_mut().with_config().limit(MAX_ANSWER_BYTES);
            let expected = "JSON";
            let malformed = |_| ImdsError::Malformed {
                url: url(),
                expected,
            };
            return body.read_to_vec().map_err(malformed);
        }
    }

    /// Where it is in every Azure virtual machine.
    pub const BASE: &str = "http://169.254.169.254";
}

impl std::fmt::Debug for Imds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Imds")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

#[derive(Serialize)]
struct QuoteRequest {
    report: String,
}

#[derive(Deserialize)]
struct QuoteAnswer {
    quote: String,
}

const CONNECT: Duration = Duration::from_secs(3);
const EXCHANGE: Duration = Duration::from_secs(20);
const ONCE_A_SECOND: PollEvery = PollEvery {
    pause: Duration::from_secs(1),
    attempts: 4,
};
const MAX_ANSWER_BYTES: u64 = 64 * 1024;

#[cfg(test)]
mod tests;
