//! What language 0.1 and 0.2 leave unsaid, section 3.1: each policy has an authority of its own, which
//! issues its certificates, and keys for them.
//!
//! Those secrets are made explicit under names that begin with `~`: `~session-ca`, `~session-ca-key`, and
//! `~NAME-key` for the certificate `NAME`. Their keys survive updates. Where the policy has a secret of kind
//! `session-ca`, which shows that authority's certificate, it takes the place of `~session-ca`.

use casque_types::{PolicyName, SecretKind, SecretName, sha256};

use super::parse_version;
use super::secrets::{Draft, Located, LocatedSecret, Reference, Surroundings};
use crate::codes;
use crate::fields::Fields;
use crate::findings::Findings;
use crate::placeholder::Declarations;
use crate::yaml::{Node, Text, Value};
use crate::{CertificateSpec, Diagnostic, Generation, KeyType, Origin, Position, SecretSpec};

/// The rules of the old languages for one policy.
pub(super) struct OldRules {
    /// The name of the secret that is the policy's authority.
    authority: String,
}

/// The old rules, if the policy is written in one of the old languages.
pub(super) fn rules(policy: &Fields<'_, '_>) -> Option<OldRules> {
    let is_old = match policy.value("version") {
        None => true,
        Some(node) => {
            let version = node.text().and_then(|text| parse_version(text.as_str()));
            version.is_some_and(|version| version.minor < 3)
        }
    };
    is_old.then(|| OldRules {
        authority: stated_authority(policy).unwrap_or(AUTHORITY).to_owned(),
    })
}

/// The first secret of kind `session-ca` of the policy's own.
fn stated_authority<'n>(policy: &Fields<'n, '_>) -> Option<&'n str> {
    let items = policy.value("secrets").map_or(&[][..], Node::one_or_more);
    items.iter().find_map(|item| {
        let Value::Map(entries) = &item.value else {
            return None;
        };
        let find = |key: &str| entries.iter().find(|entry| entry.key == key);
        let kind = find("kind")?.value.text().map(Text::as_str);
        if kind != Some(SecretKind::SessionCa.as_str()) || find("import").is_some() {
            return None;
        }
        find("name")?.value.text().map(Text::as_str)
    })
}

impl OldRules {
    /// The key of a certificate that names none.
    pub(super) fn private_key_of(
        &self,
        draft: &Draft<'_, '_>,
        findings: &mut Findings,
    ) -> Option<Reference> {
        implicit(&format!("~{}-key", draft.name), draft, findings)
    }

    /// The authority that issues a certificate that names none.
    pub(super) fn issuer_of(
        &self,
        draft: &Draft<'_, '_>,
        findings: &mut Findings,
    ) -> Option<Reference> {
        implicit(&self.authority, draft, findings)
    }
}

fn implicit(name: &str, draft: &Draft<'_, '_>, findings: &mut Findings) -> Option<Reference> {
    let position = draft.fields.position;
    let parsed: Result<SecretName, Diagnostic> = name.parse().map_err(|error| {
        let message = format!("the name of the key or issuer of `{}`: {error}", draft.name);
        Diagnostic::error(codes::BAD_NAME, position, message)
    });
    Some(Reference {
        name: findings.ok(parsed)?,
        position,
        is_implicit: true,
    })
}

/// Reads a secret of kind `session-ca`.
pub(super) fn read_session_ca(
    draft: &Draft<'_, '_>,
    surroundings: &Surroundings<'_>,
    findings: &mut Findings,
) -> Option<Located> {
    if surroundings.old.is_none() {
        let message = "`kind: session-ca` is of language 0.2";
        let position = draft.fields.position;
        let found = Diagnostic::warning(codes::LEGACY_KEY, position, message);
        findings.push(found.hint("name an `x509-ca` of the policy, whose key is kept on updates"));
    }
    let key = implicit(AUTHORITY_KEY, draft, findings)?;
    Some(Located {
        origin: authority(&key.name, &surroundings.here),
        private_key: Some(key),
        issuer: None,
        signer: None,
    })
}

fn authority(key: &SecretName, here: &PolicyName) -> Origin {
    let name = here.as_str();
    let shown = match name.len() {
        // A common name has at most 64 characters.
        ..=48 => name.to_owned(),
        _ => sha256(name.as_bytes())
            .to_string()
            .chars()
            .take(32)
            .collect(),
    };
    Origin::Generated(Generation::Certificate(CertificateSpec {
        private_key: key.clone(),
        issuer: None,
        common_name: format!("session CA of {shown}"),
        endpoint: None,
        dns: Vec::new(),
        valid_for: None,
    }))
}

/// Adds the secrets that are referred to implicitly, and that the policy does not declare.
pub(super) fn add_implicit(
    secrets: &mut Vec<LocatedSecret>,
    here: &PolicyName,
    declarations: &Declarations<'_>,
) {
    let is_missing = |reference: &&Reference| {
        reference.is_implicit && declarations.find(reference.name.as_str()).is_none()
    };
    let issuers = secrets.iter().filter_map(|secret| secret.issuer.as_ref());
    let wants_authority = issuers.clone().find(is_missing).cloned();
    if let Some(issuer) = wants_authority
        && let Ok(key_name) = AUTHORITY_KEY.parse::<SecretName>()
    {
        let origin = authority(&key_name, here);
        let key = Reference {
            name: key_name,
            position: issuer.position,
            is_implicit: true,
        };
        secrets.push(of_policy(
            issuer.name,
            SecretKind::SessionCa,
            origin,
            Some(key),
            issuer.position,
        ));
    }
    let keys = secrets
        .iter()
        .filter_map(|secret| secret.private_key.as_ref());
    let mut wanted: Vec<Reference> = keys.filter(is_missing).cloned().collect();
    wanted.sort_by(|a, b| a.name.cmp(&b.name));
    wanted.dedup_by(|a, b| a.name == b.name);
    for key in wanted {
        let origin = Origin::Generated(Generation::PrivateKey {
            key_type: KeyType::P256,
            migrate: true,
        });
        secrets.push(of_policy(
            key.name,
            SecretKind::PrivateKey,
            origin,
            None,
            key.position,
        ));
    }
}

fn of_policy(
    name: SecretName,
    kind: SecretKind,
    origin: Origin,
    private_key: Option<Reference>,
    position: Position,
) -> LocatedSecret {
    LocatedSecret {
        spec: SecretSpec {
            name,
            kind: Some(kind),
            origin,
            public: false,
            exports: Vec::new(),
            private_key: private_key.as_ref().map(|key| key.name.clone()),
            position,
        },
        private_key,
        issuer: None,
        signer: None,
    }
}

const AUTHORITY: &str = "~session-ca";
const AUTHORITY_KEY: &str = "~session-ca-key";
