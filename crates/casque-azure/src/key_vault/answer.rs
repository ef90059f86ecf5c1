//! A secret as Key Vault answers it (`SecretBundle`): read, and whether it may be used now, or just set.

use casque_core::{SourceFailure, SourceKind, VaultSecret};
use casque_types::Timestamp;
use serde::Deserialize;
use url::Url;

use super::asked::{Asked, Purpose};
use crate::code::Code;
use crate::failure::{VAULT, lasting};
use crate::http::Answer;
use crate::json::{self, SecretText};

/// Reads a secret that is enabled and inside its life at `now`.
pub(super) fn read_secret(
    asked: &Asked<'_>,
    answer: &Answer,
    now: Timestamp,
) -> Result<VaultSecret, SourceFailure> {
    let malformed = |expected| VAULT.malformed(&asked.sentence(), &asked.host, expected);
    let raw: RawSecret = json::read(&answer.body).ok_or_else(|| malformed(EXPECTED))?;
    if !is_id_of(&raw.id, asked) {
        return Err(malformed(EXPECTED_ID));
    }
    check_life(asked, &raw.attributes, now)?;
    tracing::debug!(
        id = raw.id,
        request = answer.header("x-ms-request-id").unwrap_or_default(),
        "read a vault's secret"
    );
    Ok(VaultSecret {
        value: raw.value.0,
        content_type: raw
            .content_type
            .filter(|text| text.len() <= MAX_CONTENT_TYPE_BYTES),
        id: raw.id,
    })
}

/// Reads the id of the version that was set; the value that the vault repeats is not looked at.
pub(super) fn read_id(asked: &Asked<'_>, answer: &Answer) -> Result<String, SourceFailure> {
    let malformed = |expected| VAULT.malformed(&asked.sentence(), &asked.host, expected);
    let raw: RawId =
        json::read(&answer.body).ok_or_else(|| malformed("a JSON object with `id`"))?;
    if !is_id_of(&raw.id, asked) {
        return Err(malformed(EXPECTED_ID));
    }
    tracing::debug!(
        id = raw.id,
        request = answer.header("x-ms-request-id").unwrap_or_default(),
        "set a vault's secret"
    );
    Ok(raw.id)
}

/// Whether `id` is `https://<vault>/secrets/<name>/<version>`, of the version that was asked for, if one
/// was; names and versions have no case in a vault.
fn is_id_of(id: &str, asked: &Asked<'_>) -> bool {
    if id.len() > MAX_ID_BYTES {
        return false;
    }
    let Ok(url) = Url::parse(id) else {
        return false;
    };
    let parts: Vec<&str> = url.path().split('/').collect();
    let [_, object, found, version] = parts.as_slice() else {
        return false;
    };
    url.scheme() == "https"
        && url.query().is_none()
        && url.fragment().is_none()
        && object.eq_ignore_ascii_case("secrets")
        && found.eq_ignore_ascii_case(asked.name.as_str())
        && (asked.purpose.version()).is_none_or(|wanted| version.eq_ignore_ascii_case(wanted))
        && (1..=MAX_VERSION_BYTES).contains(&version.len())
        && version.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn check_life(
    asked: &Asked<'_>,
    attributes: &RawAttributes,
    now: Timestamp,
) -> Result<(), SourceFailure> {
    let refused = |code, state: String, mend| {
        let version = match asked.purpose {
            Purpose::Read { version: Some(_) } => "that version",
            Purpose::Read { version: None } | Purpose::Set => "its current version",
        };
        let what = format!("{}: {version} {state}", asked.sentence());
        Err(lasting(SourceKind::KeyVault, code, what, mend))
    };
    if !attributes.enabled {
        let state = "is disabled".to_owned();
        return refused(Code::VaultSecretDisabled, state, enable_mend(asked.purpose));
    }
    match (attributes.nbf, attributes.exp) {
        (_, Some(end)) if now >= Timestamp::from_unix_s(end) => refused(
            Code::VaultSecretExpired,
            format!("expired at {}", Timestamp::from_unix_s(end)),
            expired_mend(asked.purpose),
        ),
        (Some(start), _) if now < Timestamp::from_unix_s(start) => refused(
            Code::VaultSecretNotYetValid,
            format!("is not valid before {}", Timestamp::from_unix_s(start)),
            "wait until then, or change the secret's activation date in the vault",
        ),
        _ => Ok(()),
    }
}

pub(super) const fn enable_mend(purpose: Purpose<'_>) -> &'static str {
    match purpose {
        Purpose::Read { version: Some(_) } => {
            "enable that version in the vault, or name another `version`"
        }
        Purpose::Read { version: None } | Purpose::Set => {
            "enable the secret's current version in the vault, or put a new one"
        }
    }
}

const fn expired_mend(purpose: Purpose<'_>) -> &'static str {
    match purpose {
        Purpose::Read { version: Some(_) } => {
            "move that version's expiry date in the vault, or name another `version`"
        }
        Purpose::Read { version: None } | Purpose::Set => {
            "put a new version of the secret into the vault, or move its expiry date"
        }
    }
}

/// The answer as it stands on the wire; other members are of no use here.
#[derive(Deserialize)]
struct RawSecret {
    value: SecretText,
    id: String,
    #[serde(rename = "contentType")]
    content_type: Option<String>,
    attributes: RawAttributes,
}

#[derive(Deserialize)]
struct RawId {
    id: String,
}

#[derive(Deserialize)]
struct RawAttributes {
    enabled: bool,
    nbf: Option<u64>,
    exp: Option<u64>,
}

const EXPECTED: &str = "a JSON object with `value`, `id` and `attributes`";
const EXPECTED_ID: &str = "an `id` of the secret and version that were asked for";
const MAX_ID_BYTES: usize = 512;
const MAX_VERSION_BYTES: usize = 64;
const MAX_CONTENT_TYPE_BYTES: usize = 255;
