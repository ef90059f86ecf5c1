//! Releases: with evidence of the software TEEs, and with a token of Microsoft Azure Attestation that the agent brings.
//!
//! Each request is bound to evidence of its own, made here: the server has seen the platform before, and never the
//! report, quote or token.

use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use casque_client::{Client, SecondFactors};
use casque_server::SystemRng;
use casque_types::{ConfigId, Digest, RuntimeData, sha256};
use casque_wire::Evidence;
use hyper::Method;
use serde_json::{Value, json};
use thiserror::Error;
use tokio::runtime::Runtime;

use super::author::policy;
use super::process::ServerProcess;
use super::{BenchError, Measurement};
use crate::ask::{AskError, Asker};
use crate::azure::{Commands, LocalAzure, Ports};
use crate::cas::{CasSettings, config_text};
use crate::measure::Measurements;
use crate::seed::Seed;
use crate::state::StateDirectory;
use crate::tees::{SoftwareTees, TeeKind, TeesError};

/// Why there is no evidence.
#[derive(Debug, Error)]
pub(crate) enum GatherError {
    #[error(transparent)]
    Tees(#[from] TeesError),
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error("the local MAA gave no token: {answer}")]
    NoToken { answer: String },
}

/// One way to be released.
struct Case {
    name: &'static str,
    policy: &'static str,
    tee: TeeKind,
    judged: Judged,
    /// The entry of the service, with `MEASURED` where the measurement stands.
    entry: &'static str,
}

/// Who judges the evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Judged {
    /// The server.
    Here,
    /// The local MAA, before the release.
    ByToken,
}

/// A workload in the software TEEs, with a local Azure around it.
struct Workload {
    runtime: Runtime,
    azure: LocalAzure,
    asker: Asker,
    tees: Arc<SoftwareTees>,
    program: Measurements,
}

pub(super) fn measure(program: &Path, count: u32) -> Result<Vec<Measurement>, BenchError> {
    let folder = tempfile::tempdir()?;
    let state = StateDirectory::open(folder.path())?;
    let workload = Workload::start(&state)?;
    let config = config_text(&state, workload.azure.endpoints(), &CasSettings::default())?;
    state.write("casqued.toml", config.as_bytes())?;
    let roots = serde_json::to_vec(&workload.tees.roots()).map_err(std::io::Error::other)?;
    state.write("roots.json", &roots)?;
    let (config, roots) = (state.path("casqued.toml"), state.path("roots.json"));
    let server = ServerProcess::software_roots(program, &config, &roots)?;
    let author = server.pinned.author()?;
    let mut measurements = Vec::new();
    for case in CASES {
        author.put_policy(&workload.policy(case))?;
        measurements.push(workload.releases(&server, case, count)?);
    }
    Ok(measurements)
}

impl Workload {
    fn start(state: &StateDirectory) -> Result<Self, BenchError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        let seed = Seed::sample()?;
        let tees = Arc::new(SoftwareTees::load_or_make(state)?);
        let (ports, commands) = (Ports::default(), Commands::default());
        let azure = LocalAzure::start(&seed, state, Arc::clone(&tees), ports, commands);
        let azure = runtime.block_on(azure)?;
        let asker = Asker::new(&azure.endpoints().ca_file)?;
        Ok(Self {
            runtime,
            azure,
            asker,
            tees,
            program: Measurements {
                sha256: sha256(b"the program of the bench").into(),
                sha384: Digest::from([0xBE; 48]),
            },
        })
    }

    /// A policy for this way.
    fn policy(&self, case: &Case) -> String {
        let measured = match case.tee {
            TeeKind::Sgx => self.program.sha256.to_string(),
            _ => self.program.sha384.to_string(),
        };
        let security = match case.judged {
            Judged::Here => "{mode: hardware}".to_owned(),
            Judged::ByToken => {
                let url = &self.azure.endpoints().maa;
                format!("{{mode: maa, url: \"{url}\", tolerate: [maa-managed-tcb]}}")
            }
        };
        let entry = case.entry.replace("MEASURED", &measured);
        policy(case.policy, &security, Some(&entry))
    }

    /// The mean CPU time of the server for one release on a kept-alive connection.
    fn releases(
        &self,
        server: &ServerProcess,
        case: &Case,
        count: u32,
    ) -> Result<Measurement, BenchError> {
        let config = format!("{}/web", case.policy);
        let config: ConfigId = config
            .parse()
            .map_err(|_| BenchError::Policy { found: config })?;
        let client = server.pinned.client()?;
        for _ in 0..WARM_UP {
            self.release(&client, &config, case)?;
        }
        let before = server.cpu_time()?;
        for _ in 0..count {
            self.release(&client, &config, case)?;
        }
        let used = server.cpu_time()?.saturating_sub(before);
        let value = used.as_secs_f64() * 1000.0 / f64::from(count);
        Ok(Measurement {
            name: case.name,
            value,
            count,
        })
    }

    fn release(&self, client: &Client, config: &ConfigId, case: &Case) -> Result<(), BenchError> {
        let released = client.release(
            config.clone(),
            &SystemRng::default(),
            &SecondFactors::default(),
            |runtime, _| -> Result<Evidence, GatherError> {
                let report_data = *runtime.report_data().as_bytes();
                let evidence = self.tees.evidence(case.tee, &self.program, report_data)?;
                match (case.judged, evidence) {
                    (Judged::ByToken, Evidence::Sgx { quote }) => Ok(Evidence::Maa {
                        token: self.token(&quote.0, runtime)?,
                    }),
                    (_, evidence) => Ok(evidence),
                }
            },
        );
        released
            .map(drop)
            .map_err(|error| BenchError::Release(Box::new(error)))
    }

    /// A token over this quote; the local MAA's work is not the server's.
    fn token(&self, quote: &[u8], runtime: &RuntimeData) -> Result<String, GatherError> {
        let url = format!(
            "{}/attest/SgxEnclave?api-version=2022-08-01",
            self.azure.endpoints().maa
        );
        let data = URL_SAFE_NO_PAD.encode(runtime.as_bytes());
        let body = json!({
            "quote": URL_SAFE_NO_PAD.encode(quote),
            "runtimeData": {"data": data, "dataType": "JSON"},
        });
        let headers = [("content-type", "application/json")];
        let asked = self
            .asker
            .ask(Method::POST, &url, &headers, body.to_string());
        let answered = self.runtime.block_on(asked)?;
        let answer: Value = serde_json::from_slice(&answered.body).unwrap_or_default();
        let token = answer.get("token").and_then(Value::as_str);
        token
            .map(str::to_owned)
            .ok_or_else(|| GatherError::NoToken {
                answer: answer.to_string(),
            })
    }
}

const CASES: &[Case] = &[
    Case {
        name: "release-maa-token",
        policy: "by-token",
        tee: TeeKind::Sgx,
        judged: Judged::ByToken,
        entry: "mrenclave: MEASURED",
    },
    Case {
        name: "release-sgx-quote",
        policy: "by-sgx-quote",
        tee: TeeKind::Sgx,
        judged: Judged::Here,
        entry: "mrenclave: MEASURED",
    },
    Case {
        name: "release-tdx-quote",
        policy: "by-tdx-quote",
        tee: TeeKind::Tdx,
        judged: Judged::Here,
        entry: "tdx: {mrtd: MEASURED}",
    },
    Case {
        name: "release-snp-report",
        policy: "by-snp-report",
        tee: TeeKind::Snp,
        judged: Judged::Here,
        entry: "snp: {measurement: MEASURED, tcb: {milan: {bootloader: 4, snp: 24, microcode: 219}}}",
    },
    Case {
        name: "release-azure-snp-vtpm",
        policy: "by-azure-snp-vtpm",
        tee: TeeKind::AzureSnp,
        judged: Judged::Here,
        entry: "azure_vm: {attestation_key: certified, snp: {measurement: MEASURED, tcb: {milan: {snp: 24}}}}",
    },
];
const WARM_UP: u32 = 20;
