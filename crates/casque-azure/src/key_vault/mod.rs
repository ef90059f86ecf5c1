//! Key Vault: the current version of a secret, if it may be used now.
//!
//! Source: Key Vault REST API, "Get Secret" (7.4), "About secrets" and "Authentication, requests and
//! responses". A vault hands out expired and not yet valid secrets too, so that their life is judged here.
//! The challenge of a 401 is read for diagnosis and never followed: it would let a host choose for what
//! and from whom a token is asked.

mod answer;
mod refusal;

use std::sync::Arc;

use bytes::Bytes;
use casque_core::{AccessToken, SourceFailure, SourceKind, VaultSecret, VaultSource};
use casque_types::{Timestamp, VaultAddress, VaultSecretName};
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode, Url};

use crate::clouds::{Cloud, Clouds};
use crate::code::Code;
use crate::failure::{VAULT, lasting};
use crate::http::{Answer, Call, bearer};
use crate::issued::Issued;
use crate::throttle::Throttle;

/// The source of secrets in vaults; keeps none.
#[derive(Debug)]
pub struct KeyVault {
    clouds: Arc<Clouds>,
    issued: Arc<Issued>,
    throttle: Throttle,
}

impl KeyVault {
    pub(crate) fn new(clouds: Arc<Clouds>, issued: Arc<Issued>) -> Self {
        Self {
            clouds,
            issued,
            throttle: Throttle::default(),
        }
    }

    async fn get(&self, asked: &Asked<'_>, object: &str) -> Result<Answer, SourceFailure> {
        let call = asked.call(object)?;
        let answer = asked.cloud.http().exchange(&call).await;
        answer.map_err(|error| VAULT.failure(&asked.sentence(), &asked.host, &error))
    }

    /// The failure that an answer other than 200 is.
    async fn refused(&self, asked: &Asked<'_>, answer: &Answer, now: Timestamp) -> SourceFailure {
        let mut failure = refusal::failure(asked, answer, now);
        if failure.code == Code::VaultTokenRefused.as_str() {
            self.issued.note_refused(asked.token);
        }
        if failure.code == Code::VaultSecretNotFound.as_str() {
            let deleted = self.get(asked, "deletedsecrets").await;
            if deleted.is_ok_and(|answer| answer.status == StatusCode::OK) {
                failure = refusal::deleted(asked, failure.what);
            }
        }
        self.throttle.note(&asked.host, &failure, now);
        failure
    }

    /// A token goes only to hosts of the cloud that issued it.
    fn check_token(&self, asked: &Asked<'_>) -> Result<(), SourceFailure> {
        let issuer = self.issued.cloud_of(asked.token);
        if issuer.as_deref() == Some(asked.cloud.name()) {
            return Ok(());
        }
        let issuer = issuer.as_deref().unwrap_or("none of this server's clouds");
        Err(lasting(
            SourceKind::KeyVault,
            Code::VaultTokenForeign,
            format!(
                "{}: the vault is in cloud `{}`, the token was issued by `{issuer}`",
                asked.sentence(),
                asked.cloud.name()
            ),
            "import with an `aad-token` of the vault's own cloud",
        ))
    }
}

impl VaultSource for KeyVault {
    async fn secret(
        &self,
        vault: &VaultAddress,
        name: &VaultSecretName,
        token: &AccessToken,
        now: Timestamp,
    ) -> Result<VaultSecret, SourceFailure> {
        let (cloud, host) = self.clouds.for_vault(vault)?;
        let asked = Asked {
            cloud,
            host,
            name,
            token,
        };
        self.check_token(&asked)?;
        self.throttle.check(&asked.host, now)?;
        let answer = self.get(&asked, "secrets").await?;
        if answer.status != StatusCode::OK {
            return Err(self.refused(&asked, &answer, now).await);
        }
        answer::read_secret(&asked, &answer, now)
    }
}

/// What is asked of which vault, with what.
#[derive(Debug)]
struct Asked<'a> {
    cloud: &'a Cloud,
    host: String,
    name: &'a VaultSecretName,
    token: &'a AccessToken,
}

impl Asked<'_> {
    fn sentence(&self) -> String {
        format!(
            "asked vault `{}` for secret `{}`",
            self.host,
            self.name.as_str()
        )
    }

    fn call(&self, object: &str) -> Result<Call, SourceFailure> {
        let (host, name) = (&self.host, self.name.as_str());
        let url = format!("https://{host}/{object}/{name}?api-version={API_VERSION}");
        let malformed = |expected| VAULT.malformed(&self.sentence(), host, expected);
        // Host and name were parsed, and tokens are checked when they are read: neither fails but by
        // Casque's own fault.
        let url = Url::parse(&url).map_err(|_| malformed("an address that makes a URL"))?;
        let bearer = bearer(&self.token.token).ok_or_else(|| malformed("a token of ASCII text"))?;
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, bearer);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        Ok(Call {
            method: Method::GET,
            url,
            headers,
            body: Bytes::new(),
            limit_bytes: MAX_SECRET_ANSWER_BYTES,
        })
    }
}

/// Understood by every vault, on Azure Stack too.
const API_VERSION: &str = "7.4";
/// A vault's secret has at most 25 kB; escapes can make six bytes of one.
const MAX_SECRET_ANSWER_BYTES: usize = 128 * 1024;
