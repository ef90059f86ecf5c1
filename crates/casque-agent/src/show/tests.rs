use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use assert_matches::assert_matches;
use tempfile::TempDir;

use super::*;

/// Gramine's files, with a quote over what was written last.
struct FakeGramine {
    directory: TempDir,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl FakeGramine {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().to_owned();
        fs::write(root.join("attestation_type"), "dcap").unwrap();
        fs::write(root.join("user_report_data"), [0; 64]).unwrap();
        fs::write(root.join("quote"), quote(&[0; 64])).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                answer(&root);
                std::thread::yield_now();
            }
        });
        let thread = Some(thread);
        Self {
            directory,
            stop,
            thread,
        }
    }

    fn arguments(&self) -> ShowArguments {
        let empty = self.directory.path().join("empty");
        ShowArguments {
            sources: SourceArguments {
                gramine_dir: Some(self.directory.path().to_owned()),
                tsm_dir: Some(empty.clone()),
                tpm: Some(format!("device:{}", empty.display())),
                ..SourceArguments::default()
            },
            ..ShowArguments::default()
        }
    }
}

impl Drop for FakeGramine {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

fn answer(root: &Path) {
    let asked = fs::read(root.join("user_report_data")).unwrap();
    fs::write(root.join("quote.new"), quote(&asked)).unwrap();
    fs::rename(root.join("quote.new"), root.join("quote")).unwrap();
}

fn quote(report_data: &[u8]) -> Vec<u8> {
    [&[3; 368][..], report_data].concat()
}

/// Exit, standard output, standard error.
fn shown(arguments: &ShowArguments) -> (Result<AgentExit, AgentError>, String, String) {
    let (mut output, mut notes) = (Vec::new(), Vec::new());
    let host = HostEnvironment::default();
    let exit = show_evidence(arguments, &host, &mut output, &mut notes);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (exit, text(output), text(notes))
}

#[test]
fn evidence_is_named_with_its_source() {
    let gramine = FakeGramine::start();
    let (exit, output, notes) = shown(&gramine.arguments());
    assert_matches!(exit, Ok(AgentExit::Program(0)));
    assert!(
        output.starts_with("  Gramine: `") && output.contains("found, chosen"),
        "{output}"
    );
    assert!(
        output.contains("kind `sgx`") && !output.contains("configfs-tsm"),
        "{output}"
    );
    assert_eq!(notes, "");
}

#[test]
fn evidence_as_json_is_alone_on_standard_output() {
    let gramine = FakeGramine::start();
    let arguments = ShowArguments {
        output: OutputForm::Json,
        explain: true,
        ..gramine.arguments()
    };
    let (exit, output, notes) = shown(&arguments);
    assert_matches!(exit, Ok(AgentExit::Program(0)));
    let evidence: Evidence = serde_json::from_str(&output).unwrap();
    assert_matches!(evidence, Evidence::Sgx { quote: found } if found.0 == quote(&[0; 64]));
    for source in [
        "Gramine",
        "confidential container",
        "configfs-tsm",
        "Azure vTPM",
    ] {
        assert!(notes.contains(&format!("  {source}: `")), "{notes}");
    }
    assert!(notes.contains("not there"), "{notes}");
}

#[test]
fn evidence_of_none_is_none() {
    let mut arguments = ShowArguments {
        output: OutputForm::Json,
        ..ShowArguments::default()
    };
    arguments.sources.evidence = Some(crate::sources::EvidenceChoice::None);
    let (exit, output, _) = shown(&arguments);
    assert_matches!(exit, Ok(AgentExit::Program(0)));
    assert_eq!(output, "{\"type\":\"none\"}\n");
}

#[test]
fn report_data_is_up_to_64_bytes() {
    let read = |text: &str| read_report_data(text).map(|data| *data.as_bytes());
    assert_eq!(read("").unwrap(), [0; 64]);
    let mut expected = [0; 64];
    expected[..2].copy_from_slice(&[0xAB, 1]);
    assert_eq!(read("aB01").unwrap(), expected);
    assert_eq!(read(&"ff".repeat(64)).unwrap(), [0xFF; 64]);
    for text in ["a", "0x00", "zz", &"ff".repeat(65)] {
        assert_matches!(read(text), Err(SettingsError::ReportData), "{text}");
    }
}

#[test]
fn settings_of_the_sources_that_are_wrong_are_refused() {
    let mut arguments = ShowArguments::default();
    arguments.sources.tpm = Some("tpm".to_owned());
    let (refused, ..) = shown(&arguments);
    assert_matches!(refused, Err(AgentError::Settings(SettingsError::Tpm(_))));
    let mut arguments = ShowArguments::default();
    arguments.sources.imds = Some("https://imds".to_owned());
    arguments.sources.evidence = Some(crate::sources::EvidenceChoice::AzureVtpm);
    let (refused, ..) = shown(&arguments);
    assert_matches!(refused, Err(AgentError::Settings(SettingsError::Imds(_))));
}
