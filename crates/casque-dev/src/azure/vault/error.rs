//! Key Vault's errors: `{"error":{"code","message","innererror":{"code"}}}` (spec/azure.md section 2.4).

use axum::Json;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;
use thiserror::Error;

use super::Vault;
use crate::azure::entra::{Bearer, BearerError};
use crate::seed::Refusal;

/// Why the vault refused.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub(super) enum VaultError {
    #[error("AKV10000: Request is missing a Bearer or PoP token.")]
    NoToken,
    #[error("{message}")]
    Token { message: String },
    #[error("{message}")]
    Forbidden {
        inner: &'static str,
        message: String,
    },
    #[error("Operation get is not allowed on a disabled secret.")]
    Disabled,
    #[error(
        "A {kind} with (name/id) {name} was not found in this key vault. If you recently deleted this {kind} you may be able to recover it using the correct recovery command. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182"
    )]
    NotFound { kind: &'static str, name: String },
    #[error("Deleted {kind} not found: {name}")]
    DeletedNotFound { kind: &'static str, name: String },
    #[error(
        "Secret {name} is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the secret can only be recovered or purged."
    )]
    DeletedButRecoverable { name: String },
    #[error("{message}")]
    BadParameter { message: String },
    #[error("Method {method} does not support route.")]
    Method { method: String },
}

impl VaultError {
    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::BadParameter {
            message: message.into(),
        }
    }

    /// In the words of the AKV codes.
    pub(super) fn from_bearer(error: BearerError, vault: &Vault) -> Self {
        let message = match error {
            BearerError::Malformed | BearerError::Signature => {
                "AKV10001: Error validating token: IDX10511 or IDX12741, the signature or the form of the token is wrong.".to_owned()
            }
            BearerError::Issuer { found } => format!(
                "AKV10032: Invalid issuer. Expected one of {}, found {found}.",
                vault.entra.issuer()
            ),
            BearerError::Audience { found } => format!(
                "AKV10022: Invalid audience. Expected {}, found: {found}.",
                vault.resource
            ),
            BearerError::Expired => {
                "AKV10001: Error validating token: IDX10223, lifetime validation failed, the token is expired.".to_owned()
            }
        };
        Self::Token { message }
    }

    /// Forbidden for want of a right.
    pub(super) fn refused(cause: Refusal, caller: &Bearer, action: &str, object: &str) -> Self {
        let (app, oid) = (&caller.client_id, &caller.object_id);
        let (inner, message) = match cause {
            Refusal::Rbac => (
                "ForbiddenByRbac",
                format!(
                    "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role definitions were changed recently, please observe propagation time.\r\nCaller: appid={app};oid={oid}\r\nAction: 'Microsoft.KeyVault/vaults/secrets/{action}/action'\r\nResource: '{object}'\r\nAssignment: (not found)\r\nDenyAssignmentId: null"
                ),
            ),
            Refusal::Policy => (
                "ForbiddenByPolicy",
                format!(
                    "The user, group or application 'appid={app};oid={oid}' does not have secrets {action} permission on key vault 'local'. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125287"
                ),
            ),
            Refusal::Firewall => (
                "ForbiddenByFirewall",
                format!(
                    "Client address is not authorized and caller is not a trusted service.\r\nClient address: 127.0.0.1\r\nCaller: appid={app};oid={oid}\r\nVault: local"
                ),
            ),
        };
        Self::Forbidden { inner, message }
    }

    const fn shape(&self) -> (StatusCode, &'static str, Option<&'static str>) {
        match self {
            Self::NoToken | Self::Token { .. } => (StatusCode::UNAUTHORIZED, "Unauthorized", None),
            Self::Forbidden { inner, .. } => (StatusCode::FORBIDDEN, "Forbidden", Some(inner)),
            Self::Disabled => (StatusCode::FORBIDDEN, "Forbidden", Some("SecretDisabled")),
            Self::NotFound { kind, .. } | Self::DeletedNotFound { kind, .. } => {
                (StatusCode::NOT_FOUND, not_found_code(kind), None)
            }
            Self::DeletedButRecoverable { .. } => (
                StatusCode::CONFLICT,
                "Conflict",
                Some("ObjectIsDeletedButRecoverable"),
            ),
            Self::BadParameter { .. } => (StatusCode::BAD_REQUEST, "BadParameter", None),
            Self::Method { .. } => (StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", None),
        }
    }

    /// The whole answer; a 401 carries the challenge.
    pub(super) fn answer(&self, challenge: &str) -> Response {
        let (status, code, inner) = self.shape();
        let mut error = json!({"code": code, "message": self.to_string()});
        if let (Some(inner), Some(members)) = (inner, error.as_object_mut()) {
            members.insert("innererror".to_owned(), json!({"code": inner}));
        }
        let mut response = (status, Json(json!({ "error": error }))).into_response();
        if status == StatusCode::UNAUTHORIZED {
            let value = if matches!(self, Self::Token { .. }) {
                format!("{challenge}, error=\"invalid_token\"")
            } else {
                challenge.to_owned()
            };
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert("www-authenticate", value);
            }
        }
        response
    }
}

const fn not_found_code(kind: &str) -> &'static str {
    // The only other kind is `certificate`.
    match kind.as_bytes() {
        b"secret" => "SecretNotFound",
        _ => "CertificateNotFound",
    }
}
