//! For whom, when, how far and how deep values are resolved.

use casque_types::Timestamp;

use crate::ResolveError;

/// For whom, when, how far and how deep values are resolved.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'c> {
    pub(crate) now: Timestamp,
    /// The measurement that was attested, once it was: what `self::software_identity` says.
    pub(crate) software_identity: Option<&'c str>,
    /// Who may be asked.
    pub(crate) reach: Reach,
    /// Whether a token is being signed around what is resolved.
    pub(crate) place: Place,
    /// How many policies, and values of them, were followed.
    depth: usize,
}

/// Who may be asked for a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reach {
    /// Nobody but the store: for those who proved nothing yet, so that no stranger makes this server call
    /// others.
    Store,
    /// Azure too, but no other CAS: for a CAS that asks us, or two could wait for each other.
    Azure,
    /// Other CASes too.
    Others,
}

/// Where a value goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Anywhere,
    /// Into a claim of a token. Tokens within tokens would let a short policy ask for very many signatures.
    Claim,
}

impl<'c> Context<'c> {
    /// For a caller who was let.
    pub(crate) const fn at(now: Timestamp) -> Self {
        Self {
            now,
            software_identity: None,
            reach: Reach::Others,
            place: Place::Anywhere,
            depth: 0,
        }
    }

    /// For somebody who has proved nothing yet.
    pub(crate) const fn of_stranger(now: Timestamp) -> Self {
        Self {
            reach: Reach::Store,
            ..Self::at(now)
        }
    }

    /// For another CAS.
    pub(crate) const fn of_export(now: Timestamp) -> Self {
        Self {
            reach: Reach::Azure,
            ..Self::at(now)
        }
    }

    /// Within a release.
    pub(crate) const fn of_release(now: Timestamp, software_identity: &'c str) -> Self {
        Self {
            software_identity: Some(software_identity),
            ..Self::at(now)
        }
    }

    /// Within a claim of a token.
    pub(crate) const fn in_claim(self) -> Self {
        Self {
            place: Place::Claim,
            ..self
        }
    }

    /// One policy, or one value, further on.
    pub(crate) fn deeper(self) -> Result<Self, ResolveError> {
        if self.depth >= MOST_DEPTH {
            return Err(ResolveError::TooDeep);
        }
        Ok(Self {
            depth: self.depth.saturating_add(1),
            ..self
        })
    }

    /// Whether somebody may be asked.
    pub(crate) fn expect(self, reach: Reach) -> Result<(), ResolveError> {
        if self.reach >= reach {
            return Ok(());
        }
        Err(match self.reach {
            Reach::Azure => ResolveError::RemoteChain,
            Reach::Store | Reach::Others => ResolveError::OutOfReach,
        })
    }
}

/// How many policies and values are followed from one to the next; a circle ends here.
const MOST_DEPTH: usize = 16;
