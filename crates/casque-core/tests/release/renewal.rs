//! Certificates, issued again before they end.

use assert_matches::assert_matches;
use casque_core::{AttestError, AuditAction, IssueError, PutPolicyError, ResolveError, ValueQuery};
use casque_secrets::{CertificateChain, SecretValue};
use casque_testkit::TestWorld;
use casque_testkit::fakes::{StoreFault, StoreOperation};
use casque_types::{Seconds, Secret, SecretKind};
use pollster::block_on;

use crate::support::{after, fault, policy, refresh, shelf, value};

const DAY: u64 = 86_400;

/// A leaf that is valid for 30 days under an authority that is valid for 90.
const CHAIN: &str = "secrets:
  - {name: ck, kind: private-key}
  - {name: ca, kind: x509-ca, private_key: ck, common_name: authority, valid_for: 90d}
  - {name: k, kind: private-key}
  - {name: c, kind: x509, private_key: k, issuer: ca, valid_for: 30d}
";

fn world_with(rest: &str, template: &str) -> TestWorld {
    let world = TestWorld::new();
    let _ = world.put(&policy("a", &[("C", template)], rest));
    world
}

fn chain(pem: &str) -> CertificateChain {
    let pem = Secret::copied_from(pem.as_bytes());
    match SecretValue::from_given(SecretKind::X509, &pem) {
        Ok(SecretValue::X509(chain)) => chain,
        other => panic!("expected a certificate, found {other:?}"),
    }
}

fn pass(world: &TestWorld, days: u64) {
    world.ports.clock.advance(Seconds(days * DAY));
}

fn renewals(world: &TestWorld) -> usize {
    let audit = world.ports.store.audit();
    let events = audit.iter();
    events
        .filter(|event| event.action == AuditAction::CertificateRenewed)
        .count()
}

#[test]
fn certificate_is_renewed_after_two_thirds_of_its_life_and_once_for_all() {
    let mut world = world_with(CHAIN, "$$SCONE::c$$");
    let first = value(&world, "a");
    pass(&world, 19);
    assert_eq!(value(&world, "a"), first);
    assert_eq!(renewals(&world), 0);
    pass(&world, 2);
    let second = value(&world, "a");
    assert_ne!(second, first);
    let ends = TestWorld::BEGIN.plus(Seconds(51 * DAY));
    assert_eq!(chain(&second).not_after(), Some(ends));
    world.restart();
    assert_eq!(value(&world, "a"), second);
    assert_eq!(renewals(&world), 1);
    pass(&world, 21);
    assert_ne!(value(&world, "a"), second);
    assert_eq!(renewals(&world), 2);
}

#[test]
fn certificate_renewed_has_the_same_key() {
    let world = world_with(CHAIN, "$$SCONE::c:privatekey$$");
    let first = value(&world, "a");
    pass(&world, 21);
    assert_eq!(value(&world, "a"), first);
    assert_eq!(renewals(&world), 1);
}

#[test]
fn certificate_of_a_further_version_is_its_own() {
    let world = TestWorld::new();
    let text = policy("a", &[("C", "$$SCONE::c$$")], CHAIN);
    let first = world.put(&text);
    pass(&world, 21);
    let renewed = value(&world, "a");
    let _ = world.put(&after(first, &text));
    let new = value(&world, "a");
    assert_ne!(new, renewed);
    assert_eq!(renewals(&world), 1);
}

#[test]
fn certificate_issuer_is_renewed_first_and_stands_in_the_new_chain() {
    let world = world_with(CHAIN, "$$SCONE::c:chain$$");
    let first = value(&world, "a");
    pass(&world, 61);
    let second = value(&world, "a");
    assert_ne!(second, first);
    let ends = TestWorld::BEGIN.plus(Seconds(151 * DAY));
    assert_eq!(chain(&second).not_after(), Some(ends));
    assert_eq!(renewals(&world), 2);
}

#[test]
fn certificate_without_an_end_is_never_renewed() {
    let rest =
        "secrets:\n  - {name: k, kind: private-key}\n  - {name: c, kind: x509, private_key: k}\n";
    let world = world_with(rest, "$$SCONE::c$$");
    let first = value(&world, "a");
    pass(&world, 300);
    assert_eq!(value(&world, "a"), first);
    assert_eq!(refresh(&world, "a"), Seconds(43_200));
}

#[test]
fn certificate_never_outlives_its_issuer() {
    let rest = CHAIN.replace("valid_for: 30d", "valid_for: 900d");
    let world = world_with(&rest, "$$SCONE::c$$");
    let ends = TestWorld::BEGIN.plus(Seconds(90 * DAY));
    assert_eq!(chain(&value(&world, "a")).not_after(), Some(ends));
    let rest = CHAIN.replace(", valid_for: 30d", "");
    let world = world_with(&rest, "$$SCONE::c$$");
    assert_eq!(chain(&value(&world, "a")).not_after(), Some(ends));
}

#[test]
fn certificate_under_an_ended_issuer_is_refused() {
    let world = TestWorld::new();
    let both = [("C", "$$SCONE::ca$$"), ("K", "$$SCONE::ca:privatekey$$")];
    let _ = world.put(&policy("a", &both, CHAIN));
    let configuration = world.attest("a/s").unwrap();
    let quoted = |index| crate::support::text(&configuration, index).replace('\n', "\\n");
    let given = format!(
        "secrets:
  - {{name: ck, kind: private-key, value: \"{}\"}}
  - {{name: ca, kind: x509-ca, private_key: ck, value: \"{}\"}}
  - {{name: k, kind: private-key}}
  - {{name: c, kind: x509, private_key: k, issuer: ca}}
",
        quoted(1),
        quoted(0)
    );
    let _ = world.put(&policy("b", &[("C", "$$SCONE::c$$")], &given));
    let ends = TestWorld::BEGIN.plus(Seconds(90 * DAY));
    assert_eq!(chain(&value(&world, "b")).not_after(), Some(ends));
    pass(&world, 91);
    let answer = world.try_put(&policy("c", &[], &given));
    assert_matches!(
        answer,
        Err(PutPolicyError::Make { secret, cause: IssueError::IssuerEnded { ends: found } })
            if secret.as_str() == "c" && found == ends
    );
    let (_, cause) = fault(world.attest("b/s"));
    assert_matches!(cause, ResolveError::Issue(IssueError::IssuerEnded { .. }));
}

#[test]
fn refresh_is_when_the_certificate_is_renewed() {
    let rest = CHAIN.replace("valid_for: 30d", "valid_for: 6h");
    let world = world_with(&rest, "$$SCONE::c$$");
    let first = value(&world, "a");
    let wait = refresh(&world, "a");
    assert!(
        wait < Seconds(4 * 3_600) && wait > Seconds(3 * 3_600),
        "{wait:?}"
    );
    world.ports.clock.advance(Seconds(wait.0 - 1));
    assert_eq!(value(&world, "a"), first);
    world.ports.clock.advance(Seconds(1));
    assert_ne!(value(&world, "a"), first);
}

#[test]
fn renewal_that_fails_releases_the_old_one_as_long_as_it_is_good() {
    let world = TestWorld::new();
    let exporter = |export: &str| {
        shelf(
            "x",
            &format!("secrets:\n  - {{name: k, kind: private-key, migrate: true{export}}}"),
        )
    };
    let exported = world.put(&exporter(", export: {session: a}"));
    let rest = "secrets:\n  - {name: k, kind: private-key, import: {session: x, secret: k}}\n  - {name: c, kind: x509, private_key: k, valid_for: 30d}\n";
    let _ = world.put(&policy("a", &[("C", "$$SCONE::c$$")], rest));
    pass(&world, 21);
    let renewed = value(&world, "a");
    let withdrawn = world.put(&after(exported, &exporter("")));
    // The first one has ended, the second is past two thirds of its life and good.
    pass(&world, 21);
    assert_eq!(value(&world, "a"), renewed);
    assert_eq!(refresh(&world, "a"), Seconds(300));
    pass(&world, 10);
    let (secret, cause) = fault(world.attest("a/s"));
    assert_eq!(secret, "c");
    assert_matches!(cause, ResolveError::NotExported { .. });
    let _ = world.put(&after(withdrawn, &exporter(", export: {session: a}")));
    assert_ne!(value(&world, "a"), renewed);
}

#[test]
fn renewal_while_the_store_fails_releases_the_old_one() {
    for operation in [StoreOperation::Kept, StoreOperation::Keep] {
        let world = world_with(CHAIN, "$$SCONE::c$$");
        let first = value(&world, "a");
        pass(&world, 21);
        world.ports.store.fail_once(operation, StoreFault::Before);
        assert_eq!(value(&world, "a"), first);
        assert_ne!(value(&world, "a"), first);
    }
}

#[test]
fn renewal_kept_but_not_acknowledged_is_the_one_that_counts() {
    let world = world_with(CHAIN, "$$SCONE::c$$");
    let first = value(&world, "a");
    pass(&world, 21);
    (world.ports.store).fail_once(StoreOperation::Keep, StoreFault::After);
    assert_eq!(value(&world, "a"), first);
    let second = value(&world, "a");
    assert_ne!(second, first);
    assert_eq!(value(&world, "a"), second);
    assert_eq!(renewals(&world), 1);
}

#[test]
fn renewal_of_an_imported_certificate_is_the_exporters() {
    let world = TestWorld::new();
    let rest = CHAIN.replace("valid_for: 30d}", "valid_for: 30d, export: {session: b}}");
    let _ = world.put(&policy("a", &[("C", "$$SCONE::c$$")], &rest));
    let import = "secrets:\n  - {name: y, import: {session: a, secret: c}}\n";
    let _ = world.put(&policy("b", &[("Y", "$$SCONE::y$$")], import));
    assert_eq!(value(&world, "b"), value(&world, "a"));
    pass(&world, 21);
    assert_eq!(value(&world, "b"), value(&world, "a"));
    assert_eq!(renewals(&world), 1);
}

#[test]
fn renewal_by_readers_of_a_public_one_is_once_for_each_life() {
    let rest = CHAIN.replace("valid_for: 90d}", "valid_for: 90d, export_public: true}");
    let world = world_with(&rest, "$$SCONE::ca$$");
    let query = ValueQuery {
        policy: "a".parse().unwrap(),
        secret: Some("ca".parse().unwrap()),
        hash: None,
    };
    let read = || {
        let [value] = block_on(world.casque.read_values(&query))
            .unwrap()
            .try_into()
            .unwrap();
        assert!(value.expires.is_some() && value.renew.is_some());
        value.value.expose_text().unwrap().to_owned()
    };
    let first = read();
    pass(&world, 61);
    assert_eq!(read(), first);
    assert_eq!(renewals(&world), 0);
    pass(&world, 30);
    let second = read();
    assert_ne!(second, first);
    assert_eq!(read(), second);
    assert_eq!(renewals(&world), 1);
    assert_eq!(value(&world, "a"), second);
}

#[test]
fn renewal_in_a_damaged_store_is_never_a_release_of_nothing() {
    let world = world_with(CHAIN, "$$SCONE::c$$");
    pass(&world, 31);
    (world.ports.store).fail_once(StoreOperation::Kept, StoreFault::Damaged);
    assert_matches!(world.attest("a/s"), Err(AttestError::Store(_)));
}

#[test]
fn renewal_that_another_replica_made_first_counts_for_both() {
    let world = world_with(CHAIN, "$$SCONE::c$$");
    let first = value(&world, "a");
    pass(&world, 21);
    // Any certificate that is fresh will do.
    let another = world_with(CHAIN, "$$SCONE::c$$");
    pass(&another, 21);
    let theirs = value(&another, "a");
    let stored = SecretValue::X509(chain(&theirs)).to_stored();
    world.ports.store.overtake_keep(stored);
    assert_eq!(chain(&value(&world, "a")).leaf(), chain(&theirs).leaf());
    assert_ne!(value(&world, "a"), first);
    assert_eq!(renewals(&world), 0);
}
