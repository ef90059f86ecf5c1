//! Real quotes and tokens, found through `CASQUE_VECTORS` (default `../shared/vectors` beside the
//! repository); absent ones are skipped and said so.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "the functions that tests call are tests"
)]

use std::fs;
use std::path::PathBuf;

use assert_matches::assert_matches;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use casque_appraise::{
    AdvisoryId, EvidenceParseError, IntelEndorsement, IntelEndorsements, IntelEndorsementsId,
    MaaAppraiseError, MaaKeys, MaaToken, MaaTrust, PckAuthority, QuoteAppraiseError, SgxQuote,
    TcbStatus, TrustAnchors, verify_maa_token, verify_sgx_quote,
};
use casque_types::{Seconds, Timestamp, sha256};
use serde_json::Value;

/// A vector's bytes, or `None`, said aloud, when it is not there.
fn vector(path: &str) -> Option<Vec<u8>> {
    let root = std::env::var_os("CASQUE_VECTORS").map_or_else(
        || {
            PathBuf::from(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../../../shared/vectors"
            ))
        },
        PathBuf::from,
    );
    let read = fs::read(root.join(path)).ok();
    if read.is_none() {
        println!("skipped: no vector {path}");
    }
    read
}

fn text(path: &str) -> Option<String> {
    vector(path).map(|bytes| String::from_utf8(bytes).unwrap())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

// ---- SGX quotes ----

const PHALA_NOW: Timestamp = Timestamp::from_unix_s(1_750_334_171);

fn phala() -> Option<(SgxQuote, IntelEndorsements)> {
    let quote = vector("evidence/sgx-dcap/phala-sgx_quote.bin")?;
    let json = text("evidence/sgx-dcap/phala-sgx_quote_collateral.json")?;
    let json: Value = serde_json::from_str(&json).unwrap();
    let text = |name: &str| json[name].as_str().unwrap().to_owned();
    let bytes = |name: &str| {
        let digits = text(name).into_bytes();
        (digits.chunks(2))
            .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect::<Vec<u8>>()
    };
    let endorsements = IntelEndorsements {
        tcb_info_issuer_chain: text("tcb_info_issuer_chain"),
        tcb_info: text("tcb_info"),
        tcb_info_signature: bytes("tcb_info_signature"),
        qe_identity_issuer_chain: text("qe_identity_issuer_chain"),
        qe_identity: text("qe_identity"),
        qe_identity_signature: bytes("qe_identity_signature"),
        pck_crl_issuer_chain: text("pck_crl_issuer_chain"),
        pck_crl: bytes("pck_crl"),
        root_ca_crl: bytes("root_ca_crl"),
    };
    Some((SgxQuote::parse(&quote).unwrap(), endorsements))
}

#[test]
fn phala_quote_is_verified_with_status_and_advisories() {
    let Some((quote, endorsements)) = phala() else {
        return;
    };
    let anchors = TrustAnchors::vendors();
    let verdict = verify_sgx_quote(&quote, &endorsements, &anchors, PHALA_NOW).unwrap();
    let status = TcbStatus::ConfigurationAndSwHardeningNeeded;
    let advisories = [289, 615].map(|number| AdvisoryId::from_number(number).unwrap());
    assert_eq!(verdict.tcb.status, status);
    assert_eq!(verdict.tcb.advisories, advisories);
    let enclave = hex(verdict.identity.mr_enclave.as_bytes());
    assert!(enclave.starts_with("33d8736d") && enclave.ends_with("452fbb"));
    let signer = hex(verdict.identity.mr_signer.as_bytes());
    assert!(signer.starts_with("815f42f1") && signer.ends_with("a3e0e6"));
    assert_eq!((verdict.identity.product_id, verdict.identity.svn), (0, 0));
    assert!(!verdict.identity.debug);
    assert_eq!(verdict.report_data[..13], *b"Hello, world!");
    let validity = endorsements.validity().unwrap();
    assert_eq!(verdict.valid_until, validity.until);
}

#[test]
fn phala_quote_names_its_endorsements() {
    let Some((quote, endorsements)) = phala() else {
        return;
    };
    let id = quote.endorsements_id().unwrap();
    assert_eq!(hex(&id.fmspc), "00a067110000");
    assert_eq!(endorsements.fmspc(), Ok(id.fmspc));
    assert_matches!(
        id.authority,
        PckAuthority::Processor | PckAuthority::Platform
    );
}

#[test]
fn phala_quote_later_has_expired_endorsements() {
    let Some((quote, endorsements)) = phala() else {
        return;
    };
    let validity = endorsements.validity().unwrap();
    let late = validity.until.plus(Seconds(1));
    let anchors = TrustAnchors::vendors();
    let refused = verify_sgx_quote(&quote, &endorsements, &anchors, late).unwrap_err();
    assert_matches!(refused, QuoteAppraiseError::EndorsementsExpired { document }
        if document == validity.first_to_expire);
}

#[test]
fn phala_quote_earlier_has_endorsements_that_are_not_valid_yet() {
    let Some((quote, endorsements)) = phala() else {
        return;
    };
    let early = Timestamp::from_unix_s(1_750_000_000);
    let anchors = TrustAnchors::vendors();
    let refused = verify_sgx_quote(&quote, &endorsements, &anchors, early).unwrap_err();
    let document = IntelEndorsement::TcbInfo;
    assert_eq!(
        refused,
        QuoteAppraiseError::EndorsementsNotYetValid { document }
    );
}

#[test]
fn occlum_quote_is_of_a_debug_enclave() {
    let Some(quote) = vector("evidence/sgx-dcap/trustee-occlum_quote.dat") else {
        return;
    };
    let quote = SgxQuote::parse(&quote).unwrap();
    let identity = quote.claimed_identity();
    assert!(identity.debug);
    let enclave = hex(identity.mr_enclave.as_bytes());
    assert!(enclave.starts_with("8f173e46") && enclave.ends_with("011c68"));
    assert_eq!(quote.report_data()[..4], *b"test");
    let IntelEndorsementsId { fmspc, .. } = quote.endorsements_id().unwrap();
    assert_eq!(hex(&fmspc), "00606a000000");
}

#[test]
fn bad_report_is_refused() {
    let Some(report) = vector("evidence/sgx-dcap/sgx_report_bad.bin") else {
        return;
    };
    let refused = SgxQuote::parse(&report);
    assert_matches!(refused, Err(EvidenceParseError::Malformed { expected, .. })
        if expected.starts_with("version 3"));
}

#[test]
fn tdx_quotes_are_refused_as_sgx_quotes() {
    for path in ["phala-tdx_quote.bin", "phala-tdx_quote_outdated.bin"] {
        let Some(quote) = vector(&format!("evidence/tdx-dcap/{path}")) else {
            return;
        };
        let refused = SgxQuote::parse(&quote);
        assert_matches!(refused, Err(EvidenceParseError::Malformed { .. }));
    }
}

// ---- tokens ----

const SHARED: &str = "https://sharedwus.wus.attest.azure.net";
const OTHER: &str = "https://pylarryoattestationaad.wus.attest.azure.net";
const KEYS_2021: &str = "maa/jwks__sharedwus.wus.attest.azure.net__1.0.0__1.json";
const KEYS_1024: &str = "maa/jwks__sharedwus.wus.attest.azure.net__1.0.0b2__5.json";
const KEYS_OTHER: &str = "maa/jwks__fakeresource.wus.attest.azure.net__1.0.0__0.json";
/// Name, issuer, key document.
const SIGNED: [(&str, &str, &str); 3] = [
    ("SgxEnclave__sharedwus__1.0.0__JSON", SHARED, KEYS_2021),
    ("SgxEnclave__sharedwus__1.0.0__Binary", SHARED, KEYS_2021),
    ("SgxEnclave__fakeresource__1.0.0__JSON", OTHER, KEYS_OTHER),
];
const TOKEN_NOW: Timestamp = Timestamp::from_unix_s(1_625_180_000);

fn token(name: &str) -> Option<MaaToken> {
    let text = text(&format!("maa/attest-{name}.jwt"))?;
    Some(MaaToken::parse(text.trim_end()).unwrap())
}

fn keys(path: &str) -> Option<MaaKeys> {
    vector(path).map(|json| MaaKeys::parse(&json).unwrap())
}

fn trust(issuer: &str) -> MaaTrust {
    MaaTrust {
        issuer: issuer.parse().unwrap(),
        min_rsa_bits: 2048,
        clock_skew: Seconds(60),
    }
}

#[test]
fn real_tokens_are_verified_inside_their_life_and_not_outside() {
    for (name, issuer, document) in SIGNED {
        let (Some(token), Some(keys)) = (token(name), keys(document)) else {
            return;
        };
        let verify = |now| verify_maa_token(&token, &keys, &trust(issuer), now);
        let verdict = verify(TOKEN_NOW).unwrap();
        let enclave = hex(verdict.identity.mr_enclave.as_bytes());
        assert!(enclave.starts_with("b7792026"), "{name}");
        assert_eq!((verdict.identity.product_id, verdict.identity.svn), (1, 1));
        assert!(!verdict.identity.debug);
        assert_matches!(
            verify(TOKEN_NOW.plus(Seconds(86_400))),
            Err(MaaAppraiseError::Expired { .. })
        );
        assert_matches!(
            verify(TOKEN_NOW.minus(Seconds(86_400))),
            Err(MaaAppraiseError::NotYetValid { .. })
        );
    }
}

#[test]
fn real_tokens_speak_of_the_quote_that_was_submitted() {
    for (name, issuer, document) in SIGNED {
        let (Some(token), Some(keys)) = (token(name), keys(document)) else {
            return;
        };
        let Some(request) = text(&format!("maa/attest-{name}.request.json")) else {
            return;
        };
        let request: Value = serde_json::from_str(&request).unwrap();
        let quote = request["quote"].as_str().unwrap().trim_end_matches('=');
        let quote = SgxQuote::parse(&URL_SAFE_NO_PAD.decode(quote).unwrap()).unwrap();
        let verdict = verify_maa_token(&token, &keys, &trust(issuer), TOKEN_NOW).unwrap();
        assert_eq!(verdict.quote_hash, Some(sha256(quote.as_bytes())));
        assert_eq!(verdict.identity, *quote.claimed_identity());
    }
}

#[test]
fn real_token_of_another_instance_is_refused() {
    let (name, _, document) = SIGNED[2];
    let (Some(token), Some(keys)) = (token(name), keys(document)) else {
        return;
    };
    let refused = verify_maa_token(&token, &keys, &trust(SHARED), TOKEN_NOW).unwrap_err();
    assert_matches!(refused, MaaAppraiseError::Issuer { found, .. } if found == OTHER);
}

#[test]
fn real_token_with_a_bit_of_its_signature_changed_is_refused() {
    let (name, issuer, document) = SIGNED[0];
    let (Some(good), Some(keys)) = (token(name), keys(document)) else {
        return;
    };
    let (signed, signature) = good.as_str().rsplit_once('.').unwrap();
    let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    signature[100] ^= 1;
    let bent = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
    let bent = MaaToken::parse(&bent).unwrap();
    let refused = verify_maa_token(&bent, &keys, &trust(issuer), TOKEN_NOW);
    assert_matches!(refused, Err(MaaAppraiseError::Signature));
}

#[test]
fn real_draft_token_is_unsigned() {
    let Some(token) = token("OpenEnclave__sharedwus__1.0.0__JSON-draft__algnone") else {
        return;
    };
    let Some(keys) = keys(KEYS_2021) else { return };
    let refused = verify_maa_token(&token, &keys, &trust(SHARED), TOKEN_NOW);
    assert_matches!(refused, Err(MaaAppraiseError::Unsigned));
}

#[test]
fn real_token_of_a_1024_bit_key_is_refused_by_its_length_alone() {
    let Some(token) = token("SgxEnclave__sharedwus__1.0.0b2__JSON") else {
        return;
    };
    let Some(keys) = keys(KEYS_1024) else { return };
    let now = Timestamp::from_unix_s(1_620_430_000);
    let refused = verify_maa_token(&token, &keys, &trust(SHARED), now).unwrap_err();
    let expected = MaaAppraiseError::KeyTooShort {
        expected_bits: 2048,
        found_bits: 1024,
    };
    assert_eq!(refused, expected);
    let lenient = MaaTrust {
        min_rsa_bits: 1024,
        ..trust(SHARED)
    };
    assert_matches!(verify_maa_token(&token, &keys, &lenient, now), Ok(_));
}

#[test]
fn real_key_documents_hold_their_key_ids_verbatim() {
    for document in [KEYS_2021, KEYS_1024, KEYS_OTHER] {
        let Some(keys) = keys(document) else { return };
        assert!(keys.contains("rPtBGRWTlPmzs5u35L0QRD9WdymeKPRxteTeTlwN0Ec="));
        assert!(keys.contains("15N2MHoj9iAdkF/c5nRE3J2HB8JG6Vue3Uzvu3K/Ses="));
        assert!(!keys.contains("15N2MHoj9iAdkF_c5nRE3J2HB8JG6Vue3Uzvu3K_Ses="));
    }
}
