//! Waiting for files that the operating system fills when it can, with an end.

use std::thread;
use std::time::Duration;

/// Waits between two attempts.
pub trait Waiter {
    /// Waits after the `attempt`-th failed attempt (from 1), or says that it has been enough.
    fn wait(&self, attempt: u32) -> Wait;
}

/// Whether to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Some time has passed: try again.
    Again,
    /// The deadline has passed.
    GiveUp,
}

/// Sleeps a fixed time between attempts, and gives up after a number of them.
#[derive(Clone, Copy, Debug)]
pub struct PollEvery {
    /// How long to sleep.
    pub pause: Duration,
    /// After how many attempts to give up.
    pub attempts: u32,
}

impl Default for PollEvery {
    /// Every 10 ms for 30 s: a TDX quote goes through the host and may take seconds.
    fn default() -> Self {
        Self {
            pause: Duration::from_millis(10),
            attempts: 3000,
        }
    }
}

impl Waiter for PollEvery {
    #[expect(
        clippy::disallowed_methods,
        reason = "configfs tells nobody when a report is ready; this is the one place that polls"
    )]
    fn wait(&self, attempt: u32) -> Wait {
        if attempt >= self.attempts {
            return Wait::GiveUp;
        }
        thread::sleep(self.pause);
        Wait::Again
    }
}

/// For what answers at once or not at all.
pub(crate) struct Never;

impl Waiter for Never {
    fn wait(&self, _attempt: u32) -> Wait {
        Wait::GiveUp
    }
}
