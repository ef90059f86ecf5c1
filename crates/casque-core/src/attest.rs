//! One release, from runtime data and evidence to a sealed configuration.
//!
//! The steps are those of section 4 of the design (ARCHITECTURE.md, "One release, step by step"); the
//! numbers stand beside the code. Steps 1, 2, 3 and 12 are the agent's and the server's.

use casque_appraise::{Evidence, Identity, MaaToken};
use casque_policy::{AccessPolicy, Denial, Grant, Principals, Service, decide};
use casque_secrets::{SealedConfiguration, seal_configuration};
use casque_types::{AzureVmTee, ConfigId, Configuration, RuntimeData, Seconds, Timestamp};

use crate::attempts::Told;
use crate::casque::{LoadError, LoadedPolicy};
use crate::factors::{Brought, Judged};
use crate::resolve::{Context, Resolved, SecretFault, Source, asked_by, provided_by};
use crate::{
    AttestError, AuditAction, AuditEvent, Casque, Clock as _, Ports, ResolveError, SecondFactors,
    VolumeError,
};

/// A request to attest.
pub struct AttestRequest {
    /// The runtime data as sent.
    pub runtime_data: Vec<u8>,
    /// The evidence.
    pub evidence: Evidence,
    /// A token of the attestation service about this evidence, if the attester had one issued as well.
    pub maa_token: Option<MaaToken>,
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

/// One attempt to attest for a service that exists.
#[derive(Clone, Copy)]
pub(crate) struct Trial<'a> {
    pub(crate) loaded: &'a LoadedPolicy,
    pub(crate) service: &'a Service,
    pub(crate) config: &'a ConfigId,
    pub(crate) request: &'a AttestRequest,
    pub(crate) now: Timestamp,
}

impl<P: Ports> Casque<P> {
    /// Judges evidence, and releases the service's configuration to the key that the evidence is bound to.
    ///
    /// # Errors
    /// [`AttestError`], by whose fault it is; nothing partial is ever released.
    pub async fn attest(&self, request: AttestRequest) -> Result<Released, AttestError> {
        let now = self.ports.clock().now();
        // 4. redeem the nonce, parse the runtime data strictly, load policy and service
        let runtime = self.redeemed(&request.runtime_data, now)?;
        let config = runtime.config().clone();
        let loaded = self.policy_of(&config).await?;
        let service = service_of(&loaded, &config)?;
        let mut told = Told::default();
        let trial = Trial {
            loaded: &loaded,
            service,
            config: &config,
            request: &request,
            now,
        };
        let outcome = self.judge_and_release(trial, runtime, &mut told).await;
        let attempt = told.attempt(&request.evidence, loaded.hash, outcome.as_ref(), now);
        self.attempts.keep(&config, attempt);
        outcome
    }

    /// The runtime data of an attester that answers a challenge of this server, or of a replica.
    pub(crate) fn redeemed(
        &self,
        bytes: &[u8],
        now: Timestamp,
    ) -> Result<RuntimeData, AttestError> {
        let runtime = RuntimeData::parse(bytes)?;
        if runtime.server() != self.identity.key_hash() {
            return Err(AttestError::OtherServer);
        }
        self.challenge.redeem(runtime.nonce(), now)?;
        Ok(runtime)
    }

    /// 5. to 11., for a service that exists.
    async fn judge_and_release(
        &self,
        trial: Trial<'_>,
        runtime: RuntimeData,
        told: &mut Told,
    ) -> Result<Released, AttestError> {
        let Trial {
            loaded,
            service,
            config,
            request,
            now,
        } = trial;
        // 6. cheap checks before anything costly: binding, and claims that are sure to be denied
        if !request.evidence.claims_binding(&runtime) {
            return Err(AttestError::NotBound);
        }
        let binding = runtime.binding();
        // 5., 6. what is demanded; endorsements, then the appraisal itself
        let (demands, appraisal) = self.judge(trial, runtime, told).await?;
        // 7. the decision, with the second factors that it takes
        let identity = software_identity(appraisal.identity());
        let context = Context::of_release(now, &identity);
        let brought = Brought {
            factors: &request.factors,
            binding: &binding,
            identity: appraisal.identity(),
        };
        let judged = self.judge_factors(loaded, config, &demands, brought, context);
        let judged = judged.await?;
        told.decided(&demands, &appraisal, &judged.factors);
        match decide(&demands, appraisal, &judged.factors) {
            Ok(grant) => {
                let released = self.release(grant, loaded, service, &judged, context);
                released.await
            }
            Err(denial) => match judged.awaited(&denial) {
                Some(failure) => Err(AttestError::Source(failure)),
                None => Err(self.denied(loaded, config, denial, now).await),
            },
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
        let (mut configuration, volume_sources) = self
            .configuration(loaded, service, config, &resolved, context)
            .await?;
        configuration.refresh_after = Some(refresh_after);
        configuration.access_token_proof = judged.proof;
        // 10. the audit record is durable, and the one-time password spent; then, not before:
        let sources = resolved.sources.into_iter().chain(volume_sources);
        let event = release_event(&grant, loaded, sources, context.now);
        self.record(config, judged, event).await?;
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
        context: Context<'_>,
    ) -> Result<(Configuration, Vec<Source>), AttestError> {
        let image = loaded.policy.image_of(service);
        let provided = provided_by(&loaded.policy, service);
        let configuration = resolved.configuration(service, image, provided);
        let mut configuration = configuration.map_err(|fault| secret_error(config, fault))?;
        let mounted = self.volumes_of(loaded, service, resolved, context).await;
        let mounted =
            mounted.map_err(|(volume, cause)| volume_error(config, volume.as_str(), cause))?;
        configuration.volumes = mounted.volumes;
        let file_system = resolved.file_system_of(service);
        configuration.file_system =
            file_system.map_err(|cause| volume_error(config, "fspf", cause))?;
        Ok((configuration, mounted.sources))
    }

    /// Shortly before the first value runs out, or when the first is renewed: who asks earlier gets the old one.
    fn refresh_after(&self, resolved: &Resolved, now: Timestamp) -> Seconds {
        let usable = (resolved.expires).map(|at| at.minus(REFRESH_BEFORE_EXPIRY).since(now));
        let renewal = (resolved.renew).map(|at| match at > now {
            true => at.since(now),
            // It could not be renewed this time.
            false => RETRY_RENEWAL,
        });
        let earliest = usable.into_iter().chain(renewal).min();
        earliest.map_or(self.limits.refresh_after, |earliest| {
            earliest.max(LEAST_REFRESH).min(self.limits.refresh_after)
        })
    }

    /// A denial, with what the policy expects where everyone may read the policy.
    pub(crate) async fn denied(
        &self,
        loaded: &LoadedPolicy,
        config: &ConfigId,
        denial: Denial,
        now: Timestamp,
    ) -> AttestError {
        let access = self.access_of(loaded, now).await;
        let is_public = |access: &AccessPolicy| access.read == Principals::Any;
        AttestError::Denied {
            config: config.clone(),
            denial,
            expected_is_public: access.is_ok_and(|access| is_public(&access.policy)),
        }
    }

    pub(crate) async fn policy_of(
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

pub(crate) fn service_of<'a>(
    loaded: &'a LoadedPolicy,
    config: &ConfigId,
) -> Result<&'a Service, AttestError> {
    let found = loaded.policy.service(config.service());
    found.ok_or_else(|| no_service(config))
}

fn no_service(config: &ConfigId) -> AttestError {
    AttestError::NoService {
        config: config.clone(),
    }
}

/// A store that fails is no fault of a secret.
pub(crate) fn secret_error(config: &ConfigId, (secret, cause): SecretFault) -> AttestError {
    match cause {
        ResolveError::Store(error) => AttestError::Store(error),
        cause => AttestError::Secret {
            config: config.clone(),
            secret,
            cause,
        },
    }
}

fn volume_error(config: &ConfigId, volume: &str, cause: VolumeError) -> AttestError {
    match cause {
        VolumeError::Store(error) | VolumeError::Resolve(ResolveError::Store(error)) => {
            AttestError::Store(error)
        }
        cause => AttestError::Volume {
            config: config.clone(),
            volume: volume.to_owned(),
            cause,
        },
    }
}

/// What `$$SCONE::self::software_identity$$` says: the measurement of enclave or guest, or nothing that could be one.
fn software_identity(identity: &Identity) -> String {
    match identity {
        Identity::Sgx(sgx) => sgx.mr_enclave.to_string(),
        Identity::Snp(snp) => snp.measurement.to_string(),
        Identity::Tdx(tdx) => tdx.mr_td.to_string(),
        Identity::AzureVm(vm) => match &vm.tee {
            AzureVmTee::Snp(snp) => snp.measurement.to_string(),
            AzureVmTee::Tdx(tdx) => tdx.mr_td.to_string(),
        },
        Identity::Aci(aci) => aci.snp.measurement.to_string(),
        Identity::Unattested => "unattested".to_owned(),
    }
}

/// What goes on record of a release: who proved what to whom, and what went along from vaults and other
/// policies.
fn release_event(
    grant: &Grant,
    loaded: &LoadedPolicy,
    sources: impl Iterator<Item = Source>,
    now: Timestamp,
) -> AuditEvent {
    let appraisal = grant.appraisal();
    let mut facts = vec![
        ("identity", appraisal.identity().to_string()),
        ("verifier", appraisal.verifier().to_string()),
        ("tcb", appraisal.tcb().status.to_string()),
        ("binding", appraisal.runtime().binding().to_string()),
    ];
    facts.extend(sources.map(Source::into_fact));
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
/// When an agent is to ask again for what could not be renewed.
const RETRY_RENEWAL: Seconds = Seconds(300);
/// No agent is told to ask again sooner.
const LEAST_REFRESH: Seconds = Seconds(30);
