//! The container's own files as templates: read, and filled in with the secrets that were released for it.
//!
//! The result takes the file's place. A container that is started again, rather than made anew from its
//! image, then finds a file without placeholders: the caller is told ([`FilledIn::is_unchanged`]).

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use casque_secrets::{MAX_TEMPLATE_BYTES, SecretValue, fill_template};
use casque_types::{Secret, SecretName};
use rustix::fs::OFlags;
use rustix::io::Errno;
use zeroize::Zeroizing;

use crate::PlaceError;

/// What files may be filled in with.
#[derive(Debug, Default)]
pub(crate) struct TemplateSecrets(BTreeMap<SecretName, SecretValue>);

/// A file, filled in.
#[derive(Debug)]
pub(crate) struct FilledIn {
    pub(crate) content: Secret,
    /// Whether it held no placeholder.
    pub(crate) is_unchanged: bool,
}

impl TemplateSecrets {
    /// Reads stored values.
    pub(crate) fn read(stored: Vec<(SecretName, Secret)>) -> Result<Self, PlaceError> {
        let mut values = BTreeMap::new();
        for (name, stored) in stored {
            match SecretValue::from_stored(&stored) {
                Ok(value) => drop(values.insert(name, value)),
                Err(source) => return Err(PlaceError::Secret { name, source }),
            }
        }
        Ok(Self(values))
    }

    /// The file at `path`, filled in.
    pub(crate) fn fill(&self, path: &Path) -> Result<FilledIn, PlaceError> {
        let text = read_template(path)?;
        let content = fill_template(&text, &self.0).map_err(|source| {
            let path = path.to_owned();
            PlaceError::Template { path, source }
        })?;
        Ok(FilledIn {
            // Exposed to be compared with a file that holds no secret if they are the same.
            is_unchanged: content.expose() == text.as_slice(),
            content,
        })
    }
}

/// A regular file of the container; it may have been filled in before, so it is wiped like a secret.
fn read_template(path: &Path) -> Result<Zeroizing<Vec<u8>>, PlaceError> {
    let file = open_regular(path)?;
    let failed = |source| PlaceError::Io {
        action: "read",
        path: path.to_owned(),
        source,
    };
    let size = file.metadata().map_err(failed)?.len();
    let too_large = || PlaceError::TemplateTooLarge {
        path: path.to_owned(),
    };
    let size = usize::try_from(size).map_err(|_| too_large())?;
    if size > MAX_TEMPLATE_BYTES {
        return Err(too_large());
    }
    // One byte more than there should be, so that reading to the end does not move the block.
    let mut text = Zeroizing::new(Vec::with_capacity(size.saturating_add(1)));
    let limit = u64::try_from(MAX_TEMPLATE_BYTES).unwrap_or(u64::MAX);
    file.take(limit.saturating_add(1))
        .read_to_end(&mut text)
        .map_err(failed)?;
    match text.len() > MAX_TEMPLATE_BYTES {
        true => Err(too_large()),
        false => Ok(text),
    }
}

/// Neither follows a symbolic link nor waits for whoever writes into a pipe.
fn open_regular(path: &Path) -> Result<File, PlaceError> {
    let path_of = || path.to_owned();
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path);
    let file = opened.map_err(|source| match Errno::from_io_error(&source) {
        Some(Errno::NOENT) => PlaceError::NoTemplate { path: path_of() },
        Some(Errno::LOOP) => PlaceError::SymbolicLink { path: path_of() },
        _ => PlaceError::Io {
            action: "open",
            path: path_of(),
            source,
        },
    })?;
    match file.metadata() {
        Ok(found) if found.is_file() => Ok(file),
        _ => Err(PlaceError::NotRegular { path: path_of() }),
    }
}

#[cfg(test)]
mod tests;
