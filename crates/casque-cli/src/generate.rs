//! `casque completions` and `casque man`: made from the command line's own description.

use std::path::Path;

use clap_complete::Shell;

use crate::args::command;
use crate::console::Console;
use crate::error::CliError;
use crate::exit;

pub(crate) fn completions(shell: Shell, console: &mut Console<'_>) -> Result<u8, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), "casque", &mut script);
    console.data(&script)?;
    Ok(exit::OK)
}

pub(crate) fn manual(folder: &Path, console: &mut Console<'_>) -> Result<u8, CliError> {
    clap_mangen::generate_to(command(), folder).map_err(|source| CliError::Manual {
        folder: folder.to_owned(),
        source,
    })?;
    let text = format!("manual pages are in {}\n", folder.display());
    console.note(&text);
    Ok(exit::OK)
}
