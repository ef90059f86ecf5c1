//! Requests without evidence: connections, values, memory under load; and the check of a policy.

use std::path::Path;
use std::thread;

use casque_client::Client;
use casque_policy::Policy;
use casque_types::{PolicyName, SecretName};

use super::author::{large_policy, public_value};
use super::process::ServerProcess;
use super::{BenchError, Measurement, join_all};
use crate::clock::monotonic;

pub(super) fn measure(programs: &Path, count: u32) -> Result<Vec<Measurement>, BenchError> {
    let folder = tempfile::tempdir()?;
    let (server, _) = ServerProcess::casqued(programs, folder.path())?;
    let idle = Measurement {
        name: "memory-idle",
        value: server.memory_mib("VmRSS")?,
        count: 1,
    };
    server.pinned.author()?.put_policy(&public_value("shop"))?;
    let (on_top, first_answer) = connections(&server, count)?;
    Ok(vec![
        on_top,
        first_answer,
        values(&server, count)?,
        idle,
        load(&server)?,
        policy_check(count)?,
    ])
}

/// CPU time of a new connection with one answer less that of one answer; and the wall time of the former.
fn connections(
    server: &ServerProcess,
    count: u32,
) -> Result<(Measurement, Measurement), BenchError> {
    let kept = server.pinned.client()?;
    kept.version()?;
    let answers = mean_cpu_ms(server, count, || {
        kept.version()?;
        Ok(())
    })?;
    let begun = monotonic();
    let connected = mean_cpu_ms(server, count, || {
        server.pinned.client()?.version()?;
        Ok(())
    })?;
    let wall = monotonic().duration_since(begun);
    let on_top = Measurement {
        name: "tls-connection",
        value: (connected - answers).max(0.0),
        count,
    };
    let first_answer = Measurement {
        name: "first-answer",
        value: wall.as_secs_f64() * 1000.0 / f64::from(count),
        count,
    };
    Ok((on_top, first_answer))
}

fn values(server: &ServerProcess, count: u32) -> Result<Measurement, BenchError> {
    let client = server.pinned.client()?;
    let (policy, secret) = names()?;
    client.value(&policy, &secret, None)?;
    let count = count.saturating_mul(5);
    let value = mean_cpu_ms(server, count, || {
        client.value(&policy, &secret, None)?;
        Ok(())
    })?;
    Ok(Measurement {
        name: "read-value",
        value,
        count,
    })
}

/// The most memory that the server ever had, after 64 connections have read values at the same time.
fn load(server: &ServerProcess) -> Result<Measurement, BenchError> {
    let (policy, secret) = names()?;
    let clients: Vec<Client> = (0..CONNECTIONS)
        .map(|_| server.pinned.client())
        .collect::<Result<_, _>>()?;
    let read = |client: &Client| -> Result<(), BenchError> {
        for _ in 0..READS {
            client.value(&policy, &secret, None)?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = clients
            .iter()
            .map(|client| scope.spawn(|| read(client)))
            .collect();
        join_all(workers)
    })?;
    Ok(Measurement {
        name: "memory-load",
        value: server.memory_mib("VmHWM")?,
        count: CONNECTIONS,
    })
}

/// Wall time of this process, which does nothing else: a check is pure computation.
fn policy_check(count: u32) -> Result<Measurement, BenchError> {
    let text = large_policy();
    let parsed = Policy::parse(&text);
    if let Err(findings) = &parsed {
        let found = findings.first().map(|finding| finding.message.clone());
        return Err(BenchError::Policy {
            found: found.unwrap_or_default(),
        });
    }
    let begun = monotonic();
    for _ in 0..count {
        drop(std::hint::black_box(Policy::parse(&text)));
    }
    let wall = monotonic().duration_since(begun);
    Ok(Measurement {
        name: "policy-check",
        value: wall.as_secs_f64() * 1000.0 / f64::from(count),
        count,
    })
}

fn mean_cpu_ms(
    server: &ServerProcess,
    count: u32,
    mut operation: impl FnMut() -> Result<(), BenchError>,
) -> Result<f64, BenchError> {
    let before = server.cpu_time()?;
    for _ in 0..count {
        operation()?;
    }
    let used = server.cpu_time()?.saturating_sub(before);
    Ok(used.as_secs_f64() * 1000.0 / f64::from(count))
}

fn names() -> Result<(PolicyName, SecretName), BenchError> {
    let unusable = |found: &str| BenchError::Policy {
        found: found.to_owned(),
    };
    let policy = "shop".parse().map_err(|_| unusable("shop"))?;
    let secret = "value".parse().map_err(|_| unusable("value"))?;
    Ok((policy, secret))
}

const CONNECTIONS: u32 = 64;
const READS: u32 = 200;
