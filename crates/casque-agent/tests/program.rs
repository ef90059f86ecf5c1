//! The program itself: usage, and its exit codes without a server.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Command, Output};

fn agent(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_casque-agent"))
        .args(arguments)
        .env_clear()
        .output()
        .unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn run_without_settings_is_usage() {
    let output = agent(&["run"]);
    assert_eq!(output.status.code(), Some(100));
    assert!(
        stderr(&output).contains("CASQUE_ADDR"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn run_with_unknown_flag_is_usage() {
    assert_eq!(
        agent(&["run", "--skip-attestation"]).status.code(),
        Some(100)
    );
}

#[test]
fn run_with_mistyped_server_key_says_so() {
    let output = agent(&[
        "run",
        "a/b",
        "--addr",
        "localhost:1",
        "--server-key",
        "nonsense",
    ]);
    assert_eq!(output.status.code(), Some(100));
    assert!(stderr(&output).contains("key hash"), "{}", stderr(&output));
}

#[test]
fn run_without_server_there_is_unreachable() {
    // a port that was free a moment ago
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let key = casque_types::KeyHash::of_spki(b"server").to_string();
    let address = format!("127.0.0.1:{port}");
    let flags = [
        "run",
        "a/b",
        "--addr",
        &address,
        "--server-key",
        &key,
        "--maa-token-file",
        "/nowhere",
    ];
    let output = agent(&flags);
    assert_eq!(output.status.code(), Some(101), "{}", stderr(&output));
}

#[test]
fn help_lists_the_exit_codes() {
    let output = agent(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("103  the server refused"), "{text}");
}
