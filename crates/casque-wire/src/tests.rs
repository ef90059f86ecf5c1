use super::*;

#[test]
fn attest_request_of_each_kind_is_read_back() {
    for evidence in [
        Evidence::None {},
        Evidence::Sgx {
            quote: AnyB64(vec![1, 2, 255]),
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
            maa_token: Some("d.e.f".to_owned()),
            service_account_token: Some("g.h.i".to_owned()),
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
            quote: AnyB64(vec![3, 0]),
        },
        otp: None,
        access_token_proof: None,
        maa_token: None,
        service_account_token: None,
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
        maa_token: None,
        service_account_token: None,
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

#[test]
fn export_request_is_written_as_documented_and_read_back() {
    let mut request = ExportRequest {
        session: "team/db".to_owned(),
        session_hash: None,
        secret: "password".to_owned(),
        importer: "app".to_owned(),
        importer_hash: "ab".repeat(32),
    };
    let hash = "ab".repeat(32);
    let rest = format!(r#""secret":"password","importer":"app","importer_hash":"{hash}"}}"#);
    let text = serde_json::to_string(&request).unwrap();
    assert_eq!(text, format!(r#"{{"session":"team/db",{rest}"#));
    request.session_hash = Some(hash.clone());
    let text = serde_json::to_string(&request).unwrap();
    let pinned = format!(r#"{{"session":"team/db","session_hash":"{hash}",{rest}"#);
    assert_eq!(text, pinned);
    let read: ExportRequest = serde_json::from_str(&pinned).unwrap();
    assert_eq!(read.session_hash.as_deref(), Some(hash.as_str()));
}

#[test]
fn export_request_unknown_member_is_refused() {
    let text = r#"{"session":"a","secret":"s","importer":"b","importer_hash":"c","public":true}"#;
    let refused = serde_json::from_str::<ExportRequest>(text).unwrap_err();
    assert!(refused.to_string().starts_with("unknown field `public`"));
}

#[test]
fn export_answer_debug_shows_no_value() {
    let answer: ExportAnswer = serde_json::from_str(r#"{"value":"aHVudGVyMg","later":1}"#).unwrap();
    assert_eq!(answer.value.0, b"hunter2");
    let shown = format!("{answer:?}");
    assert_eq!(shown, "ExportAnswer { value: B64(7 bytes) }");
    assert_eq!(
        serde_json::to_string(&answer).unwrap(),
        r#"{"value":"aHVudGVyMg"}"#
    );
}

#[test]
fn b64_with_escapes_in_its_text_is_read_too() {
    assert_eq!(
        serde_json::from_str::<B64>(r#""aHVudGV\u0079Mg""#).unwrap(),
        B64(b"hunter2".to_vec())
    );
}

#[test]
fn evidence_debug_shows_lengths_of_tokens_and_certificates() {
    let quote = r#"{"message":"AQEB","signature":"AgICAg","pcrs":[]}"#;
    let shown = "TpmQuote { message: AnyB64(3 bytes), signature: AnyB64(4 bytes), pcrs: [] }";
    for (text, expected) in [
        (r#""none""#, "None"),
        (r#""sgx","quote":"CQkJ""#, "Sgx { quote: AnyB64(3 bytes) }"),
        (r#""tdx","quote":"CQkJ""#, "Tdx { quote: AnyB64(3 bytes) }"),
        (
            r#""snp","report":"CQkJ","vek":"hunter2""#,
            "Snp { report: AnyB64(3 bytes), vek: Some(Text(7 bytes)) }",
        ),
        (
            r#""azure-snp-vtpm","hcl":"CQkJ","quote":QUOTE,"ak_chain":"hunter2""#,
            "AzureSnpVtpm { hcl: AnyB64(3 bytes), quote: QUOTE, vek: None, ak_chain: Some(Text(7 bytes)) }",
        ),
        (
            r#""azure-tdx-vtpm","hcl":"CQkJ","quote":QUOTE,"td_quote":"CQ","ak_chain":"hunter2""#,
            "AzureTdxVtpm { hcl: AnyB64(3 bytes), quote: QUOTE, td_quote: AnyB64(1 bytes), ak_chain: Some(Text(7 bytes)) }",
        ),
        (
            r#""aci-snp","report":"CQkJ","vek":"hunter2","policy":"CQ","uvm":"CQk""#,
            "AciSnp { report: AnyB64(3 bytes), vek: Some(Text(7 bytes)), policy: AnyB64(1 bytes), uvm: AnyB64(2 bytes) }",
        ),
        (
            r#""maa","token":"hunter2.hunter2.hunter2""#,
            "Maa { token: Text(23 bytes) }",
        ),
    ] {
        let text = format!(r#"{{"type":{}}}"#, text.replace("QUOTE", quote));
        let evidence: Evidence = serde_json::from_str(&text).unwrap();
        let expected = expected.replace("QUOTE", shown);
        assert_eq!(format!("{evidence:?}"), expected);
        // No layout shows more.
        assert!(!format!("{evidence:#?}").contains("hunter2"), "{expected}");
    }
}

/// One shape for both kinds of Azure VMs, as an attester writes that fills in every member.
#[test]
fn azure_machine_takes_the_members_of_both_kinds_where_they_are_null() {
    let quote = r#"{"message":"AQEB","signature":"AgICAg","pcrs":[]}"#;
    let read = |kind: &str, vek: &str, td_quote: &str, ak_chain: &str| {
        serde_json::from_str::<Evidence>(&format!(
            r#"{{"type":"{kind}","hcl":"CQ","quote":{quote},"vek":{vek},"td_quote":{td_quote},"ak_chain":{ak_chain}}}"#
        ))
    };
    let (snp, tdx) = ("azure-snp-vtpm", "azure-tdx-vtpm");
    for (vek, ak_chain) in [("null", "null"), ("\"pem\"", "\"pem\"")] {
        let read = read(snp, vek, "null", ak_chain).unwrap();
        assert!(matches!(read, Evidence::AzureSnpVtpm { .. }));
    }
    let read_tdx = read(tdx, "null", "\"CQ\"", "null").unwrap();
    let Evidence::AzureTdxVtpm { td_quote, .. } = &read_tdx else {
        panic!("{read_tdx:?}");
    };
    assert_eq!(td_quote.0, [9]);
    // Written without what is absent, and read back.
    let written = serde_json::to_string(&read_tdx).unwrap();
    assert!(!written.contains("vek") && !written.contains("null"));
    assert_eq!(
        serde_json::from_str::<Evidence>(&written).unwrap(),
        read_tdx
    );
    for (refused, words) in [
        (
            read(snp, "null", "\"CQ\"", "null"),
            "`td_quote` belongs to `azure-tdx-vtpm`",
        ),
        (
            read(tdx, "\"pem\"", "\"CQ\"", "null"),
            "`vek` belongs to `azure-snp-vtpm`",
        ),
        (
            read(tdx, "null", "null", "null"),
            "missing field `td_quote`",
        ),
    ] {
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains(words), "{refused}");
    }
    let unknown = format!(r#"{{"type":"{snp}","hcl":"CQ","quote":{quote},"tdquote":null}}"#);
    let refused = serde_json::from_str::<Evidence>(&unknown).unwrap_err();
    assert!(refused.to_string().contains("unknown field `tdquote`"));
}
