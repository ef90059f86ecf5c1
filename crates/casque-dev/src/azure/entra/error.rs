//! Entra ID's errors: AADSTS codes in the JSON that its token endpoint answers (spec/azure.md section 1.7).

use axum::Json;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use casque_types::Timestamp;
use serde_json::{Value, json};
use thiserror::Error;

use crate::clock::{guid, system_now};

/// Why the token endpoint refused.
#[derive(Debug, Error, Clone, PartialEq)]
pub(crate) enum EntraError {
    #[error(
        "Specified tenant identifier '{tenant}' is neither a valid DNS name, nor a valid external domain."
    )]
    TenantMalformed { tenant: String },
    #[error(
        "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud."
    )]
    TenantNotFound { tenant: String },
    #[error(
        "Tenant-identifying information was not found in either the request or implied by any provided credentials."
    )]
    SharedTenant,
    #[error("The request body must contain the following parameter: '{parameter}'.")]
    Missing { parameter: &'static str },
    #[error("The app requested an unsupported grant type '{grant}'.")]
    Grant { grant: String },
    #[error(
        "Application with identifier '{client}' was not found in the directory '{tenant}'. This can happen if the application has not been installed by the administrator of the tenant."
    )]
    ApplicationNotFound { client: String, tenant: String },
    #[error("Application '{client}' is disabled.")]
    ApplicationDisabled { client: String },
    #[error(
        "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."
    )]
    NoCredential,
    #[error(
        "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type."
    )]
    AssertionType,
    #[error(
        "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{client}'."
    )]
    WrongSecret { client: String },
    #[error(
        "The provided client secret keys for app '{client}' are expired. Visit the Azure portal to create new keys for your app."
    )]
    ExpiredSecret { client: String },
    #[error("Client assertion is malformed and cannot be read: {why}.")]
    AssertionMalformed { why: &'static str },
    #[error(
        "The certificate with identifier used to sign the client assertion is not registered on application. [Reason - {reason}, Thumbprint of key used by client: '{thumbprint}', Client app ID: '{client}']."
    )]
    AssertionKey {
        reason: &'static str,
        thumbprint: String,
        client: String,
    },
    #[error(
        "Client assertion audience claim does not match Realm issuer. Expected '{expected}', found '{found}'."
    )]
    AssertionAudience { expected: String, found: String },
    #[error("Client assertion application identifier doesn't match 'client_id' parameter.")]
    AssertionSubject,
    #[error(
        "Client assertion is not within its valid time range. Current time: {now}, assertion valid from {from}, expiry time of assertion {to}."
    )]
    AssertionTime {
        now: Timestamp,
        from: Timestamp,
        to: Timestamp,
    },
    #[error(
        "The provided value for scope {scope} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI)."
    )]
    ScopeNotDefault { scope: String },
    #[error("The provided request must include exactly one resource in 'scope', found '{scope}'.")]
    ScopeMalformed { scope: String },
    #[error(
        "The resource principal named {resource} was not found in the tenant named {tenant}. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant."
    )]
    ResourceNotFound { resource: String, tenant: String },
    #[error("The local Entra ID could not sign.")]
    Signing,
}

impl EntraError {
    /// OAuth's word, the AADSTS number, the status.
    const fn shape(&self) -> (&'static str, u32, StatusCode) {
        const BAD: StatusCode = StatusCode::BAD_REQUEST;
        const UNAUTHORIZED: StatusCode = StatusCode::UNAUTHORIZED;
        match self {
            Self::TenantMalformed { .. } => ("invalid_request", 900_023, BAD),
            Self::TenantNotFound { .. } => ("invalid_request", 90_002, BAD),
            Self::SharedTenant => ("invalid_request", 50_059, BAD),
            Self::Missing { .. } => ("invalid_request", 900_144, BAD),
            Self::Grant { .. } => ("unsupported_grant_type", 70_003, BAD),
            Self::ApplicationNotFound { .. } => ("unauthorized_client", 700_016, BAD),
            Self::ApplicationDisabled { .. } => ("unauthorized_client", 7_000_112, BAD),
            Self::NoCredential => ("invalid_client", 7_000_218, UNAUTHORIZED),
            Self::AssertionType => ("invalid_client", 7_000_216, UNAUTHORIZED),
            Self::WrongSecret { .. } => ("invalid_client", 7_000_215, UNAUTHORIZED),
            Self::ExpiredSecret { .. } => ("invalid_client", 7_000_222, UNAUTHORIZED),
            Self::AssertionMalformed { .. } => ("invalid_client", 50_027, UNAUTHORIZED),
            Self::AssertionKey { .. } => ("invalid_client", 700_027, UNAUTHORIZED),
            Self::AssertionAudience { .. } => ("invalid_client", 700_023, UNAUTHORIZED),
            Self::AssertionSubject => ("invalid_client", 700_021, UNAUTHORIZED),
            Self::AssertionTime { .. } => ("invalid_client", 700_024, UNAUTHORIZED),
            Self::ScopeNotDefault { .. } => ("invalid_scope", 1_002_012, BAD),
            Self::ScopeMalformed { .. } => ("invalid_scope", 70_011, BAD),
            Self::ResourceNotFound { .. } => ("invalid_resource", 500_011, BAD),
            Self::Signing => ("server_error", 90_033, StatusCode::INTERNAL_SERVER_ERROR),
        }
    }

    /// The whole answer.
    pub(crate) fn answer(&self, correlation: &str, now: Timestamp) -> Response {
        let (word, code, status) = self.shape();
        let body = body_at(word, code, &self.to_string(), correlation, now);
        (status, Json(body)).into_response()
    }
}

/// The body of an error answer.
pub(crate) fn error_body(word: &str, code: u32, text: &str, correlation: &str) -> Value {
    body_at(word, code, text, correlation, system_now())
}

fn body_at(word: &str, code: u32, text: &str, correlation: &str, now: Timestamp) -> Value {
    let timestamp = now.to_string().replace('T', " ");
    let trace = guid();
    json!({
        "error": word,
        "error_description": format!(
            "AADSTS{code}: {text} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {timestamp}"
        ),
        "error_codes": [code],
        "timestamp": timestamp,
        "trace_id": trace,
        "correlation_id": correlation,
        "error_uri": format!("https://login.microsoftonline.com/error?code={code}"),
    })
}

/// The caller's own id of the request, from its header or query, or a new one.
pub(crate) fn correlation_id(headers: &HeaderMap, query: &[(String, String)]) -> String {
    let header = headers.get("client-request-id");
    let from_header = header.and_then(|value| value.to_str().ok());
    let from_query = query.iter().find(|(name, _)| name == "client-request-id");
    from_header
        .or(from_query.map(|(_, value)| value.as_str()))
        .filter(|id| id.len() <= 64 && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'))
        .map_or_else(guid, str::to_owned)
}
