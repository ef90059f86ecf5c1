//! `casque explain` over real evidence and endorsements in the forms that tools and hosts write, and with endorsements
//! that are not this evidence's.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "a test that cannot go on fails"
)]

mod explain_vectors;
mod harness;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use casque_testkit::snp::SoftwareSnp;
use casque_types::{SnpProduct, SnpSigner, Timestamp};
use explain_vectors::{
    Case, aci, azure_snp, azure_tdx, phala_sgx, shared_token, snp, vector, virtee_milan,
};
use harness::{Place, Ran};
use serde_json::{Value, json};

const SUMMER: &str = "2025-06-19T11:56:11Z";

fn printed(ran: &Ran) -> Value {
    assert_eq!(ran.stderr, "");
    serde_json::from_str(&ran.stdout).unwrap()
}

fn assert_appraised(case: &Case, what: &str) -> Value {
    let ran = case.explain(&Place::new(), &[]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{what}");
    printed(&ran)
}

fn assert_refused(case: &Case, code: &str, what: &str) {
    let ran = case.explain(&Place::new(), &[]);
    let found = printed(&ran);
    let ended = (ran.code, &found["outcome"], &found["code"]);
    let expected = (5, &json!("not-authentic"), &json!(code));
    assert_eq!(ended, expected, "{what}: {found}");
}

fn assert_unusable(case: &Case, code: &str, words: &str) {
    let ran = case.explain(&Place::new(), &[]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{words}");
    assert!(ran.stderr.contains(code), "{code}: {}", ran.stderr);
    assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
}

fn text(path: &str) -> Option<String> {
    vector(&format!("evidence/{path}")).map(|bytes| String::from_utf8(bytes).unwrap())
}

/// The same with another member, whether there was one or not.
fn having(case: &Case, member: &str, value: Value) -> Case {
    let mut other = case.clone();
    other.evidence[member] = value;
    other
}

// ---- evidence ----

#[test]
fn azure_machines_have_one_shape() {
    let (snp, tdx) = (azure_snp(1, "azure-snp-vtpm/x-v1-vcek.der"), azure_tdx());
    let td_quote = tdx.as_ref().map(|tdx| tdx.evidence["td_quote"].clone());
    if let Some(snp) = &snp {
        let whole = having(
            &having(snp, "td_quote", json!(null)),
            "ak_chain",
            json!(null),
        );
        assert_appraised(&whole, "SNP");
        if let Some(td_quote) = td_quote {
            let other = having(snp, "td_quote", td_quote);
            assert_unusable(&other, "evidence-unusable", "`td_quote` belongs to");
        }
    }
    if let Some(tdx) = &tdx {
        assert_appraised(&having(tdx, "vek", json!(null)), "TDX");
        let other = having(tdx, "vek", json!("PEM"));
        assert_unusable(&other, "evidence-unusable", "`vek` belongs to");
        let without = having(tdx, "td_quote", json!(null));
        assert_unusable(&without, "evidence-unusable", "missing field `td_quote`");
    }
}

/// The files of a container's security context, as they are: base64 with an end of line, of the host's JSON among them.
#[test]
fn security_context_is_taken_as_its_files_have_it() {
    let (Some(case), Some(thim)) = (aci(), text("aci-uvm/uvm_host_amd_certificate.json")) else {
        return;
    };
    let mut of_files = case.clone();
    for member in ["policy", "uvm"] {
        let content = case.evidence[member].as_str().unwrap();
        of_files.evidence[member] = json!(format!("{content}\n"));
    }
    let found = assert_appraised(&case, "decoded");
    for vek in [thim.clone(), format!("{}\n", STANDARD.encode(&thim))] {
        let of_files = having(&of_files, "vek", json!(vek));
        assert_eq!(found, assert_appraised(&of_files, "as in the files"));
    }
    // A real one, of another host.
    if let Some(other) = text("aci-uvm/host-amd-cert-base64") {
        let other = having(&of_files, "vek", json!(other));
        assert_refused(&other, "snp-chip", "the certificate of another host");
    }
}

#[test]
fn certificate_may_have_text_around_it() {
    let Some(case) = azure_snp(0, "azure-snp-vtpm/x-v0-vcek.pem") else {
        return;
    };
    let pem = case.evidence["vek"].as_str().unwrap();
    let found = assert_appraised(&case, "PEM");
    for before in [
        "Bag Attributes\n    localKeyID: 01\nsubject=CN = SEV-VCEK\n",
        "Certificate:\n    Data:\n        Version: 3 (0x2)\n",
        "\n",
    ] {
        for form in [
            format!("{before}{pem}"),
            STANDARD.encode(format!("{before}{pem}")),
        ] {
            let other = having(&case, "vek", json!(form));
            assert_eq!(found, assert_appraised(&other, before));
        }
    }
}

#[test]
fn evidence_may_be_wrapped_and_end_with_a_new_line() {
    fn wrap(text: &str) -> String {
        let lines = text.as_bytes().chunks(76);
        let lines = lines.map(|line| str::from_utf8(line).unwrap());
        lines.map(|line| format!("{line}\r\n")).collect()
    }
    if let Some(case) = phala_sgx() {
        let found = assert_appraised(&case, "SGX");
        let quote = case.evidence["quote"].as_str().unwrap();
        let other = having(&case, "quote", json!(wrap(quote)));
        assert_eq!(found, assert_appraised(&other, "SGX in lines"));
    }
    if let Some(case) = shared_token() {
        let found = assert_appraised(&case, "token");
        let token = case.evidence["token"].as_str().unwrap();
        for form in [format!("{token}\n"), format!(" {token}\r\n")] {
            let other = having(&case, "token", json!(form));
            assert_eq!(found, assert_appraised(&other, "token in a file"));
        }
    }
    if let Some(case) = virtee_milan() {
        let found = assert_appraised(&case, "SNP");
        let mut other = case.clone();
        for member in ["report", "vek"] {
            let text = case.evidence[member].as_str().unwrap();
            other.evidence[member] = json!(wrap(text));
        }
        assert_eq!(found, assert_appraised(&other, "SNP in lines"));
    }
}

// ---- endorsements of AMD ----

fn with_chain(case: &Case, chain: &Value) -> Case {
    let endorsements = Some(json!({"amd": {"chain": chain}}));
    Case {
        endorsements,
        ..case.clone()
    }
}

fn vlek() -> Option<Case> {
    let report = "snp/trustee-test-vlek-report.bin";
    snp(report, "snp/trustee-test-vlek.der", None, SUMMER)
}

fn genoa() -> Option<Case> {
    let report = "snp/genoa_attestation_report.bin";
    snp(report, "snp/genoa_vcek.pem", None, "2026-11-24T00:00:00Z")
}

/// ASK, ARK, and ASVK where the file has it.
fn milan_chains() -> Vec<Value> {
    let files = ["snp/virtee-cert_chain_milan", "snp/milan_ask_ark_asvk.pem"];
    files
        .into_iter()
        .filter_map(text)
        .map(Value::from)
        .collect()
}

#[test]
fn chain_that_is_stated_must_have_the_authority_of_the_key() {
    let chains = milan_chains();
    let [ask_ark, ask_ark_asvk] = chains.as_slice() else {
        return;
    };
    if let Some(vlek) = vlek() {
        assert_refused(
            &with_chain(&vlek, ask_ark),
            "snp-chain",
            "a VLEK under the ASK",
        );
        assert_appraised(&with_chain(&vlek, ask_ark_asvk), "a VLEK under the ASVK");
        assert_appraised(&with_chain(&vlek, &json!(null)), "a VLEK, built in");
        assert_appraised(&vlek, "a VLEK, nothing stated");
    }
    if let Some(genoa) = genoa() {
        for chain in &chains {
            let other = with_chain(&genoa, chain);
            assert_refused(&other, "snp-foreign-root", "Genoa under Milan's");
        }
        if let Some(own) = text("snp/genoa_ask_ark_asvk.pem") {
            assert_appraised(&with_chain(&genoa, &json!(own)), "Genoa");
            let both = format!("{}{own}", ask_ark_asvk.as_str().unwrap());
            assert_appraised(&with_chain(&genoa, &json!(both)), "Genoa's among others");
        }
    }
    if let Some(vm) = azure_snp(1, "azure-snp-vtpm/x-v1-vcek.der")
        && let Some(turin) = text("snp/turin_ask_ark_asvk.pem")
    {
        assert_refused(
            &with_chain(&vm, &json!(turin)),
            "snp-foreign-root",
            "a machine",
        );
    }
}

#[test]
fn chain_that_is_stated_must_be_amds() {
    let forged = SoftwareSnp::generate(SnpProduct::Milan, Timestamp::from_unix_s(1_700_000_000));
    let forged = forged.unwrap().chain_pem(SnpSigner::Vcek);
    let (_, forged) = forged.split_once("-----END CERTIFICATE-----\n").unwrap();
    let Some(milan) = virtee_milan() else { return };
    let own = milan.endorsements.as_ref().unwrap()["amd"]["chain"].clone();
    assert_appraised(&with_chain(&milan, &own), "AMD's");
    let beside = format!("{}{forged}", own.as_str().unwrap());
    for chain in [forged, &beside] {
        let other = with_chain(&milan, &json!(chain));
        assert_refused(&other, "snp-foreign-root", "forged");
    }
    let no_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for garbage in ["", "\n", "no certificate", "AAAA", no_certificate] {
        let other = with_chain(&milan, &json!(garbage));
        assert_unusable(&other, "endorsements-unusable", "`amd.chain`");
    }
    assert_unusable(
        &with_chain(&milan, &json!(7)),
        "endorsements-unusable",
        "string",
    );
}
