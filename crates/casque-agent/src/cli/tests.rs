use clap::CommandFactory as _;

use super::*;

/// Exit, standard output, standard error.
fn run_with_no_environment(arguments: &[&str]) -> (AgentExit, String, String) {
    let arguments = std::iter::once("casque-agent").chain(arguments.iter().copied());
    let (mut output, mut notes) = (Vec::new(), Vec::new());
    let exit = main_with(
        arguments.map(OsString::from),
        &HostEnvironment::default(),
        &mut output,
        &mut notes,
    );
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (exit, text(output), text(notes))
}

#[test]
fn cli_is_consistent() {
    AgentCli::command().debug_assert();
}

#[test]
fn cli_help_names_every_exit_code_on_standard_output() {
    let (exit, output, notes) = run_with_no_environment(&["run", "--help"]);
    assert_eq!((exit, notes.as_str()), (AgentExit::Program(0), ""));
    for exit in [
        AgentExit::Usage,
        AgentExit::Unreachable,
        AgentExit::NoEvidence,
        AgentExit::Denied,
        AgentExit::OtherServer,
        AgentExit::Files,
        AgentExit::Start,
        AgentExit::Failed,
        AgentExit::Volumes,
    ] {
        assert!(
            output.contains(&format!("\n  {}  ", exit.code())),
            "{exit:?}"
        );
    }
}

#[test]
fn cli_wrong_arguments_exit_with_usage() {
    for arguments in [
        &[][..],
        &["run", "--skip"],
        &["run", "a/b", "program-without-dashes"],
        &["run", "--runtime-data-file", "x"],
        &["run", "--azure-guest", "--maa-token-file", "x"],
        &["run", "--volumes"],
    ] {
        let (exit, output, notes) = run_with_no_environment(arguments);
        assert_eq!(
            (exit, output.as_str()),
            (AgentExit::Usage, ""),
            "{arguments:?}"
        );
        assert!(!notes.is_empty(), "{arguments:?}");
    }
}

#[test]
fn cli_token_beside_no_evidence_exits_with_usage() {
    let key = "0".repeat(64);
    let settings = ["run", "a/b", "--addr", "localhost", "--server-key", &key];
    let token = ["--maa-token-file", "x", "--evidence", "none"];
    let (exit, output, notes) = run_with_no_environment(&[&settings[..], &token].concat());
    assert_eq!((exit, output.as_str()), (AgentExit::Usage, ""));
    assert!(notes.contains("leave `--evidence` out"), "{notes}");
}

/// Exit and standard error of `run` with these settings of the environment besides.
fn run_in(environment: &[(&str, &str)], arguments: &[&str]) -> (AgentExit, String) {
    let key = "0".repeat(64);
    let settings = ["run", "a/b", "--addr", "localhost:1", "--server-key", &key];
    let all = [&["casque-agent"], &settings[..], arguments].concat();
    let (mut output, mut notes) = (Vec::new(), Vec::new());
    let host: HostEnvironment = environment.iter().copied().collect();
    let arguments = all.into_iter().map(OsString::from);
    let exit = main_with(arguments, &host, &mut output, &mut notes);
    assert!(output.is_empty());
    (exit, String::from_utf8(notes).unwrap())
}

#[test]
fn cli_azure_guest_takes_the_tpm_of_azure_alone() {
    for named in ["tsm", "none"] {
        let (exit, notes) = run_in(&[], &["--azure-guest", "--evidence", named]);
        assert_eq!(exit, AgentExit::Usage, "{notes}");
        assert!(notes.contains(&format!("`--evidence {named}`")), "{notes}");
    }
    let named = ["--evidence", "tsm"];
    let (exit, notes) = run_in(&[("CASQUE_AZURE_GUEST", "true")], &named);
    assert_eq!(exit, AgentExit::Usage, "{notes}");
    let (exit, notes) = run_in(&[("CASQUE_AZURE_GUEST", "yes")], &named);
    assert_eq!(exit, AgentExit::Usage, "{notes}");
    assert!(notes.contains("expected `true` or `false`"), "{notes}");
}

#[test]
fn cli_certificates_of_the_tpms_key_must_be_there() {
    let directory = tempfile::tempdir().unwrap();
    let absent = directory.path().join("absent").display().to_string();
    let (exit, notes) = run_in(&[("CASQUE_AK_INTERMEDIATES", &absent)], &[]);
    assert_eq!(exit, AgentExit::Usage, "{notes}");
    assert!(notes.contains(&absent), "{notes}");
    let long = directory.path().join("long");
    std::fs::write(&long, vec![b'-'; 32 * 1024 + 1]).unwrap();
    let long = long.display().to_string();
    let (exit, notes) = run_in(&[], &["--ak-intermediates", &long]);
    assert_eq!(exit, AgentExit::Usage, "{notes}");
    assert!(notes.contains("more than 32768 bytes"), "{notes}");
    let other = directory.path().join("other");
    std::fs::write(&other, "some secret\n").unwrap();
    let other = other.display().to_string();
    for given in [
        run_in(&[("CASQUE_AK_INTERMEDIATES", &other)], &[]),
        run_in(&[], &["--ak-intermediates", &other]),
    ] {
        let (exit, notes) = given;
        assert_eq!(exit, AgentExit::Usage, "{notes}");
        let expected = format!("certificates in `{other}`");
        assert!(notes.contains(&expected), "{notes}");
        assert!(!notes.contains("secret"), "{notes}");
    }
}

#[test]
fn cli_missing_settings_exit_with_usage_and_say_how_to_give_them() {
    let (exit, _, notes) = run_with_no_environment(&["run", "a/b"]);
    assert_eq!(exit, AgentExit::Usage);
    assert!(notes.contains("SCONE_CAS_ADDR"), "{notes}");
}

#[test]
fn cli_evidence_without_a_source_says_where_it_looked() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| format!("--{name}={}", directory.path().display());
    let (gramine, tsm) = (at("gramine-dir"), format!("{}/report", at("tsm-dir")));
    let tpm = format!("--tpm=device:{}/tpm", directory.path().display());
    let (exit, output, notes) = run_with_no_environment(&["evidence", &gramine, &tsm, &tpm]);
    assert_eq!((exit, output.as_str()), (AgentExit::NoEvidence, ""));
    for source in [
        "Gramine",
        "confidential container",
        "configfs-tsm",
        "Azure vTPM",
    ] {
        assert!(notes.contains(&format!("\n  {source}: `")), "{notes}");
    }
}

#[test]
fn cli_help_names_every_setting_of_the_environment() {
    let (_, output, _) = run_with_no_environment(&["run", "--help"]);
    for name in [
        "CASQUE_CONFIG_ID",
        "SCONE_CONFIG_ID",
        "CASQUE_ADDR",
        "SCONE_CAS_ADDR",
        "CASQUE_SERVER_KEY",
        "CASQUE_CA_FILE",
        "CASQUE_OTP",
        "CASQUE_SERVICE_ACCESS_TOKEN",
        "SCONE_SERVICE_ACCESS_TOKEN",
        "CASQUE_VOLUMES",
        "CASQUE_SERVICE_ACCOUNT_TOKEN_FILE",
        "CASQUE_AZURE_GUEST",
        "CASQUE_TCG_LOG",
        "CASQUE_TPM",
        "CASQUE_AK_INTERMEDIATES",
        "CASQUE_IMDS",
        "CASQUE_GRAMINE_DIR",
        "CASQUE_TSM_DIR",
        "CASQUE_SEV_GUEST",
        "CASQUE_TDX_GUEST",
        "UVM_SECURITY_CONTEXT_DIR",
    ] {
        assert!(output.contains(name), "{name}");
    }
}

#[test]
fn cli_documentation_names_every_flag_and_exit_code() {
    let text = include_str!("../../../../docs/agent.md");
    let command = AgentCli::command();
    let named = ["run", "evidence"].map(|name| command.find_subcommand(name).unwrap());
    let arguments = named.iter().flat_map(|command| command.get_arguments());
    for flag in arguments.filter_map(|argument| argument.get_long()) {
        assert!(text.contains(&format!("| `--{flag}` |")), "{flag}");
    }
    for code in 100..=108 {
        assert!(text.contains(&format!("\n| {code} | ")), "{code}");
        assert!(EXIT_CODES.contains(&format!("\n  {code}  ")), "{code}");
    }
}
