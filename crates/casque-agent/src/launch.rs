//! Starting the program with exactly its environment, forwarding signals, reaping children.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use casque_types::Configuration;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::iterator::Signals;
use thiserror::Error;

/// Why the program did not start, or was lost.
#[derive(Debug, Error)]
pub enum LaunchError {
    /// Signals cannot be caught.
    #[error("cannot catch signals")]
    Signals(#[source] io::Error),
    /// The program cannot be started.
    #[error("cannot start `{}`{}", program.display(), in_directory(.directory.as_deref()))]
    Start {
        /// Its file.
        program: PathBuf,
        /// The directory that it should start in.
        directory: Option<String>,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The program's end was not seen.
    #[error("the program's exit status was lost")]
    Lost,
}

fn in_directory(directory: Option<&str>) -> String {
    directory.map_or_else(String::new, |directory| {
        format!(" in the directory `{directory}`")
    })
}

/// Starts the program and waits for its end; answers its exit status, 128 and the signal's number when a
/// signal ended it.
pub(crate) fn run(
    file: &Path,
    command: &[OsString],
    configuration: &Configuration,
) -> Result<u8, LaunchError> {
    let mut signals =
        Signals::new(FORWARDED.iter().chain(&[SIGCHLD])).map_err(LaunchError::Signals)?;
    let child = start(file, command, configuration)?;
    if let Some(status) = reap(child) {
        return Ok(status);
    }
    for signal in signals.forever() {
        if signal != SIGCHLD {
            forward(child, signal);
            continue;
        }
        if let Some(status) = reap(child) {
            return Ok(status);
        }
    }
    Err(LaunchError::Lost)
}

fn start(
    file: &Path,
    command: &[OsString],
    configuration: &Configuration,
) -> Result<Pid, LaunchError> {
    let mut child = Command::new(file);
    if let Some((name, arguments)) = command.split_first() {
        child.arg0(name).args(arguments);
    }
    // exactly the policy's variables: handed to the operating system next
    let environment = configuration.environment.iter();
    child
        .env_clear()
        .envs(environment.map(|(name, value)| (name, OsStr::from_bytes(value.expose()))));
    if let Some(directory) = &configuration.directory {
        child.current_dir(directory);
    }
    let failed = |source| LaunchError::Start {
        program: file.to_owned(),
        directory: configuration.directory.clone(),
        source,
    };
    let child = child.spawn().map_err(failed)?;
    // its end is waited for with that of every other child, below
    let id = i32::try_from(child.id()).map_err(|_| LaunchError::Lost)?;
    Ok(Pid::from_raw(id))
}

/// Collects every child that has ended, orphans included when this is process 1; the status of `child` if
/// it is among them.
fn reap(child: Pid) -> Option<u8> {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) if pid == child => {
                return Some(u8::try_from(code & 0xff).unwrap_or(u8::MAX));
            }
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == child => {
                return Some(ended_by(signal));
            }
            Ok(WaitStatus::StillAlive) => return None,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return None,
        }
    }
}

fn ended_by(signal: Signal) -> u8 {
    #[expect(
        clippy::as_conversions,
        reason = "the numbers of signals, all below 65"
    )]
    let number = signal as i32;
    u8::try_from(number).unwrap_or(127).saturating_add(128)
}

fn forward(child: Pid, signal: i32) {
    let Ok(signal) = Signal::try_from(signal) else {
        return;
    };
    // it may have ended a moment ago; then there is nobody to tell
    let _told = kill(child, signal);
}

const FORWARDED: [i32; 7] = [SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH];
