use super::*;

#[test]
fn attest_request_of_each_kind_is_read_back() {
    for evidence in [
        Evidence::None {},
        Evidence::Sgx {
            quote: B64(vec![1, 2, 255]),
        },
        Evidence::Maa {
            token: "a.b.c".to_owned(),
        },
    ] {
        let request = AttestRequest {
            runtime_data: B64(vec![7]),
            evidence,
            otp: Some("123456".to_owned()),
            access_token_proof: Some(B64(vec![9; 32])),
        };
        let text = serde_json::to_string(&request).unwrap();
        let read: AttestRequest = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
    }
}

#[test]
fn attest_request_is_written_as_documented() {
    let request = AttestRequest {
        runtime_data: B64(b"{}".to_vec()),
        evidence: Evidence::Sgx {
            quote: B64(vec![3, 0]),
        },
        otp: None,
        access_token_proof: None,
    };
    let text = serde_json::to_string(&request).unwrap();
    assert_eq!(
        text,
        r#"{"runtime_data":"e30","evidence":{"type":"sgx","quote":"AwA"}}"#
    );
}

#[test]
fn attest_request_second_factors_are_written_as_documented() {
    let request = AttestRequest {
        runtime_data: B64(b"{}".to_vec()),
        evidence: Evidence::None {},
        otp: Some("012345".to_owned()),
        access_token_proof: Some(B64(vec![3, 0])),
    };
    let text = serde_json::to_string(&request).unwrap();
    assert_eq!(
        text,
        r#"{"runtime_data":"e30","evidence":{"type":"none"},"otp":"012345","access_token_proof":"AwA"}"#
    );
}

#[test]
fn attest_request_unknown_member_is_refused() {
    let text = r#"{"runtime_data":"e30","evidence":{"type":"none"},"skip":true}"#;
    assert!(serde_json::from_str::<AttestRequest>(text).is_err());
    let text = r#"{"runtime_data":"e30","evidence":{"type":"none","debug":true}}"#;
    assert!(serde_json::from_str::<AttestRequest>(text).is_err());
}

#[test]
fn b64_padded_text_is_read_too() {
    assert_eq!("AwA=".parse(), Ok(B64(vec![3, 0])));
    assert_eq!("A+A=".parse::<B64>(), Err(B64Error));
}
