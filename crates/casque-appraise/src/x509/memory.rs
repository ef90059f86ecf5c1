//! What was verified, by digest: it costs once what it costs.
//!
//! Signatures hold for ever, dates do not: an entry answers only from the time at which it was made to the
//! earliest end of what it stands for. At any other time everything is verified again, which gives the error
//! too. Bounded: a full memory is emptied, never trusted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::signature::{ParsedPublicKey, VerificationAlgorithm};
use casque_types::{Digest, Timestamp};

use super::{Certificate, CertificateError, RevocationList, verify_chain};

/// A span of time, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// The first second.
    pub(crate) from: Timestamp,
    /// The last second.
    pub(crate) until: Timestamp,
}

impl Window {
    /// Whether `now` is in it.
    ///
    /// # Errors
    /// [`CertificateError::NotYetValid`], [`CertificateError::Expired`], of `subject`.
    pub(crate) fn expect(
        self,
        now: Timestamp,
        subject: impl FnOnce() -> String,
    ) -> Result<(), CertificateError> {
        let Self { from, until } = self;
        if now < from {
            let subject = subject();
            return Err(CertificateError::NotYetValid { subject, from, now });
        }
        if now > until {
            let subject = subject();
            return Err(CertificateError::Expired {
                subject,
                until,
                now,
            });
        }
        Ok(())
    }

    /// The time that lies in both.
    pub(crate) fn narrowed(self, other: Self) -> Self {
        Self {
            from: self.from.max(other.from),
            until: self.until.min(other.until),
        }
    }

    fn contains(self, now: Timestamp) -> bool {
        self.from <= now && now <= self.until
    }
}

/// Chains, revocation lists and keys that were verified or parsed, by digest.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    verified: Mutex<HashMap<Digest<32>, Window>>,
    keys: Mutex<HashMap<Digest<32>, Arc<ParsedPublicKey>>>,
    lists: Mutex<HashMap<Digest<32>, Arc<RevocationList>>>,
}

impl Memory {
    /// [`verify_chain`], remembered.
    ///
    /// # Errors
    /// As [`verify_chain`].
    pub(crate) fn chain(
        &self,
        chain: &[&Certificate],
        now: Timestamp,
    ) -> Result<Window, CertificateError> {
        let id = digest_of(b"chain", chain.iter().map(|one| one.digest()));
        self.once(id, now, || verify_chain(chain, now))
    }

    /// [`RevocationList::from_der`] and [`RevocationList::expect_issued_by`], remembered.
    ///
    /// # Errors
    /// As these.
    pub(crate) fn revocation_list(
        &self,
        der: &[u8],
        limit_bytes: usize,
        issuer: &Certificate,
        now: Timestamp,
    ) -> Result<Arc<RevocationList>, CertificateError> {
        super::expect_length(der, limit_bytes)?;
        let id = casque_types::sha256(der);
        let known = lock(&self.lists).get(&id).map(Arc::clone);
        let list = match known {
            Some(list) => list,
            None => Arc::new(RevocationList::from_der(der, limit_bytes)?),
        };
        let verified = digest_of(b"list", [&id, issuer.digest()]);
        self.once(verified, now, || list.expect_issued_by(issuer, now))?;
        insert(&self.lists, id, Arc::clone(&list));
        Ok(list)
    }

    /// The subject's key, parsed once for each certificate and `algorithm`, which `name` names: the same name,
    /// the same algorithm. Remembering proves nothing of the certificate.
    ///
    /// # Errors
    /// [`CertificateError::Key`].
    pub(crate) fn key(
        &self,
        certificate: &Certificate,
        name: &'static str,
        algorithm: &'static dyn VerificationAlgorithm,
    ) -> Result<Arc<ParsedPublicKey>, CertificateError> {
        let id = digest_of(name.as_bytes(), [certificate.digest()]);
        if let Some(key) = lock(&self.keys).get(&id) {
            return Ok(Arc::clone(key));
        }
        let key = Arc::new(certificate.public_key(algorithm)?);
        insert(&self.keys, id, Arc::clone(&key));
        Ok(key)
    }

    fn once(
        &self,
        id: Digest<32>,
        now: Timestamp,
        verify: impl FnOnce() -> Result<Window, CertificateError>,
    ) -> Result<Window, CertificateError> {
        if let Some(window) = lock(&self.verified).get(&id)
            && window.contains(now)
        {
            return Ok(*window);
        }
        let whole = verify()?;
        // A clock that went back finds nothing.
        let window = Window { from: now, ..whole };
        insert(&self.verified, id, window);
        Ok(window)
    }
}

/// What a panic elsewhere left is whole: entries are inserted at once.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn insert<T>(map: &Mutex<HashMap<Digest<32>, T>>, id: Digest<32>, value: T) {
    let mut map = lock(map);
    if map.len() >= MAX_ENTRIES && !map.contains_key(&id) {
        map.clear();
    }
    map.insert(id, value);
}

fn digest_of<'a>(kind: &[u8], parts: impl IntoIterator<Item = &'a Digest<32>>) -> Digest<32> {
    let mut context = Context::new(&SHA256);
    context.update(kind);
    context.update(&[0]);
    for part in parts {
        context.update(part.as_bytes());
    }
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    digest.into()
}

const MAX_ENTRIES: usize = 4096;
