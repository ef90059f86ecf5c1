//! Endorsements of the software TEE, valid or bent in one place, in the shapes of Intel's PCS version 4.

use casque_appraise::{AdvisoryId, IntelEndorsements, IntelTee, TcbStatus};
use casque_types::Timestamp;
use serde::Serialize;

use super::{
    EndorsementSpec, SoftwareTee, SoftwareTeeError, TdxModuleSpec, pck_extension, pki, quote,
};
use crate::tdx;

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
