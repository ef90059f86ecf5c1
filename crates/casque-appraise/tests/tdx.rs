//! TDX quotes of the software TEE: valid ones are appraised in every format, each bend is refused by its own error.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the functions that tests call are tests"
)]

use std::sync::Arc;

use assert_matches::assert_matches;
use casque_appraise::{
    AdvisoryId, AppraiseError, Appraiser, Bound, Endorsements, Evidence, EvidenceParseError,
    Identity, IntelEndorsement, IntelEndorsements, IntelTee, PckAuthority, QuoteAppraiseError,
    RevokedThing, Scope, TcbStatus, TdxQuote, TrustAnchors, Verdict, Verifier,
};
use casque_testkit::runtime_data as runtime;
use casque_testkit::sgx::{EndorsementSpec, QuoteFlaw, SgxPlatform, SoftwareTee, Standing};
use casque_testkit::tdx::{TEE_TCB_SVN, TdxFormat, TdxQuoteSpec, software_tdx_identity};
use casque_types::{Digest, Seconds, TdxIdentity, Timestamp};
use proptest::prelude::*;

const NOW: Timestamp = Timestamp::from_unix_s(1_795_500_000);
const A_DAY: Seconds = Seconds(86_400);

/// A platform, its endorsements and one quote, each to be bent.
struct World {
    tee: SoftwareTee,
    spec: EndorsementSpec,
    quote: TdxQuoteSpec,
    now: Timestamp,
}

impl World {
    fn new() -> Self {
        Self {
            tee: SoftwareTee::generate(NOW).unwrap(),
            spec: EndorsementSpec::valid_for(IntelTee::Tdx, NOW),
            quote: TdxQuoteSpec::new(identity(), *runtime(1).report_data().as_bytes()),
            now: NOW,
        }
    }

    fn of(format: TdxFormat) -> Self {
        let mut world = Self::new();
        world.quote.format = format;
        world
    }

    fn bytes(&self) -> Vec<u8> {
        self.tee.tdx_quote_of(&self.quote).unwrap()
    }

    fn evidence(&self) -> Evidence {
        Evidence::Tdx(TdxQuote::parse(&self.bytes()).unwrap())
    }

    fn appraiser(&self) -> Appraiser {
        let root = self.tee.root_der().to_vec();
        Appraiser::new(TrustAnchors::vendors().dangerous_with_sgx_root(root))
    }

    fn endorsements(&self) -> Endorsements {
        set(self.tee.endorsements_of(&self.spec).unwrap())
    }

    fn verify(&self) -> Result<Verdict, QuoteAppraiseError> {
        let appraiser = self.appraiser();
        let verdict = appraiser.verify(&self.evidence(), &self.endorsements(), self.now);
        verdict.map_err(|error| match error {
            AppraiseError::Quote(error) => error,
            other => panic!("the quote is judged: {other}"),
        })
    }

    /// The status, after `bend`.
    fn status(bend: impl FnOnce(&mut Self)) -> TcbStatus {
        let mut world = Self::of(TdxFormat::V5Td15);
        bend(&mut world);
        world.verify().unwrap().tcb().status
    }

    /// Why the valid quote of version 5 is refused after `bend`.
    fn refusal(bend: impl FnOnce(&mut Self)) -> QuoteAppraiseError {
        let mut world = Self::of(TdxFormat::V5Td15);
        bend(&mut world);
        world.verify().unwrap_err()
    }
}

fn set(endorsements: IntelEndorsements) -> Endorsements {
    Endorsements {
        intel: Some(Arc::new(endorsements)),
        amd: None,
    }
}

fn malformation_of(format: TdxFormat, flaw: QuoteFlaw) -> &'static str {
    let mut world = World::of(format);
    world.quote.flaw = Some(flaw);
    match TdxQuote::parse(&world.bytes()).unwrap_err() {
        EvidenceParseError::Malformed { expected, .. } => expected,
        EvidenceParseError::TooLong { .. } => panic!("the quote is short"),
    }
}

fn identity() -> TdxIdentity {
    let numbered = |number: u8| Digest::from([number; 48]);
    TdxIdentity {
        rtmr: [numbered(10), numbered(11), numbered(12), numbered(13)],
        mr_config_id: numbered(2),
        mr_owner: numbered(3),
        mr_owner_config: numbered(4),
        ..software_tdx_identity([1; 48])
    }
}

/// The attributes of the software TEE's domains, with these bits of byte `at` too.
fn with_attribute(world: &mut World, at: usize, bits: u8) {
    let mut attributes = *world.quote.identity.td_attributes.as_bytes();
    attributes[at] |= bits;
    world.quote.identity.td_attributes = Digest::from(attributes);
}

fn with_tcb_svn(world: &mut World, at: usize, svn: u8) {
    let mut versions = *world.quote.identity.tee_tcb_svn.as_bytes();
    versions[at] = svn;
    world.quote.identity.tee_tcb_svn = Digest::from(versions);
}

fn advisory(number: u32) -> AdvisoryId {
    AdvisoryId::from_number(number).unwrap()
}

// ---- what is appraised ----

#[test]
fn quote_bound_to_the_request_is_appraised_in_every_format() {
    for format in TdxFormat::ALL {
        let world = World::of(format);
        let appraisal = world
            .appraiser()
            .appraise(&world.evidence(), runtime(1), &world.endorsements(), NOW)
            .unwrap();
        assert_eq!(*appraisal.identity(), Identity::Tdx(identity()));
        assert_eq!(*appraisal.verifier(), Verifier::Casque);
        assert_eq!(appraisal.scope(), Scope::Vm);
        assert_eq!(*appraisal.runtime(), runtime(1));
        assert_eq!(appraisal.tcb().status, TcbStatus::UpToDate);
        assert_eq!(appraisal.tcb().advisories, []);
        assert_eq!(appraisal.valid_until(), Some(world.spec.next_update));
        let report_data = *runtime(1).report_data().as_bytes();
        assert_eq!(*appraisal.verdict().bound(), Bound::ReportData(report_data));
    }
}

#[test]
fn quote_names_the_endorsements_of_either_authority() {
    for authority in [PckAuthority::Processor, PckAuthority::Platform] {
        let platform = SgxPlatform {
            authority,
            ..SgxPlatform::default()
        };
        let mut world = World::new();
        world.tee = SoftwareTee::generate_platform(platform, NOW).unwrap();
        let quote = TdxQuote::parse(&world.bytes()).unwrap();
        let expected = world.tee.endorsements_id_of(IntelTee::Tdx);
        assert_eq!(quote.endorsements_id(), Ok(expected));
        assert_matches!(world.verify(), Ok(_));
    }
}

#[test]
fn quote_states_its_claims() {
    let mut world = World::of(TdxFormat::V5Td15Ex);
    world.quote.tee_tcb_svn2 = Some([6; 16]);
    let claims = TdxQuote::parse(&world.bytes()).unwrap().claims();
    let expected = [
        ("version", "5".to_owned()),
        ("mrtd", "01".repeat(48)),
        ("rtmr0", "0a".repeat(48)),
        ("rtmr3", "0d".repeat(48)),
        ("mrconfigid", "02".repeat(48)),
        ("mrowner", "03".repeat(48)),
        ("mrownerconfig", "04".repeat(48)),
        ("mrsignerseam", "00".repeat(48)),
        ("tdattributes", "0000001000000000".to_owned()),
        ("xfam", "e702060000000000".to_owned()),
        ("tee_tcb_svn", "05010600000000000000000000000000".to_owned()),
        ("tee_tcb_svn2", "06".repeat(16)),
        ("mrservicetd", "00".repeat(48)),
        ("cur_service_td_attributes", "00".repeat(8)),
        ("debug", "false".to_owned()),
        ("fmspc", "004341535101".to_owned()),
        ("pck_authority", "processor".to_owned()),
    ];
    for (name, value) in expected {
        let found = claims.iter().find(|claim| claim.name == name);
        assert_eq!(found.map(|claim| &claim.value), Some(&value), "{name}");
    }
    let claims = TdxQuote::parse(&World::new().bytes()).unwrap().claims();
    assert!(claims.iter().all(|claim| claim.name != "mrservicetd"));
}

#[test]
fn quote_of_a_domain_under_debug_or_profiled_is_verified_and_says_so() {
    for bit in [0x01, 0x10, 0x20, 0x40] {
        let mut world = World::new();
        with_attribute(&mut world, 0, bit);
        let verdict = world.verify().unwrap();
        assert_matches!(verdict.identity(), Identity::Tdx(tdx) if tdx.debug);
    }
}

#[test]
fn quote_with_attributes_that_are_defined_is_verified() {
    // ICSSD; LASS, PKS and KL; TPA and PERFMON.
    for (at, bits) in [(2, 0x01), (3, 0xC8), (7, 0xC0)] {
        let mut world = World::new();
        with_attribute(&mut world, at, bits);
        let verdict = world.verify().unwrap();
        assert_matches!(verdict.identity(), Identity::Tdx(tdx) if !tdx.debug);
    }
}

#[test]
fn quote_padded_with_zeros_is_the_quote_without() {
    let mut world = World::new();
    let bare = TdxQuote::parse(&world.bytes()).unwrap();
    world.quote.flaw = Some(QuoteFlaw::Padding(3000));
    let padded = world.bytes();
    let quote = TdxQuote::parse(&padded).unwrap();
    assert_eq!(quote.as_bytes().len(), bare.as_bytes().len());
    assert_eq!(quote.as_bytes().len(), padded.len() - 3000);
    assert_matches!(world.verify(), Ok(_));
}

#[test]
fn quote_of_every_status_of_the_platform_is_verified_with_it() {
    for status in [
        TcbStatus::UpToDate,
        TcbStatus::SwHardeningNeeded,
        TcbStatus::ConfigurationNeeded,
        TcbStatus::ConfigurationAndSwHardeningNeeded,
        TcbStatus::OutOfDate,
        TcbStatus::OutOfDateConfigurationNeeded,
    ] {
        let mut world = World::new();
        world.spec = world.spec.with_tcb(status, &[615, 289]);
        let verdict = world.verify().unwrap();
        assert_eq!(verdict.tcb().status, status);
        assert_eq!(verdict.tcb().advisories, [advisory(289), advisory(615)]);
    }
}

#[test]
fn quote_of_an_outdated_module_is_out_of_date_with_its_advisories() {
    let mut world = World::new();
    world.spec.tdx_module.outdated_advisories = vec![advisory(1036)];
    with_tcb_svn(&mut world, 0, 4);
    let verdict = world.verify().unwrap();
    assert_eq!(verdict.tcb().status, TcbStatus::OutOfDate);
    assert_eq!(verdict.tcb().advisories, [advisory(1036)]);
}

#[test]
fn quote_of_a_domain_launched_before_its_module_was_updated_advises_to_launch_again() {
    let updated = |world: &mut World| {
        with_tcb_svn(world, 0, 4);
        world.quote.tee_tcb_svn2 = Some(TEE_TCB_SVN);
    };
    assert_eq!(World::status(updated), TcbStatus::TdRelaunchAdvised);
    let configured = World::status(|world| {
        updated(world);
        world.spec.tcb_status = TcbStatus::ConfigurationNeeded;
    });
    assert_eq!(configured, TcbStatus::TdRelaunchAdvisedConfigurationNeeded);
    let not_updated = World::status(|world| with_tcb_svn(world, 0, 4));
    assert_eq!(not_updated, TcbStatus::OutOfDate);
}

#[test]
fn quote_of_a_platform_without_module_versions_is_judged_by_its_components() {
    let verdict = World::status(|world| {
        with_tcb_svn(world, 1, 0);
        world.quote.tee_tcb_svn2 = None;
    });
    assert_eq!(verdict, TcbStatus::UpToDate);
}

// ---- what is refused: binding and quote ----

#[test]
fn quote_bound_to_another_nonce_is_not_bound() {
    let world = World::new();
    let refused =
        world
            .appraiser()
            .appraise(&world.evidence(), runtime(2), &world.endorsements(), NOW);
    assert_matches!(refused, Err(AppraiseError::NotBound));
}

#[test]
fn quote_with_bytes_after_the_binding_is_not_bound() {
    let mut world = World::new();
    world.quote.report_data[63] = 1;
    let refused =
        world
            .appraiser()
            .appraise(&world.evidence(), runtime(1), &world.endorsements(), NOW);
    assert_matches!(refused, Err(AppraiseError::NotBound));
}

#[test]
fn quote_of_software_tee_is_refused_under_intels_root() {
    let world = World::new();
    let refused = Appraiser::new(TrustAnchors::vendors()).verify(
        &world.evidence(),
        &world.endorsements(),
        NOW,
    );
    let document = IntelEndorsement::RootCrl;
    let expected = QuoteAppraiseError::EndorsementsSignature { document };
    assert_eq!(refused.unwrap_err(), AppraiseError::Quote(expected));
}

#[test]
fn quote_of_another_tee_is_refused_by_its_chain() {
    let (world, other) = (World::new(), World::new());
    let refused = world
        .appraiser()
        .verify(&other.evidence(), &world.endorsements(), NOW);
    assert_eq!(
        refused.unwrap_err(),
        AppraiseError::Quote(QuoteAppraiseError::PckChain)
    );
}

#[test]
fn quote_with_a_signature_that_does_not_fit_is_refused_by_whose_it_is() {
    let expected = [
        (
            QuoteFlaw::ReportSignature,
            QuoteAppraiseError::QuoteSignature,
        ),
        (QuoteFlaw::QeReportSignature, QuoteAppraiseError::QeReport),
        (QuoteFlaw::QeReportData, QuoteAppraiseError::QeReport),
        (QuoteFlaw::ForeignCertificates, QuoteAppraiseError::QeReport),
        (QuoteFlaw::QeSigner, QuoteAppraiseError::QeIdentity),
        (QuoteFlaw::QeDebug, QuoteAppraiseError::QeIdentity),
        (QuoteFlaw::QeSvn(0), QuoteAppraiseError::QeIdentity),
        (QuoteFlaw::NoCertificates, QuoteAppraiseError::PckChain),
    ];
    for (flaw, expected) in expected {
        let found = World::refusal(|world| world.quote.flaw = Some(flaw));
        assert_eq!(found, expected, "{flaw:?}");
    }
}

#[test]
fn quote_with_another_layout_is_malformed() {
    let expected = [
        (QuoteFlaw::Version(3), "version 4 or 5"),
        (QuoteFlaw::Version(6), "version 4 or 5"),
        (QuoteFlaw::KeyType(3), "key type 2"),
        (QuoteFlaw::TeeType(0), "TEE type 0x81"),
        (QuoteFlaw::QeVendor, "QE vendor"),
        (QuoteFlaw::BodyType(1), "type 2, 3 or 4"),
        (QuoteFlaw::BodyType(5), "type 2, 3 or 4"),
        (QuoteFlaw::BodyType(2), "body size"),
        (QuoteFlaw::BodySize(647), "body size"),
        (QuoteFlaw::BodySize(u32::MAX), "body size"),
        (QuoteFlaw::OuterCertificationType(5), "type 6"),
        (
            QuoteFlaw::OuterTrailingBytes,
            "nothing after the certification",
        ),
        (QuoteFlaw::CertificationType(1), "type 5"),
        (QuoteFlaw::TrailingBytes, "nothing but zeros"),
        (QuoteFlaw::CutOff, "more bytes"),
    ];
    for (flaw, words) in expected {
        let found = malformation_of(TdxFormat::V5Td15, flaw);
        assert!(found.contains(words), "{flaw:?}: {found}");
    }
}

#[test]
fn quote_of_one_version_labelled_as_the_other_is_malformed() {
    for (format, version) in [(TdxFormat::V4, 5), (TdxFormat::V5Td15, 4)] {
        malformation_of(format, QuoteFlaw::Version(version));
    }
}

#[test]
fn quote_cut_anywhere_is_malformed() {
    for format in TdxFormat::ALL {
        let whole = World::of(format).bytes();
        for end in 0..whole.len() {
            let cut = TdxQuote::parse(&whole[..end]);
            assert_matches!(cut, Err(EvidenceParseError::Malformed { .. }));
        }
    }
}

#[test]
fn quote_over_the_limit_is_refused_before_it_is_read() {
    let mut world = World::new();
    let longest = TdxQuote::MAX_BYTES - world.bytes().len();
    world.quote.flaw = Some(QuoteFlaw::Padding(longest));
    assert_matches!(TdxQuote::parse(&world.bytes()), Ok(_));
    world.quote.flaw = Some(QuoteFlaw::Padding(longest + 1));
    let refused = TdxQuote::parse(&world.bytes()).unwrap_err();
    assert_matches!(
        refused,
        EvidenceParseError::TooLong {
            found_bytes: 16_385,
            ..
        }
    );
}

// ---- what is refused: the domain ----

#[test]
fn domain_without_sept_ve_disable_is_refused() {
    let refused = World::refusal(|world| world.quote.identity.td_attributes = [0; 8].into());
    assert_eq!(refused, QuoteAppraiseError::TdSeptVe);
}

#[test]
fn domain_that_may_be_migrated_is_refused() {
    let refused = World::refusal(|world| with_attribute(world, 3, 0x20));
    assert_eq!(refused, QuoteAppraiseError::TdMigratable);
}

#[test]
fn domain_with_service_domains_is_refused() {
    for format in [TdxFormat::V5Td15, TdxFormat::V5Td15Ex] {
        let refused = World::refusal(|world| {
            world.quote.format = format;
            world.quote.mr_service_td = [1; 48];
        });
        assert_eq!(refused, QuoteAppraiseError::TdServiceTd);
    }
    let refused = World::refusal(|world| with_attribute(world, 2, 0x02));
    assert_eq!(refused, QuoteAppraiseError::TdServiceTd);
}

#[test]
fn domain_with_reserved_attributes_is_refused() {
    for (at, bits) in [
        (0, 0x02),
        (0, 0x80),
        (1, 0x01),
        (3, 0x01),
        (4, 0x01),
        (7, 0x20),
    ] {
        let refused = World::refusal(|world| with_attribute(world, at, bits));
        assert_eq!(refused, QuoteAppraiseError::TdReservedAttributes);
    }
}

#[test]
fn module_of_another_signer_or_with_attributes_is_refused() {
    let refused = World::refusal(|world| world.quote.identity.mr_signer_seam = [1; 48].into());
    assert_eq!(refused, QuoteAppraiseError::TdxModuleIdentity);
    let refused = World::refusal(|world| world.spec.tdx_module.signer = [1; 48]);
    assert_eq!(refused, QuoteAppraiseError::TdxModuleIdentity);
    let debug = [1, 0, 0, 0, 0, 0, 0, 0];
    let refused = World::refusal(|world| world.quote.identity.seam_attributes = debug.into());
    assert_eq!(refused, QuoteAppraiseError::TdxModuleIdentity);
    let refused = World::refusal(|world| {
        world.quote.identity.seam_attributes = debug.into();
        let free = |text: &str| text.replace("FFFFFFFFFFFFFFFF", "0000000000000000");
        world.spec.rewrite_tcb_info = Some(free);
    });
    assert_eq!(refused, QuoteAppraiseError::TdxModuleIdentity);
}

#[test]
fn module_of_a_version_that_is_not_listed_is_refused_at_launch_and_now() {
    let refused = World::refusal(|world| with_tcb_svn(world, 1, 9));
    assert_eq!(refused, QuoteAppraiseError::TdxModuleNotListed);
    let refused = World::refusal(|world| {
        let mut now = TEE_TCB_SVN;
        now[1] = 9;
        world.quote.tee_tcb_svn2 = Some(now);
    });
    assert_eq!(refused, QuoteAppraiseError::TdxModuleNotListed);
}

#[test]
fn module_below_every_level_is_refused_at_launch_and_now() {
    let refused = World::refusal(|world| with_tcb_svn(world, 0, 2));
    assert_eq!(refused, QuoteAppraiseError::TdxModuleTcbNotListed);
    let refused = World::refusal(|world| {
        let mut now = TEE_TCB_SVN;
        now[0] = 2;
        world.quote.tee_tcb_svn2 = Some(now);
    });
    assert_eq!(refused, QuoteAppraiseError::TdxModuleTcbNotListed);
}

#[test]
fn platform_below_every_level_is_not_listed() {
    let refused = World::refusal(|world| with_tcb_svn(world, 2, 5));
    assert_eq!(refused, QuoteAppraiseError::TcbNotListed);
    assert_eq!(refused.code(), "quote-tcb-not-listed");
    let refused = World::refusal(|world| {
        world.spec.least_pce_svn = Some(world.tee.platform().pce_svn + 1);
    });
    assert_eq!(refused, QuoteAppraiseError::TcbNotListed);
    let refused = World::refusal(|world| {
        let mut now = TEE_TCB_SVN;
        now[2] = 5;
        world.quote.tee_tcb_svn2 = Some(now);
    });
    assert_eq!(refused, QuoteAppraiseError::TcbNotListed);
}

// ---- what is refused: endorsements ----

#[test]
fn endorsements_for_another_family_are_refused() {
    let refused = World::refusal(|world| world.spec.fmspc = Some([1; 6]));
    assert_eq!(refused, QuoteAppraiseError::WrongFmspc);
}

#[test]
fn endorsements_for_sgx_are_refused_by_name() {
    let tee = IntelTee::Tdx;
    let refused = World::refusal(|world| world.spec.tcb_info_id = "SGX");
    let document = IntelEndorsement::TcbInfo;
    let expected = QuoteAppraiseError::EndorsementsOfOtherTee { document, tee };
    assert_eq!(refused, expected);
    let refused = World::refusal(|world| world.spec.qe_identity_id = "QE");
    let document = IntelEndorsement::QeIdentity;
    let expected = QuoteAppraiseError::EndorsementsOfOtherTee { document, tee };
    assert_eq!(refused, expected);
    let refused = World::refusal(|world| world.spec = EndorsementSpec::valid_at(NOW));
    assert_eq!(refused, expected);
    assert!(refused.to_string().contains("`/tdx`"), "{refused}");
}

#[test]
fn endorsements_without_what_tdx_needs_are_malformed() {
    let bends: [fn(&str) -> String; 5] = [
        |text| text.replace("\"tdxModule\":", "\"other\":"),
        |text| text.replace("tdxtcbcomponents", "other"),
        |text| text.replacen("FFFFFFFFFFFFFFFF", "FFFF", 2),
        |text| text.replace("2026-01-14T00:00:00Z", "yesterday"),
        |text| text.replace("\"UpToDate\"", "\"Splendid\""),
    ];
    for bend in bends {
        let refused = World::refusal(|world| world.spec.rewrite_tcb_info = Some(bend));
        let document = IntelEndorsement::TcbInfo;
        let expected = QuoteAppraiseError::EndorsementsMalformed { document };
        assert_eq!(refused, expected);
    }
    let refused = World::refusal(|world| {
        world.spec.rewrite_qe_identity =
            Some(|text| text.replace("\"version\":2", "\"version\":9"));
    });
    let document = IntelEndorsement::QeIdentity;
    let expected = QuoteAppraiseError::EndorsementsMalformed { document };
    assert_eq!(refused, expected);
}

#[test]
fn module_with_a_status_that_modules_do_not_have_is_refused() {
    let refused =
        World::refusal(|world| world.spec.tdx_module.status = TcbStatus::ConfigurationNeeded);
    assert_eq!(refused, QuoteAppraiseError::Status);
}

#[test]
fn endorsements_past_their_life_are_expired_with_their_date() {
    let refused = World::refusal(|world| {
        world.spec.crl_next_update = world.spec.next_update.plus(A_DAY);
        world.now = world.spec.next_update.plus(Seconds(1));
    });
    let expected = QuoteAppraiseError::EndorsementsExpired {
        document: IntelEndorsement::TcbInfo,
        expired: Some(EndorsementSpec::valid_at(NOW).next_update),
    };
    assert_eq!(refused, expected);
    let refused = World::refusal(|world| {
        world.spec.crl_next_update = NOW;
        world.now = NOW.plus(Seconds(1));
    });
    let expected = QuoteAppraiseError::EndorsementsExpired {
        document: IntelEndorsement::RootCrl,
        expired: Some(NOW),
    };
    assert_eq!(refused, expected);
}

#[test]
fn endorsements_before_their_life_are_not_valid_yet_with_their_date() {
    let refused = World::refusal(|world| world.now = world.spec.issued.minus(Seconds(1)));
    let expected = QuoteAppraiseError::EndorsementsNotYetValid {
        document: IntelEndorsement::TcbInfo,
        begins: Some(EndorsementSpec::valid_at(NOW).issued),
    };
    assert_eq!(refused, expected);
}

#[test]
fn endorsements_changed_after_signing_are_refused_by_name() {
    let refused = World::refusal(|world| world.spec.tcb_info_changed = true);
    let document = IntelEndorsement::TcbInfo;
    let expected = QuoteAppraiseError::EndorsementsSignature { document };
    assert_eq!(refused, expected);
    let refused = World::refusal(|world| world.spec.qe_identity_changed = true);
    let document = IntelEndorsement::QeIdentity;
    let expected = QuoteAppraiseError::EndorsementsSignature { document };
    assert_eq!(refused, expected);
}

#[test]
fn anything_revoked_is_refused_by_what_it_is() {
    type Bend = fn(&mut World);
    let bends: [(RevokedThing, Bend); 6] = [
        (RevokedThing::PckCertificate, |it| {
            it.spec.pck = Standing::Revoked;
        }),
        (RevokedThing::PckCertificate, |it| {
            it.spec.authority = Standing::Revoked;
        }),
        (RevokedThing::Signer, |it| {
            it.spec.tcb_signer = Standing::Revoked;
        }),
        (RevokedThing::Tcb, |it| {
            it.spec.tcb_status = TcbStatus::Revoked;
        }),
        (RevokedThing::Tcb, |it| {
            it.spec.qe_status = TcbStatus::Revoked
        }),
        (RevokedThing::Tcb, |it| {
            it.spec.tdx_module.status = TcbStatus::Revoked;
        }),
    ];
    for (what, bend) in bends {
        let refused = World::refusal(bend);
        assert_eq!(refused, QuoteAppraiseError::Revoked { what });
    }
}

#[test]
fn endorsements_with_another_qe_signer_are_refused() {
    let refused = World::refusal(|world| world.spec.qe_signer = Some([1; 32].into()));
    assert_eq!(refused, QuoteAppraiseError::QeIdentity);
}

// ---- laws ----

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn quote_with_any_byte_changed_before_its_chain_is_refused(
        format in 0..4_usize, at in any::<usize>(), flip in 1..=255_u8,
    ) {
        let format = TdxFormat::ALL[format];
        let world = World::of(format);
        let mut bytes = world.bytes();
        let chain = bytes.windows(10).position(|it| it == b"-----BEGIN").unwrap();
        bytes[at.checked_rem(chain).unwrap()] ^= flip;
        let verified = TdxQuote::parse(&bytes).is_ok_and(|quote| {
            let evidence = Evidence::Tdx(quote);
            world.appraiser().verify(&evidence, &world.endorsements(), NOW).is_ok()
        });
        prop_assert!(!verified);
    }

    #[test]
    fn quote_parser_takes_any_bytes(
        version in 4..=5_u8, bytes in proptest::collection::vec(any::<u8>(), 0..2048),
    ) {
        let mut quote = vec![version, 0, 2, 0, 0x81, 0, 0, 0];
        quote.extend(bytes);
        prop_assert!(TdxQuote::parse(&quote).is_err());
    }
}
