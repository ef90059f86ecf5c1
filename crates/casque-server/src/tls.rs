//! TLS 1.3 with the server's own identity key, and client certificates by their public key.
//!
//! A client certificate needs no authority: what counts is the key, and that the handshake proved its
//! possession. Names and dates in it mean nothing here. Tickets and resumption are off, so that no
//! connection leaves state behind.

use std::sync::Arc;

use casque_secrets::{IdentityError, IdentityKey};
use casque_types::{Rng, Timestamp};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, ParsedCertificate};
use rustls::{DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use thiserror::Error;

/// Why TLS cannot be set up: a defect, or a provider that failed.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The own certificate could not be made.
    #[error("cannot make the server's certificate")]
    Certificate(#[from] IdentityError),
    /// The TLS library refuses the certificate or key.
    #[error("cannot set up TLS")]
    Tls(#[from] rustls::Error),
}

/// The TLS configuration of the listener.
pub(crate) fn server_config(
    identity: &IdentityKey,
    dns_names: &[String],
    now: Timestamp,
    rng: &dyn Rng,
) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let common_name = dns_names.first().map_or("casque", String::as_str);
    let certificate = identity.certificate(common_name, dns_names, now, rng)?;
    // rustls keeps the key for the life of the listener
    let key = PrivatePkcs8KeyDer::from(identity.pkcs8().expose().to_vec());
    let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(Arc::new(AnyClientKey::new(&provider)))
        .with_single_cert(
            vec![CertificateDer::from(certificate)],
            PrivateKeyDer::from(key),
        )?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Accepts every client certificate whose key the client proves to hold; none is accepted too.
#[derive(Debug)]
struct AnyClientKey {
    algorithms: WebPkiSupportedAlgorithms,
}

impl AnyClientKey {
    fn new(provider: &CryptoProvider) -> Self {
        Self {
            algorithms: provider.signature_verification_algorithms,
        }
    }
}

impl ClientCertVerifier for AnyClientKey {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        // who it is, its key says; whether that key may do something, the policy says
        ParsedCertificate::try_from(end_entity)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        casque_tls::refuse_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
