use casque_types::{
    AciIdentity, AttestationKeyProof, AzureVmIdentity, SnpIdentity, SnpProduct, TdxIdentity,
    UvmIdentity,
};

use super::snp::{guest, level, platform};
use super::*;
use crate::{
    AciRule, AllowAllRule, AttestationKeyRule, AzureVmRule, AzureVmTeeRule, SecureBootRule,
    SnpFloor, SnpFloors, SnpRule, TdxRule,
};

pub(super) fn machine() -> AzureVmIdentity {
    AzureVmIdentity {
        tee: AzureVmTee::Snp(Box::new(guest())),
        pcrs: [4, 7]
            .map(|number| (number, Digest::from([number; 32])))
            .into(),
        secure_boot: Some(true),
        vm_unique_id: Some("4F2A".to_owned()),
        attestation_key: AttestationKeyProof::ReportAndCertificate,
    }
}

fn rule() -> AzureVmRule {
    AzureVmRule {
        pcrs: [
            (4, vec![Digest::from([4; 32])]),
            (7, vec![Digest::from([9; 32]), Digest::from([7; 32])]),
        ]
        .into(),
        secure_boot: SecureBootRule::On,
        vm_unique_ids: vec!["4F2A".to_owned()],
        attestation_key: AttestationKeyRule::Certified,
        tee: AzureVmTeeRule::Snp(snp::rule()),
    }
}

fn case(rule: AzureVmRule) -> Case {
    policy_of(entry_of(TeeRule::AzureVm(Box::new(rule))))
}

fn here() -> Tcb {
    level(platform(Some(SnpProduct::Milan)))
}

fn told(rule: AzureVmRule, machine: AzureVmIdentity) -> Vec<&'static str> {
    denied(&case(rule), &Identity::AzureVm(machine), &here())
}

fn inner(machine: &mut AzureVmIdentity) -> &mut SnpIdentity {
    match &mut machine.tee {
        AzureVmTee::Snp(snp) => snp,
        AzureVmTee::Tdx(_) => panic!("no SNP"),
    }
}

#[test]
fn azure_vm_one_field_bent_names_that_field() {
    assert!(told(rule(), machine()).is_empty());
    let bends: [Bend<AzureVmIdentity>; 12] = [
        (
            |m| {
                m.pcrs.insert(7, Digest::from([8; 32]));
            },
            "pcr-mismatch",
        ),
        (
            |m| {
                m.pcrs.remove(&4);
            },
            "pcr-not-quoted",
        ),
        (|m| m.secure_boot = Some(false), "secure-boot-off"),
        (|m| m.secure_boot = None, "secure-boot-unstated"),
        (
            |m| m.vm_unique_id = Some("other".to_owned()),
            "vm-unique-id-mismatch",
        ),
        (|m| m.vm_unique_id = None, "vm-unique-id-mismatch"),
        (
            |m| m.attestation_key = AttestationKeyProof::Report,
            "attestation-key-not-certified",
        ),
        (
            |m| inner(m).measurement = Digest::from([8; 48]),
            "measurement-mismatch",
        ),
        (|m| inner(m).vmpl = 1, "vmpl-mismatch"),
        (|m| inner(m).debug = true, "debug-enclave"),
        (|m| inner(m).migration_allowed = true, "migration-allowed"),
        (
            |m| m.tee = AzureVmTee::Tdx(Box::new(tdx::domain())),
            "identity-mismatch",
        ),
    ];
    for (bend, code) in bends {
        let mut machine = machine();
        bend(&mut machine);
        assert_eq!(told(rule(), machine), [code]);
    }
}

/// Any TEE can sign data that a paravisor of Azure would have, and registers of its own making.
#[test]
fn azure_vm_without_its_paravisor_pinned_is_satisfied_by_nobody_unless_a_token_vouches_for_it() {
    let loose = |snp: SnpRule| AzureVmRule {
        tee: AzureVmTeeRule::Snp(snp),
        ..rule()
    };
    let unpinned = || SnpRule {
        measurements: vec![],
        id_key_digests: vec![],
        ..snp::rule()
    };
    assert_eq!(told(loose(unpinned()), machine()), ["paravisor-not-pinned"]);
    let by_key = SnpRule {
        measurements: vec![],
        ..snp::rule()
    };
    assert!(told(loose(by_key), machine()).is_empty());
    let mut domain = machine();
    domain.tee = AzureVmTee::Tdx(Box::new(tdx::domain()));
    let of_tdx = |tdx: TdxRule| AzureVmRule {
        tee: AzureVmTeeRule::Tdx(tdx),
        ..rule()
    };
    let unpinned_tdx = TdxRule {
        mr_td: vec![],
        ..tdx::rule()
    };
    let bent = denied(
        &case(of_tdx(unpinned_tdx)),
        &Identity::AzureVm(domain.clone()),
        &tcb(TcbStatus::UpToDate, &[]),
    );
    assert_eq!(bent, ["paravisor-not-pinned"]);

    // The attestation service says that it is a machine of Azure, paravisor and all.
    let mut vouched = case(loose(unpinned()));
    vouched.security.mode = Mode::Both(maa_demands());
    let (identity, here) = (Identity::AzureVm(machine()), here());
    let token = tokens::said();
    let proof = Proof {
        identity: &identity,
        tcb: &here,
        verifier: &Verifier::Both {
            issuer: maa_demands().url,
        },
        platform: None,
        token: Some(&token),
    };
    let reasons = reasons_of(&vouched, &proof, &Factors::default());
    assert!(reasons.is_empty(), "{reasons:?}");
}

#[test]
fn azure_vm_unique_id_is_compared_without_case_and_unstated_is_none() {
    let mut lower = machine();
    lower.vm_unique_id = Some("4f2a".to_owned());
    assert!(told(rule(), lower).is_empty());
    let mut unstated = machine();
    unstated.vm_unique_id = None;
    let rule = AzureVmRule {
        vm_unique_ids: vec!["none stated".to_owned()],
        ..rule()
    };
    assert_eq!(told(rule, unstated), ["vm-unique-id-mismatch"]);
}

#[test]
fn azure_vm_pcr_is_told_with_its_number() {
    let mut bent = machine();
    bent.pcrs.insert(7, Digest::from([8; 32]));
    let (identity, here) = (Identity::AzureVm(bent), here());
    let proof = Proof {
        identity: &identity,
        tcb: &here,
        verifier: &Verifier::Casque,
        platform: None,
        token: None,
    };
    let reasons = reasons_of(&case(rule()), &proof, &Factors::default());
    let path = "services[web].attestation[0].azure_vm.pcrs.7";
    assert_eq!(reasons[0].path, path);
    assert_eq!(reasons[0].found, "08".repeat(32));
}

#[test]
fn azure_vm_secure_boot_may_be_demanded_off_or_not_at_all() {
    let off = || AzureVmRule {
        secure_boot: SecureBootRule::Off,
        ..rule()
    };
    assert_eq!(told(off(), machine()), ["secure-boot-on"]);
    let mut without = machine();
    without.secure_boot = Some(false);
    assert!(told(off(), without.clone()).is_empty());
    let any = || AzureVmRule {
        secure_boot: SecureBootRule::Any,
        vm_unique_ids: vec![],
        attestation_key: AttestationKeyRule::Reported,
        ..rule()
    };
    without.secure_boot = None;
    without.vm_unique_id = None;
    without.attestation_key = AttestationKeyProof::Report;
    assert!(told(any(), without).is_empty());
    assert!(told(any(), machine()).is_empty());
}

#[test]
fn azure_vm_floors_and_debug_below_the_paravisor_count() {
    let mut floored = rule();
    if let AzureVmTeeRule::Snp(snp) = &mut floored.tee {
        let floor = SnpFloor {
            snp: 9,
            ..SnpFloor::default()
        };
        snp.tcb = Some(SnpFloors([(SnpProduct::Milan, floor)].into()));
    }
    assert_eq!(told(floored, machine()), ["tcb-below-minimum"]);
    let rule = AzureVmRule {
        tee: AzureVmTeeRule::Tdx(tdx::rule()),
        ..rule()
    };
    let debug = AzureVmIdentity {
        tee: AzureVmTee::Tdx(Box::new(TdxIdentity {
            debug: true,
            ..tdx::domain()
        })),
        ..machine()
    };
    assert_eq!(told(rule.clone(), debug), ["debug-enclave"]);
    assert_eq!(told(rule, machine()), ["identity-mismatch"]);
}

#[test]
fn azure_vm_claims_deny_nothing_that_a_verifier_may_add() {
    let mut claimed = machine();
    claimed.secure_boot = None;
    claimed.vm_unique_id = None;
    claimed.attestation_key = AttestationKeyProof::Report;
    assert!(screened(&case(rule()), &Identity::AzureVm(claimed.clone())).is_empty());
    claimed.pcrs.clear();
    claimed.secure_boot = Some(false);
    let denied = screened(&case(rule()), &Identity::AzureVm(claimed));
    assert_eq!(
        denied,
        ["pcr-not-quoted", "pcr-not-quoted", "secure-boot-off"]
    );
}

pub(super) fn group() -> AciIdentity {
    AciIdentity {
        snp: guest(),
        uvm: UvmIdentity {
            issuer: "did:x509:0:sha256:abc::eku:1".to_owned(),
            feed: AciRule::FEED.to_owned(),
            svn: 100,
        },
        allows_all: false,
    }
}

fn aci_rule() -> AciRule {
    AciRule {
        policy_digests: vec![guest().host_data],
        feeds: vec![AciRule::FEED.to_owned()],
        issuers: vec!["did:x509:0:sha256:abc::eku:1".to_owned()],
        least_svn: 100,
        allow_all: AllowAllRule::Forbidden,
        tcb: None,
    }
}

fn aci_told(rule: AciRule, group: AciIdentity) -> Vec<&'static str> {
    let case = policy_of(entry_of(TeeRule::Aci(Box::new(rule))));
    let identity = Identity::Aci(group);
    let denied = denied(&case, &identity, &here());
    assert_eq!(screened(&case, &identity), denied);
    denied
}

#[test]
fn aci_one_field_bent_names_that_field() {
    assert!(aci_told(aci_rule(), group()).is_empty());
    let bends: [Bend<AciIdentity>; 8] = [
        (
            |g| g.snp.host_data = Digest::from([8; 32]),
            "aci-policy-mismatch",
        ),
        (|g| g.allows_all = true, "aci-allows-all"),
        (|g| g.uvm.feed = "other".to_owned(), "uvm-feed-mismatch"),
        (
            |g| g.uvm.issuer = "did:x509:other".to_owned(),
            "uvm-issuer-mismatch",
        ),
        (|g| g.uvm.svn = 99, "uvm-svn-too-low"),
        (|g| g.snp.vmpl = 1, "vmpl-mismatch"),
        (|g| g.snp.migration_allowed = true, "migration-allowed"),
        (|g| g.snp.debug = true, "debug-enclave"),
    ];
    for (bend, code) in bends {
        let mut group = group();
        bend(&mut group);
        assert_eq!(aci_told(aci_rule(), group), [code]);
    }
}

/// What a token that comes alone makes of confidential containers.
#[test]
fn aci_is_not_satisfied_by_a_guest_and_tells_to_send_the_evidence() {
    let case = policy_of(entry_of(TeeRule::Aci(Box::new(aci_rule()))));
    let hint_for = |identity: Identity| {
        let proof = Proof {
            identity: &identity,
            tcb: &here(),
            verifier: &Verifier::Casque,
            platform: None,
            token: None,
        };
        let reasons = reasons_of(&case, &proof, &Factors::default());
        assert_eq!(codes_of(&reasons), ["identity-mismatch"]);
        assert_eq!(screened(&case, &identity), ["identity-mismatch"]);
        assert_eq!(
            reasons[0].expected,
            "a group of confidential containers of Azure"
        );
        reasons[0].hint.clone()
    };
    let hint = hint_for(Identity::Snp(guest()));
    assert!(
        hint.starts_with("send the evidence of the containers"),
        "{hint}"
    );
    let hint = hint_for(Identity::Tdx(tdx::domain()));
    assert!(hint.starts_with("run the workload in the TEE"), "{hint}");
}

#[test]
fn aci_policy_that_allows_everything_needs_its_own_word() {
    let open = AciIdentity {
        allows_all: true,
        ..group()
    };
    let named = AciRule {
        allow_all: AllowAllRule::DangerousAllowed,
        ..aci_rule()
    };
    assert!(aci_told(named.clone(), open.clone()).is_empty());
    let any = AciRule {
        policy_digests: vec![],
        ..named
    };
    assert!(aci_told(any, open.clone()).is_empty());
    // Nothing that demands no policy is satisfied by one.
    let none = AciRule {
        policy_digests: vec![],
        ..aci_rule()
    };
    assert_eq!(aci_told(none.clone(), group()), ["aci-policy-mismatch"]);
    let both = ["aci-policy-mismatch", "aci-allows-all"];
    assert_eq!(aci_told(none, open), both);
}

#[test]
fn aci_floors_count_and_any_trusted_issuer_will_do_where_none_is_named() {
    let rule = AciRule {
        issuers: vec![],
        least_svn: 0,
        tcb: Some(SnpFloors([(SnpProduct::Genoa, SnpFloor::default())].into())),
        ..aci_rule()
    };
    let case = policy_of(entry_of(TeeRule::Aci(Box::new(rule))));
    let mut group = group();
    group.uvm.issuer = "did:x509:other".to_owned();
    group.uvm.svn = 0;
    let identity = Identity::Aci(group);
    assert_eq!(
        denied(&case, &identity, &here()),
        ["tcb-floor-missing-for-generation"]
    );
    let genoa = level(platform(Some(SnpProduct::Genoa)));
    assert!(denied(&case, &identity, &genoa).is_empty());
}
