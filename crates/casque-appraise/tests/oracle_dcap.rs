//! Casque beside `dcap-qvl` used plainly, over 10,000 mutations of real and synthetic quotes of SGX and TDX:
//! Casque accepts nothing that it refuses, says the same status and advisories, and what it refuses beyond is
//! explained one by one.
//!
//! "Plainly" is `QuoteVerifier::verify` over the bytes as they came, with debug let pass, as Casque lets it pass to the
//! policy. Casque is asked with nothing in memory, and with everything that was verified before.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "the functions that tests call are tests"
)]

mod intel_vectors;

use std::collections::BTreeMap;
use std::sync::Arc;

use casque_appraise::{
    AppraiseError, Appraiser, Endorsements, Evidence, EvidenceParseError, IntelEndorsements,
    IntelTee, SgxQuote, TdxQuote, TrustAnchors,
};
use casque_testkit::sgx::{QuoteSpec, SoftwareTee, software_identity};
use casque_testkit::tdx::{TdxFormat, TdxQuoteSpec, software_tdx_identity};
use casque_types::{Digest, Timestamp};
use dcap_qvl::QuoteCollateralV3;
use dcap_qvl::verify::QuoteVerifier;
use intel_vectors::{endorsements, vector};

const NOW: Timestamp = Timestamp::from_unix_s(1_795_500_000);
const MUTATIONS: u64 = 10_000;

/// What is mutated, and how it is judged.
struct Subject {
    tee: IntelTee,
    quote: Vec<u8>,
    endorsements: Endorsements,
    collateral: QuoteCollateralV3,
    anchors: TrustAnchors,
    root: Option<Vec<u8>>,
    now: Timestamp,
    warm: Appraiser,
}

/// What one verifier says: status and advisories, or why not.
type Answer<E> = Result<(String, Vec<String>), E>;

impl Subject {
    fn new(
        tee: IntelTee,
        quote: Vec<u8>,
        intel: Arc<IntelEndorsements>,
        root: Option<Vec<u8>>,
        now: Timestamp,
    ) -> Self {
        let anchors = root.clone().map_or_else(TrustAnchors::vendors, |root| {
            TrustAnchors::vendors().dangerous_with_sgx_root(root)
        });
        let subject = Self {
            tee,
            quote,
            collateral: collateral(&intel),
            endorsements: Endorsements {
                intel: Some(intel),
                amd: None,
            },
            warm: Appraiser::new(anchors.clone()),
            anchors,
            root,
            now,
        };
        let warmed = subject.casque(&subject.warm, &subject.quote);
        assert_eq!(warmed.is_ok(), subject.plain(&subject.quote).is_ok());
        subject
    }

    fn casque(&self, appraiser: &Appraiser, bytes: &[u8]) -> Answer<AppraiseError> {
        let evidence = match self.tee {
            IntelTee::Sgx => Evidence::Sgx(SgxQuote::parse(bytes)?),
            IntelTee::Tdx => Evidence::Tdx(TdxQuote::parse(bytes)?),
        };
        let verdict = appraiser.verify(&evidence, &self.endorsements, self.now)?;
        let advisories = verdict.tcb().advisories.iter();
        let advisories = advisories.map(ToString::to_string).collect();
        Ok((verdict.tcb().status.to_string(), advisories))
    }

    fn plain(&self, bytes: &[u8]) -> Answer<String> {
        let verifier = self
            .root
            .clone()
            .map_or_else(QuoteVerifier::new_prod, QuoteVerifier::new);
        let report = verifier
            .allow_debug(true)
            .verify(bytes, &self.collateral, self.now.as_unix_s())
            .map_err(|error| format!("{error:#}"))?;
        let mut advisories = report.advisory_ids;
        advisories.sort_unstable();
        Ok((report.status, advisories))
    }
}

fn collateral(of: &IntelEndorsements) -> QuoteCollateralV3 {
    QuoteCollateralV3 {
        pck_crl_issuer_chain: of.pck_crl_issuer_chain.clone(),
        root_ca_crl: of.root_ca_crl.clone(),
        pck_crl: of.pck_crl.clone(),
        tcb_info_issuer_chain: of.tcb_info_issuer_chain.clone(),
        tcb_info: of.tcb_info.clone(),
        tcb_info_signature: of.tcb_info_signature.clone(),
        qe_identity_issuer_chain: of.qe_identity_issuer_chain.clone(),
        qe_identity: of.qe_identity.clone(),
        qe_identity_signature: of.qe_identity_signature.clone(),
        pck_certificate_chain: None,
    }
}

/// Quotes that are there: real ones with their endorsements and time, if the vectors are, and one of each format.
fn subjects(tee: &SoftwareTee) -> Vec<Subject> {
    let real = REAL.iter().filter_map(|&(kind, quote, set, now)| {
        let now = Timestamp::from_unix_s(now);
        let (quote, set) = (vector(quote)?, endorsements(set)?);
        Some(Subject::new(kind, quote, set, None, now))
    });
    real.chain(synthetic(tee)).collect()
}

fn synthetic(tee: &SoftwareTee) -> Vec<Subject> {
    let root = || Some(tee.root_der().to_vec());
    let sgx = tee.quote(&software_identity([1; 32].into()), &[7; 64]);
    let set = Arc::new(tee.endorsements(NOW).unwrap());
    let sgx = Subject::new(IntelTee::Sgx, sgx.unwrap(), set, root(), NOW);
    let set = Arc::new(tee.tdx_endorsements(NOW).unwrap());
    let tdx = TdxFormat::ALL.map(|format| {
        let spec = TdxQuoteSpec::new(software_tdx_identity([1; 48]), [7; 64]);
        let quote = tee.tdx_quote_of(&spec.with_format(format)).unwrap();
        Subject::new(IntelTee::Tdx, quote, Arc::clone(&set), root(), NOW)
    });
    [sgx].into_iter().chain(tdx).collect()
}

const REAL: &[(IntelTee, &str, &str, u64)] = &[
    (
        IntelTee::Sgx,
        "sgx-dcap/phala-sgx_quote.bin",
        "sgx-dcap/phala-sgx_quote_collateral.json",
        1_750_334_171,
    ),
    (
        IntelTee::Tdx,
        "tdx-dcap/phala-tdx_quote.bin",
        "tdx-dcap/phala-tdx_quote_collateral.json",
        1_750_332_747,
    ),
    (
        IntelTee::Tdx,
        "tdx-dcap/phala-tdx_quote_outdated.bin",
        "tdx-dcap/phala-tdx_quote_outdated_collateral.json",
        1_771_415_931,
    ),
    (
        IntelTee::Tdx,
        "tdx-dcap/cos-113-tdx-quote.dat",
        "tdx-dcap/collateral_00806f050000.dcap-qvl.json",
        1_739_422_241,
    ),
    (
        IntelTee::Tdx,
        "tdx-dcap/trustee-tdx_quote_4.dat",
        "tdx-dcap/collateral_50806f000000.dcap-qvl.json",
        1_687_081_378,
    ),
    (
        IntelTee::Tdx,
        "azure-tdx-vtpm/azure-tdx-1764662251380464271.tdquote.bin",
        "azure-tdx-vtpm/azure-collateral02.dcap-qvl.json",
        1_771_423_480,
    ),
];

#[test]
fn casque_accepts_nothing_that_the_plain_verifier_refuses() {
    let tee = SoftwareTee::generate(NOW).unwrap();
    let subjects = subjects(&tee);
    let mut random = Random(0x000c_a5c0_e000_0004);
    let mut tally: BTreeMap<&'static str, u64> = BTreeMap::new();
    for number in 0..MUTATIONS {
        let subject = random.pick(&subjects);
        let (bytes, how) = if subject.root.is_some() && number % 4 == 0 {
            (resigned(&tee, subject.tee, &mut random), "signed again")
        } else {
            let other = &random.pick(&subjects).quote;
            mutated(&subject.quote, other, &mut random)
        };
        let outcome = compare(subject, &bytes, how);
        let count = tally.entry(outcome).or_default();
        *count = count.saturating_add(1);
    }
    println!("{tally:#?}");
    // The test would say nothing if one side of it were empty.
    assert!(tally["both accept"] > 500 && tally["both refuse"] > 3000);
    assert!(
        tally
            .keys()
            .any(|outcome| outcome.starts_with("only Casque refuses"))
    );
}

/// Asks both of these bytes; what came of it.
fn compare(subject: &Subject, bytes: &[u8], how: &str) -> &'static str {
    let cold = subject.casque(&Appraiser::new(subject.anchors.clone()), bytes);
    let warm = subject.casque(&subject.warm, bytes);
    assert_eq!(cold, warm, "{how}");
    match (cold, subject.plain(bytes)) {
        (Ok(ours), Ok(theirs)) => {
            assert_eq!(ours, theirs, "{how}");
            "both accept"
        }
        (Err(_), Err(_)) => "both refuse",
        (Ok(_), Err(theirs)) => panic!("{how}: only the plain verifier refuses: {theirs}"),
        (Err(ours), Ok(_)) => explained(subject.tee, bytes, &ours)
            .unwrap_or_else(|| panic!("{how}: only Casque refuses: {ours}")),
    }
}

/// Why Casque alone refuses, if the reason is one that is known and true of these bytes.
fn explained(tee: IntelTee, bytes: &[u8], error: &AppraiseError) -> Option<&'static str> {
    let expected = match error {
        AppraiseError::Evidence(EvidenceParseError::TooLong { .. }) => {
            let known = "only Casque refuses: over 16 KiB";
            return (bytes.len() > 16 * 1024).then_some(known);
        }
        AppraiseError::Evidence(EvidenceParseError::Malformed { expected, .. }) => *expected,
        // Behind the layout both judge alike; only texts of advisories are read here and handed on there, and no
        // mutation changes endorsements.
        _ => return None,
    };
    match (tee, expected) {
        (IntelTee::Sgx, "nothing after the signature data") => {
            Some("only Casque refuses: bytes behind an SGX quote")
        }
        (IntelTee::Tdx, "nothing but zeros after the signature data") => {
            let last = bytes.iter().rposition(|byte| *byte != 0)?;
            (last > 4000).then_some("only Casque refuses: bytes behind a TDX quote")
        }
        (_, "nothing after the PCK certificate chain") => {
            Some("only Casque refuses: bytes behind the certificates")
        }
        (IntelTee::Tdx, "nothing after the certification data") => {
            Some("only Casque refuses: bytes behind the certification data")
        }
        (IntelTee::Tdx, "certification data of type 6, the report of the quoting enclave") => {
            Some("only Casque refuses: outer certification data of another type")
        }
        _ => None,
    }
}

/// The quote with something changed, and what.
fn mutated(quote: &[u8], other: &[u8], random: &mut Random) -> (Vec<u8>, &'static str) {
    let mut bytes = quote.to_vec();
    let at = random.below(bytes.len());
    let how = match random.below(12) {
        0 => "as it is",
        1 | 2 => {
            bytes[at] ^= 1 << random.below(8);
            "a bit flipped"
        }
        3 => {
            let at = random.below(1100);
            bytes[at] = random.byte();
            "a byte before the certificates set"
        }
        4 => {
            bytes.truncate(at);
            "cut off"
        }
        5 => {
            let zeros = random.below(13_000);
            bytes.resize(bytes.len() + zeros, 0);
            "padded with zeros"
        }
        6 => {
            let more = random.below(64) + 1;
            bytes.extend((0..more).map(|_| random.byte()));
            "followed by bytes"
        }
        7 => {
            let end = (at + random.below(200)).min(bytes.len()).min(other.len());
            let begin = at.min(end);
            bytes[begin..end].copy_from_slice(&other[begin..end]);
            "a part of another quote's"
        }
        8 => {
            let end = (at + random.below(100)).min(bytes.len());
            bytes[at..end].fill(0);
            "a part zero"
        }
        9 => {
            grow_inside(&mut bytes, random);
            "a byte more in the signature data"
        }
        10 => {
            let at = outer_type_at(&bytes);
            bytes[at] = random.byte();
            "another type of certification data"
        }
        _ => {
            bytes.insert(at, random.byte());
            "a byte inserted"
        }
    };
    (bytes, how)
}

/// Where the signature data begin: behind header, body and their length.
fn signature_at(bytes: &[u8]) -> usize {
    match (bytes[0], bytes[48]) {
        (3, _) => 436,
        (4, _) => 636,
        (_, 2) => 642,
        (_, 3) => 706,
        _ => 943,
    }
}

fn outer_type_at(bytes: &[u8]) -> usize {
    signature_at(bytes) + 128
}

/// Puts a byte behind the last part of the signature data; their length counts it.
fn grow_inside(bytes: &mut Vec<u8>, random: &mut Random) {
    let at = signature_at(bytes);
    let length = u32::from_le_bytes(bytes[at - 4..at].try_into().unwrap());
    let end = at + usize::try_from(length).unwrap();
    bytes.insert(end, random.byte());
    bytes[at - 4..at].copy_from_slice(&(length + 1).to_le_bytes());
}

/// A quote that says something else, signed by the software TEE.
fn resigned(tee: &SoftwareTee, kind: IntelTee, random: &mut Random) -> Vec<u8> {
    let report_data = [random.byte(); 64];
    match kind {
        IntelTee::Sgx => {
            let mut identity = software_identity([random.byte(); 32].into());
            identity.debug = random.below(2) == 0;
            tee.quote_of(&QuoteSpec::new(identity, report_data))
                .unwrap()
        }
        IntelTee::Tdx => {
            let format = *random.pick(&TdxFormat::ALL);
            let identity = software_tdx_identity([random.byte(); 48]);
            let mut spec = TdxQuoteSpec::new(identity, report_data).with_format(format);
            let mut attributes = *spec.identity.td_attributes.as_bytes();
            if random.below(2) == 0 {
                attributes[random.below(8)] ^= 1 << random.below(8);
            }
            spec.identity.td_attributes = Digest::from(attributes);
            let mut versions = *spec.identity.tee_tcb_svn.as_bytes();
            if random.below(2) == 0 {
                versions[random.below(3)] = u8::try_from(random.below(8)).unwrap();
            }
            if random.below(2) == 0 {
                spec.tee_tcb_svn2 = Some(*spec.identity.tee_tcb_svn.as_bytes());
            }
            spec.identity.tee_tcb_svn = Digest::from(versions);
            if random.below(8) == 0 {
                spec.mr_service_td = [1; 48];
            }
            if random.below(8) == 0 {
                spec.identity.mr_signer_seam = Digest::from([1; 48]);
            }
            tee.tdx_quote_of(&spec).unwrap()
        }
    }
}

/// SplitMix64 (Steele, Lea, Flood, 2014): the same numbers each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap().max(1);
        usize::try_from(self.next() % end).unwrap()
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}
