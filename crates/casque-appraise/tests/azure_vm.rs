//! Software machines of Azure on TDX: valid evidence is appraised, each bend is refused by its own error. On SNP the
//! parts around the report are the same; see `azure_vm_snp.rs`.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the functions that tests call are tests"
)]

use std::sync::{Arc, LazyLock};

use assert_matches::assert_matches;
use casque_appraise::{
    AppraiseError, Appraiser, AzureVmAppraiseError, AzureVmEvidence, AzureVmParts, Bound,
    CertificateError, Endorsements, Evidence, EvidenceParseError, Identity, Scope, TcbStatus,
    TrustAnchors, Verdict,
};
use casque_testkit::azure_vm::{
    AkChainFlaw, HclFlaw, HclSpec, HclTee, SoftwareVtpm, TpmQuoteFlaw, TpmQuoteSpec, td_report,
};
use casque_testkit::runtime_data as runtime;
use casque_testkit::sgx::SoftwareTee;
use casque_testkit::tdx::software_tdx_identity;
use casque_types::{AttestationKeyProof, AzureVmIdentity, AzureVmTee, Digest, Seconds, Timestamp};

const NOW: Timestamp = Timestamp::from_unix_s(1_795_500_000);
const A_YEAR: Seconds = Seconds(365 * 86_400);
/// Keys of RSA take a while to make.
static VTPM: LazyLock<Arc<SoftwareVtpm>> =
    LazyLock::new(|| Arc::new(SoftwareVtpm::generate(NOW).unwrap()));
/// Older than the paravisor's certificates.
static TEE: LazyLock<Arc<SoftwareTee>> =
    LazyLock::new(|| Arc::new(SoftwareTee::generate(NOW.minus(A_YEAR)).unwrap()));

/// A machine, and what its evidence is made from.
struct World {
    tee: Arc<SoftwareTee>,
    vtpm: Arc<SoftwareVtpm>,
    hcl: HclSpec,
    /// Over which report data the TD quote is made, if other than it should.
    quoted: Option<[u8; 64]>,
    quote: TpmQuoteSpec,
    /// How many registers come.
    registers: usize,
    ak_chain: Option<String>,
    now: Timestamp,
}

impl World {
    fn new() -> Self {
        Self {
            tee: Arc::clone(&TEE),
            vtpm: Arc::clone(&VTPM),
            hcl: HclSpec::default(),
            quoted: None,
            quote: TpmQuoteSpec::new(runtime(1).binding().as_bytes()),
            registers: 24,
            ak_chain: None,
            now: NOW,
        }
    }

    fn evidence(&self) -> Result<AzureVmEvidence, EvidenceParseError> {
        let identity = software_tdx_identity([0x7D; 48]);
        let report_data = self.vtpm.report_data(&self.hcl);
        let report = td_report(&identity, &report_data);
        let quoted = self.quoted.unwrap_or(report_data);
        let td_quote = self.tee.tdx_quote(&identity, &quoted).unwrap();
        let quote = self.vtpm.quote(&self.quote).unwrap();
        let mut pcrs = quote.pcrs;
        pcrs.resize(self.registers, [0; 32]);
        AzureVmEvidence::parse(&AzureVmParts {
            hcl: &self
                .vtpm
                .hcl_report(&self.hcl, HclTee::Tdx, &report)
                .unwrap(),
            message: &quote.message,
            signature: &quote.signature,
            pcrs: &pcrs,
            vek: None,
            td_quote: Some(&td_quote),
            ak_chain: self.ak_chain.as_ref().map(String::as_bytes),
        })
    }

    fn appraiser(&self) -> Appraiser {
        Appraiser::new(
            TrustAnchors::vendors()
                .dangerous_with_sgx_root(self.tee.root_der().to_vec())
                .dangerous_with_azure_vtpm_root(self.vtpm.root_der().to_vec()),
        )
    }

    fn endorsements(&self) -> Endorsements {
        // As fresh as the time asked for, so that only what is bent is out of date.
        Endorsements {
            intel: Some(Arc::new(self.tee.tdx_endorsements(self.now).unwrap())),
            amd: None,
        }
    }

    fn verify(&self) -> Result<Verdict, AppraiseError> {
        let evidence = Evidence::AzureVm(self.evidence()?);
        let endorsements = self.endorsements();
        self.appraiser().verify(&evidence, &endorsements, self.now)
    }
}

/// Why the machine is refused after `bend`.
fn refusal(bend: impl FnOnce(&mut World)) -> AzureVmAppraiseError {
    let mut world = World::new();
    bend(&mut world);
    match world.verify().unwrap_err() {
        AppraiseError::AzureVm(refused) => refused,
        other => panic!("expected a refusal of the machine, found {other}"),
    }
}

/// Why the machine's evidence is none after `bend`.
fn malformation(bend: impl FnOnce(&mut World)) -> (&'static str, &'static str) {
    let mut world = World::new();
    bend(&mut world);
    match world.evidence().unwrap_err() {
        EvidenceParseError::Malformed { kind, expected } => (kind, expected),
        EvidenceParseError::TooLong { kind, .. } => (kind, "less"),
    }
}

/// What the attestation key signed instead of a quote.
fn malformation_of_quote(bend: impl FnOnce(&mut World)) -> &'static str {
    let AzureVmAppraiseError::Statement { source } = refusal(bend) else {
        panic!("expected a statement that is no quote");
    };
    let EvidenceParseError::Malformed { kind, expected } = source else {
        panic!("expected another layout, found {source}");
    };
    assert_eq!(kind, "TPM quote");
    expected
}

fn malformation_of_hcl(flaw: HclFlaw) -> &'static str {
    let (kind, expected) = malformation(|world| world.hcl = world.hcl.clone().with_flaw(flaw));
    assert_eq!(kind, "HCL report");
    expected
}

/// What the TEE vouches for instead of the paravisor's data.
fn malformation_of_data(flaw: HclFlaw) -> &'static str {
    let refused = refusal(|world| world.hcl = world.hcl.clone().with_flaw(flaw));
    let AzureVmAppraiseError::ParavisorData { source } = refused else {
        panic!("expected data that cannot be read, found {refused}");
    };
    let EvidenceParseError::Malformed { kind, expected } = source else {
        panic!("expected another layout, found {source}");
    };
    assert_eq!(kind, "paravisor's data");
    expected
}

fn refusal_of_chain(flaw: AkChainFlaw) -> AzureVmAppraiseError {
    refusal(|world| world.ak_chain = Some(world.vtpm.ak_chain_of(Some(flaw)).unwrap()))
}

fn vm(verdict: &Verdict) -> &AzureVmIdentity {
    match verdict.identity() {
        Identity::AzureVm(vm) => vm,
        other => panic!("expected an Azure VM, found {other}"),
    }
}

// ---- what is appraised ----

#[test]
fn machine_is_verified() {
    let verdict = World::new().verify().unwrap();
    let vm = vm(&verdict);
    assert_matches!(&vm.tee, AzureVmTee::Tdx(tdx) if *tdx.mr_td.as_bytes() == [0x7D; 48]);
    assert_eq!(vm.pcrs.len(), 24);
    assert_eq!(vm.pcrs[&23], Digest::from([23; 32]));
    assert_eq!(vm.secure_boot, Some(true));
    assert_eq!(vm.attestation_key, AttestationKeyProof::Report);
    assert_eq!(verdict.scope(), Scope::Vm);
    assert_eq!(verdict.tcb().status, TcbStatus::UpToDate);
    let binding = runtime(1).binding().as_bytes().to_vec();
    assert_eq!(*verdict.bound(), Bound::ExtraData(binding));
}

#[test]
fn machine_bound_to_the_request_is_appraised_and_to_another_is_not() {
    let world = World::new();
    let appraiser = world.appraiser();
    let evidence = Evidence::AzureVm(world.evidence().unwrap());
    let appraise = |runtime| appraiser.appraise(&evidence, runtime, &world.endorsements(), NOW);
    let appraisal = appraise(runtime(1)).unwrap();
    assert_matches!(appraisal.identity(), Identity::AzureVm(_));
    let refused = appraise(runtime(2)).unwrap_err();
    assert_eq!(refused, AppraiseError::NotBound);
}

#[test]
fn machine_with_a_longer_binding_is_not_bound() {
    let mut world = World::new();
    let mut extra_data = runtime(1).binding().as_bytes().to_vec();
    extra_data.push(0);
    world.quote = TpmQuoteSpec::new(&extra_data);
    let evidence = Evidence::AzureVm(world.evidence().unwrap());
    let appraiser = world.appraiser();
    let refused = appraiser.appraise(&evidence, runtime(1), &world.endorsements(), NOW);
    assert_matches!(refused, Err(AppraiseError::NotBound));
}

#[test]
fn machine_proves_only_the_registers_that_its_quote_selects() {
    let mut world = World::new();
    world.quote = world.quote.clone().with_select(&[0x81, 0, 0x40]);
    let verdict = world.verify().unwrap();
    let proved: Vec<u8> = vm(&verdict).pcrs.keys().copied().collect();
    assert_eq!(proved, [0, 7, 22]);
    let evidence = world.evidence().unwrap();
    let claims = evidence.claims();
    let registers = claims.iter().filter(|claim| claim.name.starts_with("pcr"));
    assert_eq!(registers.count(), 3);
}

#[test]
fn machine_without_secure_boot_says_so() {
    for secure_boot in [Some(false), None] {
        let mut world = World::new();
        world.hcl.secure_boot = secure_boot;
        assert_eq!(vm(&world.verify().unwrap()).secure_boot, secure_boot);
    }
}

#[test]
fn machine_with_a_chain_to_azures_root_proves_it() {
    let mut world = World::new();
    world.ak_chain = Some(world.vtpm.ak_chain().unwrap());
    let verdict = world.verify().unwrap();
    let proof = AttestationKeyProof::ReportAndCertificate;
    assert_eq!(vm(&verdict).attestation_key, proof);
    // The endorsements run out before the certificate.
    assert!(verdict.valid_until().unwrap() <= NOW.plus(A_YEAR));
}

#[test]
fn machine_with_a_certificate_and_no_intermediates_proves_nothing_more() {
    let mut world = World::new();
    for flaw in [AkChainFlaw::RootAlone, AkChainFlaw::NoIntermediates] {
        world.ak_chain = Some(world.vtpm.ak_chain_of(Some(flaw)).unwrap());
        let verdict = world.verify().unwrap();
        assert_eq!(vm(&verdict).attestation_key, AttestationKeyProof::Report);
    }
    let claims = world.evidence().unwrap().claims();
    let claim = claims.iter().find(|claim| claim.name == "ak_certificate");
    assert!(claim.unwrap().value.contains("chain incomplete"));
}

#[test]
fn machine_of_the_software_tee_is_verified() {
    let world = World::new();
    let identity = software_tdx_identity([0x7D; 48]);
    let machine = VTPM.on_tdx(&TEE, &identity, b"binding").unwrap();
    let evidence = Evidence::AzureVm(AzureVmEvidence::parse(&machine.parts()).unwrap());
    let verdict = world
        .appraiser()
        .verify(&evidence, &world.endorsements(), NOW);
    assert_eq!(verdict.unwrap().bound().as_bytes(), b"binding");
}

// ---- the TEE vouches for the paravisor's data ----

#[test]
fn machine_whose_data_were_changed_is_refused() {
    let refused = refusal(|world| world.hcl = HclSpec::default().with_flaw(HclFlaw::ChangedData));
    assert_eq!(refused, AzureVmAppraiseError::ReportData);
}

#[test]
fn machine_whose_quote_is_over_other_report_data_is_refused() {
    let refused = refusal(|world| world.quoted = Some([1; 64]));
    assert_eq!(refused, AzureVmAppraiseError::TdReportData);
}

#[test]
fn machine_whose_inner_evidence_does_not_hold_is_refused_by_its_own_error() {
    let mut world = World::new();
    let other = Arc::new(SoftwareTee::generate(NOW).unwrap());
    let evidence = Evidence::AzureVm(world.evidence().unwrap());
    world.tee = other;
    let endorsements = world.endorsements();
    let refused = world.appraiser().verify(&evidence, &endorsements, NOW);
    assert_matches!(refused, Err(AppraiseError::Quote(_)));
}

#[test]
fn machine_without_intels_endorsements_is_refused() {
    let world = World::new();
    let evidence = Evidence::AzureVm(world.evidence().unwrap());
    let refused = world
        .appraiser()
        .verify(&evidence, &Endorsements::default(), NOW);
    assert_matches!(refused, Err(AppraiseError::EndorsementsMissing { .. }));
}

// ---- the quote ----

#[test]
fn quote_that_was_changed_or_signed_by_another_key_is_refused() {
    for flaw in [TpmQuoteFlaw::Signature, TpmQuoteFlaw::ForeignKey] {
        let refused = refusal(|world| world.quote = world.quote.clone().with_flaw(flaw));
        assert_eq!(refused, AzureVmAppraiseError::Signature);
    }
}

#[test]
fn quote_of_another_selection_is_refused() {
    let of = |flaw| refusal(|world| world.quote = world.quote.clone().with_flaw(flaw));
    let selection = |found: &str| AzureVmAppraiseError::PcrSelection {
        found: found.to_owned(),
    };
    assert_eq!(
        of(TpmQuoteFlaw::Bank(0x0004)),
        selection("bank 0x0004 ffffff")
    );
    let twice = "bank 0x000b ffffff, bank 0x000b ffffff";
    assert_eq!(of(TpmQuoteFlaw::TwoSelections), selection(twice));
    for (select, found) in [
        (&[0xFF, 0xFF][..], "bank 0x000b ffff"),
        (&[0xFF, 0xFF, 0xFF, 0xFF], "bank 0x000b ffffffff"),
        (&[0, 0, 0], "bank 0x000b 000000"),
    ] {
        let refused = refusal(|world| world.quote = world.quote.clone().with_select(select));
        assert_eq!(refused, selection(found));
    }
}

#[test]
fn quote_with_another_number_of_registers_is_refused() {
    for found in [0, 1, 23] {
        let refused = refusal(|world| world.registers = found);
        let selected = 24;
        assert_eq!(refused, AzureVmAppraiseError::PcrCount { selected, found });
    }
    let refused = refusal(|world| {
        world.quote = world.quote.clone().with_select(&[0x07, 0, 0]);
        world.registers = 4;
    });
    let (selected, found) = (3, 4);
    assert_eq!(refused, AzureVmAppraiseError::PcrCount { selected, found });
    let (_, expected) = malformation(|world| world.registers = 25);
    assert_eq!(expected, "at most 24 registers");
}

#[test]
fn quote_with_its_selected_registers_alone_is_verified() {
    let mut world = World::new();
    world.quote = world.quote.clone().with_select(&[0x07, 0, 0]);
    world.registers = 3;
    let verdict = world.verify().unwrap();
    assert_eq!(vm(&verdict).pcrs[&2], Digest::from([2; 32]));
}

#[test]
fn quote_over_other_registers_is_refused() {
    let flaw = TpmQuoteFlaw::PcrDigest;
    let refused = refusal(|world| world.quote = world.quote.clone().with_flaw(flaw));
    assert_eq!(refused, AzureVmAppraiseError::PcrDigest);
}

#[test]
fn quote_of_another_layout_is_refused_after_its_signature() {
    let rows = [
        (TpmQuoteFlaw::Magic, "`FF544347`"),
        (TpmQuoteFlaw::Type(0x8017), "type 8018"),
        (TpmQuoteFlaw::Safe, "clock of 17 bytes"),
        (TpmQuoteFlaw::NoSelection, "1 to 16 selections"),
        (TpmQuoteFlaw::Selections(17), "1 to 16 selections"),
        (TpmQuoteFlaw::Selections(u32::MAX), "1 to 16 selections"),
        (TpmQuoteFlaw::Selections(2), "1 to 16 selections"),
        (TpmQuoteFlaw::DigestLength(65), "a digest of at most 64"),
        (TpmQuoteFlaw::DigestLength(33), "a digest of at most 64"),
        (TpmQuoteFlaw::DigestLength(31), "nothing behind the digest"),
        (TpmQuoteFlaw::TrailingByte, "nothing behind the digest"),
        (TpmQuoteFlaw::CutOff, "a digest of at most 64"),
    ];
    for (flaw, expected) in rows {
        let found = malformation_of_quote(|world| {
            world.quote = world.quote.clone().with_flaw(flaw);
        });
        assert!(found.starts_with(expected), "{flaw:?}: {found}");
    }
    let long = |world: &mut World| world.quote = TpmQuoteSpec::new(&[0; 65]);
    let expected = "extra data of at most 64 bytes";
    assert_eq!(malformation_of_quote(long), expected);
}

#[test]
fn quote_of_another_length_than_any_quote_is_none() {
    let world = World::new();
    let identity = software_tdx_identity([0x7D; 48]);
    let machine = world.vtpm.on_tdx(&world.tee, &identity, b"").unwrap();
    let parse = |message: &[u8]| {
        let parts = AzureVmParts {
            message,
            ..machine.parts()
        };
        AzureVmEvidence::parse(&parts).map(|_| ())
    };
    let mut message = machine.quote.message.clone();
    assert_eq!(parse(&message[..45]), Ok(()));
    let malformed = |expected| EvidenceParseError::Malformed {
        kind: "TPM quote",
        expected,
    };
    for length in [0, 1, 44] {
        let found = parse(&message[..length]);
        assert_eq!(found, Err(malformed("at least 45 bytes")), "{length}");
    }
    message.resize(1024, 0);
    assert_eq!(parse(&message), Ok(()));
    message.push(0);
    let (limit_bytes, found_bytes) = (1024, 1025);
    let kind = "TPM quote";
    let too_long = EvidenceParseError::TooLong {
        kind,
        limit_bytes,
        found_bytes,
    };
    assert_eq!(parse(&message), Err(too_long));
}

#[test]
fn quote_that_cannot_be_read_claims_nothing_and_is_bound_to_nothing() {
    let mut world = World::new();
    world.quote = world.quote.clone().with_flaw(TpmQuoteFlaw::Magic);
    let vm = world.evidence().unwrap();
    assert!(vm.extra_data().is_empty());
    assert!(vm.claimed_identity().pcrs.is_empty());
    let claims = vm.claims();
    let of_quote = |name: &str| {
        let registers = name
            .strip_prefix("pcr")
            .is_some_and(|it| it.parse::<u8>().is_ok());
        registers || name == "extra_data" || name == "firmware_version"
    };
    assert!(!claims.iter().any(|claim| of_quote(&claim.name)));
    assert!(claims.iter().any(|claim| claim.name == "mrtd"));
    assert!(claims.iter().any(|claim| claim.name == "secure_boot"));
    let evidence = Evidence::AzureVm(vm);
    assert!(!evidence.claims_binding(&runtime(1)));
    let appraiser = world.appraiser();
    let refused = appraiser.appraise(&evidence, runtime(1), &world.endorsements(), NOW);
    assert_matches!(refused, Err(AppraiseError::NotBound));
}

// ---- the blob ----

#[test]
fn blob_of_another_layout_is_none() {
    let rows = [
        (HclFlaw::Magic, "`HCLA`"),
        (HclFlaw::Version(0), "`HCLA`"),
        (HclFlaw::Version(3), "`HCLA`"),
        (HclFlaw::ReportType(3), "report type 2 (SNP) or 4 (TDX)"),
        (HclFlaw::HashType(0), "hash type 1 (SHA-256)"),
        (HclFlaw::HashType(2), "hash type 1 (SHA-256)"),
        (HclFlaw::HashType(u32::MAX), "hash type 1 (SHA-256)"),
        (HclFlaw::DataSize, "a data size"),
        (HclFlaw::DataLength(4096), "as many bytes"),
        (HclFlaw::DataLength(u32::MAX), "a data size"),
        (HclFlaw::DataLength(10), "nothing but zeros"),
        (HclFlaw::Padding, "nothing but zeros"),
        (HclFlaw::CutOff, "as many bytes"),
        (HclFlaw::TooLong, "less"),
    ];
    for (flaw, expected) in rows {
        let found = malformation_of_hcl(flaw);
        assert!(found.starts_with(expected), "{flaw:?}: {found}");
    }
}

#[test]
fn paravisors_data_of_another_layout_are_refused_after_their_digest() {
    let rows = [
        (HclFlaw::NotJson, "JSON with `keys`"),
        (HclFlaw::MemberTwice, "JSON with `keys`"),
        (HclFlaw::NoKey, "one key `HCLAkPub`"),
        (HclFlaw::TwoKeys, "one key `HCLAkPub`"),
        (HclFlaw::ShortKey, "`HCLAkPub` as an RSA key"),
        (HclFlaw::UserData, "`user-data`"),
        (HclFlaw::VmUniqueId, "`vmUniqueId`"),
    ];
    for (flaw, expected) in rows {
        let found = malformation_of_data(flaw);
        assert!(found.starts_with(expected), "{flaw:?}: {found}");
    }
}

#[test]
fn paravisors_data_that_cannot_be_read_claim_nothing() {
    let mut world = World::new();
    world.hcl = world.hcl.clone().with_flaw(HclFlaw::NotJson);
    let vm = world.evidence().unwrap();
    let identity = vm.claimed_identity();
    assert_eq!((identity.secure_boot, identity.vm_unique_id), (None, None));
    // The TEE and the TPM do.
    assert_eq!(identity.pcrs.len(), 24);
    let claims = vm.claims();
    let names: Vec<&str> = claims.iter().map(|claim| claim.name.as_ref()).collect();
    for name in ["secure_boot", "vm_unique_id", "user_data", "tpm_enabled"] {
        assert!(!names.contains(&name), "{name}");
    }
    assert!(names.contains(&"mrtd") && names.contains(&"extra_data"));
}

// ---- the certificate of the attestation key ----

#[test]
fn chain_that_does_not_hold_is_refused() {
    let chain = |flaw| match refusal_of_chain(flaw) {
        AzureVmAppraiseError::AkCertificateChain { source } => source,
        other => panic!("expected a broken chain, found {other}"),
    };
    assert_matches!(
        chain(AkChainFlaw::Signature),
        CertificateError::Signature { .. }
    );
    assert_matches!(
        chain(AkChainFlaw::OneIntermediate),
        CertificateError::NoPath { .. }
    );
    assert_matches!(
        chain(AkChainFlaw::LeafIssues),
        CertificateError::NotAuthority { .. }
    );
    let foreign = chain(AkChainFlaw::ForeignIntermediates);
    assert_matches!(foreign, CertificateError::Signature { .. });
}

/// Tools write chains from the leaf, from the root, or as a folder lists them.
#[test]
fn chain_is_verified_in_any_order() {
    let mut world = World::new();
    let chain = world.vtpm.ak_chain().unwrap();
    let blocks: Vec<&str> = chain
        .split_inclusive("-----END CERTIFICATE-----\n")
        .collect();
    assert!(blocks.len() >= 3);
    let described = |world: &World| {
        let claims = world.evidence().unwrap().claims();
        let claim = claims.iter().find(|claim| claim.name == "ak_certificate");
        claim.unwrap().value.clone()
    };
    world.ak_chain = Some(chain.clone());
    let leaf_first = described(&world);
    let mut orders: Vec<String> = (0..blocks.len())
        .map(|first| [&blocks[first..], &blocks[..first]].concat().concat())
        .collect();
    orders.push(blocks.iter().rev().copied().collect());
    // The leaf twice.
    orders.push(format!("{chain}{}", blocks[0]));
    for order in orders {
        world.ak_chain = Some(order);
        let verdict = world.verify().unwrap();
        let proof = vm(&verdict).attestation_key;
        assert_eq!(proof, AttestationKeyProof::ReportAndCertificate);
        assert_eq!(described(&world), leaf_first);
    }
}

#[test]
fn certificate_of_another_key_is_refused() {
    let refused = refusal_of_chain(AkChainFlaw::OtherKey);
    assert_eq!(refused, AzureVmAppraiseError::AkCertificateKey);
}

#[test]
fn chain_under_another_root_is_refused() {
    let mut world = World::new();
    world.ak_chain = Some(world.vtpm.ak_chain().unwrap());
    let anchors = TrustAnchors::vendors().dangerous_with_sgx_root(world.tee.root_der().to_vec());
    let evidence = Evidence::AzureVm(world.evidence().unwrap());
    let refused = Appraiser::new(anchors).verify(&evidence, &world.endorsements(), NOW);
    assert_matches!(
        refused,
        Err(AppraiseError::AzureVm(
            AzureVmAppraiseError::AkCertificateChain {
                source: CertificateError::NoPath { .. }
            }
        ))
    );
}

#[test]
fn chain_to_a_root_that_cannot_be_read_is_refused() {
    let mut world = World::new();
    world.ak_chain = Some(world.vtpm.ak_chain().unwrap());
    let anchors = TrustAnchors::vendors()
        .dangerous_with_sgx_root(world.tee.root_der().to_vec())
        .dangerous_with_azure_vtpm_root(b"no certificate".to_vec());
    let evidence = Evidence::AzureVm(world.evidence().unwrap());
    let refused = Appraiser::new(anchors).verify(&evidence, &world.endorsements(), NOW);
    assert_matches!(
        refused,
        Err(AppraiseError::AzureVm(AzureVmAppraiseError::Root { .. }))
    );
}

#[test]
fn chain_outside_of_its_life_is_refused() {
    let at = |now| {
        refusal(|world| {
            world.ak_chain = Some(world.vtpm.ak_chain().unwrap());
            world.now = now;
        })
    };
    let late = at(NOW.plus(Seconds(366 * 86_400)));
    assert_matches!(late, AzureVmAppraiseError::AkCertificateExpired { .. });
    let early = at(NOW.minus(Seconds(2 * 86_400)));
    assert_matches!(early, AzureVmAppraiseError::AkCertificateNotYetValid { .. });
}

#[test]
fn chain_of_another_form_is_none() {
    let of = |flaw| {
        malformation(|world| world.ak_chain = Some(world.vtpm.ak_chain_of(Some(flaw)).unwrap()))
    };
    let kind = "certificate of the attestation key";
    let expected = "nothing but zeros behind a certificate";
    assert_eq!(of(AkChainFlaw::Padding), (kind, expected));
    assert_eq!(of(AkChainFlaw::TooMany), (kind, "at most 5 certificates"));
    for text in [
        "",
        "no PEM",
        "-----BEGIN CERTIFICATE-----\nAAAA",
        "\u{30}\u{3}\u{1}",
    ] {
        let (found, _) = malformation(|world| world.ak_chain = Some(text.to_owned()));
        assert_eq!(found, kind, "{text}");
    }
    let long = "x".repeat(64 * 1024 + 1);
    let found = malformation(|world| world.ak_chain = Some(long));
    assert_eq!(found, (kind, "less"));
}

#[test]
fn remembered_chain_is_refused_after_its_life() {
    let mut world = World::new();
    world.ak_chain = Some(world.vtpm.ak_chain().unwrap());
    let appraiser = world.appraiser();
    let evidence = Evidence::AzureVm(world.evidence().unwrap());
    for _ in 0..2 {
        appraiser
            .verify(&evidence, &world.endorsements(), NOW)
            .unwrap();
    }
    world.now = NOW.plus(Seconds(366 * 86_400));
    let refused = appraiser.verify(&evidence, &world.endorsements(), world.now);
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), "azure-vm-ak-certificate-expired");
}

#[test]
fn every_code_is_listed_once() {
    let mut codes = AzureVmAppraiseError::CODES.to_vec();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), AzureVmAppraiseError::CODES.len());
    assert!(codes.iter().all(|code| code.starts_with("azure-vm-")));
    assert!(codes.contains(&AzureVmAppraiseError::PcrDigest.code()));
}
