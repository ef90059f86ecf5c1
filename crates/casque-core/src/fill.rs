//! Templates filled with values, and the clauses of a policy closed over them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use casque_policy::{
    AccessPolicy, ClauseError, Fill, Fills, Part, Placeholder, SecretSpec, Template,
};
use casque_secrets::{RenderError, SecretValue, render};
use casque_types::{Secret, SecretName, Timestamp};
use zeroize::Zeroizing;

use crate::casque::LoadedPolicy;
use crate::resolve::{Context, Resolved, SecretFault, Source};
use crate::{Casque, Ports, ResolveError, StoreError};

/// A part of a filled template.
pub(crate) enum Rendered<'a> {
    Text(&'a str),
    Value(Secret),
}

impl Rendered<'_> {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            // copied into the configuration, which is sealed next
            Self::Value(value) => value.expose(),
        }
    }
}

/// Joins parts in a buffer that is never grown, so that nothing is left behind unwiped.
pub(crate) fn joined(parts: &[Rendered<'_>]) -> Secret {
    let length = parts.iter().map(|part| part.bytes().len()).sum();
    let mut filled = Zeroizing::new(Vec::with_capacity(length));
    for part in parts {
        filled.extend_from_slice(part.bytes());
    }
    filled.into()
}

/// Whether a NUL byte may stand in a filled template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nul {
    Allowed,
    Refused,
}

impl Resolved {
    /// Replaces each placeholder.
    pub(crate) fn fill(&self, template: &Template, nul: Nul) -> Result<Secret, SecretFault> {
        let rendered: Vec<Rendered<'_>> = (template.parts.iter())
            .map(|part| match part {
                Part::Text(text) => Ok(Rendered::Text(text)),
                Part::Secret(placeholder) => self.value(placeholder, nul).map(Rendered::Value),
                // The parser lets the host's arguments stand in `command` alone, which is filled elsewhere.
                Part::Host(_) => Ok(Rendered::Text("")),
            })
            .collect::<Result<_, _>>()?;
        Ok(joined(&rendered))
    }

    /// What takes a placeholder's place.
    pub(crate) fn value(&self, placeholder: &Placeholder, nul: Nul) -> Result<Secret, SecretFault> {
        let name = &placeholder.secret;
        let value = self.values.get(name);
        let value = value.ok_or_else(|| (name.clone(), ResolveError::Missing))?;
        let bytes = render(value, placeholder.format, placeholder.encoding)
            .map_err(|error| (name.clone(), ResolveError::Render(error)))?;
        // looked at for NUL alone: the operating system would cut the text there
        if nul == Nul::Refused && bytes.expose().contains(&0) {
            return Err((name.clone(), ResolveError::Nul));
        }
        Ok(bytes)
    }
}

/// A template, filled.
pub(crate) struct Filled {
    pub(crate) text: Secret,
    pub(crate) sources: Vec<Source>,
}

impl<P: Ports> Casque<P> {
    /// A template of which nothing is resolved yet.
    pub(crate) async fn filled(
        &self,
        loaded: &LoadedPolicy,
        template: &Template,
        context: Context<'_>,
    ) -> Result<Filled, ResolveError> {
        let mut sources = Vec::new();
        let mut rendered = Vec::with_capacity(template.parts.len());
        for part in &template.parts {
            rendered.push(match part {
                Part::Text(text) => Rendered::Text(text),
                Part::Secret(placeholder) => {
                    let (value, found) = self.rendered(loaded, placeholder, context).await?;
                    sources.extend(found);
                    Rendered::Value(value)
                }
                Part::Host(_) => Rendered::Text(""),
            });
        }
        Ok(Filled {
            text: joined(&rendered),
            sources,
        })
    }

    /// What fills the placeholders of clauses. What cannot be had, or not by whoever asks, is a fault, and left
    /// out.
    pub(crate) async fn fills(
        &self,
        loaded: &LoadedPolicy,
        asks: impl Iterator<Item = &Placeholder> + Send,
        context: Context<'_>,
    ) -> Result<(Fills, Vec<SecretFault>), StoreError> {
        let (mut fills, mut faults) = (Fills::default(), Vec::new());
        let asks: Vec<&Placeholder> = asks.collect();
        if asks.is_empty() {
            return Ok((fills, faults));
        }
        let values = self.values_of(loaded, &asks, context).await?;
        let mut filled = HashSet::with_capacity(asks.len());
        for ask in asks {
            if !filled.insert((&ask.secret, ask.format, ask.encoding)) {
                continue;
            }
            let fill = match values.get(&ask.secret) {
                Some(Ok(value)) => fill_of(value, ask).map_err(ResolveError::Render),
                Some(Err(_)) => continue,
                None => Err(ResolveError::Missing),
            };
            match fill {
                Ok(fill) => fills.insert(ask, fill),
                Err(cause) => faults.push((ask.secret.clone(), cause)),
            }
        }
        let failed = values.into_iter().filter_map(|(name, value)| {
            let cause = value.err()?;
            Some((name.clone(), cause))
        });
        faults.extend(failed);
        Ok((fills, faults))
    }

    async fn values_of<'p>(
        &self,
        loaded: &'p LoadedPolicy,
        asks: &[&'p Placeholder],
        context: Context<'_>,
    ) -> Result<BTreeMap<&'p SecretName, Result<SecretValue, ResolveError>>, StoreError> {
        let names: BTreeSet<&SecretName> = asks.iter().map(|ask| &ask.secret).collect();
        let found = names.len();
        let asked: Vec<&SecretSpec> = (names.into_iter())
            .filter_map(|name| loaded.policy.secret(name))
            .collect();
        if found > MOST_ASKED {
            let too_many = |secret: &'p SecretSpec| {
                let refused = ResolveError::TooMany { found };
                (&secret.name, Err(refused))
            };
            return Ok(asked.into_iter().map(too_many).collect());
        }
        let mut stored = self.stored_values(loaded, &asked).await?;
        let mut values = BTreeMap::new();
        for secret in asked {
            let stored = stored.remove(&secret.name);
            let value = match self.value_of(loaded, secret, stored, context).await {
                Err(ResolveError::Store(error)) => return Err(error),
                value => value.map(|value| value.shown_as(secret.kind).value),
            };
            values.insert(&secret.name, value);
        }
        Ok(values)
    }

    /// Who may do what with a policy, by what the store has: whoever asks has proved nothing but a key, which
    /// everybody can make. An entry whose secret cannot be had gives nobody anything, and so does a
    /// policy whose secrets do not fit; [`Access::unreadable`] says why somebody may be missing.
    pub(crate) async fn access_of<'p>(
        &self,
        loaded: &'p LoadedPolicy,
        now: Timestamp,
    ) -> Result<Access<'p>, StoreError> {
        let asks = loaded.policy.access.asks();
        let (mut fills, faults) = self
            .fills(loaded, asks.iter(), Context::of_stranger(now))
            .await?;
        let mut unreadable: BTreeSet<SecretName> =
            faults.into_iter().map(|(name, _)| name).collect();
        let missing = asks.iter().filter(|ask| unreadable.contains(&ask.secret));
        for ask in missing {
            fills.insert(ask, Fill::Unreadable);
        }
        let policy = loaded.policy.access.close(&fills);
        let policy = policy.unwrap_or_else(|error: ClauseError| {
            unreadable.extend(misfits(loaded, &error));
            Cow::Owned(AccessPolicy::nobody())
        });
        Ok(Access {
            policy,
            unreadable: unreadable.into_iter().collect(),
        })
    }
}

fn fill_of(value: &SecretValue, ask: &Placeholder) -> Result<Fill, RenderError> {
    Ok(match value {
        // Another placeholder may ask for it too.
        SecretValue::ConfigFragment(yaml) => Fill::Fragment(yaml.duplicate()),
        other => Fill::Text(render(other, ask.format, ask.encoding)?),
    })
}

fn misfits(loaded: &LoadedPolicy, error: &ClauseError) -> Vec<SecretName> {
    let places: Vec<_> = error.found.iter().map(|found| found.position).collect();
    (loaded.policy.access.asks().iter())
        .filter(|placeholder| places.contains(&placeholder.position))
        .map(|placeholder| placeholder.secret.clone())
        .collect()
}

/// An access policy, closed.
pub(crate) struct Access<'p> {
    pub(crate) policy: Cow<'p, AccessPolicy>,
    /// Secrets that it asks for and that could not be had, or do not fit.
    pub(crate) unreadable: Vec<SecretName>,
}

/// How many secrets may stand behind the clauses that are closed for one request.
const MOST_ASKED: usize = 256;
