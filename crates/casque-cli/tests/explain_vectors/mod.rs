//! Real evidence and endorsements as files of `casque explain`, found through `CASQUE_VECTORS` (default
//! `../shared/vectors` beside the repository); what is absent is skipped and said so.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::fs;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::harness::{Place, Ran};

/// One piece of evidence, what vendors and issuers state about it, and when.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) evidence: Value,
    pub(crate) endorsements: Option<Value>,
    /// RFC 3339.
    pub(crate) at: &'static str,
}

impl Case {
    /// Runs `casque explain --output json` on it.
    pub(crate) fn explain(&self, place: &Place, more: &[&str]) -> Ran {
        let mut arguments = self.arguments(place);
        arguments.extend_from_slice(&["--output", "json"]);
        arguments.extend_from_slice(more);
        place.run(&arguments)
    }

    /// Writes the files, and names them.
    pub(crate) fn arguments(&self, place: &Place) -> Vec<&'static str> {
        place.write("evidence.json", &self.evidence.to_string());
        let mut arguments = vec!["explain", "--evidence", "evidence.json", "--at", self.at];
        if let Some(endorsements) = &self.endorsements {
            place.write("endorsements.json", &endorsements.to_string());
            arguments.extend_from_slice(&["--endorsements", "endorsements.json"]);
        }
        arguments
    }

    /// The same with one bit of a member's bytes turned.
    pub(crate) fn flipped(&self, member: &str, at: usize) -> Self {
        let mut bent = self.clone();
        let text = bent.evidence.pointer_mut(member).unwrap();
        let mut bytes = STANDARD.decode(text.as_str().unwrap()).unwrap();
        bytes[at] ^= 1;
        *text = STANDARD.encode(bytes).into();
        bent
    }

    pub(crate) fn with(&self, member: &str, value: Value) -> Self {
        let mut bent = self.clone();
        *bent.evidence.pointer_mut(member).unwrap() = value;
        bent
    }

    pub(crate) fn at(&self, at: &'static str) -> Self {
        Self { at, ..self.clone() }
    }
}

/// A vector's bytes, or `None`, said aloud, when it is not there.
pub(crate) fn vector(path: &str) -> Option<Vec<u8>> {
    let root = std::env::var_os("CASQUE_VECTORS").map_or_else(
        || {
            PathBuf::from(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../../../shared/vectors"
            ))
        },
        PathBuf::from,
    );
    let read = fs::read(root.join(path)).ok();
    if read.is_none() {
        println!("skipped: no vector {path}");
    }
    read
}

fn of(path: &str) -> Option<Vec<u8>> {
    vector(&format!("evidence/{path}"))
}

fn text(path: &str) -> Option<String> {
    of(path).map(|bytes| String::from_utf8(bytes).unwrap())
}

fn b64(path: &str) -> Option<String> {
    of(path).map(|bytes| STANDARD.encode(bytes))
}

/// A certificate as its file has it: PEM, or DER, in base64.
fn certificate(path: &str) -> Option<String> {
    let bytes = of(path)?;
    match bytes.starts_with(b"-----BEGIN") {
        true => Some(String::from_utf8(bytes).unwrap()),
        false => Some(STANDARD.encode(bytes)),
    }
}

/// A quote of SGX or TDX with the endorsements in the form of `dcap-qvl`.
pub(crate) fn quote(tee: &str, path: &str, endorsements: &str, at: &'static str) -> Option<Case> {
    let collateral: Value = serde_json::from_str(&text(endorsements)?).unwrap();
    Some(Case {
        evidence: json!({"type": tee, "quote": b64(path)?}),
        endorsements: Some(json!({"intel": collateral})),
        at,
    })
}

/// A report of SEV-SNP: raw, in hexadecimal digits, or inside an HCL report. Without a chain AMD's own is used.
pub(crate) fn snp(path: &str, vek: &str, chain: Option<&str>, at: &'static str) -> Option<Case> {
    let mut report = of(path)?;
    if path.ends_with(".hex") {
        report = hex::decode(String::from_utf8(report).unwrap().trim()).unwrap();
    }
    if report.starts_with(b"HCLA") {
        report = report[0x20..0x4c0].to_vec();
    }
    let chain = match chain {
        Some(chain) => Some(json!({"amd": {"chain": text(chain)?}})),
        None => None,
    };
    Some(Case {
        evidence: json!({
            "type": "snp",
            "report": STANDARD.encode(report),
            "vek": certificate(vek)?,
        }),
        endorsements: chain,
        at,
    })
}

pub(crate) fn aci() -> Option<Case> {
    Some(Case {
        evidence: json!({
            "type": "aci-snp",
            "report": b64("aci-uvm/snp_report.bin")?,
            "vek": text("aci-uvm/uvm_host_amd_certificate.pem")?,
            "policy": text("aci-uvm/uvm_security_policy.base64")?.trim(),
            "uvm": b64("aci-uvm/body.uvm_reference_info.bin")?,
        }),
        endorsements: None,
        at: "2025-06-19T11:56:11Z",
    })
}

fn tpm_quote(prefix: &str) -> Option<Value> {
    let registers = of(&format!("{prefix}pcrs.bin"))?;
    let registers: Vec<String> = registers.chunks(32).map(hex::encode).collect();
    Some(json!({
        "message": b64(&format!("{prefix}tpmquote.msg"))?,
        "signature": b64(&format!("{prefix}tpmquote.sig"))?,
        "pcrs": registers,
    }))
}

pub(crate) fn azure_snp(version: u8, vek: &str) -> Option<Case> {
    let prefix = format!("azure-snp-vtpm/x-v{version}-");
    Some(Case {
        evidence: json!({
            "type": "azure-snp-vtpm",
            "hcl": b64(&format!("{prefix}hcl.bin"))?,
            "quote": tpm_quote(&prefix)?,
            "vek": certificate(vek)?,
        }),
        endorsements: None,
        at: "2025-06-19T11:56:11Z",
    })
}

pub(crate) fn azure_tdx() -> Option<Case> {
    let prefix = "azure-tdx-vtpm/azure-tdx-1764662251380464271.";
    let collateral = text("azure-tdx-vtpm/azure-collateral02.dcap-qvl.json")?;
    let collateral: Value = serde_json::from_str(&collateral).unwrap();
    Some(Case {
        evidence: json!({
            "type": "azure-tdx-vtpm",
            "hcl": b64(&format!("{prefix}hcl.bin"))?,
            "quote": tpm_quote(prefix)?,
            "td_quote": b64(&format!("{prefix}tdquote.bin"))?,
            "ak_chain": text(&format!("{prefix}ak.pem"))?,
        }),
        endorsements: Some(json!({"intel": collateral})),
        at: "2026-02-18T14:04:40Z",
    })
}

/// A token, and the key document of its instance.
pub(crate) fn maa(name: &str, issuer: &str, keys: &str, at: &'static str) -> Option<Case> {
    let token = vector(&format!("maa/attest-{name}.jwt"))?;
    let token = String::from_utf8(token).unwrap();
    let keys: Value = serde_json::from_slice(&vector(&format!("maa/jwks__{keys}.json"))?).unwrap();
    Some(Case {
        evidence: json!({"type": "maa", "token": token.trim_end()}),
        endorsements: Some(json!({"maa": {"issuer": issuer, "jwks": keys}})),
        at,
    })
}

/// A token whose claims say something else, under the same signature.
pub(crate) fn with_other_claims(case: &Case) -> Case {
    let token = case.evidence["token"].as_str().unwrap();
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    let claims = String::from_utf8(URL_SAFE_NO_PAD.decode(&parts[1]).unwrap()).unwrap();
    let changed = claims.replacen("\"iss\"", "\"more\":1,\"iss\"", 1);
    assert_ne!(claims, changed);
    parts[1] = URL_SAFE_NO_PAD.encode(changed);
    case.with("/token", parts.join(".").into())
}

pub(crate) fn phala_sgx() -> Option<Case> {
    let path = "sgx-dcap/phala-sgx_quote.bin";
    let endorsements = "sgx-dcap/phala-sgx_quote_collateral.json";
    quote("sgx", path, endorsements, "2025-06-19T11:56:11Z")
}

pub(crate) fn phala_tdx() -> Option<Case> {
    let path = "tdx-dcap/phala-tdx_quote.bin";
    let endorsements = "tdx-dcap/phala-tdx_quote_collateral.json";
    quote("tdx", path, endorsements, "2025-06-19T11:32:27Z")
}

pub(crate) fn virtee_milan() -> Option<Case> {
    let report = "snp/virtee-report_milan.hex";
    let chain = Some("snp/virtee-cert_chain_milan");
    snp(
        report,
        "snp/virtee-vcek_milan.der",
        chain,
        "2025-06-19T11:56:11Z",
    )
}

pub(crate) const SHARED: &str = "https://sharedwus.wus.attest.azure.net";

pub(crate) fn shared_token() -> Option<Case> {
    maa(
        "SgxEnclave__sharedwus__1.0.0__JSON",
        SHARED,
        "sharedwus.wus.attest.azure.net__1.0.0__1",
        "2021-07-01T20:14:16Z",
    )
}
