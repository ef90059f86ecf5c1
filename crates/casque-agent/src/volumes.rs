//! Volumes of the policy as gocryptfs file systems, mounted before the files are placed.
//!
//! 1. Every volume is looked at before any is mounted: its key, its path, and what it asks for that
//!    gocryptfs cannot hold. A tag is such a thing: SCONE's volumes have one over their whole state, gocryptfs
//!    authenticates each block and each name alone. Files that are only authenticated are another.
//! 2. A volume's encrypted directory is `DIR/NAME.encrypted` where the agent was given a directory for
//!    them, else `PATH.encrypted`. It is initialised when it is used first; `gocryptfs.conf` stays with it.
//! 3. An ephemeral volume has a fresh encrypted directory beside that and a fresh key that nobody else sees.
//!    It starts empty, and the directory is removed when the program has ended.
//! 4. They are mounted in the order of their paths, so that one may lie within another, and unmounted in
//!    the opposite order.
//!
//! What it does not protect: whoever can write to the encrypted directory can, unnoticed, remove files, exchange
//! them, cut them short between blocks, or put older ones back; names' lengths, sizes and times are seen
//! there. One program at a time may use a volume. A killed agent (SIGKILL) leaves the volume mounted, and an ephemeral one's directory behind.

mod error;
mod gocryptfs;
mod said;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use casque_types::{ConfigurationVolume, Rng, Secret, UpdatePolicy, VolumeFiles, VolumeName};
use signal_hook::iterator::Signals;

pub use self::error::VolumeError;
use self::error::failed;
use self::gocryptfs::{Gocryptfs, Mount};
use crate::AgentSettings;
use crate::place::is_plain_absolute;

/// Volumes that are mounted, in this order; unmounted on drop at the latest.
#[derive(Default)]
pub(crate) struct MountedVolumes {
    mounts: Vec<Mounted>,
    /// Those of which an older state is not noticed, though the policy wants it refused.
    pub(crate) not_rollback_protected: Vec<VolumeName>,
    /// Encrypted directories that an ephemeral volume leaves alone.
    pub(crate) left_alone: Vec<PathBuf>,
}

/// Mounts all volumes or none. Signals that end a program end this too.
pub(crate) fn mount_volumes(
    volumes: Vec<ConfigurationVolume>,
    settings: &AgentSettings,
    rng: &dyn Rng,
    signals: &mut Signals,
) -> Result<MountedVolumes, VolumeError> {
    let mut mounted = MountedVolumes::default();
    if volumes.is_empty() {
        return Ok(mounted);
    }
    let planned = plan(volumes, settings.volumes.as_deref())?;
    let gocryptfs = Gocryptfs::find(&settings.search_path, Path::new(FUSE_DEVICE))?;
    for volume in planned {
        if volume.update_policy == UpdatePolicy::RollbackProtected {
            mounted.not_rollback_protected.push(volume.name.clone());
        }
        if volume.update_policy == UpdatePolicy::Ephemeral && volume.encrypted.exists() {
            mounted.left_alone.push(volume.encrypted.clone());
        }
        mounted.mounts.push(volume.mount(&gocryptfs, rng, signals)?);
    }
    Ok(mounted)
}

impl MountedVolumes {
    /// Unmounts all; those that could not be, or whose ephemeral directory could not be removed.
    pub(crate) fn unmount(&mut self) -> Vec<PathBuf> {
        let mut left = Vec::new();
        while let Some(mut mounted) = self.mounts.pop() {
            left.extend(mounted.unmount());
        }
        left
    }
}

impl Drop for MountedVolumes {
    fn drop(&mut self) {
        // There is an error on its way already, or nothing is left to unmount.
        let _left = self.unmount();
    }
}

/// One volume, mounted.
struct Mounted {
    mount: Mount,
    /// Removed when it is unmounted.
    ephemeral: Option<EphemeralDirectory>,
}

impl Mounted {
    fn unmount(&mut self) -> Option<PathBuf> {
        let is_unmounted = self.mount.unmount();
        let ephemeral = self.ephemeral.take();
        let left = ephemeral.and_then(|directory| directory.remove().err());
        match is_unmounted {
            true => left,
            false => Some(self.mount.path().to_owned()),
        }
    }
}

/// The encrypted directory of an ephemeral volume; removed on drop at the latest.
struct EphemeralDirectory(PathBuf);

impl EphemeralDirectory {
    fn remove(self) -> Result<(), PathBuf> {
        fs::remove_dir_all(&self.0).map_err(|_| self.0.clone())
    }
}

impl Drop for EphemeralDirectory {
    fn drop(&mut self) {
        // Removed already, or nobody can be told.
        let _removed = fs::remove_dir_all(&self.0);
    }
}

/// A volume that was looked at.
struct Planned {
    name: VolumeName,
    path: PathBuf,
    encrypted: PathBuf,
    key: Secret,
    update_policy: UpdatePolicy,
}

fn plan(
    volumes: Vec<ConfigurationVolume>,
    directory: Option<&Path>,
) -> Result<Vec<Planned>, VolumeError> {
    let mut planned = Vec::new();
    let mut paths = BTreeSet::new();
    for volume in volumes {
        let one = Planned::new(volume, directory)?;
        if !paths.insert(one.path.clone()) {
            return Err(VolumeError::Twice { path: one.path });
        }
        planned.push(one);
    }
    planned.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(planned)
}

impl Planned {
    fn new(volume: ConfigurationVolume, directory: Option<&Path>) -> Result<Self, VolumeError> {
        let name = volume.name;
        let path = PathBuf::from(volume.path);
        if !is_plain_absolute(&path) {
            return Err(VolumeError::Path { name, path });
        }
        if volume.tag.is_some() {
            return Err(VolumeError::Tag { name });
        }
        if volume.files == VolumeFiles::AuthenticatedOnly {
            return Err(VolumeError::AuthenticatedOnly { name });
        }
        if volume.key.len() != KEY_BYTES {
            let found = volume.key.len();
            return Err(VolumeError::Key { name, found });
        }
        Ok(Self {
            encrypted: encrypted_directory(&name, &path, directory)?,
            name,
            path,
            key: volume.key,
            update_policy: volume.update_policy,
        })
    }

    fn mount(
        self,
        gocryptfs: &Gocryptfs,
        rng: &dyn Rng,
        signals: &mut Signals,
    ) -> Result<Mounted, VolumeError> {
        make_mount_point(&self.path)?;
        if self.update_policy == UpdatePolicy::Ephemeral {
            let directory = make_ephemeral(&self.encrypted, rng)?;
            let key = random::<KEY_BYTES>(rng)?;
            gocryptfs.initialise(&directory.0, &key)?;
            let mount = gocryptfs.mount(&directory.0, &self.path, &key, signals)?;
            let ephemeral = Some(directory);
            return Ok(Mounted { mount, ephemeral });
        }
        make_private(&self.encrypted)?;
        if !is_initialised(&self.encrypted)? {
            gocryptfs.initialise(&self.encrypted, &self.key)?;
        }
        let mount = gocryptfs.mount(&self.encrypted, &self.path, &self.key, signals)?;
        Ok(Mounted {
            mount,
            ephemeral: None,
        })
    }
}

fn encrypted_directory(
    name: &VolumeName,
    path: &Path,
    directory: Option<&Path>,
) -> Result<PathBuf, VolumeError> {
    let Some(directory) = directory else {
        return Ok(with_suffix(path, ENCRYPTED));
    };
    let directory = std::path::absolute(directory).map_err(failed("find", directory))?;
    // With the suffix even the names `.` and `..` are names of directories of their own.
    Ok(directory.join(format!("{name}{ENCRYPTED}")))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut text: OsString = path.as_os_str().to_owned();
    text.push(suffix);
    PathBuf::from(text)
}

/// An empty directory, made if there is none: what it holds would be hidden.
fn make_mount_point(path: &Path) -> Result<(), VolumeError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(path)
        .map_err(failed("create the directory", path))?;
    let found = fs::symlink_metadata(path).map_err(failed("look at", path))?;
    let path_of = || path.to_owned();
    if !found.is_dir() {
        return Err(VolumeError::NotDirectory { path: path_of() });
    }
    match is_empty(path)? {
        true => Ok(()),
        false => Err(VolumeError::NotEmpty { path: path_of() }),
    }
}

fn make_private(path: &Path) -> Result<(), VolumeError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(failed("create the directory", path))
}

fn make_ephemeral(encrypted: &Path, rng: &dyn Rng) -> Result<EphemeralDirectory, VolumeError> {
    // So that no two agents meet.
    let random = random::<EPHEMERAL_BYTES>(rng)?;
    // Exposed to become a part of a name; it is no secret.
    let digits: String = (random.expose().iter())
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let path = with_suffix(encrypted, &format!(".ephemeral-{digits}"));
    make_private(&path)?;
    Ok(EphemeralDirectory(path))
}

/// Whether there is a gocryptfs file system; an empty directory is none yet.
fn is_initialised(encrypted: &Path) -> Result<bool, VolumeError> {
    let conf = encrypted.join(CONF);
    if conf.try_exists().map_err(failed("look at", &conf))? {
        return Ok(true);
    }
    match is_empty(encrypted)? {
        true => Ok(false),
        false => Err(VolumeError::NoVolume {
            directory: encrypted.to_owned(),
        }),
    }
}

fn is_empty(directory: &Path) -> Result<bool, VolumeError> {
    let mut entries = fs::read_dir(directory).map_err(failed("list", directory))?;
    Ok(entries.next().is_none())
}

fn random<const N: usize>(rng: &dyn Rng) -> Result<Secret, VolumeError> {
    let mut bytes = zeroize::Zeroizing::new(vec![0_u8; N]);
    rng.fill(&mut bytes).map_err(VolumeError::Random)?;
    Ok(Secret::from(bytes))
}

const ENCRYPTED: &str = ".encrypted";
const CONF: &str = "gocryptfs.conf";
const FUSE_DEVICE: &str = "/dev/fuse";
const KEY_BYTES: usize = 32;
const EPHEMERAL_BYTES: usize = 8;

#[cfg(test)]
mod tests;
