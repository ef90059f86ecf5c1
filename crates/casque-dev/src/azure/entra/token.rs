//! The token request: client credentials with a secret or an assertion (spec/azure.md section 1.1).

use axum::http::HeaderMap;
use serde_json::{Value, json};

use super::assertion::check_assertion;
use super::error::EntraError;
use super::{Application, Entra};

/// The form, as far as this grant reads it; further fields are ignored as the real endpoint does.
pub(super) struct TokenRequest {
    grant_type: String,
    client_id: String,
    scope: String,
    client_secret: Option<String>,
    assertion_type: Option<String>,
    assertion: Option<String>,
}

impl TokenRequest {
    /// Reads the form.
    pub(super) fn parse(headers: &HeaderMap, body: &[u8]) -> Result<Self, EntraError> {
        let form: Vec<(String, String)> = if is_form(headers) {
            url::form_urlencoded::parse(body).into_owned().collect()
        } else {
            Vec::new()
        };
        let field = |name: &str| {
            let found = form.iter().find(|(n, v)| n == name && !v.is_empty());
            found.map(|(_, value)| value.clone())
        };
        let need = |parameter| field(parameter).ok_or(EntraError::Missing { parameter });
        Ok(Self {
            grant_type: need("grant_type")?,
            client_id: need("client_id")?,
            scope: need("scope")?,
            client_secret: field("client_secret"),
            assertion_type: field("client_assertion_type"),
            assertion: field("client_assertion"),
        })
    }
}

/// Answers the request.
pub(super) fn issue(
    entra: &Entra,
    tenant: &str,
    request: &TokenRequest,
) -> Result<Value, EntraError> {
    if request.grant_type != "client_credentials" {
        let grant = request.grant_type.clone();
        return Err(EntraError::Grant { grant });
    }
    let application = find_application(entra, request)?;
    check_credential(entra, tenant, request, application)?;
    let resource = resource_of(entra, &request.scope)?;
    let life_s = entra.faults.token_lifetime_s(entra.seed.token_lifetime_s);
    let token = entra
        .access_token(application, resource, entra.faults.now(), life_s)
        .map_err(|_| EntraError::Signing)?;
    Ok(json!({
        "token_type": "Bearer", "expires_in": life_s, "ext_expires_in": life_s,
        "access_token": token,
    }))
}

fn find_application<'a>(
    entra: &'a Entra,
    request: &TokenRequest,
) -> Result<&'a Application, EntraError> {
    let client = request.client_id.clone();
    let Some(application) = entra.application(&client) else {
        let tenant = entra.seed.tenant_id.clone();
        return Err(EntraError::ApplicationNotFound { client, tenant });
    };
    if application.seed.disabled {
        return Err(EntraError::ApplicationDisabled { client });
    }
    Ok(application)
}

fn check_credential(
    entra: &Entra,
    tenant: &str,
    request: &TokenRequest,
    application: &Application,
) -> Result<(), EntraError> {
    if let Some(assertion) = &request.assertion {
        if request.assertion_type.as_deref() != Some(JWT_BEARER) {
            return Err(EntraError::AssertionType);
        }
        return check_assertion(entra, tenant, application, assertion);
    }
    match &request.client_secret {
        Some(secret) => check_secret(application, secret),
        None if request.assertion_type.is_some() => Err(EntraError::AssertionType),
        None => Err(EntraError::NoCredential),
    }
}

fn check_secret(application: &Application, found: &str) -> Result<(), EntraError> {
    let client = application.seed.client_id.clone();
    let same = application.seed.secrets.iter().find(|s| s.value == found);
    match same {
        None => Err(EntraError::WrongSecret { client }),
        Some(secret) if secret.expired => Err(EntraError::ExpiredSecret { client }),
        Some(_) => Ok(()),
    }
}

/// The resource of a scope: exactly one, with `/.default`.
fn resource_of<'a>(entra: &'a Entra, scope: &str) -> Result<&'a str, EntraError> {
    let oidc = ["openid", "profile", "offline_access"];
    let mut scopes = scope.split_whitespace().filter(|s| !oidc.contains(s));
    let (Some(only), None) = (scopes.next(), scopes.next()) else {
        let scope = scope.to_owned();
        return Err(EntraError::ScopeMalformed { scope });
    };
    let Some(resource) = only.strip_suffix("/.default") else {
        let scope = only.to_owned();
        return Err(EntraError::ScopeNotDefault { scope });
    };
    let wanted = resource.trim_end_matches('/');
    let mut known = entra.seed.resources.iter();
    let found = known.find(|r| r.trim_end_matches('/') == wanted);
    found
        .map(String::as_str)
        .ok_or_else(|| EntraError::ResourceNotFound {
            resource: resource.to_owned(),
            tenant: entra.seed.tenant_id.clone(),
        })
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get("content-type").and_then(|v| v.to_str().ok());
    kind.is_some_and(|kind| {
        let kind = kind.to_ascii_lowercase();
        kind.starts_with("application/x-www-form-urlencoded")
    })
}

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
