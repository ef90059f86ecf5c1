//! The software TEE as bytes, so that a local world keeps its root and its platform from run to run.
//!
//! JSON; keys are PKCS#8 and certificates X.509, both DER in base64. The keys are not encrypted: they
//! protect nothing (see the module above).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use casque_types::{Secret, SnpTcb, Timestamp};
use serde::{Deserialize, Serialize};

use super::authorities::{Authorities, Issuer};
use super::{SnpSoftwarePlatform, SoftwareSnp, SoftwareVek};
use crate::sgx::SoftwareTeeError;

impl SoftwareSnp {
    /// Everything of it, for [`SoftwareSnp::from_bytes`].
    ///
    /// # Errors
    /// [`SoftwareTeeError::Key`]: the provider does not give a key out.
    pub fn to_bytes(&self) -> Result<Secret, SoftwareTeeError> {
        let platform = &self.platform;
        let tcb = &platform.tcb;
        let stored = raw::SoftwareSnp {
            version: VERSION,
            created: self.created.as_unix_s(),
            product: platform.product.as_str().to_owned(),
            chip_id: hex::encode(&platform.chip_id),
            fmc: tcb.fmc,
            tcb: [tcb.bootloader, tcb.tee, tcb.snp, tcb.microcode],
            cpuid: platform.cpuid,
            provider: platform.provider.clone(),
            ark: raw::Certified::of_issuer(&self.authorities.ark)?,
            ask: raw::Certified::of_issuer(&self.authorities.ask)?,
            asvk: raw::Certified::of_issuer(&self.authorities.asvk)?,
            vcek: raw::Certified::of_vek(&self.vcek),
            vlek: raw::Certified::of_vek(&self.vlek),
        };
        let bytes = serde_json::to_vec_pretty(&stored).map_err(|_| SoftwareTeeError::Stored)?;
        Ok(Secret::new(bytes))
    }

    /// Reads [`SoftwareSnp::to_bytes`] back.
    ///
    /// # Errors
    /// [`SoftwareTeeError::Stored`]: other bytes.
    pub fn from_bytes(bytes: &Secret) -> Result<Self, SoftwareTeeError> {
        Self::from_stored(bytes).ok_or(SoftwareTeeError::Stored)
    }

    fn from_stored(bytes: &Secret) -> Option<Self> {
        // Exposed: to be parsed.
        let stored: raw::SoftwareSnp = serde_json::from_slice(bytes.expose()).ok()?;
        if stored.version != VERSION {
            return None;
        }
        let product = stored.product.parse().ok()?;
        let [bootloader, tee, snp, microcode] = stored.tcb;
        let platform = SnpSoftwarePlatform {
            product,
            chip_id: hex::decode(&stored.chip_id).ok()?,
            tcb: SnpTcb {
                fmc: stored.fmc,
                bootloader,
                tee,
                snp,
                microcode,
            },
            cpuid: stored.cpuid,
            provider: stored.provider,
        };
        let [ark, ask, asvk] = Authorities::names(product).ok()?;
        let authorities = Authorities {
            ark: stored.ark.issuer(ark)?,
            ask: stored.ask.issuer(ask)?,
            asvk: stored.asvk.issuer(asvk)?,
        };
        Some(Self {
            platform,
            created: Timestamp::from_unix_s(stored.created),
            authorities: Arc::new(authorities),
            vcek: stored.vcek.vek()?,
            vlek: stored.vlek.vek()?,
        })
    }
}

impl raw::Certified {
    fn of_issuer(issuer: &Issuer) -> Result<Self, SoftwareTeeError> {
        Ok(Self {
            key: STANDARD.encode(issuer.key_pkcs8()?.expose()),
            certificate: STANDARD.encode(&issuer.certificate),
        })
    }

    fn of_vek(vek: &SoftwareVek) -> Self {
        Self {
            // Exposed: the caller keeps it where this software TEE is kept.
            key: STANDARD.encode(vek.key.expose()),
            certificate: STANDARD.encode(&vek.certificate),
        }
    }

    fn issuer(&self, name: Vec<u8>) -> Option<Issuer> {
        let key = Secret::new(STANDARD.decode(&self.key).ok()?);
        let certificate = STANDARD.decode(&self.certificate).ok()?;
        Issuer::of(name, &key, certificate)
    }

    fn vek(&self) -> Option<SoftwareVek> {
        let vek = SoftwareVek {
            key: Arc::new(Secret::new(STANDARD.decode(&self.key).ok()?)),
            certificate: STANDARD.decode(&self.certificate).ok()?,
        };
        vek.sign(b"casque software TEE probe").ok()?;
        Some(vek)
    }
}

const VERSION: u32 = 1;

/// The JSON as it is kept.
mod raw {
    use super::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct SoftwareSnp {
        pub(super) version: u32,
        pub(super) created: u64,
        pub(super) product: String,
        pub(super) chip_id: String,
        pub(super) fmc: Option<u8>,
        pub(super) tcb: [u8; 4],
        pub(super) cpuid: [u8; 3],
        pub(super) provider: String,
        pub(super) ark: Certified,
        pub(super) ask: Certified,
        pub(super) asvk: Certified,
        pub(super) vcek: Certified,
        pub(super) vlek: Certified,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Certified {
        pub(super) key: String,
        pub(super) certificate: String,
    }
}
