//! Microsoft Entra ID: the v2.0 token endpoint for client credentials, its OpenID metadata and keys.
//!
//! Not a login page: no users, no other grant. Wire facts: spec/azure.md section 1. Access tokens have
//! the v1 shape that Key Vault's real ones have (`iss` `https://sts.windows.net/<tenant>/`).

mod assertion;
mod error;
mod token;

use std::sync::{Arc, PoisonError, RwLock};

use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use casque_types::Timestamp;
use serde_json::{Value, json};

pub(crate) use error::error_body;
use error::{EntraError, correlation_id};

use super::StartError;
use super::faults::Faults;
use super::jws::{Jws, SigningKey};
use crate::clock::guid;
use crate::seed::{ApplicationSeed, EntraSeed, VaultAccess};

/// The running tenant.
pub(crate) struct Entra {
    seed: EntraSeed,
    url: String,
    applications: Vec<Application>,
    keys: RwLock<Vec<SigningKey>>,
    faults: Arc<Faults>,
}

/// A registered application with the certificate that was made for it, DER.
pub(crate) struct Application {
    pub(crate) seed: ApplicationSeed,
    pub(crate) certificate: Option<Vec<u8>>,
}

/// What an access token says, once Key Vault has verified it.
pub(crate) struct Bearer {
    pub(crate) client_id: String,
    pub(crate) object_id: String,
    pub(crate) access: VaultAccess,
}

/// Why an access token is refused by a resource.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BearerError {
    /// Not a token.
    Malformed,
    /// Not signed by this tenant.
    Signature,
    /// From another issuer.
    Issuer { found: String },
    /// For another resource.
    Audience { found: String },
    /// Its life is over, or not begun.
    Expired,
}

impl Entra {
    pub(crate) fn new(
        seed: EntraSeed,
        url: String,
        applications: Vec<Application>,
        faults: Arc<Faults>,
    ) -> Result<Self, StartError> {
        let key = SigningKey::generate("casque-dev Entra ID")?;
        Ok(Self {
            seed,
            url,
            applications,
            keys: RwLock::new(vec![key]),
            faults,
        })
    }

    /// Makes another key sign from now on; tokens of the old ones stay good.
    pub(crate) fn rotate(&self) -> Result<(), StartError> {
        let key = SigningKey::generate("casque-dev Entra ID")?;
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.insert(0, key);
        keys.truncate(MOST_KEYS);
        Ok(())
    }

    pub(crate) fn tenant_id(&self) -> &str {
        &self.seed.tenant_id
    }

    /// `https://localhost:<port>`.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// `iss` of its access tokens.
    pub(crate) fn issuer(&self) -> String {
        format!("https://sts.windows.net/{}/", self.seed.tenant_id)
    }

    /// Signs an access token for an application.
    pub(crate) fn access_token(
        &self,
        application: &Application,
        resource: &str,
        now: Timestamp,
        life_s: u64,
    ) -> Result<String, StartError> {
        let now_s = now.as_unix_s();
        let object_id = object_id(&application.seed.client_id);
        let claims = json!({
            "aud": resource, "iss": self.issuer(), "iat": now_s, "nbf": now_s,
            "exp": now_s.saturating_add(life_s), "appid": application.seed.client_id,
            "appidacr": "1", "idp": self.issuer(), "idtyp": "app", "oid": object_id,
            "sub": object_id, "tid": self.seed.tenant_id, "uti": guid(), "ver": "1.0",
        });
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.first().ok_or(StartError::Key)?.sign(&claims)
    }

    /// Verifies an access token as a resource does.
    pub(crate) fn verify(
        &self,
        text: &str,
        audience: &str,
        now: Timestamp,
    ) -> Result<Bearer, BearerError> {
        let token = Jws::parse(text).ok_or(BearerError::Malformed)?;
        let issuer = token.text("iss").unwrap_or_default();
        if issuer != self.issuer() {
            let found = issuer.to_owned();
            return Err(BearerError::Issuer { found });
        }
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        if !keys.iter().any(|key| key.signed(&token)) {
            return Err(BearerError::Signature);
        }
        let found = token.text("aud").unwrap_or_default();
        if found.trim_end_matches('/') != audience.trim_end_matches('/') {
            let found = found.to_owned();
            return Err(BearerError::Audience { found });
        }
        let now_s = now.as_unix_s() as f64;
        let expires = token.date("exp").unwrap_or(0.0);
        if now_s >= expires || now_s + SKEW_S < token.date("nbf").unwrap_or(0.0) {
            return Err(BearerError::Expired);
        }
        let client_id = token.text("appid").unwrap_or_default().to_owned();
        let known = self.application(&client_id);
        Ok(Bearer {
            object_id: object_id(&client_id),
            access: known.map_or(VaultAccess::NoRole, |a| a.seed.vault_access),
            client_id,
        })
    }

    pub(crate) fn application(&self, client_id: &str) -> Option<&Application> {
        let same = |a: &&Application| a.seed.client_id.eq_ignore_ascii_case(client_id);
        self.applications.iter().find(same)
    }

    /// Refuses a tenant that is not this one.
    fn check_tenant(&self, tenant: &str) -> Result<(), EntraError> {
        let lower = tenant.to_ascii_lowercase();
        if ["common", "organizations", "consumers"].contains(&lower.as_str()) {
            return Err(EntraError::SharedTenant);
        }
        if lower == self.seed.tenant_id.to_ascii_lowercase() || self.seed.domains.contains(&lower) {
            return Ok(());
        }
        let tenant = tenant.to_owned();
        match lower.parse::<casque_types::TenantId>() {
            Ok(_) => Err(EntraError::TenantNotFound { tenant }),
            Err(_) => Err(EntraError::TenantMalformed { tenant }),
        }
    }

    fn metadata(&self, tenant: &str) -> Value {
        let (url, id) = (&self.url, &self.seed.tenant_id);
        json!({
            "token_endpoint": format!("{url}/{tenant}/oauth2/v2.0/token"),
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
            "jwks_uri": format!("{url}/{tenant}/discovery/v2.0/keys"),
            "response_modes_supported": ["query", "fragment", "form_post"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["code", "id_token", "code id_token", "token"],
            "scopes_supported": ["openid"],
            "issuer": format!("{url}/{id}/v2.0"),
            "authorization_endpoint": format!("{url}/{tenant}/oauth2/v2.0/authorize"),
            "device_authorization_endpoint": format!("{url}/{tenant}/oauth2/v2.0/devicecode"),
            "tenant_region_scope": "EU",
            "cloud_instance_name": self.host(),
        })
    }

    fn host(&self) -> &str {
        self.url.strip_prefix("https://").unwrap_or(&self.url)
    }
}

/// The object id of an application's service principal: made from its client id, so that it is stable.
fn object_id(client_id: &str) -> String {
    let digest = casque_types::sha256(format!("service principal {client_id}").as_bytes());
    let hex = hex::encode(digest.as_bytes());
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32];
    let parts: Vec<&str> = parts.into_iter().filter_map(|r| hex.get(r)).collect();
    parts.join("-")
}

/// The routes.
pub(crate) fn router(entra: Arc<Entra>) -> Router {
    Router::new()
        .route("/{tenant}/oauth2/v2.0/token", post(token_endpoint))
        .route(
            "/{tenant}/v2.0/.well-known/openid-configuration",
            get(metadata),
        )
        .route("/{tenant}/.well-known/openid-configuration", get(metadata))
        .route("/{tenant}/discovery/v2.0/keys", get(keys))
        .route("/common/discovery/instance", get(instance))
        .with_state(entra)
}

async fn token_endpoint(
    State(entra): State<Arc<Entra>>,
    Path(tenant): Path<String>,
    Query(query): Query<Vec<(String, String)>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let correlation = correlation_id(&headers, &query);
    let result = entra
        .check_tenant(&tenant)
        .and_then(|()| token::TokenRequest::parse(&headers, &body))
        .and_then(|request| token::issue(&entra, &tenant, &request));
    let mut response = match result {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => {
            tracing::info!(%error, "Entra ID refused a token");
            error.answer(&correlation, entra.faults.now())
        }
    };
    let headers = response.headers_mut();
    headers.insert("cache-control", header("no-store, no-cache"));
    headers.insert("pragma", header("no-cache"));
    response
}

async fn metadata(State(entra): State<Arc<Entra>>, Path(tenant): Path<String>) -> Response {
    match entra.check_tenant(&tenant) {
        Ok(()) | Err(EntraError::SharedTenant) => Json(entra.metadata(&tenant)).into_response(),
        Err(error) => error.answer(&guid(), entra.faults.now()),
    }
}

async fn keys(State(entra): State<Arc<Entra>>) -> Json<Value> {
    let keys = entra.keys.read().unwrap_or_else(PoisonError::into_inner);
    let keys: Vec<Value> = keys.iter().map(SigningKey::jwk).collect();
    Json(json!({ "keys": keys }))
}

async fn instance(State(entra): State<Arc<Entra>>) -> Json<Value> {
    let host = entra.host();
    let endpoint = format!(
        "{}/{}/v2.0/.well-known/openid-configuration",
        entra.url, entra.seed.tenant_id
    );
    Json(json!({
        "tenant_discovery_endpoint": endpoint, "api-version": "1.1",
        "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
    }))
}

const fn header(text: &'static str) -> axum::http::HeaderValue {
    axum::http::HeaderValue::from_static(text)
}

const MOST_KEYS: usize = 4;
/// Clocks may differ by five minutes.
const SKEW_S: f64 = 300.0;
