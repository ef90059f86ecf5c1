//! What a workload is given: arguments, environment, directory, files, secrets filled in.

use crate::{Seconds, Secret};

/// The configuration of one service, rendered for one workload. All of it is confidential.
#[derive(Debug)]
pub struct Configuration {
    /// Program name and arguments; empty when the policy has no `command`.
    pub arguments: Vec<Secret>,
    /// Exactly these variables, in the policy's order; names hold neither `=` nor NUL.
    pub environment: Vec<(String, Secret)>,
    /// The working directory, if the policy names one.
    pub directory: Option<String>,
    /// Files to place before the program starts.
    pub files: Vec<ConfigurationFile>,
    /// When the agent should ask again, if something in it runs out.
    pub refresh_after: Option<Seconds>,
}

/// One file to place.
#[derive(Debug)]
pub struct ConfigurationFile {
    /// Absolute path in the workload's file system.
    pub path: String,
    /// Permission bits.
    pub mode: FileMode,
    /// The whole content.
    pub content: Secret,
}

/// Permission bits of a file, `0o000` to `0o777`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileMode(u32);

impl FileMode {
    /// These bits, or `None` if there are others than read, write and execute of user, group, others.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Option<Self> {
        if bits <= 0o777 {
            Some(Self(bits))
        } else {
            None
        }
    }

    /// The bits.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }
}

impl Default for FileMode {
    /// `0o700`, the language's default for injection files.
    fn default() -> Self {
        Self(0o700)
    }
}
