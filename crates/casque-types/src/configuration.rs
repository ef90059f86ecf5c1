//! What a workload is given: arguments, environment, directory, files, volumes; secrets filled in.

use crate::{Digest, Seconds, Secret, SecretName, VolumeName};

/// The configuration of one service, rendered for one workload. All of it is confidential.
#[derive(Debug, Default)]
pub struct Configuration {
    /// Program name and arguments; empty when the policy has no `command`.
    pub arguments: Vec<Argument>,
    /// Exactly these variables, in the policy's order; names hold neither `=` nor NUL.
    pub environment: Vec<(String, VariableValue)>,
    /// The working directory, if the policy names one.
    pub directory: Option<String>,
    /// Files to place before the program starts.
    pub files: Vec<ConfigurationFile>,
    /// Values for the placeholders of [`FileContent::Template`] files, as `casque_secrets` writes stored
    /// values; empty unless there is such a file.
    pub template_secrets: Vec<(SecretName, Secret)>,
    /// Volumes to mount before the program starts.
    pub volumes: Vec<ConfigurationVolume>,
    /// The file system protection of SCONE's own runtime, if the policy names one; nothing that the agent
    /// can mount.
    pub file_system: Option<FileSystemProtection>,
    /// The server's proof that it knows the service access token, where the policy has one.
    pub access_token_proof: Option<[u8; 32]>,
    /// When the agent should ask again, if something in it runs out.
    pub refresh_after: Option<Seconds>,
}

/// One argument: its parts, joined without anything between them.
#[derive(Debug, Default)]
pub struct Argument {
    /// The parts.
    pub parts: Vec<ArgumentPart>,
}

impl From<Secret> for Argument {
    fn from(value: Secret) -> Self {
        Self {
            parts: vec![ArgumentPart::Value(value)],
        }
    }
}

impl Argument {
    /// The argument's value, if the host has no part in it.
    #[must_use]
    pub fn value(&self) -> Option<&Secret> {
        match self.parts.as_slice() {
            [ArgumentPart::Value(value)] => Some(value),
            _ => None,
        }
    }
}

/// A part of an argument.
#[derive(Debug)]
pub enum ArgumentPart {
    /// Bytes without NUL.
    Value(Secret),
    /// `@@N`: the N-th argument that the host gives, from 1. Not confidential, and not to be trusted.
    Host(u16),
}

/// What a variable holds.
#[derive(Debug)]
pub enum VariableValue {
    /// Bytes without NUL.
    Value(Secret),
    /// `@@NAME`: what the host's environment says; nothing when it has no such variable.
    Host,
}

impl From<Secret> for VariableValue {
    fn from(value: Secret) -> Self {
        Self::Value(value)
    }
}

impl VariableValue {
    /// The value, unless it is the host's.
    #[must_use]
    pub const fn value(&self) -> Option<&Secret> {
        match self {
            Self::Value(value) => Some(value),
            Self::Host => None,
        }
    }
}

/// One file to place.
#[derive(Debug)]
pub struct ConfigurationFile {
    /// Absolute path in the workload's file system.
    pub path: String,
    /// Permission bits.
    pub mode: FileMode,
    /// What it shall hold.
    pub content: FileContent,
}

/// What a file shall hold.
#[derive(Debug)]
pub enum FileContent {
    /// This, and nothing else.
    Given(Secret),
    /// The file that the container has at this path, its placeholders filled in by the agent.
    Template,
}

impl From<Secret> for FileContent {
    fn from(content: Secret) -> Self {
        Self::Given(content)
    }
}

impl FileContent {
    /// The content, unless the container's own file is the template of it.
    #[must_use]
    pub const fn given(&self) -> Option<&Secret> {
        match self {
            Self::Given(content) => Some(content),
            Self::Template => None,
        }
    }
}

/// One volume to mount.
#[derive(Debug)]
pub struct ConfigurationVolume {
    /// Its name in the policy.
    pub name: VolumeName,
    /// Absolute path where the program sees it.
    pub path: String,
    /// Its key, 32 bytes.
    pub key: Secret,
    /// The digest of its state that it must have, if the policy or the last mount says one.
    pub tag: Option<Digest<16>>,
    /// What the program may do to it.
    pub update_policy: UpdatePolicy,
    /// Whether its files are encrypted, or authenticated only.
    pub files: VolumeFiles,
}

/// How changes of a volume are guarded (spec/policy-language.md section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum UpdatePolicy {
    /// `ephemeral`: changes are lost when the program ends.
    Ephemeral,
    /// `rollback_protected`: an older state is refused. The default.
    #[default]
    RollbackProtected,
    /// `no_rollback_protection`: an older state is accepted.
    NoRollbackProtection,
}

/// How the files of a volume are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum VolumeFiles {
    /// `encrypted`. The default.
    #[default]
    Encrypted,
    /// `authenticated-only`.
    AuthenticatedOnly,
}

/// `fspf_path`, `fspf_key`, `fspf_tag`: the main file system protection file of SCONE's runtime.
#[derive(Debug)]
pub struct FileSystemProtection {
    /// Where the file is.
    pub path: String,
    /// Its key, 32 bytes, if the policy gives one.
    pub key: Option<Secret>,
    /// Its tag, if the policy gives one.
    pub tag: Option<Digest<16>>,
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
