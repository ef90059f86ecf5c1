//! Entra ID: what is sent, what is kept, and how refusals are worded.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use assert_matches::assert_matches;
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use casque_core::{SourceFailure, SourceKind, TokenPurpose, TokenSource as _};
use casque_types::{ClientProof, EntraCredential, Seconds, Secret};

use super::world::{
    APPLICATION_SECRET, BrokenRng, CLIENT, NOW, Reply, TENANT, World, azure, credential, later,
    text, token_reply, vault_token, with_secret,
};
use crate::{Azure, AzureSettings};

const THUMBPRINT: &str = "B033DB596639F3CA02D6537055E85B8EFE060756";

fn pem(label: &str, der: &[u8]) -> String {
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        STANDARD.encode(der)
    )
}

fn with_key(pem: &str) -> EntraCredential {
    EntraCredential {
        proof: ClientProof::Certificate {
            private_key: Secret::new(pem.as_bytes().to_vec()),
            thumbprint: THUMBPRINT.parse().unwrap(),
        },
        ..credential()
    }
}

fn refusal(number: u32, error: &str) -> String {
    format!(
        r#"{{"error":"{error}","error_description":"AADSTS{number}: Something\r\nTrace ID: 11111111-2222-3333-4444-555555555555\r\nCorrelation ID: x","error_codes":[{number}],"timestamp":"2026-11-23 00:00:00Z","trace_id":"11111111-2222-3333-4444-555555555555","correlation_id":"66666666-7777-8888-9999-000000000000","error_uri":"https://login.microsoftonline.com/error?code={number}"}}"#
    )
}

async fn fail_with(reply: Reply, credential: &EntraCredential) -> SourceFailure {
    let world = World::always(reply).await;
    let azure = world.azure();
    let asked = azure.tokens.token(credential, TokenPurpose::Workload, NOW);
    asked.await.unwrap_err()
}

async fn refused_with(number: u32) -> SourceFailure {
    fail_with(
        Reply::new(400, refusal(number, "invalid_client")),
        &credential(),
    )
    .await
}

#[tokio::test]
async fn token_with_secret_is_asked_for_in_a_form() {
    let world = World::always(token_reply("tok", 3599)).await;
    let token = vault_token(&world.azure(), &world, NOW).await.unwrap();
    assert_eq!((text(&token), token.expires), ("tok", later(3599)));
    let seen = world.seen();
    let form = seen[0].form();
    assert_eq!(seen[0].method, "POST");
    assert_eq!(seen[0].target, format!("/{TENANT}/oauth2/v2.0/token"));
    assert_eq!(
        seen[0].header("content-type"),
        Some("application/x-www-form-urlencoded")
    );
    assert_eq!(form["grant_type"], "client_credentials");
    assert_eq!(form["client_id"], CLIENT);
    assert_eq!(form["scope"], "https://vault.azure.net/.default");
    assert_eq!(form["client_secret"], APPLICATION_SECRET);
    assert_eq!(form.len(), 4);
}

#[tokio::test]
async fn token_with_certificate_sends_an_assertion_that_verifies() {
    let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = key.as_der().unwrap();
    let world = World::always(token_reply("tok", 3599)).await;
    let azure = world.azure();
    let credential = with_key(&pem("PRIVATE KEY", der.as_ref()));
    let asked = azure.tokens.token(&credential, TokenPurpose::Workload, NOW);
    asked.await.unwrap();
    let form = world.seen()[0].form();
    assert_eq!(
        form["client_assertion_type"],
        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    );
    assert!(!form.contains_key("client_secret"));
    let (signed, signature) = form["client_assertion"].rsplit_once('.').unwrap();
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref());
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    public.verify(signed.as_bytes(), &signature).unwrap();
    let parts: Vec<serde_json::Value> = signed
        .split('.')
        .map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap())
        .collect();
    let x5t = URL_SAFE_NO_PAD.encode(
        THUMBPRINT
            .parse::<casque_types::CertificateThumbprint>()
            .unwrap()
            .as_bytes(),
    );
    assert_eq!(
        parts[0],
        serde_json::json!({"alg": "RS256", "typ": "JWT", "x5t": x5t})
    );
    let now = NOW.as_unix_s();
    assert_eq!(
        parts[1],
        serde_json::json!({
            "aud": format!("https://{}/{TENANT}/oauth2/v2.0/token", world.host),
            "iss": CLIENT,
            "sub": CLIENT,
            "jti": "00010203-0405-4607-8809-0a0b0c0d0e0f",
            "nbf": now - 60,
            "exp": now + 600,
        })
    );
}

#[tokio::test]
async fn token_with_certificate_and_no_randomness_is_not_asked_for() {
    let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = key.as_der().unwrap();
    let world = World::always(token_reply("tok", 3599)).await;
    let settings = AzureSettings {
        clouds: vec![world.cloud("local")],
        default_cloud: "local".to_owned(),
    };
    let azure = Azure::new(settings, Arc::new(BrokenRng)).unwrap();
    let credential = with_key(&pem("PRIVATE KEY", der.as_ref()));
    let asked = azure.tokens.token(&credential, TokenPurpose::Workload, NOW);
    assert_eq!(asked.await.unwrap_err().code, "entra-randomness-failed");
    assert_eq!(world.connections(), 0);
}

#[tokio::test]
async fn token_with_bad_key_is_not_asked_for() {
    let world = World::always(token_reply("tok", 3599)).await;
    let azure = world.azure();
    for (bad, code) in [
        ("no key at all".to_owned(), "entra-key-malformed"),
        (pem("ENCRYPTED PRIVATE KEY", b"x"), "entra-key-unsupported"),
    ] {
        let credential = with_key(&bad);
        let asked = azure.tokens.token(&credential, TokenPurpose::Workload, NOW);
        assert_eq!(asked.await.unwrap_err().code, code);
    }
    assert_eq!(world.connections(), 0);
}

#[tokio::test]
async fn refusal_with_each_known_number_gives_its_code() {
    // The table of the specification, row by row, beside the table of the source.
    let expected: &[(&[u32], &str)] = &[
        (&[90002], "entra-tenant-not-found"),
        (&[900_023, 50059, 9_001_023], "entra-tenant-malformed"),
        (&[90038, 900_382, 900_432], "entra-tenant-in-other-cloud"),
        (&[700_016], "entra-application-not-found"),
        (&[7_000_112, 70001], "entra-application-disabled"),
        (&[700_025], "entra-application-public"),
        (&[501_051], "entra-application-not-assigned"),
        (&[65001], "entra-consent-missing"),
        (&[7_000_215], "entra-wrong-secret"),
        (&[7_000_222], "entra-secret-expired"),
        (&[7_000_218, 7_000_216, 900_144], "entra-request-malformed"),
        (
            &[700_027, 50012, 50027, 50013, 900_384],
            "entra-assertion-refused",
        ),
        (&[700_024], "entra-clock-skew"),
        (&[700_030], "entra-certificate-subject"),
        (
            &[70021, 700_211, 700_212, 700_213],
            "entra-federation-mismatch",
        ),
        (&[700_229], "entra-federation-token-kind"),
        (&[500_011], "entra-resource-not-found"),
        (&[70011, 1_002_012, 28002, 700_022], "entra-scope-refused"),
        (&[53003, 530_032], "entra-conditional-access"),
        (&[90055, 50196], "entra-throttled"),
        (&[90024, 90033, 90006, 90012, 50000], "entra-unavailable"),
    ];
    let mut count = 0;
    for (number, code) in expected
        .iter()
        .flat_map(|(numbers, code)| numbers.iter().map(move |n| (*n, *code)))
    {
        let failure = refused_with(number).await;
        assert_eq!(failure.code, code, "AADSTS{number}");
        assert_eq!(failure.source_kind, SourceKind::Entra);
        assert!(
            failure.what.contains(&format!("AADSTS{number}")),
            "{}",
            failure.what
        );
        assert!(
            failure
                .what
                .contains("11111111-2222-3333-4444-555555555555")
        );
        let passes = ["entra-throttled", "entra-unavailable"].contains(&code);
        assert_eq!(failure.retryable, passes, "AADSTS{number}");
        count += 1;
    }
    assert_eq!(count, crate::entra::table_numbers().count());
}

#[tokio::test]
async fn refusal_of_guid_shaped_secret_says_that_it_looks_like_an_id() {
    let reply = Reply::new(401, refusal(7_000_215, "invalid_client"));
    let secret = with_secret("9b2f3c4d-1111-2222-3333-444455556666");
    let failure = fail_with(reply.clone(), &secret).await;
    assert_eq!(failure.code, "entra-wrong-secret");
    assert!(failure.mend.contains("looks like the secret's ID"));
    let failure = fail_with(reply, &credential()).await;
    assert!(!failure.mend.contains("looks like"));
}

#[tokio::test]
async fn refusal_of_assertion_names_the_thumbprint() {
    let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = key.as_der().unwrap();
    let credential = with_key(&pem("PRIVATE KEY", der.as_ref()));
    let reply = Reply::new(401, refusal(700_027, "invalid_client"));
    let failure = fail_with(reply, &credential).await;
    assert!(failure.mend.contains(THUMBPRINT), "{}", failure.mend);
}

#[tokio::test]
async fn refusal_with_unknown_number_quotes_its_first_sentence() {
    let failure = refused_with(123_456).await;
    assert_eq!(failure.code, "entra-refused");
    assert_eq!(
        failure.what.split_once(": ").unwrap().1,
        "it refused (AADSTS123456, `invalid_client`, HTTP 400, \"AADSTS123456: Something\", trace id \
         11111111-2222-3333-4444-555555555555, correlation id 66666666-7777-8888-9999-000000000000)"
    );
}

#[tokio::test]
async fn refusal_that_repeats_the_secret_is_not_quoted() {
    let body = format!(r#"{{"error":"odd","error_description":"bad {APPLICATION_SECRET} there"}}"#);
    let failure = fail_with(Reply::new(400, body), &credential()).await;
    assert_eq!(failure.code, "entra-refused");
    assert!(!failure.what.contains("Q~a"), "{}", failure.what);
    assert!(failure.what.contains("HTTP 400"));
}

#[tokio::test]
async fn refusal_without_number_is_told_by_status_and_word() {
    let code = async |status, body: &'static str| {
        fail_with(Reply::new(status, body), &credential())
            .await
            .code
    };
    assert_eq!(
        code(400, r#"{"error":"invalid_scope"}"#).await,
        "entra-scope-refused"
    );
    assert_eq!(
        code(400, r#"{"error":"invalid_resource"}"#).await,
        "entra-resource-not-found"
    );
    assert_eq!(
        code(400, r#"{"error":"temporarily_unavailable"}"#).await,
        "entra-unavailable"
    );
    assert_eq!(code(400, "<html>").await, "entra-refused");
    assert_eq!(code(429, "").await, "entra-throttled");
    assert_eq!(code(503, "").await, "entra-unavailable");
}

#[tokio::test]
async fn answer_of_other_form_or_size_is_refused() {
    let code = async |reply| fail_with(reply, &credential()).await.code;
    assert_eq!(code(Reply::new(200, "{}")).await, "entra-answer-malformed");
    let long = format!(r#"{{"access_token":"{}"}}"#, "x".repeat(64 * 1024));
    assert_eq!(code(Reply::new(200, long)).await, "entra-answer-too-long");
}

#[tokio::test]
async fn redirect_is_not_followed() {
    let other = World::always(token_reply("stolen", 3599)).await;
    let reply = Reply::new(307, "").with("location", &format!("https://{}/x", other.host));
    assert_eq!(
        fail_with(reply, &credential()).await.code,
        "entra-redirected"
    );
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn server_error_is_tried_again_twice() {
    let world = World::start(|_, count| match count {
        0 | 1 => Reply::new(500, ""),
        _ => token_reply("tok", 3599),
    })
    .await;
    vault_token(&world.azure(), &world, NOW).await.unwrap();
    assert_eq!(world.seen().len(), 3);
    let world = World::always(Reply::new(502, "")).await;
    let failure = vault_token(&world.azure(), &world, NOW).await.unwrap_err();
    assert_eq!(failure.code, "entra-unavailable");
    assert_eq!(world.seen().len(), 3);
}

#[tokio::test]
async fn retry_after_is_kept_to_without_asking() {
    let world = World::start(|_, count| match count {
        0 => Reply::new(429, "").with("retry-after", "17"),
        _ => token_reply("tok", 3599),
    })
    .await;
    let azure = world.azure();
    let at = async |seconds| vault_token(&azure, &world, later(seconds)).await;
    let failure = at(0).await.unwrap_err();
    assert_matches!(
        failure,
        SourceFailure {
            code: "entra-throttled",
            retry_after: Some(Seconds(17)),
            retryable: true,
            ..
        }
    );
    assert_eq!(at(5).await.unwrap_err().retry_after, Some(Seconds(12)));
    assert_eq!(world.seen().len(), 1);
    at(17).await.unwrap();
    assert_eq!(world.seen().len(), 2);
}

#[tokio::test]
async fn hundred_askers_at_once_make_one_request() {
    let world = World::always(token_reply("tok", 3599)).await;
    let azure = world.azure();
    let asked = (0..100).map(|_| vault_token(&azure, &world, NOW));
    let tokens = futures_util::future::join_all(asked).await;
    assert!(
        tokens
            .iter()
            .all(|token| text(token.as_ref().unwrap()) == "tok")
    );
    assert_eq!(world.seen().len(), 1);
}

#[tokio::test]
async fn hundred_askers_at_once_share_one_refusal() {
    let world = World::always(Reply::new(401, refusal(7_000_215, "invalid_client"))).await;
    let azure = world.azure();
    let asked = (0..100).map(|_| vault_token(&azure, &world, NOW));
    for token in futures_util::future::join_all(asked).await {
        assert_eq!(token.unwrap_err().code, "entra-wrong-secret");
    }
    assert_eq!(world.seen().len(), 1);
    // A refusal is not remembered: the next asker asks.
    vault_token(&azure, &world, NOW).await.unwrap_err();
    assert_eq!(world.seen().len(), 2);
}

#[tokio::test]
async fn token_is_renewed_early_and_the_old_one_serves_when_that_fails() {
    let world = World::start(|_, count| match count {
        0 => token_reply("first", 3600),
        1 => Reply::new(400, refusal(7_000_215, "invalid_client")),
        _ => token_reply("second", 3600),
    })
    .await;
    let azure = world.azure();
    let at = async |seconds| {
        text(&vault_token(&azure, &world, later(seconds)).await.unwrap()).to_owned()
    };
    assert_eq!(at(0).await, "first");
    assert_eq!(at(3299).await, "first");
    assert_eq!(world.seen().len(), 1);
    // 300 seconds are left: it is renewed, in vain, and not tried again at once.
    assert_eq!(at(3300).await, "first");
    assert_eq!(at(3310).await, "first");
    assert_eq!(world.seen().len(), 2);
    assert_eq!(at(3330).await, "second");
    assert_eq!(world.seen().len(), 3);
}

#[tokio::test]
async fn old_token_near_its_end_does_not_serve() {
    let world = World::start(|_, count| match count {
        0 => token_reply("first", 3600),
        _ => Reply::new(400, refusal(7_000_222, "invalid_client")),
    })
    .await;
    let azure = world.azure();
    vault_token(&azure, &world, NOW).await.unwrap();
    let failure = vault_token(&azure, &world, later(3570)).await.unwrap_err();
    assert_eq!(failure.code, "entra-secret-expired");
}

#[tokio::test]
async fn token_for_workload_has_ten_minutes_left() {
    let world = World::start(|_, count| token_reply(&format!("t{count}"), 3600)).await;
    let azure = world.azure();
    let credential = credential();
    let at = async |seconds| {
        let asked = azure
            .tokens
            .token(&credential, TokenPurpose::Workload, later(seconds));
        text(&asked.await.unwrap()).to_owned()
    };
    assert_eq!(at(0).await, "t0");
    assert_eq!(at(2699).await, "t0");
    assert_eq!(at(3001).await, "t1");
}

#[tokio::test]
async fn credentials_that_differ_share_no_token() {
    let world = World::start(|_, count| token_reply(&format!("t{count}"), 3600)).await;
    let azure = world.azure();
    let ask = async |credential: EntraCredential| {
        let asked = azure.tokens.token(&credential, TokenPurpose::Workload, NOW);
        text(&asked.await.unwrap()).to_owned()
    };
    assert_eq!(ask(credential()).await, "t0");
    assert_eq!(ask(with_secret("another")).await, "t1");
    let other_client = EntraCredential {
        client: "00000000-0000-0000-0000-000000000001".parse().unwrap(),
        ..credential()
    };
    assert_eq!(ask(other_client).await, "t2");
    let other_tenant = EntraCredential {
        tenant: "contoso.onmicrosoft.com".parse().unwrap(),
        ..credential()
    };
    assert_eq!(ask(other_tenant).await, "t3");
    assert_eq!(ask(credential()).await, "t0");
}

#[tokio::test]
async fn authority_that_is_not_trusted_or_not_there_is_told_apart() {
    let world = World::always(token_reply("tok", 3599)).await;
    let code = async |cloud| {
        let azure = azure(vec![cloud], "local");
        let asked = azure
            .tokens
            .token(&credential(), TokenPurpose::Workload, NOW)
            .await;
        asked.unwrap_err().code
    };
    let mut untrusted = world.cloud("local");
    untrusted.ca_file = None;
    assert_eq!(code(untrusted).await, "entra-tls-untrusted");
    assert!(world.seen().is_empty());
    let mut nameless = world.cloud("local");
    nameless.authority = "https://login.invalid".to_owned();
    assert_eq!(code(nameless).await, "entra-name-unresolved");
    // A port that was free a moment ago.
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let mut absent = world.cloud("local");
    absent.authority = format!("https://localhost:{port}");
    assert_eq!(code(absent).await, "entra-unreachable");
}

#[tokio::test]
async fn connection_that_breaks_is_tried_again() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .unwrap();
    let port = listener.local_addr().unwrap().port();
    let attempts = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&attempts);
    let server = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            drop(stream);
        }
    });
    let world = World::always(Reply::new(200, "")).await;
    let mut cloud = world.cloud("local");
    cloud.authority = format!("https://localhost:{port}");
    let azure = azure(vec![cloud], "local");
    let asked = azure
        .tokens
        .token(&credential(), TokenPurpose::Workload, NOW)
        .await;
    assert_eq!(asked.unwrap_err().code, "entra-unreachable");
    assert_eq!(attempts.load(Ordering::SeqCst), 3);
    server.abort();
}
