//! A software paravisor of Azure: true HCL reports, a virtual TPM's quotes, and certificates of its attestation key
//! under a root of its own.
//!
//! It makes what a guest reads from its TPM, around a report or a quote that the software TEE for SNP or TDX made over
//! [`SoftwareVtpm::report_data`]. It protects nothing: the key lies in ordinary memory.
//!
//! ```text
//! root (P-256) ── intermediate ── intermediate ── certificate of the attestation key (RSA-2048)
//! ```
//! Source: spec/evidence.md section 2.3; TPM 2.0 Library Part 2.

mod certificates;
mod encryption_key;
mod guest;
mod hcl;
mod machine;
mod quote;
mod stored;

use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::RsaKeyPair;
use casque_types::{Secret, Timestamp, sha256};
use der::{Decode as _, Reader as _, SliceReader};
use thiserror::Error;

pub use certificates::AkChainFlaw;
pub use encryption_key::{
    EncryptionKeyFlaw, TpmCertification, TpmCertificationFlaw, TpmEncryptionKey, UnsealError,
};
pub(crate) use encryption_key::{KeyArea, SEALED_FOR, name_of, pcr_policy};
pub use guest::{GuestRequest, GuestSpec, GuestTee};
pub use hcl::{HclFlaw, HclSpec, HclTee, td_report};
pub use machine::MachineEvidence;
pub use quote::{TpmQuote, TpmQuoteFlaw, TpmQuoteSpec};

use certificates::Authorities;

/// A paravisor made of software, with the key of its virtual TPM.
#[derive(Debug)]
pub struct SoftwareVtpm {
    /// PKCS#8 DER.
    attestation_key: Secret,
    modulus: Vec<u8>,
    exponent: Vec<u8>,
    authorities: Authorities,
}

/// Why the software paravisor could not make something.
#[derive(Debug, Error)]
pub enum SoftwareVtpmError {
    /// The crypto provider made or took no key.
    #[error("the crypto provider did not make or accept a key")]
    Key,
    /// A certificate could not be issued.
    #[error("a certificate could not be issued")]
    Issue(#[from] rcgen::Error),
    /// The TEE under it made nothing.
    #[error(transparent)]
    Tee(#[from] crate::sgx::SoftwareTeeError),
    /// A time that X.509 cannot say.
    #[error("expected a time before the year 10000, found {found}")]
    Time {
        /// The time.
        found: Timestamp,
    },
    /// A part is longer than its length field or its frame.
    #[error("a part is longer than its length field or its frame")]
    TooLong,
    /// Stored bytes that no software paravisor wrote.
    #[error("expected what `SoftwareVtpm::to_bytes` wrote")]
    Stored,
}

impl SoftwareVtpm {
    /// Makes a paravisor with fresh keys; its certificates are good from a day before `now`, that of the attestation
    /// key for a year, the others for twenty.
    ///
    /// # Errors
    /// [`SoftwareVtpmError`]: the provider failed, or `now` is past the year 9979.
    pub fn generate(now: Timestamp) -> Result<Self, SoftwareVtpmError> {
        let pair = aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048)
            .map_err(|_| SoftwareVtpmError::Key)?;
        let pkcs8 =
            aws_lc_rs::encoding::AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&pair)
                .map_err(|_| SoftwareVtpmError::Key)?;
        Self::of(
            Secret::copied_from(pkcs8.as_ref()),
            Authorities::issue(now)?,
        )
    }

    fn of(attestation_key: Secret, authorities: Authorities) -> Result<Self, SoftwareVtpmError> {
        // Exposed: the provider reads the public key from it.
        let pair = RsaKeyPair::from_pkcs8(attestation_key.expose())
            .map_err(|_| SoftwareVtpmError::Stored)?;
        let public = aws_lc_rs::signature::KeyPair::public_key(&pair);
        let (modulus, exponent) =
            public_numbers(public.as_ref()).ok_or(SoftwareVtpmError::Stored)?;
        Ok(Self {
            attestation_key,
            modulus,
            exponent,
            authorities,
        })
    }

    /// What the report of the TEE must carry for this paravisor: SHA-256 of its data, then zeros.
    #[must_use]
    pub fn report_data(&self, spec: &HclSpec) -> [u8; 64] {
        let mut report_data = [0; 64];
        report_data[..32].copy_from_slice(sha256(&self.paravisor_data(spec)).as_bytes());
        report_data
    }

    /// The root of the certificates of its attestation key, DER.
    #[must_use]
    pub fn root_der(&self) -> &[u8] {
        self.authorities.root_der()
    }
}

/// Modulus and exponent of an `RSAPublicKey` (RFC 8017 appendix A.1.1), without leading zeros.
fn public_numbers(der: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut reader = SliceReader::new(der).ok()?;
    let numbers = reader.sequence(|parts| {
        let modulus = der::asn1::UintRef::decode(parts)?.as_bytes().to_vec();
        let exponent = der::asn1::UintRef::decode(parts)?.as_bytes().to_vec();
        Ok::<_, der::Error>((modulus, exponent))
    });
    numbers.ok()
}

#[cfg(test)]
mod tests;
