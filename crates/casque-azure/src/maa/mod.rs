//! Microsoft Azure Attestation: has it judge a quote, and gets the keys that its tokens are signed with.
//!
//! Source: Azure Attestation REST API 2020-10-01, "Attest SGX enclave" and "Metadata configuration". What a
//! token proves is not judged here (`casque-appraise`). Keys are fetched from `<url>/certs` of the instance
//! that the policy names and from nowhere else: a token's `jku` is never followed.

mod refusal;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use casque_appraise::{Evidence, MaaKeys, MaaToken, SgxQuote};
use casque_core::{MaaSource, SourceFailure};
use casque_types::{MaaUrl, RuntimeData, Timestamp};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use serde::{Deserialize, Serialize};

use crate::clouds::{Cloud, Clouds};
use crate::failure::MAA;
use crate::http::{Answer, Call};
use crate::json;
use crate::key_cache::{KeysState, Look};
use crate::slots::{Slot, Slots};
use crate::throttle::Throttle;

/// The source of attestation tokens and of the keys that sign them; keys are cached by instance.
#[derive(Debug)]
pub struct Maa {
    clouds: Arc<Clouds>,
    throttle: Throttle,
    slots: Slots<MaaUrl, KeysState<MaaKeys>>,
}

impl Maa {
    pub(crate) fn new(clouds: Arc<Clouds>) -> Self {
        Self {
            clouds,
            throttle: Throttle::default(),
            slots: Slots::new(MAX_CACHED_INSTANCES),
        }
    }

    async fn renew_keys(
        &self,
        asked: &Asked<'_>,
        slot: &Slot<KeysState<MaaKeys>>,
        now: Timestamp,
    ) -> Result<Arc<MaaKeys>, SourceFailure> {
        let fetched = fetch_keys(asked, now).await;
        if let Err(failure) = &fetched {
            tracing::warn!(code = failure.code, instance = %asked.url, "no attestation keys");
        }
        slot.state().settle(fetched.map(Arc::new), now)
    }
}

impl MaaSource for Maa {
    async fn attest(
        &self,
        url: &MaaUrl,
        evidence: &Evidence,
        runtime: &RuntimeData,
        now: Timestamp,
    ) -> Result<MaaToken, SourceFailure> {
        let asked = Asked {
            cloud: self.clouds.for_maa(url)?,
            url,
            what: "to judge an SGX quote",
        };
        self.throttle.check(url.authority(), now)?;
        let Evidence::Sgx(quote) = evidence else {
            return Err(asked.malformed("an SGX quote"));
        };
        let answer = asked.exchange(attest_call(&asked, quote, runtime)?).await?;
        if answer.status != StatusCode::OK {
            let failure = refusal::failure(&asked, &answer, now);
            self.throttle.note(url.authority(), &failure, now);
            return Err(failure);
        }
        let raw: Option<RawToken> = json::read(&answer.body);
        let token = raw.ok_or_else(|| asked.malformed("a JSON object with a `token`"))?;
        MaaToken::parse(&token.token).map_err(|_| asked.malformed("an attestation token"))
    }

    async fn keys(
        &self,
        url: &MaaUrl,
        key_id: &str,
        now: Timestamp,
    ) -> Result<Arc<MaaKeys>, SourceFailure> {
        let asked = Asked {
            cloud: self.clouds.for_maa(url)?,
            url,
            what: "for its signing keys",
        };
        let slot = self.slots.slot(url, now);
        let flights = slot.state().flights();
        let first = slot.state().look(key_id, now);
        let flight = match first {
            Look::Serve(keys) => return Ok(keys),
            Look::Refuse(failure) => return Err(failure),
            Look::Fetch => slot.flight.lock().await,
        };
        let landed = slot.state().landed_since(flights);
        let outcome = match landed {
            Some(outcome) => outcome,
            None => self.renew_keys(&asked, &slot, now).await,
        };
        drop(flight);
        outcome
    }
}

async fn fetch_keys(asked: &Asked<'_>, now: Timestamp) -> Result<MaaKeys, SourceFailure> {
    let call = asked.call(Method::GET, "/certs", Bytes::new(), MaaKeys::MAX_BYTES)?;
    let answer = asked.exchange(call).await?;
    if answer.status != StatusCode::OK {
        return Err(refusal::failure(asked, &answer, now));
    }
    MaaKeys::parse(&answer.body).map_err(|_| asked.malformed("a JSON Web Key Set"))
}

fn attest_call(
    asked: &Asked<'_>,
    quote: &SgxQuote,
    runtime: &RuntimeData,
) -> Result<Call, SourceFailure> {
    let body = RawEvidence {
        quote: URL_SAFE_NO_PAD.encode(quote.as_bytes()),
        runtime_data: RawRuntimeData {
            data: URL_SAFE_NO_PAD.encode(runtime.as_bytes()),
            data_type: "JSON",
        },
    };
    // A plain struct of texts always has a JSON form.
    let body = serde_json::to_vec(&body).map_err(|_| asked.malformed("evidence in JSON"))?;
    let path = "/attest/SgxEnclave?api-version=2020-10-01";
    asked.call(Method::POST, path, body.into(), MAX_TOKEN_ANSWER_BYTES)
}

/// What is asked of which instance.
#[derive(Debug)]
struct Asked<'a> {
    cloud: &'a Cloud,
    url: &'a MaaUrl,
    what: &'static str,
}

impl Asked<'_> {
    fn sentence(&self) -> String {
        format!("asked `{}` {}", self.url, self.what)
    }

    fn malformed(&self, expected: &str) -> SourceFailure {
        MAA.malformed(&self.sentence(), self.url.authority(), expected)
    }

    fn call(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        limit_bytes: usize,
    ) -> Result<Call, SourceFailure> {
        // The instance's URL was parsed, so that this makes a URL; if not, it is Casque's own fault.
        let url = Url::parse(&format!("{}{path}", self.url))
            .map_err(|_| self.malformed("an address that makes a URL"))?;
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if !body.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        Ok(Call {
            method,
            url,
            headers,
            body,
            limit_bytes,
        })
    }

    async fn exchange(&self, call: Call) -> Result<Answer, SourceFailure> {
        let answer = self.cloud.http().exchange(&call).await;
        answer.map_err(|error| MAA.failure(&self.sentence(), self.url.authority(), &error))
    }
}

/// The evidence as it stands on the wire.
#[derive(Serialize)]
struct RawEvidence {
    quote: String,
    #[serde(rename = "runtimeData")]
    runtime_data: RawRuntimeData,
}

#[derive(Serialize)]
struct RawRuntimeData {
    data: String,
    #[serde(rename = "dataType")]
    data_type: &'static str,
}

/// The answer as it stands on the wire.
#[derive(Deserialize)]
struct RawToken {
    token: String,
}

const MAX_TOKEN_ANSWER_BYTES: usize = 256 * 1024;
/// Instances whose keys are kept; a document has 100 kB at most.
const MAX_CACHED_INSTANCES: usize = 256;
