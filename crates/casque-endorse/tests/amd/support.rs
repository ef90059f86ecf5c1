//! A service on this machine that answers as AMD's key distribution service does.

use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, LazyLock, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use casque_appraise::{AmdEndorsements, AmdEndorsementsId, EndorsementsId, TrustAnchors, VcekId};
use casque_core::{EndorsementSource as _, SourceFailure};
use casque_endorse::{Document, DocumentId, EndorserSettings, Endorsers};
use casque_testkit::snp::{RevocationSpec, SoftwareSnp, VekHolder, VekSpec};
use casque_types::{Seconds, SnpProduct, SnpSigner, SnpTcb, Timestamp};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub const NOW: Timestamp = Timestamp::from_unix_s(1_795_500_000);
pub const AN_HOUR: Seconds = Seconds(3_600);
pub const A_DAY: Seconds = Seconds(86_400);
pub const A_MONTH: Seconds = Seconds(30 * 86_400);
pub const A_YEAR: Seconds = Seconds(365 * 86_400);

/// What AMD's service has.
#[derive(Clone)]
pub struct Papers {
    /// Of the processor that is asked for everywhere.
    pub vcek: Vec<u8>,
    /// Of others, by the chip's hexadecimal digits.
    pub others: Vec<(String, Vec<u8>)>,
    pub chain_pem: String,
    pub crl: Vec<u8>,
}

#[derive(Clone, Copy)]
pub struct Dates {
    pub vcek_until: Timestamp,
    pub crl_until: Timestamp,
}

pub const DATES: Dates = Dates {
    vcek_until: NOW.plus(A_YEAR),
    crl_until: NOW.plus(A_MONTH),
};

/// One platform for all tests: its root's keys take their time.
pub static TEE: LazyLock<SoftwareSnp> =
    LazyLock::new(|| SoftwareSnp::generate(SnpProduct::Milan, NOW).unwrap());

pub fn anchors() -> TrustAnchors {
    TrustAnchors::vendors().dangerous_with_amd(vec![TEE.anchor()])
}

/// The certificate of a processor.
pub fn vcek_of(chip: u8, until: Timestamp) -> Vec<u8> {
    let id = vcek_id(chip);
    let spec = VekSpec {
        tcb: id.tcb,
        holder: VekHolder::Chip(id.chip_id),
        valid: (NOW.minus(A_DAY), until),
        ..VekSpec::vcek(TEE.platform(), NOW)
    };
    TEE.issue_vek(&spec).unwrap().certificate
}

pub fn papers(dates: Dates) -> Papers {
    let list = RevocationSpec {
        next_update: Some(dates.crl_until),
        ..RevocationSpec::empty(NOW.minus(AN_HOUR))
    };
    let chain = TEE.endorsements(NOW).unwrap().chain;
    let of_chip = |chip: u8| (hex::encode([chip; 64]), vcek_of(chip, dates.vcek_until));
    Papers {
        vcek: vcek_of(0xab, dates.vcek_until),
        others: (0..3).map(of_chip).collect(),
        chain_pem: chain.iter().map(|der| pem(der)).collect(),
        crl: TEE.revocation_list(&list).unwrap(),
    }
}

fn pem(der: &[u8]) -> String {
    der::pem::encode_string("CERTIFICATE", der::pem::LineEnding::LF, der).unwrap()
}

/// What the service answers by the kind of path, and what it was asked.
pub struct Answers {
    pub papers: Papers,
    pub vcek_status: u16,
    pub chain_status: u16,
    pub crl_status: u16,
    pub retry_after: Option<u64>,
    /// Requests with this in their path are never answered.
    pub hangs: Option<&'static str>,
    pub asked: Vec<String>,
}

impl Answers {
    pub fn to(&mut self, uri: &Uri) -> (u16, Vec<u8>) {
        self.asked.push(uri.to_string());
        let path = uri.path();
        if path.ends_with("/crl") {
            return (self.crl_status, self.papers.crl.clone());
        }
        if path.ends_with("/cert_chain") {
            return (self.chain_status, self.papers.chain_pem.clone().into());
        }
        let mut others = self.papers.others.iter();
        let other = others.find(|(chip, _)| path.ends_with(chip));
        let vcek = other.map_or(&self.papers.vcek, |(_, vcek)| vcek);
        (self.vcek_status, vcek.clone())
    }

    pub fn all(&mut self, status: u16) {
        self.vcek_status = status;
        self.chain_status = status;
        self.crl_status = status;
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
    pub async fn start(papers: Papers) -> Self {
        let answers = Arc::new(Mutex::new(Answers {
            papers,
            vcek_status: 200,
            chain_status: 200,
            crl_status: 200,
            retry_after: None,
            hangs: None,
            asked: Vec::new(),
        }));
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

    /// How often something with this in its path was asked for.
    pub fn asked(&self, part: &str) -> usize {
        let answers = self.answers.lock().unwrap();
        answers
            .asked
            .iter()
            .filter(|uri| uri.contains(part))
            .count()
    }
}

pub async fn answer(State(answers): State<Arc<Mutex<Answers>>>, uri: Uri) -> Response {
    let (status, body) = answers.lock().unwrap().to(&uri);
    let hangs = answers.lock().unwrap().hangs;
    if hangs.is_some_and(|part| uri.to_string().contains(part)) {
        return std::future::pending().await;
    }
    let answers = answers.lock().unwrap();
    let mut response = body.into_response();
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    if let Some(after) = answers.retry_after {
        response.headers_mut().insert("retry-after", after.into());
    }
    response
}

/// Waits until something happened that is sure to.
pub async fn until(happened: impl Fn() -> bool) {
    let waiting = async {
        while !happened() {
            tokio::task::yield_now().await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(20), waiting).await;
    in_time.unwrap();
}

/// What a future gives that waits for nothing.
pub fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// A service, and a source that asks it.
pub struct World {
    pub service: Service,
    pub source: Endorsers,
    pub cache: TempDir,
}

impl World {
    pub async fn new() -> Self {
        Self::with(papers(DATES)).await
    }

    pub async fn with(papers: Papers) -> Self {
        let service = Service::start(papers).await;
        let cache = TempDir::new().unwrap();
        let source = Endorsers::new(&settings(&service.address, cache.path()), &anchors()).unwrap();
        Self {
            service,
            source,
            cache,
        }
    }

    /// What an appraisal does that succeeds.
    pub async fn get(&self, now: Timestamp) -> Result<Arc<AmdEndorsements>, SourceFailure> {
        let endorsements = self.source.amd(&id(), now).await?;
        self.source.proved(&EndorsementsId::Amd(id())).await;
        Ok(endorsements)
    }

    pub fn restarted(mut self) -> Self {
        let settings = settings(&self.service.address, self.cache.path());
        self.source = Endorsers::new(&settings, &anchors()).unwrap();
        self
    }
}

pub fn settings(address: &str, cache: &Path) -> EndorserSettings {
    EndorserSettings {
        amd: vec![address.to_owned()],
        amd_spacing: Duration::ZERO,
        cache_directory: Some(cache.to_owned()),
        ..EndorserSettings::default()
    }
}

pub fn vcek_id(chip: u8) -> VcekId {
    VcekId {
        chip_id: vec![chip; 64],
        tcb: SnpTcb {
            fmc: None,
            bootloader: 3,
            tee: 0,
            snp: 8,
            microcode: 115,
        },
    }
}

pub fn id_of(chip: u8) -> AmdEndorsementsId {
    AmdEndorsementsId {
        product: SnpProduct::Milan,
        signer: SnpSigner::Vcek,
        vcek: Some(vcek_id(chip)),
    }
}

pub fn id() -> AmdEndorsementsId {
    id_of(0xab)
}

/// All three documents, fetched.
pub async fn documents() -> Vec<Document> {
    documents_of(papers(DATES)).await
}

pub async fn documents_of(papers: Papers) -> Vec<Document> {
    let world = World::with(papers).await;
    let mut all = Vec::new();
    for id in DocumentId::of_amd(&id()) {
        all.push((*world.source.document(&id, NOW).await.unwrap()).clone());
    }
    all
}

pub fn papers_of(world: &World) -> Papers {
    world.service.answers.lock().unwrap().papers.clone()
}
