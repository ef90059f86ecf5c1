//! A server on a free port, and a blunt client that sends what it is told to.

#![allow(dead_code, reason = "no test needs all of it")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use casque_appraise::TrustAnchors;
use casque_core::Clock as _;
use casque_secrets::IdentityKey;
use casque_server::{Config, Server, SystemClock, SystemRng};
use casque_types::KeyHash;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use tokio::sync::oneshot;

/// A running server; stopped when dropped.
pub struct Running {
    pub address: SocketAddr,
    pub key_hash: KeyHash,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    pub fn start(directory: &Path, bend: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            state_directory: directory.to_owned(),
            ..Config::default()
        };
        bend(&mut config);
        let (stop, stopped) = oneshot::channel();
        let (bound, address) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let server = Server::start(&config, TrustAnchors::vendors())
                    .await
                    .unwrap();
                bound.send((server.address(), server.key_hash())).unwrap();
                server.serve(async { drop(stopped.await) }).await;
            });
        });
        let (address, key_hash) = address.recv().unwrap();
        Self {
            address,
            key_hash,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub fn connect(&self, identity: Option<&IdentityKey>) -> Peer {
        let stream = TcpStream::connect(self.address).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let tls = ClientConnection::new(Arc::new(tls_config(identity)), name).unwrap();
        Peer(StreamOwned::new(tls, stream))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// One connection.
pub struct Peer(pub StreamOwned<ClientConnection, TcpStream>);

/// Status, head and body.
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("JSON: {}", self.body))
    }

    pub fn code(&self) -> String {
        self.json()["error"]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}

impl Peer {
    pub fn get(mut self, path: &str) -> Answer {
        write!(
            self.0,
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        self.answer()
    }

    pub fn post(mut self, path: &str, body: &[u8]) -> Answer {
        self.head(path, body.len());
        self.0.write_all(body).unwrap();
        self.answer()
    }

    /// Any request; `headers` end with a line break each.
    pub fn send(mut self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        let length = body.len();
        write!(
            self.0,
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n"
        )
        .unwrap();
        self.0.write_all(body).unwrap();
        self.answer()
    }

    pub fn head(&mut self, path: &str, length: usize) {
        write!(
            self.0,
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
        )
        .unwrap();
    }

    pub fn answer(&mut self) -> Answer {
        let mut bytes = Vec::new();
        // a peer that closes without close_notify has answered all the same
        drop(self.0.read_to_end(&mut bytes));
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("answer: {text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer {
            status,
            head: head.to_ascii_lowercase(),
            body: body.to_owned(),
        }
    }
}

fn tls_config(identity: Option<&IdentityKey>) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyServer));
    let Some(identity) = identity else {
        return builder.with_no_client_auth();
    };
    let names = ["author".to_owned()];
    let certificate = identity
        .certificate("author", &names, SystemClock.now(), &SystemRng::default())
        .unwrap();
    let key = PrivatePkcs8KeyDer::from(identity.pkcs8().expose().to_vec());
    let chain = vec![CertificateDer::from(certificate)];
    builder
        .with_client_auth_cert(chain, PrivateKeyDer::from(key))
        .unwrap()
}

/// These tests bend requests; who the server is, others test.
#[derive(Debug)]
struct AnyServer;

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}
