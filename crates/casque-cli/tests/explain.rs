//! `casque explain` over real evidence: every row of ../shared/spec/evidence.md, section 2, whose files are there.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::too_many_lines,
    missing_docs,
    reason = "a test that cannot go on fails, and a table may be long"
)]

mod explain_vectors;
mod harness;

use explain_vectors::{
    Case, SHARED, aci, azure_snp, azure_tdx, maa, phala_sgx, phala_tdx, quote, shared_token, snp,
    virtee_milan,
};
use harness::{Place, Ran};
use serde_json::{Value, json};

/// Name, beginning and end of a claim.
type Stated = (&'static str, &'static str, &'static str);

struct Row {
    name: &'static str,
    case: Option<Case>,
    expected: Expected,
    claims: &'static [Stated],
}

enum Expected {
    /// TCB status, advisories, scope.
    Appraised(&'static str, &'static [&'static str], &'static str),
    /// AMD's components: bootloader, tee, snp, microcode; scope.
    ByVersions([u8; 4], &'static str),
    Refused(&'static str),
}

use Expected::{Appraised, ByVersions, Refused};

const ZEROS: &str = "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000";
const AUTOMATA: &str = "tdx-dcap/collateral_00806f050000.dcap-qvl.json";
const SUMMER: &str = "2025-06-19T11:56:11Z";

fn row(
    name: &'static str,
    case: Option<Case>,
    expected: Expected,
    claims: &'static [Stated],
) -> Row {
    Row {
        name,
        case,
        expected,
        claims,
    }
}

fn quotes() -> Vec<Row> {
    vec![
        row(
            "SGX v3 of Phala",
            phala_sgx(),
            Appraised(
                "ConfigurationAndSWHardeningNeeded",
                &["INTEL-SA-00289", "INTEL-SA-00615"],
                "process",
            ),
            &[
                ("mrenclave", "33d8736d", "452fbb"),
                ("mrsigner", "815f42f1", "a3e0e6"),
                ("isvprodid", "0", "0"),
                ("isvsvn", "0", "0"),
                ("attributes", "05", ""),
                ("debug", "false", ""),
                ("fmspc", "00a067110000", ""),
                ("report_data", "48656c6c6f2c20776f726c6421", "00"),
            ],
        ),
        row(
            "TDX v4 of Phala",
            phala_tdx(),
            Appraised("UpToDate", &[], "vm"),
            &[
                ("mrtd", "91eb2b44", "3118b7"),
                ("rtmr0", "44c0197b", ""),
                ("rtmr1", "0084452c", ""),
                ("rtmr2", "d833feef", ""),
                ("rtmr3", ZEROS, ""),
            ],
        ),
        row(
            "TDX v5 of Azure, below every level",
            quote(
                "tdx",
                "tdx-dcap/phala-tdx_quote_outdated.bin",
                "tdx-dcap/phala-tdx_quote_outdated_collateral.json",
                "2026-02-18T11:58:51Z",
            ),
            Refused("quote-tcb-not-listed"),
            &[("mrtd", "273828c4", ""), ("version", "5", "")],
        ),
        row(
            "TDX of Google, with bytes after it",
            quote(
                "tdx",
                "tdx-dcap/cos-113-tdx-quote.dat",
                AUTOMATA,
                "2025-02-13T04:50:41Z",
            ),
            Appraised("UpToDate", &[], "vm"),
            &[("mrtd", "dae67181", ""), ("rtmr0", "3fa2f61f", "")],
        ),
        row(
            "TDX of Automata, out of date",
            quote(
                "tdx",
                "tdx-dcap/quote_tdx_00806f050000.dat",
                AUTOMATA,
                "2025-02-13T04:50:41Z",
            ),
            Appraised(
                "OutOfDate",
                &["INTEL-SA-00960", "INTEL-SA-00982", "INTEL-SA-00986"],
                "vm",
            ),
            &[("mrtd", "935be774", "")],
        ),
        row(
            "TDX of Azure, not listed",
            quote(
                "tdx",
                "azure-tdx-vtpm/azure_failed_dcap_quote_10.bin",
                "azure-tdx-vtpm/azure-collateral.dcap-qvl.json",
                "2026-02-18T11:29:16Z",
            ),
            Refused("quote-tcb-not-listed"),
            &[("fmspc", "90c06f000000", "")],
        ),
        row(
            "TDX in debug mode",
            quote(
                "tdx",
                "tdx-dcap/trustee-tdx_quote_4.dat",
                "tdx-dcap/collateral_50806f000000.dcap-qvl.json",
                "2023-06-18T09:42:58Z",
            ),
            Refused("quote-debug"),
            &[
                ("debug", "true", ""),
                ("tdattributes", "0100001000000000", ""),
            ],
        ),
        row(
            "TD quote of an Azure VM",
            quote(
                "tdx",
                "azure-tdx-vtpm/azure-tdx-1764662251380464271.tdquote.bin",
                "azure-tdx-vtpm/azure-collateral02.dcap-qvl.json",
                "2026-02-18T14:04:40Z",
            ),
            Appraised("UpToDate", &[], "vm"),
            &[("mrtd", "12bdbc16", "e451"), ("rtmr0", ZEROS, "")],
        ),
    ]
}

fn reports() -> Vec<Row> {
    let trustee = |vek, at| snp("snp/trustee-test-report.bin", vek, None, at);
    vec![
        row(
            "SNP of virtee",
            virtee_milan(),
            ByVersions([3, 0, 8, 115], "vm"),
            &[
                ("measurement", "7a1e5c26", ""),
                ("vmpl", "0", ""),
                ("policy", "0x30000", ""),
                ("version", "2", ""),
            ],
        ),
        row(
            "SNP of Google, debug allowed",
            snp(
                "snp/google-attestation.bin",
                "snp/google-vcek.testcer",
                Some("snp/google-milan.testcer"),
                SUMMER,
            ),
            ByVersions([2, 0, 5, 68], "vm"),
            &[
                ("debug", "true", ""),
                ("policy", "0xb0000", ""),
                ("report_data", "0102030405", ""),
            ],
        ),
        row(
            "SNP of Trustee",
            trustee("snp/trustee-test-vcek.der", SUMMER),
            ByVersions([3, 0, 8, 115], "vm"),
            &[
                ("id_key_digest", "03562158", ""),
                ("current_tcb", "", "microcode 206"),
                ("reported_tcb", "", "microcode 115"),
            ],
        ),
        row(
            "SNP with the certificate of another level and chip",
            trustee("snp/trustee-test-vcek-invalid-legacy.der", SUMMER),
            Refused("snp-chain"),
            &[("vek_hwid", "00010203", "")],
        ),
        row(
            "the same in the newer form",
            trustee("snp/trustee-test-vcek-invalid-new.der", SUMMER),
            Refused("snp-chain"),
            &[],
        ),
        row(
            "SNP under a VLEK",
            snp(
                "snp/trustee-test-vlek-report.bin",
                "snp/trustee-test-vlek.der",
                Some("snp/milan_ask_ark_asvk.pem"),
                SUMMER,
            ),
            ByVersions([4, 0, 24, 217], "vm"),
            &[
                ("vmpl", "1", "1"),
                ("signing_key", "vlek", ""),
                ("platform_info", "0x27", ""),
                ("version", "3", ""),
            ],
        ),
        row(
            "SNP of Genoa",
            snp(
                "snp/genoa_attestation_report.bin",
                "snp/genoa_vcek.pem",
                Some("snp/genoa_ask_ark_asvk.pem"),
                "2026-11-24T00:00:00Z",
            ),
            ByVersions([10, 0, 23, 84], "vm"),
            &[
                ("product", "Genoa", ""),
                ("measurement", "5feee30d", ""),
                ("host_data", "4f4448c6", ""),
                ("cpuid_model", "17", ""),
            ],
        ),
        row(
            "the report inside an HCL report",
            snp(
                "azure-snp-vtpm/hcl-report.bin",
                "azure-snp-vtpm/vcek.pem",
                None,
                SUMMER,
            ),
            ByVersions([3, 0, 8, 115], "vm"),
            &[],
        ),
        row(
            "an HCL report with the certificate of another chip",
            snp(
                "azure-snp-vtpm/kinvolk-hcl-report-snp.bin",
                "azure-snp-vtpm/kinvolk-certs.pem",
                None,
                SUMMER,
            ),
            Refused("snp-chip"),
            &[("chip_id", "3a5d", ""), ("vek_hwid", "da8a", "")],
        ),
    ]
}

fn others() -> Vec<Row> {
    vec![
        row(
            "confidential containers",
            aci(),
            ByVersions([3, 0, 8, 115], "pod"),
            &[
                ("measurement", "51068107", ""),
                ("uvm_measurement", "51068107", ""),
                ("uvm_svn", "22", "22"),
                ("uvm_feed", "ContainerPlat-AMD-UVM", ""),
                ("host_data", "cadd74f7", ""),
                ("policy_digest", "cadd74f7", ""),
            ],
        ),
        row(
            "Azure VM on SNP, the older blob",
            azure_snp(0, "azure-snp-vtpm/x-v0-vcek.pem"),
            ByVersions([4, 0, 24, 219], "vm"),
            &[
                ("measurement", "6a063be9", ""),
                ("guest_svn", "10", ""),
                ("secure_boot", "true", ""),
                ("extra_data", "6368616c6c656e6765", ""),
                ("user_data", ZEROS, ""),
            ],
        ),
        row(
            "Azure VM on SNP, the newer blob",
            azure_snp(1, "azure-snp-vtpm/x-v1-vcek.der"),
            ByVersions([4, 0, 24, 219], "vm"),
            &[
                ("measurement", "6a063be9", ""),
                ("vm_unique_id", "26F8", ""),
            ],
        ),
        row(
            "Azure VM on TDX",
            azure_tdx(),
            Appraised("UpToDate", &[], "vm"),
            &[
                ("mrtd", "12bdbc16", "e451"),
                ("rtmr3", ZEROS, ""),
                ("secure_boot", "false", ""),
                ("extra_data", "00000000", "00000000"),
            ],
        ),
        row(
            "MAA token, runtime data in JSON",
            shared_token(),
            Appraised("Unstated", &[], "process"),
            &[("x-ms-sgx-mrenclave", "b7792026", ""), ("iss", SHARED, "")],
        ),
        row(
            "MAA token, runtime data in bytes",
            maa(
                "SgxEnclave__sharedwus__1.0.0__Binary",
                SHARED,
                "sharedwus.wus.attest.azure.net__1.0.0__1",
                "2021-07-01T22:53:20Z",
            ),
            Appraised("Unstated", &[], "process"),
            &[("x-ms-sgx-mrenclave", "b7792026", "")],
        ),
        row(
            "MAA token of a private instance",
            maa(
                "SgxEnclave__fakeresource__1.0.0__JSON",
                "https://pylarryoattestationaad.wus.attest.azure.net",
                "fakeresource.wus.attest.azure.net__1.0.0__0",
                "2021-07-01T22:53:20Z",
            ),
            Appraised("Unstated", &[], "process"),
            &[("x-ms-sgx-mrenclave", "b7792026", "")],
        ),
        row(
            "MAA token under a key of 1024 bits",
            maa(
                "SgxEnclave__sharedwus__1.0.0b2__JSON",
                SHARED,
                "sharedwus.wus.attest.azure.net__1.0.0b2__5",
                "2021-05-07T21:09:38Z",
            ),
            Refused("token-key-too-short"),
            &[],
        ),
        row(
            "MAA token without a signature",
            maa(
                "OpenEnclave__sharedwus__1.0.0__JSON-draft__algnone",
                SHARED,
                "sharedwus.wus.attest.azure.net__1.0.0__1",
                "2021-07-01T20:14:16Z",
            ),
            Refused("token-unsigned"),
            &[],
        ),
    ]
}

fn printed(ran: &Ran) -> Value {
    assert_eq!(ran.stderr, "");
    serde_json::from_str(&ran.stdout).unwrap()
}

fn assert_row(row: &Row, case: &Case) {
    let ran = case.explain(&Place::new(), &[]);
    let found = printed(&ran);
    let name = row.name;
    assert_eq!(found["evidence"], case.evidence["type"], "{name}");
    for (claim, begin, end) in row.claims {
        let value = found["claims"][claim].as_str();
        let value = value.unwrap_or_else(|| panic!("{name}: no claim {claim}"));
        assert!(
            value.starts_with(begin) && value.ends_with(end),
            "{name}: {claim} is {value}"
        );
    }
    let (tcb, scope) = match &row.expected {
        Refused(code) => {
            let ended = (ran.code, &found["outcome"], &found["code"]);
            assert_eq!(ended, (5, &json!("not-authentic"), &json!(code)), "{name}");
            assert!(!found["message"].as_str().unwrap().is_empty());
            assert!(found.get("decision").is_none());
            return;
        }
        Appraised(status, advisories, scope) => {
            (json!({"status": status, "advisories": advisories}), scope)
        }
        ByVersions([bootloader, tee, snp, microcode], scope) => {
            let components = json!({
                "bootloader": bootloader, "tee": tee, "snp": snp, "microcode": microcode,
            });
            let tcb = json!({"status": "ByVersions", "advisories": [], "components": components});
            (tcb, scope)
        }
    };
    assert_eq!(
        (ran.code, &found["outcome"]),
        (0, &json!("appraised")),
        "{name}"
    );
    assert_eq!(
        (&found["tcb"], &found["scope"]),
        (&tcb, &json!(scope)),
        "{name}"
    );
    assert!(found.get("code").is_none() && found.get("decision").is_none());
}

fn assert_rows(rows: &[Row]) {
    for row in rows {
        if let Some(case) = &row.case {
            assert_row(row, case);
        }
    }
}

#[test]
fn real_quotes_are_explained_as_the_table_says() {
    assert_rows(&quotes());
}

#[test]
fn real_reports_are_explained_as_the_table_says() {
    assert_rows(&reports());
}

#[test]
fn real_machines_containers_and_tokens_are_explained_as_the_table_says() {
    assert_rows(&others());
}

/// A debug enclave whose endorsements nobody collected, and a report that is no quote.
#[test]
fn real_quotes_that_cannot_be_judged_are_unusable() {
    let intel = "sgx-dcap/phala-sgx_quote_collateral.json";
    if let Some(mut occlum) = quote("sgx", "sgx-dcap/trustee-occlum_quote.dat", intel, SUMMER) {
        occlum.endorsements = None;
        let ran = occlum.explain(&Place::new(), &[]);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
        assert!(ran.stderr.contains("\"endorsements-missing\""));
    }
    if let Some(bad) = quote("sgx", "sgx-dcap/sgx_report_bad.bin", intel, SUMMER) {
        let ran = bad.explain(&Place::new(), &[]);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
        assert!(ran.stderr.contains("\"evidence-unusable\""));
    }
}
