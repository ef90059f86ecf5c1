//! One group of operations, written in one transaction.
//!
//! 1. Each operation is written over what those before it in the group have written; a version inside a
//!    savepoint, so that one that fails leaves nothing and spoils nothing.
//! 2. The state that fits is written, and the transaction committed: one sync for all.
//! 3. Memory (state, heads) follows. If anything but a single operation failed, it is read again from the
//!    database before the next group, since a commit that reported an error may or may not have happened.

use std::collections::HashMap;
use std::sync::Arc;

use casque_core::{AuditEvent, NewPolicy, PutError};
use casque_types::{PolicyName, Rng};
use rusqlite::{Connection, Savepoint, Transaction, TransactionBehavior};

use crate::audit;
use crate::error::Failure;
use crate::heads::{Head, Heads, load_heads, store_head};
use crate::namespace_keys::{NamespaceKeys, namespace_of};
use crate::record::Generation;
use crate::state::{State, StateKey};
use crate::versions::Sealer;

/// What is to be written.
#[derive(Debug)]
pub(crate) enum Request {
    /// A version with its values and its audit record.
    Put(Box<NewPolicy>, AuditEvent),
    /// An audit record.
    Append(AuditEvent),
}

/// What became of one request of a group that was committed.
pub(crate) type Outcome = Result<(), PutError>;

/// What the writing side shares with the reading side, and what both need.
pub(crate) struct Shared {
    /// The current versions.
    pub(crate) heads: Heads,
    /// The namespace keys.
    pub(crate) keys: NamespaceKeys,
    /// Authenticates the state.
    pub(crate) state_key: StateKey,
    /// For nonces and namespace keys.
    pub(crate) rng: Arc<dyn Rng>,
}

/// The one place that changes the database.
pub(crate) struct GroupWriter {
    connection: Connection,
    shared: Arc<Shared>,
    memory: Memory,
}

/// Whether memory says what the database says.
enum Memory {
    Current(State),
    Unsure,
}

impl GroupWriter {
    /// Reads state and heads, and refuses heads that do not fit the state.
    pub(crate) fn open(connection: Connection, shared: Arc<Shared>) -> Result<Self, Failure> {
        let mut writer = Self {
            connection,
            shared,
            memory: Memory::Unsure,
        };
        writer.current_state()?;
        Ok(writer)
    }

    /// Writes a group.
    ///
    /// # Errors
    /// The group was not committed: nothing of it is on record, or nobody knows.
    pub(crate) fn write(&mut self, group: &[Request]) -> Result<Vec<Outcome>, Failure> {
        let state = self.current_state()?;
        self.memory = Memory::Unsure;
        let shared = Arc::clone(&self.shared);
        let mut transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut draft = Draft {
            shared: &shared,
            state,
            heads: HashMap::new(),
        };
        let outcomes = draft.write_all(&mut transaction, group)?;
        shared.state_key.store(&transaction, &draft.state)?;
        transaction.commit()?;
        self.memory = Memory::Current(draft.state);
        shared.heads.change(draft.heads);
        Ok(outcomes)
    }

    fn current_state(&mut self) -> Result<State, Failure> {
        if let Memory::Current(state) = self.memory {
            return Ok(state);
        }
        let transaction = self.connection.transaction()?;
        let state = self.shared.state_key.load(&transaction)?;
        let heads = load_heads(&transaction)?;
        transaction.finish()?;
        if self.shared.state_key.digest(&heads)? != state.heads {
            return Err(Failure::Damaged {
                record: "heads".to_owned(),
            });
        }
        self.shared.heads.replace(heads);
        self.memory = Memory::Current(state);
        Ok(state)
    }
}

/// What memory will be once the transaction is committed.
struct Draft<'a> {
    shared: &'a Shared,
    state: State,
    heads: HashMap<PolicyName, Head>,
}

impl Draft<'_> {
    fn write_all(
        &mut self,
        transaction: &mut Transaction<'_>,
        group: &[Request],
    ) -> Result<Vec<Outcome>, Failure> {
        let mut outcomes = Vec::with_capacity(group.len());
        for request in group {
            let outcome = self.write_one(transaction, request);
            // The database gave up the whole transaction: what is written next would stand alone.
            if transaction.is_autocommit() {
                return Err(Failure::RolledBack);
            }
            outcomes.push(outcome);
        }
        Ok(outcomes)
    }

    fn write_one(&mut self, transaction: &mut Transaction<'_>, request: &Request) -> Outcome {
        match request {
            Request::Append(event) => {
                self.state.audit = audit::append(transaction, &self.state.audit, event)?;
                Ok(())
            }
            Request::Put(new, event) => {
                let from = self.current_head(new)?;
                let savepoint = transaction.savepoint().map_err(Failure::from)?;
                let (state, to) = self.put(&savepoint, new, event, from.as_ref())?;
                savepoint.commit().map_err(Failure::from)?;
                self.state = state;
                self.heads.insert(new.record.name.clone(), to);
                Ok(())
            }
        }
    }

    /// Compare: the head that the new version is to follow.
    fn current_head(&self, new: &NewPolicy) -> Result<Option<Head>, PutError> {
        let name = &new.record.name;
        let head = self.heads.get(name).copied();
        let head = head.or_else(|| self.shared.heads.find(name));
        let current = head.map(|head| head.hash);
        if current == new.record.predecessor && current != Some(new.record.hash) {
            Ok(head)
        } else {
            Err(PutError::Conflict { current })
        }
    }

    /// Set: the rows of the new version.
    fn put(
        &self,
        savepoint: &Savepoint<'_>,
        new: &NewPolicy,
        event: &AuditEvent,
        from: Option<&Head>,
    ) -> Result<(State, Head), Failure> {
        let (record, shared) = (&new.record, self.shared);
        let generation = Generation(self.state.generation.0.saturating_add(1));
        let rng = shared.rng.as_ref();
        let namespace = namespace_of(&record.name);
        let sealer = Sealer {
            key: &shared.keys.current(savepoint, namespace, generation, rng)?,
            generation,
            rng,
        };
        sealer.insert_policy(savepoint, record)?;
        for (secret, value) in &new.values {
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
            audit: audit::append(savepoint, &self.state.audit, event)?,
            heads: key.moved(self.state.heads, &record.name, from, &to)?,
        };
        Ok((state, to))
    }
}

#[cfg(test)]
mod tests;
