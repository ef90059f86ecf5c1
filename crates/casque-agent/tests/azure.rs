//! What the agent sends of a confidential virtual machine of Azure, on the software TEE: it goes through its JSON, and
//! the verifier appraises what comes out, bound to the request.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "a test that cannot go on fails"
)]

mod exchange;

use std::cell::RefCell;

use casque_agent::{
    AgentExit, AttesterError, Challenge, Collected, EvidenceError, EvidenceKind, EvidencePlan,
    EvidenceSource, Gathered, GuestData, ReleaseError, Released, Releases, SecondFactors, run_with,
};
use casque_appraise::{
    Appraiser, AzureVmEvidence, AzureVmParts, Endorsements, Evidence, Identity, Scope, TrustAnchors,
};
use casque_attester::{AzureVm, TpmQuote};
use casque_testkit::azure_vm::SoftwareVtpm;
use casque_testkit::snp::{SoftwareSnp, software_snp_identity};
use casque_types::{ConfigId, Digest, RuntimeData, SnpProduct, Timestamp};
use casque_wire as wire;
use exchange::{challenge, settings};

/// Keeps what it is shown, and releases nothing.
struct Witness(RefCell<Option<(RuntimeData, Gathered)>>);

impl Releases for Witness {
    fn release(
        &self,
        config: ConfigId,
        _factors: &SecondFactors,
        gather: &mut dyn FnMut(&RuntimeData, &Challenge) -> Result<Gathered, EvidenceError>,
    ) -> Result<Released, ReleaseError<EvidenceError>> {
        let (runtime, challenge) = challenge(config, &[EvidenceKind::AzureSnpVtpm]);
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
