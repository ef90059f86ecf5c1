//! Attestation instances: what is sent to them, and how their keys are kept.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use assert_matches::assert_matches;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use casque_appraise::{
    AciEvidence, Appraiser, AzureVmEvidence, AzureVmParts, Evidence, MaaKeys, MaaToken, MaaTrust,
    SgxQuote, SignerDemand, SnpEvidence, TdxQuote, TrustAnchors,
};
use casque_core::{AttestationInfo, MaaSource as _, SealedToken, SourceFailure, SourceKind};
use casque_testkit::aci::{SoftwareUvmIssuer, UvmSpec, software_policy};
use casque_testkit::azure_vm::{HclSpec, HclTee, SoftwareVtpm, TpmQuoteSpec};
use casque_testkit::maa::{JwksShape, SoftwareMaa, TokenSpec};
use casque_testkit::sgx::{SoftwareTee, software_identity};
use casque_testkit::snp::{ReportSpec, SoftwareSnp, software_snp_identity};
use casque_testkit::tdx::software_tdx_identity;
use casque_types::{
    Kem, KemPublicKey, KeyHash, MaaUrl, MrEnclave, Nonce, RuntimeData, Seconds, SnpProduct,
    SnpSigner, Timestamp, sha256,
};

use super::world::{NOW, Reply, World, later};
use crate::Azure;

fn url(world: &World) -> MaaUrl {
    format!("https://{}", world.host).parse().unwrap()
}

fn runtime() -> RuntimeData {
    let key = KemPublicKey::from_bytes(Kem::XWing, vec![7; 1216]).unwrap();
    let server = KeyHash::of_spki(b"server");
    let nonce = Nonce::from_bytes(vec![1; 32]).unwrap();
    RuntimeData::new(server, "policy/service".parse().unwrap(), nonce, key)
}

/// An enclave's quote over the runtime data.
fn quote() -> SgxQuote {
    static QUOTE: OnceLock<Vec<u8>> = OnceLock::new();
    let quote = QUOTE.get_or_init(|| {
        let tee = SoftwareTee::generate(NOW).unwrap();
        let identity = software_identity(MrEnclave::from(sha256(b"program")));
        let quote = tee.quote(&identity, runtime().report_data().as_bytes());
        quote.unwrap()
    });
    SgxQuote::parse(quote).unwrap()
}

/// Two instances' keys; the address in them does not matter here.
fn software(index: usize) -> &'static SoftwareMaa {
    static ALL: [OnceLock<SoftwareMaa>; 2] = [OnceLock::new(), OnceLock::new()];
    ALL[index]
        .get_or_init(|| SoftwareMaa::generate("https://maa.example".parse().unwrap(), NOW).unwrap())
}

fn jwks(index: usize) -> Reply {
    Reply::new(200, software(index).jwks(JwksShape::WithNumbers))
}

fn token() -> String {
    let identity = software_identity(MrEnclave::from(sha256(b"program")));
    let spec = TokenSpec::sgx(identity, *runtime().report_data().as_bytes(), NOW);
    software(0).token(&spec).unwrap()
}

async fn attest(azure: &Azure, world: &World, now: Timestamp) -> Result<MaaToken, SourceFailure> {
    attest_evidence(azure, world, &Evidence::Sgx(quote()), now).await
}

async fn attest_evidence(
    azure: &Azure,
    world: &World,
    evidence: &Evidence,
    now: Timestamp,
) -> Result<MaaToken, SourceFailure> {
    let url = url(world);
    azure.maa.attest(&url, evidence, &runtime(), now).await
}

async fn attest_failure(reply: Reply) -> SourceFailure {
    let world = World::always(reply).await;
    attest(&world.azure(), &world, NOW).await.unwrap_err()
}

async fn keys(
    azure: &Azure,
    world: &World,
    key_id: &str,
    now: Timestamp,
) -> Result<Arc<MaaKeys>, SourceFailure> {
    azure.maa.keys(&url(world), key_id, now).await
}

#[tokio::test]
async fn quote_is_sent_with_its_runtime_data_and_no_token() {
    let body = format!(r#"{{"token":"{}"}}"#, token());
    let world = World::always(Reply::new(200, body)).await;
    let found = attest(&world.azure(), &world, NOW).await.unwrap();
    assert_eq!(found.key_id(), software(0).key_id());
    let seen = &world.seen()[0];
    assert_eq!(seen.method, "POST");
    assert_eq!(seen.target, "/attest/SgxEnclave?api-version=2020-10-01");
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(seen.header("authorization"), None);
    let sent: serde_json::Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!(decoded(&sent["quote"]), quote().as_bytes());
    assert_eq!(decoded(&sent["runtimeData"]["data"]), runtime().as_bytes());
    assert_eq!(sent["runtimeData"]["dataType"], "JSON");
    assert_eq!(sent.as_object().unwrap().len(), 2);
}

fn platform() -> &'static SoftwareSnp {
    static PLATFORM: OnceLock<SoftwareSnp> = OnceLock::new();
    PLATFORM.get_or_init(|| SoftwareSnp::generate(SnpProduct::Genoa, NOW).unwrap())
}

fn intel() -> &'static SoftwareTee {
    static TEE: OnceLock<SoftwareTee> = OnceLock::new();
    TEE.get_or_init(|| SoftwareTee::generate(NOW).unwrap())
}

fn report(report_data: [u8; 64]) -> Vec<u8> {
    let identity = software_snp_identity([0xa1; 48].into());
    platform()
        .report(&ReportSpec::new(identity, report_data))
        .unwrap()
}

/// What was sent about this evidence, and where.
async fn sent(evidence: &Evidence) -> (String, serde_json::Value) {
    let body = format!(r#"{{"token":"{}"}}"#, token());
    let world = World::always(Reply::new(200, body)).await;
    attest_evidence(&world.azure(), &world, evidence, NOW)
        .await
        .unwrap();
    let seen = &world.seen()[0];
    let body = serde_json::from_slice(&seen.body).unwrap();
    (seen.target.clone(), body)
}

fn decoded(text: &serde_json::Value) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text.as_str().unwrap()).unwrap()
}

fn decoded_json(text: &serde_json::Value) -> serde_json::Value {
    serde_json::from_slice(&decoded(text)).unwrap()
}

#[tokio::test]
async fn domain_is_sent_with_its_quote() {
    let identity = software_tdx_identity([0xd1; 48]);
    let quote = intel()
        .tdx_quote(&identity, runtime().report_data().as_bytes())
        .unwrap();
    let (target, body) = sent(&Evidence::Tdx(TdxQuote::parse(&quote).unwrap())).await;
    assert_eq!(target, "/attest/TdxVm?api-version=2025-06-01");
    assert_eq!(decoded(&body["quote"]), quote);
    assert_eq!(decoded(&body["runtimeData"]["data"]), runtime().as_bytes());
    assert_eq!(body["runtimeData"]["dataType"], "JSON");
    assert_eq!(body.as_object().unwrap().len(), 2);
}

#[tokio::test]
async fn guest_is_sent_with_report_and_chain() {
    let report = report(*runtime().report_data().as_bytes());
    let chain = platform().chain_pem(SnpSigner::Vcek);
    let parsed = SnpEvidence::parse(&report, Some(chain.as_bytes())).unwrap();
    let (target, body) = sent(&Evidence::Snp(parsed)).await;
    assert_eq!(target, "/attest/SevSnpVm?api-version=2022-08-01");
    let inner = decoded_json(&body["report"]);
    assert_eq!(decoded(&inner["SnpReport"]), report);
    assert_eq!(decoded(&inner["VcekCertChain"]), chain.as_bytes());
    assert_eq!(inner.as_object().unwrap().len(), 2);
    assert_eq!(decoded(&body["runtimeData"]["data"]), runtime().as_bytes());
}

#[tokio::test]
async fn guest_whose_authorities_did_not_come_is_sent_with_amds() {
    let report = report(*runtime().report_data().as_bytes());
    let leaf = platform().certificate(SnpSigner::Vcek);
    let parsed = SnpEvidence::parse(&report, Some(leaf)).unwrap();
    let (_, body) = sent(&Evidence::Snp(parsed)).await;
    let chain = decoded(&decoded_json(&body["report"])["VcekCertChain"]);
    let chain = String::from_utf8(chain).unwrap();
    assert_eq!(chain.matches("-----BEGIN CERTIFICATE-----\n").count(), 3);
    assert_eq!(chain.matches("-----END CERTIFICATE-----\n").count(), 3);
}

#[tokio::test]
async fn guest_without_a_certificate_is_not_sent() {
    let world = World::always(Reply::new(200, "{}")).await;
    let report = report(*runtime().report_data().as_bytes());
    let evidence = Evidence::Snp(SnpEvidence::parse(&report, None).unwrap());
    let azure = world.azure();
    let failure = attest_evidence(&azure, &world, &evidence, NOW)
        .await
        .unwrap_err();
    assert_eq!(
        (failure.code, failure.retryable),
        ("maa-evidence-incomplete", false)
    );
    assert!(failure.mend.contains("VCEK"), "{}", failure.mend);
    let none = attest_evidence(&azure, &world, &Evidence::Absent, NOW).await;
    assert_eq!(none.unwrap_err().code, "maa-evidence-incomplete");
    let judged = Evidence::MaaToken(MaaToken::parse(&token()).unwrap());
    let failure = attest_evidence(&azure, &world, &judged, NOW)
        .await
        .unwrap_err();
    assert_eq!(failure.code, "maa-evidence-incomplete");
    assert_eq!(world.connections(), 0);
}

#[tokio::test]
async fn containers_are_sent_with_their_reference() {
    let policy = software_policy("/app");
    let mut identity = software_snp_identity([0xa2; 48].into());
    identity.host_data = sha256(policy.as_bytes());
    let spec = ReportSpec::new(identity, *runtime().report_data().as_bytes());
    let report = platform().report(&spec).unwrap();
    let chain = platform().chain_pem(SnpSigner::Vcek);
    let issuer = SoftwareUvmIssuer::generate(NOW).unwrap();
    let reference = issuer
        .reference(&UvmSpec::new([0xa2; 48].into(), NOW))
        .unwrap();
    let vek = Some(chain.as_bytes());
    let parsed = AciEvidence::parse(&report, vek, policy.as_bytes(), &reference);
    let (target, body) = sent(&Evidence::Aci(parsed.unwrap())).await;
    assert_eq!(target, "/attest/SevSnpVm?api-version=2022-08-01");
    let inner = decoded_json(&body["report"]);
    assert_eq!(decoded(&inner["SnpReport"]), report);
    let endorsements = decoded_json(&inner["Endorsements"]);
    assert_eq!(endorsements["Uvm"].as_array().unwrap().len(), 1);
    assert_eq!(decoded(&endorsements["Uvm"][0]), reference);
}

#[tokio::test]
async fn machine_is_sent_as_its_tee_with_the_paravisors_data() {
    let vtpm = SoftwareVtpm::generate(NOW).unwrap();
    let spec = HclSpec::default();
    let report_data = vtpm.report_data(&spec);
    let quote = vtpm
        .quote(&TpmQuoteSpec::new(runtime().binding().as_bytes()))
        .unwrap();
    let chain = platform().chain_pem(SnpSigner::Vcek);
    let report = report(report_data);
    let domain = software_tdx_identity([0xd1; 48]);
    let td_quote = intel().tdx_quote(&domain, &report_data).unwrap();
    let mut td_report = vec![0; 1024];
    td_report[128..192].copy_from_slice(&report_data);
    for (tee, hardware, path) in [
        (
            HclTee::Snp,
            &report,
            "/attest/SevSnpVm?api-version=2022-08-01",
        ),
        (
            HclTee::Tdx,
            &td_report,
            "/attest/TdxVm?api-version=2025-06-01",
        ),
    ] {
        let hcl = vtpm.hcl_report(&spec, tee, hardware).unwrap();
        let parts = AzureVmParts {
            hcl: &hcl,
            message: &quote.message,
            signature: &quote.signature,
            pcrs: &quote.pcrs,
            vek: (tee == HclTee::Snp).then_some(chain.as_bytes()),
            td_quote: (tee == HclTee::Tdx).then_some(&td_quote),
            ak_chain: None,
        };
        let evidence = Evidence::AzureVm(AzureVmEvidence::parse(&parts).unwrap());
        let (target, body) = sent(&evidence).await;
        assert_eq!(target, path);
        let data = decoded(&body["runtimeData"]["data"]);
        assert_eq!(data, vtpm.paravisor_data(&spec));
        match tee {
            HclTee::Snp => assert_eq!(decoded(&decoded_json(&body["report"])["SnpReport"]), report),
            HclTee::Tdx => assert_eq!(decoded(&body["quote"]), td_quote),
        }
    }
}

#[tokio::test]
async fn refusal_of_each_kind_gives_its_code() {
    let rows = [
        (400, "InvalidParameter", "maa-evidence-refused", false),
        (400, "PolicyEvaluationError", "maa-policy-refused", false),
        (401, "Unauthorized", "maa-access-denied", false),
        (403, "Forbidden", "maa-access-denied", false),
        (404, "NotFound", "maa-instance-not-found", false),
        (418, "Teapot", "maa-refused", false),
        (429, "TooManyRequests", "maa-throttled", true),
        (500, "InternalError", "maa-unavailable", true),
    ];
    for (status, word, code, passes) in rows {
        let body = format!(r#"{{"error":{{"code":"{word}","message":"Quote\r\nis bad."}}}}"#);
        let failure = attest_failure(Reply::new(status, body)).await;
        assert_eq!(
            (failure.code, failure.retryable),
            (code, passes),
            "{status} {word}"
        );
        assert_eq!(failure.source_kind, SourceKind::Maa);
        assert!(failure.what.contains(word) && failure.what.contains("\"Quote is bad.\""));
    }
}

#[tokio::test]
async fn answer_of_other_form_or_size_is_refused() {
    let code = async |body: String| attest_failure(Reply::new(200, body)).await.code;
    assert_eq!(code("{}".to_owned()).await, "maa-answer-malformed");
    assert_eq!(
        code(r#"{"token":"a.b.c"}"#.to_owned()).await,
        "maa-answer-malformed"
    );
    assert_eq!(
        code("x".repeat(256 * 1024 + 1)).await,
        "maa-answer-too-long"
    );
}

#[tokio::test]
async fn redirect_is_not_followed() {
    let other = World::always(jwks(0)).await;
    let reply = Reply::new(308, "").with("location", &format!("https://{}/certs", other.host));
    let world = World::always(reply).await;
    let failure = keys(&world.azure(), &world, "any", NOW).await.unwrap_err();
    assert_eq!(failure.code, "maa-redirected");
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn instance_that_no_cloud_allows_sees_nothing() {
    let (world, stranger) = (World::always(jwks(0)).await, World::always(jwks(0)).await);
    let azure = world.azure();
    let failure = keys(&azure, &stranger, "any", NOW).await.unwrap_err();
    assert_eq!(failure.code, "maa-host-not-allowed");
    let failure = attest(&azure, &stranger, NOW).await.unwrap_err();
    assert_eq!(failure.code, "maa-host-not-allowed");
    assert_eq!((stranger.connections(), world.connections()), (0, 0));
}

#[tokio::test]
async fn retry_after_of_an_instance_is_kept_to_without_asking() {
    let world = World::always(Reply::new(429, "").with("retry-after", "9")).await;
    let azure = world.azure();
    attest(&azure, &world, NOW).await.unwrap_err();
    let failure = attest(&azure, &world, later(2)).await.unwrap_err();
    assert_matches!(
        failure,
        SourceFailure {
            code: "maa-throttled",
            retry_after: Some(Seconds(7)),
            ..
        }
    );
    assert_eq!(world.seen().len(), 1);
}

#[tokio::test]
async fn keys_are_fetched_once_a_day() {
    let world = World::always(jwks(0)).await;
    let azure = world.azure();
    let known = software(0).key_id();
    for seconds in [0, 100, 86_399] {
        let keys = keys(&azure, &world, known, later(seconds)).await.unwrap();
        assert!(keys.contains(known));
    }
    assert_eq!(world.seen().len(), 1);
    assert_eq!(world.seen()[0].target, "/certs");
    assert_eq!(world.seen()[0].header("authorization"), None);
    keys(&azure, &world, known, later(86_400)).await.unwrap();
    assert_eq!(world.seen().len(), 2);
}

#[tokio::test]
async fn keys_for_unknown_id_are_fetched_again_at_once_and_then_once_a_minute() {
    let world = World::start(|_, count| jwks(usize::from(matches!(count, 1 | 5..)))).await;
    let azure = world.azure();
    let at = async |key_id: &str, seconds| {
        let keys = keys(&azure, &world, key_id, later(seconds)).await.unwrap();
        keys.contains(key_id)
    };
    let (old, new) = (software(0).key_id(), software(1).key_id());
    assert!(at(old, 0).await);
    assert!(at(new, 1).await);
    assert_eq!(world.seen().len(), 2);
    for _ in 0..10 {
        assert!(!at("made-up", 2).await);
    }
    assert!(!at(new, 59).await);
    assert_eq!(world.seen().len(), 4);
    assert!(!at(new, 60).await);
    assert!(!at("made-up", 61).await);
    assert_eq!(world.seen().len(), 5);
    assert!(at(new, 120).await);
    assert_eq!(world.seen().len(), 6);
}

#[tokio::test]
async fn last_good_keys_serve_a_week_when_no_others_can_be_had() {
    let world = World::start(|_, count| match count {
        0 => jwks(0),
        _ => Reply::new(404, ""),
    })
    .await;
    let azure = world.azure();
    let known = software(0).key_id();
    keys(&azure, &world, known, NOW).await.unwrap();
    keys(&azure, &world, known, later(86_400)).await.unwrap();
    keys(&azure, &world, known, later(86_401)).await.unwrap();
    assert_eq!(world.seen().len(), 2);
    keys(&azure, &world, known, later(7 * 86_400 - 1))
        .await
        .unwrap();
    let failure = keys(&azure, &world, known, later(7 * 86_400 + 60))
        .await
        .unwrap_err();
    assert_eq!(failure.code, "maa-instance-not-found");
}

#[tokio::test]
async fn keys_that_cannot_be_had_are_not_asked_for_again_at_once() {
    let world = World::start(|_, count| match count {
        0 => Reply::new(200, "{}"),
        _ => jwks(0),
    })
    .await;
    let azure = world.azure();
    let known = software(0).key_id();
    let failure = keys(&azure, &world, known, NOW).await.unwrap_err();
    assert_eq!(failure.code, "maa-answer-malformed");
    let failure = keys(&azure, &world, known, later(4)).await.unwrap_err();
    assert_eq!(failure.retry_after, Some(Seconds(1)));
    assert_eq!(world.seen().len(), 1);
    keys(&azure, &world, known, later(5)).await.unwrap();
}

#[tokio::test]
async fn keys_longer_than_the_limit_are_refused() {
    let world = World::always(Reply::new(200, " ".repeat((1 << 20) + 1))).await;
    let failure = keys(&world.azure(), &world, "any", NOW).await.unwrap_err();
    assert_eq!(failure.code, "maa-answer-too-long");
}

/// A document of 64 keys, each the same but for its id, filled up to this length.
fn long_document(bytes: usize) -> String {
    let one = software(0).jwks(JwksShape::WithNumbers);
    let entry = one.split_once('[').unwrap().1.rsplit_once(']').unwrap().0;
    let known = software(0).key_id();
    let mut entries = vec![entry.to_owned()];
    entries.extend((1..64).map(|number| entry.replace(known, &format!("key {number}"))));
    let document = format!(r#"{{"keys":[{}]}}"#, entries.join(","));
    let around = [&document, r#""filler":"","#].concat().len();
    let filler = "x".repeat(bytes.checked_sub(around).unwrap());
    document.replacen('{', &format!(r#"{{"filler":"{filler}","#), 1)
}

#[tokio::test]
async fn keys_as_long_as_the_limit_serve() {
    let document = long_document(MaaKeys::MAX_BYTES);
    assert_eq!(document.len(), 1 << 20);
    let world = World::always(Reply::new(200, document)).await;
    let azure = world.azure();
    let found = keys(&azure, &world, "key 63", NOW).await.unwrap();
    assert!(found.contains(software(0).key_id()) && found.contains("key 1"));
    let world = World::always(Reply::new(200, long_document(MaaKeys::MAX_BYTES + 1))).await;
    let failure = keys(&world.azure(), &world, "any", NOW).await.unwrap_err();
    assert_eq!(failure.code, "maa-answer-too-long");
}

#[tokio::test]
async fn hundred_askers_for_a_new_key_make_one_request() {
    let world = World::start(|_, count| jwks(usize::from(count >= 1))).await;
    let azure = world.azure();
    let (old, new) = (software(0).key_id(), software(1).key_id());
    keys(&azure, &world, old, NOW).await.unwrap();
    let asked = (0..100).map(|_| keys(&azure, &world, new, later(61)));
    for found in futures_util::future::join_all(asked).await {
        let found = found.unwrap();
        // The old key was withdrawn with the new document.
        assert!(found.contains(new) && !found.contains(old));
    }
    assert_eq!(world.seen().len(), 2);
}

#[tokio::test]
async fn hundred_askers_at_once_make_one_request() {
    let world = World::always(jwks(0)).await;
    let azure = world.azure();
    let known = software(0).key_id();
    let asked = (0..100).map(|_| keys(&azure, &world, known, NOW));
    for found in futures_util::future::join_all(asked).await {
        assert!(found.unwrap().contains(known));
    }
    assert_eq!(world.seen().len(), 1);
}

#[tokio::test]
async fn recorded_keys_verify_the_recorded_token() {
    let root = std::env::var_os("CASQUE_VECTORS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"),
        PathBuf::from,
    );
    let read = |name: &str| std::fs::read_to_string(root.join("maa").join(name)).ok();
    let (Some(document), Some(token)) = (
        read("jwks__sharedwus.wus.attest.azure.net__1.0.0__1.json"),
        read("attest-SgxEnclave__sharedwus__1.0.0__JSON.jwt"),
    ) else {
        println!("skipped: no recorded answers of attestation instances");
        return;
    };
    let world = World::always(Reply::new(200, document)).await;
    let token = MaaToken::parse(token.trim()).unwrap();
    let keys = keys(&world.azure(), &world, token.key_id(), NOW)
        .await
        .unwrap();
    assert!(keys.contains(token.key_id()));
    let trust = MaaTrust {
        issuer: "https://sharedwus.wus.attest.azure.net".parse().unwrap(),
        min_rsa_bits: 2048,
        clock_skew: Seconds(u64::MAX / 4),
        max_age: Seconds(u64::MAX / 4),
        signer: SignerDemand::Any,
    };
    let appraiser = Appraiser::new(TrustAnchors::vendors());
    let at = Timestamp::from_unix_s(1_622_000_000);
    appraiser.verify_token(&token, &keys, &trust, at).unwrap();
}

#[tokio::test]
async fn key_url_of_a_token_is_not_fetched() {
    let elsewhere = World::always(jwks(0)).await;
    let identity = software_identity(MrEnclave::from(sha256(b"program")));
    let mut spec = TokenSpec::sgx(identity, *runtime().report_data().as_bytes(), NOW);
    spec.key_url = Some(format!("https://{}/certs", elsewhere.host));
    let body = format!(r#"{{"token":"{}"}}"#, software(0).token(&spec).unwrap());
    let world = World::start(move |seen, _| match seen.target.as_str() {
        "/certs" => jwks(0),
        _ => Reply::new(200, body.clone()),
    })
    .await;
    let azure = world.azure();
    let token = attest(&azure, &world, NOW).await.unwrap();
    keys(&azure, &world, token.key_id(), NOW).await.unwrap();
    assert_eq!(elsewhere.connections(), 0);
    assert_eq!(world.seen().len(), 2);
}

async fn attest_guest(reply: Reply) -> (World, Result<SealedToken, SourceFailure>) {
    let world = World::always(reply).await;
    let info = AttestationInfo::parse("eyJhIjoxfQ".to_owned()).unwrap();
    let answer = (world.azure().maa.attest_guest(&url(&world), &info, NOW)).await;
    (world, answer)
}

#[tokio::test]
async fn request_of_a_guest_is_sent_as_it_is_and_its_answer_taken_unread() {
    for answer in ["eyJKd3QiOiIifQ", "eyJKd3QiOiIifQ=="] {
        let body = format!(r#"{{"token":"{answer}"}}"#);
        let (world, sealed) = attest_guest(Reply::new(200, body)).await;
        assert_eq!(sealed.unwrap().as_str(), "eyJKd3QiOiIifQ");
        let seen = &world.seen()[0];
        assert_eq!(seen.target, "/attest/AzureGuest?api-version=2020-10-01");
        let sent: serde_json::Value = serde_json::from_slice(&seen.body).unwrap();
        assert_eq!(sent, serde_json::json!({"AttestationInfo": "eyJhIjoxfQ"}));
    }
}

#[tokio::test]
async fn answer_to_a_guest_that_is_none_is_refused() {
    for body in [r#"{"token":"a.b.c"}"#, r#"{"token":""}"#, "{}"] {
        let (_, answer) = attest_guest(Reply::new(200, body)).await;
        assert_eq!(answer.unwrap_err().code, "maa-answer-malformed", "{body}");
    }
    let refusal = r#"{"error":{"code":"InvalidParameter","message":"the quote"}}"#;
    let (_, answer) = attest_guest(Reply::new(400, refusal)).await;
    let failure = answer.unwrap_err();
    assert_eq!(failure.code, "maa-evidence-refused");
    let sentence = "to judge an Azure virtual machine with its TPM";
    assert!(failure.what.contains(sentence), "{}", failure.what);
}
