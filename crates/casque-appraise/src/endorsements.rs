//! What vendors and issuers state, parsed and not yet verified; and the keys that we decide to believe.

use std::fmt;

use thiserror::Error;

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

/// Which endorsements an SGX quote needs: the key of the endorsement cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SgxEndorsementsId {
    /// The platform's family, model, stepping, platform and custom SKU (6 bytes).
    pub fmspc: [u8; 6],
    /// The authority whose revocation list is needed.
    pub authority: PckAuthority,
}

/// TCB info, QE identity and revocation lists as Intel's PCS serves them.
///
/// The texts are kept as received: signatures go over their bytes. Unverified until an appraisal.
#[derive(Clone, PartialEq, Eq)]
pub struct SgxEndorsements {
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

impl fmt::Debug for SgxEndorsements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SgxEndorsements").finish_non_exhaustive()
    }
}

/// The signing keys that a Microsoft Azure Attestation instance publishes under `<url>/certs`.
#[derive(Clone, Debug)]
pub struct MaaKeys {
    pub(crate) keys: Vec<(String, MaaKey)>,
}

/// One signing key: RSA, from the first certificate of `x5c`.
#[derive(Clone, Debug)]
pub(crate) struct MaaKey {
    /// PKCS#1 `RSAPublicKey`, DER.
    pub(crate) public_key: Vec<u8>,
    /// Length of the modulus.
    pub(crate) modulus_bits: u32,
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
}

impl TrustAnchors {
    /// The vendors' own roots.
    #[must_use]
    pub const fn vendors() -> Self {
        Self { sgx_root: None }
    }

    /// Another root for SGX, for the software TEE alone.
    #[must_use]
    pub const fn dangerous_with_sgx_root(root_der: Vec<u8>) -> Self {
        Self {
            sgx_root: Some(root_der),
        }
    }
}
