//! What the agent says on standard error. The program's own output is never touched.
//!
//! Texts of the server are shown without control characters, so that they cannot draw on a terminal.

use std::error::Error;
use std::fs::File;
use std::io::{Read as _, Write};
use std::path::{Path, PathBuf};

use casque_client::{ClientError, ReleaseError};
use casque_types::{ConfigId, FileSystemProtection};
use casque_wire::{Failure, Reason};

use crate::place::Placed;
use crate::volumes::MountedVolumes;
use crate::{AgentError, EvidenceError};

/// Says what went wrong, with its causes; of a refusal every reason.
///
/// Nobody can be told when standard error is closed: what cannot be written is left out.
pub(crate) fn report(error: &AgentError, config: Option<&ConfigId>, notes: &mut dyn Write) {
    let text = match refusal_in(error) {
        Some((status, failure)) => refusal(status, failure, config),
        None => causes(error),
    };
    let _written = notes.write_all(text.as_bytes());
}

/// Says which files went to a disk, and which templates held no placeholder.
pub(crate) fn note_placed(placed: &Placed, notes: &mut dyn Write) {
    let paths = |paths: &[PathBuf]| {
        paths
            .iter()
            .map(|path| path.display().to_string())
            .collect()
    };
    let on_disk = "not on a file system in memory (tmpfs)";
    note(on_disk, paths(&placed.on_disk), notes);
    let unchanged = "without placeholder, as if filled in before (a container that is started again keeps its files)";
    note(unchanged, paths(&placed.unchanged), notes);
}

/// Says that there is nothing of the boot to show: the log cannot be read, which is for root alone on most systems, or
/// is empty, as where the firmware handed none over.
pub(crate) fn note_boot_log(path: &Path, notes: &mut dyn Write) {
    let first = File::open(path).and_then(|mut log| log.read(&mut [0]));
    let what = match first {
        Ok(1..) => return,
        Ok(0) => "is empty",
        Err(_) => "cannot be read",
    };
    let what = format!(
        "{what}, so that the attestation service learns of the boot what the registers say"
    );
    note(&what, vec![path.display().to_string()], notes);
}

/// Says that the runtime that the policy was written for would have mounted more.
pub(crate) fn note_file_system(system: Option<&FileSystemProtection>, notes: &mut dyn Write) {
    let shown = system.map(|system| system.path.clone());
    let not_mounted = "file system protection of SCONE's own runtime, which is not mounted";
    note(not_mounted, shown.into_iter().collect(), notes);
}

/// Says what the volumes are not protected from, and what an ephemeral one does not show.
pub(crate) fn note_volumes(volumes: &MountedVolumes, notes: &mut dyn Write) {
    let names = volumes.not_rollback_protected.iter();
    let rollback = "going back to an older state is not noticed for volumes";
    note(rollback, names.map(ToString::to_string).collect(), notes);
    let left_alone = volumes.left_alone.iter();
    let shown = left_alone.map(|path| path.display().to_string()).collect();
    let empty = "not seen by an ephemeral volume, which starts empty";
    note(empty, shown, notes);
}

/// Says what could not be unmounted, or removed.
pub(crate) fn note_left(paths: &[PathBuf], notes: &mut dyn Write) {
    let shown = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    note("still mounted, or not removed", shown, notes);
}

/// One note on some things, if there are any.
fn note(what: &str, of: Vec<String>, notes: &mut dyn Write) {
    if of.is_empty() {
        return;
    }
    let shown: Vec<String> = of.into_iter().map(|one| format!("`{one}`")).collect();
    let text = format!("casque-agent: note: {what}: {}\n", shown.join(", "));
    let _written = notes.write_all(clean(&text).as_bytes());
}

const fn refusal_in(error: &AgentError) -> Option<(u16, &Failure)> {
    match error {
        AgentError::Client(ClientError::Refused { status, failure })
        | AgentError::Release(
            ReleaseError::Client(ClientError::Refused { status, failure })
            | ReleaseError::Evidence(EvidenceError::Judge(ClientError::Refused { status, failure })),
        ) => Some((*status, failure)),
        _ => None,
    }
}

fn refusal(status: u16, failure: &Failure, config: Option<&ConfigId>) -> String {
    let config = config.map_or_else(String::new, |config| format!(" `{config}`"));
    let mut text = format!(
        "casque-agent: the server does not release{config}: {} (`{}`, HTTP status {status})\n",
        failure.message, failure.code
    );
    for cause in &failure.causes {
        text += &format!("  caused by: {cause}\n");
    }
    for (number, reason) in (1..).zip(&failure.reasons) {
        text += &reason_text(number, reason);
    }
    if let Some(hint) = &failure.hint {
        text += &format!("  hint: {hint}\n");
    }
    clean(&text)
}

fn reason_text(number: usize, reason: &Reason) -> String {
    let expected = match &reason.expected {
        Some(expected) => format!("     expected: {expected}\n"),
        None => String::new(),
    };
    format!(
        "  {number}. {} at `{}`\n     found: {}\n{expected}     hint: {}\n",
        reason.code, reason.path, reason.found, reason.hint
    )
}

fn causes(error: &AgentError) -> String {
    let mut text = format!("casque-agent: {error}\n");
    let mut said = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        // Transparent errors say the same as what they hold.
        let cause_text = cause.to_string();
        if cause_text != said {
            text += &format!("  caused by: {cause_text}\n");
        }
        said = cause_text;
        next = cause.source();
    }
    clean(&text)
}

/// The text without what could draw on a terminal.
pub(crate) fn clean(text: &str) -> String {
    let replaced = text.chars().map(|c| match c {
        '\n' => c,
        c if c.is_control() => '\u{fffd}',
        c => c,
    });
    replaced.collect()
}

#[cfg(test)]
mod tests;
