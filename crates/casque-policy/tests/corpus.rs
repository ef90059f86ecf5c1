//! Policy files that others published: none may make the parser fail badly, and those of the acceptance
//! scenario must parse.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    clippy::too_many_lines,
    reason = "test code: a panic is a failure, and a table may be long"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use casque_policy::{Diagnostic, Origin, Policy, Severity, policy_hash, substitute, with_creator};
use casque_types::KeyHash;

/// Third-party files, beside the repository; found through `CASQUE_CORPUS`.
fn corpus() -> Option<PathBuf> {
    let default = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/corpus/sessions"
    );
    let path = option_env!("CASQUE_CORPUS").unwrap_or(default);
    let path = PathBuf::from(path);
    if path.is_dir() {
        return Some(path);
    }
    println!("skipped: no corpus at {}", path.display());
    None
}

fn texts() -> BTreeMap<String, String> {
    let Some(path) = corpus() else {
        return BTreeMap::new();
    };
    std::fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().extension().is_some_and(|e| e == "yaml"))
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, std::fs::read_to_string(entry.path()).unwrap())
        })
        .collect()
}

/// Values that fit where the files use these variables.
fn value_of(name: &str) -> String {
    let hash = "291645fc02749ef4f895da626d1ffe9bf45d34aad2177507844e1b87d220219f";
    let value = match name {
        "MAA_PROVIDER" => "https://sharedeus.eus.attest.azure.net",
        "AZURE_TENANT_ID" => "e7cac514-f1aa-4e0d-b207-50b1d9a89d21",
        "AZURE_CLIENT_ID" => "3f2c210e-83b4-4217-9eee-4f747d8aeeb3",
        "AZURE_CLIENT_SECRET" => "s3cr3t: # ~\"'",
        "AKV_VAULT" => "https://my-vault.vault.azure.net/",
        "CAS_NAMESPACE" => "my-namespace",
        "PYTHON_SESSION_NAME" => "rest-api",
        "AKV_SECRET_NAME" => "my-secret",
        "AKV_CERT_SECRET_NAME" => "my-certificate",
        "OTPSECRET" => "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
        "SESSION_LANG_VERSION" => "0.3.10",
        "ISVPRODID" | "ISVSVN" => "1",
        "SCONE_FSPF" => "/fspf.pb",
        "OWNER" | "MRSIGNER" => hash,
        "secret" => "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
        "predecessor_key" => "predecessor",
        "predecessor" => "~",
        "mrenclave" | ".Values.cas.mrenclave" | "HSESSION2" | "PLATFORM" => hash,
        ".Values.cas.owner_identity | indent 4" => "{}",
        ".Values.cas.policy_name" => "backup",
        _ if name.ends_with("MRENCLAVE") || name.ends_with("MRENCLAVE2") => hash,
        _ if name.contains("PREDECESSOR") || name.ends_with("FSPF_KEY") => hash,
        _ if name.ends_with("FSPF_TAG") => &hash[..32],
        _ => return name.to_ascii_lowercase().replace('_', "-"),
    };
    value.to_owned()
}

fn check(text: &str) -> Result<Policy, Vec<Diagnostic>> {
    let text = substitute(text, &|name| Some(value_of(name)))?;
    let parsed = Policy::parse(&text)?;
    let creator = KeyHash::of_spki(b"creator");
    let stored = with_creator(&text, &creator);
    let read_back = Policy::parse(&stored).unwrap().policy;
    assert_eq!(
        policy_hash(&parsed.policy, Some(&creator)),
        policy_hash(&read_back, None)
    );
    Ok(parsed.policy)
}

/// A text as the tool would make it that its publisher fills it in with: a shell, Helm, a template of Rust's
/// `handlebars`, or a script that looks for `__NAME__`.
fn filled_in(text: &str) -> String {
    let mut lines = Vec::new();
    for line in text.lines() {
        let lone = line
            .strip_prefix('$')
            .or(line.strip_prefix("__PREDECESSOR__"));
        let line = match lone {
            Some(_) if line.starts_with('$') => "          {}".to_owned(),
            Some(_) => "predecessor: ~".to_owned(),
            None => line.replace("\\$", "$"),
        };
        lines.push(line);
    }
    let text = lines.join("\n");
    let text = replaced(&text, "{{", "}}");
    replaced(&text, "__", "__")
}

fn replaced(text: &str, open: &str, close: &str) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(open) {
        let (name, behind) = after.split_once(close).unwrap();
        filled.push_str(before);
        filled.push_str(&value_of(name.trim()));
        rest = behind;
    }
    filled + rest
}

#[test]
fn corpus_templates_of_other_tools_are_policies_once_they_are_filled_in() {
    let texts = texts();
    let mut failed = Vec::new();
    for number in OF_OTHER_TOOLS {
        for (name, text) in texts.iter().filter(|(name, _)| name.starts_with(number)) {
            if let Err(found) = check(&filled_in(text)) {
                let shown = found.iter().filter(|f| f.severity == Severity::Error);
                failed.extend(shown.map(|f| format!("{name}: {f}")));
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// What becomes of a file, by the number in front of its name.
enum Outcome {
    Accepted,
    /// Refused with exactly these codes of errors.
    Refused(&'static [&'static str]),
}

use Outcome::{Accepted, Refused};

fn errors_of(found: &[Diagnostic]) -> BTreeSet<&'static str> {
    let errors = found.iter().filter(|f| f.severity == Severity::Error);
    errors.map(|f| f.code).collect()
}

#[test]
fn corpus_every_file_is_in_the_table_and_ends_as_it_says() {
    let texts = texts();
    if texts.is_empty() {
        return;
    }
    let table: BTreeMap<&str, &Outcome> = OUTCOMES.iter().map(|(n, o)| (*n, o)).collect();
    assert_eq!(table.len(), OUTCOMES.len(), "no number twice");
    let mut failed = Vec::new();
    for (name, text) in &texts {
        let outcome = table.get(&name[..3]).unwrap_or_else(|| panic!("{name}"));
        match (check(text), outcome) {
            (Ok(_), Accepted) => {}
            (Err(found), Refused(codes)) => {
                let mut places: Vec<_> = found.iter().map(|f| f.position).collect();
                assert!(places.is_sorted(), "{name}: in the order of the text");
                places.dedup();
                if errors_of(&found) != codes.iter().copied().collect() {
                    failed.push(format!("{name}: {:?}", errors_of(&found)));
                }
            }
            (Ok(_), Refused(_)) => failed.push(format!("{name}: accepted")),
            (Err(found), Accepted) => {
                let shown = found.iter().filter(|f| f.severity == Severity::Error);
                failed.extend(shown.map(|f| format!("{name}: {f}")));
            }
        }
    }
    assert_eq!(texts.len(), OUTCOMES.len(), "no row without file");
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn corpus_acceptance_policies_parse() {
    let texts = texts();
    for number in ["001", "002", "099"] {
        for (name, text) in texts.iter().filter(|(name, _)| name.starts_with(number)) {
            if let Err(found) = check(text) {
                panic!("{name}: {found:#?}");
            }
        }
    }
}

#[test]
fn corpus_acceptance_policy_means_what_it_says() {
    let Some((_, text)) = texts()
        .into_iter()
        .find(|(name, _)| name.starts_with("001"))
    else {
        return;
    };
    let policy = check(&text).unwrap();
    assert_eq!(policy.name.as_str(), "my-namespace/rest-api");
    let service = &policy.services[0];
    let used: Vec<String> = policy
        .templates_of(service)
        .flat_map(casque_policy::Template::secrets)
        .map(ToString::to_string)
        .collect();
    assert_eq!(used, ["MY_AKV_SECRET", "MY_AKV_CERT", "MY_AKV_CERT"]);
    let Origin::AadToken(credential) = &policy.secrets[0].origin else {
        panic!("{:?}", policy.secrets[0].origin);
    };
    let casque_types::ClientProof::Secret(secret) = &credential.proof else {
        panic!("{:?}", credential.proof);
    };
    assert_eq!(secret.expose_text(), Some("s3cr3t: # ~\"'"));
}

/// Refused as they stand, for the syntax of the tool that fills them in; accepted when it has done so.
const OF_OTHER_TOOLS: [&str; 17] = [
    "016", "018", "020", "021", "054", "056", "064", "067", "068", "085", "107", "109", "112",
    "113", "114", "115", "116",
];

const OUTCOMES: &[(&str, Outcome)] = &[
    ("001", Accepted),
    ("002", Accepted),
    ("004", Accepted),
    ("005", Accepted),
    ("007", Accepted),
    // A script puts a line in the place of `__PREDECESSOR__`.
    ("016", Refused(&["yaml-syntax"])),
    // As 016.
    ("018", Refused(&["yaml-syntax"])),
    // As 016.
    ("020", Refused(&["yaml-syntax"])),
    // As 016.
    ("021", Refused(&["yaml-syntax"])),
    ("029", Accepted),
    ("030", Accepted),
    ("032", Accepted),
    ("034", Accepted),
    ("035", Accepted),
    ("036", Accepted),
    ("038", Accepted),
    ("039", Accepted),
    ("040", Accepted),
    ("042", Accepted),
    ("044", Accepted),
    ("046", Accepted),
    ("049", Accepted),
    ("050", Accepted),
    ("051", Accepted),
    // A shell puts indented JSON in the place of `$OWNER_IDENTITY`, at the beginning of a line.
    ("054", Refused(&["yaml-syntax"])),
    ("055", Accepted),
    // As 054.
    ("056", Refused(&["yaml-syntax"])),
    ("057", Accepted),
    ("058", Accepted),
    ("059", Accepted),
    ("060", Accepted),
    // As 054.
    ("064", Refused(&["yaml-syntax"])),
    // As 054.
    ("067", Refused(&["yaml-syntax"])),
    // A template of Helm.
    ("068", Refused(&["yaml-key"])),
    ("071", Accepted),
    ("072", Accepted),
    ("073", Accepted),
    ("074", Accepted),
    ("075", Accepted),
    ("076", Accepted),
    ("077", Accepted),
    // A mistake of its page: the placeholder lacks its closing dollars.
    ("078", Refused(&["placeholder-syntax"])),
    ("079", Accepted),
    ("080", Accepted),
    ("081", Accepted),
    // Of language 0.1, whose names had colons; its volumes come from the sessions that import its image.
    ("082", Refused(&["bad-name", "unknown-volume"])),
    // Of language 0.1, imports a service and an image of 082.
    ("083", Refused(&["attestation-missing", "whole-import"])),
    ("084", Accepted),
    // As 054.
    ("085", Refused(&["yaml-syntax"])),
    ("086", Accepted),
    ("087", Accepted),
    ("088", Accepted),
    ("089", Accepted),
    ("090", Accepted),
    ("091", Accepted),
    ("093", Accepted),
    ("094", Accepted),
    ("095", Accepted),
    ("096", Accepted),
    ("097", Accepted),
    // A fragment: `...` stands for what the reader shall put there.
    ("098", Refused(&["bad-key-hash"])),
    ("099", Accepted),
    ("100", Accepted),
    // `<random-id>` stands for what the reader shall put there.
    ("101", Refused(&["bad-name"])),
    ("102", Accepted),
    ("103", Accepted),
    ("104", Accepted),
    ("105", Accepted),
    ("106", Accepted),
    // Cut out of a shell script, which takes the backslash of `\$SESSION` away.
    (
        "107",
        Refused(&["bad-name", "bad-hash", "bad-shared-secret"]),
    ),
    ("108", Accepted),
    // As 107.
    ("109", Refused(&["bad-name", "bad-hash"])),
    ("110", Accepted),
    ("111", Accepted),
    // A template of the `handlebars` crate.
    ("112", Refused(&["yaml-key"])),
    // As 112.
    ("113", Refused(&["yaml-key"])),
    // As 112.
    ("114", Refused(&["yaml-key"])),
    // As 112.
    ("115", Refused(&["yaml-key"])),
    // As 112.
    ("116", Refused(&["yaml-key"])),
    // A mistake of its README: `attestation` without `security`, and `mode: node`.
    ("117", Refused(&["unknown-key", "attestation-missing"])),
    // As 117, with a word of Markdown before it.
    ("118", Refused(&["yaml-syntax"])),
    ("119", Accepted),
    ("120", Accepted),
    ("121", Accepted),
    ("122", Accepted),
    ("123", Accepted),
    ("124", Accepted),
    ("125", Accepted),
];
