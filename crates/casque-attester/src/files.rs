//! Small files of the operating system: bounded reads, whole writes, attempts until one succeeds.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use crate::{AttesterError, Wait, Waiter};

/// The files of one source, for its errors.
pub(crate) struct SourceFiles<'a> {
    pub(crate) source_name: &'static str,
    pub(crate) waiter: &'a dyn Waiter,
}

impl SourceFiles<'_> {
    /// Reads a whole file of at most `limit_bytes`; tries again while it is not there or not ready.
    pub(crate) fn read(&self, path: &Path, limit_bytes: usize) -> Result<Vec<u8>, AttesterError> {
        let bytes = self
            .until_ready(|| read_bounded(path, limit_bytes))
            .map_err(|source| self.failed("read", path, source))?;
        if bytes.len() > limit_bytes {
            return Err(AttesterError::TooLong {
                source_name: self.source_name,
                path: path.to_owned(),
                limit_bytes,
            });
        }
        Ok(bytes)
    }

    /// Writes `bytes` in one call, as such files want it; the file must be there.
    pub(crate) fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), AttesterError> {
        self.until_ready(|| write_at_once(path, bytes))
            .map_err(|source| self.failed("write", path, source))
    }

    pub(crate) fn failed(
        &self,
        action: &'static str,
        path: &Path,
        source: io::Error,
    ) -> AttesterError {
        AttesterError::File {
            source_name: self.source_name,
            action,
            path: path.to_owned(),
            source,
        }
    }

    fn until_ready<T>(&self, attempt: impl Fn() -> io::Result<T>) -> io::Result<T> {
        let mut attempts = 0_u32;
        loop {
            let error = match attempt() {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            attempts = attempts.saturating_add(1);
            if !is_passing(&error) || self.waiter.wait(attempts) == Wait::GiveUp {
                return Err(error);
            }
        }
    }
}

/// Whether the same attempt may succeed later. `EBUSY` and `EWOULDBLOCK` are the kernel's word for a
/// report that is being made; a file that is not there yet is an emulation's.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound
            | io::ErrorKind::WouldBlock
            | io::ErrorKind::ResourceBusy
            | io::ErrorKind::Interrupted
    )
}

fn read_bounded(path: &Path, limit_bytes: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(limit_bytes).unwrap_or(u64::MAX);
    File::open(path)?
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn write_at_once(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let written = OpenOptions::new().write(true).open(path)?.write(bytes)?;
    if written != bytes.len() {
        return Err(io::ErrorKind::WriteZero.into());
    }
    Ok(())
}

/// The text of a small file for an error: printable ASCII, cut.
pub(crate) fn shown(bytes: &[u8]) -> String {
    let printable = bytes.iter().filter(|byte| byte.is_ascii_graphic());
    printable.take(32).map(|byte| char::from(*byte)).collect()
}
