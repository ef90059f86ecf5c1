//! One group of operations, written in one transaction.
//!
//! 1. Each operation is written over what those before it in the group have written; one of several rows
//!    inside a savepoint, so that one that fails leaves nothing and spoils nothing (`works.rs`).
//! 2. The state that fits is written, and the transaction committed: one sync for all.
//! 3. Memory (state, heads) follows. If anything but a single operation failed, it is read again from the
//!    database before the next group, since a commit that reported an error may or may not have happened.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use casque_core::StoreError;
use casque_types::{PolicyName, Rng};
use rusqlite::{Connection, Transaction, TransactionBehavior};

pub(crate) use self::works::{Append, Keep, Put, Spend};
use crate::error::{Failure, NotCommitted};
use crate::heads::{Head, Heads, load_heads};
use crate::kept::{KeptHead, KeptHeads, KeptId, load_kept_heads};
use crate::namespace_keys::NamespaceKeys;
use crate::spent;
use crate::state::{State, StateKey};

mod works;

/// What is to be written for one caller.
pub(crate) trait Work: Send + 'static {
    /// What the caller learns when it is written.
    type Done: Send + 'static;
    /// What the caller learns when it is not.
    type Refusal: From<StoreError> + Send + 'static;

    /// Writes it over the draft. When it fails, the draft is as before.
    fn write(
        &self,
        draft: &mut Draft<'_>,
        transaction: &mut Transaction<'_>,
    ) -> Result<Self::Done, Self::Refusal>;
}

/// A work with its caller.
pub(crate) trait Queued: Send {
    /// Writes it, and keeps the outcome until the group is committed.
    fn write(&mut self, draft: &mut Draft<'_>, transaction: &mut Transaction<'_>);

    /// Answers with the outcome, or with the failure of the group.
    fn answer(self: Box<Self>, committed: Result<(), NotCommitted>);
}

/// What the writing side shares with the reading side, and what both need.
pub(crate) struct Shared {
    /// The current versions.
    pub(crate) heads: Heads,
    /// The current revisions of what is kept.
    pub(crate) kept: KeptHeads,
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
    /// Reads state, heads and what is spent, and refuses what does not fit the state.
    pub(crate) fn open(connection: Connection, shared: Arc<Shared>) -> Result<Self, Failure> {
        let mut writer = Self {
            connection,
            shared,
            memory: Memory::Unsure,
        };
        writer.current_state()?;
        Ok(writer)
    }

    /// Writes a group; its callers are to be answered with the result.
    ///
    /// # Errors
    /// The group was not committed: nothing of it is on record, or nobody knows.
    pub(crate) fn write(&mut self, group: &mut [Box<dyn Queued>]) -> Result<(), Failure> {
        let state = self.current_state()?;
        self.memory = Memory::Unsure;
        let shared = Arc::clone(&self.shared);
        let mut transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut draft = Draft::over(&shared, state);
        draft.write_all(&mut transaction, group)?;
        shared.state_key.store(&transaction, &draft.state)?;
        transaction.commit()?;
        self.memory = Memory::Current(draft.state);
        shared.heads.change(draft.heads);
        shared.kept.change(draft.kept);
        Ok(())
    }

    fn current_state(&mut self) -> Result<State, Failure> {
        if let Memory::Current(state) = self.memory {
            return Ok(state);
        }
        let found = Found::load(&mut self.connection, &self.shared.state_key)?;
        self.shared.heads.replace(found.heads);
        self.shared.kept.replace(found.kept);
        self.memory = Memory::Current(found.state);
        Ok(found.state)
    }
}

/// What the database holds of what is to be in memory.
struct Found {
    state: State,
    heads: BTreeMap<PolicyName, Head>,
    kept: HashMap<KeptId, KeptHead>,
}

impl Found {
    /// Reads it in one transaction, and refuses what does not fit the state.
    fn load(connection: &mut Connection, key: &StateKey) -> Result<Self, Failure> {
        let transaction = connection.transaction()?;
        let state = key.load(&transaction)?;
        let heads = load_heads(&transaction)?;
        let (kept, kept_digest) = load_kept_heads(&transaction, key)?;
        let spent_digest = spent::digest(&transaction, key)?;
        transaction.finish()?;
        let table = [
            ("heads", key.digest(&heads)?, state.heads),
            ("kept", kept_digest, state.kept),
            ("spent", spent_digest, state.spent),
        ];
        match table.iter().find(|(_, found, stated)| found != stated) {
            None => Ok(Self { state, heads, kept }),
            Some((table, ..)) => Err(Failure::Damaged {
                record: (*table).to_owned(),
            }),
        }
    }
}

/// What memory will be once the transaction is committed.
pub(crate) struct Draft<'a> {
    shared: &'a Shared,
    state: State,
    heads: HashMap<PolicyName, Head>,
    kept: HashMap<KeptId, KeptHead>,
}

impl<'a> Draft<'a> {
    fn over(shared: &'a Shared, state: State) -> Self {
        Self {
            shared,
            state,
            heads: HashMap::new(),
            kept: HashMap::new(),
        }
    }

    fn write_all(
        &mut self,
        transaction: &mut Transaction<'_>,
        group: &mut [Box<dyn Queued>],
    ) -> Result<(), Failure> {
        for operation in group {
            operation.write(self, transaction);
            // The database gave up the whole transaction: what is written next would stand alone.
            if transaction.is_autocommit() {
                return Err(Failure::RolledBack);
            }
        }
        Ok(())
    }

    fn head(&self, name: &PolicyName) -> Option<Head> {
        let head = self.heads.get(name).copied();
        head.or_else(|| self.shared.heads.find(name))
    }

    fn kept_head(&self, id: &KeptId) -> Option<KeptHead> {
        let head = self.kept.get(id).copied();
        head.or_else(|| self.shared.kept.find(id))
    }
}

#[cfg(test)]
mod tests;
