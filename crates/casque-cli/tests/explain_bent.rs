//! `casque explain` over real evidence that was changed, is bound to something else, or is judged at another time.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::arithmetic_side_effects,
    clippy::string_slice,
    clippy::too_many_lines,
    missing_docs,
    reason = "a test that cannot go on fails, and a table may be long"
)]

mod explain_vectors;
mod harness;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use explain_vectors::{
    Case, aci, azure_snp, azure_tdx, phala_sgx, phala_tdx, shared_token, virtee_milan,
    with_other_claims,
};
use harness::{Place, Ran};
use serde_json::{Value, json};

fn printed(ran: &Ran) -> Value {
    assert_eq!(ran.stderr, "");
    serde_json::from_str(&ran.stdout).unwrap()
}

/// Evidence of each kind with one bit turned, and the code that says where.
fn flipped() -> Vec<(&'static str, Case)> {
    let mut all = Vec::new();
    let mut push = |code, case: Case| all.push((code, case));
    if let Some(sgx) = phala_sgx() {
        push("quote-signature", sgx.flipped("/quote", 48 + 64));
        push("quote-signature", sgx.flipped("/quote", 48 + 384 + 4));
    }
    if let Some(tdx) = phala_tdx() {
        push("quote-signature", tdx.flipped("/quote", 48 + 136));
        push("quote-signature", tdx.flipped("/quote", 48 + 584 + 4));
    }
    if let Some(snp) = virtee_milan() {
        push("snp-signature", snp.flipped("/report", 0x90));
        push("snp-signature", snp.flipped("/report", 0x2a0));
        push("snp-chip", snp.flipped("/report", 0x1a0));
    }
    if let Some(aci) = aci() {
        push("snp-signature", aci.flipped("/report", 0x90));
        push("aci-policy-digest", aci.flipped("/policy", 9));
        let bytes = aci.evidence["uvm"].as_str().unwrap().len() / 4 * 3;
        push("aci-signature", aci.flipped("/uvm", bytes - 8));
    }
    if let Some(vm) = azure_snp(1, "azure-snp-vtpm/x-v1-vcek.der") {
        push("snp-signature", vm.flipped("/hcl", 0x20 + 0x90));
        push("azure-vm-signature", vm.flipped("/quote/message", 45));
        push("azure-vm-signature", vm.flipped("/quote/signature", 40));
        push(
            "azure-vm-pcr-digest",
            vm.with("/quote/pcrs/7", json!("11".repeat(32))),
        );
    }
    if let Some(vm) = azure_tdx() {
        push("quote-signature", vm.flipped("/td_quote", 48 + 136));
        push("azure-vm-signature", vm.flipped("/quote/message", 45));
        push(
            "azure-vm-pcr-digest",
            vm.with("/quote/pcrs/0", json!("11".repeat(32))),
        );
    }
    if let Some(token) = shared_token() {
        push("token-signature", with_other_claims(&token));
    }
    all
}

#[test]
fn one_bit_turned_is_not_authentic_whatever_the_kind() {
    for (code, case) in flipped() {
        let ran = case.explain(&Place::new(), &[]);
        let found = printed(&ran);
        let kind = &case.evidence["type"];
        let ended = (ran.code, &found["outcome"], &found["code"]);
        assert_eq!(ended, (5, &json!("not-authentic"), &json!(code)), "{kind}");
        assert!(found.get("tcb").is_none() && found.get("scope").is_none());
        assert!(!found["hint"].as_str().unwrap().is_empty());
    }
}

/// Layout, too: the signature of a report is judged before what it signs means something.
#[test]
fn report_with_a_bit_turned_anywhere_is_not_authentic() {
    let place = Place::new();
    let (snp, vm) = (virtee_milan(), azure_snp(1, "azure-snp-vtpm/x-v1-vcek.der"));
    let of_container = aci();
    let reports = [
        (snp, "/report", 0),
        (of_container, "/report", 0),
        (vm, "/hcl", 0x20),
    ];
    for (case, member, start) in reports {
        let Some(case) = case else { continue };
        // Version, VMPL, signature algorithm, `r`, its upper bytes, `s`, behind them.
        for at in [1, 3, 0x30, 0x33, 0x34, 0x2a0, 0x2d0, 0x2e8, 0x330, 0x49f] {
            let ran = case.flipped(member, start + at).explain(&place, &[]);
            let found = printed(&ran);
            let expected = (5, &json!("snp-signature"));
            assert_eq!((ran.code, &found["code"]), expected, "{member} {at:#x}");
        }
    }
    if let Some(case) = virtee_milan() {
        let mut bytes = STANDARD
            .decode(case.evidence["report"].as_str().unwrap())
            .unwrap();
        for length in [0, 1183, 1185] {
            bytes.resize(length, 0);
            let cut = case.with("/report", json!(STANDARD.encode(&bytes)));
            let ran = cut.explain(&place, &[]);
            assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{length}");
            assert!(ran.stderr.contains("\"evidence-unusable\""));
        }
    }
}

#[test]
fn report_data_are_compared_where_they_are_given() {
    let place = Place::new();
    let hello = hex::encode("Hello, world!");
    let whole = format!("{hello:0<128}");
    if let Some(sgx) = phala_sgx() {
        let with = |digits: &str| sgx.explain(&place, &["--report-data", digits]);
        for digits in [&hello, &whole, &hello.to_uppercase(), &format!("0x{hello}")] {
            assert_eq!(with(digits).code, 0, "{digits}");
        }
        let other = hex::encode("Hello, world?");
        for digits in [&hello[..24], &other, "", &hex::encode([0; 64])] {
            let ran = with(digits);
            let found = printed(&ran);
            assert_eq!(
                (ran.code, &found["code"]),
                (5, &json!("not-bound")),
                "{digits}"
            );
        }
        let shown = printed(&sgx.explain(&place, &[]));
        assert_eq!(shown["report_data"], json!(whole));
        let text = place.run(&sgx.arguments(&place));
        assert!(text.stdout.contains("(not judged: give --report-data)"));
    }
    if let Some(vm) = azure_snp(1, "azure-snp-vtpm/x-v1-vcek.der") {
        let challenge = hex::encode("challenge");
        assert_eq!(vm.explain(&place, &["--report-data", &challenge]).code, 0);
        let padded = format!("{challenge:0<128}");
        for digits in [&challenge[..16], &padded] {
            assert_eq!(vm.explain(&place, &["--report-data", digits]).code, 5);
        }
    }
}

/// One piece of evidence of each kind that is bound to something.
fn of_each_kind() -> Vec<Case> {
    let all = [
        phala_sgx(),
        phala_tdx(),
        virtee_milan(),
        aci(),
        azure_snp(1, "azure-snp-vtpm/x-v1-vcek.der"),
        azure_tdx(),
        shared_token(),
    ];
    all.into_iter().flatten().collect()
}

#[test]
fn report_data_of_another_are_not_bound_whatever_the_kind() {
    let place = Place::new();
    for case in of_each_kind() {
        let kind = &case.evidence["type"];
        let shown = printed(&case.explain(&place, &[]));
        let bound = shown["report_data"].as_str().unwrap().to_owned();
        let same = case.explain(&place, &["--report-data", &bound]);
        assert_eq!(same.code, 0, "{kind} {}", same.stdout);
        let mut other = hex::decode(&bound).unwrap();
        other[0] ^= 1;
        let mut last = hex::decode(&bound).unwrap();
        *last.last_mut().unwrap() ^= 1;
        let half = &bound[..bound.len() / 4 * 2];
        let all = [hex::encode(other), hex::encode(last), hex::encode("casque")];
        // A half leaves more than zeros behind it, but for what is padded with them.
        let cut = (!bound.ends_with("00")).then(|| half.to_owned());
        for digits in all.into_iter().chain(cut) {
            let ran = case.explain(&place, &["--report-data", &digits]);
            let found = printed(&ran);
            let ended = (ran.code, &found["outcome"], &found["code"]);
            let expected = (5, &json!("not-authentic"), &json!("not-bound"));
            assert_eq!(ended, expected, "{kind} {digits}");
            assert!(found["hint"].as_str().unwrap().contains("--report-data"));
            assert!(found.get("tcb").is_none() && found.get("scope").is_none());
        }
    }
}

/// Just outside of the lives of what evidence rests on, and the code that says so.
fn outside_of_life() -> Vec<(Option<Case>, &'static str, &'static str)> {
    vec![
        (
            phala_sgx(),
            "2025-05-01T00:00:00Z",
            "quote-endorsements-not-yet-valid",
        ),
        (
            phala_sgx(),
            "2026-11-24T00:00:00Z",
            "quote-endorsements-expired",
        ),
        (
            phala_tdx(),
            "2025-05-01T00:00:00Z",
            "quote-endorsements-not-yet-valid",
        ),
        (
            phala_tdx(),
            "2025-07-19T10:00:36Z",
            "quote-endorsements-expired",
        ),
        (
            virtee_milan(),
            "2023-04-03T19:23:42Z",
            "snp-certificate-not-yet-valid",
        ),
        (
            virtee_milan(),
            "2030-04-03T19:23:44Z",
            "snp-certificate-expired",
        ),
        (
            aci(),
            "2022-11-29T01:55:55Z",
            "snp-certificate-not-yet-valid",
        ),
        (aci(), "2029-11-29T01:55:57Z", "snp-certificate-expired"),
        (
            azure_snp(1, "azure-snp-vtpm/x-v1-vcek.der"),
            "2022-01-01T00:00:00Z",
            "snp-certificate-not-yet-valid",
        ),
        (
            azure_snp(1, "azure-snp-vtpm/x-v1-vcek.der"),
            "2033-01-01T00:00:00Z",
            "snp-certificate-expired",
        ),
        (
            azure_tdx(),
            "2026-01-01T00:00:00Z",
            "quote-endorsements-not-yet-valid",
        ),
        (
            azure_tdx(),
            "2026-03-20T13:41:21Z",
            "quote-endorsements-expired",
        ),
        (
            shared_token(),
            "2021-07-01T20:13:15Z",
            "token-not-yet-valid",
        ),
        (shared_token(), "2021-07-02T04:13:17Z", "token-expired"),
    ]
}

#[test]
fn time_of_the_judgement_is_inside_the_life_of_what_it_rests_on() {
    for (case, at, code) in outside_of_life() {
        let Some(case) = case else { continue };
        let ran = case.at(at).explain(&Place::new(), &[]);
        let found = printed(&ran);
        assert_eq!((ran.code, &found["code"]), (5, &json!(code)), "{at}");
    }
}

#[test]
fn verdict_says_until_when_it_holds() {
    if let Some(case) = phala_tdx() {
        let until = json!("2025-07-19T10:00:35Z");
        let last = case.at("2025-07-19T10:00:34Z").explain(&Place::new(), &[]);
        assert_eq!((last.code, &printed(&last)["valid_until"]), (0, &until));
    }
}

#[test]
fn time_may_have_an_offset() {
    if let Some(case) = phala_sgx() {
        let ran = case
            .at("2025-06-19T13:56:11+02:00")
            .explain(&Place::new(), &[]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }
}
