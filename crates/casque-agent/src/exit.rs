//! How the agent ends.

/// How the agent ends; the codes from 100 on are its own.
///
/// A program that itself ends with such a code cannot be told apart by the code; what the agent says on
/// standard error then can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentExit {
    /// The program ran and ended with this code; 128 + n when signal n ended it.
    Program(u8),
    /// The command line or the settings are wrong.
    Usage,
    /// The server cannot be reached, or failed.
    Unreachable,
    /// No evidence could be gathered.
    NoEvidence,
    /// The server refused.
    Denied,
    /// The server, or its answer, is not the pinned one's, or it does not know the service access token.
    OtherServer,
    /// The files cannot be placed.
    Files,
    /// The program cannot be started.
    Start,
    /// The agent itself failed.
    Failed,
    /// A volume cannot be mounted.
    Volumes,
}

impl AgentExit {
    /// The exit code.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Program(code) => code,
            Self::Usage => 100,
            Self::Unreachable => 101,
            Self::NoEvidence => 102,
            Self::Denied => 103,
            Self::OtherServer => 104,
            Self::Files => 105,
            Self::Start => 106,
            Self::Failed => 107,
            Self::Volumes => 108,
        }
    }
}

impl From<AgentExit> for std::process::ExitCode {
    fn from(exit: AgentExit) -> Self {
        Self::from(exit.code())
    }
}
