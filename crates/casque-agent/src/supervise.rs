//! Starts the program and watches over it.
//!
//! Signals are caught before the volumes are mounted and the program exists, so that none is lost. SIGTERM, SIGINT, SIGHUP, SIGQUIT,
//! SIGUSR1, SIGUSR2 and SIGWINCH are forwarded; on a terminal a key reaches the program twice, once from the
//! terminal. As process 1, or as a subreaper, the agent reaps every orphan that falls to it; otherwise its
//! own child alone, since a program that embeds this library has children of its own.

use std::io;
use std::process::Command;

use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, child_subreaper, getpid, kill_process, wait, waitpid,
};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::iterator::Signals;
use thiserror::Error;

use crate::AgentExit;

/// Why the program could not be started or watched over.
#[derive(Debug, Error)]
pub enum SuperviseError {
    /// Signals cannot be caught.
    #[error("cannot catch signals")]
    Signals(#[source] io::Error),
    /// It does not start.
    #[error("cannot start `{program}`")]
    Start {
        /// The program's file.
        program: String,
        /// What the operating system met.
        #[source]
        source: io::Error,
    },
    /// Its end cannot be waited for.
    #[error("cannot wait for the program to end")]
    Wait(#[source] io::Error),
}

/// Catches the signals that are to be forwarded, and that of children's ends.
pub(crate) fn catch_signals() -> Result<Signals, SuperviseError> {
    let caught = FORWARDED.iter().chain(&[SIGCHLD]);
    Signals::new(caught).map_err(SuperviseError::Signals)
}

/// Runs the program to its end; `signals` are those of [`catch_signals`], and what has come since is
/// forwarded.
pub(crate) fn supervise(
    mut command: Command,
    signals: &mut Signals,
) -> Result<AgentExit, SuperviseError> {
    let child = command.spawn().map_err(|source| SuperviseError::Start {
        program: command.get_program().to_string_lossy().into_owned(),
        source,
    })?;
    drop(command);
    let pid = Pid::from_child(&child);
    let reaps_all = getpid().is_init() || matches!(child_subreaper(), Ok(Some(_)));
    for signal in signals.forever() {
        if signal != SIGCHLD {
            forward(signal, pid);
            continue;
        }
        if let Some(status) = reap(pid, reaps_all).map_err(SuperviseError::Wait)? {
            return Ok(AgentExit::Program(code_of(status)));
        }
    }
    // The iterator ends only when its handle is closed, which nobody holds.
    Err(SuperviseError::Wait(io::ErrorKind::Interrupted.into()))
}

fn forward(signal: i32, pid: Pid) {
    if let Some(signal) = Signal::from_named_raw(signal) {
        // The program may have ended already; SIGCHLD tells.
        let _sent = kill_process(pid, signal);
    }
}

/// Reaps whoever ended; the program's own status when it is among them.
fn reap(program: Pid, reaps_all: bool) -> io::Result<Option<WaitStatus>> {
    loop {
        let ended = if reaps_all {
            wait(WaitOptions::NOHANG)
        } else {
            waitpid(Some(program), WaitOptions::NOHANG)
        };
        match ended {
            Ok(Some((pid, status))) if pid == program => return Ok(Some(status)),
            Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
            Ok(None) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
}

fn code_of(status: WaitStatus) -> u8 {
    let code = match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => code,
        (None, Some(signal)) => signal.saturating_add(128),
        (None, None) => i32::from(u8::MAX),
    };
    u8::try_from(code).unwrap_or(u8::MAX)
}

const FORWARDED: &[i32] = &[SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH];

#[cfg(test)]
mod tests;
