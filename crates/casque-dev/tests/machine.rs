//! A machine with swtpm as its TPM: what our own agent reads of it is appraised under the software roots, and the local
//! IMDS quotes for it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test: a panic is its failure"
)]

mod support;

use std::net::TcpStream;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use casque_appraise::{Appraiser, AzureVmEvidence, AzureVmParts, Bound, Evidence, Identity};
use casque_attester::{AzureVm, GuestData, PollEvery, Tcti};
use casque_dev::azure::Service;
use casque_dev::machine::{Machine, MachineTee};
use casque_types::{AzureVmIdentity, AzureVmTee, Digest, SnpSigner, sha256};
use hyper::{Method, StatusCode};
use serde_json::json;
use support::{Local, json as read, machine};

/// Of the paravisor.
const MEASUREMENT: [u8; 48] = [0x38; 48];

fn read_tpm(machine: &Machine, carried: &GuestData) -> AzureVm {
    let tcti: Tcti = machine.tcti().parse().unwrap();
    let port = machine.tcti().rsplit('=').next().unwrap().parse().unwrap();
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    AzureVm::read(stream, &tcti, &PollEvery::default(), carried).unwrap()
}

fn carried() -> GuestData {
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(sha256(b"request").as_bytes());
    GuestData::of_no_request(bytes)
}

fn appraised(
    local: &Local,
    vm: &AzureVm,
    vek: Option<&str>,
    td_quote: Option<&[u8]>,
) -> AzureVmIdentity {
    let evidence = AzureVmEvidence::parse(&AzureVmParts {
        hcl: &vm.hcl,
        message: &vm.quote.message,
        signature: &vm.quote.signature,
        pcrs: &vm.quote.pcrs,
        vek: vek.map(str::as_bytes),
        td_quote,
        ak_chain: None,
    });
    let evidence = Evidence::AzureVm(evidence.unwrap());
    let now = local.azure.faults(Service::Maa).unwrap().now();
    let id = evidence.endorsements_id().unwrap().unwrap();
    let endorsements = local.tees.endorsements(&id, now).unwrap();
    let verdict = Appraiser::new(local.tees.anchors())
        .verify(&evidence, &endorsements, now)
        .unwrap();
    let expected = Bound::ExtraData(sha256(b"request").as_bytes().to_vec());
    assert_eq!(*verdict.bound(), expected);
    match verdict.identity() {
        Identity::AzureVm(machine) => machine.clone(),
        other => panic!("expected a virtual machine, found {other:?}"),
    }
}

#[tokio::test]
async fn machine_on_snp_is_appraised_and_its_registers_are_extended() {
    let local = Local::start().await;
    let Some(machine) = machine(&local.tees, MachineTee::AzureSnp, MEASUREMENT.into()) else {
        return;
    };
    let vek = local.tees.snp.chain_pem(SnpSigner::Vcek);
    let before = read_tpm(&machine, &carried());
    let identity = appraised(&local, &before, Some(&vek), None);
    match identity.tee {
        AzureVmTee::Snp(guest) => assert_eq!(guest.measurement, MEASUREMENT.into()),
        other => panic!("{other:?}"),
    }
    assert_eq!(identity.pcrs[&7], Digest::from([0; 32]));
    machine.extend(7, [0x11; 32].into()).unwrap();
    let after = read_tpm(&machine, &carried());
    let identity = appraised(&local, &after, Some(&vek), None);
    let extended = sha256(&[[0; 32], [0x11; 32]].concat());
    assert_eq!(identity.pcrs[&7], extended);
}

#[tokio::test]
async fn machine_on_tdx_is_appraised_with_the_quote_of_the_local_imds() {
    let local = Local::start().await;
    let Some(machine) = machine(&local.tees, MachineTee::AzureTdx, MEASUREMENT.into()) else {
        return;
    };
    let vm = read_tpm(&machine, &carried());
    let report = URL_SAFE_NO_PAD.encode(&vm.hcl[0x20..][..1024]);
    let (url, headers) = (
        format!("{}/acc/tdquote", local.at().imds),
        [("content-type", "application/json")],
    );
    let body = json!({"report": report}).to_string();
    let (status, answer) = read(&local.ask(Method::POST, &url, &headers, &body).await);
    assert_eq!(status, StatusCode::OK, "{answer}");
    let quote = URL_SAFE_NO_PAD.decode(answer["quote"].as_str().unwrap());
    let identity = appraised(&local, &vm, None, Some(&quote.unwrap()));
    match identity.tee {
        AzureVmTee::Tdx(domain) => assert_eq!(domain.mr_td, MEASUREMENT.into()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn program_beside_the_tpm_finds_it_and_its_status_is_given_back() {
    let state = tempfile::tempdir().unwrap();
    let script =
        r#"test "$CASQUE_TPM" = "$TPM2TOOLS_TCTI" && tpm2_nvread -C o 0x01400001 && exit 7"#;
    let output = Command::new(env!("CARGO_BIN_EXE_casque-dev"))
        .args(["machine", "--tee", "azure-tdx", "--state"])
        .arg(state.path())
        .args(["sh", "-c", script])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("is not installed") {
        println!("skipped: {}", said.trim());
        return;
    }
    assert_eq!(output.status.code(), Some(7), "{said}");
    assert_eq!(output.stdout.len(), 2048);
    assert!(output.stdout.starts_with(b"HCLA"));
}
