//! Which program is started, and with which arguments.
//!
//! `-- PROGRAM` takes the place of the policy's program unless it is empty. `ARGS` after it are the host's
//! arguments if the policy takes any: `@@1` is the first of them, as in SCONE, where they are those of the
//! started program; what the policy does not take is left out. Otherwise they take, when there are any, the
//! place of the policy's arguments.
//!
//! A name without `/` is sought in `PATH`: in the agent's own for `PROGRAM`, in the released environment's
//! for the policy's program, or in the usual places when it has none.
//!
//! What the host gives is neither confidential nor to be trusted: the policy's author has decided to take it.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use casque_types::{Argument, ArgumentPart, Configuration, Secret, VariableValue};
use thiserror::Error;

use crate::{AgentSettings, HostEnvironment};

/// Why there is no program to start.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum ProgramError {
    /// Nobody says which.
    #[error("the policy has no `command`, and no program was given: name one after `--`")]
    None,
    /// The policy takes an argument that the host did not give.
    #[error(
        "the policy takes argument {number} of the host (`@@{number}`), and {given} were given: give them after `-- PROGRAM`"
    )]
    HostArgument {
        /// Which one, from 1.
        number: u16,
        /// How many there are.
        given: usize,
    },
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
    let given = &settings.arguments;
    let released = configuration.arguments.iter();
    let released: Result<Vec<Secret>, _> = released.map(|one| joined(one, given)).collect();
    let released = released?;
    // Exposed, here and below, because the program is to have them.
    let mut released = (released.iter()).map(|one| OsStr::from_bytes(one.expose()));
    let of_policy = released.next();
    let of_host = settings.program.as_ref().filter(|name| !name.is_empty());
    let (name, file) = match (of_host, of_policy) {
        (Some(name), _) => {
            let file = find_program(name, &settings.search_path)?;
            (name.as_os_str(), std::path::absolute(&file).unwrap_or(file))
        }
        (None, Some(name)) => (name, find_released(name, configuration, &settings.host)?),
        (None, None) => return Err(ProgramError::None),
    };
    let mut command = Command::new(file);
    command.arg0(name).env_clear();
    if given.is_empty() || takes_arguments_of_host(configuration) {
        command.args(released);
    } else {
        command.args(given);
    }
    for (name, value) in &configuration.environment {
        command.env(name, value_of(name, value, &settings.host));
    }
    if let Some(directory) = &configuration.directory {
        command.current_dir(directory);
    }
    Ok(command)
}

fn takes_arguments_of_host(configuration: &Configuration) -> bool {
    let mut parts = configuration.arguments.iter().flat_map(|one| &one.parts);
    parts.any(|part| matches!(part, ArgumentPart::Host(_)))
}

/// The parts of an argument in one buffer of its size.
fn joined(argument: &Argument, given: &[OsString]) -> Result<Secret, ProgramError> {
    let parts: Result<Vec<&[u8]>, _> = (argument.parts.iter())
        .map(|part| bytes_of(part, given))
        .collect();
    Ok(Secret::new(parts?.concat()))
}

fn bytes_of<'a>(part: &'a ArgumentPart, given: &'a [OsString]) -> Result<&'a [u8], ProgramError> {
    match part {
        // Exposed because the program is to have it.
        ArgumentPart::Value(value) => Ok(value.expose()),
        ArgumentPart::Host(number) => {
            let index = usize::from(*number).checked_sub(1);
            let argument = index.and_then(|index| given.get(index));
            argument
                .map(|one| one.as_bytes())
                .ok_or(ProgramError::HostArgument {
                    number: *number,
                    given: given.len(),
                })
        }
    }
}

/// A variable's value; the host's own is empty where it has none.
fn value_of<'a>(name: &str, value: &'a VariableValue, host: &'a HostEnvironment) -> &'a OsStr {
    match value {
        // Exposed because the program is to have it.
        VariableValue::Value(value) => OsStr::from_bytes(value.expose()),
        VariableValue::Host => host.value(name).unwrap_or_default(),
    }
}

fn find_released(
    name: &OsStr,
    configuration: &Configuration,
    host: &HostEnvironment,
) -> Result<PathBuf, ProgramError> {
    let mut variables = configuration.environment.iter();
    let path = variables
        .find(|(name, _)| name == "PATH")
        .map_or(OsStr::new(USUAL_PATH), |(name, value)| {
            value_of(name, value, host)
        });
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
pub(crate) fn own_path(host: &HostEnvironment) -> OsString {
    let own = host.value("PATH").filter(|path| !path.is_empty());
    own.unwrap_or(OsStr::new(USUAL_PATH)).to_owned()
}

#[cfg(test)]
mod tests;
