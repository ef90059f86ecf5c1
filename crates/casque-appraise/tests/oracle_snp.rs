//! Differential test of reports of SEV-SNP: this crate against `sev` 8, used plainly (chain and report, as its
//! documentation shows). 10,000 reports, real and of the software TEE, mutated by a seeded generator; those of the
//! software TEE mostly signed again, so that what comes behind the signature is compared too.
//!
//! No input may be accepted here and refused there. Where it is the other way round, the reason must be one of
//! [`STRICTER`]: checks that `sev` leaves to its caller.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::arithmetic_side_effects,
    reason = "the functions that tests call are tests"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use casque_appraise::{
    AppraiseError, Appraiser, Endorsements, Evidence, EvidenceParseError, SnpAppraiseError,
    SnpEvidence, TrustAnchors,
};
use casque_testkit::snp::{ReportSpec, SnpSoftwarePlatform, SoftwareSnp, software_snp_identity};
use casque_types::{SnpProduct, SnpSigner, Timestamp};
use sev::certs::snp::{Certificate, Chain, Verifiable, ca};
use sev::firmware::guest::AttestationReport;
use sev::parser::ByteParser as _;

const ROUNDS: usize = 10_000;
const NOW: Timestamp = Timestamp::from_unix_s(1_760_000_000);
const SIGNED_BYTES: usize = 0x2A0;

/// What is refused here and accepted there, and why.
const STRICTER: [(&str, &str); 12] = [
    (
        DROPPED,
        "`sev` hashes the report without reserved bytes of levels: changing them is not seen",
    ),
    (
        "malformed: version",
        "`sev` reads every version above 5 as 5",
    ),
    (
        "malformed: signature algorithm",
        "`sev` does not look at SIGNATURE_ALGO",
    ),
    ("malformed: privilege level", "`sev` does not look at VMPL"),
    (
        LONG_SIGNATURE,
        "`sev` drops the upper 24 bytes of r and s, and what is behind them",
    ),
    (
        "malformed: certificate",
        "`sev` does not read AMD's extensions",
    ),
    ("snp-unsigned", "`sev` does not look at SIGNING_KEY"),
    (
        "snp-signer",
        "`sev` does not compare SIGNING_KEY with the certificate",
    ),
    (
        "snp-product",
        "`sev` does not compare CPUID with the certificate",
    ),
    (
        "snp-tcb",
        "`sev` does not compare the TCB with the certificate",
    ),
    (
        "snp-chip",
        "`sev` does not compare CHIP_ID with the certificate",
    ),
    (
        "snp-chip-masked",
        "`sev` does not compare CHIP_ID with the certificate",
    ),
];

/// The signature does not go over the bytes as they are, but over those that `sev` would write.
const DROPPED: &str = "snp-signature over other bytes";
/// Bytes where nobody signs, and nothing may stand.
const LONG_SIGNATURE: &str = "snp-signature too long";

/// One report to start from, with everything that it is judged by.
struct Base {
    name: String,
    report: Vec<u8>,
    vek: Vec<u8>,
    ark: Vec<u8>,
    ask: Vec<u8>,
    /// Who can sign again.
    tee: Option<(usize, SnpSigner)>,
}

struct Bases {
    all: Vec<Base>,
    tees: Vec<SoftwareSnp>,
    real: Appraiser,
    software: Appraiser,
}

impl Bases {
    fn collect() -> Self {
        let tees: Vec<_> = SnpProduct::ALL
            .into_iter()
            .map(|product| SoftwareSnp::generate(product, NOW).unwrap())
            .collect();
        let mut all = real_bases();
        for (at, tee) in tees.iter().enumerate() {
            for version in 2..=5 {
                all.push(software_base(tee, at, version, SnpSigner::Vcek));
            }
            for version in 3..=5 {
                all.push(software_base(tee, at, version, SnpSigner::Vlek));
            }
        }
        let anchors = tees.iter().map(SoftwareSnp::anchor).collect();
        Self {
            all,
            tees,
            real: Appraiser::new(TrustAnchors::vendors()),
            software: Appraiser::new(TrustAnchors::vendors().dangerous_with_amd(anchors)),
        }
    }
}

fn software_base(tee: &SoftwareSnp, at: usize, version: u32, signer: SnpSigner) -> Base {
    let identity = software_snp_identity([0x42; 48].into());
    let spec = ReportSpec::new(identity, [7; 64])
        .of_version(version)
        .signed_by(signer);
    let anchor = tee.anchor();
    Base {
        name: format!("{} {signer} v{version}", tee.platform().product),
        report: tee.report(&spec).unwrap(),
        vek: tee.certificate(signer).to_vec(),
        ark: anchor.ark,
        ask: match signer {
            SnpSigner::Vcek => anchor.ask,
            SnpSigner::Vlek => anchor.asvk,
        },
        tee: Some((at, signer)),
    }
}

fn real_bases() -> Vec<Base> {
    let root = std::env::var_os("CASQUE_VECTORS").map_or_else(
        || {
            PathBuf::from(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../../../shared/vectors"
            ))
        },
        PathBuf::from,
    );
    let milan = [
        ("google-attestation.bin", "google-vcek.testcer"),
        ("trustee-test-report.bin", "trustee-test-vcek.der"),
    ];
    let anchor = |name: &str| {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/anchors/amd");
        fs::read(format!("{folder}/{name}.der")).unwrap()
    };
    let read = |(report, vek): (&str, &str)| {
        let folder = root.join("evidence/snp");
        let both = (fs::read(folder.join(report)), fs::read(folder.join(vek)));
        let (Ok(report_bytes), Ok(vek)) = both else {
            println!("skipped: no vector {report}");
            return None;
        };
        Some(Base {
            name: report.to_owned(),
            report: report_bytes,
            vek,
            ark: anchor("milan-ark"),
            ask: anchor("milan-ask"),
            tee: None,
        })
    };
    milan.into_iter().filter_map(read).collect()
}

/// xorshift64*: the same sequence in every run.
struct Seeded(u64);

impl Seeded {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit).unwrap()).unwrap()
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[7]
    }
}

/// The places of fields that are read: a mutation hits one of them as often as any other place.
const FIELDS: [(usize, usize); 14] = [
    (0x00, 4),
    (0x04, 4),
    (0x08, 8),
    (0x30, 4),
    (0x34, 4),
    (0x38, 8),
    (0x40, 8),
    (0x48, 4),
    (0x90, 48),
    (0x180, 8),
    (0x188, 3),
    (0x1A0, 64),
    (0x1E0, 24),
    (0x1F8, 16),
];

fn mutate(report: &mut [u8], seeded: &mut Seeded) {
    for _ in 0..=seeded.below(2) {
        match seeded.below(5) {
            0 => report[seeded.below(1184)] ^= 1 << seeded.below(8),
            1 => report[seeded.below(SIGNED_BYTES)] = seeded.byte(),
            2 => {
                let (at, length) = FIELDS[seeded.below(FIELDS.len())];
                let fill = [0x00, 0xFF, 0x01][seeded.below(3)];
                report[at..at + length].fill(fill);
            }
            3 => {
                let (at, length) = FIELDS[seeded.below(FIELDS.len())];
                report[at + seeded.below(length)] ^= 1 << seeded.below(8);
            }
            _ => {
                let (at, _) = FIELDS[seeded.below(FIELDS.len())];
                report[at] = u8::try_from(seeded.below(8)).unwrap();
            }
        }
    }
}

/// `sev`, plainly: the chain, and the report under it.
fn judge_plainly(base: &Base, report: &[u8], vek: &[u8]) -> Result<(), String> {
    let text = |error: std::io::Error| error.to_string();
    let chain = Chain {
        ca: ca::Chain {
            ark: Certificate::from_der(&base.ark).map_err(text)?,
            ask: Certificate::from_der(&base.ask).map_err(text)?,
        },
        vek: Certificate::from_der(vek).map_err(text)?,
    };
    let parsed = AttestationReport::from_bytes(report).map_err(|error| error.to_string())?;
    (&chain, &parsed).verify().map_err(text)
}

/// This crate; the error is a stable name of the reason.
fn judge(appraiser: &Appraiser, report: &[u8], vek: &[u8]) -> Result<(), String> {
    let named = |error: EvidenceParseError| {
        let text = error.to_string();
        let part = [
            ("version 2 to 5", "version"),
            ("signature algorithm 1", "signature algorithm"),
            ("privilege level", "privilege level"),
            ("certificate", "certificate"),
        ];
        let part = part.into_iter().find(|(words, _)| text.contains(words));
        format!(
            "malformed: {}",
            part.map_or(text.as_str(), |(_, name)| name)
        )
    };
    let evidence = SnpEvidence::parse(report, Some(vek)).map_err(named)?;
    let evidence = Evidence::Snp(evidence);
    match appraiser.verify(&evidence, &Endorsements::default(), NOW) {
        Ok(_) => Ok(()),
        Err(AppraiseError::Snp(SnpAppraiseError::Layout { source })) => Err(named(source)),
        Err(AppraiseError::Snp(error)) => Err(error.code().to_owned()),
        Err(other) => panic!("{other}"),
    }
}

/// Clears what `sev` refuses or drops: bytes that are reserved in the report's version, as it says it is.
fn clear_reserved(report: &mut [u8]) {
    let version = u32::from_le_bytes(report[..4].try_into().unwrap());
    report[0x4C..0x50].fill(0);
    report[if version == 2 { 0x188 } else { 0x18B }..0x1A0].fill(0);
    report[0x1EB] = 0;
    report[0x1EF] = 0;
    report[if version < 5 { 0x1F8 } else { 0x208 }..SIGNED_BYTES].fill(0);
    // Inside of levels it is only dropped.
    if let Ok(parsed) = AttestationReport::from_bytes(report)
        && let Ok(canonical) = parsed.to_bytes()
    {
        report[..SIGNED_BYTES].copy_from_slice(&canonical[..SIGNED_BYTES]);
    }
}

/// The reason, with the two cases of a wrong signature that `sev` does not see told apart.
fn told(reason: &str, report: &[u8]) -> String {
    let rewritten = AttestationReport::from_bytes(report).and_then(|parsed| parsed.to_bytes());
    let dropped = rewritten.is_ok_and(|own| own[..SIGNED_BYTES] != report[..SIGNED_BYTES]);
    let (r, s) = report[SIGNED_BYTES..].split_at(72);
    let is_long = r[48..].iter().chain(&s[48..]).any(|byte| *byte != 0);
    match reason {
        "snp-signature" if is_long => LONG_SIGNATURE.to_owned(),
        "snp-signature" if dropped => DROPPED.to_owned(),
        other => other.to_owned(),
    }
}

#[test]
fn ten_thousand_mutated_reports_are_accepted_here_only_if_there() {
    let bases = Bases::collect();
    let mut seeded = Seeded(0xCA5C_0E01);
    let mut counted: BTreeMap<(String, String), usize> = BTreeMap::new();
    for round in 0..ROUNDS {
        let base = &bases.all[seeded.below(bases.all.len())];
        let mut report = base.report.clone();
        let mut vek = base.vek.clone();
        match seeded.below(16) {
            0 => {
                let at = seeded.below(vek.len());
                vek[at] ^= 1 << seeded.below(8);
            }
            1 => vek.clone_from(&bases.all[seeded.below(bases.all.len())].vek),
            2 => {} // as it is
            _ => mutate(&mut report, &mut seeded),
        }
        if let Some((tee, signer)) = base.tee
            && seeded.below(8) != 0
        {
            // Reserved bytes have their own test below.
            clear_reserved(&mut report);
            bases.tees[tee].sign_again(&mut report, signer).unwrap();
            if seeded.below(32) == 0 {
                report[SIGNED_BYTES + 48 + seeded.below(24)] ^= 1;
            }
        }
        let appraiser = match base.tee {
            Some(_) => &bases.software,
            None => &bases.real,
        };
        let (here, there) = (
            judge(appraiser, &report, &vek),
            judge_plainly(base, &report, &vek),
        );
        let class = match (&here, &there) {
            (Ok(()), Err(error)) => {
                panic!(
                    "round {round}, {}: accepted here, refused by `sev`: {error}",
                    base.name
                )
            }
            (Ok(()), Ok(())) => ("accepted by both".to_owned(), String::new()),
            (Err(_), Err(_)) => ("refused by both".to_owned(), String::new()),
            (Err(reason), Ok(())) => {
                let reason = &told(reason, &report);
                let known = STRICTER.iter().find(|(name, _)| name == reason);
                let Some((_, why)) = known else {
                    panic!("round {round}, {}: refused here alone: {reason}", base.name)
                };
                (reason.clone(), (*why).to_owned())
            }
        };
        *counted.entry(class).or_default() += 1;
    }
    for ((class, why), count) in &counted {
        println!("{count:6} {class} {why}");
    }
    let accepted = counted.get(&("accepted by both".to_owned(), String::new()));
    assert!(accepted.is_some_and(|count| *count > ROUNDS / 10));
}

#[test]
fn reports_as_they_are_are_accepted_by_both() {
    let bases = Bases::collect();
    for base in &bases.all {
        let appraiser = match base.tee {
            Some(_) => &bases.software,
            None => &bases.real,
        };
        let name = &base.name;
        assert_eq!(judge(appraiser, &base.report, &base.vek), Ok(()), "{name}");
        assert_eq!(
            judge_plainly(base, &base.report, &base.vek),
            Ok(()),
            "{name}"
        );
    }
}

/// The one way in which `sev` is stricter, and why it is not followed: it refuses or drops bytes that are reserved
/// in the version that it knows, and so genuine reports of firmware that gives one a meaning. They are signed.
#[test]
fn reserved_bytes_that_are_signed_are_refused_by_sev_alone() {
    let platform = SnpSoftwarePlatform::of(SnpProduct::Milan);
    let tee = SoftwareSnp::generate_platform(platform, NOW).unwrap();
    let base = software_base(&tee, 0, 3, SnpSigner::Vcek);
    let anchors = TrustAnchors::vendors().dangerous_with_amd(vec![tee.anchor()]);
    let appraiser = Appraiser::new(anchors);
    for at in [0x4C, 0x184, 0x18B, 0x1EB, 0x200, 0x29F] {
        let mut report = base.report.clone();
        report[at] = 1;
        tee.sign_again(&mut report, SnpSigner::Vcek).unwrap();
        assert_eq!(judge(&appraiser, &report, &base.vek), Ok(()), "{at:#x}");
        assert!(judge_plainly(&base, &report, &base.vek).is_err(), "{at:#x}");
        clear_reserved(&mut report);
        tee.sign_again(&mut report, SnpSigner::Vcek).unwrap();
        assert_eq!(judge_plainly(&base, &report, &base.vek), Ok(()), "{at:#x}");
    }
}

/// Nobody may write behind the signature, where nobody signs; `sev` does not look there.
#[test]
fn bytes_behind_the_signature_are_refused_here_alone() {
    let platform = SnpSoftwarePlatform::of(SnpProduct::Milan);
    let tee = SoftwareSnp::generate_platform(platform, NOW).unwrap();
    let base = software_base(&tee, 0, 3, SnpSigner::Vcek);
    let anchors = TrustAnchors::vendors().dangerous_with_amd(vec![tee.anchor()]);
    let appraiser = Appraiser::new(anchors);
    for at in SIGNED_BYTES + 144..1184 {
        let mut report = base.report.clone();
        report[at] = 1;
        let refused = judge(&appraiser, &report, &base.vek).unwrap_err();
        assert_eq!(told(&refused, &report), LONG_SIGNATURE, "{at:#x}");
        assert_eq!(judge_plainly(&base, &report, &base.vek), Ok(()), "{at:#x}");
    }
}

#[test]
fn built_in_roots_are_those_of_sev() {
    use sev::certs::snp::builtin::{genoa, milan, turin};
    let own = |name: &str| {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/anchors/amd");
        fs::read(format!("{folder}/{name}.der")).unwrap()
    };
    let der = |certificate: std::io::Result<Certificate>| certificate.unwrap().to_der().unwrap();
    assert_eq!(own("milan-ark"), der(milan::ark()));
    assert_eq!(own("milan-ask"), der(milan::ask()));
    assert_eq!(own("genoa-ark"), der(genoa::ark()));
    assert_eq!(own("genoa-ask"), der(genoa::ask()));
    assert_eq!(own("turin-ark"), der(turin::ark()));
    assert_eq!(own("turin-ask"), der(turin::ask()));
}
