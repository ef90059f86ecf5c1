//! How sources are set up, and whom TLS trusts.

use std::fs;

use assert_matches::assert_matches;
use casque_endorse::{EndorserSetupError, Endorsers};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::support::*;

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
