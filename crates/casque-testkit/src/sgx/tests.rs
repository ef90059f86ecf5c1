//! Quotes and endorsements of the software TEE before a DCAP verifier that we did not write.

use casque_appraise::{IntelEndorsements, PckAuthority, TcbStatus};
use casque_types::{Secret, SgxIdentity, Timestamp, sha256};
use dcap_qvl::QuoteCollateralV3;
use dcap_qvl::verify::{QuoteVerifier, VerifiedReport};

use super::*;

const NOW: Timestamp = Timestamp::from_unix_s(1_795_478_400);
const REPORT_DATA: [u8; 64] = [0xA5; 64];

fn tee() -> SoftwareTee {
    SoftwareTee::generate(NOW).unwrap()
}

fn identity() -> SgxIdentity {
    software_identity(sha256(b"program").into())
}

fn collateral(endorsements: IntelEndorsements) -> QuoteCollateralV3 {
    QuoteCollateralV3 {
        pck_crl_issuer_chain: endorsements.pck_crl_issuer_chain,
        root_ca_crl: endorsements.root_ca_crl,
        pck_crl: endorsements.pck_crl,
        tcb_info_issuer_chain: endorsements.tcb_info_issuer_chain,
        tcb_info: endorsements.tcb_info,
        tcb_info_signature: endorsements.tcb_info_signature,
        qe_identity_issuer_chain: endorsements.qe_identity_issuer_chain,
        qe_identity: endorsements.qe_identity,
        qe_identity_signature: endorsements.qe_identity_signature,
        pck_certificate_chain: None,
    }
}

/// The verifier's verdict at `at`, or its causes joined.
fn verdict(
    tee: &SoftwareTee,
    quote: &[u8],
    spec: &EndorsementSpec,
    at: Timestamp,
) -> Result<VerifiedReport, String> {
    let collateral = collateral(tee.endorsements_of(spec).unwrap());
    QuoteVerifier::new(tee.root_der().to_vec())
        .verify(quote, &collateral, at.as_unix_s())
        .map_err(|error| format!("{error:#}"))
}

fn refusal_of_endorsements(bend: impl FnOnce(&mut EndorsementSpec)) -> String {
    let tee = tee();
    let mut spec = EndorsementSpec::valid_at(NOW);
    bend(&mut spec);
    let quote = tee.quote(&identity(), &REPORT_DATA).unwrap();
    verdict(&tee, &quote, &spec, NOW).unwrap_err()
}

fn refusal_of_quote(flaw: QuoteFlaw) -> String {
    let tee = tee();
    let spec = QuoteSpec::new(identity(), REPORT_DATA).with_flaw(flaw);
    let quote = tee.quote_of(&spec).unwrap();
    verdict(&tee, &quote, &EndorsementSpec::valid_at(NOW), NOW).unwrap_err()
}

#[test]
fn quote_valid_is_accepted_with_what_was_asked_for() {
    for authority in [PckAuthority::Processor, PckAuthority::Platform] {
        let platform = SgxPlatform {
            authority,
            ..SgxPlatform::default()
        };
        let tee = SoftwareTee::generate_platform(platform, NOW).unwrap();
        let quote = tee.quote(&identity(), &REPORT_DATA).unwrap();
        let report = verdict(&tee, &quote, &EndorsementSpec::valid_at(NOW), NOW).unwrap();
        assert_eq!(report.status, "UpToDate");
        assert_eq!(report.advisory_ids, Vec::<String>::new());
        let enclave = report.report.as_sgx().unwrap();
        assert_eq!(&enclave.mr_enclave, identity().mr_enclave.as_bytes());
        assert_eq!(&enclave.mr_signer, identity().mr_signer.as_bytes());
        assert_eq!((enclave.isv_prod_id, enclave.isv_svn), (1, 1));
        assert_eq!(enclave.report_data, REPORT_DATA);
    }
}

#[test]
fn pck_certificate_states_the_platform() {
    let platform = SgxPlatform {
        authority: PckAuthority::Platform,
        ..SgxPlatform::default()
    };
    let tee = SoftwareTee::generate_platform(platform.clone(), NOW).unwrap();
    let stated = dcap_qvl::intel::parse_pck_extension(&tee.pck.certificate).unwrap();
    assert_eq!(stated.fmspc, platform.fmspc);
    assert_eq!(stated.cpu_svn, platform.cpu_svn);
    assert_eq!(stated.pce_svn, platform.pce_svn);
    assert_eq!(stated.pce_id, [0, 0]);
    assert_eq!((stated.ppid.len(), stated.sgx_type), (16, 1));
    assert_eq!(stated.platform_instance_id.unwrap().len(), 16);
    assert_eq!(stated.smt_enabled, Some(true));
}

#[test]
fn endorsements_tcb_status_and_advisories_are_found() {
    let tee = tee();
    let spec = EndorsementSpec::valid_at(NOW)
        .with_tcb(TcbStatus::ConfigurationAndSwHardeningNeeded, &[289, 615]);
    let quote = tee.quote(&identity(), &REPORT_DATA).unwrap();
    let report = verdict(&tee, &quote, &spec, NOW).unwrap();
    assert_eq!(report.status, "ConfigurationAndSWHardeningNeeded");
    assert_eq!(report.advisory_ids, ["INTEL-SA-00289", "INTEL-SA-00615"]);
}

#[test]
fn quote_any_flipped_byte_that_is_signed_is_refused() {
    let tee = tee();
    let spec = EndorsementSpec::valid_at(NOW);
    let collateral = collateral(tee.endorsements_of(&spec).unwrap());
    let verifier = QuoteVerifier::new(tee.root_der().to_vec());
    let quote = tee.quote(&identity(), &REPORT_DATA).unwrap();
    // Everything up to the PEM chain, but the lengths, is signed or a signature.
    for at in (0..432).chain(436..1012).step_by(7) {
        let mut bent = quote.clone();
        bent[at] ^= 0x80;
        let refused = verifier.verify(&bent, &collateral, NOW.as_unix_s());
        assert!(refused.is_err(), "byte {at}");
    }
}

#[test]
fn quote_flaws_are_refused_each_for_its_reason() {
    for (flaw, reason) in [
        (
            QuoteFlaw::ReportSignature,
            "ISV enclave report signature is invalid",
        ),
        (
            QuoteFlaw::QeReportSignature,
            "Signature is invalid for qe_report",
        ),
        (QuoteFlaw::QeReportData, "QE report hash mismatch"),
        (QuoteFlaw::QeSigner, "QE MRSIGNER mismatch"),
        (QuoteFlaw::QeDebug, "QE report validation failed"),
        (QuoteFlaw::QeSvn(7), "is below minimum required 8"),
        (QuoteFlaw::QeVendor, "Unknown QE vendor ID"),
        (QuoteFlaw::Version(4), "Failed to decode quote"),
        (
            QuoteFlaw::KeyType(3),
            "Unsupported DCAP attestation key type",
        ),
        (
            QuoteFlaw::CertificationType(1),
            "Unsupported DCAP PCK cert format",
        ),
        (QuoteFlaw::NoCertificates, "Certificate chain is too short"),
        (
            QuoteFlaw::ForeignCertificates,
            "Signature is invalid for qe_report",
        ),
        (QuoteFlaw::CutOff, "Failed to"),
    ] {
        let refusal = refusal_of_quote(flaw);
        assert!(refusal.contains(reason), "{flaw:?}: {refusal}");
    }
}

#[test]
fn quote_of_debug_enclave_is_refused_unless_allowed() {
    let tee = tee();
    let mut enclave = identity();
    enclave.debug = true;
    let quote = tee.quote(&enclave, &REPORT_DATA).unwrap();
    let spec = EndorsementSpec::valid_at(NOW);
    let refusal = verdict(&tee, &quote, &spec, NOW).unwrap_err();
    assert!(refusal.contains("Debug mode is enabled"), "{refusal}");
    let collateral = collateral(tee.endorsements_of(&spec).unwrap());
    let verifier = QuoteVerifier::new(tee.root_der().to_vec()).allow_debug(true);
    assert!(
        verifier
            .verify(&quote, &collateral, NOW.as_unix_s())
            .is_ok()
    );
}

#[test]
fn endorsements_bent_are_refused_each_for_its_reason() {
    type Bend = fn(&mut EndorsementSpec);
    let bends: [(Bend, &str); 9] = [
        (|s| s.fmspc = Some([9; 6]), "Fmspc mismatch"),
        (|s| s.tcb_info_id = "TDX", "non-SGX TCB info"),
        (
            |s| s.least_pce_svn = Some(14),
            "No matching TCB level found",
        ),
        (|s| s.tcb_status = TcbStatus::Revoked, "Revoked"),
        (
            |s| s.qe_signer = Some([3; 32].into()),
            "QE MRSIGNER mismatch",
        ),
        (|s| s.pck = Standing::Revoked, "CertRevoked"),
        (|s| s.authority = Standing::Revoked, "CertRevoked"),
        (|s| s.tcb_info_changed = true, "invalid for tcb_info"),
        (|s| s.qe_identity_changed = true, "invalid for qe_identity"),
    ];
    for (bend, reason) in bends {
        let refusal = refusal_of_endorsements(bend);
        assert!(refusal.contains(reason), "expected {reason}: {refusal}");
    }
    let refusal = refusal_of_endorsements(|s| s.tcb_signer = Standing::Revoked);
    assert!(refusal.contains("CertRevoked"), "{refusal}");
}

#[test]
fn endorsements_outside_their_life_are_refused() {
    let tee = tee();
    let spec = EndorsementSpec::valid_at(NOW);
    let quote = tee.quote(&identity(), &REPORT_DATA).unwrap();
    let at = |time: Timestamp| verdict(&tee, &quote, &spec, time);
    let last = spec.next_update.minus(casque_types::Seconds(1));
    assert!(at(last).is_ok());
    let late = at(spec.next_update.plus(casque_types::Seconds(86_400))).unwrap_err();
    assert!(late.contains("xpired"), "{late}");
    let early = at(spec.issued.minus(casque_types::Seconds(1))).unwrap_err();
    assert!(early.contains("in the future"), "{early}");
}

#[test]
fn quote_under_another_root_is_refused() {
    let (ours, theirs) = (tee(), tee());
    let quote = theirs.quote(&identity(), &REPORT_DATA).unwrap();
    let spec = EndorsementSpec::valid_at(NOW);
    let refusal = verdict(&ours, &quote, &spec, NOW).unwrap_err();
    assert!(refusal.contains("certificate chain"), "{refusal}");
}

#[test]
fn stored_tee_is_read_back_with_the_same_root_and_keys() {
    let before = tee();
    let after = SoftwareTee::from_bytes(&before.to_bytes()).unwrap();
    assert_eq!(before.root_der(), after.root_der());
    let quote = after.quote(&identity(), &REPORT_DATA).unwrap();
    let report = verdict(&before, &quote, &EndorsementSpec::valid_at(NOW), NOW).unwrap();
    assert_eq!(report.status, "UpToDate");
}

#[test]
fn stored_tee_key_of_another_certificate_is_refused() {
    let (one, other) = (tee(), tee());
    let bytes = one.to_bytes();
    let text = bytes.expose_text().unwrap();
    let key = |tee: &SoftwareTee| {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(tee.pck.key.expose())
    };
    let bent = Secret::new(text.replace(&key(&one), &key(&other)).into_bytes());
    assert!(matches!(
        SoftwareTee::from_bytes(&bent),
        Err(SoftwareTeeError::Stored)
    ));
}

#[test]
fn pcs_documents_carry_the_signed_texts_verbatim() {
    let tee = tee();
    let spec = EndorsementSpec::valid_at(NOW);
    let documents = tee.pcs_documents(&spec).unwrap();
    let text = documents.tcb_info.strip_prefix(r#"{"tcbInfo":"#).unwrap();
    let (signed, rest) = text.rsplit_once(r#","signature":""#).unwrap();
    let signature = hex::decode(rest.strip_suffix(r#""}"#).unwrap()).unwrap();
    let point = pki::public_point(&tee.tcb_signer.key).unwrap();
    let uncompressed = [&[4_u8], point.as_slice()].concat();
    aws_lc_rs::signature::UnparsedPublicKey::new(
        &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED,
        &uncompressed,
    )
    .verify(signed.as_bytes(), &signature)
    .unwrap();
    assert!(
        documents
            .qe_identity
            .starts_with(r#"{"enclaveIdentity":{"id":"QE""#)
    );
    assert_eq!(
        documents
            .pck_crl_issuer_chain
            .matches("BEGIN CERTIFICATE")
            .count(),
        2
    );
}
