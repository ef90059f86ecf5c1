//! A TLS 1.3 server on a free loopback port that answers as a test tells it: for tests of the client and
//! of the CLI. It speaks just enough HTTP/1.1, and knows nothing of policies.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use casque_types::KeyHash;
use rcgen::{CertificateParams, KeyPair, PublicKeyData as _};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::CertifiedKey;
use rustls::{DistinguishedName, ServerConfig, ServerConnection, SignatureScheme, StreamOwned};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};

/// A key with a certificate over it.
pub(crate) struct TestIdentity {
    pub(crate) pkcs8: Vec<u8>,
    pub(crate) spki: Vec<u8>,
    pub(crate) certificate: Vec<u8>,
}

impl TestIdentity {
    /// A new key with a self-signed certificate for a name that no test connects to.
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["casque.invalid".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap().der().to_vec();
        Self::of(&key, certificate)
    }

    pub(crate) fn of(key: &KeyPair, certificate: Vec<u8>) -> Self {
        Self {
            pkcs8: key.serialize_der(),
            spki: key.subject_public_key_info(),
            certificate,
        }
    }

    pub(crate) fn key_hash(&self) -> KeyHash {
        KeyHash::of_spki(&self.spki)
    }

    fn certified(&self) -> CertifiedKey {
        let der = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.pkcs8.clone()));
        let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&der).unwrap();
        CertifiedKey::new(vec![CertificateDer::from(self.certificate.clone())], key)
    }
}

/// One request as the server saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Method and path, such as `GET /v1/version`.
    pub(crate) line: String,
    pub(crate) body: Vec<u8>,
    /// Of the client certificate.
    pub(crate) caller: Option<KeyHash>,
}

/// What the server does next.
pub(crate) enum Reply {
    /// Answers with this status and body, announced by its length.
    Json(u16, String),
    /// Sends these bytes and closes.
    Raw(Vec<u8>),
    /// Says nothing until the client goes.
    Silence,
}

pub(crate) struct FakeServer {
    pub(crate) address: SocketAddr,
    pub(crate) key_hash: KeyHash,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
}

type Respond = dyn Fn(&Seen) -> Reply + Send + Sync;

impl FakeServer {
    pub(crate) fn start(
        identity: &TestIdentity,
        respond: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::start_with(identity.certified(), identity.key_hash(), respond)
    }

    /// A server that shows the certificate of `shown` but signs with the key of `held`.
    pub(crate) fn start_impostor(shown: &TestIdentity, held: &TestIdentity) -> Self {
        let mut certified = held.certified();
        certified.cert = vec![CertificateDer::from(shown.certificate.clone())];
        Self::start_with(certified, shown.key_hash(), |_| Reply::Silence)
    }

    fn start_with(
        certified: CertifiedKey,
        key_hash: KeyHash,
        respond: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut server = Self {
            address: listener.local_addr().unwrap(),
            key_hash,
            seen: Arc::default(),
            connections: Arc::default(),
            stop: Arc::default(),
            acceptor: None,
        };
        let worker = Worker {
            config: server_config(certified),
            respond: Arc::new(respond),
            seen: Arc::clone(&server.seen),
        };
        let (stop, connections) = (Arc::clone(&server.stop), Arc::clone(&server.connections));
        server.acceptor = Some(std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                connections.fetch_add(1, Ordering::SeqCst);
                let worker = worker.clone();
                let stream = stream.unwrap();
                // A broken connection is the business of the test's client.
                std::thread::spawn(move || worker.serve(stream).ok());
            }
        }));
        server
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the acceptor up.
        drop(TcpStream::connect(self.address));
        if let Some(acceptor) = self.acceptor.take() {
            acceptor.join().ok();
        }
    }
}

#[derive(Clone)]
struct Worker {
    config: Arc<ServerConfig>,
    respond: Arc<Respond>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Worker {
    fn serve(&self, tcp: TcpStream) -> std::io::Result<()> {
        tcp.set_nodelay(true)?;
        let connection = ServerConnection::new(Arc::clone(&self.config)).unwrap();
        let mut stream = BufReader::new(StreamOwned::new(connection, tcp));
        while let Some((line, body)) = read_request(&mut stream)? {
            let caller = stream.get_ref().conn.peer_certificates().map(|chain| {
                let parsed = rustls::server::ParsedCertificate::try_from(&chain[0]).unwrap();
                KeyHash::of_spki(&parsed.subject_public_key_info())
            });
            let seen = Seen { line, body, caller };
            self.seen.lock().unwrap().push(seen.clone());
            match (self.respond)(&seen) {
                Reply::Json(status, body) => {
                    let length = body.len();
                    let head = format!(
                        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
                    );
                    stream.get_mut().write_all(head.as_bytes())?;
                    stream.get_mut().write_all(body.as_bytes())?;
                }
                Reply::Raw(bytes) => {
                    stream.get_mut().write_all(&bytes)?;
                    stream.get_mut().conn.send_close_notify();
                    return stream.get_mut().flush();
                }
                Reply::Silence => {
                    return stream.read(&mut [0]).map(drop);
                }
            }
        }
        Ok(())
    }
}

fn read_request(stream: &mut impl std::io::BufRead) -> std::io::Result<Option<(String, Vec<u8>)>> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut length = 0;
    loop {
        let mut header = String::new();
        stream.read_line(&mut header)?;
        let header = header.trim_end().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    let line = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    Ok(Some((line, body)))
}

fn server_config(certified: CertifiedKey) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let algorithms = provider.signature_verification_algorithms;
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_client_cert_verifier(Arc::new(AnyCaller(algorithms)))
        .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(certified)));
    Arc::new(config)
}

/// Takes any client certificate whose key the client holds, and none.
#[derive(Debug)]
struct AnyCaller(rustls::crypto::WebPkiSupportedAlgorithms);

impl ClientCertVerifier for AnyCaller {
    fn client_auth_mandatory(&self) -> bool {
        false
    }
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }
    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.3 only".to_owned()))
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
