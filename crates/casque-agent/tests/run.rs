//! The agent from a release to the program's end, with a stand-in for the server.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a test that cannot go on fails"
)]

mod exchange;

use std::fs;
use std::path::Path;

use casque_agent::{
    AgentExit, AgentSettings, AttesterError, Challenge, ClientError, Collected, EvidenceError,
    EvidenceKind, EvidencePlan, EvidenceSource, FactorError, Gathered, GuestData, ReleaseError,
    Released, Releases, SecondFactors, run_with,
};
use casque_secrets::{OpenError, SecretValue};
use casque_types::{
    Argument, ArgumentPart, ConfigId, Configuration, ConfigurationFile, FileContent, FileMode,
    FileSystemProtection, RuntimeData, Seconds, Secret, VariableValue,
};
use casque_wire::Failure;
use exchange::{challenge, settings};

/// Answers as it is told, after it has seen the evidence.
struct StandIn(
    fn(&Path) -> Result<Configuration, ReleaseError<EvidenceError>>,
    tempfile::TempDir,
);

impl Releases for StandIn {
    fn release(
        &self,
        config: ConfigId,
        _factors: &SecondFactors,
        gather: &mut dyn FnMut(&RuntimeData, &Challenge) -> Result<Gathered, EvidenceError>,
    ) -> Result<Released, ReleaseError<EvidenceError>> {
        let (runtime, challenge) = challenge(config, &[EvidenceKind::Sgx]);
        gather(&runtime, &challenge).map_err(ReleaseError::Evidence)?;
        Ok(Released {
            configuration: self.0(self.1.path())?,
            refresh_after: Seconds(60),
        })
    }
}

struct Quotes;

impl EvidenceSource for Quotes {
    fn name(&self) -> &'static str {
        "quotes"
    }

    fn gather(&self, report_data: &GuestData) -> Result<Collected, AttesterError> {
        Ok(Collected::SgxQuote(report_data.as_bytes().to_vec()))
    }
}

fn secret(text: &str) -> Secret {
    Secret::copied_from(text.as_bytes())
}

/// A shell script that leaves what it was given in the directory.
fn script(directory: &Path) -> Configuration {
    let at = |name: &str| directory.join(name).to_str().unwrap().to_owned();
    let script = format!(
        "env > {}; pwd > {}; echo \"$0 $1\" > {}; exit 3",
        at("env"),
        at("pwd"),
        at("args")
    );
    Configuration {
        arguments: ["sh", "-c", script.as_str(), "zero", "one"]
            .map(|text| secret(text).into())
            .into(),
        environment: vec![("DB_PASSWORD".to_owned(), secret("hunter2").into())],
        directory: Some("/usr".to_owned()),
        files: vec![ConfigurationFile {
            path: at("secrets/token"),
            mode: FileMode::from_bits(0o400).unwrap(),
            content: secret("t0ken").into(),
        }],
        ..Configuration::default()
    }
}

/// How the agent ended, what it said, and the directory that the configuration names.
fn run_against(
    answer: fn(&Path) -> Result<Configuration, ReleaseError<EvidenceError>>,
    settings: &AgentSettings,
) -> (AgentExit, String, tempfile::TempDir) {
    let server = StandIn(answer, tempfile::tempdir().unwrap());
    let mut notes = Vec::new();
    let exit = run_with(
        &server,
        settings,
        &EvidencePlan::Source(&Quotes),
        &mut notes,
    );
    (exit, String::from_utf8(notes).unwrap(), server.1)
}

#[test]
fn released_program_gets_exactly_what_was_released() {
    let (exit, notes, directory) = run_against(|at| Ok(script(at)), &settings());
    assert_eq!(exit, AgentExit::Program(3), "{notes}");
    let read = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap();
    // Shells add these of their own.
    let of_shell = |line: &&str| {
        !line.starts_with("PWD=") && !line.starts_with("_=") && !line.starts_with("SHLVL=")
    };
    let environment = read("env");
    let environment: Vec<&str> = environment.lines().filter(of_shell).collect();
    assert_eq!(environment, ["DB_PASSWORD=hunter2"]);
    assert_eq!(read("pwd"), "/usr\n");
    assert_eq!(read("args"), "zero one\n");
    assert_eq!(read("secrets/token"), "t0ken");
}

#[test]
fn denied_program_does_not_start() {
    let denied = |_: &Path| {
        let failure = Failure {
            code: "denied".to_owned(),
            message: "the policy denies".to_owned(),
            causes: Vec::new(),
            hint: None,
            reasons: Vec::new(),
            diagnostics: Vec::new(),
        };
        let failure = Box::new(failure);
        Err(ClientError::Refused {
            status: 403,
            failure,
        }
        .into())
    };
    let (exit, notes, _) = run_against(denied, &settings());
    assert_eq!(exit, AgentExit::Denied);
    assert!(notes.contains("the policy denies"), "{notes}");
}

#[test]
fn answer_of_another_server_is_refused() {
    let (exit, notes, _) = run_against(
        |_| Err(ReleaseError::Open(OpenError::Signature)),
        &settings(),
    );
    assert_eq!(exit, AgentExit::OtherServer);
    assert!(notes.contains("signature"), "{notes}");
}

#[test]
fn failure_of_the_server_is_no_denial() {
    let unavailable = |_: &Path| {
        let failure = Failure {
            code: "unavailable".to_owned(),
            message: "the vault does not answer".to_owned(),
            causes: Vec::new(),
            hint: None,
            reasons: Vec::new(),
            diagnostics: Vec::new(),
        };
        let failure = Box::new(failure);
        Err(ClientError::Refused {
            status: 503,
            failure,
        }
        .into())
    };
    let (exit, _, _) = run_against(unavailable, &settings());
    assert_eq!(exit, AgentExit::Unreachable);
}

#[test]
fn file_that_cannot_be_placed_keeps_the_program_from_starting() {
    let relative = |at: &Path| {
        let mut configuration = script(at);
        "relative".clone_into(&mut configuration.files.first_mut().unwrap().path);
        Ok(configuration)
    };
    let (exit, notes, directory) = run_against(relative, &settings());
    assert_eq!(exit, AgentExit::Files, "{notes}");
    assert!(!directory.path().join("env").exists());
}

#[test]
fn policy_without_command_needs_a_program() {
    let without = |at: &Path| {
        let mut configuration = script(at);
        configuration.arguments.clear();
        Ok(configuration)
    };
    let (exit, notes, _) = run_against(without, &settings());
    assert_eq!(exit, AgentExit::Start);
    assert!(notes.contains("no `command`"), "{notes}");
    let mut given = settings();
    given.program = Some("true".into());
    let (exit, notes, _) = run_against(without, &given);
    assert_eq!(exit, AgentExit::Program(0), "{notes}");
}

#[test]
fn secrets_arrive_after_core_dumps_are_off() {
    let look = |at: &Path| {
        let limits = fs::read_to_string("/proc/self/limits").unwrap();
        let core = limits
            .lines()
            .find(|line| line.starts_with("Max core file size"));
        let zero = core.is_some_and(|line| line.split_whitespace().nth(4) == Some("0"));
        assert!(zero, "{limits}");
        Ok(script(at))
    };
    let (exit, notes, _) = run_against(look, &settings());
    assert_eq!(exit, AgentExit::Program(3), "{notes}");
}

/// Of the script, what the host gives: an argument, a variable, and a file of the container as template.
fn taking(at: &Path) -> Configuration {
    let mut configuration = script(at);
    configuration.arguments.pop();
    configuration.arguments.push(Argument {
        parts: vec![ArgumentPart::Value(secret("n=")), ArgumentPart::Host(1)],
    });
    configuration
        .environment
        .push(("OF_HOST".to_owned(), VariableValue::Host));
    let template = at.join("app.conf");
    fs::write(&template, "p=$$SCONE::password$$\n").unwrap();
    configuration.files.push(ConfigurationFile {
        path: template.to_str().unwrap().to_owned(),
        mode: FileMode::from_bits(0o440).unwrap(),
        content: FileContent::Template,
    });
    let value = SecretValue::Ascii(secret("hunter2")).to_stored();
    configuration.template_secrets = vec![("password".parse().unwrap(), value)];
    configuration.file_system = Some(FileSystemProtection {
        path: "/fspf.pf".to_owned(),
        key: None,
        tag: None,
    });
    configuration
}

#[test]
fn released_program_gets_what_the_policy_takes_of_its_host() {
    let mut given = settings();
    given.program = Some("".into());
    given.arguments = vec!["one".into(), "left out".into()];
    given.host = [("OF_HOST", "h"), ("NOT_TAKEN", "x")].into_iter().collect();
    let (exit, notes, directory) = run_against(|at| Ok(taking(at)), &given);
    assert_eq!(exit, AgentExit::Program(3), "{notes}");
    let read = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap();
    assert_eq!(read("args"), "zero n=one\n");
    assert!(read("env").lines().any(|line| line == "OF_HOST=h"));
    assert!(!read("env").contains("NOT_TAKEN"));
    assert_eq!(read("app.conf"), "p=hunter2\n");
    assert!(
        notes.contains("SCONE's own runtime, which is not mounted: `/fspf.pf`"),
        "{notes}"
    );
}

#[test]
fn argument_that_the_host_did_not_give_keeps_the_program_from_starting() {
    let (exit, notes, directory) = run_against(|at| Ok(taking(at)), &settings());
    assert_eq!(exit, AgentExit::Start);
    assert!(
        notes.contains("argument 1 of the host (`@@1`), and 0 were given"),
        "{notes}"
    );
    assert!(!directory.path().join("env").exists());
}

#[test]
fn template_that_cannot_be_filled_in_keeps_the_program_from_starting() {
    let without = |at: &Path| {
        let mut configuration = taking(at);
        configuration.template_secrets.clear();
        Ok(configuration)
    };
    let (exit, notes, _) = run_against(without, &settings());
    assert_eq!(exit, AgentExit::Files);
    assert!(
        notes.contains("caused by: 1:3: no secret `password`"),
        "{notes}"
    );
}

#[test]
fn server_that_does_not_know_the_access_token_is_refused() {
    let (exit, notes, _) = run_against(
        |_| Err(ReleaseError::Factor(FactorError::OtherToken)),
        &settings(),
    );
    assert_eq!(exit, AgentExit::OtherServer);
    assert!(notes.contains("security.service_access_token"), "{notes}");
}
