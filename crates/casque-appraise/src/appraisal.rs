//! What an appraisal proved. Useless without a policy.

use std::fmt;
use std::str::FromStr;

use casque_types::{Digest, MaaUrl, RuntimeData, SgxIdentity, Timestamp};
use thiserror::Error;

/// The proof that evidence was authentic, fresh and bound to one request.
///
/// Private fields, and no constructor but the `appraise_*` functions of this crate: who holds one has
/// appraised. It is not `Clone`; `decide` consumes it.
#[derive(Debug)]
pub struct Appraisal {
    identity: Identity,
    tcb: Tcb,
    verifier: Verifier,
    scope: Scope,
    platform: Option<Digest<16>>,
    runtime: RuntimeData,
    valid_until: Option<Timestamp>,
}

impl Appraisal {
    /// Only this crate's appraisers call it, each after its last check.
    pub(crate) const fn new(
        identity: Identity,
        tcb: Tcb,
        verifier: Verifier,
        scope: Scope,
        runtime: RuntimeData,
        valid_until: Option<Timestamp>,
    ) -> Self {
        Self {
            identity,
            tcb,
            verifier,
            scope,
            platform: None,
            runtime,
            valid_until,
        }
    }

    /// Says on which machine it was, if the evidence proves that.
    #[must_use]
    pub(crate) const fn on_platform(mut self, platform: Digest<16>) -> Self {
        self.platform = Some(platform);
        self
    }

    /// Who was proved to ask.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The state of the platform's trusted computing base.
    #[must_use]
    pub const fn tcb(&self) -> &Tcb {
        &self.tcb
    }

    /// Who judged the evidence.
    #[must_use]
    pub const fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// How much the evidence speaks for.
    #[must_use]
    pub const fn scope(&self) -> Scope {
        self.scope
    }

    /// The machine, by the id of its quoting enclave, which the quote's signature covers. Set for SGX quotes
    /// that Casque judged itself; a token of the attestation service does not say it.
    #[must_use]
    pub const fn platform(&self) -> Option<&Digest<16>> {
        self.platform.as_ref()
    }

    /// What the evidence is bound to: server, config, nonce and the key that receives the answer.
    #[must_use]
    pub const fn runtime(&self) -> &RuntimeData {
        &self.runtime
    }

    /// When the endorsements or the token behind it run out.
    #[must_use]
    pub const fn valid_until(&self) -> Option<Timestamp> {
        self.valid_until
    }
}

/// The appraisal of a workload that brought no evidence: proves nothing but the key it asks with.
/// Only a policy with `mode: none` grants anything to it.
#[must_use]
pub const fn appraise_absent(runtime: RuntimeData) -> Appraisal {
    let tcb = Tcb::unknown();
    Appraisal::new(
        Identity::Unattested,
        tcb,
        Verifier::Nobody,
        Scope::Nothing,
        runtime,
        None,
    )
}

/// The identity that was proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// No evidence: nothing is known.
    Unattested,
    /// An SGX enclave.
    Sgx(SgxIdentity),
}

impl fmt::Display for Identity {
    /// One line for the audit log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unattested => f.write_str("unattested"),
            Self::Sgx(sgx) => write!(
                f,
                "sgx mrenclave={} mrsigner={} isvprodid={} isvsvn={} debug={}",
                sgx.mr_enclave, sgx.mr_signer, sgx.product_id, sgx.svn, sgx.debug
            ),
        }
    }
}

/// Who judged the evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verifier {
    /// No evidence was judged.
    Nobody,
    /// This crate, from the evidence itself.
    Casque,
    /// Microsoft Azure Attestation, by a token that this crate verified.
    Maa {
        /// The instance.
        issuer: MaaUrl,
    },
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody => f.write_str("nobody"),
            Self::Casque => f.write_str("casque"),
            Self::Maa { issuer } => write!(f, "maa {issuer}"),
        }
    }
}

/// How much a piece of evidence speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// No evidence.
    Nothing,
    /// One process (SGX).
    Process,
}

/// The state of the platform's trusted computing base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tcb {
    /// What the vendor says of the platform's level.
    pub status: TcbStatus,
    /// The advisories that the vendor lists for that level, sorted.
    pub advisories: Vec<AdvisoryId>,
}

impl Tcb {
    /// No statement.
    #[must_use]
    pub const fn unknown() -> Self {
        Self {
            status: TcbStatus::Unstated,
            advisories: Vec::new(),
        }
    }
}

/// Intel's TCB status (DCAP), and what stands for it where nobody states one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcbStatus {
    /// Nobody states it: no evidence, or the MAA's own baseline decided (`maa-managed-tcb`).
    Unstated,
    /// Up to date.
    UpToDate,
    /// Software must be hardened.
    SwHardeningNeeded,
    /// The platform must be configured.
    ConfigurationNeeded,
    /// Both of the two before.
    ConfigurationAndSwHardeningNeeded,
    /// Out of date.
    OutOfDate,
    /// Out of date, and the platform must be configured.
    OutOfDateConfigurationNeeded,
    /// Revoked.
    Revoked,
}

impl TcbStatus {
    /// Intel's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unstated => "Unstated",
            Self::UpToDate => "UpToDate",
            Self::SwHardeningNeeded => "SWHardeningNeeded",
            Self::ConfigurationNeeded => "ConfigurationNeeded",
            Self::ConfigurationAndSwHardeningNeeded => "ConfigurationAndSWHardeningNeeded",
            Self::OutOfDate => "OutOfDate",
            Self::OutOfDateConfigurationNeeded => "OutOfDateConfigurationNeeded",
            Self::Revoked => "Revoked",
        }
    }
}

impl fmt::Display for TcbStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A security advisory of Intel's: `INTEL-SA-` and five digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AdvisoryId(u32);

impl AdvisoryId {
    /// The advisory with this number, below 100,000.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        if number < 100_000 {
            Some(Self(number))
        } else {
            None
        }
    }
}

impl FromStr for AdvisoryId {
    type Err = AdvisoryIdParseError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix("INTEL-SA-").ok_or(AdvisoryIdParseError)?;
        if digits.len() != 5 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(AdvisoryIdParseError);
        }
        digits.parse().map(Self).map_err(|_| AdvisoryIdParseError)
    }
}

impl fmt::Display for AdvisoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "INTEL-SA-{:05}", self.0)
    }
}

impl fmt::Debug for AdvisoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text is no advisory id.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
#[error("expected an advisory such as `INTEL-SA-00615`")]
pub struct AdvisoryIdParseError;
