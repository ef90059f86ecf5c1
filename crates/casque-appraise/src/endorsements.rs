//! What vendors and issuers state, parsed and not yet verified; and the keys that we decide to believe.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::signature::ParsedPublicKey;
use casque_types::{SnpProduct, SnpSigner, SnpTcb, Timestamp, strict_json};
use der::{DateTime, Decode as _};
use thiserror::Error;
use x509_cert::Certificate;
use x509_cert::crl::CertificateList;

use crate::IntelEndorsement;

/// Which of Intel's certification authorities issued a PCK certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PckAuthority {
    /// Intel SGX PCK Processor CA.
    Processor,
    /// Intel SGX PCK Platform CA.
    Platform,
}

impl PckAuthority {
    /// The word in a request to Intel's PCS: `processor` or `platform`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Processor => "processor",
            Self::Platform => "platform",
        }
    }
}

/// Which endorsements a piece of evidence needs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum EndorsementsId {
    /// Intel's.
    Intel(IntelEndorsementsId),
    /// AMD's.
    Amd(AmdEndorsementsId),
}

/// The endorsements at hand; whichever the evidence needs must be there.
#[derive(Clone, Debug, Default)]
pub struct Endorsements {
    /// Intel's, for SGX and TDX quotes.
    pub intel: Option<Arc<IntelEndorsements>>,
    /// AMD's, for reports of SEV-SNP.
    pub amd: Option<Arc<AmdEndorsements>>,
}

/// Which endorsements a report of SEV-SNP needs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AmdEndorsementsId {
    /// The generation, which names root, intermediate and revocation list.
    pub product: SnpProduct,
    /// Which kind of key signed the report.
    pub signer: SnpSigner,
    /// The certificate of that key, if the evidence does not bring it. A VLEK's cannot be fetched.
    pub vcek: Option<VcekId>,
}

/// A VCEK: of one processor at one level.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VcekId {
    /// 64 bytes, 8 on Turin.
    pub chip_id: Vec<u8>,
    /// The level.
    pub tcb: SnpTcb,
}

/// What AMD states; all DER, unverified until an appraisal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AmdEndorsements {
    /// The certificate of the VCEK, if it was asked for.
    pub vcek: Option<Vec<u8>>,
    /// Certificates of the intermediate (ASK, ASVK) and of the root (ARK), at most 16; where there are none, those
    /// that are built in count. Where there are some, the authority over the key must be among them, issued by the
    /// built-in root, and a root must be AMD's.
    pub chain: Vec<Vec<u8>>,
    /// The revocation list, which the root signs. Where it is missing, revocation is not judged, and the
    /// appraisal's claims say so.
    pub crl: Option<Vec<u8>>,
}

/// Of which of Intel's TEEs endorsements speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum IntelTee {
    /// SGX.
    Sgx,
    /// TDX.
    Tdx,
}

impl IntelTee {
    /// `sgx` or `tdx`, as in paths of Intel's PCS.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sgx => "sgx",
            Self::Tdx => "tdx",
        }
    }
}

/// Which endorsements a quote needs: the key of the endorsement cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IntelEndorsementsId {
    /// Of which TEE.
    pub tee: IntelTee,
    /// The platform's family, model, stepping, platform and custom SKU (6 bytes).
    pub fmspc: [u8; 6],
    /// The authority whose revocation list is needed.
    pub authority: PckAuthority,
}

/// TCB info, QE identity and revocation lists as Intel's PCS serves them.
///
/// The texts are kept as received: signatures go over their bytes. Unverified until an appraisal.
#[derive(Clone, PartialEq, Eq)]
pub struct IntelEndorsements {
    /// PEM chain of the TCB info's signer (header `TCB-Info-Issuer-Chain`).
    pub tcb_info_issuer_chain: String,
    /// The JSON text of the member `tcbInfo`.
    pub tcb_info: String,
    /// Its signature.
    pub tcb_info_signature: Vec<u8>,
    /// PEM chain of the QE identity's signer.
    pub qe_identity_issuer_chain: String,
    /// The JSON text of the member `enclaveIdentity`.
    pub qe_identity: String,
    /// Its signature.
    pub qe_identity_signature: Vec<u8>,
    /// PEM chain of the PCK revocation list's signer.
    pub pck_crl_issuer_chain: String,
    /// The PCK revocation list, DER.
    pub pck_crl: Vec<u8>,
    /// The root's revocation list, DER.
    pub root_ca_crl: Vec<u8>,
}

impl fmt::Debug for IntelEndorsements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntelEndorsements").finish_non_exhaustive()
    }
}

impl IntelEndorsements {
    /// The platform family that the TCB info says it is for; unverified.
    ///
    /// # Errors
    /// [`EndorsementsParseError::Malformed`] when the TCB info cannot be read.
    pub fn fmspc(&self) -> Result<[u8; 6], EndorsementsParseError> {
        let expected = malformed(TCB_INFO, "`fmspc`, 12 hexadecimal digits");
        let raw: raw::TcbInfo =
            strict_json::from_str(&self.tcb_info).map_err(|_| expected.clone())?;
        let mut fmspc = [0; 6];
        hex::decode_to_slice(raw.fmspc, &mut fmspc).map_err(|_| expected)?;
        Ok(fmspc)
    }

    /// From when until when one document says that it is in force, unverified; for the signers' chains the span that
    /// is common to their certificates. `None` where that cannot be read.
    pub(crate) fn window(&self, document: IntelEndorsement) -> Option<(Timestamp, Timestamp)> {
        match document {
            IntelEndorsement::TcbInfo => json_window(TCB_INFO, &self.tcb_info).ok(),
            IntelEndorsement::QeIdentity => json_window("QE identity", &self.qe_identity).ok(),
            IntelEndorsement::PckCrl => crl_window("PCK revocation list", &self.pck_crl).ok(),
            IntelEndorsement::RootCrl => crl_window("root revocation list", &self.root_ca_crl).ok(),
            IntelEndorsement::SignerChain => {
                let chains = [&self.tcb_info_issuer_chain, &self.qe_identity_issuer_chain];
                chains
                    .into_iter()
                    .flat_map(|pem| certificate_windows(pem))
                    .reduce(common)
            }
        }
    }

    /// From when until when all four dated documents say that they are in force; unverified.
    ///
    /// The signers' certificates have lives of their own, which are years: an appraisal judges them.
    ///
    /// # Errors
    /// [`EndorsementsParseError::Malformed`] when a document cannot be read or states no end.
    pub fn validity(&self) -> Result<IntelEndorsementsValidity, EndorsementsParseError> {
        let windows = [
            (
                IntelEndorsement::TcbInfo,
                json_window(TCB_INFO, &self.tcb_info)?,
            ),
            (
                IntelEndorsement::QeIdentity,
                json_window("QE identity", &self.qe_identity)?,
            ),
            (
                IntelEndorsement::PckCrl,
                crl_window("PCK revocation list", &self.pck_crl)?,
            ),
            (
                IntelEndorsement::RootCrl,
                crl_window("root revocation list", &self.root_ca_crl)?,
            ),
        ];
        let [(document, (from, until)), others @ ..] = windows;
        let all = IntelEndorsementsValidity {
            from,
            until,
            first_to_expire: document,
        };
        Ok(others
            .into_iter()
            .fold(all, IntelEndorsementsValidity::narrowed))
    }
}

/// When a set of endorsements is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntelEndorsementsValidity {
    /// The latest beginning.
    pub from: Timestamp,
    /// The earliest end; the last second in which it is in force.
    pub until: Timestamp,
    /// Whose end that is.
    pub first_to_expire: IntelEndorsement,
}

impl IntelEndorsementsValidity {
    fn narrowed(
        self,
        (document, (from, until)): (IntelEndorsement, (Timestamp, Timestamp)),
    ) -> Self {
        let (until, first_to_expire) = if until < self.until {
            (until, document)
        } else {
            (self.until, self.first_to_expire)
        };
        Self {
            from: self.from.max(from),
            until,
            first_to_expire,
        }
    }
}

fn json_window(
    document: &'static str,
    text: &str,
) -> Result<(Timestamp, Timestamp), EndorsementsParseError> {
    let expected = malformed(
        document,
        "`issueDate` and `nextUpdate` such as `2026-11-23T08:30:00Z`",
    );
    let raw: raw::Dated = strict_json::from_str(text).map_err(|_| expected.clone())?;
    let read = |text: &str| text.parse::<DateTime>().map(timestamp_of);
    match (read(&raw.issue_date), read(&raw.next_update)) {
        (Ok(from), Ok(until)) => Ok((from, until)),
        _ => Err(expected),
    }
}

fn crl_window(
    document: &'static str,
    der: &[u8],
) -> Result<(Timestamp, Timestamp), EndorsementsParseError> {
    let crl = CertificateList::<x509_cert::certificate::Rfc5280>::from_der(der)
        .map_err(|_| malformed(document, "a revocation list in DER"))?;
    let list = crl.tbs_cert_list;
    let next_update = list
        .next_update
        .ok_or(malformed(document, "a next update"))?;
    Ok((
        timestamp_of(list.this_update.to_date_time()),
        timestamp_of(next_update.to_date_time()),
    ))
}

/// Of each certificate, none if the text is no chain of certificates.
fn certificate_windows(pem: &str) -> Vec<(Timestamp, Timestamp)> {
    let chain = Certificate::load_pem_chain(pem.as_bytes()).unwrap_or_default();
    let window = |certificate: &Certificate| {
        let validity = certificate.tbs_certificate().validity();
        let timestamp = |time: x509_cert::time::Time| timestamp_of(time.to_date_time());
        (
            timestamp(validity.not_before),
            timestamp(validity.not_after),
        )
    };
    chain.iter().map(window).collect()
}

fn common(
    (from, until): (Timestamp, Timestamp),
    (other_from, other_until): (Timestamp, Timestamp),
) -> (Timestamp, Timestamp) {
    (from.max(other_from), until.min(other_until))
}

fn timestamp_of(time: DateTime) -> Timestamp {
    Timestamp::from_unix_s(time.unix_duration().as_secs())
}

const fn malformed(document: &'static str, expected: &'static str) -> EndorsementsParseError {
    EndorsementsParseError::Malformed { document, expected }
}

const TCB_INFO: &str = "TCB info";

/// The members that are read here, of the JSON as Intel signs it.
mod raw {
    use serde::Deserialize;

    #[derive(Deserialize)]
    pub(super) struct TcbInfo {
        pub(super) fmspc: String,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Dated {
        pub(super) issue_date: String,
        pub(super) next_update: String,
    }
}

/// The signing keys that a Microsoft Azure Attestation instance publishes under `<url>/certs`.
#[derive(Clone, Debug)]
pub struct MaaKeys {
    pub(crate) keys: Vec<(String, MaaKey)>,
}

/// One signing key: RSA, from the first certificate of `x5c`, or without one from its numbers.
#[derive(Clone, Debug)]
pub(crate) struct MaaKey {
    /// The key, ready to verify with.
    pub(crate) public_key: ParsedPublicKey,
    /// Length of the modulus.
    pub(crate) modulus_bits: u32,
    /// The certificate, DER; it may hold evidence that the key is in a TEE.
    pub(crate) certificate: Option<Arc<[u8]>>,
}

/// Why bytes are no endorsements.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum EndorsementsParseError {
    /// More bytes than accepted.
    #[error("{document}: expected at most {limit_bytes} bytes, found {found_bytes}")]
    TooLong {
        /// Which document.
        document: &'static str,
        /// The limit.
        limit_bytes: usize,
        /// How many there are.
        found_bytes: usize,
    },
    /// The layout is not the document's.
    #[error("{document}: expected {expected}")]
    Malformed {
        /// Which document.
        document: &'static str,
        /// What should have stood there.
        expected: &'static str,
    },
}

/// The root keys that are believed. Injected: production uses [`TrustAnchors::vendors`], the software TEE
/// its own; no configuration file can name one.
#[derive(Clone, Debug)]
pub struct TrustAnchors {
    /// Root of Intel's SGX provisioning certificates, DER; `None` is Intel's own, built in.
    pub(crate) sgx_root: Option<Vec<u8>>,
    /// AMD's roots with their intermediates by generation; `None` are AMD's own, built in.
    pub(crate) amd: Option<Vec<AmdAnchor>>,
    /// Root of the certificates of virtual TPMs' attestation keys, DER; `None` is Azure's own, built in.
    pub(crate) azure_vtpm_root: Option<Vec<u8>>,
    /// Who may issue references of utility virtual machines: `did:x509:…`; `None` are Microsoft's own.
    pub(crate) uvm_issuers: Option<Vec<String>>,
}

/// The root of one generation of AMD's processors, and its intermediates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AmdAnchor {
    /// The generation.
    pub product: SnpProduct,
    /// Certificate of the root (ARK), DER.
    pub ark: Vec<u8>,
    /// Certificate of the authority over VCEKs (ASK), DER.
    pub ask: Vec<u8>,
    /// Certificate of the authority over VLEKs (ASVK), DER.
    pub asvk: Vec<u8>,
}

impl TrustAnchors {
    /// The vendors' own roots.
    #[must_use]
    pub const fn vendors() -> Self {
        Self {
            sgx_root: None,
            amd: None,
            azure_vtpm_root: None,
            uvm_issuers: None,
        }
    }

    /// Another root for SGX and TDX, for the software TEE alone.
    #[must_use]
    pub fn dangerous_with_sgx_root(self, root_der: Vec<u8>) -> Self {
        Self {
            sgx_root: Some(root_der),
            ..self
        }
    }

    /// Other roots for SEV-SNP, for the software TEE alone.
    #[must_use]
    pub fn dangerous_with_amd(self, anchors: Vec<AmdAnchor>) -> Self {
        Self {
            amd: Some(anchors),
            ..self
        }
    }

    /// Another root for the attestation keys of virtual TPMs, for the software TEE alone.
    #[must_use]
    pub fn dangerous_with_azure_vtpm_root(self, root_der: Vec<u8>) -> Self {
        Self {
            azure_vtpm_root: Some(root_der),
            ..self
        }
    }

    /// Other issuers of references of utility virtual machines, for the software TEE alone.
    #[must_use]
    pub fn dangerous_with_uvm_issuers(self, issuers: Vec<String>) -> Self {
        Self {
            uvm_issuers: Some(issuers),
            ..self
        }
    }
}
