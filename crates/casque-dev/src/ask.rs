//! A small HTTPS client for the local Azure: one request on one connection, under its own authority.
//!
//! For this program's own questions and its tests; not for a product.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{HeaderMap, Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// A client that believes one authority.
#[derive(Clone)]
pub struct Asker(TlsConnector);

/// What was answered.
#[derive(Debug)]
pub struct Answered {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum AskError {
    /// The authority's file is no certificate.
    #[error("expected a certificate in PEM in the CA file")]
    Ca(#[from] rustls_pki_types::pem::Error),
    /// TLS refused the authority or the protocol version.
    #[error("TLS could not be set up")]
    Tls(#[from] rustls::Error),
    /// Not `https://localhost:<port>/...`.
    #[error("expected an address such as `https://localhost:8443/path`, found `{found}`")]
    Address {
        /// What was found.
        found: String,
    },
    /// The connection failed.
    #[error("no connection")]
    Connect(#[from] std::io::Error),
    /// The exchange failed.
    #[error("the exchange failed")]
    Exchange(#[from] hyper::Error),
    /// The request could not be written.
    #[error("the request could not be written")]
    Request(#[from] hyper::http::Error),
}

impl Asker {
    /// A client that believes the authority in a PEM file.
    ///
    /// # Errors
    /// [`AskError`] when the file is none.
    pub fn new(ca_file: &Path) -> Result<Self, AskError> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(ca_file)?)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    /// Sends one request and reads the whole answer.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn ask(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Answered, AskError> {
        let address = || AskError::Address {
            found: url.to_owned(),
        };
        let uri: Uri = url.parse().map_err(|_| address())?;
        let authority = uri.authority().ok_or_else(address)?;
        let host = authority.host().to_owned();
        let stream =
            TcpStream::connect((host.as_str(), authority.port_u16().unwrap_or(443))).await?;
        let name = ServerName::try_from(host).map_err(|_| address())?;
        let stream = self.0.connect(name, stream).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", authority.as_str());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = sender
            .send_request(request.body(Full::new(body.into()))?)
            .await?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        connection.abort();
        Ok(Answered {
            status: parts.status,
            headers: parts.headers,
            body,
        })
    }
}
