//! Which program is started, and with which arguments.
//!
//! `-- PROGRAM` takes the place of the policy's program, `ARGS` after it, when there are any, the place of
//! its arguments. A name without `/` is sought in `PATH`: in the agent's own for `PROGRAM`, in the released
//! environment's for the policy's program, or in the usual places when it has none.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use casque_types::Configuration;
use thiserror::Error;

use crate::AgentSettings;

/// Why there is no program to start.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum ProgramError {
    /// Nobody says which.
    #[error("the policy has no `command`, and no program was given: name one after `--`")]
    None,
    /// The policy asks for something of the host.
    #[error("the policy takes arguments or variables of the host, which this agent does not give")]
    Host,
    /// It is nowhere.
    #[error("found no program `{name}` that can be executed; looked in: {looked_in}")]
    NotFound {
        /// Its name.
        name: String,
        /// Where it was sought.
        looked_in: String,
    },
}

/// The program's file: a name without `/` is sought in `path`, the value of a `PATH`.
///
/// # Errors
/// [`ProgramError::NotFound`].
pub fn find_program(name: &OsStr, path: &OsStr) -> Result<PathBuf, ProgramError> {
    let not_found = |looked_in: &OsStr| ProgramError::NotFound {
        name: name.to_string_lossy().into_owned(),
        looked_in: format!("`{}`", looked_in.to_string_lossy()),
    };
    if name.as_bytes().contains(&b'/') {
        let file = PathBuf::from(name);
        return is_executable(&file)
            .then_some(file)
            .ok_or_else(|| not_found(name));
    }
    std::env::split_paths(path)
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join(name))
        .find(|file| !name.is_empty() && is_executable(file))
        .ok_or_else(|| not_found(path))
}

/// The command to start, with exactly the released environment and directory.
pub(crate) fn command(
    settings: &AgentSettings,
    configuration: &Configuration,
) -> Result<Command, ProgramError> {
    // Exposed, here and below, because the program is to have them.
    let released: Option<Vec<&OsStr>> = (configuration.arguments.iter())
        .map(|one| Some(OsStr::from_bytes(one.value()?.expose())))
        .collect();
    let mut released = released.ok_or(ProgramError::Host)?.into_iter();
    let of_policy = released.next();
    let (name, file) = match (&settings.program, of_policy) {
        (Some(name), _) => {
            let file = find_program(name, &settings.search_path)?;
            (name.as_os_str(), std::path::absolute(&file).unwrap_or(file))
        }
        (None, Some(name)) => (name, find_released(name, configuration)?),
        (None, None) => return Err(ProgramError::None),
    };
    let mut command = Command::new(file);
    command.arg0(name).env_clear();
    if settings.arguments.is_empty() {
        command.args(released);
    } else {
        command.args(&settings.arguments);
    }
    for (name, value) in &configuration.environment {
        let value = value.value().ok_or(ProgramError::Host)?;
        command.env(name, OsStr::from_bytes(value.expose()));
    }
    if let Some(directory) = &configuration.directory {
        command.current_dir(directory);
    }
    Ok(command)
}

fn find_released(name: &OsStr, configuration: &Configuration) -> Result<PathBuf, ProgramError> {
    let variables = configuration.environment.iter();
    let path = variables
        .filter(|(name, _)| name == "PATH")
        .find_map(|(_, value)| Some(OsStr::from_bytes(value.value()?.expose())))
        .unwrap_or(OsStr::new(USUAL_PATH));
    let directory = configuration.directory.as_ref();
    match directory {
        // Relative to the directory that it is started in.
        Some(directory) if name.as_bytes().contains(&b'/') => {
            find_program(Path::new(directory).join(name).as_os_str(), path)
        }
        _ => find_program(name, path),
    }
}

fn is_executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// Where programs usually are.
pub(crate) const USUAL_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// `PATH` of the agent's own environment, or the usual one.
pub(crate) fn own_path(environment: &dyn Fn(&str) -> Option<String>) -> OsString {
    environment("PATH")
        .unwrap_or_else(|| USUAL_PATH.to_owned())
        .into()
}

#[cfg(test)]
mod tests;
