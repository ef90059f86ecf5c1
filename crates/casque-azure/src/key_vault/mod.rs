//! Key Vault: a version of a secret, if it may be used now, and values that are kept as new versions.
//!
//! Source: Key Vault REST API, "Get Secret" and "Set Secret" (7.4), "About secrets" and "Authentication,
//! requests and responses". A vault hands out expired and not yet valid secrets too, so that their life is
//! judged here.
//! The challenge of a 401 is read for diagnosis and never followed: it would let a host choose for what
//! and from whom a token is asked. A set whose answer was lost is sent again, so that one value can become
//! several versions; the id is that of the last.

mod answer;
mod asked;
mod refusal;
mod value;

use std::sync::Arc;

use casque_core::{AccessToken, SourceFailure, SourceKind, VaultSecret, VaultSource};
use casque_types::{Secret, Timestamp, VaultAddress, VaultSecretName};
use reqwest::StatusCode;

use crate::clouds::Clouds;
use crate::code::Code;
use crate::failure::{VAULT, lasting};
use crate::http::{Answer, Call};
use crate::issued::Issued;
use crate::throttle::Throttle;
use asked::{Asked, Purpose};

/// The source of secrets in vaults, and the way to keep some there; keeps none itself.
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

    fn asked<'a>(
        &'a self,
        vault: &VaultAddress,
        name: &'a VaultSecretName,
        purpose: Purpose<'a>,
        token: &'a AccessToken,
    ) -> Result<Asked<'a>, SourceFailure> {
        let (cloud, host) = self.clouds.for_vault(vault)?;
        let asked = Asked {
            cloud,
            host,
            name,
            purpose,
            token,
        };
        self.check_token(&asked)?;
        Ok(asked)
    }

    /// The answer, if it is 200.
    async fn answer(
        &self,
        asked: &Asked<'_>,
        call: &Call,
        now: Timestamp,
    ) -> Result<Answer, SourceFailure> {
        self.throttle.check(&asked.host, now)?;
        let answer = exchange(asked, call).await?;
        if answer.status == StatusCode::OK {
            return Ok(answer);
        }
        Err(self.refused(asked, &answer, now).await)
    }

    /// The failure that an answer other than 200 is.
    async fn refused(&self, asked: &Asked<'_>, answer: &Answer, now: Timestamp) -> SourceFailure {
        let mut failure = refusal::failure(asked, answer, now);
        if failure.code == Code::VaultTokenRefused.as_str() {
            self.issued.note_refused(asked.token);
        }
        if refusal::may_be_deleted(&failure) && is_deleted(asked).await {
            failure = refusal::deleted(asked, failure.what);
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
            "use an `aad-token` of the vault's own cloud",
        ))
    }
}

impl VaultSource for KeyVault {
    async fn secret(
        &self,
        vault: &VaultAddress,
        name: &VaultSecretName,
        version: Option<&str>,
        token: &AccessToken,
        now: Timestamp,
    ) -> Result<VaultSecret, SourceFailure> {
        let asked = self.asked(vault, name, Purpose::Read { version }, token)?;
        asked.check_version()?;
        let answer = self.answer(&asked, &asked.call(None)?, now).await?;
        answer::read_secret(&asked, &answer, now)
    }

    async fn set_secret(
        &self,
        vault: &VaultAddress,
        name: &VaultSecretName,
        value: &Secret,
        token: &AccessToken,
        now: Timestamp,
    ) -> Result<String, SourceFailure> {
        let asked = self.asked(vault, name, Purpose::Set, token)?;
        let body = value::body(&asked, value)?;
        let answer = self.answer(&asked, &asked.call(Some(body))?, now).await?;
        answer::read_id(&asked, &answer)
    }
}

async fn exchange(asked: &Asked<'_>, call: &Call) -> Result<Answer, SourceFailure> {
    let answer = asked.cloud.http().exchange(call).await;
    answer.map_err(|error| VAULT.failure(&asked.sentence(), &asked.host, &error))
}

/// Whether the vault shows the secret among those that were deleted and can be recovered.
async fn is_deleted(asked: &Asked<'_>) -> bool {
    let Ok(call) = asked.deleted_call() else {
        return false;
    };
    let answer = exchange(asked, &call).await;
    answer.is_ok_and(|answer| answer.status == StatusCode::OK)
}
