//! Who asked to be left alone until when: until then nothing is sent there.

use std::collections::HashMap;
use std::sync::Mutex;

use casque_core::SourceFailure;
use casque_types::Timestamp;

use crate::slots::lock;

/// Hosts that answered with `Retry-After`, and until when they are left alone.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    quiet: Mutex<HashMap<String, (Timestamp, SourceFailure)>>,
}

impl Throttle {
    /// Nothing while `host` may be asked.
    ///
    /// # Errors
    /// What it last answered, with the time that remains.
    pub(crate) fn check(&self, host: &str, now: Timestamp) -> Result<(), SourceFailure> {
        let quiet = lock(&self.quiet);
        match quiet.get(host) {
            Some((until, failure)) if *until > now => Err(SourceFailure {
                retry_after: Some(until.since(now)),
                ..failure.clone()
            }),
            _ => Ok(()),
        }
    }

    /// Remembers `failure` if it says when to ask again.
    pub(crate) fn note(&self, host: &str, failure: &SourceFailure, now: Timestamp) {
        let Some(span) = failure.retry_after else {
            return;
        };
        let mut quiet = lock(&self.quiet);
        if quiet.len() >= LIMIT {
            quiet.retain(|_, (until, _)| *until > now);
        }
        if quiet.len() < LIMIT {
            quiet.insert(host.to_owned(), (now.plus(span), failure.clone()));
        }
    }
}

/// More hosts than that are not remembered.
const LIMIT: usize = 1024;
