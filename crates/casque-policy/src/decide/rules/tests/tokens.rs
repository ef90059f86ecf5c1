use std::collections::BTreeMap;

use casque_appraise::ClaimValue;

use super::*;
use crate::{ClaimCondition, ClaimConstant, ClaimDemand, MaaRule};

/// What a token would say.
pub(super) struct Said {
    policy_hash: Option<&'static str>,
    claims: BTreeMap<&'static str, ClaimValue>,
}

impl Statement for Said {
    fn policy_hash(&self) -> Option<&str> {
        self.policy_hash
    }

    fn claim(&self, path: &str) -> Option<ClaimValue> {
        self.claims.get(path).cloned()
    }
}

pub(super) fn said() -> Said {
    let text = |text: &str| ClaimValue::Text(text.to_owned());
    Said {
        policy_hash: Some("abc"),
        claims: [
            ("status", text("azure-compliant-cvm")),
            ("svn", ClaimValue::Number(10)),
            ("secureboot", ClaimValue::Flag(true)),
            ("digits", text("10")),
            ("list", ClaimValue::List(vec![ClaimValue::Number(10)])),
            ("other", ClaimValue::Other),
        ]
        .into(),
    }
}

fn condition(name: &str, demand: ClaimDemand) -> MaaRule {
    MaaRule {
        claims: vec![ClaimCondition {
            name: name.to_owned(),
            demand,
        }],
        policy_hashes: vec![],
        position: Position { line: 1, column: 1 },
    }
}

fn equals(name: &str, constant: ClaimConstant) -> MaaRule {
    condition(name, ClaimDemand::AnyOf(vec![constant]))
}

fn case(rule: MaaRule) -> Case {
    let mut case = maa_policy();
    case.entries[0].maa = Some(rule);
    case
}

fn judged(case: &Case, identity: &Identity, token: Option<&dyn Statement>) -> Vec<&'static str> {
    let proof = Proof {
        identity,
        tcb: &Tcb::unknown(),
        verifier: &maa("https://a.attest.azure.net"),
        platform: None,
        token,
    };
    codes_of(&reasons_of(case, &proof, &Factors::default()))
}

fn told(rule: MaaRule) -> Vec<&'static str> {
    let identity = Identity::Sgx(identity());
    judged(&case(rule), &identity, Some(&said()))
}

#[test]
fn maa_claim_must_be_equal_and_of_the_same_type() {
    use ClaimConstant as C;
    let text = |text: &str| C::Text(text.to_owned());
    for (name, constant) in [
        ("status", text("azure-compliant-cvm")),
        ("svn", C::Number(10)),
        ("secureboot", C::Flag(true)),
        ("digits", text("10")),
    ] {
        assert!(told(equals(name, constant)).is_empty(), "{name}");
    }
    for (name, constant) in [
        ("status", text("other")),
        ("svn", C::Number(11)),
        ("svn", text("10")),
        ("digits", C::Number(10)),
        ("secureboot", C::Flag(false)),
        ("secureboot", text("true")),
        ("list", C::Number(10)),
        ("other", text("")),
    ] {
        let denied = told(equals(name, constant));
        assert_eq!(denied, ["maa-claim-mismatch"], "{name}");
    }
    assert_eq!(
        told(equals("nothing", C::Flag(true))),
        ["maa-claim-missing"]
    );
}

#[test]
fn maa_claim_may_be_any_of_several_or_at_least_a_number() {
    let any = vec![ClaimConstant::Number(9), ClaimConstant::Number(10)];
    assert!(told(condition("svn", ClaimDemand::AnyOf(any))).is_empty());
    for (least, denied) in [(9, false), (10, false), (11, true)] {
        let told = told(condition("svn", ClaimDemand::AtLeast(least)));
        assert_eq!(!told.is_empty(), denied, "{least}");
    }
    for name in ["digits", "list", "secureboot", "other"] {
        let told = told(condition(name, ClaimDemand::AtLeast(0)));
        assert_eq!(told, ["maa-claim-mismatch"], "{name}");
    }
    let missing = told(condition("nothing", ClaimDemand::AtLeast(0)));
    assert_eq!(missing, ["maa-claim-missing"]);
}

#[test]
fn maa_policy_hash_is_pinned() {
    let pinned = |hashes: &[&str]| MaaRule {
        claims: vec![],
        policy_hashes: hashes.iter().map(|&hash| hash.to_owned()).collect(),
        position: Position { line: 1, column: 1 },
    };
    assert!(told(pinned(&["xyz", "abc"])).is_empty());
    assert_eq!(told(pinned(&["xyz"])), ["maa-policy-hash-mismatch"]);
    let unstated = Said {
        policy_hash: None,
        ..said()
    };
    let sgx = Identity::Sgx(identity());
    let told = judged(&case(pinned(&["abc"])), &sgx, Some(&unstated));
    assert_eq!(told, ["maa-policy-hash-mismatch"]);
}

#[test]
fn maa_conditions_without_a_token_are_denied() {
    let rule = equals("svn", ClaimConstant::Number(10));
    let mut hardware = policy();
    hardware.entries[0].maa = Some(rule.clone());
    assert_eq!(of_identity(&hardware, &identity()), ["maa-token-missing"]);
    let sgx = Identity::Sgx(identity());
    assert_eq!(judged(&case(rule), &sgx, None), ["maa-token-missing"]);
}

#[test]
fn maa_claims_alone_are_satisfied_by_any_tee_but_by_none_at_all() {
    let mut claims = case(equals("svn", ClaimConstant::Number(10)));
    claims.entries[0].tee = None;
    let said = said();
    for identity in [
        Identity::Sgx(identity()),
        Identity::Snp(snp::guest()),
        Identity::Tdx(tdx::domain()),
    ] {
        assert!(judged(&claims, &identity, Some(&said)).is_empty());
    }
    let nobody = judged(&claims, &Identity::Unattested, Some(&said));
    assert_eq!(nobody, ["identity-mismatch"]);
    // An entry that demands nothing satisfies nobody.
    claims.entries[0].maa = None;
    let sgx = Identity::Sgx(identity());
    assert_eq!(judged(&claims, &sgx, Some(&said)), ["identity-mismatch"]);
}

#[test]
fn maa_claims_are_not_looked_at_before_the_token_is_verified() {
    let case = case(equals("nothing", ClaimConstant::Flag(true)));
    assert!(screened(&case, &Identity::Sgx(identity())).is_empty());
}
