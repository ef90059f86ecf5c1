//! Requests of guests with one thing bent, each of which is refused for that.

use std::sync::{Arc, LazyLock};

use assert_matches::assert_matches;
use casque_appraise::{
    Appraiser, EndorsementsId, MaaKeys, MaaToken, MaaTrust, SignerDemand, TrustAnchors,
};
use casque_types::{Seconds, SnpProduct, sha256};

use super::*;
use crate::azure_vm::{
    EncryptionKeyFlaw, GuestRequest, GuestSpec, GuestTee, HclFlaw, HclSpec, SoftwareVtpm,
    TpmCertificationFlaw, TpmEncryptionKey, TpmQuoteFlaw, TpmQuoteSpec, UnsealError,
};
use crate::maa::JwksShape;
use crate::sgx::SoftwareTee;
use crate::snp::{SoftwareSnp, software_snp_identity};
use crate::tdx::software_tdx_identity;

const NOW: Timestamp = Timestamp::from_unix_s(1_795_500_000);

/// One machine room; keys take long to make.
struct Room {
    maa: SoftwareMaa,
    vtpm: SoftwareVtpm,
    snp: SoftwareSnp,
    intel: SoftwareTee,
    key: TpmEncryptionKey,
    appraiser: Appraiser,
}

static ROOM: LazyLock<Room> = LazyLock::new(|| {
    let url = "https://casque.eus.attest.azure.net".parse().unwrap();
    let snp = SoftwareSnp::generate(SnpProduct::Milan, NOW).unwrap();
    let intel = SoftwareTee::generate(NOW).unwrap();
    let anchors = TrustAnchors::vendors()
        .dangerous_with_sgx_root(intel.root_der().to_vec())
        .dangerous_with_amd(vec![snp.anchor()]);
    Room {
        maa: SoftwareMaa::generate(url, NOW).unwrap(),
        vtpm: SoftwareVtpm::generate(NOW).unwrap(),
        key: TpmEncryptionKey::generate(&spec().values()).unwrap(),
        appraiser: Appraiser::new(anchors),
        snp,
        intel,
    }
});

fn spec() -> GuestSpec {
    GuestSpec::new(b"challenge")
}

fn on_snp(spec: &GuestSpec) -> GuestRequest {
    let identity = software_snp_identity([0x5A; 48].into());
    let request = (ROOM.vtpm).guest_on_snp(&ROOM.snp, &identity, spec, &ROOM.key);
    request.unwrap()
}

fn on_tdx(spec: &GuestSpec) -> GuestRequest {
    let identity = software_tdx_identity([0x7D; 48]);
    let request = (ROOM.vtpm).guest_on_tdx(&ROOM.intel, &identity, spec, &ROOM.key);
    request.unwrap()
}

fn parsed(request: &Value) -> Result<AttestationInfo, GuestRefusal> {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    AttestationInfo::parse(&URL_SAFE_NO_PAD.encode(request.to_string()))
}

fn judged(info: &AttestationInfo) -> Result<TokenSpec, GuestRefusal> {
    let endorsements = match info.tee().endorsements_id().unwrap().unwrap() {
        EndorsementsId::Amd(_) => Endorsements {
            intel: None,
            amd: Some(Arc::new(ROOM.snp.endorsements(NOW).unwrap())),
        },
        EndorsementsId::Intel(_) => Endorsements {
            intel: Some(Arc::new(ROOM.intel.tdx_endorsements(NOW).unwrap())),
            amd: None,
        },
    };
    SoftwareMaa::judge_guest(info, &endorsements, &ROOM.appraiser, NOW)
}

/// Why a request on SNP with one thing bent is refused.
fn refusal(bend: impl FnOnce(&mut GuestRequest)) -> GuestRefusal {
    let mut request = on_snp(&spec());
    bend(&mut request);
    let info = parsed(&request.to_json());
    info.and_then(|info| judged(&info)).unwrap_err()
}

/// Why `AttestationInfo` with one thing bent is refused.
fn malformed(bend: impl FnOnce(&mut Value)) -> GuestRefusal {
    let mut info = on_snp(&spec()).to_json();
    bend(&mut info);
    parsed(&info).unwrap_err()
}

/// The claims of the token that a good request is answered with, opened and verified.
fn answered(request: &GuestRequest) -> Value {
    let info = parsed(&request.to_json()).unwrap();
    let token = ROOM.maa.token(&judged(&info).unwrap()).unwrap();
    let opened = ROOM.key.open(&info.seal(&token).unwrap()).unwrap();
    assert_eq!(opened, token);
    let keys = ROOM.maa.jwks(JwksShape::WithNumbers);
    let keys = MaaKeys::parse(keys.as_bytes()).unwrap();
    let trust = MaaTrust {
        issuer: ROOM.maa.url().clone(),
        min_rsa_bits: 2048,
        clock_skew: Seconds(0),
        max_age: Seconds(600),
        signer: SignerDemand::Any,
    };
    let parsed = MaaToken::parse(&opened).unwrap();
    (ROOM.appraiser)
        .verify_token(&parsed, &keys, &trust, NOW)
        .unwrap();
    claims_of(&opened)
}

fn claims_of(token: &str) -> Value {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let claims = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}

#[test]
fn guest_on_snp_is_answered_with_a_token_about_its_tee() {
    let claims = answered(&on_snp(&spec()));
    assert_eq!(claims["x-ms-attestation-type"], "azurevm");
    let pcrs = json!([0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(claims["x-ms-azurevm-attested-pcrs"], pcrs);
    assert_eq!(claims["x-ms-azurevm-osdistro"], "Debian GNU/Linux");
    assert_eq!(claims["x-ms-azurevm-osversion-major"], 13);
    assert_eq!(claims["x-ms-azurevm-vmid"], HclSpec::default().vm_unique_id);
    assert_eq!(claims["secureboot"], true);
    let tee = &claims["x-ms-isolation-tee"];
    assert_eq!(tee["x-ms-attestation-type"], "sevsnpvm");
    assert_eq!(tee["x-ms-compliance-status"], "azure-compliant-cvm");
    assert_eq!(
        tee["x-ms-sevsnpvm-launchmeasurement"],
        "5a".repeat(48).as_str()
    );
    assert_eq!(tee["x-ms-sevsnpvm-chip-family"], "Milan");
    assert_eq!(tee["x-ms-runtime"]["keys"][0]["kid"], "HCLAkPub");
    let report_data = ROOM.vtpm.report_data(&HclSpec::default());
    let report_data = hex::encode(report_data);
    assert_eq!(tee["x-ms-sevsnpvm-reportdata"], report_data.as_str());
}

#[test]
fn guest_on_tdx_is_answered_with_a_token_about_its_tee() {
    let tee = &answered(&on_tdx(&spec()))["x-ms-isolation-tee"];
    assert_eq!(tee["x-ms-attestation-type"], "tdxvm");
    assert_eq!(tee["x-ms-compliance-status"], "azure-compliant-cvm");
    assert_eq!(tee["tdx_mrtd"], "7d".repeat(48).as_str());
    assert_eq!(tee["attester_tcb_status"], "UpToDate");
}

#[test]
fn token_states_payload_and_key_as_they_came() {
    let claims = answered(&on_snp(&spec()));
    let runtime = &claims["x-ms-runtime"];
    assert_eq!(runtime["client-payload"], json!({"nonce": "Y2hhbGxlbmdl"}));
    let key = &runtime["keys"][0];
    assert_eq!(key["kid"], "TpmEphemeralEncryptionKey");
    assert_eq!(
        (key["kty"].as_str(), key["e"].as_str()),
        (Some("RSA"), Some("AQAB"))
    );
    let area = PublicArea::parse(&ROOM.key.public()).unwrap();
    assert_eq!(key["n"], area.modulus_text());
}

#[test]
fn token_without_payload_has_no_such_member() {
    let mut spec = spec();
    spec.payload.clear();
    let claims = answered(&on_snp(&spec));
    let runtime = claims["x-ms-runtime"].as_object().unwrap();
    assert!(!runtime.contains_key("client-payload"));
}

#[test]
fn secure_boot_that_is_off_or_not_said_is_off() {
    for said in [Some(false), None] {
        let mut spec = spec();
        spec.hcl.secure_boot = said;
        assert_eq!(answered(&on_snp(&spec))["secureboot"], false, "{said:?}");
    }
}

#[test]
fn other_registers_are_attested_in_any_order() {
    let mut spec = spec();
    spec.registers = vec![0, 4, 7, 11, 23];
    let key = TpmEncryptionKey::generate(&spec.values()).unwrap();
    let identity = software_snp_identity([1; 48].into());
    let request = (ROOM.vtpm).guest_on_snp(&ROOM.snp, &identity, &spec, &key);
    let mut request = request.unwrap();
    request.pcr_set.reverse();
    request.registers.swap(0, 3);
    let info = parsed(&request.to_json()).unwrap();
    let claims = claims_of(&ROOM.maa.token(&judged(&info).unwrap()).unwrap());
    assert_eq!(
        claims["x-ms-azurevm-attested-pcrs"],
        json!([0, 4, 7, 11, 23])
    );
}

#[test]
fn sealed_token_is_opened_by_its_key_alone() {
    let info = parsed(&on_snp(&spec()).to_json()).unwrap();
    let sealed = info.seal("a.b.c").unwrap();
    let other = TpmEncryptionKey::generate(&spec().values()).unwrap();
    assert_matches!(
        other.open(&sealed),
        Err(UnsealError::InnerKey | UnsealError::Content)
    );
    assert_matches!(other.open("a.b.c"), Err(UnsealError::Form));
    assert_eq!(ROOM.key.open(&sealed).unwrap(), "a.b.c");
}

#[test]
fn sealed_token_that_was_changed_is_not_opened() {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    let info = parsed(&on_snp(&spec()).to_json()).unwrap();
    let sealed = URL_SAFE_NO_PAD.decode(info.seal("a.b.c").unwrap()).unwrap();
    let mut sealed: Value = serde_json::from_slice(&sealed).unwrap();
    let jwt = STANDARD.decode(sealed["Jwt"].as_str().unwrap()).unwrap();
    sealed["Jwt"] = STANDARD.encode([jwt[0] ^ 1, jwt[1]]).into();
    let changed = URL_SAFE_NO_PAD.encode(sealed.to_string());
    assert_matches!(ROOM.key.open(&changed), Err(UnsealError::Content));
}

// ---- the TEE ----

#[test]
fn report_that_was_changed_is_refused() {
    let refused = refusal(|request| match &mut request.tee {
        GuestTee::Snp { report, .. } => report[0x90] ^= 1,
        other => panic!("{other:?}"),
    });
    assert_matches!(refused, GuestRefusal::Tee(MaaRefusal::Evidence(_)));
}

#[test]
fn runtime_data_that_were_changed_are_refused() {
    let refused = refusal(|request| request.runtime_data.push(b' '));
    assert_matches!(refused, GuestRefusal::Tee(MaaRefusal::RuntimeData));
}

#[test]
fn report_cut_off_is_refused() {
    let refused = refusal(|request| match &mut request.tee {
        GuestTee::Snp { report, .. } => drop(report.pop()),
        other => panic!("{other:?}"),
    });
    assert_matches!(refused, GuestRefusal::Proof(_));
}

#[test]
fn machine_without_a_tee_is_refused() {
    let refused = refusal(|request| request.tee = GuestTee::TrustedLaunch);
    assert_matches!(refused, GuestRefusal::TrustedLaunch);
}

/// Runtime data that the report is over, and yet not of use.
fn of_paravisor(flaw: HclFlaw) -> GuestRefusal {
    let mut spec = spec();
    spec.hcl = spec.hcl.with_flaw(flaw);
    judged(&parsed(&on_snp(&spec).to_json()).unwrap()).unwrap_err()
}

#[test]
fn paravisor_without_one_attestation_key_is_refused() {
    for flaw in [HclFlaw::NoKey, HclFlaw::TwoKeys] {
        let refused = of_paravisor(flaw);
        assert_matches!(
            refused,
            GuestRefusal::Member {
                member: "IsolationInfo.Evidence.RunTimeData",
                expected: "one key `HCLAkPub`"
            }
        );
    }
}

#[test]
fn paravisor_with_other_data_is_refused() {
    for flaw in [HclFlaw::NotJson, HclFlaw::MemberTwice] {
        let refused = of_paravisor(flaw);
        assert_matches!(
            refused,
            GuestRefusal::Member {
                member: "IsolationInfo.Evidence.RunTimeData",
                expected: "JSON with `keys` and `vm-configuration`"
            }
        );
    }
}

// ---- the TPM ----

#[test]
fn attestation_key_of_another_tpm_is_refused() {
    let other = SoftwareVtpm::generate(NOW).unwrap();
    let refused = refusal(|request| {
        request.ak_public = other.ak_public();
        request.quote = other
            .quote(&TpmQuoteSpec::new(b"").with_select(&[0xFF, 0, 0]))
            .unwrap();
        request.certification = other.certify(&ROOM.key).unwrap();
    });
    assert_matches!(refused, GuestRefusal::AttestationKey);
}

fn quoted(spec: TpmQuoteSpec, flaw: Option<TpmQuoteFlaw>) -> GuestRefusal {
    refusal(|request| {
        let spec = TpmQuoteSpec { flaw, ..spec };
        request.quote = ROOM.vtpm.quote(&spec).unwrap();
    })
}

fn eight() -> TpmQuoteSpec {
    TpmQuoteSpec::new(b"").with_select(&[0xFF, 0, 0])
}

#[test]
fn quote_not_signed_by_the_attestation_key_is_refused() {
    for flaw in [TpmQuoteFlaw::Signature, TpmQuoteFlaw::ForeignKey] {
        let refused = quoted(eight(), Some(flaw));
        assert_matches!(refused, GuestRefusal::QuoteSignature, "{flaw:?}");
    }
}

#[test]
fn quote_of_other_registers_is_refused() {
    for select in [[0x7F, 0, 0], [0xFF, 1, 0], [0xFF, 0xFF, 0xFF]] {
        let spec = TpmQuoteSpec::new(b"").with_select(&select);
        assert_matches!(quoted(spec, None), GuestRefusal::QuoteSelection);
    }
    let flaws = [
        TpmQuoteFlaw::Bank(0x0004),
        TpmQuoteFlaw::TwoSelections,
        TpmQuoteFlaw::NoSelection,
    ];
    for flaw in flaws {
        let refused = quoted(eight(), Some(flaw));
        assert_matches!(refused, GuestRefusal::QuoteSelection, "{flaw:?}");
    }
}

#[test]
fn quote_of_other_values_is_refused() {
    let refused = quoted(eight(), Some(TpmQuoteFlaw::PcrDigest));
    assert_matches!(refused, GuestRefusal::QuoteDigest);
    let refused = refusal(|request| request.registers[3].1[0] ^= 1);
    assert_matches!(refused, GuestRefusal::QuoteDigest);
}

#[test]
fn statement_that_is_no_quote_is_refused() {
    let flaws = [
        TpmQuoteFlaw::Magic,
        TpmQuoteFlaw::Type(0x8017),
        TpmQuoteFlaw::Selections(2),
        TpmQuoteFlaw::Selections(17),
        TpmQuoteFlaw::DigestLength(33),
        TpmQuoteFlaw::Safe,
        TpmQuoteFlaw::TrailingByte,
        TpmQuoteFlaw::CutOff,
    ];
    for flaw in flaws {
        let refused = quoted(eight(), Some(flaw));
        let is_that = matches!(
            refused,
            GuestRefusal::Member {
                member: "TpmInfo.PcrQuote",
                ..
            }
        );
        assert!(is_that, "{flaw:?}: {refused:?}");
    }
}

fn certified(flaw: TpmCertificationFlaw) -> GuestRefusal {
    refusal(|request| {
        let said = ROOM.vtpm.certify_flawed(&ROOM.key, Some(flaw));
        request.certification = said.unwrap();
    })
}

#[test]
fn certification_that_was_changed_is_refused() {
    let refused = certified(TpmCertificationFlaw::Signature);
    assert_matches!(refused, GuestRefusal::CertificationSignature);
}

#[test]
fn certification_of_another_key_is_refused() {
    let refused = certified(TpmCertificationFlaw::Name);
    assert_matches!(refused, GuestRefusal::CertificationName);
    let other = TpmEncryptionKey::generate(&spec().values()).unwrap();
    let refused = refusal(|request| request.key_public = other.public());
    assert_matches!(refused, GuestRefusal::CertificationName);
}

#[test]
fn statement_that_is_no_certification_is_refused() {
    let flaws = [
        TpmCertificationFlaw::Type(0x8018),
        TpmCertificationFlaw::TrailingByte,
    ];
    for flaw in flaws {
        assert_matches!(
            certified(flaw),
            GuestRefusal::Member {
                member: "TpmInfo.EncKeyCertifyInfo",
                ..
            }
        );
    }
    let refused = refusal(|request| {
        request
            .certification
            .message
            .clone_from(&request.quote.message)
    });
    assert_matches!(
        refused,
        GuestRefusal::Member {
            member: "TpmInfo.EncKeyCertifyInfo",
            ..
        }
    );
}

fn with_key(flaw: EncryptionKeyFlaw) -> GuestRefusal {
    let key = TpmEncryptionKey::generate_flawed(&spec().values(), Some(flaw)).unwrap();
    refusal(|request| {
        request.key_public = key.public();
        request.certification = ROOM.vtpm.certify(&key).unwrap();
    })
}

#[test]
fn key_that_could_leave_its_tpm_or_do_without_its_policy_is_refused() {
    let good = KeyArea::FIXED_TPM
        | KeyArea::FIXED_PARENT
        | KeyArea::SENSITIVE_DATA_ORIGIN
        | KeyArea::DECRYPT;
    let bits = [
        KeyArea::FIXED_TPM,
        KeyArea::FIXED_PARENT,
        KeyArea::SENSITIVE_DATA_ORIGIN,
        KeyArea::DECRYPT,
        KeyArea::RESTRICTED,
        KeyArea::USER_WITH_AUTH,
    ];
    for bit in bits {
        let bent = good ^ bit;
        let refused = with_key(EncryptionKeyFlaw::Attributes(bent));
        assert_matches!(refused, GuestRefusal::KeyAttributes { found } if found == bent);
    }
}

#[test]
fn key_with_another_policy_is_refused() {
    let mut values = spec().values();
    values[7].1 = [0xEE; 32];
    let policies = [
        *sha256(b"").as_bytes(),
        pcr_policy(&values),
        pcr_policy(&spec().values()[..7]),
    ];
    for policy in policies {
        let refused = with_key(EncryptionKeyFlaw::Policy(policy));
        assert_matches!(refused, GuestRefusal::KeyPolicy);
    }
}

#[test]
fn bytes_that_are_no_public_area_are_refused() {
    let bends: [fn(&mut Vec<u8>); 5] = [
        |area| area.push(0),
        |area| area.truncate(area.len() - 1),
        |area| area[3] = 0x23,
        |area| area[5] = 0x0C,
        Vec::clear,
    ];
    for bend in bends {
        let refused = refusal(|request| bend(&mut request.key_public));
        assert_matches!(
            refused,
            GuestRefusal::Member {
                member: "TpmInfo.EncKeyPub",
                expected: PublicArea::EXPECTED
            }
        );
    }
}

// ---- the form ----

#[test]
fn member_of_another_form_is_named() {
    let cases: [(&str, Value, &str); 10] = [
        (
            "/AttestationProtocolVersion",
            json!("1.0"),
            "AttestationProtocolVersion",
        ),
        ("/OSType", json!("V2luZG93cw=="), "OSType"),
        ("/OSDistro", json!("_w"), "OSDistro"),
        ("/TcgLogs", json!("YQ"), "TcgLogs"),
        ("/ClientPayload/nonce", json!("not base64"), "ClientPayload"),
        ("/TpmInfo/AikCert", json!("%"), "TpmInfo.AikCert"),
        (
            "/TpmInfo/PcrSet",
            json!([0, 1, 2, 3, 4, 5, 6, 24]),
            "TpmInfo.PcrSet",
        ),
        (
            "/TpmInfo/PCRs/0/Digest",
            json!("YQ=="),
            "TpmInfo.PCRs.Digest",
        ),
        ("/IsolationInfo/Type", json!("Vbs"), "IsolationInfo.Type"),
        (
            "/IsolationInfo/Evidence",
            Value::Null,
            "IsolationInfo.Evidence",
        ),
    ];
    for (path, value, name) in cases {
        let refused = malformed(|info| *info.pointer_mut(path).unwrap() = value);
        let is_that = matches!(refused, GuestRefusal::Member { member, .. } if member == name);
        assert!(is_that, "{path}: {refused:?}");
    }
}

#[test]
fn registers_named_twice_or_not_at_all_are_refused() {
    let sets = [json!([]), json!([0, 1, 2, 3, 4, 5, 6, 7, 7])];
    for set in sets {
        let refused = malformed(|info| info["TpmInfo"]["PcrSet"] = set);
        assert_matches!(
            refused,
            GuestRefusal::Member {
                member: "TpmInfo.PcrSet",
                ..
            }
        );
    }
    for index in [json!(1), json!(9)] {
        let refused = malformed(|info| info["TpmInfo"]["PCRs"][0]["Index"] = index);
        assert_matches!(
            refused,
            GuestRefusal::Member {
                member: "TpmInfo.PCRs",
                ..
            }
        );
    }
}

#[test]
fn info_that_lacks_a_member_or_has_one_twice_is_refused() {
    let refused = malformed(|info| drop(info.as_object_mut().unwrap().remove("TpmInfo")));
    assert_matches!(refused, GuestRefusal::Json(_));
    let whole = on_snp(&spec()).to_json().to_string();
    let twice = [
        (
            r#""OSVersionMajor":13"#,
            r#""OSVersionMajor":13,"OSVersionMajor":13"#,
        ),
        (r#""ClientPayload":{"#, r#""ClientPayload":{"nonce":"","#),
    ];
    for (once, twice) in twice {
        use base64::Engine as _;
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let bent = whole.replacen(once, twice, 1);
        assert_ne!(bent, whole);
        let refused = AttestationInfo::parse(&URL_SAFE_NO_PAD.encode(bent)).unwrap_err();
        assert_matches!(refused, GuestRefusal::Json(_));
    }
}

#[test]
fn info_that_is_too_long_or_no_base64url_is_refused() {
    let refused = AttestationInfo::parse(&"A".repeat(1_398_101)).unwrap_err();
    assert_matches!(
        refused,
        GuestRefusal::TooLong {
            limit_bytes: 1_398_100,
            found_bytes: 1_398_101
        }
    );
    let refused = AttestationInfo::parse("+").unwrap_err();
    assert_matches!(
        refused,
        GuestRefusal::Member {
            member: "AttestationInfo",
            ..
        }
    );
}
