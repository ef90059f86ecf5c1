//! Key Vault's refusals in words.
//!
//! Source: Key Vault REST API, "Common error codes", and what vaults answer: `error.code`, and for 403 and
//! 409 `error.innererror.code`. The message is quoted, made fit for a sentence: it names the application
//! and the address that were refused.

use casque_core::{SourceFailure, SourceKind};
use casque_types::Timestamp;
use serde::Deserialize;

use super::Asked;
use super::answer::ENABLE_MEND;
use crate::code::Code;
use crate::failure::{lasting, passing, quoted};
use crate::http::Answer;
use crate::json;

/// The failure that an answer other than 200 is.
pub(super) fn failure(asked: &Asked<'_>, answer: &Answer, now: Timestamp) -> SourceFailure {
    let raw: RawRefusal = json::read(&answer.body).unwrap_or_default();
    let challenge = Challenge::of(answer);
    let code = code(answer, &raw.error, &challenge);
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

/// The failure for a secret that was deleted and can be recovered.
pub(super) fn deleted(asked: &Asked<'_>, what: String) -> SourceFailure {
    let code = Code::VaultSecretDeleted;
    lasting(SourceKind::KeyVault, code, what, mend(asked, code))
}

fn code(answer: &Answer, error: &RawError, challenge: &Challenge) -> Code {
    let inner = error.inner_code();
    match answer.status.as_u16() {
        400 => Code::VaultRequestMalformed,
        401 => unauthorized(error, challenge),
        403 => forbidden(error),
        404 => match inner {
            "ObjectIsDeletedButRecoverable" => Code::VaultSecretDeleted,
            _ => Code::VaultSecretNotFound,
        },
        409 => match inner {
            "ObjectIsDeletedButRecoverable" => Code::VaultSecretDeleted,
            "ObjectIsBeingRecovered" | "ObjectIsBeingDeleted" => Code::VaultSecretBusy,
            _ => Code::VaultConflict,
        },
        429 => Code::VaultThrottled,
        500.. => Code::VaultUnavailable,
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

fn forbidden(error: &RawError) -> Code {
    match error.inner_code() {
        "ForbiddenByRbac" => Code::VaultForbiddenByRole,
        "ForbiddenByPolicy" | "AccessDenied" => Code::VaultForbiddenByPolicy,
        "ForbiddenByFirewall" => Code::VaultForbiddenByFirewall,
        "ForbiddenByConnection" => Code::VaultForbiddenByConnection,
        "SecretDisabled" => Code::VaultSecretDisabled,
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
    if !error.message.is_empty() {
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
        Code::VaultForbiddenByFirewall => {
            "allow Casque's address in the vault's firewall, or let Casque reach the vault's private \
             endpoint"
        }
        Code::VaultForbiddenByConnection => {
            "the vault takes connections from its private endpoint only: let Casque reach that"
        }
        Code::VaultForbidden => "check what the application may do in the vault",
        Code::VaultSecretDisabled => ENABLE_MEND,
        Code::VaultSecretNotFound => {
            "check `secret_name` and `vault`; a secret that was deleted must be recovered first"
        }
        Code::VaultSecretDeleted => return recover_mend(asked),
        Code::VaultSecretBusy => "wait until the vault has deleted or recovered the secret",
        Code::VaultConflict => "look at the secret in the vault",
        Code::VaultThrottled => {
            "try again later; vaults bound the requests of all their users together"
        }
        Code::VaultUnavailable => "try again later; see Azure's service status if it lasts",
        _ => "check `secret_name` and `vault`; report it with the request id if they are right",
    };
    fixed.to_owned()
}

fn recover_mend(asked: &Asked<'_>) -> String {
    let vault = asked.host.split('.').next().unwrap_or_default();
    format!(
        "the secret was deleted: recover it with `az keyvault secret recover --vault-name {vault} \
         --name {}`, or put it anew under another name",
        asked.name.as_str()
    )
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
