//! What the vault does for each method and path.

use std::collections::BTreeMap;

use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use casque_types::{Timestamp, VaultSecretName};
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::VaultError;
use super::object::{SecretObject, Show};
use super::store::NewVersion;
use super::{Call, ok};
use crate::seed::{Refusal, VaultAccess};

/// Answers an authenticated call.
pub(super) fn answer(call: &Call<'_>) -> Result<Response, VaultError> {
    let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
    if let Some(name) = path.get(1) {
        check_name(name)?;
    }
    match (call.method.clone(), path.as_slice()) {
        (Method::GET, ["secrets"]) => list_secrets(call),
        (Method::GET, ["secrets", name]) => read_secret(call, name, None),
        (Method::GET, ["secrets", name, "versions"]) => list_versions(call, name),
        (Method::GET, ["secrets", name, version]) => read_secret(call, name, Some(version)),
        (Method::PUT, ["secrets", name]) => set_secret(call, name),
        (Method::PATCH, ["secrets", name, version]) => update_secret(call, name, version),
        (Method::DELETE, ["secrets", name]) => delete_secret(call, name),
        (Method::GET, ["deletedsecrets"]) => list_deleted(call),
        (Method::GET, ["deletedsecrets", name]) => read_deleted(call, name),
        (Method::DELETE, ["deletedsecrets", name]) => purge(call, name),
        (Method::POST, ["deletedsecrets", name, "recover"]) => recover(call, name),
        (Method::GET, ["certificates"]) => list_certificates(call),
        (Method::GET, ["certificates", name]) => read_certificate(call, name, None),
        (Method::GET, ["certificates", name, "versions"]) => certificate_versions(call, name),
        (Method::GET, ["certificates", name, "policy"]) => certificate_policy(call, name),
        (Method::GET, ["certificates", name, version]) => {
            read_certificate(call, name, Some(version))
        }
        (method, _) => Err(VaultError::Method {
            method: method.to_string(),
        }),
    }
}

fn check_name(name: &str) -> Result<(), VaultError> {
    let known = name.parse::<VaultSecretName>();
    let pattern = "^[0-9a-zA-Z-]+$";
    known.map(|_| ()).map_err(|_| {
        VaultError::bad(format!(
            "The request URI contains an invalid name: {name}; names match {pattern} and have 1 to 127 characters"
        ))
    })
}

/// What the caller may not do at all, or not with this object.
fn permit(
    call: &Call<'_>,
    action: &str,
    object: Option<&SecretObject>,
    name: &str,
) -> Result<(), VaultError> {
    let by_access = match call.caller.access {
        VaultAccess::Granted => None,
        VaultAccess::ReadOnly if READS.contains(&action) => None,
        VaultAccess::ReadOnly => Some(Refusal::Rbac),
        VaultAccess::NoRole => Some(Refusal::Rbac),
        VaultAccess::NoPolicy => Some(Refusal::Policy),
    };
    let Some(cause) = by_access.or(object.and_then(|object| object.refuse)) else {
        return Ok(());
    };
    let resource = format!(
        "/subscriptions/00000000-0000-0000-0000-000000000000/resourcegroups/local/providers/microsoft.keyvault/vaults/local/secrets/{name}"
    );
    Err(VaultError::refused(cause, &call.caller, action, &resource))
}

fn read_secret(call: &Call<'_>, name: &str, version: Option<&str>) -> Result<Response, VaultError> {
    let store = call.vault.store();
    permit(call, "getSecret", store.any(name), name)?;
    let secret = store.secret(name)?;
    let version = secret.version(version)?;
    if !version.attributes.enabled {
        return Err(VaultError::Disabled);
    }
    Ok(ok(secret.json(&call.vault.url, version, Show::Value)))
}

fn list_secrets(call: &Call<'_>) -> Result<Response, VaultError> {
    permit(call, "readMetadata", None, "")?;
    let store = call.vault.store();
    let items = store.all().filter(|secret| secret.deleted.is_none());
    let items = items.filter_map(|secret| {
        let version = secret.versions.last()?;
        Some(secret.json(&call.vault.url, version, Show::Item))
    });
    Ok(list(&items.collect::<Vec<_>>()))
}

fn list_versions(call: &Call<'_>, name: &str) -> Result<Response, VaultError> {
    let store = call.vault.store();
    permit(call, "readMetadata", store.any(name), name)?;
    let url = &call.vault.url;
    let Ok(secret) = store.secret(name) else {
        return Ok(list(&[]));
    };
    let items = secret.versions.iter().map(|version| {
        let id = format!("{url}/secrets/{}/{}", secret.name, version.id);
        secret.json_with_id(url, version, Show::Item, &id)
    });
    Ok(list(&items.collect::<Vec<_>>()))
}

/// Body of a set: further members are ignored as the real service does.
#[derive(Deserialize)]
struct SetBody {
    value: String,
    #[serde(rename = "contentType")]
    content_type: Option<String>,
    tags: Option<BTreeMap<String, String>>,
    attributes: Option<AttributesBody>,
}

#[derive(Default, Deserialize)]
struct AttributesBody {
    enabled: Option<bool>,
    nbf: Option<u64>,
    exp: Option<u64>,
}

fn set_secret(call: &Call<'_>, name: &str) -> Result<Response, VaultError> {
    let body: SetBody = read_body(call)?;
    if body.value.len() > MOST_VALUE_BYTES {
        return Err(VaultError::bad(
            "Secret value is longer than the 25 kB that are allowed",
        ));
    }
    let mut store = call.vault.store();
    permit(call, "setSecret", store.any(name), name)?;
    let attributes = body.attributes.unwrap_or_default();
    let version = NewVersion {
        value: body.value,
        content_type: body.content_type,
        tags: body.tags.unwrap_or_default(),
        enabled: attributes.enabled.unwrap_or(true),
        not_before: attributes.nbf.map(Timestamp::from_unix_s),
        expires: attributes.exp.map(Timestamp::from_unix_s),
    };
    store.set(name, version.made(call.vault.faults.now()))?;
    let secret = store.secret(name)?;
    let version = secret.version(None)?;
    Ok(ok(secret.json(&call.vault.url, version, Show::Value)))
}

/// Body of an update of a version: what is absent stays.
#[derive(Deserialize)]
struct UpdateBody {
    #[serde(rename = "contentType")]
    content_type: Option<String>,
    tags: Option<BTreeMap<String, String>>,
    attributes: Option<AttributesBody>,
}

fn update_secret(call: &Call<'_>, name: &str, version: &str) -> Result<Response, VaultError> {
    let body: UpdateBody = read_body(call)?;
    let mut store = call.vault.store();
    permit(call, "setSecret", store.any(name), name)?;
    let changed = store.secret_mut(name)?.version_mut(version)?;
    let attributes = body.attributes.unwrap_or_default();
    let kept = &mut changed.attributes;
    kept.enabled = attributes.enabled.unwrap_or(kept.enabled);
    kept.not_before = attributes
        .nbf
        .map(Timestamp::from_unix_s)
        .or(kept.not_before);
    kept.expires = attributes.exp.map(Timestamp::from_unix_s).or(kept.expires);
    kept.updated = call.vault.faults.now();
    changed.content_type = body.content_type.or(changed.content_type.take());
    if let Some(tags) = body.tags {
        changed.tags = tags;
    }
    let secret = store.secret(name)?;
    let version = secret.version(Some(version))?;
    let url = &call.vault.url;
    let id = format!("{url}/secrets/{}/{}", secret.name, version.id);
    Ok(ok(secret.json_with_id(url, version, Show::Item, &id)))
}

fn delete_secret(call: &Call<'_>, name: &str) -> Result<Response, VaultError> {
    let mut store = call.vault.store();
    permit(call, "delete", store.any(name), name)?;
    let secret = store.secret_mut(name)?;
    if secret.certificate.is_some() {
        return Err(VaultError::Forbidden {
            inner: "OperationNotAllowed",
            message: "Operation is not allowed on a secret that a certificate manages".to_owned(),
        });
    }
    secret.deleted = Some(call.vault.faults.now());
    let json = secret.deleted_json(&call.vault.url, Show::Value);
    Ok(ok(json.unwrap_or_default()))
}

fn list_deleted(call: &Call<'_>) -> Result<Response, VaultError> {
    permit(call, "readMetadata", None, "")?;
    let store = call.vault.store();
    let items = store.all().filter(|secret| secret.deleted.is_some());
    let items = items.filter_map(|s| s.deleted_json(&call.vault.url, Show::Item));
    Ok(list(&items.collect::<Vec<_>>()))
}

fn read_deleted(call: &Call<'_>, name: &str) -> Result<Response, VaultError> {
    let store = call.vault.store();
    permit(call, "readMetadata", store.any(name), name)?;
    let json = store
        .deleted(name)?
        .deleted_json(&call.vault.url, Show::Value);
    Ok(ok(json.unwrap_or_default()))
}

fn purge(call: &Call<'_>, name: &str) -> Result<Response, VaultError> {
    let mut store = call.vault.store();
    permit(call, "purge", store.any(name), name)?;
    store.purge(name)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn recover(call: &Call<'_>, name: &str) -> Result<Response, VaultError> {
    let mut store = call.vault.store();
    permit(call, "recover", store.any(name), name)?;
    let secret = store.recover(name)?;
    let version = secret.version(None)?;
    let url = &call.vault.url;
    let id = format!("{url}/secrets/{}/{}", secret.name, version.id);
    Ok(ok(secret.json_with_id(url, version, Show::Item, &id)))
}

fn list_certificates(call: &Call<'_>) -> Result<Response, VaultError> {
    permit(call, "readMetadata", None, "")?;
    let store = call.vault.store();
    let items = store.all().filter(|secret| secret.deleted.is_none());
    let items = items.filter_map(|s| s.certificate_json(&call.vault.url, Show::Item));
    Ok(list(&items.collect::<Vec<_>>()))
}

fn certificate_versions(call: &Call<'_>, name: &str) -> Result<Response, VaultError> {
    permit(call, "readMetadata", None, name)?;
    let store = call.vault.store();
    let Ok(secret) = store.secret(name) else {
        return Ok(list(&[]));
    };
    let mut item = secret.certificate_json(&call.vault.url, Show::Item);
    if let (Some(item), Ok(version)) = (&mut item, secret.version(None)) {
        let url = &call.vault.url;
        item["id"] = json!(format!("{url}/certificates/{}/{}", secret.name, version.id));
    }
    Ok(list(&item.into_iter().collect::<Vec<_>>()))
}

fn read_certificate(
    call: &Call<'_>,
    name: &str,
    version: Option<&str>,
) -> Result<Response, VaultError> {
    permit(call, "getCertificate", None, name)?;
    let store = call.vault.store();
    let absent = || no_certificate(name);
    let secret = store.secret(name).map_err(|_| absent())?;
    secret.version(version).map_err(|_| absent())?;
    let json = secret.certificate_json(&call.vault.url, Show::Value);
    json.map(ok).ok_or_else(absent)
}

fn certificate_policy(call: &Call<'_>, name: &str) -> Result<Response, VaultError> {
    permit(call, "getCertificate", None, name)?;
    let store = call.vault.store();
    let secret = store.secret(name).map_err(|_| no_certificate(name))?;
    let certificate = secret.certificate.as_ref();
    let id = format!("{}/certificates/{}/policy", call.vault.url, secret.name);
    certificate
        .map(|c| ok(c.policy(&id)))
        .ok_or_else(|| no_certificate(name))
}

fn no_certificate(name: &str) -> VaultError {
    VaultError::NotFound {
        kind: "certificate",
        name: name.to_owned(),
    }
}

fn read_body<T: serde::de::DeserializeOwned>(call: &Call<'_>) -> Result<T, VaultError> {
    serde_json::from_slice(&call.body)
        .map_err(|error| VaultError::bad(format!("the body does not parse: {error}")))
}

fn list(items: &[Value]) -> Response {
    ok(json!({"value": items, "nextLink": null}))
}

/// What the role *Key Vault Secrets User* permits.
const READS: [&str; 3] = ["getSecret", "getCertificate", "readMetadata"];
const MOST_VALUE_BYTES: usize = 25 * 1024;
