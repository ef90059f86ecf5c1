use casque_appraise::ServiceAccount;
use casque_types::Timestamp;

use super::*;
use crate::decide::{ServiceAccountFactor, ServiceAccountOutcome};
use crate::{ServiceAccountDemand, ServiceAccountRule};

fn demand(issuer: &str) -> ServiceAccountDemand {
    ServiceAccountDemand {
        issuer: issuer.parse().unwrap(),
        audience: "casque".to_owned(),
    }
}

const CLUSTER: &str = "https://oidc.example/cluster/";

fn rule(issuer: &str) -> ServiceAccountRule {
    ServiceAccountRule {
        demand: demand(issuer),
        namespace: "shop".to_owned(),
        service_account: "web".to_owned(),
    }
}

fn account() -> ServiceAccount {
    ServiceAccount {
        issuer: CLUSTER.to_owned(),
        namespace: "shop".to_owned(),
        name: "web".to_owned(),
        pod: None,
        expires: Timestamp::from_unix_s(0),
    }
}

fn brought(outcome: ServiceAccountOutcome) -> Factors {
    let mut service_accounts = ServiceAccountFactor::default();
    service_accounts.insert(demand(CLUSTER), outcome);
    Factors {
        service_accounts,
        ..Factors::default()
    }
}

fn case() -> Case {
    let mut case = policy();
    case.entries[0].kubernetes = Some(rule(CLUSTER));
    case
}

fn told(case: &Case, factors: &Factors) -> Vec<&'static str> {
    let (identity, machine) = (Identity::Sgx(identity()), machine());
    let proof = Proof {
        identity: &identity,
        tcb: &tcb(TcbStatus::UpToDate, &[]),
        verifier: &Verifier::Casque,
        platform: Some(&machine),
        token: None,
    };
    codes_of(&reasons_of(case, &proof, factors))
}

#[test]
fn account_must_be_the_one_of_the_entry() {
    use ServiceAccountOutcome as O;
    assert!(told(&case(), &brought(O::Right(account()))).is_empty());
    let missing = ["service-account-missing"];
    assert_eq!(told(&case(), &Factors::default()), missing);
    assert_eq!(told(&case(), &brought(O::Absent)), missing);
    let wrong = brought(O::Wrong {
        why: "expired".to_owned(),
        mend: "read it anew".to_owned(),
    });
    assert_eq!(told(&case(), &wrong), ["service-account-wrong"]);
    let bends: [fn(&mut ServiceAccount); 3] = [
        |a| a.namespace = "other".to_owned(),
        |a| a.name = "other".to_owned(),
        |a| a.issuer = "https://other.example".to_owned(),
    ];
    for bend in bends {
        let mut account = account();
        bend(&mut account);
        let told = told(&case(), &brought(O::Right(account)));
        assert_eq!(told, ["service-account-mismatch"]);
    }
}

#[test]
fn account_of_another_demand_does_not_count() {
    let mut case = case();
    case.entries[0].kubernetes = Some(rule("https://other.example"));
    let factors = brought(ServiceAccountOutcome::Right(account()));
    assert_eq!(told(&case, &factors), ["service-account-missing"]);
}

#[test]
fn account_is_a_factor_of_its_entry_alone() {
    let mut case = case();
    case.entries
        .push(entry(vec![MrEnclave::from([1; 32])], None));
    assert!(told(&case, &Factors::default()).is_empty());
}

#[test]
fn account_counts_with_mode_none_where_every_entry_demands_one() {
    let mut case = case();
    case.security.mode = Mode::DangerousNone;
    let told = |case: &Case, factors: &Factors| {
        let proof = Proof {
            identity: &Identity::Unattested,
            tcb: &Tcb::unknown(),
            verifier: &Verifier::Nobody,
            platform: None,
            token: None,
        };
        codes_of(&reasons_of(case, &proof, factors))
    };
    let missing = ["service-account-missing"];
    assert_eq!(told(&case, &Factors::default()), missing);
    let right = brought(ServiceAccountOutcome::Right(account()));
    assert!(told(&case, &right).is_empty());
    case.entries.push(entry(vec![], None));
    assert!(told(&case, &Factors::default()).is_empty());
}

#[test]
fn demands_name_each_issuer_and_audience_once() {
    let mut case = case();
    case.entries.push(case.entries[0].clone());
    let mut other = case.entries[0].clone();
    other.kubernetes = Some(rule("https://other.example"));
    case.entries.push(other);
    case.entries.push(entry(vec![], None));
    let named = case.with(|demands| demands.service_accounts().cloned().collect::<Vec<_>>());
    assert_eq!(named, [demand(CLUSTER), demand("https://other.example")]);
}

/// Without factors, as offline: all else is judged, and these are told as not judged.
#[test]
fn explain_without_factors_tells_them_as_not_judged() {
    let mut case = case();
    case.one_time_password = true;
    case.security.service_access_token = Some(some_text());
    let (identity, machine) = (Identity::Sgx(identity()), machine());
    let explained = |tcb: &Tcb| {
        let proof = Proof {
            identity: &identity,
            tcb,
            verifier: &Verifier::Casque,
            platform: Some(&machine),
            token: None,
        };
        case.with(|demands| explain_proof(demands, &proof, None))
    };
    let up_to_date = explained(&tcb(TcbStatus::UpToDate, &[]));
    assert!(up_to_date.granted);
    let open = up_to_date.rules.iter().filter(|rule| !rule.holds);
    let paths: Vec<&str> = open
        .inspect(|rule| assert_eq!((rule.code, &rule.hint), (None, &None)))
        .map(|rule| rule.path.as_str())
        .collect();
    assert_eq!(
        paths,
        [
            "services[web].attestation[0].kubernetes",
            "services[web].one_time_password_shared_secret",
            "security.service_access_token",
        ]
    );
    assert!(!explained(&tcb(TcbStatus::OutOfDate, &[])).granted);
}

#[test]
fn explain_tells_every_rule_that_holds() {
    let (identity, machine) = (Identity::Sgx(identity()), machine());
    let mut case = policy();
    case.platforms = vec![Platform::IntelQe(machine)];
    case.entries
        .insert(0, entry(vec![MrEnclave::from([9; 32])], None));
    let up_to_date = tcb(TcbStatus::UpToDate, &[]);
    let proof = Proof {
        identity: &identity,
        tcb: &up_to_date,
        verifier: &Verifier::Casque,
        platform: Some(&machine),
        token: None,
    };
    let explained = case.with(|d| explain_proof(d, &proof, Some(&Factors::default())));
    assert!(explained.granted);
    let told: Vec<(&str, bool)> = explained
        .rules
        .iter()
        .map(|rule| (rule.path.as_str(), rule.holds))
        .collect();
    let entry = "services[web].attestation";
    assert_eq!(
        told,
        [
            ("security.attestation.mode", true),
            (format!("{entry}[0].mrenclave").as_str(), false),
            (&format!("{entry}[1].mrenclave"), true),
            (&format!("{entry}[1].signer.mrsigner"), true),
            (&format!("{entry}[1].signer.isvprodid"), true),
            (&format!("{entry}[1].signer.isvsvn"), true),
            (&format!("{entry}[1].signer.isvsvn"), true),
            ("security.attestation.tolerate", true),
            ("security.attestation.tolerate", true),
            ("services[web].platforms", true),
        ]
    );
}
