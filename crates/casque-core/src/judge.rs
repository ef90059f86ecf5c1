//! What a service demands, and what evidence proves: steps 5 and 6 of a release (module `attest`).
//!
//! What a service demands may be said by secrets, its own or imported. Until evidence is appraised anybody may
//! have sent it, and nobody but the store is asked for him:
//! 1. the clauses are closed over what the store has; usually that is all, or there are no such clauses;
//! 2. claims that are sure to be denied are, and then the evidence is appraised;
//! 3. where `attestation` or `platforms` ask for secrets of Key Vault or of another CAS, the evidence is
//!    appraised first, as `security` says, which must be closed by then; only for evidence that proves a TEE
//!    are the others asked.

use std::sync::Arc;

use casque_appraise::{
    Appraisal, Endorsements, EndorsementsId, Evidence, Identity, MaaKeys, MaaToken, MaaTrust,
    Submitted, appraise_absent,
};
use casque_policy::{Demands, Fills, MaaDemands, Mode, Service, screen};
use casque_types::{ConfigId, RuntimeData, Timestamp};

use crate::attempts::Told;
use crate::attest::{AttestRequest, Trial, secret_error};
use crate::casque::LoadedPolicy;
use crate::resolve::{Context, SecretFault};
use crate::{AttestError, Casque, EndorsementSource as _, MaaSource as _, Ports, ResolveError};

/// What is demanded of evidence whose claims are not sure to be denied.
pub(crate) enum Screened<'p> {
    /// Everything.
    Closed(Box<Demands<'p>>),
    /// Others would have to be asked for the rest; how evidence is judged before that. Nothing was screened.
    Open(Mode),
}

impl Screened<'_> {
    /// How the evidence is judged.
    pub(crate) fn mode(&self) -> &Mode {
        match self {
            Self::Closed(demands) => &demands.security().mode,
            Self::Open(mode) => mode,
        }
    }
}

impl<P: Ports> Casque<P> {
    /// What the service demands, and what the evidence proves.
    pub(crate) async fn judge<'p>(
        &self,
        trial: Trial<'p>,
        runtime: RuntimeData,
        told: &mut Told,
    ) -> Result<(Demands<'p>, Appraisal), AttestError> {
        let Trial {
            loaded,
            service,
            config,
            request,
            now,
        } = trial;
        match self
            .screened(loaded, service, config, &request.evidence, now)
            .await?
        {
            Screened::Open(mode) => {
                let appraisal = self.appraise(&mode, request, runtime, now).await?;
                told.appraised(&appraisal);
                let demands = self.far_demands(loaded, service, config, &appraisal, now);
                Ok((demands.await?, appraisal))
            }
            Screened::Closed(demands) => {
                let mode = &demands.security().mode;
                let appraisal = self.appraise(mode, request, runtime, now).await?;
                told.appraised(&appraisal);
                Ok((*demands, appraisal))
            }
        }
    }

    /// 1. and, where nothing is open, the first half of 2.: evidence that anybody may have sent.
    pub(crate) async fn screened<'p>(
        &self,
        loaded: &'p LoadedPolicy,
        service: &'p Service,
        config: &ConfigId,
        evidence: &Evidence,
        now: Timestamp,
    ) -> Result<Screened<'p>, AttestError> {
        let asks = loaded.policy.asks_of_demands(service);
        let stranger = Context::of_stranger(now);
        let (fills, faults) = self.fills(loaded, asks, stranger).await?;
        if !faults.is_empty() {
            return mode_before_others(loaded, config, &fills, faults).map(Screened::Open);
        }
        let demands = demands(loaded, service, config, &fills)?;
        match screen(&demands, evidence) {
            Ok(()) => Ok(Screened::Closed(Box::new(demands))),
            Err(denial) => Err(self.denied(loaded, config, denial, now).await),
        }
    }

    /// 3.
    async fn far_demands<'p>(
        &self,
        loaded: &'p LoadedPolicy,
        service: &'p Service,
        config: &ConfigId,
        appraisal: &Appraisal,
        now: Timestamp,
    ) -> Result<Demands<'p>, AttestError> {
        let context = match appraisal.identity() {
            Identity::Unattested => Context::of_stranger(now),
            _ => Context::at(now),
        };
        let asks = loaded.policy.asks_of_demands(service);
        let (fills, faults) = self.fills(loaded, asks, context).await?;
        match faults.into_iter().next() {
            Some(fault) => Err(secret_error(config, fault)),
            None => demands(loaded, service, config, &fills),
        }
    }

    /// 5. and 6.: has the policy's verifier judge the evidence.
    ///
    /// Evidence that the policy's mode has no use for is not judged: the appraisal proves nothing then,
    /// and the decision says what was missing.
    async fn appraise(
        &self,
        mode: &Mode,
        request: &AttestRequest,
        runtime: RuntimeData,
        now: Timestamp,
    ) -> Result<Appraisal, AttestError> {
        let (evidence, token) = (&request.evidence, request.maa_token.as_ref());
        let Some(demands) = mode.maa() else {
            return match mode {
                Mode::DangerousNone => Ok(appraise_absent(runtime)),
                _ => self.appraise_evidence(evidence, runtime, now).await,
            };
        };
        let trust = self.maa_trust(demands);
        let evidence = match evidence {
            Evidence::Absent => return Ok(appraise_absent(runtime)),
            Evidence::MaaToken(_) if matches!(mode, Mode::Both(_)) => {
                return Ok(appraise_absent(runtime));
            }
            Evidence::MaaToken(token) => {
                let keys = self.maa_keys(&trust, token, now).await?;
                let appraiser = &self.appraiser;
                return Ok(appraiser.appraise_token(token, runtime, &keys, &trust, now)?);
            }
            evidence => evidence,
        };
        let asked;
        let token = match token {
            Some(token) => token,
            None => {
                let maa = self.ports.maa();
                asked = maa.attest(&trust.issuer, evidence, &runtime, now).await?;
                &asked
            }
        };
        let submitted = Submitted {
            evidence,
            token,
            keys: &*self.maa_keys(&trust, token, now).await?,
        };
        let appraiser = &self.appraiser;
        Ok(match mode {
            Mode::Both(_) => {
                let (id, endorsements) = self.endorsements_of(evidence, now).await?;
                let appraisal =
                    appraiser.appraise_both(&submitted, runtime, &endorsements, &trust, now)?;
                self.proved(id.as_ref()).await;
                appraisal
            }
            _ => appraiser.appraise_submitted(&submitted, runtime, &trust, now)?,
        })
    }

    pub(crate) async fn appraise_evidence(
        &self,
        evidence: &Evidence,
        runtime: RuntimeData,
        now: Timestamp,
    ) -> Result<Appraisal, AttestError> {
        let (id, endorsements) = self.endorsements_of(evidence, now).await?;
        let appraiser = &self.appraiser;
        let appraisal = appraiser.appraise(evidence, runtime, &endorsements, now)?;
        self.proved(id.as_ref()).await;
        Ok(appraisal)
    }

    /// Tells who keeps endorsements that these are of a platform that is there.
    async fn proved(&self, id: Option<&EndorsementsId>) {
        if let Some(id) = id {
            self.ports.endorsements().proved(id).await;
        }
    }

    async fn endorsements_of(
        &self,
        evidence: &Evidence,
        now: Timestamp,
    ) -> Result<(Option<EndorsementsId>, Endorsements), AttestError> {
        let id = evidence.endorsements_id()?;
        let endorsements = match &id {
            None => Endorsements::default(),
            Some(id) => self.ports.endorsements().endorsements(id, now).await?,
        };
        Ok((id, endorsements))
    }

    async fn maa_keys(
        &self,
        trust: &MaaTrust,
        token: &MaaToken,
        now: Timestamp,
    ) -> Result<Arc<MaaKeys>, AttestError> {
        let keys = self.ports.maa().keys(&trust.issuer, token.key_id(), now);
        Ok(keys.await?)
    }

    fn maa_trust(&self, demands: &MaaDemands) -> MaaTrust {
        MaaTrust {
            issuer: demands.url.clone(),
            min_rsa_bits: demands.min_rsa_bits,
            clock_skew: self.limits.clock_skew,
            max_age: demands.max_age,
            signer: demands.signer,
        }
    }
}

fn demands<'p>(
    loaded: &'p LoadedPolicy,
    service: &'p Service,
    config: &ConfigId,
    fills: &Fills,
) -> Result<Demands<'p>, AttestError> {
    let demands = loaded.policy.demands(service, fills);
    demands.map_err(|cause| AttestError::Clause {
        config: config.clone(),
        cause,
    })
}

/// How evidence is judged before others are asked; a fault of another kind, or of `security` itself, ends it.
fn mode_before_others(
    loaded: &LoadedPolicy,
    config: &ConfigId,
    fills: &Fills,
    faults: Vec<SecretFault>,
) -> Result<Mode, AttestError> {
    let security = &loaded.policy.security;
    let is_of_security = |fault: &SecretFault| {
        let mut asks = security.asks().iter();
        asks.any(|ask| ask.secret == fault.0)
    };
    let is_final =
        |fault: &SecretFault| !matches!(fault.1, ResolveError::OutOfReach) || is_of_security(fault);
    if let Some(fault) = faults.into_iter().find(is_final) {
        return Err(secret_error(config, fault));
    }
    let closed = security.close(fills);
    let closed = closed.map_err(|cause| AttestError::Clause {
        config: config.clone(),
        cause,
    })?;
    Ok(closed.mode.clone())
}
