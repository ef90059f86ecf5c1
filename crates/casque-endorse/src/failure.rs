//! Why endorsements could not be fetched, and what that means to whoever reads it.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use casque_appraise::EndorsedError;
use casque_core::{SourceFailure, SourceKind};
use casque_types::{Seconds, Timestamp};
use thiserror::Error;

use crate::bundle::BundleError;
use crate::document::DocumentError;
use crate::document_id::{DocumentId, Vendor};

/// Why one source did not give a document.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum FetchError {
    /// No connection.
    #[error("`{url}` cannot be reached")]
    Unreachable { url: String },
    /// The certificate is not trusted, or TLS failed.
    #[error("the TLS certificate of `{url}` is not trusted, or TLS failed")]
    Tls { url: String },
    /// No answer in time.
    #[error("`{url}` did not answer within {timeout:?}")]
    Timeout { url: String, timeout: Duration },
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
    /// It throttled before, and is left alone.
    #[error("`{base}` asked for fewer requests before, and is left alone for a while")]
    Quiet { base: String, again: Seconds },
    /// The service does not know the platform.
    #[error("`{url}` answered that it does not know {platform} (HTTP status 404)")]
    UnknownPlatform { url: String, platform: String },
    /// More bytes than the document can have.
    #[error("`{url}` answered with more than {limit_bytes} bytes")]
    TooLong { url: String, limit_bytes: usize },
    /// The answer is no such document.
    #[error("`{url}` answered with something else: expected {expected}")]
    Malformed { url: String, expected: &'static str },
    /// The document is about another platform.
    #[error("`{url}` answered for another platform: expected {expected}, found {found}")]
    OtherPlatform {
        url: String,
        expected: String,
        found: String,
    },
    /// The document is not its vendor's.
    #[error("{}", not_authentic(at, source))]
    NotAuthentic { at: String, source: EndorsedError },
    /// The service itself is late.
    #[error("{document} from `{url}` expired at {until}, now it is {now}")]
    Expired {
        url: String,
        document: String,
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
    /// The bundle cannot be read.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The bundle holds no such document.
    #[error("the bundle `{}` holds no `{document}`", bundle.display())]
    BundleLacks {
        bundle: PathBuf,
        document: DocumentId,
    },
    /// The bundle's document has had its day.
    #[error("{document} in `{}` expired at {until}, now it is {now}", file.display())]
    BundleExpired {
        file: PathBuf,
        document: String,
        until: Timestamp,
        now: Timestamp,
    },
    /// The bundle's document is of the future.
    #[error("`{}` is valid from {from}, now it is {now}", file.display())]
    BundleNotYetValid {
        file: PathBuf,
        from: Timestamp,
        now: Timestamp,
    },
    /// No source serves it.
    #[error("no source is configured for `{document}`")]
    NoSource { document: DocumentId },
    /// Too many at once for platforms that nothing has proved yet.
    #[error("{waiting} documents of platforms that are not known yet are being waited for already")]
    Busy { waiting: usize },
}

impl FetchError {
    /// What is wrong with an answer.
    pub(crate) fn of_document(url: &str, error: DocumentError) -> Self {
        let url = url.to_owned();
        match error {
            DocumentError::Malformed { expected } => Self::Malformed { url, expected },
            DocumentError::OtherPlatform { expected, found } => Self::OtherPlatform {
                url,
                expected,
                found,
            },
        }
    }

    /// What the HTTP client says, without its text.
    pub(crate) fn of_exchange(url: &str, error: &reqwest::Error, timeout: Duration) -> Self {
        let url = url.to_owned();
        if error.is_timeout() {
            return Self::Timeout { url, timeout };
        }
        if has_tls_cause(error) {
            return Self::Tls { url };
        }
        if error.is_connect() {
            return Self::Unreachable { url };
        }
        Self::Broken { url }
    }

    /// All codes.
    #[cfg(test)]
    pub(crate) const CODES: [&'static str; 17] = [
        "endorser-unreachable",
        "endorser-timeout",
        "endorser-not-trusted",
        "endorser-throttled",
        "endorser-busy",
        "endorser-refused",
        "endorser-unknown-platform",
        "endorser-malformed",
        "endorser-other-platform",
        "endorser-not-authentic",
        "endorser-expired",
        "endorser-not-yet-valid",
        "endorser-bundle-damaged",
        "endorser-bundle-lacks",
        "endorser-bundle-expired",
        "endorser-bundle-not-yet-valid",
        "endorser-no-source",
    ];

    /// Stable; all are listed in `docs/errors-endorsements.md`.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } | Self::Broken { .. } => "endorser-unreachable",
            Self::Tls { .. } => "endorser-not-trusted",
            Self::Timeout { .. } => "endorser-timeout",
            Self::UnknownPlatform { .. } => "endorser-unknown-platform",
            Self::Status { status: 429, .. } | Self::Quiet { .. } => "endorser-throttled",
            Self::Busy { .. } => "endorser-busy",
            Self::Status { .. } => "endorser-refused",
            Self::TooLong { .. } | Self::Malformed { .. } => "endorser-malformed",
            Self::OtherPlatform { .. } => "endorser-other-platform",
            Self::NotAuthentic { .. } => "endorser-not-authentic",
            Self::Expired { .. } => "endorser-expired",
            Self::NotYetValid { .. } => "endorser-not-yet-valid",
            Self::Bundle(_) => "endorser-bundle-damaged",
            Self::BundleLacks { .. } => "endorser-bundle-lacks",
            Self::BundleExpired { .. } => "endorser-bundle-expired",
            Self::BundleNotYetValid { .. } => "endorser-bundle-not-yet-valid",
            Self::NoSource { .. } => "endorser-no-source",
        }
    }

    /// What to do next.
    fn mend(&self, vendor: Vendor) -> String {
        let setting = match vendor {
            Vendor::Intel => "endorsements.intel",
            Vendor::Amd => "endorsements.amd",
        };
        match self {
            Self::Unreachable { .. } | Self::Broken { .. } | Self::Timeout { .. } => format!(
                "let the server reach that address, name another source in `{setting}`, or mount a bundle (`endorsements.bundle`)"
            ),
            Self::Tls { .. } => {
                "put the root of that service's certificate into the file that `endorsements.ca_file` names".to_owned()
            }
            Self::UnknownPlatform { .. } => {
                "check that the platform is known to the service; a PCCS must be filled with it first".to_owned()
            }
            Self::Status { status: 429, .. } | Self::Quiet { .. } | Self::Busy { .. } => {
                format!("wait; or name a cache of your own in `{setting}`, or mount a bundle (`endorsements.bundle`)")
            }
            Self::Status { status: 500..=599, .. } => "wait, or see to the service".to_owned(),
            Self::Status { .. }
            | Self::TooLong { .. }
            | Self::Malformed { .. }
            | Self::OtherPlatform { .. } => format!("check that each URL in `{setting}` is the base URL of such a service"),
            Self::NotAuthentic { .. } => {
                "see to that service or file: what it gives is not the vendor's, or is damaged".to_owned()
            }
            Self::Expired { .. } => format!(
                "refresh that cache, or name the vendor's own service in `{setting}`; and check this machine's clock"
            ),
            Self::NotYetValid { .. } | Self::BundleNotYetValid { .. } => "check this machine's clock".to_owned(),
            Self::Bundle(_) => "make the bundle anew: casque endorsements bundle".to_owned(),
            Self::BundleLacks { .. } => {
                "fetch the document where there is a network (casque endorsements fetch), and make the bundle anew".to_owned()
            }
            Self::BundleExpired { .. } => {
                "make the bundle anew with documents of today (casque endorsements fetch); and check this machine's clock".to_owned()
            }
            Self::NoSource { .. } => format!("name a source in `{setting}`, or mount a bundle (`endorsements.bundle`)"),
        }
    }

    /// Whether time alone may mend it.
    const fn is_retryable(&self) -> bool {
        match self {
            Self::Status { status, .. } => matches!(status, 429 | 500..=599),
            Self::Unreachable { .. }
            | Self::Broken { .. }
            | Self::Timeout { .. }
            | Self::Quiet { .. }
            | Self::Busy { .. } => true,
            Self::Tls { .. }
            | Self::UnknownPlatform { .. }
            | Self::TooLong { .. }
            | Self::Malformed { .. }
            | Self::OtherPlatform { .. }
            | Self::NotAuthentic { .. }
            | Self::Expired { .. }
            | Self::NotYetValid { .. }
            | Self::Bundle(_)
            | Self::BundleLacks { .. }
            | Self::BundleExpired { .. }
            | Self::BundleNotYetValid { .. }
            | Self::NoSource { .. } => false,
        }
    }

    /// The same about the platform's own document: its absence means something.
    pub(crate) fn of_platform(self, platform: String) -> Self {
        match self {
            Self::Status {
                url, status: 404, ..
            } => Self::UnknownPlatform { url, platform },
            other => other,
        }
    }

    /// When the service said to ask again.
    pub(crate) const fn retry_after(&self) -> Option<Seconds> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            Self::Quiet { again, .. } => Some(*again),
            _ => None,
        }
    }

    /// Whether the service asked for fewer requests.
    pub(crate) const fn is_throttled(&self) -> bool {
        matches!(self, Self::Status { status: 429, .. })
    }
}

/// A document that is kept, and has ended.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{document} {} expired at {until}, now it is {now}", where_kept(file.as_deref()))]
pub(crate) struct Outlived {
    pub(crate) document: String,
    /// `None` is in memory alone.
    pub(crate) file: Option<PathBuf>,
    pub(crate) until: Timestamp,
    pub(crate) now: Timestamp,
}

fn where_kept(file: Option<&Path>) -> String {
    match file {
        Some(file) => format!("in `{}`", file.display()),
        None => "that was fetched before".to_owned(),
    }
}

/// Why no source gave a document: of each source the reason, in their order; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failures {
    document: DocumentId,
    outlived: Option<Outlived>,
    earlier: Vec<FetchError>,
    last: FetchError,
}

impl Failures {
    pub(crate) const fn one(document: DocumentId, last: FetchError) -> Self {
        Self {
            document,
            outlived: None,
            earlier: Vec::new(),
            last,
        }
    }

    /// `None` if nothing was tried.
    pub(crate) fn all(document: DocumentId, mut errors: Vec<FetchError>) -> Option<Self> {
        let last = errors.pop()?;
        Some(Self {
            document,
            outlived: None,
            earlier: errors,
            last,
        })
    }

    /// The same, with what was had before.
    pub(crate) fn of_outlived(self, outlived: Option<Outlived>) -> Self {
        Self { outlived, ..self }
    }

    /// Whether somebody was not asked since there are too many others.
    pub(crate) fn is_busy(&self) -> bool {
        self.each()
            .any(|error| matches!(error, FetchError::Busy { .. }))
    }

    /// Whether each source says that there is no such processor.
    pub(crate) fn is_unknown(&self) -> bool {
        self.document.is_of_one_processor()
            && self
                .each()
                .all(|error| matches!(error, FetchError::UnknownPlatform { .. }))
    }

    fn each(&self) -> impl Iterator<Item = &FetchError> {
        self.earlier.iter().chain([&self.last])
    }

    /// How long all of them asked to be left alone.
    pub(crate) fn retry_after(&self) -> Seconds {
        let asked = self.each().map(|error| error.retry_after());
        let least = asked.map(|span| span.unwrap_or(Seconds(0)).0).min();
        Seconds(least.unwrap_or(0))
    }

    /// The failure for who asked, who need not ask again for `quiet`.
    pub(crate) fn failure(&self, quiet: Seconds) -> SourceFailure {
        let retryable = self.each().any(FetchError::is_retryable);
        let outlived = self.outlived.iter().map(ToString::to_string);
        let texts: Vec<String> = outlived
            .chain(self.each().map(ToString::to_string))
            .collect();
        let vendor = self.document.vendor();
        SourceFailure {
            source_kind: match vendor {
                Vendor::Intel => SourceKind::Endorser,
                Vendor::Amd => SourceKind::Amd,
            },
            code: self.last.code(),
            what: texts.join("; then "),
            mend: self.last.mend(vendor),
            retryable,
            retry_after: retryable.then_some(quiet),
        }
    }

    /// For the log; not for each of many that were not even asked for.
    pub(crate) fn report(&self) {
        if self.is_busy() {
            tracing::debug!(document = %self.document, "endorsements are not asked for: there are too many others");
            return;
        }
        for error in self.each() {
            tracing::warn!(code = error.code(), cause = %error, document = %self.document, "endorsements cannot be fetched");
        }
    }
}

fn not_authentic(at: &str, error: &EndorsedError) -> String {
    let cause = error.source().map(|cause| format!(": {cause}"));
    format!(
        "what `{at}` gave is not authentic: {error}{}",
        cause.unwrap_or_default()
    )
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documentation_lists_every_code_once() {
        let documentation = include_str!("../../../docs/errors-endorsements.md");
        let rows = documentation
            .lines()
            .filter_map(|line| line.strip_prefix("| `"));
        let listed: Vec<&str> = rows.filter_map(|row| row.split('`').next()).collect();
        assert_eq!(listed, FetchError::CODES);
    }
}
