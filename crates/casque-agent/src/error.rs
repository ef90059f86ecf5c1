//! Why the program did not run, and which exit code that is.

use std::io;

use casque_client::{ClientError, ReleaseError};
use thiserror::Error;

use crate::{
    AgentExit, AttesterError, EvidenceError, PlaceError, ProgramError, SettingsError,
    SuperviseError, VolumeError,
};

/// Why the program did not run.
#[derive(Debug, Error)]
pub enum AgentError {
    /// The settings.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// There is no source of evidence.
    #[error(transparent)]
    Attester(#[from] AttesterError),
    /// Core dumps could not be switched off.
    #[error("cannot switch core dumps off, which could hold secrets")]
    Harden(#[source] io::Error),
    /// The client could not be made.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Nothing was released.
    #[error(transparent)]
    Release(#[from] ReleaseError<EvidenceError>),
    /// The files.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The volumes.
    #[error(transparent)]
    Volume(#[from] VolumeError),
    /// The program to start.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// Starting it and watching over it.
    #[error(transparent)]
    Supervise(#[from] SuperviseError),
}

impl AgentError {
    /// How the agent ends over it.
    #[must_use]
    pub const fn exit(&self) -> AgentExit {
        match self {
            Self::Settings(_) => AgentExit::Usage,
            Self::Client(error)
            | Self::Release(
                ReleaseError::Client(error) | ReleaseError::Evidence(EvidenceError::Judge(error)),
            ) => exit_of(error),
            Self::Attester(_) | Self::Release(ReleaseError::Evidence(_)) => AgentExit::NoEvidence,
            Self::Harden(_) | Self::Release(ReleaseError::Key(_)) => AgentExit::Failed,
            Self::Release(ReleaseError::Open(_) | ReleaseError::Factor(_)) => {
                AgentExit::OtherServer
            }
            Self::Place(_) => AgentExit::Files,
            Self::Volume(_) => AgentExit::Volumes,
            Self::Program(_) | Self::Supervise(_) => AgentExit::Start,
        }
    }
}

const fn exit_of(error: &ClientError) -> AgentExit {
    match error {
        ClientError::OtherServer { .. } => AgentExit::OtherServer,
        // Too many requests, and failures of the server's own: the same request may succeed later.
        ClientError::Refused { status: 429, .. } => AgentExit::Unreachable,
        ClientError::Refused { status, .. } if *status < 500 => AgentExit::Denied,
        ClientError::CertificateAuthority | ClientError::Identity { .. } => AgentExit::Usage,
        _ => AgentExit::Unreachable,
    }
}
