//! Microsoft's reference of a utility virtual machine, for a report that somebody else vouches for.

use casque_types::{AciIdentity, SnpIdentity, Timestamp};

use super::MaaAppraiseError;
use crate::{AciAppraiseError, AciEvidence, Appraiser};

/// Verifies that one of the references has the measurement of this report.
///
/// The verifier of references belongs to the module `aci`; until it is there nothing is proved.
pub(super) fn verify(
    _appraiser: &Appraiser,
    _references: &[Vec<u8>],
    _identity: &SnpIdentity,
    _now: Timestamp,
) -> Result<(), MaaAppraiseError> {
    Err(MaaAppraiseError::SignerReference(AciAppraiseError::NotYet))
}

/// Who the containers are, when somebody else vouches for the report: verifies policy and reference against it.
///
/// As above.
pub(super) fn verify_containers(
    _appraiser: &Appraiser,
    _evidence: &AciEvidence,
    _now: Timestamp,
) -> Result<AciIdentity, AciAppraiseError> {
    Err(AciAppraiseError::NotYet)
}
