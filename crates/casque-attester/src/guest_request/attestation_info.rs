//! The JSON in a request to `attest/AzureGuest`:
//!
//! ```json
//! {"AttestationProtocolVersion":"2.0","OSType":"…","OSDistro":"…","OSVersionMajor":22,"OSVersionMinor":4,"OSBuild":"…",
//!  "TcgLogs":"…","ClientPayload":{"nonce":"…"},
//!  "TpmInfo":{"AikCert":"…","AikPub":"…","PcrQuote":"…","PcrSignature":"…","PcrSet":[0,1],"PCRs":[{"Index":0,"Digest":"…"}],
//!   "EncKeyPub":"…","EncKeyCertifyInfo":"…","EncKeyCertifyInfoSignature":"…"},
//!  "IsolationInfo":{"Type":"SevSnp","Evidence":{"Proof":"…","RunTimeData":"…"}}}
//! ```
//! Text and bytes are base64 with padding, but for what `IsolationInfo` has of SNP: base64url without.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Serialize;

use super::os_release::OsRelease;
use crate::tpm::sealing_key::Attested;

/// What the guest says of itself.
pub(super) struct Boot<'a> {
    pub(super) tcg_log: Vec<u8>,
    pub(super) os_release: OsRelease,
    pub(super) nonce: &'a [u8; 32],
}

/// What the TEE says.
pub(super) struct Isolation<'a> {
    pub(super) proof: TeeProof<'a>,
    /// The JSON that the proof's report data cover.
    pub(super) paravisor_data: &'a [u8],
}

/// What a TEE signs.
pub(super) enum TeeProof<'a> {
    Snp {
        report: &'a [u8],
        /// PEM.
        certificates: &'a str,
    },
    Tdx {
        td_quote: &'a [u8],
    },
}

/// The JSON about one machine.
pub(super) fn attestation_info(
    boot: &Boot<'_>,
    isolation: &Isolation<'_>,
    ak_certificate: &[u8],
    attested: &Attested,
) -> Vec<u8> {
    let info = AttestationInfo {
        attestation_protocol_version: "2.0",
        os_type: base64(b"Linux"),
        os_distro: base64(boot.os_release.name.as_bytes()),
        os_version_major: boot.os_release.major,
        os_version_minor: boot.os_release.minor,
        os_build: base64(b"NotApplication"),
        tcg_logs: base64(&boot.tcg_log),
        client_payload: ClientPayload {
            nonce: payload_nonce(boot.nonce),
        },
        tpm_info: TpmInfo::of(ak_certificate, attested),
        isolation_info: IsolationInfo::of(isolation),
    };
    // Cannot fail: structures of text and numbers.
    serde_json::to_vec(&info).unwrap_or_default()
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AttestationInfo {
    attestation_protocol_version: &'static str,
    #[serde(rename = "OSType")]
    os_type: String,
    #[serde(rename = "OSDistro")]
    os_distro: String,
    #[serde(rename = "OSVersionMajor")]
    os_version_major: u32,
    #[serde(rename = "OSVersionMinor")]
    os_version_minor: u32,
    #[serde(rename = "OSBuild")]
    os_build: String,
    tcg_logs: String,
    client_payload: ClientPayload,
    tpm_info: TpmInfo,
    isolation_info: IsolationInfo,
}

#[derive(Serialize)]
struct ClientPayload {
    nonce: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TpmInfo {
    aik_cert: String,
    aik_pub: String,
    pcr_quote: String,
    pcr_signature: String,
    pcr_set: Vec<u8>,
    #[serde(rename = "PCRs")]
    pcrs: Vec<Register>,
    enc_key_pub: String,
    enc_key_certify_info: String,
    enc_key_certify_info_signature: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Register {
    index: u8,
    digest: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct IsolationInfo {
    r#type: &'static str,
    evidence: IsolationEvidence,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct IsolationEvidence {
    proof: String,
    run_time_data: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SnpProof {
    snp_report: String,
    vcek_cert_chain: String,
}

impl TpmInfo {
    fn of(ak_certificate: &[u8], attested: &Attested) -> Self {
        let registers = (0..=u8::MAX).zip(&attested.registers);
        let pcrs: Vec<Register> = registers
            .map(|(index, digest)| Register {
                index,
                digest: base64(digest),
            })
            .collect();
        Self {
            aik_cert: base64(ak_certificate),
            aik_pub: base64(&attested.ak_public),
            pcr_quote: base64(&attested.quote.message),
            pcr_signature: base64(&attested.quote.signature),
            pcr_set: pcrs.iter().map(|register| register.index).collect(),
            pcrs,
            enc_key_pub: base64(&attested.key_public),
            enc_key_certify_info: base64(&attested.certification.message),
            enc_key_certify_info_signature: base64(&attested.certification.signature),
        }
    }
}

impl IsolationInfo {
    fn of(isolation: &Isolation<'_>) -> Self {
        match isolation.proof {
            TeeProof::Snp {
                report,
                certificates,
            } => {
                let proof = SnpProof {
                    snp_report: base64url(report),
                    vcek_cert_chain: base64url(certificates.as_bytes()),
                };
                // Cannot fail: a structure of text.
                let proof = serde_json::to_vec(&proof).unwrap_or_default();
                Self {
                    r#type: "SevSnp",
                    evidence: IsolationEvidence {
                        proof: base64url(&proof),
                        run_time_data: base64url(isolation.paravisor_data),
                    },
                }
            }
            TeeProof::Tdx { td_quote } => Self {
                r#type: "Tdx",
                evidence: IsolationEvidence {
                    proof: base64(td_quote),
                    run_time_data: base64(isolation.paravisor_data),
                },
            },
        }
    }
}

/// A nonce as it is sent, and as the token has it: base64 of 64 hexadecimal digits. The service gives the payload back
/// as text, which any bytes may not be.
pub(super) fn payload_nonce(nonce: &[u8; 32]) -> String {
    let digits: String = nonce.iter().map(|byte| format!("{byte:02x}")).collect();
    base64(digits.as_bytes())
}

fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
