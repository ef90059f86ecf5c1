//! `images`, section 7.

use std::collections::BTreeSet;

use casque_types::{FileMode, SecretName, VolumeName};

use super::expect_unique;
use super::secrets::name_of;
use super::services::refuse_import;
use super::volumes::read_update_policy;
use crate::codes;
use crate::fields::{Fields, Keys, expect_text, parse_text};
use crate::findings::{Findings, nearest_hint, quoted};
use crate::placeholder::{Declarations, template};
use crate::yaml::{Node, Text};
use crate::{Content, Diagnostic, Image, InjectionFile, Mount};

/// Reads all images.
pub(super) fn read(
    policy: &Fields<'_, '_>,
    declarations: &Declarations<'_>,
    findings: &mut Findings,
) -> Vec<Image> {
    let items = policy.items("images", findings);
    let volumes = policy.value("volumes").map_or(&[][..], Node::one_or_more);
    let volumes: BTreeSet<&str> = volumes
        .iter()
        .filter_map(|volume| name_of(volume).map(|(name, _)| name))
        .collect();
    let images = findings.read_all(items, |item, findings| {
        read_image(item, &volumes, declarations, findings)
    });
    expect_unique("image", items.iter().filter_map(name_of), findings);
    images
}

fn read_image(
    node: &Node<'_>,
    volumes: &BTreeSet<&str>,
    declarations: &Declarations<'_>,
    findings: &mut Findings,
) -> Option<Image> {
    let fields = Fields::open(node, &KEYS, findings)?;
    let name = fields.required("name", "an image", findings);
    let mut paths = BTreeSet::new();
    let items = fields.items("injection_files", findings);
    let injection_files = findings.read_all(items, |item, findings| {
        read_file(item, &mut paths, declarations, findings)
    });
    let mut mounted = BTreeSet::new();
    let items = fields.items("volumes", findings);
    let mounts = findings.read_all(items, |item, findings| {
        read_mount(item, volumes, &mut mounted, findings)
    });
    refuse_import(&fields, "an image", findings);
    Some(Image {
        name: name?.as_str().to_owned(),
        injection_files,
        mounts,
        provide_secrets: read_provided(&fields, declarations, findings),
    })
}

fn read_mount<'n>(
    node: &'n Node<'_>,
    volumes: &BTreeSet<&str>,
    mounted: &mut BTreeSet<&'n str>,
    findings: &mut Findings,
) -> Option<Mount> {
    let fields = Fields::open(node, &MOUNT_KEYS, findings)?;
    let name = fields
        .required("name", MOUNT_KEYS.place, findings)
        .and_then(|text| findings.ok(known_volume(text, volumes)));
    let path = fields
        .required("path", MOUNT_KEYS.place, findings)
        .and_then(|text| findings.ok(expect_directory(text)));
    if let Some(path) = path
        && !mounted.insert(path.as_str())
    {
        let message = format!("the image has another volume at {}", quoted(path.as_str()));
        let code = codes::DUPLICATE_PATH;
        findings.push(Diagnostic::error(code, path.position(), message));
    }
    let update_policy = read_update_policy(&fields, findings);
    Some(Mount {
        volume: name?,
        path: path?.as_str().to_owned(),
        update_policy,
        position: node.position,
    })
}

fn known_volume(text: &Text<'_>, volumes: &BTreeSet<&str>) -> Result<VolumeName, Diagnostic> {
    let name = text.as_str();
    if volumes.contains(name) {
        return parse_text(text, codes::BAD_NAME, "name");
    }
    let message = format!("no volume is named {}", quoted(name));
    let mut found = Diagnostic::error(codes::UNKNOWN_VOLUME, text.position(), message);
    found.hint = nearest_hint(name, volumes.iter().copied())
        .or_else(|| Some("add it under `volumes`".to_owned()));
    Err(found)
}

/// `provide_secrets`: here it limits what templates of the container may use.
fn read_provided(
    image: &Fields<'_, '_>,
    declarations: &Declarations<'_>,
    findings: &mut Findings,
) -> Option<Vec<SecretName>> {
    let entry = image.entry("provide_secrets")?;
    let message = "`provide_secrets` limits what files of the container may use; the programming interface that it opens is of SCONE's own runtime";
    let code = codes::SCONE_RUNTIME_ONLY;
    findings.push(Diagnostic::warning(code, entry.position, message));
    let items = image.items("provide_secrets", findings);
    let names = findings.read_all(items, |item, findings| {
        let text = expect_text(item, "provide_secrets", findings)?;
        if declarations.find(text.as_str()).is_none() {
            findings.push(declarations.unknown(text.as_str(), text.position()));
            return None;
        }
        findings.ok(parse_text(text, codes::BAD_NAME, "provide_secrets"))
    });
    Some(names)
}

fn read_file<'n>(
    node: &'n Node<'_>,
    paths: &mut BTreeSet<&'n str>,
    declarations: &Declarations<'_>,
    findings: &mut Findings,
) -> Option<InjectionFile> {
    if let Some(text) = node.text() {
        let path = findings.ok(expect_path(text))?;
        expect_new(path, paths, findings);
        return Some(InjectionFile {
            path: path.as_str().to_owned(),
            content: Content::OfContainer,
            mode: FileMode::default(),
        });
    }
    let fields = Fields::open(node, &FILE_KEYS, findings)?;
    let path = fields
        .required("path", "an injection file", findings)
        .and_then(|text| findings.ok(expect_path(text)));
    if let Some(path) = path {
        expect_new(path, paths, findings);
    }
    let mode = read_permission(&fields, findings);
    let has_content = fields.entries().iter().any(|entry| entry.key == "content");
    let content = match fields.text("content", findings) {
        Some(text) => Content::Given(template(text, declarations, findings)),
        None if has_content => Content::Given(crate::Template { parts: Vec::new() }),
        None => Content::OfContainer,
    };
    Some(InjectionFile {
        path: path?.as_str().to_owned(),
        content,
        mode: mode?,
    })
}

fn expect_new<'n>(path: &'n Text<'_>, paths: &mut BTreeSet<&'n str>, findings: &mut Findings) {
    if !paths.insert(path.as_str()) {
        let message = format!("the image has another file {}", quoted(path.as_str()));
        let code = codes::DUPLICATE_PATH;
        findings.push(Diagnostic::error(code, path.position(), message));
    }
}

fn expect_directory<'n, 'a>(text: &'n Text<'a>) -> Result<&'n Text<'a>, Diagnostic> {
    let path = text.as_str();
    if path.starts_with('/') && !path.split('/').any(|segment| segment == "..") {
        return Ok(text);
    }
    let found = quoted(path);
    let message = format!("`path`: expected an absolute path without `..`, found {found}");
    let code = codes::FILE_PATH;
    Err(Diagnostic::error(code, text.position(), message))
}

fn expect_path<'n, 'a>(text: &'n Text<'a>) -> Result<&'n Text<'a>, Diagnostic> {
    let path = text.as_str();
    let is_file = path.starts_with('/') && !path.ends_with('/');
    if is_file && !path.split('/').any(|segment| segment == "..") {
        return Ok(text);
    }
    let found = quoted(path);
    let message =
        format!("`path`: expected the absolute path of a file without `..`, found {found}");
    Err(Diagnostic::error(
        codes::FILE_PATH,
        text.position(),
        message,
    ))
}

/// Permission bits in YAML's octal form; a bare `0644` is decimal to YAML 1.2 and octal to YAML 1.1, and
/// so refused.
fn read_permission(fields: &Fields<'_, '_>, findings: &mut Findings) -> Option<FileMode> {
    if fields.value("permission").is_none() {
        return Some(FileMode::default());
    }
    let text = fields.text("permission", findings)?;
    let digits = text.as_str().strip_prefix("0o").unwrap_or_default();
    let bits = u32::from_str_radix(digits, 8).ok();
    let mode = bits.and_then(FileMode::from_bits);
    if mode.is_none() {
        let found = quoted(text.as_str());
        let message = format!("`permission`: expected `0o000` to `0o777`, found {found}");
        let found = Diagnostic::error(codes::FILE_PERMISSION, text.position(), message);
        findings.push(found.hint("YAML writes octal numbers with `0o`, such as `0o600`"));
    }
    mode
}

pub(super) const KEYS: Keys = Keys {
    place: "an image",
    read: &[
        "name",
        "injection_files",
        "volumes",
        "provide_secrets",
        "import",
    ],
    not_yet: &[],
    legacy: &["mrenclaves", "tags"],
};

pub(super) const MOUNT_KEYS: Keys = Keys {
    place: "a volume of an image",
    read: &["name", "path", "update_policy"],
    not_yet: &[],
    legacy: &[],
};

pub(super) const FILE_KEYS: Keys = Keys {
    place: "an injection file",
    read: &["path", "content", "permission"],
    not_yet: &[],
    legacy: &[],
};
