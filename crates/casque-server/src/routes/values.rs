//! Values: those exported to the public, and those exported to policies of another CAS.

use std::collections::BTreeMap;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use casque_core::{Blame, ExportRequest, PublicValue, ReadValueError, ValueQuery};
use casque_types::SecretKind;
use casque_wire as wire;
use serde::Serialize;

use super::description::{EXPORT, VALUE};
use super::{
    MaybePath, Routes, Shared, malformed, malformed_json, policy_hash, policy_name, text_of,
};
use crate::answer::Refusal;
use crate::body::bounded;
use crate::caller::Caller;
use crate::code::Code;
use crate::confidential::Wiped;

pub(super) async fn values(State(routes): Shared, query: MaybePath) -> Response {
    let answer = routes.values(query).await;
    routes.answer(&VALUE, answer)
}

pub(super) async fn export(
    State(routes): Shared,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Response {
    let answer = routes.export(caller, body).await;
    routes.answer(&EXPORT, answer)
}

impl Routes {
    async fn values(&self, query: MaybePath) -> Result<ValuesAnswer, Refusal> {
        let query = value_query(&text_of(query)?)?;
        let found = self.casque.read_values(&query).await?;
        let mut values = found
            .iter()
            .map(|value| (value.name.to_string(), wire_value(value)));
        if query.secret.is_none() {
            let values: BTreeMap<String, wire::Value> = values.collect();
            return Ok(ValuesAnswer::All(wire::Values { values }));
        }
        match values.next() {
            Some((_, value)) => Ok(ValuesAnswer::One(value)),
            None => Err(ReadValueError::Absent { name: query.policy }.into()),
        }
    }

    async fn export(
        &self,
        Caller(caller): Caller,
        body: Body,
    ) -> Result<Wiped<wire::ExportAnswer>, Refusal> {
        let body = bounded(body, MOST_EXPORT_BYTES, "docs/http.md shows the request").await?;
        let caller = caller.ok_or_else(no_certificate)?;
        let raw = serde_json::from_slice(&body);
        let raw = raw.map_err(|error| malformed_json("an export request", &error))?;
        let request = export_request(&raw)?;
        let value = self.casque.export_value(&request, &caller).await;
        let value = value.map_err(|error| not_exported(error, &request))?;
        // exposed to be written to the CAS that it is exported to; this copy is wiped with the answer
        let value = wire::B64(value.expose().to_vec());
        Ok(Wiped(wire::ExportAnswer { value }))
    }
}

/// One value, or all of a policy.
#[derive(Serialize)]
#[serde(untagged)]
enum ValuesAnswer {
    One(wire::Value),
    All(wire::Values),
}

/// `session=S[,secret=N][,session_hash=H]`, with an optional slash before `S`.
fn value_query(text: &str) -> Result<ValueQuery, Refusal> {
    let (mut policy, mut secret, mut hash) = (None, None, None);
    for part in text.split(',') {
        match part.split_once('=') {
            Some(("session", name)) if policy.is_none() => {
                policy = Some(policy_name("session", name)?);
            }
            Some(("secret", name)) if secret.is_none() => {
                let name = name
                    .parse()
                    .map_err(|error| malformed(&format!("secret: {error}")))?;
                secret = Some(name);
            }
            Some(("session_hash", digest)) if hash.is_none() => {
                hash = Some(policy_hash("session_hash", digest)?);
            }
            _ => {
                return Err(malformed(&format!(
                    "expected `session=NAME`, `secret=NAME` or `session_hash=HASH`, each once, found `{part}`"
                )));
            }
        }
    }
    let policy = policy.ok_or_else(|| malformed("expected `session=NAME`"))?;
    Ok(ValueQuery {
        policy,
        secret,
        hash,
    })
}

fn wire_value(value: &PublicValue) -> wire::Value {
    // the policy's author exported this value to everyone
    let text = match (value.kind, value.value.expose_text()) {
        (SecretKind::Binary, _) | (_, None) => hex::encode(value.value.expose()),
        (_, Some(text)) => text.to_owned(),
    };
    wire::Value {
        kind: scone_kind(value.kind).to_owned(),
        value: text,
        expires: value.expires.map(|at| at.to_string()),
        renew: value.renew.map(|at| at.to_string()),
    }
}

/// SCONE's clients see `string` for text (spec/policy-language.md section 12).
const fn scone_kind(kind: SecretKind) -> &'static str {
    match kind {
        SecretKind::Ascii => "string",
        other => other.as_str(),
    }
}

fn export_request(raw: &wire::ExportRequest) -> Result<ExportRequest, Refusal> {
    let pinned = raw.session_hash.as_deref();
    Ok(ExportRequest {
        session: policy_name("session", &raw.session)?,
        session_hash: pinned
            .map(|hash| policy_hash("session_hash", hash))
            .transpose()?,
        secret: raw
            .secret
            .parse()
            .map_err(|error| malformed(&format!("secret: {error}")))?,
        importer: policy_name("importer", &raw.importer)?,
        importer_hash: policy_hash("importer_hash", &raw.importer_hash)?,
    })
}

fn no_certificate() -> Refusal {
    Refusal::new(
        Blame::Unauthenticated,
        Code::ClientCertificateMissing,
        "values are exported to a CAS by its key: expected a client certificate, found none",
        Some("show the identity of the CAS that imports as the client certificate"),
    )
}

/// The message of a value that is absent speaks of the public, which has no part in this.
fn not_exported(error: ReadValueError, request: &ExportRequest) -> Refusal {
    if !matches!(error, ReadValueError::Absent { .. }) {
        return error.into();
    }
    let ExportRequest {
        session, secret, ..
    } = request;
    Refusal::new(
        error.blame(),
        Code::ValueAbsent,
        format!(
            "Session not found, or it exports no secret `{secret}` to that policy of this CAS: `{session}`"
        ),
        Some(
            "the exporting policy must name the importing one in `export`, with this CAS's key hash; a pinned hash must be that of its current version",
        ),
    )
}

const MOST_EXPORT_BYTES: usize = 32 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_query_of_scone_form_is_read() {
        let query = value_query("session=ns/app,secret=pw").unwrap();
        assert_eq!(query.policy.as_str(), "ns/app");
        assert_eq!(query.secret.unwrap().as_str(), "pw");
        assert!(query.hash.is_none());
        let query = value_query("session=/ns/app").unwrap();
        assert_eq!(query.policy.as_str(), "ns/app");
    }

    #[test]
    fn value_query_bent_is_refused() {
        for text in [
            "session=a,session=b",
            "secret=b",
            "session",
            "session=a,",
            "session=a,secret=b,secret=b",
            "session=a,session_hash=00",
        ] {
            let refused = value_query(text).unwrap_err();
            assert_eq!(refused.code, "request-malformed", "{text}");
        }
    }
}
