//! What secrets say of each other: keys that certificates certify, authorities that issue them, keys that
//! sign tokens or open envelopes. What another policy of this CAS exports is judged when a policy is put.

use std::collections::BTreeMap;

use casque_types::SecretKind;

use super::secrets::{LocatedSecret, Reference};
use crate::codes;
use crate::findings::{Findings, nearest_hint};
use crate::pem;
use crate::placeholder::Declarations;
use crate::{
    ClaimValue, Diagnostic, Generation, Image, KeyType, Origin, Placeholder, Position, Service,
    Template, Volume,
};

type ByName<'s> = BTreeMap<&'s str, &'s LocatedSecret>;

/// Finds references that lead nowhere, to the wrong kind, or in a circle.
pub(super) fn judge(
    secrets: &[LocatedSecret],
    declarations: &Declarations<'_>,
    findings: &mut Findings,
) {
    let by_name: ByName<'_> = secrets
        .iter()
        .map(|secret| (secret.spec.name.as_str(), secret))
        .collect();
    let judge = Judge {
        by_name: &by_name,
        declarations,
    };
    for secret in secrets {
        if findings.is_full() {
            return;
        }
        judge.secret(secret, findings);
    }
    judge_cycles(secrets, &by_name, findings);
}

struct Judge<'j> {
    by_name: &'j ByName<'j>,
    declarations: &'j Declarations<'j>,
}

/// What a reference must lead to.
#[derive(Clone, Copy)]
struct Expected {
    key: &'static str,
    kinds: &'static [SecretKind],
    code: &'static str,
}

impl Judge<'_> {
    fn secret(&self, secret: &LocatedSecret, findings: &mut Findings) {
        if let Some(key) = &secret.private_key {
            self.private_key(key, findings);
        }
        if let Some(issuer) = &secret.issuer {
            let is_issued = matches!(secret.spec.origin, Origin::Generated(_));
            self.issuer(issuer, is_issued, findings);
        }
        if let Some(signer) = &secret.signer {
            self.signer(signer, findings);
        }
        match &secret.spec.origin {
            Origin::KeyVault(import) => {
                if let Some(key) = &import.decryption_key {
                    self.decryption_key(key, findings);
                }
            }
            Origin::Jwt(token) => {
                self.claims(token.payload.iter().map(|(_, claim)| claim), findings)
            }
            _ => {}
        }
    }

    fn private_key(&self, key: &Reference, findings: &mut Findings) {
        let Some(found) = self.find(key, PRIVATE_KEY, findings) else {
            return;
        };
        if matches!(found.spec.origin, Origin::KeyVault(_)) {
            findings.push(in_key_vault(key, PRIVATE_KEY));
        }
    }

    fn issuer(&self, issuer: &Reference, is_issued: bool, findings: &mut Findings) {
        let Some(found) = self.find(issuer, ISSUER, findings) else {
            return;
        };
        match &found.spec.origin {
            Origin::KeyVault(_) => findings.push(in_key_vault(issuer, ISSUER)),
            Origin::Given {
                private_key: None, ..
            } if is_issued => {
                let name = &issuer.name;
                let message =
                    format!("the issuer `{name}` has no `private_key`, and so cannot issue");
                let found = Diagnostic::error(codes::ISSUER_REFERENCE, issuer.position, message);
                findings
                    .push(found.hint("give it the private-key secret that belongs to its value"));
            }
            _ => {}
        }
    }

    fn signer(&self, signer: &Reference, findings: &mut Findings) {
        let Some(found) = self.find(signer, SIGNER, findings) else {
            return;
        };
        let fits = match &found.spec.origin {
            Origin::Generated(Generation::PrivateKey { key_type, .. }) => {
                *key_type == KeyType::P384
            }
            // Exposed to see its curve.
            Origin::Given { value, .. } => pem::is_p384(value.expose()),
            Origin::KeyVault(_) => {
                findings.push(in_key_vault(signer, SIGNER));
                return;
            }
            _ => true,
        };
        if !fits {
            let name = &signer.name;
            let message =
                format!("`signer` must be a key of type P-384, for ES384: `{name}` is none");
            let found = Diagnostic::error(codes::JWT_SIGNER, signer.position, message);
            findings.push(found.hint("add `key_type: P-384` to a private-key secret"));
        }
    }

    fn decryption_key(&self, key: &Placeholder, findings: &mut Findings) {
        let reference = Reference {
            name: key.secret.clone(),
            position: key.position,
            is_implicit: false,
        };
        let Some(found) = self.find(&reference, DECRYPTION_KEY, findings) else {
            return;
        };
        if matches!(found.spec.origin, Origin::KeyVault(_)) {
            findings.push(in_key_vault(&reference, DECRYPTION_KEY));
        }
        expect_32_bytes(found, codes::DECRYPTION_KEY, key.position, findings);
    }

    fn claims<'c>(&self, claims: impl Iterator<Item = &'c ClaimValue>, findings: &mut Findings) {
        for claim in claims {
            if let ClaimValue::Text(template) = claim {
                refuse_fragments(template, self.declarations, findings);
            }
        }
    }

    /// The secret that is referred to, if it is of an expected kind, or is imported and does not say.
    fn find(
        &self,
        reference: &Reference,
        expected: Expected,
        findings: &mut Findings,
    ) -> Option<&LocatedSecret> {
        let name = reference.name.as_str();
        let found = self.by_name.get(name).copied();
        if found.is_none() && self.declarations.find(name).is_some() {
            // It is declared and was not read: it has its own errors.
            return None;
        }
        let fits = |found: &&LocatedSecret| match found.spec.kind {
            Some(kind) => expected.kinds.contains(&kind),
            None => matches!(found.spec.origin, Origin::Import(_)),
        };
        let fitting = found.filter(fits);
        if fitting.is_none() {
            findings.push(self.misfit(reference, found, expected));
        }
        fitting
    }

    fn misfit(
        &self,
        reference: &Reference,
        found: Option<&LocatedSecret>,
        expected: Expected,
    ) -> Diagnostic {
        let name = reference.name.as_str();
        let what = match found {
            Some(found) => match found.spec.kind {
                Some(other) => format!("`{name}` is of kind `{other}`"),
                None => format!("the kind of `{name}` is not stated"),
            },
            None => format!("there is no secret `{name}`"),
        };
        let key = expected.key;
        let kind = expected.kinds.first().map_or("", |kind| kind.as_str());
        let message = format!("`{key}` must name a secret of kind `{kind}`: {what}");
        let candidates = self.by_name.values().filter(|secret| {
            let kind = secret.spec.kind;
            kind.is_some_and(|kind| expected.kinds.contains(&kind))
        });
        let names = candidates.map(|secret| secret.spec.name.as_str());
        let hint = nearest_hint(name, names);
        Diagnostic::error(expected.code, reference.position, message)
            .hint(hint.unwrap_or_else(|| format!("add a secret with `kind: {kind}`")))
    }
}

fn in_key_vault(reference: &Reference, expected: Expected) -> Diagnostic {
    let (key, name) = (expected.key, &reference.name);
    let message = format!("`{key}` cannot name `{name}`, which is kept in Key Vault");
    Diagnostic::error(expected.code, reference.position, message)
        .hint("let Casque make the key, give it as `value`, or import it from another policy")
}

/// Finds a binary secret that is known to have another size than a key.
fn expect_32_bytes(
    secret: &LocatedSecret,
    code: &'static str,
    position: Position,
    findings: &mut Findings,
) {
    let size = match &secret.spec.origin {
        Origin::Generated(Generation::Binary { bytes }) => *bytes,
        Origin::Given { value, .. } => value.len(),
        _ => return,
    };
    if size != 32 {
        let name = &secret.spec.name;
        let message = format!("expected a key of 32 bytes: `{name}` has {size}");
        let found = Diagnostic::error(code, position, message);
        findings.push(found.hint(format!("add `size: 32` to `{name}`")));
    }
}

/// Finds fragments that should stand in texts, and keys of volumes and file systems of a wrong size.
pub(super) fn judge_templates(
    services: &[Service],
    images: &[Image],
    volumes: &[Volume],
    secrets: &[LocatedSecret],
    declarations: &Declarations<'_>,
    findings: &mut Findings,
) {
    let arguments = services.iter().flat_map(|service| &service.command);
    let variables = services.iter().flat_map(|service| &service.environment);
    let files = images.iter().flat_map(|image| &image.injection_files);
    let templates = arguments
        .chain(variables.filter_map(|(_, variable)| variable.template()))
        .chain(files.filter_map(|file| file.content.template()));
    for template in templates {
        refuse_fragments(template, declarations, findings);
    }
    let protections = services
        .iter()
        .filter_map(|service| service.file_protection.as_ref());
    let keys = (protections.filter_map(|protection| protection.key.as_ref()))
        .chain(volumes.iter().filter_map(Volume::key));
    let by_name: ByName<'_> = secrets
        .iter()
        .map(|secret| (secret.spec.name.as_str(), secret))
        .collect();
    for placeholder in keys.flat_map(Template::placeholders) {
        if let Some(secret) = by_name.get(placeholder.secret.as_str()) {
            expect_32_bytes(secret, codes::VOLUME_KEY, placeholder.position, findings);
        }
    }
}

/// Finds config-fragments in a text, where none can stand.
pub(super) fn refuse_fragments(
    template: &Template,
    declarations: &Declarations<'_>,
    findings: &mut Findings,
) {
    for placeholder in template.placeholders() {
        let name = placeholder.secret.as_str();
        let declared = declarations.find(name);
        if declared.and_then(|declared| declared.kind) == Some(SecretKind::ConfigFragment) {
            let message = format!("`{name}` is a config-fragment, which cannot stand in a text");
            let code = codes::FRAGMENT_MISFIT;
            let found = Diagnostic::error(code, placeholder.position, message);
            findings.push(found.hint(
                "it fills `attestation`, `platforms`, `security` or `access_policy`, or parts of them",
            ));
        }
    }
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

const PRIVATE_KEY: Expected = Expected {
    key: "private_key",
    kinds: &[SecretKind::PrivateKey],
    code: codes::PRIVATE_KEY_REFERENCE,
};

const ISSUER: Expected = Expected {
    key: "issuer",
    kinds: &[SecretKind::X509Ca, SecretKind::SessionCa],
    code: codes::ISSUER_REFERENCE,
};

const SIGNER: Expected = Expected {
    key: "signer",
    kinds: &[SecretKind::PrivateKey],
    code: codes::JWT_SIGNER,
};

const DECRYPTION_KEY: Expected = Expected {
    key: "decryption_key",
    kinds: &[SecretKind::Binary],
    code: codes::DECRYPTION_KEY,
};
