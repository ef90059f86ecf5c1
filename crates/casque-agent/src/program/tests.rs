use assert_matches::assert_matches;
use casque_types::Secret;

use super::*;

fn settings(program: &[&str]) -> AgentSettings {
    let mut program = program.iter().map(OsString::from);
    AgentSettings {
        address: "localhost".parse().unwrap(),
        config: "app/web".parse().unwrap(),
        server_key: [0; 32].into(),
        authorities_pem: None,
        program: program.next(),
        arguments: program.collect(),
        search_path: "/bin:/usr/bin".into(),
        host: [
            ("A_OF_HOST", "host's"),
            ("SCONE_SERVICE_ACCESS_TOKEN", "token"),
        ]
        .into_iter()
        .collect(),
        factors: casque_client::SecondFactors::default(),
        volumes: None,
        timeouts: casque_client::Timeouts::default(),
    }
}

fn configuration(arguments: &[&str]) -> Configuration {
    let secret = |text: &&str| Secret::copied_from(text.as_bytes());
    Configuration {
        arguments: arguments.iter().map(|text| secret(text).into()).collect(),
        environment: vec![("A".to_owned(), secret(&"1").into())],
        directory: Some("/usr".to_owned()),
        ..Configuration::default()
    }
}

fn arguments(command: &Command) -> Vec<&str> {
    command
        .get_args()
        .map(|one| one.to_str().unwrap())
        .collect()
}

#[test]
fn command_of_policy_has_its_program_arguments_and_environment_alone() {
    let command = command(&settings(&[]), &configuration(&["sh", "-c", "x"])).unwrap();
    assert!(Path::new(command.get_program()).ends_with("sh"));
    assert_eq!(arguments(&command), ["-c", "x"]);
    let environment: Vec<_> = command.get_envs().collect();
    assert_eq!(environment, [(OsStr::new("A"), Some(OsStr::new("1")))]);
    assert_eq!(command.get_current_dir(), Some(Path::new("/usr")));
}

#[test]
fn command_program_replaces_the_policys_and_keeps_its_arguments() {
    let command = command(&settings(&["cat"]), &configuration(&["sh", "-c", "x"])).unwrap();
    assert!(Path::new(command.get_program()).ends_with("cat"));
    assert_eq!(arguments(&command), ["-c", "x"]);
}

#[test]
fn command_arguments_replace_the_policys() {
    let command = command(
        &settings(&["cat", "-n"]),
        &configuration(&["sh", "-c", "x"]),
    )
    .unwrap();
    assert_eq!(arguments(&command), ["-n"]);
}

#[test]
fn command_without_any_program_is_refused() {
    let refused = command(&settings(&[]), &configuration(&[]));
    assert_matches!(refused, Err(ProgramError::None));
}

#[test]
fn command_relative_program_of_policy_is_below_its_directory() {
    let command = command(&settings(&[]), &configuration(&["bin/env"])).unwrap();
    assert_eq!(command.get_program(), "/usr/bin/env");
}

#[test]
fn command_program_of_policy_is_sought_in_the_released_path() {
    let mut released = configuration(&["sh"]);
    let path = Secret::copied_from(b"/nowhere");
    released.environment.push(("PATH".to_owned(), path.into()));
    let refused = command(&settings(&[]), &released);
    assert_matches!(refused, Err(ProgramError::NotFound { name, looked_in }) if name == "sh" && looked_in == "`/nowhere`");
}

#[test]
fn find_program_that_cannot_be_executed_is_refused() {
    let find = |name: &str, path: &str| find_program(OsStr::new(name), OsStr::new(path));
    assert_matches!(find("/etc/passwd", ""), Err(ProgramError::NotFound { .. }));
    assert_matches!(find("passwd", "/etc"), Err(ProgramError::NotFound { .. }));
    assert_matches!(find("", "/bin"), Err(ProgramError::NotFound { .. }));
    assert_matches!(find("sh", "bin:/bin"), Ok(file) if file == Path::new("/bin/sh"));
}

/// An argument of these parts: numbers are the host's.
fn parts(parts: &[Result<u16, &str>]) -> Argument {
    let part = |part: &Result<u16, &str>| match part {
        Ok(number) => ArgumentPart::Host(*number),
        Err(text) => ArgumentPart::Value(Secret::copied_from(text.as_bytes())),
    };
    Argument {
        parts: parts.iter().map(part).collect(),
    }
}

/// `sh --out=@@2 @@1 last`.
fn takes_two() -> Configuration {
    let mut taking = configuration(&["sh"]);
    taking.arguments.push(parts(&[Err("--out="), Ok(2)]));
    taking.arguments.push(parts(&[Ok(1)]));
    taking.arguments.push(parts(&[Err("last")]));
    taking
}

#[test]
fn command_host_arguments_are_put_where_the_policy_takes_them() {
    let command = command(&settings(&["cat", "a", "b", "c"]), &takes_two()).unwrap();
    assert!(Path::new(command.get_program()).ends_with("cat"));
    assert_eq!(arguments(&command), ["--out=b", "a", "last"]);
}

#[test]
fn command_empty_program_of_the_host_leaves_the_policys() {
    let taking = command(&settings(&["", "a", "b"]), &takes_two()).unwrap();
    assert!(Path::new(taking.get_program()).ends_with("sh"));
    let other = command(&settings(&["", "x"]), &configuration(&["sh", "-c"])).unwrap();
    assert!(Path::new(other.get_program()).ends_with("sh"));
    assert_eq!(arguments(&other), ["x"]);
}

#[test]
fn command_host_argument_that_is_missing_is_named_with_how_many_there_are() {
    for (given, number, count) in [(&["cat", "a"][..], 2, 1), (&["cat"], 2, 0), (&[], 2, 0)] {
        let refused = command(&settings(given), &takes_two()).unwrap_err();
        let expected = ProgramError::HostArgument {
            number,
            given: count,
        };
        assert_eq!(refused, expected);
    }
    let refused = command(&settings(&["cat", "a"]), &takes_two()).unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("argument 2 of the host (`@@2`), and 1 were given")
    );
}

#[test]
fn command_host_variable_is_the_hosts_or_empty() {
    let mut taking = configuration(&["sh"]);
    for name in ["A_OF_HOST", "UNSET", "SCONE_SERVICE_ACCESS_TOKEN"] {
        taking
            .environment
            .push((name.to_owned(), VariableValue::Host));
    }
    let command = command(&settings(&[]), &taking).unwrap();
    let text = |text| Some(OsStr::new(text));
    let environment: Vec<_> = command.get_envs().collect();
    let expected = [
        (OsStr::new("A"), text("1")),
        (OsStr::new("A_OF_HOST"), text("host's")),
        (OsStr::new("SCONE_SERVICE_ACCESS_TOKEN"), text("token")),
        (OsStr::new("UNSET"), text("")),
    ];
    assert_eq!(environment, expected);
}

#[test]
fn command_program_of_policy_is_sought_in_the_hosts_path_if_the_policy_takes_it() {
    let mut taking = configuration(&["sh"]);
    taking
        .environment
        .push(("PATH".to_owned(), VariableValue::Host));
    let mut settings = settings(&[]);
    settings.host = [("PATH", "/nowhere")].into_iter().collect();
    let refused = command(&settings, &taking);
    assert_matches!(refused, Err(ProgramError::NotFound { looked_in, .. }) if looked_in == "`/nowhere`");
}
