//! Objects of a vault and their JSON (spec/azure.md sections 2.2 and 2.3).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use casque_types::Timestamp;
use serde_json::{Map, Value, json};

use crate::azure::certificate::sha1;
use crate::seed::{CertificateFormat, Refusal};

/// A secret with all its versions, the oldest first; never without one.
pub(super) struct SecretObject {
    pub(super) name: String,
    pub(super) versions: Vec<SecretVersion>,
    pub(super) deleted: Option<Timestamp>,
    pub(super) refuse: Option<Refusal>,
    /// The certificate that it belongs to.
    pub(super) certificate: Option<CertificateObject>,
}

/// One version of a secret.
#[derive(Clone)]
pub(super) struct SecretVersion {
    pub(super) id: String,
    pub(super) value: String,
    pub(super) content_type: Option<String>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) attributes: Attributes,
}

/// What a vault knows about a version.
#[derive(Clone, Copy)]
pub(super) struct Attributes {
    pub(super) enabled: bool,
    pub(super) not_before: Option<Timestamp>,
    pub(super) expires: Option<Timestamp>,
    pub(super) created: Timestamp,
    pub(super) updated: Timestamp,
}

/// A certificate; its key is in the secret of the same name.
pub(super) struct CertificateObject {
    pub(super) der: Vec<u8>,
    pub(super) common_name: String,
    pub(super) dns: Vec<String>,
    pub(super) format: CertificateFormat,
}

/// Whether the JSON of a secret shows its value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Show {
    Value,
    Item,
}

impl Attributes {
    fn json(&self) -> Value {
        let mut json = Map::new();
        json.insert("enabled".to_owned(), json!(self.enabled));
        if let Some(time) = self.not_before {
            json.insert("nbf".to_owned(), json!(time.as_unix_s()));
        }
        if let Some(time) = self.expires {
            json.insert("exp".to_owned(), json!(time.as_unix_s()));
        }
        json.insert("created".to_owned(), json!(self.created.as_unix_s()));
        json.insert("updated".to_owned(), json!(self.updated.as_unix_s()));
        json.insert("recoveryLevel".to_owned(), json!("Recoverable+Purgeable"));
        json.insert("recoverableDays".to_owned(), json!(RECOVERABLE_DAYS));
        Value::Object(json)
    }
}

impl SecretObject {
    /// The JSON of one version.
    pub(super) fn json(&self, url: &str, version: &SecretVersion, show: Show) -> Value {
        let mut id = format!("{url}/secrets/{}", self.name);
        if show == Show::Value {
            id = format!("{id}/{}", version.id);
        }
        self.json_with_id(url, version, show, &id)
    }

    /// The JSON of one version with this id; lists of versions show ids with version and no value.
    pub(super) fn json_with_id(
        &self,
        url: &str,
        version: &SecretVersion,
        show: Show,
        id: &str,
    ) -> Value {
        let mut json = Map::new();
        if show == Show::Value {
            json.insert("value".to_owned(), json!(version.value));
        }
        if let Some(content_type) = &version.content_type {
            json.insert("contentType".to_owned(), json!(content_type));
        }
        json.insert("id".to_owned(), json!(id));
        if self.certificate.is_some() {
            let kid = format!("{url}/keys/{}/{}", self.name, version.id);
            json.insert("managed".to_owned(), json!(true));
            if show == Show::Value {
                json.insert("kid".to_owned(), json!(kid));
            }
        }
        json.insert("attributes".to_owned(), version.attributes.json());
        json.insert("tags".to_owned(), json!(version.tags));
        Value::Object(json)
    }

    /// The JSON of a soft-deleted secret.
    pub(super) fn deleted_json(&self, url: &str, show: Show) -> Option<Value> {
        let mut json = self.json(url, self.versions.last()?, Show::Item);
        let members = json.as_object_mut()?;
        if show == Show::Value {
            let id = format!("{url}/secrets/{}/{}", self.name, self.versions.last()?.id);
            members.insert("id".to_owned(), json!(id));
        }
        let deleted = self.deleted?.as_unix_s();
        let purge = deleted.saturating_add(RECOVERABLE_DAYS * 86_400);
        let recovery = format!("{url}/deletedsecrets/{}", self.name);
        members.insert("recoveryId".to_owned(), json!(recovery));
        members.insert("deletedDate".to_owned(), json!(deleted));
        members.insert("scheduledPurgeDate".to_owned(), json!(purge));
        Some(json)
    }

    /// The JSON of the certificate, as a whole or as an item of a list.
    pub(super) fn certificate_json(&self, url: &str, show: Show) -> Option<Value> {
        let certificate = self.certificate.as_ref()?;
        let (name, version) = (&self.name, self.versions.last()?);
        let x5t = URL_SAFE_NO_PAD.encode(sha1(&certificate.der));
        let id = format!("{url}/certificates/{name}");
        let attributes = version.attributes.json();
        if show == Show::Item {
            return Some(json!({
                "id": id, "x5t": x5t, "attributes": attributes, "subject": certificate.subject(),
                "tags": version.tags,
            }));
        }
        Some(json!({
            "id": format!("{id}/{}", version.id),
            "kid": format!("{url}/keys/{name}/{}", version.id),
            "sid": format!("{url}/secrets/{name}/{}", version.id),
            "x5t": x5t, "cer": STANDARD.encode(&certificate.der),
            "contentType": certificate.format.content_type(),
            "attributes": attributes, "tags": version.tags,
            "policy": certificate.policy(&format!("{id}/policy")),
            "pending": {"id": format!("{id}/pending")},
        }))
    }
}

impl CertificateObject {
    fn subject(&self) -> String {
        format!("CN={}", self.common_name)
    }

    /// The policy that it was issued by.
    pub(super) fn policy(&self, id: &str) -> Value {
        json!({
            "id": id,
            "key_props": {"exportable": true, "kty": "RSA", "key_size": 2048, "reuse_key": false},
            "secret_props": {"contentType": self.format.content_type()},
            "x509_props": {
                "subject": self.subject(), "sans": {"dns_names": self.dns},
                "ekus": ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"],
                "key_usage": ["digitalSignature", "keyEncipherment"], "validity_months": 12,
            },
            "lifetime_actions": [],
            "issuer": {"name": "Unknown"},
            "attributes": {"enabled": true},
        })
    }
}

pub(super) const RECOVERABLE_DAYS: u64 = 90;
