//! Key Vault: what is sent to whom, which secrets may be used, and how refusals are worded.

use std::sync::Arc;

use assert_matches::assert_matches;
use casque_core::{
    AccessToken, SourceFailure, SourceKind, TokenPurpose, TokenSource as _, VaultSecret,
    VaultSource as _,
};
use casque_types::{Seconds, Secret, Timestamp, VaultAddress, VaultSecretName};

use super::world::{
    NOW, Reply, Seen, World, azure, credential, later, text, token_reply, vault_token,
};
use crate::Azure;

pub(super) const VERSION: &str = "4387e9f3d6e14c459867679a90fd0f79";

pub(super) fn name() -> VaultSecretName {
    "db-password".parse().unwrap()
}

pub(super) fn bundle(attributes: &str) -> String {
    format!(
        r#"{{"value":"hunter2","id":"https://kv1.vault.azure.net/secrets/db-password/{VERSION}","contentType":"text/plain","attributes":{{{attributes}"created":3,"updated":4,"recoveryLevel":"Recoverable+Purgeable","recoverableDays":90}},"tags":{{"k":"v"}}}}"#
    )
}

/// Plays Entra ID for the token endpoint, and lets `script` answer for the vault.
pub(super) async fn vault_world(
    script: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static,
) -> World {
    World::start(
        move |seen, count| match seen.target.ends_with("/oauth2/v2.0/token") {
            true => token_reply(&format!("tok{count}"), 3600),
            false => script(seen, count),
        },
    )
    .await
}

async fn read(azure: &Azure, world: &World, now: Timestamp) -> Result<VaultSecret, SourceFailure> {
    let token = vault_token(azure, world, now).await.unwrap();
    azure
        .vaults
        .secret(&world.vault(), &name(), None, &token, now)
        .await
}

async fn secret_of(
    azure: &Azure,
    vault: VaultAddress,
    token: &AccessToken,
) -> Result<VaultSecret, SourceFailure> {
    azure.vaults.secret(&vault, &name(), None, token, NOW).await
}

async fn token_for(azure: &Azure, vault: &VaultAddress) -> Result<Arc<AccessToken>, SourceFailure> {
    let purpose = TokenPurpose::Vault(vault);
    azure.tokens.token(&credential(), purpose, NOW).await
}

async fn answered(reply: Reply) -> Result<VaultSecret, SourceFailure> {
    let world = vault_world(move |_, _| reply.clone()).await;
    read(&world.azure(), &world, NOW).await
}

async fn refused(status: u16, code: &str, inner: &str) -> SourceFailure {
    let body = format!(
        r#"{{"error":{{"code":"{code}","message":"Said\r\nso.","innererror":{{"code":"{inner}"}}}}}}"#
    );
    let reply = Reply::new(status, body).with("x-ms-request-id", "12ab-34cd");
    answered(reply).await.unwrap_err()
}

#[tokio::test]
async fn secret_is_asked_for_with_its_token_and_read() {
    let world = vault_world(|_, _| Reply::new(200, bundle(r#""enabled":true,"#))).await;
    let secret = read(&world.azure(), &world, NOW).await.unwrap();
    assert_eq!(secret.value.expose(), b"hunter2");
    assert_eq!(secret.content_type.as_deref(), Some("text/plain"));
    assert_eq!(
        secret.id,
        format!("https://kv1.vault.azure.net/secrets/db-password/{VERSION}")
    );
    let seen = &world.seen()[1];
    assert_eq!(seen.method, "GET");
    assert_eq!(seen.target, "/secrets/db-password?api-version=7.4");
    assert_eq!(seen.header("authorization"), Some("Bearer tok0"));
}

/// Asks for this version of a vault that answers so, and tells what it saw.
async fn version_answered(version: &str, reply: Reply) -> (Result<(), SourceFailure>, Vec<Seen>) {
    let world = vault_world(move |_, _| reply.clone()).await;
    let azure = world.azure();
    let token = vault_token(&azure, &world, NOW).await.unwrap();
    let (vault, name) = (world.vault(), name());
    let read = azure
        .vaults
        .secret(&vault, &name, Some(version), &token, NOW);
    let read = read.await.map(drop);
    (read, world.seen())
}

#[tokio::test]
async fn version_is_asked_for_by_its_id_and_read() {
    let reply = Reply::new(200, bundle(r#""enabled":true,"#));
    let (read, seen) = version_answered(VERSION, reply).await;
    assert_eq!(read, Ok(()));
    assert_eq!(
        seen[1].target,
        format!("/secrets/db-password/{VERSION}?api-version=7.4")
    );
}

#[tokio::test]
async fn version_other_than_the_one_asked_for_is_refused() {
    let reply = Reply::new(200, bundle(r#""enabled":true,"#));
    let other = VERSION.replace("4387", "4388");
    let (read, _) = version_answered(&other, reply).await;
    let failure = read.unwrap_err();
    assert_eq!(failure.code, "vault-answer-malformed");
    assert!(
        failure
            .what
            .contains(&format!("for version `{other}` of secret `db-password`"))
    );
}

#[tokio::test]
async fn version_that_is_no_id_is_not_asked_for() {
    let long = format!("{VERSION}0");
    let dots = VERSION.replacen("438", "../", 1);
    for version in [
        "",
        "7",
        "..",
        &long,
        &dots,
        "4387e9f3d6e14c45986767?a=90fd0f79",
    ] {
        let reply = Reply::new(200, bundle(r#""enabled":true,"#));
        let (read, seen) = version_answered(version, reply).await;
        assert_eq!(
            read.unwrap_err().code,
            "vault-version-malformed",
            "{version}"
        );
        assert_eq!(seen.len(), 1);
    }
}

#[tokio::test]
async fn version_that_is_disabled_or_absent_is_told_as_that_version() {
    let disabled = Reply::new(200, bundle(r#""enabled":false,"#));
    let (read, _) = version_answered(VERSION, disabled).await;
    let failure = read.unwrap_err();
    assert_eq!(failure.code, "vault-secret-disabled");
    assert!(
        failure.what.ends_with("that version is disabled"),
        "{}",
        failure.what
    );
    assert!(
        failure.mend.contains("another `version`"),
        "{}",
        failure.mend
    );
    let (read, _) = version_answered(VERSION, Reply::new(404, "")).await;
    let failure = read.unwrap_err();
    assert_eq!(failure.code, "vault-secret-not-found");
    assert!(
        failure.mend.starts_with("check `version`"),
        "{}",
        failure.mend
    );
}

#[tokio::test]
async fn secret_outside_its_life_is_refused() {
    let now = NOW.as_unix_s();
    let with = async |attributes: String| {
        answered(Reply::new(200, bundle(&attributes)))
            .await
            .map(drop)
    };
    let code = async |attributes: String| with(attributes).await.unwrap_err().code;
    assert_eq!(
        code(r#""enabled":false,"#.to_owned()).await,
        "vault-secret-disabled"
    );
    assert_eq!(
        code(format!(r#""enabled":true,"exp":{now},"#)).await,
        "vault-secret-expired"
    );
    let early = now + 1;
    assert_eq!(
        code(format!(r#""enabled":true,"nbf":{early},"#)).await,
        "vault-secret-not-yet-valid"
    );
    let good = format!(r#""enabled":true,"nbf":{now},"exp":{early},"#);
    assert_eq!(with(good).await, Ok(()));
}

/// Status, code, inner code, our code, whether it passes.
const REFUSALS: &str = "\
    400 BadParameter - vault-request-malformed lasts
    401 Unauthorized - vault-token-refused passes
    403 Forbidden ForbiddenByRbac vault-forbidden-by-role lasts
    403 Forbidden ForbiddenByPolicy vault-forbidden-by-policy lasts
    403 Forbidden AccessDenied vault-forbidden-by-policy lasts
    403 Forbidden ForbiddenByFirewall vault-forbidden-by-firewall lasts
    403 Forbidden ForbiddenByConnection vault-forbidden-by-connection lasts
    403 Forbidden SecretDisabled vault-secret-disabled lasts
    403 Forbidden Other vault-forbidden lasts
    404 SecretNotFound - vault-secret-not-found lasts
    404 SecretNotFound ObjectIsDeletedButRecoverable vault-secret-deleted lasts
    409 Conflict ObjectIsDeletedButRecoverable vault-secret-deleted lasts
    409 Conflict ObjectIsBeingRecovered vault-secret-busy passes
    409 Conflict ObjectIsBeingDeleted vault-secret-busy passes
    409 Conflict - vault-conflict lasts
    418 Teapot - vault-refused lasts
    429 Throttled VaultRequestTypeLimitReached vault-throttled passes
    503 ServiceUnavailable - vault-unavailable passes";

#[tokio::test]
async fn refusal_of_each_kind_gives_its_code() {
    for row in REFUSALS.lines() {
        let words: Vec<&str> = row.split_whitespace().collect();
        let [status, outer, inner, code, passes] = words[..] else {
            panic!("a row of five words: {row}");
        };
        let failure = refused(status.parse().unwrap(), outer, inner).await;
        assert_eq!(failure.code, code, "{row}");
        assert_eq!(failure.retryable, passes == "passes", "{row}");
        assert_eq!(failure.source_kind, SourceKind::KeyVault);
        assert!(
            failure.what.contains("request id 12ab-34cd"),
            "{}",
            failure.what
        );
        assert!(failure.what.contains("\"Said so.\""), "{}", failure.what);
    }
}

#[tokio::test]
async fn refusal_without_body_is_told_by_status() {
    let failure = answered(Reply::new(403, "<html>")).await.unwrap_err();
    assert_eq!(failure.code, "vault-forbidden");
}

#[tokio::test]
async fn token_of_another_tenant_or_audience_is_told_by_the_challenge() {
    let challenge = |number: &str| {
        format!(
            r#"Bearer authorization="https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555", resource="https://graph.microsoft.com", error="invalid_token", error_description="{number}: x""#
        )
    };
    let with = async |number: &str| {
        let reply = Reply::new(401, "").with("www-authenticate", &challenge(number));
        answered(reply).await.unwrap_err()
    };
    let failure = with("AKV10032").await;
    assert_eq!(failure.code, "vault-token-wrong-tenant");
    assert!(
        failure
            .what
            .contains("the vault's tenant is `11111111-2222-3333-4444-555555555555`")
    );
    assert_eq!(with("AKV10022").await.code, "vault-token-wrong-audience");
}

#[tokio::test]
async fn challenge_is_not_followed() {
    let other = World::always(token_reply("stolen", 3600)).await;
    let challenge = format!(
        r#"Bearer authorization="https://{}/x", resource="https://graph.microsoft.com""#,
        other.host
    );
    let reply = Reply::new(401, "").with("www-authenticate", &challenge);
    assert_eq!(
        answered(reply).await.unwrap_err().code,
        "vault-token-refused"
    );
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn token_that_a_vault_refused_is_not_served_again() {
    let world = vault_world(|_, count| match count {
        1 => Reply::new(401, ""),
        _ => Reply::new(200, bundle(r#""enabled":true,"#)),
    })
    .await;
    let azure = world.azure();
    let first = read(&azure, &world, NOW).await.unwrap_err();
    assert_matches!(
        first,
        SourceFailure {
            code: "vault-token-refused",
            retryable: true,
            ..
        }
    );
    read(&azure, &world, NOW).await.unwrap();
    assert_eq!(world.seen()[3].header("authorization"), Some("Bearer tok2"));
}

#[tokio::test]
async fn secret_that_was_deleted_is_told_from_one_that_never_was() {
    let world = vault_world(
        |seen, _| match seen.target.starts_with("/deletedsecrets/") {
            true => Reply::new(200, r#"{"recoveryId":"x"}"#),
            false => Reply::new(404, r#"{"error":{"code":"SecretNotFound","message":"no"}}"#),
        },
    )
    .await;
    let failure = read(&world.azure(), &world, NOW).await.unwrap_err();
    assert_eq!(failure.code, "vault-secret-deleted");
    assert!(failure.mend.contains("az keyvault secret recover"));
    assert_eq!(
        world.seen()[2].target,
        "/deletedsecrets/db-password?api-version=7.4"
    );
}

#[tokio::test]
async fn retry_after_of_a_vault_is_kept_to_without_asking() {
    let world = vault_world(|_, count| match count {
        1 => Reply::new(429, "").with("retry-after", "10"),
        _ => Reply::new(200, bundle(r#""enabled":true,"#)),
    })
    .await;
    let azure = world.azure();
    let first = read(&azure, &world, NOW).await.unwrap_err();
    assert_eq!(first.retry_after, Some(Seconds(10)));
    let second = read(&azure, &world, later(4)).await.unwrap_err();
    assert_matches!(
        second,
        SourceFailure {
            code: "vault-throttled",
            retry_after: Some(Seconds(6)),
            ..
        }
    );
    assert_eq!(world.seen().len(), 2);
    read(&azure, &world, later(10)).await.unwrap();
}

#[tokio::test]
async fn answer_of_other_form_or_size_is_refused() {
    let code = async |body: String| answered(Reply::new(200, body)).await.unwrap_err().code;
    let good = bundle(r#""enabled":true,"#);
    let malformed = "vault-answer-malformed";
    assert_eq!(code("{}".to_owned()).await, malformed);
    assert_eq!(
        code(good.replace("db-password/", "other/")).await,
        malformed
    );
    assert_eq!(
        code(good.replace("https://kv1", "http://kv1")).await,
        malformed
    );
    assert_eq!(code(good.replace(VERSION, "a/b")).await, malformed);
    assert_eq!(code(good.replace("\"hunter2\"", "7")).await, malformed);
    assert_eq!(
        code(good.replacen('{', r#"{"value":"x","#, 1)).await,
        malformed
    );
    assert_eq!(code(format!("{good} {{}}")).await, malformed);
    assert_eq!(
        code("x".repeat(160 * 1024 + 1)).await,
        "vault-answer-too-long"
    );
}

#[tokio::test]
async fn longest_value_is_read_though_every_byte_is_escaped() {
    let escaped = r"\u0001".repeat(25 * 1024);
    let body = bundle(r#""enabled":true,"#).replace("hunter2", &escaped);
    let secret = answered(Reply::new(200, body)).await.unwrap();
    assert_eq!(secret.value.len(), 25 * 1024);
}

#[tokio::test]
async fn redirect_is_not_followed() {
    let other = World::always(Reply::new(200, bundle(r#""enabled":true,"#))).await;
    let reply = Reply::new(302, "").with("location", &format!("https://{}/", other.host));
    assert_eq!(answered(reply).await.unwrap_err().code, "vault-redirected");
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn host_that_no_cloud_allows_sees_nothing() {
    let world = vault_world(|_, _| Reply::new(200, bundle(r#""enabled":true,"#))).await;
    let stranger = World::always(Reply::new(200, bundle(r#""enabled":true,"#))).await;
    let azure = world.azure();
    let token = vault_token(&azure, &world, NOW).await.unwrap();
    let read = secret_of(&azure, stranger.vault(), &token);
    assert_eq!(read.await.unwrap_err().code, "vault-host-not-allowed");
    let purpose = stranger.vault();
    let asked = token_for(&azure, &purpose);
    assert_eq!(asked.await.unwrap_err().code, "vault-host-not-allowed");
    assert_eq!(stranger.connections(), 0);
    assert_eq!(world.seen().len(), 1);
}

#[tokio::test]
async fn token_of_one_cloud_is_not_sent_to_another() {
    let (one, two) = (
        vault_world(|_, _| Reply::new(200, bundle(r#""enabled":true,"#))).await,
        vault_world(|_, _| Reply::new(200, bundle(r#""enabled":true,"#))).await,
    );
    let azure = azure(vec![one.cloud("one"), two.cloud("two")], "one");
    let token = vault_token(&azure, &one, NOW).await.unwrap();
    let read = secret_of(&azure, two.vault(), &token);
    let failure = read.await.unwrap_err();
    assert_eq!(failure.code, "vault-token-foreign");
    assert!(
        failure
            .what
            .contains("in cloud `two`, the token was issued by `one`")
    );
    assert_eq!(two.connections(), 0);
    // Each cloud's own authority issues the token for its vaults.
    let token = vault_token(&azure, &two, NOW).await.unwrap();
    secret_of(&azure, two.vault(), &token).await.unwrap();
    assert_eq!((one.seen().len(), two.seen().len()), (1, 2));
}

#[tokio::test]
async fn token_that_nobody_issued_is_not_sent() {
    let world = vault_world(|_, _| Reply::new(200, bundle(r#""enabled":true,"#))).await;
    let azure = world.azure();
    let issued = vault_token(&azure, &world, NOW).await.unwrap();
    let copied = AccessToken {
        token: Secret::new(text(&issued).as_bytes().to_vec()),
        expires: issued.expires,
    };
    let read = secret_of(&azure, world.vault(), &copied);
    assert_eq!(read.await.unwrap_err().code, "vault-token-foreign");
    assert_eq!(world.seen().len(), 1);
}

#[tokio::test]
async fn vault_name_that_does_not_resolve_says_that_it_is_wrong_or_deleted() {
    let world = vault_world(|_, _| Reply::new(200, "")).await;
    let mut cloud = world.cloud("local");
    cloud.vault_suffixes.push(".vault.invalid".to_owned());
    let azure = azure(vec![cloud], "local");
    let vault: VaultAddress = "gone-kv".parse().unwrap();
    let asked = token_for(&azure, &vault);
    let token = asked.await.unwrap();
    let failure = secret_of(&azure, vault.clone(), &token).await.unwrap_err();
    assert_eq!(failure.code, "vault-name-unresolved");
    assert!(
        failure.what.contains("gone-kv.vault.invalid"),
        "{}",
        failure.what
    );
}
