//! TLS 1.3 by rustls: who the server must be, and who the caller is.
//!
//! A pinned server is known by its public key: the certificate's names and dates do not matter, its
//! signature over the handshake does (RFC 8446 section 4.4.3).

use std::sync::{Arc, OnceLock};

use casque_tls::{certified_key, key_hash_of, require_key};
use casque_types::{KeyHash, Secret};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::ClientError;

/// How a server is known.
#[derive(Clone, Debug)]
pub enum ServerTrust {
    /// The public key in its TLS certificate has this hash.
    Pinned(KeyHash),
    /// TLS ends before the server, at an ingress whose certificate these authorities vouch for; what
    /// the server says is still checked by its signature, but the ingress sees requests in clear.
    CertificateAuthority {
        /// Certificates in PEM.
        authorities_pem: Vec<u8>,
        /// The server's own key hash.
        key_hash: KeyHash,
    },
    /// Any server: only to read an identity that is then pinned. The first key seen is the only one
    /// that later connections of the same client accept.
    DangerousUnpinned,
}

impl ServerTrust {
    /// The hash of the server's identity key, if it is known.
    #[must_use]
    pub const fn key_hash(&self) -> Option<&KeyHash> {
        match self {
            Self::Pinned(key_hash) | Self::CertificateAuthority { key_hash, .. } => Some(key_hash),
            Self::DangerousUnpinned => None,
        }
    }
}

/// The caller's identity: a key and a self-signed certificate over it.
#[derive(Debug)]
pub struct ClientIdentity(Arc<CertifiedKey>);

impl ClientIdentity {
    /// An identity of a certificate in DER and its private key in PKCS#8 DER.
    ///
    /// # Errors
    /// [`ClientError::Identity`] when the key is of no known type or not the certificate's.
    pub fn new(certificate: Vec<u8>, pkcs8: &Secret) -> Result<Self, ClientError> {
        let certified = certified_key(certificate, pkcs8);
        let certified = certified.map_err(|source| ClientError::Identity { source })?;
        Ok(Self(certified))
    }
}

/// What a server showed and proved to hold.
#[derive(Debug)]
pub(crate) struct ObservedServer {
    pub(crate) key_hash: KeyHash,
    /// DER.
    pub(crate) certificate: Vec<u8>,
}

/// What the verifier notes down for the client to ask about.
pub(crate) type Observed = Arc<OnceLock<ObservedServer>>;

/// A TLS configuration, and where the server's certificate will stand after a handshake.
pub(crate) fn client_config(
    trust: &ServerTrust,
    identity: Option<ClientIdentity>,
) -> Result<(Arc<ClientConfig>, Observed), ClientError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let observed = Observed::default();
    let verifier = IdentityVerifier {
        rule: rule_of(trust, &provider)?,
        algorithms: provider.signature_verification_algorithms,
        observed: Arc::clone(&observed),
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|source| ClientError::Identity { source })?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match identity {
        Some(ClientIdentity(key)) => {
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key)))
        }
        None => builder.with_no_client_auth(),
    };
    // Each connection proves the server's key anew: a resumed one would not.
    config.resumption = rustls::client::Resumption::disabled();
    Ok((Arc::new(config), observed))
}

fn rule_of(trust: &ServerTrust, provider: &Arc<CryptoProvider>) -> Result<Rule, ClientError> {
    match trust {
        ServerTrust::Pinned(key_hash) => Ok(Rule::Key(*key_hash)),
        ServerTrust::DangerousUnpinned => Ok(Rule::FirstSeen),
        ServerTrust::CertificateAuthority {
            authorities_pem, ..
        } => {
            let roots = parse_authorities(authorities_pem)?;
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
                .build()
                .map(Rule::Authorities)
                .map_err(|_| ClientError::CertificateAuthority)
        }
    }
}

fn parse_authorities(pem: &[u8]) -> Result<RootCertStore, ClientError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| ClientError::CertificateAuthority)?;
        roots
            .add(certificate)
            .map_err(|_| ClientError::CertificateAuthority)?;
    }
    if roots.is_empty() {
        return Err(ClientError::CertificateAuthority);
    }
    Ok(roots)
}

#[derive(Debug)]
enum Rule {
    Key(KeyHash),
    FirstSeen,
    Authorities(Arc<WebPkiServerVerifier>),
}

#[derive(Debug)]
struct IdentityVerifier {
    rule: Rule,
    algorithms: WebPkiSupportedAlgorithms,
    observed: Observed,
}

impl ServerCertVerifier for IdentityVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let found = key_hash_of(end_entity)?;
        match &self.rule {
            Rule::Key(expected) => require_key(*expected, found)?,
            Rule::FirstSeen => {
                let seen = self.observed.get().map(|seen| seen.key_hash);
                require_key(seen.unwrap_or(found), found)?;
            }
            Rule::Authorities(verifier) => {
                return verifier.verify_server_cert(
                    end_entity,
                    intermediates,
                    server_name,
                    ocsp_response,
                    now,
                );
            }
        }
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
        let proof = rustls::crypto::verify_tls13_signature(message, cert, dss, &self.algorithms)?;
        // Not before: until here the server may have shown a key that it does not hold.
        let found = key_hash_of(cert)?;
        self.observed.get_or_init(|| ObservedServer {
            key_hash: found,
            certificate: cert.to_vec(),
        });
        Ok(proof)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
