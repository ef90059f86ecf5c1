//! A software TEE for AMD SEV-SNP: true reports, certificates, tables and revocation lists under roots of its own.
//!
//! What it makes has the exact formats of AMD's (report versions 2 to 5, VCEK and VLEK with their extensions,
//! RSASSA-PSS with SHA-384), so any verifier that is given its roots accepts it. Only the RSA keys are shorter,
//! 2048 bits, which make a platform in a fraction of a second. It protects nothing: the keys lie in ordinary
//! memory, and its measurement is a claim of the program that uses it.
//!
//! Source: AMD publications 56860 (reports) and 57230 (certificates); GHCB specification 56421 (table).

mod authorities;
mod der_text;
mod measure;
mod report;
mod stored;
mod table;
mod vek;

use std::sync::Arc;

use casque_appraise::{AmdAnchor, AmdEndorsements};
use casque_types::{SnpProduct, SnpSigner, SnpTcb, Timestamp, sha256};

use crate::sgx::SoftwareTeeError;
use authorities::Authorities;
pub use authorities::{Authority, RevocationSpec};
pub use measure::{measure_snp_program, software_snp_identity};
pub use report::{ReportFlaw, ReportSpec};
pub use vek::{SoftwareVek, VekFlaw, VekHolder, VekSpec};

/// A platform made of software, with the keys of everybody who vouches for it.
#[derive(Clone, Debug)]
pub struct SoftwareSnp {
    platform: SnpSoftwarePlatform,
    created: Timestamp,
    authorities: Arc<Authorities>,
    vcek: SoftwareVek,
    vlek: SoftwareVek,
}

/// What a platform is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnpSoftwarePlatform {
    /// Its generation.
    pub product: SnpProduct,
    /// Its processor: 64 bytes, 8 on Turin.
    pub chip_id: Vec<u8>,
    /// Its level; `fmc` is set on Turin alone.
    pub tcb: SnpTcb,
    /// CPUID family, model, stepping.
    pub cpuid: [u8; 3],
    /// The provider whose VLEK it has loaded.
    pub provider: String,
}

impl SnpSoftwarePlatform {
    /// The first processor of a generation, at a usual level.
    #[must_use]
    pub fn of(product: SnpProduct) -> Self {
        Self::numbered(product, 1)
    }

    /// Another processor of the generation for each number.
    #[must_use]
    pub fn numbered(product: SnpProduct, number: u8) -> Self {
        let seed = [product.as_str().as_bytes(), &[number]].concat();
        let first = sha256(&seed);
        let second = sha256(first.as_bytes());
        let mut chip_id = [first.as_bytes().as_slice(), second.as_bytes()].concat();
        let (cpuid, fmc) = match product {
            SnpProduct::Milan => ([0x19, 0x01, 1], None),
            SnpProduct::Genoa => ([0x19, 0x11, 1], None),
            SnpProduct::Turin => {
                chip_id.truncate(8);
                ([0x1A, 0x02, 1], Some(1))
            }
        };
        Self {
            product,
            chip_id,
            tcb: SnpTcb {
                fmc,
                bootloader: 4,
                tee: 0,
                snp: 24,
                microcode: 219,
            },
            cpuid,
            provider: "CN=casque.invalid".to_owned(),
        }
    }
}

impl SoftwareSnp {
    /// Makes a platform with fresh signing keys. All platforms of a generation in one process stand under one
    /// root; certificates are good from a day before `now` for twenty years.
    ///
    /// # Errors
    /// [`SoftwareTeeError`]: the provider failed, or `now` is past the year 9979.
    pub fn generate(product: SnpProduct, now: Timestamp) -> Result<Self, SoftwareTeeError> {
        Self::generate_platform(SnpSoftwarePlatform::of(product), now)
    }

    /// Makes this platform; see [`SoftwareSnp::generate`].
    ///
    /// # Errors
    /// As [`SoftwareSnp::generate`].
    pub fn generate_platform(
        platform: SnpSoftwarePlatform,
        now: Timestamp,
    ) -> Result<Self, SoftwareTeeError> {
        let authorities = Authorities::shared(platform.product, now)?;
        Self::under(platform, Arc::new(authorities), now)
    }

    /// Makes this platform under a root that nobody else has.
    ///
    /// # Errors
    /// As [`SoftwareSnp::generate`].
    pub fn generate_apart(
        platform: SnpSoftwarePlatform,
        now: Timestamp,
    ) -> Result<Self, SoftwareTeeError> {
        let authorities = Authorities::apart(platform.product, now)?;
        Self::under(platform, Arc::new(authorities), now)
    }

    fn under(
        platform: SnpSoftwarePlatform,
        authorities: Arc<Authorities>,
        now: Timestamp,
    ) -> Result<Self, SoftwareTeeError> {
        let vcek = authorities.issue_vek(&VekSpec::vcek(&platform, now))?;
        let vlek = authorities.issue_vek(&VekSpec::vlek(&platform, now))?;
        Ok(Self {
            platform,
            created: now,
            authorities,
            vcek,
            vlek,
        })
    }

    /// What the platform is.
    #[must_use]
    pub const fn platform(&self) -> &SnpSoftwarePlatform {
        &self.platform
    }

    /// Its root and authorities: the trust anchor of everything that it makes.
    #[must_use]
    pub fn anchor(&self) -> AmdAnchor {
        AmdAnchor {
            product: self.platform.product,
            ark: self.authorities.ark.certificate.clone(),
            ask: self.authorities.ask.certificate.clone(),
            asvk: self.authorities.asvk.certificate.clone(),
        }
    }

    /// The certificate of its VCEK or VLEK, DER.
    #[must_use]
    pub fn certificate(&self, signer: SnpSigner) -> &[u8] {
        &self.vek(signer).certificate
    }

    /// That certificate, then its authority's, then the root's, PEM.
    #[must_use]
    pub fn chain_pem(&self, signer: SnpSigner) -> String {
        let authority = self.authorities.over(signer);
        [
            self.certificate(signer),
            &authority.certificate,
            &self.authorities.ark.certificate,
        ]
        .map(|der| crate::pem::encode("CERTIFICATE", der))
        .concat()
    }

    /// What AMD's key service would answer for it: the VCEK's certificate, ASK and ARK, and an empty revocation
    /// list for thirty days from `now`.
    ///
    /// # Errors
    /// [`SoftwareTeeError`]: the provider failed.
    pub fn endorsements(&self, now: Timestamp) -> Result<AmdEndorsements, SoftwareTeeError> {
        Ok(AmdEndorsements {
            vcek: Some(self.vcek.certificate.clone()),
            chain: vec![
                self.authorities.ask.certificate.clone(),
                self.authorities.ark.certificate.clone(),
            ],
            crl: Some(self.revocation_list(&RevocationSpec::empty(now))?),
        })
    }

    /// A revocation list, DER.
    ///
    /// # Errors
    /// [`SoftwareTeeError`]: the provider failed, or a time that X.509 cannot say.
    pub fn revocation_list(&self, spec: &RevocationSpec) -> Result<Vec<u8>, SoftwareTeeError> {
        self.authorities.revocation_list(spec)
    }

    /// Issues a certificate as specified, for a fresh key.
    ///
    /// # Errors
    /// [`SoftwareTeeError`]: the provider failed, or a time that X.509 cannot say.
    pub fn issue_vek(&self, spec: &VekSpec) -> Result<SoftwareVek, SoftwareTeeError> {
        self.authorities.issue_vek(spec)
    }

    /// The host's table with the certificate, its authority's and the root's.
    ///
    /// # Errors
    /// [`SoftwareTeeError::TooLong`]
    pub fn certificate_table(&self, signer: SnpSigner) -> Result<Vec<u8>, SoftwareTeeError> {
        table::encode(&[
            (table::guid_of(signer), self.certificate(signer)),
            (table::ASK, &self.authorities.over(signer).certificate),
            (table::ARK, &self.authorities.ark.certificate),
        ])
    }

    /// A report as specified, signed by the VCEK or VLEK.
    ///
    /// # Errors
    /// [`SoftwareTeeError::Key`]: the provider failed.
    pub fn report(&self, spec: &ReportSpec) -> Result<Vec<u8>, SoftwareTeeError> {
        self.report_signed_by(spec, self.vek(spec.signer))
    }

    /// A report as specified, signed by this key.
    ///
    /// # Errors
    /// [`SoftwareTeeError::Key`]: the provider failed.
    pub fn report_signed_by(
        &self,
        spec: &ReportSpec,
        vek: &SoftwareVek,
    ) -> Result<Vec<u8>, SoftwareTeeError> {
        report::encode(&self.platform, spec, vek)
    }

    /// Signs the first 0x2A0 bytes of a report anew, after a test has changed them.
    ///
    /// # Errors
    /// [`SoftwareTeeError::Key`]: the provider failed; [`SoftwareTeeError::TooLong`]: not 1184 bytes.
    pub fn sign_again(&self, report: &mut [u8], signer: SnpSigner) -> Result<(), SoftwareTeeError> {
        report::sign(report, self.vek(signer))
    }

    /// When it was made.
    #[must_use]
    pub const fn created(&self) -> Timestamp {
        self.created
    }

    const fn vek(&self, signer: SnpSigner) -> &SoftwareVek {
        match signer {
            SnpSigner::Vcek => &self.vcek,
            SnpSigner::Vlek => &self.vlek,
        }
    }
}

#[cfg(test)]
mod tests;
