//! Service account tokens of a software cluster: valid ones are verified, each bend is refused by its own error.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the functions that tests call are tests"
)]

use std::collections::BTreeSet;
use std::sync::LazyLock;

use assert_matches::assert_matches;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use casque_appraise::{
    EndorsementsParseError, EvidenceParseError, ServiceAccount, ServiceAccountKeys,
    ServiceAccountToken, ServiceAccountTokenError as Error, ServiceAccountTrust,
};
use casque_testkit::cluster::{ClusterKey, ServiceAccountTokenSpec, SoftwareCluster};
use casque_types::{Seconds, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

const NOW: Timestamp = Timestamp::from_unix_s(1_795_500_000);
const SKEW: Seconds = Seconds(60);
const ISSUER: &str = "https://eastus.oic.prod-aks.azure.com/tenant/cluster/";
const AUDIENCE: &str = "casque";

static CLUSTER: LazyLock<SoftwareCluster> =
    LazyLock::new(|| SoftwareCluster::generate(ISSUER).unwrap());

fn trust() -> ServiceAccountTrust {
    ServiceAccountTrust {
        issuer: ISSUER.to_owned(),
        audience: AUDIENCE.to_owned(),
        clock_skew: SKEW,
    }
}

fn keys() -> ServiceAccountKeys {
    ServiceAccountKeys::parse(CLUSTER.jwks().unwrap().as_bytes()).unwrap()
}

fn spec() -> ServiceAccountTokenSpec {
    ServiceAccountTokenSpec::new("shop", "web", AUDIENCE, NOW)
}

fn text(bend: impl FnOnce(&mut ServiceAccountTokenSpec)) -> String {
    let mut spec = spec();
    bend(&mut spec);
    CLUSTER.token(&spec).unwrap()
}

fn verify(text: &str) -> Result<ServiceAccount, Error> {
    verify_at(text, NOW)
}

fn verify_at(text: &str, now: Timestamp) -> Result<ServiceAccount, Error> {
    let token = ServiceAccountToken::parse(text).unwrap();
    token.verify(&keys(), &trust(), now)
}

/// The refusal of a token with other claims, properly signed.
fn refusal(bend: impl FnOnce(&mut Value)) -> Error {
    verify(&text(|spec| bend(&mut spec.claims))).unwrap_err()
}

fn header_refusal(header: Value) -> Error {
    verify(&text(|spec| spec.header = header)).unwrap_err()
}

fn without(claims: &mut Value, name: &str) {
    claims.as_object_mut().unwrap().remove(name).unwrap();
}

// ---- what is verified ----

#[test]
fn token_of_each_algorithm_is_verified() {
    for key in [ClusterKey::Rsa, ClusterKey::P256] {
        let account = verify(&text(|spec| spec.key = key)).unwrap();
        let expected = ServiceAccount {
            issuer: ISSUER.to_owned(),
            namespace: "shop".to_owned(),
            name: "web".to_owned(),
            pod: Some("web-0".to_owned()),
            expires: NOW.plus(Seconds(3600)),
        };
        assert_eq!(account, expected);
    }
}

#[test]
fn token_says_its_issuer_and_key_before_it_is_verified_and_is_not_printed() {
    let token = ServiceAccountToken::parse(&text(|_| ())).unwrap();
    assert_eq!(token.issuer(), ISSUER);
    assert_eq!(token.key_id(), CLUSTER.key_id(ClusterKey::Rsa));
    assert_eq!(format!("{token:?}"), "ServiceAccountToken { .. }");
}

#[test]
fn token_without_a_pod_speaks_of_none() {
    let token = text(|spec| without(&mut spec.claims["kubernetes.io"], "pod"));
    assert_eq!(verify(&token).unwrap().pod, None);
}

#[test]
fn token_for_one_audience_as_text_or_among_others_is_verified() {
    for audience in [json!(AUDIENCE), json!(["other", AUDIENCE])] {
        assert!(verify(&text(|spec| spec.claims["aud"] = audience)).is_ok());
    }
}

#[test]
fn token_with_its_type_stated_is_verified() {
    assert!(verify(&text(|spec| spec.header = json!({"typ": "JWT"}))).is_ok());
}

#[test]
fn token_within_the_clocks_difference_is_verified() {
    let token = text(|_| ());
    for now in [
        NOW.minus(SKEW),
        NOW.plus(Seconds(3600)).plus(Seconds(SKEW.0 - 1)),
    ] {
        assert!(verify_at(&token, now).is_ok(), "{now}");
    }
}

// ---- each bend ----

#[test]
fn unsigned_token_is_refused_by_name() {
    let text = text(|spec| spec.header = json!({"alg": "none"}));
    let (signed, _) = text.rsplit_once('.').unwrap();
    for text in [text.clone(), format!("{signed}.")] {
        assert_eq!(verify(&text).unwrap_err(), Error::Unsigned);
    }
}

#[test]
fn other_algorithms_are_refused() {
    for algorithm in ["HS256", "RS512", "PS256", "ES384", "EdDSA", "NONE", "rs256"] {
        let refused = header_refusal(json!({"alg": algorithm}));
        assert_matches!(refused, Error::Algorithm { found } if found == algorithm);
    }
}

#[test]
fn other_type_is_refused() {
    let refused = header_refusal(json!({"typ": "at+jwt"}));
    assert_matches!(refused, Error::Type { found } if found == "at+jwt");
}

#[test]
fn other_issuer_is_refused_exactly() {
    for issuer in [&ISSUER[..ISSUER.len() - 1], "https://evil.example/"] {
        let refused = refusal(|claims| claims["iss"] = issuer.into());
        assert_matches!(refused, Error::Issuer { expected, found }
            if expected == ISSUER && found == issuer);
    }
}

#[test]
fn unknown_key_is_refused() {
    let refused = header_refusal(json!({"kid": "other"}));
    assert_matches!(refused, Error::UnknownKey { key_id } if key_id == "other");
}

#[test]
fn key_of_another_algorithm_is_refused() {
    let refused = header_refusal(json!({"kid": CLUSTER.key_id(ClusterKey::P256)}));
    let expected = Error::KeyOfOtherAlgorithm {
        expected: "ES256",
        found: "RS256",
    };
    assert_eq!(refused, expected);
    let refused = header_refusal(json!({"alg": "ES256"}));
    let expected = Error::KeyOfOtherAlgorithm {
        expected: "RS256",
        found: "ES256",
    };
    assert_eq!(refused, expected);
}

#[test]
fn rsa_key_that_is_too_short_is_refused() {
    let mut modulus = vec![0xa5; 128];
    modulus[127] = 0x5b;
    let id = CLUSTER.key_id(ClusterKey::Rsa);
    let jwks = json!({"keys": [{"kty": "RSA", "kid": id, "e": "AQAB",
        "n": URL_SAFE_NO_PAD.encode(modulus)}]});
    let keys = ServiceAccountKeys::parse(jwks.to_string().as_bytes()).unwrap();
    let token = ServiceAccountToken::parse(&text(|_| ())).unwrap();
    let expected = Error::KeyTooShort {
        expected_bits: 2048,
        found_bits: 1024,
    };
    assert_eq!(token.verify(&keys, &trust(), NOW).unwrap_err(), expected);
}

#[test]
fn signature_of_another_cluster_is_refused() {
    let other = SoftwareCluster::generate(ISSUER).unwrap();
    for key in [ClusterKey::Rsa, ClusterKey::P256] {
        let mut spec = spec().signed_with(key);
        spec.header = json!({"kid": CLUSTER.key_id(key)});
        let text = other.token(&spec).unwrap();
        assert_eq!(verify(&text).unwrap_err(), Error::Signature);
    }
}

#[test]
fn every_flipped_character_of_what_is_signed_is_refused() {
    for key in [ClusterKey::Rsa, ClusterKey::P256] {
        let text = text(|spec| spec.key = key);
        for index in 0..text.len() {
            let mut bent = text.clone().into_bytes();
            bent[index] = if bent[index] == b'A' { b'B' } else { b'A' };
            let bent = String::from_utf8(bent).unwrap();
            if let Ok(token) = ServiceAccountToken::parse(&bent) {
                assert!(token.verify(&keys(), &trust(), NOW).is_err(), "{index}");
            }
        }
    }
}

#[test]
fn signature_in_the_form_of_asn1_or_of_other_length_is_refused() {
    let text = text(|spec| spec.key = ClusterKey::P256);
    let (signed, signature) = text.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let mut der = vec![0x30, 68, 2, 32];
    der.extend_from_slice(&signature[..32]);
    der.extend_from_slice(&[2, 32]);
    der.extend_from_slice(&signature[32..]);
    for bent in [der, signature[..63].to_vec(), Vec::new()] {
        let text = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(bent));
        assert_eq!(verify(&text).unwrap_err(), Error::Signature);
    }
}

#[test]
fn token_of_the_old_kind_is_refused_by_what_it_lacks() {
    for claim in ["kubernetes.io", "exp", "iat", "nbf"] {
        let refused = refusal(|claims| without(claims, claim));
        assert_matches!(refused, Error::NotProjected { missing } if missing == claim);
    }
}

#[test]
fn token_before_its_life_is_refused() {
    let begins = NOW.plus(Seconds(SKEW.0 + 1));
    let refused = refusal(|claims| claims["nbf"] = begins.as_unix_s().into());
    assert_matches!(refused, Error::NotYetValid { not_before, .. } if not_before == begins);
    let refused = refusal(|claims| claims["iat"] = begins.as_unix_s().into());
    assert_matches!(refused, Error::IssuedInFuture { issued, .. } if issued == begins);
}

#[test]
fn token_after_its_life_is_refused() {
    let expired = NOW.minus(SKEW);
    let refused = refusal(|claims| claims["exp"] = expired.as_unix_s().into());
    assert_matches!(refused, Error::Expired { expires, .. } if expires == expired);
}

#[test]
fn token_for_others_is_refused() {
    for (audience, expected) in [
        (
            json!(["api://AzureADTokenExchange"]),
            vec!["api://AzureADTokenExchange"],
        ),
        (json!("casque2"), vec!["casque2"]),
        (json!([]), vec![]),
    ] {
        let refused = refusal(|claims| claims["aud"] = audience);
        assert_matches!(refused, Error::Audience { found, .. } if found == expected);
    }
    let refused = refusal(|claims| without(claims, "aud"));
    assert_matches!(refused, Error::Audience { found, .. } if found.is_empty());
}

#[test]
fn subject_that_contradicts_the_claims_is_refused() {
    for subject in [
        "system:serviceaccount:shop:admin",
        "system:serviceaccount:other:web",
        "system:serviceaccount:shop:web:x",
        "web",
    ] {
        let refused = refusal(|claims| claims["sub"] = subject.into());
        assert_matches!(refused, Error::Subject { expected, found }
            if expected == "system:serviceaccount:shop:web" && found == subject);
    }
}

#[test]
fn codes_are_distinct_and_begin_alike() {
    let unique: BTreeSet<&str> = Error::CODES.iter().copied().collect();
    assert_eq!(unique.len(), Error::CODES.len());
    assert!(
        unique
            .iter()
            .all(|code| code.starts_with("service-account-token-"))
    );
    assert!(unique.contains(Error::Signature.code()));
}

// ---- what is no token ----

fn compact(header: &str, claims: &str) -> String {
    let encode = |part: &str| URL_SAFE_NO_PAD.encode(part);
    format!("{}.{}.", encode(header), encode(claims))
}

const HEADER: &str = r#"{"alg":"RS256","kid":"k"}"#;
const CLAIMS: &str = r#"{"iss":"i","sub":"s"}"#;

fn malformation(text: &str) -> &'static str {
    match ServiceAccountToken::parse(text).unwrap_err() {
        EvidenceParseError::Malformed { expected, .. } => expected,
        EvidenceParseError::TooLong { .. } => panic!("the token is short"),
    }
}

#[test]
fn token_that_is_too_long_is_refused() {
    let text = "a".repeat(16 * 1024 + 1);
    assert_matches!(
        ServiceAccountToken::parse(&text),
        Err(EvidenceParseError::TooLong {
            limit_bytes: 16_384,
            ..
        })
    );
}

#[test]
fn token_of_other_form_is_refused() {
    for text in ["", "a", "a.b", "a.b.c.d", "..."] {
        let expected = "three parts with dots between them";
        assert_eq!(malformation(text), expected, "{text}");
    }
    let padded = format!("{}=.e30.", URL_SAFE_NO_PAD.encode(HEADER));
    let expected = "base64url without padding in its parts";
    assert_eq!(malformation(&padded), expected);
    let bytes = format!("{}.e30.", URL_SAFE_NO_PAD.encode([0xff, 0xfe]));
    assert_eq!(malformation(&bytes), "UTF-8 in its parts");
}

#[test]
fn header_of_other_form_is_refused_by_its_member() {
    for (header, expected) in [
        ("[]", "a JSON object as its header, no member twice"),
        (
            r#"{"alg":"none","alg":"RS256","kid":"k"}"#,
            "a JSON object as its header, no member twice",
        ),
        (r#"{"kid":"k"}"#, "`alg` in its header, a short text"),
        (r#"{"alg":"RS256"}"#, "`kid` in its header, a short text"),
        (
            r#"{"alg":"RS256","kid":7}"#,
            "`kid` in its header, a short text",
        ),
        (
            r#"{"alg":"RS256","kid":""}"#,
            "`kid` in its header, a short text",
        ),
        (
            r#"{"alg":"RS256","kid":"a b"}"#,
            "`kid` in its header, a short text",
        ),
        (
            r#"{"alg":"RS256","kid":"k","typ":1}"#,
            "`typ` in its header to be a short text",
        ),
        (
            r#"{"alg":"RS256","kid":"k","crit":["b64"]}"#,
            "no `crit` in its header",
        ),
    ] {
        assert_eq!(malformation(&compact(header, CLAIMS)), expected, "{header}");
    }
}

#[test]
fn claims_of_other_form_are_refused_by_their_names() {
    let account = "the claim `kubernetes.io` with `namespace` and `serviceaccount`, and `pod` if any, named by short texts";
    let audience = "the claim `aud` to be a text, or a list of at most 64";
    let many = format!(r#""aud":[{}]"#, vec![r#""a""#; 65].join(","));
    for (more, expected) in [
        (r#""iss":"j""#, "a JSON object of claims, none twice"),
        (r#""exp":"1""#, "the claim `exp` to be whole seconds"),
        (r#""exp":-1"#, "the claim `exp` to be whole seconds"),
        (r#""nbf":1.5"#, "the claim `nbf` to be whole seconds"),
        (r#""iat":true"#, "the claim `iat` to be whole seconds"),
        (r#""aud":7"#, audience),
        (r#""aud":[["a"]]"#, audience),
        (many.as_str(), audience),
        (r#""kubernetes.io":7"#, account),
        (r#""kubernetes.io":{"namespace":"n"}"#, account),
        (
            r#""kubernetes.io":{"namespace":"n","serviceaccount":{}}"#,
            account,
        ),
        (
            r#""kubernetes.io":{"serviceaccount":{"name":"a"}}"#,
            account,
        ),
        (
            r#""kubernetes.io":{"namespace":"n","serviceaccount":{"name":"a"},"pod":{}}"#,
            account,
        ),
    ] {
        let claims = CLAIMS.replacen('{', &format!("{{{more},"), 1);
        assert_eq!(malformation(&compact(HEADER, &claims)), expected, "{more}");
    }
    let no_subject = compact(HEADER, r#"{"iss":"i"}"#);
    let expected = "the claim `sub`, a short text";
    assert_eq!(malformation(&no_subject), expected);
    let long = format!(r#"{{"iss":"{}","sub":"s"}}"#, "i".repeat(513));
    let expected = "the claim `iss`, a short text";
    assert_eq!(malformation(&compact(HEADER, &long)), expected);
}

// ---- key documents ----

fn document(keys: Value) -> Result<ServiceAccountKeys, EndorsementsParseError> {
    ServiceAccountKeys::parse(json!({"keys": keys}).to_string().as_bytes())
}

/// The entries of the cluster's document: RSA, then P-256.
fn entries() -> [Value; 2] {
    let document: Value = serde_json::from_str(&CLUSTER.jwks().unwrap()).unwrap();
    [document["keys"][0].clone(), document["keys"][1].clone()]
}

fn bent(entry: usize, member: &str, value: Value) -> Value {
    let mut entry = entries()[entry].clone();
    entry[member] = value;
    entry
}

#[test]
fn entries_that_hold_no_public_signing_key_are_skipped() {
    let id = |entry: &Value| entry["kid"].as_str().unwrap().to_owned();
    for entry in [
        bent(0, "d", json!("AQAB")),
        bent(1, "d", json!("AQAB")),
        bent(0, "kty", json!("oct")),
        bent(0, "k", json!("AQAB")),
        bent(0, "use", json!("enc")),
        bent(0, "alg", json!("RS512")),
        bent(1, "alg", json!("ES384")),
        bent(1, "crv", json!("P-384")),
        bent(0, "kty", json!("OKP")),
    ] {
        assert!(!document(json!([entry])).unwrap().contains(&id(&entry)));
    }
    let mut nameless = entries()[0].clone();
    without(&mut nameless, "kid");
    assert!(document(json!([nameless])).is_ok());
    for mut entry in entries() {
        without(&mut entry, "use");
        without(&mut entry, "alg");
        assert!(document(json!([entry])).unwrap().contains(&id(&entry)));
    }
}

#[test]
fn public_key_that_is_none_is_refused() {
    let rsa = "`n` and `e` of an RSA key in base64url";
    let point = "`x` and `y` of a point of P-256, 32 bytes each in base64url";
    let off_curve = URL_SAFE_NO_PAD.encode([7; 32]);
    for (entry, expected) in [
        (bent(0, "n", json!("a+b")), rsa),
        (bent(0, "n", json!("")), rsa),
        (bent(0, "e", Value::Null), rsa),
        (bent(1, "x", json!("AQAB")), point),
        (bent(1, "y", Value::Null), point),
        (bent(1, "y", json!(off_curve)), point),
    ] {
        let found = document(json!([entry])).map(|_| ()).unwrap_err();
        assert_matches!(found, EndorsementsParseError::Malformed { expected: found, .. }
            if found == expected, "{entry}");
    }
}

#[test]
fn document_that_is_no_key_set_is_refused() {
    for text in [
        "",
        "{}",
        "[]",
        r#"{"keys":{}}"#,
        r#"{"keys":[],"keys":[]}"#,
        "\u{ff}",
    ] {
        let found = ServiceAccountKeys::parse(text.as_bytes()).map(|_| ());
        assert_matches!(
            found,
            Err(EndorsementsParseError::Malformed { .. }),
            "{text}"
        );
    }
    assert!(ServiceAccountKeys::parse(&[0xff]).is_err());
    let [rsa, _] = entries();
    let twice = document(json!([rsa, rsa])).map(|_| ());
    assert_matches!(
        twice,
        Err(EndorsementsParseError::Malformed {
            expected: "each `kid` once",
            ..
        })
    );
    let many: Vec<Value> = vec![json!({"kty": "oct"}); 65];
    assert_matches!(
        document(many.into()).map(|_| ()),
        Err(EndorsementsParseError::Malformed {
            expected: "at most 64 keys",
            ..
        })
    );
    let long = vec![b' '; 256 * 1024 + 1];
    assert_matches!(
        ServiceAccountKeys::parse(&long).map(|_| ()),
        Err(EndorsementsParseError::TooLong {
            limit_bytes: 262_144,
            ..
        })
    );
}

proptest! {
    #[test]
    fn any_text_is_refused_or_read_and_never_verified(text in ".{0,300}") {
        let claims = compact(HEADER, &text);
        for text in [text, claims] {
            if let Ok(token) = ServiceAccountToken::parse(&text) {
                prop_assert!(token.verify(&keys(), &trust(), NOW).is_err());
            }
        }
    }

    #[test]
    fn any_bytes_are_refused_or_read_as_keys(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = ServiceAccountKeys::parse(&bytes).map(|_| ());
    }
}
