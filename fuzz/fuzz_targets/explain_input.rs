//! Any text as the evidence file of `casque explain`, and behind the first line that is `---` as its endorsements file:
//! refused, or judged as of a fixed time. What is read is written, and read again as the same.
#![no_main]

use casque_appraise::{Appraiser, Evidence, MaaTrust, SignerDemand, TrustAnchors};
use casque_explain::{EndorsementsFile, Explained, evidence_of, explanation, read_endorsements};
use casque_types::{Seconds, Timestamp};
use casque_wire as wire;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (evidence, endorsements) = text.split_once("\n---\n").unwrap_or((text, "{}"));
    let endorsements = read_endorsements(endorsements.as_bytes());
    let Ok(raw) = serde_json::from_str::<wire::Evidence>(evidence) else {
        return;
    };
    let written = serde_json::to_string(&raw).unwrap();
    assert_eq!(
        serde_json::from_str::<wire::Evidence>(&written).unwrap(),
        raw
    );
    let (Ok(evidence), Ok(endorsements)) = (evidence_of(&raw), endorsements) else {
        return;
    };
    judge(&evidence, &endorsements);
});

fn judge(evidence: &Evidence, file: &EndorsementsFile) {
    let now = Timestamp::from_unix_s(1_750_334_171);
    let appraiser = Appraiser::new(TrustAnchors::vendors());
    let verdict = match (evidence, &file.maa) {
        (Evidence::MaaToken(token), Some(maa)) => {
            let trust = MaaTrust {
                issuer: maa.issuer.clone(),
                min_rsa_bits: 2048,
                clock_skew: Seconds(0),
                max_age: Seconds(28_800),
                signer: SignerDemand::Any,
            };
            appraiser.verify_token(token, &maa.keys, &trust, now)
        }
        _ => appraiser.verify(evidence, &file.endorsements, now),
    };
    let claims = evidence.claims();
    let explained = explanation(&Explained {
        evidence: evidence.kind(),
        claims: &claims,
        verdict: verdict.as_ref().ok(),
        failure: None,
        decision: None,
    });
    let is_told = |name: &str| explained.claims.contains_key(name);
    assert!(claims.iter().all(|claim| is_told(&claim.name)));
}
