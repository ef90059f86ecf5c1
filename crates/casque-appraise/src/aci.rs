//! Confidential containers of Azure (Container Instances, pods of AKS): a report of SEV-SNP, the containers' policy, and
//! Microsoft's reference of the utility virtual machine.
//!
//! ```text
//! AMD's root ── report: host data = SHA-256(policy), measurement, report data = the binding
//! Microsoft's root ── reference (COSE): measurement, feed, version
//! ```
//! The utility virtual machine runs one group of containers under the policy, and is Microsoft's; whose measurements are
//! good, the reference says. Checks, in this order:
//!
//! 1. the report, as of any guest ([`SnpEvidence`]);
//! 2. the policy is the one in the report's host data;
//! 3. the reference's issuer is believed and is who the chain says, the chain holds, and its leaf signed it; then that
//!    what it states can be read;
//! 4. the measurement is the reference's.
//!
//! Minimum version, debug, privilege level, and whether a policy that allows everything will do, are for the policy of
//! Casque to judge: all four are in the identity.

mod error;
mod frame;
mod issuer;
mod policy;
mod uvm;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use casque_types::{AciIdentity, Digest, Timestamp, UvmIdentity, sha256};

use crate::{
    AppraiseError, Appraiser, Claim, Endorsements, EvidenceParseError, Identity, Scope,
    SnpEvidence, SnpReport, Verdict, snp,
};
pub use error::AciAppraiseError;
use uvm::{UvmReference, UvmStatement};

/// A report with policy and reference; parsed, not verified.
#[derive(Clone, Debug)]
pub struct AciEvidence {
    snp: SnpEvidence,
    policy_digest: Digest<32>,
    allows_all: bool,
    uvm: UvmReference,
    uvm_bytes: Vec<u8>,
}

impl AciEvidence {
    /// Reads report and certificate as [`SnpEvidence::parse`]; the policy, at most 1 MiB, as the text itself or as its
    /// base64 (the files of security contexts hold base64): whichever the report's host data is the digest of; and the
    /// reference (`COSE_Sign1`, at most 64 KiB).
    ///
    /// # Errors
    /// [`EvidenceParseError`]: a part is too long, or the report or the frame of the reference has another layout. A
    /// policy of another digest, and whatever is wrong within what a reference signs, is an error when it is verified.
    pub fn parse(
        report: &[u8],
        vek: Option<&[u8]>,
        policy: &[u8],
        uvm: &[u8],
    ) -> Result<Self, EvidenceParseError> {
        if policy.len() > MAX_POLICY_BYTES {
            return Err(EvidenceParseError::TooLong {
                kind: "policy of confidential containers",
                limit_bytes: MAX_POLICY_BYTES,
                found_bytes: policy.len(),
            });
        }
        let snp = SnpEvidence::parse(report, vek)?;
        let host_data = snp.report().claimed_identity().host_data;
        let (policy_digest, allows_all) = read_policy(policy, &host_data);
        Ok(Self {
            snp,
            policy_digest,
            allows_all,
            uvm: UvmReference::parse(uvm)?,
            uvm_bytes: uvm.to_vec(),
        })
    }

    /// Report and certificate.
    #[must_use]
    pub const fn snp(&self) -> &SnpEvidence {
        &self.snp
    }

    /// The report.
    #[must_use]
    pub const fn report(&self) -> &SnpReport {
        self.snp.report()
    }

    /// The reference as it came.
    #[must_use]
    pub fn uvm(&self) -> &[u8] {
        &self.uvm_bytes
    }

    /// The group that it claims to be. A reference that cannot be read claims nothing: no issuer, no feed, and version
    /// 0, which no entry takes.
    #[must_use]
    pub fn claimed_identity(&self) -> AciIdentity {
        let nothing = || UvmIdentity {
            issuer: String::new(),
            feed: String::new(),
            svn: 0,
        };
        let claimed = self.uvm.claimed();
        let uvm = claimed.map_or_else(nothing, |claimed| claimed.identity.clone());
        self.identity(uvm)
    }

    fn identity(&self, uvm: UvmIdentity) -> AciIdentity {
        AciIdentity {
            snp: self.report().claimed_identity().clone(),
            uvm,
            allows_all: self.allows_all,
        }
    }

    /// Everything that it states: what the report does, and `policy_digest`, `policy_allows_all`, `uvm_issuer`,
    /// `uvm_feed`, `uvm_svn`, `uvm_measurement`; the last four where the reference can be read.
    #[must_use]
    pub fn claims(&self) -> Vec<Claim> {
        let mut claims = self.snp.claims();
        claims.extend([
            Claim::new("policy_digest", self.policy_digest),
            Claim::new("policy_allows_all", self.allows_all),
        ]);
        claims.extend(self.uvm.claimed().into_iter().flat_map(|claimed| {
            let uvm = &claimed.identity;
            [
                Claim::new("uvm_issuer", &uvm.issuer),
                Claim::new("uvm_feed", &uvm.feed),
                Claim::new("uvm_svn", uvm.svn),
                Claim::new("uvm_measurement", claimed.measurement),
            ]
        }));
        claims
    }
}

/// Digest of the policy, and whether it allows everything: of what the base64 decodes to, where that is what the host
/// data names, else of the bytes as they came.
fn read_policy(bytes: &[u8], host_data: &Digest<32>) -> (Digest<32>, bool) {
    let digest = sha256(bytes);
    if digest != *host_data
        && let Ok(decoded) = STANDARD.decode(bytes.trim_ascii())
        && sha256(&decoded) == *host_data
    {
        return (*host_data, policy::allows_all(&decoded));
    }
    (digest, policy::allows_all(bytes))
}

pub(crate) fn verify(
    appraiser: &Appraiser,
    evidence: &AciEvidence,
    endorsements: &Endorsements,
    now: Timestamp,
) -> Result<Verdict, AppraiseError> {
    // 1.
    let inner = snp::verify(appraiser, &evidence.snp, endorsements, now)?;
    let identity = verify_beside_report(appraiser, evidence, now)?;
    Ok(Verdict {
        identity: Identity::Aci(identity),
        scope: Scope::Pod,
        platform: None,
        ..inner
    })
}

/// Verifies what is beside the report alone (steps 2 to 4), and gives the group: for when somebody else vouches for the
/// report (a token).
pub(crate) fn verify_beside_report(
    appraiser: &Appraiser,
    evidence: &AciEvidence,
    now: Timestamp,
) -> Result<AciIdentity, AciAppraiseError> {
    let snp = evidence.report().claimed_identity();
    // 2.
    if evidence.policy_digest != snp.host_data {
        let (host_data, found) = (snp.host_data, evidence.policy_digest);
        return Err(AciAppraiseError::PolicyDigest { host_data, found });
    }
    // 3.
    let statement = evidence.uvm.verify(appraiser, now)?;
    // 4.
    expect_measurement(statement, &snp.measurement)?;
    Ok(evidence.identity(statement.identity.clone()))
}

fn expect_measurement(
    statement: &UvmStatement,
    measurement: &Digest<48>,
) -> Result<(), AciAppraiseError> {
    if statement.measurement == *measurement {
        return Ok(());
    }
    Err(AciAppraiseError::Measurement {
        reference: statement.measurement,
        found: *measurement,
    })
}

/// A reference of a utility virtual machine, for a report that is not of a policy's own containers: parses it.
///
/// # Errors
/// [`EvidenceParseError`] as of the reference in [`AciEvidence::parse`].
pub(crate) fn parse_reference(bytes: &[u8]) -> Result<UvmReference, EvidenceParseError> {
    UvmReference::parse(bytes)
}

/// Verifies such a reference, and that it is of this measurement (steps 3 and 4).
pub(crate) fn verify_reference(
    appraiser: &Appraiser,
    reference: &UvmReference,
    measurement: &Digest<48>,
    now: Timestamp,
) -> Result<(), AciAppraiseError> {
    expect_measurement(reference.verify(appraiser, now)?, measurement)
}

const MAX_POLICY_BYTES: usize = 1024 * 1024;
