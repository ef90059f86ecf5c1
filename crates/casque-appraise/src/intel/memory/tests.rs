//! The memory by itself; that it changes no answer is shown in `tests/memory.rs`.

use casque_types::Seconds;

use super::*;
use crate::Tcb;

const NOW: Timestamp = Timestamp::from_unix_s(1_000);

fn key(number: usize) -> Key {
    Key(casque_types::sha256(&number.to_le_bytes()))
}

fn verified() -> Verified {
    Verified {
        tcb: Tcb::unknown(),
        valid_until: NOW.plus(Seconds(10)),
    }
}

fn set(text: &str) -> Arc<IntelEndorsements> {
    Arc::new(IntelEndorsements {
        tcb_info_issuer_chain: String::new(),
        tcb_info: text.to_owned(),
        tcb_info_signature: Vec::new(),
        qe_identity_issuer_chain: String::new(),
        qe_identity: String::new(),
        qe_identity_signature: Vec::new(),
        pck_crl_issuer_chain: String::new(),
        pck_crl: Vec::new(),
        root_ca_crl: Vec::new(),
    })
}

#[test]
fn verdict_holds_from_its_time_until_before_its_end() {
    let mut held = Held::default();
    held.remember(key(1), &verified(), NOW);
    let holds = |held: &Held, now: Timestamp| held.recall(key(1), now).is_some();
    assert!(holds(&held, NOW) && holds(&held, NOW.plus(Seconds(9))));
    assert!(!holds(&held, NOW.minus(Seconds(1))));
    assert!(!holds(&held, NOW.plus(Seconds(10))));
    held.remember(key(1), &verified(), NOW.minus(Seconds(5)));
    assert!(holds(&held, NOW.minus(Seconds(5))) && holds(&held, NOW));
}

#[test]
fn oldest_verdict_goes_when_there_are_too_many() {
    let mut held = Held::default();
    for number in 0..=MAX_QUOTES {
        held.remember(key(number), &verified(), NOW);
    }
    assert_eq!(
        (held.quotes.len(), held.order.len()),
        (MAX_QUOTES, MAX_QUOTES)
    );
    assert!(held.recall(key(0), NOW).is_none());
    assert!(held.recall(key(1), NOW).is_some());
}

#[test]
fn set_of_endorsements_is_known_by_its_allocation_and_forgotten_with_it() {
    let memory = Memory::default();
    let (one, same, other) = (set("one"), set("one"), set("other"));
    assert_eq!(memory.digest_of(&one), memory.digest_of(&same));
    assert_ne!(memory.digest_of(&one), memory.digest_of(&other));
    assert_eq!(memory.held().sets.len(), 3);
    assert_eq!(memory.held().digest_of(&one), Some(digest(&one)));
    drop((one, same));
    for number in 0..100 {
        memory.digest_of(&set(&number.to_string()));
    }
    assert!(memory.held().sets.len() <= 2);
}

#[test]
fn set_of_endorsements_that_is_known_cannot_be_changed_in_place() {
    let memory = Memory::default();
    let mut set = set("one");
    let before = memory.digest_of(&set);
    assert!(Arc::get_mut(&mut set).is_none());
    Arc::make_mut(&mut set).tcb_info.push('!');
    assert_ne!(memory.digest_of(&set), before);
}

#[test]
fn sets_of_endorsements_are_bounded() {
    let memory = Memory::default();
    let sets: Vec<_> = (0..100).map(|number| set(&number.to_string())).collect();
    for set in &sets {
        memory.digest_of(set);
    }
    assert_eq!(memory.held().sets.len(), MAX_SETS);
}

#[test]
fn poisoned_memory_goes_on() {
    let memory = Memory::default();
    let poisoned = std::thread::scope(|scope| {
        let poison = scope.spawn(|| {
            let _held = memory.held();
            panic!("poison");
        });
        poison.join().is_err()
    });
    assert!(poisoned);
    memory.remember(key(1), &verified(), NOW);
    assert!(memory.held().recall(key(1), NOW).is_some());
}
