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
//! A document here is read and dated, not verified: an appraisal does that.

use std::fmt;
use std::sync::Arc;

use casque_appraise::{
    AmdEndorsementsId, IntelEndorsements, IntelEndorsementsId, IntelTee, PckAuthority, VcekId,
};
use casque_types::{SnpProduct, SnpSigner, SnpTcb, Timestamp};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use crate::x509;

/// Which document.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DocumentId {
    /// Intel's TCB information, QE identity and revocation lists.
    Intel(IntelEndorsementsId),
    /// The certificate of a VCEK.
    AmdVcek {
        /// The generation.
        product: SnpProduct,
        /// The key.
        vcek: VcekId,
    },
    /// Intermediate and root.
    AmdChain {
        /// The generation.
        product: SnpProduct,
        /// Over which kind of keys.
        signer: SnpSigner,
    },
    /// The revocation list.
    AmdCrl {
        /// The generation.
        product: SnpProduct,
        /// Over which kind of keys.
        signer: SnpSigner,
    },
}

/// Who publishes a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vendor {
    Intel,
    Amd,
}

impl DocumentId {
    /// All that a report of SEV-SNP needs, the certificate first.
    #[must_use]
    pub fn of_amd(id: &AmdEndorsementsId) -> Vec<Self> {
        let (product, signer) = (id.product, id.signer);
        let vcek = id.vcek.clone().filter(|_| signer == SnpSigner::Vcek);
        let vcek = vcek.map(|vcek| Self::AmdVcek { product, vcek });
        let crl = Self::AmdCrl { product, signer };
        let chain = Self::AmdChain { product, signer };
        vcek.into_iter().chain([crl, chain]).collect()
    }

    /// The word for its kind: `intel`, `amd-vcek`, `amd-chain`, `amd-crl`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Intel(_) => "intel",
            Self::AmdVcek { .. } => "amd-vcek",
            Self::AmdChain { .. } => "amd-chain",
            Self::AmdCrl { .. } => "amd-crl",
        }
    }

    /// What it is about, as a word that may stand in a file name: `sgx-00906ed50000-platform`,
    /// `milan-<chip>-3.0.8.115` (boot loader, TEE, SNP, microcode; on Turin FMC before them), `genoa-vcek`.
    #[must_use]
    pub fn subject(&self) -> String {
        match self {
            Self::Intel(id) => {
                let (tee, authority) = (id.tee.as_str(), id.authority.as_str());
                format!("{tee}-{}-{authority}", hex::encode(id.fmspc))
            }
            Self::AmdVcek { product, vcek } => {
                let (chip, tcb) = (hex::encode(&vcek.chip_id), tcb_text(vcek.tcb));
                format!("{}-{chip}-{tcb}", lower(*product))
            }
            Self::AmdChain { product, signer } | Self::AmdCrl { product, signer } => {
                format!("{}-{}", lower(*product), signer.as_str())
            }
        }
    }

    /// Reads what [`DocumentId::kind`] and [`DocumentId::subject`] write.
    #[must_use]
    pub fn parse(kind: &str, subject: &str) -> Option<Self> {
        let parts: Vec<&str> = subject.split('-').collect();
        let id = match (kind, parts.as_slice()) {
            ("intel", [tee, fmspc, authority]) => Self::Intel(IntelEndorsementsId {
                tee: tee_of(tee)?,
                fmspc: fmspc_of(fmspc)?,
                authority: authority_of(authority)?,
            }),
            ("amd-vcek", [product, chip, tcb]) => Self::AmdVcek {
                product: product.parse().ok()?,
                vcek: VcekId {
                    chip_id: chip_of(chip)?,
                    tcb: tcb_of(tcb)?,
                },
            },
            ("amd-chain", [product, signer]) => Self::AmdChain {
                product: product.parse().ok()?,
                signer: signer_of(signer)?,
            },
            ("amd-crl", [product, signer]) => Self::AmdCrl {
                product: product.parse().ok()?,
                signer: signer_of(signer)?,
            },
            _ => return None,
        };
        // One spelling for each, since it names a file.
        (id.subject() == subject).then_some(id)
    }

    /// How its bytes end in a file's name.
    pub(crate) const fn extension(&self) -> &'static str {
        match self {
            Self::Intel(_) => "json",
            Self::AmdVcek { .. } => "der",
            Self::AmdChain { .. } => "pem",
            Self::AmdCrl { .. } => "crl",
        }
    }

    /// A name for its file, without what it ends in.
    pub(crate) fn file_stem(&self) -> String {
        format!("{}-{}", self.kind(), self.subject())
    }

    pub(crate) const fn vendor(&self) -> Vendor {
        match self {
            Self::Intel(_) => Vendor::Intel,
            Self::AmdVcek { .. } | Self::AmdChain { .. } | Self::AmdCrl { .. } => Vendor::Amd,
        }
    }
}

impl fmt::Display for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), self.subject())
    }
}

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

/// The subject of a document is not the one that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    Malformed(Malformed),
    OtherPlatform { expected: String, found: String },
}

impl From<Malformed> for Unfit {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl Document {
    /// Reads the bytes of a file or of AMD's answers.
    pub(crate) fn parse(id: DocumentId, bytes: &[u8]) -> Result<Self, Unfit> {
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

    pub(crate) fn new(id: DocumentId, content: Content) -> Result<Self, Unfit> {
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

fn expect_for(id: IntelEndorsementsId, found: &IntelEndorsements) -> Result<(), Unfit> {
    let fmspc = found
        .fmspc()
        .map_err(|_| Malformed("TCB info with `fmspc`"))?;
    if fmspc == id.fmspc {
        return Ok(());
    }
    Err(Unfit::OtherPlatform {
        expected: format!("FMSPC {}", hex::encode_upper(id.fmspc)),
        found: hex::encode_upper(fmspc),
    })
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

fn chain_validity(chain: &[Vec<u8>]) -> Result<Validity, Malformed> {
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

fn certificates(pem: &[u8]) -> Result<Vec<Vec<u8>>, Malformed> {
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

fn lower(product: SnpProduct) -> String {
    product.as_str().to_ascii_lowercase()
}

fn tcb_text(tcb: SnpTcb) -> String {
    let SnpTcb {
        fmc,
        bootloader,
        tee,
        snp,
        microcode,
    } = tcb;
    let fmc = fmc.map(|fmc| format!("{fmc}.")).unwrap_or_default();
    format!("{fmc}{bootloader}.{tee}.{snp}.{microcode}")
}

/// Four numbers, or five with FMC first.
pub(crate) fn tcb_of(text: &str) -> Option<SnpTcb> {
    let numbers: Vec<u8> = text
        .split('.')
        .map(|part| part.parse().ok())
        .collect::<Option<_>>()?;
    let (fmc, rest) = match numbers.as_slice() {
        [fmc, rest @ ..] if rest.len() == 4 => (Some(*fmc), rest),
        rest => (None, rest),
    };
    let [bootloader, tee, snp, microcode] = *rest else {
        return None;
    };
    Some(SnpTcb {
        fmc,
        bootloader,
        tee,
        snp,
        microcode,
    })
}

pub(crate) fn chip_of(text: &str) -> Option<Vec<u8>> {
    let chip = hex::decode(text).ok()?;
    matches!(chip.len(), 8 | 64).then_some(chip)
}

pub(crate) fn fmspc_of(text: &str) -> Option<[u8; 6]> {
    let mut fmspc = [0; 6];
    hex::decode_to_slice(text, &mut fmspc).ok()?;
    Some(fmspc)
}

pub(crate) fn tee_of(text: &str) -> Option<IntelTee> {
    [IntelTee::Sgx, IntelTee::Tdx]
        .into_iter()
        .find(|tee| tee.as_str() == text)
}

pub(crate) fn authority_of(text: &str) -> Option<PckAuthority> {
    let mut all = [PckAuthority::Processor, PckAuthority::Platform].into_iter();
    all.find(|authority| authority.as_str() == text)
}

pub(crate) fn signer_of(text: &str) -> Option<SnpSigner> {
    [SnpSigner::Vcek, SnpSigner::Vlek]
        .into_iter()
        .find(|signer| signer.as_str() == text)
}

const DER_SEQUENCE: u8 = 0x30;
const MAX_CHAIN: usize = 4;
const CHAIN: &str = "one to four certificates in PEM";
const COLLATERAL: &str = "Intel's endorsements as JSON of `dcap-qvl`";

/// The JSON of Intel's endorsements.
mod raw {
    use casque_appraise::IntelEndorsements;
    use serde::{Deserialize, Serialize};

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
