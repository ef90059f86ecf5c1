//! A tree becomes a [`Policy`]: every rule of the language, all findings at once.
//!
//! Section numbers are those of spec/policy-language.md.

mod access;
mod attestation;
mod azure;
mod certificates;
mod clauses;
mod factors;
mod host;
mod images;
mod jwt;
mod language;
mod newer;
mod old;
mod platforms;
mod protection;
mod references;
mod secret_config;
mod secrets;
mod security;
mod services;
mod sharing;
mod signer;
mod volumes;

use std::collections::BTreeSet;

use casque_types::{KeyHash, PolicyHash, PolicyName, Secret};
pub use language::{LANGUAGE_MAPS, LanguageMap};

use crate::codes;
use crate::fields::{Fields, Keys, misplaced, parse_text, shown};
use crate::findings::{Findings, quoted};
use crate::placeholder::OPENING;
use crate::yaml::{self, Node, Text, Value};
use crate::{Diagnostic, LanguageVersion, Policy, Position, Salt, Severity, hash, pem};

/// A policy with what its author should know about it.
#[derive(Debug)]
pub struct Parsed {
    /// The policy.
    pub policy: Policy,
    /// Warnings, in the order of the text.
    pub warnings: Vec<Diagnostic>,
}

impl Policy {
    /// Reads the text of a policy: at most 1 MiB of YAML, 32 levels, 16384 keys and values.
    ///
    /// # Errors
    /// Every error found, with the warnings between them, in the order of the text; the first hundred.
    /// A text that is no YAML has one error.
    pub fn parse(text: &str) -> Result<Parsed, Vec<Diagnostic>> {
        let root = yaml::load(text)?;
        let mut findings = Findings::default();
        let policy = read_policy(&root, &mut findings);
        let found = findings.into_sorted();
        let refused = found.iter().any(|f| f.severity == Severity::Error);
        match policy {
            Some(policy) if !refused => Ok(Parsed {
                policy,
                warnings: found,
            }),
            _ => Err(found),
        }
    }

    /// The text in the one layout that every text of the same meaning and order has: block form, without
    /// comments. It parses to the same policy, and has the same hash.
    ///
    /// # Errors
    /// The text is no YAML; whether it is a policy is not looked at.
    pub fn normalised(text: &str) -> Result<Secret, Vec<Diagnostic>> {
        Ok(yaml::block(&yaml::load(text)?))
    }

    /// Reads the bytes of a policy, which must be UTF-8.
    ///
    /// # Errors
    /// As [`Policy::parse`]; and the place of the first byte that is no UTF-8.
    pub fn parse_bytes(bytes: &[u8]) -> Result<Parsed, Vec<Diagnostic>> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::parse(text),
            Err(error) => Err(vec![not_utf8(bytes, error.valid_up_to())]),
        }
    }
}

fn not_utf8(bytes: &[u8], offset: usize) -> Diagnostic {
    let before = bytes.get(..offset).unwrap_or_default();
    let line_start = before.iter().rposition(|b| *b == b'\n');
    let line_start = line_start.map_or(0, |newline| newline.saturating_add(1));
    let last_line = before.get(line_start..).unwrap_or_default();
    let breaks = before.split(|b| *b == b'\n').count();
    let position = Position {
        line: breaks,
        column: String::from_utf8_lossy(last_line)
            .chars()
            .count()
            .saturating_add(1),
    };
    let message = "expected UTF-8, found a byte that is none";
    Diagnostic::error(codes::TEXT_ENCODING, position, message)
        .hint("save the file as UTF-8; binary values are written in hexadecimal")
}

fn read_policy(root: &Node<'_>, findings: &mut Findings) -> Option<Policy> {
    let fields = Fields::open(root, &KEYS, findings)?;
    let name = fields
        .required("name", "a policy", findings)
        .and_then(|text| findings.ok(parse_text::<PolicyName>(text, codes::BAD_NAME, "name")));
    let version = read_version(&fields, findings);
    newer::warn(root, version, findings);
    let predecessor = read_predecessor(&fields, findings);
    let namespace_hash = read_namespace_hash(&fields, predecessor.is_some(), findings);
    let salt = fields.parsed("salt", codes::BAD_HASH, findings).map(Salt);
    let creator = read_creator(&fields, findings);
    let declarations = secrets::declare(&fields);
    let mut scope = clauses::Scope::new(&fields, &declarations);
    let access = access::read(&fields, version, &mut scope, findings);
    let security = security::read(&fields, &mut scope, findings);
    let secrets = secrets::read(&fields, &declarations, findings);
    references::judge(&secrets, &declarations, findings);
    let volumes = volumes::read(&fields, &declarations, findings);
    let images = images::read(&fields, &declarations, findings);
    let services = services::read(&fields, security.stated(), &mut scope, findings);
    security::judge_managed_tcb(&fields, security.stated(), &services, findings);
    references::judge_templates(
        &services,
        &images,
        &volumes,
        &secrets,
        &declarations,
        findings,
    );
    Some(Policy {
        name: name?,
        version,
        predecessor,
        namespace_hash,
        salt,
        creator,
        access,
        security,
        volumes,
        kept_in: secret_config::read(&fields, &declarations, findings),
        services,
        images,
        secrets: secrets.into_iter().map(|located| located.spec).collect(),
        canonical: hash::body_of(root),
    })
}

fn read_version(fields: &Fields<'_, '_>, findings: &mut Findings) -> LanguageVersion {
    let assumed = LanguageVersion {
        major: 0,
        minor: 1,
        patch: 0,
    };
    let Some(text) = fields.text("version", findings) else {
        let message = "no `version`: language 0.1 is assumed";
        let found = Diagnostic::warning(codes::VERSION_MISSING, fields.position, message);
        findings.push(found.hint("add `version: \"0.3\"`"));
        return assumed;
    };
    let Some(version) = parse_version(text.as_str()) else {
        let found = quoted(text.as_str());
        let message = format!("unknown language version {found}");
        let found = Diagnostic::error(codes::VERSION_UNKNOWN, text.position(), message);
        findings.push(found.hint("known are 0.1, 0.2, 0.3, and 0.3.1 to 0.3.12"));
        return assumed;
    };
    if version.minor < 3 {
        let minor = version.minor;
        let message = format!(
            "language 0.{minor} is read by the rules of 0.3, but for certificates without key"
        );
        let found = Diagnostic::warning(codes::VERSION_OLD, text.position(), message);
        findings.push(found.hint("write `version: \"0.3\"`"));
    }
    version
}

fn parse_version(text: &str) -> Option<LanguageVersion> {
    let (minor, patch) = match text.strip_prefix("0.")?.split_once('.') {
        None => (text.strip_prefix("0.")?, "0"),
        Some((minor, patch)) => (minor, patch),
    };
    let is_number = |part: &str| part.bytes().all(|b| b.is_ascii_digit()) && part.len() <= 2;
    if !is_number(minor) || !is_number(patch) {
        return None;
    }
    let (minor, patch): (u32, u32) = (minor.parse().ok()?, patch.parse().ok()?);
    let known = match minor {
        1 | 2 => patch == 0,
        3 => patch <= 12,
        _ => false,
    };
    known.then_some(LanguageVersion {
        major: 0,
        minor,
        patch,
    })
}

fn read_predecessor(fields: &Fields<'_, '_>, findings: &mut Findings) -> Option<PolicyHash> {
    let text = fields.text("predecessor", findings)?;
    // Templates fill "none" in as they can.
    if matches!(text.as_str(), "" | "~" | "null" | "None") {
        return None;
    }
    let parsed = parse_text(text, codes::BAD_HASH, "predecessor");
    findings.ok(parsed.map_err(|found| {
        found.hint("the hash that `casque session create` or `update` printed, or `~` for none")
    }))
}

/// It is looked at on creation alone, and a successor must not state it, section 1.
fn read_namespace_hash(
    fields: &Fields<'_, '_>,
    is_successor: bool,
    findings: &mut Findings,
) -> Option<PolicyHash> {
    let entry = fields.entry("namespace_hash")?;
    if is_successor {
        let found = secrets::exclusive("predecessor", "namespace_hash", entry.position);
        findings.push(found.hint("remove it: it counted when the policy was created"));
    }
    fields.parsed("namespace_hash", codes::BAD_HASH, findings)
}

fn read_creator(fields: &Fields<'_, '_>, findings: &mut Findings) -> Option<KeyHash> {
    let said = fields.entries().iter().find(|entry| entry.key == "creator");
    if let Some(entry) = said
        && entry.value.is_null()
    {
        let message = "`creator`: expected a certificate or key hash, found nothing";
        let found = Diagnostic::error(codes::EMPTY_TEXT, entry.position, message);
        findings.push(found.hint("leave `creator` out: it is filled in"));
    }
    let node = fields.value("creator")?;
    if matches!(node.value, Value::Map(_)) {
        let by = Fields::open(node, &CREATOR_KEYS, findings)?;
        let text = by.required("signer", "`creator`", findings)?;
        return findings.ok(signer::read(text));
    }
    let text = fields.text("creator", findings)?;
    findings.ok(read_key(text, "creator"))
}

/// The key that a text names: by certificate, or by its hash.
fn read_key(text: &Text<'_>, place: &str) -> Result<KeyHash, Diagnostic> {
    let found = text.as_str();
    if pem::is_pem(found) {
        return pem::key_hash_of_certificate(found).map_err(|error| {
            let message = format!("`{place}`: {error}");
            Diagnostic::error(codes::BAD_CERTIFICATE, text.position(), message)
        });
    }
    if found.contains(OPENING) {
        return Err(misplaced(text.position(), &format!("`{place}`")));
    }
    found.parse().map_err(|error| {
        let message = format!("`{place}`: {error}, in {}", shown(text));
        Diagnostic::error(codes::BAD_KEY_HASH, text.position(), message)
            .hint("`casque self show` prints a client's key hash")
    })
}

/// Finds names that stand twice.
fn expect_unique<'n>(
    what: &str,
    names: impl Iterator<Item = (&'n str, Position)>,
    findings: &mut Findings,
) {
    let mut seen = BTreeSet::new();
    for (name, position) in names {
        if !seen.insert(name) {
            let message = format!("there is another {what} named {}", quoted(name));
            findings.push(Diagnostic::error(codes::DUPLICATE_NAME, position, message));
        }
    }
}

const KEYS: Keys = Keys {
    place: "a policy",
    read: &[
        "name",
        "version",
        "predecessor",
        "salt",
        "namespace_hash",
        "creator",
        "access_policy",
        "security",
        "services",
        "images",
        "secrets",
        "volumes",
        "secret_config",
    ],
    not_yet: &[],
    legacy: &["digest", "board_members", "board_policy", "exports"],
};

const CREATOR_KEYS: Keys = Keys {
    place: "`creator`",
    read: &["signer"],
    not_yet: &[],
    legacy: &[],
};
