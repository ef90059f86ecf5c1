//! Entries for every TEE, tokens and clusters: read as they are written, and bent in one thing at a time.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    clippy::too_many_lines,
    reason = "test code: a panic is a failure, and a table may be long"
)]

use assert_matches::assert_matches;
use casque_appraise::{Scope, SignerDemand};
use casque_policy::{
    AciRule, AllowAllRule, AttestationKeyRule, AzureVmTeeRule, ClaimConstant, ClaimDemand, Fill,
    Fills, MigrationRule, Mode, Policy, SecureBootRule, Severity, SmtRule, TdxFloor, TeeRule,
    policy_hash,
};
use casque_types::{Digest, Seconds, Secret, SnpProduct};

mod bending;

use bending::{Bend, bend, expect_all, found_in};

const BASE: &str = include_str!("tees.yaml");

fn base() -> Policy {
    let parsed = Policy::parse(BASE).unwrap();
    let warned: Vec<&str> = parsed.warnings.iter().map(|found| found.code).collect();
    assert_eq!(warned, DANGERS);
    parsed.policy
}

const FLOOR_LINE: &str = "        tee_tcb_svn_min: 0501060000000000000000000000002a\n";

/// What the base is warned of: it has every key, the dangerous ones too.
const DANGERS: [&str; 2] = ["dangerous-allow-migration", "dangerous-allow-all-policy"];

/// The harmless base with the attestation service alone, whose tokens prove no certificate of a TPM's key.
fn by_maa_alone() -> String {
    harmless()
        .replace("    require: [maa, evidence]\n", "")
        .replace("        attestation_key: certified\n", "")
}

/// The base without what is dangerous.
fn harmless() -> String {
    let digest = "42".repeat(32);
    BASE.replace("          dangerous_allow_migration: true\n", "")
        .replace(
            "dangerous_allow_all_policy: true",
            &format!("policy_digest: {digest}"),
        )
}

/// The entries of a service, as its text states them.
fn tees<'p>(policy: &'p Policy, service: &str) -> Vec<&'p TeeRule> {
    let service = policy.service(&service.parse().unwrap()).unwrap();
    let entries = service.attestation.stated().unwrap().iter();
    entries.filter_map(|entry| entry.tee.as_ref()).collect()
}

fn filled<const N: usize>(byte: u8) -> Digest<N> {
    Digest::from([byte; N])
}

#[test]
fn security_says_that_both_judge() {
    let policy = base();
    let Mode::Both(demands) = &policy.security.stated().unwrap().mode else {
        panic!("{:?}", policy.security);
    };
    assert_eq!(demands.max_age, Seconds(300));
    assert_eq!(demands.signer, SignerDemand::InTee);
}

#[test]
fn snp_is_read_key_by_key() {
    let policy = base();
    let tees = tees(&policy, "guest");
    let [TeeRule::Snp(snp)] = tees.as_slice() else {
        panic!("{tees:?}");
    };
    assert_eq!(snp.measurements, [filled(0x11), filled(0x12)]);
    assert_eq!(snp.host_data, [filled(0x13)]);
    assert_eq!(snp.id_key_digests, [filled(0x14)]);
    assert_eq!(snp.author_key_digests, [filled(0x15)]);
    assert_eq!(snp.family_ids, [filled(0x16)]);
    assert_eq!(snp.image_ids, [filled(0x17)]);
    assert_eq!((snp.least_guest_svn, snp.vmpl), (3, 1));
    assert_eq!(snp.migration, MigrationRule::DangerousAllowed);
    assert_eq!(snp.smt, SmtRule::Forbidden);
    let floors = &snp.tcb.as_ref().unwrap().0;
    let told = floors.iter().map(|(product, floor)| {
        let parts = [
            floor.fmc,
            floor.bootloader,
            floor.tee,
            floor.snp,
            floor.microcode,
        ];
        (*product, parts)
    });
    let expected = [
        (SnpProduct::Milan, [0, 3, 0, 8, 115]),
        (SnpProduct::Genoa, [0, 10, 0, 23, 84]),
        (SnpProduct::Turin, [1, 1, 1, 4, 81]),
    ];
    assert_eq!(told.collect::<Vec<_>>(), expected);
    let service = policy.service(&"guest".parse().unwrap()).unwrap();
    let account = &service.attestation.stated().unwrap()[0].kubernetes;
    let account = account.as_ref().unwrap();
    assert_eq!(
        account.demand.issuer.as_str(),
        "https://oidc.example/cluster/"
    );
    assert_eq!(account.demand.audience, "casque-shop");
    assert_eq!(
        (account.namespace.as_str(), account.service_account.as_str()),
        ("shop", "web.front")
    );
}

#[test]
fn tdx_and_conditions_on_a_token_are_read_key_by_key() {
    let policy = base();
    let tees = tees(&policy, "domain");
    let [TeeRule::Tdx(tdx)] = tees.as_slice() else {
        panic!("{tees:?}");
    };
    assert_eq!(tdx.mr_td, [filled(0x21)]);
    let registers = [0x22, 0x23, 0x24, 0x25].map(|byte| vec![filled(byte)]);
    assert_eq!(tdx.rtmr, registers);
    assert_eq!(tdx.mr_config_id, [filled(0x26)]);
    assert_eq!(tdx.mr_owner, [filled(0x27)]);
    assert_eq!(tdx.mr_owner_config, [filled(0x28)]);
    assert_eq!(tdx.mr_seam, [filled(0x29)]);
    assert_eq!(tdx.mr_signer_seam, [filled(0)]);
    let versions = [5, 1, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x2a];
    assert_eq!(tdx.floor, Some(TdxFloor(Digest::from(versions))));
    let service = policy.service(&"domain".parse().unwrap()).unwrap();
    let entry = &service.attestation.stated().unwrap()[0];
    let maa = entry.maa.as_ref().unwrap();
    assert_eq!(maa.policy_hashes, ["hashhash"]);
    let text = |text: &str| ClaimConstant::Text(text.to_owned());
    let number = ClaimConstant::Number;
    let expected = [
        (
            "x-ms-compliance-status",
            ClaimDemand::AnyOf(vec![text("azure-compliant-cvm")]),
        ),
        ("digits", ClaimDemand::AnyOf(vec![text("10")])),
        (
            "x-ms-isolation-tee.svn",
            ClaimDemand::AnyOf(vec![number(9), number(10)]),
        ),
        (
            "secureboot",
            ClaimDemand::AnyOf(vec![ClaimConstant::Flag(true)]),
        ),
        ("x-ms-ver-minor", ClaimDemand::AtLeast(2)),
    ];
    let read = maa.claims.iter();
    let read: Vec<_> = read.map(|c| (c.name.as_str(), c.demand.clone())).collect();
    assert_eq!(read, expected);
    let account = entry.kubernetes.as_ref().unwrap();
    assert_eq!(account.demand.audience, "casque");
}

#[test]
fn azure_vm_is_read_key_by_key() {
    let policy = base();
    let machines = [tees(&policy, "machine"), tees(&policy, "other-machine")];
    let [[TeeRule::AzureVm(snp)], [TeeRule::AzureVm(tdx)]] = machines.each_ref().map(Vec::as_slice)
    else {
        panic!("{machines:?}");
    };
    let pcrs = [
        (4, vec![filled(0x31)]),
        (7, vec![filled(0x32), filled(0x33)]),
    ];
    assert_eq!(snp.pcrs, pcrs.into());
    assert_eq!(snp.secure_boot, SecureBootRule::On);
    assert_eq!(snp.vm_unique_ids, ["4F2A0000-0000"]);
    assert_eq!(snp.attestation_key, AttestationKeyRule::Certified);
    assert_matches!(&snp.tee, AzureVmTeeRule::Snp(snp) if snp.id_key_digests == [filled(0x34)]);
    assert_eq!(tdx.secure_boot, SecureBootRule::Off);
    assert_eq!(tdx.attestation_key, AttestationKeyRule::Reported);
    assert_matches!(&tdx.tee, AzureVmTeeRule::Tdx(tdx) if tdx.mr_td == [filled(0x35)]);
}

#[test]
fn aci_is_read_key_by_key() {
    let policy = base();
    let groups = tees(&policy, "group");
    let [TeeRule::Aci(named), TeeRule::Aci(any)] = groups.as_slice() else {
        panic!("{groups:?}");
    };
    assert_eq!(named.policy_digests, [filled(0x41)]);
    assert_eq!(named.feeds, ["ContainerPlat-AMD-UVM", "ConfAKS-AMD-UVM"]);
    assert_eq!(
        named.issuers,
        ["did:x509:0:sha256:abc::eku:1.3.6.1.4.1.311.76.59.1.2"]
    );
    assert_eq!(
        (named.least_svn, named.allow_all),
        (22, AllowAllRule::Forbidden)
    );
    assert_eq!(any.allow_all, AllowAllRule::DangerousAllowed);
    assert_eq!(any.feeds, [AciRule::FEED]);
    assert_eq!((any.policy_digests.len(), any.issuers.len()), (0, 0));
}

#[test]
fn scopes_are_those_of_the_entries() {
    let policy = base();
    let scopes = |policy: &Policy, service: &str| {
        let service = policy.service(&service.parse().unwrap()).unwrap();
        let scopes = policy.scopes(service).into_iter();
        scopes
            .map(|s| (s.index, s.scope, s.has_service_account))
            .collect::<Vec<_>>()
    };
    assert_eq!(scopes(&policy, "guest"), [(0, Scope::Vm, true)]);
    assert_eq!(scopes(&policy, "machine"), [(0, Scope::Vm, false)]);
    assert_eq!(
        scopes(&policy, "group"),
        [(0, Scope::Pod, false), (1, Scope::Pod, false)]
    );
    let measured = "ab".repeat(32);
    let sgx = |mode: &str| {
        format!(
            "name: a\nversion: '0.3'\nsecurity: {{attestation: {{mode: {mode}}}}}\nservices: [{{name: web, mrenclaves: ['{measured}']}}]\n"
        )
    };
    let policy = Policy::parse(&sgx("hardware")).unwrap().policy;
    assert_eq!(scopes(&policy, "web"), [(0, Scope::Process, false)]);
    let policy = Policy::parse(&sgx("none")).unwrap().policy;
    assert_eq!(scopes(&policy, "web"), [(0, Scope::Nothing, false)]);
}

#[test]
fn hash_counts_the_entries_as_any_other_key() {
    let hash = |text: &str| policy_hash(&Policy::parse(text).unwrap().policy, None);
    let quoted = BASE.replace("guest_svn_min: 3", "guest_svn_min: '3'");
    assert_eq!(hash(BASE), hash(&quoted));
    for (from, to) in [
        ("guest_svn_min: 3", "guest_svn_min: 4"),
        ("max_token_age_s: 300", "max_token_age_s: 301"),
        ("namespace: shop", "namespace: other"),
        ("tee_tcb_svn_min: 05", "tee_tcb_svn_min: 04"),
        (FLOOR_LINE, ""),
    ] {
        assert_ne!(hash(BASE), hash(&BASE.replacen(from, to, 1)), "{to}");
    }
}

fn bends() -> Vec<Bend> {
    let m = "measurement: [111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111, 121212121212121212121212121212121212121212121212121212121212121212121212121212121212121212121212]";
    let mut bends = security_bends();
    bends.extend([
        // one kind of TEE, and something that counts
        bend("- snp:", "- mrenclave: abc\n        snp:", "snp:", "exclusive-keys"),
        bend("- snp:", "- tdx: {mrtd: 00}\n        snp:", "tdx", "exclusive-keys"),
        bend("- snp:", "- {}\n      - snp:", "{}", "attestation-empty"),
        bend("- snp:", "- {kubernetes: {}}\n      - snp:", "{kub", "attestation-empty"),
        bend("- snp:", "- {snp: {}}\n      - snp:", "{}", "nothing-pinned"),
        bend("- snp:", "- {snp: {vmpl: 0}}\n      - snp:", "{vmpl", "nothing-pinned"),
        bend("- snp:", "- {snp: x}\n      - snp:", "x}", "wrong-type"),
        bend("- snp:", "- {tdx: {}}\n      - snp:", "{}", "nothing-pinned"),
        bend("- snp:", "- {tdx: {mrseam: 00}}\n      - snp:", "{mrseam", "nothing-pinned"),
        bend("- snp:", "- {azure_vm: {snp: {}}}\n      - snp:", "{snp: {}", "nothing-pinned"),
        bend("- snp:", "- {maa: {}}\n      - snp:", "{}", "attestation-empty"),
        // snp
        bend(m, "measurement: []", "[]", "empty-list"),
        bend(m, "measurement: [11]", "11]", "bad-hash"),
        bend(m, "measurment: 11", "measurment", "unknown-key"),
        bend("host_data: 13", "host_data: x3", "x3", "bad-hash"),
        bend("id_key_digest: 14", "id_key_digest: 1", "1", "bad-hash"),
        bend("author_key_digest: 15", "author_key_digest: 1", "1", "bad-hash"),
        bend("family_id: 16", "family_id: 1", "1", "bad-hash"),
        bend("image_id: 17", "image_id: 1", "1", "bad-hash"),
        bend("guest_svn_min: 3", "guest_svn_min: 4294967296", "4294967296", "bad-number"),
        bend("vmpl: 1", "vmpl: 4", "4", "bad-number"),
        bend("vmpl: 1", "vmpl: [1]", "[1]", "wrong-type"),
        bend("dangerous_allow_migration: true", "dangerous_allow_migration: yes", "yes", "bad-word"),
        bend("smt: forbidden", "smt: no", "no", "bad-word"),
        bend("tee: 0, snp: 8", "tee: 256, snp: 8", "256", "bad-number"),
        bend("{bootloader: 3, tee: 0, snp: 8, microcode: 115}", "{}", "{}", "missing-key"),
        bend("milan: {bootloader: 3,", "milan: {fmc: 3,", "fmc", "unknown-key"),
        bend("milan: {bootloader: 3,", "rome: {bootloader: 3,", "rome", "unknown-key"),
        bend("tcb: {milan: {snp: 1}}", "tcb: {}", "{}", "missing-key"),
        bend("          tcb: {milan: {snp: 1}}\n", "", "<id_key", "no-tcb-floor"),
        // kubernetes
        bend("issuer: https://oidc.example/cluster/", "issuer: http://oidc.example", "http:", "bad-issuer"),
        bend("issuer: https://oidc.example/cluster/", "issuer: https://oidc.example/?a", "https:", "bad-issuer"),
        bend("issuer: https://oidc.example/cluster/", "issuer: https://a@oidc.example/", "https:", "bad-issuer"),
        bend("issuer: https://oidc.example/cluster/", "issuer: https:///x", "https:", "bad-issuer"),
        bend("issuer: https://oidc.example/cluster/\n", "issuer: ~\n", "issuer", "missing-key"),
        bend("namespace: shop", "namespace: Shop", "Shop", "bad-name"),
        bend("namespace: shop", "namespace: a.b", "a.b", "bad-name"),
        bend("namespace: shop", "namespace: -a", "-a", "bad-name"),
        bend("service_account: web.front", "service_account: web..front", "web..", "bad-name"),
        bend("service_account: web.front", "account: web", "account", "unknown-key"),
        bend("audience: casque-shop", "audience: ''", "''", "empty-text"),
        // tdx
        bend("mrtd: 21", "mrtd: 2", "2", "bad-hash"),
        bend("rtmr0: 22", "rtmr4: 22", "rtmr4", "unknown-key"),
        bend("rtmr2: [24", "rtmr2: [{a: b}, 24", "{a", "wrong-type"),
        bend("mrsignerseam: 00", "mrsignerseam: 0", "0", "bad-hash"),
        bend("tee_tcb_svn_min: 0501", "tee_tcb_svn_min: 501", "501", "bad-hash"),
        bend("tee_tcb_svn_min: 0501", "tee_tcb_svn_min: x501", "x501", "bad-hash"),
        bend("tee_tcb_svn_min: 0501", "tee_tcb_svn: 0501", "tee_tcb_svn", "unknown-key"),
        bend("tee_tcb_svn_min: 0501060000000000000000000000002a", "tee_tcb_svn_min: [0501060000000000000000000000002a]", "[05", "wrong-type"),
        bend("- snp:", "- {tdx: {tee_tcb_svn_min: 0501060000000000000000000000002a}}\n      - snp:", "{tee", "nothing-pinned"),
        // maa
        bend("policy_hash: hashhash", "policy_hash: []", "[]", "empty-list"),
        bend("policy_hash: hashhash", "policy_hash: ''", "''", "empty-text"),
        bend("equals: azure-compliant-cvm", "equls: x", "equls", "unknown-key"),
        bend("equals: azure-compliant-cvm", "equals: ~", "<name", "missing-key"),
        bend("equals: azure-compliant-cvm", "equals: x\n            at_least: 3", "at_least", "exclusive-keys"),
        bend("equals: azure-compliant-cvm", "equals: [x]", "[x]", "wrong-type"),
        bend("equals: {text: \"10\"}", "equals: {number: 10}", "number", "unknown-key"),
        bend("equals: {text: \"10\"}", "equals: {}", "{}", "missing-key"),
        bend("any_of: [9, 10]", "any_of: []", "[]", "empty-list"),
        bend("at_least: 2", "at_least: -2", "-2", "bad-number"),
        bend("{name: secureboot, equals: true}", "{equals: true}", "{equals", "missing-key"),
        // azure_vm
        bend("\"4\": 3131", "\"24\": 3131", "\"24\"", "bad-number"),
        bend("\"4\": 3131", "\"04\": 3131", "\"04\"", "bad-number"),
        bend("\"4\": 3131", "\"4\": 3", "3", "bad-hash"),
        bend("pcrs: {\"4\"", "pcrs: []\n        x: {\"4\"", "[]", "wrong-type"),
        bend("secure_boot: true", "secure_boot: on", "on", "bad-word"),
        bend("vm_unique_id: 4F2A0000-0000", "vm_unique_id: ''", "''", "empty-text"),
        bend("attestation_key: certified", "attestation_key: certificate", "certificate", "bad-word"),
        bend("attestation_key: certified", "attestation_key: certified\n        tdx: {}", "tdx", "exclusive-keys"),
        bend("        tdx:\n          mrtd: 35", "        x-tdx:\n          mrtd: 35", "<secure_boot", "missing-key"),
        // aci
        bend("policy_digest: 41", "policy_digest: 4", "4", "bad-hash"),
        bend("policy_digest: 41", "policy: 41", "policy", "missing-key"),
        bend("issuer: did:x509:0", "issuer: https:", "https:", "bad-issuer"),
        bend("svn_min: 22", "svn_min: a", "a", "bad-number"),
        bend("          svn_min: 22\n", "", "<policy_digest", "no-uvm-floor"),
        bend("          tcb: {milan: {snp: 2}}\n", "", "<policy_digest", "no-tcb-floor"),
        bend("dangerous_allow_all_policy: true", "dangerous_allow_all_policy: false", "dangerous", "missing-key"),
        // scopes
        bend("    one_time_password_shared_secret: JBSWY3DPEHPK3PXPJBSWY3DPEH\n    attestation:\n      azure_vm:", "    attestation:\n      azure_vm:", "azure_vm", "vm-scope-alone"),
        bend("      kubernetes: {issuer: 'https://oidc.example', namespace: shop, service_account: web}\n", "", "<tdx", "vm-scope-alone"),
    ]);
    bends
}

fn security_bends() -> Vec<Bend> {
    let require = "require: [maa, evidence]";
    vec![
        bend(require, "require: []", "[]", "empty-list"),
        bend(require, "require: [maa, quote]", "quote", "bad-word"),
        bend(
            require,
            "require: evidence",
            "evidence",
            "require-contradicts",
        ),
        bend("mode: maa", "mode: hardware", "[maa", "require-contradicts"),
        bend("mode: maa", "mode: none", "[maa", "require-contradicts"),
        bend(
            "max_token_age_s: 300",
            "max_token_age_s: 0",
            "0",
            "bad-number",
        ),
        bend(
            "max_token_age_s: 300",
            "max_token_age_s: 28801",
            "28801",
            "bad-number",
        ),
        bend(
            "require_tee_signer: true",
            "require_tee_signer: yes",
            "yes",
            "bad-word",
        ),
        bend(
            "[outdated-tcb]",
            "[maa-managed-tcb]",
            "maa-",
            "toleration-unused",
        ),
        bend(
            "mode: maa\n    require: [maa, evidence]",
            "mode: maa\n    mode2: x",
            "mode2",
            "unknown-key",
        ),
        bend(require, "tolerated: x", "tolerated", "unknown-key"),
        bend(
            "url: https://sharedweu.weu.attest.azure.net\n",
            "url: ~\n",
            "<mode",
            "missing-key",
        ),
        bend(
            "    mode: maa\n    require: [maa, evidence]\n",
            "    mode: hardware\n",
            "max_token_age_s",
            "key-not-for-mode",
        ),
        bend(
            "    mode: maa\n    require: [maa, evidence]\n",
            "    mode: hardware\n",
            "require_tee_signer",
            "key-not-for-mode",
        ),
        // Conditions on a token that nobody brings.
        bend(
            "    mode: maa\n    require: [maa, evidence]\n",
            "",
            "policy_hash",
            "key-not-for-mode",
        ),
    ]
}

#[test]
fn attestation_bent_is_found() {
    expect_all(BASE, &bends());
}

fn codes_of(text: &str) -> Vec<&'static str> {
    found_in(text).iter().map(|found| found.code).collect()
}

#[test]
fn require_alone_says_who_judges() {
    let with = |mode: &str| {
        let text = BASE
            .replace("        attestation_key: certified\n", "")
            .replace("    mode: maa\n    require: [maa, evidence]\n", mode);
        let policy = Policy::parse(&text).unwrap().policy;
        policy.security.stated().unwrap().mode.clone()
    };
    assert_matches!(with("    require: [evidence, maa]\n"), Mode::Both(_));
    assert_matches!(with("    require: maa\n"), Mode::Maa(_));
    assert_matches!(with("    mode: maa\n    require: [maa]\n"), Mode::Maa(_));
    assert_matches!(with("    mode: maa\n"), Mode::Maa(_));
    let plain = "name: a\nversion: '0.3'\nsecurity: {attestation: {require: evidence}}\n";
    let policy = Policy::parse(plain).unwrap().policy;
    assert_eq!(policy.security.stated().unwrap().mode, Mode::Hardware);
}

/// Only entries that SGX may satisfy need `maa-managed-tcb` with `mode: maa`.
#[test]
fn maa_managed_tcb_is_needed_for_sgx_alone() {
    let text = by_maa_alone();
    assert_eq!(codes_of(&text), [""; 0]);
    for entry in [
        format!("{{mrenclave: {}}}", "ab".repeat(32)),
        "{maa: {policy_hash: x}, kubernetes: {issuer: 'https://a', namespace: a, service_account: b}}".to_owned(),
    ] {
        let text = format!("{text}      - {entry}\n");
        assert_eq!(codes_of(&text), ["maa-managed-tcb-missing"]);
        let tolerated = text.replace("[outdated-tcb]", "[maa-managed-tcb]");
        assert_eq!(codes_of(&tolerated), [""; 0]);
    }
}

/// The lint of spec/evidence.md section 5; and words that do nothing beside `maa-managed-tcb`.
#[test]
fn tolerations_beside_maa_managed_tcb_are_warned_of() {
    let text = by_maa_alone();
    let with = |words: &str| codes_of(&text.replace("[outdated-tcb]", words));
    assert_eq!(
        with("[maa-managed-tcb, outdated-tcb]"),
        ["tolerations-overlap"]
    );
    assert_eq!(
        with("[maa-managed-tcb, hyperthreading]"),
        ["toleration-unused"]
    );
    assert_eq!(with("[maa-managed-tcb, debug-mode]"), [""; 0]);
    assert_eq!(with("[software-hardening-needed]"), [""; 0]);
}

#[test]
fn dangerous_words_of_entries_are_warned_of_where_they_stand() {
    let found = found_in(BASE);
    let told: Vec<_> = found.iter().map(|f| (f.code, f.severity)).collect();
    let [migration, allow_all] = DANGERS;
    assert_eq!(
        told,
        [
            (migration, Severity::Warning),
            (allow_all, Severity::Warning)
        ]
    );
    for (found, key) in found.iter().zip([
        "dangerous_allow_migration: true",
        "dangerous_allow_all_policy: true",
    ]) {
        let line = BASE.lines().nth(found.position.line - 1).unwrap();
        let at = line.chars().skip(found.position.column - 1);
        assert_eq!(at.collect::<String>(), key);
        assert!(found.hint.is_some(), "{key} has a mend");
    }
    // Without a digest the entry takes every group; with one, the group of that digest.
    assert!(found[1].message.contains("without `policy_digest`"));
    let digest = "42".repeat(32);
    let listed = BASE.replace("svn_min: 23", &format!("policy_digest: {digest}"));
    let found = found_in(&listed);
    let allow_all = found.iter().find(|found| found.code == allow_all).unwrap();
    assert!(allow_all.message.contains("if its digest is listed"));
    // Off is no danger.
    assert_eq!(codes_of(&harmless()), [""; 0]);
    let off = "guest_svn_min: 3\n          dangerous_allow_migration: false";
    let off = harmless().replace("guest_svn_min: 3", off);
    assert_eq!(codes_of(&off), [""; 0]);
}

#[test]
fn migration_below_a_paravisor_is_warned_of_too() {
    let below = "tcb: {milan: {snp: 1}}\n          dangerous_allow_migration: true";
    let text = harmless().replacen("tcb: {milan: {snp: 1}}", below, 1);
    assert_eq!(codes_of(&text), ["dangerous-allow-migration"]);
}

#[test]
fn machine_alone_is_warned_of_unless_a_second_factor_tells_its_pods_apart() {
    let digest = "ab".repeat(48);
    let text = |security: &str, service: &str| {
        format!(
            "name: a\nversion: '0.3'\nsecurity: {{{security}}}\nservices:\n- name: web\n  {service}\n  attestation: {{tdx: {{mrtd: {digest}}}}}\n"
        )
    };
    let seed = "one_time_password_shared_secret: JBSWY3DPEHPK3PXPJBSWY3DPEH";
    assert_eq!(codes_of(&text("", "")), ["vm-scope-alone"]);
    assert_eq!(codes_of(&text("", seed)), [""; 0]);
    assert_eq!(codes_of(&text("service_access_token: x", "")), [""; 0]);
    let of_policy = format!("attestation: {{{seed}}}");
    assert_eq!(codes_of(&text(&of_policy, "")), [""; 0]);
    let none = codes_of(&text("attestation: {mode: none}", ""));
    assert_eq!(none, ["dangerous-mode-none"]);
}

/// Without the attestation service nobody else vouches for the paravisor, and with it for the TPM's registers.
#[test]
fn azure_vm_is_pinned_by_a_register_alone_only_where_a_token_vouches_for_the_paravisor() {
    let digest = "ab".repeat(32);
    let with = |security: &str, vm: &str| {
        let seed = "one_time_password_shared_secret: JBSWY3DPEHPK3PXPJBSWY3DPEH";
        format!(
            "name: a\nversion: '0.3'\nsecurity: {{attestation: {{{security}}}}}\nservices:\n- name: web\n  {seed}\n  attestation: {{azure_vm: {vm}}}\n"
        )
    };
    let both = "require: [maa, evidence], url: 'https://sharedweu.weu.attest.azure.net'";
    let text = |vm: &str| with(both, vm);
    let pcr = format!("{{pcrs: {{\"15\": {digest}}}, tdx: {{}}}}");
    assert_eq!(codes_of(&text(&pcr)), [""; 0]);
    assert_eq!(codes_of(&with("mode: hardware", &pcr)), ["nothing-pinned"]);
    let pinned = format!("{digest}{}", "ab".repeat(16));
    for tee in [
        format!("tdx: {{mrtd: {pinned}}}"),
        format!("snp: {{measurement: {pinned}, tcb: {{milan: {{snp: 1}}}}}}"),
        format!("snp: {{id_key_digest: {pinned}, tcb: {{milan: {{snp: 1}}}}}}"),
    ] {
        let vm = format!("{{pcrs: {{\"15\": {digest}}}, {tee}}}");
        assert_eq!(codes_of(&with("mode: hardware", &vm)), [""; 0], "{vm}");
    }
    for vm in [
        "{tdx: {}}".to_owned(),
        format!("{{tdx: {{mrseam: {digest}{}}}}}", "ab".repeat(16)),
        "{vm_unique_id: x, tdx: {}}".to_owned(),
    ] {
        assert_eq!(codes_of(&text(&vm)), ["nothing-pinned"], "{vm}");
    }
    assert_eq!(codes_of(&text("{pcrs: {}, tdx: {}}")), ["empty-list"]);
}

/// A token says nothing of a certificate of the TPM's key, also where it comes beside evidence.
#[test]
fn azure_vm_with_a_certified_key_is_refused_where_only_the_attestation_service_judges() {
    let maa_alone = harmless().replace("    require: [maa, evidence]\n", "");
    let found = found_in(&maa_alone);
    let [found] = found.as_slice() else {
        panic!("{found:#?}");
    };
    assert_eq!(
        (found.code, found.severity),
        ("key-not-for-mode", Severity::Error)
    );
    let line = maa_alone.lines().nth(found.position.line - 1);
    assert_eq!(line, Some("      azure_vm:"));
    let mends = "have Casque verify it, by `require: [maa, evidence]` or `mode: hardware`; or leave `attestation_key` out";
    assert_eq!(found.hint.as_deref(), Some(mends));
    // Each of the mends is one.
    assert_eq!(codes_of(&harmless()), [""; 0]);
    assert_eq!(codes_of(&by_maa_alone()), [""; 0]);
    let reported = maa_alone.replace("attestation_key: certified", "attestation_key: reported");
    assert_eq!(codes_of(&reported), [""; 0]);
    let (digest, vm) = (
        "ab".repeat(48),
        "attestation_key: certified, vm_unique_id: x",
    );
    let hardware = format!(
        "name: a\nversion: '0.3'\nservices:\n- name: web\n  one_time_password_shared_secret: JBSWY3DPEHPK3PXPJBSWY3DPEH\n  attestation: {{azure_vm: {{{vm}, tdx: {{mrtd: {digest}}}}}}}\n"
    );
    assert_eq!(codes_of(&hardware), [""; 0]);
}

#[test]
fn azure_vm_that_any_machine_of_azure_is_is_warned_of() {
    let (short, long) = ("ab".repeat(32), "ab".repeat(48));
    let with = |more: &str, beside: &str| {
        codes_of(&format!(
            "name: a\nversion: '0.3'\nservices:\n- name: web\n  attestation: {{azure_vm: {{{more}tdx: {{mrtd: {long}}}}}{beside}}}\n"
        ))
    };
    assert_eq!(with("", ""), ["vm-scope-alone", "any-azure-vm"]);
    let booted = with("secure_boot: true, attestation_key: certified, ", "");
    assert_eq!(booted, ["vm-scope-alone", "any-azure-vm"]);
    let register = format!("pcrs: {{\"4\": {short}}}, ");
    assert_eq!(with(&register, ""), ["vm-scope-alone"]);
    assert_eq!(with("vm_unique_id: 4F2A, ", ""), ["vm-scope-alone"]);
    let account =
        ", kubernetes: {issuer: 'https://oidc.example', namespace: a, service_account: b}";
    assert_eq!(with("", account), [""; 0]);
}

/// What the host says at launch, and what software in a domain extends, whoever launches his own guest can have too.
#[test]
fn snp_and_tdx_are_pinned_by_what_is_measured_and_by_the_rest_only_beside_claims_of_a_token() {
    let (short, long) = ("ab".repeat(32), "ab".repeat(48));
    let with = |security: &str, entry: &str| {
        let seed = "one_time_password_shared_secret: JBSWY3DPEHPK3PXPJBSWY3DPEH";
        codes_of(&format!(
            "name: a\nversion: '0.3'\nsecurity: {{attestation: {{{security}}}}}\nservices:\n- name: web\n  {seed}\n  attestation: {{{entry}}}\n"
        ))
    };
    let both = "require: [maa, evidence], url: 'https://sharedweu.weu.attest.azure.net'";
    let snp = |pin: &str| format!("snp: {{{pin}, tcb: {{milan: {{snp: 1}}}}}}");
    for pinned in [
        snp(&format!("measurement: {long}")),
        snp(&format!("id_key_digest: {long}")),
        format!("tdx: {{mrtd: {long}}}"),
    ] {
        assert_eq!(with("mode: hardware", &pinned), [""; 0], "{pinned}");
    }
    let mut loose = vec![snp(&format!("host_data: {short}"))];
    for key in ["rtmr0", "rtmr3", "mrconfigid", "mrowner", "mrownerconfig"] {
        loose.push(format!("tdx: {{{key}: {long}}}"));
    }
    for entry in loose {
        assert_eq!(
            with("mode: hardware", &entry),
            ["nothing-pinned"],
            "{entry}"
        );
        assert_eq!(with(both, &entry), ["nothing-pinned"], "{entry}");
        let vouched = format!(
            "{entry}, maa: {{claims: [{{name: x-ms-compliance-status, equals: azure-signed-katacc-uvm}}]}}"
        );
        assert_eq!(with(both, &vouched), [""; 0], "{vouched}");
    }
}

// ---- what secrets say ----

const OPEN: &str = "name: ns/app
version: '0.3'
services:
  - name: web
    one_time_password_shared_secret: JBSWY3DPEHPK3PXPJBSWY3DPEH
    attestation: ENTRY
secrets:
  - {name: a, kind: ascii, import: {session: other, secret: a}}
";

/// An entry with one secret, closed over what it says.
fn closed(entry: &str, says: Option<&str>) -> Result<TeeRule, Vec<&'static str>> {
    let text = OPEN.replace("ENTRY", entry);
    let policy = Policy::parse(&text)
        .map_err(|found| panic!("{found:#?}"))
        .unwrap()
        .policy;
    let clause = &policy.services[0].attestation;
    let fill = match says {
        Some(says) => Fill::Text(Secret::new(says.as_bytes().to_vec())),
        None => Fill::Unreadable,
    };
    let mut fills = Fills::default();
    fills.insert(&clause.asks()[0], fill);
    match clause.close(&fills) {
        Ok(entries) => Ok(entries[0].tee.clone().unwrap()),
        Err(error) => Err(error.found.iter().map(|found| found.code).collect()),
    }
}

#[test]
fn placeholders_stand_for_digests_numbers_and_words() {
    let digest = "ab".repeat(48);
    for (entry, says) in [
        (
            "{snp: {measurement: $$SCONE::a$$, tcb: {milan: {snp: 1}}}}",
            digest.as_str(),
        ),
        (
            "{snp: {measurement: [$$SCONE::a$$], tcb: {milan: {snp: 1}}}}",
            &digest,
        ),
        ("{tdx: {mrtd: $$SCONE::a$$}}", &digest),
        (
            "{azure_vm: {pcrs: {\"7\": $$SCONE::a$$}, tdx: {}}}",
            &digest[..64],
        ),
        (
            "{aci: {policy_digest: $$SCONE::a$$, svn_min: 1, tcb: {milan: {snp: 1}}}}",
            &digest[..64],
        ),
        (
            "{aci: {policy_digest: 00, svn_min: 1, tcb: {milan: {snp: $$SCONE::a$$}}}}"
                .replace("00", &digest[..64])
                .leak(),
            "7",
        ),
    ] {
        assert_matches!(closed(entry, Some(says)), Ok(_), "{entry}");
        let misfit = closed(entry, Some("xyz")).unwrap_err();
        assert!(
            misfit == ["bad-hash"] || misfit == ["bad-number"],
            "{misfit:?}"
        );
        // What cannot be had demands nothing less.
        let misfit = closed(entry, None).unwrap_err();
        assert!(
            misfit.contains(&"fragment-misfit") || misfit.contains(&"empty-list"),
            "{misfit:?}"
        );
    }
    let secret_name = closed(
        "{snp: {measurement: $$SCONE::a$$, vmpl: 0, tcb: {milan: {snp: 1}}}}",
        Some(&digest),
    );
    assert_matches!(secret_name, Ok(TeeRule::Snp(snp)) if snp.measurements == [filled(0xab)]);
}
