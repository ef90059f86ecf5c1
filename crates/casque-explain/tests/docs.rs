//! `docs/appraisal-codes.md` lists exactly the codes of the source, and each of them is provoked by a test.
#![expect(
    clippy::unwrap_used,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    reason = "the functions that tests call are tests"
)]

use std::collections::BTreeSet;
use std::path::PathBuf;

use casque_appraise::{
    AciAppraiseError, AppraiseError, AzureVmAppraiseError, MaaAppraiseError, QuoteAppraiseError,
    ServiceAccountTokenError, SnpAppraiseError,
};

/// Said by `casque explain` alone, where no policy is applied; and the tests that provoke it.
const OF_EXPLAIN: [(&str, &str); 2] = [
    ("quote-debug", "cli/tests/explain.rs"),
    ("evidence-absent", "cli/tests/explain_software.rs"),
];

/// An enumeration of causes.
struct Source {
    file: &'static str,
    codes: &'static [&'static str],
    /// Tests that provoke its variants, and what they call it.
    tests: &'static [(&'static str, &'static str)],
    /// Variants that no input reaches, and why they are there.
    defensive: &'static [(&'static str, &'static str)],
}

const SOURCES: [Source; 7] = [
    Source {
        file: "error.rs",
        codes: AppraiseError::CODES,
        tests: &[
            ("appraise/tests/sgx.rs", "AppraiseError"),
            ("appraise/tests/azure_vm.rs", "AppraiseError"),
            ("appraise/tests/maa_submitted.rs", "AppraiseError"),
        ],
        defensive: &[(
            "Evidence",
            "evidence is parsed before it is judged: this carries the error where a caller has one type for both",
        )],
    },
    Source {
        file: "intel/error.rs",
        codes: QuoteAppraiseError::CODES,
        tests: &[
            ("appraise/tests/sgx.rs", "QuoteAppraiseError"),
            ("appraise/tests/tdx.rs", "QuoteAppraiseError"),
            ("appraise/src/intel/stages.rs", "QuoteAppraiseError"),
        ],
        defensive: &[],
    },
    Source {
        file: "snp/error.rs",
        codes: SnpAppraiseError::CODES,
        tests: &[("appraise/tests/snp.rs", "Error")],
        defensive: &[],
    },
    Source {
        file: "azure_vm/error.rs",
        codes: AzureVmAppraiseError::CODES,
        tests: &[
            ("appraise/tests/azure_vm.rs", "AzureVmAppraiseError"),
            ("appraise/tests/azure_vm_snp.rs", "AzureVmAppraiseError"),
        ],
        defensive: &[],
    },
    Source {
        file: "aci/error.rs",
        codes: AciAppraiseError::CODES,
        // Another feed of the issuer that is believed: only a real reference has one.
        tests: &[
            ("appraise/tests/aci.rs", "AciAppraiseError"),
            ("appraise/tests/aci_vectors.rs", "AciAppraiseError"),
        ],
        defensive: &[],
    },
    Source {
        file: "maa/error.rs",
        codes: MaaAppraiseError::CODES,
        tests: &[
            ("appraise/tests/maa.rs", "MaaAppraiseError"),
            ("appraise/tests/maa_signer.rs", "MaaAppraiseError"),
            ("appraise/tests/maa_submitted.rs", "MaaAppraiseError"),
            ("appraise/tests/maa_tees.rs", "MaaAppraiseError"),
        ],
        defensive: &[],
    },
    Source {
        file: "kubernetes.rs",
        codes: ServiceAccountTokenError::CODES,
        tests: &[("appraise/tests/kubernetes.rs", "Error")],
        defensive: &[],
    },
];

fn read(path: &str) -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::read_to_string(root.join(path)).unwrap()
}

/// The lines `Self::Variant … => "code",` of an enumeration's source.
fn variants(file: &str) -> Vec<(String, String)> {
    let source = read(&format!("crates/casque-appraise/src/{file}"));
    let lines = source.lines().filter_map(|line| {
        let (variant, code) = line.trim().strip_prefix("Self::")?.split_once(" => \"")?;
        let name = variant.split(|c: char| !c.is_alphanumeric()).next()?;
        let code = code.split('"').next()?;
        // Names of documents have spaces.
        (!code.contains(' ')).then(|| (name.to_owned(), code.to_owned()))
    });
    lines.collect()
}

/// Of a test program all, of a source the module of its tests.
fn tests_in(file: &str) -> String {
    let text = read(&format!("crates/casque-{file}"));
    match text.find("#[cfg(test)]") {
        Some(start) if file.contains("/src/") => text[start..].to_owned(),
        _ => text,
    }
}

/// Whether a text names a variant, and not one whose name only begins so.
fn names(text: &str, variant: &str) -> bool {
    let mut places = text.match_indices(variant);
    places.any(|(at, _)| !text[at + variant.len()..].starts_with(char::is_alphanumeric))
}

#[test]
fn document_lists_exactly_the_codes_each_with_cause_and_mend() {
    let page = read("docs/appraisal-codes.md");
    let rows = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let mut documented = BTreeSet::new();
    for (code, rest) in rows {
        assert_eq!(rest.matches(" | ").count(), 2, "{code}: a cause and a mend");
        assert!(documented.insert(code), "{code} stands twice");
    }
    let mut in_source: BTreeSet<&str> = OF_EXPLAIN.iter().map(|one| one.0).collect();
    for code in SOURCES.iter().flat_map(|source| source.codes) {
        assert!(in_source.insert(code), "{code} is the code of two causes");
    }
    assert_eq!(documented, in_source);
}

#[test]
fn lists_of_codes_hold_those_of_every_variant() {
    for source in &SOURCES {
        let given: Vec<String> = variants(source.file).into_iter().map(|one| one.1).collect();
        let given: BTreeSet<&str> = given.iter().map(String::as_str).collect();
        let listed: BTreeSet<&str> = source.codes.iter().copied().collect();
        assert_eq!(given, listed, "{}", source.file);
        assert_eq!(listed.len(), source.codes.len(), "{}", source.file);
    }
}

#[test]
fn every_code_is_provoked_by_a_test() {
    for source in &SOURCES {
        let tests: Vec<(String, &str)> = (source.tests.iter())
            .map(|(file, name)| (tests_in(file), *name))
            .collect();
        for (variant, code) in variants(source.file) {
            let provoked = tests
                .iter()
                .any(|(text, name)| names(text, &format!("{name}::{variant}")));
            let is_defensive = source.defensive.iter().any(|(name, _)| *name == variant);
            assert_ne!(provoked, is_defensive, "{code}: {variant}");
        }
    }
    for (code, file) in OF_EXPLAIN {
        assert!(tests_in(file).contains(&format!("\"{code}\"")), "{code}");
    }
}
