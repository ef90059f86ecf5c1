//! Secrets of kind `aad-token` and imports from Key Vault, sections 4.1 and 4.2.

use casque_types::{
    CertificateThumbprint, ClientId, ClientProof, Encoding, EntraCredential, Format, Secret,
    SecretKind, SecretName, TenantId, VaultAddress, VaultSecretName,
};

use super::secrets::{Draft, expect_private_key};
use crate::codes;
use crate::fields::{Fields, Keys, not_yet, parse_text, refuse_empty};
use crate::findings::{Findings, quoted};
use crate::pem::Algorithm;
use crate::placeholder::{Declarations, OPENING, sole, sole_placeholder, token_suffix};
use crate::yaml::{Entry, Text};
use crate::{
    Diagnostic, Origin, Placeholder, Position, ValueEncoding, VaultImport, VaultSecretVersion,
};

/// Reads a token: tenant, application, and exactly one proof.
pub(super) fn read_token(fields: &Fields<'_, '_>, findings: &mut Findings) -> Option<Origin> {
    let place = "a secret of kind `aad-token`";
    let tenant = fields
        .required("tenant_id", place, findings)
        .and_then(|text| {
            findings.ok(parse_text::<TenantId>(
                text,
                codes::BAD_AZURE_ID,
                "tenant_id",
            ))
        });
    let client = fields
        .required("client_id", place, findings)
        .and_then(|text| {
            findings.ok(parse_text::<ClientId>(
                text,
                codes::BAD_AZURE_ID,
                "client_id",
            ))
        });
    let proof = read_proof(fields, findings);
    Some(Origin::AadToken(EntraCredential {
        tenant: tenant?,
        client: client?,
        proof: proof?,
    }))
}

fn read_proof(fields: &Fields<'_, '_>, findings: &mut Findings) -> Option<ClientProof> {
    let secret = fields.entry("application_secret");
    let key = fields.entry("private_key");
    let thumbprint = fields.entry("certificate_thumbprint");
    if let (Some(_), Some(other)) = (secret, key.or(thumbprint)) {
        let message = "an aad-token has one credential: `application_secret`, or `private_key` with `certificate_thumbprint`";
        let found = Diagnostic::error(codes::CREDENTIAL_TWICE, other.position, message);
        findings.push(found.hint("remove the one that is not registered for the application"));
        return None;
    }
    match (secret, key, thumbprint) {
        (Some(_), _, _) => {
            let text = credential_text(fields, "application_secret", findings)?;
            let secret = Secret::copied_from(text.as_str().as_bytes());
            Some(ClientProof::Secret(secret))
        }
        (None, Some(_), Some(_)) => read_certificate(fields, findings),
        (None, Some(key), None) => {
            let message = "`private_key` needs `certificate_thumbprint`";
            let found = Diagnostic::error(codes::KEY_WITHOUT_THUMBPRINT, key.position, message);
            findings.push(found.hint("Entra shows it beside the registered certificate"));
            None
        }
        (None, None, Some(thumbprint)) => {
            let message = "`certificate_thumbprint` needs `private_key`";
            let position = thumbprint.position;
            let found = Diagnostic::error(codes::THUMBPRINT_WITHOUT_KEY, position, message);
            findings.push(found.hint("give the certificate's RSA key as PKCS#8 in PEM"));
            None
        }
        (None, None, None) => {
            let message = "an aad-token must have a credential";
            let found = Diagnostic::error(codes::CREDENTIAL_MISSING, fields.position, message);
            findings.push(
                found.hint("`application_secret`, or `private_key` with `certificate_thumbprint`"),
            );
            None
        }
    }
}

fn read_certificate(fields: &Fields<'_, '_>, findings: &mut Findings) -> Option<ClientProof> {
    let thumbprint: Option<CertificateThumbprint> =
        fields.parsed("certificate_thumbprint", codes::BAD_AZURE_ID, findings);
    let text = credential_text(fields, "private_key", findings)?;
    expect_private_key(text, Algorithm::Rsa, "private_key", findings)?;
    Some(ClientProof::Certificate {
        private_key: Secret::copied_from(text.as_str().as_bytes()),
        thumbprint: thumbprint?,
    })
}

fn credential_text<'n, 'a>(
    fields: &Fields<'n, 'a>,
    key: &str,
    findings: &mut Findings,
) -> Option<&'n Text<'a>> {
    let text = fields.text(key, findings)?;
    if text.as_str().contains(OPENING) {
        let place = text.places().next(OPENING);
        let message = format!("`{key}`: a credential cannot hold a placeholder");
        let found = Diagnostic::error(codes::NESTED_PLACEHOLDER, place, message);
        findings.push(found.hint("import the whole aad-token from the policy that knows it"));
        return None;
    }
    refuse_empty(text, key, findings)
}

/// Reads an import.
pub(super) fn read_import(
    draft: &Draft<'_, '_>,
    import: &Entry<'_>,
    declarations: &Declarations<'_>,
    findings: &mut Findings,
) -> Option<Origin> {
    refuse_kind(draft, import, findings);
    let fields = Fields::open(&import.value, &IMPORT_KEYS, findings)?;
    let vault = read_vault(&fields, "`import_akv`", findings);
    let secret_name = read_secret_name(draft, &fields, import.position, findings);
    let token = read_token_reference(&fields, import.position, declarations, findings);
    read_object(&fields, findings);
    let version = fields
        .text("version", findings)
        .and_then(|text| findings.ok(parse_version(text)));
    let decryption_key = fields
        .text("decryption_key", findings)
        .and_then(|text| findings.ok(parse_decryption_key(text, declarations)));
    let encodings = [
        ("utf8", ValueEncoding::Utf8),
        ("base64", ValueEncoding::Base64),
        ("hex", ValueEncoding::Hex),
    ];
    let encoding = fields.word("encoding", &encodings, findings);
    Some(Origin::KeyVault(VaultImport {
        vault: vault?,
        secret_name: secret_name?,
        version,
        token: token?,
        decryption_key,
        encoding,
    }))
}

fn refuse_kind(draft: &Draft<'_, '_>, import: &Entry<'_>, findings: &mut Findings) {
    let message = match draft.kind {
        Some(SecretKind::AadToken) => {
            "an aad-token is issued by Entra ID and cannot be imported from Key Vault".to_owned()
        }
        Some(kind @ (SecretKind::SessionCa | SecretKind::PgpKey | SecretKind::Jwt)) => {
            format!(
                "a secret of kind `{kind}` is made by Casque and cannot be imported from Key Vault"
            )
        }
        _ => return,
    };
    let found = Diagnostic::error(codes::KIND_NOT_IMPORTABLE, import.position, message);
    findings.push(found.hint("remove `import_akv`, or state the kind of what the vault holds"));
}

/// Reads `vault`.
pub(super) fn read_vault(
    fields: &Fields<'_, '_>,
    place: &str,
    findings: &mut Findings,
) -> Option<VaultAddress> {
    let text = fields.required("vault", place, findings)?;
    findings.ok(parse_text::<VaultAddress>(text, codes::BAD_VAULT, "vault"))
}

/// Reads `token`, which may be left out when there is only one.
pub(super) fn read_token_reference(
    fields: &Fields<'_, '_>,
    position: Position,
    declarations: &Declarations<'_>,
    findings: &mut Findings,
) -> Option<SecretName> {
    match fields.value("token") {
        Some(_) => {
            let text = fields.text("token", findings)?;
            findings.ok(named_token(text, declarations))
        }
        None => findings.ok(only_token(position, declarations)),
    }
}

/// `object`, which of the vault's three kinds of objects is read.
fn read_object(fields: &Fields<'_, '_>, findings: &mut Findings) {
    let words = [("secret", true), ("key", false), ("certificate", false)];
    if fields.word("object", &words, findings) == Some(false)
        && let Some(node) = fields.value("object")
    {
        let found = not_yet(node.position, "an `object` of Key Vault that is no secret");
        findings.push(found.hint("a certificate can be read through its secret of the same name"));
    }
}

fn parse_version(text: &Text<'_>) -> Result<VaultSecretVersion, Diagnostic> {
    let version = text.as_str();
    if version.len() == 32 && version.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Ok(VaultSecretVersion(version.to_owned()));
    }
    let found = quoted(version);
    let message = format!("`version`: expected 32 letters and digits, found {found}");
    let found = Diagnostic::error(codes::VAULT_VERSION, text.position(), message);
    Err(found.hint("the last part of the secret identifier that Azure shows"))
}

/// `$$SCONE::name$$` of a binary secret; its size is judged when all secrets are read.
fn parse_decryption_key(
    text: &Text<'_>,
    declarations: &Declarations<'_>,
) -> Result<Placeholder, Diagnostic> {
    let position = text.position();
    let Some(placeholder) = sole_placeholder(text, declarations) else {
        // The text is not shown: it may be a key.
        let message = "`decryption_key`: expected one placeholder, and found something else";
        let found = Diagnostic::error(codes::DECRYPTION_KEY, position, message);
        return Err(found.hint("write `$$SCONE::name$$` with the name of a binary secret"));
    };
    let placeholder = placeholder?;
    let is_raw = matches!(placeholder.format, Format::Plain | Format::Bin);
    if is_raw && placeholder.encoding == Encoding::Verbatim {
        return Ok(placeholder);
    }
    let message = "`decryption_key` takes the bytes of the secret as they are";
    let found = Diagnostic::error(codes::DECRYPTION_KEY, position, message);
    Err(found.hint(format!("write `$$SCONE::{}$$`", placeholder.secret)))
}

fn read_secret_name(
    draft: &Draft<'_, '_>,
    fields: &Fields<'_, '_>,
    position: Position,
    findings: &mut Findings,
) -> Option<VaultSecretName> {
    if fields.value("secret_name").is_some() {
        return fields.parsed("secret_name", codes::VAULT_SECRET_NAME, findings);
    }
    let name = draft.name.as_str();
    let parsed = name.parse();
    findings.ok(parsed.map_err(|_| {
        let message = format!(
            "no secret in Key Vault can be named `{name}`: names there have letters, digits and hyphens alone"
        );
        let found = Diagnostic::error(codes::VAULT_SECRET_NAME, position, message);
        found.hint("add `secret_name` with the name that it has in the vault")
    }))
}

/// The token that an import names: `$$SCONE::name$$`, no more and no less.
fn named_token(text: &Text<'_>, declarations: &Declarations<'_>) -> Result<SecretName, Diagnostic> {
    let position = text.position();
    let Some(body) = sole(text.as_str()) else {
        // The text is not shown: it may be a token.
        let message = "`token`: expected one placeholder, and found something else";
        let found = Diagnostic::error(codes::TOKEN_REFERENCE, position, message);
        return Err(found.hint("write `$$SCONE::name$$` with the name of an aad-token secret"));
    };
    let end = body.find([':', '|']).unwrap_or(body.len());
    let (name, suffix) = body.split_at_checked(end).unwrap_or((body, ""));
    let Some(declared) = declarations.find(name) else {
        return Err(declarations.unknown(name, position));
    };
    if let Some(kind) = declared.kind.filter(|kind| *kind != SecretKind::AadToken) {
        let message = format!("`token` must name an aad-token: `{name}` is of kind `{kind}`");
        let found = Diagnostic::error(codes::TOKEN_REFERENCE, position, message);
        return Err(found.hint(known_tokens(declarations)));
    }
    if !suffix.is_empty() {
        return Err(token_suffix(name, position));
    }
    if declared.is_understood && declared.kind.is_none() && !declared.is_import {
        let message = format!("`token` must name an aad-token: the kind of `{name}` is not stated");
        let found = Diagnostic::error(codes::TOKEN_REFERENCE, position, message);
        return Err(found.hint(known_tokens(declarations)));
    }
    name.parse().map_err(|error| {
        let message = format!("`token`: {error}");
        Diagnostic::error(codes::TOKEN_REFERENCE, position, message)
    })
}

/// The policy's only aad-token, which an import need not name.
fn only_token(
    position: Position,
    declarations: &Declarations<'_>,
) -> Result<SecretName, Diagnostic> {
    let mut tokens = declarations.names_of(SecretKind::AadToken);
    match (tokens.next(), tokens.next()) {
        (Some(only), None) => only.parse().map_err(|error| {
            let message = format!("`token`: {error}");
            Diagnostic::error(codes::TOKEN_REFERENCE, position, message)
        }),
        (None, _) => {
            let message = "`import_akv` needs an aad-token, and the policy has none";
            let found = Diagnostic::error(codes::TOKEN_MISSING, position, message);
            Err(found.hint("add a secret with `kind: aad-token`"))
        }
        (Some(_), Some(_)) => {
            let message = "`token` may only be omitted when there is exactly one aad-token";
            let found = Diagnostic::error(codes::TOKEN_AMBIGUOUS, position, message);
            Err(found.hint(known_tokens(declarations)))
        }
    }
}

fn known_tokens(declarations: &Declarations<'_>) -> String {
    let names: Vec<String> = declarations
        .names_of(SecretKind::AadToken)
        .take(10)
        .map(|name| quoted(&format!("$$SCONE::{name}$$")))
        .collect();
    if names.is_empty() {
        return "add a secret with `kind: aad-token`".to_owned();
    }
    format!("the aad-tokens are {}", names.join(", "))
}

pub(super) const IMPORT_KEYS: Keys = Keys {
    place: "`import_akv`",
    read: &[
        "vault",
        "secret_name",
        "token",
        "decryption_key",
        "version",
        "object",
        "encoding",
    ],
    not_yet: &[],
    legacy: &[],
};
