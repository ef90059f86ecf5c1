//! Tokens of the software MAA: valid ones are appraised, each bend is refused by its own error.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    reason = "the functions that tests call are tests"
)]

use assert_matches::assert_matches;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use casque_appraise::{
    AppraiseError, Appraiser, Bound, ClaimValue, EndorsementsParseError, EvidenceParseError,
    Identity, MaaAppraiseError, MaaKeys, MaaToken, MaaTrust, Scope, SignerDemand, SignerProof,
    TcbStatus, TrustAnchors, Verdict, Verifier,
};
use casque_testkit::maa::{
    JwksShape, RuntimeClaim, SoftwareMaa, TokenAlgorithm, TokenSpec, default_policy_hash,
};
use casque_testkit::runtime_data as runtime;
use casque_types::{MaaUrl, MrEnclave, MrSigner, Seconds, SgxIdentity, Timestamp};
use proptest::prelude::*;
use serde_json::json;
use std::sync::LazyLock;

const NOW: Timestamp = Timestamp::from_unix_s(1_795_500_000);
const SKEW: Seconds = Seconds(60);
const MAX_AGE: Seconds = Seconds(8 * 3600);
const INSTANCE: &str = "https://casque.weu.attest.azure.net";

/// One instance for all tests: an RSA key takes a while to make.
static MAA: LazyLock<SoftwareMaa> =
    LazyLock::new(|| SoftwareMaa::generate(INSTANCE.parse().unwrap(), NOW).unwrap());

fn trust() -> MaaTrust {
    MaaTrust {
        issuer: INSTANCE.parse().unwrap(),
        min_rsa_bits: 2048,
        clock_skew: SKEW,
        max_age: MAX_AGE,
        signer: SignerDemand::Any,
    }
}

fn verify_with(
    token: &MaaToken,
    keys: &MaaKeys,
    trust: &MaaTrust,
    now: Timestamp,
) -> Result<Verdict, MaaAppraiseError> {
    let appraiser = Appraiser::new(TrustAnchors::vendors());
    let verified = appraiser.verify_token(token, keys, trust, now);
    verified.map_err(|error| match error {
        AppraiseError::Maa(error) => error,
        other => panic!("expected a refused token, found {other:?}"),
    })
}

fn keys() -> MaaKeys {
    MaaKeys::parse(MAA.jwks(JwksShape::WithNumbers).as_bytes()).unwrap()
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

fn spec() -> TokenSpec {
    let bound = runtime(1);
    TokenSpec::sgx(identity(), *bound.report_data().as_bytes(), NOW)
        .with_runtime(RuntimeClaim::Json(bound.as_bytes().to_vec()))
}

fn token(bend: impl FnOnce(&mut TokenSpec)) -> MaaToken {
    let mut spec = spec();
    bend(&mut spec);
    MaaToken::parse(&MAA.token(&spec).unwrap()).unwrap()
}

fn verify_at(token: &MaaToken, now: Timestamp) -> Result<Verdict, MaaAppraiseError> {
    verify_with(token, &keys(), &trust(), now)
}

fn refusal(bend: impl FnOnce(&mut TokenSpec)) -> MaaAppraiseError {
    verify_at(&token(bend), NOW).unwrap_err()
}

fn is_bound(bend: impl FnOnce(&mut TokenSpec)) -> bool {
    let token = token(bend);
    let appraiser = Appraiser::new(TrustAnchors::vendors());
    let appraised = appraiser.appraise_token(&token, runtime(1), &keys(), &trust(), NOW);
    match &appraised {
        Ok(_) => assert!(token.claims_binding(&runtime(1))),
        Err(error) => {
            assert_eq!(*error, AppraiseError::Maa(MaaAppraiseError::NotBound));
            assert!(!token.claims_binding(&runtime(1)));
        }
    }
    appraised.is_ok()
}

fn compact(header: &str, claims: &str) -> String {
    let encode = |part: &str| URL_SAFE_NO_PAD.encode(part);
    format!("{}.{}.", encode(header), encode(claims))
}

const HEADER: &str = r#"{"alg":"RS256","kid":"k","typ":"JWT"}"#;
const CLAIMS: &str = r#"{"iss":"i","iat":1,"nbf":1,"exp":2,"x-ms-attestation-type":"sgx"}"#;

fn malformation(header: &str, claims: &str) -> &'static str {
    match MaaToken::parse(&compact(header, claims)).unwrap_err() {
        EvidenceParseError::Malformed { expected, .. } => expected,
        EvidenceParseError::TooLong { .. } => panic!("the token is short"),
    }
}

fn malformed_claim(more: &str) -> &'static str {
    malformation(HEADER, &CLAIMS.replacen('{', &format!("{{{more},"), 1))
}

// ---- what is appraised ----

#[test]
fn token_bound_to_the_request_is_appraised() {
    let appraiser = Appraiser::new(TrustAnchors::vendors());
    let token = token(|_| ());
    let appraised = appraiser.appraise_token(&token, runtime(1), &keys(), &trust(), NOW);
    let appraisal = appraised.unwrap();
    let issuer: MaaUrl = INSTANCE.parse().unwrap();
    assert_eq!(*appraisal.identity(), Identity::Sgx(identity()));
    assert_eq!(*appraisal.verifier(), Verifier::Maa { issuer });
    assert_eq!(appraisal.scope(), Scope::Process);
    assert_eq!(*appraisal.runtime(), runtime(1));
    assert_eq!(appraisal.tcb().status, TcbStatus::Unstated);
    assert_eq!(appraisal.valid_until(), Some(spec().expires));
    let verdict = appraisal.verdict();
    let report_data = *runtime(1).report_data().as_bytes();
    assert_eq!(*verdict.bound(), Bound::ReportData(report_data));
    let statement = verdict.token().unwrap();
    assert_eq!(statement.issued, NOW);
    assert_eq!(statement.signer, SignerProof::Published);
    assert_eq!(statement.policy_hash, Some(default_policy_hash()));
    let claim = |path| statement.claim(path);
    assert_eq!(
        claim("x-ms-sgx-product-id"),
        Some(ClaimValue::Number(0x0102))
    );
    assert_eq!(
        claim("x-ms-runtime.key.kem"),
        Some(ClaimValue::Text("X-Wing".to_owned()))
    );
    assert_eq!(claim("x-ms-runtime.kem"), None);
}

#[test]
fn token_parsed_claims_what_it_says() {
    let token = token(|spec| spec.identity.debug = true);
    assert_eq!(token.key_id(), MAA.key_id());
    let expected = SgxIdentity {
        debug: true,
        ..identity()
    };
    assert_eq!(token.claimed_identity(), Some(Identity::Sgx(expected)));
    assert_eq!(token.claimed_issuer(), INSTANCE);
    let claims = token.claims();
    let find = |name: &str| claims.iter().find(|claim| claim.name == name);
    assert_eq!(find("x-ms-sgx-is-debuggable").unwrap().value, "true");
    assert_eq!(find("x-ms-runtime.config").unwrap().value, "ns/app/web");
}

#[test]
fn token_is_verified_with_keys_of_either_shape() {
    for shape in [JwksShape::CertificateAlone, JwksShape::WithNumbers] {
        let keys = MaaKeys::parse(MAA.jwks(shape).as_bytes()).unwrap();
        assert!(keys.contains(MAA.key_id()));
        assert_matches!(verify_with(&token(|_| ()), &keys, &trust(), NOW), Ok(_));
    }
}

#[test]
fn token_with_lying_old_claims_is_read_by_the_new_ones() {
    let token = token(|spec| {
        spec.identity.debug = true;
        spec.further
            .push(("is-debuggable".to_owned(), json!(false)));
        let other = json!("00".repeat(32));
        spec.further.push(("sgx-mrenclave".to_owned(), other));
    });
    let expected = SgxIdentity {
        debug: true,
        ..identity()
    };
    let verdict = verify_at(&token, NOW).unwrap();
    assert_eq!(*verdict.identity(), Identity::Sgx(expected));
}

#[test]
fn token_is_verified_within_the_clock_skew() {
    let issued_ahead = token(|spec| {
        spec.issued = NOW.plus(SKEW);
        spec.not_before = NOW.plus(SKEW);
    });
    assert_matches!(verify_at(&issued_ahead, NOW), Ok(_));
    let just_expired = token(|spec| spec.expires = NOW);
    assert_matches!(verify_at(&just_expired, NOW.plus(Seconds(59))), Ok(_));
}

// ---- what is refused ----

#[test]
fn token_unsigned_is_refused_by_that_name() {
    let refused = refusal(|spec| spec.algorithm = TokenAlgorithm::Unsigned);
    assert_eq!(refused, MaaAppraiseError::Unsigned);
}

#[test]
fn token_of_another_algorithm_or_type_is_refused() {
    let read = |header: &str| MaaToken::parse(&compact(header, CLAIMS)).unwrap();
    for algorithm in ["HS256", "RS512", "rs256", "None", "NONE", "PS256"] {
        let token = read(&HEADER.replace("RS256", algorithm));
        assert_matches!(
            verify_at(&token, NOW),
            Err(MaaAppraiseError::Algorithm { found }) if found == algorithm
        );
    }
    let token = read(&HEADER.replace("JWT", "JOSE"));
    assert_matches!(verify_at(&token, NOW), Err(MaaAppraiseError::Type { found }) if found == "JOSE");
}

#[test]
fn token_of_another_issuer_is_refused_even_if_it_looks_alike() {
    for issuer in [
        "https://evil.weu.attest.azure.net",
        "https://casque.weu.attest.azure.net/",
        "https://casque.weu.attest.azure.net.evil.example",
        "HTTPS://casque.weu.attest.azure.net",
    ] {
        let refused = refusal(|spec| spec.issuer = Some(issuer.to_owned()));
        assert_matches!(refused, MaaAppraiseError::Issuer { found, .. } if found == issuer);
    }
}

#[test]
fn token_that_names_other_keys_is_refused() {
    for key_url in ["https://evil.example/certs", INSTANCE, ""] {
        let refused = refusal(|spec| spec.key_url = Some(key_url.to_owned()));
        assert_matches!(refused, MaaAppraiseError::KeyUrl { found, .. } if found == key_url);
    }
}

#[test]
fn token_of_unknown_key_is_refused_by_its_id() {
    let refused = refusal(|spec| spec.key_id = Some("a+b/c=".to_owned()));
    assert_matches!(refused, MaaAppraiseError::UnknownKey { key_id } if key_id == "a+b/c=");
}

#[test]
fn token_of_key_below_the_least_length_is_refused_with_both_numbers() {
    let trust = MaaTrust {
        min_rsa_bits: 3072,
        ..trust()
    };
    let refused = verify_with(&token(|_| ()), &keys(), &trust, NOW).unwrap_err();
    let expected = MaaAppraiseError::KeyTooShort {
        expected_bits: 3072,
        found_bits: 2048,
    };
    assert_eq!(refused, expected);
}

#[test]
fn token_changed_after_signing_is_refused() {
    let refused = refusal(|spec| spec.changed = true);
    assert_eq!(refused, MaaAppraiseError::Signature);
}

#[test]
fn token_signed_by_another_key_under_the_same_id_is_refused() {
    let other = SoftwareMaa::generate(INSTANCE.parse().unwrap(), NOW).unwrap();
    let mut spec = spec();
    spec.key_id = Some(MAA.key_id().to_owned());
    let token = MaaToken::parse(&other.token(&spec).unwrap()).unwrap();
    assert_eq!(
        verify_at(&token, NOW).unwrap_err(),
        MaaAppraiseError::Signature
    );
}

#[test]
fn token_outside_its_life_is_refused() {
    let (early, late) = (NOW.minus(Seconds(61)), spec().expires.plus(SKEW));
    let token = token(|_| ());
    assert_eq!(
        verify_at(&token, early).unwrap_err(),
        MaaAppraiseError::NotYetValid {
            not_before: NOW,
            now: early
        }
    );
    assert_eq!(
        verify_at(&token, late).unwrap_err(),
        MaaAppraiseError::Expired {
            expires: spec().expires,
            now: late
        }
    );
    let issued = NOW.plus(Seconds(61));
    let refused = refusal(|spec| spec.issued = issued);
    assert_eq!(
        refused,
        MaaAppraiseError::IssuedInFuture { issued, now: NOW }
    );
}

#[test]
fn token_older_than_the_most_is_refused() {
    let trust = MaaTrust {
        max_age: Seconds(600),
        ..trust()
    };
    let token = token(|_| ());
    let at = |seconds| verify_with(&token, &keys(), &trust, NOW.plus(Seconds(seconds)));
    assert_matches!(at(660), Ok(_));
    let expected = MaaAppraiseError::TooOld {
        issued: NOW,
        max_age_s: 600,
        now: NOW.plus(Seconds(661)),
    };
    assert_eq!(at(661).unwrap_err(), expected);
}

#[test]
fn token_about_another_kind_of_tee_is_refused() {
    for kind in ["vbsenclave", "tpm", "SGX", ""] {
        let refused = refusal(|spec| spec.attestation_type = kind.to_owned());
        assert_matches!(refused, MaaAppraiseError::AttestationType { found } if found == kind);
    }
}

#[test]
fn token_without_a_claim_of_the_identity_is_refused_by_its_name() {
    for claim in [
        "x-ms-sgx-mrenclave",
        "x-ms-sgx-mrsigner",
        "x-ms-sgx-product-id",
        "x-ms-sgx-svn",
        "x-ms-sgx-is-debuggable",
    ] {
        let token = token(|spec| spec.without.push(claim));
        assert_eq!(token.claimed_identity(), None);
        let refused = verify_at(&token, NOW).unwrap_err();
        assert_eq!(refused, MaaAppraiseError::MissingClaim { claim });
    }
}

// ---- binding ----

#[test]
fn token_with_binary_runtime_data_is_bound() {
    assert!(is_bound(|spec| {
        spec.runtime = Some(RuntimeClaim::Binary(runtime(1).as_bytes().to_vec()));
    }));
}

#[test]
fn token_without_report_data_is_bound_by_its_runtime_data() {
    assert!(is_bound(|spec| spec.without.push("x-ms-sgx-report-data")));
}

#[test]
fn token_bound_to_another_nonce_is_not_bound() {
    let other = runtime(2);
    let bytes = other.as_bytes().to_vec();
    assert!(!is_bound(|spec| {
        spec.runtime = Some(RuntimeClaim::Json(bytes.clone()));
    }));
    assert!(!is_bound(|spec| {
        spec.runtime = Some(RuntimeClaim::Binary(bytes.clone()));
    }));
    assert!(!is_bound(|spec| {
        spec.report_data = *other.report_data().as_bytes();
    }));
}

#[test]
fn token_that_states_no_runtime_data_is_not_bound() {
    assert!(!is_bound(|spec| spec.runtime = None));
}

#[test]
fn token_with_bytes_after_the_binding_is_not_bound() {
    assert!(!is_bound(|spec| spec.report_data[63] = 1));
}

#[test]
fn token_with_one_more_or_less_member_of_runtime_data_is_not_bound() {
    let text = String::from_utf8(runtime(1).as_bytes().to_vec()).unwrap();
    for bent in [
        text.replacen('{', r#"{"more":1,"#, 1),
        text.replacen(r#""v":"casque-attest-1","#, "", 1),
        text.replacen("X-Wing", "X-wing", 1),
        r#"{"jwk":{"kty":"EC"}}"#.to_owned(),
    ] {
        assert_ne!(bent, text);
        assert!(!is_bound(|spec| {
            spec.runtime = Some(RuntimeClaim::Json(bent.clone().into_bytes()));
        }));
    }
}

#[test]
fn token_whose_two_statements_of_runtime_data_differ_is_not_bound() {
    assert!(!is_bound(|spec| {
        let other = URL_SAFE_NO_PAD.encode(runtime(2).as_bytes());
        let claim = ("x-ms-sgx-ehd".to_owned(), json!(other));
        spec.further.push(claim);
    }));
}

// ---- parse ----

#[test]
fn token_with_a_member_twice_is_malformed() {
    let twice = |claims: &str| malformation(HEADER, claims);
    let expected = "a JSON object of claims, none twice";
    assert_eq!(malformed_claim(r#""iss":"i""#), expected);
    assert_eq!(malformed_claim(r#""unknown":1,"unknown":1"#), expected);
    assert_eq!(malformed_claim(r#""deep":[{"a":1,"a":1}]"#), expected);
    assert_eq!(twice(&format!("{CLAIMS}{CLAIMS}")), expected);
    let header = r#"{"alg":"RS256","alg":"none","kid":"k","typ":"JWT"}"#;
    assert_eq!(malformation(header, CLAIMS), "a JSON object as its header");
}

#[test]
fn token_with_a_claim_of_another_type_is_malformed_by_its_name() {
    for (claim, name) in [
        (r#""x-ms-sgx-is-debuggable":"false""#, "is-debuggable"),
        (r#""x-ms-sgx-is-debuggable":0"#, "is-debuggable"),
        (r#""x-ms-sgx-product-id":"1""#, "product-id"),
        (r#""x-ms-sgx-product-id":65536"#, "product-id"),
        (r#""x-ms-sgx-svn":-1"#, "x-ms-sgx-svn"),
        (r#""x-ms-sgx-svn":1.0"#, "x-ms-sgx-svn"),
        (r#""x-ms-sgx-mrenclave":"e1""#, "mrenclave"),
        (r#""x-ms-sgx-mrsigner":[]"#, "mrsigner"),
        (r#""x-ms-sgx-report-data":"00""#, "report-data"),
        (r#""x-ms-sgx-collateral":{"quotehash":1}"#, "quotehash"),
        (r#""x-ms-sgx-collateral":"""#, "quotehash"),
        (r#""x-ms-runtime":"{}""#, "x-ms-runtime"),
        (r#""x-ms-sgx-ehd":1"#, "x-ms-sgx-ehd"),
        (r#""x-ms-policy-hash":1"#, "policy-hash"),
    ] {
        let expected = malformed_claim(claim);
        assert!(expected.contains(name), "{claim}: {expected}");
    }
}

#[test]
fn token_without_a_claim_that_all_have_is_malformed_by_its_name() {
    for (member, name) in [
        (r#""iss":"i","#, "iss"),
        (r#""iat":1,"#, "iat"),
        (r#""nbf":1,"#, "nbf"),
        (r#""exp":2,"#, "exp"),
        (r#","x-ms-attestation-type":"sgx""#, "attestation-type"),
    ] {
        let claims = CLAIMS.replacen(member, "", 1);
        assert_ne!(claims, CLAIMS);
        let expected = malformation(HEADER, &claims);
        assert!(expected.contains(name), "{expected}");
    }
}

#[test]
fn token_with_control_characters_in_a_word_is_malformed() {
    let header = HEADER.replace(r#""k""#, r#""k\n""#);
    assert!(malformation(&header, CLAIMS).contains("kid"));
}

#[test]
fn token_that_is_no_compact_jws_is_malformed() {
    let good = MAA.token(&spec()).unwrap();
    for text in [
        String::new(),
        "..".to_owned(),
        format!("{good}.x"),
        format!("{good}="),
        format!("{good} "),
        good.replacen('.', "", 1),
        good.replacen('e', "+", 1),
    ] {
        assert_matches!(
            MaaToken::parse(&text),
            Err(EvidenceParseError::Malformed { .. })
        );
    }
    let long = "a".repeat(MaaToken::MAX_BYTES + 1);
    assert_matches!(
        MaaToken::parse(&long),
        Err(EvidenceParseError::TooLong { .. })
    );
}

// ---- keys ----

fn refused_keys(json: &str) -> &'static str {
    match MaaKeys::parse(json.as_bytes()).unwrap_err() {
        EndorsementsParseError::Malformed { expected, .. } => expected,
        EndorsementsParseError::TooLong { .. } => panic!("the document is short"),
    }
}

#[test]
fn keys_of_other_kinds_are_skipped() {
    let keys = MaaKeys::parse(
        br#"{"keys":[{"kty":"EC","kid":"a","x5c":["AA=="]},{"kty":"RSA","kid":"b"},
            {"kty":"RSA","kid":"c","x5c":[]},{"kty":"RSA","x5c":["AA=="]},
            {"kty":"RSA","kid":"d","use":"enc","x5c":["AA=="]},
            {"kty":"RSA","kid":"e","alg":"PS256","n":"AQAB","e":"AQAB"},
            {"kty":"RSA","kid":"f","n":"AQAB"}]}"#,
    )
    .unwrap();
    for id in ["a", "b", "c", "d", "e", "f"] {
        assert!(!keys.contains(id));
    }
}

/// The document with numbers in place of certificates.
fn bare_jwks() -> String {
    let mut document: serde_json::Value =
        serde_json::from_str(&MAA.jwks(JwksShape::WithNumbers)).unwrap();
    for key in document
        .pointer_mut("/keys")
        .unwrap()
        .as_array_mut()
        .unwrap()
    {
        key.as_object_mut().unwrap().remove("x5c").unwrap();
    }
    document.to_string()
}

#[test]
fn key_without_a_certificate_is_its_numbers_and_proves_no_tee() {
    let keys = MaaKeys::parse(bare_jwks().as_bytes()).unwrap();
    let token = token(|_| ());
    assert_matches!(verify_with(&token, &keys, &trust(), NOW), Ok(_));
    let in_tee = MaaTrust {
        signer: SignerDemand::InTee,
        ..trust()
    };
    let refused = verify_with(&token, &keys, &in_tee, NOW).unwrap_err();
    assert_eq!(refused, MaaAppraiseError::SignerNotProved);
    let other = MaaKeys::parse(bare_jwks().replace(r#""n":""#, r#""n":"AQAA"#).as_bytes()).unwrap();
    let refused = verify_with(&token, &other, &trust(), NOW).unwrap_err();
    assert_eq!(refused, MaaAppraiseError::Signature);
    let odd = bare_jwks().replace(r#""e":"AQAB""#, r#""e":"*""#);
    assert!(refused_keys(&odd).contains("`n` and `e`"));
}

#[test]
fn text_that_is_no_token_is_told_from_one_that_was_changed() {
    let good = MAA.token(&spec()).unwrap();
    let keys = keys();
    assert!(MaaToken::is_signed_by(&good, &keys));
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let changed = format!("{}A.{signature}", &signed[..signed.len() - 1]);
    assert!(!MaaToken::is_signed_by(&changed, &keys));
    for text in ["", "a", "..", &format!("{good}*"), &good.repeat(64)] {
        assert!(!MaaToken::is_signed_by(text, &keys), "{text}");
    }
    let none = MaaKeys::parse(br#"{"keys":[]}"#).unwrap();
    assert!(!MaaToken::is_signed_by(&good, &none));
}

#[test]
fn keys_whose_numbers_are_not_the_certificates_are_refused() {
    let good = MAA.jwks(JwksShape::WithNumbers);
    let bent = good.replace(r#""e":"AQAB""#, r#""e":"Aw""#);
    assert_ne!(good, bent);
    assert!(refused_keys(&bent).contains("`n` and `e`"));
}

#[test]
fn keys_with_leading_zeros_in_their_numbers_are_the_same() {
    let good = MAA.jwks(JwksShape::WithNumbers);
    let padded = good.replace(r#""e":"AQAB""#, r#""e":"AAEAAQ""#);
    assert_ne!(good, padded);
    assert_matches!(MaaKeys::parse(padded.as_bytes()), Ok(_));
}

#[test]
fn keys_that_are_no_key_set_are_refused() {
    for text in [
        "",
        "[]",
        "{}",
        r#"{"keys":{}}"#,
        r#"{"keys":[],"keys":[]}"#,
        r#"{"keys":[{}]}"#,
        r#"{"keys":[]}x"#,
    ] {
        assert!(refused_keys(text).contains("`keys`"), "{text}");
    }
    let entry = |x5c: &str| format!(r#"{{"keys":[{{"kty":"RSA","kid":"k","x5c":["{x5c}"]}}]}}"#);
    assert!(refused_keys(&entry("*")).contains("base64"));
    assert!(refused_keys(&entry("AA==")).contains("DER"));
}

#[test]
fn keys_with_one_id_twice_are_refused() {
    let one = MAA.jwks(JwksShape::CertificateAlone);
    let entry = &one[one.find('[').unwrap() + 1..one.rfind(']').unwrap()];
    let twice = format!(r#"{{"keys":[{entry},{entry}]}}"#);
    assert_eq!(refused_keys(&twice), "each `kid` once");
}

#[test]
fn keys_over_the_limits_are_refused() {
    let many = vec![r#"{"kty":"EC"}"#; 65].join(",");
    let many = format!(r#"{{"keys":[{many}]}}"#);
    assert_eq!(refused_keys(&many), "at most 64 keys");
    let long = vec![b' '; MaaKeys::MAX_BYTES + 1];
    assert_matches!(
        MaaKeys::parse(&long),
        Err(EndorsementsParseError::TooLong { .. })
    );
}

// ---- laws ----

static VALID: LazyLock<String> = LazyLock::new(|| MAA.token(&spec()).unwrap());
static KEYS: LazyLock<MaaKeys> = LazyLock::new(keys);

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn token_with_any_character_changed_is_refused(at in any::<prop::sample::Index>(), to in "[A-Za-z0-9_.=-]") {
        let mut text = VALID.clone();
        let at = at.index(text.len());
        prop_assume!(text[at..=at] != to);
        text.replace_range(at..=at, &to);
        let verified = MaaToken::parse(&text)
            .is_ok_and(|token| verify_with(&token, &KEYS, &trust(), NOW).is_ok());
        prop_assert!(!verified);
    }

    #[test]
    fn token_parser_takes_any_claims(claims in ".{0,300}") {
        prop_assert!(MaaToken::parse(&compact(HEADER, &claims)).is_err());
    }
}
