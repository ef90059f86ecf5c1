//! `volumes`, section 6.

use casque_types::{Digest, PolicyHash, PolicyName, UpdatePolicy, VolumeFiles, VolumeName};

use super::Template;
use crate::Position;

/// A volume, section 6.
#[derive(Debug)]
#[non_exhaustive]
pub struct Volume {
    /// Its name.
    pub name: VolumeName,
    /// Whose it is.
    pub origin: VolumeOrigin,
    /// Where it stands.
    pub position: Position,
}

impl Volume {
    /// The template of its key, if the policy gives one.
    #[must_use]
    pub const fn key(&self) -> Option<&Template> {
        match &self.origin {
            VolumeOrigin::Own(own) => own.key.as_ref(),
            VolumeOrigin::Import(_) => None,
        }
    }
}

/// Whose a volume is.
#[derive(Debug)]
pub enum VolumeOrigin {
    /// The policy's own.
    Own(OwnVolume),
    /// Another policy's, which exports it.
    Import(VolumeImport),
}

/// A volume of the policy's own.
#[derive(Debug)]
pub struct OwnVolume {
    /// Its key: 64 hexadecimal digits, or the placeholder of a binary secret of 32 bytes; Casque makes one
    /// when there is none.
    pub key: Option<Template>,
    /// The tag of its first state.
    pub tag: Option<Digest<16>>,
    /// How its files are protected.
    pub files: VolumeFiles,
    /// To whom it is exported.
    pub exports: Vec<VolumeExport>,
}

/// To whom a volume is exported.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VolumeExport {
    /// The policy that may import it.
    pub session: PolicyName,
    /// The version that the importer must have, if pinned.
    pub hash: Option<PolicyHash>,
    /// The most permissive policy that the importer may use.
    pub update_policy: UpdatePolicy,
    /// The name under which it must be imported, in place of its own.
    pub alias: Option<VolumeName>,
}

/// Where a volume is imported from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeImport {
    /// The policy that exports it.
    pub session: PolicyName,
    /// The version that the exporter must have, if pinned.
    pub hash: Option<PolicyHash>,
    /// Its name or alias there.
    pub volume: VolumeName,
}
