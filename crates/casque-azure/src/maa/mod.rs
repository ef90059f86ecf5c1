//! Microsoft Azure Attestation: has it judge evidence (module `submission`), and gets the keys that its tokens are
//! signed with.
//!
//! Source: Azure Attestation REST API 2020-10-01, "Attestation" and "Metadata configuration". What a
//! token proves is not judged here (`casque-appraise`). Keys are fetched from `<url>/certs` of the instance
//! that the policy names and from nowhere else: a token's `jku` is never followed.

mod refusal;
mod submission;

use std::sync::Arc;

use bytes::Bytes;
use casque_appraise::{Evidence, EvidenceKind, MaaKeys, MaaToken};
use casque_core::{AttestationInfo, MaaSource, SealedToken, SourceFailure, SourceKind};
use casque_types::{MaaUrl, RuntimeData, Timestamp};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;

use crate::clouds::{Cloud, Clouds};
use crate::code::Code;
use crate::failure::{MAA, lasting};
use crate::http::{Answer, Call};
use crate::json;
use crate::key_cache::KeysState;
use crate::slots::Slots;
use crate::throttle::Throttle;
use submission::{NotSubmitted, Submission};

/// The source of attestation tokens and of the keys that sign them; keys are cached by instance.
#[derive(Debug)]
pub struct Maa {
    clouds: Arc<Clouds>,
    throttle: Throttle,
    /// Of requests that guests made: strangers must not be able to hold up the server's own.
    guests: Throttle,
    slots: Slots<MaaUrl, KeysState<MaaKeys>>,
}

impl Maa {
    pub(crate) fn new(clouds: Arc<Clouds>) -> Self {
        Self {
            clouds,
            throttle: Throttle::default(),
            guests: Throttle::default(),
            slots: Slots::new(MAX_CACHED_INSTANCES),
        }
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
            what: what(evidence.kind()),
        };
        let submission = Submission::of(evidence, runtime);
        let token = submit(&asked, &self.throttle, submission, now);
        let token = MaaToken::parse(&token.await?);
        token.map_err(|_| asked.malformed("an attestation token"))
    }

    async fn attest_guest(
        &self,
        url: &MaaUrl,
        info: &AttestationInfo,
        now: Timestamp,
    ) -> Result<SealedToken, SourceFailure> {
        let asked = Asked {
            cloud: self.clouds.for_maa(url)?,
            url,
            what: GUEST,
        };
        let submission = Submission::of_guest(info);
        let token = submit(&asked, &self.guests, submission, now);
        let token = SealedToken::parse(&token.await?);
        token.map_err(|_| asked.malformed("a sealed token in base64url"))
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
        slot.keys(key_id, now, fetched(&asked, now)).await
    }
}

/// What an instance answers to a submission: the token as it stands there.
async fn submit(
    asked: &Asked<'_>,
    throttle: &Throttle,
    submission: Result<Submission, NotSubmitted>,
    now: Timestamp,
) -> Result<String, SourceFailure> {
    let authority = asked.url.authority();
    throttle.check(authority, now)?;
    let Submission { path, body } = submission.map_err(|why| asked.not_submitted(why))?;
    let call = asked.call(Method::POST, path, body, MAX_TOKEN_ANSWER_BYTES)?;
    let answer = asked.exchange(call).await?;
    if answer.status != StatusCode::OK {
        let failure = refusal::failure(asked, &answer, now);
        throttle.note(authority, &failure, now);
        return Err(failure);
    }
    let raw: Option<RawToken> = json::read(&answer.body);
    let token = raw.ok_or_else(|| asked.malformed("a JSON object with a `token`"))?;
    Ok(token.token)
}

async fn fetched(asked: &Asked<'_>, now: Timestamp) -> Result<MaaKeys, SourceFailure> {
    let fetched = fetch_keys(asked, now).await;
    if let Err(failure) = &fetched {
        tracing::warn!(code = failure.code, instance = %asked.url, "no attestation keys");
    }
    fetched
}

async fn fetch_keys(asked: &Asked<'_>, now: Timestamp) -> Result<MaaKeys, SourceFailure> {
    let call = asked.call(Method::GET, "/certs", Bytes::new(), MaaKeys::MAX_BYTES)?;
    let answer = asked.exchange(call).await?;
    if answer.status != StatusCode::OK {
        return Err(refusal::failure(asked, &answer, now));
    }
    MaaKeys::parse(&answer.body).map_err(|_| asked.malformed("a JSON Web Key Set"))
}

/// What an instance is asked.
const fn what(kind: EvidenceKind) -> &'static str {
    match kind {
        EvidenceKind::Sgx => "to judge an SGX quote",
        EvidenceKind::Tdx => "to judge a TDX quote",
        EvidenceKind::Snp => "to judge a report of SEV-SNP",
        EvidenceKind::AzureSnpVtpm | EvidenceKind::AzureTdxVtpm => {
            "to judge the TEE of an Azure virtual machine"
        }
        EvidenceKind::AciSnp => "to judge confidential containers",
        EvidenceKind::MaaToken | EvidenceKind::Absent => "to judge evidence",
    }
}

/// What an instance is asked on a guest's own request.
const GUEST: &str = "to judge an Azure virtual machine with its TPM";

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

    /// Nothing was sent: the evidence cannot be.
    fn not_submitted(&self, why: NotSubmitted) -> SourceFailure {
        let found = match why {
            NotSubmitted::Kind => "evidence of a kind that no instance judges",
            NotSubmitted::CertificateMissing => {
                "a report without the certificate of the key that signed it"
            }
        };
        lasting(
            SourceKind::Maa,
            Code::MaaEvidenceIncomplete,
            format!("`{}` was not asked {}: found {found}", self.url, self.what),
            "send the VCEK's certificate with the report (on Azure the agent gets it from the host's THIM), or let \
             Casque judge the evidence itself with `mode: hardware`",
        )
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

/// The answer as it stands on the wire.
#[derive(Deserialize)]
struct RawToken {
    token: String,
}

const MAX_TOKEN_ANSWER_BYTES: usize = 256 * 1024;
/// Instances whose keys are kept; a document has 100 kB at most.
const MAX_CACHED_INSTANCES: usize = 256;
