//! Calls that a fake was given, and failures that it gives back.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use casque_core::{SourceFailure, SourceKind};

use super::lock;

/// What a fake was asked, in order, and what it shall fail with.
#[derive(Debug)]
pub struct Calls<C> {
    inner: Arc<Mutex<Inner<C>>>,
}

#[derive(Debug)]
struct Inner<C> {
    made: Vec<C>,
    once: VecDeque<SourceFailure>,
    always: Option<SourceFailure>,
}

impl<C> Clone for Calls<C> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<C> Default for Calls<C> {
    fn default() -> Self {
        Self {
            inner: Arc::new(Mutex::new(Inner {
                made: Vec::new(),
                once: VecDeque::new(),
                always: None,
            })),
        }
    }
}

impl<C: Clone> Calls<C> {
    /// The calls made until now.
    #[must_use]
    pub fn made(&self) -> Vec<C> {
        lock(&self.inner).made.clone()
    }

    /// How many calls were made until now.
    #[must_use]
    pub fn count(&self) -> usize {
        lock(&self.inner).made.len()
    }

    /// Lets the next call fail; several are used up in order.
    pub fn fail_once(&self, failure: SourceFailure) {
        lock(&self.inner).once.push_back(failure);
    }

    /// Lets every call fail from now on, or none with `None`.
    pub fn fail_always(&self, failure: Option<SourceFailure>) {
        lock(&self.inner).always = failure;
    }

    /// Records a call, and gives the failure that is due.
    pub(super) fn record(&self, call: C) -> Result<(), SourceFailure> {
        let mut inner = lock(&self.inner);
        inner.made.push(call);
        let due = inner.once.pop_front().or_else(|| inner.always.clone());
        due.map_or(Ok(()), Err)
    }
}

/// A failure that may pass by itself, with words of its own.
#[must_use]
pub fn failure(source_kind: SourceKind, code: &'static str) -> SourceFailure {
    SourceFailure {
        source_kind,
        code,
        what: format!("the test asked for `{code}`"),
        mend: "ask the test".to_owned(),
        retryable: true,
        retry_after: None,
    }
}
