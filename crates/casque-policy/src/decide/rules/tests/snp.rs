use std::collections::BTreeMap;

use casque_types::{SnpIdentity, SnpPlatform, SnpProduct, SnpSigner, SnpTcb};

use super::*;
use crate::{MigrationRule, SmtRule, SnpFloor, SnpFloors, SnpRule};

pub(super) fn guest() -> SnpIdentity {
    SnpIdentity {
        measurement: Digest::from([1; 48]),
        host_data: Digest::from([2; 32]),
        id_key_digest: Digest::from([3; 48]),
        author_key_digest: Digest::from([4; 48]),
        family_id: Digest::from([5; 16]),
        image_id: Digest::from([6; 16]),
        report_id: Digest::from([7; 32]),
        guest_svn: 4,
        vmpl: 0,
        debug: false,
        migration_allowed: false,
        smt_allowed: true,
    }
}

pub(super) fn rule() -> SnpRule {
    SnpRule {
        measurements: vec![Digest::from([9; 48]), Digest::from([1; 48])],
        host_data: vec![Digest::from([2; 32])],
        id_key_digests: vec![Digest::from([3; 48])],
        author_key_digests: vec![Digest::from([4; 48])],
        family_ids: vec![Digest::from([5; 16])],
        image_ids: vec![Digest::from([6; 16])],
        least_guest_svn: 4,
        vmpl: 0,
        migration: MigrationRule::Forbidden,
        smt: SmtRule::Allowed,
        tcb: None,
    }
}

pub(super) fn platform(product: Option<SnpProduct>) -> SnpPlatform {
    SnpPlatform {
        product,
        reported_tcb: SnpTcb {
            fmc: (product == Some(SnpProduct::Turin)).then_some(1),
            bootloader: 3,
            tee: 0,
            snp: 8,
            microcode: 115,
        },
        chip_id: None,
        signer: Some(SnpSigner::Vcek),
        revocation_judged: false,
    }
}

pub(super) fn level(platform: SnpPlatform) -> Tcb {
    Tcb {
        snp: Some(platform),
        ..tcb(TcbStatus::ByVersions, &[])
    }
}

/// What is denied of a guest, by an entry.
fn told(rule: &SnpRule, guest: &SnpIdentity) -> Vec<&'static str> {
    let case = policy_of(entry_of(TeeRule::Snp(Box::new(rule.clone()))));
    let here = level(platform(Some(SnpProduct::Milan)));
    let identity = Identity::Snp(guest.clone());
    let denied = denied(&case, &identity, &here);
    // Nothing of a guest needs more than its claims; nobody knows the platform then.
    assert_eq!(screened(&case, &identity), denied);
    denied
}

#[test]
fn snp_one_field_bent_names_that_field() {
    assert!(told(&rule(), &guest()).is_empty());
    let bends: [Bend<SnpIdentity>; 11] = [
        (
            |g| g.measurement = Digest::from([8; 48]),
            "measurement-mismatch",
        ),
        (
            |g| g.host_data = Digest::from([8; 32]),
            "snp-host-data-mismatch",
        ),
        (
            |g| g.id_key_digest = Digest::from([8; 48]),
            "snp-id-key-mismatch",
        ),
        (
            |g| g.author_key_digest = Digest::from([8; 48]),
            "snp-author-key-mismatch",
        ),
        (
            |g| g.family_id = Digest::from([8; 16]),
            "snp-family-mismatch",
        ),
        (|g| g.image_id = Digest::from([8; 16]), "snp-image-mismatch"),
        (|g| g.guest_svn = 3, "guest-svn-too-low"),
        (|g| g.vmpl = 1, "vmpl-mismatch"),
        (|g| g.migration_allowed = true, "migration-allowed"),
        (|g| g.debug = true, "debug-enclave"),
        (|g| g.vmpl = u32::MAX, "vmpl-mismatch"),
    ];
    for (bend, code) in bends {
        let mut guest = guest();
        bend(&mut guest);
        assert_eq!(told(&rule(), &guest), [code]);
    }
    let newer = SnpIdentity {
        guest_svn: u32::MAX,
        ..guest()
    };
    assert!(told(&rule(), &newer).is_empty());
}

#[test]
fn snp_what_is_not_demanded_does_not_count() {
    let open = SnpRule {
        host_data: vec![],
        id_key_digests: vec![],
        author_key_digests: vec![],
        family_ids: vec![],
        image_ids: vec![],
        least_guest_svn: 0,
        ..rule()
    };
    let other = SnpIdentity {
        measurement: Digest::from([1; 48]),
        host_data: Digest::from([8; 32]),
        id_key_digest: Digest::from([8; 48]),
        author_key_digest: Digest::from([8; 48]),
        family_id: Digest::from([8; 16]),
        image_id: Digest::from([8; 16]),
        guest_svn: 0,
        ..guest()
    };
    assert!(told(&open, &other).is_empty());
}

#[test]
fn snp_switches_of_the_guest_policy_are_judged() {
    let strict = SnpRule {
        smt: SmtRule::Forbidden,
        ..rule()
    };
    assert_eq!(told(&strict, &guest()), ["smt-allowed"]);
    let alone = SnpIdentity {
        smt_allowed: false,
        ..guest()
    };
    assert!(told(&strict, &alone).is_empty());
    assert!(told(&rule(), &alone).is_empty());
    let moving = SnpIdentity {
        migration_allowed: true,
        ..guest()
    };
    let lax = SnpRule {
        migration: MigrationRule::DangerousAllowed,
        ..rule()
    };
    assert!(told(&lax, &moving).is_empty());
    let lower = SnpRule { vmpl: 2, ..rule() };
    assert_eq!(told(&lower, &guest()), ["vmpl-mismatch"]);
}

#[test]
fn snp_debug_is_tolerated_by_name() {
    let mut case = policy_of(entry_of(TeeRule::Snp(Box::new(rule()))));
    case.security.tolerate.insert(Toleration::DebugMode);
    let debug = SnpIdentity {
        debug: true,
        ..guest()
    };
    let here = level(platform(None));
    assert!(denied(&case, &Identity::Snp(debug), &here).is_empty());
}

#[test]
fn snp_entry_is_for_its_own_kind_alone() {
    let case = policy_of(entry_of(TeeRule::Snp(Box::new(rule()))));
    let here = tcb(TcbStatus::UpToDate, &[]);
    for other in [
        Identity::Unattested,
        Identity::Sgx(identity()),
        Identity::Tdx(tdx::domain()),
        Identity::AzureVm(azure::machine()),
        Identity::Aci(azure::group()),
    ] {
        let kind = other.kind();
        assert_eq!(
            denied(&case, &other, &here),
            ["identity-mismatch"],
            "{kind}"
        );
    }
    let sgx = policy();
    let snp = Identity::Snp(guest());
    assert_eq!(denied(&sgx, &snp, &here), ["identity-mismatch"]);
}

fn floored(floors: &[(SnpProduct, SnpFloor)]) -> Case {
    policy_of(entry_of(TeeRule::Snp(Box::new(SnpRule {
        tcb: Some(SnpFloors(
            floors.iter().copied().collect::<BTreeMap<_, _>>(),
        )),
        ..rule()
    }))))
}

fn floor(bend: fn(&mut SnpFloor)) -> SnpFloor {
    let mut floor = SnpFloor {
        fmc: 0,
        bootloader: 3,
        tee: 0,
        snp: 8,
        microcode: 115,
    };
    bend(&mut floor);
    floor
}

fn on(case: &Case, platform: SnpPlatform) -> Vec<&'static str> {
    denied(case, &Identity::Snp(guest()), &level(platform))
}

#[test]
fn snp_each_component_has_its_own_floor() {
    let milan = SnpProduct::Milan;
    let here = || platform(Some(milan));
    assert!(on(&floored(&[(milan, floor(|_| ()))]), here()).is_empty());
    let bends: [Bend<SnpFloor>; 5] = [
        (|f| f.bootloader = 4, "bootloader"),
        (|f| f.tee = 1, "tee"),
        (|f| f.snp = 9, "snp"),
        (|f| f.microcode = 116, "microcode"),
        (|f| f.fmc = 1, "fmc"),
    ];
    for (bend, component) in bends {
        let case = floored(&[(milan, floor(bend))]);
        assert_eq!(on(&case, here()), ["tcb-below-minimum"], "{component}");
        let proof_of = level(here());
        let identity = Identity::Snp(guest());
        let proof = Proof {
            identity: &identity,
            tcb: &proof_of,
            verifier: &Verifier::Casque,
            platform: None,
            token: None,
        };
        let reasons = reasons_of(&case, &proof, &Factors::default());
        let path = format!("services[web].attestation[0].snp.tcb.milan.{component}");
        assert_eq!(reasons[0].path, path);
        // No toleration but its own covers it.
        for toleration in TOLERATIONS {
            let mut case = case.clone();
            case.security.tolerate.insert(toleration);
            let covers = toleration == Toleration::OutdatedTcb;
            assert_eq!(on(&case, here()).is_empty(), covers, "{toleration:?}");
        }
    }
    // A higher component makes up for no lower one.
    let mut mixed = here();
    mixed.reported_tcb.snp = 255;
    let case = floored(&[(milan, floor(|f| f.microcode = 116))]);
    assert_eq!(on(&case, mixed), ["tcb-below-minimum"]);
}

#[test]
fn snp_generation_without_floor_is_refused_whatever_is_tolerated() {
    let (milan, turin) = (SnpProduct::Milan, SnpProduct::Turin);
    let mut case = floored(&[(milan, SnpFloor::default())]);
    assert!(on(&case, platform(Some(milan))).is_empty());
    let missing = ["tcb-floor-missing-for-generation"];
    case.security.tolerate.insert(Toleration::OutdatedTcb);
    assert_eq!(on(&case, platform(Some(turin))), missing);
    assert_eq!(on(&case, platform(Some(SnpProduct::Genoa))), missing);
    // A token may not say it.
    assert_eq!(on(&case, platform(None)), missing);
    let case = floored(&[(turin, floor(|f| f.fmc = 1))]);
    assert!(on(&case, platform(Some(turin))).is_empty());
    let case = floored(&[(turin, floor(|f| f.fmc = 2))]);
    assert_eq!(on(&case, platform(Some(turin))), ["tcb-below-minimum"]);
}

#[test]
fn snp_floor_of_a_platform_that_states_no_level_is_refused() {
    let case = floored(&[(SnpProduct::Milan, SnpFloor::default())]);
    let none = tcb(TcbStatus::ByVersions, &[]);
    assert_eq!(
        denied(&case, &Identity::Snp(guest()), &none),
        ["tcb-unstated"]
    );
}

prop_compose! {
    fn any_guest()(
        measurement in 0_u8..3, host_data in 1_u8..3, id_key in 2_u8..4, guest_svn in 3_u32..6,
        vmpl in 0_u32..2, flags in any::<[bool; 3]>(),
    ) -> SnpIdentity {
        SnpIdentity {
            measurement: Digest::from([measurement; 48]),
            host_data: Digest::from([host_data; 32]),
            id_key_digest: Digest::from([id_key; 48]),
            guest_svn,
            vmpl,
            debug: flags[0],
            migration_allowed: flags[1],
            smt_allowed: flags[2],
            ..guest()
        }
    }
}

prop_compose! {
    fn any_platform()(product in 0_usize..4, snp in 7_u8..10, microcode in 114_u8..117) -> SnpPlatform {
        let mut platform = platform(SnpProduct::ALL.get(product).copied());
        platform.reported_tcb.snp = snp;
        platform.reported_tcb.microcode = microcode;
        platform
    }
}

prop_compose! {
    fn any_rule()(
        demands in any::<[bool; 6]>(),
        floors in proptest::sample::subsequence(&SnpProduct::ALL, 0..=3),
        migration in any::<bool>(), smt in any::<bool>(), vmpl in 0_u32..2,
    ) -> SnpRule {
        let mut rule = SnpRule { vmpl, ..rule() };
        if !demands[0] { rule.host_data.clear(); }
        if !demands[1] { rule.id_key_digests.clear(); }
        if !demands[2] { rule.author_key_digests.clear(); }
        if !demands[3] { rule.least_guest_svn = 0; }
        if migration { rule.migration = MigrationRule::DangerousAllowed; }
        if smt { rule.smt = SmtRule::Forbidden; }
        if demands[4] {
            let floors = floors.into_iter().map(|product| (product, floor(|_| ())));
            rule.tcb = Some(SnpFloors(floors.collect()));
        }
        rule
    }
}

/// The same rule with a demand less, one at a time.
fn loosened(rule: &SnpRule) -> Vec<SnpRule> {
    let bends: [fn(&mut SnpRule); 9] = [
        |r| r.measurements.push(Digest::from([0; 48])),
        |r| r.host_data.clear(),
        |r| r.id_key_digests.clear(),
        |r| r.author_key_digests.clear(),
        |r| r.least_guest_svn = 0,
        |r| r.migration = MigrationRule::DangerousAllowed,
        |r| r.smt = SmtRule::Allowed,
        |r| r.tcb = None,
        |r| {
            if let Some(floors) = &mut r.tcb {
                for product in SnpProduct::ALL {
                    floors.0.insert(product, SnpFloor::default());
                }
            }
        },
    ];
    let bent = bends.iter().map(|bend| {
        let mut rule = rule.clone();
        bend(&mut rule);
        rule
    });
    bent.collect()
}

proptest! {
    /// Monotone, and what the cheap look denies is denied in the end.
    #[test]
    fn snp_rules_are_monotone(
        rule in any_rule(), guest in any_guest(), platform in any_platform(),
        tolerate in proptest::sample::subsequence(&TOLERATIONS, 0..=8),
    ) {
        let case = |rule: SnpRule| {
            let mut case = policy_of(entry_of(TeeRule::Snp(Box::new(rule))));
            case.security.tolerate = tolerate.iter().copied().collect();
            case
        };
        let (identity, here) = (Identity::Snp(guest), level(platform));
        let granted = denied(&case(rule.clone()), &identity, &here).is_empty();
        if granted {
            prop_assert!(screened(&case(rule.clone()), &identity).is_empty());
            for looser in loosened(&rule) {
                prop_assert!(denied(&case(looser), &identity, &here).is_empty());
            }
            for toleration in TOLERATIONS {
                let mut case = case(rule.clone());
                case.security.tolerate.insert(toleration);
                prop_assert!(denied(&case, &identity, &here).is_empty());
            }
        }
    }
}
