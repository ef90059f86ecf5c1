//! What endorsements of the software TEE are to say: valid, or bent in one place.

use casque_appraise::{AdvisoryId, IntelTee, TcbStatus};
use casque_types::{MrSigner, Seconds, Timestamp};

use super::quote;

/// What the endorsements are to say.
#[derive(Clone, Debug)]
pub struct EndorsementSpec {
    /// `issueDate` of both documents and `thisUpdate` of both lists.
    pub issued: Timestamp,
    /// `nextUpdate` of both documents.
    pub next_update: Timestamp,
    /// `nextUpdate` of both lists.
    pub crl_next_update: Timestamp,
    /// About quotes of which TEE.
    pub tee: IntelTee,
    /// `id` of the TCB info: `SGX` or `TDX`; that of the other TEE for what no quote may be judged by.
    pub tcb_info_id: &'static str,
    /// `id` of the enclave identity: `QE` or `TD_QE`, in the same way.
    pub qe_identity_id: &'static str,
    /// What the TCB info says of the TDX module; only where it is about TDX.
    pub tdx_module: TdxModuleSpec,
    /// The platform family that the TCB info is about; the platform's own when none.
    pub fmspc: Option<[u8; 6]>,
    /// The least `PCESVN` of the only level; the platform's own when none.
    pub least_pce_svn: Option<u16>,
    /// What the level says.
    pub tcb_status: TcbStatus,
    /// The advisories that the level lists.
    pub advisories: Vec<AdvisoryId>,
    /// What the quoting enclave's level says.
    pub qe_status: TcbStatus,
    /// The advisories that the quoting enclave's level lists.
    pub qe_advisories: Vec<AdvisoryId>,
    /// The signer that the quoting enclave must have; its own when none.
    pub qe_signer: Option<MrSigner>,
    /// Whether the PCK certificate is on the list of its authority.
    pub pck: Standing,
    /// Whether the authority is on the list of the root.
    pub authority: Standing,
    /// Whether the TCB signer is on the list of the root.
    pub tcb_signer: Standing,
    /// Whether the TCB info was changed after it was signed.
    pub tcb_info_changed: bool,
    /// Whether the enclave identity was changed after it was signed.
    pub qe_identity_changed: bool,
    /// What the text of the TCB info becomes before it is signed.
    pub rewrite_tcb_info: Option<fn(&str) -> String>,
    /// What the text of the enclave identity becomes before it is signed.
    pub rewrite_qe_identity: Option<fn(&str) -> String>,
}

/// What the TCB info says of the TDX module: one identity with two levels.
#[derive(Clone, Debug)]
pub struct TdxModuleSpec {
    /// Which version it is about (`TEE_TCB_SVN`, byte 1).
    pub version: u8,
    /// The signer; zero is Intel.
    pub signer: [u8; 48],
    /// The least security version (`TEE_TCB_SVN`, byte 0) of the better level.
    pub least_svn: u8,
    /// What the better level says.
    pub status: TcbStatus,
    /// The advisories that it lists.
    pub advisories: Vec<AdvisoryId>,
    /// The least security version of the other level, which is out of date.
    pub outdated_svn: u8,
    /// The advisories that the other level lists.
    pub outdated_advisories: Vec<AdvisoryId>,
}

impl TdxModuleSpec {
    /// That of the default domain: version 1, security version 5 up to date, 3 out of date.
    const fn new() -> Self {
        Self {
            version: 1,
            signer: [0; 48],
            least_svn: 5,
            status: TcbStatus::UpToDate,
            advisories: Vec::new(),
            outdated_svn: 3,
            outdated_advisories: Vec::new(),
        }
    }
}

/// Whether a certificate is on its issuer's revocation list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is not.
    Good,
    /// It is.
    Revoked,
}

impl EndorsementSpec {
    /// Endorsements for SGX quotes of a platform that is up to date, issued an hour before `now`, for 30 days.
    #[must_use]
    pub const fn valid_at(now: Timestamp) -> Self {
        Self::valid_for(IntelTee::Sgx, now)
    }

    /// The same for quotes of this TEE.
    #[must_use]
    pub const fn valid_for(tee: IntelTee, now: Timestamp) -> Self {
        let (tcb_info_id, qe_identity_id) = match tee {
            IntelTee::Sgx => ("SGX", quote::SGX_QE.id),
            IntelTee::Tdx => ("TDX", quote::TD_QE.id),
        };
        let issued = now.minus(AN_HOUR);
        let next_update = issued.plus(THIRTY_DAYS);
        Self {
            issued,
            next_update,
            crl_next_update: next_update,
            tee,
            tcb_info_id,
            qe_identity_id,
            tdx_module: TdxModuleSpec::new(),
            fmspc: None,
            least_pce_svn: None,
            tcb_status: TcbStatus::UpToDate,
            advisories: Vec::new(),
            qe_status: TcbStatus::UpToDate,
            qe_advisories: Vec::new(),
            qe_signer: None,
            pck: Standing::Good,
            authority: Standing::Good,
            tcb_signer: Standing::Good,
            tcb_info_changed: false,
            qe_identity_changed: false,
            rewrite_tcb_info: None,
            rewrite_qe_identity: None,
        }
    }

    /// The same with this status and these advisories (`INTEL-SA-…` by number).
    #[must_use]
    pub fn with_tcb(mut self, status: TcbStatus, advisory_numbers: &[u32]) -> Self {
        self.tcb_status = status;
        self.advisories = (advisory_numbers.iter())
            .filter_map(|number| AdvisoryId::from_number(*number))
            .collect();
        self
    }
}

const AN_HOUR: Seconds = Seconds(3_600);
const THIRTY_DAYS: Seconds = Seconds(30 * 86_400);
