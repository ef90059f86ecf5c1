use std::sync::{Arc, LazyLock};

use casque_appraise::{Appraiser, Endorsements, Evidence, SgxQuote, SnpEvidence, TrustAnchors};
use casque_policy::{Fills, Policy, explain};
use casque_testkit::sgx::{EndorsementSpec, SoftwareTee, software_identity};
use casque_testkit::snp::{ReportSpec, SoftwareSnp, software_snp_identity};
use casque_types::{SnpProduct, SnpSigner, Timestamp};
use serde_json::{Value, json};

use super::*;

const NOW: Timestamp = Timestamp::from_unix_s(1_795_500_000);
const DATA: [u8; 64] = [7; 64];
const MEASUREMENT: [u8; 32] = [0xe1; 32];

static SGX: LazyLock<(Evidence, Verdict)> = LazyLock::new(|| {
    let intel = SoftwareTee::generate(NOW).unwrap();
    let quote = intel.quote(&software_identity(MEASUREMENT.into()), &DATA);
    let evidence = Evidence::Sgx(SgxQuote::parse(&quote.unwrap()).unwrap());
    let spec = EndorsementSpec::valid_at(NOW);
    let spec = spec.with_tcb(casque_appraise::TcbStatus::OutOfDate, &[289, 615]);
    let endorsements = Endorsements {
        intel: Some(Arc::new(intel.endorsements_of(&spec).unwrap())),
        amd: None,
    };
    let anchors = TrustAnchors::vendors().dangerous_with_sgx_root(intel.root_der().to_vec());
    let verdict = Appraiser::new(anchors).verify(&evidence, &endorsements, NOW);
    (evidence, verdict.unwrap())
});

fn of<'a>(claims: &'a [Claim], verdict: Option<&'a Verdict>) -> Explained<'a> {
    Explained {
        evidence: EvidenceKind::Sgx,
        claims,
        verdict,
        failure: None,
        decision: None,
    }
}

fn json_of(explained: &Explained<'_>) -> Value {
    serde_json::to_value(explanation(explained)).unwrap()
}

fn members(found: &Value) -> Vec<&str> {
    let members = found.as_object().unwrap().keys();
    let mut members: Vec<&str> = members.map(String::as_str).collect();
    members.sort_unstable();
    members
}

#[test]
fn verdict_is_told_with_everything_it_rests_on() {
    let (evidence, verdict) = &*SGX;
    let found = json_of(&of(&evidence.claims(), Some(verdict)));
    assert_eq!(found["evidence"], "sgx");
    assert_eq!(found["outcome"], "appraised");
    assert_eq!(found["verifier"], "casque");
    assert_eq!(found["scope"], "process");
    let advisories = ["INTEL-SA-00289", "INTEL-SA-00615"];
    assert_eq!(
        found["tcb"],
        json!({"status": "OutOfDate", "advisories": advisories}),
        "components are AMD's alone"
    );
    assert_eq!(found["report_data"], hex::encode(DATA));
    let until = verdict.valid_until().unwrap().to_string();
    assert_eq!(found["valid_until"], until);
    assert_eq!(found["claims"]["mrenclave"], hex::encode(MEASUREMENT));
    for absent in ["code", "message", "hint", "decision"] {
        assert!(found.get(absent).is_none(), "{absent}");
    }
}

#[test]
fn components_of_amds_platform_are_told_and_only_those_there_are() {
    for (product, fmc) in [(SnpProduct::Milan, None), (SnpProduct::Turin, Some(()))] {
        let amd = SoftwareSnp::generate(product, NOW).unwrap();
        let identity = software_snp_identity([2; 48].into());
        let report = amd.report(&ReportSpec::new(identity, DATA)).unwrap();
        let chain = amd.chain_pem(SnpSigner::Vcek);
        let evidence = SnpEvidence::parse(&report, Some(chain.as_bytes())).unwrap();
        let evidence = Evidence::Snp(evidence);
        let anchors = TrustAnchors::vendors().dangerous_with_amd(vec![amd.anchor()]);
        let verdict = Appraiser::new(anchors)
            .verify(&evidence, &Endorsements::default(), NOW)
            .unwrap();
        let found = json_of(&Explained {
            evidence: EvidenceKind::Snp,
            ..of(&evidence.claims(), Some(&verdict))
        });
        assert_eq!(found["scope"], "vm");
        assert_eq!(found["tcb"]["status"], "ByVersions");
        let tcb = verdict.tcb().snp.as_ref().unwrap().reported_tcb;
        let components = &found["tcb"]["components"];
        assert_eq!(components["bootloader"], tcb.bootloader);
        assert_eq!(components["tee"], tcb.tee);
        assert_eq!(components["snp"], tcb.snp);
        assert_eq!(components["microcode"], tcb.microcode);
        assert_eq!(components.get("fmc").map(|_| ()), fmc, "{product}");
    }
}

#[test]
fn failure_goes_before_everything_and_claims_stay() {
    let (evidence, verdict) = &*SGX;
    let failure = Failure {
        outcome: wire::Outcome::NotAuthentic,
        code: "quote-signature",
        message: "the quote was changed",
        hint: Some("bring it again"),
    };
    let mut explained = of(&[], None);
    explained.failure = Some(failure);
    let found = json_of(&explained);
    assert_eq!(found["outcome"], "not-authentic");
    assert_eq!(found["code"], "quote-signature");
    assert_eq!(found["message"], "the quote was changed");
    assert_eq!(found["hint"], "bring it again");
    let told = ["claims", "code", "evidence", "hint", "message", "outcome"];
    assert_eq!(members(&found), told);
    let claims = evidence.claims();
    let mut explained = of(&claims, Some(verdict));
    explained.failure = Some(Failure {
        outcome: wire::Outcome::Failed,
        hint: None,
        ..failure
    });
    let found = json_of(&explained);
    assert_eq!(found["outcome"], "failed");
    assert!(found.get("hint").is_none());
    assert_eq!(found["claims"].as_object().unwrap().len(), claims.len());
}

fn decision_on(measurement: [u8; 32], tolerate: &str, more: &str) -> Value {
    let text = format!(
        "name: shop
version: \"0.3.12\"
security: {{attestation: {{tolerate: [{tolerate}], ignore_advisories: \"*\"}}}}
services:
  - name: web
    command: web
    attestation: [{{mrenclave: {}{more}}}]
",
        hex::encode(measurement)
    );
    let policy = Policy::parse(&text).unwrap().policy;
    let service = policy.service(&"web".parse().unwrap()).unwrap();
    let demands = policy.demands(service, &Fills::default()).unwrap();
    let (evidence, verdict) = &*SGX;
    let decision = explain(&demands, verdict, None);
    let config = "shop/web".parse().unwrap();
    let claims = evidence.claims();
    let mut explained = of(&claims, Some(verdict));
    explained.decision = Some((&config, &decision));
    json_of(&explained)
}

#[test]
fn decision_is_told_rule_by_rule() {
    let found = decision_on(MEASUREMENT, "outdated-tcb", "");
    assert_eq!(found["outcome"], "granted");
    let decision = &found["decision"];
    assert_eq!(decision["config"], "shop/web");
    assert_eq!(decision["granted"], true);
    for rule in decision["rules"].as_array().unwrap() {
        assert_eq!(members(rule), ["expected", "found", "holds", "path"]);
        assert_eq!(rule["holds"], true);
    }
    let found = decision_on([0xe2; 32], "", "");
    assert_eq!(found["outcome"], "denied");
    let rules = found["decision"]["rules"].as_array().unwrap();
    let failing: Vec<&Value> = rules.iter().filter(|rule| rule["holds"] == false).collect();
    let codes: Vec<&str> = (failing.iter())
        .map(|rule| rule["code"].as_str().unwrap())
        .collect();
    assert_eq!(codes, ["measurement-mismatch", "tcb-outdated"]);
    let first = failing[0];
    assert_eq!(first["path"], "services[web].attestation[0].mrenclave");
    assert_eq!(first["expected"], hex::encode([0xe2; 32]));
    assert_eq!(first["found"], hex::encode(MEASUREMENT));
    assert!(!first["hint"].as_str().unwrap().is_empty());
}

/// Who explains offline knows no second factors: such a rule neither holds nor fails.
#[test]
fn rule_that_was_not_judged_has_no_code() {
    let account = "{issuer: 'https://oidc.example', namespace: shop, service_account: web}";
    let more = format!(", kubernetes: {account}");
    let found = decision_on(MEASUREMENT, "outdated-tcb", &more);
    assert_eq!(found["outcome"], "granted");
    let rules = found["decision"]["rules"].as_array().unwrap();
    let open: Vec<&Value> = rules.iter().filter(|rule| rule["holds"] == false).collect();
    assert_eq!(open.len(), 1, "{open:?}");
    assert!(open[0]["path"].as_str().unwrap().contains("kubernetes"));
    assert!(open[0].get("code").is_none());
}
