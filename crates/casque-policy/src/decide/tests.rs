use assert_matches::assert_matches;
use casque_appraise::appraise_absent;
use casque_types::{
    Kem, KemPublicKey, KeyHash, MrEnclave, MrSigner, Nonce, RuntimeData, SgxIdentity,
};

use super::*;

const TEXT: &str = "name: ns/app
version: '0.3'
security: {attestation: {mode: none}}
services:
  - name: web
    mrenclaves: ['0101010101010101010101010101010101010101010101010101010101010101']
  - name: job
";

fn policy(mode: &str) -> Policy {
    let text = TEXT
        .replace("{mode: none}", mode)
        .replace("  - name: job\n", "");
    Policy::parse(&text).unwrap().policy
}

fn open_policy() -> Policy {
    Policy::parse(TEXT).unwrap().policy
}

fn absent(config: &str) -> Appraisal {
    appraise_absent(RuntimeData::new(
        KeyHash::of_spki(b"server"),
        config.parse().unwrap(),
        Nonce::from_bytes(vec![7; 32]).unwrap(),
        KemPublicKey::from_bytes(Kem::XWing, vec![9; 1216]).unwrap(),
    ))
}

fn name(text: &str) -> ServiceName {
    text.parse().unwrap()
}

fn codes(denial: &Denial) -> Vec<&'static str> {
    denial.reasons.iter().map(|r| r.code.as_str()).collect()
}

/// What a service of a policy demands, where no secret says it.
fn demands<'p>(policy: &'p Policy, service: &str) -> Demands<'p> {
    let service = policy.service(&name(service)).unwrap();
    policy.demands(service, &Fills::default()).unwrap()
}

fn decided(policy: &Policy, service: &str, config: &str) -> Result<Grant, Denial> {
    let demands = demands(policy, service);
    decide(&demands, absent(config), &Factors::default())
}

#[test]
fn decide_mode_none_grants_the_service_asked_for() {
    let grant = decided(&open_policy(), "job", "ns/app/job").unwrap();
    assert_eq!(*grant.service(), name("job"));
    assert_matches!(grant.appraisal().identity(), Identity::Unattested);
}

#[test]
fn decide_evidence_for_another_config_is_denied() {
    for config in ["ns/app/web", "ns/other/job"] {
        let denial = decided(&open_policy(), "job", config).unwrap_err();
        assert_eq!(codes(&denial), ["config-mismatch"]);
    }
}

#[test]
fn decide_without_evidence_is_denied_by_hardware() {
    let policy = policy("{mode: hardware}");
    let denial = decided(&policy, "web", "ns/app/web").unwrap_err();
    assert_eq!(codes(&denial), ["evidence-missing"]);
}

#[test]
fn explain_grants_what_decide_grants_and_tells_why_not() {
    let factors = Factors::default();
    for (mode, told) in [
        ("{mode: none}", vec![]),
        ("{mode: hardware}", vec!["evidence-missing"]),
        (
            "{require: evidence, one_time_password_shared_secret: JBSWY3DPEHPK3PXPJBSWY3DPEH}",
            vec!["evidence-missing", "otp-missing"],
        ),
    ] {
        let policy = policy(mode);
        let demands = demands(&policy, "web");
        let appraisal = absent("ns/app/web");
        let explained = explain(&demands, appraisal.verdict(), Some(&factors));
        let failed = explained.rules.iter().filter_map(|rule| rule.code);
        let failed: Vec<&str> = failed.map(ReasonCode::as_str).collect();
        assert_eq!(failed, told, "{mode}");
        let decided = decide(&demands, appraisal, &factors);
        assert_eq!(explained.granted, decided.is_ok());
        let reasons = decided.map_or_else(|denial| codes(&denial), |_| Vec::new());
        assert_eq!(reasons, told);
    }
}

/// A password is denied where it is stated: by the service, or for all.
#[test]
fn decide_names_the_place_of_the_shared_secret() {
    let secret = "one_time_password_shared_secret: JBSWY3DPEHPK3PXPJBSWY3DPEH";
    let of_service = TEXT.replace("  - name: web\n", &format!("  - name: web\n    {secret}\n"));
    let of_policy = TEXT.replace("{mode: none}", &format!("{{mode: none, {secret}}}"));
    for (text, path) in [
        (of_service, "services[web].one_time_password_shared_secret"),
        (
            of_policy,
            "security.attestation.one_time_password_shared_secret",
        ),
    ] {
        let policy = Policy::parse(&text).unwrap().policy;
        assert_eq!(demands(&policy, "web").one_time_password_path(), Some(path));
        let denial = decided(&policy, "web", "ns/app/web").unwrap_err();
        assert_eq!(denial.reasons[0].path, path);
    }
    assert_eq!(
        demands(&open_policy(), "web").one_time_password_path(),
        None
    );
}

#[test]
fn screen_absent_evidence_is_denied_at_once() {
    let policy = policy("{mode: hardware}");
    let denial = screen(&demands(&policy, "web"), &Evidence::Absent).unwrap_err();
    assert_eq!(codes(&denial), ["evidence-missing"]);
    let open = open_policy();
    assert_matches!(screen(&demands(&open, "web"), &Evidence::Absent), Ok(()));
}

fn claimed(byte: u8, debug: bool) -> SgxIdentity {
    SgxIdentity {
        mr_enclave: MrEnclave::from([byte; 32]),
        mr_signer: MrSigner::from([2; 32]),
        product_id: 1,
        svn: 1,
        debug,
    }
}

fn screened(
    policy: &Policy,
    kind: EvidenceKind,
    claimed: Option<&SgxIdentity>,
) -> Vec<&'static str> {
    let claimed = claimed.map(|claimed| Identity::Sgx(claimed.clone()));
    let mut report = Report::of_failures();
    let demands = demands(policy, "web");
    let holds = screen_claims(&demands, kind, claimed.as_ref(), &mut report);
    let denial = denial(report);
    assert_eq!(holds, denial.reasons.is_empty());
    codes(&denial)
}

#[test]
fn screen_claims_are_judged_as_evidence_will_be() {
    let hardware = policy("{mode: hardware}");
    let maa = policy("{mode: maa, url: 'https://a.example', tolerate: maa-managed-tcb}");
    let (sgx, token) = (EvidenceKind::Sgx, EvidenceKind::MaaToken);
    for (policy, kind) in [(&hardware, sgx), (&maa, sgx), (&maa, token)] {
        assert!(screened(policy, kind, Some(&claimed(1, false))).is_empty());
        let other = screened(policy, kind, Some(&claimed(9, true)));
        assert_eq!(other, ["measurement-mismatch", "debug-enclave"]);
    }
    assert_eq!(
        screened(&hardware, token, Some(&claimed(1, false))),
        ["verifier-mismatch"]
    );
    assert_eq!(screened(&maa, token, None), ["identity-mismatch"]);
}
