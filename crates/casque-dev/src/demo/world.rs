//! The demo's folder, and the local world that runs in it.

use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::DemoError;
use crate::up::World;

/// A folder that is removed when the story is over.
pub(super) struct Folder(TempDir);

impl Folder {
    pub(super) fn make() -> Result<Self, DemoError> {
        let made = tempfile::Builder::new().prefix("casque-demo-").tempdir();
        made.map(Self).map_err(|source| DemoError::System {
            action: "make a folder in",
            path: std::env::temp_dir(),
            source,
        })
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The program of the story.
    pub(super) fn write_program(&self) -> Result<(), DemoError> {
        self.write_executable("web", PROGRAM)
    }

    /// The same with one byte added.
    pub(super) fn write_changed_program(&self) -> Result<(), DemoError> {
        self.write_executable("changed", &format!("{PROGRAM}\n"))
    }

    fn write_executable(&self, name: &str, content: &str) -> Result<(), DemoError> {
        let path = self.path().join(name);
        let written = fs::write(&path, content)
            .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o755)));
        written.map_err(|source| DemoError::System {
            action: "write",
            path,
            source,
        })
    }
}

/// Writes the example policies to a folder.
pub(super) fn write_policies(folder: &Path) -> Result<(), DemoError> {
    for (name, text) in POLICIES {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|source| DemoError::System {
            action: "write",
            path,
            source,
        })?;
    }
    Ok(())
}

/// A running `casque-dev up`; stopped when dropped.
pub(super) struct RunningWorld {
    child: Child,
    world: World,
}

impl RunningWorld {
    pub(super) fn start(program: &Path, folder: &Path) -> Result<Self, DemoError> {
        let child = Command::new(program)
            .args(["up", "--state"])
            .arg(folder)
            .env_remove("RUST_BACKTRACE")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn();
        let mut child = child.map_err(|source| DemoError::System {
            action: "start",
            path: PathBuf::from(program),
            source,
        })?;
        let mut line = String::new();
        let read = child
            .stdout
            .take()
            .map(|output| BufReader::new(output).read_line(&mut line));
        let world = serde_json::from_str(&line).ok();
        match (read, world) {
            (Some(Ok(_)), Some(world)) => Ok(Self { child, world }),
            _ => {
                stop(&mut child);
                Err(DemoError::World)
            }
        }
    }

    pub(super) const fn endpoints(&self) -> &World {
        &self.world
    }
}

impl Drop for RunningWorld {
    fn drop(&mut self) {
        stop(&mut self.child);
    }
}

/// Asks a child to end and waits for it; it may have ended already.
fn stop(child: &mut Child) {
    let pid = i32::try_from(child.id()).ok();
    if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) {
        let _asked = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
    let _ended = child.wait();
}

/// The program of the story: it shows what it was given.
pub(super) const PROGRAM: &str = r#"#!/bin/sh
echo "my arguments: $*"
echo "my environment: COOKIE_KEY has ${#COOKIE_KEY} digits"
echo "my certificate: $(while read -r line; do echo "$line"; break; done < tls.crt)"
"#;
const POLICIES: &[(&str, &str)] = &[
    (
        "namespace.yaml",
        include_str!("../../../../examples/aks/namespace.yaml"),
    ),
    (
        "session.yaml",
        include_str!("../../../../examples/demo/session.yaml"),
    ),
    (
        "session-snp.yaml",
        include_str!("../../../../examples/demo/session-snp.yaml"),
    ),
    (
        "session-tdx.yaml",
        include_str!("../../../../examples/demo/session-tdx.yaml"),
    ),
    (
        "session-azure-snp.yaml",
        include_str!("../../../../examples/demo/session-azure-snp.yaml"),
    ),
    (
        "session-azure-tdx.yaml",
        include_str!("../../../../examples/demo/session-azure-tdx.yaml"),
    ),
    (
        "session-aci.yaml",
        include_str!("../../../../examples/demo/session-aci.yaml"),
    ),
];
