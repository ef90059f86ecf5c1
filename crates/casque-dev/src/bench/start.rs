//! Starts: of a server with many policies in its store, and of a program behind the agent.

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use super::author::{Pinned, policy, public_value};
use super::process::ServerProcess;
use super::{BenchError, Measurement, join_all};
use crate::clock::monotonic;

pub(super) fn measure(programs: &Path, policies: u32) -> Result<Vec<Measurement>, BenchError> {
    let folder = tempfile::tempdir()?;
    let (server, _) = ServerProcess::casqued(programs, folder.path())?;
    let agent = agent_start(programs, &server.pinned)?;
    fill(&server.pinned, policies)?;
    drop(server);
    let mut waited = Duration::ZERO;
    for _ in 0..STARTS {
        let (server, wait) = ServerProcess::casqued(programs, folder.path())?;
        waited += wait;
        drop(server);
    }
    let start = Measurement {
        name: "start",
        value: waited.as_secs_f64() * 1000.0 / f64::from(STARTS),
        count: STARTS,
    };
    Ok(vec![start, agent])
}

/// Puts policies from several authors at once.
fn fill(pinned: &Pinned, policies: u32) -> Result<(), BenchError> {
    let share = |author: u32| -> Result<(), BenchError> {
        let client = pinned.author()?;
        for number in (author..policies).step_by(AUTHORS as usize) {
            client.put_policy(&public_value(&format!("policy-{number}")))?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..AUTHORS)
            .map(|author| scope.spawn(move || share(author)))
            .collect();
        join_all(workers)
    })
}

/// The wall time of `true` behind the agent less that of `true` alone.
fn agent_start(programs: &Path, pinned: &Pinned) -> Result<Measurement, BenchError> {
    let text = policy("by-nobody", "{mode: none}", None);
    pinned.author()?.put_policy(&text)?;
    let mut agent = Command::new(programs.join("casque-agent"));
    agent
        .args(["run", "by-nobody/web", "--evidence", "none", "--addr"])
        .arg(pinned.address.to_string())
        .arg("--server-key")
        .arg(pinned.key_hash.to_string());
    let with_agent = mean_wall_ms(&mut agent)?;
    let alone = mean_wall_ms(&mut Command::new("true"))?;
    Ok(Measurement {
        name: "agent-start",
        value: (with_agent - alone).max(0.0),
        count: RUNS,
    })
}

fn mean_wall_ms(command: &mut Command) -> Result<f64, BenchError> {
    let command = command
        .env_remove("RUST_BACKTRACE")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let begun = monotonic();
    for _ in 0..RUNS {
        let status = command.status()?;
        if !status.success() {
            let name = "casque-agent";
            return Err(BenchError::Ended { name, status });
        }
    }
    let wall = monotonic().duration_since(begun);
    Ok(wall.as_secs_f64() * 1000.0 / f64::from(RUNS))
}

const AUTHORS: u32 = 8;
const STARTS: u32 = 5;
const RUNS: u32 = 50;
