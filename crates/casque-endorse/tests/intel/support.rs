//! A service on this machine that answers as Intel's does.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use casque_appraise::{IntelEndorsements, TrustAnchors};
use casque_core::SourceFailure;
use casque_endorse::{EndorserSettings, Endorsers};
use casque_testkit::sgx::{EndorsementSpec, SoftwareTee};
use casque_types::{Seconds, Timestamp};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub const NOW: Timestamp = Timestamp::from_unix_s(1_795_500_000);
pub const A_DAY: Seconds = Seconds(86_400);

/// One answer.
#[derive(Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

/// What the service answers, and what it was asked.
pub struct Answers {
    pub tcb: Answer,
    pub qe: Answer,
    pub pck_crl: Answer,
    pub root_crl: Answer,
    pub asked: Vec<String>,
}

impl Answers {
    pub fn to(&mut self, uri: &Uri) -> Answer {
        self.asked.push(uri.to_string());
        match uri.path() {
            "/sgx/certification/v4/tcb" | "/tdx/certification/v4/tcb" => self.tcb.clone(),
            "/sgx/certification/v4/qe/identity" | "/tdx/certification/v4/qe/identity" => {
                self.qe.clone()
            }
            "/sgx/certification/v4/pckcrl" => self.pck_crl.clone(),
            "/sgx/certification/v4/rootcacrl" => self.root_crl.clone(),
            _ => Answer::of(404, Vec::new()),
        }
    }

    /// From now on nothing but this status.
    pub fn all(&mut self, status: u16) {
        for answer in [
            &mut self.tcb,
            &mut self.qe,
            &mut self.pck_crl,
            &mut self.root_crl,
        ] {
            *answer = Answer::of(status, Vec::new());
        }
    }
}

impl Answer {
    pub fn of(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    pub fn with_chain(body: impl Into<Vec<u8>>, header: &'static str, chain: &str) -> Self {
        let encoded = (chain.bytes())
            .map(|byte| match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => char::from(byte).to_string(),
                _ => format!("%{byte:02X}"),
            })
            .collect();
        Self {
            headers: vec![(header, encoded)],
            ..Self::of(200, body)
        }
    }
}

/// A service on a free port, gone when this is dropped.
pub struct Service {
    pub address: String,
    pub answers: Arc<Mutex<Answers>>,
    pub server: JoinHandle<()>,
}

impl Drop for Service {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Service {
    pub async fn start(tee: &SoftwareTee, spec: &EndorsementSpec) -> Self {
        let answers = Arc::new(Mutex::new(answers(tee, spec)));
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&answers));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            axum::serve(listener, router).await.unwrap();
        });
        Self {
            address,
            answers,
            server,
        }
    }

    pub fn bend(&self, bend: impl FnOnce(&mut Answers)) {
        bend(&mut self.answers.lock().unwrap());
    }

    /// How often the TCB info was asked for.
    pub fn fetches(&self) -> usize {
        let answers = self.answers.lock().unwrap();
        let of_tcb = answers.asked.iter().filter(|uri| uri.contains("/tcb?"));
        of_tcb.count()
    }
}

pub async fn answer(State(answers): State<Arc<Mutex<Answers>>>, uri: Uri) -> Response {
    let answer = answers.lock().unwrap().to(&uri);
    let mut response = answer.body.into_response();
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap();
    for (name, value) in answer.headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

pub fn answers(tee: &SoftwareTee, spec: &EndorsementSpec) -> Answers {
    let documents = tee.pcs_documents(spec).unwrap();
    Answers {
        tcb: Answer::with_chain(
            documents.tcb_info,
            "TCB-Info-Issuer-Chain",
            &documents.tcb_info_issuer_chain,
        ),
        qe: Answer::with_chain(
            documents.qe_identity,
            "SGX-Enclave-Identity-Issuer-Chain",
            &documents.qe_identity_issuer_chain,
        ),
        pck_crl: Answer::with_chain(
            documents.pck_crl,
            "SGX-PCK-CRL-Issuer-Chain",
            &documents.pck_crl_issuer_chain,
        ),
        root_crl: Answer::of(200, documents.root_ca_crl),
        asked: Vec::new(),
    }
}

/// A platform, a service that endorses it, a source with its own cache directory.
pub struct World {
    pub tee: SoftwareTee,
    pub service: Service,
    pub source: Endorsers,
    pub cache: TempDir,
}

impl World {
    pub async fn new() -> Self {
        Self::with(EndorsementSpec::valid_at(NOW)).await
    }

    pub async fn with(spec: EndorsementSpec) -> Self {
        let tee = SoftwareTee::generate(NOW).unwrap();
        let service = Service::start(&tee, &spec).await;
        let cache = TempDir::new().unwrap();
        let source = source(&tee, &service.address, cache.path());
        Self {
            tee,
            service,
            source,
            cache,
        }
    }

    pub async fn get(&self, now: Timestamp) -> Result<Arc<IntelEndorsements>, SourceFailure> {
        self.source.intel(self.tee.endorsements_id(), now).await
    }

    /// The same source after a restart.
    pub fn restarted(mut self) -> Self {
        self.source = source(&self.tee, &self.service.address, self.cache.path());
        self
    }

    pub fn cached_file(&self) -> std::path::PathBuf {
        let file = fs::read_dir(self.cache.path()).unwrap().next().unwrap();
        file.unwrap().path()
    }
}

pub fn settings(base_url: &str, cache: &Path) -> EndorserSettings {
    EndorserSettings {
        intel: vec![base_url.to_owned()],
        cache_directory: Some(cache.to_owned()),
        ..EndorserSettings::default()
    }
}

pub fn anchors(tee: &SoftwareTee) -> TrustAnchors {
    TrustAnchors::vendors().dangerous_with_sgx_root(tee.root_der().to_vec())
}

pub fn source(tee: &SoftwareTee, base_url: &str, cache: &Path) -> Endorsers {
    Endorsers::new(&settings(base_url, cache), &anchors(tee)).unwrap()
}
