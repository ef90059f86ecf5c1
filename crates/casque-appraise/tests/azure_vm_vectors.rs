//! Real evidence of confidential virtual machines of Azure (spec/evidence.md section 2.3), found through
//! `CASQUE_VECTORS` (default `../shared/vectors` beside the repository); absent ones are skipped and said so.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    reason = "the functions that tests call are tests"
)]

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use assert_matches::assert_matches;
use casque_appraise::{
    AppraiseError, Appraiser, AzureVmAppraiseError, AzureVmEvidence, AzureVmParts, Bound,
    Endorsements, EndorsementsId, Evidence, EvidenceKind, EvidenceParseError, Identity,
    IntelEndorsements, Scope, SnpAppraiseError, TcbStatus, TrustAnchors, Verdict, Verifier,
};
use casque_types::{AttestationKeyProof, AzureVmIdentity, AzureVmTee, Timestamp};
use serde_json::Value;

/// A vector's bytes, or `None`, said aloud, when it is not there.
fn vector(path: &str) -> Option<Vec<u8>> {
    let root = std::env::var_os("CASQUE_VECTORS").map_or_else(
        || {
            PathBuf::from(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../../../shared/vectors"
            ))
        },
        PathBuf::from,
    );
    let read = fs::read(root.join("evidence").join(path)).ok();
    if read.is_none() {
        println!("skipped: no vector {path}");
    }
    read
}

/// The parts of a piece of evidence, to be bent.
#[derive(Clone, Default)]
struct Parts {
    hcl: Vec<u8>,
    message: Vec<u8>,
    signature: Vec<u8>,
    pcrs: Vec<[u8; 32]>,
    vek: Option<Vec<u8>>,
    td_quote: Option<Vec<u8>>,
    ak_chain: Option<Vec<u8>>,
}

impl Parts {
    fn parse(&self) -> Result<AzureVmEvidence, EvidenceParseError> {
        AzureVmEvidence::parse(&AzureVmParts {
            hcl: &self.hcl,
            message: &self.message,
            signature: &self.signature,
            pcrs: &self.pcrs,
            vek: self.vek.as_deref(),
            td_quote: self.td_quote.as_deref(),
            ak_chain: self.ak_chain.as_deref(),
        })
    }

    fn verify(
        &self,
        endorsements: &Endorsements,
        now: Timestamp,
    ) -> Result<Verdict, AppraiseError> {
        let evidence = Evidence::AzureVm(self.parse()?);
        Appraiser::new(TrustAnchors::vendors()).verify(&evidence, endorsements, now)
    }
}

fn pcrs(bytes: &[u8]) -> Vec<[u8; 32]> {
    let chunks = bytes.chunks(32);
    chunks.map(|chunk| chunk.try_into().unwrap()).collect()
}

fn snp_parts(version: u8, vcek: &str) -> Option<Parts> {
    let of = |part: &str| vector(&format!("azure-snp-vtpm/x-v{version}-{part}"));
    Some(Parts {
        hcl: of("hcl.bin")?,
        message: of("tpmquote.msg")?,
        signature: of("tpmquote.sig")?,
        pcrs: pcrs(&of("pcrs.bin")?),
        vek: Some(of(vcek)?),
        ..Parts::default()
    })
}

fn tdx_parts() -> Option<Parts> {
    let of = |part: &str| {
        vector(&format!(
            "azure-tdx-vtpm/azure-tdx-1764662251380464271.{part}"
        ))
    };
    Some(Parts {
        hcl: of("hcl.bin")?,
        message: of("tpmquote.msg")?,
        signature: of("tpmquote.sig")?,
        pcrs: pcrs(&of("pcrs.bin")?),
        td_quote: Some(of("tdquote.bin")?),
        ak_chain: Some(of("ak.pem")?),
        ..Parts::default()
    })
}

fn intel(path: &str) -> Option<Endorsements> {
    let json: Value = serde_json::from_slice(&vector(path)?).unwrap();
    let text = |name: &str| json[name].as_str().unwrap().to_owned();
    let bytes = |name: &str| hex::decode(text(name)).unwrap();
    let intel = IntelEndorsements {
        tcb_info_issuer_chain: text("tcb_info_issuer_chain"),
        tcb_info: text("tcb_info"),
        tcb_info_signature: bytes("tcb_info_signature"),
        qe_identity_issuer_chain: text("qe_identity_issuer_chain"),
        qe_identity: text("qe_identity"),
        qe_identity_signature: bytes("qe_identity_signature"),
        pck_crl_issuer_chain: text("pck_crl_issuer_chain"),
        pck_crl: bytes("pck_crl"),
        root_ca_crl: bytes("root_ca_crl"),
    };
    Some(Endorsements {
        intel: Some(Arc::new(intel)),
        amd: None,
    })
}

fn vm(verdict: &Verdict) -> &AzureVmIdentity {
    match verdict.identity() {
        Identity::AzureVm(vm) => vm,
        other => panic!("expected an Azure VM, found {other}"),
    }
}

const SNP_NOW: Timestamp = Timestamp::from_unix_s(1_750_000_000);
const TDX_NOW: Timestamp = Timestamp::from_unix_s(1_771_423_480);
const TDX_ENDORSEMENTS: &str = "azure-tdx-vtpm/azure-collateral02.dcap-qvl.json";

// ---- SNP ----

#[test]
fn snp_machines_of_both_versions_of_evidence_are_verified() {
    for (version, vcek) in [(0, "vcek.pem"), (1, "vcek.der")] {
        let Some(parts) = snp_parts(version, vcek) else {
            return;
        };
        let verdict = parts.verify(&Endorsements::default(), SNP_NOW).unwrap();
        let vm = vm(&verdict);
        assert_matches!(&vm.tee, AzureVmTee::Snp(snp)
            if snp.measurement.to_string().starts_with("6a063be9") && snp.guest_svn == 10
                && !snp.debug && snp.vmpl == 0);
        assert_eq!(vm.pcrs.len(), 24);
        assert_eq!(vm.secure_boot, Some(true));
        let id = "26F8BC30-774E-4290-8E7A-535F3B672AEE";
        assert_eq!(vm.vm_unique_id.as_deref(), Some(id));
        assert_eq!(vm.attestation_key, AttestationKeyProof::Report);
        assert_eq!(*verdict.bound(), Bound::ExtraData(b"challenge".to_vec()));
        assert_eq!(verdict.scope(), Scope::Vm);
        assert_matches!(verdict.verifier(), Verifier::Casque);
        let platform = verdict.tcb().snp.as_ref().unwrap();
        let tcb = platform.reported_tcb;
        assert_eq!(
            (tcb.bootloader, tcb.tee, tcb.snp, tcb.microcode),
            (4, 0, 24, 219)
        );
    }
}

#[test]
fn snp_machine_states_its_claims() {
    let Some(parts) = snp_parts(1, "vcek.der") else {
        return;
    };
    let evidence = parts.parse().unwrap();
    assert_eq!(evidence.kind(), EvidenceKind::AzureSnpVtpm);
    assert_eq!(evidence.hardware_evidence().len(), 1184);
    assert!(evidence.paravisor_data().starts_with(b"{\"keys\":["));
    assert_matches!(evidence.endorsements_id(), Ok(EndorsementsId::Amd(_)));
    let claims = evidence.claims();
    let claim = |name: &str| {
        let mut found = claims.iter().filter(|claim| claim.name == name);
        let claim = found.next().unwrap_or_else(|| panic!("no claim {name}"));
        assert!(found.next().is_none(), "{name} stands twice");
        claim.value.clone()
    };
    assert_eq!(claim("secure_boot"), "true");
    assert_eq!(
        claim("vm_unique_id"),
        "26F8BC30-774E-4290-8E7A-535F3B672AEE"
    );
    assert_eq!(claim("console_enabled"), "true");
    assert_eq!(claim("user_data"), "0".repeat(128));
    assert_eq!(claim("extra_data"), hex::encode("challenge"));
    assert_eq!(claim("ak_certificate"), "none");
    assert_eq!(claim("pcr23"), "0".repeat(64));
    assert!(claim("measurement").starts_with("6a063be9"));
}

#[test]
fn snp_machine_whose_quote_selects_registers_that_did_not_come_is_refused() {
    let (Some(hcl), Some(vek)) = (
        vector("azure-snp-vtpm/hcl-report.bin"),
        vector("azure-snp-vtpm/vcek.pem"),
    ) else {
        return;
    };
    let (Some(message), Some(signature)) = (
        vector("azure-snp-vtpm/tpm-quote.msg"),
        vector("azure-snp-vtpm/tpm-quote.sig"),
    ) else {
        return;
    };
    let parts = Parts {
        hcl,
        message,
        signature,
        vek: Some(vek),
        ..Parts::default()
    };
    let refused = parts.verify(&Endorsements::default(), SNP_NOW).unwrap_err();
    // The report holds; of the quote's nine registers none came.
    let AppraiseError::AzureVm(refused) = refused else {
        panic!("expected a refusal of the quote, found {refused}");
    };
    assert_matches!(
        refused,
        AzureVmAppraiseError::PcrCount {
            selected: 9,
            found: 0
        } | AzureVmAppraiseError::Signature
    );
}

#[test]
fn snp_machine_with_the_certificate_of_another_chip_is_refused() {
    let (Some(hcl), Some(vek), Some(base)) = (
        vector("azure-snp-vtpm/kinvolk-hcl-report-snp.bin"),
        vector("azure-snp-vtpm/kinvolk-certs.pem"),
        snp_parts(0, "vcek.pem"),
    ) else {
        return;
    };
    let parts = Parts {
        hcl,
        vek: Some(vek),
        ..base
    };
    let evidence = parts.parse().unwrap();
    assert_eq!(evidence.claimed_identity().secure_boot, Some(true));
    let refused = parts.verify(&Endorsements::default(), SNP_NOW).unwrap_err();
    let AppraiseError::Snp(refused) = refused else {
        panic!("expected a refusal of the report, found {refused}");
    };
    assert_matches!(refused, SnpAppraiseError::Chip);
}

#[test]
fn every_byte_of_quote_signature_registers_report_and_data_counts() {
    let Some(good) = snp_parts(0, "vcek.pem") else {
        return;
    };
    let bent = Bent::new(good, Endorsements::default(), SNP_NOW);
    bent.every_byte_around_the_tee();
    // The signed part of the report; the data behind it.
    for at in 0..0x2A0 {
        let code = bent.code(|parts| &mut parts.hcl, 0x20 + at);
        let unreadable = code == "unreadable SNP report";
        assert!(code.starts_with("snp-") || unreadable, "hcl {at}: {code}");
    }
}

/// Real evidence with one bit turned.
struct Bent {
    good: Parts,
    endorsements: Endorsements,
    appraiser: Appraiser,
    now: Timestamp,
}

impl Bent {
    fn new(good: Parts, endorsements: Endorsements, now: Timestamp) -> Self {
        assert!(good.verify(&endorsements, now).is_ok());
        Self {
            good,
            endorsements,
            appraiser: Appraiser::new(TrustAnchors::vendors()),
            now,
        }
    }

    /// What is said when a bit of this byte is turned.
    fn code(&self, part: impl Fn(&mut Parts) -> &mut Vec<u8>, at: usize) -> String {
        let mut bent = self.good.clone();
        part(&mut bent)[at] ^= 1 << (at % 8);
        self.code_of(&bent)
    }

    fn code_of(&self, bent: &Parts) -> String {
        let evidence = match bent.parse() {
            Ok(evidence) => Evidence::AzureVm(evidence),
            Err(
                EvidenceParseError::Malformed { kind, .. }
                | EvidenceParseError::TooLong { kind, .. },
            ) => return format!("unreadable {kind}"),
        };
        let verdict = (self.appraiser).verify(&evidence, &self.endorsements, self.now);
        verdict.map_or_else(|refused| refused.code().to_owned(), |_| "none".to_owned())
    }

    /// The quote, its signature, the registers, and the paravisor's data.
    fn every_byte_around_the_tee(&self) {
        for at in 0..self.good.message.len() {
            let code = self.code(|parts| &mut parts.message, at);
            assert_eq!(code, "azure-vm-signature", "message {at}");
        }
        for at in 0..self.good.signature.len() {
            let code = self.code(|parts| &mut parts.signature, at);
            assert_eq!(code, "azure-vm-signature", "signature {at}");
        }
        for (register, at) in (0..24).flat_map(|pcr| (0..32).map(move |at| (pcr, at))) {
            let mut bent = self.good.clone();
            bent.pcrs[register][at] ^= 1 << (at % 8);
            let code = self.code_of(&bent);
            assert_eq!(code, "azure-vm-pcr-digest", "pcr{register}, byte {at}");
        }
        let data = self.good.parse().unwrap().paravisor_data().len();
        for at in 0x4D4..0x4D4 + data {
            let code = self.code(|parts| &mut parts.hcl, at);
            assert_eq!(code, "azure-vm-report-data", "hcl {at}");
        }
    }
}

#[test]
fn truncated_and_padded_evidence_is_refused_and_never_a_panic() {
    let Some(good) = snp_parts(0, "vcek.pem") else {
        return;
    };
    for length in 0..good.message.len() {
        let mut bent = good.clone();
        bent.message.truncate(length);
        let refused = bent.verify(&Endorsements::default(), SNP_NOW);
        let code = match bent.parse() {
            Err(EvidenceParseError::Malformed { expected, .. }) => expected,
            Err(other) => panic!("{other}"),
            Ok(_) => refused.unwrap_err().code(),
        };
        let expected = match length {
            ..45 => "at least 45 bytes",
            _ => "azure-vm-signature",
        };
        assert_eq!(code, expected, "message {length}");
    }
    // The zeros at the end are padding.
    for length in 0..0x4D4 + 1110 {
        let mut bent = good.clone();
        bent.hcl.truncate(length);
        assert!(bent.parse().is_err(), "hcl {length}");
    }
    let mut long = good.clone();
    long.hcl.resize(4097, 0);
    assert_matches!(
        long.parse(),
        Err(EvidenceParseError::TooLong {
            kind: "HCL report",
            limit_bytes: 4096,
            found_bytes: 4097
        })
    );
}

// ---- TDX ----

#[test]
fn tdx_machine_is_verified_and_its_lone_certificate_proves_nothing_more() {
    let (Some(parts), Some(endorsements)) = (tdx_parts(), intel(TDX_ENDORSEMENTS)) else {
        return;
    };
    let verdict = parts.verify(&endorsements, TDX_NOW).unwrap();
    let vm = vm(&verdict);
    assert_matches!(&vm.tee, AzureVmTee::Tdx(tdx) if {
        let mr_td = tdx.mr_td.to_string();
        mr_td.starts_with("12bdbc16") && mr_td.ends_with("e451")
            && tdx.rtmr.iter().all(|rtmr| *rtmr.as_bytes() == [0; 48])
    });
    assert_eq!(vm.secure_boot, Some(false));
    let id = "bdd43904-dbf8-4337-8b91-3adba92c5ebd";
    assert_eq!(vm.vm_unique_id.as_deref(), Some(id));
    assert_eq!(vm.attestation_key, AttestationKeyProof::Report);
    assert_eq!(verdict.tcb().status, TcbStatus::UpToDate);
    assert_eq!(*verdict.bound(), Bound::ExtraData(vec![0; 32]));
    assert_eq!(verdict.scope(), Scope::Vm);
    let claims = parts.parse().unwrap().claims();
    let certificate = claims.iter().find(|claim| claim.name == "ak_certificate");
    let value = &certificate.unwrap().value;
    assert!(value.contains("Global Virtual TPM CA - 03"), "{value}");
    assert!(value.contains("chain incomplete"), "{value}");
}

#[test]
fn every_byte_of_quote_signature_registers_data_and_td_quote_counts() {
    let (Some(good), Some(endorsements)) = (tdx_parts(), intel(TDX_ENDORSEMENTS)) else {
        return;
    };
    let bent = Bent::new(good, endorsements, TDX_NOW);
    bent.every_byte_around_the_tee();
    for at in 0x80..0xC0 {
        let code = bent.code(|parts| &mut parts.hcl, 0x20 + at);
        assert_eq!(code, "azure-vm-td-report-data", "report data {at}");
    }
    // Header and body of the TD quote.
    for at in 0..48 + 584 {
        let code = bent.code(|parts| parts.td_quote.as_mut().unwrap(), at);
        let of_header = at < 28 && code == "unreadable TDX quote";
        assert!(code.starts_with("quote-") || of_header, "{at}: {code}");
    }
}

#[test]
fn tdx_machine_with_the_certificate_of_another_key_is_refused() {
    let (Some(parts), Some(endorsements)) = (tdx_parts(), intel(TDX_ENDORSEMENTS)) else {
        return;
    };
    let Some(root) = vector("azure-tdx-vtpm/azure-virtual-tpm-root-2023.pem") else {
        return;
    };
    let parts = Parts {
        ak_chain: Some(root),
        ..parts
    };
    let refused = parts.verify(&endorsements, TDX_NOW).unwrap_err();
    let expected = AzureVmAppraiseError::AkCertificateKey;
    assert_eq!(refused, AppraiseError::AzureVm(expected));
}

#[test]
fn tdx_machine_with_the_quote_of_another_is_refused() {
    let (Some(parts), Some(quote)) = (
        tdx_parts(),
        vector("azure-tdx-vtpm/azure_failed_dcap_quote_10.bin"),
    ) else {
        return;
    };
    let Some(endorsements) = intel("azure-tdx-vtpm/azure-collateral.dcap-qvl.json") else {
        return;
    };
    let parts = Parts {
        td_quote: Some(quote),
        ..parts
    };
    let refused = parts.verify(&endorsements, Timestamp::from_unix_s(1_771_414_156));
    // This quote's platform is below every listed level, which is found first.
    assert_eq!(refused.unwrap_err().code(), "quote-tcb-not-listed");
}

#[test]
fn tdx_machine_without_its_quote_is_no_evidence() {
    let Some(parts) = tdx_parts() else {
        return;
    };
    let parts = Parts {
        td_quote: None,
        ..parts
    };
    assert_matches!(parts.parse(), Err(EvidenceParseError::Malformed { expected, .. })
        if expected.starts_with("a TD quote"));
}

#[test]
fn preview_machine_of_tdx_states_its_configuration() {
    let (Some(parts), Some(hcl)) = (
        tdx_parts(),
        vector("azure-tdx-vtpm/kinvolk-hcl-report-tdx.bin"),
    ) else {
        return;
    };
    let parts = Parts { hcl, ..parts };
    let evidence = parts.parse().unwrap();
    let identity = evidence.claimed_identity();
    let id = "D270E56B-F668-4990-A5BC-9B624576841D";
    assert_eq!(identity.vm_unique_id.as_deref(), Some(id));
    // The quote is of another machine.
    let Some(endorsements) = intel(TDX_ENDORSEMENTS) else {
        return;
    };
    let refused = parts.verify(&endorsements, TDX_NOW).unwrap_err();
    let expected = AzureVmAppraiseError::TdReportData;
    assert_eq!(refused, AppraiseError::AzureVm(expected));
}
