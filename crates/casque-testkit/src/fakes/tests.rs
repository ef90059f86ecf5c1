//! The fakes keep the ports' contracts.

use assert_matches::assert_matches;
use casque_core::{
    AccessToken, AuditAction, AuditEvent, Clock as _, ExportRequest, KeepError, KeptRevision,
    MaaSource as _, NewPolicy, Once, PolicyRecord, PutError, RemoteSource as _, SourceKind,
    Spending, Store as _, StoreError, TokenPurpose, TokenSource as _, VaultSource as _,
};
use casque_types::{
    ClientProof, EntraCredential, KeyHash, PolicyHash, Rng as _, Seconds, Secret, Timestamp,
    VaultAddress,
};
use pollster::block_on;

use std::sync::Arc;

use super::*;
use crate::maa::SoftwareMaa;
use crate::sgx::SoftwareTee;
use crate::store_contract;

const NOW: Timestamp = Timestamp::from_unix_s(1_795_478_400);

fn hash(byte: u8) -> PolicyHash {
    [byte; 32].into()
}

fn version(byte: u8, predecessor: Option<PolicyHash>) -> NewPolicy {
    NewPolicy {
        record: PolicyRecord {
            name: "app".parse().unwrap(),
            hash: hash(byte),
            predecessor,
            creator: KeyHash::from([9; 32]),
            text: Secret::copied_from(b"text"),
            created: NOW,
        },
        values: vec![
            ("one".parse().unwrap(), Secret::copied_from(&[1])),
            ("two".parse().unwrap(), Secret::copied_from(&[2])),
        ],
    }
}

fn event(action: AuditAction) -> AuditEvent {
    AuditEvent {
        at: NOW,
        action,
        subject: "app".to_owned(),
        policy: hash(1),
        caller: None,
        facts: Vec::new(),
    }
}

fn put(store: &MemStore, new: NewPolicy) -> Result<(), PutError> {
    block_on(store.put(new, event(AuditAction::PolicyCreated)))
}

#[test]
fn store_put_is_compare_and_set() {
    let store = MemStore::default();
    put(&store, version(1, None)).unwrap();
    let conflict = put(&store, version(2, None));
    assert_matches!(conflict, Err(PutError::Conflict { current: Some(h) }) if h == hash(1));
    let conflict = put(&store, version(2, Some(hash(7))));
    assert_matches!(conflict, Err(PutError::Conflict { current: Some(h) }) if h == hash(1));
    put(&store, version(2, Some(hash(1)))).unwrap();
    let name = "app".parse().unwrap();
    assert_eq!(block_on(store.head(&name)).unwrap(), Some(hash(2)));
    let first = block_on(store.load(&name, &hash(1))).unwrap().unwrap();
    assert_eq!(first.predecessor, None);
    assert_eq!((store.versions(&name), store.audit().len()), (2, 2));
}

#[test]
fn store_put_onto_nothing_with_a_predecessor_is_a_conflict() {
    let conflict = put(&MemStore::default(), version(1, Some(hash(7))));
    assert_matches!(conflict, Err(PutError::Conflict { current: None }));
}

#[test]
fn store_values_are_those_wanted() {
    let store = MemStore::default();
    put(&store, version(1, None)).unwrap();
    let wanted = ["two".parse().unwrap(), "three".parse().unwrap()];
    let values = block_on(store.values(&"app".parse().unwrap(), &hash(1), &wanted)).unwrap();
    let [(name, value)] = values.as_slice() else {
        panic!("expected one value");
    };
    assert_eq!((name.as_str(), value.expose()), ("two", &[2_u8][..]));
}

#[test]
fn store_fault_before_writes_nothing_and_after_has_written() {
    let store = MemStore::default();
    let append = || block_on(store.append_audit(event(AuditAction::ConfigurationReleased)));
    store.fail_once(StoreOperation::AppendAudit, StoreFault::Before);
    assert_matches!(append(), Err(StoreError::Unavailable { .. }));
    assert_eq!(store.releases().len(), 0);
    store.fail_once(StoreOperation::AppendAudit, StoreFault::After);
    assert_matches!(append(), Err(StoreError::Unavailable { .. }));
    assert_eq!(store.releases().len(), 1);
    append().unwrap();
    assert_eq!(store.releases().len(), 2);
    assert_eq!(store.calls(StoreOperation::AppendAudit), 3);
}

#[test]
fn store_fault_of_another_operation_waits_for_it() {
    let store = MemStore::default();
    store.fail_once(StoreOperation::Put, StoreFault::Before);
    block_on(store.check()).unwrap();
    let refused = put(&store, version(1, None));
    assert_matches!(
        refused,
        Err(PutError::Store(StoreError::Unavailable { .. }))
    );
}

#[test]
fn store_keeps_the_contract_of_every_store() {
    let new = MemStore::default;
    block_on(store_contract::history_follows_the_predecessors(&new()));
    block_on(store_contract::list_is_in_byte_order_by_pages(&new()));
    block_on(store_contract::list_under_a_name_is_its_descendants(&new()));
    block_on(store_contract::spend_is_fresh_once(&new()));
    block_on(store_contract::keep_is_compare_and_set(&new()));
    block_on(store_contract::kept_are_told_apart_and_outlive_versions(
        &new(),
    ));
    block_on(store_contract::keep_of_a_value_too_long_is_refused(&new()));
}

#[test]
fn store_spend_and_keep_append_their_audit_records_with_what_they_write() {
    let store = MemStore::default();
    let (policy, key) = ("app".parse().unwrap(), "tag".parse().unwrap());
    let spend = || {
        let once = Once::new("otp".to_owned(), NOW).unwrap();
        let audit = Some(event(AuditAction::ValueExported));
        block_on(store.spend(once, NOW, audit))
    };
    let keep = |expected| {
        let audit = Some(event(AuditAction::VolumeKeyMade));
        block_on(store.keep(&policy, &key, Secret::copied_from(b"x"), expected, audit))
    };
    store.fail_once(StoreOperation::Spend, StoreFault::Before);
    assert_matches!(spend(), Err(StoreError::Unavailable { .. }));
    assert_eq!(store.audit().len(), 0);
    store.fail_once(StoreOperation::Spend, StoreFault::After);
    assert_matches!(spend(), Err(StoreError::Unavailable { .. }));
    assert_matches!(spend(), Ok(Spending::Spent));
    assert_eq!(store.audit().len(), 1);
    store.fail_once(StoreOperation::Keep, StoreFault::Damaged);
    assert_matches!(
        keep(None),
        Err(KeepError::Store(StoreError::Damaged { .. }))
    );
    store.fail_once(StoreOperation::Keep, StoreFault::After);
    assert_matches!(
        keep(None),
        Err(KeepError::Store(StoreError::Unavailable { .. }))
    );
    assert_matches!(
        keep(None),
        Err(KeepError::Conflict {
            current: Some(KeptRevision(1))
        })
    );
    assert_eq!(store.audit().len(), 2);
}

#[test]
fn store_down_serves_nothing_until_it_is_back() {
    let store = MemStore::default();
    store.set_down(true);
    assert_matches!(block_on(store.check()), Err(StoreError::Unavailable { .. }));
    store.set_down(false);
    block_on(store.check()).unwrap();
}

#[test]
fn clock_clones_share_and_never_go_back() {
    let clock = MockClock::at(NOW);
    let other = clock.clone();
    clock.advance(Seconds(5));
    other.set(NOW);
    assert_eq!(other.now(), NOW.plus(Seconds(5)));
}

#[test]
fn rng_calls_differ_and_runs_do_not() {
    let draw = |rng: &CountingRng| {
        let mut bytes = [0_u8; 40];
        rng.fill(&mut bytes).map(|()| bytes)
    };
    let rng = CountingRng::default();
    let (one, two) = (draw(&rng).unwrap(), draw(&rng).unwrap());
    assert_ne!(one, two);
    assert_eq!(draw(&CountingRng::default()).unwrap(), one);
    rng.set_failing(true);
    assert!(draw(&rng).is_err());
}

/// A vault that is not there yet, and a token for it.
fn vault_and_token() -> (VaultAddress, Arc<AccessToken>) {
    let credential = EntraCredential {
        tenant: "contoso.com".parse().unwrap(),
        client: "3f2c210e-83b4-4217-9eee-4f747d8aeeb3".parse().unwrap(),
        proof: ClientProof::Secret(Secret::copied_from(b"s")),
    };
    let vault = "my-vault".parse().unwrap();
    let tokens = FakeTokens::default();
    let token = block_on(tokens.token(&credential, TokenPurpose::Vault(&vault), NOW)).unwrap();
    assert_eq!(tokens.calls.made()[0].vault.as_ref(), Some(&vault));
    (vault, token)
}

#[test]
fn vaults_absent_vault_and_absent_secret_are_told_apart() {
    let ((vault, token), vaults) = (vault_and_token(), FakeVaults::default());
    let name = |name: &str| name.parse().unwrap();
    let read = |n: &str| block_on(vaults.secret(&vault, &name(n), None, &token, NOW));
    assert_eq!(read("db").unwrap_err().code, "vault-name-unresolved");
    vaults.put(&vault, &name("db"), "value", Some("text/plain"));
    assert_eq!(read("other").unwrap_err().code, "vault-secret-not-found");
    assert_eq!(read("db").unwrap().value.expose(), b"value");
    let expected = VaultCall {
        vault: vault.clone(),
        name: name("db"),
        action: VaultAction::Read(None),
        token: "token of 3f2c210e-83b4-4217-9eee-4f747d8aeeb3 for my-vault".to_owned(),
    };
    assert_eq!(vaults.calls.made()[2], expected);
}

#[test]
fn vaults_each_version_is_read_by_its_id() {
    let ((vault, token), vaults) = (vault_and_token(), FakeVaults::default());
    let name = "db".parse().unwrap();
    let first = vaults.put(&vault, &name, "one", None);
    let second = vaults.put(&vault, &name, "two", None);
    let read = |version: Option<&str>| block_on(vaults.secret(&vault, &name, version, &token, NOW));
    assert_eq!(read(None).unwrap().value.expose(), b"two");
    assert_eq!(read(Some(&second)).unwrap().value.expose(), b"two");
    let old = read(Some(&first)).unwrap();
    assert_eq!(old.value.expose(), b"one");
    assert_eq!(old.id, format!("https://my-vault/secrets/db/{first}"));
    let absent = read(Some("00000000000000000000000000000003")).unwrap_err();
    assert_eq!(absent.code, "vault-secret-not-found");
    let asked = VaultAction::Read(Some(first));
    assert_eq!(vaults.calls.made()[2].action, asked);
}

#[test]
fn vaults_value_that_was_set_is_the_current_version() {
    let ((vault, token), vaults) = (vault_and_token(), FakeVaults::default());
    let name = "kept".parse().unwrap();
    let set = |value: &[u8]| {
        let value = Secret::copied_from(value);
        block_on(vaults.set_secret(&vault, &name, &value, &token, NOW))
    };
    assert_eq!(set(b"one").unwrap_err().code, "vault-name-unresolved");
    vaults.open(&vault);
    vaults
        .calls
        .fail_once(failure(SourceKind::KeyVault, "vault-throttled"));
    assert_eq!(set(b"one").unwrap_err().code, "vault-throttled");
    assert_eq!(vaults.versions(&vault, &name), 0);
    set(b"one").unwrap();
    let id = set(b"two").unwrap();
    assert_eq!(vaults.versions(&vault, &name), 2);
    let read = || block_on(vaults.secret(&vault, &name, None, &token, NOW));
    let found = read().unwrap();
    assert_eq!((found.value.expose(), found.id), (&b"two"[..], id));
    assert_eq!(set(&[0xff]).unwrap_err().code, "vault-value-not-text");
    let longest = [b'x'; 25_000];
    set(&longest).unwrap();
    let longer = [&longest[..], b"x"].concat();
    assert_eq!(set(&longer).unwrap_err().code, "vault-value-too-large");
    assert_eq!(vaults.calls.made()[0].action, VaultAction::Set);
    vaults.remove(&vault, &name);
    assert_eq!(read().unwrap_err().code, "vault-secret-not-found");
}

#[test]
fn remote_answers_each_request_of_its_own_address_and_key() {
    let remote = FakeRemote::default();
    let (key, request) = (KeyHash::from([3; 32]), export_request("db"));
    let ask = |address: &str, key: &KeyHash, request: &ExportRequest| {
        let answer = block_on(remote.exported(address, key, request, NOW));
        answer.map_err(|failure| failure.code)
    };
    let ours = || ask("cas.example:8081", &key, &request);
    assert_eq!(ours().unwrap_err(), "remote-unreachable");
    remote.export(
        "cas.example:8081",
        key,
        request.clone(),
        Secret::copied_from(b"old"),
    );
    remote.export(
        "cas.example:8081",
        key,
        request.clone(),
        Secret::copied_from(b"v"),
    );
    assert_eq!(ours().unwrap().expose(), b"v");
    let elsewhere = ask("other.example", &key, &request);
    assert_eq!(elsewhere.unwrap_err(), "remote-unreachable");
    let other_key = ask("cas.example:8081", &KeyHash::from([4; 32]), &request);
    assert_eq!(other_key.unwrap_err(), "remote-other-key");
    let other = ask("cas.example:8081", &key, &export_request("other"));
    assert_eq!(other.unwrap_err(), "remote-not-exported");
    remote
        .calls
        .fail_once(failure(SourceKind::Remote, "remote-timeout"));
    assert_eq!(ours().unwrap_err(), "remote-timeout");
    remote.export(
        "cas.example:8081",
        key,
        export_request("b"),
        Secret::copied_from(b"b"),
    );
    remote.withdraw("cas.example:8081", &request);
    assert_eq!(ours().unwrap_err(), "remote-not-exported");
    let call = RemoteCall {
        address: "cas.example:8081".to_owned(),
        server: key,
        request: request.clone(),
    };
    let made = remote.calls.made();
    assert_eq!((made.len(), &made[6]), (7, &call));
}

fn export_request(secret: &str) -> ExportRequest {
    ExportRequest {
        session: "there".parse().unwrap(),
        session_hash: None,
        secret: secret.parse().unwrap(),
        importer: "app".parse().unwrap(),
        importer_hash: hash(1),
    }
}

#[test]
fn calls_fail_once_and_always() {
    let tokens = Calls::<u8>::default();
    let broken = failure(SourceKind::Entra, "entra-unavailable");
    tokens.fail_once(broken.clone());
    assert_eq!(tokens.record(1), Err(broken.clone()));
    assert_eq!(tokens.record(2), Ok(()));
    tokens.fail_always(Some(broken));
    assert!(tokens.record(3).is_err() && tokens.record(4).is_err());
    tokens.fail_always(None);
    assert_eq!(tokens.record(5), Ok(()));
    assert_eq!(tokens.made(), [1, 2, 3, 4, 5]);
}

#[test]
fn maa_other_instance_is_not_found() {
    let tee = Arc::new(SoftwareTee::generate(NOW).unwrap());
    let url = "https://casque.eus.attest.azure.net".parse().unwrap();
    let maa = Arc::new(SoftwareMaa::generate(url, NOW).unwrap());
    let fake = FakeMaa::new(Arc::clone(&maa), tee);
    let other = "https://other.eus.attest.azure.net".parse().unwrap();
    let refused = block_on(fake.keys(&other, maa.key_id(), NOW)).unwrap_err();
    assert_eq!(refused.code, "maa-instance-not-found");
    let keys = block_on(fake.keys(maa.url(), maa.key_id(), NOW)).unwrap();
    assert!(keys.contains(maa.key_id()));
}
