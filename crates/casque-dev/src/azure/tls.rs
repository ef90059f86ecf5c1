//! TLS 1.3 on loopback: listeners of the local Azure, and the loop that serves them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::StartError;
use super::certificate::Authority;

/// One TLS configuration for all services: the names `localhost`, `127.0.0.1` and `::1`.
pub(crate) fn server_config(authority: &Authority) -> Result<Arc<ServerConfig>, StartError> {
    let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let key = rcgen::KeyPair::generate()?;
    let issued = authority.issue("localhost", &names, &key)?;
    let chain = vec![
        CertificateDer::from(issued.certificate_der),
        CertificateDer::from(authority.certificate_der.clone()),
    ];
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, PrivatePkcs8KeyDer::from(issued.key_pkcs8).into())?;
    Ok(Arc::new(config))
}

/// A listener on loopback; port 0 is a free one.
pub(crate) async fn bind(service: &'static str, port: u16) -> Result<TcpListener, StartError> {
    let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    TcpListener::bind(address)
        .await
        .map_err(|source| StartError::Bind {
            service,
            port,
            source,
        })
}

/// `https://localhost:<port>` of a listener.
pub(crate) fn url_of(listener: &TcpListener) -> Result<String, StartError> {
    let port = listener.local_addr().map_err(StartError::Listener)?.port();
    Ok(format!("https://localhost:{port}"))
}

/// Serves a router until `stop` turns true or its sender is gone; connections end with it.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    router: Router,
    mut stop: watch::Receiver<bool>,
) {
    let acceptor = TlsAcceptor::from(tls);
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            _ = stop.wait_for(|stopped| *stopped) => return,
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                connections.spawn(connection(stream, acceptor.clone(), router.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, acceptor: TlsAcceptor, router: Router) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let handshake = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await;
    let stream = match handshake {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "TLS handshake failed"),
        Err(_) => return tracing::debug!("TLS handshake took too long"),
    };
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "connection ended early");
    }
}

const HANDSHAKE: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(300);
