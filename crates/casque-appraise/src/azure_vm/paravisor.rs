//! The paravisor's data: JSON whose digest the hardware report carries.
//!
//! ```json
//! {"keys":[{"kid":"HCLAkPub","kty":"RSA","e":"AQAB","n":"…"}, …],
//!  "vm-configuration":{"secure-boot":true,"vmUniqueId":"…", …},"user-data":"<up to 128 hex digits>"}
//! ```
//! Older paravisors lack `user-data` and some of the configuration, and say `encrypt` where the key signs: what a
//! key is for is said by its `kid` alone.

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use casque_types::strict_json;

use crate::{Claim, EvidenceParseError};

/// What the paravisor says.
#[derive(Clone, Debug)]
pub(super) struct ParavisorData {
    /// `HCLAkPub`: the attestation key of the virtual TPM.
    pub(super) attestation_key: AttestationKey,
    /// `vm-configuration`.
    pub(super) configuration: Configuration,
    /// `user-data`, lower-case hexadecimal digits.
    pub(super) user_data: Option<String>,
}

/// The configuration of the machine; what is not said is `None`.
#[derive(Clone, Debug, Default)]
pub(super) struct Configuration {
    pub(super) secure_boot: Option<bool>,
    pub(super) vm_unique_id: Option<String>,
    pub(super) console_enabled: Option<bool>,
    pub(super) tpm_enabled: Option<bool>,
    pub(super) tpm_persisted: Option<bool>,
}

/// An RSA key of 2048 to 4096 bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AttestationKey {
    /// Big endian, without leading zeros.
    pub(super) modulus: Vec<u8>,
    /// Big endian, without leading zeros.
    pub(super) exponent: Vec<u8>,
}

impl AttestationKey {
    /// Whether `signature` is this key's over `message` (RSASSA-PKCS1-v1_5 with SHA-256).
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let key = RsaPublicKeyComponents {
            n: self.modulus.as_slice(),
            e: self.exponent.as_slice(),
        };
        signature.len() == self.modulus.len()
            && key
                .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
                .is_ok()
    }

    fn of(key: &raw::Key<'_>) -> Option<Self> {
        let number = |text: Option<&str>| URL_SAFE_NO_PAD.decode(text?).ok();
        let (modulus, exponent) = (number(key.n.as_deref())?, number(key.e.as_deref())?);
        let fits = key.kty == "RSA"
            && MODULUS_BYTES.contains(&modulus.len())
            && modulus.first().is_some_and(|byte| byte & 0x80 != 0)
            && (1..=4).contains(&exponent.len())
            && exponent.first().is_some_and(|byte| *byte != 0);
        fits.then_some(Self { modulus, exponent })
    }
}

impl ParavisorData {
    /// Reads the data of a blob; their length is bounded by the blob's.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, EvidenceParseError> {
        let text = str::from_utf8(bytes).map_err(|_| malformed("JSON in UTF-8"))?;
        let raw: raw::Data<'_> = strict_json::from_str(text)
            .map_err(|_| malformed("JSON with `keys`, each member once"))?;
        let mut keys = raw.keys.iter().filter(|key| key.kid == "HCLAkPub");
        let (Some(key), None) = (keys.next(), keys.next()) else {
            return Err(malformed("one key `HCLAkPub`"));
        };
        let attestation_key = AttestationKey::of(key)
            .ok_or(malformed("`HCLAkPub` as an RSA key of 2048 to 4096 bits"))?;
        Ok(Self {
            attestation_key,
            configuration: raw
                .configuration
                .map_or(Ok(Configuration::default()), read)?,
            user_data: raw.user_data.as_deref().map(user_data).transpose()?,
        })
    }

    /// `secure_boot`, `console_enabled`, `tpm_enabled`, `tpm_persisted`, `vm_unique_id`, `user_data`; what is not said
    /// is left out.
    pub(super) fn claims(&self) -> Vec<Claim> {
        let of = &self.configuration;
        let flags = [
            ("secure_boot", of.secure_boot),
            ("console_enabled", of.console_enabled),
            ("tpm_enabled", of.tpm_enabled),
            ("tpm_persisted", of.tpm_persisted),
        ];
        let texts = [
            ("vm_unique_id", &of.vm_unique_id),
            ("user_data", &self.user_data),
        ];
        let flags = flags
            .into_iter()
            .filter_map(|(name, flag)| Some(Claim::new(name, flag?)));
        let texts = texts
            .into_iter()
            .filter_map(|(name, text)| Some(Claim::new(name, text.as_ref()?)));
        flags.chain(texts).collect()
    }
}

fn read(raw: raw::Configuration) -> Result<Configuration, EvidenceParseError> {
    let is_id = |id: &String| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        id.len() <= MAX_ID_BYTES && id.bytes().all(plain)
    };
    if raw.vm_unique_id.as_ref().is_some_and(|id| !is_id(id)) {
        return Err(malformed("`vmUniqueId` of letters, digits and hyphens"));
    }
    Ok(Configuration {
        secure_boot: raw.secure_boot,
        vm_unique_id: raw.vm_unique_id,
        console_enabled: raw.console_enabled,
        tpm_enabled: raw.tpm_enabled,
        tpm_persisted: raw.tpm_persisted,
    })
}

fn user_data(text: &str) -> Result<String, EvidenceParseError> {
    let fits = text.len() <= USER_DATA_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if fits {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(malformed("`user-data` of at most 128 hexadecimal digits"))
    }
}

const fn malformed(expected: &'static str) -> EvidenceParseError {
    EvidenceParseError::Malformed {
        kind: "paravisor's data",
        expected,
    }
}

const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=512;
const MAX_ID_BYTES: usize = 64;
const USER_DATA_DIGITS: usize = 128;

/// The JSON as the paravisor writes it.
mod raw {
    use std::borrow::Cow;

    use serde::Deserialize;

    #[derive(Deserialize)]
    pub(super) struct Data<'a> {
        #[serde(borrow)]
        pub(super) keys: Vec<Key<'a>>,
        #[serde(rename = "vm-configuration")]
        pub(super) configuration: Option<Configuration>,
        #[serde(rename = "user-data", borrow)]
        pub(super) user_data: Option<Cow<'a, str>>,
    }

    #[derive(Deserialize)]
    pub(super) struct Key<'a> {
        #[serde(borrow)]
        pub(super) kid: Cow<'a, str>,
        #[serde(borrow)]
        pub(super) kty: Cow<'a, str>,
        #[serde(borrow)]
        pub(super) e: Option<Cow<'a, str>>,
        #[serde(borrow)]
        pub(super) n: Option<Cow<'a, str>>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    pub(super) struct Configuration {
        pub(super) secure_boot: Option<bool>,
        #[serde(rename = "vmUniqueId")]
        pub(super) vm_unique_id: Option<String>,
        pub(super) console_enabled: Option<bool>,
        pub(super) tpm_enabled: Option<bool>,
        pub(super) tpm_persisted: Option<bool>,
    }
}
