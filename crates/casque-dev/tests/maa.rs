//! The local MAA: evidence of the software TEEs with one thing bent, judged by our own appraiser; and that the others of
//! the local world answer for the same TEEs.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "a test: a panic is its failure"
)]

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use casque_appraise::Identity;
use casque_dev::azure::{FaultPlan, Service};
use casque_dev::measure::Measurements;
use casque_dev::tees::TeeKind;
use casque_testkit::sgx::{QuoteFlaw, QuoteSpec, software_identity};
use casque_types::{SgxIdentity, sha256};
use casque_wire::Evidence;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use support::{Local, json as read};

const RUNTIME: &[u8] = br#"{"v":"test","b":1,"a":2}"#;

fn identity() -> SgxIdentity {
    software_identity(sha256(b"program").into())
}

fn report_data(runtime: &[u8]) -> [u8; 64] {
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(sha256(runtime).as_bytes());
    bytes
}

async fn attest(local: &Local, kind: &str, body: &Value) -> (StatusCode, Value) {
    let url = format!("{}/attest/{kind}?api-version=2022-08-01", local.at().maa);
    let headers = [("content-type", "application/json")];
    read(
        &local
            .ask(Method::POST, &url, &headers, &body.to_string())
            .await,
    )
}

fn body(quote: &[u8], runtime: &[u8]) -> Value {
    let data = URL_SAFE_NO_PAD.encode(runtime);
    json!({
        "quote": URL_SAFE_NO_PAD.encode(quote),
        "runtimeData": {"data": data, "dataType": "JSON"},
    })
}

fn code(body: &Value) -> &str {
    body["error"]["code"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn attest_good_quote_is_answered_with_a_token_that_verifies() {
    let local = Local::start().await;
    let quote = local.tee.quote(&identity(), &report_data(RUNTIME)).unwrap();
    let (status, answer) = attest(&local, "SgxEnclave", &body(&quote, RUNTIME)).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let token = answer["token"].as_str().unwrap();
    assert_eq!(local.verified(token).await, Identity::Sgx(identity()));
}

#[tokio::test]
async fn attest_after_rotation_old_and_new_tokens_verify() {
    let local = Local::start().await;
    let quote = local.tee.quote(&identity(), &report_data(RUNTIME)).unwrap();
    let request = body(&quote, RUNTIME);
    let (_, before) = attest(&local, "SgxEnclave", &request).await;
    let url = format!("{}/keys/maa/rotate", local.at().admin);
    local.ask(Method::POST, &url, &[], "").await;
    let (_, after) = attest(&local, "SgxEnclave", &request).await;
    for answer in [before, after] {
        local.verified(answer["token"].as_str().unwrap()).await;
    }
}

#[tokio::test]
async fn attest_open_enclave_header_is_stripped() {
    let local = Local::start().await;
    let quote = local.tee.quote(&identity(), &report_data(RUNTIME)).unwrap();
    let mut report = vec![1, 0, 0, 0, 2, 0, 0, 0];
    report.extend((quote.len() as u64).to_le_bytes());
    report.extend(&quote);
    let mut request = body(&quote, RUNTIME);
    request["report"] = json!(URL_SAFE_NO_PAD.encode(&report));
    let (status, _) = attest(&local, "OpenEnclave", &request).await;
    assert_eq!(status, StatusCode::OK);
    request["report"] = json!(URL_SAFE_NO_PAD.encode(&quote));
    let (status, _) = attest(&local, "OpenEnclave", &request).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn attest_flawed_quote_is_an_invalid_parameter() {
    let local = Local::start().await;
    let spec = QuoteSpec::new(identity(), report_data(RUNTIME));
    let quote = local
        .tee
        .quote_of(&spec.with_flaw(QuoteFlaw::ReportSignature))
        .unwrap();
    let (status, answer) = attest(&local, "SgxEnclave", &body(&quote, RUNTIME)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(code(&answer), "InvalidParameter");
}

#[tokio::test]
async fn attest_quote_of_another_tee_is_an_invalid_parameter() {
    let (local, other) = (Local::start().await, Local::start().await);
    let quote = other.tee.quote(&identity(), &report_data(RUNTIME)).unwrap();
    let (status, answer) = attest(&local, "SgxEnclave", &body(&quote, RUNTIME)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(code(&answer), "InvalidParameter");
}

#[tokio::test]
async fn attest_other_runtime_data_is_an_invalid_parameter() {
    let local = Local::start().await;
    let quote = local.tee.quote(&identity(), &report_data(RUNTIME)).unwrap();
    let (status, answer) = attest(&local, "SgxEnclave", &body(&quote, b"{}")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains("runtime data"), "{message}");
}

#[tokio::test]
async fn attest_draft_policy_is_not_supported() {
    let local = Local::start().await;
    let quote = local.tee.quote(&identity(), &report_data(RUNTIME)).unwrap();
    let mut request = body(&quote, RUNTIME);
    request["draftPolicyForAttestation"] = json!("version= 1.0;");
    let (status, answer) = attest(&local, "SgxEnclave", &request).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(code(&answer), "NotSupported");
}

fn program() -> Measurements {
    Measurements {
        sha256: sha256(b"program").into(),
        sha384: [0x38; 48].into(),
    }
}

fn snp_body(report: &[u8], chain: &str, runtime: &[u8]) -> Value {
    let inner = json!({
        "SnpReport": URL_SAFE_NO_PAD.encode(report),
        "VcekCertChain": URL_SAFE_NO_PAD.encode(chain),
    });
    let mut request = body(&[], runtime);
    request["report"] = json!(URL_SAFE_NO_PAD.encode(inner.to_string()));
    request
}

#[tokio::test]
async fn attest_report_of_snp_is_answered_with_a_token_that_verifies() {
    let local = Local::start().await;
    let made = local
        .tees
        .evidence(TeeKind::Snp, &program(), report_data(RUNTIME));
    let Ok(Evidence::Snp { mut report, vek }) = made else {
        panic!("{made:?}");
    };
    let chain = vek.unwrap();
    let request = snp_body(&report.0, &chain, RUNTIME);
    let (status, answer) = attest(&local, "SevSnpVm", &request).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let token = answer["token"].as_str().unwrap();
    let Identity::Snp(found) = local.verified(token).await else {
        panic!("{answer}");
    };
    assert_eq!(found.measurement, program().sha384);

    report.0[0x90] ^= 1;
    let request = snp_body(&report.0, &chain, RUNTIME);
    let (status, answer) = attest(&local, "SevSnpVm", &request).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(code(&answer), "InvalidParameter");
}

#[tokio::test]
async fn attest_quote_of_tdx_is_answered_with_a_token_that_verifies() {
    let local = Local::start().await;
    let made = local
        .tees
        .evidence(TeeKind::Tdx, &program(), report_data(RUNTIME));
    let Ok(Evidence::Tdx { quote }) = made else {
        panic!("{made:?}");
    };
    let (status, answer) = attest(&local, "TdxVm", &body(&quote.0, RUNTIME)).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let token = answer["token"].as_str().unwrap();
    let Identity::Tdx(found) = local.verified(token).await else {
        panic!("{answer}");
    };
    assert_eq!(found.mr_td, program().sha384);

    let (status, answer) = attest(&local, "TdxVm", &body(&quote.0, b"{}")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(code(&answer), "InvalidParameter");
}

#[tokio::test]
async fn attest_tpm_is_not_found() {
    let local = Local::start().await;
    let (status, answer) = attest(&local, "Tpm", &json!({})).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(code(&answer), "NotFound");
}

#[tokio::test]
async fn attest_lifetime_fault_shortens_the_token() {
    let local = Local::start().await;
    let faults = local.azure.faults(Service::Maa).unwrap();
    faults.set(FaultPlan {
        token_lifetime_s: Some(60),
        ..FaultPlan::default()
    });
    let quote = local.tee.quote(&identity(), &report_data(RUNTIME)).unwrap();
    let (_, answer) = attest(&local, "SgxEnclave", &body(&quote, RUNTIME)).await;
    let claims = answer["token"].as_str().unwrap().split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    let life = claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap();
    assert_eq!(life, 60);
}

#[tokio::test]
async fn pccs_serves_the_platform_of_the_tee_alone() {
    let local = Local::start().await;
    let pccs = format!("{}/sgx/certification/v4", local.at().pccs);
    let fmspc = hex::encode(local.tee.platform().fmspc);
    let url = format!("{pccs}/tcb?fmspc={fmspc}");
    let tcb = local.ask(Method::GET, &url, &[], "").await;
    assert_eq!(tcb.status, StatusCode::OK);
    let chain = tcb.headers["tcb-info-issuer-chain"].to_str().unwrap();
    assert!(chain.starts_with("-----BEGIN%20CERTIFICATE"));
    let url = format!("{pccs}/tcb?fmspc=000000000000");
    let absent = local.ask(Method::GET, &url, &[], "").await;
    assert_eq!(absent.status, StatusCode::NOT_FOUND);
    let url = format!("{pccs}/pckcrl?ca=processor&encoding=der");
    let crl = local.ask(Method::GET, &url, &[], "").await;
    assert_eq!(crl.status, StatusCode::OK);
    assert_eq!(crl.body.first(), Some(&0x30));
}
