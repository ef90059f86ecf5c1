//! `services` and `images`, sections 2 and 7.

use casque_types::{Digest, FileMode, SecretName, ServiceName, UpdatePolicy, VolumeName};

use super::{AttestationEntry, Platform, Template};
use crate::{Clause, Position};

/// A service, section 2.
#[derive(Debug)]
#[non_exhaustive]
pub struct Service {
    /// Its name.
    pub name: ServiceName,
    /// Evidence that satisfies any of these is enough; empty under `mode: none` alone.
    pub attestation: Clause<Vec<AttestationEntry>>,
    /// The machines that it may run on; anywhere when empty.
    pub platforms: Clause<Vec<Platform>>,
    /// The shared secret of its one-time passwords, in base32; in place of the policy's own.
    pub one_time_password: Option<Template>,
    /// Program name and arguments; empty when there is no `command`.
    pub command: Vec<Template>,
    /// The whole environment.
    pub environment: Vec<(String, Variable)>,
    /// The working directory.
    pub directory: Option<String>,
    /// The image, by the `name` of one of the policy's images.
    pub image: Option<String>,
    /// The protection of its main file system, which is for SCONE's own runtime.
    pub file_protection: Option<FileProtection>,
    /// Where it stands.
    pub position: Position,
}

/// What a variable of the environment holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Variable {
    /// Text with placeholders.
    Value(Template),
    /// `@@NAME`: what the host's environment says, section 10.
    Host,
}

impl Variable {
    /// The template, unless the value is the host's.
    #[must_use]
    pub const fn template(&self) -> Option<&Template> {
        match self {
            Self::Value(template) => Some(template),
            Self::Host => None,
        }
    }
}

/// `fspf_path`, `fspf_key`, `fspf_tag`, `fspf_update_policy`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileProtection {
    /// Where the file is.
    pub path: String,
    /// Its key: 64 hexadecimal digits, or the placeholder of a binary secret of 32 bytes.
    pub key: Option<Template>,
    /// Its tag.
    pub tag: Option<Digest<16>>,
    /// How an older state is met.
    pub update_policy: ProtectionUpdate,
}

/// `fspf_update_policy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProtectionUpdate {
    /// `rollback_protected_reinitializable`: the initial tag is accepted again. The default.
    #[default]
    Reinitializable,
    /// `no_rollback_protection`.
    NoRollbackProtection,
}

/// An image: what is placed and mounted for its services, section 7.
#[derive(Debug)]
#[non_exhaustive]
pub struct Image {
    /// Its name; free text.
    pub name: String,
    /// The files.
    pub injection_files: Vec<InjectionFile>,
    /// The volumes.
    pub mounts: Vec<Mount>,
    /// The secrets that templates of the container may use; all of the policy when none are named.
    pub provide_secrets: Option<Vec<SecretName>>,
}

impl Image {
    /// Whether a file of the container is a template.
    #[must_use]
    pub fn has_templates(&self) -> bool {
        let mut files = self.injection_files.iter();
        files.any(|file| file.content == Content::OfContainer)
    }
}

/// A file with secrets filled in.
#[derive(Debug)]
pub struct InjectionFile {
    /// Absolute path.
    pub path: String,
    /// Its content.
    pub content: Content,
    /// Its permission bits.
    pub mode: FileMode,
}

/// Where the content of a file comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// The policy.
    Given(Template),
    /// The container's own file at the path, which is a template.
    OfContainer,
}

impl Content {
    /// The template, if the policy gives it.
    #[must_use]
    pub const fn template(&self) -> Option<&Template> {
        match self {
            Self::Given(template) => Some(template),
            Self::OfContainer => None,
        }
    }
}

/// A volume that an image's services see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The volume; the policy has one of this name.
    pub volume: VolumeName,
    /// Where, an absolute path.
    pub path: String,
    /// What may be done to it, if the image says it.
    pub update_policy: Option<UpdatePolicy>,
    /// Where it stands.
    pub position: Position,
}
