use std::fs;
use std::net::TcpListener;

use assert_matches::assert_matches;
use tempfile::TempDir;

use super::*;

fn roots(of: &TempDir) -> SourceRoots {
    SourceRoots {
        gramine: of.path().join("attestation"),
        tsm: of.path().join("report"),
        sev_guest: of.path().join("sev-guest"),
        tdx_guest: of.path().join("tdx_guest"),
        tpm: Tcti::Device(of.path().join("tpmrm0")),
        ak_intermediates: Vec::new(),
        imds: "http://127.0.0.1:9".to_owned(),
        context: ContextPlaces {
            mounts: of.path().to_owned(),
            kata: of.path().join("kata-containers"),
            ..ContextPlaces::default()
        },
    }
}

fn make_gramine(roots: &SourceRoots) {
    fs::create_dir(&roots.gramine).unwrap();
    for file in ["quote", "user_report_data"] {
        fs::write(roots.gramine.join(file), "").unwrap();
    }
}

fn make_context(roots: &SourceRoots) {
    fs::create_dir(&roots.context.kata).unwrap();
    for file in ["security-policy-base64", "reference-info-base64"] {
        fs::write(roots.context.kata.join(file), "AA==").unwrap();
    }
}

/// Plays the kernel: writes `provider` into each new directory.
struct FakeKernel {
    stop: std::sync::Arc<std::sync::atomic::AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl FakeKernel {
    fn start(roots: &SourceRoots, provider: &'static str) -> Self {
        use std::sync::atomic::Ordering::Relaxed;
        let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let (stopped, root) = (std::sync::Arc::clone(&stop), roots.tsm.clone());
        fs::create_dir(&root).unwrap();
        let thread = std::thread::spawn(move || {
            while !stopped.load(Relaxed) {
                for entry in fs::read_dir(&root).unwrap().flatten() {
                    let (new, file) = (entry.path().join("new"), entry.path().join("provider"));
                    if !file.exists() {
                        // Whole at once; the directory may be gone again.
                        let _written =
                            fs::write(&new, provider).and_then(|()| fs::rename(new, file));
                    }
                }
                std::thread::yield_now();
            }
        });
        let thread = Some(thread);
        Self { stop, thread }
    }
}

impl Drop for FakeKernel {
    fn drop(&mut self) {
        self.stop.store(true, std::sync::atomic::Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

fn outcomes(detection: &Detection) -> Vec<(&'static str, Outcome)> {
    let findings = detection.findings.iter();
    findings.map(|one| (one.source, one.outcome)).collect()
}

#[test]
fn detect_nothing_says_where_it_looked_and_what_is_missing() {
    let of = tempfile::tempdir().unwrap();
    let refused = detect(&roots(&of), Look::UntilFound)
        .map(|_| ())
        .unwrap_err();
    let expected = "found no source of evidence in this guest:
  Gramine: `DIR/attestation` not there: this is no process in Gramine
  confidential container: `DIR/security-context-*`, `DIR/kata-containers` not there: this is no confidential container of Azure
  configfs-tsm: `DIR/report` not there: it takes Linux 6.7 and configfs at `/sys/kernel/config`, in a container the host's
  SNP device: `DIR/sev-guest` not there: this is no SNP guest, or its module (`sev-guest`) is not loaded
  TDX device: `DIR/tdx_guest` not there: this is no TDX guest, or its module (`tdx-guest`) is not loaded
  Azure vTPM: `device:DIR/tpmrm0` not there: no TPM: a container needs the device and its group";
    let directory = of.path().display().to_string();
    assert_eq!(refused.to_string(), expected.replace("DIR", &directory));
}

#[test]
fn detect_both_prefers_the_enclave() {
    let of = tempfile::tempdir().unwrap();
    let roots = roots(&of);
    make_gramine(&roots);
    let _kernel = FakeKernel::start(&roots, "tdx_guest");
    let (source, detection) = detect(&roots, Look::Everywhere).unwrap();
    assert_eq!(source.name(), "Gramine");
    assert_eq!(
        outcomes(&detection)[..3],
        [
            ("Gramine", Outcome::Chosen),
            ("confidential container", Outcome::Absent),
            ("configfs-tsm", Outcome::Passed),
        ]
    );
    let (_, hurried) = detect(&roots, Look::UntilFound).unwrap();
    let rest = outcomes(&hurried).split_off(1);
    assert!(
        rest.iter()
            .all(|(_, outcome)| *outcome == Outcome::NotLookedFor)
    );
}

#[test]
fn detect_directory_without_gramines_files_is_not_gramine() {
    let of = tempfile::tempdir().unwrap();
    let roots = roots(&of);
    fs::create_dir(&roots.gramine).unwrap();
    let _kernel = FakeKernel::start(&roots, "sev_guest");
    let (source, detection) = detect(&roots, Look::UntilFound).unwrap();
    assert_eq!(source.name(), "configfs-tsm");
    assert_eq!(detection.findings[0].outcome, Outcome::Absent);
    assert!(detection.findings[0].why.contains("sgx.remote_attestation"));
    assert_eq!(
        detection.chosen().unwrap().why,
        "the kernel's provider is `sev_guest`"
    );
}

#[test]
fn detect_container_is_preferred_where_there_are_snp_reports() {
    let of = tempfile::tempdir().unwrap();
    let roots = roots(&of);
    make_context(&roots);
    let _kernel = FakeKernel::start(&roots, "sev_guest");
    let (source, detection) = detect(&roots, Look::Everywhere).unwrap();
    assert_eq!(source.name(), "confidential container");
    assert_eq!(detection.findings[2].outcome, Outcome::Passed);
}

#[test]
fn detect_context_without_snp_reports_is_unusable() {
    let of = tempfile::tempdir().unwrap();
    let roots = roots(&of);
    make_context(&roots);
    let refused = detect(&roots, Look::UntilFound).map(|_| ());
    let Err(AttesterError::NoSource { detection }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(detection.findings[1].outcome, Outcome::Unusable);
    assert!(detection.findings[1].why.contains("no SNP reports"));
}

#[test]
fn detect_broken_context_is_unusable_and_says_which_part() {
    let of = tempfile::tempdir().unwrap();
    let roots = roots(&of);
    make_context(&roots);
    fs::remove_file(roots.context.kata.join("security-policy-base64")).unwrap();
    let _kernel = FakeKernel::start(&roots, "sev_guest");
    let (source, detection) = detect(&roots, Look::UntilFound).unwrap();
    assert_eq!(source.name(), "configfs-tsm");
    assert!(detection.findings[1].why.contains("security-policy-base64"));
}

#[test]
fn detect_unknown_provider_is_unusable() {
    let of = tempfile::tempdir().unwrap();
    let roots = roots(&of);
    let _kernel = FakeKernel::start(&roots, "arm_cca_guest");
    let refused = detect(&roots, Look::UntilFound).map(|_| ()).unwrap_err();
    assert!(
        refused.to_string().contains("found `arm_cca_guest`"),
        "{refused}"
    );
}

#[test]
fn detect_devices_after_the_kernels_common_interface() {
    let of = tempfile::tempdir().unwrap();
    let roots = roots(&of);
    fs::write(&roots.tdx_guest, "").unwrap();
    let (source, _) = detect(&roots, Look::UntilFound).unwrap();
    assert_eq!(source.name(), "TDX device");
    fs::write(&roots.sev_guest, "").unwrap();
    let (source, detection) = detect(&roots, Look::Everywhere).unwrap();
    assert_eq!(source.name(), "SNP device");
    assert_eq!(detection.findings[4].outcome, Outcome::Passed);
    make_context(&roots);
    let (source, detection) = detect(&roots, Look::UntilFound).unwrap();
    assert_eq!(source.name(), "confidential container");
    assert!(
        detection.findings[1]
            .why
            .ends_with("SNP reports of SNP device")
    );
    let _kernel = FakeKernel::start(&roots, "sev_guest");
    let (_, detection) = detect(&roots, Look::UntilFound).unwrap();
    assert!(
        detection.findings[1]
            .why
            .ends_with("SNP reports of configfs-tsm")
    );
}

#[test]
fn detect_tpm_that_does_not_answer_is_unusable() {
    let of = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let hang_up = std::thread::spawn(move || drop(listener.accept().unwrap()));
    let host = "127.0.0.1".to_owned();
    let roots = SourceRoots {
        tpm: Tcti::Swtpm { host, port },
        ..roots(&of)
    };
    let refused = detect(&roots, Look::UntilFound).map(|_| ());
    hang_up.join().unwrap();
    assert_matches!(refused, Err(AttesterError::NoSource { detection })
        if detection.findings[5].outcome == Outcome::Unusable
            && detection.findings[5].why.contains("does not answer `TPM2_NV_ReadPublic`"));
}
