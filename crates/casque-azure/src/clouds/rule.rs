//! One entry of a cloud's host list: a suffix or a host.

use std::fmt;

use casque_types::{MaaUrl, VaultName};

/// One entry of a host list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HostRule {
    /// Every host that ends with this suffix, which begins with a dot.
    Below(String),
    /// This `host[:port]`.
    Exactly(String),
}

impl HostRule {
    pub(super) fn parse(entry: &str) -> Option<Self> {
        if let Some(rest) = entry.strip_prefix('.') {
            let is_suffix = rest.contains('.') && !rest.contains(':') && is_authority(rest);
            return is_suffix.then(|| Self::Below(entry.to_owned()));
        }
        is_authority(entry).then(|| Self::Exactly(entry.to_owned()))
    }

    pub(super) fn allows(&self, host: &str) -> bool {
        match self {
            Self::Exactly(exact) => host == exact,
            Self::Below(suffix) => (host.strip_suffix(suffix.as_str()))
                .is_some_and(|rest| !rest.is_empty() && !rest.contains(':')),
        }
    }

    /// Like [`Self::allows`], and what stands before a suffix must be one vault's name.
    pub(super) fn allows_vault(&self, host: &str) -> bool {
        match self {
            Self::Exactly(_) => self.allows(host),
            Self::Below(suffix) => (host.strip_suffix(suffix.as_str()))
                .is_some_and(|name| name.parse::<VaultName>().is_ok()),
        }
    }

    /// Whether some host could be allowed by both.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exactly(host), rule) | (rule, Self::Exactly(host)) => rule.allows(host),
            (Self::Below(a), Self::Below(b)) => a.ends_with(b.as_str()) || b.ends_with(a.as_str()),
        }
    }
}

impl fmt::Display for HostRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Below(suffix) => write!(f, "`*{suffix}`"),
            Self::Exactly(host) => write!(f, "`{host}`"),
        }
    }
}

/// The entries, for a sentence.
pub(super) fn listed<'a>(rules: impl Iterator<Item = &'a HostRule>) -> String {
    rules
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

/// `host[:port]` exactly as a parsed address writes it: lower case, no default port.
fn is_authority(text: &str) -> bool {
    let url: Result<MaaUrl, _> = format!("https://{text}").parse();
    url.is_ok_and(|url| url.authority() == text)
}
