use casque_types::TdxIdentity;

use super::*;
use crate::{TdxFloor, TdxRule, Toleration};

/// As real machines state them: module 1.5 at 5, microcode at 6.
const VERSIONS: [u8; 16] = [5, 1, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];

pub(super) fn domain() -> TdxIdentity {
    TdxIdentity {
        mr_td: Digest::from([1; 48]),
        rtmr: [10, 11, 12, 13].map(|byte| Digest::from([byte; 48])),
        mr_config_id: Digest::from([2; 48]),
        mr_owner: Digest::from([3; 48]),
        mr_owner_config: Digest::from([4; 48]),
        mr_seam: Digest::from([5; 48]),
        mr_signer_seam: Digest::from([0; 48]),
        seam_attributes: Digest::from([0; 8]),
        td_attributes: Digest::from([0; 8]),
        xfam: Digest::from([0; 8]),
        tee_tcb_svn: Digest::from(VERSIONS),
        debug: false,
    }
}

pub(super) fn rule() -> TdxRule {
    let domain = domain();
    TdxRule {
        mr_td: vec![Digest::from([9; 48]), domain.mr_td],
        rtmr: domain.rtmr.map(|register| vec![register]),
        mr_config_id: vec![domain.mr_config_id],
        mr_owner: vec![domain.mr_owner],
        mr_owner_config: vec![domain.mr_owner_config],
        mr_seam: vec![domain.mr_seam],
        mr_signer_seam: vec![domain.mr_signer_seam],
        floor: Some(TdxFloor(Digest::from(VERSIONS))),
    }
}

fn told(domain: TdxIdentity, here: &Tcb) -> Vec<&'static str> {
    let case = policy_of(entry_of(TeeRule::Tdx(Box::new(rule()))));
    denied(&case, &Identity::Tdx(domain), here)
}

#[test]
fn tdx_one_field_bent_names_that_field() {
    let up_to_date = tcb(TcbStatus::UpToDate, &[]);
    assert!(told(domain(), &up_to_date).is_empty());
    let bends: [Bend<TdxIdentity>; 11] = [
        (|d| d.mr_td = other(), "measurement-mismatch"),
        (|d| d.rtmr[0] = other(), "tdx-rtmr-mismatch"),
        (|d| d.rtmr[1] = other(), "tdx-rtmr-mismatch"),
        (|d| d.rtmr[2] = other(), "tdx-rtmr-mismatch"),
        (|d| d.rtmr[3] = other(), "tdx-rtmr-mismatch"),
        (|d| d.mr_config_id = other(), "tdx-config-mismatch"),
        (|d| d.mr_owner = other(), "tdx-owner-mismatch"),
        (|d| d.mr_owner_config = other(), "tdx-owner-config-mismatch"),
        (|d| d.mr_seam = other(), "tdx-module-mismatch"),
        (|d| d.mr_signer_seam = other(), "tdx-module-signer-mismatch"),
        (|d| d.debug = true, "debug-enclave"),
    ];
    for (bend, code) in bends {
        let mut domain = domain();
        bend(&mut domain);
        assert_eq!(told(domain, &up_to_date), [code]);
    }
}

fn other() -> Digest<48> {
    Digest::from([8; 48])
}

#[test]
fn tdx_each_register_is_told_with_its_path() {
    let case = policy_of(entry_of(TeeRule::Tdx(Box::new(rule()))));
    let up_to_date = tcb(TcbStatus::UpToDate, &[]);
    let bent = Identity::Tdx(TdxIdentity {
        rtmr: [other(); 4],
        ..domain()
    });
    let proof = Proof {
        identity: &bent,
        tcb: &up_to_date,
        verifier: &Verifier::Casque,
        platform: None,
        token: None,
    };
    let reasons = reasons_of(&case, &proof, &Factors::default());
    let paths: Vec<&str> = reasons.iter().map(|r| r.path.as_str()).collect();
    let path = |n: usize| format!("services[web].attestation[0].tdx.rtmr{n}");
    assert_eq!(paths, [path(0), path(1), path(2), path(3)]);
}

#[test]
fn tdx_platform_is_judged_by_intels_status() {
    let advised = tcb(TcbStatus::TdRelaunchAdvised, &[1036]);
    assert_eq!(
        told(domain(), &advised),
        ["tcb-outdated", "advisory-not-ignored"]
    );
    let revoked = tcb(TcbStatus::Revoked, &[]);
    assert_eq!(told(domain(), &revoked), ["tcb-revoked"]);
}

#[test]
fn tdx_rule_that_demands_a_digest_alone_looks_at_no_other() {
    let rule = TdxRule {
        mr_td: vec![domain().mr_td],
        ..TdxRule::default()
    };
    let case = policy_of(entry_of(TeeRule::Tdx(Box::new(rule))));
    let bent = TdxIdentity {
        rtmr: [other(); 4],
        mr_owner: other(),
        mr_seam: other(),
        ..domain()
    };
    let up_to_date = tcb(TcbStatus::UpToDate, &[]);
    assert!(denied(&case, &Identity::Tdx(bent), &up_to_date).is_empty());
}

/// What is told of a domain with these versions, by a floor.
fn told_by_floor(floor: [u8; 16], found: [u8; 16]) -> Vec<Reason> {
    let rule = TdxRule {
        floor: Some(TdxFloor(Digest::from(floor))),
        ..rule()
    };
    let mut case = policy_of(entry_of(TeeRule::Tdx(Box::new(rule))));
    // A floor is what is not tolerated of what is.
    case.security.tolerate.insert(Toleration::OutdatedTcb);
    let identity = Identity::Tdx(TdxIdentity {
        tee_tcb_svn: Digest::from(found),
        ..domain()
    });
    let outdated = tcb(TcbStatus::OutOfDate, &[]);
    let proof = Proof {
        identity: &identity,
        tcb: &outdated,
        verifier: &Verifier::Casque,
        platform: None,
        token: None,
    };
    let reasons = reasons_of(&case, &proof, &Factors::default());
    // Whoever claims as much of himself is not judged further.
    assert_eq!(screened(&case, &identity), codes_of(&reasons));
    reasons
}

#[test]
fn tdx_floor_is_held_to_component_by_component() {
    let with = |changes: &[(usize, u8)]| {
        let mut versions = VERSIONS;
        for (number, version) in changes {
            versions[*number] = *version;
        }
        versions
    };
    let told = |found| {
        let reasons = told_by_floor(VERSIONS, found);
        let told = |reason: &Reason| {
            assert_eq!(reason.code.as_str(), "tdx-svn-too-low");
            let path = reason
                .path
                .strip_prefix("services[web].attestation[0].tdx.");
            (
                path.unwrap().to_owned(),
                reason.expected.clone(),
                reason.found.clone(),
            )
        };
        reasons.iter().map(told).collect::<Vec<_>>()
    };
    assert_eq!(told(VERSIONS), []);
    assert_eq!(told([255; 16]), []);
    let reason = |number: usize, least: u8, found: u8| {
        (
            format!("tee_tcb_svn_min[{number}]"),
            format!("component {number} at least {least}"),
            format!("component {number} at {found}"),
        )
    };
    // One that is higher makes up for none that is lower, in front of it or behind.
    assert_eq!(told(with(&[(0, 4)])), [reason(0, 5, 4)]);
    assert_eq!(told(with(&[(0, 6), (2, 5)])), [reason(2, 6, 5)]);
    assert_eq!(told(with(&[(0, 4), (1, 2), (15, 255)])), [reason(0, 5, 4)]);
    assert_eq!(told(with(&[(14, 9), (15, 1)])), [reason(15, 2, 1)]);
    assert_eq!(
        told([0; 16]),
        [
            reason(0, 5, 0),
            reason(1, 1, 0),
            reason(2, 6, 0),
            reason(15, 2, 0)
        ]
    );
}

#[test]
fn tdx_floor_of_zeros_or_none_demands_nothing() {
    assert_eq!(told_by_floor([0; 16], [0; 16]), []);
    assert_eq!(told_by_floor([0; 16], VERSIONS), []);
    let case = policy_of(entry_of(TeeRule::Tdx(Box::new(TdxRule {
        floor: None,
        ..rule()
    }))));
    let old = Identity::Tdx(TdxIdentity {
        tee_tcb_svn: Digest::from([0; 16]),
        ..domain()
    });
    let up_to_date = tcb(TcbStatus::UpToDate, &[]);
    assert!(denied(&case, &old, &up_to_date).is_empty());
}
