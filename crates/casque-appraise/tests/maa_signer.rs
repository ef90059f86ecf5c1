//! Whether an instance's key lives in a TEE: the software MAA proves it, and each bend is refused by its own error.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the functions that tests call are tests"
)]

use std::sync::LazyLock;

use assert_matches::assert_matches;
use casque_appraise::{
    AciAppraiseError, AppraiseError, Appraiser, MaaAppraiseError, MaaKeys, MaaToken, MaaTrust,
    SignerDemand, SignerProof, TrustAnchors, Verdict,
};
use casque_testkit::aci::SoftwareUvmIssuer;
use casque_testkit::maa::{JwksShape, SignerFlaw, SignerTee, SoftwareMaa, TokenSpec};
use casque_testkit::sgx::software_identity;
use casque_testkit::snp::SoftwareSnp;
use casque_types::{Seconds, SnpProduct, Timestamp};

const NOW: Timestamp = Timestamp::from_unix_s(1_795_500_000);
const INSTANCE: &str = "https://casque.weu.attest.azure.net";
static PLATFORM: LazyLock<SoftwareSnp> =
    LazyLock::new(|| SoftwareSnp::generate(SnpProduct::Genoa, NOW).unwrap());
static ISSUER: LazyLock<SoftwareUvmIssuer> =
    LazyLock::new(|| SoftwareUvmIssuer::generate(NOW).unwrap());

fn instance(flaw: Option<SignerFlaw>) -> SoftwareMaa {
    let tee = SignerTee {
        platform: &PLATFORM,
        issuer: &ISSUER,
        flaw,
    };
    SoftwareMaa::generate_in_tee(INSTANCE.parse().unwrap(), tee, NOW).unwrap()
}

fn anchors() -> TrustAnchors {
    TrustAnchors::vendors()
        .dangerous_with_amd(vec![PLATFORM.anchor()])
        .dangerous_with_uvm_issuers(vec![ISSUER.did()])
}

fn verify_with(
    flaw: Option<SignerFlaw>,
    anchors: TrustAnchors,
    demand: SignerDemand,
    now: Timestamp,
) -> Result<Verdict, MaaAppraiseError> {
    let maa = instance(flaw);
    let mut spec = TokenSpec::sgx(software_identity([1; 32].into()), [0; 64], now);
    spec.not_before = now;
    let token = MaaToken::parse(&maa.token(&spec).unwrap()).unwrap();
    let keys = MaaKeys::parse(maa.jwks(JwksShape::WithNumbers).as_bytes()).unwrap();
    let trust = MaaTrust {
        issuer: INSTANCE.parse().unwrap(),
        min_rsa_bits: 2048,
        clock_skew: Seconds(60),
        max_age: Seconds(600),
        signer: demand,
    };
    let verified = Appraiser::new(anchors).verify_token(&token, &keys, &trust, now);
    verified.map_err(|error| match error {
        AppraiseError::Maa(error) => error,
        other => panic!("expected a refused token, found {other:?}"),
    })
}

fn refusal(flaw: SignerFlaw) -> MaaAppraiseError {
    verify_with(Some(flaw), anchors(), SignerDemand::InTee, NOW).unwrap_err()
}

#[test]
fn key_in_a_tee_is_proved_when_that_is_demanded() {
    let verify = |demand| verify_with(None, anchors(), demand, NOW).unwrap();
    let proof = |verdict: Verdict| verdict.token().unwrap().signer;
    assert_eq!(proof(verify(SignerDemand::InTee)), SignerProof::InTee);
    assert_eq!(proof(verify(SignerDemand::Any)), SignerProof::Published);
}

#[test]
fn key_without_evidence_is_refused_only_when_it_is_demanded() {
    assert_eq!(
        refusal(SignerFlaw::Absent),
        MaaAppraiseError::SignerNotProved
    );
    assert_eq!(refusal(SignerFlaw::Kind), MaaAppraiseError::SignerNotProved);
    for flaw in [SignerFlaw::Absent, SignerFlaw::ReportSignature] {
        let lenient = verify_with(Some(flaw), anchors(), SignerDemand::Any, NOW);
        assert_matches!(lenient, Ok(_));
    }
}

#[test]
fn key_with_evidence_of_the_older_kind_is_refused_by_that_name() {
    assert_eq!(
        refusal(SignerFlaw::OlderAlone),
        MaaAppraiseError::SignerOldProof
    );
}

#[test]
fn key_with_unreadable_evidence_is_refused_by_its_part() {
    for (flaw, part) in [
        (SignerFlaw::NotJson, "JSON object"),
        (SignerFlaw::MemberTwice, "JSON object"),
        (SignerFlaw::NotBase64, "`SnpReport`"),
        (SignerFlaw::NoReference, "`Endorsements`"),
        (SignerFlaw::ManyReferences, "`Endorsements`"),
    ] {
        assert_matches!(refusal(flaw), MaaAppraiseError::SignerMalformed { expected }
            if expected.contains(part), "{flaw:?}");
    }
    for flaw in [SignerFlaw::ReportCut, SignerFlaw::ReferenceMalformed] {
        assert_matches!(
            refusal(flaw),
            MaaAppraiseError::SignerEvidence(_),
            "{flaw:?}"
        );
    }
}

#[test]
fn key_whose_report_proves_nothing_is_refused() {
    assert_matches!(
        refusal(SignerFlaw::ReportSignature),
        MaaAppraiseError::SignerReport(_)
    );
    // Signed by a root that is not believed.
    let vendors = TrustAnchors::vendors().dangerous_with_uvm_issuers(vec![ISSUER.did()]);
    let refused = verify_with(None, vendors, SignerDemand::InTee, NOW).unwrap_err();
    assert_matches!(refused, MaaAppraiseError::SignerReport(_));
    // Past the life of its certificates.
    let late = NOW.plus(Seconds(21 * 366 * 86_400));
    let refused = verify_with(None, anchors(), SignerDemand::InTee, late).unwrap_err();
    assert_matches!(refused, MaaAppraiseError::SignerReport(_));
}

#[test]
fn key_whose_report_is_about_another_key_is_refused() {
    assert_eq!(refusal(SignerFlaw::OtherKey), MaaAppraiseError::SignerKey);
    assert_eq!(
        refusal(SignerFlaw::MoreReportData),
        MaaAppraiseError::SignerKey
    );
    assert_matches!(
        refusal(SignerFlaw::KeyId),
        MaaAppraiseError::SignerKeyId { .. }
    );
}

#[test]
fn key_in_a_tee_that_is_debugged_is_refused() {
    assert_eq!(refusal(SignerFlaw::Debug), MaaAppraiseError::SignerDebug);
}

#[test]
fn key_in_a_machine_that_nobody_vouches_for_is_refused() {
    assert_matches!(
        refusal(SignerFlaw::OtherMeasurement),
        MaaAppraiseError::SignerReference(AciAppraiseError::Measurement { .. })
    );
    let anchors = TrustAnchors::vendors().dangerous_with_amd(vec![PLATFORM.anchor()]);
    let refused = verify_with(None, anchors, SignerDemand::InTee, NOW).unwrap_err();
    assert_matches!(refused, MaaAppraiseError::SignerReference(_));
}
