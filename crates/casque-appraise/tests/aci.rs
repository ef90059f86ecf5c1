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
use casque_testkit::snp::{ReportFlaw, ReportSpec, SoftwareSnp, software_snp_identity};
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

fn malformation_of(flaw: UvmFlaw, form: UvmForm) -> &'static str {
    let mut world = World::new();
    world.uvm.form = form;
    world.uvm = world.uvm.clone().with_flaw(flaw);
    match world.evidence().unwrap_err() {
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
fn reference_of_another_layout_is_none() {
    let certificates = "2 to 5 certificates";
    let rows = [
        (UvmFlaw::NoTag, UvmForm::Named, "one `COSE_Sign1`"),
        (UvmFlaw::TrailingByte, UvmForm::Named, "one `COSE_Sign1`"),
        (UvmFlaw::Critical, UvmForm::Named, "no critical"),
        (UvmFlaw::Algorithm, UvmForm::Named, "the algorithm PS384"),
        (UvmFlaw::LeafAlone, UvmForm::Named, certificates),
        (UvmFlaw::TooMany, UvmForm::Named, certificates),
        (UvmFlaw::NoIssuer, UvmForm::Named, "an issuer"),
        (UvmFlaw::NoIssuer, UvmForm::Claims, "an issuer"),
        (UvmFlaw::NoSvn, UvmForm::Named, "JSON with"),
        (UvmFlaw::MemberTwice, UvmForm::Named, "JSON with"),
        (UvmFlaw::SvnText, UvmForm::Named, "a version that is"),
        (UvmFlaw::TwoSvns, UvmForm::Claims, "one version"),
    ];
    for (flaw, form, expected) in rows {
        let found = malformation_of(flaw, form);
        assert!(found.starts_with(expected), "{flaw:?}: {found}");
    }
}

#[test]
fn every_code_is_listed_once() {
    let mut codes = AciAppraiseError::CODES.to_vec();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), AciAppraiseError::CODES.len());
    assert!(codes.iter().all(|code| code.starts_with("aci-")));
}
