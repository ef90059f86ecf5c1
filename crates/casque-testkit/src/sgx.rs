//! A software TEE of Intel's kind: true quotes, endorsements and certificates under a root of its own.
//!
//! What it makes has the exact formats of Intel's (quote version 3, PCK certificates, TCB info version 3,
//! enclave identity version 2, revocation lists), so any DCAP verifier that is given its root accepts it.
//! TDX quotes under the same root are made in [`crate::tdx`].
//! It protects nothing: the keys lie in ordinary memory, and its measurement is a claim of the program
//! that uses it. That is why it is linked by tests and by `casque-dev` alone.
//!
//! Source: Intel SGX ECDSA QuoteLib reference (quote layout), Intel SGX PCK Certificate and CRL
//! Specification, Intel PCS API version 4.

mod endorse;
mod measure;
mod pck_extension;
pub(crate) mod pki;
pub(crate) mod quote;
mod spec;
mod stored;

use std::sync::Mutex;

use casque_appraise::{IntelEndorsementsId, IntelTee, PckAuthority};
use casque_types::{Digest, Secret, Timestamp};
use thiserror::Error;

pub use endorse::PcsDocuments;
pub(crate) use measure::digest_of;
pub use measure::{measure_program, software_identity, software_signer};
pub use quote::{QuoteFlaw, QuoteSpec};
pub use spec::{EndorsementSpec, Standing, TdxModuleSpec};

use pki::Certified;

/// A platform made of software, with the keys of everybody who vouches for it.
#[derive(Debug)]
pub struct SoftwareTee {
    platform: SgxPlatform,
    created: Timestamp,
    root: Certified,
    authority: Certified,
    pck: Certified,
    tcb_signer: Certified,
    pub(crate) attestation_key: Secret,
    /// Signatures of the platform over reports of its quoting enclaves, by the digest of the report.
    certified: Mutex<Vec<(Digest<32>, [u8; 64])>>,
}

/// What a platform is: the contents of the SGX extension of its PCK certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SgxPlatform {
    /// Who issues its PCK certificate.
    pub authority: PckAuthority,
    /// Its family, model, stepping, platform and custom SKU.
    pub fmspc: [u8; 6],
    /// Its security version: `CPUSVN`, and the sixteen TCB components alike.
    pub cpu_svn: [u8; 16],
    /// Security version of its provisioning certification enclave.
    pub pce_svn: u16,
}

impl Default for SgxPlatform {
    fn default() -> Self {
        Self {
            authority: PckAuthority::Processor,
            fmspc: *b"\x00CASQ\x01",
            cpu_svn: [11, 11, 2, 2, 255, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            pce_svn: 13,
        }
    }
}

/// Why the software TEE could not make something, or is none.
#[derive(Debug, Error)]
pub enum SoftwareTeeError {
    /// The crypto provider made or took no key.
    #[error("the crypto provider did not make or accept a key")]
    Key,
    /// A certificate or revocation list could not be issued.
    #[error("a certificate or revocation list could not be issued")]
    Issue(#[from] rcgen::Error),
    /// The SGX extension could not be written.
    #[error("the SGX extension of the PCK certificate could not be written")]
    Extension(#[from] der::Error),
    /// A time that X.509 cannot say.
    #[error("expected a time before the year 10000, found {found}")]
    Time {
        /// The time.
        found: Timestamp,
    },
    /// A part is longer than its length field can say.
    #[error("a part of the quote is longer than its length field can say")]
    TooLong,
    /// Stored bytes that no software TEE wrote.
    #[error("expected what `SoftwareTee::to_bytes` wrote")]
    Stored,
}

impl SoftwareTee {
    /// Makes a platform of the default kind with fresh keys; its certificates are good from a day before
    /// `now` for twenty years.
    ///
    /// # Errors
    /// [`SoftwareTeeError`]: the provider failed, or `now` is past the year 9979.
    pub fn generate(now: Timestamp) -> Result<Self, SoftwareTeeError> {
        Self::generate_platform(SgxPlatform::default(), now)
    }

    /// Makes a platform of this kind; see [`SoftwareTee::generate`].
    ///
    /// # Errors
    /// As [`SoftwareTee::generate`].
    pub fn generate_platform(
        platform: SgxPlatform,
        now: Timestamp,
    ) -> Result<Self, SoftwareTeeError> {
        let root = pki::issue_root(now)?;
        let authority = pki::issue_authority(platform.authority, &root, now)?;
        let pck = pki::issue_pck(&platform, &authority, now)?;
        let tcb_signer = pki::issue_tcb_signer(&root, now)?;
        Ok(Self {
            platform,
            created: now,
            root,
            authority,
            pck,
            tcb_signer,
            attestation_key: pki::make_key()?,
            certified: Mutex::default(),
        })
    }

    /// The certificate of its root, DER: the trust anchor of everything it makes.
    #[must_use]
    pub fn root_der(&self) -> &[u8] {
        &self.root.certificate
    }

    /// What the platform is.
    #[must_use]
    pub const fn platform(&self) -> &SgxPlatform {
        &self.platform
    }

    /// The id of its quoting enclave: of this platform alone, and the same in every quote.
    #[must_use]
    pub fn qe_id(&self) -> [u8; 16] {
        let of_platform = casque_types::sha256(&self.pck.certificate);
        let mut id = [0; 16];
        id.copy_from_slice(&of_platform.as_bytes()[..16]);
        id
    }

    /// Which endorsements its SGX quotes need.
    #[must_use]
    pub const fn endorsements_id(&self) -> IntelEndorsementsId {
        self.endorsements_id_of(IntelTee::Sgx)
    }

    /// Which endorsements its quotes of this kind need.
    #[must_use]
    pub const fn endorsements_id_of(&self, tee: IntelTee) -> IntelEndorsementsId {
        IntelEndorsementsId {
            tee,
            fmspc: self.platform.fmspc,
            authority: self.platform.authority,
        }
    }
}

#[cfg(test)]
mod tests;
