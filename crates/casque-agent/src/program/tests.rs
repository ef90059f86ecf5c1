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
