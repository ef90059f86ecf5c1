//! TLS 1.3 by rustls: the other CAS is known by its public key, and so is this one.
//!
//! The names and dates of the certificate do not matter, its signature over the handshake does (RFC 8446
//! section 4.4.3).

use std::sync::Arc;

use casque_tls::{certified_key, key_hash_of, require_key};
use casque_types::{KeyHash, Secret};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

/// This CAS's own key and certificate, and how it speaks TLS.
#[derive(Debug)]
pub(crate) struct OwnTls {
    provider: Arc<CryptoProvider>,
    certified: Arc<CertifiedKey>,
    key_hash: KeyHash,
}

impl OwnTls {
    /// Of a certificate in DER and its private key in PKCS#8 DER.
    pub(crate) fn new(certificate: Vec<u8>, pkcs8: &Secret) -> Result<Self, rustls::Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key_hash = key_hash_of(&CertificateDer::from(certificate.as_slice()))?;
        let certified = certified_key(certificate, pkcs8)?;
        Ok(Self {
            provider,
            certified,
            key_hash,
        })
    }

    /// The hash of the own key.
    pub(crate) const fn key_hash(&self) -> &KeyHash {
        &self.key_hash
    }

    /// How to speak to the CAS whose key has the hash `server`.
    pub(crate) fn towards(&self, server: KeyHash) -> Result<ClientConfig, rustls::Error> {
        let verifier = PinnedKey {
            expected: server,
            algorithms: self.provider.signature_verification_algorithms,
        };
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(
                &self.certified,
            ))));
        // Each connection proves the server's key anew: a resumed one would not.
        config.resumption = Resumption::disabled();
        Ok(config)
    }
}

/// Accepts the certificate over one key, if the server proves to hold that key.
#[derive(Debug)]
struct PinnedKey {
    expected: KeyHash,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for PinnedKey {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        require_key(self.expected, key_hash_of(end_entity)?)?;
        Ok(ServerCertVerified::assertion())
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
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
