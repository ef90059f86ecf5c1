//! `attest/AzureGuest` of the local MAA over HTTP: guests of the software TEEs and the software TPM.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test: a panic is its failure"
)]

mod support;

use casque_appraise::Identity;
use casque_dev::azure::{FaultPlan, Service};
use casque_testkit::azure_vm::{GuestRequest, GuestSpec, GuestTee, TpmEncryptionKey};
use casque_testkit::snp::software_snp_identity;
use casque_testkit::tdx::software_tdx_identity;
use casque_types::AzureVmTee;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use support::{Local, json as read};

async fn attest(local: &Local, body: &Value) -> (StatusCode, Value) {
    let maa = &local.at().maa;
    let url = format!("{maa}/attest/AzureGuest?api-version=2020-10-01");
    let headers = [("content-type", "application/json")];
    let body = body.to_string();
    read(&local.ask(Method::POST, &url, &headers, &body).await)
}

fn key() -> TpmEncryptionKey {
    TpmEncryptionKey::generate(&GuestSpec::new(b"").values()).unwrap()
}

fn on_snp(local: &Local, key: &TpmEncryptionKey) -> GuestRequest {
    let (tees, identity) = (&local.tees, software_snp_identity([0x38; 48].into()));
    let request = (tees.vtpm).guest_on_snp(&tees.snp, &identity, &GuestSpec::new(b"mine"), key);
    request.unwrap()
}

fn on_tdx(local: &Local, key: &TpmEncryptionKey) -> GuestRequest {
    let (tees, identity) = (&local.tees, software_tdx_identity([0x38; 48]));
    let request = (tees.vtpm).guest_on_tdx(&tees.intel, &identity, &GuestSpec::new(b"mine"), key);
    request.unwrap()
}

/// The machine that a token speaks of, once it is verified.
async fn verified(local: &Local, token: &str) -> AzureVmTee {
    match local.verified(token).await {
        Identity::AzureVm(machine) => machine.tee,
        other => panic!("expected a virtual machine, found {other:?}"),
    }
}

#[tokio::test]
async fn guest_on_snp_is_answered_with_a_token_that_it_opens_and_that_verifies() {
    let (local, key) = (Local::start().await, key());
    let (status, answer) = attest(&local, &on_snp(&local, &key).to_body()).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let token = key.open(answer["token"].as_str().unwrap()).unwrap();
    match verified(&local, &token).await {
        AzureVmTee::Snp(guest) => assert_eq!(guest.measurement, [0x38; 48].into()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn guest_on_tdx_is_answered_with_a_token_that_it_opens_and_that_verifies() {
    let (local, key) = (Local::start().await, key());
    let (status, answer) = attest(&local, &on_tdx(&local, &key).to_body()).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let token = key.open(answer["token"].as_str().unwrap()).unwrap();
    match verified(&local, &token).await {
        AzureVmTee::Tdx(domain) => assert_eq!(domain.mr_td, [0x38; 48].into()),
        other => panic!("{other:?}"),
    }
}

/// The status, the code and the message of a refusal.
async fn refused(local: &Local, body: &Value) -> (StatusCode, String, String) {
    let (status, answer) = attest(local, body).await;
    let text = |name: &str| answer["error"][name].as_str().unwrap().to_owned();
    (status, text("code"), text("message"))
}

#[tokio::test]
async fn guest_with_registers_that_were_not_quoted_is_an_invalid_parameter() {
    let local = Local::start().await;
    let mut request = on_snp(&local, &key());
    request.registers[0].1 = [0xEE; 32];
    let (status, code, message) = refused(&local, &request.to_body()).await;
    assert_eq!(
        (status, code.as_str()),
        (StatusCode::BAD_REQUEST, "InvalidParameter")
    );
    let expected =
        "the guest is refused: `TpmInfo.PcrQuote` is over other values than those in `PCRs`";
    assert_eq!(message, expected);
}

#[tokio::test]
async fn guest_of_another_world_is_an_invalid_parameter() {
    let (local, other) = (Local::start().await, Local::start().await);
    let request = on_tdx(&other, &key());
    let (status, code, message) = refused(&local, &request.to_body()).await;
    assert_eq!(
        (status, code.as_str()),
        (StatusCode::BAD_REQUEST, "InvalidParameter")
    );
    let begin = "the guest is refused: the evidence is not authentic: ";
    assert!(message.starts_with(begin), "{message}");
}

#[tokio::test]
async fn guest_without_a_tee_is_not_supported() {
    let local = Local::start().await;
    let mut request = on_snp(&local, &key());
    request.tee = GuestTee::TrustedLaunch;
    let (status, code, message) = refused(&local, &request.to_body()).await;
    assert_eq!(
        (status, code.as_str()),
        (StatusCode::BAD_REQUEST, "NotSupported")
    );
    assert!(message.contains("`TrustedLaunch`"), "{message}");
}

#[tokio::test]
async fn body_without_attestation_info_is_an_invalid_parameter() {
    let local = Local::start().await;
    let (status, code, message) = refused(&local, &json!({})).await;
    assert_eq!(
        (status, code.as_str()),
        (StatusCode::BAD_REQUEST, "InvalidParameter")
    );
    assert!(message.contains("`AttestationInfo`"), "{message}");
}

#[tokio::test]
async fn lifetime_fault_shortens_the_sealed_token() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let (local, key) = (Local::start().await, key());
    let faults = local.azure.faults(Service::Maa).unwrap();
    faults.set(FaultPlan {
        token_lifetime_s: Some(60),
        ..FaultPlan::default()
    });
    let (_, answer) = attest(&local, &on_snp(&local, &key).to_body()).await;
    let token = key.open(answer["token"].as_str().unwrap()).unwrap();
    let claims = URL_SAFE_NO_PAD
        .decode(token.split('.').nth(1).unwrap())
        .unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    let of = |name: &str| claims[name].as_u64().unwrap();
    assert_eq!(of("exp").checked_sub(of("iat")), Some(60));
}
