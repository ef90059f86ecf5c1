//! `secrets`, section 3: who is declared, and where each value comes from.

mod keys;

use casque_types::{Secret, SecretKind, SecretName};

use super::{azure, certificates, expect_unique};
use crate::codes;
use crate::fields::{Fields, find_word, not_yet, parse_text};
use crate::findings::Findings;
use crate::pem::{self, Algorithm};
use crate::placeholder::{Declarations, Declared, OPENING};
use crate::yaml::{Node, Text, Value};
use crate::{Diagnostic, Generation, KeyType, Origin, Position, SecretSpec};
use keys::{KEYS, KIND_KEYS, KINDS, Kind, keys_of};

/// A secret with the places of its references to others.
pub(super) struct LocatedSecret {
    pub(super) spec: SecretSpec,
    pub(super) private_key: Option<Reference>,
    pub(super) issuer: Option<Reference>,
}

/// A reference to another secret, with its place.
#[derive(Clone)]
pub(super) struct Reference {
    pub(super) name: SecretName,
    pub(super) position: Position,
}

/// A secret while it is read.
pub(super) struct Draft<'n, 'a> {
    pub(super) fields: Fields<'n, 'a>,
    pub(super) name: SecretName,
    pub(super) kind: Option<SecretKind>,
}

/// The names and kinds of all secrets; what is wrong with them is found when they are read.
pub(super) fn declare<'n>(policy: &Fields<'n, '_>) -> Declarations<'n> {
    let mut declarations = Declarations::default();
    let Some(Value::List(items)) = policy.value("secrets").map(|node| &node.value) else {
        return declarations;
    };
    for item in items {
        let Value::Map(entries) = &item.value else {
            continue;
        };
        let text_of = |key: &str| {
            let entry = entries.iter().find(|entry| entry.key == key)?;
            entry.value.text().map(Text::as_str)
        };
        let Some(name) = text_of("name") else {
            continue;
        };
        let word = text_of("kind");
        let kind = word.and_then(|word| KINDS.iter().find(|(known, _)| *known == word));
        let kind = kind.map(|(_, kind)| *kind);
        let declared = Declared {
            kind: kind.and_then(Kind::supported),
            is_understood: word.is_none() || kind.is_some(),
        };
        declarations.0.entry(name).or_insert(declared);
    }
    declarations
}

/// Reads all secrets.
pub(super) fn read(
    policy: &Fields<'_, '_>,
    declarations: &Declarations<'_>,
    findings: &mut Findings,
) -> Vec<LocatedSecret> {
    let items = policy.items("secrets", findings);
    let secrets: Vec<LocatedSecret> = items
        .iter()
        .filter_map(|item| read_secret(item, declarations, findings))
        .collect();
    let names = items.iter().filter_map(name_of);
    expect_unique("secret", names, findings);
    secrets
}

/// The name of a list's item and its place.
pub(super) fn name_of<'n>(item: &'n Node<'_>) -> Option<(&'n str, Position)> {
    let Value::Map(entries) = &item.value else {
        return None;
    };
    let entry = entries.iter().find(|entry| entry.key == "name")?;
    let text = entry.value.text()?;
    Some((text.as_str(), text.position()))
}

fn read_secret(
    node: &Node<'_>,
    declarations: &Declarations<'_>,
    findings: &mut Findings,
) -> Option<LocatedSecret> {
    let fields = Fields::open(node, &KEYS, findings)?;
    let name = fields
        .required("name", "a secret", findings)
        .and_then(|text| findings.ok(parse_text::<SecretName>(text, codes::BAD_NAME, "name")));
    let kind = read_kind(&fields, findings)?;
    let public = fields.flag("export_public", findings);
    if let (Some(_), Some(second)) = (fields.entry("import"), fields.entry("import_akv")) {
        findings.push(exclusive("import", "import_akv", second.position));
    }
    let draft = Draft {
        fields,
        // A secret without name is an error already; its other findings are of use still.
        name: match name {
            Some(name) => name,
            None => UNNAMED.parse().ok()?,
        },
        kind,
    };
    refuse_keys_of_other_kinds(&draft, findings);
    let located = read_origin(&draft, declarations, findings)?;
    Some(LocatedSecret {
        private_key: located.private_key,
        issuer: located.issuer,
        spec: SecretSpec {
            name: draft.name,
            kind,
            origin: located.origin,
            public,
            position: node.position,
        },
    })
}

/// The kind; `None` outside when it is unknown or not supported yet.
#[expect(
    clippy::option_option,
    reason = "no kind is a valid answer, an unknown one is none"
)]
fn read_kind(fields: &Fields<'_, '_>, findings: &mut Findings) -> Option<Option<SecretKind>> {
    let Some(text) = fields.text("kind", findings) else {
        return fields.value("kind").is_none().then_some(None);
    };
    let mut found = Findings::default();
    match find_word(text, KINDS, "kind", &mut found) {
        Some(Kind::Supported(kind)) => Some(Some(kind)),
        Some(Kind::NotYet) => {
            let what = format!("`kind: {}`", text.as_str());
            findings.push(not_yet(text.position(), &what));
            None
        }
        None => {
            for mut finding in found.into_sorted() {
                finding.code = codes::KIND_UNKNOWN;
                findings.push(finding);
            }
            None
        }
    }
}

/// Where a value comes from, with references to other secrets.
pub(super) struct Located {
    pub(super) origin: Origin,
    pub(super) private_key: Option<Reference>,
    pub(super) issuer: Option<Reference>,
}

impl From<Origin> for Located {
    fn from(origin: Origin) -> Self {
        Self {
            origin,
            private_key: None,
            issuer: None,
        }
    }
}

fn read_origin(
    draft: &Draft<'_, '_>,
    declarations: &Declarations<'_>,
    findings: &mut Findings,
) -> Option<Located> {
    let fields = &draft.fields;
    if let Some(import) = fields.entry("import_akv") {
        return azure::read_import(draft, import, declarations, findings).map(Located::from);
    }
    if fields.entry("import").is_some() {
        return None;
    }
    refuse_null_value(fields, findings);
    let Some(kind) = draft.kind else {
        let message = "a secret that is not imported must have `kind`";
        let found = Diagnostic::error(codes::KIND_MISSING, fields.position, message);
        findings.push(found.hint("ascii, binary, private-key, x509, x509-ca or aad-token"));
        return None;
    };
    match kind {
        SecretKind::Ascii => read_ascii(fields, findings).map(Located::from),
        SecretKind::Binary => read_binary(fields, findings).map(Located::from),
        SecretKind::PrivateKey => read_private_key(fields, findings).map(Located::from),
        SecretKind::X509 | SecretKind::X509Ca => certificates::read(draft, kind, findings),
        SecretKind::AadToken => azure::read_token(fields, findings).map(Located::from),
        // `read_kind` refused them as not supported yet.
        SecretKind::PublicKey
        | SecretKind::SessionCa
        | SecretKind::ConfigFragment
        | SecretKind::PgpKey
        | SecretKind::Jwt => None,
    }
}

fn refuse_null_value(fields: &Fields<'_, '_>, findings: &mut Findings) {
    let mut entries = fields.entries().iter();
    let value = entries.find(|entry| entry.key == "value" && entry.value.is_null());
    if let Some(entry) = value {
        let message = "`value`: expected a text, found nothing";
        let found = Diagnostic::error(codes::EMPTY_TEXT, entry.position, message);
        findings.push(found.hint("remove `value` to have one generated; `\"\"` is the empty text"));
    }
}

/// The value given in the policy, if there is one.
pub(super) fn given<'n, 'a>(
    fields: &Fields<'n, 'a>,
    findings: &mut Findings,
) -> Option<&'n Text<'a>> {
    let text = fields.text("value", findings)?;
    if text.as_str().contains(OPENING) {
        let place = text.places().next(OPENING);
        let message = "a secret's value is never looked through for placeholders";
        let found = Diagnostic::error(codes::NESTED_PLACEHOLDER, place, message);
        findings.push(found.hint("put the placeholder where the value is used"));
        return None;
    }
    Some(text)
}

fn given_origin(bytes: Vec<u8>) -> Origin {
    Origin::Given {
        value: Secret::new(bytes),
        private_key: None,
    }
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

fn read_ascii(fields: &Fields<'_, '_>, findings: &mut Findings) -> Option<Origin> {
    if fields.value("value").is_none() {
        let characters = read_size(fields, findings)?;
        return Some(Origin::Generated(Generation::Ascii { characters }));
    }
    warn_unused_size(fields, findings);
    let text = given(fields, findings)?;
    Some(given_origin(text.as_str().as_bytes().to_vec()))
}

fn read_binary(fields: &Fields<'_, '_>, findings: &mut Findings) -> Option<Origin> {
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
    Some(given_origin(bytes))
}

fn read_private_key(fields: &Fields<'_, '_>, findings: &mut Findings) -> Option<Origin> {
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
    for key in ["key_type"] {
        if let Some(entry) = fields.entry(key) {
            findings.push(exclusive("value", key, entry.position));
        }
    }
    let text = given(fields, findings)?;
    expect_private_key(text, Algorithm::Any, "value", findings)?;
    Some(given_origin(text.as_str().as_bytes().to_vec()))
}

/// Finds what is wrong with a private key in PEM.
pub(super) fn expect_private_key(
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

/// That two keys exclude each other.
pub(super) fn exclusive(first: &str, second: &str, position: Position) -> Diagnostic {
    let message = format!("`{first}` and `{second}` exclude each other");
    Diagnostic::error(codes::EXCLUSIVE_KEYS, position, message).hint("remove one of the two")
}

fn refuse_keys_of_other_kinds(draft: &Draft<'_, '_>, findings: &mut Findings) {
    let (allowed, why) = if draft.fields.entry("import_akv").is_some() {
        (&[][..], "is not for a secret that is imported".to_owned())
    } else {
        let Some(kind) = draft.kind else {
            return;
        };
        (keys_of(kind), format!("is not for `kind: {kind}`"))
    };
    let refused: Vec<&str> = KIND_KEYS
        .iter()
        .copied()
        .filter(|key| !allowed.contains(key))
        .collect();
    (draft.fields).refuse(&refused, codes::KEY_NOT_FOR_KIND, &why, findings);
}

const DEFAULT_SIZE: usize = 20;
const MAX_SIZE: u64 = 65_536;
const UNNAMED: &str = "unnamed";
