//! Every kind of TEE, judged by Casque, by the attestation service and by both, as programs: a real `casqued`, and the
//! agent in the software TEE. Further: vendors that are down, keys that rotate, and service accounts.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test: a panic is its failure, and service account tokens are of the present"
)]

mod world;

use std::fmt::Write as _;
use std::process::Output;

use casque_client::{Client, ClientError};
use casque_testkit::cluster::{ServiceAccountTokenSpec, SoftwareCluster};
use casque_types::Timestamp;
use casque_wire::{Attempt, Outcome};
use world::{Up, casque_dev, stderr, stdout};

/// One kind of TEE.
struct Tee {
    /// The word of `--tee`.
    word: &'static str,
    /// What an entry says of it, with `MEASURED` where its measurement stands.
    entry: &'static str,
    /// `x-ms-attestation-type` of a token about it, and a claim that such a token has.
    claims: &'static str,
    /// The kind of its evidence.
    evidence: &'static str,
    scope: &'static str,
    /// The one code of another program.
    code: &'static str,
    /// The claim that tells programs apart.
    claim: &'static str,
}

/// The floor that the software platform is at.
macro_rules! floor {
    () => {
        "tcb: {milan: {bootloader: 4, tee: 0, snp: 24, microcode: 219}}"
    };
}

/// The versions that the software platform is at, with `$module` as the security version of the TDX module.
macro_rules! versions {
    ($module:literal) => {
        concat!(
            "tee_tcb_svn_min: ",
            $module,
            "010600000000000000000000000000"
        )
    };
}

const TEES: &[Tee] = &[
    Tee {
        word: "sgx",
        entry: "mrenclave: MEASURED",
        claims: "[{name: x-ms-attestation-type, equals: sgx}, {name: x-ms-sgx-is-debuggable, equals: false}]",
        evidence: "sgx",
        scope: "process",
        code: "measurement-mismatch",
        claim: "mrenclave",
    },
    Tee {
        word: "snp",
        entry: concat!("snp: {measurement: MEASURED, ", floor!(), "}"),
        claims: "[{name: x-ms-attestation-type, equals: sevsnpvm}, {name: x-ms-sevsnpvm-vmpl, equals: 0}]",
        evidence: "snp",
        scope: "vm",
        code: "measurement-mismatch",
        claim: "measurement",
    },
    Tee {
        word: "tdx",
        entry: concat!("tdx: {mrtd: MEASURED, ", versions!("05"), "}"),
        claims: "[{name: x-ms-attestation-type, equals: tdxvm}]",
        evidence: "tdx",
        scope: "vm",
        code: "measurement-mismatch",
        claim: "mrtd",
    },
    Tee {
        word: "azure-snp",
        entry: concat!(
            "azure_vm: {secure_boot: true, snp: {measurement: MEASURED, ",
            floor!(),
            "}}"
        ),
        claims: "[{name: x-ms-attestation-type, equals: sevsnpvm}]",
        evidence: "azure-snp-vtpm",
        scope: "vm",
        code: "measurement-mismatch",
        claim: "measurement",
    },
    Tee {
        word: "azure-tdx",
        entry: concat!(
            "azure_vm: {secure_boot: true, tdx: {mrtd: MEASURED, ",
            versions!("05"),
            "}}"
        ),
        claims: "[{name: x-ms-attestation-type, equals: tdxvm}]",
        evidence: "azure-tdx-vtpm",
        scope: "vm",
        code: "measurement-mismatch",
        claim: "mrtd",
    },
    Tee {
        word: "aci",
        entry: concat!(
            "aci: {policy_digest: MEASURED, feed: Casque-Software-UVM, svn_min: 100, ",
            floor!(),
            "}"
        ),
        claims: "[{name: x-ms-attestation-type, equals: sevsnpvm}]",
        evidence: "aci-snp",
        scope: "pod",
        code: "aci-policy-mismatch",
        claim: "policy_digest",
    },
];

/// A way of judging.
struct Way {
    name: &'static str,
    /// `security.attestation`, with `URL` where the instance stands.
    security: &'static str,
    /// Whether conditions on a token make sense.
    has_token: bool,
    /// Who judged, with `URL`.
    verifier: &'static str,
}

const WAYS: &[Way] = &[
    Way {
        name: "hardware",
        security: "{mode: hardware}",
        has_token: false,
        verifier: "casque",
    },
    Way {
        name: "maa",
        security: "{mode: maa, url: \"URL\", tolerate: [maa-managed-tcb]}",
        has_token: true,
        verifier: "maa URL",
    },
    Way {
        name: "both",
        security: "{mode: maa, url: \"URL\", require: [maa, evidence]}",
        has_token: true,
        verifier: "casque and maa URL",
    },
];

/// A world with the program of these tests and its changed form.
struct World {
    up: Up,
    author: Client,
    program: String,
    changed: String,
}

impl World {
    fn start(arguments: &[&str]) -> Self {
        let up = Up::start_with(arguments);
        Self {
            author: up.author(),
            program: up.script("show", PROGRAM),
            changed: up.script("changed", &format!("{PROGRAM}\n")),
            up,
        }
    }

    fn tee(word: &str) -> &'static Tee {
        TEES.iter().find(|tee| tee.word == word).unwrap()
    }

    /// The entry of a service for the unchanged program.
    fn entry(&self, tee: &Tee) -> String {
        let measured = self.up.run(&["measure", "--tee", tee.word, &self.program]);
        tee.entry.replace("MEASURED", stdout(&measured).trim())
    }

    /// Puts a policy whose one service has this entry.
    fn put(&self, name: &str, security: &str, entry: &[String]) {
        let put = self.try_put(name, security, entry);
        put.unwrap_or_else(|error| panic!("{name}: {error:?}: {entry:?}"));
    }

    /// Puts it, or says why the server refused it.
    fn try_put(&self, name: &str, security: &str, entry: &[String]) -> Result<(), ClientError> {
        let url = self.up.text("maa");
        let mut text = format!(
            "name: {name}\nversion: \"0.3\"\nsecurity: {{attestation: {}}}
secrets:
  - {{name: word, kind: ascii, value: {SECRET}}}
services:
  - name: web
    command: {}
    environment: {{WORD: $$SCONE::word$$}}
    attestation:\n",
            security.replace("URL", url),
            self.program
        );
        for line in entry {
            writeln!(text, "      {line}").unwrap();
        }
        self.author.put_policy(&text).map(drop)
    }

    fn run(&self, tee: &str, name: &str, further: &[&str]) -> Output {
        let config = format!("{name}/web");
        let words = ["run", "--tee", tee, &config];
        self.up.run(&[&words[..], further].concat())
    }

    fn granted(&self, tee: &str, name: &str) {
        let output = self.run(tee, name, &[]);
        assert!(
            output.status.success(),
            "{tee} by {name}: {}",
            stderr(&output)
        );
        assert_eq!(stdout(&output), format!("{SECRET}\n"), "{tee} by {name}");
    }

    /// A start that ends without the program; what the agent said.
    fn refused(&self, tee: &str, name: &str, further: &[&str]) -> String {
        expect_refused(&self.run(tee, name, further), tee)
    }

    /// The latest first.
    fn attempts(&self, name: &str) -> Vec<Attempt> {
        let config = format!("{name}/web").parse().unwrap();
        self.author.attempts(&config).unwrap()
    }
}

fn expect_refused(output: &Output, tee: &str) -> String {
    assert!(!output.status.success(), "{tee}: {}", stdout(output));
    assert_eq!(stdout(output), "", "{tee}: nothing was started");
    stderr(output)
}

/// The codes of the rules that failed.
fn codes(attempt: &Attempt) -> Vec<&str> {
    let rules = attempt.explanation.decision.iter().flat_map(|d| &d.rules);
    let failed = rules.filter(|rule| !rule.holds);
    failed.filter_map(|rule| rule.code.as_deref()).collect()
}

#[test]
fn every_tee_is_granted_and_its_changed_program_denied_by_each_way_of_judging() {
    let world = World::start(&[]);
    for (tee, way) in TEES
        .iter()
        .flat_map(|tee| WAYS.iter().map(move |way| (tee, way)))
    {
        let name = format!("{}-{}", tee.word, way.name);
        let mut entry = vec![world.entry(tee)];
        if way.has_token {
            entry.push(format!("maa: {{claims: {}}}", tee.claims));
        }
        world.put(&name, way.security, &entry);
        world.granted(tee.word, &name);
        let told = world.refused(tee.word, &name, &["--", &world.changed]);
        assert!(told.contains(tee.code), "{name}: {told}");
        let attempts = world.attempts(&name);
        let [denied, granted] = attempts.as_slice() else {
            panic!("{name}: {} attempts", attempts.len());
        };
        expect_attempt(&world, (tee, way), granted, Outcome::Granted);
        expect_attempt(&world, (tee, way), denied, Outcome::Denied);
        assert_eq!(codes(granted), [""; 0], "{name}");
        assert_eq!(codes(denied), [tee.code], "{name}");
        let claim = |attempt: &Attempt| attempt.explanation.claims.get(tee.claim).cloned();
        assert!(
            claim(granted).is_some(),
            "{name}: {:?}",
            granted.explanation.claims
        );
        assert_ne!(claim(granted), claim(denied), "{name}");
    }
}

fn expect_attempt(world: &World, judged: (&Tee, &Way), attempt: &Attempt, outcome: Outcome) {
    let (tee, way) = judged;
    let explanation = &attempt.explanation;
    let verifier = way.verifier.replace("URL", world.up.text("maa"));
    assert_eq!(explanation.outcome, outcome, "{} {}", tee.word, way.name);
    assert_eq!(explanation.evidence, tee.evidence);
    // What is sure to be denied by what the evidence claims of itself is, before anybody judges it.
    let judged = outcome == Outcome::Granted;
    let verifier = judged.then_some(verifier.as_str());
    assert_eq!(explanation.verifier.as_deref(), verifier);
    let scope = judged.then_some(tee.scope);
    assert_eq!(explanation.scope.as_deref(), scope, "{}", tee.word);
    let shown = serde_json::to_string(explanation).unwrap();
    assert!(!shown.contains(SECRET), "{shown}");
}

#[test]
fn token_of_another_claim_is_denied_and_keys_may_rotate_between_starts() {
    let world = World::start(&[]);
    let entry = world.entry(World::tee("snp"));
    world.put("right", WAYS[2].security, std::slice::from_ref(&entry));
    world.granted("snp", "right");
    let conditions = [
        (
            "wrong",
            "{name: x-ms-sevsnpvm-guestsvn, at_least: 4000000}",
            "maa-claim-mismatch",
        ),
        (
            "absent",
            "{name: x-ms-no-such-claim, equals: 1}",
            "maa-claim-missing",
        ),
    ];
    for (name, condition, code) in conditions {
        let conditions = format!("maa: {{claims: [{condition}]}}");
        world.put(name, WAYS[2].security, &[entry.clone(), conditions]);
        let told = world.refused("snp", name, &[]);
        assert!(told.contains(code), "{told}");
    }
    // The same program on a platform that is too old.
    let domain = world.entry(World::tee("tdx"));
    let newer = domain.replace(versions!("05"), versions!("06"));
    for way in WAYS {
        let name = format!("newer-{}", way.name);
        world.put(&name, way.security, std::slice::from_ref(&newer));
        let told = world.refused("tdx", &name, &[]);
        assert!(told.contains("tdx-svn-too-low"), "{name}: {told}");
    }
    // The same program in another TEE.
    let told = world.refused("sgx", "right", &[]);
    assert!(told.contains("identity-mismatch"), "{told}");
    // No token proves a certificate of the TPM's key, and no policy may ask it to.
    let certified = world.entry(World::tee("azure-snp"));
    let certified = certified.replace("secure_boot: true", "attestation_key: certified");
    world.put(
        "evidence",
        WAYS[2].security,
        std::slice::from_ref(&certified),
    );
    world.granted("azure-snp", "evidence");
    let refused = world.try_put("token", WAYS[1].security, &[certified]);
    let told = format!("{:?}", refused.unwrap_err());
    assert!(told.contains("key-not-for-mode"), "{told}");
    // A token of a new key has the keys fetched, however fresh the known ones are.
    world.up.admin("POST", "/keys/maa/rotate", "");
    world.granted("snp", "right");
    // While the instance is down, Casque judges alone what it may; the rest is refused by name.
    world.put("alone", WAYS[0].security, &[entry]);
    world.up.admin("PUT", "/faults/maa", DOWN);
    world.granted("snp", "alone");
    let told = world.refused("snp", "right", &[]);
    assert!(told.contains("maa-") && told.contains("503"), "{told}");
}

#[test]
fn platforms_seen_before_start_while_vendors_are_down_and_after_a_restart() {
    let mut world = World::start(&[]);
    for word in ["sgx", "snp", "aci", "azure-snp", "tdx", "azure-tdx"] {
        world.put(word, WAYS[0].security, &[world.entry(World::tee(word))]);
    }
    for word in ["sgx", "snp"] {
        world.granted(word, word);
    }
    world.up.admin("PUT", "/faults/pccs", DOWN);
    let asked = world.up.admin("GET", "/requests/pccs", "");
    // All processors of AMD share one list.
    for word in ["sgx", "snp", "aci", "azure-snp"] {
        world.granted(word, word);
    }
    assert_eq!(world.up.admin("GET", "/requests/pccs", ""), asked);
    let told = world.refused("tdx", "tdx", &[]);
    let pccs = world.up.text("pccs").to_owned();
    for part in ["endorser-refused", "503", &pccs, "/tdx/"] {
        assert!(told.contains(part), "`{part}` in {told}");
    }
    world.up.restart();
    // What the service has ended sixty days ago.
    let stale = r#"{"clock_skew_s": -5184000}"#;
    world.up.admin("PUT", "/faults/pccs", stale);
    for word in ["sgx", "snp", "azure-snp"] {
        world.granted(word, word);
    }
    let told = world.refused("azure-tdx", "azure-tdx", &[]);
    for part in [
        "endorser-expired",
        world.up.text("pccs"),
        "TCB information",
        "expired at 20",
    ] {
        assert!(told.contains(part), "`{part}` in {told}");
    }
}

#[test]
fn service_account_tells_pods_of_one_machine_apart() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = "https://cluster.example/";
    let cluster = SoftwareCluster::generate(issuer).unwrap();
    let other = SoftwareCluster::generate("https://other.example/").unwrap();
    let keys = folder.path().join("jwks.json");
    std::fs::write(&keys, cluster.jwks().unwrap()).unwrap();
    let listed = format!("{issuer}={}", keys.display());
    let world = World::start(&["--cluster", &listed]);
    let entry = world.entry(World::tee("tdx"));
    let account =
        format!("kubernetes: {{issuer: \"{issuer}\", namespace: shop, service_account: web}}");
    world.put("pod", WAYS[0].security, &[entry, account]);
    let token = |cluster: &SoftwareCluster, account, audience| {
        let spec = ServiceAccountTokenSpec::new("shop", account, audience, now());
        cluster.token(&spec).unwrap()
    };
    let start = |token: &str| {
        let file = folder.path().join("token");
        std::fs::write(&file, token).unwrap();
        let mut command = casque_dev(world.up.folder.path(), &["run", "--tee", "tdx", "pod/web"]);
        command.env("CASQUE_SERVICE_ACCOUNT_TOKEN_FILE", &file);
        command.output().unwrap()
    };
    let granted = start(&token(&cluster, "web", "casque"));
    assert!(granted.status.success(), "{}", stderr(&granted));
    assert_eq!(stdout(&granted), format!("{SECRET}\n"));
    let told = world.refused("tdx", "pod", &[]);
    assert!(told.contains("service-account-missing"), "{told}");
    for (token, code) in [
        (
            token(&cluster, "admin", "casque"),
            "service-account-mismatch",
        ),
        (token(&cluster, "web", "api"), "service-account-wrong"),
        (token(&other, "web", "casque"), "service-account-wrong"),
    ] {
        let told = expect_refused(&start(&token), "tdx");
        assert!(told.contains(code), "{code}: {told}");
    }
    let attempts = world.attempts("pod");
    let outcomes: Vec<Vec<&str>> = attempts.iter().map(codes).collect();
    let expected: [&[&str]; 5] = [
        &["service-account-wrong"],
        &["service-account-wrong"],
        &["service-account-mismatch"],
        &["service-account-missing"],
        &[],
    ];
    assert_eq!(outcomes, expected);
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Timestamp::from_unix_s(since.unwrap().as_secs())
}

const PROGRAM: &str = "#!/bin/sh\necho \"$WORD\"\n";
const SECRET: &str = "correct-horse-battery";
const DOWN: &str = r#"{"fail": 1000000}"#;
