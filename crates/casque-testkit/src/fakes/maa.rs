//! Microsoft Azure Attestation without the network: the software MAA, judging with the real appraiser.

use std::fmt;
use std::sync::{Arc, Mutex};

use casque_appraise::{Evidence, MaaKeys, MaaToken, TrustAnchors};
use casque_core::{MaaSource, SourceFailure, SourceKind};
use casque_types::{MaaUrl, RuntimeData, Timestamp};

use super::{Calls, lock};
use crate::maa::{JwksShape, RuntimeClaim, SoftwareMaa, TokenSpec};
use crate::sgx::SoftwareTee;

type Bend = Box<dyn Fn(&mut TokenSpec) + Send>;

/// One instance; requests to any other address find nobody.
#[derive(Clone)]
pub struct FakeMaa {
    /// Quotes and key documents that were asked for, and failures to come.
    pub calls: Calls<MaaCall>,
    instance: Arc<SoftwareMaa>,
    tee: Arc<SoftwareTee>,
    bend: Arc<Mutex<Option<Bend>>>,
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MaaCall {
    /// To judge a quote.
    Attest(MaaUrl),
    /// For the keys.
    Keys(MaaUrl),
}

impl FakeMaa {
    /// This instance, judging quotes of this software TEE.
    #[must_use]
    pub fn new(instance: Arc<SoftwareMaa>, tee: Arc<SoftwareTee>) -> Self {
        Self {
            calls: Calls::default(),
            instance,
            tee,
            bend: Arc::default(),
        }
    }

    /// The instance behind it, to sign tokens with.
    #[must_use]
    pub fn instance(&self) -> &SoftwareMaa {
        &self.instance
    }

    /// Changes every token before it is signed, from now on. Quotes are not judged then.
    pub fn bend(&self, bend: impl Fn(&mut TokenSpec) + Send + 'static) {
        *lock(&self.bend) = Some(Box::new(bend));
    }

    fn token(
        &self,
        evidence: &Evidence,
        runtime: &RuntimeData,
        now: Timestamp,
    ) -> Result<String, String> {
        let claim = RuntimeClaim::Json(runtime.as_bytes().to_vec());
        if let Some(bend) = &*lock(&self.bend) {
            let Evidence::Sgx(quote) = evidence else {
                return Err(format!("evidence of kind `{}`", evidence.kind().as_str()));
            };
            let identity = quote.claimed_identity().clone();
            let mut spec = TokenSpec::sgx(identity, *quote.report_data(), now).with_runtime(claim);
            bend(&mut spec);
            return self
                .instance
                .token(&spec)
                .map_err(|error| error.to_string());
        }
        let endorsements = self
            .tee
            .endorsements(now)
            .map_err(|error| error.to_string())?;
        let anchors = TrustAnchors::vendors().dangerous_with_sgx_root(self.tee.root_der().to_vec());
        self.instance
            .attest_sgx(evidence, Some(claim), &endorsements, &anchors, now)
            .map_err(|error| error.to_string())
    }

    fn expect_here(&self, url: &MaaUrl) -> Result<(), SourceFailure> {
        if url == self.instance.url() {
            return Ok(());
        }
        Err(refusal(
            "maa-instance-not-found",
            format!("there is no instance `{url}`"),
        ))
    }
}

impl MaaSource for FakeMaa {
    async fn attest(
        &self,
        url: &MaaUrl,
        evidence: &Evidence,
        runtime: &RuntimeData,
        now: Timestamp,
    ) -> Result<MaaToken, SourceFailure> {
        self.calls.record(MaaCall::Attest(url.clone()))?;
        self.expect_here(url)?;
        let token = (self.token(evidence, runtime, now))
            .map_err(|what| refusal("maa-evidence-refused", what))?;
        MaaToken::parse(&token).map_err(|error| refusal("maa-answer-malformed", error.to_string()))
    }

    async fn keys(
        &self,
        url: &MaaUrl,
        _key_id: &str,
        _now: Timestamp,
    ) -> Result<Arc<MaaKeys>, SourceFailure> {
        self.calls.record(MaaCall::Keys(url.clone()))?;
        self.expect_here(url)?;
        let document = self.instance.jwks(JwksShape::WithNumbers);
        let keys = MaaKeys::parse(document.as_bytes());
        keys.map(Arc::new)
            .map_err(|error| refusal("maa-answer-malformed", error.to_string()))
    }
}

impl fmt::Debug for FakeMaa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeMaa").finish_non_exhaustive()
    }
}

fn refusal(code: &'static str, what: String) -> SourceFailure {
    SourceFailure {
        source_kind: SourceKind::Maa,
        code,
        what,
        mend: "bring other evidence".to_owned(),
        retryable: false,
        retry_after: None,
    }
}
