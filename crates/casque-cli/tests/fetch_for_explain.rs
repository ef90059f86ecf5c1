//! `casque endorsements fetch --form explain`, then `casque explain`, with evidence of software TEEs and a service on
//! this machine that answers as Intel's and AMD's do.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "the functions that tests call are tests"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use casque_appraise::{IntelTee, TrustAnchors};
use casque_cli::{Invocation, Terminal};
use casque_testkit::sgx::{EndorsementSpec, SoftwareTee, software_identity};
use casque_testkit::snp::{ReportSpec, SoftwareSnp, software_snp_identity};
use casque_testkit::tdx::software_tdx_identity;
use casque_types::{MrEnclave, Seconds, SnpProduct, SnpSigner, Timestamp};
use casque_wire::{AnyB64, Evidence};
use serde_json::Value;
use tempfile::TempDir;

const NOW: Timestamp = Timestamp::from_unix_s(1_795_500_000);

/// A header, and the body, by what a path contains.
type Answers = Vec<(&'static str, Option<(&'static str, String)>, Vec<u8>)>;

/// Answers until the test program ends.
fn serve(answers: Answers) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let answers = Arc::new(answers);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let answers = Arc::clone(&answers);
            std::thread::spawn(move || answer(&stream.unwrap(), &answers));
        }
    });
    address
}

fn answer(stream: &TcpStream, answers: &Answers) {
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next().unwrap().unwrap();
    while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
    let found = answers.iter().find(|(part, _, _)| request.contains(part));
    let (status, header, body) = match found {
        Some((_, header, body)) => ("200 OK", header.clone(), body.as_slice()),
        None => ("404 Not Found", None, [].as_slice()),
    };
    let mut head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n", body.len());
    if let Some((name, chain)) = header {
        let encoded = chain.replace('\n', "%0A").replace('+', "%2B");
        write!(head, "{name}: {encoded}\r\n").unwrap();
    }
    let mut stream = stream;
    write!(stream, "{head}connection: close\r\n\r\n").unwrap();
    stream.write_all(body).unwrap();
}

fn intel(tee: &SoftwareTee, which: IntelTee) -> String {
    let spec = EndorsementSpec::valid_for(which, NOW);
    let documents = tee.pcs_documents(&spec).unwrap();
    let chain = |name, chain: String| Some((name, chain));
    serve(vec![
        (
            "/certification/v4/tcb?",
            chain("TCB-Info-Issuer-Chain", documents.tcb_info_issuer_chain),
            documents.tcb_info.into_bytes(),
        ),
        (
            "/qe/identity",
            chain(
                "SGX-Enclave-Identity-Issuer-Chain",
                documents.qe_identity_issuer_chain,
            ),
            documents.qe_identity.into_bytes(),
        ),
        (
            "/pckcrl?",
            chain("SGX-PCK-CRL-Issuer-Chain", documents.pck_crl_issuer_chain),
            documents.pck_crl,
        ),
        ("/rootcacrl", None, documents.root_ca_crl),
    ])
}

fn amd(snp: &SoftwareSnp) -> String {
    let endorsements = snp.endorsements(NOW).unwrap();
    let pem = snp.chain_pem(SnpSigner::Vcek);
    let (_, authorities) = pem.split_once("-----END CERTIFICATE-----\n").unwrap();
    serve(vec![
        ("/vcek/v1/Milan/cert_chain", None, authorities.into()),
        ("/vcek/v1/Milan/crl", None, endorsements.crl.unwrap()),
        ("?blSPL=", None, snp.certificate(SnpSigner::Vcek).to_vec()),
    ])
}

/// A folder, and the roots under which the program runs.
struct Place {
    folder: TempDir,
    anchors: TrustAnchors,
}

impl Place {
    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn run(&self, arguments: &[&str], now: Timestamp) -> (u8, String, String) {
        let all = ["casque"].iter().chain(arguments);
        let invocation = Invocation {
            arguments: all.map(Into::into).collect(),
            environment: BTreeMap::new(),
            now,
            anchors: self.anchors.clone(),
            stderr: Terminal::File,
        };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = casque_cli::run(&invocation, &mut [].as_slice(), &mut out, &mut err);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (code, text(out), text(err))
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let (code, out, err) = self.run(arguments, NOW);
        assert_eq!(code, 0, "{arguments:?}: {out}{err}");
        serde_json::from_str(&out).unwrap()
    }
}

/// Fetches what the evidence needs, shows it and judges with it; the kinds and ids that were shown.
fn round_trip(evidence: &Evidence, service: &str, anchors: TrustAnchors) -> Vec<(String, String)> {
    let folder = TempDir::new().unwrap();
    let place = Place { folder, anchors };
    let (file, out) = (place.path("evidence.json"), place.path("endorsements.json"));
    std::fs::write(&file, serde_json::to_vec(evidence).unwrap()).unwrap();
    // Without them nothing is judged.
    let explain = ["explain", "--evidence", &file, "--output", "json"];
    let (code, out_before, _) = place.run(&explain, NOW);
    assert_eq!(code, 2, "{out_before}");
    let fetch = [
        "endorsements",
        "fetch",
        "--evidence",
        &file,
        "--from",
        service,
        "--form",
        "explain",
        "--out",
        &out,
    ];
    let (code, _, err) = place.run(&fetch, NOW);
    assert_eq!((code, err.as_str()), (0, ""));
    let judge = [
        "explain",
        "--evidence",
        &file,
        "--endorsements",
        &out,
        "--output",
        "json",
    ];
    assert_eq!(place.json(&judge)["outcome"], "appraised");
    // What was fetched ends some day, and is not used after.
    let (code, out_late, _) = place.run(&judge, NOW.plus(Seconds(400 * 86_400)));
    assert_eq!(code, 5, "{out_late}");
    let shown = place.json(&["endorsements", "show", &out, "--output", "json"]);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let shown = shown["documents"].as_array().unwrap().iter();
    shown
        .map(|it| {
            assert_eq!(it["state"], "in force");
            (text(&it["kind"]), text(&it["id"]))
        })
        .collect()
}

#[test]
fn quotes_of_sgx_and_tdx_are_judged_with_what_was_fetched_for_them() {
    let tee = SoftwareTee::generate(NOW).unwrap();
    let fmspc = hex::encode(tee.endorsements_id().fmspc);
    let authority = tee.endorsements_id().authority.as_str();
    let sgx = tee.quote(&software_identity(MrEnclave::from([1; 32])), &[5; 64]);
    let tdx = tee.tdx_quote(&software_tdx_identity([7; 48]), &[5; 64]);
    let (sgx, tdx) = (AnyB64(sgx.unwrap()), AnyB64(tdx.unwrap()));
    for (which, evidence) in [
        (IntelTee::Sgx, Evidence::Sgx { quote: sgx }),
        (IntelTee::Tdx, Evidence::Tdx { quote: tdx }),
    ] {
        let anchors = TrustAnchors::vendors().dangerous_with_sgx_root(tee.root_der().to_vec());
        let shown = round_trip(&evidence, &intel(&tee, which), anchors);
        let id = format!("{}-{fmspc}-{authority}", which.as_str());
        assert_eq!(shown, [("intel".to_owned(), id)]);
    }
}

#[test]
fn report_of_snp_without_its_certificate_is_judged_with_what_was_fetched_for_it() {
    let snp = SoftwareSnp::generate(SnpProduct::Milan, NOW).unwrap();
    let spec = ReportSpec::new(software_snp_identity([1; 48].into()), [5; 64]);
    let report = AnyB64(snp.report(&spec).unwrap());
    let evidence = Evidence::Snp { report, vek: None };
    let anchors = TrustAnchors::vendors().dangerous_with_amd(vec![snp.anchor()]);
    let mut shown = round_trip(&evidence, &amd(&snp), anchors);
    shown.sort();
    let kinds: Vec<&str> = shown.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["amd-chain", "amd-crl", "amd-vcek"]);
    assert_eq!(shown[1].1, "Casque ARK-Milan");
    assert_eq!(shown[2].1, "Casque SEV-VCEK");
}
