//! `secret_config`, section 4.3: where the values of a policy are kept.

use super::azure;
use crate::codes;
use crate::fields::{Fields, Keys};
use crate::findings::Findings;
use crate::placeholder::Declarations;
use crate::yaml::{Node, Tag};
use crate::{Diagnostic, KeptIn};

/// Reads it; in Casque's own store where it says nothing.
pub(super) fn read(
    policy: &Fields<'_, '_>,
    declarations: &Declarations<'_>,
    findings: &mut Findings,
) -> KeptIn {
    let fields = policy
        .value("secret_config")
        .and_then(|node| Fields::open(node, &KEYS, findings));
    let Some(fields) = fields else {
        return KeptIn::Casque;
    };
    // `!cas` alone is a null with a tag, which is not the same as no `store_in`.
    let mut entries = fields.entries().iter();
    let Some(entry) = entries.find(|entry| entry.key == "store_in") else {
        return KeptIn::Casque;
    };
    // Without a store there is an error, and no policy; the default stands for it until then.
    read_store(&entry.value, declarations, findings).unwrap_or_default()
}

fn read_store(
    node: &Node<'_>,
    declarations: &Declarations<'_>,
    findings: &mut Findings,
) -> Option<KeptIn> {
    match node.tag {
        Some(Tag::Cas) => {
            let is_empty = node.is_null() || Fields::open(node, &CAS_KEYS, findings).is_some();
            is_empty.then_some(KeptIn::Casque)
        }
        Some(Tag::Akv) => {
            let fields = Fields::open(node, &AKV_KEYS, findings)?;
            let vault = azure::read_vault(&fields, AKV_KEYS.place, findings);
            let token = azure::read_token_reference(&fields, node.position, declarations, findings);
            Some(KeptIn::KeyVault {
                vault: vault?,
                token: token?,
            })
        }
        None if node.is_null() => Some(KeptIn::Casque),
        None => {
            let found = node.value.kind();
            let message = format!("`store_in`: expected the tag `!cas` or `!akv`, found {found}");
            let found = Diagnostic::error(codes::WRONG_TYPE, node.position, message);
            findings.push(
                found.hint("write `store_in: !akv {vault: my-vault, token: $$SCONE::name$$}`"),
            );
            None
        }
    }
}

pub(super) const KEYS: Keys = Keys {
    place: "`secret_config`",
    read: &["store_in"],
    not_yet: &[],
    legacy: &[],
};

const CAS_KEYS: Keys = Keys {
    place: "`store_in: !cas`",
    read: &[],
    not_yet: &[],
    legacy: &[],
};

pub(super) const AKV_KEYS: Keys = Keys {
    place: "`store_in: !akv`",
    read: &["vault", "token"],
    not_yet: &[],
    legacy: &[],
};
