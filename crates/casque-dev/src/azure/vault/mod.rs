//! Azure Key Vault: secrets, certificates and the bin of soft-deleted ones (spec/azure.md section 2).
//!
//! Not here: keys and secure key release, backups, access policies beyond what the seed says, and
//! paging (lists are answered whole).

mod error;
mod object;
mod routes;
mod seed;
mod store;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use axum::response::{IntoResponse as _, Response};

use super::StartError;
use super::entra::{Bearer, Entra};
use super::faults::Faults;
use crate::seed::VaultSeed;
use error::VaultError;
use store::Store;

/// The running vault.
pub(crate) struct Vault {
    url: String,
    resource: String,
    entra: Arc<Entra>,
    faults: Arc<Faults>,
    store: Mutex<Store>,
}

impl Vault {
    pub(crate) fn new(
        seed: &VaultSeed,
        url: String,
        entra: Arc<Entra>,
        faults: Arc<Faults>,
    ) -> Result<Self, StartError> {
        let store = Store::seeded(seed, faults.now())?;
        Ok(Self {
            url,
            resource: seed.resource.clone(),
            entra,
            faults,
            store: Mutex::new(store),
        })
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who calls: the bearer token, verified as the real service does.
    fn authenticate(&self, headers: &HeaderMap) -> Result<Bearer, VaultError> {
        let value = headers.get("authorization").and_then(|v| v.to_str().ok());
        let (scheme, token) = value.and_then(|v| v.split_once(' ')).unwrap_or_default();
        if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
            return Err(VaultError::NoToken);
        }
        let now = self.faults.now();
        self.entra
            .verify(token.trim(), &self.resource, now)
            .map_err(|error| VaultError::from_bearer(error, self))
    }

    /// `WWW-Authenticate` of an unauthenticated call.
    fn challenge(&self) -> String {
        let (authority, tenant) = (self.entra.url(), self.entra.tenant_id());
        let resource = &self.resource;
        format!(r#"Bearer authorization="{authority}/{tenant}", resource="{resource}""#)
    }
}

/// One request, in words of this service.
struct Call<'a> {
    vault: &'a Vault,
    caller: Bearer,
    method: Method,
    /// The path without empty segments: clients put a slash behind a name without version.
    path: Vec<String>,
    body: Bytes,
}

/// All routes: what a path means depends on how many segments it has, empty ones aside.
pub(crate) fn router(vault: Arc<Vault>) -> Router {
    Router::new().fallback(endpoint).with_state(vault)
}

async fn endpoint(State(vault): State<Arc<Vault>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let answer = match vault.authenticate(&parts.headers) {
        Err(error) => Err(error),
        Ok(caller) => match axum::body::to_bytes(body, MOST_BYTES).await {
            Err(_) => Err(VaultError::bad("the body is longer than 160 KiB")),
            Ok(body) => api_version(&parts.uri).and_then(|()| {
                routes::answer(&Call {
                    vault: &vault,
                    caller,
                    method: parts.method,
                    path: segments(parts.uri.path()),
                    body,
                })
            }),
        },
    };
    let mut response = match answer {
        Ok(response) => response,
        Err(error) => {
            tracing::info!(%error, "Key Vault refused a request");
            error.answer(&vault.challenge())
        }
    };
    add_headers(&mut response);
    response
}

fn add_headers(response: &mut Response) {
    let headers = [
        ("cache-control", "no-cache"),
        ("x-ms-keyvault-region", "local"),
        ("x-ms-keyvault-service-version", "1.9.2000.1"),
        (
            "x-ms-keyvault-network-info",
            "conn_type=Ipv4;addr=127.0.0.1;act_addr_fam=InterNetwork;",
        ),
        ("x-content-type-options", "nosniff"),
        (
            "strict-transport-security",
            "max-age=31536000;includeSubDomains",
        ),
    ];
    for (name, value) in headers {
        let name = HeaderName::from_static(name);
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
}

/// The path's segments, percent-decoded, empty ones left out.
fn segments(path: &str) -> Vec<String> {
    let parts = path.split('/').filter(|part| !part.is_empty());
    let decoded = parts.map(|part| {
        let text = part.replace('+', "%2B");
        let mut pairs = url::form_urlencoded::parse(text.as_bytes());
        pairs.next().map_or(String::new(), |(k, _)| k.into_owned())
    });
    decoded.collect()
}

/// The query's `api-version` must be one that the service knows; its name may be percent-encoded.
fn api_version(uri: &Uri) -> Result<(), VaultError> {
    let query = uri.query().unwrap_or_default();
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    let Some((_, version)) = pairs.find(|(name, _)| name.eq_ignore_ascii_case("api-version"))
    else {
        return Err(VaultError::bad("api-version must be specified"));
    };
    if API_VERSIONS.contains(&version.as_ref()) {
        return Ok(());
    }
    Err(VaultError::bad(format!(
        "The specified version ({version}) is not recognized. Consider using the latest supported version (2026-04-01)."
    )))
}

fn ok(body: serde_json::Value) -> Response {
    axum::Json(body).into_response()
}

const API_VERSIONS: &[&str] = &[
    "2016-10-01",
    "7.0",
    "7.1",
    "7.2",
    "7.3",
    "7.4",
    "7.5",
    "7.6",
    "2025-07-01",
    "2026-04-01",
];
/// The longest value, with every byte escaped as six.
const MOST_BYTES: usize = 160 * 1024;

#[cfg(test)]
mod tests {
    use assert_matches::assert_matches;

    use super::*;

    #[test]
    fn segments_trailing_slash_is_nothing() {
        assert_eq!(segments("/secrets/a/"), ["secrets", "a"]);
        assert_eq!(segments("//secrets/a%2Db"), ["secrets", "a-b"]);
    }

    #[test]
    fn api_version_percent_encoded_name_is_read() {
        let uri: Uri = "/secrets/a?api%2Dversion=7.4".parse().unwrap();
        assert_matches!(api_version(&uri), Ok(()));
    }

    #[test]
    fn api_version_absent_is_a_bad_parameter() {
        let uri: Uri = "/secrets/a?version=7.4".parse().unwrap();
        assert_matches!(api_version(&uri), Err(VaultError::BadParameter { .. }));
    }
}
