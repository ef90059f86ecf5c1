//! Volumes: whose key they have, and what may be done to them.

use assert_matches::assert_matches;
use casque_core::{AttestError, AuditAction, Blame, ResolveError, VolumeError};
use casque_testkit::TestWorld;
use casque_testkit::fakes::{StoreFault, StoreOperation};
use casque_types::{ConfigurationVolume, Secret, UpdatePolicy, VolumeFiles};

use crate::policies::assert_nothing_released;
use crate::support::{after, fault, policy, shelf};

/// A policy that mounts volume `v` with these further keys of mount and volume.
fn mounting(name: &str, mount: &str, volume: &str, rest: &str) -> String {
    let text = format!(
        "images:\n  - name: i\n    volumes: [{{name: v, path: /data{mount}}}]\nvolumes:\n  - {{name: v{volume}}}\n{rest}"
    );
    policy(name, &[], &text).replace("command: s\n", "command: s\n    image_name: i\n")
}

fn mounted(world: &TestWorld, name: &str) -> ConfigurationVolume {
    let configuration = world.attest(&format!("{name}/s")).unwrap();
    let [volume] = configuration.volumes.try_into().unwrap();
    volume
}

fn key(world: &TestWorld, name: &str) -> Vec<u8> {
    mounted(world, name).key.expose().to_vec()
}

fn refusal(world: &TestWorld, name: &str) -> VolumeError {
    match world.attest(&format!("{name}/s")) {
        Err(AttestError::Volume { volume, cause, .. }) => {
            assert_eq!(volume, "v");
            cause
        }
        other => panic!("expected a volume at fault, found {other:?}"),
    }
}

#[test]
fn volume_without_a_key_gets_one_for_ever() {
    let mut world = TestWorld::new();
    let text = mounting("a", "", "", "");
    let first = world.put(&text);
    let made = key(&world, "a");
    assert_eq!(made.len(), 32);
    assert_ne!(made, [0; 32]);
    let _ = world.put(&after(first, &text));
    world.restart();
    assert_eq!(key(&world, "a"), made);
    let audit = world.ports.store.audit();
    let events = audit
        .iter()
        .filter(|event| event.action == AuditAction::VolumeKeyMade);
    assert_eq!(events.count(), 1);
    let _ = world.put(&mounting("b", "", "", ""));
    assert_ne!(key(&world, "b"), made);
}

#[test]
fn volume_is_delivered_as_the_policy_describes_it() {
    let world = TestWorld::new();
    let hex = "0123456789abcdef".repeat(4);
    let tag = "ab".repeat(16);
    let volume = format!(", fspf_key: \"{hex}\", fspf_tag: \"{tag}\", files: authenticated-only");
    let _ = world.put(&mounting("a", ", update_policy: ephemeral", &volume, ""));
    let found = mounted(&world, "a");
    assert_eq!((found.name.as_str(), found.path.as_str()), ("v", "/data"));
    assert_eq!(
        found.key.expose(),
        data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap()
    );
    assert_eq!(found.tag.unwrap().to_string(), tag);
    assert_eq!(found.update_policy, UpdatePolicy::Ephemeral);
    assert_eq!(found.files, VolumeFiles::AuthenticatedOnly);
}

#[test]
fn volume_key_may_be_a_binary_secret() {
    let world = TestWorld::new();
    let rest = "secrets:\n  - {name: k, kind: binary, size: 32}\n";
    let volume = ", fspf_key: $$SCONE::k$$";
    let _ = world.put(&mounting("a", "", volume, rest));
    let text = mounting("a", "", volume, rest);
    assert!(text.contains("k$$"));
    let made = key(&world, "a");
    assert_eq!(made.len(), 32);
    assert_eq!(key(&world, "a"), made);
}

#[test]
fn volume_key_from_a_secret_of_another_length_is_refused() {
    let world = TestWorld::new();
    let exporter = "secrets:\n  - {name: k, kind: binary, size: 31, export: {session: a}}";
    let _ = world.put(&shelf("x", exporter));
    let rest = "secrets:\n  - {name: k, kind: binary, import: {session: x, secret: k}}\n";
    let _ = world.put(&mounting("a", "", ", fspf_key: $$SCONE::k$$", rest));
    assert_matches!(refusal(&world, "a"), VolumeError::Key);
    assert_nothing_released(&world);
}

#[test]
fn volume_key_whose_secret_cannot_be_had_names_the_secret() {
    let world = TestWorld::new();
    let rest = "secrets:\n  - {name: k, kind: binary, import: {session: x, secret: k}}\n";
    let _ = world.put(&mounting("a", "", ", fspf_key: $$SCONE::k$$", rest));
    let (secret, cause) = fault(world.attest("a/s"));
    assert_eq!(secret, "k");
    assert_matches!(cause, ResolveError::NotExported { .. });
}

/// A policy `x` that exports its volume `w` as `export` says; it has no key of its own.
fn exporter(export: &str) -> String {
    shelf("x", &format!("volumes:\n  - {{name: w{export}}}"))
}

fn importer(import: &str) -> String {
    mounting("b", "", &format!(", import: {{{import}}}"), "")
}

#[test]
fn volume_imported_has_the_exporters_key() {
    let world = TestWorld::new();
    let text = mounting("a", "", ", export: {session: b}", "");
    let _ = world.put(&text);
    let _ = world.put(&importer("session: a, volume: v"));
    let imported = key(&world, "b");
    assert_eq!(key(&world, "a"), imported);
    let events = world.ports.store.releases();
    let fact = ("import-volume", "a/v".to_owned());
    assert!(events[0].facts.contains(&fact), "{:?}", events[0].facts);
}

#[test]
fn volume_that_is_not_exported_or_not_there_is_refused_alike() {
    for text in [
        exporter(""),
        exporter(", export: {session: c}"),
        exporter(", export: [{to: {session: b}, volume_alias: u}]"),
        shelf("x", ""),
        shelf("y", ""),
    ] {
        let world = TestWorld::new();
        let _ = world.put(&text);
        let _ = world.put(&importer("session: x, volume: w"));
        let cause = refusal(&world, "b");
        assert_matches!(cause, VolumeError::NotExported { policy, volume }
            if policy.as_str() == "x" && volume.as_str() == "w");
        assert_nothing_released(&world);
    }
}

#[test]
fn volume_with_an_alias_is_imported_under_it() {
    let world = TestWorld::new();
    let _ = world.put(&exporter(", export: [{to: {session: b}, volume_alias: u}]"));
    let _ = world.put(&importer("session: x, volume: u"));
    assert_eq!(mounted(&world, "b").name.as_str(), "v");
}

#[test]
fn volume_imported_is_changed_no_more_freely_than_its_exporter_lets() {
    for (exported, wanted, expected) in [
        (
            "ephemeral",
            ", update_policy: no_rollback_protection",
            UpdatePolicy::Ephemeral,
        ),
        ("ephemeral", "", UpdatePolicy::Ephemeral),
        (
            "rollback_protected",
            ", update_policy: no_rollback_protection",
            UpdatePolicy::RollbackProtected,
        ),
        (
            "no_rollback_protection",
            ", update_policy: no_rollback_protection",
            UpdatePolicy::NoRollbackProtection,
        ),
        (
            "no_rollback_protection",
            "",
            UpdatePolicy::RollbackProtected,
        ),
        (
            "no_rollback_protection",
            ", update_policy: ephemeral",
            UpdatePolicy::Ephemeral,
        ),
    ] {
        let world = TestWorld::new();
        let export = format!(", export: [{{to: {{session: b}}, update_policy: {exported}}}]");
        let _ = world.put(&exporter(&export));
        let import = ", import: {session: x, volume: w}";
        let _ = world.put(&mounting("b", wanted, import, ""));
        assert_eq!(
            mounted(&world, "b").update_policy,
            expected,
            "{exported}{wanted}"
        );
    }
}

#[test]
fn volume_pinned_by_either_side_ends_with_the_next_version() {
    let world = TestWorld::new();
    let text = exporter(", export: {session: b}");
    let first = world.put(&text);
    let _ = world.put(&importer(&format!(
        "session: x, volume: w, session_hash: {first}"
    )));
    assert_eq!(key(&world, "b").len(), 32);
    let _ = world.put(&after(first, &text));
    let cause = refusal(&world, "b");
    assert_matches!(cause, VolumeError::Resolve(ResolveError::OtherVersion { pinned, .. }) if pinned == first);

    let world = TestWorld::new();
    let text = importer("session: x, volume: w");
    let first = world.put(&text);
    let _ = world.put(&exporter(&format!(
        ", export: {{session: b, session_hash: {first}}}"
    )));
    assert_eq!(key(&world, "b").len(), 32);
    let _ = world.put(&after(first, &text));
    assert_matches!(refusal(&world, "b"), VolumeError::NotExported { .. });
}

#[test]
fn volume_key_that_was_kept_but_not_acknowledged_is_the_one_that_counts() {
    let world = TestWorld::new();
    let _ = world.put(&mounting("a", "", "", ""));
    (world.ports.store).fail_once(StoreOperation::Keep, StoreFault::After);
    let error = world.attest("a/s").unwrap_err();
    assert_matches!(error, AttestError::Store(_));
    assert_eq!(error.blame(), Blame::Unavailable);
    let kept = key(&world, "a");
    assert_eq!(key(&world, "a"), kept);
}

#[test]
fn volume_key_that_another_replica_made_first_counts_for_both() {
    let world = TestWorld::new();
    let _ = world.put(&mounting("a", "", "", ""));
    let theirs = Secret::copied_from(&[0x7e; 32]);
    world.ports.store.overtake_keep(theirs);
    assert_eq!(key(&world, "a"), [0x7e; 32]);
    assert_eq!(key(&world, "a"), [0x7e; 32]);
}

#[test]
fn volume_fault_of_a_damaged_store_is_a_bug() {
    let world = TestWorld::new();
    let _ = world.put(&mounting("a", "", "", ""));
    (world.ports.store).fail_once(StoreOperation::Kept, StoreFault::Damaged);
    assert_eq!(world.attest("a/s").unwrap_err().blame(), Blame::Bug);
}

#[test]
fn file_system_protection_is_delivered_with_its_key() {
    let world = TestWorld::new();
    let hex = "fe".repeat(32);
    let tag = "ab".repeat(16);
    let protection = format!(
        "command: s\n    fspf_path: /fspf.pb\n    fspf_key: \"{hex}\"\n    fspf_tag: \"{tag}\"\n"
    );
    let _ = world.put(&policy("a", &[], "").replace("command: s\n", &protection));
    let found = world.attest("a/s").unwrap().file_system.unwrap();
    assert_eq!(found.path, "/fspf.pb");
    assert_eq!(found.key.unwrap().expose(), [0xfe; 32]);
    assert_eq!(found.tag.unwrap().to_string(), tag);
}
