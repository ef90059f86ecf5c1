//! Key Vault: values that are kept there, and how refusals to keep them are worded.

use assert_matches::assert_matches;
use casque_core::{SourceFailure, SourceKind, VaultSource as _};
use casque_types::{Seconds, Secret, Timestamp};

use super::key_vault::{VERSION, bundle, name, vault_world};
use super::world::{NOW, Reply, World, azure, later, vault_token};
use crate::Azure;

const VALUE: &str = "kept \"value\"\n\u{1f511}";

async fn set(
    azure: &Azure,
    world: &World,
    value: &[u8],
    now: Timestamp,
) -> Result<String, SourceFailure> {
    let token = vault_token(azure, world, now).await.unwrap();
    let value = Secret::new(value.to_vec());
    (azure.vaults)
        .set_secret(&world.vault(), &name(), &value, &token, now)
        .await
}

async fn answered(reply: Reply) -> Result<String, SourceFailure> {
    let world = vault_world(move |_, _| reply.clone()).await;
    set(&world.azure(), &world, VALUE.as_bytes(), NOW).await
}

fn accepted() -> Reply {
    Reply::new(200, bundle(r#""enabled":true,"#))
}

#[tokio::test]
async fn value_is_set_with_its_token_and_type_and_its_id_is_told() {
    let world = vault_world(|_, _| accepted()).await;
    let id = set(&world.azure(), &world, VALUE.as_bytes(), NOW).await;
    let expected = format!("https://kv1.vault.azure.net/secrets/db-password/{VERSION}");
    assert_eq!(id, Ok(expected));
    let seen = &world.seen()[1];
    assert_eq!(seen.method, "PUT");
    assert_eq!(seen.target, "/secrets/db-password?api-version=7.4");
    assert_eq!(seen.header("authorization"), Some("Bearer tok0"));
    assert_eq!(seen.header("content-type"), Some("application/json"));
    let body: serde_json::Value = serde_json::from_slice(&seen.body).unwrap();
    let expected =
        serde_json::json!({"value": VALUE, "contentType": "application/vnd.casque.kept"});
    assert_eq!(body, expected);
}

#[tokio::test]
async fn value_too_large_for_a_vault_is_not_sent() {
    let world = vault_world(|_, _| accepted()).await;
    let azure = world.azure();
    let longest = vec![1; 25_000];
    set(&azure, &world, &longest, NOW).await.unwrap();
    let longer = [longest, vec![1]].concat();
    let failure = set(&azure, &world, &longer, NOW).await.unwrap_err();
    assert_matches!(
        failure,
        SourceFailure {
            code: "vault-value-too-large",
            retryable: false,
            ..
        }
    );
    assert!(failure.what.ends_with("at most 25000 bytes, found 25001"));
    assert_eq!(world.seen().len(), 2);
}

#[tokio::test]
async fn value_that_is_no_text_is_not_sent() {
    let world = vault_world(|_, _| accepted()).await;
    let failure = set(&world.azure(), &world, b"a\xff", NOW).await;
    assert_eq!(failure.unwrap_err().code, "vault-value-not-text");
    assert_eq!(world.seen().len(), 1);
}

/// Status, inner code, our code, whether it passes, what its mending speaks of.
const REFUSALS: &str = "\
    400 - vault-request-malformed lasts request_id
    401 - vault-token-refused passes new_token
    403 ForbiddenByRbac vault-set-forbidden-by-role lasts `Key_Vault_Secrets_Officer`
    403 ForbiddenByPolicy vault-set-forbidden-by-policy lasts `Set`
    403 AccessDenied vault-set-forbidden-by-policy lasts `Set`
    403 ForbiddenByFirewall vault-forbidden-by-firewall lasts firewall
    403 ForbiddenByConnection vault-forbidden-by-connection lasts private_endpoint
    403 SecretDisabled vault-secret-disabled lasts enable
    403 Other vault-forbidden lasts application
    404 - vault-refused lasts `vault`
    409 ObjectIsDeletedButRecoverable vault-secret-deleted lasts az_keyvault_secret_recover
    409 ObjectIsBeingRecovered vault-secret-busy passes wait
    409 ObjectIsBeingDeleted vault-secret-busy passes wait
    409 - vault-conflict lasts look
    413 - vault-value-too-large lasts smaller
    418 - vault-refused lasts request_id
    429 VaultRequestTypeLimitReached vault-throttled passes later
    503 - vault-unavailable passes service_status";

#[tokio::test]
async fn refusal_of_each_kind_gives_its_code() {
    for row in REFUSALS.lines() {
        let words: Vec<&str> = row.split_whitespace().collect();
        let [status, inner, code, passes, mend] = words[..] else {
            panic!("a row of five words: {row}");
        };
        let body = format!(r#"{{"error":{{"code":"X","innererror":{{"code":"{inner}"}}}}}}"#);
        let reply = Reply::new(status.parse().unwrap(), body);
        let failure = answered(reply).await.unwrap_err();
        assert_eq!(failure.code, code, "{row}");
        assert_eq!(failure.retryable, passes == "passes", "{row}");
        assert_eq!(failure.source_kind, SourceKind::KeyVault);
        let mend = mend.replace('_', " ");
        assert!(failure.mend.contains(&mend), "{row}: {}", failure.mend);
        assert!(failure.what.contains("to set secret `db-password`"));
    }
}

#[tokio::test]
async fn message_about_the_content_of_a_set_is_not_quoted() {
    let with = async |status: u16| {
        let body = r#"{"error":{"code":"X","message":"kept value"}}"#;
        answered(Reply::new(status, body)).await.unwrap_err().what
    };
    for status in [400, 413, 415, 500] {
        let what = with(status).await;
        assert!(!what.contains("kept value"), "{what}");
    }
    for status in [401, 403, 404, 409, 429] {
        let what = with(status).await;
        assert!(what.contains("\"kept value\""), "{what}");
    }
}

#[tokio::test]
async fn conflict_with_a_deleted_secret_is_told_though_the_vault_does_not_say_so() {
    let world = vault_world(
        |seen, _| match seen.target.starts_with("/deletedsecrets/") {
            true => Reply::new(200, r#"{"recoveryId":"x"}"#),
            false => Reply::new(409, r#"{"error":{"code":"Conflict","message":"no"}}"#),
        },
    )
    .await;
    let failure = set(&world.azure(), &world, b"x", NOW).await.unwrap_err();
    assert_eq!(failure.code, "vault-secret-deleted");
    assert!(failure.mend.contains("or purge it"), "{}", failure.mend);
    let seen = &world.seen()[2];
    assert_eq!(seen.method, "GET");
    assert_eq!(seen.target, "/deletedsecrets/db-password?api-version=7.4");
    assert!(seen.body.is_empty());
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
    assert_eq!(code(good.replace(VERSION, "")).await, malformed);
    assert_eq!(code(format!("{good} {{}}")).await, malformed);
    assert_eq!(
        code("x".repeat(160 * 1024 + 1)).await,
        "vault-answer-too-long"
    );
}

#[tokio::test]
async fn set_is_sent_again_after_a_passing_fault() {
    let world = vault_world(|_, count| match count {
        1 => Reply::new(503, ""),
        _ => accepted(),
    })
    .await;
    set(&world.azure(), &world, VALUE.as_bytes(), NOW)
        .await
        .unwrap();
    let seen = world.seen();
    assert_eq!(seen.len(), 3);
    assert_eq!(
        (&seen[1].method, &seen[1].body),
        (&seen[2].method, &seen[2].body)
    );
}

#[tokio::test]
async fn retry_after_of_a_set_is_kept_to_by_reads_too() {
    let world = vault_world(|_, count| match count {
        1 => Reply::new(429, "").with("retry-after", "10"),
        _ => accepted(),
    })
    .await;
    let azure = world.azure();
    let first = set(&azure, &world, b"x", NOW).await.unwrap_err();
    assert_eq!(first.retry_after, Some(Seconds(10)));
    let token = vault_token(&azure, &world, NOW).await.unwrap();
    let (vault, name) = (world.vault(), name());
    let read = azure.vaults.secret(&vault, &name, None, &token, later(4));
    assert_matches!(
        read.await,
        Err(SourceFailure {
            code: "vault-throttled",
            retry_after: Some(Seconds(6)),
            ..
        })
    );
    assert_eq!(world.seen().len(), 2);
    set(&azure, &world, b"x", later(10)).await.unwrap();
}

#[tokio::test]
async fn token_that_refused_a_set_is_not_served_again() {
    let world = vault_world(|_, count| match count {
        1 => Reply::new(401, ""),
        _ => accepted(),
    })
    .await;
    let azure = world.azure();
    let first = set(&azure, &world, b"x", NOW).await.unwrap_err();
    assert_eq!(first.code, "vault-token-refused");
    set(&azure, &world, b"x", NOW).await.unwrap();
    assert_eq!(world.seen()[3].header("authorization"), Some("Bearer tok2"));
}

#[tokio::test]
async fn redirect_does_not_take_the_value_elsewhere() {
    let other = World::always(accepted()).await;
    let reply = Reply::new(307, "").with("location", &format!("https://{}/", other.host));
    assert_eq!(answered(reply).await.unwrap_err().code, "vault-redirected");
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn value_goes_to_no_host_of_another_cloud_or_of_none() {
    let (one, two) = (
        vault_world(|_, _| accepted()).await,
        vault_world(|_, _| accepted()).await,
    );
    let stranger = World::always(accepted()).await;
    let azure = azure(vec![one.cloud("one"), two.cloud("two")], "one");
    let token = vault_token(&azure, &one, NOW).await.unwrap();
    let value = Secret::new(b"x".to_vec());
    let code = async |world: &World| {
        let (vault, name) = (world.vault(), name());
        let set = azure.vaults.set_secret(&vault, &name, &value, &token, NOW);
        set.await.unwrap_err().code
    };
    assert_eq!(code(&two).await, "vault-token-foreign");
    assert_eq!(code(&stranger).await, "vault-host-not-allowed");
    assert_eq!((two.connections(), stranger.connections()), (0, 0));
}
