//! Real tokens of Microsoft Azure Attestation, found through `CASQUE_VECTORS` (default `../shared/vectors` beside
//! the repository); absent ones are skipped and said so.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the functions that tests call are tests"
)]

use std::fs;
use std::path::PathBuf;

use assert_matches::assert_matches;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use casque_appraise::{
    AppraiseError, Appraiser, ClaimValue, Identity, MaaAppraiseError, MaaKeys, MaaToken, MaaTrust,
    Scope, SgxQuote, SignerDemand, TcbStatus, TrustAnchors, Verdict,
};
use casque_testkit::maa::{JwksShape, SoftwareMaa};
use casque_types::{
    AttestationKeyProof, AzureVmTee, Seconds, SgxIdentity, SnpTcb, Timestamp, sha256,
};
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
        max_age: Seconds(8 * 3600),
        signer: SignerDemand::Any,
    }
}

fn verify(
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

fn enclave(verdict: &Verdict) -> &SgxIdentity {
    match verdict.identity() {
        Identity::Sgx(identity) => identity,
        other => panic!("expected an enclave, found {other}"),
    }
}

#[test]
fn real_tokens_are_verified_inside_their_life_and_not_outside() {
    for (name, issuer, document) in SIGNED {
        let (Some(token), Some(keys)) = (token(name), keys(document)) else {
            return;
        };
        let verify = |now| verify(&token, &keys, &trust(issuer), now);
        let verdict = verify(TOKEN_NOW).unwrap();
        let identity = enclave(&verdict);
        let measured = identity.mr_enclave.to_string();
        assert!(measured.starts_with("b7792026"), "{name}");
        assert_eq!((identity.product_id, identity.svn), (1, 1));
        assert!(!identity.debug);
        assert_eq!(verdict.tcb().status, TcbStatus::Unstated);
        assert_eq!(verdict.scope(), Scope::Process);
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
        let verdict = verify(&token, &keys, &trust(issuer), TOKEN_NOW).unwrap();
        let hash = verdict
            .token()
            .unwrap()
            .claim("x-ms-sgx-collateral.quotehash");
        let expected = ClaimValue::Text(sha256(quote.as_bytes()).to_string());
        assert_eq!(hash, Some(expected));
        assert_eq!(enclave(&verdict), quote.claimed_identity());
    }
}

#[test]
fn real_token_of_another_instance_is_refused() {
    let (name, _, document) = SIGNED[2];
    let (Some(token), Some(keys)) = (token(name), keys(document)) else {
        return;
    };
    let refused = verify(&token, &keys, &trust(SHARED), TOKEN_NOW).unwrap_err();
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
    let refused = verify(&bent, &keys, &trust(issuer), TOKEN_NOW);
    assert_matches!(refused, Err(MaaAppraiseError::Signature));
}

#[test]
fn real_draft_token_is_unsigned() {
    let Some(token) = token("OpenEnclave__sharedwus__1.0.0__JSON-draft__algnone") else {
        return;
    };
    let Some(keys) = keys(KEYS_2021) else { return };
    let refused = verify(&token, &keys, &trust(SHARED), TOKEN_NOW);
    assert_matches!(refused, Err(MaaAppraiseError::Unsigned));
}

#[test]
fn real_token_of_a_1024_bit_key_is_refused_by_its_length_alone() {
    let Some(token) = token("SgxEnclave__sharedwus__1.0.0b2__JSON") else {
        return;
    };
    let Some(keys) = keys(KEYS_1024) else { return };
    let now = Timestamp::from_unix_s(1_620_430_000);
    let refused = verify(&token, &keys, &trust(SHARED), now).unwrap_err();
    let expected = MaaAppraiseError::KeyTooShort {
        expected_bits: 2048,
        found_bits: 1024,
    };
    assert_eq!(refused, expected);
    let lenient = MaaTrust {
        min_rsa_bits: 1024,
        ..trust(SHARED)
    };
    assert_matches!(verify(&token, &keys, &lenient, now), Ok(_));
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

#[test]
fn real_keys_hold_no_proof_that_they_are_in_a_tee_but_the_older_one() {
    let (name, issuer, document) = SIGNED[0];
    let (Some(token), Some(keys)) = (token(name), keys(document)) else {
        return;
    };
    let demanding = MaaTrust {
        signer: SignerDemand::InTee,
        ..trust(issuer)
    };
    let refused = verify(&token, &keys, &demanding, TOKEN_NOW).unwrap_err();
    assert_eq!(refused, MaaAppraiseError::SignerOldProof);
}

const TEST_INSTANCE: &str = "https://sharedeus.eus.test.attest.azure.net";
const AZURE_VM_NOW: Timestamp = Timestamp::from_unix_s(1_653_000_000);

/// The real claims of a virtual machine, signed again: their token was not kept.
fn azure_vm(bend: impl FnOnce(&mut Value)) -> Option<Result<Verdict, MaaAppraiseError>> {
    let claims = text("maa/sampleAttestationToken.azurevm.claims.json")?;
    let mut claims: Value = serde_json::from_str(&claims).unwrap();
    bend(&mut claims);
    let maa = SoftwareMaa::generate(TEST_INSTANCE.parse().unwrap(), AZURE_VM_NOW).unwrap();
    let token = maa.token_of_claims(&claims.to_string()).unwrap();
    let token = MaaToken::parse(&token).unwrap();
    let keys = MaaKeys::parse(maa.jwks(JwksShape::WithNumbers).as_bytes()).unwrap();
    Some(verify(&token, &keys, &trust(TEST_INSTANCE), AZURE_VM_NOW))
}

#[test]
fn real_claims_of_a_confidential_machine_are_read() {
    let Some(verdict) = azure_vm(|_| ()) else {
        return;
    };
    let verdict = verdict.unwrap();
    let Identity::AzureVm(machine) = verdict.identity() else {
        panic!("expected a virtual machine");
    };
    let AzureVmTee::Snp(guest) = &machine.tee else {
        panic!("expected a guest of SEV-SNP");
    };
    assert!(guest.measurement.to_string().starts_with("fe353d30"));
    assert!(guest.id_key_digest.to_string().starts_with("cd7cee16"));
    assert!(guest.family_id.to_string().starts_with("0100"));
    assert!(guest.image_id.to_string().starts_with("0200"));
    assert_eq!((guest.guest_svn, guest.vmpl, guest.debug), (1, 0, false));
    assert_eq!((guest.smt_allowed, guest.migration_allowed), (true, false));
    assert_eq!(machine.secure_boot, Some(true));
    let id = "2DEDC52A-6832-46CE-9910-E8C9980BF5A7";
    assert_eq!(machine.vm_unique_id.as_deref(), Some(id));
    assert_eq!(machine.attestation_key, AttestationKeyProof::Report);
    assert!(machine.pcrs.is_empty());
    let level = SnpTcb {
        fmc: None,
        bootloader: 2,
        tee: 0,
        snp: 2,
        microcode: 55,
    };
    assert_eq!(verdict.tcb().status, TcbStatus::ByVersions);
    assert_eq!(verdict.tcb().snp.as_ref().unwrap().reported_tcb, level);
    assert_eq!(verdict.scope(), Scope::Vm);
    let claim = |path| verdict.token().unwrap().claim(path);
    let compliance = ClaimValue::Text("azure-compliant-cvm".to_owned());
    let path = "x-ms-isolation-tee.x-ms-compliance-status";
    assert_eq!(claim(path), Some(compliance));
}

#[test]
fn real_claims_without_a_tee_are_refused() {
    let Some(refused) = azure_vm(|claims| {
        claims.as_object_mut().unwrap().remove("x-ms-isolation-tee");
    }) else {
        return;
    };
    assert_eq!(refused.unwrap_err(), MaaAppraiseError::NoTee);
}
