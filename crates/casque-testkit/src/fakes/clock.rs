//! A clock that tests set.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use casque_core::Clock;
use casque_types::{Seconds, Timestamp};

/// Stands still until it is told to go on; it never goes back.
#[derive(Clone, Debug)]
pub struct MockClock(Arc<AtomicU64>);

impl MockClock {
    /// A clock that shows `now`.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self(Arc::new(AtomicU64::new(now.as_unix_s())))
    }

    /// Lets time pass.
    pub fn advance(&self, span: Seconds) {
        self.set(self.now().plus(span));
    }

    /// Goes on to `time`; does nothing if that is past.
    pub fn set(&self, time: Timestamp) {
        self.0.fetch_max(time.as_unix_s(), Ordering::SeqCst);
    }
}

impl Clock for MockClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_s(self.0.load(Ordering::SeqCst))
    }
}
