//! A local Azure for one test, and questions to it.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "shared by the test files, each of which uses its own part"
)]

use std::sync::Arc;

use casque_appraise::{
    Appraiser, Identity, MaaKeys, MaaToken, MaaTrust, SignerDemand, TrustAnchors,
};
use casque_dev::ask::{Answered, Asker};
use casque_dev::azure::{Commands, Endpoints, LocalAzure, Ports, Service};
use casque_dev::machine::{Machine, MachineError, MachineTee};
use casque_dev::seed::Seed;
use casque_dev::state::StateDirectory;
use casque_dev::tees::SoftwareTees;
use casque_testkit::sgx::SoftwareTee;
use casque_types::{Digest, Seconds};
use hyper::{Method, StatusCode};
use serde_json::Value;
use tempfile::TempDir;

/// A running local Azure with its state folder.
pub struct Local {
    pub azure: LocalAzure,
    pub tee: Arc<SoftwareTee>,
    pub tees: Arc<SoftwareTees>,
    pub asker: Asker,
    pub folder: TempDir,
}

/// The audience and scope of Key Vault.
pub const RESOURCE: &str = "https://vault.azure.net";

impl Local {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDirectory::open(folder.path()).unwrap();
        let seed = Seed::sample().unwrap();
        let tees = SoftwareTees::load_or_make(&state).unwrap();
        let tees = Arc::new(tees);
        let azure = LocalAzure::start(
            &seed,
            &state,
            Arc::clone(&tees),
            Ports::default(),
            Commands::default(),
        )
        .await
        .unwrap();
        let asker = Asker::new(&azure.endpoints().ca_file).unwrap();
        Self {
            azure,
            tee: Arc::clone(&tees.intel),
            tees,
            asker,
            folder,
        }
    }

    pub const fn at(&self) -> &Endpoints {
        self.azure.endpoints()
    }

    pub async fn ask(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answered {
        let body = body.to_owned();
        self.asker.ask(method, url, headers, body).await.unwrap()
    }

    pub async fn get(&self, url: &str, headers: &[(&str, &str)]) -> (StatusCode, Value) {
        json(&self.ask(Method::GET, url, headers, "").await)
    }

    /// Posts a form to the token endpoint of the tenant.
    pub async fn token(&self, tenant: &str, form: &[(&str, &str)]) -> (StatusCode, Value) {
        let url = format!("{}/{tenant}/oauth2/v2.0/token?slice=1", self.at().authority);
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(form);
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        json(&self.ask(Method::POST, &url, &headers, &body.finish()).await)
    }

    /// The form of a good request, with one field changed.
    pub fn form<'a>(&'a self, name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
        let at = self.at();
        let mut form = vec![
            ("grant_type", "client_credentials"),
            ("client_id", at.client_id.as_str()),
            ("client_secret", at.client_secret.as_str()),
            ("scope", "https://vault.azure.net/.default"),
            ("client_info", "1"),
        ];
        form.retain(|(n, _)| *n != name);
        form.push((name, value));
        form
    }

    /// A good access token for Key Vault.
    pub async fn access_token(&self) -> String {
        let form = self.form("client_info", "1");
        let (status, body) = self.token(&self.at().tenant_id, &form).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        body["access_token"].as_str().unwrap().to_owned()
    }

    /// `GET` on the vault with a good token.
    pub async fn vault(&self, path: &str) -> (StatusCode, Value) {
        let token = self.access_token().await;
        self.vault_with(path, &token).await
    }

    pub async fn vault_with(&self, path: &str, token: &str) -> (StatusCode, Value) {
        let url = format!("{}{path}", self.at().vault);
        let bearer = format!("Bearer {token}");
        self.get(&url, &[("Authorization", &bearer)]).await
    }

    /// Whom a token speaks of, once it is verified with the keys that the instance serves.
    pub async fn verified(&self, token: &str) -> Identity {
        let maa = &self.at().maa;
        let keys = self
            .ask(Method::GET, &format!("{maa}/certs"), &[], "")
            .await;
        let keys = MaaKeys::parse(&keys.body).unwrap();
        let trust = MaaTrust {
            issuer: maa.parse().unwrap(),
            min_rsa_bits: 2048,
            clock_skew: Seconds(60),
            max_age: Seconds(600),
            signer: SignerDemand::Any,
        };
        let now = self.azure.faults(Service::Maa).unwrap().now();
        let token = MaaToken::parse(token).unwrap();
        let appraiser = Appraiser::new(TrustAnchors::vendors());
        let verdict = appraiser.verify_token(&token, &keys, &trust, now).unwrap();
        verdict.identity().clone()
    }
}

pub fn json(answered: &Answered) -> (StatusCode, Value) {
    let body = serde_json::from_slice(&answered.body).unwrap_or(Value::Null);
    (answered.status, body)
}

/// A machine on these TEEs with swtpm as its TPM; `None`, said on standard output, where swtpm is not installed.
pub fn machine(tees: &SoftwareTees, kind: MachineTee, measurement: Digest<48>) -> Option<Machine> {
    match Machine::start(tees, kind, measurement) {
        Err(error @ MachineError::NotInstalled { .. }) => {
            let is_demanded = std::env::var_os("CASQUE_DEMAND_TPM").is_some();
            assert!(!is_demanded, "{error}");
            println!("skipped: {error}");
            None
        }
        started => Some(started.unwrap()),
    }
}
