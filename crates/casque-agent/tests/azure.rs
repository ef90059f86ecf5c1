//! What the agent sends of a confidential virtual machine of Azure, on the software TEE: it goes through its JSON, and
//! the verifier appraises what comes out, bound to the request.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "a test that cannot go on fails"
)]

use std::cell::RefCell;

use casque_agent::{
    AgentExit, AgentSettings, AttesterError, Challenge, Collected, EvidenceError, EvidenceKind,
    EvidencePlan, EvidenceSource, Gathered, GuestData, HostEnvironment, ReleaseError, Released,
    Releases, SecondFactors, Timeouts, run_with,
};
use casque_appraise::{
    Appraiser, AzureVmEvidence, AzureVmParts, Endorsements, Evidence, Identity, Scope, TrustAnchors,
};
use casque_attester::{AzureVm, TpmQuote};
use casque_testkit::azure_vm::SoftwareVtpm;
use casque_testkit::snp::{SoftwareSnp, software_snp_identity};
use casque_types::{
    ConfigId, Digest, Kem, KemPublicKey, KeyHash, Nonce, RuntimeData, SnpProduct, Timestamp,
};
use casque_wire as wire;

/// Keeps what it is shown, and releases nothing.
struct Witness(RefCell<Option<(RuntimeData, Gathered)>>);

impl Releases for Witness {
    fn release(
        &self,
        config: ConfigId,
        _factors: &SecondFactors,
        gather: &mut dyn FnMut(&RuntimeData, &Challenge) -> Result<Gathered, EvidenceError>,
    ) -> Result<Released, ReleaseError<EvidenceError>> {
        let (server, nonce) = (
            KeyHash::from([0; 32]),
            Nonce::from_bytes(vec![7; 32]).unwrap(),
        );
        let key = KemPublicKey::from_bytes(Kem::XWing, vec![0; 1216]).unwrap();
        let runtime = RuntimeData::new(server, config, nonce.clone(), key);
        let challenge = Challenge {
            nonce,
            expires: NOW,
            server,
            evidence: vec![EvidenceKind::AzureSnpVtpm],
        };
        let gathered = gather(&runtime, &challenge).map_err(ReleaseError::Evidence)?;
        self.0.replace(Some((runtime, gathered)));
        Err(ReleaseError::Open(casque_secrets::OpenError::Signature))
    }
}

struct Machine {
    vtpm: SoftwareVtpm,
    platform: SoftwareSnp,
}

impl EvidenceSource for Machine {
    fn name(&self) -> &'static str {
        "software TEE"
    }

    fn gather(&self, carried: &GuestData) -> Result<Collected, AttesterError> {
        let identity = software_snp_identity(Digest::from([0x5A; 48]));
        let extra_data = carried.as_bytes().first_chunk::<32>().unwrap();
        let machine = self.vtpm.on_snp(&self.platform, &identity, extra_data);
        let machine = machine.unwrap();
        let quote = TpmQuote {
            message: machine.quote.message,
            signature: machine.quote.signature,
            pcrs: machine.quote.pcrs,
        };
        Ok(Collected::AzureSnp {
            vm: AzureVm {
                hcl: machine.hcl,
                quote,
                ak_certificate: Vec::new(),
                ak_intermediates: Vec::new(),
            },
            vek: machine.vek,
        })
    }
}

fn settings() -> AgentSettings {
    AgentSettings {
        address: "localhost".parse().unwrap(),
        config: "app/web".parse().unwrap(),
        server_key: KeyHash::from([0; 32]),
        authorities_pem: None,
        program: None,
        arguments: Vec::new(),
        search_path: "/usr/bin:/bin".into(),
        host: HostEnvironment::default(),
        factors: SecondFactors::default(),
        volumes: None,
        timeouts: Timeouts::default(),
    }
}

fn parsed(evidence: &wire::Evidence) -> Evidence {
    let wire::Evidence::AzureSnpVtpm {
        hcl, quote, vek, ..
    } = evidence
    else {
        panic!("{evidence:?}");
    };
    let register = |digits: &String| hex::decode(digits).unwrap().try_into().unwrap();
    let pcrs: Vec<[u8; 32]> = quote.pcrs.iter().map(register).collect();
    let evidence = AzureVmEvidence::parse(&AzureVmParts {
        hcl: &hcl.0,
        message: &quote.message.0,
        signature: &quote.signature.0,
        pcrs: &pcrs,
        vek: vek.as_deref().map(str::as_bytes),
        td_quote: None,
        ak_chain: None,
    });
    Evidence::AzureVm(evidence.unwrap())
}

#[test]
fn azure_machine_is_appraised_from_the_agents_json() {
    let machine = Machine {
        vtpm: SoftwareVtpm::generate(NOW).unwrap(),
        platform: SoftwareSnp::generate(SnpProduct::Milan, NOW).unwrap(),
    };
    let witness = Witness(RefCell::new(None));
    let plan = EvidencePlan::Source(&machine);
    let exit = run_with(&witness, &settings(), &plan, &mut Vec::new());
    assert_eq!(exit, AgentExit::OtherServer);
    let (runtime, gathered) = witness.0.take().unwrap();
    let json = serde_json::to_string(&gathered.evidence).unwrap();
    let evidence = parsed(&serde_json::from_str(&json).unwrap());
    let anchors = TrustAnchors::vendors().dangerous_with_amd(vec![machine.platform.anchor()]);
    let appraised =
        Appraiser::new(anchors).appraise(&evidence, runtime, &Endorsements::default(), NOW);
    let appraisal = appraised.unwrap();
    assert!(matches!(
        appraisal.verdict().identity(),
        Identity::AzureVm(_)
    ));
    assert_eq!(appraisal.verdict().scope(), Scope::Vm);
}

const NOW: Timestamp = Timestamp::from_unix_s(1_795_500_000);
