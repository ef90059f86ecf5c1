//! Second factors: `one_time_password_shared_secret` and `service_access_token`, section 9. Both are templates,
//! filled at each release.

use casque_types::{Format, SecretKind};

use super::clauses::{Known, Secrets};
use crate::codes;
use crate::fields::{Fields, expect_text};
use crate::findings::Findings;
use crate::placeholder;
use crate::splice;
use crate::yaml::{Asked, Node, Value};
use crate::{Diagnostic, Part, Placeholder, Position, Template};

/// The key of the shared secret, in `security.attestation` and in a service.
pub(super) const ONE_TIME_PASSWORD: &str = "one_time_password_shared_secret";
/// The key of the token, in `security`.
pub(super) const ACCESS_TOKEN: &str = "service_access_token";

/// Reads the shared secret of a service.
pub(super) fn of_service(
    service: &Fields<'_, '_>,
    secrets: &Secrets<'_, '_, '_>,
    findings: &mut Findings,
) -> Option<Template> {
    let node = service.value(ONE_TIME_PASSWORD)?;
    if !splice::asks(node) {
        return read_shared_secret(node, findings);
    }
    let text = expect_text(node, ONE_TIME_PASSWORD, findings)?;
    let template = placeholder::template(text, secrets.declarations, findings);
    judge_shared_secret(&template, text.position(), secrets, findings);
    Some(template)
}

/// Reads the shared secret under a key of a clause.
pub(super) fn read_shared_secret(node: &Node<'_>, findings: &mut Findings) -> Option<Template> {
    if let Value::Asked(Asked::Template(template)) = &node.value {
        return Some(template.clone());
    }
    let text = expect_text(node, ONE_TIME_PASSWORD, findings)?;
    if !is_shared_secret(text.as_str()) {
        findings.push(no_shared_secret(text.position()));
        return None;
    }
    Some(said(text.as_str()))
}

/// Reads the token under a key of a clause.
pub(super) fn read_access_token(node: &Node<'_>, findings: &mut Findings) -> Option<Template> {
    if let Value::Asked(Asked::Template(template)) = &node.value {
        return Some(template.clone());
    }
    let text = expect_text(node, ACCESS_TOKEN, findings)?;
    if text.as_str().is_empty() {
        let message = format!("`{ACCESS_TOKEN}`: expected a token, found an empty text");
        let found = Diagnostic::error(codes::EMPTY_TEXT, text.position(), message);
        findings.push(found.hint("leave it out to demand none"));
        return None;
    }
    Some(said(text.as_str()))
}

fn said(text: &str) -> Template {
    Template {
        parts: vec![Part::Text(text.to_owned())],
    }
}

/// Finds what is wrong with a shared secret that secrets say, as far as it can be known.
pub(super) fn judge_shared_secret(
    template: &Template,
    position: Position,
    secrets: &Secrets<'_, '_, '_>,
    findings: &mut Findings,
) {
    let [Part::Secret(placeholder)] = &template.parts[..] else {
        if !template.parts.is_empty() {
            findings.push(no_shared_secret(position));
        }
        return;
    };
    if let Some(found) = misfit(placeholder, secrets) {
        findings.push(found);
    }
}

fn misfit(placeholder: &Placeholder, secrets: &Secrets<'_, '_, '_>) -> Option<Diagnostic> {
    let name = placeholder.secret.as_str();
    let kind = secrets.kind(name)?;
    let position = placeholder.position;
    let says_base32 = match (kind, secrets.known(name)) {
        (SecretKind::Ascii, Some(Known::Stated { value, .. })) => {
            value.text().is_some_and(|v| is_shared_secret(v.as_str()))
        }
        (SecretKind::Ascii, Some(Known::Made)) => false,
        (SecretKind::Ascii, _) => true,
        (SecretKind::Binary, known) => {
            let is_short =
                matches!(known, Some(Known::Bytes(bytes)) if bytes.saturating_mul(8) < MIN_BITS);
            matches!(placeholder.format, Format::Base32 | Format::Base32NoPad) && !is_short
        }
        _ => false,
    };
    if says_base32 {
        return None;
    }
    let found = no_shared_secret(position);
    Some(match kind {
        SecretKind::Binary => found.hint(format!("write `$$SCONE::{name}:base32nopad$$`")),
        _ => found,
    })
}

fn no_shared_secret(position: Position) -> Diagnostic {
    let message = format!(
        "`{ONE_TIME_PASSWORD}`: expected base32 (RFC 4648, capitals) of at least {MIN_BITS} bits, or one placeholder that says it"
    );
    Diagnostic::error(codes::BAD_SHARED_SECRET, position, message)
        .hint("let Casque make it: a secret of `kind: binary`, asked for with `:base32nopad`")
}

/// Base32 of RFC 4648 section 6, with or without padding, of at least 128 bits.
fn is_shared_secret(text: &str) -> bool {
    let digits = text.trim_end_matches('=');
    let padding = text.len().saturating_sub(digits.len());
    let is_digit = |b: u8| b.is_ascii_uppercase() || (b'2'..=b'7').contains(&b);
    let (whole, rest) = (digits.len() / 8, digits.len() % 8);
    let fits = match rest {
        0 => padding == 0,
        2 | 4 | 5 | 7 => padding == 0 || rest.saturating_add(padding) == 8,
        _ => false,
    };
    // The last digits of a text that is no multiple of eight bits fill it up.
    let rest_bytes = rest.saturating_mul(5) / 8;
    let bits = whole
        .saturating_mul(40)
        .saturating_add(rest_bytes.saturating_mul(8));
    fits && digits.bytes().all(is_digit) && bits >= MIN_BITS
}

/// Whether a secret of this kind is for its owner alone: no clause of a policy is made of it.
pub(super) const fn is_confidential(kind: SecretKind) -> bool {
    matches!(
        kind,
        SecretKind::PrivateKey | SecretKind::AadToken | SecretKind::PgpKey | SecretKind::Jwt
    )
}

/// RFC 4226 section 4, R6.
const MIN_BITS: usize = 128;
