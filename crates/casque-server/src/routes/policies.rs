//! Policies: put, read, listed, and their versions. SCONE's paths where it has some.

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use casque_core::PutOutcome;
use casque_policy::Credentials;
use casque_wire as wire;
use serde::Deserialize;

use super::description::{CREATE, CREATE_ENCRYPTED, HASH, HISTORY, LIST, READ};
use super::{MaybePath, MaybeQuery, Routes, Shared, malformed, policy_hash, policy_name, text_of};
use crate::answer::{Refusal, diagnostic};
use crate::body::bounded;
use crate::caller::Caller;
use crate::confidential::Wiped;
use crate::upload::{MOST_UPLOAD_BYTES, SPLIT, Upload, encrypted_upload, upload};

pub(super) async fn create(
    State(routes): Shared,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Response {
    let answer = routes.create(caller, body).await;
    routes.answer(&CREATE, answer)
}

pub(super) async fn create_encrypted(
    State(routes): Shared,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Response {
    let answer = routes.create_encrypted(caller, body).await;
    routes.answer(&CREATE_ENCRYPTED, answer)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadQuery {
    hash: Option<String>,
}

pub(super) async fn read(
    State(routes): Shared,
    Extension(caller): Extension<Caller>,
    name: MaybePath,
    query: MaybeQuery<ReadQuery>,
) -> Response {
    let answer = routes.read(caller, name, query).await;
    routes.answer(&READ, answer)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    namespace: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

pub(super) async fn list(
    State(routes): Shared,
    Extension(caller): Extension<Caller>,
    query: MaybeQuery<ListQuery>,
) -> Response {
    let answer = routes.list(caller, query).await;
    routes.answer(&LIST, answer)
}

pub(super) async fn history(
    State(routes): Shared,
    Extension(caller): Extension<Caller>,
    name: MaybePath,
) -> Response {
    let answer = routes.history(caller, name).await;
    routes.answer(&HISTORY, answer)
}

pub(super) async fn hash(
    State(routes): Shared,
    Extension(caller): Extension<Caller>,
    name: MaybePath,
) -> Response {
    let answer = routes.hash(caller, name).await;
    routes.answer(&HASH, answer)
}

impl Routes {
    async fn create(&self, caller: Caller, body: Body) -> Result<wire::PolicyCreated, Refusal> {
        let body = bounded(body, MOST_UPLOAD_BYTES, SPLIT).await?;
        self.put(caller, upload(&body)?).await
    }

    async fn create_encrypted(
        &self,
        caller: Caller,
        body: Body,
    ) -> Result<wire::PolicyCreated, Refusal> {
        let body = bounded(body, MOST_UPLOAD_BYTES, SPLIT).await?;
        let upload = encrypted_upload(&body, &self.session_key)?;
        self.put(caller, upload).await
    }

    async fn put(
        &self,
        Caller(tls): Caller,
        upload: Upload,
    ) -> Result<wire::PolicyCreated, Refusal> {
        let caller = Credentials {
            tls,
            signers: upload.signers,
        };
        let PutOutcome { hash, warnings } = self.casque.put_policy(&upload.text, &caller).await?;
        tracing::info!(policy_hash = %hash, "policy put");
        Ok(wire::PolicyCreated {
            hash: hash.to_string(),
            warnings: warnings.iter().map(diagnostic).collect(),
        })
    }

    async fn read(
        &self,
        caller: Caller,
        name: MaybePath,
        query: MaybeQuery<ReadQuery>,
    ) -> Result<Wiped<wire::PolicyRead>, Refusal> {
        let query = query.map_err(|rejection| malformed(&rejection.body_text()))?;
        let name = policy_name("policy name", &text_of(name)?)?;
        let hash = query
            .0
            .hash
            .as_deref()
            .map(|hash| policy_hash("hash", hash));
        let hash = hash.transpose()?;
        let caller = caller.credentials();
        let found = (self.casque)
            .read_policy(&name, hash.as_ref(), &caller)
            .await?;
        // the reader is permitted to see the whole text
        let session = found.text.expose_text().unwrap_or_default().to_owned();
        Ok(Wiped(wire::PolicyRead {
            session,
            hash: found.hash.to_string(),
        }))
    }

    async fn list(
        &self,
        caller: Caller,
        query: MaybeQuery<ListQuery>,
    ) -> Result<wire::PolicyList, Refusal> {
        let query = query
            .map_err(|rejection| malformed(&rejection.body_text()))?
            .0;
        let namespace = query.namespace.as_deref().unwrap_or("/");
        let namespace = policy_name("namespace", namespace)?;
        let after = query
            .after
            .as_deref()
            .map(|name| policy_name("after", name));
        let after = after.transpose()?;
        let limit = query.limit.unwrap_or(DEFAULT_PAGE);
        if !(1..=MOST_NAMES).contains(&limit) {
            return Err(malformed(&format!(
                "limit: expected a number from 1 to {MOST_NAMES}, found {limit}"
            )));
        }
        let caller = caller.credentials();
        let page = self
            .casque
            .list_policies(&namespace, after.as_ref(), limit, &caller)
            .await?;
        let sessions: Vec<String> = page.names.iter().map(ToString::to_string).collect();
        Ok(wire::PolicyList {
            next: page.more.then(|| sessions.last().cloned()).flatten(),
            sessions,
        })
    }

    async fn history(&self, caller: Caller, name: MaybePath) -> Result<wire::History, Refusal> {
        let name = policy_name("policy name", &text_of(name)?)?;
        let versions = self.casque.history(&name, &caller.credentials()).await?;
        let versions = versions.iter().map(|version| wire::VersionEntry {
            hash: version.hash.to_string(),
            predecessor: version.predecessor.map(|hash| hash.to_string()),
            created: version.created.to_string(),
        });
        Ok(wire::History {
            versions: versions.collect(),
        })
    }

    async fn hash(&self, caller: Caller, name: MaybePath) -> Result<wire::CurrentHash, Refusal> {
        let name = policy_name("policy name", &text_of(name)?)?;
        let caller = caller.credentials();
        let hash = self.casque.hash_of_policy(&name, &caller).await?;
        Ok(wire::CurrentHash {
            hash: hash.to_string(),
        })
    }
}

/// How many names a page of a list has unless another number is asked for.
pub(super) const DEFAULT_PAGE: usize = 100;
/// The most names on a page of a list.
pub(super) const MOST_NAMES: usize = 1000;
