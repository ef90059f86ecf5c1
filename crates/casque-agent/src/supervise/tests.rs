use std::io::{BufRead as _, BufReader, PipeReader};
use std::process::Stdio;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use assert_matches::assert_matches;

use super::*;

/// Signals reach every program that is being watched over in this process: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn shell(script: &str) -> (Command, BufReader<PipeReader>) {
    let (reader, writer) = io::pipe().unwrap();
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", script])
        .stdin(Stdio::null())
        .stdout(writer);
    (command, BufReader::new(reader))
}

fn supervised(command: Command) -> Result<AgentExit, SuperviseError> {
    supervise(command, &mut catch_signals()?)
}

fn next_line(output: &mut BufReader<PipeReader>) -> String {
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

fn signal_ourselves(signal: Signal) {
    kill_process(getpid(), signal).unwrap();
}

#[test]
fn supervised_program_status_is_returned() {
    let _alone = alone();
    let (command, _) = shell("exit 7");
    assert_matches!(supervised(command), Ok(AgentExit::Program(7)));
    let (command, _) = shell("kill -9 $$");
    assert_matches!(supervised(command), Ok(AgentExit::Program(137)));
}

#[test]
fn supervised_program_that_is_none_is_named() {
    let _alone = alone();
    let refused = supervised(Command::new("/nowhere/program"));
    assert_matches!(refused, Err(SuperviseError::Start { program, .. }) if program == "/nowhere/program");
}

#[test]
fn supervised_program_gets_every_forwarded_signal() {
    let _alone = alone();
    // The shell waits for its background job, so that a trap runs at once; the job ends with the pipe.
    let script = "\
        for s in TERM INT HUP QUIT USR1 USR2 WINCH; do trap \"echo $s\" $s; done; \
        trap 'echo done; kill $job; exit 42' CONT; \
        sleep 600 >/dev/null & job=$!; echo $$; \
        while :; do wait $job; done";
    let (command, mut output) = shell(script);
    let watched = thread::spawn(move || supervised(command));
    let pid: i32 = next_line(&mut output).parse().unwrap();
    for (signal, name) in [
        (Signal::TERM, "TERM"),
        (Signal::INT, "INT"),
        (Signal::HUP, "HUP"),
        (Signal::QUIT, "QUIT"),
        (Signal::USR1, "USR1"),
        (Signal::USR2, "USR2"),
        (Signal::WINCH, "WINCH"),
    ] {
        signal_ourselves(signal);
        assert_eq!(next_line(&mut output), name);
    }
    kill_process(Pid::from_raw(pid).unwrap(), Signal::CONT).unwrap();
    assert_eq!(next_line(&mut output), "done");
    assert_matches!(watched.join().unwrap(), Ok(AgentExit::Program(42)));
}

#[test]
fn signal_that_came_before_the_program_is_forwarded_to_it() {
    let _alone = alone();
    let mut signals = catch_signals().unwrap();
    signal_ourselves(Signal::TERM);
    // It does nothing but wait for it.
    let (command, _) = shell("exec sleep 600");
    let ended = supervise(command, &mut signals);
    assert_matches!(ended, Ok(AgentExit::Program(143)));
}
