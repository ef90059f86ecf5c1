//! Places released files in the workload's file system.
//!
//! 1. Every path is looked at: absolute, without `.` and `..`, naming a file, no path twice; what is there
//!    already must not be a symbolic link or a directory.
//! 2. Every file is written beside its place, with its exact mode whatever the umask, under a name nobody
//!    else has. Without content in the policy it is the container's own file, filled in (`template.rs`).
//! 3. Each is renamed into its place, so that nobody ever reads half a file. Nothing is renamed before all
//!    are written: a full file system places none.
//!
//! Directories that are missing are made (0755 less the umask). Where the file system is not in memory the
//! caller is told ([`Placed::on_disk`]): what is written there outlives the guest.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};
use std::process;

use casque_secrets::{MAX_TEMPLATE_BYTES, TemplateError, ValueParseError};
use casque_types::{ConfigurationFile, FileContent, Secret, SecretName};
use rustix::fs::{StatFs, fstatfs};
use thiserror::Error;

use crate::template::TemplateSecrets;

/// What was placed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Placed {
    /// Those whose file system is not in memory (tmpfs, ramfs).
    pub on_disk: Vec<PathBuf>,
    /// Files of the container that were to be filled in, and held no placeholder.
    pub unchanged: Vec<PathBuf>,
}

/// Why files were not placed.
#[derive(Debug, Error)]
pub enum PlaceError {
    /// Not a path that a file can be placed at.
    #[error(
        "expected the absolute path of a file without `.` and `..`, found `{}`", .path.display()
    )]
    Path {
        /// The path.
        path: PathBuf,
    },
    /// Two files for one path.
    #[error("expected each path once, found `{}` twice", .path.display())]
    Twice {
        /// The path.
        path: PathBuf,
    },
    /// A symbolic link is there, and leads who knows where.
    #[error("a symbolic link stands at `{}`: remove it from the image", .path.display())]
    SymbolicLink {
        /// The path.
        path: PathBuf,
    },
    /// A directory is there.
    #[error("a directory stands at `{}`, where a file is to be placed", .path.display())]
    Directory {
        /// The path.
        path: PathBuf,
    },
    /// The container's own file is to be filled in, and there is none.
    #[error(
        "the container has no file `{}` to fill in: add it to the image, or its `content` to the policy", .path.display()
    )]
    NoTemplate {
        /// The path.
        path: PathBuf,
    },
    /// What is to be filled in is a device, a pipe or a socket.
    #[error("expected a regular file to fill in at `{}`", .path.display())]
    NotRegular {
        /// The path.
        path: PathBuf,
    },
    /// The container's own file is too long.
    #[error("expected at most {MAX_TEMPLATE_BYTES} bytes to fill in in `{}`", .path.display())]
    TemplateTooLarge {
        /// The path.
        path: PathBuf,
    },
    /// The container's own file cannot be filled in.
    #[error("cannot fill in `{}`", .path.display())]
    Template {
        /// The path.
        path: PathBuf,
        /// Why not, and where in the file.
        #[source]
        source: TemplateError,
    },
    /// A secret that files are to be filled in with cannot be read.
    #[error("cannot read the secret `{name}` for files: is the agent older than the server?")]
    Secret {
        /// Its name.
        name: SecretName,
        /// Why not.
        #[source]
        source: ValueParseError,
    },
    /// The operating system refused.
    #[error("cannot {action} `{}`", .path.display())]
    Io {
        /// `create`, `write`, `rename` and the like.
        action: &'static str,
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Places all files or none; their content is wiped from this process's memory. `template_secrets` are the
/// stored values for files that are templates.
///
/// # Errors
/// [`PlaceError`]; only when renaming fails half-way may some of the files have been placed.
pub fn place_files(
    files: Vec<ConfigurationFile>,
    template_secrets: Vec<(SecretName, Secret)>,
) -> Result<Placed, PlaceError> {
    let secrets = TemplateSecrets::read(template_secrets)?;
    let mut paths = BTreeSet::new();
    for file in &files {
        let path = checked(Path::new(&file.path))?;
        if !paths.insert(path.clone()) {
            return Err(PlaceError::Twice { path });
        }
    }
    let mut placed = Placed::default();
    let mut staged = Vec::new();
    for (number, file) in files.into_iter().enumerate() {
        let one = match &file.content {
            FileContent::Given(content) => Staged::write(&file, content, number)?,
            FileContent::Template => {
                let filled = secrets.fill(Path::new(&file.path))?;
                if filled.is_unchanged {
                    placed.unchanged.push(PathBuf::from(&file.path));
                }
                Staged::write(&file, &filled.content, number)?
            }
        };
        if !one.is_in_memory {
            placed.on_disk.push(one.path.clone());
        }
        staged.push(one);
    }
    for one in staged {
        one.rename()?;
    }
    Ok(placed)
}

/// Whether it is absolute, not `/` itself, and has neither `.` nor `..`, nor slashes too many.
pub(crate) fn is_plain_absolute(path: &Path) -> bool {
    let mut components = path.components();
    let is_absolute = components.next() == Some(Component::RootDir);
    let is_plain = components.all(|one| matches!(one, Component::Normal(_)));
    // `components` leaves out `.`, doubled slashes and one at the end, so what it gives must be the path.
    let is_normal = path.components().collect::<PathBuf>().as_os_str() == path.as_os_str();
    is_absolute && is_plain && is_normal && path.file_name().is_some()
}

fn checked(path: &Path) -> Result<PathBuf, PlaceError> {
    if !is_plain_absolute(path) {
        let path = path.to_owned();
        return Err(PlaceError::Path { path });
    }
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => Err(PlaceError::SymbolicLink {
            path: path.to_owned(),
        }),
        Ok(found) if found.is_dir() => Err(PlaceError::Directory {
            path: path.to_owned(),
        }),
        // Nothing there, or nothing to be seen: writing will tell.
        _ => Ok(path.to_owned()),
    }
}

/// A file written beside its place; removed on drop unless it was renamed.
struct Staged {
    path: PathBuf,
    beside: Option<PathBuf>,
    is_in_memory: bool,
}

impl Staged {
    fn write(
        file: &ConfigurationFile,
        content: &Secret,
        number: usize,
    ) -> Result<Self, PlaceError> {
        let path = PathBuf::from(&file.path);
        let directory = path.parent().unwrap_or(Path::new("/"));
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(directory)
            .map_err(failed("create the directory", directory))?;
        let beside = directory.join(format!(".casque-{}-{number}", process::id()));
        let mut out = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&beside)
            .map_err(failed("create", &beside))?;
        let staged = Self {
            path,
            beside: Some(beside),
            is_in_memory: is_in_memory(&out),
        };
        // Exposed to be written into the workload's file, which is what it was released for.
        out.write_all(content.expose())
            .and_then(|()| out.set_permissions(Permissions::from_mode(file.mode.bits())))
            .map_err(failed("write", &staged.path))?;
        Ok(staged)
    }

    fn rename(mut self) -> Result<(), PlaceError> {
        let Some(beside) = &self.beside else {
            return Ok(());
        };
        fs::rename(beside, &self.path).map_err(failed("rename into place", &self.path))?;
        self.beside = None;
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let Some(beside) = &self.beside {
            // There is an error on its way already.
            let _removed = fs::remove_file(beside);
        }
    }
}

fn is_in_memory(file: &File) -> bool {
    fstatfs(file)
        .is_ok_and(|found: StatFs| [TMPFS_MAGIC, RAMFS_MAGIC].contains(&i128::from(found.f_type)))
}

fn failed(action: &'static str, path: &Path) -> impl Fn(io::Error) -> PlaceError {
    move |source| PlaceError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}

/// `linux/magic.h`.
const TMPFS_MAGIC: i128 = 0x0102_1994;
const RAMFS_MAGIC: i128 = 0x8584_58f6;

#[cfg(test)]
mod tests;
