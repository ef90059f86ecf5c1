//! The software TEE as bytes, so that a local world keeps its root and its platform from run to run.
//!
//! JSON; keys are PKCS#8 and certificates X.509, both DER in base64. The keys are not encrypted: they
//! protect nothing (see the module above).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use casque_appraise::PckAuthority;
use casque_types::{Secret, Timestamp};
use serde::{Deserialize, Serialize};

use super::pki::{self, Certified};
use super::{SgxPlatform, SoftwareTee, SoftwareTeeError};

impl SoftwareTee {
    /// Everything of it, for [`SoftwareTee::from_bytes`].
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "structures of texts and numbers have a JSON form"
    )]
    pub fn to_bytes(&self) -> Secret {
        let stored = raw::SoftwareTee {
            version: VERSION,
            created: self.created.as_unix_s(),
            authority: self.platform.authority.as_str().to_owned(),
            fmspc: hex::encode(self.platform.fmspc),
            cpu_svn: hex::encode(self.platform.cpu_svn),
            pce_svn: self.platform.pce_svn,
            root: raw::Certified::from(&self.root),
            pck_authority: raw::Certified::from(&self.authority),
            pck: raw::Certified::from(&self.pck),
            tcb_signer: raw::Certified::from(&self.tcb_signer),
            // Exposed: the caller keeps it where this software TEE is kept.
            attestation_key: STANDARD.encode(self.attestation_key.expose()),
        };
        Secret::new(serde_json::to_vec_pretty(&stored).expect("texts and numbers are JSON"))
    }

    /// Reads [`SoftwareTee::to_bytes`] back.
    ///
    /// # Errors
    /// [`SoftwareTeeError::Stored`]: other bytes, or a key that is not the certificate's.
    pub fn from_bytes(bytes: &Secret) -> Result<Self, SoftwareTeeError> {
        Self::from_stored(bytes).ok_or(SoftwareTeeError::Stored)
    }

    fn from_stored(bytes: &Secret) -> Option<Self> {
        // Exposed: to be parsed.
        let stored: raw::SoftwareTee = serde_json::from_slice(bytes.expose()).ok()?;
        if stored.version != VERSION {
            return None;
        }
        let platform = SgxPlatform {
            authority: authority_of(&stored.authority)?,
            fmspc: hex::decode(&stored.fmspc).ok()?.try_into().ok()?,
            cpu_svn: hex::decode(&stored.cpu_svn).ok()?.try_into().ok()?,
            pce_svn: stored.pce_svn,
        };
        let attestation_key = Secret::new(STANDARD.decode(&stored.attestation_key).ok()?);
        pki::public_point(&attestation_key).ok()?;
        Some(Self {
            platform,
            created: Timestamp::from_unix_s(stored.created),
            root: stored.root.read()?,
            authority: stored.pck_authority.read()?,
            pck: stored.pck.read()?,
            tcb_signer: stored.tcb_signer.read()?,
            attestation_key,
            certified: std::sync::Mutex::default(),
        })
    }
}

fn authority_of(word: &str) -> Option<PckAuthority> {
    [PckAuthority::Processor, PckAuthority::Platform]
        .into_iter()
        .find(|authority| authority.as_str() == word)
}

impl raw::Certified {
    fn read(&self) -> Option<Certified> {
        let certified = Certified {
            key: Secret::new(STANDARD.decode(&self.key).ok()?),
            certificate: STANDARD.decode(&self.certificate).ok()?,
        };
        pki::belongs_together(&certified).then_some(certified)
    }
}

impl From<&Certified> for raw::Certified {
    fn from(certified: &Certified) -> Self {
        Self {
            // Exposed: the caller keeps it where this software TEE is kept.
            key: STANDARD.encode(certified.key.expose()),
            certificate: STANDARD.encode(&certified.certificate),
        }
    }
}

const VERSION: u32 = 1;

/// The JSON as it is kept.
mod raw {
    use super::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct SoftwareTee {
        pub(super) version: u32,
        pub(super) created: u64,
        pub(super) authority: String,
        pub(super) fmspc: String,
        pub(super) cpu_svn: String,
        pub(super) pce_svn: u16,
        pub(super) root: Certified,
        pub(super) pck_authority: Certified,
        pub(super) pck: Certified,
        pub(super) tcb_signer: Certified,
        pub(super) attestation_key: String,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Certified {
        pub(super) key: String,
        pub(super) certificate: String,
    }
}
