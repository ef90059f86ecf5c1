//! A local Azure for one test: one HTTPS server on a free port of the loopback interface, which plays Entra
//! ID, Key Vault and attestation at once, answers as its script says and remembers what it was asked.

use std::collections::HashMap;
use std::future::Future;
use std::io::Write as _;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::any;
use casque_core::{AccessToken, SourceFailure, TokenPurpose, TokenSource as _};
use casque_types::{
    ClientProof, EntraCredential, Rng, RngError, Seconds, Secret, Timestamp, VaultAddress,
};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls_pki_types::PrivateKeyDer;
use tempfile::NamedTempFile;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::http::Pause;
use crate::{Azure, AzureSettings, CloudSettings};

/// A request as the server saw it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(super) fn form(&self) -> HashMap<String, String> {
        url::form_urlencoded::parse(&self.body)
            .into_owned()
            .collect()
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Reply {
    pub(super) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    fn into_response(self) -> Response {
        let mut response = Response::builder().status(StatusCode::from_u16(self.status).unwrap());
        for (name, value) in self.headers {
            response = response.header(name, value);
        }
        response.body(Body::from(self.body)).unwrap()
    }
}

type Script = Arc<dyn Fn(&Seen, usize) -> Reply + Send + Sync>;

struct Desk {
    script: Script,
    seen: Mutex<Vec<Seen>>,
}

/// The local Azure.
pub(super) struct World {
    /// `localhost:<port>`.
    pub(super) host: String,
    desk: Arc<Desk>,
    connections: Arc<AtomicUsize>,
    ca_file: NamedTempFile,
    server: JoinHandle<()>,
}

impl World {
    /// Starts one that answers the n-th request (from 0) with `script(request, n)`.
    pub(super) async fn start(
        script: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let (acceptor, ca_pem) = tls();
        let mut ca_file = NamedTempFile::new().unwrap();
        ca_file.write_all(ca_pem.as_bytes()).unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let host = format!("localhost:{}", listener.local_addr().unwrap().port());
        let desk = Arc::new(Desk {
            script: Arc::new(script),
            seen: Mutex::default(),
        });
        let connections = Arc::new(AtomicUsize::new(0));
        let served = serve(
            listener,
            acceptor,
            Arc::clone(&desk),
            Arc::clone(&connections),
        );
        Self {
            host,
            desk,
            connections,
            ca_file,
            server: tokio::spawn(served),
        }
    }

    /// One that always answers this.
    pub(super) async fn always(reply: Reply) -> Self {
        Self::start(move |_, _| reply.clone()).await
    }

    /// What it was asked so far.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.desk.seen.lock().unwrap().clone()
    }

    /// How many connections it accepted so far.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Its cloud.
    pub(super) fn cloud(&self, name: &str) -> CloudSettings {
        CloudSettings {
            name: name.to_owned(),
            authority: format!("https://{}", self.host),
            vault_suffixes: vec![self.host.clone()],
            maa_hosts: vec![self.host.clone()],
            vault_scope: "https://vault.azure.net/.default".to_owned(),
            ca_file: Some(self.ca_file.path().to_owned()),
        }
    }

    pub(super) fn vault(&self) -> VaultAddress {
        format!("https://{}", self.host).parse().unwrap()
    }

    pub(super) fn azure(&self) -> Azure {
        azure(vec![self.cloud("local")], "local")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    desk: Arc<Desk>,
    connections: Arc<AtomicUsize>,
) {
    let router = axum::Router::new().fallback(any(answer)).with_state(desk);
    // Dropped with this future, and with it every connection.
    let mut tasks = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.fetch_add(1, Ordering::SeqCst);
        tasks.spawn(serve_one(stream, acceptor.clone(), router.clone()));
    }
}

async fn serve_one(stream: TcpStream, acceptor: TlsAcceptor, router: axum::Router) {
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    let connection = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    // A client may hang up whenever it likes.
    drop(connection.await);
}

async fn answer(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let seen = Seen {
        method: parts.method.to_string(),
        target: parts.uri.to_string(),
        headers: parts.headers,
        body: axum::body::to_bytes(body, 1 << 20).await.unwrap().to_vec(),
    };
    let count = {
        let mut all = desk.seen.lock().unwrap();
        let count = all.len();
        all.push(seen.clone());
        count
    };
    (desk.script)(&seen, count).into_response()
}

/// A server certificate for `localhost` under a CA of its own, and that CA in PEM.
fn tls() -> (TlsAcceptor, String) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &ca).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), ca.pem())
}

/// Adapters that never wait between attempts, with counted randomness.
pub(super) fn azure(clouds: Vec<CloudSettings>, default_cloud: &str) -> Azure {
    let settings = AzureSettings {
        clouds,
        default_cloud: default_cloud.to_owned(),
    };
    let pause: Arc<dyn Pause> = Arc::new(NoPause);
    Azure::with_pause(settings, Arc::new(CountedRng::default()), &pause).unwrap()
}

pub(super) struct NoPause;

impl Pause for NoPause {
    fn pause(&self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::ready(()))
    }
}

/// 1, 2, 3 ...
#[derive(Default)]
pub(super) struct CountedRng(AtomicU64);

impl Rng for CountedRng {
    fn fill(&self, out: &mut [u8]) -> Result<(), RngError> {
        for byte in out {
            let count = self.0.fetch_add(1, Ordering::SeqCst);
            *byte = count.to_le_bytes()[0];
        }
        Ok(())
    }
}

/// A source of randomness that has failed.
pub(super) struct BrokenRng;

impl Rng for BrokenRng {
    fn fill(&self, _: &mut [u8]) -> Result<(), RngError> {
        Err(RngError)
    }
}

pub(super) const NOW: Timestamp = Timestamp::from_unix_s(1_795_000_000);
pub(super) const TENANT: &str = "e7cac514-f1aa-4e0d-b207-50b1d9a89d21";
pub(super) const CLIENT: &str = "3f2c210e-83b4-4217-9eee-4f747d8aeeb3";
pub(super) const APPLICATION_SECRET: &str = "Q~a+b%c&d=e.f_g-h1234567890123456789abcd";

/// An application with this secret.
pub(super) fn with_secret(secret: &str) -> EntraCredential {
    EntraCredential {
        tenant: TENANT.parse().unwrap(),
        client: CLIENT.parse().unwrap(),
        proof: ClientProof::Secret(Secret::new(secret.as_bytes().to_vec())),
    }
}

/// An application with a good secret.
pub(super) fn credential() -> EntraCredential {
    with_secret(APPLICATION_SECRET)
}

/// A token answer with this life.
pub(super) fn token_reply(token: &str, life_s: u64) -> Reply {
    let body = format!(
        r#"{{"token_type":"Bearer","expires_in":{life_s},"ext_expires_in":{life_s},"access_token":"{token}"}}"#
    );
    Reply::new(200, body)
}

/// A token for the world's vault.
pub(super) async fn vault_token(
    azure: &Azure,
    world: &World,
    now: Timestamp,
) -> Result<Arc<AccessToken>, SourceFailure> {
    let vault = world.vault();
    let purpose = TokenPurpose::Vault(&vault);
    azure.tokens.token(&credential(), purpose, now).await
}

pub(super) fn text(token: &AccessToken) -> &str {
    // Exposed: made up by the test.
    token.token.expose_text().unwrap()
}

/// `NOW` and so many seconds.
pub(super) fn later(seconds: u64) -> Timestamp {
    NOW.plus(Seconds(seconds))
}
