//! Releases: with an SGX quote, and with a token of Microsoft Azure Attestation that the agent brings.

use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use casque_client::{Client, SecondFactors};
use casque_server::SystemRng;
use casque_testkit::sgx::{SoftwareTee, SoftwareTeeError, software_identity};
use casque_types::{ConfigId, RuntimeData, SgxIdentity, sha256};
use casque_wire::{AnyB64, Evidence};
use hyper::Method;
use serde_json::{Value, json};
use thiserror::Error;
use tokio::runtime::Runtime;

use super::author::policy;
use super::process::ServerProcess;
use super::{BenchError, Measurement};
use crate::ask::{AskError, Asker};
use crate::azure::{Commands, LocalAzure, Ports};
use crate::cas::config_text;
use crate::seed::Seed;
use crate::state::StateDirectory;
use crate::tees::SoftwareTees;

/// Why there is no evidence.
#[derive(Debug, Error)]
pub(crate) enum GatherError {
    #[error(transparent)]
    Tee(#[from] SoftwareTeeError),
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error("the local MAA gave no token: {answer}")]
    NoToken { answer: String },
}

/// A workload in the software TEE, with a local Azure around it.
struct Workload {
    runtime: Runtime,
    azure: LocalAzure,
    asker: Asker,
    tee: Arc<SoftwareTee>,
    identity: SgxIdentity,
}

pub(super) fn measure(program: &Path, count: u32) -> Result<Vec<Measurement>, BenchError> {
    let folder = tempfile::tempdir()?;
    let state = StateDirectory::open(folder.path())?;
    let workload = Workload::start(&state)?;
    let config = config_text(&state, workload.azure.endpoints(), 0)?;
    state.write("casqued.toml", config.as_bytes())?;
    state.write("root.der", workload.tee.root_der())?;
    let (config, root) = (state.path("casqued.toml"), state.path("root.der"));
    let server = ServerProcess::software_root(program, &config, &root)?;
    let author = server.pinned.author()?;
    let measurement = workload.identity.mr_enclave.to_string();
    let url = &workload.azure.endpoints().maa;
    let maa = format!("{{mode: maa, url: \"{url}\", tolerate: [maa-managed-tcb]}}");
    author.put_policy(&policy("by-token", &maa, Some(&measurement)))?;
    author.put_policy(&policy("by-quote", "{mode: hardware}", Some(&measurement)))?;
    Ok(vec![
        workload.releases(&server, "release-maa-token", "by-token/web", count)?,
        workload.releases(&server, "release-sgx-quote", "by-quote/web", count)?,
    ])
}

impl Workload {
    fn start(state: &StateDirectory) -> Result<Self, BenchError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        let seed = Seed::sample()?;
        let tees = Arc::new(SoftwareTees::load_or_make(state)?);
        let tee = Arc::clone(&tees.intel);
        let (ports, commands) = (Ports::default(), Commands::default());
        let azure = LocalAzure::start(&seed, state, Arc::clone(&tees), ports, commands);
        let azure = runtime.block_on(azure)?;
        let asker = Asker::new(&azure.endpoints().ca_file)?;
        Ok(Self {
            runtime,
            azure,
            asker,
            tee,
            identity: software_identity(sha256(b"the program of the bench").into()),
        })
    }

    /// The mean CPU time of the server for one release on a kept-alive connection.
    fn releases(
        &self,
        server: &ServerProcess,
        name: &'static str,
        config: &str,
        count: u32,
    ) -> Result<Measurement, BenchError> {
        let config: ConfigId = config.parse().map_err(|_| BenchError::Policy {
            found: config.to_owned(),
        })?;
        let client = server.pinned.client()?;
        for _ in 0..WARM_UP {
            self.release(&client, &config)?;
        }
        let before = server.cpu_time()?;
        for _ in 0..count {
            self.release(&client, &config)?;
        }
        let used = server.cpu_time()?.saturating_sub(before);
        let value = used.as_secs_f64() * 1000.0 / f64::from(count);
        Ok(Measurement { name, value, count })
    }

    fn release(&self, client: &Client, config: &ConfigId) -> Result<(), BenchError> {
        let by_token = config.policy().as_str() == "by-token";
        let released = client.release(
            config.clone(),
            &SystemRng::default(),
            &SecondFactors::default(),
            |runtime, _| -> Result<Evidence, GatherError> {
                let quote = self.quote(runtime)?;
                if by_token {
                    let token = self.token(&quote, runtime)?;
                    return Ok(Evidence::Maa { token });
                }
                Ok(Evidence::Sgx {
                    quote: AnyB64(quote),
                })
            },
        );
        released
            .map(drop)
            .map_err(|error| BenchError::Release(Box::new(error)))
    }

    fn quote(&self, runtime: &RuntimeData) -> Result<Vec<u8>, SoftwareTeeError> {
        self.tee
            .quote(&self.identity, runtime.report_data().as_bytes())
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

const WARM_UP: u32 = 20;
