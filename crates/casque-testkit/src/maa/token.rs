//! Tokens as Microsoft Azure Attestation writes them (spec/azure.md section 3.3), valid or bent.
//!
//! Compact JWS (RFC 7515): `base64url(header) . base64url(claims) . base64url(signature)`, without padding.
//! Members stand in alphabetical order, as the real service puts them.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use casque_appraise::IntelEndorsements;
use casque_types::{Digest, Seconds, SgxIdentity, Timestamp, sha256};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::subject::{AzureVmToken, SnpToken, TdxToken, TokenSubject};
use super::{SoftwareMaa, SoftwareMaaError};
use crate::sgx::software_identity;

/// What a token is to say.
#[derive(Clone, Debug)]
pub struct TokenSpec {
    /// How it is signed.
    pub algorithm: TokenAlgorithm,
    /// `kid` of the header; the signing key's when none.
    pub key_id: Option<String>,
    /// `jku` of the header; `<issuer>/certs` when none.
    pub key_url: Option<String>,
    /// `iss`; the instance's address when none.
    pub issuer: Option<String>,
    /// `x-ms-attestation-type`.
    pub attestation_type: String,
    /// Of what it speaks.
    pub subject: TokenSubject,
    /// The enclave, if it speaks of one.
    pub identity: SgxIdentity,
    /// The TEE's report data, with zeros up to 64 bytes.
    pub report_data: [u8; 64],
    /// The runtime data that came with the evidence.
    pub runtime: Option<RuntimeClaim>,
    /// `nonce`, which binds nothing.
    pub nonce: Option<String>,
    /// `x-ms-sgx-collateral`.
    pub collateral: Option<TokenCollateral>,
    /// `x-ms-policy-hash`.
    pub policy_hash: String,
    /// `iat`.
    pub issued: Timestamp,
    /// `nbf`.
    pub not_before: Timestamp,
    /// `exp`.
    pub expires: Timestamp,
    /// Further claims, such as an instance's own policy may issue; they replace others of the same name. A name
    /// that begins with `x-ms-isolation-tee.` is of a claim in there.
    pub further: Vec<(String, Value)>,
    /// Claims left out; named as the further ones.
    pub without: Vec<&'static str>,
    /// Whether one byte of the claims is changed after signing.
    pub changed: bool,
}

/// How a token is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256, as the service does.
    Rs256,
    /// `alg: none` and an empty signature, as the service does for draft policies.
    Unsigned,
}

/// Runtime data as they came with the evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuntimeClaim {
    /// `dataType: JSON`: re-emitted as the object `x-ms-runtime`, its members in another order.
    Json(Vec<u8>),
    /// `dataType: Binary`: re-emitted in base64url as `x-ms-sgx-ehd` and its old names.
    Binary(Vec<u8>),
}

impl RuntimeClaim {
    /// The bytes as they came.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Json(bytes) | Self::Binary(bytes) => bytes,
        }
    }
}

/// Digests of what the service judged, `x-ms-sgx-collateral`.
#[derive(Clone, Debug, Serialize)]
pub struct TokenCollateral {
    qeidcertshash: String,
    qeidcrlhash: String,
    qeidhash: String,
    quotehash: String,
    tcbinfocertshash: String,
    tcbinfocrlhash: String,
    tcbinfohash: String,
}

impl TokenCollateral {
    /// SHA-256 over the quote as submitted and over each endorsement.
    #[must_use]
    pub fn of(quote: &[u8], endorsements: &IntelEndorsements) -> Self {
        let hash = |bytes: &[u8]| sha256(bytes).to_string();
        Self {
            qeidcertshash: hash(endorsements.qe_identity_issuer_chain.as_bytes()),
            qeidcrlhash: hash(&endorsements.pck_crl),
            qeidhash: hash(endorsements.qe_identity.as_bytes()),
            quotehash: hash(quote),
            tcbinfocertshash: hash(endorsements.tcb_info_issuer_chain.as_bytes()),
            tcbinfocrlhash: hash(&endorsements.pck_crl),
            tcbinfohash: hash(endorsements.tcb_info.as_bytes()),
        }
    }
}

impl TokenSpec {
    /// A valid token for an SGX enclave, good for 8 hours from `now`, as the service gives it.
    #[must_use]
    pub fn sgx(identity: SgxIdentity, report_data: [u8; 64], now: Timestamp) -> Self {
        Self {
            algorithm: TokenAlgorithm::Rs256,
            key_id: None,
            key_url: None,
            issuer: None,
            attestation_type: "sgx".to_owned(),
            subject: TokenSubject::Sgx,
            identity,
            report_data,
            runtime: None,
            nonce: None,
            collateral: None,
            policy_hash: default_policy_hash(),
            issued: now,
            not_before: now,
            expires: now.plus(EIGHT_HOURS),
            further: Vec::new(),
            without: Vec::new(),
            changed: false,
        }
    }

    /// A valid token of a guest of SEV-SNP.
    #[must_use]
    pub fn snp(guest: SnpToken, report_data: [u8; 64], now: Timestamp) -> Self {
        Self {
            attestation_type: "sevsnpvm".to_owned(),
            subject: TokenSubject::Snp(Box::new(guest)),
            ..Self::sgx(no_enclave(), report_data, now)
        }
    }

    /// A valid token of a trust domain.
    #[must_use]
    pub fn tdx(domain: TdxToken, report_data: [u8; 64], now: Timestamp) -> Self {
        Self {
            attestation_type: "tdxvm".to_owned(),
            subject: TokenSubject::Tdx(Box::new(domain)),
            ..Self::sgx(no_enclave(), report_data, now)
        }
    }

    /// A valid token of a confidential virtual machine of Azure; the report data are the digest of the
    /// paravisor's data.
    #[must_use]
    pub fn azure_vm(machine: AzureVmToken, now: Timestamp) -> Self {
        let mut report_data = [0; 64];
        report_data[..32].copy_from_slice(sha256(&machine.paravisor_data).as_bytes());
        Self {
            attestation_type: "azurevm".to_owned(),
            subject: TokenSubject::AzureVm(Box::new(machine)),
            ..Self::sgx(no_enclave(), report_data, now)
        }
    }

    /// The same with the runtime data that came with the evidence.
    #[must_use]
    pub fn with_runtime(mut self, runtime: RuntimeClaim) -> Self {
        self.runtime = Some(runtime);
        self
    }

    fn claims(&self, instance: &str) -> Result<Map<String, Value>, SoftwareMaaError> {
        let mut claims = object(json!({
            "exp": self.expires.as_unix_s(),
            "iat": self.issued.as_unix_s(),
            "iss": self.issuer.as_deref().unwrap_or(instance),
            "jti": self.id().to_string(),
            "nbf": self.not_before.as_unix_s(),
            "x-ms-attestation-type": self.attestation_type,
            "x-ms-policy-hash": self.policy_hash,
            "x-ms-ver": "1.0",
        }));
        claims.extend(self.subject_claims()?);
        if let Some(runtime) = &self.runtime {
            claims.extend(self.runtime_claims(runtime)?);
        }
        if let Some(nonce) = &self.nonce {
            claims.insert("nonce".to_owned(), Value::from(nonce.as_str()));
        }
        if let Some(collateral) = &self.collateral {
            let value = json!(collateral);
            claims.insert("maa-attestationcollateral".to_owned(), value.clone());
            claims.insert("x-ms-sgx-collateral".to_owned(), value);
        }
        for (name, value) in &self.further {
            edit(&mut claims, name, |object, name| {
                object.insert(name.to_owned(), value.clone());
            });
        }
        for name in &self.without {
            edit(&mut claims, name, |object, name| {
                object.remove(name);
            });
        }
        claims.sort_keys();
        Ok(claims)
    }

    fn subject_claims(&self) -> Result<Map<String, Value>, SoftwareMaaError> {
        Ok(match &self.subject {
            TokenSubject::Sgx => self.sgx_claims(),
            TokenSubject::Snp(guest) => guest.claims(&self.report_data),
            TokenSubject::Tdx(domain) => domain.claims(&self.report_data),
            TokenSubject::AzureVm(machine) => machine.claims(&self.report_data)?,
        })
    }

    /// Binary runtime data come back in tokens about enclaves alone.
    fn runtime_claims(&self, claim: &RuntimeClaim) -> Result<Map<String, Value>, SoftwareMaaError> {
        match (claim, &self.subject) {
            (RuntimeClaim::Binary(_), TokenSubject::Sgx) | (RuntimeClaim::Json(_), _) => {
                runtime_claims(claim)
            }
            (RuntimeClaim::Binary(_), _) => Ok(Map::new()),
        }
    }

    fn sgx_claims(&self) -> Map<String, Value> {
        let identity = &self.identity;
        object(json!({
            "is-debuggable": identity.debug,
            "product-id": identity.product_id,
            "sgx-mrenclave": identity.mr_enclave.to_string(),
            "sgx-mrsigner": identity.mr_signer.to_string(),
            "svn": identity.svn,
            "tee": self.attestation_type,
            "x-ms-sgx-is-debuggable": identity.debug,
            "x-ms-sgx-mrenclave": identity.mr_enclave.to_string(),
            "x-ms-sgx-mrsigner": identity.mr_signer.to_string(),
            "x-ms-sgx-product-id": identity.product_id,
            "x-ms-sgx-report-data": hex::encode(self.report_data),
            "x-ms-sgx-svn": identity.svn,
        }))
    }

    /// The `jti`: the same for the same token, another for another.
    fn id(&self) -> Digest<32> {
        let mut seed = self.report_data.to_vec();
        seed.extend(self.issued.as_unix_s().to_be_bytes());
        seed.extend(self.identity.mr_enclave.as_bytes());
        sha256(&seed)
    }
}

impl SoftwareMaa {
    /// Signs a token that says this.
    ///
    /// # Errors
    /// [`SoftwareMaaError::RuntimeData`]: runtime data that are said to be JSON and are not;
    /// [`SoftwareMaaError::Key`]: the provider failed.
    pub fn token(&self, spec: &TokenSpec) -> Result<String, SoftwareMaaError> {
        let mut claims = json(&spec.claims(self.url.as_str())?);
        let header = self.header(spec);
        let signed = signing_input(&header, &claims);
        let signature = match spec.algorithm {
            TokenAlgorithm::Rs256 => self.sign(signed.as_bytes())?,
            TokenAlgorithm::Unsigned => Vec::new(),
        };
        if spec.changed {
            claims = claims.replacen(r#""x-ms-ver":"1.0""#, r#""x-ms-ver":"1.1""#, 1);
        }
        let signed = signing_input(&header, &claims);
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// Signs these claims, JSON, as they are.
    ///
    /// # Errors
    /// [`SoftwareMaaError::Key`]: the provider failed.
    pub fn token_of_claims(&self, claims: &str) -> Result<String, SoftwareMaaError> {
        let header = json(&json!({
            "alg": "RS256",
            "jku": format!("{}/certs", self.url),
            "kid": &self.key_id,
            "typ": "JWT",
        }));
        let signed = signing_input(&header, claims);
        let signature = self.sign(signed.as_bytes())?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    fn header(&self, spec: &TokenSpec) -> String {
        let issuer = spec.issuer.as_deref().unwrap_or(self.url.as_str());
        let key_url = (spec.key_url.clone()).unwrap_or_else(|| format!("{issuer}/certs"));
        json(&json!({
            "alg": match spec.algorithm {
                TokenAlgorithm::Rs256 => "RS256",
                TokenAlgorithm::Unsigned => "none",
            },
            "jku": key_url,
            "kid": spec.key_id.as_deref().unwrap_or(&self.key_id),
            "typ": "JWT",
        }))
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SoftwareMaaError> {
        let mut signature = vec![0; self.key.public_modulus_len()];
        let random = SystemRandom::new();
        (self.key)
            .sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
            .map_err(|_| SoftwareMaaError::Key)?;
        Ok(signature)
    }
}

/// The `x-ms-policy-hash` of [`TokenSpec::sgx`]: base64url of SHA-256 over the base64url text of the policy.
#[must_use]
pub fn default_policy_hash() -> String {
    let encoded = URL_SAFE_NO_PAD.encode(DEFAULT_POLICY);
    URL_SAFE_NO_PAD.encode(sha256(encoded.as_bytes()).as_bytes())
}

fn signing_input(header: &str, claims: &str) -> String {
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}", encode(header), encode(claims))
}

fn runtime_claims(runtime: &RuntimeClaim) -> Result<Map<String, Value>, SoftwareMaaError> {
    Ok(match runtime {
        RuntimeClaim::Json(bytes) => {
            let value: Value =
                serde_json::from_slice(bytes).map_err(|_| SoftwareMaaError::RuntimeData)?;
            object(json!({ "x-ms-runtime": reordered(value) }))
        }
        RuntimeClaim::Binary(bytes) => {
            let text = URL_SAFE_NO_PAD.encode(bytes);
            object(json!({ "aas-ehd": text, "maa-ehd": text, "x-ms-sgx-ehd": text }))
        }
    })
}

/// In the place of the enclave, where a token speaks of none.
fn no_enclave() -> SgxIdentity {
    software_identity([0; 32].into())
}

/// Changes the object that a claim of this name stands in, by its name there.
fn edit(
    claims: &mut Map<String, Value>,
    name: &str,
    change: impl FnOnce(&mut Map<String, Value>, &str),
) {
    let inner = name.strip_prefix("x-ms-isolation-tee.");
    match (inner, claims.get_mut("x-ms-isolation-tee")) {
        (Some(inner), Some(Value::Object(tee))) => change(tee, inner),
        _ => change(claims, name),
    }
}

/// The same value with the members of every object in alphabetical order.
pub(super) fn reordered(mut value: Value) -> Value {
    value.sort_all_objects();
    value
}

pub(super) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

#[expect(
    clippy::expect_used,
    reason = "structures of texts and numbers have a JSON form"
)]
pub(super) fn json(document: &impl Serialize) -> String {
    serde_json::to_string(document).expect("texts and numbers are JSON")
}

const EIGHT_HOURS: Seconds = Seconds(28_800);
const DEFAULT_POLICY: &str = "version= 1.0;authorizationrules{=> permit();};issuancerules{c:[type==\"x-ms-attestation-type\"] \
     => issue(type=\"tee\", value=c.value);};";
