//! Secrets of kind `jwt`, section 3: tokens that Casque signs for each release.

use casque_types::SecretKind;

use super::certificates::{read_duration, read_reference};
use super::secrets::Located;
use crate::codes;
use crate::fields::{Fields, Keys, expect_text, not_a};
use crate::findings::{Findings, quoted};
use crate::placeholder::{Declarations, OPENING, SELF, sole, sole_placeholder};
use crate::yaml::{Entry, Text, Value};
use crate::{ClaimValue, Diagnostic, JwtSpec, Origin, Part, Template};

/// Reads what a token says and who signs it.
pub(super) fn read(
    fields: &Fields<'_, '_>,
    declarations: &Declarations<'_>,
    findings: &mut Findings,
) -> Option<Located> {
    let place = "a secret of kind `jwt`";
    for key in ["signer", "alg", "validity"] {
        if fields.value(key).is_none() {
            findings.push(fields.missing(key, place));
        }
    }
    let signer = read_reference(fields, "signer", findings);
    fields.word("alg", &[("ES384", ())], findings);
    let validity = fields
        .value("validity")
        .and_then(|node| Fields::open(node, &VALIDITY_KEYS, findings));
    let valid_for = validity.and_then(|validity| {
        if validity.value("for").is_none() {
            findings.push(validity.missing("for", VALIDITY_KEYS.place));
        }
        read_duration(&validity, "for", findings)
    });
    let payload = read_payload(fields, declarations, findings);
    let signer = signer?;
    let origin = Origin::Jwt(JwtSpec {
        signer: signer.name.clone(),
        valid_for: valid_for?,
        payload,
    });
    Some(Located {
        signer: Some(signer),
        ..origin.into()
    })
}

fn read_payload(
    fields: &Fields<'_, '_>,
    declarations: &Declarations<'_>,
    findings: &mut Findings,
) -> Vec<(String, ClaimValue)> {
    let Some(node) = fields.value("payload") else {
        return Vec::new();
    };
    let Value::Map(entries) = &node.value else {
        findings.push(not_a(node, "a map", "`payload`"));
        return Vec::new();
    };
    findings.read_all(entries, |entry, findings| {
        let value = read_claim(entry, declarations, findings)?;
        Some((entry.key.to_string(), value))
    })
}

fn read_claim(
    entry: &Entry<'_>,
    declarations: &Declarations<'_>,
    findings: &mut Findings,
) -> Option<ClaimValue> {
    let name = &*entry.key;
    if RESERVED.contains(&name) {
        let message = format!("the claim `{name}` is made when the token is signed");
        let found = Diagnostic::error(codes::JWT_CLAIM, entry.position, message);
        findings.push(found.hint("remove it; `validity` says how long the token is valid"));
        return None;
    }
    if name.contains(OPENING) {
        let message = "a claim's name cannot hold a placeholder";
        findings.push(Diagnostic::error(codes::JWT_CLAIM, entry.position, message));
        return None;
    }
    let text = expect_text(&entry.value, name, findings)?;
    findings.ok(parse_claim(text, declarations))
}

/// Text, or exactly one placeholder.
fn parse_claim(text: &Text<'_>, declarations: &Declarations<'_>) -> Result<ClaimValue, Diagnostic> {
    let claim = text.as_str();
    if !claim.contains(OPENING) {
        let parts = match claim {
            "" => Vec::new(),
            _ => vec![Part::Text(claim.to_owned())],
        };
        return Ok(ClaimValue::Text(Template { parts }));
    }
    let Some(body) = sole(claim) else {
        let place = text.places().next(OPENING);
        let message = "a claim is a text, or one placeholder and nothing else";
        let found = Diagnostic::error(codes::JWT_CLAIM, place, message);
        return Err(found.hint("give the text around it a claim of its own"));
    };
    if let Some(name) = body.strip_prefix(SELF) {
        if name == SOFTWARE_IDENTITY {
            return Ok(ClaimValue::SoftwareIdentity);
        }
        let message = format!("unknown `self::` placeholder {}", quoted(name));
        let found = Diagnostic::error(codes::SELF_PLACEHOLDER, text.position(), message);
        return Err(found.hint("the only one is `$$SCONE::self::software_identity$$`"));
    }
    let Some(placeholder) = sole_placeholder(text, declarations) else {
        return Ok(ClaimValue::Text(Template { parts: Vec::new() }));
    };
    let placeholder = placeholder?;
    let declared = declarations.find(placeholder.secret.as_str());
    if declared.and_then(|declared| declared.kind) == Some(SecretKind::Jwt) {
        let message = "a claim cannot be a token itself";
        return Err(Diagnostic::error(
            codes::JWT_CLAIM,
            text.position(),
            message,
        ));
    }
    Ok(ClaimValue::Text(placeholder.into()))
}

/// Claims that are made when the token is signed (RFC 7519 section 4.1).
const RESERVED: [&str; 3] = ["iat", "nbf", "exp"];
const SOFTWARE_IDENTITY: &str = "software_identity";

pub(super) const VALIDITY_KEYS: Keys = Keys {
    place: "`validity`",
    read: &["for"],
    not_yet: &[],
    legacy: &[],
};
