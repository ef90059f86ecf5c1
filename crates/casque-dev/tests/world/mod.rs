//! `casque-dev up` as a program, for one test.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "shared by the test files, each of which uses its own part"
)]

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use casque_client::{Client, ClientIdentity, ServerTrust, Timeouts};
use casque_dev::ask::Asker;
use casque_types::Secret;
use serde_json::Value;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_casque-dev");

/// A running `casque-dev up`.
pub struct Up {
    pub child: Child,
    pub world: Value,
    pub line: String,
    pub folder: TempDir,
}

impl Up {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// With further arguments of `up`.
    pub fn start_with(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (child, line) = spawn(folder.path(), arguments);
        Self {
            child,
            world: serde_json::from_str(&line).unwrap(),
            line,
            folder,
        }
    }

    /// Stops it, and starts it again on the same folder: other ports, the same state.
    pub fn restart(&mut self) {
        assert!(self.stop(), "it stops when it is told to");
        let (child, line) = spawn(self.folder.path(), &[]);
        self.child = child;
        self.world = serde_json::from_str(&line).unwrap();
        self.line = line;
    }

    /// Asks the fault switch; the answer's JSON, if it has any.
    pub fn admin(&self, method: &str, path: &str, body: &str) -> Value {
        let asker = Asker::new(Path::new(self.text("ca_file"))).unwrap();
        let url = format!("{}{path}", self.text("admin"));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let asked = asker.ask(method.parse().unwrap(), &url, &[], body.to_owned());
        let answer = runtime.block_on(asked).unwrap();
        assert!(answer.status.is_success(), "{path}: {}", answer.status);
        serde_json::from_slice(&answer.body).unwrap_or_default()
    }

    pub fn text(&self, member: &str) -> &str {
        self.world[member].as_str().unwrap()
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        casque_dev(self.folder.path(), arguments).output().unwrap()
    }

    /// Puts a policy by an author of its own.
    pub fn put(&self, policy: &str) {
        self.author().put_policy(policy).unwrap();
    }

    /// A client with an identity that nobody else has.
    pub fn author(&self) -> Client {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        let certificate = params.self_signed(&key).unwrap().der().to_vec();
        let identity = ClientIdentity::new(certificate, &Secret::new(key.serialize_der())).unwrap();
        let trust = ServerTrust::Pinned(self.text("cas_key_hash").parse().unwrap());
        let address = self.text("cas").parse().unwrap();
        Client::new(address, &trust, Some(identity), Timeouts::default()).unwrap()
    }

    /// A shell script in the state folder.
    pub fn script(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path.display().to_string()
    }

    pub fn measure(&self, program: &str) -> String {
        let output = self.run(&["measure", program]);
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    pub fn stop(&mut self) -> bool {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap().success()
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // It may have been stopped by its test.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn spawn(folder: &Path, arguments: &[&str]) -> (Child, String) {
    let mut child = casque_dev(folder, &[&["up"], arguments].concat())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let stdout = child.stdout.as_mut().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    (child, line)
}

pub fn casque_dev(state: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .args(arguments)
        .env("CASQUE_DEV_STATE", state)
        .env_remove("RUST_BACKTRACE")
        .stdin(Stdio::null());
    command
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
