//! How much the evidence for each service speaks for: a process, a pod, or a machine with all that runs on it.

use std::fmt::Write as _;

use casque_policy::{Policy, Service};
use serde::Serialize;

/// The scopes of a service, by its entries.
#[derive(Serialize)]
pub(super) struct ServiceScopes<'p> {
    service: &'p str,
    /// Empty where secrets say the entries, or there are none.
    entries: Vec<EntryScope>,
}

#[derive(Serialize)]
struct EntryScope {
    /// Which entry of `attestation`, from 0.
    entry: usize,
    /// `process`, `pod`, `vm`, or `nothing` with `mode: none`.
    scope: &'static str,
    /// Whether the entry demands a service account beside the evidence.
    service_account: bool,
}

/// The scopes of all services, in the order of the text.
pub(super) fn of(policy: &Policy) -> Vec<ServiceScopes<'_>> {
    let services = policy.services.iter();
    services
        .map(|service| of_service(policy, service))
        .collect()
}

fn of_service<'p>(policy: &'p Policy, service: &'p Service) -> ServiceScopes<'p> {
    let entries = policy.scopes(service).into_iter();
    ServiceScopes {
        service: service.name.as_str(),
        entries: entries
            .map(|found| EntryScope {
                entry: found.index,
                scope: found.scope.as_str(),
                service_account: found.has_service_account,
            })
            .collect(),
    }
}

/// The same for people, a line for each service.
pub(super) fn told(policy: &Policy) -> String {
    let mut lines = String::new();
    for scopes in of(policy) {
        let entries: Vec<String> = scopes.entries.iter().map(told_entry).collect();
        let entries = match entries.len() {
            0 => "what secrets say, or nothing".to_owned(),
            _ => entries.join(", or "),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(lines, "scope of `{}`: {entries}", scopes.service);
    }
    lines
}

fn told_entry(entry: &EntryScope) -> String {
    let scope = entry.scope;
    match entry.service_account {
        true => format!("{scope} and service account"),
        false => scope.to_owned(),
    }
}
