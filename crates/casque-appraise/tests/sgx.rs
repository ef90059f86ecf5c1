//! SGX quotes of the software TEE: valid ones are appraised, each bend is refused by its own error.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the functions that tests call are tests"
)]

use std::sync::Arc;

use assert_matches::assert_matches;
use casque_appraise::{
    AdvisoryId, AppraiseError, Appraiser, Bound, Endorsements, Evidence, EvidenceParseError,
    Identity, IntelEndorsement, IntelEndorsements, IntelTee, PckAuthority, QuoteAppraiseError,
    RevokedThing, Scope, SgxQuote, TcbStatus, TrustAnchors, Verdict, Verifier,
};
use casque_testkit::runtime_data as runtime;
use casque_testkit::sgx::{
    EndorsementSpec, QuoteFlaw, QuoteSpec, SgxPlatform, SoftwareTee, Standing,
};
use casque_types::{MrEnclave, MrSigner, Seconds, SgxIdentity, Timestamp};
use proptest::prelude::*;

const NOW: Timestamp = Timestamp::from_unix_s(1_795_500_000);
const A_DAY: Seconds = Seconds(86_400);

struct World {
    tee: SoftwareTee,
    spec: EndorsementSpec,
    now: Timestamp,
}

impl World {
    fn new() -> Self {
        Self::of(PckAuthority::Processor)
    }

    fn of(authority: PckAuthority) -> Self {
        let platform = SgxPlatform {
            authority,
            ..SgxPlatform::default()
        };
        Self {
            tee: SoftwareTee::generate_platform(platform, NOW).unwrap(),
            spec: EndorsementSpec::valid_at(NOW),
            now: NOW,
        }
    }

    fn endorsements(&self) -> IntelEndorsements {
        self.tee.endorsements_of(&self.spec).unwrap()
    }

    fn anchors(&self) -> TrustAnchors {
        TrustAnchors::vendors().dangerous_with_sgx_root(self.tee.root_der().to_vec())
    }

    fn quote(&self) -> SgxQuote {
        let spec = QuoteSpec::new(identity(), *runtime(1).report_data().as_bytes());
        SgxQuote::parse(&self.tee.quote_of(&spec).unwrap()).unwrap()
    }

    fn verify(&self, quote: &SgxQuote) -> Result<Verdict, QuoteAppraiseError> {
        verify(quote, self.endorsements(), self.anchors(), self.now)
    }

    /// Why the valid quote is refused after `bend`.
    fn refusal(bend: impl FnOnce(&mut Self)) -> QuoteAppraiseError {
        let mut world = Self::new();
        bend(&mut world);
        world.verify(&world.quote()).unwrap_err()
    }

    /// Why a quote with this flaw is refused, once parsed.
    fn refusal_of(flaw: QuoteFlaw) -> QuoteAppraiseError {
        let world = Self::new();
        world.verify(&flawed(&world, flaw).unwrap()).unwrap_err()
    }
}

fn verify(
    quote: &SgxQuote,
    endorsements: IntelEndorsements,
    anchors: TrustAnchors,
    now: Timestamp,
) -> Result<Verdict, QuoteAppraiseError> {
    let evidence = Evidence::Sgx(quote.clone());
    let verdict = Appraiser::new(anchors).verify(&evidence, &set(endorsements), now);
    verdict.map_err(|error| match error {
        AppraiseError::Quote(error) => error,
        other => panic!("the quote is judged: {other}"),
    })
}

fn set(endorsements: IntelEndorsements) -> Endorsements {
    Endorsements {
        intel: Some(Arc::new(endorsements)),
        amd: None,
    }
}

fn debug_of(verdict: &Verdict) -> bool {
    let Identity::Sgx(identity) = verdict.identity() else {
        panic!("the quote is of SGX");
    };
    identity.debug
}

fn flawed(world: &World, flaw: QuoteFlaw) -> Result<SgxQuote, EvidenceParseError> {
    let spec = QuoteSpec::new(identity(), [0; 64]).with_flaw(flaw);
    SgxQuote::parse(&world.tee.quote_of(&spec).unwrap())
}

fn malformation_of(flaw: QuoteFlaw) -> &'static str {
    match flawed(&World::new(), flaw).unwrap_err() {
        EvidenceParseError::Malformed { expected, .. } => expected,
        EvidenceParseError::TooLong { .. } => panic!("the quote is short"),
    }
}

fn expired(document: IntelEndorsement, at: Timestamp) -> QuoteAppraiseError {
    QuoteAppraiseError::EndorsementsExpired {
        document,
        expired: Some(at),
    }
}

fn valid() -> EndorsementSpec {
    EndorsementSpec::valid_at(NOW)
}

fn identity() -> SgxIdentity {
    SgxIdentity {
        mr_enclave: MrEnclave::from([0xe1; 32]),
        mr_signer: MrSigner::from([0x51; 32]),
        product_id: 0x0102,
        svn: 0x0304,
        debug: false,
    }
}

fn advisory(number: u32) -> AdvisoryId {
    AdvisoryId::from_number(number).unwrap()
}

// ---- what is appraised ----

#[test]
fn quote_bound_to_the_request_is_appraised() {
    let world = World::new();
    let appraisal = Appraiser::new(world.anchors())
        .appraise(
            &Evidence::Sgx(world.quote()),
            runtime(1),
            &set(world.endorsements()),
            NOW,
        )
        .unwrap();
    assert_eq!(*appraisal.identity(), Identity::Sgx(identity()));
    assert_eq!(*appraisal.verifier(), Verifier::Casque);
    assert_eq!(appraisal.scope(), Scope::Process);
    assert_eq!(*appraisal.runtime(), runtime(1));
    assert_eq!(appraisal.tcb().status, TcbStatus::UpToDate);
    assert_eq!(appraisal.tcb().advisories, []);
    assert_eq!(appraisal.valid_until(), Some(world.spec.next_update));
    assert_eq!(appraisal.platform(), Some(&world.tee.qe_id().into()));
    let report_data = *runtime(1).report_data().as_bytes();
    assert_eq!(*appraisal.verdict().bound(), Bound::ReportData(report_data));
}

#[test]
fn quote_parsed_claims_what_the_enclave_said() {
    let quote = World::new().quote();
    assert_eq!(*quote.claimed_identity(), identity());
    assert_eq!(*quote.report_data(), *runtime(1).report_data().as_bytes());
}

#[test]
fn quote_states_its_claims() {
    let quote = World::new().quote();
    let mut bytes = quote.as_bytes().to_vec();
    // CONFIGID, CONFIGSVN, ISVFAMILYID and ISVEXTPRODID, which key separation and sharing sets.
    bytes[48 + 192..48 + 256].fill(0xc1);
    bytes[48 + 260..48 + 262].copy_from_slice(&[7, 1]);
    bytes[48 + 304..48 + 320].fill(0xfa);
    bytes[48 + 32..48 + 48].fill(0xe2);
    let claims = SgxQuote::parse(&bytes).unwrap().claims();
    let stated = |name: &str| {
        let found = claims.iter().find(|claim| claim.name == name);
        found
            .unwrap_or_else(|| panic!("no claim `{name}`"))
            .value
            .clone()
    };
    assert_eq!(stated("mrenclave"), "e1".repeat(32));
    assert_eq!(stated("mrsigner"), "51".repeat(32));
    assert_eq!(
        (stated("isvprodid"), stated("isvsvn")),
        ("258".into(), "772".into())
    );
    assert_eq!(stated("configid"), "c1".repeat(64));
    assert_eq!(stated("configsvn"), "263");
    assert_eq!(stated("isvfamilyid"), "fa".repeat(16));
    assert_eq!(stated("isvextprodid"), "e2".repeat(16));
    assert_eq!(stated("attributes"), "0500000000000000e700000000000000");
    assert_eq!(stated("cpusvn"), "0b0b0202ff010c000000000000000000");
    assert_eq!(stated("debug"), "false");
    assert_eq!(
        (stated("fmspc"), stated("pck_authority")),
        ("004341535101".into(), "processor".into())
    );
    assert_eq!(stated("report_data"), hex(quote.report_data()));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn codes_are_those_of_the_variants_each_once() {
    let codes = QuoteAppraiseError::CODES;
    assert!(codes.iter().all(|code| code.starts_with("quote-")));
    let mut unique = codes.to_vec();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), codes.len());
    assert!(codes.contains(&QuoteAppraiseError::PckChain.code()));
}

#[test]
fn quote_of_debug_enclave_is_verified_and_says_so() {
    let world = World::new();
    let debug = SgxIdentity {
        debug: true,
        ..identity()
    };
    let quote = world.tee.quote(&debug, &[0; 64]).unwrap();
    let verdict = world.verify(&SgxQuote::parse(&quote).unwrap()).unwrap();
    assert!(debug_of(&verdict));
}

#[test]
fn quote_names_the_endorsements_of_either_authority() {
    for authority in [PckAuthority::Processor, PckAuthority::Platform] {
        let world = World::of(authority);
        assert_eq!(
            world.quote().endorsements_id(),
            Ok(world.tee.endorsements_id())
        );
        assert_matches!(world.verify(&world.quote()), Ok(_));
    }
}

#[test]
fn quote_of_every_status_but_revoked_is_verified_with_that_status() {
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
        let verdict = world.verify(&world.quote()).unwrap();
        assert_eq!(verdict.tcb().status, status);
        assert_eq!(verdict.tcb().advisories, [advisory(289), advisory(615)]);
    }
}

#[test]
fn quote_of_outdated_quoting_enclave_is_out_of_date_with_its_advisories() {
    let mut world = World::new();
    world.spec = world.spec.with_tcb(TcbStatus::SwHardeningNeeded, &[615]);
    world.spec.qe_status = TcbStatus::OutOfDate;
    world.spec.qe_advisories = vec![advisory(477), advisory(615)];
    let verdict = world.verify(&world.quote()).unwrap();
    assert_eq!(verdict.tcb().status, TcbStatus::OutOfDate);
    assert_eq!(verdict.tcb().advisories, [advisory(477), advisory(615)]);
}

#[test]
fn verdict_is_valid_until_the_first_endorsement_expires() {
    let mut world = World::new();
    world.spec.crl_next_update = NOW.plus(A_DAY);
    let verdict = world.verify(&world.quote()).unwrap();
    assert_eq!(verdict.valid_until(), Some(NOW.plus(A_DAY)));
}

#[test]
fn endorsements_state_platform_and_validity() {
    let mut world = World::new();
    world.spec.crl_next_update = NOW.plus(A_DAY);
    let endorsements = world.endorsements();
    assert_eq!(endorsements.fmspc(), Ok(world.tee.platform().fmspc));
    let validity = endorsements.validity().unwrap();
    assert_eq!(validity.from, world.spec.issued);
    assert_eq!(validity.until, NOW.plus(A_DAY));
    assert_eq!(validity.first_to_expire, IntelEndorsement::PckCrl);
}

// ---- what is refused: binding, root, quote ----

#[test]
fn quote_bound_to_another_nonce_is_not_bound() {
    let world = World::new();
    let appraiser = Appraiser::new(world.anchors());
    let evidence = Evidence::Sgx(world.quote());
    let refused = appraiser.appraise(&evidence, runtime(2), &set(world.endorsements()), NOW);
    assert_matches!(refused, Err(AppraiseError::NotBound));
}

#[test]
fn quote_with_bytes_after_the_binding_is_not_bound() {
    let world = World::new();
    let mut report_data = *runtime(1).report_data().as_bytes();
    report_data[63] = 1;
    let quote = world.tee.quote(&identity(), &report_data).unwrap();
    let evidence = Evidence::Sgx(SgxQuote::parse(&quote).unwrap());
    let appraiser = Appraiser::new(world.anchors());
    let refused = appraiser.appraise(&evidence, runtime(1), &set(world.endorsements()), NOW);
    assert_matches!(refused, Err(AppraiseError::NotBound));
}

#[test]
fn quote_of_software_tee_is_refused_under_intels_root() {
    let world = World::new();
    let vendors = TrustAnchors::vendors();
    let refused = verify(&world.quote(), world.endorsements(), vendors, NOW);
    assert_eq!(
        refused.unwrap_err(),
        QuoteAppraiseError::EndorsementsSignature {
            document: IntelEndorsement::RootCrl
        }
    );
}

#[test]
fn quote_of_another_tee_is_refused_by_its_chain() {
    let (world, other) = (World::new(), World::new());
    assert_matches!(
        world.verify(&other.quote()),
        Err(QuoteAppraiseError::PckChain)
    );
}

#[test]
fn anchor_that_is_no_certificate_is_a_defect() {
    let world = World::new();
    let anchors = TrustAnchors::vendors().dangerous_with_sgx_root(vec![0x30, 0]);
    let refused = verify(&world.quote(), world.endorsements(), anchors, NOW);
    assert_matches!(refused, Err(QuoteAppraiseError::TrustAnchor));
}

#[test]
fn quote_signed_by_foreign_platform_is_refused() {
    assert_eq!(
        World::refusal_of(QuoteFlaw::ForeignCertificates),
        QuoteAppraiseError::QeReport
    );
}

#[test]
fn quote_without_certificates_is_refused_by_its_chain() {
    let world = World::new();
    let quote = flawed(&world, QuoteFlaw::NoCertificates).unwrap();
    assert_matches!(
        quote.endorsements_id(),
        Err(EvidenceParseError::Malformed { .. })
    );
    assert_matches!(world.verify(&quote), Err(QuoteAppraiseError::PckChain));
}

#[test]
fn quote_changed_after_signing_is_refused() {
    assert_eq!(
        World::refusal_of(QuoteFlaw::ReportSignature),
        QuoteAppraiseError::QuoteSignature
    );
}

#[test]
fn quote_whose_qe_report_is_bent_is_refused() {
    for flaw in [QuoteFlaw::QeReportSignature, QuoteFlaw::QeReportData] {
        assert_eq!(World::refusal_of(flaw), QuoteAppraiseError::QeReport);
    }
}

#[test]
fn quote_of_a_quoting_enclave_that_is_not_intels_is_refused() {
    for flaw in [QuoteFlaw::QeSigner, QuoteFlaw::QeDebug, QuoteFlaw::QeSvn(0)] {
        assert_eq!(World::refusal_of(flaw), QuoteAppraiseError::QeIdentity);
    }
}

#[test]
fn quote_with_another_layout_is_malformed() {
    let expected = [
        (QuoteFlaw::Version(4), "version 3"),
        (QuoteFlaw::TeeType(0x81), "TEE type 0"),
        (QuoteFlaw::KeyType(3), "key type 2"),
        (QuoteFlaw::QeVendor, "QE vendor"),
        (QuoteFlaw::CertificationType(1), "type 5"),
        (QuoteFlaw::TrailingBytes, "nothing after"),
        (QuoteFlaw::CutOff, "more bytes"),
    ];
    for (flaw, words) in expected {
        let found = malformation_of(flaw);
        assert!(found.contains(words), "{flaw:?}: {found}");
    }
}

#[test]
fn quote_cut_anywhere_is_malformed() {
    let whole = World::new().quote();
    for end in 0..whole.as_bytes().len() {
        let cut = SgxQuote::parse(&whole.as_bytes()[..end]);
        assert_matches!(cut, Err(EvidenceParseError::Malformed { .. }));
    }
}

#[test]
fn quote_over_the_limit_is_refused_before_it_is_read() {
    let refused = SgxQuote::parse(&vec![0; SgxQuote::MAX_BYTES + 1]).unwrap_err();
    assert_matches!(
        refused,
        EvidenceParseError::TooLong {
            found_bytes: 16_385,
            ..
        }
    );
}

// ---- what is refused: endorsements ----

#[test]
fn endorsements_for_another_family_are_refused() {
    let refused = World::refusal(|world| world.spec.fmspc = Some([1; 6]));
    assert_eq!(refused, QuoteAppraiseError::WrongFmspc);
}

#[test]
fn endorsements_for_tdx_are_refused() {
    let tee = IntelTee::Sgx;
    let refused = World::refusal(|world| world.spec.tcb_info_id = "TDX");
    let document = IntelEndorsement::TcbInfo;
    let expected = QuoteAppraiseError::EndorsementsOfOtherTee { document, tee };
    assert_eq!(refused, expected);
    let refused =
        World::refusal(|world| world.spec = EndorsementSpec::valid_for(IntelTee::Tdx, NOW));
    let document = IntelEndorsement::QeIdentity;
    let expected = QuoteAppraiseError::EndorsementsOfOtherTee { document, tee };
    assert_eq!(refused, expected);
}

#[test]
fn platform_below_every_level_is_not_listed() {
    let refused = World::refusal(|world| {
        world.spec.least_pce_svn = Some(world.tee.platform().pce_svn + 1);
    });
    assert_eq!(refused, QuoteAppraiseError::TcbNotListed);
}

#[test]
fn endorsements_past_their_life_are_expired_by_name() {
    let late = World::refusal(|world| world.now = world.spec.next_update.plus(Seconds(1)));
    assert_matches!(
        late,
        QuoteAppraiseError::EndorsementsExpired {
            document: IntelEndorsement::RootCrl,
            ..
        }
    );
    let info = World::refusal(|world| {
        world.spec.crl_next_update = world.spec.next_update.plus(A_DAY);
        world.now = world.spec.next_update.plus(Seconds(1));
    });
    assert_eq!(
        info,
        expired(IntelEndorsement::TcbInfo, valid().next_update)
    );
    let said = info.to_string();
    assert!(
        said.contains("Intel's TCB information has expired on 2026-12-2"),
        "{said}"
    );
    let identity = World::refusal(|world| {
        world.spec.crl_next_update = world.spec.next_update.plus(A_DAY);
        world.spec.rewrite_tcb_info = Some(|text| text.replace("2026-12", "2027-12"));
        world.now = world.spec.next_update.plus(Seconds(1));
    });
    assert_eq!(
        identity,
        expired(IntelEndorsement::QeIdentity, valid().next_update)
    );
    let list = World::refusal(|world| {
        world.spec.crl_next_update = NOW;
        world.now = NOW.plus(Seconds(1));
    });
    assert_eq!(list, expired(IntelEndorsement::RootCrl, NOW));
}

#[test]
fn endorsements_before_their_life_are_not_valid_yet() {
    let refused = World::refusal(|world| world.now = world.spec.issued.minus(Seconds(1)));
    let document = IntelEndorsement::TcbInfo;
    let begins = Some(valid().issued);
    assert_eq!(
        refused,
        QuoteAppraiseError::EndorsementsNotYetValid { document, begins }
    );
}

#[test]
fn certificates_past_their_life_are_expired_with_their_date() {
    let twenty_years_later = NOW.plus(Seconds(20 * 365 * 86_400 + 1));
    let refused = World::refusal(|world| {
        world.now = twenty_years_later;
        world.spec = EndorsementSpec::valid_at(twenty_years_later);
    });
    let ended = NOW.plus(Seconds(20 * 365 * 86_400));
    assert_eq!(refused, expired(IntelEndorsement::SignerChain, ended));
}

#[test]
fn advisory_or_status_that_is_none_is_refused() {
    let refused = World::refusal(|world| {
        world.spec = world.spec.clone().with_tcb(TcbStatus::OutOfDate, &[615]);
        world.spec.rewrite_tcb_info = Some(|text| text.replace("INTEL-SA-00615", "OTHER-1"));
    });
    assert_matches!(refused, QuoteAppraiseError::Advisory { .. });
    let refused = World::refusal(|world| world.spec.tcb_status = TcbStatus::TdRelaunchAdvised);
    assert_eq!(refused, QuoteAppraiseError::Status);
    let refused = World::refusal(|world| world.spec.qe_status = TcbStatus::SwHardeningNeeded);
    assert_eq!(refused, QuoteAppraiseError::Status);
}

#[test]
fn tcb_level_with_too_few_components_is_malformed() {
    let refused = World::refusal(|world| {
        world.spec.rewrite_tcb_info = Some(|text| text.replacen("{\"svn\":11},", "", 1));
    });
    let document = IntelEndorsement::TcbInfo;
    assert_eq!(
        refused,
        QuoteAppraiseError::EndorsementsMalformed { document }
    );
}

#[test]
fn endorsements_missing_are_asked_for() {
    let world = World::new();
    let evidence = Evidence::Sgx(world.quote());
    let nothing = Endorsements::default();
    let refused = Appraiser::new(world.anchors()).verify(&evidence, &nothing, NOW);
    assert_matches!(refused, Err(AppraiseError::EndorsementsMissing { .. }));
}

#[test]
fn endorsements_changed_after_signing_are_refused_by_name() {
    let refused = World::refusal(|world| world.spec.tcb_info_changed = true);
    let document = IntelEndorsement::TcbInfo;
    assert_eq!(
        refused,
        QuoteAppraiseError::EndorsementsSignature { document }
    );
    let refused = World::refusal(|world| world.spec.qe_identity_changed = true);
    let document = IntelEndorsement::QeIdentity;
    assert_eq!(
        refused,
        QuoteAppraiseError::EndorsementsSignature { document }
    );
}

#[test]
fn anything_revoked_is_refused_by_what_it_is() {
    let refused = World::refusal(|world| world.spec.pck = Standing::Revoked);
    let what = RevokedThing::PckCertificate;
    assert_eq!(refused, QuoteAppraiseError::Revoked { what });
    let refused = World::refusal(|world| world.spec.authority = Standing::Revoked);
    assert_eq!(refused, QuoteAppraiseError::Revoked { what });
    let refused = World::refusal(|world| world.spec.tcb_signer = Standing::Revoked);
    let what = RevokedThing::Signer;
    assert_eq!(refused, QuoteAppraiseError::Revoked { what });
    let refused = World::refusal(|world| world.spec.tcb_status = TcbStatus::Revoked);
    let what = RevokedThing::Tcb;
    assert_eq!(refused, QuoteAppraiseError::Revoked { what });
    let refused = World::refusal(|world| world.spec.qe_status = TcbStatus::Revoked);
    assert_eq!(refused, QuoteAppraiseError::Revoked { what });
}

#[test]
fn endorsements_with_another_qe_signer_are_refused() {
    let refused = World::refusal(|world| world.spec.qe_signer = Some(MrSigner::from([1; 32])));
    assert_eq!(refused, QuoteAppraiseError::QeIdentity);
}

/// Why the valid quote is refused with bent endorsements.
fn refusal_with(bend: impl FnOnce(&mut IntelEndorsements)) -> QuoteAppraiseError {
    let world = World::new();
    let mut endorsements = world.endorsements();
    bend(&mut endorsements);
    verify(&world.quote(), endorsements, world.anchors(), NOW).unwrap_err()
}

#[test]
fn endorsements_that_cannot_be_read_are_refused_by_name() {
    type Bend = fn(&mut IntelEndorsements);
    let bends: [(IntelEndorsement, Bend); 8] = [
        (IntelEndorsement::TcbInfo, |it| it.tcb_info.push('}')),
        (IntelEndorsement::TcbInfo, |it| {
            it.tcb_info_signature.push(0)
        }),
        (IntelEndorsement::QeIdentity, |it| it.qe_identity.push('}')),
        (IntelEndorsement::QeIdentity, |it| {
            it.qe_identity_signature.clear();
        }),
        (IntelEndorsement::SignerChain, |it| {
            it.tcb_info_issuer_chain.clear();
        }),
        (IntelEndorsement::SignerChain, |it| {
            it.qe_identity_issuer_chain.clear();
        }),
        (IntelEndorsement::PckCrl, |it| it.pck_crl.truncate(40)),
        (IntelEndorsement::RootCrl, |it| it.root_ca_crl.truncate(40)),
    ];
    for (document, bend) in bends {
        let refused = refusal_with(bend);
        assert_eq!(
            refused,
            QuoteAppraiseError::EndorsementsMalformed { document }
        );
    }
}

#[test]
fn signer_chain_of_another_root_is_refused_by_name() {
    let other = World::new().endorsements();
    let refused = refusal_with(|it| it.tcb_info_issuer_chain = other.tcb_info_issuer_chain);
    let document = IntelEndorsement::SignerChain;
    assert_eq!(
        refused,
        QuoteAppraiseError::EndorsementsSignature { document }
    );
}

#[test]
fn revocation_list_of_another_authority_is_refused_by_name() {
    let other = World::new().endorsements();
    let refused = refusal_with(|it| it.pck_crl = other.pck_crl);
    let document = IntelEndorsement::PckCrl;
    assert_eq!(
        refused,
        QuoteAppraiseError::EndorsementsSignature { document }
    );
}

#[test]
fn revocation_list_of_the_pck_authority_expired_alone_is_named() {
    let world = World::new();
    let mut endorsements = world.endorsements();
    let mut early = world.spec.clone();
    early.crl_next_update = NOW;
    endorsements.pck_crl = world.tee.endorsements_of(&early).unwrap().pck_crl;
    let now = NOW.plus(Seconds(1));
    let refused = verify(&world.quote(), endorsements, world.anchors(), now);
    let document = IntelEndorsement::PckCrl;
    assert_eq!(refused.unwrap_err(), expired(document, NOW));
}

#[test]
fn endorsements_that_state_no_dates_have_no_validity() {
    let mut endorsements = World::new().endorsements();
    endorsements.tcb_info = endorsements.tcb_info.replace("nextUpdate", "next");
    assert_matches!(endorsements.validity(), Err(_));
    endorsements.tcb_info = r#"{"fmspc":"00"}"#.to_owned();
    assert_matches!(endorsements.fmspc(), Err(_));
}

// ---- laws ----

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn quote_with_any_byte_changed_before_its_chain_is_refused(at in 0..SIGNED_END, flip in 1..=255_u8) {
        let world = World::new();
        let mut bytes = world.quote().as_bytes().to_vec();
        bytes[at] ^= flip;
        let verified = SgxQuote::parse(&bytes).is_ok_and(|quote| world.verify(&quote).is_ok());
        prop_assert!(!verified);
    }

    #[test]
    fn quote_parser_takes_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..2048)) {
        let mut quote = vec![3, 0, 2, 0, 0, 0, 0, 0];
        quote.extend(bytes);
        prop_assert!(SgxQuote::parse(&quote).is_err());
    }
}

/// Header, report, lengths, signatures, attestation key, QE report, authentication data, type and length
/// of the chain: all before the PEM text.
const SIGNED_END: usize = 432 + 4 + 64 + 64 + 384 + 64 + 2 + 32 + 2 + 4;
