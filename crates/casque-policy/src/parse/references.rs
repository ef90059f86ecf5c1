//! What secrets say of each other: keys that certificates certify, and the authorities that issue them.

use std::collections::BTreeMap;

use casque_types::SecretKind;

use super::secrets::{LocatedSecret, Reference};
use crate::codes;
use crate::fields::not_yet;
use crate::findings::{Findings, nearest_hint};
use crate::placeholder::Declarations;
use crate::{Diagnostic, Origin};

type ByName<'s> = BTreeMap<&'s str, &'s LocatedSecret>;

/// Finds references that lead nowhere, to the wrong kind, or in a circle.
pub(super) fn judge(
    secrets: &[LocatedSecret],
    declarations: &Declarations<'_>,
    findings: &mut Findings,
) {
    // What is declared and was not read has its own errors.
    let is_unread = |reference: &Reference, by_name: &ByName<'_>| {
        let name = reference.name.as_str();
        declarations.find(name).is_some() && !by_name.contains_key(name)
    };
    let by_name: ByName<'_> = secrets
        .iter()
        .map(|secret| (secret.spec.name.as_str(), secret))
        .collect();
    for secret in secrets {
        if let Some(key) = &secret.private_key
            && !is_unread(key, &by_name)
        {
            judge_private_key(key, &by_name, findings);
        }
        if let Some(issuer) = &secret.issuer
            && !is_unread(issuer, &by_name)
        {
            judge_issuer(issuer, &by_name, findings);
        }
    }
    judge_cycles(secrets, &by_name, findings);
}

fn judge_private_key(key: &Reference, by_name: &ByName<'_>, findings: &mut Findings) {
    let code = codes::PRIVATE_KEY_REFERENCE;
    let expected = (SecretKind::PrivateKey, "private_key", code);
    let Some(found) = find(key, expected, by_name, findings) else {
        return;
    };
    if matches!(found.spec.origin, Origin::KeyVault(_)) {
        findings.push(not_yet(key.position, "a certificate over an imported key"));
    }
}

fn judge_issuer(issuer: &Reference, by_name: &ByName<'_>, findings: &mut Findings) {
    let expected = (SecretKind::X509Ca, "issuer", codes::ISSUER_REFERENCE);
    let Some(found) = find(issuer, expected, by_name, findings) else {
        return;
    };
    match &found.spec.origin {
        Origin::KeyVault(_) => {
            findings.push(not_yet(
                issuer.position,
                "a certificate by an imported issuer",
            ));
        }
        Origin::Given {
            private_key: None, ..
        } => {
            let name = &issuer.name;
            let message = format!("the issuer `{name}` has no `private_key`, and so cannot issue");
            let found = Diagnostic::error(codes::ISSUER_REFERENCE, issuer.position, message);
            findings.push(found.hint("give it the private-key secret that belongs to its value"));
        }
        _ => {}
    }
}

/// The secret that is referred to, if it is of the expected kind.
fn find<'s>(
    reference: &Reference,
    (kind, key, code): (SecretKind, &str, &'static str),
    by_name: &ByName<'s>,
    findings: &mut Findings,
) -> Option<&'s LocatedSecret> {
    let name = reference.name.as_str();
    let found = by_name.get(name).copied();
    if found.is_some_and(|found| found.spec.kind == Some(kind)) {
        return found;
    }
    let what = match found {
        Some(found) => match found.spec.kind {
            Some(other) => format!("`{name}` is of kind `{other}`"),
            None => format!("the kind of `{name}` is not stated"),
        },
        None => format!("there is no secret `{name}`"),
    };
    let message = format!("`{key}` must name a secret of kind `{kind}`: {what}");
    let mut finding = Diagnostic::error(code, reference.position, message);
    let candidates = by_name
        .values()
        .filter(|secret| secret.spec.kind == Some(kind));
    finding.hint = nearest_hint(name, candidates.map(|secret| secret.spec.name.as_str()))
        .or_else(|| Some(format!("add a secret with `kind: {kind}`")));
    findings.push(finding);
    None
}

/// Follows each chain of issuers once; who meets it again on the way goes in a circle.
fn judge_cycles(secrets: &[LocatedSecret], by_name: &ByName<'_>, findings: &mut Findings) {
    let mut seen_in: BTreeMap<&str, usize> = BTreeMap::new();
    for (walk, secret) in secrets.iter().enumerate() {
        let mut current = secret;
        loop {
            let name = current.spec.name.as_str();
            match seen_in.get(name) {
                None => seen_in.insert(name, walk),
                Some(other) if *other != walk => break,
                Some(_) => {
                    findings.push(cycle(current));
                    break;
                }
            };
            let issuer = current.issuer.as_ref();
            let Some(next) = issuer.and_then(|issuer| by_name.get(issuer.name.as_str())) else {
                break;
            };
            current = next;
        }
    }
}

fn cycle(secret: &LocatedSecret) -> Diagnostic {
    let name = &secret.spec.name;
    let position = secret
        .issuer
        .as_ref()
        .map_or(secret.spec.position, |issuer| issuer.position);
    let message = format!("the issuers of `{name}` go in a circle");
    Diagnostic::error(codes::ISSUER_CYCLE, position, message)
        .hint("leave `issuer` out of the root: it is self-signed then")
}
