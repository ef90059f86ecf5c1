//! Microsoft Azure Attestation: real appraisal of the software TEEs' evidence, and signed tokens
//! (spec/azure.md section 3).
//!
//! Not here: `attest/Tpm`, draft policies, init time data, setting a policy. References of utility virtual machines
//! (`Endorsements`) are read and not judged. What `attest/AzureGuest` does not judge stands in `casque_testkit::maa`.
//! `attest/OpenEnclave` takes the same quote behind Open Enclave's header of 16 bytes.

mod guest;

use std::sync::{Arc, PoisonError, RwLock};

use axum::extract::{Query, State};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use casque_appraise::{
    Appraiser, Endorsements, Evidence, EvidenceParseError, SgxQuote, SnpEvidence, TdxQuote,
};
use casque_testkit::maa::{
    GuestRefusal, JwksShape, MaaRefusal, RuntimeClaim, SoftwareMaa, SoftwareMaaError,
    TokenCollateral, TokenSpec,
};
use casque_testkit::sgx::software_identity;
use casque_types::{MaaUrl, Seconds, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error;

use super::StartError;
use super::faults::Faults;
use crate::tees::{SoftwareTees, TeesError};

/// The running instance.
pub(crate) struct Maa {
    url: MaaUrl,
    /// The current one first.
    signers: RwLock<Vec<SoftwareMaa>>,
    tees: Arc<SoftwareTees>,
    appraiser: Appraiser,
    faults: Arc<Faults>,
}

/// Why an instance gives no token.
#[derive(Debug, Error)]
enum AttestError {
    #[error("the body does not parse: {0}")]
    Body(#[from] serde_json::Error),
    #[error("`{member}`: expected base64url text")]
    Base64 { member: &'static str },
    #[error("`{member}` is not supported by the local MAA")]
    Unsupported { member: &'static str },
    #[error("`runtimeData.dataType`: expected `Binary` or `JSON`, found `{found}`")]
    DataType { found: String },
    #[error("`report`: expected an Open Enclave report: a header of 16 bytes, then an SGX quote")]
    OpenEnclaveHeader,
    #[error("the quote cannot be read: {0}")]
    Quote(#[from] EvidenceParseError),
    #[error("the evidence is not of the platform that this local MAA knows")]
    Platform,
    #[error("the evidence is refused: {}", whole(.0))]
    Refused(#[from] MaaRefusal),
    #[error("the guest is refused: {}", whole(.0))]
    Guest(#[from] GuestRefusal),
    #[error("the endorsements of the software TEE could not be made")]
    Endorse(#[from] TeesError),
    #[error("the token could not be made: {0}")]
    Token(#[from] SoftwareMaaError),
    #[error("there is no signing key")]
    NoKey,
}

impl Maa {
    pub(crate) fn new(
        url: &str,
        tees: Arc<SoftwareTees>,
        faults: Arc<Faults>,
    ) -> Result<Self, StartError> {
        let url: MaaUrl = url.parse().map_err(|_| StartError::Maa)?;
        let signer = SoftwareMaa::generate(url.clone(), faults.now());
        Ok(Self {
            url,
            signers: RwLock::new(vec![signer.map_err(|_| StartError::Maa)?]),
            appraiser: Appraiser::new(tees.anchors()),
            tees,
            faults,
        })
    }

    /// Makes another key sign from now on; the old ones stay among the keys.
    pub(crate) fn rotate(&self) -> Result<(), StartError> {
        let signer = SoftwareMaa::generate(self.url.clone(), self.faults.now());
        let signer = signer.map_err(|_| StartError::Maa)?;
        let mut signers = self.signers.write().unwrap_or_else(PoisonError::into_inner);
        signers.insert(0, signer);
        signers.truncate(MOST_KEYS);
        Ok(())
    }

    fn sign(&self, spec: &TokenSpec) -> Result<String, AttestError> {
        let signers = self.signers.read().unwrap_or_else(PoisonError::into_inner);
        Ok(signers.first().ok_or(AttestError::NoKey)?.token(spec)?)
    }

    /// Judges evidence, submitted as these bytes, and says in a token what it proved.
    fn attest(
        &self,
        evidence: &Evidence,
        submitted: &[u8],
        request: AttestBody,
    ) -> Result<String, AttestError> {
        let now = self.faults.now();
        let endorsements = self.endorsements(evidence, now)?;
        let runtime = request.runtime()?;
        let judged = SoftwareMaa::judge(evidence, runtime, &endorsements, &self.appraiser, now);
        let mut spec = judged?;
        spec.expires = self.expiry(now);
        spec.nonce = request.nonce;
        if let (Evidence::Sgx(_), Some(intel)) = (evidence, &endorsements.intel) {
            spec.collateral = Some(TokenCollateral::of(submitted, intel));
        }
        self.sign(&spec)
    }

    /// What the vendors state of the platform that evidence is of.
    fn endorsements(
        &self,
        evidence: &Evidence,
        now: Timestamp,
    ) -> Result<Endorsements, AttestError> {
        let id = evidence.endorsements_id()?.ok_or(AttestError::Platform)?;
        let endorsements = self.tees.endorsements(&id, now)?;
        if endorsements.intel.is_none() && endorsements.amd.is_none() {
            return Err(AttestError::Platform);
        }
        Ok(endorsements)
    }

    /// When a token of now ends.
    fn expiry(&self, now: Timestamp) -> Timestamp {
        now.plus(Seconds(self.faults.token_lifetime_s(EIGHT_HOURS_S)))
    }

    /// The policy in force, as a token of its own: what an instance with its default policy answers.
    fn policy(&self) -> Result<String, AttestError> {
        let now = self.faults.now();
        let mut spec = TokenSpec::sgx(software_identity([0; 32].into()), [0; 64], now);
        spec.expires = now.plus(Seconds(3600));
        let stored = json!({"AttestationPolicy": URL_SAFE_NO_PAD.encode(DEFAULT_POLICY)});
        let header = json!({"alg": "none"}).to_string();
        let unsigned = format!(
            "{}.{}.",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(stored.to_string())
        );
        spec.further = vec![("x-ms-policy".to_owned(), Value::from(unsigned))];
        spec.without = ATTEST_CLAIMS.to_vec();
        self.sign(&spec)
    }

    fn keys(&self) -> Result<Value, serde_json::Error> {
        let signers = self.signers.read().unwrap_or_else(PoisonError::into_inner);
        let mut keys = Vec::new();
        for signer in signers.iter() {
            let document: Value = serde_json::from_str(&signer.jwks(JwksShape::WithNumbers))?;
            let found = document.get("keys").and_then(Value::as_array);
            keys.extend(found.cloned().unwrap_or_default());
        }
        Ok(json!({ "keys": keys }))
    }
}

/// Body of an attestation; other members are ignored, as the real service does.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AttestBody {
    quote: Option<String>,
    report: Option<String>,
    runtime_data: Option<DataBody>,
    init_time_data: Option<Value>,
    draft_policy_for_attestation: Option<Value>,
    nonce: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DataBody {
    data: String,
    data_type: Option<String>,
}

impl AttestBody {
    fn parse(body: &[u8]) -> Result<Self, AttestError> {
        let request: Self = serde_json::from_slice(body)?;
        let given = |value: &Option<Value>| value.as_ref().is_some_and(|v| !v.is_null());
        if given(&request.init_time_data) {
            let member = "initTimeData";
            return Err(AttestError::Unsupported { member });
        }
        if given(&request.draft_policy_for_attestation) {
            let member = "draftPolicyForAttestation";
            return Err(AttestError::Unsupported { member });
        }
        Ok(request)
    }

    fn runtime(&self) -> Result<Option<RuntimeClaim>, AttestError> {
        let Some(runtime) = &self.runtime_data else {
            return Ok(None);
        };
        let bytes = decode("runtimeData.data", Some(&runtime.data))?;
        match runtime.data_type.as_deref() {
            None | Some("Binary") => Ok(Some(RuntimeClaim::Binary(bytes))),
            Some("JSON") => Ok(Some(RuntimeClaim::Json(bytes))),
            Some(found) => Err(AttestError::DataType {
                found: found.to_owned(),
            }),
        }
    }
}

/// Base64url with or without padding.
fn decode(member: &'static str, text: Option<&String>) -> Result<Vec<u8>, AttestError> {
    let text = text.ok_or(AttestError::Base64 { member })?;
    URL_SAFE_NO_PAD
        .decode(text.trim_end_matches('='))
        .map_err(|_| AttestError::Base64 { member })
}

pub(super) fn router(maa: Arc<Maa>) -> Router {
    Router::new()
        .route("/attest/SgxEnclave", post(attest_sgx))
        .route("/attest/OpenEnclave", post(attest_open_enclave))
        .route("/attest/TdxVm", post(attest_tdx))
        .route("/attest/SevSnpVm", post(attest_snp))
        .route("/attest/AzureGuest", post(guest::attest))
        .route("/policies/SgxEnclave", get(policy))
        .route("/policies/OpenEnclave", get(policy))
        .route("/certs", get(keys))
        .route("/.well-known/openid-configuration", get(metadata))
        .fallback(absent)
        .with_state(maa)
}

type ApiVersion = Query<Vec<(String, String)>>;

async fn attest_sgx(State(maa): State<Arc<Maa>>, query: ApiVersion, body: Bytes) -> Response {
    let token = AttestBody::parse(&body).and_then(|request| {
        let quote = decode("quote", request.quote.as_ref())?;
        maa.attest(&Evidence::Sgx(SgxQuote::parse(&quote)?), &quote, request)
    });
    answer(&query, token)
}

async fn attest_tdx(State(maa): State<Arc<Maa>>, query: ApiVersion, body: Bytes) -> Response {
    let token = AttestBody::parse(&body).and_then(|request| {
        let quote = decode("quote", request.quote.as_ref())?;
        maa.attest(&Evidence::Tdx(TdxQuote::parse(&quote)?), &quote, request)
    });
    answer(&query, token)
}

async fn attest_snp(State(maa): State<Arc<Maa>>, query: ApiVersion, body: Bytes) -> Response {
    let token = AttestBody::parse(&body).and_then(|request| {
        let raw = decode("report", request.report.as_ref())?;
        let parts: SnpReportBody = serde_json::from_slice(&raw)?;
        let report = decode("report.SnpReport", Some(&parts.snp_report))?;
        let chain = decode("report.VcekCertChain", Some(&parts.vcek_cert_chain))?;
        if let Some(endorsements) = &parts.endorsements {
            let raw = decode("report.Endorsements", Some(endorsements))?;
            let _read: EndorsementsBody = serde_json::from_slice(&raw)?;
        }
        let evidence = Evidence::Snp(SnpEvidence::parse(&report, Some(&chain))?);
        maa.attest(&evidence, &report, request)
    });
    answer(&query, token)
}

/// `report` of `attest/SevSnpVm`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SnpReportBody {
    snp_report: String,
    vcek_cert_chain: String,
    endorsements: Option<String>,
}

/// References of utility virtual machines.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EndorsementsBody {
    #[expect(dead_code, reason = "its shape is demanded, its content not judged")]
    uvm: Vec<String>,
}

/// A refusal with its causes.
fn whole(refusal: &dyn std::error::Error) -> String {
    let mut text = refusal.to_string();
    let mut source = refusal.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

async fn attest_open_enclave(
    State(maa): State<Arc<Maa>>,
    query: ApiVersion,
    body: Bytes,
) -> Response {
    let token = AttestBody::parse(&body).and_then(|request| {
        let report = decode("report", request.report.as_ref())?;
        let quote = strip_header(&report)?;
        maa.attest(&Evidence::Sgx(SgxQuote::parse(quote)?), &report, request)
    });
    answer(&query, token)
}

/// `01000000 02000000`, the length of the quote in 8 bytes little endian, the quote.
fn strip_header(report: &[u8]) -> Result<&[u8], AttestError> {
    let (header, quote) = report
        .split_at_checked(16)
        .ok_or(AttestError::OpenEnclaveHeader)?;
    let length = u64::try_from(quote.len()).unwrap_or(u64::MAX).to_le_bytes();
    if header != [&[1, 0, 0, 0, 2, 0, 0, 0], length.as_slice()].concat() {
        return Err(AttestError::OpenEnclaveHeader);
    }
    Ok(quote)
}

async fn policy(State(maa): State<Arc<Maa>>, query: ApiVersion) -> Response {
    answer(&query, maa.policy())
}

async fn keys(State(maa): State<Arc<Maa>>) -> Response {
    match maa.keys() {
        Ok(keys) => Json(keys).into_response(),
        Err(error) => refusal(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalError",
            &error.to_string(),
        ),
    }
}

async fn metadata(State(maa): State<Arc<Maa>>) -> Json<Value> {
    let url = maa.url.as_str();
    Json(json!({
        "response_types_supported": ["token", "none"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "revocation_endpoint": format!("{url}/revoke"),
        "jwks_uri": format!("{url}/certs"),
        "issuer": url,
        "claims_supported": [
            "is-debuggable", "sgx-mrsigner", "sgx-mrenclave", "product-id", "svn", "tee",
            "x-ms-attestation-type", "x-ms-policy-hash", "x-ms-sgx-ehd",
        ],
    }))
}

async fn absent() -> Response {
    refusal(
        StatusCode::NOT_FOUND,
        "NotFound",
        "the local MAA has attest/SgxEnclave, attest/OpenEnclave, attest/TdxVm, attest/SevSnpVm and attest/AzureGuest",
    )
}

fn answer(query: &ApiVersion, token: Result<String, AttestError>) -> Response {
    let version = query.iter().find(|(name, _)| name == "api-version");
    if version.is_none_or(|(_, version)| !API_VERSIONS.contains(&version.as_str())) {
        let expected = format!("`api-version`: expected one of {}", API_VERSIONS.join(", "));
        return refusal(StatusCode::BAD_REQUEST, "InvalidParameter", &expected);
    }
    let mut response = match token {
        Ok(token) => Json(json!({ "token": token })).into_response(),
        Err(error) => {
            tracing::info!(%error, "MAA refused evidence");
            let (status, code) = error.shape();
            refusal(status, code, &error.to_string())
        }
    };
    let version = HeaderValue::from_static("1.10.0.0");
    response
        .headers_mut()
        .insert("x-ms-maa-service-version", version);
    response
}

impl AttestError {
    const fn shape(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Endorse(_)
            | Self::NoKey
            | Self::Token(SoftwareMaaError::Key)
            | Self::Guest(GuestRefusal::Seal) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "InternalError")
            }
            Self::Unsupported { .. } | Self::Guest(GuestRefusal::TrustedLaunch) => {
                (StatusCode::BAD_REQUEST, "NotSupported")
            }
            _ => (StatusCode::BAD_REQUEST, "InvalidParameter"),
        }
    }
}

fn refusal(status: StatusCode, code: &'static str, message: &str) -> Response {
    let body = json!({"error": {"code": code, "message": message}});
    let code = [("x-ms-error-code", code)];
    (status, code, Json(body)).into_response()
}

const API_VERSIONS: &[&str] = &[
    "2018-09-01-preview",
    "2020-10-01",
    "2022-08-01",
    "2022-09-01-preview",
    "2023-04-01-preview",
    "2025-06-01",
];
const ATTEST_CLAIMS: &[&str] = &[
    "is-debuggable",
    "product-id",
    "sgx-mrenclave",
    "sgx-mrsigner",
    "svn",
    "tee",
    "x-ms-attestation-type",
    "x-ms-sgx-is-debuggable",
    "x-ms-sgx-mrenclave",
    "x-ms-sgx-mrsigner",
    "x-ms-sgx-product-id",
    "x-ms-sgx-report-data",
    "x-ms-sgx-svn",
];
const DEFAULT_POLICY: &str =
    "version= 1.0;\nauthorizationrules\n{\n\t=> permit();\n};\nissuancerules {};";
const EIGHT_HOURS_S: u64 = 28_800;
const MOST_KEYS: usize = 4;
