//! The local Key Vault: a good request with one thing bent, and the code that it gets.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "a test: a panic is its failure"
)]

mod support;

use casque_dev::azure::{FaultPlan, Service};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use support::{Local, json as read};

fn code(body: &Value) -> (&str, &str) {
    let error = &body["error"];
    let inner = error["innererror"]["code"].as_str();
    (
        error["code"].as_str().unwrap_or_default(),
        inner.unwrap_or_default(),
    )
}

#[tokio::test]
async fn secret_each_spelling_of_the_address_is_read() {
    let local = Local::start().await;
    for path in [
        "/secrets/db-password?api-version=7.4",
        "/secrets/db-password/?api-version=2025-07-01",
        "/secrets/DB-Password/?api%2Dversion=2026-04-01",
    ] {
        let (status, body) = local.vault(path).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert_eq!(body["value"], "correct horse battery staple");
        let id = body["id"].as_str().unwrap();
        assert!(id.starts_with(&format!("{}/secrets/db-password/", local.at().vault)));
        assert_eq!(body["attributes"]["recoveryLevel"], "Recoverable+Purgeable");
    }
}

#[tokio::test]
async fn secret_without_token_is_challenged() {
    let local = Local::start().await;
    let at = local.at();
    let url = format!("{}/secrets/db-password?api-version=7.4", at.vault);
    let refused = local.ask(Method::GET, &url, &[], "").await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    let expected = format!(
        r#"Bearer authorization="{}/{}", resource="https://vault.azure.net""#,
        at.authority, at.tenant_id
    );
    assert_eq!(refused.headers["www-authenticate"], expected.as_str());
    assert!(refused.headers.contains_key("x-ms-request-id"));
}

#[tokio::test]
async fn secret_state_is_answered_with_its_code() {
    let local = Local::start().await;
    for (name, status, expected) in [
        ("disabled-secret", 403, ("Forbidden", "SecretDisabled")),
        ("deleted-secret", 404, ("SecretNotFound", "")),
        ("never-there", 404, ("SecretNotFound", "")),
        ("forbidden-rbac", 403, ("Forbidden", "ForbiddenByRbac")),
        ("forbidden-policy", 403, ("Forbidden", "ForbiddenByPolicy")),
        (
            "forbidden-firewall",
            403,
            ("Forbidden", "ForbiddenByFirewall"),
        ),
        ("bad_name", 400, ("BadParameter", "")),
    ] {
        let (found, body) = local
            .vault(&format!("/secrets/{name}?api-version=7.4"))
            .await;
        assert_eq!(found.as_u16(), status, "{name}");
        assert_eq!(code(&body), expected, "{name}");
    }
}

#[tokio::test]
async fn secret_outside_its_life_is_still_answered() {
    let local = Local::start().await;
    let now = local
        .azure
        .faults(Service::Vault)
        .unwrap()
        .now()
        .as_unix_s();
    let (_, expired) = local.vault("/secrets/expired-secret?api-version=7.4").await;
    assert!(expired["attributes"]["exp"].as_u64().unwrap() < now);
    let (_, future) = local.vault("/secrets/future-secret?api-version=7.4").await;
    assert!(future["attributes"]["nbf"].as_u64().unwrap() > now);
}

#[tokio::test]
async fn secret_without_api_version_is_a_bad_parameter() {
    let local = Local::start().await;
    let (status, body) = local.vault("/secrets/db-password").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(code(&body), ("BadParameter", ""));
}

#[tokio::test]
async fn token_for_another_resource_is_refused_as_akv10022() {
    let local = Local::start().await;
    let form = local.form("scope", "https://attest.azure.net/.default");
    let (_, body) = local.token(&local.at().tenant_id, &form).await;
    let token = body["access_token"].as_str().unwrap();
    let (status, body) = local
        .vault_with("/secrets/db-password?api-version=7.4", token)
        .await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(
        body["error"]["message"]
            .as_str()
            .unwrap()
            .contains("AKV10022")
    );
}

#[tokio::test]
async fn token_of_another_entra_is_refused_as_akv10001() {
    let (local, other) = (Local::start().await, Local::start().await);
    let token = other.access_token().await;
    let (status, body) = local
        .vault_with("/secrets/db-password?api-version=7.4", &token)
        .await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(
        body["error"]["message"]
            .as_str()
            .unwrap()
            .contains("AKV10001")
    );
}

#[tokio::test]
async fn token_expired_is_refused() {
    let local = Local::start().await;
    let token = local.access_token().await;
    local.azure.faults(Service::Vault).unwrap().set(FaultPlan {
        clock_skew_s: 4000,
        ..FaultPlan::default()
    });
    let (status, body) = local
        .vault_with("/secrets/db-password?api-version=7.4", &token)
        .await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(
        body["error"]["message"]
            .as_str()
            .unwrap()
            .contains("expired")
    );
}

#[tokio::test]
async fn secret_soft_deleted_is_in_the_bin_and_its_name_is_taken() {
    let local = Local::start().await;
    let (status, body) = local
        .vault("/deletedsecrets/deleted-secret?api-version=7.4")
        .await;
    assert_eq!(status, StatusCode::OK);
    assert!(body["scheduledPurgeDate"].as_u64() > body["deletedDate"].as_u64());
    let url = format!(
        "{}/secrets/deleted-secret?api-version=7.4",
        local.at().vault
    );
    let bearer = format!("bearer {}", local.access_token().await);
    let value = json!({"value": "again"}).to_string();
    let headers = [("authorization", bearer.as_str())];
    let (status, body) = read(&local.ask(Method::PUT, &url, &headers, &value).await);
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(code(&body), ("Conflict", "ObjectIsDeletedButRecoverable"));
}

#[tokio::test]
async fn secret_throttled_says_when_to_come_again() {
    let local = Local::start().await;
    let token = local.access_token().await;
    local.azure.faults(Service::Vault).unwrap().set(FaultPlan {
        throttle: 1,
        retry_after_s: 2,
        ..FaultPlan::default()
    });
    let path = "/secrets/db-password?api-version=7.4";
    let (status, body) = local.vault_with(path, &token).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(code(&body), ("Throttled", "VaultRequestTypeLimitReached"));
    let (status, _) = local.vault_with(path, &token).await;
    assert_eq!(status, StatusCode::OK);
    let requests = local.azure.faults(Service::Vault).unwrap().requests();
    assert_eq!(requests["GET /secrets/db-password"], 2);
}

#[tokio::test]
async fn certificate_pem_secret_is_managed_and_matches_the_certificate() {
    let local = Local::start().await;
    let (_, secret) = local.vault("/secrets/web-cert?api-version=7.4").await;
    assert_eq!(secret["contentType"], "application/x-pem-file");
    assert_eq!(secret["managed"], true);
    let (_, certificate) = local.vault("/certificates/web-cert?api-version=7.4").await;
    assert_eq!(certificate["kid"], secret["kid"]);
    assert_eq!(certificate["sid"], secret["id"]);
    let pem = secret["value"].as_str().unwrap();
    assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----"));
    assert_eq!(pem.matches("-----BEGIN CERTIFICATE-----").count(), 2);
}

#[tokio::test]
async fn certificate_of_a_plain_secret_is_not_found() {
    let local = Local::start().await;
    let (status, body) = local
        .vault("/certificates/db-password?api-version=7.4")
        .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(code(&body), ("CertificateNotFound", ""));
}
