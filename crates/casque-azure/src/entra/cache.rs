//! What is kept of a token, and when it is served, renewed or not asked for again.
//!
//! A failure is remembered only as long as Entra ID said (`Retry-After`), or for [`RENEWAL_PAUSE`] when an
//! old token still serves: so that nobody waits for an early renewal that keeps failing.

use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use casque_core::{AccessToken, SourceFailure};
use casque_types::{ClientProof, EntraCredential, Seconds, Timestamp};

use super::Asked;
use crate::slots::Kept;

/// What a token was asked with; two askers with the same key get the same token.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct TokenKey {
    authority: String,
    scope: String,
    tenant: String,
    client: String,
    credential: Vec<u8>,
}

impl TokenKey {
    pub(super) fn of(asked: &Asked<'_>) -> Self {
        Self {
            authority: asked.cloud.authority().to_owned(),
            scope: asked.cloud.vault_scope().to_owned(),
            tenant: asked.tenant().to_owned(),
            client: asked.client().to_owned(),
            credential: fingerprint(asked.credential),
        }
    }
}

/// SHA-256 over the kind of proof and its bytes: who does not hold the credential does not share its token.
fn fingerprint(credential: &EntraCredential) -> Vec<u8> {
    let mut hash = Context::new(&SHA256);
    match &credential.proof {
        ClientProof::Secret(secret) => {
            hash.update(b"secret:");
            // Exposed to be hashed.
            hash.update(secret.expose());
        }
        ClientProof::Certificate {
            private_key,
            thumbprint,
        } => {
            hash.update(b"certificate:");
            hash.update(thumbprint.as_bytes());
            // Exposed to be hashed.
            hash.update(private_key.expose());
        }
    }
    hash.finish().as_ref().to_vec()
}

/// How much life a purpose wants in a token.
#[derive(Clone, Copy, Debug)]
pub(super) struct Need {
    /// With less left it is not served from the cache.
    least: Seconds,
    /// With less left it is renewed early.
    renew: Seconds,
}

impl Need {
    /// Used at once, for one request.
    pub(super) const VAULT: Self = Self {
        least: Seconds(30),
        renew: Seconds(300),
    };
    /// Handed out, and used later.
    pub(super) const WORKLOAD: Self = Self {
        least: Seconds(600),
        renew: Seconds(900),
    };
}

/// What is known of one key's token.
#[derive(Debug, Default)]
pub(super) struct TokenState {
    token: Option<Arc<AccessToken>>,
    /// What the last flight failed with, if it failed.
    failure: Option<SourceFailure>,
    /// Until when Entra ID is left alone, and why.
    quiet: Option<Quiet>,
    flights: u64,
}

#[derive(Debug)]
struct Quiet {
    until: Timestamp,
    failure: SourceFailure,
}

/// What to do for an asker.
#[derive(Debug)]
pub(super) enum Look {
    /// The token has enough life left.
    Serve(Arc<AccessToken>),
    /// The token still does, and should be renewed.
    Renew(Arc<AccessToken>),
    /// There is none that does.
    Fetch,
    /// There is none that does, and Entra ID is not to be asked now.
    Refuse(SourceFailure),
}

impl TokenState {
    /// How many times Entra ID was asked.
    pub(super) const fn flights(&self) -> u64 {
        self.flights
    }

    /// Forgets the token if it is known to be of no use.
    pub(super) fn forget_if(&mut self, is_refused: impl Fn(&AccessToken) -> bool) {
        self.token.take_if(|token| is_refused(token));
    }

    pub(super) fn look(&self, need: Need, now: Timestamp) -> Look {
        let quiet = self.quiet.as_ref().filter(|quiet| quiet.until > now);
        let usable = self.usable(need, now);
        match (usable, quiet) {
            (Some(token), None) if token.expires <= now.plus(need.renew) => Look::Renew(token),
            (Some(token), _) => Look::Serve(token),
            (None, Some(quiet)) if quiet.failure.retry_after.is_some() => {
                Look::Refuse(SourceFailure {
                    retry_after: Some(quiet.until.since(now)),
                    ..quiet.failure.clone()
                })
            }
            (None, _) => Look::Fetch,
        }
    }

    /// The outcome of a flight that landed since there were `flights`: it is the waiting asker's too.
    pub(super) fn landed_since(
        &self,
        flights: u64,
        now: Timestamp,
    ) -> Option<Result<Arc<AccessToken>, SourceFailure>> {
        if self.flights == flights {
            return None;
        }
        if let Some(failure) = &self.failure {
            return Some(Err(failure.clone()));
        }
        let token = self.token.as_ref()?;
        (token.expires > now).then(|| Ok(Arc::clone(token)))
    }

    /// Notes what a flight brought, and says what its asker gets: after a failure the old token, if it
    /// still does.
    pub(super) fn settle(
        &mut self,
        fetched: Result<Arc<AccessToken>, SourceFailure>,
        need: Need,
        now: Timestamp,
    ) -> Result<Arc<AccessToken>, SourceFailure> {
        self.flights = self.flights.wrapping_add(1);
        match fetched {
            Ok(token) => {
                self.token = Some(Arc::clone(&token));
                self.failure = None;
                self.quiet = None;
                Ok(token)
            }
            Err(failure) => {
                let span = failure.retry_after.unwrap_or(RENEWAL_PAUSE);
                self.quiet = Some(Quiet {
                    until: now.plus(span),
                    failure: failure.clone(),
                });
                if let Some(token) = self.usable(need, now) {
                    self.failure = None;
                    return Ok(token);
                }
                self.failure = Some(failure.clone());
                Err(failure)
            }
        }
    }

    fn usable(&self, need: Need, now: Timestamp) -> Option<Arc<AccessToken>> {
        let token = self.token.as_ref()?;
        (token.expires > now.plus(need.least)).then(|| Arc::clone(token))
    }
}

impl Kept for TokenState {
    fn kept_until(&self) -> Timestamp {
        let token = self.token.as_ref().map(|token| token.expires);
        let quiet = self.quiet.as_ref().map(|quiet| quiet.until);
        token.max(quiet).unwrap_or(Timestamp::from_unix_s(0))
    }
}

/// How long a failed early renewal is not tried again.
const RENEWAL_PAUSE: Seconds = Seconds(30);
