//! The software paravisor as bytes, so that a local world keeps its root and its machine from run to run.
//!
//! JSON; keys are PKCS#8 and certificates X.509, both DER in base64. The keys are not encrypted: they protect nothing
//! (see the module above).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use casque_types::{Secret, Timestamp};
use serde::{Deserialize, Serialize};

use super::certificates::{Authorities, Kept};
use super::{SoftwareVtpm, SoftwareVtpmError};

impl SoftwareVtpm {
    /// Everything of it, for [`SoftwareVtpm::from_bytes`].
    ///
    /// # Errors
    /// [`SoftwareVtpmError::Stored`]: never, as texts and numbers have a JSON form.
    pub fn to_bytes(&self) -> Result<Secret, SoftwareVtpmError> {
        let authorities = self.authorities.kept().map(|kept| raw::Certified {
            // Exposed: the caller keeps it where this software TEE is kept.
            key: STANDARD.encode(kept.key.expose()),
            certificate: STANDARD.encode(&kept.certificate),
        });
        let stored = raw::SoftwareVtpm {
            version: VERSION,
            created: self.authorities.created().as_unix_s(),
            // Exposed: as above.
            attestation_key: STANDARD.encode(self.attestation_key.expose()),
            authorities,
        };
        let bytes = serde_json::to_vec_pretty(&stored).map_err(|_| SoftwareVtpmError::Stored)?;
        Ok(Secret::new(bytes))
    }

    /// Reads [`SoftwareVtpm::to_bytes`] back.
    ///
    /// # Errors
    /// [`SoftwareVtpmError::Stored`]: other bytes.
    pub fn from_bytes(bytes: &Secret) -> Result<Self, SoftwareVtpmError> {
        // Exposed: to be parsed.
        let stored: raw::SoftwareVtpm =
            serde_json::from_slice(bytes.expose()).map_err(|_| SoftwareVtpmError::Stored)?;
        if stored.version != VERSION {
            return Err(SoftwareVtpmError::Stored);
        }
        let decode = |text: &String| STANDARD.decode(text).map_err(|_| SoftwareVtpmError::Stored);
        let kept = |one: &raw::Certified| {
            Ok::<_, SoftwareVtpmError>(Kept {
                key: Secret::new(decode(&one.key)?),
                certificate: decode(&one.certificate)?,
            })
        };
        let [root, first, second] = &stored.authorities;
        let authorities = [kept(root)?, kept(first)?, kept(second)?];
        let created = Timestamp::from_unix_s(stored.created);
        let authorities = Authorities::from_kept(authorities, created)?;
        Self::of(Secret::new(decode(&stored.attestation_key)?), authorities)
    }
}

const VERSION: u32 = 1;

/// The JSON as it is kept.
mod raw {
    use super::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct SoftwareVtpm {
        pub(super) version: u32,
        pub(super) created: u64,
        pub(super) attestation_key: String,
        /// Root first.
        pub(super) authorities: [Certified; 3],
    }

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Certified {
        pub(super) key: String,
        pub(super) certificate: String,
    }
}
