//! Endorsements of the software TEE, valid or bent in one place, in the shapes of Intel's PCS version 4.

use casque_appraise::{AdvisoryId, IntelEndorsements, IntelTee, TcbStatus};
use casque_types::{MrSigner, Seconds, Timestamp};
use serde::Serialize;

use super::{SoftwareTee, SoftwareTeeError, pck_extension, pki, quote};
use crate::tdx;

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

/// The answers of a PCS (or PCCS) for one platform family, ready to be served.
#[derive(Clone, Debug)]
pub struct PcsDocuments {
    /// Body of `/sgx/certification/v4/tcb?fmspc=…`, or `/tdx/…`: `{"tcbInfo":{…},"signature":"…"}`.
    pub tcb_info: String,
    /// Its header `TCB-Info-Issuer-Chain`, PEM, not yet URL-encoded.
    pub tcb_info_issuer_chain: String,
    /// Body of `/sgx/certification/v4/qe/identity`, or `/tdx/…`: `{"enclaveIdentity":{…},"signature":"…"}`.
    pub qe_identity: String,
    /// Its header `SGX-Enclave-Identity-Issuer-Chain`, PEM, not yet URL-encoded.
    pub qe_identity_issuer_chain: String,
    /// Body of `/sgx/certification/v4/pckcrl?ca=…&encoding=der`.
    pub pck_crl: Vec<u8>,
    /// Its header `SGX-PCK-CRL-Issuer-Chain`, PEM, not yet URL-encoded.
    pub pck_crl_issuer_chain: String,
    /// The root's revocation list, DER; a PCCS answers `/sgx/certification/v4/rootcacrl` with it in
    /// hexadecimal digits.
    pub root_ca_crl: Vec<u8>,
}

impl SoftwareTee {
    /// Valid endorsements: see [`EndorsementSpec::valid_at`].
    ///
    /// # Errors
    /// [`SoftwareTeeError`]: the provider failed, or `now` is past the year 9999.
    pub fn endorsements(&self, now: Timestamp) -> Result<IntelEndorsements, SoftwareTeeError> {
        self.endorsements_of(&EndorsementSpec::valid_at(now))
    }

    /// Valid endorsements for TDX quotes.
    ///
    /// # Errors
    /// As [`SoftwareTee::endorsements`].
    pub fn tdx_endorsements(&self, now: Timestamp) -> Result<IntelEndorsements, SoftwareTeeError> {
        self.endorsements_of(&EndorsementSpec::valid_for(IntelTee::Tdx, now))
    }

    /// Endorsements as specified.
    ///
    /// # Errors
    /// [`SoftwareTeeError`]: the provider failed, or a time is past the year 9999.
    pub fn endorsements_of(
        &self,
        spec: &EndorsementSpec,
    ) -> Result<IntelEndorsements, SoftwareTeeError> {
        let mut tcb_info = self.tcb_info(spec);
        let tcb_info_signature = pki::sign(&self.tcb_signer.key, tcb_info.as_bytes())?.to_vec();
        if spec.tcb_info_changed {
            tcb_info = tcb_info.replacen("\"tcbType\":0", "\"tcbType\":1", 1);
        }
        let mut qe_identity = qe_identity(spec);
        let qe_identity_signature =
            pki::sign(&self.tcb_signer.key, qe_identity.as_bytes())?.to_vec();
        if spec.qe_identity_changed {
            qe_identity = qe_identity.replacen("\"isvprodid\":", "\"isvprodid\":1", 1);
        }
        let signer_chain = pki::pem_chain(&[&self.tcb_signer, &self.root]);
        Ok(IntelEndorsements {
            tcb_info_issuer_chain: signer_chain.clone(),
            tcb_info,
            tcb_info_signature,
            qe_identity_issuer_chain: signer_chain,
            qe_identity,
            qe_identity_signature,
            pck_crl_issuer_chain: pki::pem_chain(&[&self.authority, &self.root]),
            pck_crl: self.pck_crl(spec)?,
            root_ca_crl: self.root_ca_crl(spec)?,
        })
    }

    /// The same as a PCS serves them.
    ///
    /// # Errors
    /// As [`SoftwareTee::endorsements_of`].
    pub fn pcs_documents(&self, spec: &EndorsementSpec) -> Result<PcsDocuments, SoftwareTeeError> {
        let endorsements = self.endorsements_of(spec)?;
        let signed = |member: &str, text: &str, signature: &[u8]| {
            format!(
                r#"{{"{member}":{text},"signature":"{}"}}"#,
                hex::encode(signature)
            )
        };
        Ok(PcsDocuments {
            tcb_info: signed(
                "tcbInfo",
                &endorsements.tcb_info,
                &endorsements.tcb_info_signature,
            ),
            tcb_info_issuer_chain: endorsements.tcb_info_issuer_chain,
            qe_identity: signed(
                "enclaveIdentity",
                &endorsements.qe_identity,
                &endorsements.qe_identity_signature,
            ),
            qe_identity_issuer_chain: endorsements.qe_identity_issuer_chain,
            pck_crl: endorsements.pck_crl,
            pck_crl_issuer_chain: endorsements.pck_crl_issuer_chain,
            root_ca_crl: endorsements.root_ca_crl,
        })
    }

    fn pck_crl(&self, spec: &EndorsementSpec) -> Result<Vec<u8>, SoftwareTeeError> {
        let issuer = pki::authority_issuer(self.platform.authority, &self.authority, self.created)?;
        let subjects = [(&self.pck, spec.pck)];
        pki::revocation_list(&issuer, &subjects, spec.issued, spec.crl_next_update)
    }

    fn root_ca_crl(&self, spec: &EndorsementSpec) -> Result<Vec<u8>, SoftwareTeeError> {
        let issuer = pki::root_issuer(&self.root, self.created)?;
        let subjects = [
            (&self.authority, spec.authority),
            (&self.tcb_signer, spec.tcb_signer),
        ];
        pki::revocation_list(&issuer, &subjects, spec.issued, spec.crl_next_update)
    }

    fn tcb_info(&self, spec: &EndorsementSpec) -> String {
        let components = self.platform.cpu_svn.map(|svn| raw::Component { svn });
        let is_tdx = spec.tee == IntelTee::Tdx;
        let text = json(&raw::TcbInfo {
            id: spec.tcb_info_id,
            version: 3,
            issue_date: spec.issued.to_string(),
            next_update: spec.next_update.to_string(),
            fmspc: hex::encode_upper(spec.fmspc.unwrap_or(self.platform.fmspc)),
            pce_id: hex::encode_upper(pck_extension::PCE_ID),
            tcb_type: 0,
            tcb_evaluation_data_number: EVALUATION_NUMBER,
            tdx_module: is_tdx.then(|| raw::TdxModule {
                mrsigner: hex::encode_upper(spec.tdx_module.signer),
                attributes: SEAM_ATTRIBUTES,
                attributes_mask: SEAM_ATTRIBUTES_MASK,
            }),
            tdx_module_identities: is_tdx.then(|| [tdx_module_identity(&spec.tdx_module)]),
            tcb_levels: [raw::Level {
                tcb: raw::Tcb {
                    sgxtcbcomponents: components,
                    tdxtcbcomponents: is_tdx.then(|| tdx::LEVEL.map(|svn| raw::Component { svn })),
                    pcesvn: spec.least_pce_svn.unwrap_or(self.platform.pce_svn),
                },
                tcb_date: LEVEL_DATE,
                tcb_status: spec.tcb_status.as_str(),
                advisories: texts(&spec.advisories),
            }],
        });
        spec.rewrite_tcb_info
            .map_or(text.clone(), |rewrite| rewrite(&text))
    }
}

fn tdx_module_identity(spec: &TdxModuleSpec) -> raw::TdxModuleIdentity {
    let level = |isvsvn: u8, status: TcbStatus, advisories: &[AdvisoryId]| raw::Level {
        tcb: raw::QeTcb {
            isvsvn: u16::from(isvsvn),
        },
        tcb_date: LEVEL_DATE,
        tcb_status: status.as_str(),
        advisories: texts(advisories),
    };
    raw::TdxModuleIdentity {
        id: format!("TDX_{:02X}", spec.version),
        mrsigner: hex::encode_upper(spec.signer),
        attributes: SEAM_ATTRIBUTES,
        attributes_mask: SEAM_ATTRIBUTES_MASK,
        tcb_levels: [
            level(spec.least_svn, spec.status, &spec.advisories),
            level(
                spec.outdated_svn,
                TcbStatus::OutOfDate,
                &spec.outdated_advisories,
            ),
        ],
    }
}

fn qe_identity(spec: &EndorsementSpec) -> String {
    let signer = spec.qe_signer.unwrap_or_else(quote::quoting_enclave_signer);
    let enclave = match spec.tee {
        IntelTee::Sgx => quote::SGX_QE,
        IntelTee::Tdx => quote::TD_QE,
    };
    let text = json(&raw::QeIdentity {
        id: spec.qe_identity_id,
        version: 2,
        issue_date: spec.issued.to_string(),
        next_update: spec.next_update.to_string(),
        tcb_evaluation_data_number: EVALUATION_NUMBER,
        miscselect: "00000000",
        miscselect_mask: "FFFFFFFF",
        attributes: "11000000000000000000000000000000",
        attributes_mask: "FBFFFFFFFFFFFFFF0000000000000000",
        mrsigner: hex::encode_upper(signer.as_bytes()),
        isvprodid: enclave.product_id,
        tcb_levels: [raw::Level {
            tcb: raw::QeTcb {
                isvsvn: enclave.svn,
            },
            tcb_date: LEVEL_DATE,
            tcb_status: spec.qe_status.as_str(),
            advisories: texts(&spec.qe_advisories),
        }],
    });
    spec.rewrite_qe_identity
        .map_or(text.clone(), |rewrite| rewrite(&text))
}

fn texts(advisories: &[AdvisoryId]) -> Vec<String> {
    advisories.iter().map(ToString::to_string).collect()
}

#[expect(
    clippy::expect_used,
    reason = "structures of texts and numbers have a JSON form"
)]
fn json(document: &impl Serialize) -> String {
    serde_json::to_string(document).expect("texts and numbers are JSON")
}

const AN_HOUR: Seconds = Seconds(3_600);
const THIRTY_DAYS: Seconds = Seconds(30 * 86_400);
const LEVEL_DATE: &str = "2026-01-14T00:00:00Z";
const EVALUATION_NUMBER: u32 = 20;
const SEAM_ATTRIBUTES: &str = "0000000000000000";
const SEAM_ATTRIBUTES_MASK: &str = "FFFFFFFFFFFFFFFF";

/// The JSON texts as Intel's PCS writes them, members in its order.
mod raw {
    use super::Serialize;

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct TcbInfo {
        pub(super) id: &'static str,
        pub(super) version: u8,
        pub(super) issue_date: String,
        pub(super) next_update: String,
        pub(super) fmspc: String,
        pub(super) pce_id: String,
        pub(super) tcb_type: u32,
        pub(super) tcb_evaluation_data_number: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(super) tdx_module: Option<TdxModule>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(super) tdx_module_identities: Option<[TdxModuleIdentity; 1]>,
        pub(super) tcb_levels: [Level<Tcb>; 1],
    }

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct TdxModule {
        pub(super) mrsigner: String,
        pub(super) attributes: &'static str,
        pub(super) attributes_mask: &'static str,
    }

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct TdxModuleIdentity {
        pub(super) id: String,
        pub(super) mrsigner: String,
        pub(super) attributes: &'static str,
        pub(super) attributes_mask: &'static str,
        pub(super) tcb_levels: [Level<QeTcb>; 2],
    }

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct QeIdentity {
        pub(super) id: &'static str,
        pub(super) version: u8,
        pub(super) issue_date: String,
        pub(super) next_update: String,
        pub(super) tcb_evaluation_data_number: u32,
        pub(super) miscselect: &'static str,
        pub(super) miscselect_mask: &'static str,
        pub(super) attributes: &'static str,
        pub(super) attributes_mask: &'static str,
        pub(super) mrsigner: String,
        pub(super) isvprodid: u16,
        pub(super) tcb_levels: [Level<QeTcb>; 1],
    }

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Level<T> {
        pub(super) tcb: T,
        pub(super) tcb_date: &'static str,
        pub(super) tcb_status: &'static str,
        #[serde(rename = "advisoryIDs", skip_serializing_if = "Vec::is_empty")]
        pub(super) advisories: Vec<String>,
    }

    #[derive(Serialize)]
    pub(super) struct Tcb {
        pub(super) sgxtcbcomponents: [Component; 16],
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(super) tdxtcbcomponents: Option<[Component; 16]>,
        pub(super) pcesvn: u16,
    }

    #[derive(Serialize)]
    pub(super) struct Component {
        pub(super) svn: u8,
    }

    #[derive(Serialize)]
    pub(super) struct QeTcb {
        pub(super) isvsvn: u16,
    }
}
