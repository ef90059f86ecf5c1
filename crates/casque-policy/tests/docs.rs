//! The documents list exactly what the source has, and the examples are policies.

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

use std::collections::BTreeSet;
use std::path::PathBuf;

use casque_appraise::SignerDemand;
use casque_policy::{DIAGNOSTIC_CODES, MaaDemands, Mode, Policy, ReasonCode, substitute};
use casque_types::Seconds;

fn root(path: &str) -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::read_to_string(root.join(path)).unwrap()
}

/// The codes in the first column of a document's tables, in order.
fn documented(path: &str) -> Vec<String> {
    root(path)
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(code, rest)| {
            assert_eq!(
                rest.matches(" | ").count(),
                2,
                "{code} has a cause and a mend"
            );
            code.to_owned()
        })
        .collect()
}

fn expect_same(path: &str, in_source: &[&str]) {
    let documented = documented(path);
    let unique: BTreeSet<&str> = documented.iter().map(String::as_str).collect();
    assert_eq!(unique.len(), documented.len(), "{path}: no code twice");
    let in_source: BTreeSet<&str> = in_source.iter().copied().collect();
    assert_eq!(unique, in_source, "{path}");
}

#[test]
fn diagnostics_document_lists_exactly_the_codes() {
    expect_same("docs/diagnostics.md", DIAGNOSTIC_CODES);
}

#[test]
fn reason_codes_document_lists_exactly_the_codes() {
    let codes: Vec<&str> = ReasonCode::ALL.iter().map(|code| code.as_str()).collect();
    expect_same("docs/reason-codes.md", &codes);
}

/// Every code stands in a test that expects it: here, or in the core for those of one-time passwords in use.
#[test]
fn every_reason_code_is_provoked_by_a_test() {
    let mut tests = String::new();
    for path in [
        "crates/casque-policy/src/decide/tests.rs",
        "crates/casque-policy/src/decide/rules/tests.rs",
        "crates/casque-policy/src/decide/rules/tests/accounts.rs",
        "crates/casque-policy/src/decide/rules/tests/azure.rs",
        "crates/casque-policy/src/decide/rules/tests/snp.rs",
        "crates/casque-policy/src/decide/rules/tests/tdx.rs",
        "crates/casque-policy/src/decide/rules/tests/tokens.rs",
        "crates/casque-core/tests/release/factors.rs",
    ] {
        tests.push_str(&root(path));
    }
    let expected = |code: &ReasonCode| tests.contains(&format!("\"{}\"", code.as_str()));
    let missing: Vec<&ReasonCode> = ReasonCode::ALL.iter().filter(|c| !expected(c)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

fn variable(name: &str) -> Option<String> {
    let value = match name {
        "NAMESPACE" => "my-namespace",
        "MEASUREMENT" => "291645fc02749ef4f895da626d1ffe9bf45d34aad2177507844e1b87d220219f",
        "MAA_URL" => "https://localhost:8443",
        "TENANT_ID" => "e1c3b6de-6f5f-4b0e-9b1c-3f2a7d54c0a1",
        "CLIENT_ID" => "5a0d1c7e-2f7b-4d0b-8a55-6c1f0e9b7a11",
        "CLIENT_SECRET" => "local~only.7Q8aXv+3Yd%2BnotReal&ok",
        "VAULT" => "https://localhost:8444",
        "VAULT_SECRET" => "db-password",
        "VAULT_CERTIFICATE" => "web-cert",
        "PCR4" | "PCR11" | "POLICY_DIGEST" => {
            "b3452a0eb3452a0eb3452a0eb3452a0eb3452a0eb3452a0eb3452a0eb3452a0e"
        }
        "OIDC_ISSUER" => {
            "https://eastus.oic.prod-aks.azure.com/e7cac514-f1aa-4e0d-b207-50b1d9a89d21/3f2c210e-83b4-4217-9eee-4f747d8aeeb3/"
        }
        "ID_KEY_DIGEST" | "MRTD" => {
            "7a1e5c267a1e5c267a1e5c267a1e5c267a1e5c267a1e5c267a1e5c267a1e5c267a1e5c267a1e5c267a1e5c267a1e5c26"
        }
        "POD_NAMESPACE" => "shop",
        "SERVICE_ACCOUNT" => "web",
        _ => return None,
    };
    Some(value.to_owned())
}

#[test]
fn aks_examples_are_policies_without_findings() {
    for path in [
        "examples/aks/namespace.yaml",
        "examples/aks/session.yaml",
        "examples/aks/confidential-vm.yaml",
        "examples/aks/confidential-containers.yaml",
    ] {
        let text = substitute(&root(path), &variable).unwrap();
        let parsed = Policy::parse(&text).unwrap();
        assert_eq!(parsed.warnings, [], "{path}");
    }
}

#[test]
fn aks_example_is_judged_by_its_attestation_service() {
    let text = substitute(&root("examples/aks/session.yaml"), &variable).unwrap();
    let policy = Policy::parse(&text).unwrap().policy;
    let url = "https://localhost:8443".parse().unwrap();
    let expected = Mode::Maa(MaaDemands {
        url,
        min_rsa_bits: 2048,
        max_age: Seconds(600),
        signer: SignerDemand::Any,
    });
    assert_eq!(policy.security.stated().unwrap().mode, expected);
}
