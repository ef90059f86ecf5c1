use std::sync::Mutex;

use casque_core::SourceKind;

use super::*;

/// Keys by their ids.
#[derive(Debug)]
struct Ids(Vec<String>);

impl KeySet for Ids {
    fn has(&self, key_id: &str) -> bool {
        self.0.iter().any(|id| id == key_id)
    }
}

/// A party that publishes one key, and counts who asks.
struct Party {
    slot: Slot<KeysState<Ids>>,
    publishes: Mutex<Result<&'static str, ()>>,
    asked: Mutex<Vec<u64>>,
}

impl Party {
    fn new() -> Self {
        Self {
            slot: Slot::default(),
            publishes: Mutex::new(Ok("first")),
            asked: Mutex::new(Vec::new()),
        }
    }

    fn publish(&self, published: Result<&'static str, ()>) {
        *self.publishes.lock().unwrap() = published;
    }

    /// Whether somebody with this key id is served at this second.
    async fn serves(&self, key_id: &str, second: u64) -> bool {
        let fetch = async {
            self.asked.lock().unwrap().push(second);
            let published = *self.publishes.lock().unwrap();
            published
                .map(|id| Ids(vec![id.to_owned()]))
                .map_err(|()| failure())
        };
        let keys = self.slot.keys(key_id, at(second), fetch).await;
        keys.is_ok_and(|keys| keys.has(key_id))
    }

    fn asked(&self) -> Vec<u64> {
        self.asked.lock().unwrap().clone()
    }
}

fn at(second: u64) -> Timestamp {
    Timestamp::from_unix_s(1_795_424_399).plus(Seconds(second))
}

fn failure() -> SourceFailure {
    SourceFailure {
        source_kind: SourceKind::Maa,
        code: "maa-unavailable",
        retryable: true,
        retry_after: None,
        what: String::new(),
        mend: String::new(),
    }
}

#[tokio::test]
async fn keys_that_change_are_seen_at_once_until_the_budget_is_spent() {
    let party = Party::new();
    assert!(party.serves("first", 0).await);
    for (second, id) in [(0, "second"), (1, "third"), (2, "fourth")] {
        party.publish(Ok(id));
        assert!(party.serves(id, second).await, "{id}");
    }
    party.publish(Ok("fifth"));
    assert!(!party.serves("fifth", 3).await);
    assert!(!party.serves("fifth", 59).await);
    assert!(party.serves("fifth", 60).await);
    assert_eq!(party.asked(), [0, 0, 1, 2, 60]);
    // A quiet hour makes the budget whole, and no more than that.
    for (second, is_served) in [
        (3660, true),
        (3661, true),
        (3662, true),
        (3663, true),
        (3664, false),
    ] {
        let id = ["even", "odd"][usize::from(second % 2 == 1)];
        party.publish(Ok(id));
        assert_eq!(party.serves(id, second).await, is_served, "{second}");
    }
}

#[tokio::test]
async fn flood_of_made_up_ids_is_four_requests_and_one_a_minute() {
    let party = Party::new();
    for second in 0..600 {
        for id in ["made-up", "another"] {
            assert!(!party.serves(id, second).await);
        }
    }
    let minutes = (1..10).map(|minute| minute * 60);
    let expected: Vec<u64> = [0, 0, 1, 1].into_iter().chain(minutes).collect();
    assert_eq!(party.asked(), expected);
    // Who keeps the budget spent fetches the keys for everybody else.
    party.publish(Ok("second"));
    assert!(!party.serves("made-up", 600).await);
    assert!(party.serves("second", 600).await);
    party.publish(Ok("third"));
    let mut seconds = 601..700;
    let first = loop {
        let second = seconds.next().unwrap();
        party.serves("made-up", second).await;
        if party.serves("third", second).await {
            break second;
        }
    };
    assert_eq!(first, 660);
}

#[tokio::test]
async fn party_that_fails_is_asked_once_a_minute_and_spends_no_budget() {
    let party = Party::new();
    assert!(party.serves("first", 0).await);
    party.publish(Err(()));
    for second in 100..400 {
        assert!(!party.serves("second", second).await);
        assert!(
            party.serves("first", second).await,
            "the last good keys serve"
        );
    }
    assert_eq!(party.asked(), [0, 100, 160, 220, 280, 340]);
    for (second, id) in [
        (400, "second"),
        (400, "third"),
        (401, "fourth"),
        (402, "fifth"),
    ] {
        party.publish(Ok(id));
        assert!(party.serves(id, second).await, "{id}");
    }
}
