//! What a guest of Azure sends to `attest/AzureGuest`, valid, each part to be replaced by a bent one.
//!
//! `AttestationInfo` is JSON; what stands in which alphabet of base64 is as official clients have it (facts from
//! azure-guest-attestation-sdk 0.1.1): the standard one with padding, and base64url for what belongs to SEV-SNP.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use casque_types::{SnpIdentity, SnpSigner, TdxIdentity};
use serde_json::{Map, Value, json};

use super::{HclSpec, SoftwareVtpm, SoftwareVtpmError, TpmCertification, TpmEncryptionKey};
use super::{TpmQuote, TpmQuoteSpec};
use crate::sgx::SoftwareTee;
use crate::snp::{ReportSpec, SoftwareSnp};

/// What a request is to say.
#[derive(Clone, Debug)]
pub struct GuestSpec {
    /// The paravisor's machine.
    pub hcl: HclSpec,
    /// Which registers are quoted, rising.
    pub registers: Vec<u8>,
    /// `ClientPayload`: names and values, which are sent in base64.
    pub payload: Vec<(String, Vec<u8>)>,
}

/// A request in its parts.
#[derive(Clone, Debug)]
pub struct GuestRequest {
    /// `AttestationProtocolVersion`.
    pub protocol_version: String,
    /// `OSType`.
    pub os_type: String,
    /// `ClientPayload`.
    pub payload: Vec<(String, Vec<u8>)>,
    /// The TEE's part.
    pub tee: GuestTee,
    /// `RunTimeData`: the paravisor's data.
    pub runtime_data: Vec<u8>,
    /// `AikPub`.
    pub ak_public: Vec<u8>,
    /// `PcrQuote` and `PcrSignature`.
    pub quote: TpmQuote,
    /// `PcrSet`.
    pub pcr_set: Vec<u8>,
    /// `PCRs`.
    pub registers: Vec<(u8, [u8; 32])>,
    /// `EncKeyPub`.
    pub key_public: Vec<u8>,
    /// `EncKeyCertifyInfo` and its signature.
    pub certification: TpmCertification,
}

/// `IsolationInfo`.
#[derive(Clone, Debug)]
pub enum GuestTee {
    /// `SevSnp`.
    Snp {
        /// The report, 1184 bytes.
        report: Vec<u8>,
        /// The certificate of its key and the authorities, PEM.
        chain: String,
    },
    /// `Tdx`.
    Tdx {
        /// The quote.
        quote: Vec<u8>,
    },
    /// `TrustedLaunch`: no TEE.
    TrustedLaunch,
}

impl GuestSpec {
    /// What official clients send from Linux: registers 0 to 7, and this nonce in the payload.
    #[must_use]
    pub fn new(nonce: &[u8]) -> Self {
        Self {
            hcl: HclSpec::default(),
            registers: (0..8).collect(),
            payload: vec![("nonce".to_owned(), nonce.to_vec())],
        }
    }

    /// Registers and their values in a software TPM.
    #[must_use]
    pub fn values(&self) -> Vec<(u8, [u8; 32])> {
        let all = TpmQuoteSpec::new(b"").pcrs;
        let value = |register: &u8| Some((*register, *all.get(usize::from(*register))?));
        self.registers.iter().filter_map(value).collect()
    }

    fn select(&self) -> [u8; 3] {
        let mut select = [0; 3];
        for register in &self.registers {
            if let Some(byte) = select.get_mut(usize::from(register / 8)) {
                *byte |= 1 << (register % 8);
            }
        }
        select
    }
}

impl SoftwareVtpm {
    /// What a guest on SNP whose paravisor has this identity sends, for a token sealed to this key.
    ///
    /// # Errors
    /// [`SoftwareVtpmError`]: the provider failed.
    pub fn guest_on_snp(
        &self,
        platform: &SoftwareSnp,
        identity: &SnpIdentity,
        spec: &GuestSpec,
        key: &TpmEncryptionKey,
    ) -> Result<GuestRequest, SoftwareVtpmError> {
        let report = ReportSpec::new(identity.clone(), self.report_data(&spec.hcl));
        let tee = GuestTee::Snp {
            report: platform.report(&report)?,
            chain: platform.chain_pem(SnpSigner::Vcek),
        };
        self.guest_on(tee, spec, key)
    }

    /// What a guest on TDX whose paravisor has this identity sends, for a token sealed to this key.
    ///
    /// # Errors
    /// [`SoftwareVtpmError`]: the provider failed.
    pub fn guest_on_tdx(
        &self,
        platform: &SoftwareTee,
        identity: &TdxIdentity,
        spec: &GuestSpec,
        key: &TpmEncryptionKey,
    ) -> Result<GuestRequest, SoftwareVtpmError> {
        let quote = platform.tdx_quote(identity, &self.report_data(&spec.hcl))?;
        self.guest_on(GuestTee::Tdx { quote }, spec, key)
    }

    fn guest_on(
        &self,
        tee: GuestTee,
        spec: &GuestSpec,
        key: &TpmEncryptionKey,
    ) -> Result<GuestRequest, SoftwareVtpmError> {
        Ok(GuestRequest {
            protocol_version: "2.0".to_owned(),
            os_type: "Linux".to_owned(),
            payload: spec.payload.clone(),
            tee,
            runtime_data: self.paravisor_data(&spec.hcl),
            ak_public: self.ak_public(),
            quote: self.quote(&TpmQuoteSpec::new(b"").with_select(&spec.select()))?,
            pcr_set: spec.registers.clone(),
            registers: spec.values(),
            key_public: key.public(),
            certification: self.certify(key)?,
        })
    }
}

impl GuestRequest {
    /// `AttestationInfo`, before its own base64url.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let payload = self.payload.iter();
        let payload: Map<String, Value> = payload
            .map(|(name, value)| (name.clone(), STANDARD.encode(value).into()))
            .collect();
        let registers = self.registers.iter();
        let registers: Vec<Value> = registers
            .map(|(index, digest)| json!({"Index": index, "Digest": STANDARD.encode(digest)}))
            .collect();
        json!({
            "AttestationProtocolVersion": self.protocol_version,
            "OSType": STANDARD.encode(&self.os_type),
            "OSDistro": STANDARD.encode("Debian GNU/Linux"),
            "OSVersionMajor": 13,
            "OSVersionMinor": 0,
            "OSBuild": STANDARD.encode("NotApplication"),
            "TcgLogs": "",
            "ClientPayload": payload,
            "TpmInfo": {
                "AikCert": "",
                "AikPub": STANDARD.encode(&self.ak_public),
                "PcrQuote": STANDARD.encode(&self.quote.message),
                "PcrSignature": STANDARD.encode(&self.quote.signature),
                "PcrSet": self.pcr_set,
                "PCRs": registers,
                "EncKeyPub": STANDARD.encode(&self.key_public),
                "EncKeyCertifyInfo": STANDARD.encode(&self.certification.message),
                "EncKeyCertifyInfoSignature": STANDARD.encode(&self.certification.signature),
            },
            "IsolationInfo": self.isolation(),
        })
    }

    /// The body of the request.
    #[must_use]
    pub fn to_body(&self) -> Value {
        json!({"AttestationInfo": URL_SAFE_NO_PAD.encode(self.to_json().to_string())})
    }

    fn isolation(&self) -> Value {
        match &self.tee {
            GuestTee::Snp { report, chain } => {
                let proof = json!({
                    "SnpReport": URL_SAFE_NO_PAD.encode(report),
                    "VcekCertChain": URL_SAFE_NO_PAD.encode(chain),
                });
                let evidence = json!({
                    "Proof": URL_SAFE_NO_PAD.encode(proof.to_string()),
                    "RunTimeData": URL_SAFE_NO_PAD.encode(&self.runtime_data),
                });
                json!({"Type": "SevSnp", "Evidence": evidence})
            }
            GuestTee::Tdx { quote } => {
                let evidence = json!({
                    "Proof": STANDARD.encode(quote),
                    "RunTimeData": STANDARD.encode(&self.runtime_data),
                });
                json!({"Type": "Tdx", "Evidence": evidence})
            }
            GuestTee::TrustedLaunch => json!({"Type": "TrustedLaunch"}),
        }
    }
}
