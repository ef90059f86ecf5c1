//! Why another CAS did not give what was asked: a stable code, a sentence and what to do, for the author of
//! the policy that imports.
//!
//! A code is a promise: it is never renamed and never given another meaning.

use casque_core::{ExportRequest, SourceFailure, SourceKind};
use casque_types::{KeyHash, Seconds};
use casque_wire as wire;
use thiserror::Error;

use crate::address::{RemoteAddress, RemoteAddressError};
use crate::exchange::ExchangeError;

/// Declares the codes, their texts and the list of all of them from one table.
macro_rules! codes {
    ($($name:ident = $text:literal,)+) => {
        /// A stable code; `docs/errors-remote.md` explains each.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum Code {
            $($name,)+
        }

        impl Code {
            /// The code as users see it.
            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// All codes.
            #[cfg(test)]
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name,)+];
        }
    };
}

codes! {
    AddressMalformed = "remote-address-malformed",
    NotPermitted = "remote-not-permitted",
    NameUnresolved = "remote-name-unresolved",
    Unreachable = "remote-unreachable",
    OtherKey = "remote-other-key",
    TlsFailed = "remote-tls-failed",
    Timeout = "remote-timeout",
    Refused = "remote-refused",
    Unavailable = "remote-unavailable",
    AnswerMalformed = "remote-answer-malformed",
    AnswerTooLong = "remote-answer-too-long",
    ClientFailed = "remote-client-failed",
}

/// Why there is no value.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum AskError {
    /// No answer, or too long a one.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// The other CAS does not give it out.
    #[error("it refuses: {0}")]
    Refused(Refusal),
    /// The other CAS cannot do its part now.
    #[error("it cannot answer now: {refusal}")]
    Unavailable {
        refusal: Refusal,
        retry_after: Option<Seconds>,
    },
    /// An answer, but none of this interface.
    #[error("it answered with HTTP status {status} and something else than expected {expected}")]
    Malformed { status: u16, expected: &'static str },
    /// This CAS has no client.
    #[error("this CAS cannot set up a client for it")]
    Client,
}

/// What the other CAS says of itself, made fit for a sentence of this one.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{message} [{code}]")]
pub(crate) struct Refusal {
    message: String,
    code: String,
    hint: Option<String>,
}

impl Refusal {
    /// `None` if the code is none: then no CAS has written it.
    pub(crate) fn new(answer: &wire::ErrorAnswer) -> Option<Self> {
        let error = &answer.error;
        is_code(&error.code).then(|| Self {
            message: cleaned(&error.message),
            code: error.code.clone(),
            hint: error.hint.as_deref().map(cleaned),
        })
    }
}

fn is_code(text: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=MAX_CODE_BYTES).contains(&text.len()) && text.chars().all(is_allowed)
}

/// On one line, without control characters or others that change how the rest is shown, at most
/// [`MAX_MESSAGE_CHARACTERS`] and an ellipsis.
fn cleaned(text: &str) -> String {
    let is_gap = |c: char| c.is_whitespace() || c.is_control();
    let mut out = String::new();
    let mut count = 0_usize;
    for word in text.split(is_gap).filter(|word| !word.is_empty()) {
        let gap = (count > 0).then_some(' ');
        for c in gap.into_iter().chain(word.chars()) {
            if count == MAX_MESSAGE_CHARACTERS {
                out.push_str(" ...");
                return out;
            }
            let is_plain = c == ' ' || c.is_ascii_graphic() || c.is_alphanumeric();
            out.push(if is_plain { c } else { '?' });
            count = count.saturating_add(1);
        }
    }
    out
}

/// Who was asked for what by whom.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) address: &'a RemoteAddress,
    pub(crate) request: &'a ExportRequest,
    /// The key that this CAS shows.
    pub(crate) own_key: &'a KeyHash,
}

impl AskError {
    /// The failure for the policy's author.
    pub(crate) fn failure(&self, asked: &Asked<'_>) -> SourceFailure {
        let Asked {
            address, request, ..
        } = asked;
        let what = format!(
            "asked `{address}` for secret `{}` of policy `{}`: {self}",
            request.secret, request.session
        );
        SourceFailure {
            source_kind: SourceKind::Remote,
            code: self.code().as_str(),
            what,
            mend: self.mend(asked),
            retryable: self.is_retryable(),
            retry_after: self.retry_after(),
        }
    }

    const fn code(&self) -> Code {
        match self {
            Self::Exchange(error) => match error {
                ExchangeError::Name => Code::NameUnresolved,
                ExchangeError::Unreachable | ExchangeError::Broken => Code::Unreachable,
                ExchangeError::OtherKey { .. } => Code::OtherKey,
                ExchangeError::Tls { .. } => Code::TlsFailed,
                ExchangeError::Timeout => Code::Timeout,
                ExchangeError::TooLong { .. } => Code::AnswerTooLong,
            },
            Self::Refused(_) => Code::Refused,
            Self::Unavailable { .. } => Code::Unavailable,
            Self::Malformed { .. } => Code::AnswerMalformed,
            Self::Client => Code::ClientFailed,
        }
    }

    /// Whether time alone may mend it.
    const fn is_retryable(&self) -> bool {
        match self {
            Self::Exchange(error) => matches!(
                error,
                ExchangeError::Name
                    | ExchangeError::Unreachable
                    | ExchangeError::Timeout
                    | ExchangeError::Broken
            ),
            Self::Unavailable { .. } | Self::Client => true,
            Self::Refused(_) | Self::Malformed { .. } => false,
        }
    }

    const fn retry_after(&self) -> Option<Seconds> {
        match self {
            Self::Unavailable { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    fn mend(&self, asked: &Asked<'_>) -> String {
        let address = asked.address;
        match self {
            Self::Exchange(error) => mend_exchange(error, address),
            Self::Refused(refusal) => refusal.hint.clone().unwrap_or_else(|| {
                format!(
                    "let that policy export the secret to policy `{}` of the CAS with `cas_key` `{}`",
                    asked.request.importer, asked.own_key
                )
            }),
            Self::Unavailable { refusal, .. } => (refusal.hint.clone())
                .unwrap_or_else(|| "wait, or see to that CAS".to_owned()),
            Self::Malformed { .. } => {
                format!("check that `{address}` is a Casque server that exports to other CASes")
            }
            Self::Client => "try again; if it lasts, see to this server's memory".to_owned(),
        }
    }
}

fn mend_exchange(error: &ExchangeError, address: &RemoteAddress) -> String {
    match error {
        ExchangeError::Name => {
            "check `cas_url` in the policy, and the name service of the machine that Casque runs on"
                .to_owned()
        }
        ExchangeError::Unreachable | ExchangeError::Broken => format!(
            "check `cas_url` in the policy, and that Casque's network lets it connect to `{address}`"
        ),
        ExchangeError::OtherKey { .. } => {
            "ask the owner of that CAS for its key hash; only if it is the one found, write it as `cas_key`"
                .to_owned()
        }
        ExchangeError::Tls { .. } => format!(
            "check that `{address}` is a CAS, and that nothing intercepts connections to it"
        ),
        ExchangeError::Timeout => format!(
            "try again; if it lasts, see to that CAS, and to the network between Casque and `{address}`"
        ),
        ExchangeError::TooLong { .. } => {
            format!("export a smaller value; or check that `{address}` is a CAS")
        }
    }
}

/// The failure for a text that is no address of a CAS.
pub(crate) fn address_failure(error: RemoteAddressError) -> SourceFailure {
    SourceFailure {
        source_kind: SourceKind::Remote,
        code: Code::AddressMalformed.as_str(),
        what: format!("`cas_url` is no address of a CAS: {error}"),
        mend: "write `cas_url` as `host`, `host:port` or `https://host:port/`".to_owned(),
        retryable: false,
        retry_after: None,
    }
}

/// The failure for an address that the operator does not list.
pub(crate) fn not_permitted(address: &RemoteAddress) -> SourceFailure {
    SourceFailure {
        source_kind: SourceKind::Remote,
        code: Code::NotPermitted.as_str(),
        what: format!("the operator of this server does not list `{address}`"),
        mend: "ask the operator to add it to `addresses` under `[remote]` in the configuration"
            .to_owned(),
        retryable: false,
        retry_after: None,
    }
}

const MAX_CODE_BYTES: usize = 64;
const MAX_MESSAGE_CHARACTERS: usize = 400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleaned_control_characters_and_line_breaks_are_gone() {
        let text = "not exported\r\n\u{1b}[31mred\u{7}\u{202e} to `b\u{e9}`\u{200b}";
        assert_eq!(cleaned(text), "not exported [31mred ? to `b\u{e9}`?");
    }

    #[test]
    fn cleaned_long_text_is_cut() {
        let most = "x".repeat(MAX_MESSAGE_CHARACTERS);
        assert_eq!(cleaned(&most), most);
        assert_eq!(cleaned(&format!("{most}x")), format!("{most} ..."));
    }
}
