//! Templates filled with values, and the clauses of a policy closed over them.

use casque_policy::{AccessPolicy, ClauseError, Fill, Fills, Part, Placeholder, Template};
use casque_secrets::{SecretValue, render};
use casque_types::{Secret, SecretName, Timestamp};
use zeroize::Zeroizing;

use crate::casque::LoadedPolicy;
use crate::resolve::{Context, Resolved, SecretFault};
use crate::{Casque, Ports, ResolveError};

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

impl<P: Ports> Casque<P> {
    /// A template of which nothing is resolved yet.
    pub(crate) async fn filled(
        &self,
        loaded: &LoadedPolicy,
        template: &Template,
        context: Context<'_>,
    ) -> Result<Secret, ResolveError> {
        let mut rendered = Vec::with_capacity(template.parts.len());
        for part in &template.parts {
            rendered.push(match part {
                Part::Text(text) => Rendered::Text(text),
                Part::Secret(placeholder) => {
                    Rendered::Value(self.rendered(loaded, placeholder, context).await?)
                }
                Part::Host(_) => Rendered::Text(""),
            });
        }
        Ok(joined(&rendered))
    }

    /// What fills the placeholders of clauses; the first that cannot be had is the fault.
    pub(crate) async fn fills(
        &self,
        loaded: &LoadedPolicy,
        asks: impl Iterator<Item = &Placeholder> + Send,
        context: Context<'_>,
    ) -> Result<Fills, SecretFault> {
        let mut fills = Fills::default();
        let asks: Vec<&Placeholder> = asks.collect();
        for placeholder in asks {
            let fill = self.fill_of(loaded, placeholder, context).await;
            let fill = fill.map_err(|cause| (placeholder.secret.clone(), cause))?;
            fills.insert(placeholder, fill);
        }
        Ok(fills)
    }

    async fn fill_of(
        &self,
        loaded: &LoadedPolicy,
        placeholder: &Placeholder,
        context: Context<'_>,
    ) -> Result<Fill, ResolveError> {
        let name = &placeholder.secret;
        let value = self.value_named(loaded, name, context).await?.value;
        Ok(match value {
            SecretValue::ConfigFragment(yaml) => Fill::Fragment(yaml),
            other => Fill::Text(render(&other, placeholder.format, placeholder.encoding)?),
        })
    }

    /// Who may do what with a policy. An entry whose secret cannot be had gives nobody anything, and so does a
    /// policy whose secrets do not fit; [`Access::unreadable`] says why somebody may be missing.
    pub(crate) async fn access_of(&self, loaded: &LoadedPolicy, now: Timestamp) -> Access {
        if let Some(stated) = loaded.policy.access.stated() {
            return Access {
                policy: stated.clone(),
                unreadable: Vec::new(),
            };
        }
        let (mut fills, mut unreadable) = (Fills::default(), Vec::new());
        for placeholder in loaded.policy.access.asks() {
            let fill = self.fill_of(loaded, placeholder, Context::at(now)).await;
            let fill = fill.unwrap_or_else(|_| {
                unreadable.push(placeholder.secret.clone());
                Fill::Unreadable
            });
            fills.insert(placeholder, fill);
        }
        let closed = loaded.policy.access.close(&fills);
        let closed = closed.map(std::borrow::Cow::into_owned);
        let policy = closed.unwrap_or_else(|error: ClauseError| {
            unreadable.extend(misfits(loaded, &error));
            AccessPolicy::nobody()
        });
        Access { policy, unreadable }
    }
}

fn misfits(loaded: &LoadedPolicy, error: &ClauseError) -> Vec<SecretName> {
    let places: Vec<_> = error.found.iter().map(|found| found.position).collect();
    (loaded.policy.access.asks().iter())
        .filter(|placeholder| places.contains(&placeholder.position))
        .map(|placeholder| placeholder.secret.clone())
        .collect()
}

/// An access policy, closed.
pub(crate) struct Access {
    pub(crate) policy: AccessPolicy,
    /// Secrets that it asks for and that could not be had, or do not fit.
    pub(crate) unreadable: Vec<SecretName>,
}
