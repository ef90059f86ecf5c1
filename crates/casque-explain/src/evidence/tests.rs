use std::sync::LazyLock;

use assert_matches::assert_matches;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use casque_appraise::EvidenceKind;
use casque_testkit::aci::{SoftwareUvmIssuer, software_policy};
use casque_testkit::azure_vm::{MachineEvidence, SoftwareVtpm};
use casque_testkit::maa::{SoftwareMaa, TokenSpec};
use casque_testkit::sgx::{SoftwareTee, software_identity};
use casque_testkit::snp::{ReportSpec, SoftwareSnp, software_snp_identity};
use casque_testkit::tdx::software_tdx_identity;
use casque_types::{SnpProduct, SnpSigner, Timestamp};
use serde_json::{Value, json};

use super::*;

const NOW: Timestamp = Timestamp::from_unix_s(1_795_500_000);
const DATA: [u8; 64] = [7; 64];

static INTEL: LazyLock<SoftwareTee> = LazyLock::new(|| SoftwareTee::generate(NOW).unwrap());
static AMD: LazyLock<SoftwareSnp> =
    LazyLock::new(|| SoftwareSnp::generate(SnpProduct::Milan, NOW).unwrap());
static VTPM: LazyLock<SoftwareVtpm> = LazyLock::new(|| SoftwareVtpm::generate(NOW).unwrap());

fn read(file: &Value) -> Result<Evidence, EvidenceParseError> {
    evidence_of(&serde_json::from_value(file.clone()).unwrap())
}

fn b64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

fn sgx() -> Vec<u8> {
    let identity = software_identity([1; 32].into());
    INTEL.quote(&identity, &DATA).unwrap()
}

fn report() -> Vec<u8> {
    let identity = software_snp_identity([2; 48].into());
    AMD.report(&ReportSpec::new(identity, DATA)).unwrap()
}

fn chain() -> String {
    AMD.chain_pem(SnpSigner::Vcek)
}

fn machine(of: &MachineEvidence) -> Value {
    let registers: Vec<String> = of.quote.pcrs.iter().map(hex::encode).collect();
    let mut file = json!({
        "type": if of.vek.is_some() { "azure-snp-vtpm" } else { "azure-tdx-vtpm" },
        "hcl": b64(&of.hcl),
        "quote": {
            "message": b64(&of.quote.message),
            "signature": b64(&of.quote.signature),
            "pcrs": registers,
        },
        "ak_chain": of.ak_chain,
    });
    if let Some(vek) = &of.vek {
        file["vek"] = json!(vek);
    }
    if let Some(quote) = &of.td_quote {
        file["td_quote"] = json!(b64(quote));
    }
    file
}

fn snp_machine() -> MachineEvidence {
    let identity = software_snp_identity([3; 48].into());
    VTPM.on_snp(&AMD, &identity, &DATA[..32]).unwrap()
}

fn tdx_machine() -> MachineEvidence {
    let identity = software_tdx_identity([4; 48]);
    VTPM.on_tdx(&INTEL, &identity, &DATA[..32]).unwrap()
}

fn group() -> Value {
    let issuer = SoftwareUvmIssuer::generate(NOW).unwrap();
    let identity = software_snp_identity([5; 48].into());
    let policy = software_policy("/app");
    let of = issuer
        .group(&AMD, &identity, policy.as_bytes(), DATA)
        .unwrap();
    json!({
        "type": "aci-snp", "report": b64(&of.report), "vek": of.vek,
        "policy": b64(&of.policy), "uvm": b64(&of.uvm),
    })
}

fn token() -> Value {
    let maa = SoftwareMaa::generate("https://casque.weu.attest.azure.net".parse().unwrap(), NOW);
    let identity = software_identity([1; 32].into());
    let token = maa.unwrap().token(&TokenSpec::sgx(identity, DATA, NOW));
    json!({"type": "maa", "token": token.unwrap()})
}

#[test]
fn evidence_of_every_type_is_read_as_its_kind() {
    let tdx = INTEL.tdx_quote(&software_tdx_identity([6; 48]), &DATA);
    let files = [
        (json!({"type": "none"}), EvidenceKind::Absent),
        (
            json!({"type": "sgx", "quote": b64(&sgx())}),
            EvidenceKind::Sgx,
        ),
        (
            json!({"type": "tdx", "quote": b64(&tdx.unwrap())}),
            EvidenceKind::Tdx,
        ),
        (
            json!({"type": "snp", "report": b64(&report()), "vek": chain()}),
            EvidenceKind::Snp,
        ),
        (machine(&snp_machine()), EvidenceKind::AzureSnpVtpm),
        (machine(&tdx_machine()), EvidenceKind::AzureTdxVtpm),
        (group(), EvidenceKind::AciSnp),
        (token(), EvidenceKind::MaaToken),
    ];
    for (file, kind) in files {
        let found = read(&file).unwrap();
        assert_eq!(found.kind(), kind);
        assert_eq!(found.kind().as_str(), file["type"], "the name on the wire");
    }
}

#[test]
fn bytes_are_base64_of_either_alphabet_with_padding_or_without() {
    let quote = sgx();
    for engine in [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD] {
        let file = json!({"type": "sgx", "quote": engine.encode(&quote)});
        assert_matches!(read(&file).unwrap(), Evidence::Sgx(_));
    }
}

#[test]
fn certificate_is_pem_with_or_without_authorities_or_der_in_base64() {
    let der = AMD.certificate(SnpSigner::Vcek);
    // 48 bytes are a line of 64 characters.
    let lines: Vec<String> = der.chunks(48).map(|part| STANDARD.encode(part)).collect();
    let wrapped = lines.join("\n");
    let alone = format!("-----BEGIN CERTIFICATE-----\n{wrapped}\n-----END CERTIFICATE-----\n");
    let forms = [
        chain(),
        alone,
        wrapped,
        STANDARD.encode(der),
        STANDARD_NO_PAD.encode(der),
        URL_SAFE.encode(der),
    ];
    let claims: Vec<_> = (forms.iter())
        .map(|vek| read(&json!({"type": "snp", "report": b64(&report()), "vek": vek})))
        .map(|evidence| {
            let claims = evidence.unwrap().claims();
            let of_vek = claims.into_iter().find(|claim| claim.name == "vek_sha256");
            of_vek.unwrap().value
        })
        .collect();
    assert_eq!(claims.len(), 6);
    assert!(claims.iter().all(|one| *one == claims[0]), "{claims:?}");
}

/// As files and tools write it: lines of 76 columns, and an end of line behind it.
#[test]
fn white_space_in_any_member_counts_nothing() {
    fn spread(file: &mut Value) {
        match file {
            Value::String(text) if text.starts_with("-----BEGIN") => *text = format!("\n{text}\n"),
            Value::String(text) if text.contains('.') => *text = format!("\n{text}\r\n"),
            Value::String(text) => {
                let lines = text.as_bytes().chunks(76);
                let lines = lines.map(|line| str::from_utf8(line).unwrap());
                *text = lines.map(|line| format!("{line}\n")).collect();
            }
            Value::Array(all) => all.iter_mut().for_each(spread),
            Value::Object(members) => {
                let others = members.iter_mut().filter(|(name, _)| *name != "type");
                others.for_each(|(_, value)| spread(value));
            }
            _ => {}
        }
    }
    for file in [
        json!({"type": "sgx", "quote": b64(&sgx())}),
        json!({"type": "snp", "report": b64(&report()), "vek": chain()}),
        machine(&snp_machine()),
        machine(&tdx_machine()),
        group(),
        token(),
    ] {
        let mut lines = file.clone();
        spread(&mut lines);
        assert_ne!(lines, file);
        let found = read(&lines).unwrap();
        assert_eq!(found.claims(), read(&file).unwrap().claims());
    }
}

#[test]
fn certificate_may_be_left_out_and_be_among_the_endorsements() {
    let file = json!({"type": "snp", "report": b64(&report())});
    assert_matches!(read(&file).unwrap(), Evidence::Snp(_));
}

#[test]
fn certificate_that_is_neither_is_refused() {
    for vek in [
        "no certificate",
        "-----BEGIN CERTIFICATE-----\nAAAA",
        "AAAA",
        "%",
    ] {
        let refused = read(&json!({"type": "snp", "report": b64(&report()), "vek": vek}));
        assert_matches!(refused, Err(EvidenceParseError::Malformed { .. }), "{vek}");
    }
}

#[test]
fn registers_are_24_of_64_digits() {
    let good = machine(&snp_machine());
    let with = |registers: Value| {
        let mut file = good.clone();
        file["quote"]["pcrs"] = registers;
        read(&file)
    };
    let digits = |text: &str, count: usize| json!(vec![text.repeat(32); count]);
    assert_matches!(with(digits("AB", 24)), Ok(_));
    let prefixed = format!("0x{}", "00".repeat(32));
    assert_matches!(with(json!(vec![prefixed; 24])), Ok(_));
    for registers in [
        digits("00", 0),
        digits("00", 23),
        digits("00", 25),
        digits("0", 24),
        digits("000", 24),
        digits("zz", 24),
    ] {
        assert_matches!(
            with(registers),
            Err(EvidenceParseError::Malformed { kind: "TPM quote", expected })
                if expected.starts_with("24 registers")
        );
    }
}

#[test]
fn part_that_is_another_is_refused_by_its_parser() {
    let (quote, report) = (b64(&sgx()), b64(&report()));
    let mut machine = machine(&tdx_machine());
    machine["td_quote"] = json!(quote);
    let bent = [
        json!({"type": "tdx", "quote": quote}),
        json!({"type": "sgx", "quote": report}),
        json!({"type": "snp", "report": quote}),
        json!({"type": "aci-snp", "report": report, "policy": "AAAA", "uvm": "AAAA"}),
        machine,
    ];
    for file in bent {
        let refused = read(&file).unwrap_err();
        assert_matches!(
            refused,
            EvidenceParseError::Malformed { .. } | EvidenceParseError::TooLong { .. }
        );
    }
}
