//! Which program a name means, and its measurement in the software TEE.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use casque_testkit::sgx::measure_program;
use casque_testkit::snp::measure_snp_program;
use casque_types::{Digest, MrEnclave, sha256};
use thiserror::Error;

use crate::tees::{TeeKind, containers_policy};

/// Why a program has no measurement.
#[derive(Debug, Error)]
pub enum MeasureError {
    /// There is none of that name.
    #[error(transparent)]
    Absent(#[from] casque_agent::ProgramError),
    /// It cannot be read.
    #[error("cannot read the program `{}`", program.display())]
    Read {
        /// Its path.
        program: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Standard output is closed.
    #[error("cannot write to standard output")]
    Print(#[source] io::Error),
}

/// What the software TEEs measure of a program.
#[derive(Clone, Copy, Debug)]
pub struct Measurements {
    /// SHA-256 of its file: `mrenclave`.
    pub sha256: MrEnclave,
    /// SHA-384 of its file: `measurement` of SNP, `mrtd` of TDX.
    pub sha384: Digest<48>,
}

/// Prints what a policy expects of a program in a TEE of this kind: the measurement, or the digest of the policy of the
/// containers that it runs alone in.
///
/// # Errors
/// [`MeasureError`].
pub fn print(program: &OsStr, kind: TeeKind) -> Result<(), MeasureError> {
    let measured = measurements(&find(program, None)?)?;
    let shown = match kind {
        TeeKind::Sgx => measured.sha256.to_string(),
        TeeKind::Snp | TeeKind::Tdx | TeeKind::AzureSnp | TeeKind::AzureTdx => {
            measured.sha384.to_string()
        }
        TeeKind::Aci => sha256(containers_policy(&measured.sha256).as_bytes()).to_string(),
    };
    writeln!(io::stdout(), "{shown}").map_err(MeasureError::Print)
}

/// Everything that the software TEEs measure of a program's file.
///
/// # Errors
/// [`MeasureError::Read`].
pub fn measurements(program: &Path) -> Result<Measurements, MeasureError> {
    let read = |source| MeasureError::Read {
        program: program.to_owned(),
        source,
    };
    let file = File::open(program).map_err(read)?;
    Ok(Measurements {
        sha256: measure(program)?,
        sha384: measure_snp_program(file).map_err(read)?,
    })
}

/// The file of a program as `execvp` finds it: a name with a slash is a path, from `directory` if it is
/// relative; any other is looked up in `PATH`.
///
/// # Errors
/// [`MeasureError::Absent`].
pub fn find(program: &OsStr, directory: Option<&Path>) -> Result<PathBuf, MeasureError> {
    let search_path = std::env::var_os("PATH").unwrap_or_default();
    let is_path = program.as_bytes().contains(&b'/');
    let from = directory.filter(|_| is_path).unwrap_or(Path::new(""));
    let found = casque_agent::find_program(from.join(program).as_os_str(), &search_path)?;
    std::path::absolute(&found).map_err(|source| MeasureError::Read {
        program: found,
        source,
    })
}

/// The digest of a program's file.
///
/// # Errors
/// [`MeasureError::Read`].
pub fn measure(program: &Path) -> Result<MrEnclave, MeasureError> {
    let read = |source| MeasureError::Read {
        program: program.to_owned(),
        source,
    };
    measure_program(File::open(program).map_err(read)?).map_err(read)
}

#[cfg(test)]
mod tests {
    use assert_matches::assert_matches;

    use super::*;

    #[test]
    fn find_name_without_slash_is_looked_up_in_path() {
        let found = find(OsStr::new("sh"), None).unwrap();
        assert!(found.is_absolute() && found.ends_with("sh"));
    }

    #[test]
    fn find_unknown_name_is_absent() {
        let absent = find(OsStr::new("no-such-program-anywhere"), None);
        assert_matches!(absent, Err(MeasureError::Absent(_)));
    }

    #[test]
    fn measure_changed_program_is_another_measurement() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        std::fs::write(&one, b"program").unwrap();
        std::fs::write(&other, b"program\n").unwrap();
        assert_ne!(measure(&one).unwrap(), measure(&other).unwrap());
    }
}
