//! Microsoft Azure Attestation without the network: the software MAA, judging with the real appraiser.

use std::fmt;
use std::sync::{Arc, Mutex};

use casque_appraise::{
    Appraiser, Endorsements, EndorsementsId, Evidence, IntelTee, MaaKeys, MaaToken, TrustAnchors,
};
use casque_core::{AttestationInfo, MaaSource, SealedToken, SourceFailure, SourceKind};
use casque_types::{MaaUrl, RuntimeData, Timestamp};

use super::{Calls, lock};
use crate::maa::{self, JwksShape, SoftwareMaa, TokenSpec, submission};
use crate::sgx::SoftwareTee;

type Bend = Box<dyn Fn(&mut TokenSpec) + Send>;

/// One instance; requests to any other address find nobody.
#[derive(Clone)]
pub struct FakeMaa {
    /// Quotes and key documents that were asked for, and failures to come.
    pub calls: Calls<MaaCall>,
    instance: Arc<SoftwareMaa>,
    judge: Arc<Mutex<Judge>>,
    bend: Arc<Mutex<Option<Bend>>>,
}

/// With what it judges.
#[derive(Clone)]
struct Judge {
    endorse: Arc<Endorse>,
    appraiser: Arc<Appraiser>,
}

type Endorse = dyn Fn(&EndorsementsId, Timestamp) -> Result<Endorsements, String> + Send + Sync;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MaaCall {
    /// To judge a quote.
    Attest(MaaUrl),
    /// To judge a guest with its TPM.
    AttestGuest(MaaUrl, AttestationInfo),
    /// For the keys.
    Keys(MaaUrl),
}

impl FakeMaa {
    /// This instance, judging quotes of this software TEE.
    #[must_use]
    pub fn new(instance: Arc<SoftwareMaa>, tee: Arc<SoftwareTee>) -> Self {
        let anchors = TrustAnchors::vendors().dangerous_with_sgx_root(tee.root_der().to_vec());
        let endorse = move |id: &EndorsementsId, now| match id {
            EndorsementsId::Intel(id) => intel_endorsements(&tee, id.tee, now),
            EndorsementsId::Amd(_) => Err("this instance knows no AMD platforms".to_owned()),
        };
        Self {
            calls: Calls::default(),
            instance,
            judge: Arc::new(Mutex::new(Judge {
                endorse: Arc::new(endorse),
                appraiser: Arc::new(Appraiser::new(anchors)),
            })),
            bend: Arc::default(),
        }
    }

    /// Judges other platforms from now on: with these roots, and endorsements from there.
    pub fn judge(
        &self,
        anchors: TrustAnchors,
        endorse: impl Fn(&EndorsementsId, Timestamp) -> Result<Endorsements, String>
        + Send
        + Sync
        + 'static,
    ) {
        *lock(&self.judge) = Judge {
            endorse: Arc::new(endorse),
            appraiser: Arc::new(Appraiser::new(anchors)),
        };
    }

    /// The instance behind it, to sign tokens with.
    #[must_use]
    pub fn instance(&self) -> &SoftwareMaa {
        &self.instance
    }

    /// Changes every token before it is signed, from now on. SGX quotes are not judged then.
    pub fn bend(&self, bend: impl Fn(&mut TokenSpec) + Send + 'static) {
        *lock(&self.bend) = Some(Box::new(bend));
    }

    fn token(
        &self,
        evidence: &Evidence,
        runtime: &RuntimeData,
        now: Timestamp,
    ) -> Result<String, String> {
        let kind = || format!("evidence of kind `{}`", evidence.kind().as_str());
        let (submitted, claim) = submission(evidence, runtime.as_bytes()).ok_or_else(kind)?;
        if let Some(bend) = &*lock(&self.bend)
            && let Evidence::Sgx(quote) = evidence
        {
            let identity = quote.claimed_identity().clone();
            let mut spec = TokenSpec::sgx(identity, *quote.report_data(), now).with_runtime(claim);
            bend(&mut spec);
            let token = self.instance.token(&spec);
            return token.map_err(|error| error.to_string());
        }
        let judge = lock(&self.judge).clone();
        let id = submitted.endorsements_id();
        let id = id.map_err(|error| error.to_string())?.ok_or_else(kind)?;
        let endorsements = (judge.endorse)(&id, now)?;
        let (claim, appraiser) = (Some(claim), &*judge.appraiser);
        let spec = SoftwareMaa::judge(&submitted, claim, &endorsements, appraiser, now);
        let mut spec = spec.map_err(|error| error.to_string())?;
        if let Some(bend) = &*lock(&self.bend) {
            bend(&mut spec);
        }
        let token = self.instance.token(&spec);
        token.map_err(|error| error.to_string())
    }

    /// The token about a guest, sealed to its TPM.
    fn sealed(&self, info: &AttestationInfo, now: Timestamp) -> Result<String, String> {
        let info = maa::AttestationInfo::parse(info.as_str());
        let info = info.map_err(|error| error.to_string())?;
        let judge = lock(&self.judge).clone();
        let id = info.tee().endorsements_id();
        let id = id.map_err(|error| error.to_string())?;
        let endorsements = (judge.endorse)(&id.ok_or("no TEE")?, now)?;
        let spec = SoftwareMaa::judge_guest(&info, &endorsements, &judge.appraiser, now);
        let token = self
            .instance
            .token(&spec.map_err(|error| error.to_string())?);
        let sealed = info.seal(&token.map_err(|error| error.to_string())?);
        sealed.map_err(|error| error.to_string())
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

    async fn attest_guest(
        &self,
        url: &MaaUrl,
        info: &AttestationInfo,
        now: Timestamp,
    ) -> Result<SealedToken, SourceFailure> {
        let call = MaaCall::AttestGuest(url.clone(), info.clone());
        self.calls.record(call)?;
        self.expect_here(url)?;
        let sealed = self.sealed(info, now);
        let sealed = sealed.map_err(|what| refusal("maa-evidence-refused", what))?;
        SealedToken::parse(&sealed)
            .map_err(|error| refusal("maa-answer-malformed", error.to_string()))
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

fn intel_endorsements(
    tee: &SoftwareTee,
    kind: IntelTee,
    now: Timestamp,
) -> Result<Endorsements, String> {
    let intel = match kind {
        IntelTee::Sgx => tee.endorsements(now),
        IntelTee::Tdx => tee.tdx_endorsements(now),
    };
    Ok(Endorsements {
        intel: Some(Arc::new(intel.map_err(|error| error.to_string())?)),
        amd: None,
    })
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
