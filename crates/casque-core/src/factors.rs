//! Second factors of a release (spec/policy-language.md section 9): one-time passwords, the service access
//! token, and service account tokens of Kubernetes.
//!
//! A one-time password is looked at before the decision and spent together with the record of the release, so
//! that an attempt that releases nothing burns none. It is spent in the store, once for all replicas. Six digits
//! can be guessed: after [`MOST_WRONG_CODES`] wrong ones for a service within one time step, this process takes
//! none for it until the step is over. Who can guess can so keep others out for that long; with `mode: hardware`
//! those are the machines that hold genuine evidence of the very program.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, PoisonError};

use casque_appraise::{
    Identity, ServiceAccountToken, ServiceAccountTokenError, ServiceAccountTrust,
};
use casque_policy::{
    Demands, Denial, FactorOutcome, Factors, Mode, Reason, ReasonCode, ServiceAccountDemand,
    ServiceAccountOutcome, Template,
};
use casque_secrets::{
    OtpCode, OtpSecret, OtpStep, ProofSide, access_token_proof, is_access_token_proof,
};
use casque_types::{ConfigId, Digest, Timestamp};

use crate::casque::LoadedPolicy;
use crate::resolve::Context;
use crate::{
    AttestError, AuditEvent, Casque, ClusterSource as _, Once, Ports, ResolveError, SourceFailure,
    Spending, Store as _,
};

/// The second factors that an attester brings.
#[derive(Default)]
pub struct SecondFactors {
    /// The one-time password.
    pub one_time_password: Option<OtpCode>,
    /// The proof that it knows the service access token.
    pub access_token_proof: Option<[u8; 32]>,
    /// A projected service account token of a Kubernetes cluster.
    pub service_account_token: Option<ServiceAccountToken>,
}

/// Second factors, looked at.
pub(crate) struct Judged {
    pub(crate) factors: Factors,
    /// The time step of the one-time password, to be spent.
    pub(crate) step: Option<OtpStep>,
    /// Where the policy states the shared secret of one-time passwords.
    otp_path: String,
    /// The server's own proof that it knows the service access token.
    pub(crate) proof: Option<[u8; 32]>,
    /// Why the keys of a cluster could not be had now.
    missing_keys: Option<SourceFailure>,
}

impl Judged {
    /// The failure to wait for, if nothing but a token that could not be verified for now keeps an entry from being
    /// satisfied, and nothing but the entries denies.
    pub(crate) fn awaited(&self, denial: &Denial) -> Option<SourceFailure> {
        let failure = self.missing_keys.as_ref()?;
        let accounts = (denial.reasons.iter())
            .filter(|reason| reason.code == ReasonCode::ServiceAccountWrong)
            .filter_map(|reason| reason.path.strip_suffix(".kubernetes"));
        let mut hanging = accounts.filter(|entry| fails_by_account_alone(entry, denial));
        hanging.next().map(|_| failure.clone())
    }
}

/// Whether, of all that denies, an entry's service account alone has to change.
fn fails_by_account_alone(entry: &str, denial: &Denial) -> bool {
    let list = entry.rsplit_once('[').map_or(entry, |(list, _)| list);
    denial.reasons.iter().all(|reason| {
        let is_of_entries = reason.path.starts_with(list);
        let is_of_this = reason.path.starts_with(entry);
        is_of_entries && (!is_of_this || reason.code == ReasonCode::ServiceAccountWrong)
    })
}

/// The wrong one-time passwords of a while, counted in a bounded number of places. Services that share a
/// place share its count, so that nobody can make this forget a guesser by guessing elsewhere; which ones do
/// is random in each process.
#[derive(Default)]
pub(crate) struct WrongCodes {
    counts: Mutex<HashMap<u16, (u64, u32)>>,
    places: RandomState,
}

impl WrongCodes {
    /// Takes one of the guesses of this step, before it is known whether it is right, so that many at once
    /// are no more than one after the other. False when there are none left.
    fn take_guess(&self, config: &ConfigId, step: u64) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = counts.entry(self.place(config)).or_insert((step, 0));
        if entry.0 != step {
            *entry = (step, 0);
        }
        if entry.1 >= MOST_WRONG_CODES {
            return false;
        }
        entry.1 = entry.1.saturating_add(1);
        true
    }

    /// Gives a guess back that was right, or none.
    fn give_back(&self, config: &ConfigId, step: u64) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, count)) = counts.get_mut(&self.place(config))
            && *at == step
        {
            *count = count.saturating_sub(1);
        }
    }

    fn place(&self, config: &ConfigId) -> u16 {
        let [first, second, ..] = self.places.hash_one(config).to_be_bytes();
        u16::from_be_bytes([first, second])
    }
}

/// What an attester brings beside its evidence, and to which request.
pub(crate) struct Brought<'b> {
    pub(crate) factors: &'b SecondFactors,
    /// The digest of the runtime data.
    pub(crate) binding: &'b Digest<32>,
    /// What the evidence proved.
    pub(crate) identity: &'b Identity,
}

impl<P: Ports> Casque<P> {
    /// Looks at the second factors that a service demands. For those that were not brought nothing is
    /// resolved: they are denied whatever they should have been.
    pub(crate) async fn judge_factors(
        &self,
        loaded: &LoadedPolicy,
        config: &ConfigId,
        demands: &Demands<'_>,
        brought: Brought<'_>,
        context: Context<'_>,
    ) -> Result<Judged, AttestError> {
        let Brought {
            factors, binding, ..
        } = brought;
        let otp_path = demands.one_time_password_path();
        let mut judged = Judged {
            factors: Factors::default(),
            step: None,
            otp_path: otp_path.unwrap_or_default().to_owned(),
            proof: None,
            missing_keys: None,
        };
        self.judge_accounts(demands, &brought, context.now, &mut judged)
            .await;
        if let (Some(template), Some(code)) =
            (demands.one_time_password(), &factors.one_time_password)
        {
            judged.step = self
                .judge_code(loaded, config, (template, &judged.otp_path), code, context)
                .await?;
            judged.factors.one_time_password = outcome(judged.step.is_some());
        }
        if let (Some(template), Some(proof)) =
            (demands.service_access_token(), &factors.access_token_proof)
        {
            let token = self.filled(loaded, template, context).await;
            let token = token.map_err(|cause| factor_error(config, ACCESS_TOKEN, cause))?;
            let is_right = is_access_token_proof(proof, &token.text, ProofSide::Attester, binding);
            judged.factors.service_access_token = outcome(is_right);
            judged.proof = Some(access_token_proof(&token.text, ProofSide::Server, binding));
        }
        Ok(judged)
    }

    /// Verifies the service account token for each cluster and audience that an entry names. A cluster is asked for
    /// its keys for evidence that proves a TEE, and where the policy demands none.
    async fn judge_accounts(
        &self,
        demands: &Demands<'_>,
        brought: &Brought<'_>,
        now: Timestamp,
        judged: &mut Judged,
    ) {
        let Some(token) = &brought.factors.service_account_token else {
            return;
        };
        let is_open = demands.security().mode == Mode::DangerousNone;
        for demand in demands.service_accounts() {
            let outcome = match brought.identity {
                Identity::Unattested if !is_open => ServiceAccountOutcome::Wrong {
                    why: NOT_LOOKED_AT.to_owned(),
                    mend: "run the workload in a TEE".to_owned(),
                },
                _ => self.judge_account(token, demand, now, judged).await,
            };
            let accounts = &mut judged.factors.service_accounts;
            accounts.insert(demand.clone(), outcome);
        }
    }

    async fn judge_account(
        &self,
        token: &ServiceAccountToken,
        demand: &ServiceAccountDemand,
        now: Timestamp,
        judged: &mut Judged,
    ) -> ServiceAccountOutcome {
        let issuer = demand.issuer.as_str();
        let wrong = |error: &ServiceAccountTokenError| ServiceAccountOutcome::Wrong {
            why: format!("{error} (`{}`)", error.code()),
            mend: TOKEN_MEND.to_owned(),
        };
        // Whose keys are fetched is the policy's to say, and never the token's.
        if token.issuer() != issuer {
            return wrong(&ServiceAccountTokenError::Issuer {
                expected: issuer.to_owned(),
                found: token.issuer().to_owned(),
            });
        }
        let keys = self.ports.clusters().keys(issuer, token.key_id(), now);
        let keys = match keys.await {
            Ok(keys) => keys,
            Err(failure) => {
                let why = format!("{failure} (`{}`)", failure.code);
                let mend = failure.mend.clone();
                if failure.retryable {
                    judged.missing_keys = Some(failure);
                }
                return ServiceAccountOutcome::Wrong { why, mend };
            }
        };
        let trust = ServiceAccountTrust {
            issuer: issuer.to_owned(),
            audience: demand.audience.clone(),
            clock_skew: self.limits.clock_skew,
        };
        match token.verify(&keys, &trust, now) {
            Ok(account) => ServiceAccountOutcome::Right(account),
            Err(error) => wrong(&error),
        }
    }

    async fn judge_code(
        &self,
        loaded: &LoadedPolicy,
        config: &ConfigId,
        (shared, path): (&Template, &str),
        code: &OtpCode,
        context: Context<'_>,
    ) -> Result<Option<OtpStep>, AttestError> {
        let present = OtpStep::at(context.now).0;
        if !self.wrong_codes.take_guess(config, present) {
            return Err(refused(config, blocked(path)));
        }
        let shared = self.filled(loaded, shared, context).await;
        let step = shared
            .and_then(|shared| OtpSecret::parse(&shared.text).map_err(ResolveError::Otp))
            .map(|shared| shared.verify(code, context.now))
            .map_err(|cause| factor_error(config, SHARED_SECRET, cause));
        if !matches!(step, Ok(None)) {
            self.wrong_codes.give_back(config, present);
        }
        step
    }

    /// Puts a release on record, and with it spends the one-time password that it took: both or neither.
    pub(crate) async fn record(
        &self,
        config: &ConfigId,
        judged: &Judged,
        event: AuditEvent,
    ) -> Result<(), AttestError> {
        let store = self.ports.store();
        let used = || refused(config, used(&judged.otp_path));
        let Some(step) = judged.step else {
            return Ok(store.append_audit(event).await?);
        };
        // Names are long, and what the store remembers is bounded: their digest names them as well.
        let digest = casque_types::sha256(config.to_string().as_bytes());
        let what = format!("otp {digest} {}", step.0);
        // The clocks of replicas differ: none may forget it while another would still take it.
        let until = step.forgotten_at().plus(self.limits.clock_skew);
        let once = Once::new(what, until);
        let once = once.map_err(|_| used())?;
        let now = event.at;
        match store.spend(once, now, Some(event)).await? {
            Spending::Fresh => Ok(()),
            Spending::Spent => Err(used()),
        }
    }
}

/// These reasons say nothing of the policy.
fn refused(config: &ConfigId, reason: Reason) -> AttestError {
    AttestError::Denied {
        config: config.clone(),
        denial: Denial {
            reasons: vec![reason],
        },
        expected_is_public: true,
    }
}

/// A store that fails is no fault of a second factor.
fn factor_error(config: &ConfigId, what: &'static str, cause: ResolveError) -> AttestError {
    match cause {
        ResolveError::Store(error) => AttestError::Store(error),
        cause => AttestError::Factor {
            config: config.clone(),
            what,
            cause,
        },
    }
}

const fn outcome(is_right: bool) -> FactorOutcome {
    match is_right {
        false => FactorOutcome::Wrong,
        true => FactorOutcome::Right,
    }
}

fn used(path: &str) -> Reason {
    Reason {
        code: ReasonCode::OtpUsed,
        path: path.to_owned(),
        expected: "a one-time password that was not used before".to_owned(),
        found: "one that was already used within this time-step".to_owned(),
        hint: "wait for the next one, at most 30 s".to_owned(),
    }
}

fn blocked(path: &str) -> Reason {
    Reason {
        code: ReasonCode::OtpBlocked,
        path: path.to_owned(),
        expected: format!("at most {MOST_WRONG_CODES} wrong one-time passwords in 30 s"),
        found: "more".to_owned(),
        hint: "wait for the next time-step; if nobody here mistypes, somebody guesses".to_owned(),
    }
}

const NOT_LOOKED_AT: &str =
    "a token that was not looked at: without evidence of a TEE no cluster is asked for its keys";
const TOKEN_MEND: &str = "compare issuer and audience of the projected token with the policy's; \
    docs/errors-clusters.md says of each code what to do";
const SHARED_SECRET: &str = "one_time_password_shared_secret";
const ACCESS_TOKEN: &str = "service_access_token";
/// With three steps that count, a guesser needs ten days on average for one hit.
const MOST_WRONG_CODES: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn config(number: u32) -> ConfigId {
        format!("policy/s{number}").parse().unwrap()
    }

    #[test]
    fn wrong_codes_of_one_service_are_not_forgotten_over_those_of_others() {
        let codes = WrongCodes::default();
        for _ in 0..MOST_WRONG_CODES {
            assert!(codes.take_guess(&config(0), 7));
        }
        for other in 1..100_000 {
            let _may = codes.take_guess(&config(other), 7);
        }
        assert!(!codes.take_guess(&config(0), 7));
        assert!(codes.take_guess(&config(0), 8));
        assert!(codes.counts.lock().unwrap().len() <= 65_536);
    }

    #[test]
    fn wrong_codes_begin_anew_with_each_step_and_right_ones_do_not_count() {
        let codes = WrongCodes::default();
        for _ in 0..100 {
            assert!(codes.take_guess(&config(0), 7));
            codes.give_back(&config(0), 7);
        }
        for _ in 0..MOST_WRONG_CODES {
            assert!(codes.take_guess(&config(0), 7));
        }
        // A late one of another step gives nothing back.
        codes.give_back(&config(0), 6);
        assert!(!codes.take_guess(&config(0), 7));
        assert!(codes.take_guess(&config(0), 8));
    }
}
