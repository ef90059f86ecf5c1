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
        &["run", "--maa-token-file", "x", "--evidence", "none"],
        &["run", "--runtime-data-file", "x"],
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
fn cli_missing_settings_exit_with_usage_and_say_how_to_give_them() {
    let (exit, _, notes) = run_with_no_environment(&["run", "a/b"]);
    assert_eq!(exit, AgentExit::Usage);
    assert!(notes.contains("SCONE_CAS_ADDR"), "{notes}");
}

#[test]
fn cli_evidence_says_what_was_found() {
    let directory = tempfile::tempdir().unwrap();
    let roots = SourceRoots {
        gramine: directory.path().join("attestation"),
        tsm: directory.path().to_owned(),
    };
    let mut output = Vec::new();
    let exit = show_evidence(&roots, &mut output).unwrap();
    assert_eq!(exit, AgentExit::Program(0));
    let text = String::from_utf8(output).unwrap();
    assert!(
        text.contains("configfs-tsm") && text.contains("found, chosen"),
        "{text}"
    );
    let absent = SourceRoots {
        tsm: directory.path().join("report"),
        ..roots
    };
    let refused = show_evidence(&absent, &mut Vec::new()).unwrap_err();
    assert_eq!(refused.exit(), AgentExit::NoEvidence);
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
    ] {
        assert!(output.contains(name), "{name}");
    }
}

#[test]
fn cli_documentation_names_every_flag_and_exit_code() {
    let text = include_str!("../../../../docs/agent.md");
    let command = AgentCli::command();
    let run = command.find_subcommand("run").unwrap();
    for flag in run
        .get_arguments()
        .filter_map(|argument| argument.get_long())
    {
        assert!(text.contains(&format!("| `--{flag}` |")), "{flag}");
    }
    for code in 100..=108 {
        assert!(text.contains(&format!("\n| {code} | ")), "{code}");
        assert!(EXIT_CODES.contains(&format!("\n  {code}  ")), "{code}");
    }
}
