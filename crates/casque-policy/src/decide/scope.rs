//! How much the evidence that a service demands speaks for.

use casque_appraise::Scope;

use crate::{Mode, Policy, Position, Service};

/// The scope of one entry of a service's `attestation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryScope {
    /// Which entry, from 0.
    pub index: usize,
    /// Where it stands.
    pub position: Position,
    /// How much evidence that satisfies it speaks for.
    pub scope: Scope,
    /// Whether the entry demands a service account beside the evidence, which tells the pods of a machine apart.
    pub has_service_account: bool,
}

impl Policy {
    /// How much the evidence for each entry of a service speaks for; [`Scope::Nothing`] with `mode: none`. Empty
    /// where secrets say the entries, or a service has none.
    #[must_use]
    pub fn scopes(&self, service: &Service) -> Vec<EntryScope> {
        let security = self.security.stated();
        let is_judged = security.is_none_or(|stated| stated.mode != Mode::DangerousNone);
        let entries = service.attestation.stated().map_or(&[][..], Vec::as_slice);
        let scopes = entries.iter().enumerate().map(|(index, entry)| EntryScope {
            index,
            position: entry.position,
            scope: match is_judged {
                true => entry.scope(),
                false => Scope::Nothing,
            },
            has_service_account: entry.kubernetes.is_some(),
        });
        scopes.collect()
    }
}
