//! Kubernetes clusters: whom the server asks, what it takes from them, and how their keys are kept.

use std::io::Write as _;
use std::sync::{Arc, OnceLock};

use assert_matches::assert_matches;
use casque_appraise::ServiceAccountKeys;
use casque_core::{ClusterSource as _, SourceFailure, SourceKind};
use casque_testkit::cluster::{ClusterKey, SoftwareCluster};
use casque_types::{Seconds, Timestamp};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use super::world::{NOW, NoPause, Reply, World, later};
use crate::clusters::{ClusterSettings, ClusterSettingsError, Clusters};
use crate::http::Pause;

const PATH: &str = "/clusters/a/";

fn clusters(settings: Vec<ClusterSettings>) -> Result<Clusters, ClusterSettingsError> {
    let pause: Arc<dyn Pause> = Arc::new(NoPause);
    Clusters::with_pause(settings, &pause)
}

fn issuer(world: &World) -> String {
    format!("https://{}{PATH}", world.host)
}

fn listed(world: &World) -> ClusterSettings {
    ClusterSettings {
        issuer: issuer(world),
        jwks_file: None,
        jwks_uri: None,
        ca_file: world.cloud("local").ca_file,
    }
}

/// Two clusters' keys; their issuers do not matter here.
fn software(index: usize) -> &'static SoftwareCluster {
    static ALL: [OnceLock<SoftwareCluster>; 2] = [OnceLock::new(), OnceLock::new()];
    ALL[index].get_or_init(|| SoftwareCluster::generate("https://k8s.example").unwrap())
}

fn key_id(index: usize) -> String {
    software(index).key_id(ClusterKey::Rsa)
}

fn jwks(index: usize) -> Reply {
    Reply::new(200, software(index).jwks().unwrap())
}

fn document(host: &str) -> Value {
    let issuer = format!("https://{host}{PATH}");
    json!({"issuer": issuer, "jwks_uri": format!("{issuer}openid/v1/jwks")})
}

/// A cluster whose discovery document is bent, with the keys that it has by then.
async fn bent(bend: impl Fn(&mut Value) + Send + Sync + 'static) -> World {
    World::start(move |seen, _| {
        let mut document = document(seen.header("host").unwrap());
        bend(&mut document);
        match seen.target.ends_with("/openid-configuration") {
            true => Reply::new(200, document.to_string()),
            false => jwks(0),
        }
    })
    .await
}

async fn keys(
    clusters: &Clusters,
    issuer: &str,
    key_id: &str,
    now: Timestamp,
) -> Result<Arc<ServiceAccountKeys>, SourceFailure> {
    clusters.keys(issuer, key_id, now).await
}

async fn failure(world: &World) -> SourceFailure {
    let clusters = clusters(vec![listed(world)]).unwrap();
    let failure = keys(&clusters, &issuer(world), &key_id(0), NOW).await;
    let failure = failure.unwrap_err();
    assert_eq!(failure.source_kind, SourceKind::Cluster);
    failure
}

#[tokio::test]
async fn keys_are_found_by_the_discovery_document_and_kept_a_day() {
    let world = bent(|_| ()).await;
    let clusters = clusters(vec![listed(&world)]).unwrap();
    for seconds in [0, 100, 86_399] {
        let keys = keys(&clusters, &issuer(&world), &key_id(0), later(seconds)).await;
        assert!(keys.unwrap().contains(&key_id(0)));
    }
    let targets: Vec<String> = world.seen().into_iter().map(|seen| seen.target).collect();
    let expected = [
        "/clusters/a/.well-known/openid-configuration",
        "/clusters/a/openid/v1/jwks",
    ];
    assert_eq!(targets, expected);
    assert_eq!(world.seen()[0].header("authorization"), None);
    let again = keys(&clusters, &issuer(&world), &key_id(0), later(86_400)).await;
    assert!(again.is_ok());
    assert_eq!(world.seen().len(), 4);
}

#[tokio::test]
async fn issuer_that_nobody_lists_is_not_asked() {
    let (world, stranger) = (bent(|_| ()).await, bent(|_| ()).await);
    let clusters = clusters(vec![listed(&world)]).unwrap();
    let without_slash = issuer(&world).trim_end_matches('/').to_owned();
    for issuer in [issuer(&stranger), without_slash, "x".to_owned()] {
        let failure = keys(&clusters, &issuer, "any", NOW).await.unwrap_err();
        assert_eq!(
            (failure.code, failure.retryable),
            ("cluster-not-trusted", false)
        );
    }
    assert_eq!((stranger.connections(), world.connections()), (0, 0));
}

#[tokio::test]
async fn document_of_another_issuer_is_refused() {
    let world = bent(|document| document["issuer"] = "https://evil.example/".into()).await;
    assert_eq!(failure(&world).await.code, "cluster-issuer-mismatch");
    assert_eq!(world.seen().len(), 1);
}

#[tokio::test]
async fn keys_on_another_host_or_without_tls_are_not_fetched() {
    let elsewhere = World::always(jwks(0)).await;
    let uri = format!("https://{}/openid/v1/jwks", elsewhere.host);
    let world = bent(move |document| document["jwks_uri"] = uri.clone().into()).await;
    assert_eq!(failure(&world).await.code, "cluster-keys-elsewhere");
    assert_eq!(elsewhere.connections(), 0);
    let world = bent(|document| {
        let uri = document["jwks_uri"].as_str().unwrap();
        document["jwks_uri"] = uri.replace("https:", "http:").into();
    })
    .await;
    assert_eq!(failure(&world).await.code, "cluster-keys-elsewhere");
    assert_eq!(world.seen().len(), 1);
}

#[tokio::test]
async fn document_of_other_form_is_refused() {
    for body in ["", "[]", r#"{"issuer":"x"}"#] {
        let world = World::always(Reply::new(200, body)).await;
        assert_eq!(failure(&world).await.code, "cluster-answer-malformed");
    }
    let world = bent(|document| document["jwks_uri"] = "keys".into()).await;
    assert_eq!(failure(&world).await.code, "cluster-answer-malformed");
    let world = World::always(Reply::new(200, " ".repeat(64 * 1024 + 1))).await;
    assert_eq!(failure(&world).await.code, "cluster-answer-too-long");
}

#[tokio::test]
async fn keys_of_other_form_or_size_are_refused() {
    for (body, code) in [
        ("{}".to_owned(), "cluster-answer-malformed"),
        (" ".repeat(256 * 1024 + 1), "cluster-answer-too-long"),
    ] {
        let world = World::start(move |seen, _| {
            let document = document(seen.header("host").unwrap()).to_string();
            match seen.target.ends_with("/openid-configuration") {
                true => Reply::new(200, document),
                false => Reply::new(200, body.clone()),
            }
        })
        .await;
        assert_eq!(failure(&world).await.code, code);
    }
}

#[tokio::test]
async fn refusal_of_each_kind_gives_its_code() {
    for (status, code, passes) in [
        (401, "cluster-access-denied", false),
        (403, "cluster-access-denied", false),
        (404, "cluster-not-found", false),
        (418, "cluster-refused", false),
        (429, "cluster-unavailable", true),
        (503, "cluster-unavailable", true),
    ] {
        let world = World::always(Reply::new(status, "")).await;
        let failure = failure(&world).await;
        assert_eq!(
            (failure.code, failure.retryable),
            (code, passes),
            "{status}"
        );
    }
}

#[tokio::test]
async fn redirect_is_not_followed() {
    let other = World::always(jwks(0)).await;
    let reply = Reply::new(302, "").with("location", &format!("https://{}/", other.host));
    let world = World::always(reply).await;
    assert_eq!(failure(&world).await.code, "cluster-redirected");
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn certificate_of_an_unknown_authority_is_refused() {
    let world = bent(|_| ()).await;
    let settings = ClusterSettings {
        ca_file: None,
        ..listed(&world)
    };
    let clusters = clusters(vec![settings]).unwrap();
    let failure = keys(&clusters, &issuer(&world), "any", NOW).await;
    assert_eq!(failure.unwrap_err().code, "cluster-tls-untrusted");
}

#[tokio::test]
async fn keys_for_an_unknown_id_are_fetched_again_at_once_and_then_once_a_minute() {
    let world = World::start(|_, count| jwks(usize::from(matches!(count, 1 | 5..)))).await;
    let settings = ClusterSettings {
        jwks_uri: Some(format!("https://{}/keys", world.host)),
        ..listed(&world)
    };
    let clusters = clusters(vec![settings]).unwrap();
    let issuer = issuer(&world);
    let at = async |key_id: &str, seconds| {
        let keys = keys(&clusters, &issuer, key_id, later(seconds)).await;
        keys.unwrap().contains(key_id)
    };
    assert!(at(&key_id(0), 0).await);
    assert!(at(&key_id(1), 1).await);
    assert_eq!(world.seen().len(), 2);
    for _ in 0..10 {
        assert!(!at("made-up", 2).await);
    }
    assert!(!at(&key_id(1), 59).await);
    assert_eq!(world.seen().len(), 4);
    assert!(!at(&key_id(1), 60).await);
    assert!(!at("made-up", 61).await);
    assert_eq!(world.seen().len(), 5);
    assert!(at(&key_id(1), 120).await);
    assert_eq!(world.seen().len(), 6);
    assert!(world.seen().iter().all(|seen| seen.target == "/keys"));
}

#[tokio::test]
async fn cluster_that_fails_is_left_alone_for_a_while() {
    let world = World::always(Reply::new(503, "").with("retry-after", "9")).await;
    let clusters = clusters(vec![listed(&world)]).unwrap();
    keys(&clusters, &issuer(&world), "any", NOW)
        .await
        .unwrap_err();
    let failure = keys(&clusters, &issuer(&world), "any", later(2)).await;
    assert_matches!(
        failure,
        Err(SourceFailure {
            code: "cluster-unavailable",
            retry_after: Some(Seconds(7)),
            ..
        })
    );
    assert_eq!(world.seen().len(), 1);
}

#[tokio::test]
async fn hundred_askers_at_once_make_one_request_each_for_document_and_keys() {
    let world = bent(|_| ()).await;
    let clusters = clusters(vec![listed(&world)]).unwrap();
    let (issuer, key_id) = (issuer(&world), key_id(0));
    let asked = (0..100).map(|_| keys(&clusters, &issuer, &key_id, NOW));
    for found in futures_util::future::join_all(asked).await {
        assert!(found.unwrap().contains(&key_id));
    }
    assert_eq!(world.seen().len(), 2);
}

#[tokio::test]
async fn keys_of_a_file_are_read_anew_for_an_unknown_id() {
    let world = bent(|_| ()).await;
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(software(0).jwks().unwrap().as_bytes())
        .unwrap();
    let settings = ClusterSettings {
        jwks_file: Some(file.path().to_owned()),
        ..listed(&world)
    };
    let clusters = clusters(vec![settings]).unwrap();
    let issuer = issuer(&world);
    let found = keys(&clusters, &issuer, &key_id(0), NOW).await.unwrap();
    assert!(found.contains(&key_id(0)));
    std::fs::write(file.path(), software(1).jwks().unwrap()).unwrap();
    let found = keys(&clusters, &issuer, &key_id(1), NOW).await;
    assert!(found.unwrap().contains(&key_id(1)));
    assert_eq!(world.connections(), 0);
}

#[tokio::test]
async fn file_that_is_no_key_document_is_refused() {
    let world = bent(|_| ()).await;
    let mut long = NamedTempFile::new().unwrap();
    long.write_all(&vec![b' '; 256 * 1024 + 1]).unwrap();
    for path in ["/nowhere/keys.json".into(), long.path().to_owned()] {
        let settings = ClusterSettings {
            jwks_file: Some(path),
            ..listed(&world)
        };
        let clusters = clusters(vec![settings]).unwrap();
        let failure = keys(&clusters, &issuer(&world), "any", NOW).await;
        assert_eq!(failure.unwrap_err().code, "cluster-file-unusable");
    }
}

#[tokio::test]
async fn settings_bent_are_refused() {
    let world = bent(|_| ()).await;
    let refused = |bend: fn(&mut ClusterSettings)| {
        let mut settings = listed(&world);
        bend(&mut settings);
        clusters(vec![settings]).unwrap_err()
    };
    assert_matches!(
        refused(|it| it.issuer = "http://k8s.example".to_owned()),
        ClusterSettingsError::Issuer { .. }
    );
    assert_matches!(
        refused(|it| it.jwks_uri = Some("http://k8s.example/keys".to_owned())),
        ClusterSettingsError::KeyUrl { .. }
    );
    assert_matches!(
        refused(|it| {
            it.jwks_uri = Some("https://k8s.example/keys".to_owned());
            it.jwks_file = Some("keys.json".into());
        }),
        ClusterSettingsError::Both { .. }
    );
    assert_matches!(
        refused(|it| it.ca_file = Some("/nowhere/ca.pem".into())),
        ClusterSettingsError::CaFile { .. }
    );
    assert_matches!(
        clusters(vec![listed(&world), listed(&world)]),
        Err(ClusterSettingsError::Duplicate { .. })
    );
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(b"no certificates").unwrap();
    let settings = ClusterSettings {
        ca_file: Some(file.path().to_owned()),
        ..listed(&world)
    };
    assert_matches!(
        clusters(vec![settings]),
        Err(ClusterSettingsError::Client { .. })
    );
    file.as_file().set_len((1 << 20) + 1).unwrap();
    let settings = ClusterSettings {
        ca_file: Some(file.path().to_owned()),
        ..listed(&world)
    };
    assert_matches!(
        clusters(vec![settings]),
        Err(ClusterSettingsError::CaFileTooLong { .. })
    );
}
