//! Namespaces, the root, who creates, updates, reads and lists, and whose hash is public.

use std::collections::BTreeSet;

use assert_matches::assert_matches;
use casque_core::{PolicyNames, PutPolicyError, ReadPolicyError};
use casque_policy::Credentials;
use casque_secrets::{KeyAlgorithm, SecretValue, make_private_key, public_key_of, render};
use casque_testkit::TestWorld;
use casque_testkit::fakes::{StoreFault, StoreOperation};
use casque_types::{Encoding, Format, KeyHash, PolicyHash, PolicyName};
use pollster::block_on;

use crate::support::{after, shelf};

fn other() -> KeyHash {
    KeyHash::of_spki(b"somebody else")
}

fn tls(key: KeyHash) -> Credentials {
    Credentials::of_tls(key)
}

fn signed(keys: &[KeyHash]) -> Credentials {
    Credentials {
        tls: None,
        signers: keys.iter().copied().collect::<BTreeSet<_>>(),
    }
}

fn name(text: &str) -> PolicyName {
    text.parse().unwrap()
}

fn hash_of(
    world: &TestWorld,
    policy: &str,
    caller: KeyHash,
) -> Result<PolicyHash, ReadPolicyError> {
    block_on((world.casque).hash_of_policy(&name(policy), &tls(caller)))
}

fn list(
    world: &TestWorld,
    namespace: &str,
    after: Option<&str>,
    at_most: usize,
) -> Result<PolicyNames, ReadPolicyError> {
    let after = after.map(name);
    let caller = tls(world.author);
    block_on((world.casque).list_policies(&name(namespace), after.as_ref(), at_most, &caller))
}

fn names(page: &PolicyNames) -> Vec<&str> {
    page.names.iter().map(PolicyName::as_str).collect()
}

#[test]
fn create_in_an_absent_namespace_is_refused() {
    let world = TestWorld::new();
    let answer = world.try_put(&shelf("n/a", ""));
    assert_matches!(answer, Err(PutPolicyError::NoNamespace { parent }) if parent.as_str() == "n");
}

#[test]
fn create_in_a_namespace_is_for_those_whom_it_lets() {
    let world = TestWorld::new();
    let _ = world.put(&shelf("n", ""));
    let refused = world.try_put_as(&shelf("n/a", ""), &tls(other()));
    assert_matches!(
        refused,
        Err(PutPolicyError::NotPermitted { policy, what, .. })
            if policy.as_str() == "n" && what == "create policies in it"
    );
    let _ = world.put(&shelf("n/a", ""));
    let open = shelf("m", "access_policy: {create_sessions: ANY}");
    let _ = world.put(&open);
    world.try_put_as(&shelf("m/a", ""), &tls(other())).unwrap();
}

#[test]
fn create_in_a_policy_of_an_old_language_is_refused() {
    let world = TestWorld::new();
    let _ = world.put("name: n\nversion: \"0.2\"\n");
    let answer = world.try_put(&shelf("n/a", ""));
    assert_matches!(answer, Err(PutPolicyError::OldNamespace { parent }) if parent.as_str() == "n");
}

#[test]
fn create_with_a_namespace_hash_holds_at_that_version_alone() {
    let world = TestWorld::new();
    let first = world.put(&shelf("n", ""));
    let child = |name: &str| shelf(name, &format!("namespace_hash: {first}"));
    let _ = world.put(&child("n/a"));
    let _ = world.put(&after(first, &shelf("n", "")));
    let answer = world.try_put(&child("n/b"));
    assert_matches!(
        answer,
        Err(PutPolicyError::OtherNamespace { parent, expected })
            if parent.as_str() == "n" && expected == first
    );
    let answer = world.try_put(&child("n/a"));
    assert_matches!(answer, Err(PutPolicyError::NamespaceHashOnUpdate));
}

#[test]
fn put_on_an_existing_or_a_missing_name_says_what_clients_look_for() {
    let world = TestWorld::new();
    let first = world.put(&shelf("a", ""));
    let texts = [
        (
            shelf("a", ""),
            "No predecessor hash specified albeit session alias used already",
        ),
        (
            after(first, &shelf("b", "")),
            "Predecessor hash specified albeit session alias unused",
        ),
        (
            after("66".repeat(32), &shelf("a", "")),
            "Invalid previous session digest: 6666",
        ),
    ];
    for (text, expected) in texts {
        let message = world.try_put(&text).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
    assert_eq!(world.ports.store.versions(&name("a")), 1);
}

#[test]
fn put_without_any_key_is_refused() {
    let world = TestWorld::new();
    let answer = world.try_put_as(&shelf("a", ""), &Credentials::default());
    assert_matches!(answer, Err(PutPolicyError::NoCaller));
}

const ROOT: &str = "name: /\nversion: \"0.3.12\"\naccess_policy: {read: ANY, update: [CREATOR], create_sessions: [CREATOR]}\n";

#[test]
fn root_can_be_claimed_before_anything_stands_in_it() {
    let world = TestWorld::new();
    let unclaimed = hash_of(&world, "/", other()).unwrap();
    for predecessor in [None, Some(unclaimed)] {
        let world = TestWorld::new();
        let text = match predecessor {
            None => ROOT.to_owned(),
            Some(hash) => after(hash, ROOT),
        };
        let claimed = world.put(&text);
        assert_eq!(hash_of(&world, "/", other()).unwrap(), claimed);
        let refused = world.try_put_as(&shelf("a", ""), &tls(other()));
        assert_matches!(refused, Err(PutPolicyError::NotPermitted { .. }));
        let _ = world.put(&shelf("a", ""));
        let _ = world.put(&after(claimed, ROOT));
        let refused = world.try_put_as(&after(claimed, ROOT), &tls(other()));
        assert_matches!(refused, Err(PutPolicyError::NotPermitted { .. }));
    }
}

#[test]
fn root_is_claimed_over_its_unclaimed_version_alone() {
    let world = TestWorld::new();
    let answer = world.try_put(&after("66".repeat(32), ROOT));
    assert_matches!(answer, Err(PutPolicyError::OtherPredecessor { .. }));
    let answer = world.try_put(&format!("{ROOT}namespace_hash: {}\n", "66".repeat(32)));
    assert_matches!(answer, Err(PutPolicyError::NamespaceHashOnUpdate));
}

#[test]
fn root_is_sealed_once_something_stands_in_it() {
    let world = TestWorld::new();
    let _ = world.put(&shelf("a", ""));
    assert_matches!(world.try_put(ROOT), Err(PutPolicyError::RootSealed));
    world.try_put_as(&shelf("b", ""), &tls(other())).unwrap();
}

/// Its hash does not change with its creator then, and it must be possible to update it all the same.
#[test]
fn root_claimed_with_its_own_text_can_be_updated() {
    let world = TestWorld::new();
    let caller = tls(world.author);
    let unclaimed = block_on(world.casque.read_policy(&name("/"), None, &caller)).unwrap();
    let text = unclaimed.text.expose_text().unwrap();
    let claimed = world.put(text);
    let next = world.put(&after(claimed, ROOT));
    assert_eq!(hash_of(&world, "/", other()).unwrap(), next);
    assert_eq!(world.ports.store.versions(&name("/")), 2);
}

#[test]
fn root_unclaimed_can_be_read_and_not_listed() {
    let world = TestWorld::new();
    let caller = tls(other());
    let read = block_on(world.casque.read_policy(&name("/"), None, &caller)).unwrap();
    assert!(read.text.expose_text().unwrap().contains("name: /"));
    let list = list(&world, "/", None, 10);
    assert_matches!(
        list,
        Err(ReadPolicyError::NotPermitted {
            what: "list it",
            ..
        })
    );
}

#[test]
fn list_is_in_pages_without_the_namespace_itself() {
    let world = TestWorld::new();
    let _ = world.put(ROOT);
    for policy in ["a", "a/x", "b", "c"] {
        let _ = world.put(&shelf(policy, ""));
    }
    let mut found = Vec::new();
    let mut last: Option<String> = None;
    for at_most in [1, 2, 1] {
        let page = list(&world, "/", last.as_deref(), at_most).unwrap();
        found.extend(names(&page).iter().map(|name| (*name).to_owned()));
        last = found.last().cloned();
        assert_eq!(page.more, found.len() < 4, "{found:?}");
    }
    assert_eq!(found, ["a", "a/x", "b", "c"]);
    assert_eq!(names(&list(&world, "a", None, 9).unwrap()), ["a/x"]);
}

#[test]
fn list_is_for_those_who_may_list_read_or_create() {
    let key = other();
    for (access, is_let) in [
        (format!("{{list_sessions: [{key}]}}"), true),
        (format!("{{create_sessions: [{key}], read: NONE}}"), true),
        (format!("{{read: [{key}]}}"), true),
        (
            format!("{{read: [{key}], list_sessions: [CREATOR]}}"),
            false,
        ),
        ("{}".to_owned(), false),
    ] {
        let world = TestWorld::new();
        let access = match access.as_str() {
            "{}" => String::new(),
            access => format!("access_policy: {access}"),
        };
        let _ = world.put(&shelf("n", &access));
        let answer = block_on((world.casque).list_policies(&name("n"), None, 9, &tls(key)));
        match answer {
            Ok(_) => assert!(is_let, "{access}"),
            Err(ReadPolicyError::NotPermitted {
                what: "list it", ..
            }) => assert!(!is_let, "{access}"),
            Err(other) => panic!("{access}: {other:?}"),
        }
    }
}

#[test]
fn history_is_every_version_for_readers_alone() {
    let world = TestWorld::new();
    let first = world.put(&shelf("a", ""));
    let second = world.put(&after(first, &shelf("a", "")));
    let history = |caller| block_on(world.casque.history(&name("a"), &tls(caller)));
    let versions = history(world.author).unwrap();
    let found: Vec<_> = versions
        .iter()
        .map(|version| (version.hash, version.predecessor))
        .collect();
    assert_eq!(found, [(first, None), (second, Some(first))]);
    assert_matches!(history(other()), Err(ReadPolicyError::NotPermitted { .. }));
    let caller = tls(world.author);
    let read = |hash| block_on(world.casque.read_policy(&name("a"), Some(&hash), &caller));
    assert_eq!(read(first).unwrap().hash, first);
    assert_matches!(
        read(PolicyHash::from([6; 32])),
        Err(ReadPolicyError::Absent { .. })
    );
}

#[test]
fn history_right_that_was_taken_away_counts_for_the_past_too() {
    let world = TestWorld::new();
    let first = world.put(&shelf("a", "access_policy: {read: ANY}"));
    let _ = world.put(&after(first, &shelf("a", "")));
    let caller = tls(other());
    let answer = block_on(world.casque.read_policy(&name("a"), Some(&first), &caller));
    assert_matches!(answer, Err(ReadPolicyError::NotPermitted { .. }));
}

const SALT: &str = "salt: 0102030405060708090a0b0c0d0e0f10";

#[test]
fn hash_is_for_readers_and_public_from_the_first_salt_on() {
    let world = TestWorld::new();
    let first = world.put(&shelf("a", ""));
    assert_matches!(
        hash_of(&world, "a", other()),
        Err(ReadPolicyError::NotPermitted { .. })
    );
    assert_eq!(hash_of(&world, "a", world.author).unwrap(), first);
    let salted = world.put(&after(first, &shelf("a", SALT)));
    assert_eq!(hash_of(&world, "a", other()).unwrap(), salted);
    let inheriting = world.put(&after(salted, &shelf("a", "")));
    assert_eq!(hash_of(&world, "a", other()).unwrap(), inheriting);
    assert_matches!(
        hash_of(&world, "b", other()),
        Err(ReadPolicyError::Absent { .. })
    );
}

#[test]
fn hash_stays_public_when_the_mark_of_the_salt_failed_once() {
    let world = TestWorld::new();
    (world.ports.store).fail_once(StoreOperation::Keep, StoreFault::Before);
    let salted = world.put(&shelf("a", SALT));
    assert_eq!(hash_of(&world, "a", other()).unwrap(), salted);
    let next = world.put(&after(salted, &shelf("a", "")));
    assert_eq!(hash_of(&world, "a", other()).unwrap(), next);
}

/// A key that signs uploads: its PEM in one line of YAML, and its hash.
fn signer() -> (String, KeyHash) {
    let key = make_private_key(KeyAlgorithm::Ed25519).unwrap();
    let public = public_key_of(&key).unwrap();
    let SecretValue::PublicKey(spki) = &public else {
        panic!("expected a public key");
    };
    let hash = KeyHash::of_spki(spki);
    let pem = render(&public, Format::Plain, Encoding::Verbatim).unwrap();
    let pem = pem.expose_text().unwrap().replace('\n', "\\n");
    (format!("\"{pem}\""), hash)
}

#[test]
fn creator_of_a_signed_policy_is_its_only_signer_or_the_one_that_it_names() {
    let world = TestWorld::new();
    let (pem, first) = signer();
    let (_, second) = signer();
    world
        .try_put_as(&shelf("a", ""), &signed(&[first]))
        .unwrap();
    let answer = world.try_put_as(&shelf("b", ""), &signed(&[first, second]));
    assert_matches!(answer, Err(PutPolicyError::AmbiguousCreator));
    let named = shelf("b", &format!("creator: {{signer: {pem}}}"));
    assert_matches!(
        world.try_put_as(&named, &signed(&[second])),
        Err(PutPolicyError::OtherCreator)
    );
    let hash = world
        .try_put_as(&named, &signed(&[first, second]))
        .unwrap()
        .hash;
    assert_matches!(
        world.try_put_as(&after(hash, &named), &signed(&[second])),
        Err(PutPolicyError::NotPermitted { .. })
    );
    world
        .try_put_as(&after(hash, &named), &signed(&[first]))
        .unwrap();
}

#[test]
fn update_by_a_signer_entry_needs_that_signature() {
    let world = TestWorld::new();
    let (pem, key) = signer();
    let text = shelf("a", &format!("access_policy: {{update: [signer: {pem}]}}"));
    let first = world.put(&text);
    let next = after(first, &text);
    for refused in [tls(world.author), tls(key), signed(&[other()])] {
        assert_matches!(
            world.try_put_as(&next, &refused),
            Err(PutPolicyError::NotPermitted { .. })
        );
    }
    world.try_put_as(&next, &signed(&[key])).unwrap();
}

#[test]
fn update_by_several_needs_as_many_as_the_policy_says() {
    let ((a, first), (b, second), (c, third)) = (signer(), signer(), signer());
    let list = format!("[signer: {a}, signer: {b}, signer: {c}]");
    for (entry, enough) in [("require-all", 3), ("require-at-least-2", 2)] {
        let world = TestWorld::new();
        let text = shelf(
            "a",
            &format!("access_policy: {{update: [{entry}: {list}]}}"),
        );
        let mut current = world.put(&text);
        let keys = [first, second, third];
        for count in 0..=3 {
            let next = after(current, &text);
            let caller = Credentials {
                tls: Some(world.author),
                ..signed(&keys[..count])
            };
            match world.try_put_as(&next, &caller) {
                Ok(put) => {
                    assert!(count >= enough, "{entry} {count}");
                    current = put.hash;
                }
                Err(PutPolicyError::NotPermitted { .. }) => {
                    assert!(count < enough, "{entry} {count}")
                }
                Err(other) => panic!("{entry} {count}: {other:?}"),
            }
        }
    }
}

#[test]
fn put_signers_are_on_record() {
    let world = TestWorld::new();
    let (_, key) = signer();
    world.try_put_as(&shelf("a", ""), &signed(&[key])).unwrap();
    let audit = world.ports.store.audit();
    assert_eq!(audit[0].facts, [("signer", key.to_string())]);
    assert_eq!(audit[0].caller, None);
}
