//! Azure virtual machines that the attestation service judges with their TPM, as programs: a real `casqued`, the local MAA,
//! and the agent with a real TPM (swtpm), in which the key is made that the token is sealed to.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test: a panic is its failure, and it says where it was skipped"
)]

mod world;

use std::process::{Command, Output, Stdio};

use casque_client::Client;
use casque_wire::{Attempt, Outcome};
use world::{Up, stderr, stdout};

/// A world with one program; `None`, said on standard output, where there is no TPM.
struct World {
    up: Up,
    author: Client,
    program: String,
    changed: String,
}

impl World {
    fn start() -> Option<Self> {
        for program in ["swtpm", "tpm2_createprimary"] {
            let mut command = Command::new(program);
            command.arg("--version").stdout(Stdio::null());
            if command.stderr(Stdio::null()).status().is_err() {
                let is_demanded = std::env::var_os("CASQUE_DEMAND_TPM").is_some();
                assert!(!is_demanded, "`{program}` is not installed");
                println!("skipped: `{program}` is not installed");
                return None;
            }
        }
        let up = Up::start();
        Some(Self {
            author: up.author(),
            program: up.script("show", PROGRAM),
            changed: up.script("changed", &format!("{PROGRAM}\n")),
            up,
        })
    }

    /// Puts a policy whose one service is this program, in a machine of this kind, with these conditions on a token.
    fn put(&self, name: &str, tee: &str, security: &str, conditions: &str) {
        let (url, program) = (self.up.text("maa"), &self.program);
        let measured = self.up.run(&["measure", "--tee", tee, program]);
        let measured = stdout(&measured);
        let hardware = match tee {
            "azure-snp" => {
                "snp: {measurement: MEASURED, tcb: {milan: {bootloader: 4, tee: 0, snp: 24, microcode: 219}}}"
            }
            _ => "tdx: {mrtd: MEASURED}",
        };
        let text = format!(
            "name: {name}\nversion: \"0.3\"\nsecurity: {{attestation: {}}}
secrets:
  - {{name: word, kind: ascii, value: {SECRET}}}
services:
  - name: web
    command: {program}
    environment: {{WORD: $$SCONE::word$$}}
    attestation:
      azure_vm: {{secure_boot: true, {}}}{conditions}\n",
            security.replace("URL", url),
            hardware.replace("MEASURED", measured.trim()),
        );
        let put = self.author.put_policy(&text);
        put.unwrap_or_else(|error| panic!("{error:?}: {text}"));
    }

    fn run(&self, tee: &str, name: &str, further: &[&str]) -> Output {
        let config = format!("{name}/web");
        let words = ["run", "--tee", tee, "--swtpm", &config];
        self.up.run(&[&words[..], further].concat())
    }

    /// A start that ends with this code, and without the program; what the agent said.
    fn refused(&self, tee: &str, name: &str, further: &[&str], exit: i32) -> String {
        let output = self.run(tee, name, further);
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(exit), "{tee} {name}: {told}");
        assert_eq!(stdout(&output), "", "{tee} {name}: nothing was started");
        told
    }

    fn granted(&self, tee: &str, name: &str, further: &[&str]) {
        let output = self.run(tee, name, further);
        let told = stderr(&output);
        assert!(output.status.success(), "{tee} {name}: {told}");
        assert_eq!(stdout(&output), format!("{SECRET}\n"), "{tee} {name}");
    }

    /// The latest first.
    fn attempts(&self, name: &str) -> Vec<Attempt> {
        let config = format!("{name}/web").parse().unwrap();
        self.author.attempts(&config).unwrap()
    }

    fn asked(&self, name: &str) -> serde_json::Value {
        self.up.admin("GET", &format!("/requests/{name}"), "")
    }
}

#[test]
fn machine_is_judged_with_its_tpm_by_the_service_and_by_both() {
    let Some(world) = World::start() else { return };
    for (tee, evidence) in [
        ("azure-snp", "azure-snp-vtpm"),
        ("azure-tdx", "azure-tdx-vtpm"),
    ] {
        for (way, security, verifier) in [
            ("maa", MAA, "maa URL"),
            ("both", BOTH, "casque and maa URL"),
        ] {
            let name = format!("{tee}-{way}");
            world.put(&name, tee, security, OF_GUESTS);
            world.granted(tee, &name, AZURE_GUEST);
            // Without it the service judges the TEE alone, whose token says nothing of the system.
            let told = world.refused(tee, &name, &[], 103);
            assert!(told.contains("maa-claim-missing"), "{told}");
            let hint = "start the agent with `--azure-guest`";
            assert_eq!(told.matches(hint).count(), 1, "{told}");
            assert!(told.contains("maa-claim-mismatch"), "{told}");
            let attempts = world.attempts(&name);
            let [without, granted] = attempts.as_slice() else {
                panic!("{name}: {} attempts", attempts.len());
            };
            assert_eq!(without.explanation.outcome, Outcome::Denied);
            assert_eq!(granted.explanation.outcome, Outcome::Granted);
            assert_eq!(granted.explanation.evidence, evidence);
            let verifier = verifier.replace("URL", world.up.text("maa"));
            assert_eq!(granted.explanation.verifier.as_ref(), Some(&verifier));
        }
    }
}

#[test]
fn machine_that_the_policy_denies_is_submitted_to_nobody() {
    let Some(world) = World::start() else { return };
    world.put("app", "azure-snp", BOTH, "");
    let asked = world.asked("maa");
    let other = [AZURE_GUEST, &["--", world.changed.as_str()]].concat();
    let told = world.refused("azure-snp", "app", &other, 103);
    assert!(told.contains("measurement-mismatch"), "{told}");
    let told = world.refused("azure-tdx", "app", AZURE_GUEST, 103);
    assert!(told.contains("identity-mismatch"), "{told}");
    world.put("alone", "azure-snp", "{mode: hardware}", "");
    let told = world.refused("azure-snp", "alone", AZURE_GUEST, 103);
    for part in ["`guest-judge-absent`", "hint: ", "`--azure-guest`"] {
        assert!(told.contains(part), "`{part}` in {told}");
    }
    assert_eq!(world.asked("maa"), asked);
    let outcome = |name| world.attempts(name).remove(0).explanation.outcome;
    assert_eq!(outcome("app"), Outcome::Denied);
    assert_eq!(outcome("alone"), Outcome::Failed);
    // The same TPM-backed evidence is enough where Casque judges alone.
    world.granted("azure-snp", "alone", &[]);
}

#[test]
fn service_that_is_down_or_refuses_is_told() {
    let Some(world) = World::start() else { return };
    world.put("app", "azure-snp", MAA, "");
    world.up.admin("PUT", "/faults/maa", r#"{"fail": 1000000}"#);
    let told = world.refused("azure-snp", "app", AZURE_GUEST, 101);
    for part in ["`maa-unavailable`", "503", "with its TPM"] {
        assert!(told.contains(part), "`{part}` in {told}");
    }
    world.up.admin("PUT", "/faults/maa", "{}");
    world.granted("azure-snp", "app", AZURE_GUEST);
}

#[test]
fn switch_needs_a_machine_with_a_tpm() {
    let up = Up::start();
    let program = up.script("show", PROGRAM);
    let run = |words: &[&str]| up.run(&[&["run"], words, &["app/web", "--", &program]].concat());
    let output = run(&["--tee", "sgx", "--swtpm"]);
    assert_eq!(output.status.code(), Some(100), "{}", stderr(&output));
    let told = stderr(&output);
    assert!(told.contains("expected `--tee azure-snp`"), "{told}");
    let told = stderr(&run(&["--tee", "azure-snp", "--azure-guest"]));
    assert!(told.contains("--swtpm"), "{told}");
}

const AZURE_GUEST: &[&str] = &["--azure-guest"];
const MAA: &str = "{mode: maa, url: \"URL\", tolerate: [maa-managed-tcb]}";
const BOTH: &str = "{mode: maa, url: \"URL\", require: [maa, evidence]}";
/// What tokens of `attest/AzureGuest` say, and no others.
const OF_GUESTS: &str = "
      maa:
        claims:
          - {name: x-ms-attestation-type, equals: azurevm}
          - {name: x-ms-azurevm-ostype, equals: Linux}
          - {name: x-ms-isolation-tee.x-ms-compliance-status, equals: azure-compliant-cvm}";
const SECRET: &str = "sesame";
const PROGRAM: &str = "#!/bin/sh\necho \"$WORD\"\n";
