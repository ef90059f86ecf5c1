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

use std::collections::BTreeMap;
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

fn value_of(name: &str) -> Option<String> {
    let value = match name {
        "CAS_NAMESPACE" => "my-namespace",
        "PYTHON_SESSION_NAME" => "rest-api",
        "MAA_PROVIDER" => "https://sharedeus.eus.attest.azure.net",
        "AZURE_TENANT_ID" => "e7cac514-f1aa-4e0d-b207-50b1d9a89d21",
        "AZURE_CLIENT_ID" => "3f2c210e-83b4-4217-9eee-4f747d8aeeb3",
        "AZURE_CLIENT_SECRET" => "s3cr3t: # ~\"'",
        "AKV_VAULT" => "https://my-vault.vault.azure.net/",
        "AKV_SECRET_NAME" => "my-secret",
        "AKV_CERT_SECRET_NAME" => "my-certificate",
        _ => return None,
    };
    Some(value.to_owned())
}

fn check(text: &str) -> Result<Policy, Vec<Diagnostic>> {
    let text = substitute(text, &|name| {
        value_of(name).or_else(|| Some("a1b2".to_owned()))
    })?;
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

#[test]
fn corpus_every_file_parses_or_says_why_not() {
    let codes: Vec<&str> = casque_policy::DIAGNOSTIC_CODES.to_vec();
    for (name, text) in texts() {
        match check(&text) {
            Ok(policy) => println!("{name}: {} services", policy.services.len()),
            Err(found) => {
                let is_error = |f: &Diagnostic| f.severity == Severity::Error;
                assert!(
                    found.iter().any(is_error),
                    "{name} is refused with a reason"
                );
                let mut places: Vec<_> = found.iter().map(|f| f.position).collect();
                assert!(places.is_sorted(), "{name}: in the order of the text");
                places.dedup();
                for f in &found {
                    assert!(codes.contains(&f.code), "{name}: {f}");
                    println!("{name}: {f}");
                }
            }
        }
    }
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
