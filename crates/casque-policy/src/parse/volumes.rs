//! `volumes`, section 6.

use std::collections::BTreeSet;

use casque_types::{PolicyName, UpdatePolicy, VolumeFiles, VolumeName};

use super::expect_unique;
use super::protection::{read_key, read_tag};
use super::secrets::{exclusive, name_of};
use super::sharing::{Id, own_name, read_id, warn_unused};
use crate::codes;
use crate::fields::{Fields, Keys, parse_text};
use crate::findings::Findings;
use crate::placeholder::Declarations;
use crate::yaml::{Entry, Node, Value};
use crate::{Diagnostic, OwnVolume, Position, Volume, VolumeExport, VolumeImport, VolumeOrigin};

/// Reads all volumes.
pub(super) fn read(
    policy: &Fields<'_, '_>,
    declarations: &Declarations<'_>,
    findings: &mut Findings,
) -> Vec<Volume> {
    let here = own_name(policy);
    let items = policy.items("volumes", findings);
    let volumes = findings.read_all(items, |item, findings| {
        read_volume(item, &here, declarations, findings)
    });
    expect_unique("volume", items.iter().filter_map(name_of), findings);
    volumes
}

fn read_volume(
    node: &Node<'_>,
    here: &PolicyName,
    declarations: &Declarations<'_>,
    findings: &mut Findings,
) -> Option<Volume> {
    let fields = Fields::open(node, &KEYS, findings)?;
    let name = fields
        .required("name", "a volume", findings)
        .and_then(|text| findings.ok(parse_text::<VolumeName>(text, codes::BAD_NAME, "name")));
    let origin = match fields.entry("import") {
        Some(import) => {
            for key in ["fspf_key", "fspf_tag", "files", "export"] {
                if let Some(entry) = fields.entry(key) {
                    findings.push(exclusive("import", key, entry.position));
                }
            }
            VolumeOrigin::Import(read_import(import, name.as_ref(), here, findings)?)
        }
        None => VolumeOrigin::Own(read_own(&fields, here, declarations, findings)?),
    };
    Some(Volume {
        name: name?,
        origin,
        position: node.position,
    })
}

fn read_own(
    fields: &Fields<'_, '_>,
    here: &PolicyName,
    declarations: &Declarations<'_>,
    findings: &mut Findings,
) -> Option<OwnVolume> {
    if let (None, Some(tag)) = (fields.entry("fspf_key"), fields.entry("fspf_tag")) {
        let message = "a volume with `fspf_tag` must have `fspf_key`: the tag was made under a key";
        let found = Diagnostic::error(codes::MISSING_KEY, tag.position, message);
        findings.push(found.hint("leave both out to have the volume initialised at its first use"));
        return None;
    }
    let words = [
        ("encrypted", VolumeFiles::Encrypted),
        ("authenticated-only", VolumeFiles::AuthenticatedOnly),
    ];
    Some(OwnVolume {
        key: read_key(fields, declarations, findings),
        tag: read_tag(fields, findings),
        files: fields.word("files", &words, findings).unwrap_or_default(),
        exports: read_exports(fields, here, findings),
    })
}

fn read_import(
    import: &Entry<'_>,
    own: Option<&VolumeName>,
    here: &PolicyName,
    findings: &mut Findings,
) -> Option<VolumeImport> {
    let id = read_id(&import.value, &IMPORT_KEYS, here, findings)?;
    refuse_other_cas(&id, findings);
    let is_map = matches!(import.value.value, Value::Map(_));
    for (key, is_absent) in [
        ("session", id.session.is_none()),
        ("volume", id.volume.is_none() && is_map),
    ] {
        if is_absent && !id.is_refused {
            let message = format!("`import` of a volume must have `{key}`");
            let found = Diagnostic::error(codes::MISSING_KEY, import.position, message);
            findings.push(found.hint("write `import: {session: NAME, volume: NAME}`"));
        }
    }
    let there = id.volume.map(|volume| volume.value);
    Some(VolumeImport {
        session: id.session?.value,
        hash: id.hash.map(|hash| hash.value),
        volume: there.or_else(|| own.filter(|_| !is_map).cloned())?,
    })
}

/// Volumes are shared within one CAS, and with policies by name.
fn refuse_other_cas(id: &Id, findings: &mut Findings) {
    let message = match (&id.namespace, id.place_of_cas()) {
        (Some(namespace), _) => (
            "a volume cannot be exported to a namespace",
            namespace.position,
        ),
        (None, Some(position)) => ("a volume cannot be shared with another CAS", position),
        (None, None) => return,
    };
    let found = Diagnostic::error(codes::BAD_REFERENCE, message.1, message.0);
    findings.push(found.hint("name each session; secrets can be shared that way"));
}

fn read_exports(
    fields: &Fields<'_, '_>,
    here: &PolicyName,
    findings: &mut Findings,
) -> Vec<VolumeExport> {
    let Some(node) = fields.value("export") else {
        return Vec::new();
    };
    let exports = findings.read_all(node.one_or_more(), |item, findings| {
        Some((read_export(item, here, findings)?, item.position))
    });
    let mut seen = BTreeSet::new();
    for (export, position) in &exports {
        let is_own = export.session == *here;
        warn_unused(is_own, !seen.insert(export), *position, findings);
    }
    exports.into_iter().map(|(export, _)| export).collect()
}

/// `{session, session_hash}`, or `{to: {session, session_hash}, update_policy, volume_alias}`.
fn read_export(
    node: &Node<'_>,
    here: &PolicyName,
    findings: &mut Findings,
) -> Option<VolumeExport> {
    let is_long = match &node.value {
        Value::Map(entries) => entries.iter().any(|entry| LONG_KEYS.contains(&&*entry.key)),
        _ => false,
    };
    if !is_long {
        let id = read_id(node, &TARGET_KEYS, here, findings)?;
        return to(id, node.position, findings);
    }
    let fields = Fields::open(node, &EXPORT_KEYS, findings)?;
    let Some(target) = fields.value("to") else {
        findings.push(fields.missing("to", "`export` of a volume"));
        return None;
    };
    let id = read_id(target, &TARGET_KEYS, here, findings)?;
    let alias = fields.parsed("volume_alias", codes::BAD_NAME, findings);
    let update_policy = read_update_policy(&fields, findings);
    Some(VolumeExport {
        alias,
        update_policy: update_policy.unwrap_or_default(),
        ..to(id, target.position, findings)?
    })
}

fn to(id: Id, position: Position, findings: &mut Findings) -> Option<VolumeExport> {
    refuse_other_cas(&id, findings);
    if id.session.is_none() && id.namespace.is_none() && !id.is_refused {
        let message = "`export` of a volume must have `session`";
        findings.push(Diagnostic::error(codes::MISSING_KEY, position, message));
    }
    Some(VolumeExport {
        session: id.session?.value,
        hash: id.hash.map(|hash| hash.value),
        update_policy: UpdatePolicy::default(),
        alias: None,
    })
}

/// Reads `update_policy`, of an export or of a mount.
pub(super) fn read_update_policy(
    fields: &Fields<'_, '_>,
    findings: &mut Findings,
) -> Option<UpdatePolicy> {
    let words = [
        ("rollback_protected", UpdatePolicy::RollbackProtected),
        ("ephemeral", UpdatePolicy::Ephemeral),
        ("no_rollback_protection", UpdatePolicy::NoRollbackProtection),
    ];
    fields.word("update_policy", &words, findings)
}

pub(super) const KEYS: Keys = Keys {
    place: "a volume",
    read: &["name", "fspf_key", "fspf_tag", "files", "export", "import"],
    not_yet: &[],
    legacy: &[],
};

/// The other-CAS keys are read to be refused by name.
pub(super) const TARGET_KEYS: Keys = Keys {
    place: "`export` of a volume",
    read: &[
        "session",
        "session_hash",
        "namespace",
        "cas_url",
        "cas_key",
        "cas_software_key",
    ],
    not_yet: &[],
    legacy: &[],
};

const LONG_KEYS: &[&str] = &["to", "update_policy", "volume_alias"];

pub(super) const EXPORT_KEYS: Keys = Keys {
    place: "`export` of a volume",
    read: LONG_KEYS,
    not_yet: &[],
    legacy: &[],
};

pub(super) const IMPORT_KEYS: Keys = Keys {
    place: "`import` of a volume",
    read: &[
        "session",
        "session_hash",
        "volume",
        "cas_url",
        "cas_key",
        "cas_software_key",
    ],
    not_yet: &[],
    legacy: &[],
};
