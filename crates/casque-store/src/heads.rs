//! The current version of every policy, in memory, in the order of their names.
//!
//! Filled when the store is opened, changed by the writer after each commit. The database's copy is checked
//! against an authenticated digest when it is read (`state.rs`), and never asked again.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::str::FromStr;
use std::sync::{PoisonError, RwLock};

use casque_core::PolicyPage;
use casque_types::{PolicyHash, PolicyName};
use rusqlite::{Connection, params};

use crate::error::Failure;
use crate::record::Generation;
use crate::sql::{signed, unsigned};

/// A current version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Its hash.
    pub(crate) hash: PolicyHash,
    /// When it was put.
    pub(crate) generation: Generation,
}

/// The current versions.
#[derive(Debug, Default)]
pub(crate) struct Heads(RwLock<BTreeMap<PolicyName, Head>>);

impl Heads {
    /// The current version of one policy.
    pub(crate) fn find(&self, name: &PolicyName) -> Option<Head> {
        let heads = self.0.read().unwrap_or_else(PoisonError::into_inner);
        heads.get(name).copied()
    }

    /// The names of a page; its time does not grow with the policies that are not on it.
    pub(crate) fn list(&self, page: &PolicyPage<'_>) -> Vec<PolicyName> {
        let Some(first) = first_of(page) else {
            return Vec::new();
        };
        let heads = self.0.read().unwrap_or_else(PoisonError::into_inner);
        heads
            .range((first, Bound::Unbounded))
            .map(|(name, _)| name)
            .take_while(|name| page.under.is_none_or(|under| is_under(name, under)))
            .take(page.at_most)
            .cloned()
            .collect()
    }

    /// Sets the heads that a commit has changed.
    pub(crate) fn change(&self, changed: impl IntoIterator<Item = (PolicyName, Head)>) {
        let mut heads = self.0.write().unwrap_or_else(PoisonError::into_inner);
        heads.extend(changed);
    }

    /// Sets all heads.
    pub(crate) fn replace(&self, all: BTreeMap<PolicyName, Head>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = all;
    }
}

/// Where a page begins; `None` when no name can stand on it.
fn first_of(page: &PolicyPage<'_>) -> Option<Bound<PolicyName>> {
    let after = page.after.cloned();
    let Some(under) = page.under else {
        return Some(after.map_or(Bound::Unbounded, Bound::Excluded));
    };
    // The names under `a` stand together, behind `a-b` and `a.b`; a name as deep as names can be has none.
    let lowest = PolicyName::from_str(&format!("{under}/{LOWEST_SEGMENT}")).ok()?;
    Some(match after {
        Some(after) if after >= lowest => Bound::Excluded(after),
        _ => Bound::Included(lowest),
    })
}

fn is_under(name: &PolicyName, under: &PolicyName) -> bool {
    let rest = name.as_str().strip_prefix(under.as_str());
    rest.is_some_and(|rest| rest.starts_with('/'))
}

/// All heads as the database has them.
pub(crate) fn load_heads(connection: &Connection) -> Result<BTreeMap<PolicyName, Head>, Failure> {
    let damaged = || "heads".to_owned();
    let mut heads = BTreeMap::new();
    let mut statement = connection.prepare(SELECT)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let read = |error| Failure::of_read(error, damaged);
        let name: String = row.get(0).map_err(read)?;
        let name =
            PolicyName::from_str(&name).map_err(|_| Failure::Damaged { record: damaged() })?;
        let hash = row.get::<_, [u8; 32]>(1).map_err(read)?.into();
        let generation = Generation(unsigned(row, 2).map_err(read)?);
        heads.insert(name, Head { hash, generation });
    }
    Ok(heads)
}

/// Keeps one head.
pub(crate) fn store_head(
    connection: &Connection,
    name: &PolicyName,
    head: &Head,
) -> Result<(), Failure> {
    connection.prepare_cached(UPSERT)?.execute(params![
        name.as_str(),
        head.hash.as_bytes(),
        signed(head.generation.0)?
    ])?;
    Ok(())
}

/// No segment of a name comes before it: `-` is the lowest character that a name may have.
const LOWEST_SEGMENT: &str = "-";
const SELECT: &str = "SELECT name, hash, generation FROM heads";
const UPSERT: &str = "INSERT INTO heads (name, hash, generation) VALUES (?1, ?2, ?3)
    ON CONFLICT (name) DO UPDATE SET hash = excluded.hash, generation = excluded.generation";

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::*;
    use crate::support::{hash_of, name};

    fn heads(names: &[&str]) -> Heads {
        let head = Head {
            hash: hash_of("any"),
            generation: Generation(1),
        };
        let heads = Heads::default();
        heads.change(names.iter().map(|text| (name(text), head)));
        heads
    }

    #[test]
    fn list_under_the_deepest_name_is_empty() {
        let deepest = ["a"; 16].join("/");
        let heads = heads(&["a", &deepest]);
        let page = PolicyPage {
            under: Some(&name(&deepest)),
            after: None,
            at_most: 9,
        };
        assert_eq!(heads.list(&page), []);
    }

    proptest! {
        #[test]
        fn list_is_what_looking_at_every_name_finds(
            names in proptest::collection::btree_set("([-ab]|a\\.)(/([-ab~]|a\\.|\\.a)){0,3}", 0..40),
            under in proptest::option::of("([-ab]|a\\.)(/([-ab]|\\.a)){0,1}"),
            after in proptest::option::of("([-ab]|a\\.)(/([-ab~]|a\\.|\\.a)){0,3}"),
            at_most in 0_usize..6,
        ) {
            let texts: Vec<&str> = names.iter().map(String::as_str).collect();
            let (under, after) = (under.map(|n| name(&n)), after.map(|n| name(&n)));
            let page = PolicyPage { under: under.as_ref(), after: after.as_ref(), at_most };
            let prefix = under.as_ref().map_or(String::new(), |under| format!("{under}/"));
            let wanted = texts
                .iter()
                .filter(|text| text.starts_with(&prefix))
                .filter(|text| after.as_ref().is_none_or(|after| **text > after.as_str()))
                .take(at_most);
            let wanted: Vec<PolicyName> = wanted.map(|text| name(text)).collect();
            prop_assert_eq!(heads(&texts).list(&page), wanted);
        }
    }
}
