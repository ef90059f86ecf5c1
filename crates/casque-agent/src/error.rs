//! Why no program was started, and the exit code that says so.

use std::error::Error;

use casque_secrets::SealError;
use casque_wire::Failure;
use thiserror::Error;

use crate::GatherError;
use crate::launch::LaunchError;
use crate::place::PlaceError;
use crate::program::ProgramError;

/// The agent's own exit codes; any other is the program's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentExit {
    /// 100: flags or environment.
    Usage,
    /// 101: the server cannot be reached, or could not do its part; try again.
    Server,
    /// 102: there is no evidence.
    Evidence,
    /// 103: denied, or the evidence proves nothing.
    Denied,
    /// 104: the answer is not from the pinned server.
    OtherServer,
    /// 105: a file cannot be placed.
    Place,
    /// 106: the program cannot be started.
    Program,
}

impl AgentExit {
    /// The code.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Usage => 100,
            Self::Server => 101,
            Self::Evidence => 102,
            Self::Denied => 103,
            Self::OtherServer => 104,
            Self::Place => 105,
            Self::Program => 106,
        }
    }
}

/// Why no program was started.
#[derive(Debug, Error)]
pub enum AgentError {
    /// The server refused, or failed at the request.
    #[error("the server answered {status}: {}", failure.message)]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Its account.
        failure: Box<Failure>,
    },
    /// The server cannot be talked to.
    #[error("no answer from the server")]
    Server(#[source] Box<dyn Error + Send + Sync>),
    /// Another server, or an answer that the pinned one did not sign.
    #[error("the answer is not from the pinned server")]
    OtherServer(#[source] Box<dyn Error + Send + Sync>),
    /// No key pair.
    #[error("no key pair for the answer could be made")]
    Key(#[source] SealError),
    /// No evidence.
    #[error("no evidence could be gathered")]
    Evidence(#[source] GatherError),
    /// No program to start.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// A file is not placed.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The program did not start.
    #[error(transparent)]
    Launch(#[from] LaunchError),
}

impl AgentError {
    /// The exit code.
    #[must_use]
    pub const fn exit(&self) -> AgentExit {
        match self {
            Self::Refused { status, .. } if *status < 500 => AgentExit::Denied,
            Self::Refused { .. } | Self::Server(_) => AgentExit::Server,
            Self::OtherServer(_) => AgentExit::OtherServer,
            Self::Key(_) | Self::Evidence(_) => AgentExit::Evidence,
            Self::Place(_) => AgentExit::Place,
            Self::Program(_) | Self::Launch(_) => AgentExit::Program,
        }
    }

    /// What a person reads: the failure, its causes, and for a denial every rule that failed.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.to_string()];
        let mut cause = self.source();
        while let Some(error) = cause {
            lines.push(format!("  because: {error}"));
            cause = error.source();
        }
        if let Self::Refused { failure, .. } = self {
            lines.extend(failure_lines(failure));
        }
        lines
    }
}

fn failure_lines(failure: &Failure) -> Vec<String> {
    let mut lines = vec![format!("  code: {}", failure.code)];
    lines.extend(
        failure
            .causes
            .iter()
            .map(|cause| format!("  because: {cause}")),
    );
    for reason in &failure.reasons {
        lines.push(format!("  - {} at {}", reason.code, reason.path));
        if let Some(expected) = &reason.expected {
            lines.push(format!("      expected: {expected}"));
        }
        lines.push(format!("      found:    {}", reason.found));
        lines.push(format!("      do:       {}", reason.hint));
    }
    lines.extend(failure.hint.iter().map(|hint| format!("  do: {hint}")));
    lines
}
