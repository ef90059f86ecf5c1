use std::fs;

use assert_matches::assert_matches;
use tempfile::TempDir;

use super::*;

fn roots(of: &TempDir) -> SourceRoots {
    SourceRoots {
        gramine: of.path().join("attestation"),
        tsm: of.path().join("report"),
    }
}

fn make_gramine(roots: &SourceRoots) {
    fs::create_dir(&roots.gramine).unwrap();
    for file in ["quote", "user_report_data"] {
        fs::write(roots.gramine.join(file), "").unwrap();
    }
}

#[test]
fn detect_nothing_says_where_it_looked() {
    let of = tempfile::tempdir().unwrap();
    let roots = roots(&of);
    let refused = detect(&roots).map(|_| ()).unwrap_err();
    let expected = format!(
        "found no source of evidence in this guest:\n  Gramine: `{}` not there\n  configfs-tsm: `{}` not there",
        roots.gramine.display(),
        roots.tsm.display()
    );
    assert_eq!(refused.to_string(), expected);
}

#[test]
fn detect_both_prefers_the_enclave() {
    let of = tempfile::tempdir().unwrap();
    let roots = roots(&of);
    make_gramine(&roots);
    fs::create_dir(&roots.tsm).unwrap();
    let (source, detection) = detect(&roots).unwrap();
    assert_eq!(source.name(), "Gramine");
    assert_matches!(
        &detection.findings[..],
        [
            Finding {
                outcome: Outcome::Chosen,
                ..
            },
            Finding {
                outcome: Outcome::Passed,
                ..
            },
        ]
    );
}

#[test]
fn detect_directory_without_gramines_files_is_not_gramine() {
    let of = tempfile::tempdir().unwrap();
    let roots = roots(&of);
    fs::create_dir(&roots.gramine).unwrap();
    fs::create_dir(&roots.tsm).unwrap();
    let (source, detection) = detect(&roots).unwrap();
    assert_eq!(source.name(), "configfs-tsm");
    assert_eq!(detection.findings[0].outcome, Outcome::Absent);
}
