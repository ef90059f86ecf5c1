//! How failures are worded: one `SourceFailure` per cause, without secrets and without raw text of strangers.
//!
//! The causes on the way to a party (name, TLS, time, size) read alike for all parties; what a party
//! itself refuses is worded where that party is spoken to.

use casque_core::{SourceFailure, SourceKind};
use casque_types::Seconds;

use crate::code::Code;
use crate::http::ExchangeError;

/// A failure that lasts until somebody changes something.
pub(crate) fn lasting(
    source_kind: SourceKind,
    code: Code,
    what: String,
    mend: impl Into<String>,
) -> SourceFailure {
    SourceFailure {
        source_kind,
        code: code.as_str(),
        what,
        mend: mend.into(),
        retryable: false,
        retry_after: None,
    }
}

/// A failure that may pass by itself.
pub(crate) fn passing(
    source_kind: SourceKind,
    code: Code,
    what: String,
    mend: impl Into<String>,
    retry_after: Option<Seconds>,
) -> SourceFailure {
    SourceFailure {
        retryable: true,
        retry_after,
        ..lasting(source_kind, code, what, mend)
    }
}

/// A party and the codes of what can go wrong on the way to it.
#[derive(Debug)]
pub(crate) struct Way {
    kind: SourceKind,
    name_unresolved: Code,
    unreachable: Code,
    tls_untrusted: Code,
    timeout: Code,
    redirected: Code,
    too_long: Code,
    malformed: Code,
    name_mend: &'static str,
}

impl Way {
    /// The failure for an exchange that brought no answer; `asked` says what was asked of whom.
    pub(crate) fn failure(&self, asked: &str, host: &str, error: &ExchangeError) -> SourceFailure {
        let what = format!("{asked}: {error}");
        match error {
            ExchangeError::Name { temporary: true } => passing(
                self.kind,
                self.name_unresolved,
                what,
                "check the name service of the machine that Casque runs on",
                None,
            ),
            ExchangeError::Name { temporary: false } => {
                lasting(self.kind, self.name_unresolved, what, self.name_mend)
            }
            ExchangeError::Tls { .. } => lasting(
                self.kind,
                self.tls_untrusted,
                what,
                format!(
                    "check that nothing intercepts connections to `{host}`; for a cloud with its own \
                     authority, name its certificates in the operator's `ca_file`"
                ),
            ),
            ExchangeError::Unreachable | ExchangeError::Broken => passing(
                self.kind,
                self.unreachable,
                what,
                format!("check that Casque's network lets it connect to `{host}`"),
                None,
            ),
            ExchangeError::Timeout => passing(
                self.kind,
                self.timeout,
                what,
                format!("try again; if it lasts, check the network between Casque and `{host}`"),
                None,
            ),
            ExchangeError::Redirected { .. } => lasting(
                self.kind,
                self.redirected,
                what,
                format!("Casque follows no redirect; check that `{host}` is the service itself"),
            ),
            ExchangeError::TooLong { .. } => lasting(
                self.kind,
                self.too_long,
                what,
                format!("check that `{host}` is the service itself"),
            ),
        }
    }

    /// The failure for an answer that is not of the documented form.
    pub(crate) fn malformed(&self, asked: &str, host: &str, expected: &str) -> SourceFailure {
        lasting(
            self.kind,
            self.malformed,
            format!("{asked}: expected {expected}, found something else"),
            format!("check that `{host}` is the service itself"),
        )
    }
}

/// The way to Entra ID.
pub(crate) const ENTRA: Way = Way {
    kind: SourceKind::Entra,
    name_unresolved: Code::EntraNameUnresolved,
    unreachable: Code::EntraUnreachable,
    tls_untrusted: Code::EntraTlsUntrusted,
    timeout: Code::EntraTimeout,
    redirected: Code::EntraRedirected,
    too_long: Code::EntraAnswerTooLong,
    malformed: Code::EntraAnswerMalformed,
    name_mend: "check the cloud's `authority` in the operator's configuration, and the name service",
};

/// The way to Key Vault.
pub(crate) const VAULT: Way = Way {
    kind: SourceKind::KeyVault,
    name_unresolved: Code::VaultNameUnresolved,
    unreachable: Code::VaultUnreachable,
    tls_untrusted: Code::VaultTlsUntrusted,
    timeout: Code::VaultTimeout,
    redirected: Code::VaultRedirected,
    too_long: Code::VaultAnswerTooLong,
    malformed: Code::VaultAnswerMalformed,
    name_mend: "the vault's name is wrong or the vault was deleted: check `vault` in the policy; for a \
                vault with a private endpoint, check that Casque's network resolves it",
};

/// The way to Microsoft Azure Attestation.
pub(crate) const MAA: Way = Way {
    kind: SourceKind::Maa,
    name_unresolved: Code::MaaNameUnresolved,
    unreachable: Code::MaaUnreachable,
    tls_untrusted: Code::MaaTlsUntrusted,
    timeout: Code::MaaTimeout,
    redirected: Code::MaaRedirected,
    too_long: Code::MaaAnswerTooLong,
    malformed: Code::MaaAnswerMalformed,
    name_mend: "the attestation instance's URL is wrong or it was deleted: check it in the policy",
};

/// The way to a Kubernetes cluster.
pub(crate) const CLUSTER: Way = Way {
    kind: SourceKind::Cluster,
    name_unresolved: Code::ClusterNameUnresolved,
    unreachable: Code::ClusterUnreachable,
    tls_untrusted: Code::ClusterTlsUntrusted,
    timeout: Code::ClusterTimeout,
    redirected: Code::ClusterRedirected,
    too_long: Code::ClusterAnswerTooLong,
    malformed: Code::ClusterAnswerMalformed,
    name_mend: "the issuer is wrong or the cluster was deleted: check `issuer` in the policy",
};

/// Text of a stranger made fit for a sentence: printable, on one line, at most `limit` characters, with
/// every word that could be a token or a secret left out.
pub(crate) fn quoted(text: &str, limit: usize) -> String {
    let mut out = String::new();
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    for word in words.filter(|word| !word.is_empty()) {
        let word = if is_wordlike(word) { word } else { "[...]" };
        let length = out.chars().count().saturating_add(word.chars().count());
        if length >= limit {
            out.push_str(" ...");
            break;
        }
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

/// Short enough to be a word, a GUID, a thumbprint or a host, and of characters that those are made of.
fn is_wordlike(word: &str) -> bool {
    word.len() <= MAX_WORD_BYTES && word.chars().all(|c| !c.is_control() && c.is_ascii())
}

/// Longer than what Key Vault writes about an application, shorter than any access token.
const MAX_WORD_BYTES: usize = 240;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_line_breaks_and_long_words_are_gone() {
        let token = "x".repeat(241);
        let text = format!("AADSTS1: wrong.\r\nSee\u{7} {token} now\u{202e}!");
        assert_eq!(quoted(&text, 200), "AADSTS1: wrong. See [...] [...]");
        assert_eq!(quoted("one two three", 9), "one two ...");
    }
}
