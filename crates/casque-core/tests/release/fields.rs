//! Every key of an entry, bent in what the TEE then signs: a policy states all of them and is granted, then one differs
//! at a time and is denied for exactly that reason; what no policy may tolerate is refused by its own code.

mod azure;

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use casque_appraise::{Appraiser, Evidence, SgxQuote, TrustAnchors};
use casque_core::AttestError;
use casque_policy::{Fills, Policy, explain};
use casque_testkit::snp::{SnpSoftwarePlatform, SoftwareSnp};
use casque_testkit::{Attempt, TestWorld};
use casque_types::{Digest, SgxIdentity, SnpIdentity, SnpProduct, SnpTcb, TdxIdentity};

use crate::policies::assert_nothing_released;

/// What came of an attempt.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Granted,
    /// By these rules: code, and where in the policy.
    Denied(Vec<(String, String)>),
    /// Nothing was proved: the code.
    Refused(&'static str),
}

/// What is bent, and by which code it is denied: the end of the rule's path, the code.
type Bend<S> = (&'static str, fn(&mut S), &'static str);

/// What is bent, and by which code it is refused.
type Refusal<S> = (fn(&mut S), &'static str);

/// A world whose policy `fields` has one service `s` with one entry.
struct Fields {
    world: TestWorld,
    policy: Policy,
}

impl Deref for Fields {
    type Target = TestWorld;
    fn deref(&self) -> &TestWorld {
        &self.world
    }
}

impl DerefMut for Fields {
    fn deref_mut(&mut self) -> &mut TestWorld {
        &mut self.world
    }
}

impl Fields {
    fn new(world: TestWorld, entry: &str) -> Self {
        let text = format!(
            "name: fields\nversion: \"0.3.12\"\nsecurity:\n  attestation: {{mode: hardware}}\nservices:\n  - name: s\n    attestation: [{entry}]\n    command: serve\n"
        );
        if let Err(error) = world.try_put(&text) {
            panic!("{text}\n{error:?}");
        }
        let policy = Policy::parse(&text).unwrap().policy;
        Self { world, policy }
    }

    /// What the server answers.
    fn outcome(&self, make: impl FnOnce(&TestWorld, &Attempt) -> Evidence) -> Outcome {
        let attempt = self.attempt("fields/s");
        let evidence = make(self, &attempt);
        match self.send(&attempt, evidence) {
            Ok(released) => {
                assert_eq!(self.open(&attempt, &released).arguments.len(), 1);
                Outcome::Granted
            }
            Err(AttestError::Denied { denial, .. }) => {
                let told = denial.reasons.iter().map(|reason| {
                    let code = reason.code.as_str().to_owned();
                    (code, reason.path.clone())
                });
                Outcome::Denied(told.collect())
            }
            Err(other) => Outcome::Refused(other.code()),
        }
    }

    /// The same, judged by what is proved alone: the server looks at claims first, and most of what is denied it
    /// denies by them.
    fn proved(&self, make: impl FnOnce(&TestWorld, &Attempt) -> Evidence) -> Outcome {
        let anchors = TrustAnchors::vendors()
            .dangerous_with_sgx_root(self.tee.root_der().to_vec())
            .dangerous_with_amd(vec![self.snp.anchor()])
            .dangerous_with_azure_vtpm_root(self.vtpm.root_der().to_vec())
            .dangerous_with_uvm_issuers(vec![self.uvm.did()]);
        let evidence = make(self, &self.attempt("fields/s"));
        let id = evidence.endorsements_id().unwrap().unwrap();
        let endorsements = self.ports.endorsements.look_up(&id, TestWorld::BEGIN);
        let appraiser = Appraiser::new(anchors);
        let verdict = appraiser.verify(&evidence, &endorsements.unwrap(), TestWorld::BEGIN);
        let verdict = match verdict {
            Ok(verdict) => verdict,
            Err(refused) => return Outcome::Refused(refused.code()),
        };
        let service = &self.policy.services[0];
        let demands = self.policy.demands(service, &Fills::default()).unwrap();
        let decision = explain(&demands, &verdict, None);
        if decision.granted {
            return Outcome::Granted;
        }
        let failed = decision.rules.into_iter().filter_map(|rule| {
            let code = rule.code?.as_str().to_owned();
            Some((code, rule.path))
        });
        Outcome::Denied(failed.collect())
    }

    /// Denied by one rule, of this key and with this code: by the claims, and by what is proved.
    fn expect_denied(&self, told: (&str, &str), make: impl Fn(&TestWorld, &Attempt) -> Evidence) {
        assert_denied(&self.outcome(&make), told);
        match self.proved(&make) {
            Outcome::Refused(code) => {
                let (key, _) = told;
                assert!(UNPROVABLE.contains(&(key, code)), "{key}: {code}");
            }
            proved => assert_denied(&proved, told),
        }
    }
}

/// Keys whose bend is claimed by a TEE and proved by none: Intel's TCB information knows no such module.
const UNPROVABLE: [(&str, &str); 2] = [
    ("tdx.mrsignerseam", "quote-tdx-module-identity"),
    ("tdx.tee_tcb_svn_min[1]", "quote-tdx-module-not-listed"),
];

/// One rule failed, this one, at this place.
fn assert_denied(found: &Outcome, (key, code): (&str, &str)) {
    let Outcome::Denied(told) = found else {
        panic!("{key}: expected `{code}`, found {found:?}");
    };
    let [(found, path)] = told.as_slice() else {
        panic!("{key}: expected `{code}` alone, found {told:?}");
    };
    assert_eq!(found, code, "{key}");
    assert!(path.ends_with(key), "{key}: told of {path}");
}

/// Grants what is not bent in a world of its own, and nothing that is.
fn each_bend<S: Clone>(
    fields: impl Fn() -> Fields,
    good: &S,
    make: impl Fn(&TestWorld, &S, &Attempt) -> Evidence,
    bends: &[Bend<S>],
) {
    let make_good = |world: &TestWorld, attempt: &Attempt| make(world, good, attempt);
    assert_eq!(fields().outcome(make_good), Outcome::Granted);
    assert_eq!(fields().proved(make_good), Outcome::Granted);
    let fields = fields();
    for (key, bend, code) in bends {
        let mut bent = good.clone();
        bend(&mut bent);
        fields.expect_denied((key, code), |world, attempt| make(world, &bent, attempt));
    }
    assert_nothing_released(&fields);
}

/// The same for what is refused before any rule is asked.
fn each_refusal<S: Clone>(
    fields: &Fields,
    good: &S,
    make: impl Fn(&TestWorld, &S, &Attempt) -> Evidence,
    bends: &[Refusal<S>],
) {
    for (bend, code) in bends {
        let mut bent = good.clone();
        bend(&mut bent);
        let found = fields.outcome(|world, attempt| make(world, &bent, attempt));
        assert_eq!(found, Outcome::Refused(code));
    }
    assert_nothing_released(fields);
}

// ---- SGX ----

#[test]
fn each_key_of_an_enclave_is_denied_by_its_own_reason() {
    let mut enclave = TestWorld::program();
    (enclave.product_id, enclave.svn) = (7, 5);
    let entry = format!(
        "{{mrenclave: {}, signer: {{mrsigner: {}, isvprodid: 7, isvsvn_min: 4, isvsvn_max: 6}}}}",
        enclave.mr_enclave, enclave.mr_signer
    );
    let bends: [Bend<SgxIdentity>; 7] = [
        (
            "mrenclave",
            |it| it.mr_enclave = [0x66; 32].into(),
            "measurement-mismatch",
        ),
        (
            "signer.mrsigner",
            |it| it.mr_signer = [0x66; 32].into(),
            "signer-mismatch",
        ),
        (
            "signer.isvprodid",
            |it| it.product_id = 8,
            "product-mismatch",
        ),
        ("signer.isvsvn", |it| it.svn = 3, "svn-too-low"),
        ("signer.isvsvn", |it| it.svn = 7, "svn-too-high"),
        ("signer.isvsvn", |it| it.svn = u16::MAX, "svn-too-high"),
        ("tolerate", |it| it.debug = true, "debug-enclave"),
    ];
    let fields = || Fields::new(TestWorld::new(), &entry);
    each_bend(fields, &enclave, sgx_of, &bends);
}

#[test]
fn enclave_of_another_version_than_the_exact_one_is_denied() {
    let mut enclave = TestWorld::program();
    enclave.svn = 5;
    let entry = format!(
        "{{signer: {{mrsigner: {}, isvprodid: {}, isvsvn: 5}}}}",
        enclave.mr_signer, enclave.product_id
    );
    let bends: [Bend<SgxIdentity>; 2] = [
        ("signer.isvsvn", |it| it.svn = 4, "svn-too-low"),
        ("signer.isvsvn", |it| it.svn = 6, "svn-too-high"),
    ];
    let fields = || Fields::new(TestWorld::new(), &entry);
    each_bend(fields, &enclave, sgx_of, &bends);
}

fn sgx_of(world: &TestWorld, enclave: &SgxIdentity, attempt: &Attempt) -> Evidence {
    let report_data = attempt.runtime.report_data();
    let quote = world.tee.quote(enclave, report_data.as_bytes()).unwrap();
    Evidence::Sgx(SgxQuote::parse(&quote).unwrap())
}

// ---- SNP ----

/// A guest in which every key differs from its default.
fn guest() -> SnpIdentity {
    SnpIdentity {
        host_data: [0x40; 32].into(),
        author_key_digest: [0xA0; 48].into(),
        guest_svn: 3,
        vmpl: 1,
        smt_allowed: false,
        ..TestWorld::guest()
    }
}

/// The level of the platforms of these tests: no component at zero.
const LEVEL: SnpTcb = SnpTcb {
    fmc: None,
    bootloader: 4,
    tee: 2,
    snp: 24,
    microcode: 219,
};

fn platform(product: SnpProduct, tcb: SnpTcb) -> Arc<SoftwareSnp> {
    let platform = SnpSoftwarePlatform {
        tcb,
        ..SnpSoftwarePlatform::of(product)
    };
    Arc::new(SoftwareSnp::generate_platform(platform, TestWorld::BEGIN).unwrap())
}

fn milan_world(entry: &str) -> Fields {
    Fields::new(TestWorld::on(platform(SnpProduct::Milan, LEVEL)), entry)
}

/// All that an entry can say of [`guest`].
fn snp_keys() -> String {
    let of = guest();
    format!(
        "{{measurement: {}, host_data: {}, id_key_digest: {}, author_key_digest: {}, family_id: {}, image_id: {}, guest_svn_min: 3, vmpl: 1, smt: forbidden, tcb: {{milan: {FLOOR}}}}}",
        of.measurement,
        of.host_data,
        of.id_key_digest,
        of.author_key_digest,
        of.family_id,
        of.image_id
    )
}

/// [`LEVEL`].
const FLOOR: &str = "{bootloader: 4, tee: 2, snp: 24, microcode: 219}";

const SNP_BENDS: [Bend<SnpIdentity>; 12] = [
    (
        "snp.measurement",
        |it| it.measurement = [0x66; 48].into(),
        "measurement-mismatch",
    ),
    (
        "snp.host_data",
        |it| it.host_data = [0x66; 32].into(),
        "snp-host-data-mismatch",
    ),
    (
        "snp.id_key_digest",
        |it| it.id_key_digest = [0; 48].into(),
        "snp-id-key-mismatch",
    ),
    (
        "snp.author_key_digest",
        |it| it.author_key_digest = [0; 48].into(),
        "snp-author-key-mismatch",
    ),
    (
        "snp.family_id",
        |it| it.family_id = [0x66; 16].into(),
        "snp-family-mismatch",
    ),
    (
        "snp.image_id",
        |it| it.image_id = [0x66; 16].into(),
        "snp-image-mismatch",
    ),
    (
        "snp.guest_svn_min",
        |it| it.guest_svn = 2,
        "guest-svn-too-low",
    ),
    ("snp.vmpl", |it| it.vmpl = 0, "vmpl-mismatch"),
    ("snp.vmpl", |it| it.vmpl = 3, "vmpl-mismatch"),
    (
        "snp.dangerous_allow_migration",
        |it| it.migration_allowed = true,
        "migration-allowed",
    ),
    ("snp.smt", |it| it.smt_allowed = true, "smt-allowed"),
    ("tolerate", |it| it.debug = true, "debug-enclave"),
];

#[test]
fn each_key_of_a_guest_of_snp_is_denied_by_its_own_reason() {
    let entry = format!("{{snp: {}}}", snp_keys());
    each_bend(
        || milan_world(&entry),
        &guest(),
        |world, guest, attempt| world.snp_of(guest, attempt),
        &SNP_BENDS,
    );
}

/// Platforms with one component below the floor, and the component.
fn lower(product: SnpProduct, level: SnpTcb) -> Vec<(&'static str, Arc<SoftwareSnp>)> {
    let mut levels = vec![
        (
            "bootloader",
            SnpTcb {
                bootloader: level.bootloader - 1,
                ..level
            },
        ),
        (
            "tee",
            SnpTcb {
                tee: level.tee - 1,
                ..level
            },
        ),
        (
            "snp",
            SnpTcb {
                snp: level.snp - 1,
                ..level
            },
        ),
        (
            "microcode",
            SnpTcb {
                microcode: level.microcode - 1,
                ..level
            },
        ),
    ];
    if let Some(fmc) = level.fmc {
        let fmc = Some(fmc - 1);
        levels.push(("fmc", SnpTcb { fmc, ..level }));
    }
    let made = levels
        .into_iter()
        .map(|(key, level)| (key, platform(product, level)));
    made.collect()
}

/// What is from [`lower`] is denied for the component that is.
fn each_floor(
    mut world: Fields,
    (product, level): (SnpProduct, SnpTcb),
    make: impl Fn(&TestWorld, &Attempt) -> Evidence,
) {
    for (component, platform) in lower(product, level) {
        world.move_to(platform);
        let generation = product.as_str().to_lowercase();
        let key = format!("tcb.{generation}.{component}");
        world.expect_denied((&key, "tcb-below-minimum"), &make);
    }
    assert_nothing_released(&world);
}

#[test]
fn each_component_of_a_platform_below_its_floor_is_denied_by_its_own_name() {
    let milan = (SnpProduct::Milan, LEVEL);
    let world = milan_world(&format!("{{snp: {}}}", snp_keys()));
    each_floor(world, milan, |world, attempt| {
        world.snp_of(&guest(), attempt)
    });
    let level = SnpTcb {
        fmc: Some(2),
        ..LEVEL
    };
    let turin = || {
        let keys = snp_keys();
        let keys = keys.replace("milan: {", "turin: {fmc: 2, ");
        let world = TestWorld::on(platform(SnpProduct::Turin, level));
        Fields::new(world, &format!("{{snp: {keys}}}"))
    };
    let granted = turin().outcome(|world, attempt| world.snp_of(&guest(), attempt));
    assert_eq!(granted, Outcome::Granted);
    each_floor(turin(), (SnpProduct::Turin, level), |world, attempt| {
        world.snp_of(&guest(), attempt)
    });
}

#[test]
fn platform_of_a_generation_without_a_floor_is_denied() {
    let world = TestWorld::on(platform(SnpProduct::Genoa, LEVEL));
    let world = Fields::new(world, &format!("{{snp: {}}}", snp_keys()));
    let told = ("snp.tcb", "tcb-floor-missing-for-generation");
    world.expect_denied(told, |world, attempt| world.snp_of(&guest(), attempt));
    assert_nothing_released(&world);
}

// ---- TDX ----

/// A domain in which every key differs from its default, but the signer of the module, which is Intel's.
fn domain() -> TdxIdentity {
    TdxIdentity {
        rtmr: [1, 2, 3, 4].map(|register| Digest::from([register; 48])),
        mr_config_id: [0xC0; 48].into(),
        mr_owner: [0x0E; 48].into(),
        mr_owner_config: [0xEC; 48].into(),
        tee_tcb_svn: SVN.into(),
        ..TestWorld::domain()
    }
}

/// No component at zero. The module and the microcode are one above what the software TEE's endorsements demand, its
/// major version is the only one that they know.
const SVN: [u8; 16] = [6, 1, 7, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13];

/// All that an entry can say of [`domain`].
fn tdx_keys() -> String {
    let of = domain();
    let [rtmr0, rtmr1, rtmr2, rtmr3] = &of.rtmr;
    format!(
        "{{mrtd: {}, rtmr0: {rtmr0}, rtmr1: {rtmr1}, rtmr2: {rtmr2}, rtmr3: {rtmr3}, mrconfigid: {}, mrowner: {}, mrownerconfig: {}, mrseam: {}, mrsignerseam: {}, tee_tcb_svn_min: {}}}",
        of.mr_td,
        of.mr_config_id,
        of.mr_owner,
        of.mr_owner_config,
        of.mr_seam,
        of.mr_signer_seam,
        of.tee_tcb_svn
    )
}

const OTHER: [u8; 48] = [0x66; 48];
const TDX_BENDS: [Bend<TdxIdentity>; 11] = [
    (
        "tdx.mrtd",
        |it| it.mr_td = OTHER.into(),
        "measurement-mismatch",
    ),
    (
        "tdx.rtmr0",
        |it| it.rtmr[0] = OTHER.into(),
        "tdx-rtmr-mismatch",
    ),
    (
        "tdx.rtmr1",
        |it| it.rtmr[1] = OTHER.into(),
        "tdx-rtmr-mismatch",
    ),
    (
        "tdx.rtmr2",
        |it| it.rtmr[2] = OTHER.into(),
        "tdx-rtmr-mismatch",
    ),
    (
        "tdx.rtmr3",
        |it| it.rtmr[3] = OTHER.into(),
        "tdx-rtmr-mismatch",
    ),
    (
        "tdx.mrconfigid",
        |it| it.mr_config_id = OTHER.into(),
        "tdx-config-mismatch",
    ),
    (
        "tdx.mrowner",
        |it| it.mr_owner = OTHER.into(),
        "tdx-owner-mismatch",
    ),
    (
        "tdx.mrownerconfig",
        |it| it.mr_owner_config = OTHER.into(),
        "tdx-owner-config-mismatch",
    ),
    (
        "tdx.mrseam",
        |it| it.mr_seam = OTHER.into(),
        "tdx-module-mismatch",
    ),
    (
        "tdx.mrsignerseam",
        |it| it.mr_signer_seam = OTHER.into(),
        "tdx-module-signer-mismatch",
    ),
    (
        "tolerate",
        |it| it.td_attributes = attributes(0, 0x01),
        "debug-enclave",
    ),
];

/// What no policy may tolerate of a domain, whatever its entry leaves open.
const TDX_REFUSALS: [Refusal<TdxIdentity>; 8] = [
    (
        |it| it.mr_signer_seam = OTHER.into(),
        "quote-tdx-module-identity",
    ),
    (
        |it| it.seam_attributes = [1, 0, 0, 0, 0, 0, 0, 0].into(),
        "quote-tdx-module-identity",
    ),
    (
        |it| it.td_attributes = attributes(3, 0x10),
        "quote-td-sept-ve",
    ),
    (
        |it| it.td_attributes = attributes(3, 0x20),
        "quote-td-migratable",
    ),
    (
        |it| it.td_attributes = attributes(1, 0x01),
        "quote-td-reserved-attributes",
    ),
    (
        |it| it.tee_tcb_svn = svn(1, 9),
        "quote-tdx-module-not-listed",
    ),
    (
        |it| it.tee_tcb_svn = svn(0, 0),
        "quote-tdx-module-tcb-not-listed",
    ),
    (|it| it.tee_tcb_svn = svn(2, 5), "quote-tcb-not-listed"),
];

/// The attributes of [`domain`] with these bits of a byte turned.
fn attributes(byte: usize, bits: u8) -> Digest<8> {
    let mut attributes = *TestWorld::domain().td_attributes.as_bytes();
    attributes[byte] ^= bits;
    attributes.into()
}

/// [`SVN`] with another component.
fn svn(component: usize, version: u8) -> Digest<16> {
    let mut svn = SVN;
    svn[component] = version;
    svn.into()
}

#[test]
fn each_key_of_a_domain_is_denied_by_its_own_reason() {
    let entry = format!("{{tdx: {}}}", tdx_keys());
    let make =
        |world: &TestWorld, domain: &TdxIdentity, attempt: &Attempt| world.tdx_of(domain, attempt);
    let world = || Fields::new(TestWorld::new(), &entry);
    each_bend(world, &domain(), make, &TDX_BENDS);
    each_component(&world(), make);
}

/// Each component of the level of a domain, one lower.
fn each_component(world: &Fields, make: impl Fn(&TestWorld, &TdxIdentity, &Attempt) -> Evidence) {
    for (component, version) in SVN.into_iter().enumerate() {
        let domain = TdxIdentity {
            tee_tcb_svn: svn(component, version - 1),
            ..domain()
        };
        let key = format!("tdx.tee_tcb_svn_min[{component}]");
        let make = |world: &TestWorld, attempt: &Attempt| make(world, &domain, attempt);
        world.expect_denied((&key, "tdx-svn-too-low"), make);
    }
    assert_nothing_released(world);
}

#[test]
fn domain_that_no_policy_may_tolerate_is_refused_whatever_its_entry_leaves_open() {
    let entry = format!("{{tdx: {{mrtd: {}}}}}", domain().mr_td);
    let world = Fields::new(TestWorld::new(), &entry);
    each_refusal(
        &world,
        &domain(),
        |world, domain, attempt| world.tdx_of(domain, attempt),
        &TDX_REFUSALS,
    );
}
