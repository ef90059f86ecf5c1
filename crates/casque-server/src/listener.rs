//! Connections: accepted within bounds, TLS 1.3, HTTP/1.1 with deadlines, one slow client disturbs no other.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use casque_tls::key_hash_of;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower::ServiceExt as _;

use crate::caller::Caller;
use crate::metrics::Metrics;

/// A bound listener with all that its connections share.
pub(crate) struct Listener {
    pub(crate) socket: TcpListener,
    pub(crate) tls: TlsAcceptor,
    pub(crate) router: Router,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) connections: usize,
    pub(crate) handshake: Duration,
}

/// What one connection keeps while it is open.
struct Connection {
    tls: TlsAcceptor,
    router: Router,
    metrics: Arc<Metrics>,
    handshake: Duration,
    stop: watch::Receiver<bool>,
    _slot: OwnedSemaphorePermit,
}

impl Listener {
    /// Serves until `stop` turns true, then lets requests in work finish for `DRAIN` at most.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) {
        let slots = Arc::new(Semaphore::new(self.connections));
        loop {
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
                return;
            };
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            match accepted {
                Ok((stream, peer)) => self.spawn(stream, peer, stop.clone(), slot),
                // out of file descriptors and the like: give others a chance to finish
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        let all = u32::try_from(self.connections).unwrap_or(u32::MAX);
        let drained = tokio::time::timeout(DRAIN, slots.acquire_many(all)).await;
        if drained.is_err() {
            tracing::warn!("some requests did not finish in time");
        }
    }

    fn spawn(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        stop: watch::Receiver<bool>,
        slot: OwnedSemaphorePermit,
    ) {
        let connection = Connection {
            tls: self.tls.clone(),
            router: self.router.clone(),
            metrics: Arc::clone(&self.metrics),
            handshake: self.handshake,
            stop,
            _slot: slot,
        };
        tokio::spawn(async move {
            if let Err(error) = connection.serve(stream).await {
                tracing::debug!(%peer, %error, "connection ended");
            }
        });
    }
}

impl Connection {
    async fn serve(self, stream: TcpStream) -> Result<(), hyper::Error> {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "answers may be delayed by the kernel");
        }
        let accepted = tokio::time::timeout(self.handshake, self.tls.accept(stream)).await;
        let Ok(Ok(stream)) = accepted else {
            self.metrics.failed_handshakes.inc();
            return Ok(());
        };
        self.metrics.connections.inc();
        let served = self.serve_http(stream).await;
        self.metrics.connections.dec();
        served
    }

    async fn serve_http(&self, stream: TlsStream<TcpStream>) -> Result<(), hyper::Error> {
        let caller = caller_of(&stream);
        let service = service_fn(|request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(caller);
            let router = self.router.clone();
            async move {
                let answered: Result<_, Infallible> = router.oneshot(request).await;
                answered
            }
        });
        let http = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.handshake)
            .max_buf_size(MOST_HEAD_BYTES)
            .serve_connection(TokioIo::new(stream), service);
        tokio::pin!(http);
        let mut stop = self.stop.clone();
        tokio::select! {
            served = http.as_mut() => return served,
            _ = stop.wait_for(|stop| *stop) => http.as_mut().graceful_shutdown(),
        }
        http.await
    }
}

fn caller_of(stream: &TlsStream<TcpStream>) -> Caller {
    let (_, session) = stream.get_ref();
    let certificate = session.peer_certificates().and_then(|chain| chain.first());
    Caller(certificate.and_then(|found| key_hash_of(found).ok()))
}

const DRAIN: Duration = Duration::from_secs(10);
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Request line and headers together; also the read buffer of a connection.
const MOST_HEAD_BYTES: usize = 16 * 1024;
