//! What the agent shows to the server, as its challenge allows.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use casque_attester::{AttesterError, Collected, EvidenceSource};
use casque_client::{Challenge, EvidenceKind};
use casque_types::RuntimeData;
use casque_wire::{AnyB64, Evidence};
use thiserror::Error;

/// Where the evidence comes from.
pub enum EvidencePlan<'a> {
    /// A source inside the guest.
    Source(&'a dyn EvidenceSource),
    /// A token that someone beside the agent obtains from Microsoft Azure Attestation.
    MaaToken(MaaPassport),
    /// None: for policies with `mode: none`, which release to anyone.
    Absent,
}

/// How a token over the runtime data of one exchange comes to the agent (passport model).
///
/// A token carries the runtime data of exactly one exchange, so it cannot be there beforehand: the agent
/// writes the runtime data, then reads the token. Make `token_file` a named pipe, so that reading waits for
/// whoever obtains the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaaPassport {
    /// The compact JWS is read from here.
    pub token_file: PathBuf,
    /// The runtime data, verbatim, is written here first.
    pub runtime_data_file: Option<PathBuf>,
}

/// Why there is no evidence to show.
#[derive(Debug, Error)]
pub enum EvidenceError {
    /// The source failed.
    #[error(transparent)]
    Attester(#[from] AttesterError),
    /// The server appraises other evidence.
    #[error("this guest has evidence of kind `{found}`, the server takes: {taken}")]
    NotTaken {
        /// The kind there is.
        found: &'static str,
        /// The kinds that the server takes.
        taken: String,
    },
    /// The runtime data could not be written for whoever obtains the token.
    #[error("cannot write the runtime data to `{}`", .path.display())]
    RuntimeData {
        /// The file.
        path: PathBuf,
        /// What the operating system met.
        #[source]
        source: io::Error,
    },
    /// The token could not be read.
    #[error("cannot read a token from `{}`", .path.display())]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// What the operating system met.
        #[source]
        source: io::Error,
    },
    /// What was read is no token.
    #[error(
        "expected a compact JWS (three base64url parts joined by `.`) of at most {MAX_TOKEN_BYTES} bytes in `{}`", .path.display()
    )]
    Token {
        /// The file.
        path: PathBuf,
    },
}

impl EvidencePlan<'_> {
    /// Evidence bound to `runtime`, of a kind that the server takes.
    pub(crate) fn gather(
        &self,
        runtime: &RuntimeData,
        challenge: &Challenge,
    ) -> Result<Evidence, EvidenceError> {
        match self {
            Self::Absent => Ok(Evidence::None {}),
            Self::MaaToken(passport) => {
                require_taken(Some(EvidenceKind::Maa), "maa", challenge)?;
                let token = passport.token_over(runtime)?;
                Ok(Evidence::Maa { token })
            }
            Self::Source(source) => {
                let collected = source.gather(&runtime.report_data())?;
                let kind = matches!(collected, Collected::SgxQuote(_)).then_some(EvidenceKind::Sgx);
                require_taken(kind, collected.kind().as_str(), challenge)?;
                match collected {
                    Collected::SgxQuote(quote) => Ok(Evidence::Sgx {
                        quote: AnyB64(quote),
                    }),
                    other => Err(not_taken(other.kind().as_str(), challenge)),
                }
            }
        }
    }
}

impl MaaPassport {
    fn token_over(&self, runtime: &RuntimeData) -> Result<String, EvidenceError> {
        if let Some(path) = &self.runtime_data_file {
            write_whole(path, runtime.as_bytes()).map_err(|source| {
                let path = path.clone();
                EvidenceError::RuntimeData { path, source }
            })?;
        }
        let path = || self.token_file.clone();
        let text = read_bounded(&self.token_file).map_err(|source| EvidenceError::TokenFile {
            path: path(),
            source,
        })?;
        let token = text.trim();
        if text.len() > MAX_TOKEN_BYTES || !is_compact_jws(token) {
            return Err(EvidenceError::Token { path: path() });
        }
        Ok(token.to_owned())
    }
}

fn require_taken(
    kind: Option<EvidenceKind>,
    found: &'static str,
    challenge: &Challenge,
) -> Result<(), EvidenceError> {
    match kind {
        Some(kind) if challenge.evidence.contains(&kind) => Ok(()),
        _ => Err(not_taken(found, challenge)),
    }
}

fn not_taken(found: &'static str, challenge: &Challenge) -> EvidenceError {
    let names = challenge.evidence.iter();
    let names = names.map(|kind| format!("`{}`", kind.as_str()));
    let taken = names.collect::<Vec<_>>().join(", ");
    EvidenceError::NotTaken { found, taken }
}

/// So that whoever watches the file never reads half of it.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    fs::write(&beside, bytes)?;
    fs::rename(&beside, path)
}

fn read_bounded(path: &Path) -> io::Result<String> {
    let limit = u64::try_from(MAX_TOKEN_BYTES).unwrap_or(u64::MAX);
    let mut text = String::new();
    File::open(path)?
        .take(limit.saturating_add(1))
        .read_to_string(&mut text)?;
    Ok(text)
}

fn is_compact_jws(token: &str) -> bool {
    let is_part = |part: &str| {
        let mut bytes = part.bytes();
        !part.is_empty() && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    token.split('.').count() == 3 && token.split('.').all(is_part)
}

const MAX_TOKEN_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests;
