//! One document that a vendor publishes: what it is about, what it says, and from when until when.
//!
//! | kind | of | bytes |
//! |---|---|---|
//! | `intel` | a TEE, a family of platforms and an authority: four documents that are of use together | JSON, below |
//! | `amd-vcek` | one processor at one level | DER certificate |
//! | `amd-chain` | a generation and a kind of key: its intermediate and its root | PEM certificates |
//! | `amd-crl` | a generation and a kind of key | DER revocation list |
//!
//! Intel's four stand in one JSON object with the members `pck_crl_issuer_chain`, `root_ca_crl`, `pck_crl`,
//! `tcb_info_issuer_chain`, `tcb_info`, `tcb_info_signature`, `qe_identity_issuer_chain`, `qe_identity`,
//! `qe_identity_signature`; bytes are hexadecimal digits. That is the form of the crate `dcap-qvl`, so that
//! files can be exchanged with its users.
//!
//! A document here is read and dated, not verified: `keeper` does that, and every appraisal.

use std::sync::Arc;

use casque_appraise::{IntelEndorsements, IntelEndorsementsId, PckAuthority};
use casque_types::Timestamp;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use thiserror::Error;

use crate::document_id::{DocumentId, tee_of};
use crate::x509;

/// A document, dated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    id: DocumentId,
    content: Content,
    validity: Validity,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Intel(Arc<IntelEndorsements>),
    Certificate(Vec<u8>),
    Chain(Vec<Vec<u8>>),
    Crl(Vec<u8>),
}

/// From when until when a document says that it is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first second.
    pub from: Timestamp,
    /// The last second.
    pub until: Timestamp,
    /// What ends then, of several: a phrase such as `Intel's QE identity`.
    pub ends: String,
}

/// What bytes are not: a phrase that follows "expected".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

/// Why bytes are not the document that they should be.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DocumentError {
    /// They are something else.
    #[error("expected {expected}")]
    Malformed {
        /// What should have stood there.
        expected: &'static str,
    },
    /// They are about another platform.
    #[error("expected a document about {expected}, found one about {found}")]
    OtherPlatform {
        /// The platform that the id names.
        expected: String,
        /// The platform that the document names.
        found: String,
    },
}

impl From<Malformed> for DocumentError {
    fn from(Malformed(expected): Malformed) -> Self {
        Self::Malformed { expected }
    }
}

impl Document {
    /// Reads a document as [`Document::to_bytes`] writes it; certificates in DER or PEM.
    ///
    /// # Errors
    /// [`DocumentError`] when the bytes are something else, state no dates, or are about another platform.
    pub fn from_bytes(id: DocumentId, bytes: &[u8]) -> Result<Self, DocumentError> {
        let content = match &id {
            DocumentId::Intel(_) => {
                let endorsements = raw::Collateral::parse(bytes).ok_or(Malformed(COLLATERAL))?;
                Content::Intel(Arc::new(endorsements))
            }
            DocumentId::AmdVcek { .. } => Content::Certificate(one_certificate(bytes)?),
            DocumentId::AmdChain { .. } => Content::Chain(certificates(bytes)?),
            DocumentId::AmdCrl { .. } => Content::Crl(bytes.to_vec()),
        };
        Self::new(id, content)
    }

    /// Intel's, where nothing beside it says what it is about: it says so itself.
    pub(crate) fn of_collateral(bytes: &[u8]) -> Result<Self, Malformed> {
        let endorsements = raw::Collateral::parse(bytes).ok_or(Malformed(COLLATERAL))?;
        let named =
            Malformed("TCB info with `fmspc` and `id`, and a revocation list of a PCK authority");
        let tcb_info: raw::TcbInfo =
            serde_json::from_str(&endorsements.tcb_info).map_err(|_| named)?;
        let issuer = x509::crl_name(&endorsements.pck_crl)?;
        let id = IntelEndorsementsId {
            tee: tee_of(&tcb_info.id.to_ascii_lowercase()).ok_or(named)?,
            fmspc: endorsements.fmspc().map_err(|_| named)?,
            // `Intel SGX PCK Platform CA`, `Intel SGX PCK Processor CA`.
            authority: match issuer.to_ascii_lowercase() {
                name if name.contains("platform") => PckAuthority::Platform,
                name if name.contains("processor") => PckAuthority::Processor,
                _ => return Err(named),
            },
        };
        let validity = intel_validity(&endorsements)?;
        Ok(Self {
            id: DocumentId::Intel(id),
            content: Content::Intel(Arc::new(endorsements)),
            validity,
        })
    }

    pub(crate) fn new(id: DocumentId, content: Content) -> Result<Self, DocumentError> {
        let validity = match (&id, &content) {
            (DocumentId::Intel(id), Content::Intel(endorsements)) => {
                expect_for(*id, endorsements)?;
                intel_validity(endorsements)?
            }
            (_, Content::Certificate(der)) => x509::certificate_validity(der)?,
            (_, Content::Chain(chain)) => chain_validity(chain)?,
            (_, Content::Crl(der)) => x509::crl_validity(der)?,
            (_, Content::Intel(_)) => return Err(Malformed("a document of AMD").into()),
        };
        Ok(Self {
            id,
            content,
            validity,
        })
    }

    /// What it is about.
    #[must_use]
    pub const fn id(&self) -> &DocumentId {
        &self.id
    }

    /// From when until when.
    #[must_use]
    pub const fn validity(&self) -> &Validity {
        &self.validity
    }

    pub(crate) const fn content(&self) -> &Content {
        &self.content
    }

    pub(crate) fn is_in_force(&self, now: Timestamp) -> bool {
        (self.validity.from..=self.validity.until).contains(&now)
    }

    /// Its bytes in a file; the same for the same document.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match &self.content {
            Content::Intel(endorsements) => raw::Collateral::render(endorsements),
            Content::Certificate(der) | Content::Crl(der) => der.clone(),
            Content::Chain(chain) => chain
                .iter()
                .map(|der| x509::pem(der))
                .collect::<String>()
                .into(),
        }
    }
}

fn expect_for(id: IntelEndorsementsId, found: &IntelEndorsements) -> Result<(), DocumentError> {
    let fmspc = found
        .fmspc()
        .map_err(|_| Malformed("TCB info with `fmspc`"))?;
    if fmspc != id.fmspc {
        return Err(DocumentError::OtherPlatform {
            expected: format!("FMSPC {}", hex::encode_upper(id.fmspc)),
            found: hex::encode_upper(fmspc),
        });
    }
    let tee: raw::TcbInfo = serde_json::from_str(&found.tcb_info)
        .map_err(|_| Malformed("TCB info with `id`, `SGX` or `TDX`"))?;
    if tee.id != id.tee.as_str().to_ascii_uppercase() {
        return Err(DocumentError::OtherPlatform {
            expected: id.tee.as_str().to_ascii_uppercase(),
            found: tee.id,
        });
    }
    Ok(())
}

fn intel_validity(endorsements: &IntelEndorsements) -> Result<Validity, Malformed> {
    let all = endorsements.validity();
    let all =
        all.map_err(|_| Malformed("documents that state from when until when they are in force"))?;
    Ok(Validity {
        from: all.from,
        until: all.until,
        ends: all.first_to_expire.to_string(),
    })
}

pub(crate) fn chain_validity(chain: &[Vec<u8>]) -> Result<Validity, Malformed> {
    let mut all = chain.iter().map(|der| x509::certificate_validity(der));
    let first = all.next().ok_or(Malformed(CHAIN))??;
    all.try_fold(first, |so_far, next| {
        let next = next?;
        Ok(Validity {
            from: so_far.from.max(next.from),
            until: so_far.until.min(next.until),
            ends: so_far.ends,
        })
    })
}

/// DER, or PEM with one certificate at its beginning (Azure's cache writes the chain after it).
fn one_certificate(bytes: &[u8]) -> Result<Vec<u8>, Malformed> {
    if bytes.first() == Some(&DER_SEQUENCE) {
        return Ok(bytes.to_vec());
    }
    let first = CertificateDer::pem_slice_iter(bytes).next();
    let first = first.and_then(Result::ok);
    first
        .map(|der| der.to_vec())
        .ok_or(Malformed("a certificate in DER or PEM"))
}

pub(crate) fn certificates(pem: &[u8]) -> Result<Vec<Vec<u8>>, Malformed> {
    let mut chain = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| Malformed(CHAIN))?;
        if chain.len() == MAX_CHAIN {
            return Err(Malformed(CHAIN));
        }
        chain.push(certificate.to_vec());
    }
    Ok(chain)
}

const DER_SEQUENCE: u8 = 0x30;
const MAX_CHAIN: usize = 4;
const CHAIN: &str = "one to four certificates in PEM";
const COLLATERAL: &str = "Intel's endorsements as JSON of `dcap-qvl`";

/// The JSON of Intel's endorsements.
mod raw {
    use casque_appraise::IntelEndorsements;
    use serde::{Deserialize, Serialize};

    /// What the TCB info is for. Version 2 does not say it: that was SGX's alone.
    #[derive(Deserialize)]
    pub(super) struct TcbInfo {
        #[serde(default = "sgx")]
        pub(super) id: String,
    }

    fn sgx() -> String {
        "SGX".to_owned()
    }

    #[derive(Serialize, Deserialize)]
    pub(super) struct Collateral {
        pck_crl_issuer_chain: String,
        root_ca_crl: String,
        pck_crl: String,
        tcb_info_issuer_chain: String,
        tcb_info: String,
        tcb_info_signature: String,
        qe_identity_issuer_chain: String,
        qe_identity: String,
        qe_identity_signature: String,
    }

    impl Collateral {
        pub(super) fn parse(bytes: &[u8]) -> Option<IntelEndorsements> {
            let raw: Self = serde_json::from_slice(bytes).ok()?;
            Some(IntelEndorsements {
                tcb_info_issuer_chain: raw.tcb_info_issuer_chain,
                tcb_info: raw.tcb_info,
                tcb_info_signature: hex::decode(raw.tcb_info_signature).ok()?,
                qe_identity_issuer_chain: raw.qe_identity_issuer_chain,
                qe_identity: raw.qe_identity,
                qe_identity_signature: hex::decode(raw.qe_identity_signature).ok()?,
                pck_crl_issuer_chain: raw.pck_crl_issuer_chain,
                pck_crl: hex::decode(raw.pck_crl).ok()?,
                root_ca_crl: hex::decode(raw.root_ca_crl).ok()?,
            })
        }

        pub(super) fn render(of: &IntelEndorsements) -> Vec<u8> {
            let raw = Self {
                pck_crl_issuer_chain: of.pck_crl_issuer_chain.clone(),
                root_ca_crl: hex::encode(&of.root_ca_crl),
                pck_crl: hex::encode(&of.pck_crl),
                tcb_info_issuer_chain: of.tcb_info_issuer_chain.clone(),
                tcb_info: of.tcb_info.clone(),
                tcb_info_signature: hex::encode(&of.tcb_info_signature),
                qe_identity_issuer_chain: of.qe_identity_issuer_chain.clone(),
                qe_identity: of.qe_identity.clone(),
                qe_identity_signature: hex::encode(&of.qe_identity_signature),
            };
            crate::json::pretty(&raw)
        }
    }
}
