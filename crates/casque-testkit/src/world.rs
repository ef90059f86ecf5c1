//! A whole Casque in memory: fakes behind it, the software TEE in front of it, so that a test of a release
//! reads in ten lines.
//!
//! What fails while a test is set up panics with what was expected; what the use case answers is returned.

#![expect(
    clippy::expect_used,
    reason = "the world of a test: what cannot be set up fails the test, here and with its cause"
)]

mod evidence;

pub use evidence::{GroupSpec, MachineSpec};

use std::sync::{Arc, OnceLock};

use casque_appraise::{EndorsementsId, Evidence, MaaToken, SgxQuote, TrustAnchors};
use casque_core::{
    AttestError, AttestRequest, Casque, ChallengeKey, Limits, PutOutcome, PutPolicyError, Released,
    SecondFactors,
};
use casque_policy::Credentials;
use casque_secrets::{ConfigurationKey, IdentityKey, open_configuration};
use casque_types::{
    ConfigId, Configuration, KeyHash, PolicyHash, RuntimeData, SgxIdentity, SnpProduct, Timestamp,
    sha256,
};
use pollster::block_on;

use crate::aci::SoftwareUvmIssuer;
use crate::azure_vm::SoftwareVtpm;
use crate::fakes::TestPorts;
use crate::maa::{RuntimeClaim, SoftwareMaa, TokenSpec};
use crate::sgx::{QuoteFlaw, QuoteSpec, SoftwareTee, software_identity};
use crate::snp::SoftwareSnp;

/// A Casque with everything around it.
pub struct TestWorld {
    /// The use cases.
    pub casque: Casque<TestPorts>,
    /// The fakes behind them.
    pub ports: TestPorts,
    /// The TEE whose root they trust; the same in all worlds of a process.
    pub tee: Arc<SoftwareTee>,
    /// The platform of SNP whose root they trust; the same in all worlds of a process, but for [`TestWorld::on`].
    pub snp: Arc<SoftwareSnp>,
    /// The paravisor of Azure whose root they trust; the same in all worlds of a process.
    pub vtpm: Arc<SoftwareVtpm>,
    /// The issuer of references of utility machines that they trust; the same in all worlds of a process.
    pub uvm: Arc<SoftwareUvmIssuer>,
    /// The MAA instance at [`TestWorld::MAA`]; the same in all worlds of a process.
    pub maa: Arc<SoftwareMaa>,
    /// The key of the author who puts policies.
    pub author: KeyHash,
    anchors: TrustAnchors,
    identity: Arc<IdentityKey>,
}

/// One workload on its way: its challenge redeemed into runtime data, its key, who it is.
#[derive(Debug)]
pub struct Attempt {
    /// What its evidence shall be bound to.
    pub runtime: RuntimeData,
    /// The key that the answer is sealed to.
    pub key: ConfigurationKey,
    /// The enclave that it is.
    pub identity: SgxIdentity,
}

impl Default for TestWorld {
    fn default() -> Self {
        Self::new()
    }
}

impl TestWorld {
    /// The time at which every world begins: 2026-11-24T00:00:00Z.
    pub const BEGIN: Timestamp = Timestamp::from_unix_s(1_795_478_400);
    /// The only MAA instance that answers.
    pub const MAA: &'static str = "https://casque.eus.attest.azure.net";

    /// An empty world.
    #[must_use]
    pub fn new() -> Self {
        Self::on(shared_snp())
    }

    /// An empty world with this platform of SNP, whose generation's root it trusts, and no other's.
    #[must_use]
    pub fn on(snp: Arc<SoftwareSnp>) -> Self {
        let (tee, maa) = (shared_tee(), shared_maa());
        let (vtpm, uvm) = (shared_vtpm(), shared_uvm());
        let anchors = TrustAnchors::vendors()
            .dangerous_with_sgx_root(tee.root_der().to_vec())
            .dangerous_with_amd(vec![snp.anchor()])
            .dangerous_with_azure_vtpm_root(vtpm.root_der().to_vec())
            .dangerous_with_uvm_issuers(vec![uvm.did()]);
        let ports = TestPorts::new(Arc::clone(&tee), Arc::clone(&maa), Self::BEGIN);
        ports.endorsements.endorse(Arc::clone(&snp));
        let endorsements = ports.endorsements.clone();
        let endorse = move |id: &EndorsementsId, now| {
            let found = endorsements.look_up(id, now);
            found.map_err(|failure| failure.to_string())
        };
        ports.maa.judge(anchors.clone(), endorse);
        let identity = IdentityKey::generate().expect("the provider makes an identity");
        let identity = Arc::new(identity);
        Self {
            casque: begin(&ports, anchors.clone(), &identity),
            ports,
            anchors,
            tee,
            snp,
            vtpm,
            uvm,
            maa,
            author: KeyHash::of_spki(b"the author's key"),
            identity,
        }
    }

    /// Guests are from here on from another platform of the same generation, which the endorser knows.
    pub fn move_to(&mut self, snp: Arc<SoftwareSnp>) {
        self.ports.endorsements.endorse(Arc::clone(&snp));
        self.snp = snp;
    }

    /// The process ends, and another one begins with the same identity, store, clock and sources: what it
    /// held in memory is gone.
    pub fn restart(&mut self) {
        self.casque = begin(&self.ports, self.anchors.clone(), &self.identity);
    }

    /// The program that the policies of a test grant: its measurement is SHA-256 of `program`.
    #[must_use]
    pub fn program() -> SgxIdentity {
        software_identity(sha256(b"program").into())
    }

    /// Has the author put a policy.
    ///
    /// # Errors
    /// The use case's own.
    pub fn try_put(&self, text: &str) -> Result<PutOutcome, PutPolicyError> {
        self.try_put_as(text, &Credentials::of_tls(self.author))
    }

    /// Has somebody put a policy.
    ///
    /// # Errors
    /// The use case's own.
    pub fn try_put_as(
        &self,
        text: &str,
        caller: &Credentials,
    ) -> Result<PutOutcome, PutPolicyError> {
        block_on(self.casque.put_policy(text, caller))
    }

    /// Has the author put a policy that must be accepted; answers its hash.
    ///
    /// # Panics
    /// When it is not.
    #[must_use]
    pub fn put(&self, text: &str) -> PolicyHash {
        self.try_put(text).expect("the policy is accepted").hash
    }

    /// [`TestWorld::program`] asks for a challenge, and makes its key and runtime data for `config`.
    ///
    /// # Panics
    /// When `config` is none, or there is no randomness.
    #[must_use]
    pub fn attempt(&self, config: &str) -> Attempt {
        let challenge = self.casque.challenge().expect("there is randomness");
        let config: ConfigId = config.parse().expect("a config id");
        let key = ConfigurationKey::generate(&self.ports.rng).expect("there is randomness");
        let public = key.public().clone();
        Attempt {
            runtime: RuntimeData::new(challenge.server, config, challenge.nonce, public),
            key,
            identity: Self::program(),
        }
    }

    /// A valid quote of the attempt's enclave, bound to its runtime data.
    #[must_use]
    pub fn quote(&self, attempt: &Attempt) -> Evidence {
        self.quote_with(attempt, None)
    }

    /// The same with one thing wrong.
    ///
    /// # Panics
    /// When it does not parse any more.
    #[must_use]
    pub fn quote_with(&self, attempt: &Attempt, flaw: Option<QuoteFlaw>) -> Evidence {
        let report_data = *attempt.runtime.report_data().as_bytes();
        let spec = QuoteSpec {
            identity: attempt.identity.clone(),
            report_data,
            flaw,
        };
        let bytes = self.tee.quote_of(&spec).expect("the TEE quotes");
        Evidence::Sgx(SgxQuote::parse(&bytes).expect("a quote"))
    }

    /// A valid token about the attempt's enclave, bound to its runtime data, changed by `bend` before it is
    /// signed.
    ///
    /// # Panics
    /// When it does not parse any more.
    #[must_use]
    pub fn token(&self, attempt: &Attempt, bend: impl FnOnce(&mut TokenSpec)) -> Evidence {
        let now = casque_core::Clock::now(&self.ports.clock);
        let report_data = *attempt.runtime.report_data().as_bytes();
        let runtime = RuntimeClaim::Json(attempt.runtime.as_bytes().to_vec());
        let mut spec =
            TokenSpec::sgx(attempt.identity.clone(), report_data, now).with_runtime(runtime);
        bend(&mut spec);
        let token = self.maa.token(&spec).expect("the MAA signs");
        Evidence::MaaToken(MaaToken::parse(&token).expect("a token"))
    }

    /// Sends the attempt's runtime data with this evidence.
    ///
    /// # Errors
    /// The use case's own.
    pub fn send(&self, attempt: &Attempt, evidence: Evidence) -> Result<Released, AttestError> {
        self.send_with(attempt, evidence, SecondFactors::default())
    }

    /// Sends the attempt's runtime data with this evidence and these second factors.
    ///
    /// # Errors
    /// The use case's own.
    pub fn send_with(
        &self,
        attempt: &Attempt,
        evidence: Evidence,
        factors: SecondFactors,
    ) -> Result<Released, AttestError> {
        block_on(self.casque.attest(AttestRequest {
            runtime_data: attempt.runtime.as_bytes().to_vec(),
            evidence,
            maa_token: None,
            factors,
        }))
    }

    /// Sends the attempt's runtime data with this evidence and a token about it.
    ///
    /// # Errors
    /// The use case's own.
    pub fn send_with_token(
        &self,
        attempt: &Attempt,
        evidence: Evidence,
        token: MaaToken,
    ) -> Result<Released, AttestError> {
        block_on(self.casque.attest(AttestRequest {
            runtime_data: attempt.runtime.as_bytes().to_vec(),
            evidence,
            maa_token: Some(token),
            factors: SecondFactors::default(),
        }))
    }

    /// Opens what was released, as the attempt's agent does.
    ///
    /// # Panics
    /// When it is not sealed for this attempt by this server.
    #[must_use]
    pub fn open(&self, attempt: &Attempt, released: &Released) -> Configuration {
        let server = self.casque.identity().key_hash();
        open_configuration(&released.sealed, &attempt.key, &attempt.runtime, server)
            .expect("the answer opens")
    }

    /// The whole way with a valid quote.
    ///
    /// # Errors
    /// The use case's own.
    pub fn attest(&self, config: &str) -> Result<Configuration, AttestError> {
        let attempt = self.attempt(config);
        let released = self.send(&attempt, self.quote(&attempt))?;
        Ok(self.open(&attempt, &released))
    }
}

fn begin(
    ports: &TestPorts,
    anchors: TrustAnchors,
    identity: &Arc<IdentityKey>,
) -> Casque<TestPorts> {
    Casque::new(
        ports.clone(),
        Arc::clone(identity),
        ChallengeKey::new(&[0xC4; 32]),
        anchors,
        Limits::default(),
    )
}

fn shared_tee() -> Arc<SoftwareTee> {
    static TEE: OnceLock<Arc<SoftwareTee>> = OnceLock::new();
    let make = || Arc::new(SoftwareTee::generate(TestWorld::BEGIN).expect("a software TEE"));
    Arc::clone(TEE.get_or_init(make))
}

fn shared_snp() -> Arc<SoftwareSnp> {
    static SNP: OnceLock<Arc<SoftwareSnp>> = OnceLock::new();
    let make = || {
        let snp = SoftwareSnp::generate(SnpProduct::Milan, TestWorld::BEGIN);
        Arc::new(snp.expect("a software TEE"))
    };
    Arc::clone(SNP.get_or_init(make))
}

fn shared_vtpm() -> Arc<SoftwareVtpm> {
    static VTPM: OnceLock<Arc<SoftwareVtpm>> = OnceLock::new();
    let make = || Arc::new(SoftwareVtpm::generate(TestWorld::BEGIN).expect("a paravisor"));
    Arc::clone(VTPM.get_or_init(make))
}

fn shared_uvm() -> Arc<SoftwareUvmIssuer> {
    static UVM: OnceLock<Arc<SoftwareUvmIssuer>> = OnceLock::new();
    let make = || Arc::new(SoftwareUvmIssuer::generate(TestWorld::BEGIN).expect("an issuer"));
    Arc::clone(UVM.get_or_init(make))
}

fn shared_maa() -> Arc<SoftwareMaa> {
    static MAA: OnceLock<Arc<SoftwareMaa>> = OnceLock::new();
    let make = || {
        let url = TestWorld::MAA.parse().expect("an address");
        Arc::new(SoftwareMaa::generate(url, TestWorld::BEGIN).expect("a software MAA"))
    };
    Arc::clone(MAA.get_or_init(make))
}
