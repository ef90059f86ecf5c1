//! The local Entra ID: a good request with one thing bent, and the AADSTS code that it gets.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "a test: a panic is its failure"
)]

mod support;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use casque_dev::azure::{FaultPlan, Service};
use casque_types::sha256;
use hyper::{Method, StatusCode};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use support::{Local, json as read};

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The codes of a refusal.
fn codes(body: &Value) -> Vec<u64> {
    let codes = body["error_codes"].as_array().cloned().unwrap_or_default();
    codes.iter().filter_map(Value::as_u64).collect()
}

#[tokio::test]
async fn token_good_secret_is_issued() {
    let local = Local::start().await;
    let form = local.form("client_info", "1");
    let (status, body) = local.token(&local.at().tenant_id, &form).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 3599);
}

#[tokio::test]
async fn token_field_bent_is_refused_with_its_code() {
    let local = Local::start().await;
    let tenant = local.at().tenant_id.clone();
    for (field, value, status, code) in [
        ("client_secret", "wrong", 401, 7_000_215),
        ("client_secret", "local-only-expired-secret", 401, 7_000_222),
        ("client_secret", "", 401, 7_000_218),
        ("client_id", "not-there", 400, 700_016),
        ("client_id", "", 400, 900_144),
        ("client_assertion_type", JWT_BEARER, 200, 0),
        ("client_assertion", "a.b.c", 401, 7_000_216),
        ("grant_type", "password", 400, 70_003),
        ("scope", "https://vault.azure.net/read", 400, 1_002_012),
        (
            "scope",
            "https://a/.default https://b/.default",
            400,
            70_011,
        ),
        (
            "scope",
            "https://graph.microsoft.com/.default",
            400,
            500_011,
        ),
    ] {
        let (found, body) = local.token(&tenant, &local.form(field, value)).await;
        assert_eq!(found.as_u16(), status, "{field}={value}: {body}");
        if status != 200 {
            assert_eq!(codes(&body), [code], "{field}={value}: {body}");
            let description = body["error_description"].as_str().unwrap();
            assert!(description.starts_with(&format!("AADSTS{code}:")));
        }
    }
}

#[tokio::test]
async fn token_tenant_bent_is_refused_with_its_code() {
    let local = Local::start().await;
    let form = local.form("client_info", "1");
    for (tenant, code) in [
        ("11111111-2222-3333-4444-555555555555", 90_002),
        ("elsewhere.example", 90_002),
        ("not_a_tenant", 900_023),
        ("common", 50_059),
    ] {
        let (status, body) = local.token(tenant, &form).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{tenant}");
        assert_eq!(codes(&body), [code], "{tenant}");
    }
    let (status, _) = local.token("casque.example", &form).await;
    assert_eq!(status, StatusCode::OK);
}

/// An assertion as this client would sign it, with its parts open to be bent.
struct Assertion {
    header: Value,
    claims: Value,
    encoding: &'static dyn RsaEncoding,
}

impl Assertion {
    fn good(local: &Local) -> Self {
        let at = local.at();
        let now = casque_now(local);
        let audience = format!("{}/{}/oauth2/v2.0/token", at.authority, at.tenant_id);
        let thumbprint = hex::decode(&at.client_thumbprint).unwrap();
        Self {
            header: json!({"alg": "RS256", "typ": "JWT", "x5t": URL_SAFE_NO_PAD.encode(thumbprint)}),
            claims: json!({
                "aud": audience, "iss": at.client_id, "sub": at.client_id, "jti": "1",
                "nbf": now - 30, "exp": now + 300,
            }),
            encoding: &RSA_PKCS1_SHA256,
        }
    }

    fn sign(&self, local: &Local) -> String {
        let key = PrivatePkcs8KeyDer::from_pem_file(&local.at().client_key_file).unwrap();
        let pair = KeyPair::from_pkcs8(key.secret_pkcs8_der()).unwrap();
        let text = [&self.header, &self.claims].map(|p| URL_SAFE_NO_PAD.encode(p.to_string()));
        let text = text.join(".");
        let mut signature = vec![0; pair.public_modulus_len()];
        let random = SystemRandom::new();
        pair.sign(self.encoding, &random, text.as_bytes(), &mut signature)
            .unwrap();
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    async fn present(&self, local: &Local) -> (StatusCode, Value) {
        let assertion = self.sign(local);
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", local.at().client_id.as_str()),
            ("scope", "https://vault.azure.net/.default"),
            ("client_assertion_type", JWT_BEARER),
            ("client_assertion", &assertion),
        ];
        local.token(&local.at().tenant_id, &form).await
    }
}

/// What time the local Entra ID believes it is.
fn casque_now(local: &Local) -> u64 {
    local
        .azure
        .faults(Service::Entra)
        .unwrap()
        .now()
        .as_unix_s()
}

#[tokio::test]
async fn assertion_each_way_of_real_clients_is_accepted() {
    let local = Local::start().await;
    let sha1 = hex::decode(&local.at().client_thumbprint).unwrap();
    let file = &local.at().client_certificate_file;
    let der = CertificateDer::from_pem_file(file).unwrap();
    let sha256 = URL_SAFE_NO_PAD.encode(sha256(&der).as_bytes());
    for header in [
        json!({"alg": "RS256", "x5t": URL_SAFE_NO_PAD.encode(&sha1)}),
        json!({"alg": "RS256", "x5t": URL_SAFE.encode(&sha1)}),
        json!({"alg": "RS256", "x5t": STANDARD.encode(&sha1)}),
        json!({"alg": "PS256", "x5t#S256": sha256}),
        json!({"alg": "RS256", "x5c": [STANDARD.encode(&der)]}),
    ] {
        let mut assertion = Assertion::good(&local);
        if header["alg"] == "PS256" {
            assertion.encoding = &RSA_PSS_SHA256;
        }
        assertion.header = header;
        // msal for Python: fractions, and no `nbf`.
        let expires = assertion.claims["exp"].as_u64().unwrap();
        assertion.claims["exp"] = json!(expires as f64 + 0.5);
        assertion.claims.as_object_mut().unwrap().remove("nbf");
        let (status, body) = assertion.present(&local).await;
        assert_eq!(status, StatusCode::OK, "{} {body}", assertion.header);
    }
}

#[tokio::test]
async fn assertion_claim_bent_is_refused_with_its_code() {
    let local = Local::start().await;
    let now = casque_now(&local);
    for (claim, value, code) in [
        ("aud", json!("https://login.microsoftonline.com/x"), 700_023),
        ("iss", json!("someone-else"), 700_021),
        ("sub", json!("someone-else"), 700_021),
        ("exp", json!(now - 3600), 700_024),
        ("nbf", json!(now + 3600), 700_024),
    ] {
        let mut assertion = Assertion::good(&local);
        assertion.claims[claim] = value;
        let (status, body) = assertion.present(&local).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{claim}");
        assert_eq!(codes(&body), [code], "{claim}: {body}");
    }
}

#[tokio::test]
async fn assertion_of_an_unregistered_certificate_is_700027() {
    let local = Local::start().await;
    let mut assertion = Assertion::good(&local);
    assertion.header["x5t"] = json!(URL_SAFE_NO_PAD.encode([7; 20]));
    let (_, body) = assertion.present(&local).await;
    assert_eq!(codes(&body), [700_027]);
    let shown = hex::encode_upper([7; 20]);
    assert!(body["error_description"].as_str().unwrap().contains(&shown));
}

#[tokio::test]
async fn assertion_signed_otherwise_than_said_is_700027() {
    let local = Local::start().await;
    let mut assertion = Assertion::good(&local);
    assertion.encoding = &RSA_PSS_SHA256;
    let (_, body) = assertion.present(&local).await;
    assert_eq!(codes(&body), [700_027]);
}

#[tokio::test]
async fn assertion_unsigned_algorithm_is_50027() {
    let local = Local::start().await;
    let mut assertion = Assertion::good(&local);
    assertion.header["alg"] = json!("none");
    let (_, body) = assertion.present(&local).await;
    assert_eq!(codes(&body), [50_027]);
}

#[tokio::test]
async fn metadata_names_the_endpoints_of_the_tenant() {
    let local = Local::start().await;
    let at = local.at();
    let base = format!("{}/{}", at.authority, at.tenant_id);
    let url = format!("{base}/v2.0/.well-known/openid-configuration");
    let (status, body) = local.get(&url, &[]).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body["token_endpoint"], format!("{base}/oauth2/v2.0/token"));
    let (_, keys) = local.get(body["jwks_uri"].as_str().unwrap(), &[]).await;
    assert_eq!(keys["keys"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn fault_throttle_is_answered_429_and_used_up() {
    let local = Local::start().await;
    let at = local.at();
    let plan = json!({"throttle": 1, "retry_after_s": 3}).to_string();
    let switch = format!("{}/faults/entra", at.admin);
    local.ask(Method::PUT, &switch, &[], &plan).await;
    let url = format!("{}/{}/oauth2/v2.0/token", at.authority, at.tenant_id);
    let throttled = local.ask(Method::POST, &url, &[], "").await;
    assert_eq!(throttled.headers["retry-after"], "3");
    let (status, body) = read(&throttled);
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(codes(&body), [90_055]);
    local.access_token().await;
}

#[tokio::test]
async fn fault_clock_ahead_refuses_an_assertion_made_now() {
    let local = Local::start().await;
    let assertion = Assertion::good(&local);
    let faults = local.azure.faults(Service::Entra).unwrap();
    faults.set(FaultPlan {
        clock_skew_s: 3600,
        ..FaultPlan::default()
    });
    let (_, body) = assertion.present(&local).await;
    assert_eq!(codes(&body), [700_024]);
}

#[tokio::test]
async fn fault_switch_unknown_member_is_refused() {
    let local = Local::start().await;
    let switch = format!("{}/faults/entra", local.at().admin);
    let refused = local.ask(Method::PUT, &switch, &[], r#"{"slow":1}"#).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn rotated_key_old_tokens_stay_good() {
    let local = Local::start().await;
    let token = local.access_token().await;
    let url = format!("{}/keys/entra/rotate", local.at().admin);
    let rotated = local.ask(Method::POST, &url, &[], "").await;
    assert_eq!(rotated.status, StatusCode::NO_CONTENT);
    let (status, _) = local
        .vault_with("/secrets/db-password?api-version=7.4", &token)
        .await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn imds_without_metadata_header_is_refused() {
    let local = Local::start().await;
    let imds = &local.at().imds;
    let url = format!(
        "{imds}/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fvault.azure.net"
    );
    let (status, _) = local.get(&url, &[]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let (status, body) = local.get(&url, &[("Metadata", "true")]).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body["expires_in"], "86399");
    let token = body["access_token"].as_str().unwrap();
    let (status, _) = local
        .vault_with("/secrets/db-password?api-version=7.4", token)
        .await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn imds_gives_the_certificate_of_the_machines_processor() {
    let local = Local::start().await;
    let url = format!("{}/metadata/THIM/amd/certification", local.at().imds);
    let (status, _) = local.get(&url, &[]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let (status, body) = local.get(&url, &[("Metadata", "true")]).await;
    assert_eq!(status, StatusCode::OK);
    let begins = |member: &str| body[member].as_str().unwrap().matches("-----BEGIN").count();
    assert_eq!((begins("vcekCert"), begins("certificateChain")), (1, 2));
    assert_eq!(body["tcbm"], "DB18000000000004");
}
