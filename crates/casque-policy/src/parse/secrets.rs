//! `secrets`, section 3: who is declared, and where each value comes from.

pub(super) mod keys;
mod plain;

use casque_types::{PolicyName, Secret, SecretKind, SecretName};

use super::old::{self, OldRules};
use super::sharing::{own_name, read_exports, read_import};
use super::{azure, certificates, expect_unique, jwt};
use crate::codes;
use crate::fields::{Fields, find_word, parse_text};
use crate::findings::Findings;
use crate::placeholder::{Declarations, Declared, OPENING};
use crate::yaml::{Entry, Node, Text, Value};
use crate::{Diagnostic, Generation, Origin, Position, SecretSpec};
use keys::{KEYS, KIND_KEYS, KINDS, keys_of};

pub(super) use plain::{DEFAULT_SIZE, expect_private_key};

/// A secret with the places of its references to others.
pub(super) struct LocatedSecret {
    pub(super) spec: SecretSpec,
    pub(super) private_key: Option<Reference>,
    pub(super) issuer: Option<Reference>,
    pub(super) signer: Option<Reference>,
}

/// A reference to another secret, with its place.
#[derive(Clone)]
pub(super) struct Reference {
    pub(super) name: SecretName,
    pub(super) position: Position,
    /// Whether the language names it, and not the policy: then the secret is made where there is none.
    pub(super) is_implicit: bool,
}

/// A secret while it is read.
pub(super) struct Draft<'n, 'a> {
    pub(super) fields: Fields<'n, 'a>,
    pub(super) name: SecretName,
    pub(super) kind: Option<SecretKind>,
}

/// What the reading of a secret needs of the rest of the policy.
pub(super) struct Surroundings<'d> {
    pub(super) declarations: &'d Declarations<'d>,
    /// The policy's own name.
    pub(super) here: PolicyName,
    /// The rules of language 0.1 and 0.2, where they apply.
    pub(super) old: Option<OldRules>,
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
        let mut keys = entries.iter();
        let declared = Declared {
            kind,
            is_understood: word.is_none() || kind.is_some(),
            is_import: keys.any(|entry| entry.key == "import" && !entry.value.is_null()),
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
    let surroundings = Surroundings {
        declarations,
        here: own_name(policy),
        old: old::rules(policy),
    };
    let items = policy.items("secrets", findings);
    let mut secrets = findings.read_all(items, |item, findings| {
        read_secret(item, &surroundings, findings)
    });
    let names = items.iter().filter_map(name_of);
    expect_unique("secret", names, findings);
    old::add_implicit(&mut secrets, &surroundings.here, declarations);
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
    surroundings: &Surroundings<'_>,
    findings: &mut Findings,
) -> Option<LocatedSecret> {
    let fields = Fields::open(node, &KEYS, findings)?;
    let name = fields
        .required("name", "a secret", findings)
        .and_then(|text| findings.ok(parse_text::<SecretName>(text, codes::BAD_NAME, "name")));
    let kind = read_kind(&fields, findings)?;
    let public = fields.flag("export_public", findings);
    if public && kind == Some(SecretKind::PrivateKey) {
        warn_public_key(&fields, findings);
    }
    let exports = read_exports(&fields, &surroundings.here, findings);
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
    judge_keys(&draft, findings);
    let located = read_origin(&draft, surroundings, findings)?;
    let is_certificate = !matches!(kind, Some(SecretKind::PublicKey | SecretKind::Jwt));
    let certified = located.private_key.as_ref().filter(|_| is_certificate);
    Some(LocatedSecret {
        spec: SecretSpec {
            name: draft.name,
            kind,
            origin: located.origin,
            public,
            exports,
            private_key: certified.map(|key| key.name.clone()),
            position: node.position,
        },
        private_key: located.private_key,
        issuer: located.issuer,
        signer: located.signer,
    })
}

fn warn_public_key(fields: &Fields<'_, '_>, findings: &mut Findings) {
    let place = fields
        .entry("export_public")
        .map_or(fields.position, |entry| entry.position);
    let message = "`export_public` lets everyone read this private key";
    let found = Diagnostic::warning(codes::EXPORT_PRIVATE_KEY, place, message);
    findings.push(found.hint("export the certificate, or a secret of kind `public-key`"));
}

/// The kind; `None` outside when it is unknown.
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
        Some(kind) => Some(Some(kind)),
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
    pub(super) signer: Option<Reference>,
}

impl From<Origin> for Located {
    fn from(origin: Origin) -> Self {
        Self {
            origin,
            private_key: None,
            issuer: None,
            signer: None,
        }
    }
}

fn read_origin(
    draft: &Draft<'_, '_>,
    surroundings: &Surroundings<'_>,
    findings: &mut Findings,
) -> Option<Located> {
    let fields = &draft.fields;
    let declarations = surroundings.declarations;
    if let Some(import) = fields.entry("import_akv") {
        return azure::read_import(draft, import, declarations, findings).map(Located::from);
    }
    if let Some(import) = fields.entry("import") {
        return read_imported(draft, import, surroundings, findings);
    }
    refuse_null_value(draft, findings);
    let Some(kind) = draft.kind else {
        let message = "a secret that is not imported must have `kind`";
        let found = Diagnostic::error(codes::KIND_MISSING, fields.position, message);
        findings.push(found.hint("such as ascii, binary, private-key, x509, x509-ca or aad-token"));
        return None;
    };
    match kind {
        SecretKind::Ascii => plain::read_ascii(fields, findings).map(Located::from),
        SecretKind::Binary => plain::read_binary(fields, findings).map(Located::from),
        SecretKind::PrivateKey => plain::read_private_key(fields, findings).map(Located::from),
        SecretKind::PublicKey => plain::read_public_key(fields, findings),
        SecretKind::X509 | SecretKind::X509Ca => {
            certificates::read(draft, kind, surroundings, findings)
        }
        SecretKind::SessionCa => old::read_session_ca(draft, surroundings, findings),
        SecretKind::AadToken => azure::read_token(fields, findings).map(Located::from),
        SecretKind::ConfigFragment => plain::read_fragment(fields, findings).map(Located::from),
        SecretKind::PgpKey => Some(Origin::Generated(Generation::PgpKey).into()),
        SecretKind::Jwt => jwt::read(fields, declarations, findings),
    }
}

/// An import, with the private-key secret that the policy names for an imported certificate.
fn read_imported(
    draft: &Draft<'_, '_>,
    import: &Entry<'_>,
    surroundings: &Surroundings<'_>,
    findings: &mut Findings,
) -> Option<Located> {
    let import = read_import(import, &draft.name, &surroundings.here, findings);
    let private_key = match may_have_private_key(draft.kind) {
        true => certificates::read_reference(&draft.fields, "private_key", findings),
        false => None,
    };
    Some(Located {
        private_key,
        ..Origin::Import(import?).into()
    })
}

/// Whether an imported secret of this kind may be a certificate, whose key the policy names.
fn may_have_private_key(kind: Option<SecretKind>) -> bool {
    matches!(kind, None | Some(SecretKind::X509 | SecretKind::X509Ca))
}

fn refuse_null_value(draft: &Draft<'_, '_>, findings: &mut Findings) {
    let mut entries = draft.fields.entries().iter();
    let value = entries.find(|entry| entry.key == "value" && entry.value.is_null());
    if let Some(entry) = value {
        let (expected, hint) = match draft.kind {
            Some(SecretKind::ConfigFragment) => {
                ("a part of a policy", "give it; `[]` is the empty list")
            }
            _ => (
                "a text",
                "remove `value` to have one generated; `\"\"` is the empty text",
            ),
        };
        let message = format!("`value`: expected {expected}, found nothing");
        let found = Diagnostic::error(codes::EMPTY_TEXT, entry.position, message);
        findings.push(found.hint(hint));
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

fn given_origin(bytes: &[u8]) -> Origin {
    Origin::Given {
        value: Secret::copied_from(bytes),
        private_key: None,
    }
}

/// That two keys exclude each other.
pub(super) fn exclusive(first: &str, second: &str, position: Position) -> Diagnostic {
    let message = format!("`{first}` and `{second}` exclude each other");
    Diagnostic::error(codes::EXCLUSIVE_KEYS, position, message).hint("remove one of the two")
}

/// Finds keys that do not belong to where the value comes from.
fn judge_keys(draft: &Draft<'_, '_>, findings: &mut Findings) {
    let fields = &draft.fields;
    let (allowed, why) = if fields.entry("import_akv").is_some() {
        (&[][..], "is not for a secret that is imported".to_owned())
    } else if fields.entry("import").is_some() {
        judge_keys_of_import(draft, findings);
        return;
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
    fields.refuse(&refused, codes::KEY_NOT_FOR_KIND, &why, findings);
}

/// Published policies say of imported secrets what their exporters say: that has no effect.
fn judge_keys_of_import(draft: &Draft<'_, '_>, findings: &mut Findings) {
    for key in KIND_KEYS {
        let Some(entry) = draft.fields.entry(key) else {
            continue;
        };
        match *key {
            "value" => findings.push(exclusive("import", "value", entry.position)),
            "private_key" if may_have_private_key(draft.kind) => {}
            _ => {
                let message =
                    format!("`{key}` has no effect beside `import`: the exporter says it");
                let found = Diagnostic::warning(codes::KEY_UNUSED, entry.position, message);
                findings.push(found.hint("remove it"));
            }
        }
    }
}

const UNNAMED: &str = "unnamed";
