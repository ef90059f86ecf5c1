//! Which servers are believed, and who this CAS is to them.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;

use casque_types::{KeyHash, Secret};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, SupportedProtocolVersion};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use super::Asker;
use super::fake_server::{FakeServer, Reply, TestIdentity};
use super::told;
use crate::{Remote, RemoteSetupError};

const VALUE: &str = r#"{"value":"aHVudGVyMg"}"#;

#[tokio::test]
async fn server_with_another_key_is_refused_with_both_hashes() {
    let server = FakeServer::start(&TestIdentity::new(), |_| Reply::Json(200, VALUE.to_owned()));
    let expected = KeyHash::of_spki(b"the key that the policy names");
    let asked = Asker::new();
    let asked = asked.ask_at(&server.address.to_string(), expected).await;
    let found = server.key_hash;
    let said = format!("its key hash is `{found}`, expected `{expected}`");
    let told = told(&asked.unwrap_err(), &server);
    assert_eq!(told, ("remote-other-key", said, false));
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn server_that_shows_a_key_that_it_does_not_hold_is_refused() {
    let (shown, held) = (TestIdentity::new(), TestIdentity::new());
    let server = FakeServer::start_impostor(&shown, &held);
    let failure = Asker::new().ask(&server).await.unwrap_err();
    let said = "TLS failed: it does not hold the key that it shows".to_owned();
    assert_eq!(told(&failure, &server), ("remote-tls-failed", said, false));
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn server_with_a_certificate_long_over_is_known_by_its_key() {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["other.invalid".to_owned()]).unwrap();
    params.not_before = date_time_ymd(1999, 1, 1);
    params.not_after = date_time_ymd(2000, 1, 1);
    let certificate = params.self_signed(&key).unwrap().der().to_vec();
    let identity = TestIdentity::of(&key, certificate);
    let server = FakeServer::start(&identity, |_| Reply::Json(200, VALUE.to_owned()));
    assert_eq!(Asker::new().ask(&server).await.unwrap(), b"hunter2");
}

#[tokio::test]
async fn server_of_tls_1_2_is_refused() {
    let identity = TestIdentity::new();
    let config = server_config(&identity, &rustls::version::TLS12, None);
    let (address, server) = serve_one(move |tcp| handshake(tcp, config));
    let told = told_at(address, identity.key_hash()).await;
    let said = "TLS failed: it does not speak TLS 1.3 as expected";
    assert_eq!(told, ("remote-tls-failed", said.to_owned()));
    server.join().unwrap();
}

#[tokio::test]
async fn server_that_refuses_the_own_certificate_is_said_to() {
    let (identity, authority) = (TestIdentity::new(), TestIdentity::new());
    let config = server_config(&identity, &rustls::version::TLS13, Some(&authority));
    let (address, server) = serve_one(move |tcp| handshake(tcp, config));
    let told = told_at(address, identity.key_hash()).await;
    let said = "TLS failed: it refused the handshake";
    assert_eq!(told, ("remote-tls-failed", said.to_owned()));
    server.join().unwrap();
}

#[tokio::test]
async fn server_without_tls_is_refused() {
    let (address, server) = serve_one(|mut tcp| {
        tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        drain(tcp);
    });
    let told = told_at(address, KeyHash::of_spki(b"a key")).await;
    let said = "TLS failed: what answers there does not speak TLS";
    assert_eq!(told, ("remote-tls-failed", said.to_owned()));
    server.join().unwrap();
}

#[tokio::test]
async fn server_at_an_ipv6_address_is_reached() {
    let listener = match TcpListener::bind("[::1]:0") {
        Ok(listener) => listener,
        Err(error) => return println!("skipped: no IPv6 on this machine: {error}"),
    };
    let identity = TestIdentity::new();
    let config = server_config(&identity, &rustls::version::TLS13, None);
    let (address, server) = serve_one_of(listener, move |tcp| handshake(tcp, config));
    let other = KeyHash::of_spki(b"another key");
    let (code, said) = told_at(address, other).await;
    let found = format!(
        "its key hash is `{}`, expected `{other}`",
        identity.key_hash()
    );
    assert_eq!((code, said), ("remote-other-key", found));
    server.join().unwrap();
}

#[test]
fn own_certificate_with_the_key_of_another_is_refused() {
    let (one, other) = (TestIdentity::new(), TestIdentity::new());
    let refused = Remote::new(one.certificate, &Secret::new(other.pkcs8), []);
    let Err(RemoteSetupError::Identity(rustls::Error::InconsistentKeys(_))) = refused else {
        panic!("accepted, or refused for another reason");
    };
}

async fn told_at(address: SocketAddr, key: KeyHash) -> (&'static str, String) {
    let failure = Asker::new().ask_at(&address.to_string(), key).await;
    let failure = failure.unwrap_err();
    let (_, said) = failure.what.split_once("`team/db`: ").unwrap();
    (failure.code, said.to_owned())
}

/// Serves one connection.
fn serve_one(serve: impl FnOnce(TcpStream) + Send + 'static) -> (SocketAddr, JoinHandle<()>) {
    serve_one_of(TcpListener::bind("127.0.0.1:0").unwrap(), serve)
}

fn serve_one_of(
    listener: TcpListener,
    serve: impl FnOnce(TcpStream) + Send + 'static,
) -> (SocketAddr, JoinHandle<()>) {
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || serve(listener.accept().unwrap().0));
    (address, server)
}

/// A handshake that is to fail; its alert is sent before the connection ends.
fn handshake(mut tcp: TcpStream, config: ServerConfig) {
    let mut connection = ServerConnection::new(Arc::new(config)).unwrap();
    while connection.is_handshaking() {
        if connection.complete_io(&mut tcp).is_err() {
            break;
        }
    }
    drain(tcp);
}

/// Ends the own side, and takes what comes: to close with bytes unread would take back what was sent.
fn drain(mut tcp: TcpStream) {
    tcp.shutdown(Shutdown::Write).unwrap();
    let mut rest = Vec::new();
    // However the other side ends.
    tcp.read_to_end(&mut rest).ok();
}

fn server_config(
    identity: &TestIdentity,
    version: &'static SupportedProtocolVersion,
    callers_of: Option<&TestIdentity>,
) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let certificate = CertificateDer::from(identity.certificate.clone());
    let key = PrivatePkcs8KeyDer::from(identity.pkcs8.clone());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[version])
        .unwrap();
    let builder = match callers_of {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            let root = CertificateDer::from(authority.certificate.clone());
            roots.add(root).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    builder
        .with_single_cert(vec![certificate], key.into())
        .unwrap()
}
