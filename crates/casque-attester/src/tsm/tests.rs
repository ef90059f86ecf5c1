use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;

use assert_matches::assert_matches;
use tempfile::TempDir;

use super::*;
use crate::testing::{Impatient, Patient, carrying, report_data};

/// Plays the kernel: fills each new directory, and answers each write to `inblob`.
struct FakeKernel {
    root: TempDir,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// How the fake kernel answers.
#[derive(Clone, Copy)]
struct Answers {
    provider: &'static str,
    offset: usize,
    /// What stands in the report instead of what was asked for.
    instead: Option<u8>,
    certificates: bool,
}

const TDX: Answers = Answers {
    provider: "tdx_guest\n",
    offset: 568,
    instead: None,
    certificates: false,
};

impl FakeKernel {
    fn start(answers: Answers) -> Self {
        let root = tempfile::tempdir().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let (path, stopped) = (root.path().to_owned(), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                for entry in fs::read_dir(&path).unwrap().flatten() {
                    answer(&entry.path(), answers);
                }
                std::thread::yield_now();
            }
        });
        Self {
            root,
            stop,
            thread: Some(thread),
        }
    }

    fn gather(&self) -> Result<Collected, AttesterError> {
        let root = self.root.path().to_owned();
        ConfigfsTsm::with_waiter(root, Box::new(Patient)).gather(&report_data(1))
    }
}

impl Drop for FakeKernel {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

fn answer(entry: &Path, answers: Answers) {
    let inblob = entry.join("inblob");
    if !inblob.exists() {
        fs::write(entry.join("provider"), answers.provider).unwrap();
        fs::write(entry.join("generation"), "0\n").unwrap();
        fs::write(inblob, "").unwrap();
        return;
    }
    let asked = fs::read(inblob).unwrap();
    if asked.len() != 64 || entry.join("outblob").exists() {
        return;
    }
    let instead = answers
        .instead
        .map(|nonce| report_data(nonce).as_bytes().to_vec());
    let report = carrying(&instead.unwrap_or(asked), answers.offset);
    if answers.certificates {
        fs::write(entry.join("auxblob"), "certificates").unwrap();
    }
    fs::write(entry.join("generation.new"), "1\n").unwrap();
    fs::rename(entry.join("generation.new"), entry.join("generation")).unwrap();
    fs::write(entry.join("outblob.new"), report).unwrap();
    fs::rename(entry.join("outblob.new"), entry.join("outblob")).unwrap();
}

#[test]
fn tsm_tdx_quote_is_collected() {
    let kernel = FakeKernel::start(TDX);
    let quote = carrying(report_data(1).as_bytes(), 568);
    assert_eq!(kernel.gather().unwrap(), Collected::TdxQuote(quote));
}

#[test]
fn tsm_snp_report_comes_with_its_certificates_if_there_are_any() {
    let snp = Answers {
        provider: "sev_guest",
        offset: 80,
        ..TDX
    };
    let report = carrying(report_data(1).as_bytes(), 80);
    let bare = FakeKernel::start(snp).gather().unwrap();
    let expected = |certificates: &[u8]| Collected::SnpReport {
        report: report.clone(),
        certificates: certificates.to_vec(),
    };
    assert_eq!(bare, expected(b""));
    let with_table = Answers {
        certificates: true,
        ..snp
    };
    let full = FakeKernel::start(with_table).gather().unwrap();
    assert_eq!(full, expected(b"certificates"));
}

#[test]
fn tsm_report_over_other_report_data_is_refused() {
    let kernel = FakeKernel::start(Answers {
        instead: Some(2),
        ..TDX
    });
    assert_matches!(kernel.gather(), Err(AttesterError::OtherReportData { .. }));
}

#[test]
fn tsm_unknown_provider_is_named() {
    let kernel = FakeKernel::start(Answers {
        provider: "arm_cca_guest\n",
        ..TDX
    });
    let refused = kernel.gather();
    assert_matches!(refused, Err(AttesterError::Provider { found, .. }) if found == "arm_cca_guest");
}

#[test]
fn tsm_that_never_answers_is_given_up_and_its_directory_removed() {
    let root = tempfile::tempdir().unwrap();
    let source = ConfigfsTsm::with_waiter(root.path().to_owned(), Box::new(Impatient));
    let refused = source.gather(&report_data(1));
    assert_matches!(refused, Err(AttesterError::File { action: "write", path, .. }) if path.ends_with("inblob"));
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
}

#[test]
fn tsm_without_the_interface_names_the_directory() {
    let root = tempfile::tempdir().unwrap();
    let absent = root.path().join("report");
    let refused = ConfigfsTsm::new(absent.clone()).gather(&report_data(1));
    assert_matches!(refused, Err(AttesterError::File { action: "create", path, .. }) if path.starts_with(&absent));
}
