//! gocryptfs (<https://nuetzlich.net/gocryptfs>; seen with version 2.3): one process for each volume.
//!
//! The key, as hexadecimal digits, is the passphrase, given on standard input: it is in no argument, in no
//! environment and in no file. Since it has 256 bits, scrypt has nothing to make up for and gets its least
//! cost. The process has no environment but `PATH`.
//!
//! It stays in the foreground, a child of the agent, and tells by SIGUSR1 (`-notifypid`, the way in which it
//! makes a daemon of itself) that the volume is there; a stat of the mount point then confirms it, since
//! anybody may send that signal. It makes a session of its own, so that no key of the terminal reaches it.
//! SIGTERM makes it unmount, lazily if somebody still uses the volume, and end. It is held by a pidfd: when
//! it dies early and is reaped with the orphans, its number may be another process's.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, ExitStatus, Stdio};

use casque_types::Secret;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, geteuid, kill_process, pidfd_open,
    pidfd_send_signal, waitid,
};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;
use zeroize::Zeroizing;

use super::VolumeError;
use super::error::failed;
use super::said::Said;
use crate::program::find_program;

/// The program.
pub(super) struct Gocryptfs {
    program: PathBuf,
    search_path: OsString,
}

impl Gocryptfs {
    /// Looks for the program, and for the kernel's device.
    pub(super) fn find(search_path: &OsStr, device: &Path) -> Result<Self, VolumeError> {
        let found = find_program(OsStr::new("gocryptfs"), search_path);
        let program = found.map_err(|_| VolumeError::NoGocryptfs {
            looked_in: format!("`{}`", search_path.to_string_lossy()),
        })?;
        if !device.exists() {
            let device = device.to_owned();
            return Err(VolumeError::NoFuse { device });
        }
        Ok(Self {
            program,
            search_path: search_path.to_owned(),
        })
    }

    /// Makes a file system in an empty directory.
    pub(super) fn initialise(&self, encrypted: &Path, key: &Secret) -> Result<(), VolumeError> {
        let mut command = self.command();
        command
            .args(["-init", "-scryptn", SCRYPT_LOG_N, "--"])
            .arg(encrypted);
        let (mut child, said) = self.start(command, key)?;
        let status = child.wait().map_err(failed("wait for", &self.program))?;
        match status.success() {
            true => Ok(()),
            false => Err(VolumeError::Failed {
                directory: encrypted.to_owned(),
                status,
                said: said.text(),
            }),
        }
    }

    /// Mounts a file system, and returns when it is there.
    pub(super) fn mount(
        &self,
        encrypted: &Path,
        path: &Path,
        key: &Secret,
        signals: &mut Signals,
    ) -> Result<Mount, VolumeError> {
        let mut command = self.command();
        command
            .args(["-fg", "-nosyslog", "-notifypid"])
            .arg(process::id().to_string());
        if geteuid().is_root() {
            // The program may give its privileges up; the kernel checks the files' permissions.
            command.arg("-allow_other");
        }
        command.arg("--").arg(encrypted).arg(path);
        let device = fs::metadata(path).map_err(failed("look at", path))?.dev();
        let (child, said) = self.start(command, key)?;
        let mut mount = Mount {
            path: path.to_owned(),
            device,
            process: self.held(&child)?,
            child,
            search_path: self.search_path.clone(),
            is_over: false,
        };
        match mount.wait_until_there(signals) {
            Ok(None) => {
                said.show();
                Ok(mount)
            }
            Ok(Some(status)) => Err(mount.error_of(status, encrypted, said)),
            // It is not needed any more; dropping it ends it.
            Err(error) => Err(error),
        }
    }

    /// The process as one that cannot be mistaken for another.
    fn held(&self, child: &Child) -> Result<OwnedFd, VolumeError> {
        let pid = Pid::from_child(child);
        pidfd_open(pid, PidfdFlags::empty()).map_err(|error| {
            // It is still this agent's child, which nobody has waited for, so that the number is its own.
            let _ended = kill_process(pid, Signal::TERM);
            failed("hold", &self.program)(error.into())
        })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .env_clear()
            .env("PATH", &self.search_path)
            .current_dir("/")
            .arg("-q")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command
    }

    fn start(&self, mut command: Command, key: &Secret) -> Result<(Child, Said), VolumeError> {
        let failed = failed("start", &self.program);
        let mut child = command.spawn().map_err(&failed)?;
        // Both are piped above.
        let (Some(mut stdin), Some(stderr)) = (child.stdin.take(), child.stderr.take()) else {
            return Err(failed(io::ErrorKind::BrokenPipe.into()));
        };
        let said = Said::listen(stderr).map_err(&failed)?;
        // Whoever has ended before reading tells why by its status.
        let _written = stdin.write_all(passphrase(key).as_bytes());
        Ok((child, said))
    }
}

/// A mounted volume and the process that serves it.
pub(super) struct Mount {
    path: PathBuf,
    /// Of the directory below the mount.
    device: u64,
    process: OwnedFd,
    child: Child,
    search_path: OsString,
    /// Whether the process was ended and waited for.
    is_over: bool,
}

impl Mount {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until the volume is there, or the process has ended with a status.
    fn wait_until_there(
        &mut self,
        signals: &mut Signals,
    ) -> Result<Option<ExitStatus>, VolumeError> {
        let mut is_told = false;
        loop {
            for signal in signals.wait() {
                is_told |= signal == SIGUSR1;
                if [SIGTERM, SIGINT, SIGHUP, SIGQUIT].contains(&signal) {
                    let path = self.path.clone();
                    return Err(VolumeError::Interrupted { signal, path });
                }
            }
            let ended = self.child.try_wait();
            let ended = ended.map_err(failed("wait for", &self.path))?;
            if ended.is_some() {
                return Ok(ended);
            }
            // Before it has told, its signal would be forwarded to the program.
            if is_told && self.is_there() {
                return Ok(None);
            }
        }
    }

    /// Whether another file system than before is there, and answers.
    fn is_there(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|found| found.dev() != self.device)
    }

    fn error_of(&self, status: ExitStatus, encrypted: &Path, said: Said) -> VolumeError {
        let directory = encrypted.to_owned();
        let said = said.text();
        match status.code() {
            Some(PASSWORD_INCORRECT) => VolumeError::OtherKey { directory },
            Some(FUSE_NEW_SERVER) => VolumeError::FuseRefused {
                path: self.path.clone(),
                said,
            },
            _ => VolumeError::Failed {
                directory,
                status,
                said,
            },
        }
    }

    /// Unmounts, and waits until the process has ended; whether nothing is mounted any more.
    pub(super) fn unmount(&mut self) -> bool {
        // It may have ended already.
        let _sent = pidfd_send_signal(&self.process, Signal::TERM);
        self.reap();
        self.is_over = true;
        if self.is_gone() {
            return true;
        }
        // It died without unmounting, or somebody uses the volume.
        ["fusermount3", "fusermount"]
            .into_iter()
            .any(|name| self.unmount_by(name))
            && self.is_gone()
    }

    fn reap(&self) {
        loop {
            let process = WaitId::PidFd(self.process.as_fd());
            match waitid(process, WaitIdOptions::EXITED) {
                Err(rustix::io::Errno::INTR) => {}
                // Reaped here, or with the orphans before.
                _ => return,
            }
        }
    }

    fn is_gone(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|found| found.dev() == self.device)
    }

    fn unmount_by(&self, name: &str) -> bool {
        let Ok(program) = find_program(OsStr::new(name), &self.search_path) else {
            return false;
        };
        let mut command = Command::new(program);
        command
            .env_clear()
            .args(["-u", "-z", "--"])
            .arg(&self.path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let status: io::Result<ExitStatus> = command.status();
        status.is_ok_and(|status| status.success())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if !self.is_over {
            let _unmounted = self.unmount();
        }
    }
}

/// The key as one line of hexadecimal digits.
fn passphrase(key: &Secret) -> Zeroizing<String> {
    // Exposed to be written into the pipe to gocryptfs.
    let key = key.expose();
    let size = key.len().saturating_mul(2).saturating_add(1);
    let mut line = Zeroizing::new(String::with_capacity(size));
    for byte in key {
        // Writing to a text does not fail.
        let _written = write!(line, "{byte:02x}");
    }
    line.push('\n');
    line
}

/// The least that gocryptfs takes.
const SCRYPT_LOG_N: &str = "10";
/// gocryptfs(1), exit codes.
const PASSWORD_INCORRECT: i32 = 12;
const FUSE_NEW_SERVER: i32 = 19;
