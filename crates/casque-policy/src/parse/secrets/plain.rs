//! Secrets that stand for themselves: `ascii`, `binary`, `private-key`, `public-key`, `config-fragment`.

use casque_types::Secret;

use super::{Located, exclusive, given, given_origin};
use crate::codes;
use crate::fields::Fields;
use crate::findings::Findings;
use crate::parse::certificates::read_reference;
use crate::pem::{self, Algorithm};
use crate::placeholder::OPENING;
use crate::yaml::{self, Node, Text, Value};
use crate::{Diagnostic, Generation, KeyType, Origin, Position};

pub(super) fn read_ascii(fields: &Fields<'_, '_>, findings: &mut Findings) -> Option<Origin> {
    if fields.value("value").is_none() {
        let characters = read_size(fields, findings)?;
        return Some(Origin::Generated(Generation::Ascii { characters }));
    }
    warn_unused_size(fields, findings);
    let text = fields.text("value", findings)?;
    if text.as_str().contains(OPENING) {
        let message = "the value is taken as it stands: no placeholder in it is filled in";
        let place = text.places().next(OPENING);
        let found = Diagnostic::warning(codes::NESTED_PLACEHOLDER, place, message);
        findings.push(found.hint("put the placeholder where the value is used"));
    }
    Some(given_origin(text.as_str().as_bytes()))
}

pub(super) fn read_binary(fields: &Fields<'_, '_>, findings: &mut Findings) -> Option<Origin> {
    if fields.value("value").is_none() {
        let bytes = read_size(fields, findings)?;
        return Some(Origin::Generated(Generation::Binary { bytes }));
    }
    warn_unused_size(fields, findings);
    let text = given(fields, findings)?;
    let Ok(bytes) = hex::decode(text.as_str()) else {
        let message = "`value` of a binary secret: expected pairs of hexadecimal digits";
        findings.push(Diagnostic::error(codes::BAD_HEX, text.position(), message));
        return None;
    };
    Some(Origin::Given {
        value: Secret::new(bytes),
        private_key: None,
    })
}

fn read_size(fields: &Fields<'_, '_>, findings: &mut Findings) -> Option<usize> {
    if fields.value("size").is_none() {
        return Some(DEFAULT_SIZE);
    }
    let size = fields.number("size", 1, MAX_SIZE, findings)?;
    usize::try_from(size).ok()
}

fn warn_unused_size(fields: &Fields<'_, '_>, findings: &mut Findings) {
    if let Some(entry) = fields.entry("size") {
        let message = "`size` has no effect beside `value`";
        let found = Diagnostic::warning(codes::SIZE_UNUSED, entry.position, message);
        findings.push(found.hint("remove it"));
    }
}

pub(super) fn read_private_key(fields: &Fields<'_, '_>, findings: &mut Findings) -> Option<Origin> {
    let words = [
        ("P-256", KeyType::P256),
        ("P-384", KeyType::P384),
        ("Ed25519", KeyType::Ed25519),
        ("RSA-2048", KeyType::Rsa2048),
        ("RSA-3072", KeyType::Rsa3072),
    ];
    if fields.value("value").is_none() {
        let key_type = match fields.value("key_type") {
            None => KeyType::P256,
            Some(_) => fields.word("key_type", &words, findings)?,
        };
        let migrate = fields.flag("migrate", findings);
        return Some(Origin::Generated(Generation::PrivateKey {
            key_type,
            migrate,
        }));
    }
    if let Some(entry) = fields.entry("key_type") {
        findings.push(exclusive("value", "key_type", entry.position));
    }
    let text = given(fields, findings)?;
    expect_private_key(text, Algorithm::Any, "value", findings)?;
    Some(given_origin(text.as_str().as_bytes()))
}

/// Finds what is wrong with a private key in PEM.
pub(in crate::parse) fn expect_private_key(
    text: &Text<'_>,
    algorithm: Algorithm,
    key: &str,
    findings: &mut Findings,
) -> Option<()> {
    let result = pem::expect_private_key(text.as_str(), algorithm);
    findings.ok(result.map_err(|error| {
        let message = format!("`{key}`: {error}");
        let found = Diagnostic::error(codes::BAD_PRIVATE_KEY, text.position(), message);
        found.hint(error.hint())
    }))
}

pub(super) fn read_public_key(fields: &Fields<'_, '_>, findings: &mut Findings) -> Option<Located> {
    if fields.value("value").is_none() {
        if fields.value("private_key").is_none() {
            let found = fields.missing("private_key", "a secret of kind `public-key`");
            findings.push(found.hint("name the secret whose public half it is, or give `value`"));
        }
        let key = read_reference(fields, "private_key", findings)?;
        let origin = Origin::PublicKey {
            private_key: key.name.clone(),
        };
        return Some(Located {
            private_key: Some(key),
            ..origin.into()
        });
    }
    if let Some(entry) = fields.entry("private_key") {
        findings.push(exclusive("value", "private_key", entry.position));
    }
    let text = given(fields, findings)?;
    if pem::expect_public_key(text.as_str()).is_err() {
        let message = "`value`: expected a public key in PEM (`-----BEGIN PUBLIC KEY-----`)";
        let found = Diagnostic::error(codes::BAD_PUBLIC_KEY, text.position(), message);
        findings.push(found.hint("`openssl pkey -in key.pem -pubout` prints one"));
        return None;
    }
    Some(given_origin(text.as_str().as_bytes()).into())
}

/// Any nodes at all, without placeholders.
pub(super) fn read_fragment(fields: &Fields<'_, '_>, findings: &mut Findings) -> Option<Origin> {
    let Some(node) = fields.value("value") else {
        if !fields.entries().iter().any(|entry| entry.key == "value") {
            let found = fields.missing("value", "a secret of kind `config-fragment`");
            findings.push(found.hint("give the part of a policy that it stands for, or import it"));
        }
        return None;
    };
    if let Some(position) = place_of_placeholder(node) {
        let message = "a config-fragment cannot hold placeholders";
        let found = Diagnostic::error(codes::NESTED_PLACEHOLDER, position, message);
        findings.push(found.hint("what fills a placeholder is never looked through again"));
        return None;
    }
    let value = yaml::flow(node);
    // Looked at to hold the bounds that it is read by when it is used.
    if yaml::load(value.expose_text().unwrap_or_default()).is_err() {
        let message = "`value`: a fragment of this size cannot be kept in one line of YAML";
        let found = Diagnostic::error(codes::TEXT_TOO_LONG, node.position, message);
        findings.push(found.hint("split it into several secrets"));
        return None;
    }
    Some(Origin::Given {
        value,
        private_key: None,
    })
}

/// As deep as the tree, which is bounded.
fn place_of_placeholder(node: &Node<'_>) -> Option<Position> {
    match &node.value {
        // Nothing is filled in among the values of secrets.
        Value::Null | Value::Asked(_) => None,
        Value::Text(text) => {
            let is_found = text.as_str().contains(OPENING);
            is_found.then(|| text.places().next(OPENING))
        }
        Value::List(items) => items.iter().find_map(place_of_placeholder),
        Value::Map(entries) => entries.iter().find_map(|entry| {
            let in_key = entry.key.contains(OPENING).then_some(entry.position);
            in_key.or_else(|| place_of_placeholder(&entry.value))
        }),
    }
}

/// Of a secret that says no `size`, section 3: characters or bytes.
pub(in crate::parse) const DEFAULT_SIZE: usize = 20;
const MAX_SIZE: u64 = 65_536;
