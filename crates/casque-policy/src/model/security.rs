//! `security`: how evidence is judged, section 9, and which platforms may give it.

use std::collections::BTreeSet;

use casque_appraise::{AdvisoryId, SignerDemand};
use casque_types::{Digest, MaaUrl, Seconds};

use super::Template;

/// How evidence is judged, section 9.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Security {
    /// By whom.
    pub mode: Mode,
    /// What would otherwise deny, and is accepted.
    pub tolerate: BTreeSet<Toleration>,
    /// Advisories that are accepted.
    pub ignore_advisories: IgnoredAdvisories,
    /// The shared secret of one-time passwords that every service needs, in base32 (RFC 6238).
    pub one_time_password: Option<Template>,
    /// The token that attester and server prove to each other that they know.
    pub service_access_token: Option<Template>,
}

impl Default for Security {
    /// Hardware evidence, without toleration.
    fn default() -> Self {
        Self {
            mode: Mode::Hardware,
            tolerate: BTreeSet::new(),
            ignore_advisories: IgnoredAdvisories::Listed(BTreeSet::new()),
            one_time_password: None,
            service_access_token: None,
        }
    }
}

/// Who judges evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Casque itself, from evidence of hardware. The default.
    Hardware,
    /// Nobody: everyone is granted everything.
    DangerousNone,
    /// Microsoft Azure Attestation.
    Maa(MaaDemands),
    /// Both, and what they say must be the same: `require: [maa, evidence]`.
    Both(MaaDemands),
}

impl Mode {
    /// What is demanded of the attestation service, where it judges.
    #[must_use]
    pub const fn maa(&self) -> Option<&MaaDemands> {
        match self {
            Self::Hardware | Self::DangerousNone => None,
            Self::Maa(demands) | Self::Both(demands) => Some(demands),
        }
    }
}

/// What is demanded of the attestation service and its tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaaDemands {
    /// The only instance whose tokens count.
    pub url: MaaUrl,
    /// The least length of its RSA keys, default 2048.
    pub min_rsa_bits: u32,
    /// How old a token may be, default 10 minutes.
    pub max_age: Seconds,
    /// What is demanded of the instance's own key.
    pub signer: SignerDemand,
}

impl MaaDemands {
    /// [`MaaDemands::max_age`] where the policy says nothing.
    pub const MAX_AGE: Seconds = Seconds(600);
    /// The greatest [`MaaDemands::max_age`] that a policy may state: tokens live 8 hours.
    pub const LONGEST_AGE: Seconds = Seconds(28_800);
}

/// A word of `security.attestation.tolerate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Toleration {
    /// `debug-mode`
    DebugMode,
    /// `hyperthreading` (INTEL-SA-00233)
    Hyperthreading,
    /// `insecure-igpu` (INTEL-SA-00219)
    InsecureIgpu,
    /// `software-hardening-needed`
    SoftwareHardeningNeeded,
    /// `aepic-leak` (INTEL-SA-00657)
    AepicLeak,
    /// `insecure-configuration`
    InsecureConfiguration,
    /// `outdated-tcb`
    OutdatedTcb,
    /// `maa-managed-tcb`
    MaaManagedTcb,
}

/// `security.attestation.ignore_advisories`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IgnoredAdvisories {
    /// `"*"`.
    All,
    /// Those listed.
    Listed(BTreeSet<AdvisoryId>),
}

/// An entry of `services[].platforms`: a machine by the identity of its quoting enclave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// `INTEL_QE_ID:` and 16 bytes, which stand in the head of a quote.
    IntelQe(Digest<16>),
    /// The public key of a quoting enclave of SCONE, 32 bytes, which no evidence that Casque takes can have.
    SconeQe(Digest<32>),
}
