//! What was verified of quotes, so that the next quote of the same platform in the same state costs one signature.
//!
//! The key is SHA-256 over the digest of the set of endorsements and all bytes of the quote but its report data and
//! its signature. Under that key stands what the verifier found, good from the time of verification until the first
//! document or certificate ends. A quote that is found has, by then, everything verified but the signature of the
//! attestation key over header and body; the memory verifies that itself.
//!
//! Why it never changes an answer:
//!
//! - Only verdicts are kept, no refusals. What the verifier judges beside the signature is a function of the bytes
//!   under the key, of the root, which is the same for a whole memory, and of the time; and every document and
//!   certificate is in force in one unbroken span. In force at two times, they are at all times between.
//! - The end is left out of the span: a revocation list ends with the second that the others still count.
//! - A digest of endorsements is kept for an `Arc` that is the same allocation, held by a `Weak`: the allocation
//!   cannot be reused, and what is in it cannot be changed, since `Arc::get_mut` fails while a `Weak` is there.
//!
//! A poisoned lock is no danger: each entry is written in one step.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use casque_types::{Digest, Timestamp};

use super::dcap::Verified;
use super::error::QuoteAppraiseError;
use super::quote::Parts;
use crate::IntelEndorsements;

/// What was verified, by digest; bounded.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    quotes: HashMap<Key, Remembered>,
    /// The keys, oldest first.
    order: VecDeque<Key>,
    sets: VecDeque<(Weak<IntelEndorsements>, Digest<32>)>,
}

/// Of a quote without its report data and signature, with the endorsements it was judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key(Digest<32>);

#[derive(Debug)]
struct Remembered {
    from: Timestamp,
    verified: Verified,
}

impl Memory {
    /// The key of a quote.
    pub(super) fn key(&self, quote: &Parts<'_>, endorsements: &Arc<IntelEndorsements>) -> Key {
        let mut context = Context::new(&SHA256);
        context.update(self.digest_of(endorsements).as_bytes());
        for part in quote.lasting {
            context.update(part);
        }
        Key(finish(context))
    }

    /// What was verified under this key, if it holds now, and the quote's signature fits.
    ///
    /// # Errors
    /// [`QuoteAppraiseError::QuoteSignature`]: it does not.
    pub(super) fn recall(
        &self,
        key: Key,
        quote: &Parts<'_>,
        now: Timestamp,
    ) -> Result<Option<Verified>, QuoteAppraiseError> {
        let Some(verified) = self.held().recall(key, now) else {
            return Ok(None);
        };
        verify_signature(quote)?;
        Ok(Some(verified))
    }

    /// Keeps what was verified.
    pub(super) fn remember(&self, key: Key, verified: &Verified, now: Timestamp) {
        self.held().remember(key, verified, now);
    }

    fn digest_of(&self, endorsements: &Arc<IntelEndorsements>) -> Digest<32> {
        if let Some(known) = self.held().digest_of(endorsements) {
            return known;
        }
        let digest = digest(endorsements);
        self.held().keep_set(endorsements, digest);
        digest
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn recall(&self, key: Key, now: Timestamp) -> Option<Verified> {
        let found = self.quotes.get(&key)?;
        let holds = found.from <= now && now < found.verified.valid_until;
        holds.then(|| found.verified.clone())
    }

    fn remember(&mut self, key: Key, verified: &Verified, now: Timestamp) {
        let verified = verified.clone();
        if let Some(found) = self.quotes.get_mut(&key) {
            let from = found.from.min(now);
            *found = Remembered { from, verified };
            return;
        }
        if self.quotes.len() >= MAX_QUOTES
            && let Some(oldest) = self.order.pop_front()
        {
            self.quotes.remove(&oldest);
        }
        self.order.push_back(key);
        let from = now;
        self.quotes.insert(key, Remembered { from, verified });
    }

    fn digest_of(&self, endorsements: &Arc<IntelEndorsements>) -> Option<Digest<32>> {
        let is_same = |known: &Weak<IntelEndorsements>| {
            std::ptr::eq(known.as_ptr(), Arc::as_ptr(endorsements))
        };
        let found = self.sets.iter().find(|(known, _)| is_same(known));
        found.map(|(_, digest)| *digest)
    }

    fn keep_set(&mut self, endorsements: &Arc<IntelEndorsements>, digest: Digest<32>) {
        self.sets.retain(|(known, _)| known.strong_count() > 0);
        if self.sets.len() >= MAX_SETS {
            self.sets.pop_front();
        }
        self.sets.push_back((Arc::downgrade(endorsements), digest));
    }
}

/// ECDSA over P-256 with SHA-256 (FIPS 186-5), `r` and `s` of 32 bytes.
fn verify_signature(quote: &Parts<'_>) -> Result<(), QuoteAppraiseError> {
    let mut point = [UNCOMPRESSED; 65];
    let [_, coordinates @ ..] = &mut point;
    coordinates.copy_from_slice(quote.attestation_key);
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
        .verify(quote.signed, quote.signature)
        .map_err(|_| QuoteAppraiseError::QuoteSignature)
}

/// Over each part with its length, in a fixed order.
fn digest(endorsements: &IntelEndorsements) -> Digest<32> {
    let IntelEndorsements {
        tcb_info_issuer_chain,
        tcb_info,
        tcb_info_signature,
        qe_identity_issuer_chain,
        qe_identity,
        qe_identity_signature,
        pck_crl_issuer_chain,
        pck_crl,
        root_ca_crl,
    } = endorsements;
    let parts: [&[u8]; 9] = [
        tcb_info_issuer_chain.as_bytes(),
        tcb_info.as_bytes(),
        tcb_info_signature,
        qe_identity_issuer_chain.as_bytes(),
        qe_identity.as_bytes(),
        qe_identity_signature,
        pck_crl_issuer_chain.as_bytes(),
        pck_crl,
        root_ca_crl,
    ];
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&part.len().to_le_bytes());
        context.update(part);
    }
    finish(context)
}

fn finish(context: Context) -> Digest<32> {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    Digest::from(bytes)
}

/// About half a mebibyte.
const MAX_QUOTES: usize = 2048;
const MAX_SETS: usize = 64;
const UNCOMPRESSED: u8 = 4;

#[cfg(test)]
mod tests;
