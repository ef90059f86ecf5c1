//! The source against a service on this machine that answers truly, bent in one place, or not at all.
#![expect(
    clippy::unwrap_used,
    reason = "the functions that tests call are tests"
)]

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use assert_matches::assert_matches;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use casque_appraise::{
    Appraiser, Endorsements, Evidence, Identity, IntelEndorsements, IntelEndorsementsId, IntelTee,
    PckAuthority, SgxQuote, TrustAnchors,
};
use casque_core::{SourceFailure, SourceKind};
use casque_endorse::{EndorserSettings, EndorserSetupError, Endorsers};
use casque_testkit::sgx::{EndorsementSpec, SgxPlatform, SoftwareTee};
use casque_types::{MrEnclave, MrSigner, Seconds, SgxIdentity, Timestamp};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

const NOW: Timestamp = Timestamp::from_unix_s(1_795_500_000);
const A_DAY: Seconds = Seconds(86_400);

/// One answer.
#[derive(Clone)]
struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

/// What the service answers, and what it was asked.
struct Answers {
    tcb: Answer,
    qe: Answer,
    pck_crl: Answer,
    root_crl: Answer,
    asked: Vec<String>,
}

impl Answers {
    fn to(&mut self, uri: &Uri) -> Answer {
        self.asked.push(uri.to_string());
        match uri.path() {
            "/sgx/certification/v4/tcb" => self.tcb.clone(),
            "/sgx/certification/v4/qe/identity" => self.qe.clone(),
            "/sgx/certification/v4/pckcrl" => self.pck_crl.clone(),
            "/sgx/certification/v4/rootcacrl" => self.root_crl.clone(),
            _ => Answer::of(404, Vec::new()),
        }
    }

    /// From now on nothing but this status.
    fn all(&mut self, status: u16) {
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
    fn of(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    fn with_chain(body: impl Into<Vec<u8>>, header: &'static str, chain: &str) -> Self {
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
struct Service {
    address: String,
    answers: Arc<Mutex<Answers>>,
    server: JoinHandle<()>,
}

impl Drop for Service {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Service {
    async fn start(tee: &SoftwareTee, spec: &EndorsementSpec) -> Self {
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

    fn bend(&self, bend: impl FnOnce(&mut Answers)) {
        bend(&mut self.answers.lock().unwrap());
    }

    /// How often the TCB info was asked for.
    fn fetches(&self) -> usize {
        let answers = self.answers.lock().unwrap();
        let of_tcb = answers.asked.iter().filter(|uri| uri.contains("/tcb?"));
        of_tcb.count()
    }
}

async fn answer(State(answers): State<Arc<Mutex<Answers>>>, uri: Uri) -> Response {
    let answer = answers.lock().unwrap().to(&uri);
    let mut response = answer.body.into_response();
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap();
    for (name, value) in answer.headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

fn answers(tee: &SoftwareTee, spec: &EndorsementSpec) -> Answers {
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
struct World {
    tee: SoftwareTee,
    service: Service,
    source: Endorsers,
    cache: TempDir,
}

impl World {
    async fn new() -> Self {
        Self::with(EndorsementSpec::valid_at(NOW)).await
    }

    async fn with(spec: EndorsementSpec) -> Self {
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

    async fn get(&self, now: Timestamp) -> Result<Arc<IntelEndorsements>, SourceFailure> {
        self.source.intel(self.tee.endorsements_id(), now).await
    }

    /// The same source after a restart.
    fn restarted(mut self) -> Self {
        self.source = source(&self.tee, &self.service.address, self.cache.path());
        self
    }

    fn cached_file(&self) -> std::path::PathBuf {
        let file = fs::read_dir(self.cache.path()).unwrap().next().unwrap();
        file.unwrap().path()
    }
}

fn settings(base_url: &str, cache: &Path) -> EndorserSettings {
    EndorserSettings {
        intel: vec![base_url.to_owned()],
        cache_directory: Some(cache.to_owned()),
        ..EndorserSettings::default()
    }
}

fn anchors(tee: &SoftwareTee) -> TrustAnchors {
    TrustAnchors::vendors().dangerous_with_sgx_root(tee.root_der().to_vec())
}

fn source(tee: &SoftwareTee, base_url: &str, cache: &Path) -> Endorsers {
    Endorsers::new(&settings(base_url, cache), &anchors(tee)).unwrap()
}

/// The code with which a bent service's answers are refused.
async fn refusal(bend: impl FnOnce(&mut Answers)) -> SourceFailure {
    let world = World::new().await;
    world.service.bend(bend);
    world.get(NOW).await.unwrap_err()
}

// ---- what is served ----

#[tokio::test]
async fn endorsements_fetched_verify_a_quote_of_their_platform() {
    let world = World::new().await;
    let endorsements = world.get(NOW).await.unwrap();
    let identity = SgxIdentity {
        mr_enclave: MrEnclave::from([1; 32]),
        mr_signer: MrSigner::from([2; 32]),
        product_id: 3,
        svn: 4,
        debug: false,
    };
    let quote = world.tee.quote(&identity, &[5; 64]).unwrap();
    let quote = SgxQuote::parse(&quote).unwrap();
    assert_eq!(quote.endorsements_id(), Ok(world.tee.endorsements_id()));
    let endorsements = Endorsements {
        intel: Some(endorsements),
        amd: None,
    };
    let appraiser = Appraiser::new(anchors(&world.tee));
    let verdict = appraiser.verify(&Evidence::Sgx(quote), &endorsements, NOW);
    assert_eq!(*verdict.unwrap().identity(), Identity::Sgx(identity));
}

#[tokio::test]
async fn endorsements_are_asked_for_by_family_and_authority() {
    let platform = SgxPlatform {
        authority: PckAuthority::Platform,
        fmspc: [0x00, 0xa0, 0x67, 0x11, 0, 0],
        ..SgxPlatform::default()
    };
    let tee = SoftwareTee::generate_platform(platform, NOW).unwrap();
    let service = Service::start(&tee, &EndorsementSpec::valid_at(NOW)).await;
    let cache = TempDir::new().unwrap();
    let source = source(&tee, &service.address, cache.path());
    assert_matches!(source.intel(tee.endorsements_id(), NOW).await, Ok(_));
    let mut asked = service.answers.lock().unwrap().asked.clone();
    asked.sort();
    assert_eq!(
        asked,
        [
            "/sgx/certification/v4/pckcrl?ca=platform&encoding=der",
            "/sgx/certification/v4/qe/identity",
            "/sgx/certification/v4/rootcacrl",
            "/sgx/certification/v4/tcb?fmspc=00A067110000",
        ]
    );
}

#[tokio::test]
async fn endorsements_of_an_older_pccs_are_read() {
    let world = World::new().await;
    let expected = world.tee.pcs_documents(&EndorsementSpec::valid_at(NOW));
    let expected = expected.unwrap();
    world.service.bend(|it| {
        it.tcb.headers[0].0 = "SGX-TCB-Info-Issuer-Chain";
        for answer in [&mut it.pck_crl, &mut it.root_crl] {
            let digits: String = answer.body.iter().map(|b| format!("{b:02x}")).collect();
            answer.body = digits.into_bytes();
        }
    });
    let endorsements = world.get(NOW).await.unwrap();
    assert_eq!(
        endorsements.tcb_info_issuer_chain,
        expected.tcb_info_issuer_chain
    );
    assert_matches!(endorsements.validity(), Ok(_));
}

#[tokio::test]
async fn endorsements_fetched_once_are_served_from_memory() {
    let world = World::new().await;
    let first = world.get(NOW).await.unwrap();
    let second = world.get(NOW.plus(Seconds(3600))).await.unwrap();
    assert!(Arc::ptr_eq(&first, &second));
    assert_eq!(world.service.fetches(), 1);
}

#[tokio::test]
async fn endorsements_asked_for_by_many_at_once_are_fetched_once() {
    let world = World::new().await;
    let get = || world.get(NOW);
    let all = tokio::join!(get(), get(), get(), get(), get(), get());
    assert_matches!(all, (Ok(_), Ok(_), Ok(_), Ok(_), Ok(_), Ok(_)));
    assert_eq!(world.service.fetches(), 1);
}

#[tokio::test]
async fn endorsements_outlive_a_restart_on_disk() {
    let world = World::new().await;
    let before = world.get(NOW).await.unwrap();
    world.service.bend(|it| it.all(500));
    let world = world.restarted();
    let after = world.get(NOW).await.unwrap();
    assert!(*before == *after);
    assert_eq!(world.service.fetches(), 1);
}

#[tokio::test]
async fn endorsements_are_fetched_again_after_a_day() {
    let world = World::new().await;
    let first = world.get(NOW).await.unwrap();
    let second = world.get(NOW.plus(A_DAY)).await.unwrap();
    assert!(!Arc::ptr_eq(&first, &second));
    assert_eq!(world.service.fetches(), 2);
}

#[tokio::test]
async fn endorsements_in_force_are_served_while_the_service_is_down() {
    let world = World::new().await;
    let first = world.get(NOW).await.unwrap();
    world.service.bend(|it| it.all(500));
    let second = world.get(NOW.plus(A_DAY)).await.unwrap();
    assert!(Arc::ptr_eq(&first, &second));
    assert_eq!(world.service.fetches(), 2);
}

#[tokio::test]
async fn endorsements_past_their_life_are_never_served() {
    let mut spec = EndorsementSpec::valid_at(NOW);
    spec.crl_next_update = NOW.plus(Seconds(600));
    let world = World::with(spec).await;
    assert_matches!(world.get(NOW.plus(Seconds(600))).await, Ok(_));
    world.service.bend(|it| it.all(500));
    let late = NOW.plus(Seconds(601));
    assert_matches!(world.get(late).await, Err(failure) if failure.code == "endorser-refused");
    let world = world.restarted();
    assert_matches!(world.get(late).await, Err(failure) if failure.code == "endorser-refused");
}

#[tokio::test]
async fn cache_file_damaged_is_replaced() {
    for content in ["", "{}", "[]", "\u{0}", r#"{"version":1}"#] {
        let world = World::new().await;
        assert_matches!(world.get(NOW).await, Ok(_));
        fs::write(world.cached_file(), content).unwrap();
        let world = world.restarted();
        assert_matches!(world.get(NOW).await, Ok(_));
        assert_eq!(world.service.fetches(), 2);
        let replaced = fs::read(world.cached_file()).unwrap();
        assert!(replaced.len() > 1000);
    }
}

#[tokio::test]
async fn cache_file_of_another_platform_is_not_used() {
    let world = World::new().await;
    assert_matches!(world.get(NOW).await, Ok(_));
    let file = world.cached_file();
    let text = fs::read_to_string(&file).unwrap();
    let fmspc = "00434153510";
    assert!(text.contains(fmspc), "{text:.300}");
    fs::write(&file, text.replace(fmspc, "00434153511")).unwrap();
    let world = world.restarted();
    assert_matches!(world.get(NOW).await, Ok(_));
    assert_eq!(world.service.fetches(), 2);
}

// ---- what is refused ----

#[tokio::test]
async fn answers_bent_in_one_place_are_refused_by_code() {
    type Bend = fn(&mut Answers);
    let bends: [(&str, Bend); 18] = [
        ("endorser-refused", |it| it.tcb.status = 500),
        ("endorser-refused", |it| it.qe.status = 404),
        ("endorser-refused", |it| it.root_crl.status = 401),
        ("endorser-unknown-platform", |it| it.tcb.status = 404),
        ("endorser-throttled", |it| it.pck_crl.status = 429),
        ("endorser-malformed", |it| it.tcb.headers.clear()),
        ("endorser-malformed", |it| it.qe.headers.clear()),
        ("endorser-malformed", |it| it.pck_crl.headers.clear()),
        ("endorser-malformed", |it| {
            it.tcb.headers[0].1 = "%FF".to_owned();
        }),
        ("endorser-malformed", |it| {
            it.tcb.headers[0].1 = "x".to_owned();
        }),
        ("endorser-malformed", |it| {
            it.tcb.headers[0].1.push_str(&"A".repeat(16 * 1024));
        }),
        ("endorser-malformed", |it| it.tcb.body.push(b'}')),
        ("endorser-malformed", |it| it.qe.body.clear()),
        ("endorser-malformed", |it| it.qe.body = it.tcb.body.clone()),
        ("endorser-malformed", |it| it.pck_crl.body.truncate(30)),
        ("endorser-malformed", |it| it.root_crl.body = b"zz".to_vec()),
        ("endorser-malformed", |it| {
            it.root_crl.body = vec![b'0'; 1024 * 1024 + 1];
        }),
        ("endorser-malformed", |it| {
            it.tcb.body = br#"{"tcbInfo":{},"signature":"x"}"#.to_vec();
        }),
    ];
    for (number, (code, bend)) in bends.into_iter().enumerate() {
        let failure = refusal(bend).await;
        assert_eq!(failure.code, code, "{number}: {failure}");
        assert_eq!(failure.source_kind, SourceKind::Endorser);
        assert!(failure.what.contains("http://127.0.0.1:"), "{failure}");
        assert!(!failure.mend.is_empty());
    }
}

#[tokio::test]
async fn redirect_is_not_followed() {
    let failure = refusal(|it| {
        it.tcb.status = 302;
        let elsewhere = "/sgx/certification/v4/qe/identity".to_owned();
        it.tcb.headers.push(("location", elsewhere));
    })
    .await;
    assert_eq!(failure.code, "endorser-refused");
}

#[tokio::test]
async fn endorsements_for_another_platform_are_refused() {
    let mut spec = EndorsementSpec::valid_at(NOW);
    spec.fmspc = Some([1, 2, 3, 4, 5, 6]);
    let failure = World::with(spec).await.get(NOW).await.unwrap_err();
    assert_eq!(failure.code, "endorser-other-platform");
    assert!(failure.what.contains("found 010203040506"), "{failure}");
}

#[tokio::test]
async fn endorsements_served_past_their_life_are_refused_with_document_and_date() {
    let mut spec = EndorsementSpec::valid_at(NOW);
    spec.next_update = NOW.minus(Seconds(1));
    let failure = World::with(spec).await.get(NOW).await.unwrap_err();
    assert_eq!(failure.code, "endorser-expired");
    assert!(failure.what.contains("TCB information"), "{failure}");
    let date = NOW.minus(Seconds(1)).to_string();
    assert!(failure.what.contains(&date), "{failure}");
}

#[tokio::test]
async fn endorsements_served_before_their_life_are_refused() {
    let world = World::new().await;
    let failure = world.get(NOW.minus(A_DAY)).await.unwrap_err();
    assert_eq!(failure.code, "endorser-not-yet-valid");
}

#[tokio::test]
async fn service_that_is_not_there_is_unreachable() {
    let world = World::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let source = source(&world.tee, &address, world.cache.path());
    let failure = source.intel(world.tee.endorsements_id(), NOW).await;
    assert_matches!(
        failure,
        Err(SourceFailure {
            code: "endorser-unreachable",
            retryable: true,
            ..
        })
    );
}

#[tokio::test]
async fn endorsements_changed_after_they_were_signed_are_refused_and_not_kept() {
    let mut tcb = EndorsementSpec::valid_at(NOW);
    tcb.tcb_info_changed = true;
    let mut qe = EndorsementSpec::valid_at(NOW);
    qe.qe_identity_changed = true;
    for (document, spec) in [("the TCB information", tcb), ("the QE identity", qe)] {
        let world = World::with(spec).await;
        let failure = world.get(NOW).await.unwrap_err();
        assert_eq!(failure.code, "endorser-not-authentic");
        assert!(failure.what.contains(document), "{failure}");
        assert!(failure.what.contains(&world.service.address), "{failure}");
        // Once the service is mended, nothing stands in the way.
        let mended = answers(&world.tee, &EndorsementSpec::valid_at(NOW));
        world.service.bend(|it| *it = mended);
        assert_matches!(world.get(NOW.plus(Seconds(10))).await, Ok(_));
    }
}

#[tokio::test]
async fn endorsements_under_another_root_are_refused() {
    let world = World::new().await;
    let other = SoftwareTee::generate(NOW).unwrap();
    let source = source(&other, &world.service.address, world.cache.path());
    let failure = source
        .intel(world.tee.endorsements_id(), NOW)
        .await
        .unwrap_err();
    assert_eq!(failure.code, "endorser-not-authentic");
    assert!(
        failure.what.contains("signature is not by the key of"),
        "{failure}"
    );
}

#[tokio::test]
async fn endorsements_of_another_root_on_disk_are_fetched_anew() {
    let world = World::new().await;
    assert_matches!(world.get(NOW).await, Ok(_));
    let other = SoftwareTee::generate(NOW).unwrap();
    let answers = answers(&other, &EndorsementSpec::valid_at(NOW));
    world.service.bend(|it| *it = answers);
    let source = source(&other, &world.service.address, world.cache.path());
    assert_matches!(source.intel(world.tee.endorsements_id(), NOW).await, Ok(_));
    assert_eq!(world.service.fetches(), 1);
}

// ---- patience ----

#[tokio::test]
async fn failure_is_remembered_for_a_span_that_doubles() {
    let world = World::new().await;
    world.service.bend(|it| it.all(503));
    let asked_at = [0, 9, 10, 29, 30, 69, 70];
    let fetches = [1, 1, 2, 2, 3, 3, 4];
    for (after, expected) in asked_at.into_iter().zip(fetches) {
        let failure = world.get(NOW.plus(Seconds(after))).await.unwrap_err();
        assert_eq!(failure.code, "endorser-refused");
        assert!(failure.retryable);
        assert_eq!(world.service.fetches(), expected, "after {after} s");
    }
}

#[tokio::test]
async fn failure_says_how_long_it_is_remembered() {
    let world = World::new().await;
    world.service.bend(|it| it.all(503));
    let failure = world.get(NOW).await.unwrap_err();
    assert_eq!(failure.retry_after, Some(Seconds(10)));
    let failure = world.get(NOW.plus(Seconds(4))).await.unwrap_err();
    assert_eq!(failure.retry_after, Some(Seconds(6)));
}

#[tokio::test]
async fn throttled_source_waits_as_long_as_the_service_says() {
    let world = World::new().await;
    world.service.bend(|it| {
        it.all(429);
        for answer in [&mut it.tcb, &mut it.qe, &mut it.pck_crl, &mut it.root_crl] {
            answer.headers.push(("retry-after", "100".to_owned()));
        }
    });
    let failure = world.get(NOW).await.unwrap_err();
    assert_eq!(failure.retry_after, Some(Seconds(100)));
    assert_matches!(world.get(NOW.plus(Seconds(99))).await, Err(_));
    assert_eq!(world.service.fetches(), 1);
    assert_matches!(world.get(NOW.plus(Seconds(100))).await, Err(_));
    assert_eq!(world.service.fetches(), 2);
}

#[tokio::test]
async fn service_that_recovers_is_used_again() {
    let world = World::new().await;
    world.service.bend(|it| it.tcb.status = 503);
    assert_matches!(world.get(NOW).await, Err(_));
    world.service.bend(|it| it.tcb.status = 200);
    assert_matches!(world.get(NOW.plus(Seconds(10))).await, Ok(_));
}

#[tokio::test]
async fn families_that_failed_make_room_for_others() {
    let world = World::new().await;
    world.service.bend(|it| it.all(404));
    for number in 0..300_u16 {
        let [high, low] = number.to_be_bytes();
        let id = IntelEndorsementsId {
            tee: IntelTee::Sgx,
            fmspc: [0xff, 0, 0, 0, high, low],
            authority: PckAuthority::Processor,
        };
        let failure = world.source.intel(id, NOW).await.unwrap_err();
        assert_ne!(failure.code, "endorser-throttled");
    }
}

// ---- setup and TLS ----

#[test]
fn source_with_unusable_files_is_not_set_up() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "no certificate").unwrap();
    let mut bent = settings("https://pccs.example", directory.path());
    bent.ca_file = Some(file.clone());
    assert_matches!(
        Endorsers::dangerous_unverified(&bent),
        Err(EndorserSetupError::CaCertificates { path }) if path == file
    );
    bent.ca_file = Some(directory.path().join("absent"));
    assert_matches!(
        Endorsers::dangerous_unverified(&bent),
        Err(EndorserSetupError::CaFile { .. })
    );
    bent.ca_file = None;
    bent.cache_directory = Some(file.join("below a file"));
    assert_matches!(
        Endorsers::dangerous_unverified(&bent),
        Err(EndorserSetupError::CacheDirectory { .. })
    );
}

mod tls {
    //! A service with a certificate of its own that answers every request with 404.

    use std::sync::Arc;

    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::crypto::aws_lc_rs;

    use super::*;

    pub(super) struct TlsService {
        pub(super) address: String,
        pub(super) certificate_pem: String,
        server: JoinHandle<()>,
    }

    impl Drop for TlsService {
        fn drop(&mut self) {
            self.server.abort();
        }
    }

    pub(super) async fn start() -> TlsService {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], PrivateKeyDer::from(key))
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!(
            "https://localhost:{}",
            listener.local_addr().unwrap().port()
        );
        let server = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let mut request = [0; 4096];
                    let read = stream.read(&mut request).await;
                    let answer =
                        b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                    let written = stream.write_all(answer).await;
                    assert!(read.is_ok() && written.is_ok());
                    drop(stream.shutdown().await);
                });
            }
        });
        TlsService {
            address,
            certificate_pem: cert.pem(),
            server,
        }
    }
}

#[tokio::test]
async fn service_whose_certificate_nobody_vouches_for_is_not_trusted() {
    let (world, service) = (World::new().await, tls::start().await);
    let source = source(&world.tee, &service.address, world.cache.path());
    let failure = source
        .intel(world.tee.endorsements_id(), NOW)
        .await
        .unwrap_err();
    assert_eq!(failure.code, "endorser-not-trusted");
    assert!(failure.mend.contains("ca_file"));
    assert!(!failure.retryable);
}

#[tokio::test]
async fn service_whose_certificate_is_in_the_ca_file_is_asked() {
    let (world, service) = (World::new().await, tls::start().await);
    let ca_file = world.cache.path().join("ca.pem");
    fs::write(&ca_file, &service.certificate_pem).unwrap();
    let mut settings = settings(&service.address, world.cache.path());
    settings.ca_file = Some(ca_file);
    let source = Endorsers::new(&settings, &anchors(&world.tee)).unwrap();
    let failure = source
        .intel(world.tee.endorsements_id(), NOW)
        .await
        .unwrap_err();
    assert!(failure.what.contains("404"), "{failure}");
}
