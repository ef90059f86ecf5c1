use std::borrow::Cow;
use std::collections::BTreeSet;

use casque_appraise::{AdvisoryId, SignerDemand, TcbStatus};
use casque_types::{MrEnclave, MrSigner, SgxIdentity};
use proptest::prelude::*;

use super::*;
use crate::decide::explain::explain_proof;
use crate::decide::{FactorOutcome, SharedSecret};
use crate::{
    AttestationEntry, IgnoredAdvisories, MaaDemands, Part, Platform, Position, Reason, Security,
    SgxRule, SignerRule, SvnRule, TeeRule, Template,
};

mod accounts;
mod azure;
mod snp;
mod tdx;
mod tokens;

/// What is bent, and what is told of it.
type Bend<T> = (fn(&mut T), &'static str);

/// What a service demands, to be bent.
#[derive(Clone, Debug)]
struct Case {
    security: Security,
    entries: Vec<AttestationEntry>,
    platforms: Vec<Platform>,
    one_time_password: bool,
}

impl Case {
    /// Runs `judge` over the demands.
    fn with<T>(&self, judge: impl FnOnce(&Demands<'_>) -> T) -> T {
        let (policy, service) = ("ns/app".parse().unwrap(), "web".parse().unwrap());
        judge(&Demands {
            policy: &policy,
            service: &service,
            security: Cow::Borrowed(&self.security),
            entries: Cow::Borrowed(&self.entries),
            platforms: Cow::Borrowed(&self.platforms),
            one_time_password: self.one_time_password.then(|| SharedSecret {
                template: some_text(),
                path: "services[web].one_time_password_shared_secret".to_owned(),
            }),
        })
    }
}

fn some_text() -> Template {
    Template {
        parts: vec![Part::Text("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP".to_owned())],
    }
}

fn entry(measured: Vec<MrEnclave>, signer: Option<SignerRule>) -> AttestationEntry {
    entry_of(TeeRule::Sgx(SgxRule {
        mr_enclaves: measured,
        signer,
    }))
}

fn entry_of(rule: TeeRule) -> AttestationEntry {
    AttestationEntry {
        tee: Some(rule),
        maa: None,
        kubernetes: None,
        position: Position { line: 1, column: 1 },
    }
}

fn sgx_of(entry: &mut AttestationEntry) -> &mut SgxRule {
    match &mut entry.tee {
        Some(TeeRule::Sgx(rule)) => rule,
        other => panic!("{other:?}"),
    }
}

/// A policy whose only entry is this.
fn policy_of(entry: AttestationEntry) -> Case {
    let mut case = policy();
    case.entries = vec![entry];
    case
}

fn policy() -> Case {
    let signer = SignerRule {
        mr_signer: MrSigner::from([2; 32]),
        product_id: 7,
        svn: SvnRule {
            least: 3,
            greatest: 5,
        },
    };
    Case {
        security: Security::default(),
        entries: vec![entry(vec![MrEnclave::from([1; 32])], Some(signer))],
        platforms: Vec::new(),
        one_time_password: false,
    }
}

fn maa_policy() -> Case {
    let mut policy = policy();
    policy.security.mode = Mode::Maa(maa_demands());
    policy.security.tolerate.insert(Toleration::MaaManagedTcb);
    policy
}

fn maa_demands() -> MaaDemands {
    MaaDemands {
        url: "https://a.attest.azure.net".parse().unwrap(),
        min_rsa_bits: 2048,
        max_age: MaaDemands::MAX_AGE,
        signer: SignerDemand::Any,
    }
}

fn identity() -> SgxIdentity {
    SgxIdentity {
        mr_enclave: MrEnclave::from([1; 32]),
        mr_signer: MrSigner::from([2; 32]),
        product_id: 7,
        svn: 4,
        debug: false,
    }
}

/// The machine of every proof.
fn machine() -> Digest<16> {
    Digest::from([3; 16])
}

fn tcb(status: TcbStatus, advisories: &[u32]) -> Tcb {
    Tcb {
        status,
        advisories: advisories
            .iter()
            .filter_map(|number| AdvisoryId::from_number(*number))
            .collect(),
        snp: None,
    }
}

fn maa(url: &str) -> Verifier {
    Verifier::Maa {
        issuer: url.parse().unwrap(),
    }
}

fn both(url: &str) -> Verifier {
    Verifier::Both {
        issuer: url.parse().unwrap(),
    }
}

fn reasons(case: &Case, identity: &SgxIdentity, tcb: &Tcb, by: &Verifier) -> Vec<Reason> {
    let identity = Identity::Sgx(identity.clone());
    let machine = machine();
    let proof = Proof {
        identity: &identity,
        tcb,
        verifier: by,
        platform: Some(&machine),
        token: None,
    };
    reasons_of(case, &proof, &Factors::default())
}

/// Why the proof is denied; no reasons, if it is not. Each explanation says the same as its decision.
fn reasons_of(case: &Case, proof: &Proof<'_>, factors: &Factors) -> Vec<Reason> {
    case.with(|demands| {
        let mut report = Report::of_failures();
        let granted = judge(demands, proof, Some(factors), &mut report);
        let reasons = crate::decide::denial(report).reasons;
        assert_eq!(granted, reasons.is_empty(), "{reasons:?}");
        let explained = explain_proof(demands, proof, Some(factors));
        assert_eq!(explained.granted, granted, "{explained:?}");
        assert!(!explained.rules.is_empty());
        for reason in &reasons {
            let mut rules = explained.rules.iter();
            let is_told = rules.any(|rule| {
                rule.code == Some(reason.code)
                    && (&rule.path, &rule.expected, &rule.found)
                        == (&reason.path, &reason.expected, &reason.found)
            });
            assert!(is_told, "{reason:?} in {explained:?}");
        }
        reasons
    })
}

fn codes_of(reasons: &[Reason]) -> Vec<&'static str> {
    reasons.iter().map(|reason| reason.code.as_str()).collect()
}

/// What is denied of an identity that Casque judged, on a platform.
fn denied(case: &Case, identity: &Identity, tcb: &Tcb) -> Vec<&'static str> {
    let proof = Proof {
        identity,
        tcb,
        verifier: &Verifier::Casque,
        platform: None,
        token: None,
    };
    codes_of(&reasons_of(case, &proof, &Factors::default()))
}

/// What a look at claims denies for certain.
fn screened(case: &Case, identity: &Identity) -> Vec<&'static str> {
    case.with(|demands| {
        let mut report = Report::of_failures();
        let holds = judge_identity(demands, identity, Known::Claims, &mut report);
        let reasons = crate::decide::denial(report).reasons;
        assert_eq!(holds, reasons.is_empty());
        codes_of(&reasons)
    })
}

fn codes(policy: &Case, identity: &SgxIdentity, tcb: &Tcb, by: &Verifier) -> Vec<&'static str> {
    codes_of(&reasons(policy, identity, tcb, by))
}

/// What is denied of an identity on an up-to-date platform.
fn of_identity(policy: &Case, identity: &SgxIdentity) -> Vec<&'static str> {
    let tcb = tcb(TcbStatus::UpToDate, &[]);
    codes(policy, identity, &tcb, &Verifier::Casque)
}

/// What is denied of a platform.
fn of_platform(
    tolerate: &[Toleration],
    ignored: &[u32],
    status: TcbStatus,
    advisories: &[u32],
) -> Vec<&'static str> {
    let mut policy = policy();
    policy.security.tolerate = tolerate.iter().copied().collect();
    let ignored = tcb(TcbStatus::UpToDate, ignored).advisories;
    policy.security.ignore_advisories = IgnoredAdvisories::Listed(ignored.into_iter().collect());
    let tcb = tcb(status, advisories);
    codes(&policy, &identity(), &tcb, &Verifier::Casque)
}

#[test]
fn judge_expected_enclave_is_granted() {
    assert!(of_identity(&policy(), &identity()).is_empty());
}

#[test]
fn judge_one_factor_bent_names_that_factor() {
    let bent = |bend: fn(&mut SgxIdentity)| {
        let mut identity = identity();
        bend(&mut identity);
        of_identity(&policy(), &identity)
    };
    let other = |i: &mut SgxIdentity| i.mr_enclave = MrEnclave::from([9; 32]);
    assert_eq!(bent(other), ["measurement-mismatch"]);
    let other = |i: &mut SgxIdentity| i.mr_signer = MrSigner::from([9; 32]);
    assert_eq!(bent(other), ["signer-mismatch"]);
    assert_eq!(bent(|i| i.product_id = 8), ["product-mismatch"]);
    assert_eq!(bent(|i| i.svn = 2), ["svn-too-low"]);
    assert_eq!(bent(|i| i.svn = 6), ["svn-too-high"]);
    assert_eq!(bent(|i| i.debug = true), ["debug-enclave"]);
    assert!(bent(|i| i.svn = 3).is_empty());
    assert!(bent(|i| i.svn = 5).is_empty());
}

#[test]
fn judge_every_failed_rule_is_told_with_its_path() {
    let found = SgxIdentity {
        mr_enclave: MrEnclave::from([9; 32]),
        mr_signer: MrSigner::from([9; 32]),
        product_id: 8,
        svn: 1,
        debug: true,
    };
    let tcb = tcb(TcbStatus::OutOfDate, &[615]);
    let reasons = reasons(&policy(), &found, &tcb, &Verifier::Casque);
    let told: Vec<(&str, &str)> = reasons
        .iter()
        .map(|reason| (reason.code.as_str(), reason.path.as_str()))
        .collect();
    let entry = "services[web].attestation[0]";
    assert_eq!(
        told,
        [
            (
                "measurement-mismatch",
                format!("{entry}.mrenclave").as_str()
            ),
            ("signer-mismatch", &format!("{entry}.signer.mrsigner")),
            ("product-mismatch", &format!("{entry}.signer.isvprodid")),
            ("svn-too-low", &format!("{entry}.signer.isvsvn")),
            ("debug-enclave", "security.attestation.tolerate"),
            ("tcb-outdated", "security.attestation.tolerate"),
            (
                "advisory-not-ignored",
                "security.attestation.ignore_advisories"
            ),
        ]
    );
    assert_eq!(reasons[0].expected, "01".repeat(32));
    assert_eq!(reasons[0].found, "09".repeat(32));
}

#[test]
fn judge_any_entry_is_enough() {
    let mut policy = policy();
    policy
        .entries
        .insert(0, entry(vec![MrEnclave::from([9; 32])], None));
    assert!(of_identity(&policy, &identity()).is_empty());
}

#[test]
fn judge_service_without_entries_grants_nobody() {
    let mut policy = policy();
    policy.entries.clear();
    assert_eq!(of_identity(&policy, &identity()), ["attestation-missing"]);
}

#[test]
fn judge_entry_that_demands_nothing_grants_nobody() {
    let mut policy = policy();
    let rule = sgx_of(&mut policy.entries[0]);
    rule.mr_enclaves.clear();
    rule.signer = None;
    assert_eq!(of_identity(&policy, &identity()), ["measurement-mismatch"]);
}

#[test]
fn judge_tolerated_debug_enclave_is_granted() {
    let mut policy = policy();
    policy.security.tolerate.insert(Toleration::DebugMode);
    let debug = SgxIdentity {
        debug: true,
        ..identity()
    };
    assert!(of_identity(&policy, &debug).is_empty());
}

#[test]
fn judge_other_verifier_than_demanded_is_denied() {
    let up_to_date = tcb(TcbStatus::UpToDate, &[]);
    let told = |policy: &Case, by: &Verifier| codes(policy, &identity(), &up_to_date, by);
    let (ours, other) = (
        maa("https://a.attest.azure.net"),
        maa("https://b.attest.azure.net"),
    );
    assert_eq!(told(&policy(), &ours), ["verifier-mismatch"]);
    assert_eq!(told(&policy(), &Verifier::Nobody), ["evidence-missing"]);
    assert_eq!(
        told(&maa_policy(), &Verifier::Casque),
        ["verifier-mismatch"]
    );
    assert_eq!(told(&maa_policy(), &Verifier::Nobody), ["evidence-missing"]);
    assert_eq!(told(&maa_policy(), &other), ["issuer-mismatch"]);
    assert!(told(&maa_policy(), &ours).is_empty());
}

#[test]
fn judge_maa_without_its_toleration_is_denied() {
    let mut policy = maa_policy();
    policy.security.tolerate.clear();
    let by = maa("https://a.attest.azure.net");
    let told = codes(&policy, &identity(), &Tcb::unknown(), &by);
    assert_eq!(told, ["tcb-managed-by-maa"]);
}

#[test]
fn judge_both_verifiers_need_no_toleration_and_are_both_needed() {
    let mut policy = policy();
    policy.security.mode = Mode::Both(maa_demands());
    let up_to_date = tcb(TcbStatus::UpToDate, &[]);
    let told = |by: &Verifier| codes(&policy, &identity(), &up_to_date, by);
    let url = "https://a.attest.azure.net";
    assert!(told(&both(url)).is_empty());
    assert_eq!(
        told(&both("https://b.attest.azure.net")),
        ["issuer-mismatch"]
    );
    assert_eq!(told(&maa(url)), ["verifier-mismatch"]);
    assert_eq!(told(&Verifier::Casque), ["verifier-mismatch"]);
    let outdated = tcb(TcbStatus::OutOfDate, &[]);
    let told = codes(&policy, &identity(), &outdated, &both(url));
    assert_eq!(told, ["tcb-outdated"]);
    policy.security.mode = Mode::Hardware;
    let told = codes(&policy, &identity(), &up_to_date, &both(url));
    assert_eq!(told, ["verifier-mismatch"]);
}

/// A token of TDX states a status: it counts unless the instance's judgement is accepted; revoked counts always.
#[test]
fn judge_status_of_a_token_counts_unless_its_judgement_is_accepted() {
    let by = maa("https://a.attest.azure.net");
    let managed = maa_policy();
    let mut own = maa_policy();
    own.security.tolerate.clear();
    let told = |policy: &Case, status| codes(policy, &identity(), &tcb(status, &[]), &by);
    assert!(told(&managed, TcbStatus::OutOfDate).is_empty());
    assert_eq!(told(&own, TcbStatus::OutOfDate), ["tcb-outdated"]);
    assert!(told(&own, TcbStatus::UpToDate).is_empty());
    assert!(told(&own, TcbStatus::ByVersions).is_empty());
    assert_eq!(told(&managed, TcbStatus::Revoked), ["tcb-revoked"]);
    assert_eq!(told(&own, TcbStatus::Revoked), ["tcb-revoked"]);
}

#[test]
fn judge_mode_none_grants_without_evidence() {
    let mut policy = policy();
    policy.security.mode = Mode::DangerousNone;
    let proof = Proof {
        identity: &Identity::Unattested,
        tcb: &Tcb::unknown(),
        verifier: &Verifier::Nobody,
        platform: None,
        token: None,
    };
    assert_eq!(reasons_of(&policy, &proof, &Factors::default()), []);
}

#[test]
fn judge_evidence_without_enclave_is_denied() {
    let policy = policy();
    let proof = Proof {
        identity: &Identity::Unattested,
        tcb: &tcb(TcbStatus::UpToDate, &[]),
        verifier: &Verifier::Casque,
        platform: None,
        token: None,
    };
    let reasons = reasons_of(&policy, &proof, &Factors::default());
    assert_eq!(reasons[0].code, ReasonCode::IdentityMismatch);
    assert_eq!(reasons.len(), 1);
}

/// The table of spec/evidence.md section 5: each status with what must be tolerated.
#[test]
fn judge_tcb_status_needs_exactly_its_tolerations() {
    use TcbStatus as S;
    use Toleration as T;
    let (sw, cfg, old) = (
        "tcb-needs-hardening",
        "tcb-needs-configuration",
        "tcb-outdated",
    );
    let table: &[(S, &[&str])] = &[
        (S::UpToDate, &[]),
        (S::SwHardeningNeeded, &[sw]),
        (S::ConfigurationNeeded, &[cfg]),
        (S::ConfigurationAndSwHardeningNeeded, &[cfg, sw]),
        (S::OutOfDate, &[old]),
        (S::OutOfDateConfigurationNeeded, &[old, cfg]),
        (S::TdRelaunchAdvised, &[old]),
        (S::TdRelaunchAdvisedConfigurationNeeded, &[old, cfg]),
        (S::ByVersions, &[]),
        (S::Revoked, &["tcb-revoked"]),
        (S::Unstated, &["tcb-unstated"]),
    ];
    let words = [
        (T::SoftwareHardeningNeeded, sw),
        (T::InsecureConfiguration, cfg),
        (T::Hyperthreading, cfg),
        (T::InsecureIgpu, cfg),
        (T::AepicLeak, cfg),
        (T::OutdatedTcb, old),
        (T::MaaManagedTcb, "nothing"),
        (T::DebugMode, "nothing"),
    ];
    for (status, needed) in table {
        assert_eq!(of_platform(&[], &[], *status, &[]), *needed, "{status}");
        for (toleration, covered) in words {
            let left: Vec<&str> = needed.iter().copied().filter(|n| *n != covered).collect();
            let found = of_platform(&[toleration], &[], *status, &[]);
            assert_eq!(found, left, "{status} with {toleration:?}");
        }
    }
}

#[test]
fn judge_advisory_must_be_ignored_or_covered_by_its_shortcut() {
    use Toleration as T;
    let status = TcbStatus::UpToDate;
    assert_eq!(
        of_platform(&[], &[], status, &[615]),
        ["advisory-not-ignored"]
    );
    assert!(of_platform(&[], &[615], status, &[615]).is_empty());
    for (toleration, number) in [
        (T::Hyperthreading, 233),
        (T::InsecureIgpu, 219),
        (T::AepicLeak, 657),
    ] {
        assert!(of_platform(&[toleration], &[], status, &[number]).is_empty());
        let other = of_platform(&[toleration], &[], status, &[615]);
        assert_eq!(other, ["advisory-not-ignored"]);
    }
    // A category covers no advisory by itself.
    let category = of_platform(&[T::OutdatedTcb], &[], TcbStatus::OutOfDate, &[615]);
    assert_eq!(category, ["advisory-not-ignored"]);
}

/// The worked example of spec/evidence.md section 5.
#[test]
fn judge_worked_example_is_granted_with_both_advisories_alone() {
    use Toleration as T;
    let tolerate = [T::Hyperthreading, T::SoftwareHardeningNeeded];
    let status = TcbStatus::ConfigurationAndSwHardeningNeeded;
    assert!(of_platform(&tolerate, &[289, 615], status, &[289, 615]).is_empty());
    for one in [289, 615] {
        let found = of_platform(&tolerate, &[one], status, &[289, 615]);
        assert_eq!(found, ["advisory-not-ignored"]);
    }
}

#[test]
fn judge_all_ignored_covers_every_advisory_and_no_status() {
    let mut policy = policy();
    policy.security.ignore_advisories = IgnoredAdvisories::All;
    let tcb = tcb(TcbStatus::SwHardeningNeeded, &[615, 233]);
    let found = codes(&policy, &identity(), &tcb, &Verifier::Casque);
    assert_eq!(found, ["tcb-needs-hardening"]);
}

#[test]
fn judge_platform_must_be_one_that_is_named() {
    let told = |platforms: &[Platform]| {
        let mut policy = policy();
        policy.platforms = platforms.to_vec();
        of_identity(&policy, &identity())
    };
    let (here, elsewhere) = (
        Platform::IntelQe(machine()),
        Platform::IntelQe(Digest::from([4; 16])),
    );
    assert!(told(&[elsewhere, here]).is_empty());
    assert_eq!(told(&[elsewhere]), ["platform-mismatch"]);
    let legacy = Platform::SconeQe(Digest::from([3; 32]));
    assert_eq!(told(&[legacy]), ["platform-mismatch"]);
}

#[test]
fn judge_platform_is_told_with_its_path() {
    let mut policy = policy();
    policy.platforms = vec![Platform::IntelQe(Digest::from([4; 16]))];
    let tcb = tcb(TcbStatus::UpToDate, &[]);
    let reasons = reasons(&policy, &identity(), &tcb, &Verifier::Casque);
    assert_eq!(reasons[0].path, "services[web].platforms");
    let (expected, found) = ("04".repeat(16), "03".repeat(16));
    assert_eq!(reasons[0].expected, format!("INTEL_QE_ID:{expected}"));
    assert_eq!(reasons[0].found, format!("INTEL_QE_ID:{found}"));
}

#[test]
fn judge_platform_that_no_evidence_names_is_denied_by_hardware_alone() {
    let judged = |mut case: Case| {
        case.platforms = vec![Platform::IntelQe(machine())];
        case.with(|demands| !judge_platform(demands, None, &mut Report::of_failures()))
    };
    assert!(judged(policy()));
    assert!(!judged(maa_policy()));
}

#[test]
fn judge_factors_that_are_demanded_must_be_right() {
    use FactorOutcome as F;
    let told = |otp: bool, token: bool, factors: Factors| {
        let mut case = policy();
        case.one_time_password = otp;
        case.security.service_access_token = token.then(some_text);
        case.with(|demands| {
            let mut report = Report::of_failures();
            factors::judge(demands, Some(&factors), &mut report);
            codes_of(&crate::decide::denial(report).reasons)
        })
    };
    let both = |outcome| Factors {
        one_time_password: outcome,
        service_access_token: outcome,
        ..Factors::default()
    };
    for outcome in [F::Absent, F::Wrong, F::Right] {
        assert!(told(false, false, both(outcome)).is_empty());
    }
    assert!(told(true, true, both(F::Right)).is_empty());
    assert_eq!(
        told(true, true, both(F::Absent)),
        ["otp-missing", "access-token-missing"]
    );
    assert_eq!(
        told(true, true, both(F::Wrong)),
        ["otp-wrong", "access-token-wrong"]
    );
    assert_eq!(told(true, false, both(F::Absent)), ["otp-missing"]);
    assert_eq!(told(false, true, both(F::Wrong)), ["access-token-wrong"]);
}

const TOLERATIONS: [Toleration; 8] = [
    Toleration::DebugMode,
    Toleration::Hyperthreading,
    Toleration::InsecureIgpu,
    Toleration::SoftwareHardeningNeeded,
    Toleration::AepicLeak,
    Toleration::InsecureConfiguration,
    Toleration::OutdatedTcb,
    Toleration::MaaManagedTcb,
];
const STATUSES: [TcbStatus; 11] = [
    TcbStatus::Unstated,
    TcbStatus::ByVersions,
    TcbStatus::TdRelaunchAdvised,
    TcbStatus::TdRelaunchAdvisedConfigurationNeeded,
    TcbStatus::UpToDate,
    TcbStatus::SwHardeningNeeded,
    TcbStatus::ConfigurationNeeded,
    TcbStatus::ConfigurationAndSwHardeningNeeded,
    TcbStatus::OutOfDate,
    TcbStatus::OutOfDateConfigurationNeeded,
    TcbStatus::Revoked,
];
const ADVISORIES: [u32; 5] = [219, 233, 289, 615, 657];

prop_compose! {
    fn any_policy()(
        mode in 0_usize..4,
        tolerate in proptest::sample::subsequence(&TOLERATIONS, 0..=8),
        ignored in proptest::sample::subsequence(&ADVISORIES, 0..=5),
        measured in proptest::option::of(1_u8..3),
        signer in proptest::option::of((1_u8..3, 6_u16..8, 2_u16..5, 3_u16..7)),
        platforms in proptest::collection::vec(2_u8..4, 0..3),
    ) -> Case {
        let mut policy = policy();
        policy.security.mode = match mode {
            0 => Mode::Maa(maa_demands()),
            1 => Mode::Both(maa_demands()),
            2 => Mode::DangerousNone,
            _ => Mode::Hardware,
        };
        policy.security.tolerate = tolerate.into_iter().collect::<BTreeSet<_>>();
        let ignored = tcb(TcbStatus::UpToDate, &ignored).advisories.into_iter().collect();
        policy.security.ignore_advisories = IgnoredAdvisories::Listed(ignored);
        policy.platforms = platforms
            .into_iter()
            .map(|byte| Platform::IntelQe(Digest::from([byte; 16])))
            .collect();
        let entry = sgx_of(&mut policy.entries[0]);
        entry.mr_enclaves = measured.map(|byte| MrEnclave::from([byte; 32])).into_iter().collect();
        entry.signer = signer.map(|(byte, product_id, least, greatest)| SignerRule {
            mr_signer: MrSigner::from([byte; 32]),
            product_id,
            svn: SvnRule { least, greatest },
        });
        policy
    }
}

prop_compose! {
    fn any_proof()(
        measured in 1_u8..3, signer in 1_u8..3, product_id in 6_u16..8, svn in 1_u16..8,
        debug in any::<bool>(),
        status in proptest::sample::select(&STATUSES[..]),
        advisories in proptest::sample::subsequence(&ADVISORIES, 0..=5),
        by in 0_usize..5,
    ) -> (SgxIdentity, Tcb, Verifier) {
        let identity = SgxIdentity {
            mr_enclave: MrEnclave::from([measured; 32]),
            mr_signer: MrSigner::from([signer; 32]),
            product_id, svn, debug,
        };
        let by = match by {
            0 => Verifier::Nobody,
            1 => maa("https://a.attest.azure.net"),
            2 => maa("https://b.attest.azure.net"),
            3 => both("https://a.attest.azure.net"),
            _ => Verifier::Casque,
        };
        (identity, tcb(status, &advisories), by)
    }
}

/// The same policy with a demand less, one at a time.
fn loosened(policy: &Case) -> Vec<Case> {
    let copy = || policy.clone();
    let mut looser: Vec<Case> = TOLERATIONS
        .iter()
        .map(|toleration| {
            let mut policy = copy();
            policy.security.tolerate.insert(*toleration);
            policy
        })
        .collect();
    let mut all_ignored = copy();
    all_ignored.security.ignore_advisories = IgnoredAdvisories::All;
    let mut entry_more = copy();
    entry_more
        .entries
        .push(entry(vec![MrEnclave::from([1; 32])], None));
    let mut anywhere = copy();
    anywhere.platforms.clear();
    looser.extend([all_ignored, entry_more, anywhere]);
    if !policy.platforms.is_empty() {
        let mut platform_more = copy();
        let other = Platform::IntelQe(Digest::from([9; 16]));
        platform_more.platforms.push(other);
        looser.push(platform_more);
    }
    let rule = sgx_of(&mut copy().entries[0]).clone();
    if let Some(signer) = &rule.signer {
        let mut open = copy();
        sgx_of(&mut open.entries[0]).signer = Some(SignerRule {
            svn: SvnRule {
                least: 0,
                greatest: u16::MAX,
            },
            ..signer.clone()
        });
        looser.push(open);
        if !rule.mr_enclaves.is_empty() {
            let mut unmeasured = copy();
            sgx_of(&mut unmeasured.entries[0]).mr_enclaves.clear();
            let mut unsigned = copy();
            sgx_of(&mut unsigned.entries[0]).signer = None;
            looser.extend([unmeasured, unsigned]);
        }
    }
    looser
}

proptest! {
    #[test]
    fn judge_is_monotone(policy in any_policy(), (identity, tcb, by) in any_proof()) {
        let granted = reasons(&policy, &identity, &tcb, &by).is_empty();
        for looser in loosened(&policy) {
            let still = reasons(&looser, &identity, &tcb, &by).is_empty();
            prop_assert!(!granted || still, "{:?} {:?}", looser.security, looser.entries);
        }
    }

    /// What the cheap look denies is denied in the end too.
    #[test]
    fn judge_identity_denies_nothing_that_is_granted(policy in any_policy(), (identity, tcb, by) in any_proof()) {
        let granted = reasons(&policy, &identity, &tcb, &by).is_empty();
        let screened = screened(&policy, &Identity::Sgx(identity));
        // With `mode: none` nobody looks.
        let looks = policy.security.mode != Mode::DangerousNone;
        prop_assert!(!granted || !looks || screened.is_empty());
    }
}
