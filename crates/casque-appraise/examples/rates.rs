//! How many pieces of evidence are appraised in a second of processor time, parsing included, over evidence of the
//! software TEE: `cargo run --release -p casque-appraise --example rates [words of a name…]`.
//!
//! One thread; processor time by `/proc/self/schedstat` (Linux). Cold: a program never seen before, on a platform whose
//! endorsements are at hand; for SEV-SNP and what is built on it a processor never seen before, and for Azure's TPMs an
//! attestation key's certificate never seen before: both come with the evidence. Warm: all of that seen before, another
//! request. `cargo xtask bench` reads these lines.
//!
//! To add a line, add a function that makes a [`Round`], and name it in [`LINES`].
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a program for people who measure"
)]

use std::hint::black_box;
use std::sync::Arc;

use casque_appraise::{
    AciEvidence, Appraiser, AzureVmEvidence, Endorsements, Evidence, MaaKeys, MaaToken, MaaTrust,
    SgxQuote, SignerDemand, SnpEvidence, TcbStatus, TdxQuote, TrustAnchors,
};
use casque_testkit::aci::{GroupEvidence, SoftwareUvmIssuer, software_policy};
use casque_testkit::azure_vm::{MachineEvidence, SoftwareVtpm};
use casque_testkit::maa::{
    AzureVmToken, JwksShape, RuntimeClaim, SnpToken, SoftwareMaa, TdxToken, TokenSpec,
};
use casque_testkit::sgx::{SoftwareTee, software_identity};
use casque_testkit::snp::{ReportSpec, SnpSoftwarePlatform, SoftwareSnp, software_snp_identity};
use casque_testkit::tdx::{TdxFormat, TdxQuoteSpec, software_tdx_identity};
use casque_types::{
    AzureVmTee, Digest, Kem, KemPublicKey, KeyHash, MrEnclave, Nonce, RuntimeData, Seconds,
    SnpIdentity, SnpPlatform, SnpProduct, SnpSigner, SnpTcb, Timestamp,
};

/// Appraises [`ROUND`] pieces of evidence.
type Round = Box<dyn FnMut()>;

/// Its name, and what makes its round.
type Line = (&'static str, fn() -> Round);

/// What is measured.
const LINES: &[Line] = &[
    ("sgx cold", || sgx(Programs::Other)),
    ("sgx warm", || sgx(Programs::Same)),
    ("tdx v4 cold", || tdx(TdxFormat::V4, Programs::Other)),
    ("tdx v4 warm", || tdx(TdxFormat::V4, Programs::Same)),
    ("tdx v5 cold", || tdx(TdxFormat::V5Td15, Programs::Other)),
    ("tdx v5 warm", || tdx(TdxFormat::V5Td15, Programs::Same)),
    ("snp cold", || snp(Programs::Other)),
    ("snp warm", || snp(Programs::Same)),
    ("azure-snp cold", || azure_snp(Programs::Other)),
    ("azure-snp warm", || azure_snp(Programs::Same)),
    ("azure-tdx cold", || azure_tdx(Programs::Other)),
    ("azure-tdx warm", || azure_tdx(Programs::Same)),
    ("aci cold", || aci(Programs::Other)),
    ("aci warm", || aci(Programs::Same)),
    ("token sgx", || token(Subject::Enclave)),
    ("token sevsnpvm", || token(Subject::Guest)),
    ("token tdxvm", || token(Subject::Domain)),
    ("token azurevm", || token(Subject::Machine)),
];

/// Whether the programs of a round were seen before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Programs {
    Same,
    Other,
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    for (name, make) in LINES {
        if !wanted.iter().all(|word| name.contains(word.as_str())) {
            continue;
        }
        let rate = measure(make());
        println!("{name:<20} {rate:>8} per CPU second");
    }
}

/// Appraisals per second of processor time, over two seconds.
fn measure(mut round: Round) -> u64 {
    round();
    let (begin, mut done) = (cpu_ns(), 0_u64);
    loop {
        round();
        done = done.saturating_add(ROUND);
        let spent_ns = cpu_ns().saturating_sub(begin);
        if spent_ns >= 2 * NS_PER_S {
            let per_s = done.saturating_mul(NS_PER_S).checked_div(spent_ns);
            return per_s.unwrap_or_default();
        }
    }
}

fn cpu_ns() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/schedstat").expect("Linux");
    let first = stat.split_whitespace().next().expect("three numbers");
    first.parse().expect("a number")
}

fn sgx(programs: Programs) -> Round {
    let tee = SoftwareTee::generate(NOW).unwrap();
    let endorsements = Endorsements {
        intel: Some(Arc::new(tee.endorsements(NOW).unwrap())),
        amd: None,
    };
    let quotes = numbers(programs).map(|(program, request)| {
        let identity = software_identity(MrEnclave::from([program; 32]));
        tee.quote(&identity, &[request; 64]).unwrap()
    });
    let parse = |bytes: &Vec<u8>| Evidence::Sgx(SgxQuote::parse(bytes).unwrap());
    round(
        anchors(&tee),
        endorsements,
        quotes.collect(),
        parse,
        programs,
    )
}

fn tdx(format: TdxFormat, programs: Programs) -> Round {
    let tee = SoftwareTee::generate(NOW).unwrap();
    let endorsements = Endorsements {
        intel: Some(Arc::new(tee.tdx_endorsements(NOW).unwrap())),
        amd: None,
    };
    let quotes = numbers(programs).map(|(program, request)| {
        let identity = software_tdx_identity([program; 48]);
        let spec = TdxQuoteSpec::new(identity, [request; 64]).with_format(format);
        tee.tdx_quote_of(&spec).unwrap()
    });
    let parse = |bytes: &Vec<u8>| Evidence::Tdx(TdxQuote::parse(bytes).unwrap());
    round(
        anchors(&tee),
        endorsements,
        quotes.collect(),
        parse,
        programs,
    )
}

/// Processors of one generation, under one root: as many as there are programs.
fn processors(programs: Programs) -> Vec<SoftwareSnp> {
    let count = match programs {
        Programs::Same => 1,
        Programs::Other => 64,
    };
    let make = |number| {
        let platform = SnpSoftwarePlatform::numbered(SnpProduct::Milan, number);
        SoftwareSnp::generate_platform(platform, NOW).unwrap()
    };
    (0..count).map(make).collect()
}

/// The processor of each piece, what it is to say, and the request.
fn guests(
    processors: &[SoftwareSnp],
    programs: Programs,
) -> impl Iterator<Item = (&SoftwareSnp, SnpIdentity, u8)> {
    numbers(programs)
        .zip(processors.iter().cycle())
        .map(|((program, request), processor)| {
            let identity = software_snp_identity(Digest::from([program; 48]));
            (processor, identity, request)
        })
}

/// A root and a revocation list for all of them.
fn of_amd(processors: &[SoftwareSnp]) -> (TrustAnchors, Endorsements) {
    let first = processors.first().unwrap();
    let endorsements = Endorsements {
        intel: None,
        amd: Some(Arc::new(first.endorsements(NOW).unwrap())),
    };
    let anchors = TrustAnchors::vendors().dangerous_with_amd(vec![first.anchor()]);
    (anchors, endorsements)
}

fn snp(programs: Programs) -> Round {
    let processors = processors(programs);
    let (anchors, endorsements) = of_amd(&processors);
    let reports = guests(&processors, programs).map(|(processor, identity, request)| {
        let spec = ReportSpec::new(identity, [request; 64]);
        let chain = processor.chain_pem(SnpSigner::Vcek);
        (processor.report(&spec).unwrap(), chain)
    });
    let parse = |(report, chain): &(Vec<u8>, String)| {
        Evidence::Snp(SnpEvidence::parse(report, Some(chain.as_bytes())).unwrap())
    };
    round(anchors, endorsements, reports.collect(), parse, programs)
}

fn aci(programs: Programs) -> Round {
    let processors = processors(programs);
    let (anchors, endorsements) = of_amd(&processors);
    let issuer = SoftwareUvmIssuer::generate(NOW).unwrap();
    let anchors = anchors.dangerous_with_uvm_issuers(vec![issuer.did()]);
    let policy = software_policy("/app");
    let groups = guests(&processors, programs).map(|(processor, identity, request)| {
        let group = issuer.group(processor, &identity, policy.as_bytes(), [request; 64]);
        group.unwrap()
    });
    let parse = |group: &GroupEvidence| {
        let vek = Some(group.vek.as_bytes());
        let group = AciEvidence::parse(&group.report, vek, &group.policy, &group.uvm);
        Evidence::Aci(group.unwrap())
    };
    round(anchors, endorsements, groups.collect(), parse, programs)
}

fn azure_snp(programs: Programs) -> Round {
    let processors = processors(programs);
    let (anchors, endorsements) = of_amd(&processors);
    let vtpm = SoftwareVtpm::generate(NOW).unwrap();
    let anchors = anchors.dangerous_with_azure_vtpm_root(vtpm.root_der().to_vec());
    let machines = guests(&processors, programs).map(|(processor, identity, request)| {
        vtpm.on_snp(processor, &identity, &[request; 32]).unwrap()
    });
    round(
        anchors,
        endorsements,
        machines.collect(),
        parse_machine,
        programs,
    )
}

fn azure_tdx(programs: Programs) -> Round {
    let tee = SoftwareTee::generate(NOW).unwrap();
    let endorsements = Endorsements {
        intel: Some(Arc::new(tee.tdx_endorsements(NOW).unwrap())),
        amd: None,
    };
    let vtpm = SoftwareVtpm::generate(NOW).unwrap();
    let anchors = anchors(&tee).dangerous_with_azure_vtpm_root(vtpm.root_der().to_vec());
    let machines = numbers(programs).map(|(program, request)| {
        let identity = software_tdx_identity([program; 48]);
        vtpm.on_tdx(&tee, &identity, &[request; 32]).unwrap()
    });
    round(
        anchors,
        endorsements,
        machines.collect(),
        parse_machine,
        programs,
    )
}

fn parse_machine(machine: &MachineEvidence) -> Evidence {
    Evidence::AzureVm(AzureVmEvidence::parse(&machine.parts()).unwrap())
}

/// Of what a token speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Subject {
    Enclave,
    Guest,
    Domain,
    Machine,
}

/// The same token again and again, read, verified and bound to its request; nothing of it is remembered.
fn token(subject: Subject) -> Round {
    let maa = SoftwareMaa::generate("https://maa.example".parse().unwrap(), NOW).unwrap();
    let keys = MaaKeys::parse(maa.jwks(JwksShape::WithNumbers).as_bytes()).unwrap();
    let trust = MaaTrust {
        issuer: maa.url().clone(),
        min_rsa_bits: 2048,
        clock_skew: Seconds(60),
        max_age: Seconds(600),
        signer: SignerDemand::Any,
    };
    let runtime = RuntimeData::new(
        KeyHash::of_spki(b"server"),
        "ns/app/web".parse().unwrap(),
        Nonce::from_bytes(vec![1; 32]).unwrap(),
        KemPublicKey::from_bytes(Kem::XWing, vec![9; 1216]).unwrap(),
    );
    let report_data = *runtime.report_data().as_bytes();
    let spec = match subject {
        Subject::Enclave => {
            let enclave = software_identity(MrEnclave::from([1; 32]));
            let claim = RuntimeClaim::Json(runtime.as_bytes().to_vec());
            TokenSpec::sgx(enclave, report_data, NOW).with_runtime(claim)
        }
        Subject::Guest => {
            let guest = SnpToken {
                identity: software_snp_identity(Digest::from([1; 48])),
                platform: platform(),
                compliance: None,
            };
            let claim = RuntimeClaim::Json(runtime.as_bytes().to_vec());
            TokenSpec::snp(guest, report_data, NOW).with_runtime(claim)
        }
        Subject::Domain => {
            let domain = TdxToken {
                identity: software_tdx_identity([1; 48]),
                status: TcbStatus::UpToDate,
                advisories: Vec::new(),
                compliance: None,
            };
            let claim = RuntimeClaim::Json(runtime.as_bytes().to_vec());
            TokenSpec::tdx(domain, report_data, NOW).with_runtime(claim)
        }
        Subject::Machine => TokenSpec::azure_vm(machine(&report_data), NOW),
    };
    let text = maa.token(&spec).unwrap();
    let appraiser = Appraiser::new(TrustAnchors::vendors());
    Box::new(move || {
        for _ in 0..ROUND {
            let token = MaaToken::parse(black_box(&text)).unwrap();
            let runtime = runtime.clone();
            let appraised = appraiser.appraise_token(&token, runtime, &keys, &trust, NOW);
            black_box(appraised.expect("it is valid"));
        }
    })
}

fn machine(user_data: &[u8; 64]) -> AzureVmToken {
    let digits: String = user_data.iter().map(|byte| format!("{byte:02X}")).collect();
    let data = format!(r#"{{"keys":[],"user-data":"{digits}","vm-configuration":{{}}}}"#);
    AzureVmToken {
        tee: Some(AzureVmTee::Tdx(Box::new(software_tdx_identity([1; 48])))),
        platform: platform(),
        compliance: Some("azure-compliant-cvm".to_owned()),
        paravisor_data: data.into_bytes(),
        secure_boot: true,
        vm_id: "2DEDC52A".to_owned(),
        pcrs: vec![0, 1, 2, 3, 4, 5, 6, 7],
        payload_nonce: None,
    }
}

/// One of which the token states the levels alone.
const fn platform() -> SnpPlatform {
    SnpPlatform {
        product: None,
        reported_tcb: SnpTcb {
            fmc: None,
            bootloader: 0,
            tee: 0,
            snp: 0,
            microcode: 0,
        },
        chip_id: None,
        signer: None,
        revocation_judged: false,
    }
}

/// A round over these pieces; what was verified is forgotten before each round where the programs are to be others.
fn round<E: 'static>(
    anchors: TrustAnchors,
    endorsements: Endorsements,
    evidence: Vec<E>,
    parse: fn(&E) -> Evidence,
    programs: Programs,
) -> Round {
    let mut appraiser = Appraiser::new(anchors.clone());
    Box::new(move || {
        if programs == Programs::Other {
            appraiser = Appraiser::new(anchors.clone());
        }
        for piece in &evidence {
            let verdict = appraiser.verify(&parse(black_box(piece)), &endorsements, NOW);
            black_box(verdict.expect("it is valid"));
        }
    })
}

/// Program and request of each piece of a round.
fn numbers(programs: Programs) -> impl Iterator<Item = (u8, u8)> {
    (0..64).map(move |number| match programs {
        Programs::Same => (1, number),
        Programs::Other => (number, number),
    })
}

fn anchors(tee: &SoftwareTee) -> TrustAnchors {
    TrustAnchors::vendors().dangerous_with_sgx_root(tee.root_der().to_vec())
}

const ROUND: u64 = 64;
const NS_PER_S: u64 = 1_000_000_000;
const NOW: Timestamp = Timestamp::from_unix_s(1_795_478_400);
