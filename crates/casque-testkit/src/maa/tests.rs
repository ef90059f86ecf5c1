//! Tokens and key documents against an RS256 verification of our own, and against the real key documents.

use std::path::PathBuf;
use std::sync::Arc;

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use casque_appraise::{Appraiser, Endorsements, Evidence, SgxQuote, TrustAnchors};
use casque_types::{AzureVmTee, SnpPlatform, SnpTcb, sha256};
use der::Encode as _;
use serde_json::Value;
use x509_cert::Certificate;

use super::*;
use crate::sgx::{SoftwareTee, software_identity};
use crate::snp::software_snp_identity;

const NOW: Timestamp = Timestamp::from_unix_s(1_795_478_400);

fn maa() -> SoftwareMaa {
    SoftwareMaa::generate("https://casque.eus.attest.azure.net".parse().unwrap(), NOW).unwrap()
}

fn spec() -> TokenSpec {
    let identity = software_identity(sha256(b"program").into());
    TokenSpec::sgx(identity, [7; 64], NOW)
}

/// The parts of a token: header, claims, and whether the key of `maa` signed them.
fn read(maa: &SoftwareMaa, token: &str) -> (Value, Value, bool) {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    let jwks: Value = serde_json::from_str(&maa.jwks(JwksShape::CertificateAlone)).unwrap();
    let certificate = STANDARD
        .decode(jwks["keys"][0]["x5c"][0].as_str().unwrap())
        .unwrap();
    let certificate = Certificate::from_der(&certificate).unwrap();
    let spki = certificate.tbs_certificate().subject_public_key_info();
    let key = spki.subject_public_key.as_bytes().unwrap();
    let good = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key)
        .verify(signed.as_bytes(), &decode(signature))
        .is_ok();
    let parse = |bytes: Vec<u8>| serde_json::from_slice(&bytes).unwrap();
    (parse(decode(header)), parse(decode(claims)), good)
}

#[test]
fn token_valid_has_the_header_and_claims_of_the_service() {
    let maa = maa();
    let runtime = br#"{"v":"x","key":{"b":1,"a":2}}"#.to_vec();
    let spec = spec().with_runtime(RuntimeClaim::Json(runtime));
    let (header, claims, good) = read(&maa, &maa.token(&spec).unwrap());
    assert!(good);
    assert_eq!(header["alg"], "RS256");
    assert_eq!(header["kid"], maa.key_id());
    assert_eq!(header["jku"], "https://casque.eus.attest.azure.net/certs");
    assert_eq!(claims["iss"], "https://casque.eus.attest.azure.net");
    assert_eq!(claims["exp"], NOW.as_unix_s() + 28_800);
    assert_eq!(claims["x-ms-sgx-is-debuggable"], false);
    assert_eq!(claims["x-ms-sgx-product-id"], 1);
    assert_eq!(claims["x-ms-sgx-report-data"], "07".repeat(64));
    let runtime = serde_json::to_string(&claims["x-ms-runtime"]).unwrap();
    assert_eq!(runtime, r#"{"key":{"a":2,"b":1},"v":"x"}"#);
}

#[test]
fn token_unsigned_has_an_empty_signature() {
    let maa = maa();
    let mut spec = spec();
    spec.algorithm = TokenAlgorithm::Unsigned;
    let token = maa.token(&spec).unwrap();
    assert!(token.ends_with('.'));
    let (header, _, good) = read(&maa, &token);
    assert_eq!(header["alg"], "none");
    assert!(!good);
}

#[test]
fn token_changed_after_signing_does_not_verify() {
    let maa = maa();
    let mut spec = spec();
    spec.changed = true;
    let (_, claims, good) = read(&maa, &maa.token(&spec).unwrap());
    assert_eq!(claims["x-ms-ver"], "1.1");
    assert!(!good);
}

#[test]
fn token_runtime_that_is_no_json_is_refused() {
    let spec = spec().with_runtime(RuntimeClaim::Json(b"{".to_vec()));
    let refused = maa().token(&spec);
    assert!(matches!(refused, Err(SoftwareMaaError::RuntimeData)));
}

#[test]
fn attest_gives_a_token_about_the_quote_and_its_runtime_data_alone() {
    let (maa, tee) = (maa(), SoftwareTee::generate(NOW).unwrap());
    let identity = software_identity(sha256(b"program").into());
    let mut report_data = [0; 64];
    report_data[..32].copy_from_slice(sha256(b"{}").as_bytes());
    let bytes = tee.quote(&identity, &report_data).unwrap();
    let quote = Evidence::Sgx(SgxQuote::parse(&bytes).unwrap());
    let endorsements = Endorsements {
        intel: Some(Arc::new(tee.endorsements(NOW).unwrap())),
        amd: None,
    };
    let anchors = TrustAnchors::vendors().dangerous_with_sgx_root(tee.root_der().to_vec());
    let appraiser = Appraiser::new(anchors);
    let attest = |runtime: &[u8]| {
        let runtime = Some(RuntimeClaim::Json(runtime.to_vec()));
        maa.attest(&quote, runtime, &endorsements, &appraiser, NOW)
    };
    let (_, claims, good) = read(&maa, &attest(b"{}").unwrap());
    assert!(good);
    assert_eq!(
        claims["x-ms-sgx-mrenclave"],
        identity.mr_enclave.to_string()
    );
    let quote_hash = sha256(&bytes).to_string();
    assert_eq!(claims["x-ms-sgx-collateral"]["quotehash"], quote_hash);
    assert!(matches!(attest(b"{ }"), Err(MaaRefusal::RuntimeData)));
}

#[test]
fn token_of_a_machine_without_a_tee_has_no_isolation_claims() {
    let (maa, vm) = (maa(), machine(None));
    let (_, claims, good) = read(&maa, &maa.token(&TokenSpec::azure_vm(vm, NOW)).unwrap());
    assert!(good);
    assert_eq!(claims["x-ms-attestation-type"], "azurevm");
    assert!(claims.get("x-ms-isolation-tee").is_none());
}

#[test]
fn token_of_a_machine_has_the_members_of_the_recorded_one() {
    let (maa, guest) = (maa(), software_snp_identity([1; 48].into()));
    let vm = machine(Some(AzureVmTee::Snp(Box::new(guest))));
    let (_, claims, _) = read(&maa, &maa.token(&TokenSpec::azure_vm(vm, NOW)).unwrap());
    let path = vectors().join("maa/sampleAttestationToken.azurevm.claims.json");
    let Ok(recorded) = std::fs::read(path) else {
        println!("skipped: no vector of an Azure VM's claims");
        return;
    };
    let recorded: Value = serde_json::from_slice(&recorded).unwrap();
    let names =
        |object: &Value| -> Vec<String> { object.as_object().unwrap().keys().cloned().collect() };
    assert_eq!(names(&claims), names(&recorded));
    let tee = "x-ms-isolation-tee";
    assert_eq!(names(&claims[tee]), names(&recorded[tee]));
}

fn machine(tee: Option<AzureVmTee>) -> AzureVmToken {
    AzureVmToken {
        tee,
        platform: SnpPlatform {
            product: None,
            reported_tcb: SnpTcb {
                fmc: None,
                bootloader: 2,
                tee: 0,
                snp: 2,
                microcode: 55,
            },
            chip_id: None,
            signer: None,
            revocation_judged: false,
        },
        compliance: Some("azure-compliant-cvm".to_owned()),
        paravisor_data: br#"{"keys":[],"vm-configuration":{}}"#.to_vec(),
        secure_boot: true,
        vm_id: "any".to_owned(),
        pcrs: vec![0, 7],
        payload_nonce: None,
    }
}

#[test]
fn jwks_of_2026_states_the_numbers_of_the_certificate() {
    let jwks: Value = serde_json::from_str(&maa().jwks(JwksShape::WithNumbers)).unwrap();
    let key = &jwks["keys"][0];
    assert_eq!(
        (key["alg"].as_str(), key["e"].as_str()),
        (Some("RS256"), Some("AQAB"))
    );
    let modulus = URL_SAFE_NO_PAD.decode(key["n"].as_str().unwrap()).unwrap();
    assert_eq!(modulus.len(), 256);
    let certificate = STANDARD.decode(key["x5c"][0].as_str().unwrap()).unwrap();
    assert!(certificate.windows(256).any(|window| window == modulus));
}

#[test]
fn stored_maa_is_read_back_with_the_same_key() {
    let before = maa();
    let after = SoftwareMaa::from_bytes(&before.to_bytes().unwrap()).unwrap();
    assert_eq!(before.key_id(), after.key_id());
    let (_, _, good) = read(&before, &after.token(&spec()).unwrap());
    assert!(good);
}

#[test]
fn key_id_is_computed_as_the_real_service_does() {
    let keys = real_keys();
    if keys.is_empty() {
        println!("skipped: no vectors of MAA key documents");
        return;
    }
    let reproduced = keys.iter().filter(|(kid, certificate)| {
        let certificate = Certificate::from_der(certificate).unwrap();
        let spki = certificate.tbs_certificate().subject_public_key_info();
        key_id(&spki.to_der().unwrap()) == *kid
    });
    assert_eq!(reproduced.count(), keys.len());
}

/// The keys with one certificate in the real key documents, by id.
fn real_keys() -> Vec<(String, Vec<u8>)> {
    let files = std::fs::read_dir(vectors().join("maa"))
        .into_iter()
        .flatten();
    files
        .map(|file| file.unwrap().path())
        .filter(|path| {
            path.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with("jwks__")
        })
        .flat_map(|path| {
            let jwks: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
            jwks["keys"].as_array().unwrap().clone()
        })
        .filter(|key| key["x5c"].as_array().is_some_and(|chain| chain.len() == 1))
        .map(|key| {
            let certificate = STANDARD.decode(key["x5c"][0].as_str().unwrap()).unwrap();
            (key["kid"].as_str().unwrap().to_owned(), certificate)
        })
        .collect()
}

fn vectors() -> PathBuf {
    std::env::var_os("CASQUE_VECTORS").map_or_else(
        || {
            PathBuf::from(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../../../shared/vectors"
            ))
        },
        PathBuf::from,
    )
}
