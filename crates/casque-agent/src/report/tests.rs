use super::*;
use crate::SettingsError;

fn denial() -> AgentError {
    AgentError::Client(refused())
}

fn refused() -> ClientError {
    let reason = |code: &str, expected: Option<&str>| Reason {
        code: code.to_owned(),
        path: "services[0].mrenclaves".to_owned(),
        expected: expected.map(str::to_owned),
        found: "aa\u{1b}[31m".to_owned(),
        hint: "rebuild".to_owned(),
    };
    let failure = Failure {
        code: "denied".to_owned(),
        message: "the policy denies".to_owned(),
        causes: vec!["a cause".to_owned()],
        hint: Some("ask its owner".to_owned()),
        reasons: vec![reason("measurement", Some("bb")), reason("debug", None)],
        diagnostics: Vec::new(),
    };
    let failure = Box::new(failure);
    ClientError::Refused {
        status: 403,
        failure,
    }
}

fn said(error: &AgentError) -> String {
    let mut notes = Vec::new();
    report(error, Some(&"app/web".parse().unwrap()), &mut notes);
    String::from_utf8(notes).unwrap()
}

#[test]
fn report_of_denial_lists_every_reason_without_control_characters() {
    let expected = "\
casque-agent: the server does not release `app/web`: the policy denies (`denied`, HTTP status 403)
  caused by: a cause
  1. measurement at `services[0].mrenclaves`
     found: aa\u{fffd}[31m
     expected: bb
     hint: rebuild
  2. debug at `services[0].mrenclaves`
     found: aa\u{fffd}[31m
     hint: rebuild
  hint: ask its owner
";
    assert_eq!(said(&denial()), expected);
    assert_eq!(denial().exit().code(), 103);
    let of_guest = AgentError::Release(ReleaseError::Evidence(EvidenceError::Judge(refused())));
    assert_eq!(said(&of_guest), expected);
    assert_eq!(of_guest.exit().code(), 103);
}

#[test]
fn report_of_failure_lists_its_causes_once() {
    let source = "a b".parse::<ConfigId>().unwrap_err();
    let found = "a b".to_owned();
    let error = AgentError::Settings(SettingsError::Config { found, source });
    let expected = "\
casque-agent: the config id `a b`: expected `[namespace/]policy/service`
  caused by: expected `policy/service`, found no `/`
";
    assert_eq!(said(&error), expected);
}

fn noted(note: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut notes = Vec::new();
    note(&mut notes);
    String::from_utf8(notes).unwrap()
}

#[test]
fn notes_name_what_they_are_about_and_are_silent_without() {
    let placed = Placed {
        on_disk: vec!["/etc/a".into(), "/etc/b\u{1b}".into()],
        unchanged: vec!["/etc/a".into()],
    };
    let expected = "\
casque-agent: note: not on a file system in memory (tmpfs): `/etc/a`, `/etc/b\u{fffd}`
casque-agent: note: without placeholder, as if filled in before (a container that is started again keeps its files): `/etc/a`
";
    assert_eq!(noted(|notes| note_placed(&placed, notes)), expected);
    let system = FileSystemProtection {
        path: "/fspf/main.pf".to_owned(),
        key: None,
        tag: None,
    };
    let expected = "casque-agent: note: file system protection of SCONE's own runtime, which is not mounted: `/fspf/main.pf`\n";
    assert_eq!(
        noted(|notes| note_file_system(Some(&system), notes)),
        expected
    );
    let expected = "casque-agent: note: still mounted, or not removed: `/srv/data`\n";
    assert_eq!(
        noted(|notes| note_left(&["/srv/data".into()], notes)),
        expected
    );
    let silent = noted(|notes| {
        note_placed(&Placed::default(), notes);
        note_file_system(None, notes);
        note_left(&[], notes);
        note_volumes(&MountedVolumes::default(), notes);
    });
    assert_eq!(silent, "");
}

#[test]
fn note_of_the_boot_log_says_that_it_shows_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("empty"), "").unwrap();
    std::fs::create_dir(path("opens-only")).unwrap();
    for (name, what) in [
        ("absent", "cannot be read"),
        ("opens-only", "cannot be read"),
        ("empty", "is empty"),
    ] {
        let expected = format!(
            "casque-agent: note: {what}, so that the attestation service learns of the boot what the registers say: `{}`\n",
            path(name).display()
        );
        assert_eq!(noted(|notes| note_boot_log(&path(name), notes)), expected);
    }
    std::fs::write(path("log"), [0]).unwrap();
    assert_eq!(noted(|notes| note_boot_log(&path("log"), notes)), "");
}
