//! How often a service is asked, and when it is left alone.

use std::sync::Mutex;
use std::time::Duration;

use casque_types::{Seconds, Timestamp};
use tokio::time::{Instant, sleep_until};

use crate::slots::lock;

/// How often a service is asked.
#[derive(Debug)]
pub(crate) struct Pace {
    /// Between the beginnings of two requests.
    spacing: Duration,
    /// When the next may begin.
    next: tokio::sync::Mutex<Option<Instant>>,
    /// Held by the one request for a stranger that stands in line with the others.
    strangers: tokio::sync::Mutex<()>,
    quiet: Mutex<Quiet>,
}

#[derive(Debug)]
struct Quiet {
    until: Timestamp,
    times: u32,
}

impl Pace {
    pub(crate) const fn new(spacing: Duration) -> Self {
        Self {
            spacing,
            next: tokio::sync::Mutex::const_new(None),
            strangers: tokio::sync::Mutex::const_new(()),
            quiet: Mutex::new(Quiet {
                until: Timestamp::from_unix_s(0),
                times: 0,
            }),
        }
    }

    /// Waits until it is this request's turn: first come, first served; of the strangers one at a time, so
    /// that what is known waits for one of them at most.
    pub(crate) async fn turn(&self, is_stranger: bool) {
        if self.spacing.is_zero() {
            return;
        }
        let _lane = match is_stranger {
            true => Some(self.strangers.lock().await),
            false => None,
        };
        let mut next = self.next.lock().await;
        if let Some(at) = *next {
            sleep_until(at).await;
        }
        *next = Instant::now().checked_add(self.spacing);
    }

    pub(crate) fn quiet_at(&self, now: Timestamp) -> Option<Seconds> {
        let left = lock(&self.quiet).until.since(now);
        (left.0 > 0).then_some(left)
    }

    pub(crate) fn throttled(&self, asked: Option<Seconds>, now: Timestamp) {
        let mut quiet = lock(&self.quiet);
        let span = quiet_span(quiet.times, asked);
        quiet.times = quiet.times.saturating_add(1);
        quiet.until = quiet.until.max(now.plus(span));
    }

    pub(crate) fn answered(&self) {
        lock(&self.quiet).times = 0;
    }
}

/// How long nobody is asked after so many failures: 10 s, doubled each time up to 5 min, or as long as was
/// asked for, an hour at most.
pub(crate) fn quiet_span(failures_before: u32, asked: Option<Seconds>) -> Seconds {
    let factor = 2_u64.saturating_pow(failures_before);
    let doubled = QUIET_FIRST.0.saturating_mul(factor).min(QUIET_MOST.0);
    let asked = asked.map_or(0, |span| span.0.min(QUIET_MOST_ASKED.0));
    Seconds(doubled.max(asked))
}

pub(crate) const QUIET_FIRST: Seconds = Seconds(10);
pub(crate) const QUIET_MOST: Seconds = Seconds(300);
const QUIET_MOST_ASKED: Seconds = Seconds(3600);
