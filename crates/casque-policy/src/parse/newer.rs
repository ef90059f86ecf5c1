//! Warns of what the stated version of the language does not have yet, section 15.
//!
//! A version without patch level says nothing of what it has: clients before SCONE 5.8 knew `"0.3"` alone.
//! Versions before 0.3 have their own warning.

use crate::codes;
use crate::findings::Findings;
use crate::yaml::{Entry, Node, Value};
use crate::{Diagnostic, LanguageVersion};

/// Finds the keys and kinds that are newer than `version`.
pub(super) fn warn(root: &Node<'_>, version: LanguageVersion, findings: &mut Findings) {
    if version.minor == 3 && version.patch > 0 && version.patch < LAST_PATCH {
        let mut walk = Walk { version, findings };
        walk.map("", root);
    }
}

struct Walk<'w> {
    version: LanguageVersion,
    findings: &'w mut Findings,
}

impl Walk<'_> {
    /// `place` is the path of keys to the node, lists passed through. As deep as the paths of the table.
    fn map(&mut self, place: &str, node: &Node<'_>) {
        match &node.value {
            Value::List(items) => items.iter().for_each(|item| self.map(place, item)),
            Value::Map(entries) => entries.iter().for_each(|entry| self.entry(place, entry)),
            Value::Null | Value::Text(_) | Value::Asked(_) => {}
        }
    }

    fn entry(&mut self, place: &str, entry: &Entry<'_>) {
        if self.findings.is_full() || entry.value.is_null() {
            return;
        }
        let key = &*entry.key;
        let known = KEYS.iter().find(|known| known.0 == place && known.1 == key);
        if let Some((_, _, patch)) = known {
            self.judge(entry, &format!("`{key}`"), *patch);
        }
        if let ("secrets", "kind", Some(text)) = (place, key, entry.value.text())
            && let Some((kind, patch)) = KINDS.iter().find(|(kind, _)| *kind == text.as_str())
        {
            self.judge(entry, &format!("`kind: {kind}`"), *patch);
        }
        if let Some((_, _, inner)) = PLACES
            .iter()
            .find(|known| known.0 == place && known.1 == key)
        {
            self.map(inner, &entry.value);
        }
    }

    fn judge(&mut self, entry: &Entry<'_>, what: &str, since: u32) {
        let stated = self.version.patch;
        if since <= stated {
            return;
        }
        let message =
            format!("{what} is of language 0.3.{since}, and the policy states 0.3.{stated}");
        let found = Diagnostic::warning(codes::NEWER_THAN_VERSION, entry.position, message);
        self.findings
            .push(found.hint(format!("write `version: \"0.3.{since}\"`")));
    }
}

/// Which key of which place leads to which other place.
const PLACES: &[(&str, &str, &str)] = &[
    ("", "services", "services"),
    ("", "secrets", "secrets"),
    ("", "volumes", "volumes"),
    ("", "images", "images"),
    ("", "access_policy", "access_policy"),
    ("", "security", "security"),
    ("security", "attestation", "security.attestation"),
    ("images", "volumes", "images.volumes"),
    ("images", "injection_files", "images.injection_files"),
    ("secrets", "import_akv", "secrets.import_akv"),
    ("secrets", "export", "secrets.export"),
    ("volumes", "export", "volumes.export"),
];

/// Place, key, and the patch level of language 0.3 that brought it.
const KEYS: &[(&str, &str, u32)] = &[
    ("", "security", 1),
    ("", "secret_config", 10),
    ("", "namespace_hash", 11),
    ("", "salt", 12),
    ("access_policy", "create_sessions", 5),
    ("access_policy", "list_sessions", 12),
    ("security", "singleton_enclaves", 9),
    ("security", "service_access_token", 9),
    ("security.attestation", "one_time_password_shared_secret", 8),
    ("security.attestation", "must_be_sgx_local", 11),
    ("services", "attestation", 7),
    ("services", "one_time_password_shared_secret", 10),
    ("services", "fspf_update_policy", 11),
    ("secrets", "key_type", 4),
    ("secrets", "import_akv", 7),
    ("secrets", "migrate", 7),
    ("secrets", "san", 10),
    ("secrets.import_akv", "decryption_key", 10),
    ("secrets.export", "namespace", 6),
    ("volumes", "files", 11),
    ("volumes.export", "update_policy", 2),
    ("volumes.export", "volume_alias", 10),
    ("images.volumes", "update_policy", 2),
    ("images", "provide_secrets", 11),
    ("images.injection_files", "permission", 10),
];

/// Kinds of secrets, and the patch level of language 0.3 that brought them.
const KINDS: &[(&str, u32)] = &[
    ("aad-token", 7),
    ("config-fragment", 10),
    ("pgp-key", 10),
    ("public-key", 11),
    ("jwt", 12),
];

const LAST_PATCH: u32 = 12;
