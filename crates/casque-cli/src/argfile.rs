//! Arguments from files, as SCONE's command line takes them: `@FILE` stands for the lines of the file.
//!
//! One argument a line, as it stands; empty lines are left out. Files do not name further files. A file
//! whose name begins with `@` is written `./@…`.

use std::ffi::OsString;
use std::path::Path;

use crate::error::CliError;
use crate::policy_file::{FileError, read_bounded};

/// The arguments with those of files in their places; the program's name is none.
pub(crate) fn expanded(arguments: &[OsString]) -> Result<Vec<OsString>, CliError> {
    let mut all = Vec::with_capacity(arguments.len());
    for (index, argument) in arguments.iter().enumerate() {
        let file = argument.to_str().and_then(|text| text.strip_prefix('@'));
        match file {
            Some(file) if index > 0 && !file.is_empty() => read_into(&mut all, Path::new(file))?,
            _ => all.push(argument.clone()),
        }
        if all.len() > MAX_ARGUMENTS {
            return Err(CliError::TooManyArguments);
        }
    }
    Ok(all)
}

fn read_into(all: &mut Vec<OsString>, path: &Path) -> Result<(), FileError> {
    let content = read_bounded(path)?;
    // exposed: arguments are read from plain memory, whatever they hold
    let text = content.expose_text().ok_or_else(|| FileError::NotText {
        path: path.to_owned(),
    })?;
    let lines = text.lines().filter(|line| !line.is_empty());
    all.extend(lines.take(MAX_ARGUMENTS).map(OsString::from));
    Ok(())
}

/// The testing flags of SCONE's command line, which weaken whom it trusts.
pub(crate) fn testing_flag(arguments: &[OsString]) -> Option<&str> {
    let texts = arguments.iter().filter_map(|argument| argument.to_str());
    let mut flags = texts.filter(|text| text.starts_with(TESTING));
    flags.next().and_then(|flag| flag.split('=').next())
}

const TESTING: &str = "--only_for_testing";
/// As many as any sensible command has.
pub(crate) const MAX_ARGUMENTS: usize = 4096;
