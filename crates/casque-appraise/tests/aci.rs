//! Software groups of confidential containers: valid evidence is appraised, each bend is refused by its own error.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the functions that tests call are tests"
)]

use std::sync::LazyLock;

use assert_matches::assert_matches;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use casque_appraise::{
    AciAppraiseError, AciEvidence, AppraiseError, Appraiser, Bound, CertificateError, Endorsements,
    Evidence, EvidenceParseError, Identity, Scope, SnpAppraiseError, TrustAnchors, Verdict,
};
use casque_testkit::aci::{SoftwareUvmIssuer, UvmFlaw, UvmForm, UvmSpec, software_policy};
use casque_testkit::runtime_data as runtime;
use casque_testkit::snp::{
    ReportFlaw, ReportSpec, SnpSoftwarePlatform, SoftwareSnp, software_snp_identity,
};
use casque_types::{AciIdentity, Digest, Seconds, SnpProduct, SnpSigner, Timestamp, sha256};

const NOW: Timestamp = Timestamp::from_unix_s(1_795_500_000);
const A_YEAR: Seconds = Seconds(365 * 86_400);
const MEASUREMENT: [u8; 48] = [0x0C; 48];
static ISSUER: LazyLock<SoftwareUvmIssuer> =
    LazyLock::new(|| SoftwareUvmIssuer::generate(NOW).unwrap());
static MILAN: LazyLock<SoftwareSnp> =
    LazyLock::new(|| SoftwareSnp::generate(SnpProduct::Milan, NOW).unwrap());

/// A group, and what its evidence is made from.
struct World {
    report: ReportSpec,
    policy: Vec<u8>,
    uvm: UvmSpec,
    issuers: Vec<String>,
    now: Timestamp,
}

impl World {
    fn new() -> Self {
        Self::of_policy(software_policy("/app").as_bytes())
    }

    /// A group that was launched with this policy.
    fn of_policy(policy: &[u8]) -> Self {
        let mut identity = software_snp_identity(Digest::from(MEASUREMENT));
        identity.host_data = sha256(policy);
        Self {
            report: ReportSpec::new(identity, [7; 64]),
            policy: policy.to_vec(),
            uvm: UvmSpec::new(Digest::from(MEASUREMENT), NOW),
            issuers: vec![ISSUER.did()],
            now: NOW,
        }
    }

    fn evidence(&self) -> Result<AciEvidence, EvidenceParseError> {
        let report = MILAN.report(&self.report).unwrap();
        let chain = MILAN.chain_pem(SnpSigner::Vcek);
        let uvm = ISSUER.reference(&self.uvm).unwrap();
        AciEvidence::parse(&report, Some(chain.as_bytes()), &self.policy, &uvm)
    }

    fn appraiser(&self) -> Appraiser {
        Appraiser::new(
            TrustAnchors::vendors()
                .dangerous_with_amd(vec![MILAN.anchor()])
                .dangerous_with_uvm_issuers(self.issuers.clone()),
        )
    }

    fn verify(&self) -> Result<Verdict, AppraiseError> {
        let evidence = Evidence::Aci(self.evidence()?);
        self.appraiser()
            .verify(&evidence, &Endorsements::default(), self.now)
    }
}

fn refusal(bend: impl FnOnce(&mut World)) -> AciAppraiseError {
    let mut world = World::new();
    bend(&mut world);
    match world.verify().unwrap_err() {
        AppraiseError::Aci(refused) => refused,
        other => panic!("expected a refusal of the group, found {other}"),
    }
}

fn refusal_of(flaw: UvmFlaw) -> AciAppraiseError {
    refusal(|world| world.uvm = world.uvm.clone().with_flaw(flaw))
}

/// Why a reference is none.
fn malformation_of(flaw: UvmFlaw) -> &'static str {
    let mut world = World::new();
    world.uvm = world.uvm.clone().with_flaw(flaw);
    expected_in(&world.evidence().unwrap_err())
}

fn expected_in(malformation: &EvidenceParseError) -> &'static str {
    match malformation {
        EvidenceParseError::Malformed {
            kind: "UVM reference",
            expected,
        } => expected,
        other => panic!("expected a malformed reference, found {other}"),
    }
}

fn group(verdict: &Verdict) -> &AciIdentity {
    match verdict.identity() {
        Identity::Aci(group) => group,
        other => panic!("expected containers, found {other}"),
    }
}

// ---- what is appraised ----

#[test]
fn group_is_verified_in_every_form_of_its_reference() {
    for form in [UvmForm::Named, UvmForm::Claims, UvmForm::Envelope] {
        let mut world = World::new();
        world.uvm.form = form;
        let verdict = world.verify().unwrap();
        let group = group(&verdict);
        assert_eq!(group.snp.measurement, Digest::from(MEASUREMENT));
        assert_eq!(group.uvm.issuer, ISSUER.did());
        assert_eq!(group.uvm.feed, "Casque-Software-UVM");
        assert_eq!(group.uvm.svn, 100);
        assert!(!group.allows_all);
        assert_eq!(verdict.scope(), Scope::Pod);
        assert_eq!(*verdict.bound(), Bound::ReportData([7; 64]));
    }
}

#[test]
fn group_is_verified_with_its_policy_in_base64() {
    let mut world = World::new();
    let text = format!("{}\n", STANDARD.encode(&world.policy));
    world.policy = text.into_bytes();
    let verdict = world.verify().unwrap();
    assert!(!group(&verdict).allows_all);
}

#[test]
fn group_whose_policy_is_an_open_door_says_so() {
    let open = "package policy\napi_svn := \"0.10.0\"\nexec_external := {\"allowed\": true}\n";
    let verdict = World::of_policy(open.as_bytes()).verify().unwrap();
    assert!(group(&verdict).allows_all);
    let mut world = World::of_policy(open.as_bytes());
    world.policy = STANDARD.encode(open).into_bytes();
    assert!(group(&world.verify().unwrap()).allows_all);
}

#[test]
fn reference_is_good_for_longer_than_the_certificate_that_signed_it() {
    let mut world = World::new();
    world.now = NOW.plus(Seconds(2 * A_YEAR.0));
    world.verify().unwrap();
    // Without a time of signing, the beginning of the certificate's life counts.
    world.uvm.signed = None;
    world.verify().unwrap();
}

#[test]
fn group_of_the_software_tee_is_verified() {
    let identity = software_snp_identity(Digest::from(MEASUREMENT));
    let policy = software_policy("/app");
    let group = ISSUER.group(&MILAN, &identity, policy.as_bytes(), [7; 64]);
    let group = group.unwrap();
    let vek = Some(group.vek.as_bytes());
    let evidence = AciEvidence::parse(&group.report, vek, &group.policy, &group.uvm).unwrap();
    let evidence = Evidence::Aci(evidence);
    let appraiser = World::new().appraiser();
    appraiser
        .verify(&evidence, &Endorsements::default(), NOW)
        .unwrap();
}

// ---- the report and the policy ----

#[test]
fn group_whose_report_does_not_hold_is_refused_by_its_own_error() {
    let mut world = World::new();
    world.report = world.report.clone().with_flaw(ReportFlaw::Signature);
    let refused = world.verify();
    assert_matches!(
        refused,
        Err(AppraiseError::Snp(SnpAppraiseError::Signature))
    );
}

#[test]
fn group_with_another_policy_is_refused() {
    let other = software_policy("/bin/sh");
    let refused = refusal(|world| world.policy = other.clone().into_bytes());
    assert_matches!(refused, AciAppraiseError::PolicyDigest { found, .. }
        if found == sha256(other.as_bytes()));
}

#[test]
fn group_with_a_policy_that_is_too_long_is_no_evidence() {
    let mut world = World::new();
    world.policy.resize(1024 * 1024 + 1, b'#');
    assert_matches!(world.evidence(), Err(EvidenceParseError::TooLong { kind, .. })
        if kind == "policy of confidential containers");
}

#[test]
fn group_with_the_reference_of_another_measurement_is_refused() {
    let other = Digest::from([1; 48]);
    let refused = refusal(|world| world.uvm.measurement = other);
    let (reference, found) = (other, Digest::from(MEASUREMENT));
    assert_eq!(refused, AciAppraiseError::Measurement { reference, found });
}

// ---- the reference ----

#[test]
fn reference_of_a_stranger_is_refused() {
    let refused = refusal(|world| world.issuers = vec!["did:x509:0:sha256:x::eku:1.2".to_owned()]);
    let found = ISSUER.did();
    assert_eq!(refused, AciAppraiseError::Issuer { found });
}

#[test]
fn reference_of_a_stranger_is_refused_by_microsofts_identifiers() {
    let world = World::new();
    let anchors = TrustAnchors::vendors().dangerous_with_amd(vec![MILAN.anchor()]);
    let evidence = Evidence::Aci(world.evidence().unwrap());
    let refused = Appraiser::new(anchors).verify(&evidence, &Endorsements::default(), NOW);
    assert_eq!(refused.unwrap_err().code(), "aci-issuer");
}

#[test]
fn reference_whose_issuer_is_not_who_the_chain_says_is_refused() {
    let refused = refusal(|world| {
        world.uvm = world.uvm.clone().with_flaw(UvmFlaw::Fingerprint);
        world.issuers = vec![ISSUER.did_with_other_fingerprint()];
    });
    let issuer = ISSUER.did_with_other_fingerprint();
    assert_eq!(refused, AciAppraiseError::Fingerprint { issuer });
    let refused = refusal(|world| {
        world.uvm = world.uvm.clone().with_flaw(UvmFlaw::KeyUsage);
        world.issuers = vec![ISSUER.did_with_other_key_usage()];
    });
    let expected = "1.3.6.1.5.5.7.3.3".to_owned();
    assert_eq!(refused, AciAppraiseError::KeyUsage { expected });
}

#[test]
fn reference_whose_issuer_has_another_form_is_refused() {
    // Believed by name, and not one that can be checked against a chain.
    let refused = refusal(|world| {
        world.uvm = world.uvm.clone().with_flaw(UvmFlaw::Fingerprint);
        world.issuers = vec![ISSUER.did()];
    });
    assert_matches!(refused, AciAppraiseError::Issuer { .. });
}

#[test]
fn reference_that_was_changed_or_signed_by_another_key_is_refused() {
    for flaw in [UvmFlaw::Payload, UvmFlaw::Header, UvmFlaw::ForeignKey] {
        assert_eq!(refusal_of(flaw), AciAppraiseError::Signature, "{flaw:?}");
    }
}

#[test]
fn reference_whose_chain_does_not_hold_is_refused() {
    let chain = |flaw| match refusal_of(flaw) {
        AciAppraiseError::Chain { source } => source,
        other => panic!("expected a broken chain, found {other}"),
    };
    assert_matches!(chain(UvmFlaw::Leaf), CertificateError::Signature { .. });
    assert_matches!(
        chain(UvmFlaw::NoIntermediate),
        CertificateError::Issuer { .. }
    );
}

#[test]
fn reference_signed_outside_of_its_certificates_life_is_refused() {
    let at = |signed| {
        refusal(|world| {
            world.uvm.signed = Some(signed);
            world.now = NOW.plus(Seconds(3 * A_YEAR.0));
        })
    };
    let late = at(NOW.plus(Seconds(2 * A_YEAR.0)));
    assert_matches!(
        late,
        AciAppraiseError::Chain {
            source: CertificateError::Expired { .. }
        }
    );
    let early = at(NOW.minus(A_YEAR));
    assert_matches!(
        early,
        AciAppraiseError::Chain {
            source: CertificateError::NotYetValid { .. }
        }
    );
}

#[test]
fn reference_from_the_future_is_refused() {
    let signed = NOW.plus(Seconds(3600));
    let refused = refusal(|world| world.uvm.signed = Some(signed));
    assert_eq!(refused, AciAppraiseError::SignedLater { signed, now: NOW });
}

#[test]
fn reference_in_another_frame_is_none() {
    for flaw in [UvmFlaw::NoTag, UvmFlaw::TrailingByte] {
        let found = malformation_of(flaw);
        assert!(found.starts_with("one `COSE_Sign1`"), "{flaw:?}: {found}");
    }
}

#[test]
fn reference_that_does_not_say_who_signed_it_is_refused() {
    let certificates = "2 to 5 certificates";
    let rows = [
        (UvmFlaw::Critical, UvmForm::Named, "no critical"),
        (UvmFlaw::Algorithm, UvmForm::Named, "the algorithm PS384"),
        (UvmFlaw::LeafAlone, UvmForm::Named, certificates),
        (UvmFlaw::TooMany, UvmForm::Named, certificates),
        (UvmFlaw::NoIssuer, UvmForm::Named, "an issuer"),
        (UvmFlaw::NoIssuer, UvmForm::Claims, "an issuer"),
    ];
    for (flaw, form, expected) in rows {
        let refused = refusal(|world| {
            world.uvm.form = form;
            world.uvm = world.uvm.clone().with_flaw(flaw);
        });
        let AciAppraiseError::Header { source } = refused else {
            panic!("{flaw:?}: expected a header that cannot be read, found {refused}");
        };
        let found = expected_in(&source);
        assert!(found.starts_with(expected), "{flaw:?}: {found}");
    }
}

#[test]
fn reference_that_states_something_else_is_refused_after_its_signature() {
    let rows = [
        (UvmFlaw::NoSvn, UvmForm::Named, "JSON with"),
        (UvmFlaw::MemberTwice, UvmForm::Named, "JSON with"),
        (UvmFlaw::SvnText, UvmForm::Named, "a version that is"),
        (UvmFlaw::TwoSvns, UvmForm::Claims, "one version"),
    ];
    for (flaw, form, expected) in rows {
        let refused = refusal(|world| {
            world.uvm.form = form;
            world.uvm = world.uvm.clone().with_flaw(flaw);
        });
        let AciAppraiseError::Payload { source } = refused else {
            panic!("{flaw:?}: expected a statement that cannot be read, found {refused}");
        };
        let found = expected_in(&source);
        assert!(found.starts_with(expected), "{flaw:?}: {found}");
    }
}

#[test]
fn reference_that_cannot_be_read_claims_nothing() {
    for flaw in [UvmFlaw::NoIssuer, UvmFlaw::NoSvn] {
        let mut world = World::new();
        world.uvm = world.uvm.clone().with_flaw(flaw);
        let evidence = world.evidence().unwrap();
        let uvm = evidence.claimed_identity().uvm;
        assert_eq!(
            (uvm.issuer.as_str(), uvm.feed.as_str(), uvm.svn),
            ("", "", 0)
        );
        let claims = evidence.claims();
        assert!(!claims.iter().any(|claim| claim.name.starts_with("uvm_")));
        assert!(claims.iter().any(|claim| claim.name == "policy_digest"));
    }
}

// ---- every byte ----

/// What comes of a group with one bit turned in a part.
fn code_of(appraiser: &Appraiser, parts: (&[u8], &[u8], &[u8]), now: Timestamp) -> &'static str {
    let (report, policy, uvm) = parts;
    let chain = MILAN.chain_pem(SnpSigner::Vcek);
    let evidence = match AciEvidence::parse(report, Some(chain.as_bytes()), policy, uvm) {
        Ok(evidence) => Evidence::Aci(evidence),
        Err(
            EvidenceParseError::Malformed { kind, .. } | EvidenceParseError::TooLong { kind, .. },
        ) => return kind,
    };
    drop((evidence.claims(), evidence.claimed_identity()));
    let verdict = appraiser.verify(&evidence, &Endorsements::default(), now);
    verdict.map_or_else(|refused| refused.code(), |_| "verified")
}

#[test]
fn every_byte_of_a_group_counts() {
    let world = World::new();
    let appraiser = world.appraiser();
    let report = MILAN.report(&world.report).unwrap();
    let uvm = ISSUER.reference(&world.uvm).unwrap();
    let policy = world.policy.clone();
    let base64 = STANDARD.encode(&policy).into_bytes();
    let code =
        |report: &[u8], policy: &[u8], uvm: &[u8]| code_of(&appraiser, (report, policy, uvm), NOW);
    for policy in [&policy, &base64] {
        assert_eq!(code(&report, policy, &uvm), "verified");
        for at in 0..policy.len() {
            let mut bent = policy.clone();
            bent[at] ^= 1 << (at % 8);
            let found = code(&report, &bent, &uvm);
            assert_eq!(found, "aci-policy-digest", "policy, byte {at}");
        }
    }
    for at in 0..report.len() {
        let mut bent = report.clone();
        bent[at] ^= 1 << (at % 8);
        let found = code(&bent, &policy, &uvm);
        // The last: what its signature is found by, and the zeros behind it.
        let refused = found.starts_with("snp-") || found == "SNP report";
        assert!(refused, "report, byte {at}: {found}");
    }
    let mut unreadable = 0;
    for at in 0..uvm.len() {
        let mut bent = uvm.clone();
        bent[at] ^= 1 << (at % 8);
        let found = code(&report, &policy, &bent);
        unreadable += usize::from(found == "UVM reference");
        let refused = found.starts_with("aci-") || found == "UVM reference";
        assert!(refused, "reference, byte {at}: {found}");
    }
    // Tag, array, and the heads of its four members.
    assert!(unreadable <= FRAME_BYTES, "{unreadable} bytes of a frame");
}

/// One byte of tag and of array; three of each text of bytes, and one of the empty map.
const FRAME_BYTES: usize = 2 + 3 * 3 + 1;

#[test]
fn group_of_another_chip_than_its_certificate_is_refused() {
    let mut world = World::new();
    world.report = world.report.clone().with_flaw(ReportFlaw::OtherChip);
    let refused = world.verify();
    assert_matches!(refused, Err(AppraiseError::Snp(SnpAppraiseError::Chip)));
}

#[test]
fn group_with_the_certificate_of_another_chip_is_refused() {
    let world = World::new();
    let platform = SnpSoftwarePlatform::numbered(SnpProduct::Milan, 2);
    let other = SoftwareSnp::generate_platform(platform, NOW).unwrap();
    let report = MILAN.report(&world.report).unwrap();
    let chain = other.chain_pem(SnpSigner::Vcek);
    let uvm = ISSUER.reference(&world.uvm).unwrap();
    let evidence = AciEvidence::parse(&report, Some(chain.as_bytes()), &world.policy, &uvm);
    let evidence = Evidence::Aci(evidence.unwrap());
    let refused = world
        .appraiser()
        .verify(&evidence, &Endorsements::default(), NOW);
    assert_matches!(refused, Err(AppraiseError::Snp(SnpAppraiseError::Chip)));
}

#[test]
fn group_bound_to_the_request_is_appraised_and_to_another_is_not() {
    let mut world = World::new();
    world.report.report_data = *runtime(1).report_data().as_bytes();
    let evidence = Evidence::Aci(world.evidence().unwrap());
    let appraiser = world.appraiser();
    let appraise = |runtime| appraiser.appraise(&evidence, runtime, &Endorsements::default(), NOW);
    let appraisal = appraise(runtime(1)).unwrap();
    assert_matches!(appraisal.identity(), Identity::Aci(_));
    assert_matches!(appraise(runtime(2)), Err(AppraiseError::NotBound));
    // The digest and something behind it.
    world.report.report_data[63] = 1;
    let evidence = Evidence::Aci(world.evidence().unwrap());
    let refused = appraiser.appraise(&evidence, runtime(1), &Endorsements::default(), NOW);
    assert_matches!(refused, Err(AppraiseError::NotBound));
}

#[test]
fn every_code_is_listed_once() {
    let mut codes = AciAppraiseError::CODES.to_vec();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), AciAppraiseError::CODES.len());
    assert!(codes.iter().all(|code| code.starts_with("aci-")));
}
