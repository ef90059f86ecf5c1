//! What is submitted of evidence, and where: `POST <instance>/attest/…`.
//!
//! | evidence | endpoint, API version | body |
//! |---|---|---|
//! | SGX quote | `SgxEnclave`, 2020-10-01 | `quote` |
//! | TDX quote | `TdxVm`, 2025-06-01 | `quote` |
//! | report of SEV-SNP | `SevSnpVm`, 2022-08-01 | `report`: JSON of `SnpReport` and `VcekCertChain` |
//! | confidential containers | `SevSnpVm`, 2022-08-01 | the same, and `Endorsements`: JSON of `Uvm`, a list of references |
//! | Azure VM | as its TEE | as its TEE, with the paravisor's data as runtime data |
//! | Azure VM, on its own request | `AzureGuest`, 2020-10-01 | `AttestationInfo`, as the guest made it |
//!
//! All blobs are in base64url, JSON inside JSON too. `VcekCertChain` is PEM: the certificate of the key that signed
//! the report, its authority, the root. With each goes `runtimeData` of type JSON, whose SHA-256 the service
//! compares with the report data: ours, or the paravisor's.
//!
//! The answer of `AzureGuest` is sealed to a key of the guest's TPM: it is handed back unread. `initTimeData` are not sent: what they state (host data, MRCONFIGID) is in
//! the token anyway.
//!
//! Source: Azure Attestation REST API 2020-10-01 to 2025-06-01, `Attestation` operations.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use casque_appraise::{AzureVmEvidence, Evidence, SnpEvidence};
use casque_core::AttestationInfo;
use casque_types::RuntimeData;
use serde::Serialize;

/// A request to be sent.
#[derive(Debug)]
pub(super) struct Submission {
    /// Path and query under the instance's address.
    pub(super) path: &'static str,
    /// JSON.
    pub(super) body: Bytes,
}

/// Why evidence is not submitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotSubmitted {
    /// There is none, or it was judged already.
    Kind,
    /// The certificate of the key that signed the report did not come with it.
    CertificateMissing,
}

impl Submission {
    /// The request about this evidence.
    pub(super) fn of(evidence: &Evidence, runtime: &RuntimeData) -> Result<Self, NotSubmitted> {
        let ours = runtime.as_bytes();
        match evidence {
            Evidence::Absent | Evidence::MaaToken(_) => Err(NotSubmitted::Kind),
            Evidence::Sgx(quote) => Self::quote(SGX_ENCLAVE, quote.as_bytes(), ours),
            Evidence::Tdx(quote) => Self::quote(TDX_VM, quote.as_bytes(), ours),
            Evidence::Snp(snp) => Self::report(snp, None, ours),
            Evidence::Aci(containers) => {
                Self::report(containers.snp(), Some(containers.uvm()), ours)
            }
            Evidence::AzureVm(vm) => Self::machine(vm),
        }
    }

    /// The request that a guest made.
    pub(super) fn of_guest(info: &AttestationInfo) -> Result<Self, NotSubmitted> {
        let body = RawGuest {
            attestation_info: info.as_str(),
        };
        Self::to(AZURE_GUEST, &body)
    }

    /// The TEE's part; the paravisor's data are what its report data are the digest of.
    fn machine(vm: &AzureVmEvidence) -> Result<Self, NotSubmitted> {
        match vm.snp() {
            Some(snp) => Self::report(snp, None, vm.paravisor_data()),
            None => Self::quote(TDX_VM, vm.hardware_evidence(), vm.paravisor_data()),
        }
    }

    fn quote(path: &'static str, quote: &[u8], runtime: &[u8]) -> Result<Self, NotSubmitted> {
        let body = RawQuote {
            quote: encode(quote),
            runtime_data: RawRuntimeData::json(runtime),
        };
        Self::to(path, &body)
    }

    fn report(snp: &SnpEvidence, uvm: Option<&[u8]>, runtime: &[u8]) -> Result<Self, NotSubmitted> {
        let chain = snp.certificate_chain_pem();
        let chain = chain.ok_or(NotSubmitted::CertificateMissing)?;
        let endorsements = uvm.map(|reference| RawEndorsements {
            uvm: [encode(reference)],
        });
        let inner = RawSnpReport {
            snp_report: encode(snp.report().as_bytes()),
            vcek_cert_chain: encode(chain.as_bytes()),
            endorsements: endorsements
                .map(|it| json(&it))
                .transpose()?
                .map(|it| encode(&it)),
        };
        let body = RawReport {
            report: encode(&json(&inner)?),
            runtime_data: RawRuntimeData::json(runtime),
        };
        Self::to(SEV_SNP_VM, &body)
    }

    fn to(path: &'static str, body: &impl Serialize) -> Result<Self, NotSubmitted> {
        Ok(Self {
            path,
            body: json(body)?.into(),
        })
    }
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A plain struct of texts always has a JSON form.
fn json(value: &impl Serialize) -> Result<Vec<u8>, NotSubmitted> {
    serde_json::to_vec(value).map_err(|_| NotSubmitted::Kind)
}

const AZURE_GUEST: &str = "/attest/AzureGuest?api-version=2020-10-01";
const SGX_ENCLAVE: &str = "/attest/SgxEnclave?api-version=2020-10-01";
const TDX_VM: &str = "/attest/TdxVm?api-version=2025-06-01";
const SEV_SNP_VM: &str = "/attest/SevSnpVm?api-version=2022-08-01";

#[derive(Serialize)]
struct RawGuest<'a> {
    #[serde(rename = "AttestationInfo")]
    attestation_info: &'a str,
}

#[derive(Serialize)]
struct RawQuote {
    quote: String,
    #[serde(rename = "runtimeData")]
    runtime_data: RawRuntimeData,
}

#[derive(Serialize)]
struct RawReport {
    report: String,
    #[serde(rename = "runtimeData")]
    runtime_data: RawRuntimeData,
}

#[derive(Serialize)]
struct RawSnpReport {
    #[serde(rename = "SnpReport")]
    snp_report: String,
    #[serde(rename = "VcekCertChain")]
    vcek_cert_chain: String,
    #[serde(rename = "Endorsements", skip_serializing_if = "Option::is_none")]
    endorsements: Option<String>,
}

#[derive(Serialize)]
struct RawEndorsements {
    #[serde(rename = "Uvm")]
    uvm: [String; 1],
}

#[derive(Serialize)]
struct RawRuntimeData {
    data: String,
    #[serde(rename = "dataType")]
    data_type: &'static str,
}

impl RawRuntimeData {
    fn json(bytes: &[u8]) -> Self {
        Self {
            data: encode(bytes),
            data_type: "JSON",
        }
    }
}
