//! A store in memory, with the contract of `casque_core::Store` to the letter, and faults on request.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use casque_core::{
    AuditAction, AuditEvent, KeepError, Kept, KeptKey, KeptRevision, NewPolicy, Once, PolicyPage,
    PolicyRecord, PutError, Spending, Store, StoreError, VersionSummary,
};
use casque_types::{PolicyHash, PolicyName, Secret, SecretName, Timestamp};
use thiserror::Error;

use super::lock;

/// Policies, values, what is kept and spent, and the audit log in memory; "durable" means: in this memory.
#[derive(Clone, Debug, Default)]
pub struct MemStore(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    policies: BTreeMap<PolicyName, Vec<NewPolicy>>,
    kept: BTreeMap<(PolicyName, KeptKey), Kept>,
    spent: BTreeMap<String, Timestamp>,
    audit: Vec<AuditEvent>,
    calls: Vec<StoreOperation>,
    due: VecDeque<(StoreOperation, StoreFault)>,
    overtaking: Option<Secret>,
    down: bool,
}

/// What is asked of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StoreOperation {
    /// [`Store::head`]
    Head,
    /// [`Store::load`]
    Load,
    /// [`Store::values`]
    Values,
    /// [`Store::put`]
    Put,
    /// [`Store::append_audit`]
    AppendAudit,
    /// [`Store::history`]
    History,
    /// [`Store::list`]
    List,
    /// [`Store::spend`]
    Spend,
    /// [`Store::kept`]
    Kept,
    /// [`Store::keep`]
    Keep,
    /// [`Store::check`]
    Check,
}

/// How an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StoreFault {
    /// Nothing was read or written, and the caller learns that.
    Before,
    /// It was written, and the caller learns of a failure all the same: the connection broke, the process
    /// died. A read fails likewise.
    After,
    /// A record does not open. Nothing is written.
    Damaged,
}

/// The cause that faults on request give.
#[derive(Debug, Error)]
#[error("the test asked for it")]
struct OnRequest;

impl MemStore {
    /// Lets the next such operation fail; several are used up in order.
    pub fn fail_once(&self, operation: StoreOperation, fault: StoreFault) {
        lock(&self.0).due.push_back((operation, fault));
    }

    /// Lets another replica keep this value just before the next one is to be kept in the same place.
    pub fn overtake_keep(&self, value: Secret) {
        lock(&self.0).overtaking = Some(value);
    }

    /// Takes the store down, or brings it back: while it is down nothing is read or written.
    pub fn set_down(&self, down: bool) {
        lock(&self.0).down = down;
    }

    /// The audit log.
    #[must_use]
    pub fn audit(&self) -> Vec<AuditEvent> {
        lock(&self.0).audit.clone()
    }

    /// The releases on record.
    #[must_use]
    pub fn releases(&self) -> Vec<AuditEvent> {
        let mut audit = self.audit();
        audit.retain(|event| event.action == AuditAction::ConfigurationReleased);
        audit
    }

    /// How often this was asked of it.
    #[must_use]
    pub fn calls(&self, operation: StoreOperation) -> usize {
        let state = lock(&self.0);
        state
            .calls
            .iter()
            .filter(|call| **call == operation)
            .count()
    }

    /// How many versions of a policy there are.
    #[must_use]
    pub fn versions(&self, name: &PolicyName) -> usize {
        lock(&self.0).policies.get(name).map_or(0, Vec::len)
    }
}

impl State {
    /// Records the call; the fault that is due after the work, or the failure that is due before it.
    fn begin(&mut self, operation: StoreOperation) -> Result<Option<StoreFault>, StoreError> {
        self.calls.push(operation);
        if self.down {
            return Err(unavailable());
        }
        let position = self.due.iter().position(|(due, _)| *due == operation);
        match position.and_then(|position| self.due.remove(position)) {
            Some((_, StoreFault::Before)) => Err(unavailable()),
            Some((_, StoreFault::Damaged)) => Err(StoreError::Damaged {
                record: format!("{operation:?}"),
            }),
            Some((_, StoreFault::After)) => Ok(Some(StoreFault::After)),
            None => Ok(None),
        }
    }

    fn current(&self, name: &PolicyName) -> Option<PolicyHash> {
        let versions = self.policies.get(name)?;
        versions.last().map(|version| version.record.hash)
    }

    fn spend(&mut self, once: &Once, now: Timestamp) -> Spending {
        self.spent.retain(|_, until| *until >= now);
        if once.until() < now || self.spent.contains_key(once.what()) {
            return Spending::Spent;
        }
        self.spent.insert(once.what().to_owned(), once.until());
        Spending::Fresh
    }

    fn version(&self, name: &PolicyName, hash: &PolicyHash) -> Option<&NewPolicy> {
        let versions = self.policies.get(name)?;
        versions.iter().find(|version| version.record.hash == *hash)
    }
}

impl Store for MemStore {
    async fn head(&self, name: &PolicyName) -> Result<Option<PolicyHash>, StoreError> {
        let mut state = lock(&self.0);
        let fault = state.begin(StoreOperation::Head)?;
        end(fault)?;
        Ok(state.current(name))
    }

    async fn load(
        &self,
        name: &PolicyName,
        hash: &PolicyHash,
    ) -> Result<Option<PolicyRecord>, StoreError> {
        let mut state = lock(&self.0);
        let fault = state.begin(StoreOperation::Load)?;
        end(fault)?;
        Ok(state
            .version(name, hash)
            .map(|version| copy(&version.record)))
    }

    async fn values(
        &self,
        name: &PolicyName,
        hash: &PolicyHash,
        wanted: &[SecretName],
    ) -> Result<Vec<(SecretName, Secret)>, StoreError> {
        let mut state = lock(&self.0);
        let fault = state.begin(StoreOperation::Values)?;
        end(fault)?;
        let values = state
            .version(name, hash)
            .map_or(&[][..], |version| &version.values);
        Ok((values.iter())
            .filter(|(name, _)| wanted.contains(name))
            // the store keeps its own, as a database does
            .map(|(name, value)| (name.clone(), value.duplicate()))
            .collect())
    }

    async fn put(&self, new: NewPolicy, audit: AuditEvent) -> Result<(), PutError> {
        let mut state = lock(&self.0);
        let fault = state.begin(StoreOperation::Put)?;
        let current = state.current(&new.record.name);
        if current != new.record.predecessor || current == Some(new.record.hash) {
            return Err(PutError::Conflict { current });
        }
        let versions = state.policies.entry(new.record.name.clone()).or_default();
        versions.push(new);
        state.audit.push(audit);
        Ok(end(fault)?)
    }

    async fn append_audit(&self, event: AuditEvent) -> Result<(), StoreError> {
        let mut state = lock(&self.0);
        let fault = state.begin(StoreOperation::AppendAudit)?;
        state.audit.push(event);
        end(fault)
    }

    async fn history(&self, name: &PolicyName) -> Result<Vec<VersionSummary>, StoreError> {
        let mut state = lock(&self.0);
        let fault = state.begin(StoreOperation::History)?;
        end(fault)?;
        let versions = state.policies.get(name).map_or(&[][..], Vec::as_slice);
        Ok(versions.iter().map(summary).collect())
    }

    async fn list(&self, page: PolicyPage<'_>) -> Result<Vec<PolicyName>, StoreError> {
        let mut state = lock(&self.0);
        let fault = state.begin(StoreOperation::List)?;
        end(fault)?;
        Ok((state.policies.keys())
            .filter(|name| page.after.is_none_or(|after| *name > after))
            .filter(|name| page.under.is_none_or(|under| is_under(name, under)))
            .take(page.at_most)
            .cloned()
            .collect())
    }

    async fn spend(
        &self,
        once: Once,
        now: Timestamp,
        audit: Option<AuditEvent>,
    ) -> Result<Spending, StoreError> {
        let mut state = lock(&self.0);
        let fault = state.begin(StoreOperation::Spend)?;
        let spending = state.spend(&once, now);
        if spending == Spending::Fresh {
            state.audit.extend(audit);
        }
        end(fault)?;
        Ok(spending)
    }

    async fn kept(&self, policy: &PolicyName, key: &KeptKey) -> Result<Option<Kept>, StoreError> {
        let mut state = lock(&self.0);
        let fault = state.begin(StoreOperation::Kept)?;
        end(fault)?;
        let kept = state.kept.get(&(policy.clone(), key.clone()));
        Ok(kept.map(|kept| Kept {
            // the store keeps its own, as a database does
            value: kept.value.duplicate(),
            revision: kept.revision,
        }))
    }

    async fn keep(
        &self,
        policy: &PolicyName,
        key: &KeptKey,
        value: Secret,
        expected: Option<KeptRevision>,
        audit: Option<AuditEvent>,
    ) -> Result<KeptRevision, KeepError> {
        let mut state = lock(&self.0);
        let fault = state.begin(StoreOperation::Keep)?;
        let found_bytes = value.len();
        if found_bytes > Kept::MAX_VALUE_BYTES {
            return Err(KeepError::TooLong { found_bytes });
        }
        let id = (policy.clone(), key.clone());
        if let Some(value) = state.overtaking.take() {
            let revision = KeptRevision::after(state.kept.get(&id).map(|kept| kept.revision));
            state.kept.insert(id.clone(), Kept { value, revision });
        }
        let current = state.kept.get(&id).map(|kept| kept.revision);
        if current != expected {
            return Err(KeepError::Conflict { current });
        }
        let revision = KeptRevision::after(current);
        state.kept.insert(id, Kept { value, revision });
        state.audit.extend(audit);
        end(fault)?;
        Ok(revision)
    }

    async fn check(&self) -> Result<(), StoreError> {
        let fault = lock(&self.0).begin(StoreOperation::Check)?;
        end(fault)
    }
}

fn end(fault: Option<StoreFault>) -> Result<(), StoreError> {
    match fault {
        Some(_) => Err(unavailable()),
        None => Ok(()),
    }
}

fn unavailable() -> StoreError {
    StoreError::Unavailable {
        source: Box::new(OnRequest),
    }
}

fn is_under(name: &PolicyName, under: &PolicyName) -> bool {
    let ancestors = std::iter::successors(name.parent(), PolicyName::parent);
    ancestors.into_iter().any(|ancestor| ancestor == *under)
}

fn summary(version: &NewPolicy) -> VersionSummary {
    VersionSummary {
        hash: version.record.hash,
        predecessor: version.record.predecessor,
        created: version.record.created,
    }
}

fn copy(record: &PolicyRecord) -> PolicyRecord {
    PolicyRecord {
        name: record.name.clone(),
        hash: record.hash,
        predecessor: record.predecessor,
        creator: record.creator,
        // the store keeps its own, as a database does
        text: record.text.duplicate(),
        created: record.created,
    }
}
