//! Which program to start, and where its file is.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use casque_types::Configuration;
use thiserror::Error;

/// Why there is no program to start.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum ProgramError {
    /// Neither the policy nor the command line names one.
    #[error(
        "there is no program to start: give the service a `command`, or write `-- PROGRAM ARGS` behind the config id"
    )]
    None,
    /// It is nowhere.
    #[error("cannot find the program `{}`: write its path, or put its folder on PATH", .program.to_string_lossy())]
    NotFound {
        /// Its name.
        program: OsString,
    },
}

/// Program and arguments: those of the command line before the policy's.
pub(crate) fn command(
    configuration: &Configuration,
    given: &[OsString],
) -> Result<Vec<OsString>, ProgramError> {
    // handed to the operating system next, which shows them in the process listing
    let policy = configuration
        .arguments
        .iter()
        .map(|argument| OsStr::from_bytes(argument.expose()).to_owned());
    let command: Vec<OsString> = match given {
        [] => policy.collect(),
        [program] => std::iter::once(program.clone())
            .chain(policy.skip(1))
            .collect(),
        all => all.to_vec(),
    };
    if command.is_empty() {
        return Err(ProgramError::None);
    }
    Ok(command)
}

/// The file of a command's program, sought on the agent's own PATH.
pub(crate) fn resolve(
    command: &[OsString],
    directory: Option<&str>,
) -> Result<PathBuf, ProgramError> {
    let program = command.first().ok_or(ProgramError::None)?;
    find_program(
        program,
        directory.map(Path::new),
        std::env::var_os("PATH").as_deref(),
    )
}

/// Finds a program as `execvp` does: a name with a slash is a path, from `directory` if it is relative;
/// any other is sought in the folders of `search_path`.
///
/// # Errors
/// [`ProgramError::NotFound`]
pub fn find_program(
    program: &OsStr,
    directory: Option<&Path>,
    search_path: Option<&OsStr>,
) -> Result<PathBuf, ProgramError> {
    let not_found = || ProgramError::NotFound {
        program: program.to_owned(),
    };
    if program.as_bytes().contains(&b'/') {
        let path = directory.unwrap_or_else(|| Path::new(".")).join(program);
        let path = std::path::absolute(path).map_err(|_| not_found())?;
        return if is_program(&path) {
            Ok(path)
        } else {
            Err(not_found())
        };
    }
    let search_path = search_path.unwrap_or_else(|| OsStr::new(DEFAULT_SEARCH_PATH));
    std::env::split_paths(search_path)
        .map(|folder| folder.join(program))
        .find(|path| is_program(path))
        .ok_or_else(not_found)
}

fn is_program(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

const DEFAULT_SEARCH_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

#[cfg(test)]
mod tests {
    use casque_types::Secret;

    use super::*;

    fn configuration(arguments: &[&str]) -> Configuration {
        Configuration {
            arguments: arguments
                .iter()
                .map(|a| Secret::copied_from(a.as_bytes()))
                .collect(),
            environment: Vec::new(),
            directory: None,
            files: Vec::new(),
            refresh_after: None,
        }
    }

    fn words(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[test]
    fn command_without_given_program_is_the_policys() {
        let found = command(&configuration(&["app", "-x"]), &[]).unwrap();
        assert_eq!(found, words(&["app", "-x"]));
    }

    #[test]
    fn command_with_given_program_alone_keeps_the_policys_arguments() {
        let found = command(&configuration(&["app", "-x"]), &words(&["/other"])).unwrap();
        assert_eq!(found, words(&["/other", "-x"]));
    }

    #[test]
    fn command_with_given_arguments_replaces_all() {
        let found = command(&configuration(&["app", "-x"]), &words(&["/other", "-y"])).unwrap();
        assert_eq!(found, words(&["/other", "-y"]));
    }

    #[test]
    fn command_of_nobody_is_refused() {
        assert_eq!(command(&configuration(&[]), &[]), Err(ProgramError::None));
    }

    #[test]
    fn find_program_by_name_path_and_directory() {
        let sh = PathBuf::from("/bin/sh");
        let path = OsStr::new("/nowhere:/bin");
        assert_eq!(
            find_program(OsStr::new("sh"), None, Some(path)),
            Ok(sh.clone())
        );
        assert_eq!(
            find_program(OsStr::new("/bin/sh"), None, None),
            Ok(sh.clone())
        );
        let bin = Some(Path::new("/bin"));
        assert!(find_program(OsStr::new("./sh"), bin, None).is_ok());
        let refused = find_program(OsStr::new("sh"), None, Some(OsStr::new("/nowhere")));
        assert!(matches!(refused, Err(ProgramError::NotFound { .. })));
    }
}
