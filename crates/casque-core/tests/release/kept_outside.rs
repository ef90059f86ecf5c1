//! Policies that keep their values in Key Vault (`secret_config: {store_in: !akv …}`).

use std::collections::BTreeSet;

use assert_matches::assert_matches;
use casque_core::{
    PutPolicyError, ReadValueError, ResolveError, SourceKind, ValueQuery, VaultSource,
};
use casque_testkit::TestWorld;
use casque_testkit::fakes::{StoreFault, StoreOperation, VaultAction, failure};
use casque_types::{VaultAddress, VaultSecretName};
use pollster::block_on;

use crate::policies::assert_nothing_released;
use crate::support::{AAD, after, fault, policy, put_fault, shelf, value};

fn vault() -> VaultAddress {
    "my-vault".parse().unwrap()
}

/// A world with an empty vault.
fn world() -> TestWorld {
    let world = TestWorld::new();
    world.ports.vaults.open(&vault());
    world
}

const IN_VAULT: &str = "secret_config: {store_in: !akv {vault: my-vault, token: $$SCONE::aad$$}}\n";

/// A policy that shows the generated `x`, and keeps its values as `config` says.
fn keeping(name: &str, config: &str) -> String {
    let rest = format!("{config}secrets:\n{AAD}  - {{name: x, kind: ascii}}\n");
    policy(name, &[("X", "$$SCONE::x$$")], &rest)
}

/// What was written into the vault, in order.
fn written(world: &TestWorld) -> Vec<VaultSecretName> {
    let calls = world.ports.vaults.calls.made();
    let set = calls
        .into_iter()
        .filter(|call| call.action == VaultAction::Set);
    set.map(|call| call.name).collect()
}

fn only_written(world: &TestWorld) -> VaultSecretName {
    let [name] = written(world).try_into().unwrap();
    name
}

/// What the vault holds under this name.
fn held(world: &TestWorld, name: &VaultSecretName) -> String {
    let token = casque_core::AccessToken {
        token: casque_types::Secret::copied_from(b"the test's"),
        expires: TestWorld::BEGIN,
    };
    let (vaults, vault) = (&world.ports.vaults, vault());
    let found = VaultSource::secret(vaults, &vault, name, None, &token, TestWorld::BEGIN);
    let found = block_on(found).unwrap();
    found.value.expose_text().unwrap().to_owned()
}

#[test]
fn value_goes_to_the_vault_wrapped_and_comes_back() {
    let world = world();
    let hash = world.put(&keeping("a", IN_VAULT));
    let name = only_written(&world);
    let prefix = format!("cas-{hash}-");
    let tag = name.as_str().strip_prefix(&prefix).unwrap();
    assert!(
        tag.len() == 32 && tag.chars().all(|c| c.is_ascii_hexdigit()),
        "{tag}"
    );
    let value = value(&world, "a");
    assert_eq!(value.len(), 20);
    assert!(!held(&world, &name).contains(&value));
    let calls = world.ports.tokens.calls.made();
    let call = calls.last().unwrap();
    assert_eq!(call.vault, Some(vault()));
}

#[test]
fn value_survives_a_restart_and_is_the_same_each_time() {
    let mut world = world();
    let _ = world.put(&keeping("a", IN_VAULT));
    let first = value(&world, "a");
    world.restart();
    assert_eq!(value(&world, "a"), first);
}

#[test]
fn value_changed_in_the_vault_is_refused() {
    let world = world();
    let _ = world.put(&keeping("a", IN_VAULT));
    let name = only_written(&world);
    let text = held(&world, &name);
    for changed in [
        "",
        "nonsense",
        text.strip_suffix(|_| true).unwrap(),
        &format!("{text}\n"),
    ] {
        world.ports.vaults.put(&vault(), &name, changed, None);
        let (secret, cause) = fault(world.attest("a/s"));
        assert_eq!(secret, "x");
        assert_matches!(cause, ResolveError::OutsideChanged { name: found } if found == name.as_str());
    }
    assert_nothing_released(&world);
    world.ports.vaults.put(&vault(), &name, &text, None);
    assert_eq!(value(&world, "a").len(), 20);
}

#[test]
fn value_of_another_secret_or_version_put_in_its_place_is_refused() {
    let world = world();
    let rest = format!(
        "{IN_VAULT}secrets:\n{AAD}  - {{name: x, kind: ascii}}\n  - {{name: z, kind: ascii}}\n"
    );
    let text = policy("a", &[("X", "$$SCONE::x$$")], &rest);
    let first = world.put(&text);
    let _ = world.put(&after(first, &text));
    let names = written(&world);
    assert_eq!(names.len(), 4);
    let texts: Vec<String> = names.iter().map(|name| held(&world, name)).collect();
    // The second version's `x` is the third that was written.
    for (place, other) in [(2, 0), (2, 3), (2, 1)] {
        world
            .ports
            .vaults
            .put(&vault(), &names[place], &texts[other], None);
        let (_, cause) = fault(world.attest("a/s"));
        assert_matches!(cause, ResolveError::OutsideChanged { .. });
    }
    world.ports.vaults.put(&vault(), &names[2], &texts[2], None);
    assert!(world.attest("a/s").is_ok());
}

#[test]
fn value_missing_in_the_vault_is_refused() {
    let world = world();
    let _ = world.put(&keeping("a", IN_VAULT));
    world.ports.vaults.remove(&vault(), &only_written(&world));
    let (_, cause) = fault(world.attest("a/s"));
    assert_matches!(cause, ResolveError::Source(failure) if failure.code == "vault-secret-not-found");
    assert_nothing_released(&world);
}

#[test]
fn update_moves_values_into_the_vault_and_back() {
    let world = world();
    let first = world.put(&keeping("a", ""));
    let before = value(&world, "a");
    assert_eq!(written(&world), []);
    let second = world.put(&after(first, &keeping("a", IN_VAULT)));
    assert_eq!(value(&world, "a"), before);
    let third = world.put(&after(second, &keeping("a", IN_VAULT)));
    let names = written(&world);
    assert_eq!(names.len(), 2);
    assert_eq!(value(&world, "a"), before);
    let _ = world.put(&after(third, &keeping("a", "")));
    for name in names {
        world.ports.vaults.remove(&vault(), &name);
    }
    assert_eq!(value(&world, "a"), before);
}

#[test]
fn update_whose_values_are_not_in_the_vault_any_more_is_refused() {
    let world = world();
    let first = world.put(&keeping("a", IN_VAULT));
    world.ports.vaults.remove(&vault(), &only_written(&world));
    let (secret, cause) = put_fault(world.try_put(&after(first, &keeping("a", ""))));
    assert_eq!(secret, "x");
    assert_matches!(cause, ResolveError::Source(_));
    assert_eq!(world.ports.store.versions(&"a".parse().unwrap()), 1);
}

#[test]
fn update_over_values_that_were_changed_in_the_vault_is_refused_and_may_be_mended() {
    let world = world();
    let first = world.put(&keeping("a", IN_VAULT));
    let name = only_written(&world);
    let text = held(&world, &name);
    world.ports.vaults.put(&vault(), &name, "changed", None);
    let next = after(first, &keeping("a", ""));
    let answer = world.try_put(&next);
    assert_eq!(
        answer.as_ref().unwrap_err().blame(),
        casque_core::Blame::Unavailable
    );
    let (_, cause) = put_fault(answer);
    assert_matches!(cause, ResolveError::OutsideChanged { .. });
    world.ports.vaults.put(&vault(), &name, &text, None);
    let _ = world.put(&next);
}

#[test]
fn put_while_the_vault_fails_puts_nothing_and_can_be_tried_again() {
    let world = world();
    let down = failure(SourceKind::KeyVault, "vault-timeout");
    world.ports.vaults.calls.fail_once(down);
    let answer = world.try_put(&keeping("a", IN_VAULT));
    assert_eq!(
        answer.as_ref().unwrap_err().blame(),
        casque_core::Blame::Unavailable
    );
    let (secret, _) = put_fault(answer);
    assert_eq!(secret, "x");
    assert_eq!(world.ports.store.versions(&"a".parse().unwrap()), 0);
    let _ = world.put(&keeping("a", IN_VAULT));
    assert_eq!(value(&world, "a").len(), 20);
}

#[test]
fn put_that_lost_against_another_does_not_spoil_its_values() {
    let world = world();
    (world.ports.store).fail_once(StoreOperation::Put, StoreFault::Before);
    let text = keeping("a", IN_VAULT);
    assert_matches!(world.try_put(&text), Err(PutPolicyError::Store(_)));
    let _ = world.put(&text);
    let names: BTreeSet<String> = written(&world)
        .iter()
        .map(|name| name.as_str().to_owned())
        .collect();
    assert_eq!(names.len(), 2);
    assert_eq!(value(&world, "a").len(), 20);
}

#[test]
fn put_of_a_policy_that_may_not_be_put_writes_nothing() {
    let world = world();
    let _ = world.put(&keeping("a", ""));
    let text = after("66".repeat(32), &keeping("a", IN_VAULT));
    assert_matches!(
        world.try_put(&text),
        Err(PutPolicyError::OtherPredecessor { .. })
    );
    assert_eq!(
        world.ports.vaults.calls.count() + world.ports.tokens.calls.count(),
        0
    );
}

#[test]
fn export_of_a_value_in_a_vault_reads_it_there() {
    let world = world();
    let text = keeping("a", IN_VAULT).replace("kind: ascii}", "kind: ascii, export: {session: b}}");
    let _ = world.put(&text);
    let rest = "secrets:\n  - {name: y, import: {session: a, secret: x}}\n";
    let _ = world.put(&policy("b", &[("Y", "$$SCONE::y$$")], rest));
    assert_eq!(value(&world, "b"), value(&world, "a"));
}

#[test]
fn public_value_in_a_vault_is_not_fetched_for_a_stranger_unless_the_text_gives_it() {
    let world = world();
    let secrets = format!(
        "{IN_VAULT}secrets:\n{AAD}  - {{name: x, kind: binary, export_public: true}}\n  - {{name: g, kind: ascii, value: given, export_public: true}}\n"
    );
    let _ = world.put(&shelf("a", &secrets));
    let calls = world.ports.vaults.calls.count();
    let read = |secret: Option<&str>| {
        block_on(world.casque.read_values(&ValueQuery {
            policy: "a".parse().unwrap(),
            secret: secret.map(|name| name.parse().unwrap()),
            hash: None,
        }))
    };
    let [value] = read(None).unwrap().try_into().unwrap();
    assert_eq!(value.value.expose_text(), Some("given"));
    assert_matches!(read(Some("x")), Err(ReadValueError::Absent { .. }));
    assert_eq!(world.ports.vaults.calls.count(), calls);
}

#[test]
fn clause_over_a_given_fragment_in_a_vault_is_closed_without_the_vault() {
    let world = world();
    let measurement = TestWorld::program().mr_enclave;
    let secrets = format!(
        "{IN_VAULT}secrets:\n{AAD}  - {{name: f, kind: config-fragment, value: [{{mrenclave: \"{measurement}\"}}], export: {{session: b}}}}\n"
    );
    let _ = world.put(&shelf("a", &secrets));
    let calls = world.ports.vaults.calls.count();
    let _ = world.put("name: b\nversion: \"0.3.12\"\nservices:\n  - {name: s, command: s, attestation: [$$SCONE::f$$]}\nsecrets:\n  - {name: f, kind: config-fragment, import: {session: a, secret: f}}\n");
    assert!(world.attest("b/s").is_ok());
    assert_eq!(world.ports.vaults.calls.count(), calls);
}
