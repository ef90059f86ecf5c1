use serde_json::{Value, json};

use super::*;

fn claims() -> Value {
    json!({
        "x-ms-attestation-type": "azurevm",
        "x-ms-runtime": {"client-payload": {"nonce": SENT, "more": "MQ=="}, "keys": [{"kty": "RSA"}]},
        "secureboot": true, "iat": 1_795_500_000_i64, "exp": -1, "rate": 0.5, "none": null, "pcrs": [0, [1], {"a": "b"}],
    })
}

fn judged(payload: &str) -> Result<(), SealedTokenError> {
    let payload = URL_SAFE_NO_PAD.encode(payload);
    require_nonce(&format!("e30.{payload}.AA"), &[0x4E; 32])
}

/// What was expected after `bend`.
fn expected_after(bend: impl FnOnce(&mut Value)) -> &'static str {
    let mut claims = claims();
    bend(&mut claims);
    expected_of(&claims.to_string())
}

fn expected_of(payload: &str) -> &'static str {
    match judged(payload) {
        Err(SealedTokenError::OtherNonce { expected }) => expected,
        other => panic!("{payload}: {other:?}"),
    }
}

#[test]
fn token_with_the_nonce_that_was_sent_answers_the_request() {
    assert_eq!(judged(&claims().to_string()), Ok(()));
}

#[test]
fn token_with_another_nonce_answers_another_request() {
    for nonce in [
        // Another nonce; the digits without base64; digits in capitals; without padding; with something behind.
        json!(
            "NGY0ZjRmNGY0ZjRmNGY0ZjRmNGY0ZjRmNGY0ZjRmNGY0ZjRmNGY0ZjRmNGY0ZjRmNGY0ZjRmNGY0ZjRmNGY0Zg=="
        ),
        json!("4e".repeat(32)),
        json!(
            "NEU0RTRFNEU0RTRFNEU0RTRFNEU0RTRFNEU0RTRFNEU0RTRFNEU0RTRFNEU0RTRFNEU0RTRFNEU0RTRFNEU0RQ=="
        ),
        json!(SENT.trim_end_matches('=')),
        json!(format!("{SENT}\n")),
        json!(""),
        json!(null),
        json!([SENT]),
        json!({"nonce": SENT}),
    ] {
        let other = |claims: &mut Value| claims["x-ms-runtime"]["client-payload"]["nonce"] = nonce;
        assert_eq!(expected_after(other), NONCE);
    }
}

#[test]
fn nonce_in_another_place_is_none() {
    let nonce = json!({"nonce": SENT});
    for runtime in [
        json!({}),
        json!({"client-payload": {}}),
        json!({"client-payload": SENT}),
        json!({"client-payload": [nonce]}),
        json!([{"client-payload": nonce}]),
        nonce.clone(),
        json!(SENT),
    ] {
        let other = |claims: &mut Value| claims["x-ms-runtime"] = runtime;
        assert_eq!(expected_after(other), NONCE);
    }
    let inside = |claims: &mut Value| {
        let runtime = claims.as_object_mut().unwrap().remove("x-ms-runtime");
        claims["x-ms-isolation-tee"] = json!({"x-ms-runtime": runtime});
    };
    assert_eq!(expected_after(inside), NONCE);
}

#[test]
fn token_of_another_type_answers_another_request() {
    for kind in [
        json!("sevsnpvm"),
        json!("AzureVM"),
        json!(null),
        json!(["azurevm"]),
    ] {
        let other = |claims: &mut Value| claims["x-ms-attestation-type"] = kind;
        assert_eq!(expected_after(other), TYPE);
    }
    let absent = |claims: &mut Value| {
        claims
            .as_object_mut()
            .unwrap()
            .remove("x-ms-attestation-type");
    };
    assert_eq!(expected_after(absent), TYPE);
    assert_eq!(expected_of("[]"), TYPE);
}

#[test]
fn member_that_stands_twice_is_refused_at_any_depth() {
    let text = claims().to_string();
    for (once, twice) in [
        (
            r#""x-ms-attestation-type""#,
            r#""x-ms-attestation-type":"azurevm""#,
        ),
        (r#""x-ms-runtime""#, r#""x-ms-runtime":{}"#),
        (r#""nonce""#, r#""nonc\u0065":"""#),
        (r#""a":"b""#, r#""a":"b""#),
    ] {
        assert!(text.contains(once), "{once}");
        let doubled = text.replacen(once, &format!("{twice},{once}"), 1);
        assert_eq!(expected_of(&doubled), CLAIMS);
    }
}

#[test]
fn payload_that_is_no_json_is_refused() {
    let text = claims().to_string();
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for payload in [
        "",
        "{",
        "\u{feff}{}",
        &format!("{text}{{}}"),
        text.trim_end_matches('}'),
        &deep,
    ] {
        assert_eq!(expected_of(payload), CLAIMS);
    }
}

#[test]
fn payload_that_is_no_base64url_is_refused() {
    let nonce = [0x4E; 32];
    let payload = URL_SAFE_NO_PAD.encode(claims().to_string());
    for token in [
        format!("e30.{payload}=.AA"),
        format!("e30.{payload}A.AA"),
        "e30.e31.AA".to_owned(),
        "e30..AA".to_owned(),
        payload,
    ] {
        let expected = CLAIMS;
        let refused = Err(SealedTokenError::OtherNonce { expected });
        assert_eq!(require_nonce(&token, &nonce), refused, "{token}");
    }
}

#[test]
fn token_that_is_too_long_is_not_read() {
    let token = "A".repeat(256 * 1024 + 1);
    let (found_bytes, limit_bytes) = (256 * 1024 + 1, 256 * 1024);
    assert_eq!(
        require_nonce(&token, &[0x4E; 32]),
        Err(SealedTokenError::TooLong {
            found_bytes,
            limit_bytes
        })
    );
}

#[test]
fn refusal_says_what_happened_and_shows_no_token() {
    let other = SealedTokenError::OtherNonce { expected: NONCE };
    assert_eq!(
        other.to_string(),
        "the sealed token opens, and is kept back: expected the nonce that was sent, in `client-payload` of `x-ms-runtime`, found something else: it answers another request, which someone between this machine and the attestation service put in place of this one: attest again, and if it is so again, look who ends TLS on the way to the server"
    );
}

/// Base64 of 32 bytes 0x4E in hexadecimal digits, by Python.
const SENT: &str =
    "NGU0ZTRlNGU0ZTRlNGU0ZTRlNGU0ZTRlNGU0ZTRlNGU0ZTRlNGU0ZTRlNGU0ZTRlNGU0ZTRlNGU0ZTRlNGU0ZQ==";
