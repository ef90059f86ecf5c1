//! `check --portable`: what of a policy leaves SCONE's language, and so works with Casque alone.
//!
//! Casque's own additions (ARCHITECTURE.md), and the spellings that Casque accepts and SCONE's documents
//! do not have. That a key is newer than the policy's `version` is a finding of the parser already.

use casque_secrets::{SignerAlgorithm, SignerKey};
use casque_types::KeyHash;
use casque_wire::Diagnostic;

use crate::yaml::{self, Entry, Node, Value};

/// The findings, in the order of the text; none of a text that is no policy.
pub(crate) fn findings(text: &str) -> Vec<Diagnostic> {
    let Ok(root) = yaml::load(text) else {
        return Vec::new();
    };
    let mut judge = Judge::default();
    judge.policy(&root);
    let mut found = judge.found;
    found.sort_by_key(|found| (found.line, found.column));
    found
}

#[derive(Default)]
struct Judge {
    found: Vec<Diagnostic>,
}

impl Judge {
    fn policy(&mut self, root: &Node) {
        for entry in root.entries() {
            let value = &entry.value;
            match entry.key.as_str() {
                "creator" => self.creator(value),
                "access_policy" => self.access(value),
                "security" => self.security(value),
                "services" => value.one_or_more().iter().for_each(|it| self.service(it)),
                "secrets" => value.one_or_more().iter().for_each(|it| self.secret(it)),
                "secret_config" => {
                    if let Some(store) = value.get("store_in") {
                        self.vault(store);
                    }
                }
                _ => {}
            }
        }
    }

    /// Keys that are Casque's own.
    fn own_keys(&mut self, map: &Node, keys: &[&str]) {
        for entry in map.entries() {
            if keys.contains(&entry.key.as_str()) {
                let message = format!("`{}` is an addition of Casque", entry.key);
                self.say(entry.line, entry.column, message, "SCONE CAS refuses it");
            }
        }
    }

    fn creator(&mut self, node: &Node) {
        if node.text().is_some_and(|text| !text.contains("-----")) {
            let message = "`creator` as a key hash is a spelling of Casque".to_owned();
            let hint = "SCONE has a certificate in PEM there, or `signer`";
            self.say(node.line, node.column, message, hint);
        }
        if let Some(signer) = node.get("signer") {
            self.signer(signer);
        }
    }

    /// As deep as the tree, which is bounded.
    fn access(&mut self, node: &Node) {
        match &node.value {
            Value::Text(text) if is_hexadecimal_hash(&text.text) => {
                let message = "a key hash in hexadecimal digits is a spelling of Casque".to_owned();
                let hint = "write it as `casque self show-key-hash` does, in Base58Check";
                self.say(node.line, node.column, message, hint);
            }
            Value::Text(_) => {}
            Value::List(items) => items.iter().for_each(|item| self.access(item)),
            Value::Map(entries) => {
                for entry in entries {
                    match entry.key.as_str() {
                        "signer" => self.signer(&entry.value),
                        _ => self.access(&entry.value),
                    }
                }
            }
        }
    }

    fn signer(&mut self, node: &Node) {
        let key = node.text().and_then(|text| text.parse::<SignerKey>().ok());
        if key.is_some_and(|key| key.algorithm() == SignerAlgorithm::P256) {
            let message = "a signer with a P-256 key is an addition of Casque".to_owned();
            let hint = "SCONE takes Ed25519 and P-384: sign with `--key FILE`";
            self.say(node.line, node.column, message, hint);
        }
    }

    fn security(&mut self, node: &Node) {
        if let Some(attestation) = node.get("attestation") {
            self.own_keys(
                attestation,
                &["require", "max_token_age_s", "require_tee_signer"],
            );
        }
    }

    fn service(&mut self, node: &Node) {
        self.own_keys(node, &["refresh"]);
        let entries = node.get("attestation").map_or(&[][..], Node::one_or_more);
        for entry in entries {
            self.own_keys(
                entry,
                &["snp", "tdx", "azure_vm", "aci", "maa", "kubernetes"],
            );
        }
    }

    fn secret(&mut self, node: &Node) {
        self.own_keys(node, &["credential", "scope", "authority", "certificate"]);
        if let Some(import) = node.get("import_akv") {
            self.own_keys(import, &["version", "object", "encoding"]);
            self.vault(import);
        }
        if let Some(thumbprint) = node.entry("certificate_thumbprint") {
            self.thumbprint(thumbprint);
        }
    }

    fn thumbprint(&mut self, entry: &Entry) {
        let digits = entry.value.text().unwrap_or_default();
        if digits.len() == 64 {
            let message = "a SHA-256 thumbprint is an addition of Casque".to_owned();
            let hint = "SCONE has the SHA-1 thumbprint, 40 digits";
            self.say(entry.value.line, entry.value.column, message, hint);
        }
    }

    fn vault(&mut self, map: &Node) {
        let Some(vault) = map.get("vault") else {
            return;
        };
        let name = vault.text().unwrap_or_default();
        if !name.contains(['.', ':', '/']) && !name.is_empty() {
            let message = "a vault by its bare name is a spelling of Casque".to_owned();
            let hint = "write its host, such as `NAME.vault.azure.net`";
            self.say(vault.line, vault.column, message, hint);
        }
    }

    fn say(&mut self, line: usize, column: usize, message: String, hint: &str) {
        self.found.push(Diagnostic {
            severity: "warning".to_owned(),
            code: "not-portable".to_owned(),
            message,
            line,
            column,
            hint: Some(hint.to_owned()),
        });
    }
}

fn is_hexadecimal_hash(text: &str) -> bool {
    text.len() == 64 && text.parse::<KeyHash>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::findings;

    fn found(text: &str) -> Vec<(usize, usize, String)> {
        let found = findings(text).into_iter();
        found
            .inspect(|found| {
                assert_eq!(
                    (&*found.code, &*found.severity),
                    ("not-portable", "warning")
                )
            })
            .map(|found| (found.line, found.column, found.message))
            .collect()
    }

    #[test]
    fn each_addition_is_found_at_its_place() {
        let own = |key: &str| format!("`{key}` is an addition of Casque");
        for (text, line, column, message) in [
            ("services:\n- refresh: {every: 1h}\n", 2, 3, own("refresh")),
            ("services:\n- attestation: {snp: {}}\n", 2, 17, own("snp")),
            ("services:\n- attestation:\n  - tdx: {}\n", 3, 5, own("tdx")),
            (
                "security: {attestation: {require: [maa]}}\n",
                1,
                26,
                own("require"),
            ),
            (
                "security:\n  attestation:\n    max_token_age_s: 60\n",
                3,
                5,
                own("max_token_age_s"),
            ),
            (
                "security:\n  attestation:\n    require_tee_signer: true\n",
                3,
                5,
                own("require_tee_signer"),
            ),
            (
                "services:\n- attestation: {mrenclave: x, kubernetes: {}}\n",
                2,
                31,
                own("kubernetes"),
            ),
            ("secrets:\n- scope: x\n", 2, 3, own("scope")),
            (
                "secrets:\n- import_akv: {version: x}\n",
                2,
                16,
                own("version"),
            ),
            (
                "secrets:\n- import_akv: {encoding: hex}\n",
                2,
                16,
                own("encoding"),
            ),
            (
                "secrets:\n- import_akv: {vault: my-vault}\n",
                2,
                23,
                "a vault by its bare name is a spelling of Casque".to_owned(),
            ),
        ] {
            assert_eq!(found(text), [(line, column, message)], "{text}");
        }
    }

    #[test]
    fn hashes_and_keys_of_other_forms_are_found_wherever_they_stand() {
        let hash = "ab".repeat(32);
        let text = format!(
            "creator: {hash}\naccess_policy:\n  read: {hash}\n  update: [require-all: [CREATOR, {hash}]]\n"
        );
        let places: Vec<_> = found(&text).into_iter().map(|(line, ..)| line).collect();
        assert_eq!(places, [1, 3, 4]);
        let thumbprint = format!("secrets:\n- certificate_thumbprint: {hash}\n");
        assert_eq!(found(&thumbprint).len(), 1);
    }

    #[test]
    fn what_scone_has_is_not_found() {
        let text = "name: a\ncreator: |\n  -----BEGIN CERTIFICATE-----\nsecrets:\n- import_akv: {vault: \
            https://v.vault.azure.net/, secret_name: x}\n- import_akv: {vault: v.vault.azure.net}\n- certificate_thumbprint: \
            0123456789012345678901234567890123456789\naccess_policy: {read: [ANY], update: [CREATOR]}\n";
        assert_eq!(found(text), []);
    }
}
