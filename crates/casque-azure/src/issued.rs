//! Which cloud issued which token, so that a token is never sent to another cloud's host.
//!
//! The port hands a token from the token source to the vault source as a plain value. Here it is known
//! again by its place in memory: an entry holds a weak reference to the token, and as long as the entry
//! stands, no other token can have that place.

use std::collections::HashMap;
use std::ptr;
use std::sync::{Arc, Mutex, Weak};

use casque_core::AccessToken;

use crate::slots::lock;

/// The tokens that were issued and are still held by somebody.
#[derive(Debug, Default)]
pub(crate) struct Issued {
    by_place: Mutex<HashMap<usize, Entry>>,
}

#[derive(Debug)]
struct Entry {
    token: Weak<AccessToken>,
    cloud: Arc<str>,
    refused: bool,
}

impl Issued {
    /// Remembers that `cloud` issued `token`, and forgets the tokens that nobody holds any more.
    pub(crate) fn note(&self, token: &Arc<AccessToken>, cloud: Arc<str>) {
        let mut by_place = lock(&self.by_place);
        by_place.retain(|_, entry| entry.token.strong_count() > 0);
        let entry = Entry {
            token: Arc::downgrade(token),
            cloud,
            refused: false,
        };
        by_place.insert(place(token), entry);
    }

    /// The cloud that issued exactly this token.
    pub(crate) fn cloud_of(&self, token: &AccessToken) -> Option<Arc<str>> {
        let by_place = lock(&self.by_place);
        let entry = by_place.get(&place(token))?;
        ptr::eq(entry.token.as_ptr(), token).then(|| Arc::clone(&entry.cloud))
    }

    /// Remembers that a vault did not accept this token.
    pub(crate) fn note_refused(&self, token: &AccessToken) {
        if let Some(entry) = lock(&self.by_place).get_mut(&place(token)) {
            entry.refused = true;
        }
    }

    /// Whether a vault did not accept this token.
    pub(crate) fn was_refused(&self, token: &AccessToken) -> bool {
        lock(&self.by_place)
            .get(&place(token))
            .is_some_and(|entry| entry.refused)
    }
}

fn place(token: &AccessToken) -> usize {
    ptr::from_ref(token).addr()
}
