//! Why endorsements could not be fetched, and what that means to whoever reads it.

use std::error::Error;
use std::io;
use std::time::Duration;

use casque_appraise::IntelEndorsement;
use casque_core::{SourceFailure, SourceKind};
use casque_types::{Seconds, Timestamp};
use thiserror::Error;

/// Why there are no endorsements.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum FetchError {
    /// No connection.
    #[error("`{url}` cannot be reached")]
    Unreachable { url: String },
    /// The certificate is not trusted, or TLS failed.
    #[error("the TLS certificate of `{url}` is not trusted, or TLS failed")]
    Tls { url: String },
    /// No answer in time.
    #[error("`{url}` did not answer within {timeout_s} s")]
    Timeout { url: String, timeout_s: u64 },
    /// The answer broke off.
    #[error("the answer of `{url}` broke off")]
    Broken { url: String },
    /// Another status than 200.
    #[error("`{url}` answered with HTTP status {status}")]
    Status {
        url: String,
        status: u16,
        retry_after: Option<Seconds>,
    },
    /// The service does not know the family of platforms.
    #[error("`{url}` answered that it does not know FMSPC {fmspc} (HTTP status 404)")]
    UnknownPlatform { url: String, fmspc: String },
    /// More bytes than the document can have.
    #[error("`{url}` answered with more than {limit_bytes} bytes")]
    TooLong { url: String, limit_bytes: usize },
    /// The answer is no such document.
    #[error("`{url}` answered with something else: expected {expected}")]
    Malformed { url: String, expected: &'static str },
    /// The TCB info is about another family of platforms.
    #[error("`{url}` answered for another platform: expected FMSPC {expected}, found {found}")]
    OtherPlatform {
        url: String,
        expected: String,
        found: String,
    },
    /// The service itself is late.
    #[error("{document} from `{url}` expired at {until}, now it is {now}")]
    Expired {
        url: String,
        document: IntelEndorsement,
        until: Timestamp,
        now: Timestamp,
    },
    /// Issued later than now.
    #[error("the documents from `{url}` are valid from {from}, now it is {now}")]
    NotYetValid {
        url: String,
        from: Timestamp,
        now: Timestamp,
    },
    /// Too many kinds of platforms at once.
    #[error("{limit} families of platforms are being asked for already")]
    Busy { limit: usize },
}

impl FetchError {
    /// What the HTTP client says, without its text.
    pub(crate) fn of_exchange(url: &str, error: &reqwest::Error, timeout: Duration) -> Self {
        let url = url.to_owned();
        if error.is_timeout() {
            let timeout_s = timeout.as_secs();
            return Self::Timeout { url, timeout_s };
        }
        if has_tls_cause(error) {
            return Self::Tls { url };
        }
        if error.is_connect() {
            return Self::Unreachable { url };
        }
        Self::Broken { url }
    }

    /// Stable; all are listed in `docs/errors-endorsements.md`.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } | Self::Broken { .. } => "endorser-unreachable",
            Self::Tls { .. } => "endorser-not-trusted",
            Self::Timeout { .. } => "endorser-timeout",
            Self::UnknownPlatform { .. } => "endorser-unknown-platform",
            Self::Status { status: 429, .. } | Self::Busy { .. } => "endorser-throttled",
            Self::Status { .. } => "endorser-refused",
            Self::TooLong { .. } | Self::Malformed { .. } => "endorser-malformed",
            Self::OtherPlatform { .. } => "endorser-other-platform",
            Self::Expired { .. } => "endorser-expired",
            Self::NotYetValid { .. } => "endorser-not-yet-valid",
        }
    }

    /// What to do next.
    const fn mend(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } | Self::Broken { .. } | Self::Timeout { .. } => {
                "let the server reach that address, or set `endorsements.intel_url` to a PCCS that it reaches"
            }
            Self::Tls { .. } => {
                "put the root of that service's certificate into the file that `endorsements.ca_file` names"
            }
            Self::UnknownPlatform { .. } => {
                "check that the platform's family is known to the service; a PCCS must be filled with it first"
            }
            Self::Status { status: 429, .. } | Self::Busy { .. } => {
                "wait; or set `endorsements.intel_url` to a PCCS of your own"
            }
            Self::Status {
                status: 500..=599, ..
            } => "wait, or see to the service",
            Self::Status { .. }
            | Self::TooLong { .. }
            | Self::Malformed { .. }
            | Self::OtherPlatform { .. } => {
                "check that `endorsements.intel_url` is the base URL of Intel's PCS or of a PCCS, version 4"
            }
            Self::Expired { .. } => {
                "refresh that cache, or remove `endorsements.intel_url` to ask Intel; and check this machine's clock"
            }
            Self::NotYetValid { .. } => "check this machine's clock",
        }
    }

    /// Whether time alone may mend it.
    const fn is_retryable(&self) -> bool {
        match self {
            Self::Status { status, .. } => matches!(status, 429 | 500..=599),
            Self::Unreachable { .. }
            | Self::Broken { .. }
            | Self::Timeout { .. }
            | Self::Busy { .. } => true,
            Self::Tls { .. }
            | Self::UnknownPlatform { .. }
            | Self::TooLong { .. }
            | Self::Malformed { .. }
            | Self::OtherPlatform { .. }
            | Self::Expired { .. }
            | Self::NotYetValid { .. } => false,
        }
    }

    /// The same about the TCB info of this family: its absence means something.
    pub(crate) fn of_tcb_info(self, fmspc: [u8; 6]) -> Self {
        match self {
            Self::Status {
                url, status: 404, ..
            } => Self::UnknownPlatform {
                url,
                fmspc: hex::encode_upper(fmspc),
            },
            other => other,
        }
    }

    /// When the service said to ask again.
    pub(crate) const fn retry_after(&self) -> Option<Seconds> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl FetchError {
    /// The failure for who asked, who need not ask again for `quiet`.
    pub(crate) fn failure(&self, quiet: Seconds) -> SourceFailure {
        let retryable = self.is_retryable();
        SourceFailure {
            source_kind: SourceKind::Endorser,
            code: self.code(),
            what: self.to_string(),
            mend: self.mend().to_owned(),
            retryable,
            retry_after: retryable.then_some(quiet),
        }
    }
}

fn has_tls_cause(error: &reqwest::Error) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    while let Some(error) = cause {
        if error.is::<rustls::Error>() {
            return true;
        }
        // An `io::Error` hides what it wraps: its `source` is that of the wrapped one.
        let wrapped = error.downcast_ref().and_then(io::Error::get_ref);
        cause = match wrapped {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    false
}
