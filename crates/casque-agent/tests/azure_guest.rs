//! What comes of a token about a whole machine of Azure that answers another request: the agent keeps it back. The TPM
//! is a real one, swtpm; the attestation service and whoever stands before it are one stand-in.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test that cannot go on fails"
)]

mod exchange;

#[path = "../../casque-attester/tests/support/mod.rs"]
mod support;

use std::cell::RefCell;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use casque_agent::{
    AgentExit, AzureGuest, AzureVtpm, Challenge, ClientError, EvidenceError, EvidenceKind,
    EvidencePlan, Gathered, GuestJudge, GuestPlaces, ReleaseError, Released, Releases,
    SecondFactors, run_with,
};
use casque_attester::Imds;
use casque_types::{ConfigId, RuntimeData};
use casque_wire::Evidence;
use exchange::{challenge, settings};
use serde_json::{Value, json};
use support::sealing::{claims, info_of, member, seal, text_of, token};
use support::{HCL_REPORT, Service, Swtpm, THIM, hcl};

/// Makes a token with the claims that `bend` leaves of the right ones, and seals it to the TPM's key.
struct Judge<'a> {
    bend: &'a dyn Fn(&mut Value),
    token: RefCell<String>,
}

impl GuestJudge for Judge<'_> {
    fn submit_guest(
        &self,
        runtime: &RuntimeData,
        _evidence: &Evidence,
        attestation_info: &str,
    ) -> Result<String, ClientError> {
        let info = info_of(attestation_info);
        let sent = STANDARD.encode(runtime.binding().to_string());
        assert_eq!(info["ClientPayload"]["nonce"], json!(sent));
        let mut claims = claims(&sent);
        (self.bend)(&mut claims);
        self.token.replace(token(&claims));
        let key = member(&info, "/TpmInfo/EncKeyPub");
        Ok(text_of(&seal(&key, &[9; 32], &self.token.borrow())))
    }
}

/// Keeps what it is shown, and releases nothing.
struct Witness(RefCell<Option<Gathered>>);

impl Releases for Witness {
    fn release(
        &self,
        config: ConfigId,
        _factors: &SecondFactors,
        gather: &mut dyn FnMut(&RuntimeData, &Challenge) -> Result<Gathered, EvidenceError>,
    ) -> Result<Released, ReleaseError<EvidenceError>> {
        let (runtime, challenge) =
            challenge(config, &[EvidenceKind::AzureSnpVtpm, EvidenceKind::Maa]);
        let gathered = gather(&runtime, &challenge).map_err(ReleaseError::Evidence)?;
        self.0.replace(Some(gathered));
        Err(ReleaseError::Open(casque_secrets::OpenError::Signature))
    }
}

/// How the agent ends, what it would have sent, the token that was sealed, and what the agent says; `None` where swtpm
/// is not installed.
fn judged(bend: &dyn Fn(&mut Value)) -> Option<(AgentExit, Option<Gathered>, String, String)> {
    let swtpm = Swtpm::start()?;
    swtpm.make_key();
    swtpm.define(HCL_REPORT, &hcl(2));
    let service = Service::start(THIM);
    let vtpm = AzureVtpm::new(swtpm.tcti(), Imds::new(&service.base).unwrap());
    let judge = Judge {
        bend,
        token: RefCell::new(String::new()),
    };
    let absent = swtpm.directory.path().join("absent");
    let places = GuestPlaces {
        tcg_log: absent.clone(),
        os_release: absent,
    };
    let plan = EvidencePlan::AzureGuest(AzureGuest {
        vtpm: &vtpm,
        places: &places,
        judge: &judge,
    });
    let (witness, mut notes) = (Witness(RefCell::new(None)), Vec::new());
    let exit = run_with(&witness, &settings(), &plan, &mut notes);
    let notes = String::from_utf8(notes).unwrap();
    Some((exit, witness.0.take(), judge.token.take(), notes))
}

#[test]
fn token_that_answers_the_request_is_sent_beside_evidence() {
    let Some((exit, sent, token, notes)) = judged(&|_| ()) else {
        return;
    };
    assert_eq!(exit, AgentExit::OtherServer, "{notes}");
    assert_eq!(sent.unwrap().maa_token, Some(token));
}

/// That nothing is sent, and that nothing of the token is said.
fn assert_kept_back(bend: &dyn Fn(&mut Value), expected: &str) {
    let Some((exit, sent, token, notes)) = judged(bend) else {
        return;
    };
    assert_eq!((exit, sent), (AgentExit::NoEvidence, None), "{notes}");
    let expected = format!("kept back: expected {expected}, found something else");
    assert!(notes.contains(&expected), "{notes}");
    for part in token.split('.') {
        assert!(!notes.contains(part), "{notes}");
    }
}

#[test]
fn token_with_another_nonce_is_not_sent() {
    let other = STANDARD.encode("4f".repeat(32));
    assert_kept_back(
        &|claims| claims["x-ms-runtime"]["client-payload"]["nonce"] = json!(other),
        "the nonce that was sent, in `client-payload` of `x-ms-runtime`",
    );
}

#[test]
fn token_without_nonce_is_not_sent() {
    assert_kept_back(
        &|claims| claims["x-ms-runtime"] = json!({"keys": []}),
        "the nonce that was sent, in `client-payload` of `x-ms-runtime`",
    );
}

#[test]
fn token_of_another_type_is_not_sent() {
    assert_kept_back(
        &|claims| claims["x-ms-attestation-type"] = json!("sevsnpvm"),
        "`azurevm` as `x-ms-attestation-type`",
    );
}
