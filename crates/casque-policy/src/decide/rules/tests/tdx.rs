use casque_types::TdxIdentity;

use super::*;
use crate::TdxRule;

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
        tee_tcb_svn: Digest::from([0; 16]),
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
