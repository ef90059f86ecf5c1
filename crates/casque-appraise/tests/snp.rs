//! Reports of the software TEE: valid, and bent in one place.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the functions that tests call are tests"
)]

use std::sync::Arc;

use assert_matches::assert_matches;
use casque_appraise::{
    AmdEndorsements, AppraiseError, Appraiser, Bound, CertificateError, Endorsements, Evidence,
    EvidenceParseError, Identity, Scope, SnpAppraiseError as Error, SnpEvidence, SnpReport,
    TcbStatus, TrustAnchors, VcekId, Verdict, Verifier,
};
use casque_testkit::runtime_data as runtime;
use casque_testkit::snp::{
    Authority, ReportFlaw, ReportSpec, RevocationSpec, SnpSoftwarePlatform, SoftwareSnp, VekFlaw,
    VekHolder, VekSpec, software_snp_identity,
};
use casque_types::{Digest, Seconds, SnpIdentity, SnpProduct, SnpSigner, SnpTcb, Timestamp};

const NOW: Timestamp = Timestamp::from_unix_s(1_790_000_000);
const A_DAY: Seconds = Seconds(86_400);
const REPORT_DATA: [u8; 64] = [0x5A; 64];

fn identity() -> SnpIdentity {
    software_snp_identity([0x11; 48].into())
}

fn spec() -> ReportSpec {
    ReportSpec::new(identity(), REPORT_DATA)
}

fn tee(product: SnpProduct) -> SoftwareSnp {
    SoftwareSnp::generate(product, NOW).unwrap()
}

fn appraiser(tee: &SoftwareSnp) -> Appraiser {
    Appraiser::new(TrustAnchors::vendors().dangerous_with_amd(vec![tee.anchor()]))
}

fn amd(amd: AmdEndorsements) -> Endorsements {
    Endorsements {
        amd: Some(Arc::new(amd)),
        intel: None,
    }
}

/// Verifies a report with this certificate beside it.
fn verify_with(
    tee: &SoftwareSnp,
    report: &[u8],
    certificate: &[u8],
    endorsements: &Endorsements,
    now: Timestamp,
) -> Result<Verdict, Error> {
    let evidence = SnpEvidence::parse(report, Some(certificate)).unwrap();
    match appraiser(tee).verify(&Evidence::Snp(evidence), endorsements, now) {
        Ok(verdict) => Ok(verdict),
        Err(AppraiseError::Snp(error)) => Err(error),
        Err(other) => panic!("{other}"),
    }
}

/// Verifies a report of this specification with the certificate of the key that signed it.
fn verify(tee: &SoftwareSnp, spec: &ReportSpec) -> Result<Verdict, Error> {
    let report = tee.report(spec).unwrap();
    let certificate = tee.certificate(spec.signer);
    verify_with(tee, &report, certificate, &Endorsements::default(), NOW)
}

/// A report by a key whose certificate is of this specification.
fn verify_vek(tee: &SoftwareSnp, report: &ReportSpec, vek: &VekSpec) -> Result<Verdict, Error> {
    let vek = tee.issue_vek(vek).unwrap();
    let report = tee.report_signed_by(report, &vek).unwrap();
    let nothing = Endorsements::default();
    verify_with(tee, &report, &vek.certificate, &nothing, NOW)
}

// ---- what is valid ----

#[test]
fn report_of_each_version_generation_and_key_is_verified() {
    for product in SnpProduct::ALL {
        let tee = tee(product);
        for signer in [SnpSigner::Vcek, SnpSigner::Vlek] {
            for version in 2..=5 {
                if (version, signer) == (2, SnpSigner::Vlek) {
                    continue; // its chip is masked, see below
                }
                let spec = spec().of_version(version).signed_by(signer);
                let verdict = verify(&tee, &spec).unwrap();
                expect_valid(&tee, &spec, &verdict);
            }
        }
    }
}

fn expect_valid(tee: &SoftwareSnp, spec: &ReportSpec, verdict: &Verdict) {
    assert_eq!(verdict.identity(), &Identity::Snp(identity()));
    assert_eq!(verdict.bound(), &Bound::ReportData(REPORT_DATA));
    assert_eq!(verdict.scope(), Scope::Vm);
    assert_eq!(verdict.verifier(), &Verifier::Casque);
    assert_eq!(verdict.tcb().status, TcbStatus::ByVersions);
    let platform = verdict.tcb().snp.as_ref().unwrap();
    assert_eq!(platform.product, Some(tee.platform().product));
    assert_eq!(platform.reported_tcb, tee.platform().tcb);
    assert_eq!(platform.signer, Some(spec.signer));
    assert!(!platform.revocation_judged);
    let chip = (spec.signer == SnpSigner::Vcek).then(|| tee.platform().chip_id.clone());
    assert_eq!(platform.chip_id, chip);
}

#[test]
fn report_flags_of_the_policy_are_told_and_not_judged() {
    let tee = tee(SnpProduct::Milan);
    for (debug, migration_allowed, smt_allowed, vmpl) in [
        (true, false, false, 0),
        (false, true, true, 1),
        (true, true, false, 3),
    ] {
        let identity = SnpIdentity {
            debug,
            migration_allowed,
            smt_allowed,
            vmpl,
            guest_svn: 0x0102_0304,
            ..identity()
        };
        let verdict = verify(&tee, &ReportSpec::new(identity.clone(), REPORT_DATA)).unwrap();
        assert_eq!(verdict.identity(), &Identity::Snp(identity));
    }
}

#[test]
fn certificates_are_read_as_der_pem_chain_and_table_alike() {
    let tee = tee(SnpProduct::Genoa);
    for signer in [SnpSigner::Vcek, SnpSigner::Vlek] {
        let report = tee.report(&spec().signed_by(signer)).unwrap();
        let table = tee.certificate_table(signer).unwrap();
        let chain = tee.chain_pem(signer).into_bytes();
        for certificates in [tee.certificate(signer), &table, &chain] {
            let nothing = Endorsements::default();
            let verdict = verify_with(&tee, &report, certificates, &nothing, NOW);
            assert_matches!(verdict, Ok(_));
        }
    }
}

#[test]
fn certificate_may_come_from_the_key_service() {
    let tee = tee(SnpProduct::Turin);
    let report = tee.report(&spec()).unwrap();
    let evidence = SnpEvidence::parse(&report, None).unwrap();
    let id = evidence.endorsements_id().unwrap();
    assert_eq!(
        (id.product, id.signer),
        (SnpProduct::Turin, SnpSigner::Vcek)
    );
    let expected = VcekId {
        chip_id: tee.platform().chip_id.clone(),
        tcb: tee.platform().tcb,
    };
    assert_eq!(id.vcek, Some(expected));
    let evidence = Evidence::Snp(evidence);
    let fetched = amd(tee.endorsements(NOW).unwrap());
    let appraiser = appraiser(&tee);
    let verdict = appraiser.verify(&evidence, &fetched, NOW).unwrap();
    assert!(verdict.tcb().snp.as_ref().unwrap().revocation_judged);
    assert_eq!(verdict.valid_until(), Some(NOW.plus(Seconds(30 * 86_400))));
    assert_matches!(
        appraiser.verify(&evidence, &Endorsements::default(), NOW),
        Err(AppraiseError::Snp(Error::CertificateMissing))
    );
    let garbage = amd(AmdEndorsements {
        vcek: Some(vec![0x30, 0]),
        ..AmdEndorsements::default()
    });
    assert_matches!(
        appraiser.verify(&evidence, &garbage, NOW),
        Err(AppraiseError::Snp(Error::CertificateMalformed { .. }))
    );
}

#[test]
fn products_are_spelled_in_several_ways() {
    let spellings = [
        (SnpProduct::Milan, "Milan-B0"),
        (SnpProduct::Genoa, "Genoa-B1"),
        (SnpProduct::Genoa, "Siena-B1"),
        (SnpProduct::Turin, "Turin-C1"),
    ];
    for (product, spelling) in spellings {
        let tee = tee(product);
        let vek = VekSpec {
            product: spelling.to_owned(),
            ..VekSpec::vcek(tee.platform(), NOW)
        };
        assert_matches!(verify_vek(&tee, &spec(), &vek), Ok(_), "{spelling}");
    }
    let tee = tee(SnpProduct::Milan);
    let vek = VekSpec::vcek(tee.platform(), NOW).with_flaw(VekFlaw::WrappedHardwareId);
    assert_matches!(verify_vek(&tee, &spec(), &vek), Ok(_));
}

// ---- the report bent ----

fn refused(product: SnpProduct, flaw: ReportFlaw) -> Error {
    verify(&tee(product), &spec().with_flaw(flaw)).unwrap_err()
}

#[test]
fn report_changed_or_signed_by_nobody_is_refused() {
    let milan = SnpProduct::Milan;
    assert_eq!(refused(milan, ReportFlaw::Signature), Error::Signature);
    assert_eq!(refused(milan, ReportFlaw::Unsigned), Error::Signature);
    for signing_key in [2, 7] {
        let flaw = ReportFlaw::SigningKey(signing_key);
        assert_eq!(refused(milan, flaw), Error::Unsigned { signing_key });
    }
    let expected = Error::Signer {
        report: SnpSigner::Vlek,
        certificate: SnpSigner::Vcek,
    };
    assert_eq!(refused(milan, ReportFlaw::SigningKey(1)), expected);
}

#[test]
fn report_of_another_generation_than_its_certificate_is_refused() {
    for (product, family, model) in [
        (SnpProduct::Milan, 0x19, 0x11),
        (SnpProduct::Milan, 0x1A, 0x02),
        (SnpProduct::Genoa, 0x19, 0x01),
        (SnpProduct::Turin, 0x19, 0x01),
        (SnpProduct::Turin, 0x1A, 0x50),
        (SnpProduct::Milan, 0, 0),
    ] {
        let expected = Error::Product {
            family,
            model,
            certificate: product,
        };
        let flaw = ReportFlaw::Cpuid([family, model, 0]);
        assert_eq!(refused(product, flaw), expected);
    }
    // Bergamo and Siena are under Genoa's root.
    let genoa = tee(SnpProduct::Genoa);
    let zen4c = spec().with_flaw(ReportFlaw::Cpuid([0x19, 0xA0, 2]));
    assert_matches!(verify(&genoa, &zen4c), Ok(_));
}

#[test]
fn report_of_another_level_names_the_component() {
    for product in SnpProduct::ALL {
        let own = SnpSoftwarePlatform::of(product).tcb;
        let bent = [
            (
                "bootloader",
                SnpTcb {
                    bootloader: 9,
                    ..own
                },
            ),
            ("tee", SnpTcb { tee: 9, ..own }),
            ("snp", SnpTcb { snp: 9, ..own }),
            (
                "microcode",
                SnpTcb {
                    microcode: 9,
                    ..own
                },
            ),
        ];
        for (name, tcb) in bent {
            let error = refused(product, ReportFlaw::ReportedTcb(tcb));
            assert_matches!(error, Error::Tcb { component, report: 9, .. } if component == name);
        }
    }
    let own = SnpSoftwarePlatform::of(SnpProduct::Turin).tcb;
    let fmc = Some(9);
    let error = refused(
        SnpProduct::Turin,
        ReportFlaw::ReportedTcb(SnpTcb { fmc, ..own }),
    );
    let expected = Error::Tcb {
        component: "fmc",
        report: 9,
        certificate: 1,
    };
    assert_eq!(error, expected);
}

#[test]
fn report_of_another_or_masked_chip_is_refused() {
    for product in SnpProduct::ALL {
        assert_eq!(refused(product, ReportFlaw::OtherChip), Error::Chip);
        assert_eq!(refused(product, ReportFlaw::MaskedChip), Error::ChipMasked);
    }
    assert_eq!(
        refused(SnpProduct::Turin, ReportFlaw::LongChipId),
        Error::Chip
    );
    // Version 2 with a masked chip says nothing of its generation, VLEK or not.
    let milan = tee(SnpProduct::Milan);
    let masked = spec().of_version(2).signed_by(SnpSigner::Vlek);
    assert_eq!(verify(&milan, &masked).unwrap_err(), Error::ChipMasked);
}

#[test]
fn report_with_the_certificate_of_another_chip_is_refused() {
    let milan = tee(SnpProduct::Milan);
    let other = SnpSoftwarePlatform::numbered(SnpProduct::Milan, 2);
    let other = SoftwareSnp::generate_platform(other, NOW).unwrap();
    let report = milan.report(&spec()).unwrap();
    let certificate = other.certificate(SnpSigner::Vcek);
    let nothing = Endorsements::default();
    let refused = verify_with(&milan, &report, certificate, &nothing, NOW).unwrap_err();
    assert_eq!(refused, Error::Chip);
    // Another key of the same chip.
    let vek = milan
        .issue_vek(&VekSpec::vcek(milan.platform(), NOW))
        .unwrap();
    let refused = verify_with(&milan, &report, &vek.certificate, &nothing, NOW).unwrap_err();
    assert_eq!(refused, Error::Signature);
    // The key of another kind.
    let vlek = milan.certificate(SnpSigner::Vlek);
    let refused = verify_with(&milan, &report, vlek, &nothing, NOW).unwrap_err();
    let expected = Error::Signer {
        report: SnpSigner::Vcek,
        certificate: SnpSigner::Vlek,
    };
    assert_eq!(refused, expected);
}

#[test]
fn report_that_is_signed_and_of_another_layout_is_named() {
    let milan = tee(SnpProduct::Milan);
    let expected = |spec: &ReportSpec| {
        let refused = verify(&milan, spec).unwrap_err();
        let told = refused.to_string();
        let Error::Layout { source } = refused else {
            panic!("{told}")
        };
        // No endorsements are fetched for it.
        let report = SnpReport::parse(&milan.report(spec).unwrap()).unwrap();
        assert_eq!(report.layout(), Err(source.clone()));
        let report = milan.report(spec).unwrap();
        let evidence = SnpEvidence::parse(&report, None).unwrap();
        assert_eq!(evidence.endorsements_id(), Err(source.clone()));
        match source {
            EvidenceParseError::Malformed { expected, .. } => expected,
            other => panic!("{other}"),
        }
    };
    for version in [0, 1, 6, 0x0001_0003, u32::MAX] {
        let version = spec().with_flaw(ReportFlaw::Version(version));
        assert!(expected(&version).starts_with("version 2 to 5"));
    }
    let algorithm = spec().with_flaw(ReportFlaw::SignatureAlgorithm(0));
    assert!(expected(&algorithm).starts_with("signature algorithm 1"));
    for vmpl in [4, u32::MAX] {
        let identity = SnpIdentity { vmpl, ..identity() };
        let by_host = ReportSpec::new(identity, REPORT_DATA);
        assert!(expected(&by_host).starts_with("a privilege level"));
    }
}

/// Whichever field was changed: the signature is judged before what it signs means something.
#[test]
fn report_that_is_changed_and_of_another_layout_is_not_authentic() {
    let milan = tee(SnpProduct::Milan);
    let certificate = milan.certificate(SnpSigner::Vcek);
    let nothing = Endorsements::default();
    for version in 2..=5 {
        let good = milan.report(&spec().of_version(version)).unwrap();
        // Version, VMPL, signature algorithm; upper bytes of `r` and `s`; behind them.
        let fields = [0..4, 0x30..0x38, 0x2D0..0x2E8, 0x318..0x330, 0x330..0x4A0];
        for at in fields.into_iter().flatten() {
            let mut bent = good.clone();
            bent[at] ^= 0x40;
            let refused = verify_with(&milan, &bent, certificate, &nothing, NOW);
            assert_eq!(refused.unwrap_err(), Error::Signature, "{at:#x}");
        }
    }
}

#[test]
fn report_of_another_length_is_malformed() {
    let milan = tee(SnpProduct::Milan);
    let parse = |flaw| {
        let report = milan.report(&spec().with_flaw(flaw)).unwrap();
        SnpReport::parse(&report).unwrap_err()
    };
    assert_matches!(
        parse(ReportFlaw::TrailingByte),
        EvidenceParseError::TooLong {
            limit_bytes: 1184,
            found_bytes: 1185,
            ..
        }
    );
    assert_matches!(
        parse(ReportFlaw::CutOff),
        EvidenceParseError::Malformed {
            expected: "1184 bytes",
            ..
        }
    );
    assert_matches!(
        SnpReport::parse(&[]),
        Err(EvidenceParseError::Malformed { .. })
    );
}

#[test]
fn report_with_any_byte_flipped_is_refused() {
    for product in SnpProduct::ALL {
        let tee = tee(product);
        let good = tee.report(&spec().of_version(5)).unwrap();
        let certificate = tee.certificate(SnpSigner::Vcek);
        let nothing = Endorsements::default();
        for at in 0..SnpReport::BYTES {
            let mut bent = good.clone();
            bent[at] ^= 0x10;
            let refused = verify_with(&tee, &bent, certificate, &nothing, NOW);
            assert_matches!(refused, Err(_), "{product} byte {at:#x}");
        }
    }
}

#[test]
fn report_for_another_nonce_is_not_appraised() {
    let milan = tee(SnpProduct::Milan);
    for signer in [SnpSigner::Vcek, SnpSigner::Vlek] {
        let bound = ReportSpec::new(identity(), *runtime(1).report_data().as_bytes());
        let report = milan.report(&bound.signed_by(signer)).unwrap();
        let evidence = SnpEvidence::parse(&report, Some(milan.certificate(signer))).unwrap();
        let evidence = Evidence::Snp(evidence);
        let appraise = |nonce| {
            appraiser(&milan).appraise(&evidence, runtime(nonce), &Endorsements::default(), NOW)
        };
        assert_matches!(appraise(1), Ok(_));
        assert_matches!(appraise(2), Err(AppraiseError::NotBound));
    }
}

#[test]
fn report_with_reserved_bytes_set_and_signed_is_verified() {
    let milan = tee(SnpProduct::Milan);
    let mut report = milan.report(&spec()).unwrap();
    for at in [0x4C, 0x18B, 0x1EB, 0x1F8, 0x29F] {
        report[at] = 0xA5;
    }
    milan.sign_again(&mut report, SnpSigner::Vcek).unwrap();
    let certificate = milan.certificate(SnpSigner::Vcek);
    let nothing = Endorsements::default();
    assert_matches!(
        verify_with(&milan, &report, certificate, &nothing, NOW),
        Ok(_)
    );
}

// ---- the certificate bent ----

#[test]
fn certificate_under_the_wrong_authority_is_refused() {
    let milan = tee(SnpProduct::Milan);
    let vlek_under_ask = VekSpec {
        authority: Authority::Ask,
        ..VekSpec::vlek(milan.platform(), NOW)
    };
    let vcek_under_asvk = VekSpec {
        authority: Authority::Asvk,
        ..VekSpec::vcek(milan.platform(), NOW)
    };
    let vcek_under_ark = VekSpec {
        authority: Authority::Ark,
        ..VekSpec::vcek(milan.platform(), NOW)
    };
    let by_vlek = spec().signed_by(SnpSigner::Vlek);
    for (report, vek, authority) in [
        (by_vlek, vlek_under_ask, "Casque SEV-Milan"),
        (spec(), vcek_under_asvk, "Casque SEV-VLEK-Milan"),
        (spec(), vcek_under_ark, "Casque ARK-Milan"),
    ] {
        let refused = verify_vek(&milan, &report, &vek).unwrap_err();
        assert_matches!(refused, Error::Chain(CertificateError::Issuer { found, .. })
            if found == authority);
    }
}

#[test]
fn certificate_under_another_root_is_refused() {
    for (signer, key) in [
        (SnpSigner::Vcek, "Casque SEV-VCEK"),
        (SnpSigner::Vlek, "Casque SEV-VLEK"),
    ] {
        expect_foreign(signer, key);
    }
}

fn expect_foreign(signer: SnpSigner, key: &str) {
    let platform = SnpSoftwarePlatform::of(SnpProduct::Milan);
    let believed = SoftwareSnp::generate_platform(platform.clone(), NOW).unwrap();
    let apart = SoftwareSnp::generate_apart(platform, NOW).unwrap();
    let report = apart.report(&spec().signed_by(signer)).unwrap();
    let nothing = Endorsements::default();
    let verify = |certificates: &[u8]| {
        verify_with(&believed, &report, certificates, &nothing, NOW).unwrap_err()
    };
    assert_matches!(
        verify(apart.certificate(signer)),
        Error::Chain(CertificateError::Signature { subject, .. }) if subject == key
    );
    let chain = apart.chain_pem(signer);
    assert_matches!(
        verify(chain.as_bytes()),
        Error::ForeignRoot { subject, .. } if subject == "Casque ARK-Milan"
    );
    // The vendor's roots believe neither.
    let evidence = SnpEvidence::parse(&report, Some(chain.as_bytes())).unwrap();
    let vendors = Appraiser::new(TrustAnchors::vendors());
    let refused = vendors.verify(&Evidence::Snp(evidence), &nothing, NOW);
    assert_matches!(refused, Err(AppraiseError::Snp(Error::ForeignRoot { .. })));
    // Nor does anybody who knows no root of the generation.
    let none = TrustAnchors::vendors().dangerous_with_amd(Vec::new());
    let evidence = SnpEvidence::parse(&report, Some(chain.as_bytes())).unwrap();
    let refused = Appraiser::new(none).verify(&Evidence::Snp(evidence), &nothing, NOW);
    assert_matches!(
        refused,
        Err(AppraiseError::Snp(Error::NoAnchor {
            product: SnpProduct::Milan
        }))
    );
}

#[test]
fn certificate_with_any_byte_flipped_is_refused() {
    let milan = tee(SnpProduct::Milan);
    for signer in [SnpSigner::Vcek, SnpSigner::Vlek] {
        let report = milan.report(&spec().signed_by(signer)).unwrap();
        let good = milan.certificate(signer);
        let mut judged = 0;
        for at in 0..good.len() {
            let mut bent = good.to_vec();
            bent[at] ^= 0x10;
            let Ok(evidence) = SnpEvidence::parse(&report, Some(&bent)) else {
                continue;
            };
            judged += 1;
            let evidence = Evidence::Snp(evidence);
            let refused = appraiser(&milan).verify(&evidence, &Endorsements::default(), NOW);
            assert_matches!(refused, Err(AppraiseError::Snp(_)), "{signer} byte {at:#x}");
        }
        // Most of it is no layout: key, signature, names, levels.
        assert!(judged > good.len() / 2, "{judged} of {}", good.len());
    }
}

// ---- the chain of the endorsements ----

/// Verifies a report by a key of this kind beside a chain that the endorsements state.
fn verify_beside(tee: &SoftwareSnp, signer: SnpSigner, chain: &[&[u8]]) -> Result<Verdict, Error> {
    let report = tee.report(&spec().signed_by(signer)).unwrap();
    let endorsements = amd(AmdEndorsements {
        chain: chain.iter().map(|der| der.to_vec()).collect(),
        ..AmdEndorsements::default()
    });
    verify_with(tee, &report, tee.certificate(signer), &endorsements, NOW)
}

#[test]
fn stated_chain_with_the_authority_of_the_key_is_taken() {
    let milan = tee(SnpProduct::Milan);
    let own = milan.anchor();
    let all: [&[u8]; 3] = [&own.ask, &own.ark, &own.asvk];
    let cases: [(SnpSigner, &[&[u8]]); 7] = [
        (SnpSigner::Vcek, &[]),
        (SnpSigner::Vcek, &[&own.ask]),
        (SnpSigner::Vcek, &[&own.ark, &own.ask]),
        (SnpSigner::Vcek, &all),
        (SnpSigner::Vlek, &[]),
        (SnpSigner::Vlek, &[&own.asvk, &own.ark]),
        (SnpSigner::Vlek, &all),
    ];
    for (signer, chain) in cases {
        let verdict = verify_beside(&milan, signer, chain);
        assert_matches!(verdict, Ok(_), "{signer} {}", chain.len());
    }
}

#[test]
fn stated_chain_without_the_authority_of_the_key_is_refused() {
    let milan = tee(SnpProduct::Milan);
    let own = milan.anchor();
    let cases: [(SnpSigner, &[&[u8]], &str); 4] = [
        (
            SnpSigner::Vlek,
            &[&own.ask, &own.ark],
            "Casque SEV-VLEK-Milan",
        ),
        (SnpSigner::Vcek, &[&own.asvk, &own.ark], "Casque SEV-Milan"),
        (SnpSigner::Vcek, &[&own.ark], "Casque SEV-Milan"),
        (
            SnpSigner::Vcek,
            &[milan.certificate(SnpSigner::Vcek)],
            "Casque SEV-Milan",
        ),
    ];
    for (signer, chain, missing) in cases {
        assert_matches!(
            verify_beside(&milan, signer, chain),
            Err(Error::Chain(CertificateError::NoPath { issuer, .. })) if issuer == missing
        );
    }
}

#[test]
fn stated_chain_of_another_root_is_refused() {
    let (milan, genoa) = (tee(SnpProduct::Milan), tee(SnpProduct::Genoa));
    let platform = SnpSoftwarePlatform::of(SnpProduct::Genoa);
    let apart = SoftwareSnp::generate_apart(platform, NOW).unwrap().anchor();
    let (own, other) = (genoa.anchor(), milan.anchor());
    let anchors = vec![own.clone(), other.clone()];
    let knows_both = Appraiser::new(TrustAnchors::vendors().dangerous_with_amd(anchors));
    let report = genoa.report(&spec()).unwrap();
    let certificate = genoa.certificate(SnpSigner::Vcek);
    let verify = |chain: &[&[u8]]| {
        let evidence = SnpEvidence::parse(&report, Some(certificate)).unwrap();
        let endorsements = amd(AmdEndorsements {
            chain: chain.iter().map(|der| der.to_vec()).collect(),
            ..AmdEndorsements::default()
        });
        knows_both.verify(&Evidence::Snp(evidence), &endorsements, NOW)
    };
    let all: [&[u8]; 6] = [
        &other.ask,
        &other.ark,
        &other.asvk,
        &own.ask,
        &own.ark,
        &own.asvk,
    ];
    assert_matches!(verify(&all), Ok(_));
    // Of another generation; forged, alone and beside the genuine ones; forged below the genuine root.
    let foreign: [(&[&[u8]], &str); 4] = [
        (&[&other.ask, &other.ark], "Casque ARK-Milan"),
        (&[&apart.ask, &apart.ark], "Casque ARK-Genoa"),
        (&[&own.ask, &apart.ark], "Casque ARK-Genoa"),
        (&[&own.ask, &own.ark, &apart.ark], "Casque ARK-Genoa"),
    ];
    for (chain, root) in foreign {
        assert_matches!(
            verify(chain),
            Err(AppraiseError::Snp(Error::ForeignRoot { subject, product: SnpProduct::Genoa }))
                if subject == root
        );
    }
    assert_matches!(
        verify(&[&apart.ask, &own.ark]),
        Err(AppraiseError::Snp(Error::Chain(CertificateError::Signature { subject, .. })))
            if subject == "Casque SEV-Genoa"
    );
}

#[test]
fn stated_chain_that_is_none_is_refused() {
    let milan = tee(SnpProduct::Milan);
    let own = milan.anchor();
    assert_matches!(
        verify_beside(&milan, SnpSigner::Vcek, &[&own.ask, b"garbage"]),
        Err(Error::Chain(CertificateError::Malformed { .. }))
    );
    let many: Vec<&[u8]> = vec![&own.ask; 17];
    assert_matches!(
        verify_beside(&milan, SnpSigner::Vcek, &many),
        Err(Error::Chain(CertificateError::TooMany { limit: 16 }))
    );
    assert_matches!(verify_beside(&milan, SnpSigner::Vcek, &many[1..]), Ok(_));
}

#[test]
fn certificate_outside_its_life_names_the_date() {
    let milan = tee(SnpProduct::Milan);
    let life = |from, until| VekSpec {
        valid: (from, until),
        ..VekSpec::vcek(milan.platform(), NOW)
    };
    let (yesterday, tomorrow) = (NOW.minus(A_DAY), NOW.plus(A_DAY));
    assert_matches!(
        verify_vek(&milan, &spec(), &life(tomorrow, tomorrow)),
        Err(Error::CertificateNotYetValid(CertificateError::NotYetValid { subject, from, now }))
            if subject == "Casque SEV-VCEK" && from == tomorrow && now == NOW
    );
    assert_matches!(
        verify_vek(&milan, &spec(), &life(yesterday, yesterday)),
        Err(Error::CertificateExpired(CertificateError::Expired { subject, until, now }))
            if subject == "Casque SEV-VCEK" && until == yesterday && now == NOW
    );
    assert_matches!(verify_vek(&milan, &spec(), &life(NOW, NOW)), Ok(_));
}

#[test]
fn memory_of_a_chain_does_not_outlive_it() {
    let milan = tee(SnpProduct::Milan);
    let until = NOW.plus(A_DAY);
    let vek = VekSpec {
        valid: (NOW, until),
        ..VekSpec::vcek(milan.platform(), NOW)
    };
    let vek = milan.issue_vek(&vek).unwrap();
    let report = milan.report_signed_by(&spec(), &vek).unwrap();
    let evidence = SnpEvidence::parse(&report, Some(&vek.certificate)).unwrap();
    let evidence = Evidence::Snp(evidence);
    let appraiser = appraiser(&milan);
    let verify = |now| appraiser.verify(&evidence, &Endorsements::default(), now);
    assert_eq!(verify(NOW).unwrap().valid_until(), Some(until));
    assert_eq!(verify(until).unwrap().valid_until(), Some(until));
    assert_matches!(
        verify(until.plus(Seconds(1))),
        Err(AppraiseError::Snp(Error::CertificateExpired(_)))
    );
    assert_matches!(
        verify(NOW.minus(Seconds(1))),
        Err(AppraiseError::Snp(Error::CertificateNotYetValid(_)))
    );
}

#[test]
fn certificate_signed_by_nobody_or_otherwise_is_refused() {
    let milan = tee(SnpProduct::Milan);
    let refused = |flaw| {
        let vek = VekSpec::vcek(milan.platform(), NOW).with_flaw(flaw);
        verify_vek(&milan, &spec(), &vek).unwrap_err()
    };
    assert_matches!(
        refused(VekFlaw::Signature),
        Error::Chain(CertificateError::Signature { .. })
    );
    assert_matches!(
        refused(VekFlaw::ShortSalt),
        Error::Chain(CertificateError::Algorithm { .. })
    );
    assert_matches!(
        refused(VekFlaw::CriticalExtension),
        Error::Chain(CertificateError::CriticalExtension { extension, .. })
            if extension == "1.3.6.1.4.1.3704.1.99"
    );
}

#[test]
fn certificate_of_a_key_on_another_curve_is_refused() {
    let milan = tee(SnpProduct::Milan);
    let vek = VekSpec::vcek(milan.platform(), NOW).with_flaw(VekFlaw::OtherCurve);
    let vek = milan.issue_vek(&vek).unwrap();
    let report = milan.report(&spec()).unwrap();
    let nothing = Endorsements::default();
    let refused = verify_with(&milan, &report, &vek.certificate, &nothing, NOW).unwrap_err();
    assert_matches!(refused, Error::Key(CertificateError::Key { .. }));
}

#[test]
fn certificate_without_amds_extensions_is_malformed() {
    let milan = tee(SnpProduct::Milan);
    let report = milan.report(&spec()).unwrap();
    let malformed = |vek: &VekSpec| {
        let vek = milan.issue_vek(vek).unwrap();
        match SnpEvidence::parse(&report, Some(&vek.certificate)) {
            Err(EvidenceParseError::Malformed { expected, .. }) => expected,
            other => panic!("{other:?}"),
        }
    };
    let vcek = || VekSpec::vcek(milan.platform(), NOW);
    let flaws = [
        (VekFlaw::NoProduct, "a certificate with AMD's extension"),
        (VekFlaw::NoMicrocode, "extension 3.8"),
        (VekFlaw::BothHolders, "either extension 4"),
        (VekFlaw::NoHolder, "either extension 4"),
    ];
    for (flaw, expected) in flaws {
        assert!(malformed(&vcek().with_flaw(flaw)).starts_with(expected));
    }
    for length in [0, 8, 63, 65] {
        let holder = VekHolder::Chip(vec![7; length]);
        let vek = VekSpec { holder, ..vcek() };
        assert!(malformed(&vek).starts_with("extension 4"), "{length}");
    }
    let product = "Rome".to_owned();
    let vek = VekSpec { product, ..vcek() };
    assert!(malformed(&vek).starts_with("extension 2"));
}

#[test]
fn certificates_too_many_too_long_or_cut_are_refused() {
    let milan = tee(SnpProduct::Milan);
    let report = milan.report(&spec()).unwrap();
    let parse = |bytes: &[u8]| SnpEvidence::parse(&report, Some(bytes)).unwrap_err();
    let certificate = milan.certificate(SnpSigner::Vcek);
    assert_matches!(parse(&[]), EvidenceParseError::Malformed { .. });
    let cut = &certificate[..certificate.len() - 1];
    assert_matches!(parse(cut), EvidenceParseError::Malformed { .. });
    let mut long = vec![0x30, 0x82, 0x7F, 0xFF];
    long.resize(9000, 0);
    assert_matches!(
        parse(&long),
        EvidenceParseError::TooLong {
            limit_bytes: 8192,
            ..
        }
    );
    let many = milan.chain_pem(SnpSigner::Vcek).repeat(3);
    assert_matches!(parse(many.as_bytes()), EvidenceParseError::Malformed { expected, .. }
        if expected == "at most 8 certificates");
}

#[test]
fn table_with_entries_outside_or_without_end_is_refused() {
    let milan = tee(SnpProduct::Milan);
    let report = milan.report(&spec()).unwrap();
    let parse = |bytes: &[u8]| SnpEvidence::parse(&report, Some(bytes));
    let good = milan.certificate_table(SnpSigner::Vcek).unwrap();
    assert_matches!(parse(&good), Ok(_));
    for (at, bytes) in [(16, [0xFF; 4]), (20, [0xFF; 4]), (16, [0, 0xFF, 0, 0])] {
        let mut bent = good.clone();
        bent[at..at + 4].copy_from_slice(&bytes);
        assert_matches!(parse(&bent), Err(EvidenceParseError::Malformed { .. }));
    }
    let endless = [good[..24].repeat(16), good[..24].to_vec()].concat();
    assert_matches!(parse(&endless), Err(EvidenceParseError::Malformed { .. }));
    assert_matches!(
        parse(&good[..40]),
        Err(EvidenceParseError::Malformed { .. })
    );
    let huge = vec![1; 64 * 1024 + 1];
    assert_matches!(
        parse(&huge),
        Err(EvidenceParseError::TooLong {
            limit_bytes: 65_536,
            ..
        })
    );
    // An empty table brings nothing: the certificate is to be fetched.
    let empty = SnpEvidence::parse(&report, Some(&[0; 24])).unwrap();
    assert!(empty.endorsements_id().unwrap().vcek.is_some());
    // The entry of the other kind of key is not looked at.
    let foreign = milan.certificate_table(SnpSigner::Vlek).unwrap();
    let evidence = SnpEvidence::parse(&report, Some(&foreign)).unwrap();
    assert!(evidence.endorsements_id().unwrap().vcek.is_some());
}

#[test]
fn evidence_that_lacks_what_cannot_be_fetched_says_so() {
    let milan = tee(SnpProduct::Milan);
    let lacking = |spec: &ReportSpec| {
        let report = milan.report(spec).unwrap();
        let evidence = SnpEvidence::parse(&report, None).unwrap();
        match evidence.endorsements_id() {
            Err(EvidenceParseError::Malformed { expected, .. }) => expected,
            other => panic!("{other:?}"),
        }
    };
    let vlek = lacking(&spec().signed_by(SnpSigner::Vlek));
    assert!(vlek.starts_with("the certificate of the VLEK"));
    let masked = lacking(&spec().with_flaw(ReportFlaw::MaskedChip));
    assert!(masked.starts_with("the certificate of the VCEK"));
    let old = lacking(&spec().of_version(2));
    assert!(old.starts_with("a certificate, or a report of version 3"));
    let unsigned = lacking(&spec().with_flaw(ReportFlaw::SigningKey(7)));
    assert!(unsigned.starts_with("a report that a VCEK or VLEK signed"));
}

// ---- revocation ----

fn verify_crl(tee: &SoftwareSnp, crl: Vec<u8>, signer: SnpSigner) -> Result<Verdict, Error> {
    let report = tee.report(&spec().signed_by(signer)).unwrap();
    let endorsements = amd(AmdEndorsements {
        crl: Some(crl),
        ..AmdEndorsements::default()
    });
    verify_with(tee, &report, tee.certificate(signer), &endorsements, NOW)
}

#[test]
fn revocation_list_that_names_nobody_is_told_and_bounds_the_verdict() {
    let milan = tee(SnpProduct::Milan);
    for signer in [SnpSigner::Vcek, SnpSigner::Vlek] {
        let list = milan.revocation_list(&RevocationSpec::empty(NOW)).unwrap();
        let verdict = verify_crl(&milan, list, signer).unwrap();
        assert!(verdict.tcb().snp.as_ref().unwrap().revocation_judged);
        assert_eq!(verdict.valid_until(), Some(NOW.plus(Seconds(30 * 86_400))));
    }
}

#[test]
fn revoked_authority_and_key_are_refused_by_name() {
    let milan = tee(SnpProduct::Milan);
    let naming = |authorities: &[Authority], serials: &[Vec<u8>]| {
        let spec = RevocationSpec {
            authorities: authorities.to_vec(),
            serials: serials.to_vec(),
            ..RevocationSpec::empty(NOW)
        };
        milan.revocation_list(&spec).unwrap()
    };
    let ask = naming(&[Authority::Ask], &[vec![9]]);
    assert_matches!(
        verify_crl(&milan, ask.clone(), SnpSigner::Vcek),
        Err(Error::Revoked { subject }) if subject == "Casque SEV-Milan"
    );
    assert_matches!(verify_crl(&milan, ask, SnpSigner::Vlek), Ok(_));
    let asvk = naming(&[Authority::Asvk], &[]);
    assert_matches!(
        verify_crl(&milan, asvk, SnpSigner::Vlek),
        Err(Error::Revoked { subject }) if subject == "Casque SEV-VLEK-Milan"
    );
    let vek = naming(&[], &[vec![0]]);
    assert_matches!(
        verify_crl(&milan, vek, SnpSigner::Vcek),
        Err(Error::Revoked { subject }) if subject == "Casque SEV-VCEK"
    );
}

#[test]
fn revocation_list_of_another_time_names_its_date() {
    let milan = tee(SnpProduct::Milan);
    let yesterday = NOW.minus(A_DAY);
    let old = RevocationSpec {
        this_update: NOW.minus(Seconds(2 * 86_400)),
        next_update: Some(yesterday),
        ..RevocationSpec::empty(NOW)
    };
    let list = milan.revocation_list(&old).unwrap();
    let expected = Error::RevocationListExpired {
        next_update: yesterday,
        now: NOW,
    };
    assert_eq!(
        verify_crl(&milan, list, SnpSigner::Vcek).unwrap_err(),
        expected
    );
    let early = milan
        .revocation_list(&RevocationSpec::empty(NOW.plus(A_DAY)))
        .unwrap();
    let expected = Error::RevocationListNotYetValid {
        this_update: NOW.plus(A_DAY),
        now: NOW,
    };
    assert_eq!(
        verify_crl(&milan, early, SnpSigner::Vcek).unwrap_err(),
        expected
    );
}

#[test]
fn revocation_list_by_anybody_but_the_root_is_refused() {
    let milan = tee(SnpProduct::Milan);
    let list = |spec: &RevocationSpec| milan.revocation_list(spec).unwrap();
    let by_ask = RevocationSpec {
        signed_by: Authority::Ask,
        ..RevocationSpec::empty(NOW)
    };
    assert_matches!(
        verify_crl(&milan, list(&by_ask), SnpSigner::Vcek),
        Err(Error::RevocationList(CertificateError::Issuer { .. }))
    );
    let forged = RevocationSpec {
        forged: true,
        ..RevocationSpec::empty(NOW)
    };
    assert_matches!(
        verify_crl(&milan, list(&forged), SnpSigner::Vcek),
        Err(Error::RevocationList(CertificateError::Signature { .. }))
    );
    let endless = RevocationSpec {
        next_update: None,
        ..RevocationSpec::empty(NOW)
    };
    assert_matches!(
        verify_crl(&milan, list(&endless), SnpSigner::Vcek),
        Err(Error::RevocationList(CertificateError::Malformed {
            expected: "a next update"
        }))
    );
    let good = list(&RevocationSpec::empty(NOW));
    for bytes in [
        Vec::new(),
        good[..good.len() - 1].to_vec(),
        vec![0x30; 300_000],
    ] {
        assert_matches!(
            verify_crl(&milan, bytes, SnpSigner::Vcek),
            Err(Error::RevocationList(_))
        );
    }
    for at in 0..good.len() {
        let mut bent = good.clone();
        bent[at] ^= 1;
        assert_matches!(
            verify_crl(&milan, bent, SnpSigner::Vcek),
            Err(_),
            "byte {at}"
        );
    }
}

// ---- claims and codes ----

#[test]
fn claims_name_what_report_and_certificate_state() {
    let turin = tee(SnpProduct::Turin);
    let report = turin.report(&spec().of_version(5)).unwrap();
    let certificate = turin.certificate(SnpSigner::Vcek);
    let evidence = SnpEvidence::parse(&report, Some(certificate)).unwrap();
    let claims = evidence.claims();
    let of = |name: &str| {
        let claim = claims.iter().find(|claim| claim.name == name);
        claim
            .unwrap_or_else(|| panic!("no claim {name}"))
            .value
            .as_str()
    };
    let measurement: Digest<48> = [0x11; 48].into();
    assert_eq!(of("measurement"), measurement.to_string());
    assert_eq!(of("version"), "5");
    assert_eq!(of("report_data"), hex::encode(REPORT_DATA));
    assert_eq!(of("policy"), "0x3001f");
    assert_eq!(of("debug"), "false");
    assert_eq!(of("signing_key"), "vcek");
    assert_eq!(
        of("reported_tcb"),
        "fmc 1 bootloader 4 tee 0 snp 24 microcode 219"
    );
    assert_eq!(of("product"), "Turin");
    assert_eq!(of("current_version"), "1.55.29");
    assert_eq!(of("launch_mit_vector"), "0x7");
    assert_eq!(of("vek_hwid"), hex::encode(&turin.platform().chip_id));
    let mut names: Vec<_> = claims.iter().map(|claim| &claim.name).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), claims.len());
}

#[test]
fn codes_are_listed_once_each() {
    let mut codes = Error::CODES.to_vec();
    assert!(codes.contains(&Error::Signature.code()));
    assert!(codes.iter().all(|code| code.starts_with("snp-")));
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), Error::CODES.len());
}
