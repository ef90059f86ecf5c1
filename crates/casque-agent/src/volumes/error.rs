//! Why a volume is not mounted.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use casque_types::{RngError, VolumeName};
use thiserror::Error;

/// Why a volume is not mounted.
#[derive(Debug, Error)]
pub enum VolumeError {
    /// Not a path that a volume can be mounted at.
    #[error(
        "expected the absolute path of a directory without `.` and `..` for the volume `{name}`, found `{}`", .path.display()
    )]
    Path {
        /// The volume.
        name: VolumeName,
        /// The path.
        path: PathBuf,
    },
    /// Two volumes for one path.
    #[error("expected each path of a volume once, found `{}` twice: give each volume a `path` of its own in the policy", .path.display())]
    Twice {
        /// The path.
        path: PathBuf,
    },
    /// The policy knows the volume's state.
    #[error(
        "the volume `{name}` has a tag (`fspf_tag`): tags of SCONE's volumes cannot be checked by this agent, which keeps volumes with gocryptfs; take it out of the policy"
    )]
    Tag {
        /// The volume.
        name: VolumeName,
    },
    /// The policy wants files readable without the key.
    #[error(
        "the volume `{name}` has `files: authenticated-only`, which gocryptfs does not have: use `files: encrypted`"
    )]
    AuthenticatedOnly {
        /// The volume.
        name: VolumeName,
    },
    /// The key has another size.
    #[error(
        "expected a key of 32 bytes for the volume `{name}`, found {found}: mend its `fspf_key` in the policy"
    )]
    Key {
        /// The volume.
        name: VolumeName,
        /// The size found, in bytes.
        found: usize,
    },
    /// gocryptfs is not installed.
    #[error(
        "the policy has volumes, and found no program `gocryptfs`; looked in: {looked_in}; install the packages `gocryptfs` and `fuse3` in the image"
    )]
    NoGocryptfs {
        /// Where it was sought.
        looked_in: String,
    },
    /// The kernel's FUSE cannot be reached.
    #[error(
        "the policy has volumes, and there is no `{}`: give the container the device and the capability to mount (`--device /dev/fuse --cap-add SYS_ADMIN`)", .device.display()
    )]
    NoFuse {
        /// The device.
        device: PathBuf,
    },
    /// FUSE, or its helper, refuses to mount.
    #[error(
        "FUSE does not mount at `{}`: install the package `fuse3` in the image, and give the container the capability to mount (`--cap-add SYS_ADMIN`); gocryptfs says: {said}", .path.display()
    )]
    FuseRefused {
        /// Where.
        path: PathBuf,
        /// What it said on standard error.
        said: String,
    },
    /// Something else stands where the volume is to be.
    #[error("expected a directory to mount at, found something else at `{}`: remove it from the image, or mount elsewhere", .path.display())]
    NotDirectory {
        /// Where.
        path: PathBuf,
    },
    /// What is there would be hidden.
    #[error(
        "expected an empty directory to mount at, found files in `{}`: remove them from the image, or mount elsewhere", .path.display()
    )]
    NotEmpty {
        /// Where.
        path: PathBuf,
    },
    /// The encrypted directory is no volume.
    #[error(
        "expected a volume or an empty directory at `{}`, found files without `gocryptfs.conf`: is it the right directory?", .directory.display()
    )]
    NoVolume {
        /// The encrypted directory.
        directory: PathBuf,
    },
    /// The encrypted directory was made with another key.
    #[error(
        "the volume's key does not open `{}`: it was made with another key, or its `gocryptfs.conf` is damaged; give the policy the old `fspf_key` back, or the agent an empty directory for a new volume (`--volumes DIR`)", .directory.display()
    )]
    OtherKey {
        /// The encrypted directory.
        directory: PathBuf,
    },
    /// gocryptfs failed otherwise.
    #[error(
        "gocryptfs failed at the volume in `{}` ({status}); it says: {said}", .directory.display()
    )]
    Failed {
        /// The encrypted directory.
        directory: PathBuf,
        /// How it ended.
        status: ExitStatus,
        /// What it said on standard error.
        said: String,
    },
    /// The agent was told to end.
    #[error("signal {signal} came before the volume at `{}` was mounted", .path.display())]
    Interrupted {
        /// The signal.
        signal: i32,
        /// Where it was to be mounted.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot {action} `{}`", .path.display())]
    Io {
        /// `create the directory`, `start` and the like.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is no randomness for an ephemeral volume.
    #[error("no key for an ephemeral volume could be made")]
    Random(#[source] RngError),
}

pub(super) fn failed(action: &'static str, path: &Path) -> impl Fn(io::Error) -> VolumeError {
    move |source| VolumeError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}
