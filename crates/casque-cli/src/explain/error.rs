//! Why there is nothing to explain.

use std::path::PathBuf;

use casque_appraise::EvidenceParseError;
use casque_explain::EndorsementsFileError;
use casque_policy::ClauseError;
use thiserror::Error;

use crate::policy_file::FileError;

/// Why there is nothing to explain: something that was given cannot be used.
#[derive(Debug, Error)]
pub(crate) enum ExplainError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("`{}` holds no evidence: expected a JSON object with `type` and what belongs to that type", path.display())]
    EvidenceFile {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    #[error("the evidence in `{}` cannot be read", path.display())]
    Evidence {
        path: PathBuf,
        #[source]
        source: EvidenceParseError,
    },
    #[error("the report is signed by the key of its certificate, and its layout is not known")]
    Layout(#[source] EvidenceParseError),
    #[error(
        "--evidence is given {found} times: expected evidence, or evidence and a token of the attestation service about it"
    )]
    EvidenceCount { found: usize },
    #[error("`{}` holds no endorsements", path.display())]
    Endorsements {
        path: PathBuf,
        #[source]
        source: EndorsementsFileError,
    },
    #[error("{what} are needed to judge this evidence, and were not given")]
    EndorsementsMissing { what: &'static str },
    #[error("--at: expected a time such as 2026-11-24T12:00:00Z, found `{found}`")]
    At { found: String },
    #[error("--report-data: expected hexadecimal digits of at most 64 bytes")]
    ReportData,
    #[error("the policy has no service `{name}`")]
    Service { name: String },
    #[error(
        "what the service demands is not known offline: the secret `{secret}` says a part of it"
    )]
    DemandsOpen { secret: String },
    #[error("what the service demands cannot be read")]
    Demands(#[source] ClauseError),
}

impl ExplainError {
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::File(_) => "file",
            Self::EvidenceFile { .. }
            | Self::Evidence { .. }
            | Self::Layout(_)
            | Self::EvidenceCount { .. } => "evidence-unusable",
            Self::Endorsements { .. } => "endorsements-unusable",
            Self::EndorsementsMissing { .. } => "endorsements-missing",
            Self::At { .. } | Self::ReportData => "usage",
            Self::Service { .. } => "no-such-service",
            Self::DemandsOpen { .. } => "demands-open",
            Self::Demands(_) => "demands-unreadable",
        }
    }

    pub(crate) const fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::EvidenceFile { .. } | Self::EvidenceCount { .. } => {
                "docs/explain.md shows the form; `casque-agent evidence --output json` writes it"
            }
            Self::Layout(_) => {
                "ask for it inside the guest; if its firmware is newer, update Casque"
            }
            Self::Endorsements { .. } => {
                "docs/explain.md shows the form; `casque endorsements fetch --form explain` writes it"
            }
            Self::EndorsementsMissing { .. } => {
                "give --endorsements FILE; `casque endorsements fetch --form explain --evidence FILE` gets Intel's and AMD's, and a token's are at ISSUER/certs"
            }
            Self::DemandsOpen { .. } | Self::Demands(_) => {
                "write it into a copy of the policy, or ask a server: `casque explain CONFIG-ID --last`"
            }
            Self::Service { .. } => "name one of the policy's `services`",
            Self::File(_) | Self::Evidence { .. } | Self::At { .. } | Self::ReportData => {
                return None;
            }
        })
    }
}
