//! Server processes, and what the operating system says they used.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use casque_client::{Client, ServerAddress, ServerTrust, Timeouts};

use super::BenchError;
use super::author::Pinned;
use crate::clock::monotonic;

/// A server of ours in a process of its own; stopped when dropped.
pub(super) struct ServerProcess {
    child: Child,
    pub(super) pinned: Pinned,
}

impl ServerProcess {
    /// `casque-dev serve`, which judges evidence under the given roots.
    pub(super) fn software_roots(
        program: &Path,
        config: &Path,
        roots: &Path,
    ) -> Result<Self, BenchError> {
        let mut child = Command::new(program)
            .arg("serve")
            .arg(config)
            .arg(roots)
            .env_remove("RUST_BACKTRACE")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        match parse_served(&line) {
            Some(pinned) => Ok(Self { child, pinned }),
            None => {
                end(&mut child);
                Err(BenchError::Server { found: line })
            }
        }
    }

    /// The real `casqued` on a folder, and how long it took to answer.
    pub(super) fn casqued(programs: &Path, folder: &Path) -> Result<(Self, Duration), BenchError> {
        let port = free_port()?;
        let config = folder.join("casqued.toml");
        let state = folder.join("state");
        let text = format!(
            "listen = \"127.0.0.1:{port}\"\nstate_directory = \"{}\"\n[log]\nlevel = \"error\"\n",
            state.display()
        );
        fs::write(&config, text)?;
        let begun = monotonic();
        let mut child = Command::new(programs.join("casqued"))
            .arg("--config")
            .arg(&config)
            .env_remove("RUST_BACKTRACE")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        match first_answer(&mut child, port) {
            Ok(pinned) => Ok((Self { child, pinned }, monotonic().duration_since(begun))),
            Err(error) => {
                end(&mut child);
                Err(error)
            }
        }
    }

    /// User and system time since its start.
    pub(super) fn cpu_time(&self) -> Result<Duration, BenchError> {
        let stat = self.proc_file("stat")?;
        // The name, in parentheses, may hold anything; behind it stands field 3.
        let rest = stat.rsplit_once(')').map(|(_, rest)| rest);
        let fields: Vec<&str> = rest.unwrap_or_default().split_whitespace().collect();
        let ticks = |field: usize| fields.get(field).and_then(|text| text.parse::<u64>().ok());
        let (Some(user), Some(system)) = (ticks(11), ticks(12)) else {
            return Err(self.unexpected("stat"));
        };
        let per_second = rustix::param::clock_ticks_per_second().max(1);
        Ok(Duration::from_millis((user + system) * 1000 / per_second))
    }

    /// A number of kibibytes in its status, in MiB: `VmRSS` now, `VmHWM` at most so far.
    pub(super) fn memory_mib(&self, field: &str) -> Result<f64, BenchError> {
        let status = self.proc_file("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let number = line.and_then(|line| line.trim_matches(':').split_whitespace().next());
        let kibibytes = number.and_then(|number| number.parse::<u32>().ok());
        let kibibytes = kibibytes.ok_or_else(|| self.unexpected("status"))?;
        Ok(f64::from(kibibytes) / 1024.0)
    }

    fn proc_file(&self, file: &str) -> Result<String, BenchError> {
        Ok(fs::read_to_string(format!(
            "/proc/{}/{file}",
            self.child.id()
        ))?)
    }

    fn unexpected(&self, file: &'static str) -> BenchError {
        let pid = self.child.id();
        BenchError::Proc { pid, file }
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Asks again and again until there is an answer: what is measured is when it comes.
fn first_answer(child: &mut Child, port: u16) -> Result<Pinned, BenchError> {
    let found = format!("localhost:{port}");
    let address: ServerAddress = match found.parse() {
        Ok(address) => address,
        Err(_) => return Err(BenchError::Server { found }),
    };
    loop {
        if let Some(status) = child.try_wait()? {
            let name = "casqued";
            return Err(BenchError::Ended { name, status });
        }
        let trust = ServerTrust::DangerousUnpinned;
        let client = Client::new(address.clone(), &trust, None, Timeouts::default())?;
        if let Ok(version) = client.version() {
            let key_hash = version.key_hash;
            return Ok(Pinned { address, key_hash });
        }
        std::thread::yield_now();
    }
}

/// `<port> <key hash>`, as `casque-dev serve` prints it.
fn parse_served(line: &str) -> Option<Pinned> {
    let (port, key_hash) = line.trim().split_once(' ')?;
    Some(Pinned {
        address: format!("localhost:{port}").parse().ok()?,
        key_hash: key_hash.parse().ok()?,
    })
}

fn free_port() -> Result<u16, BenchError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

fn end(child: &mut Child) {
    let pid = rustix::process::Pid::from_child(child);
    // It may have ended already.
    let _asked = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    let _ended = child.wait();
}
