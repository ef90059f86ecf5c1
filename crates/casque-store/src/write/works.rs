//! The operations: what each one compares, and what it writes.
//!
//! One that writes several rows does so inside a savepoint, and changes the draft once that is kept: one that fails
//! leaves nothing and spoils nothing.

use casque_core::{
    AuditEvent, KeepError, KeptRevision, NewPolicy, Once, PutError, Spending, StoreError,
};
use casque_types::{Secret, Timestamp};
use rusqlite::{Connection, Savepoint, Transaction};

use super::{Draft, Work};
use crate::audit::{self, AuditHead};
use crate::error::Failure;
use crate::heads::{Head, store_head};
use crate::kept::{KeptHead, KeptId, store_kept};
use crate::namespace_keys::namespace_of;
use crate::record::Generation;
use crate::spent::{self, Inserted};
use crate::state::State;
use crate::versions::Sealer;

/// A version with its values and its audit record.
#[derive(Debug)]
pub(crate) struct Put {
    /// The version.
    pub(crate) new: NewPolicy,
    /// Its record.
    pub(crate) audit: AuditEvent,
}

impl Work for Put {
    type Done = ();
    type Refusal = PutError;

    fn write(
        &self,
        draft: &mut Draft<'_>,
        transaction: &mut Transaction<'_>,
    ) -> Result<(), PutError> {
        let from = self.current_head(draft)?;
        let savepoint = transaction.savepoint().map_err(Failure::from)?;
        let (state, to) = self.insert(draft, &savepoint, from.as_ref())?;
        savepoint.commit().map_err(Failure::from)?;
        draft.state = state;
        draft.heads.insert(self.new.record.name.clone(), to);
        Ok(())
    }
}

impl Put {
    /// Compare: the head that the new version is to follow.
    fn current_head(&self, draft: &Draft<'_>) -> Result<Option<Head>, PutError> {
        let record = &self.new.record;
        let head = draft.head(&record.name);
        let current = head.map(|head| head.hash);
        if current == record.predecessor && current != Some(record.hash) {
            Ok(head)
        } else {
            Err(PutError::Conflict { current })
        }
    }

    /// Set: the rows of the new version.
    fn insert(
        &self,
        draft: &Draft<'_>,
        savepoint: &Savepoint<'_>,
        from: Option<&Head>,
    ) -> Result<(State, Head), Failure> {
        let (record, shared) = (&self.new.record, draft.shared);
        let generation = Generation(draft.state.generation.0.saturating_add(1));
        let rng = shared.rng.as_ref();
        let namespace = namespace_of(&record.name);
        let sealer = Sealer {
            key: &shared.keys.current(savepoint, namespace, generation, rng)?,
            generation,
            rng,
        };
        sealer.insert_policy(savepoint, record)?;
        for (secret, value) in &self.new.values {
            sealer.insert_value(savepoint, record, secret, value)?;
        }
        let to = Head {
            hash: record.hash,
            generation,
        };
        store_head(savepoint, &record.name, &to)?;
        let key = &shared.state_key;
        let state = State {
            generation,
            audit: audit::append(savepoint, &draft.state.audit, &self.audit)?,
            heads: key.moved(draft.state.heads, &record.name, from, &to)?,
            ..draft.state
        };
        Ok((state, to))
    }
}

/// An audit record.
#[derive(Debug)]
pub(crate) struct Append(pub(crate) AuditEvent);

impl Work for Append {
    type Done = ();
    type Refusal = StoreError;

    fn write(
        &self,
        draft: &mut Draft<'_>,
        transaction: &mut Transaction<'_>,
    ) -> Result<(), StoreError> {
        draft.state.audit = audit::append(transaction, &draft.state.audit, &self.0)?;
        Ok(())
    }
}

/// The use of something that may be used once.
#[derive(Debug)]
pub(crate) struct Spend {
    /// What is used.
    pub(crate) once: Once,
    /// What is over before it is forgotten.
    pub(crate) now: Timestamp,
    /// The record of the use.
    pub(crate) audit: Option<AuditEvent>,
}

impl Work for Spend {
    type Done = Spending;
    type Refusal = StoreError;

    fn write(
        &self,
        draft: &mut Draft<'_>,
        transaction: &mut Transaction<'_>,
    ) -> Result<Spending, StoreError> {
        if self.once.until() < self.now {
            return Ok(Spending::Spent);
        }
        let savepoint = transaction.savepoint().map_err(Failure::from)?;
        let (state, spending) = self.insert(draft, &savepoint)?;
        savepoint.commit().map_err(Failure::from)?;
        draft.state = state;
        Ok(spending)
    }
}

impl Spend {
    fn insert(
        &self,
        draft: &Draft<'_>,
        savepoint: &Savepoint<'_>,
    ) -> Result<(State, Spending), Failure> {
        let key = &draft.shared.state_key;
        let mut state = draft.state;
        spent::remove_expired(savepoint, key, self.now, &mut state.spent)?;
        match spent::insert(savepoint, key, &self.once, &mut state.spent)? {
            Inserted::Known => Ok((state, Spending::Spent)),
            Inserted::New => {
                state.audit = append_if_any(savepoint, &state.audit, self.audit.as_ref())?;
                Ok((state, Spending::Fresh))
            }
        }
    }
}

/// A value that is kept for a policy.
#[derive(Debug)]
pub(crate) struct Keep {
    /// Which.
    pub(crate) id: KeptId,
    /// The value.
    pub(crate) value: Secret,
    /// The revision that it replaces.
    pub(crate) expected: Option<KeptRevision>,
    /// The record of it.
    pub(crate) audit: Option<AuditEvent>,
}

impl Work for Keep {
    type Done = KeptRevision;
    type Refusal = KeepError;

    fn write(
        &self,
        draft: &mut Draft<'_>,
        transaction: &mut Transaction<'_>,
    ) -> Result<KeptRevision, KeepError> {
        let from = draft.kept_head(&self.id);
        let current = from.map(|head| head.revision);
        if current != self.expected {
            return Err(KeepError::Conflict { current });
        }
        let savepoint = transaction.savepoint().map_err(Failure::from)?;
        let (state, to) = self.replace(draft, &savepoint, from.as_ref())?;
        savepoint.commit().map_err(Failure::from)?;
        draft.state = state;
        draft.kept.insert(self.id.clone(), to);
        Ok(to.revision)
    }
}

impl Keep {
    fn replace(
        &self,
        draft: &Draft<'_>,
        savepoint: &Savepoint<'_>,
        from: Option<&KeptHead>,
    ) -> Result<(State, KeptHead), Failure> {
        let (shared, mut state) = (draft.shared, draft.state);
        let rng = shared.rng.as_ref();
        let to = KeptHead {
            revision: KeptRevision::after(from.map(|head| head.revision)),
            generation: state.generation,
        };
        let namespace = namespace_of(&self.id.policy);
        let key = shared
            .keys
            .current(savepoint, namespace, to.generation, rng)?;
        store_kept(savepoint, &key, (&self.id, &to), &self.value, rng)?;
        if let Some(from) = from {
            state.kept.toggle(&shared.state_key.kept(&self.id, from)?);
        }
        state.kept.toggle(&shared.state_key.kept(&self.id, &to)?);
        state.audit = append_if_any(savepoint, &state.audit, self.audit.as_ref())?;
        Ok((state, to))
    }
}

fn append_if_any(
    connection: &Connection,
    last: &AuditHead,
    event: Option<&AuditEvent>,
) -> Result<AuditHead, Failure> {
    event.map_or(Ok(*last), |event| audit::append(connection, last, event))
}
