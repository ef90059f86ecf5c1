//! Key Vault's refusals in words.
//!
//! Source: Key Vault REST API, "Common error codes", and what vaults answer: `error.code`, and for 403 and
//! 409 `error.innererror.code`. The message is quoted, made fit for a sentence: it names the application
//! and the address that were refused. What a vault says about the content of a set is not quoted, since it
//! could repeat the value.

use casque_core::{SourceFailure, SourceKind};
use casque_types::Timestamp;
use serde::Deserialize;

use super::answer::enable_mend;
use super::asked::{Asked, Purpose};
use crate::code::Code;
use crate::failure::{lasting, passing, quoted};
use crate::http::Answer;
use crate::json;

/// The failure that an answer other than 200 is.
pub(super) fn failure(asked: &Asked<'_>, answer: &Answer, now: Timestamp) -> SourceFailure {
    let raw: RawRefusal = json::read(&answer.body).unwrap_or_default();
    let challenge = Challenge::of(answer);
    let code = code(asked.purpose, answer, &raw.error, &challenge);
    let what = what(asked, answer, &raw.error, &challenge);
    let mend = mend(asked, code);
    if is_passing(code) {
        return passing(
            SourceKind::KeyVault,
            code,
            what,
            mend,
            answer.retry_after(now),
        );
    }
    lasting(SourceKind::KeyVault, code, what, mend)
}

/// Whether the refusal is one that a vault also gives for a deleted secret without saying so.
pub(super) fn may_be_deleted(failure: &SourceFailure) -> bool {
    [Code::VaultSecretNotFound, Code::VaultConflict]
        .iter()
        .any(|code| failure.code == code.as_str())
}

/// The failure for a secret that was deleted and can be recovered.
pub(super) fn deleted(asked: &Asked<'_>, what: String) -> SourceFailure {
    let code = Code::VaultSecretDeleted;
    lasting(SourceKind::KeyVault, code, what, mend(asked, code))
}

fn code(purpose: Purpose<'_>, answer: &Answer, error: &RawError, challenge: &Challenge) -> Code {
    let inner = error.inner_code();
    match (answer.status.as_u16(), purpose) {
        (400, _) => Code::VaultRequestMalformed,
        (401, _) => unauthorized(error, challenge),
        (403, _) => forbidden(purpose, error),
        (404 | 409, _) if inner == "ObjectIsDeletedButRecoverable" => Code::VaultSecretDeleted,
        (404, Purpose::Read { .. }) => Code::VaultSecretNotFound,
        (409, _) => match inner {
            "ObjectIsBeingRecovered" | "ObjectIsBeingDeleted" => Code::VaultSecretBusy,
            _ => Code::VaultConflict,
        },
        (413, Purpose::Set) => Code::VaultValueTooLarge,
        (429, _) => Code::VaultThrottled,
        (500.., _) => Code::VaultUnavailable,
        _ => Code::VaultRefused,
    }
}

fn unauthorized(error: &RawError, challenge: &Challenge) -> Code {
    let says = |number: &str| {
        error.message.contains(number)
            || error.code.contains(number)
            || error.inner_code().contains(number)
            || challenge.description.contains(number)
    };
    match () {
        () if says("AKV10032") => Code::VaultTokenWrongTenant,
        () if says("AKV10022") => Code::VaultTokenWrongAudience,
        () => Code::VaultTokenRefused,
    }
}

fn forbidden(purpose: Purpose<'_>, error: &RawError) -> Code {
    match (error.inner_code(), purpose) {
        ("ForbiddenByRbac", Purpose::Read { .. }) => Code::VaultForbiddenByRole,
        ("ForbiddenByRbac", Purpose::Set) => Code::VaultSetForbiddenByRole,
        ("ForbiddenByPolicy" | "AccessDenied", Purpose::Read { .. }) => {
            Code::VaultForbiddenByPolicy
        }
        ("ForbiddenByPolicy" | "AccessDenied", Purpose::Set) => Code::VaultSetForbiddenByPolicy,
        ("ForbiddenByFirewall", _) => Code::VaultForbiddenByFirewall,
        ("ForbiddenByConnection", _) => Code::VaultForbiddenByConnection,
        ("SecretDisabled", _) => Code::VaultSecretDisabled,
        _ => Code::VaultForbidden,
    }
}

const fn is_passing(code: Code) -> bool {
    matches!(
        code,
        Code::VaultThrottled
            | Code::VaultUnavailable
            | Code::VaultSecretBusy
            | Code::VaultTokenRefused
    )
}

/// What was asked, and the facts of the answer.
fn what(asked: &Asked<'_>, answer: &Answer, error: &RawError, challenge: &Challenge) -> String {
    let mut facts = vec![format!("HTTP {}", answer.status.as_u16())];
    for code in [error.code.as_str(), error.inner_code()] {
        if !code.is_empty() {
            facts.push(quoted(code, 60));
        }
    }
    if !error.message.is_empty() && is_quotable(asked.purpose, answer) {
        facts.push(format!(
            "\"{}\"",
            quoted(&error.message, 300).replace('"', "'")
        ));
    }
    if let Some(tenant) = &challenge.tenant {
        facts.push(format!("the vault's tenant is `{tenant}`"));
    }
    if let Some(id) = answer.header("x-ms-request-id") {
        facts.push(format!("request id {}", quoted(id, 60)));
    }
    format!("{}: it refused ({})", asked.sentence(), facts.join(", "))
}

/// Whether the message speaks about caller, place or state; one about a set's content can repeat the value.
fn is_quotable(purpose: Purpose<'_>, answer: &Answer) -> bool {
    match purpose {
        Purpose::Read { .. } => true,
        Purpose::Set => matches!(answer.status.as_u16(), 401 | 403 | 404 | 409 | 429),
    }
}

fn mend(asked: &Asked<'_>, code: Code) -> String {
    let fixed = match code {
        Code::VaultTokenWrongTenant => {
            "the `tenant_id` of the `aad-token` is not the vault's tenant: use an application of the \
             vault's tenant"
        }
        Code::VaultTokenWrongAudience => {
            "the token is for another resource: the operator must set the cloud's `vault_scope` to the \
             vaults' own"
        }
        Code::VaultTokenRefused => {
            "try again: a new token will be asked for; if it lasts, check that the application still \
             exists and that no policy of the tenant revokes its tokens"
        }
        Code::VaultForbiddenByRole => {
            "give the application the role `Key Vault Secrets User` on the vault; it can take 10 minutes \
             to have effect"
        }
        Code::VaultForbiddenByPolicy => {
            "give the application the secret permission `Get` in the vault's access policies"
        }
        Code::VaultSetForbiddenByRole => {
            "give the application the role `Key Vault Secrets Officer` on the vault, which may set secrets; \
             it can take 10 minutes to have effect"
        }
        Code::VaultSetForbiddenByPolicy => {
            "give the application the secret permissions `Get` and `Set` in the vault's access policies"
        }
        Code::VaultForbiddenByFirewall => {
            "allow Casque's address in the vault's firewall, or let Casque reach the vault's private \
             endpoint"
        }
        Code::VaultForbiddenByConnection => {
            "the vault takes connections from its private endpoint only: let Casque reach that"
        }
        Code::VaultForbidden => "check what the application may do in the vault",
        Code::VaultSecretDisabled => enable_mend(asked.purpose),
        Code::VaultSecretNotFound => not_found_mend(asked.purpose),
        Code::VaultSecretDeleted => return recover_mend(asked),
        Code::VaultSecretBusy => "wait until the vault has deleted or recovered the secret",
        Code::VaultValueTooLarge => {
            "keep a smaller value there, or keep this one in Casque's own store"
        }
        Code::VaultConflict => "look at the secret in the vault",
        Code::VaultThrottled => {
            "try again later; vaults bound the requests of all their users together"
        }
        Code::VaultUnavailable => "try again later; see Azure's service status if it lasts",
        _ => other_mend(asked.purpose),
    };
    fixed.to_owned()
}

const fn not_found_mend(purpose: Purpose<'_>) -> &'static str {
    match purpose.version() {
        None => {
            "check `secret_name` and `vault`; a secret that was deleted must be recovered first"
        }
        Some(_) => {
            "check `version`, `secret_name` and `vault`; a secret that was deleted must be recovered first"
        }
    }
}

const fn other_mend(purpose: Purpose<'_>) -> &'static str {
    match purpose {
        Purpose::Read { .. } => {
            "check `secret_name` and `vault`; report it with the request id if they are right"
        }
        Purpose::Set => "check `vault`; report it with the request id if it is right",
    }
}

fn recover_mend(asked: &Asked<'_>) -> String {
    let vault = asked.host.split('.').next().unwrap_or_default();
    let recover = format!(
        "the secret was deleted: recover it with `az keyvault secret recover --vault-name {vault} --name {}`",
        asked.name.as_str()
    );
    match asked.purpose {
        Purpose::Read { .. } => format!("{recover}, or put it anew under another name"),
        Purpose::Set => format!("{recover}, or purge it: until then its name cannot be used again"),
    }
}

/// What a 401's `WWW-Authenticate` tells; never followed.
#[derive(Debug, Default)]
struct Challenge {
    /// The tenant of the vault, from `authorization="https://<authority>/<tenant>"`.
    tenant: Option<String>,
    description: String,
}

impl Challenge {
    fn of(answer: &Answer) -> Self {
        let Some(header) = answer.header("www-authenticate") else {
            return Self::default();
        };
        let member = |name: &str| {
            let (_, rest) = header.split_once(&format!("{name}=\""))?;
            rest.split('"').next()
        };
        let authorization = member("authorization").unwrap_or_default();
        let tenant = authorization.rsplit('/').next().unwrap_or_default();
        let tenant = tenant.parse::<casque_types::TenantId>().ok();
        Self {
            tenant: tenant.map(|tenant| tenant.as_str().to_owned()),
            description: member("error_description").unwrap_or_default().to_owned(),
        }
    }
}

/// The refusal as it stands on the wire.
#[derive(Debug, Default, Deserialize)]
struct RawRefusal {
    error: RawError,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawError {
    code: String,
    message: String,
    innererror: Option<RawInner>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawInner {
    code: String,
}

impl RawError {
    fn inner_code(&self) -> &str {
        self.innererror.as_ref().map_or("", |inner| &inner.code)
    }
}
