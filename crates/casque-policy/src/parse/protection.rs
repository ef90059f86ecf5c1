//! `fspf_path`, `fspf_key`, `fspf_tag`, `fspf_update_policy` of a service, section 2; and the keys and tags
//! that volumes have too.

use casque_types::{Digest, Encoding, Format, SecretKind};

use crate::codes;
use crate::fields::{Fields, parse_text};
use crate::findings::Findings;
use crate::placeholder::{Declarations, sole_placeholder};
use crate::yaml::Text;
use crate::{Diagnostic, FileProtection, Part, ProtectionUpdate, Template};

/// Reads the protection of a service's main file system.
pub(super) fn read(
    service: &Fields<'_, '_>,
    declarations: &Declarations<'_>,
    findings: &mut Findings,
) -> Option<FileProtection> {
    let stated = KEYS.iter().find_map(|key| service.entry(key))?;
    let message = "the protection of a service's file system (`fspf_…`) is for SCONE's own runtime";
    let found = Diagnostic::warning(codes::SCONE_RUNTIME_ONLY, stated.position, message);
    findings.push(found.hint("Casque's agent hands it on, and mounts `volumes` instead"));
    let path = service.required("fspf_path", "a service with `fspf_…`", findings);
    let key = read_key(service, declarations, findings);
    let tag = read_tag(service, findings);
    let words = [
        (
            "rollback_protected_reinitializable",
            ProtectionUpdate::Reinitializable,
        ),
        (
            "no_rollback_protection",
            ProtectionUpdate::NoRollbackProtection,
        ),
    ];
    let update_policy = service.word("fspf_update_policy", &words, findings);
    Some(FileProtection {
        path: path?.as_str().to_owned(),
        key,
        tag,
        update_policy: update_policy.unwrap_or_default(),
    })
}

/// Reads `fspf_key`: 64 hexadecimal digits, or the placeholder of a binary secret.
pub(super) fn read_key(
    fields: &Fields<'_, '_>,
    declarations: &Declarations<'_>,
    findings: &mut Findings,
) -> Option<Template> {
    let text = fields.text("fspf_key", findings)?;
    findings.ok(parse_key(text, declarations))
}

fn parse_key(text: &Text<'_>, declarations: &Declarations<'_>) -> Result<Template, Diagnostic> {
    if let Some(placeholder) = sole_placeholder(text, declarations) {
        let placeholder = placeholder?;
        let declared = declarations.find(placeholder.secret.as_str());
        let kind = declared.and_then(|declared| declared.kind);
        let is_bytes = kind.is_none_or(|kind| kind == SecretKind::Binary);
        let fits = matches!(
            placeholder.format,
            Format::Plain | Format::Bin | Format::Hex
        );
        if is_bytes && fits && placeholder.encoding == Encoding::Verbatim {
            return Ok(placeholder.into());
        }
        return Err(bad_key(text));
    }
    let digits = text.as_str();
    let mut key = zeroize::Zeroizing::new([0_u8; 32]);
    if hex::decode_to_slice(digits, &mut *key).is_err() {
        return Err(bad_key(text));
    }
    Ok(Template {
        parts: vec![Part::Text(digits.to_owned())],
    })
}

/// The text is not shown: it may be a key.
fn bad_key(text: &Text<'_>) -> Diagnostic {
    let message =
        "`fspf_key`: expected 64 hexadecimal digits, or `$$SCONE::name$$` with a binary secret";
    Diagnostic::error(codes::VOLUME_KEY, text.position(), message)
        .hint("`kind: binary` with `size: 32` makes such a secret")
}

/// Reads `fspf_tag`: 32 hexadecimal digits.
pub(super) fn read_tag(fields: &Fields<'_, '_>, findings: &mut Findings) -> Option<Digest<16>> {
    let text = fields.text("fspf_tag", findings)?;
    findings.ok(parse_text(text, codes::BAD_HASH, "fspf_tag"))
}

const KEYS: [&str; 4] = ["fspf_path", "fspf_key", "fspf_tag", "fspf_update_policy"];
