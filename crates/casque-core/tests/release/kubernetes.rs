//! Service account tokens as a second factor: which are taken, and whom the server asks for keys.

use std::sync::{Arc, OnceLock};

use assert_matches::assert_matches;
use casque_appraise::{Evidence, ServiceAccountToken};
use casque_core::{AttestError, Released, SecondFactors, SourceFailure, SourceKind};
use casque_testkit::TestWorld;
use casque_testkit::cluster::{ClusterKey, ServiceAccountTokenSpec, SoftwareCluster};
use casque_testkit::fakes::failure;
use casque_testkit::sgx::QuoteFlaw;
use casque_types::Seconds;

use crate::policies::{assert_nothing_released, reasons};

const ISSUER: &str = "https://oidc.example/cluster/";

fn cluster() -> Arc<SoftwareCluster> {
    static CLUSTER: OnceLock<Arc<SoftwareCluster>> = OnceLock::new();
    let make = || Arc::new(SoftwareCluster::generate(ISSUER).unwrap());
    Arc::clone(CLUSTER.get_or_init(make))
}

/// A world whose service wants the program, in the pods of `shop/web`; or, as `either`, of another audience.
fn world_with(attestation: &str) -> TestWorld {
    let world = TestWorld::new();
    world.ports.clusters.trust(cluster());
    let program = TestWorld::program().mr_enclave;
    let account = format!("issuer: '{ISSUER}', namespace: shop, service_account: web");
    let text = format!(
        "name: a
version: \"0.3.12\"
security:
  attestation: {attestation}
services:
  - name: s
    attestation:
      - mrenclave: {program}
        kubernetes: {{{account}}}
    command: serve
  - name: either
    attestation:
      - mrenclave: {program}
        kubernetes: {{{account}, audience: other}}
      - mrenclave: {program}
        kubernetes: {{{account}}}
    command: serve
  - name: open
    attestation:
      - mrenclave: {program}
        kubernetes: {{{account}}}
      - mrenclave: {program}
    command: serve
"
    );
    let _ = world.put(&text);
    world
}

fn world() -> TestWorld {
    world_with("{mode: hardware}")
}

fn spec() -> ServiceAccountTokenSpec {
    ServiceAccountTokenSpec::new("shop", "web", "casque", TestWorld::BEGIN)
}

fn factors(bend: impl FnOnce(&mut ServiceAccountTokenSpec)) -> SecondFactors {
    let mut spec = spec();
    bend(&mut spec);
    let token = cluster().token(&spec).unwrap();
    SecondFactors {
        service_account_token: Some(ServiceAccountToken::parse(&token).unwrap()),
        ..SecondFactors::default()
    }
}

fn send(
    world: &TestWorld,
    config: &str,
    bend: impl FnOnce(&mut ServiceAccountTokenSpec),
) -> Result<Released, AttestError> {
    let attempt = world.attempt(config);
    world.send_with(&attempt, world.quote(&attempt), factors(bend))
}

/// Why the only entry was not satisfied, in the words for people.
fn found(answer: Result<Released, AttestError>) -> (&'static str, String) {
    match answer {
        Err(AttestError::Denied { denial, .. }) => {
            let reason = &denial.reasons[0];
            (reason.code.as_str(), reason.found.clone())
        }
        other => panic!("expected a denial, found {other:?}"),
    }
}

#[test]
fn token_of_the_named_account_is_granted() {
    let world = world();
    for key in [ClusterKey::Rsa, ClusterKey::P256] {
        send(&world, "a/s", |spec| spec.key = key).unwrap();
    }
    assert_eq!(world.ports.clusters.calls.made(), [ISSUER, ISSUER]);
}

#[test]
fn no_token_is_denied_and_no_cluster_is_asked() {
    let world = world();
    assert_eq!(reasons(world.attest("a/s")), ["service-account-missing"]);
    assert_eq!(world.ports.clusters.calls.count(), 0);
    assert_nothing_released(&world);
}

#[test]
fn token_of_another_account_or_namespace_is_denied() {
    let world = world();
    for (namespace, account) in [("shop", "admin"), ("other", "web")] {
        let answer = send(&world, "a/s", |spec| {
            *spec = ServiceAccountTokenSpec::new(namespace, account, "casque", TestWorld::BEGIN);
        });
        let (code, found) = found(answer);
        assert_eq!(code, "service-account-mismatch");
        assert!(found.contains(&format!("{namespace}/{account}")), "{found}");
    }
    assert_nothing_released(&world);
}

#[test]
fn token_that_does_not_verify_is_denied_with_the_code_of_its_cause() {
    let world = world();
    type Bend = fn(&mut ServiceAccountTokenSpec);
    let bends: [(Bend, &str); 5] = [
        (
            |spec| spec.claims["aud"] = "other".into(),
            "service-account-token-audience",
        ),
        (
            |spec| spec.claims["exp"] = 1.into(),
            "service-account-token-expired",
        ),
        (
            |spec| spec.header["alg"] = "none".into(),
            "service-account-token-unsigned",
        ),
        (
            |spec| spec.header["kid"] = "unknown".into(),
            "service-account-token-unknown-key",
        ),
        (
            |spec| spec.claims["sub"] = "system:serviceaccount:shop:admin".into(),
            "service-account-token-subject",
        ),
    ];
    for (bend, expected) in bends {
        let (code, found) = found(send(&world, "a/s", bend));
        assert_eq!(code, "service-account-wrong");
        assert!(found.contains(expected), "{found}");
    }
    assert_nothing_released(&world);
}

#[test]
fn token_of_another_cluster_makes_the_server_ask_nobody() {
    let world = world();
    let elsewhere = "https://evil.example/";
    let answer = send(&world, "a/s", |spec| spec.claims["iss"] = elsewhere.into());
    let (code, found) = found(answer);
    assert_eq!(code, "service-account-wrong");
    assert!(found.contains("service-account-token-issuer"), "{found}");
    assert_eq!(world.ports.clusters.calls.count(), 0);
}

#[test]
fn token_beside_evidence_that_proves_nothing_makes_the_server_ask_nobody() {
    let world = world();
    let attempt = world.attempt("a/s");
    let bent = world.quote_with(&attempt, Some(QuoteFlaw::QeSigner));
    let answer = world.send_with(&attempt, bent, factors(|_| ()));
    assert_matches!(answer, Err(AttestError::Appraise(_)));
    let attempt = world.attempt("a/s");
    let answer = world.send_with(&attempt, Evidence::Absent, factors(|_| ()));
    assert_eq!(reasons(answer), ["evidence-missing"]);
    assert_eq!(world.ports.clusters.calls.count(), 0);
}

#[test]
fn token_counts_where_the_policy_demands_no_evidence() {
    let world = world_with("{mode: none}");
    let send = |factors| world.send_with(&world.attempt("a/s"), Evidence::Absent, factors);
    send(factors(|_| ())).unwrap();
    let other = |spec: &mut ServiceAccountTokenSpec| spec.claims["aud"] = "other".into();
    assert_eq!(reasons(send(factors(other))), ["service-account-wrong"]);
    let none = SecondFactors::default();
    assert_eq!(reasons(send(none)), ["service-account-missing"]);
}

#[test]
fn token_is_judged_for_each_audience_that_entries_name() {
    let world = world();
    send(&world, "a/either", |_| ()).unwrap();
    send(&world, "a/either", |spec| {
        spec.claims["aud"] = "other".into()
    })
    .unwrap();
    let answer = send(&world, "a/either", |spec| {
        spec.claims["aud"] = "third".into()
    });
    let expected = ["service-account-wrong", "service-account-wrong"];
    assert_eq!(reasons(answer), expected);
}

#[test]
fn cluster_that_is_down_is_to_be_waited_for() {
    let world = world();
    let down = failure(SourceKind::Cluster, "cluster-unreachable");
    world.ports.clusters.calls.fail_once(down.clone());
    assert_matches!(send(&world, "a/s", |_| ()), Err(AttestError::Source(found)) if found == down);
    assert_nothing_released(&world);
    assert!(send(&world, "a/s", |_| ()).is_ok());
}

#[test]
fn cluster_that_is_down_hides_no_denial_that_would_stay() {
    let world = world();
    let down = failure(SourceKind::Cluster, "cluster-unreachable");
    world.ports.clusters.calls.fail_always(Some(down));
    let rest = "security:\n  attestation:\n    one_time_password_shared_secret: JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP\n";
    let program = TestWorld::program().mr_enclave;
    let _ = world.put(&format!(
        "name: b
version: \"0.3.12\"
{rest}services:
  - name: s
    attestation:
      - mrenclave: {program}
        kubernetes: {{issuer: '{ISSUER}', namespace: shop, service_account: web}}
    command: serve
"
    ));
    let answer = send(&world, "b/s", |_| ());
    assert_eq!(reasons(answer), ["service-account-wrong", "otp-missing"]);
}

#[test]
fn cluster_that_is_down_is_waited_for_by_the_entry_that_hangs_on_it_alone() {
    let world = world();
    let down = failure(SourceKind::Cluster, "cluster-unreachable");
    world.ports.clusters.calls.fail_always(Some(down));
    assert_matches!(
        send(&world, "a/either", |_| ()),
        Err(AttestError::Source(_))
    );
}

#[test]
fn cluster_that_is_not_trusted_is_a_denial_that_says_so() {
    let world = world();
    let untrusted = SourceFailure {
        retryable: false,
        ..failure(SourceKind::Cluster, "cluster-not-trusted")
    };
    world.ports.clusters.calls.fail_once(untrusted);
    let answer = send(&world, "a/s", |_| ());
    assert_matches!(&answer, Err(AttestError::Denied { denial, .. })
        if denial.reasons[0].hint == "ask the test");
    let (code, found) = found(answer);
    assert_eq!(code, "service-account-wrong");
    assert!(found.contains("cluster-not-trusted"), "{found}");
}

#[test]
fn cluster_that_is_down_keeps_nobody_out_whom_another_entry_lets_in() {
    let world = world();
    let down = failure(SourceKind::Cluster, "cluster-unreachable");
    world.ports.clusters.calls.fail_always(Some(down));
    assert!(send(&world, "a/open", |_| ()).is_ok());
}

#[test]
fn clocks_may_differ_a_little() {
    let world = world();
    world.ports.clock.advance(Seconds(3600 + 119));
    assert!(send(&world, "a/s", |_| ()).is_ok());
    world.ports.clock.advance(Seconds(1));
    let (_, found) = found(send(&world, "a/s", |_| ()));
    assert!(found.contains("service-account-token-expired"), "{found}");
}

#[test]
fn token_is_in_no_attempt() {
    let world = world();
    let attempt = world.attempt("a/s");
    let token = cluster().token(&spec()).unwrap();
    let factors = SecondFactors {
        service_account_token: Some(ServiceAccountToken::parse(&token).unwrap()),
        ..SecondFactors::default()
    };
    let evidence = world.quote(&attempt);
    world.send_with(&attempt, evidence, factors).unwrap();
    let author = casque_policy::Credentials::of_tls(world.author);
    let config = "a/s".parse().unwrap();
    let told = world.casque.attempts(&config, &author);
    let told = format!("{:?}", pollster::block_on(told).unwrap());
    let (signed, signature) = token.rsplit_once('.').unwrap();
    assert!(!told.contains(signed) && !told.contains(signature));
}
