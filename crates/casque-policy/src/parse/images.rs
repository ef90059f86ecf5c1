//! `images`, section 7.

use std::collections::BTreeSet;

use casque_types::FileMode;

use super::expect_unique;
use super::secrets::name_of;
use crate::codes;
use crate::fields::{Fields, Keys, not_yet};
use crate::findings::{Findings, quoted};
use crate::placeholder::{Declarations, template};
use crate::yaml::{Node, Text};
use crate::{Content, Diagnostic, Image, InjectionFile};

/// Reads all images.
pub(super) fn read(
    policy: &Fields<'_, '_>,
    declarations: &Declarations<'_>,
    findings: &mut Findings,
) -> Vec<Image> {
    let items = policy.items("images", findings);
    let images = items
        .iter()
        .filter_map(|item| read_image(item, declarations, findings))
        .collect();
    expect_unique("image", items.iter().filter_map(name_of), findings);
    images
}

fn read_image(
    node: &Node<'_>,
    declarations: &Declarations<'_>,
    findings: &mut Findings,
) -> Option<Image> {
    let fields = Fields::open(node, &KEYS, findings)?;
    let name = fields.required("name", "an image", findings);
    let mut paths = BTreeSet::new();
    let injection_files = fields
        .items("injection_files", findings)
        .iter()
        .filter_map(|item| read_file(item, &mut paths, declarations, findings))
        .collect();
    Some(Image {
        name: name?.as_str().to_owned(),
        injection_files,
        mounts: Vec::new(),
        provide_secrets: None,
    })
}

fn read_file<'n>(
    node: &'n Node<'_>,
    paths: &mut BTreeSet<&'n str>,
    declarations: &Declarations<'_>,
    findings: &mut Findings,
) -> Option<InjectionFile> {
    if node.text().is_some() {
        findings.push(not_yet(
            node.position,
            "an injection file without `content`",
        ));
        return None;
    }
    let fields = Fields::open(node, &FILE_KEYS, findings)?;
    let path = fields
        .required("path", "an injection file", findings)
        .and_then(|text| findings.ok(expect_path(text)));
    if let Some(path) = path
        && !paths.insert(path.as_str())
    {
        let message = format!("the image has another file {}", quoted(path.as_str()));
        findings.push(Diagnostic::error(
            codes::DUPLICATE_PATH,
            path.position(),
            message,
        ));
    }
    let mode = read_permission(&fields, findings);
    let has_content = fields.entries().iter().any(|entry| entry.key == "content");
    if !has_content {
        findings.push(not_yet(
            node.position,
            "an injection file without `content`",
        ));
        return None;
    }
    let content = match fields.text("content", findings) {
        Some(text) => template(text, declarations, findings),
        None => crate::Template { parts: Vec::new() },
    };
    Some(InjectionFile {
        path: path?.as_str().to_owned(),
        content: Content::Given(content),
        mode: mode?,
    })
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

const KEYS: Keys = Keys {
    place: "an image",
    read: &["name", "injection_files"],
    not_yet: &["volumes", "provide_secrets", "import"],
    legacy: &["mrenclaves", "tags"],
};

const FILE_KEYS: Keys = Keys {
    place: "an injection file",
    read: &["path", "content", "permission"],
    not_yet: &[],
    legacy: &[],
};
