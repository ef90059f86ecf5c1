//! One release, from runtime data and evidence to a sealed configuration.
//!
//! The steps are those of section 4 of the design (ARCHITECTURE.md, "One release, step by step"); the
//! numbers stand beside the code. Steps 1, 2, 3 and 12 are the agent's and the server's.

use casque_appraise::{
    Appraisal, Evidence, Identity, MaaTrust, appraise_absent, appraise_maa, appraise_sgx,
};
use casque_policy::{Demands, Denial, Grant, Mode, Operation, Principals, Service, decide, screen};
use casque_secrets::{SealedConfiguration, seal_configuration};
use casque_types::{ConfigId, Configuration, MaaUrl, RuntimeData, Seconds, Timestamp};

use crate::casque::{LoadError, LoadedPolicy};
use crate::factors::Judged;
use crate::resolve::{Context, Resolved, SecretFault, asked_by, provided_by};
use crate::{
    AttestError, AuditAction, AuditEvent, Casque, Clock as _, EndorsementSource as _,
    MaaSource as _, Ports, ResolveError, SecondFactors, Store as _,
};

/// A request to attest.
#[derive(Debug)]
pub struct AttestRequest {
    /// The runtime data as sent.
    pub runtime_data: Vec<u8>,
    /// The evidence.
    pub evidence: Evidence,
    /// What the attester brings besides.
    pub factors: SecondFactors,
}

/// A released configuration.
#[derive(Debug)]
pub struct Released {
    /// Sealed to the key in the runtime data, signed by the server's identity.
    pub sealed: SealedConfiguration,
    /// When to ask again.
    pub refresh_after: Seconds,
}

impl<P: Ports> Casque<P> {
    /// Judges evidence, and releases the service's configuration to the key that the evidence is bound to.
    ///
    /// # Errors
    /// [`AttestError`], by whose fault it is; nothing partial is ever released.
    pub async fn attest(&self, request: AttestRequest) -> Result<Released, AttestError> {
        let now = self.ports.clock().now();
        // 4. redeem the nonce, parse the runtime data strictly, load policy and service
        let runtime = RuntimeData::parse(&request.runtime_data)?;
        if runtime.server() != self.identity.key_hash() {
            return Err(AttestError::OtherServer);
        }
        self.challenge.redeem(runtime.nonce(), now)?;
        // 6. cheap checks before anything costly: binding, and claims that are sure to be denied
        if !request.evidence.claims_binding(&runtime) {
            return Err(AttestError::NotBound);
        }
        let config = runtime.config().clone();
        let binding = runtime.binding();
        let loaded = self.policy_of(&config).await?;
        let service = service_of(&loaded, &config)?;
        let demands = self.demands_of(&loaded, service, &config, now).await?;
        if let Err(denial) = screen(&demands, &request.evidence) {
            return Err(self.denied(&loaded, &config, denial, now).await);
        }
        // 5., 6. endorsements, then the appraisal itself
        let appraisal = (self.appraise(&demands, &request.evidence, runtime, now)).await?;
        // 7. the decision, with the second factors that it takes
        let identity = software_identity(appraisal.identity());
        let context = Context::of_release(now, &identity);
        let judged = self
            .judge_factors(
                &loaded,
                &config,
                &demands,
                &request.factors,
                &binding,
                context,
            )
            .await?;
        let grant = match decide(&demands, appraisal, &judged.factors) {
            Ok(grant) => grant,
            Err(denial) => return Err(self.denied(&loaded, &config, denial, now).await),
        };
        self.spend(&config, judged.step, now).await?;
        self.release(grant, &loaded, service, &judged, context)
            .await
    }

    /// What the service demands, its policy's clauses closed over what their secrets say now.
    async fn demands_of<'p>(
        &self,
        loaded: &'p LoadedPolicy,
        service: &'p Service,
        config: &ConfigId,
        now: Timestamp,
    ) -> Result<Demands<'p>, AttestError> {
        let asks = loaded.policy.asks_of_demands(service);
        let fills = self.fills(loaded, asks, Context::at(now)).await;
        let fills = fills.map_err(|fault| secret_error(config, fault))?;
        let demands = loaded.policy.demands(service, &fills);
        demands.map_err(|cause| AttestError::Clause {
            config: config.clone(),
            cause,
        })
    }

    /// 5. and 6.: has the policy's verifier judge the evidence.
    ///
    /// Evidence that the policy's mode has no use for is not judged: the appraisal proves nothing then,
    /// and the decision says what was missing.
    async fn appraise(
        &self,
        demands: &Demands<'_>,
        evidence: &Evidence,
        runtime: RuntimeData,
        now: Timestamp,
    ) -> Result<Appraisal, AttestError> {
        match (&demands.security().mode, evidence) {
            (Mode::Hardware, Evidence::Sgx(quote)) => {
                let id = quote.endorsements_id()?;
                let endorsements = self.ports.endorsements().sgx(id, now).await?;
                Ok(appraise_sgx(
                    quote,
                    &runtime,
                    &endorsements,
                    &self.anchors,
                    now,
                )?)
            }
            (Mode::Maa { url, min_rsa_bits }, Evidence::Sgx(_) | Evidence::MaaToken(_)) => {
                let trust = self.maa_trust(url, *min_rsa_bits);
                self.appraise_by_maa(&trust, evidence, runtime, now).await
            }
            (Mode::Hardware | Mode::Maa { .. } | Mode::DangerousNone, _) => {
                Ok(appraise_absent(runtime))
            }
        }
    }

    async fn appraise_by_maa(
        &self,
        trust: &MaaTrust,
        evidence: &Evidence,
        runtime: RuntimeData,
        now: Timestamp,
    ) -> Result<Appraisal, AttestError> {
        let submitted;
        let token = match evidence {
            Evidence::MaaToken(token) => token,
            Evidence::Sgx(quote) => {
                let maa = self.ports.maa();
                submitted = maa.attest_sgx(&trust.issuer, quote, &runtime, now).await?;
                &submitted
            }
            Evidence::Absent => return Ok(appraise_absent(runtime)),
        };
        let keys = (self.ports.maa().keys(&trust.issuer, token.key_id(), now)).await?;
        Ok(appraise_maa(token, &runtime, &keys, trust, now)?)
    }

    fn maa_trust(&self, url: &MaaUrl, min_rsa_bits: u32) -> MaaTrust {
        MaaTrust {
            issuer: url.clone(),
            min_rsa_bits,
            clock_skew: self.limits.clock_skew,
        }
    }

    /// 8. to 11.: consumes the grant.
    async fn release(
        &self,
        grant: Grant,
        loaded: &LoadedPolicy,
        service: &Service,
        judged: &Judged,
        context: Context<'_>,
    ) -> Result<Released, AttestError> {
        let runtime = grant.appraisal().runtime();
        let config = runtime.config();
        // 8. resolve the secrets of this service, and no others
        let asked = asked_by(&loaded.policy, service);
        let resolved = self.resolve(loaded, &asked, context).await;
        let resolved = resolved.map_err(|fault| secret_error(config, fault))?;
        // 9. render
        let refresh_after = self.refresh_after(&resolved, context.now);
        let mut configuration = self
            .configuration(loaded, service, config, &resolved, refresh_after, context)
            .await?;
        configuration.access_token_proof = judged.proof;
        // 10. the audit record is durable; then, not before:
        let event = release_event(&grant, loaded, &resolved, context.now);
        self.ports.store().append_audit(event).await?;
        // 11. seal to the attested key, sign
        let sealed = seal_configuration(&configuration, runtime, &self.identity, self.ports.rng())?;
        Ok(Released {
            sealed,
            refresh_after,
        })
    }

    async fn configuration(
        &self,
        loaded: &LoadedPolicy,
        service: &Service,
        config: &ConfigId,
        resolved: &Resolved,
        refresh_after: Seconds,
        context: Context<'_>,
    ) -> Result<Configuration, AttestError> {
        let image = loaded.policy.image_of(service);
        let provided = provided_by(&loaded.policy, service);
        let configuration = resolved.configuration(service, image, provided, refresh_after);
        let mut configuration = configuration.map_err(|fault| secret_error(config, fault))?;
        let volumes = self.volumes_of(loaded, service, context).await;
        configuration.volumes = volumes.map_err(|(volume, cause)| AttestError::Volume {
            config: config.clone(),
            volume: volume.to_string(),
            cause,
        })?;
        let file_system = self.file_system_of(loaded, service, context).await;
        configuration.file_system = file_system.map_err(|cause| AttestError::Volume {
            config: config.clone(),
            volume: "fspf".to_owned(),
            cause,
        })?;
        Ok(configuration)
    }

    fn refresh_after(&self, resolved: &Resolved, now: Timestamp) -> Seconds {
        let Some(expires) = resolved.expires else {
            return self.limits.refresh_after;
        };
        let usable = expires.minus(REFRESH_BEFORE_EXPIRY).since(now);
        usable.max(LEAST_REFRESH).min(self.limits.refresh_after)
    }

    /// A denial, with what the policy expects where everyone may read the policy.
    async fn denied(
        &self,
        loaded: &LoadedPolicy,
        config: &ConfigId,
        denial: Denial,
        now: Timestamp,
    ) -> AttestError {
        let access = self.access_of(loaded, now).await;
        AttestError::Denied {
            config: config.clone(),
            denial,
            expected_is_public: *access.policy.principals(Operation::Read) == Principals::Any,
        }
    }

    async fn policy_of(
        &self,
        config: &ConfigId,
    ) -> Result<std::sync::Arc<LoadedPolicy>, AttestError> {
        let found = self.current_policy(config.policy()).await;
        let found = found.map_err(|error| match error {
            LoadError::Store(error) => AttestError::Store(error),
            LoadError::Unparsable => AttestError::StoredPolicy {
                policy: config.policy().clone(),
            },
        })?;
        found.ok_or_else(|| no_service(config))
    }
}

fn service_of<'a>(loaded: &'a LoadedPolicy, config: &ConfigId) -> Result<&'a Service, AttestError> {
    let found = loaded.policy.service(config.service());
    found.ok_or_else(|| no_service(config))
}

fn no_service(config: &ConfigId) -> AttestError {
    AttestError::NoService {
        config: config.clone(),
    }
}

/// A store that fails is no fault of a secret.
fn secret_error(config: &ConfigId, (secret, cause): SecretFault) -> AttestError {
    match cause {
        ResolveError::Store(error) => AttestError::Store(error),
        cause => AttestError::Secret {
            config: config.clone(),
            secret,
            cause,
        },
    }
}

/// What `$$SCONE::self::software_identity$$` says: the measurement of the enclave, or nothing that could be one.
fn software_identity(identity: &Identity) -> String {
    match identity {
        Identity::Sgx(sgx) => sgx.mr_enclave.to_string(),
        Identity::Unattested => "unattested".to_owned(),
    }
}

/// What goes on record of a release: who proved what to whom, and which vault values went along.
fn release_event(
    grant: &Grant,
    loaded: &LoadedPolicy,
    resolved: &Resolved,
    now: Timestamp,
) -> AuditEvent {
    let appraisal = grant.appraisal();
    let mut facts = vec![
        ("identity", appraisal.identity().to_string()),
        ("verifier", appraisal.verifier().to_string()),
        ("tcb", appraisal.tcb().status.to_string()),
        ("binding", appraisal.runtime().binding().to_string()),
    ];
    facts.extend(
        resolved
            .vault_ids
            .iter()
            .map(|id| ("vault-secret", id.clone())),
    );
    AuditEvent {
        at: now,
        action: AuditAction::ConfigurationReleased,
        subject: appraisal.runtime().config().to_string(),
        policy: loaded.hash,
        caller: None,
        facts,
    }
}

/// How long before something in a configuration runs out the agent is to ask again.
const REFRESH_BEFORE_EXPIRY: Seconds = Seconds(300);
/// No agent is told to ask again sooner.
const LEAST_REFRESH: Seconds = Seconds(30);
