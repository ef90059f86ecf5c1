//! The same for confidential virtual machines and containers of Azure.

use std::sync::Arc;

use casque_testkit::aci::{SoftwareUvmIssuer, UvmFlaw, software_policy};
use casque_testkit::azure_vm::{AkChainFlaw, HclFlaw, TpmQuoteFlaw};
use casque_testkit::{Attempt, GroupSpec, MachineSpec, TestWorld};
use casque_types::{AzureVmTee, Digest, SnpIdentity, SnpProduct, TdxIdentity, sha256};

use super::{
    Bend, FLOOR, Fields, LEVEL, OTHER, Outcome, Refusal, SNP_BENDS, TDX_BENDS, TDX_REFUSALS,
    domain, each_bend, each_component, each_floor, each_refusal, guest, milan_world, platform,
    snp_keys, tdx_keys,
};
use crate::policies::assert_nothing_released;

// ---- Azure VM ----

const VM_UNIQUE_ID: &str = "CA59CE00-0000-4000-8000-000000000001";

/// A machine in whose evidence every key is stated.
fn machine(world: &TestWorld, tee: AzureVmTee) -> MachineSpec {
    MachineSpec {
        ak_chain: Some(world.vtpm.ak_chain().unwrap()),
        ..MachineSpec::new(tee)
    }
}

/// All that an entry can say of [`machine`], with the keys of its TEE.
fn azure_entry(secure_boot: bool, tee: &str) -> String {
    let pcrs: Vec<String> = (0..24_u8)
        .map(|register| format!("\"{register}\": {}", Digest::from([register; 32])))
        .collect();
    format!(
        "{{azure_vm: {{pcrs: {{{}}}, secure_boot: {secure_boot}, vm_unique_id: {VM_UNIQUE_ID}, attestation_key: certified, {tee}}}}}",
        pcrs.join(", ")
    )
}

fn on_snp() -> AzureVmTee {
    AzureVmTee::Snp(Box::new(guest()))
}

fn on_tdx() -> AzureVmTee {
    AzureVmTee::Tdx(Box::new(domain()))
}

/// Both TEEs under a machine, each with the keys of its entry.
fn machines() -> [(AzureVmTee, String); 2] {
    [
        (on_snp(), format!("snp: {}", snp_keys())),
        (on_tdx(), format!("tdx: {}", tdx_keys())),
    ]
}

const AZURE_BENDS: [Bend<MachineSpec>; 4] = [
    (
        "azure_vm.secure_boot",
        |it| it.hcl.secure_boot = Some(false),
        "secure-boot-off",
    ),
    (
        "azure_vm.secure_boot",
        |it| it.hcl.secure_boot = None,
        "secure-boot-unstated",
    ),
    (
        "azure_vm.vm_unique_id",
        |it| it.hcl.vm_unique_id = VM_UNIQUE_ID.replace("CA59", "CA58"),
        "vm-unique-id-mismatch",
    ),
    (
        "azure_vm.attestation_key",
        |it| it.ak_chain = None,
        "attestation-key-not-certified",
    ),
];

#[test]
fn each_key_of_a_machine_is_denied_by_its_own_reason() {
    for (tee, keys) in machines() {
        let entry = azure_entry(true, &keys);
        let world = || milan_world(&entry);
        let good = machine(&world(), tee);
        let make = |world: &TestWorld, spec: &MachineSpec, attempt: &Attempt| {
            world.azure_vm_of(spec, attempt)
        };
        each_bend(world, &good, make, &AZURE_BENDS);
        each_register(&world(), &good);
        certificate_alone(&world(), &good);
    }
}

/// Each register with another value, and each not quoted.
fn each_register(world: &Fields, good: &MachineSpec) {
    for register in 0..24 {
        let key = format!("azure_vm.pcrs.{register}");
        let mut bent = good.clone();
        bent.quote.pcrs[register][0] ^= 0x80;
        world.expect_denied((&key, "pcr-mismatch"), |world, attempt| {
            world.azure_vm_of(&bent, attempt)
        });
        let mut bent = good.clone();
        bent.quote.select[register / 8] ^= 1 << (register % 8);
        world.expect_denied((&key, "pcr-not-quoted"), |world, attempt| {
            world.azure_vm_of(&bent, attempt)
        });
    }
    assert_nothing_released(world);
}

/// The certificate without its authorities certifies nothing.
fn certificate_alone(world: &Fields, good: &MachineSpec) {
    for flaw in [AkChainFlaw::NoIntermediates, AkChainFlaw::RootAlone] {
        let mut bent = good.clone();
        bent.ak_chain = Some(world.vtpm.ak_chain_of(Some(flaw)).unwrap());
        let expected = ("azure_vm.attestation_key", "attestation-key-not-certified");
        world.expect_denied(expected, |world, attempt| world.azure_vm_of(&bent, attempt));
    }
    assert_nothing_released(world);
}

#[test]
fn machine_with_secure_boot_where_the_policy_wants_none_is_denied() {
    for (tee, keys) in machines() {
        let entry = azure_entry(false, &keys);
        let mut good = machine(&milan_world(&entry), tee);
        good.hcl.secure_boot = Some(false);
        let bends: [Bend<MachineSpec>; 2] = [
            (
                "azure_vm.secure_boot",
                |it| it.hcl.secure_boot = Some(true),
                "secure-boot-on",
            ),
            (
                "azure_vm.secure_boot",
                |it| it.hcl.secure_boot = None,
                "secure-boot-unstated",
            ),
        ];
        each_bend(
            || milan_world(&entry),
            &good,
            |world, spec, attempt| world.azure_vm_of(spec, attempt),
            &bends,
        );
    }
}

#[test]
fn each_key_of_the_guest_below_a_machine_is_denied_by_its_own_reason() {
    let entry = azure_entry(true, &format!("snp: {}", snp_keys()));
    let make = |world: &TestWorld, guest: &SnpIdentity, attempt: &Attempt| {
        let tee = AzureVmTee::Snp(Box::new(guest.clone()));
        world.azure_vm_of(&machine(world, tee), attempt)
    };
    each_bend(|| milan_world(&entry), &guest(), make, &SNP_BENDS);
    let milan = (SnpProduct::Milan, LEVEL);
    each_floor(milan_world(&entry), milan, |world, attempt| {
        make(world, &guest(), attempt)
    });
}

#[test]
fn each_key_of_the_domain_below_a_machine_is_denied_by_its_own_reason() {
    let entry = azure_entry(true, &format!("tdx: {}", tdx_keys()));
    let make = |world: &TestWorld, domain: &TdxIdentity, attempt: &Attempt| {
        let tee = AzureVmTee::Tdx(Box::new(domain.clone()));
        world.azure_vm_of(&machine(world, tee), attempt)
    };
    each_bend(|| milan_world(&entry), &domain(), make, &TDX_BENDS);
    each_component(&milan_world(&entry), make);
    let open = format!("{{azure_vm: {{tdx: {{mrtd: {}}}}}}}", domain().mr_td);
    each_refusal(&milan_world(&open), &domain(), make, &TDX_REFUSALS);
}

#[test]
fn machine_on_the_other_tee_is_denied() {
    let [(snp, snp_keys), (tdx, tdx_keys)] = machines();
    for (keys, other, key) in [
        (snp_keys, tdx, "azure_vm.snp"),
        (tdx_keys, snp, "azure_vm.tdx"),
    ] {
        let world = milan_world(&azure_entry(true, &keys));
        let spec = machine(&world, other);
        world.expect_denied((key, "identity-mismatch"), |world, attempt| {
            world.azure_vm_of(&spec, attempt)
        });
        assert_nothing_released(&world);
    }
}

#[test]
fn machine_that_proves_nothing_is_refused_by_its_own_code() {
    let refusals: [Refusal<MachineSpec>; 4] = [
        (
            |it| it.hcl.flaw = Some(HclFlaw::ChangedData),
            "azure-vm-report-data",
        ),
        (
            |it| it.quote.flaw = Some(TpmQuoteFlaw::ForeignKey),
            "azure-vm-signature",
        ),
        (
            |it| it.quote.flaw = Some(TpmQuoteFlaw::PcrDigest),
            "azure-vm-pcr-digest",
        ),
        // What cannot be read is bound to nothing.
        (
            |it| it.quote.flaw = Some(TpmQuoteFlaw::Magic),
            "evidence-not-bound",
        ),
    ];
    for (tee, keys) in machines() {
        let world = milan_world(&azure_entry(true, &keys));
        let good = machine(&world, tee);
        let make = |world: &TestWorld, spec: &MachineSpec, attempt: &Attempt| {
            world.azure_vm_of(spec, attempt)
        };
        each_refusal(&world, &good, make, &refusals);
        for (flaw, code) in [
            (AkChainFlaw::OtherKey, "azure-vm-ak-certificate-key"),
            (AkChainFlaw::Signature, "azure-vm-ak-certificate-chain"),
            (
                AkChainFlaw::OneIntermediate,
                "azure-vm-ak-certificate-chain",
            ),
        ] {
            let mut bent = good.clone();
            bent.ak_chain = Some(world.vtpm.ak_chain_of(Some(flaw)).unwrap());
            let found = world.outcome(|world, attempt| make(world, &bent, attempt));
            assert_eq!(found, Outcome::Refused(code), "{flaw:?}");
        }
        assert_nothing_released(&world);
    }
}

// ---- confidential containers ----

/// A policy that lets anything run.
const OPEN: &str = "package policy\napi_svn := \"0.10.0\"\nexec_external := {\"allowed\": true}\n";

/// All that an entry can say of the group that runs [`TestWorld::containers`]; with the digest of [`OPEN`] beside.
fn aci_entry(world: &TestWorld) -> String {
    let digests = [TestWorld::containers(), OPEN.to_owned()];
    let [own, open] = digests.map(|policy| sha256(policy.as_bytes()));
    format!(
        "{{aci: {{policy_digest: [{own}, {open}], feed: Casque-Software-UVM, issuer: '{}', svn_min: 100, tcb: {{milan: {FLOOR}}}}}}}",
        world.uvm.did()
    )
}

fn aci_world() -> Fields {
    let world = TestWorld::on(platform(SnpProduct::Milan, LEVEL));
    let entry = aci_entry(&world);
    Fields::new(world, &entry)
}

const ACI_BENDS: [Bend<GroupSpec>; 8] = [
    (
        "aci.policy_digest",
        |it| *it = GroupSpec::new(&software_policy("/bin/sh")),
        "aci-policy-mismatch",
    ),
    (
        "aci.dangerous_allow_all_policy",
        |it| *it = GroupSpec::new(OPEN),
        "aci-allows-all",
    ),
    (
        "aci.feed",
        |it| it.reference.feed = "ConfAKS-AMD-UVM".to_owned(),
        "uvm-feed-mismatch",
    ),
    ("aci.svn_min", |it| it.reference.svn = 99, "uvm-svn-too-low"),
    ("aci.vmpl", |it| it.guest.vmpl = 1, "vmpl-mismatch"),
    ("aci.vmpl", |it| it.guest.vmpl = 3, "vmpl-mismatch"),
    (
        "aci.dangerous_allow_migration",
        |it| it.guest.migration_allowed = true,
        "migration-allowed",
    ),
    ("tolerate", |it| it.guest.debug = true, "debug-enclave"),
];

#[test]
fn each_key_of_a_group_is_denied_by_its_own_reason() {
    let good = GroupSpec::new(&TestWorld::containers());
    let make =
        |world: &TestWorld, group: &GroupSpec, attempt: &Attempt| world.aci_of(group, attempt);
    each_bend(aci_world, &good, make, &ACI_BENDS);
    let milan = (SnpProduct::Milan, LEVEL);
    each_floor(aci_world(), milan, |world, attempt| {
        make(world, &good, attempt)
    });
}

#[test]
fn group_that_another_issuer_endorses_is_denied_and_refused_where_the_policy_names_none() {
    let stranger = Arc::new(SoftwareUvmIssuer::generate(TestWorld::BEGIN).unwrap());
    let group = GroupSpec::new(&TestWorld::containers());
    let mut world = aci_world();
    world.uvm = Arc::clone(&stranger);
    world.expect_denied(("aci.issuer", "uvm-issuer-mismatch"), |world, attempt| {
        world.aci_of(&group, attempt)
    });
    assert_nothing_released(&world);
    let world = TestWorld::on(platform(SnpProduct::Milan, LEVEL));
    let did = format!("issuer: '{}', ", world.uvm.did());
    let entry = aci_entry(&world).replace(&did, "");
    let mut world = Fields::new(world, &entry);
    world.uvm = stranger;
    let found = world.outcome(|world, attempt| world.aci_of(&group, attempt));
    assert_eq!(found, Outcome::Refused("aci-issuer"));
    assert_nothing_released(&world);
}

#[test]
fn group_that_proves_nothing_is_refused_by_its_own_code() {
    let refusals: [Refusal<GroupSpec>; 4] = [
        (
            |it| it.policy = software_policy("/bin/sh"),
            "aci-policy-digest",
        ),
        (
            |it| it.reference.measurement = OTHER.into(),
            "aci-measurement",
        ),
        (|it| it.guest.measurement = OTHER.into(), "aci-measurement"),
        (
            |it| it.reference.flaw = Some(UvmFlaw::ForeignKey),
            "aci-signature",
        ),
    ];
    each_refusal(
        &aci_world(),
        &GroupSpec::new(&TestWorld::containers()),
        |world, group, attempt| world.aci_of(group, attempt),
        &refusals,
    );
}
