//! `casque explain` with software TEEs, through the library, which takes their roots: evidence and a token about it
//! judged together, and everything that cannot be used.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test that cannot go on fails"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use casque_appraise::{IntelEndorsements, TrustAnchors};
use casque_cli::{Invocation, Terminal};
use casque_testkit::maa::{JwksShape, RuntimeClaim, SoftwareMaa, TokenCollateral, TokenSpec};
use casque_testkit::sgx::{SoftwareTee, software_identity};
use casque_testkit::snp::{ReportFlaw, ReportSpec, SoftwareSnp, software_snp_identity};
use casque_types::{SnpProduct, SnpSigner, Timestamp, sha256};
use serde_json::{Value, json};
use tempfile::TempDir;

const NOW: Timestamp = Timestamp::from_unix_s(1_795_500_000);
const INSTANCE: &str = "https://casque.weu.attest.azure.net";
const RUNTIME: &[u8] = b"{\"nonce\":\"1\"}";
const MEASUREMENT: [u8; 32] = [0xe1; 32];

struct World {
    anchors: TrustAnchors,
    evidence: Value,
    endorsements: Value,
    token: String,
    /// Says something else of the enclave.
    contradicting: String,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let intel = SoftwareTee::generate(NOW).unwrap();
    let maa = SoftwareMaa::generate(INSTANCE.parse().unwrap(), NOW).unwrap();
    let identity = software_identity(MEASUREMENT.into());
    let mut report_data = [0; 64];
    report_data[..32].copy_from_slice(sha256(RUNTIME).as_bytes());
    let quote = intel.quote(&identity, &report_data).unwrap();
    let stated = intel.endorsements(NOW).unwrap();
    let token = |svn| {
        let mut identity = identity.clone();
        identity.svn = svn;
        let runtime = RuntimeClaim::Json(RUNTIME.to_vec());
        let mut spec = TokenSpec::sgx(identity, report_data, NOW).with_runtime(runtime);
        spec.collateral = Some(TokenCollateral::of(&quote, &stated));
        maa.token(&spec).unwrap()
    };
    let jwks: Value = serde_json::from_str(&maa.jwks(JwksShape::WithNumbers)).unwrap();
    let mut endorsements = endorsements_of(&stated);
    endorsements["maa"] = json!({"issuer": INSTANCE, "jwks": jwks});
    World {
        anchors: TrustAnchors::vendors().dangerous_with_sgx_root(intel.root_der().to_vec()),
        token: token(identity.svn),
        contradicting: token(identity.svn + 1),
        evidence: json!({"type": "sgx", "quote": STANDARD.encode(&quote)}),
        endorsements,
    }
});

/// Intel's, as the file has them.
fn endorsements_of(stated: &IntelEndorsements) -> Value {
    json!({
        "intel": {
            "tcb_info_issuer_chain": stated.tcb_info_issuer_chain,
            "tcb_info": stated.tcb_info,
            "tcb_info_signature": hex::encode(&stated.tcb_info_signature),
            "qe_identity_issuer_chain": stated.qe_identity_issuer_chain,
            "qe_identity": stated.qe_identity,
            "qe_identity_signature": hex::encode(&stated.qe_identity_signature),
            "pck_crl_issuer_chain": stated.pck_crl_issuer_chain,
            "pck_crl": hex::encode(&stated.pck_crl),
            "root_ca_crl": hex::encode(&stated.root_ca_crl),
        },
    })
}

/// A folder with valid files in it.
struct Files {
    folder: TempDir,
}

impl Files {
    fn new() -> Self {
        let files = Self {
            folder: TempDir::new().unwrap(),
        };
        files.write("evidence", &WORLD.evidence.to_string());
        files.write("endorsements", &WORLD.endorsements.to_string());
        files.write("token", &token_file(&WORLD.token));
        files.write("policy", &policy("mode: hardware"));
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: &str) {
        std::fs::write(self.path(name), content).unwrap();
    }

    /// Runs `casque explain`; `@evidence` is the path of that file. Exit code, standard output, standard error.
    fn explain(&self, arguments: &[&str]) -> (u8, String, String) {
        self.run(TrustAnchors::clone(&WORLD.anchors), arguments, "", "json")
    }

    fn run(
        &self,
        anchors: TrustAnchors,
        given: &[&str],
        stdin: &str,
        output: &str,
    ) -> (u8, String, String) {
        let mut arguments = vec!["casque".into(), "explain".into()];
        arguments.extend(given.iter().map(|argument| {
            let name = argument.strip_prefix('%');
            name.map_or_else(
                || (*argument).into(),
                |name| self.path(name).into_os_string(),
            )
        }));
        arguments.extend(["--output".into(), output.into()]);
        let invocation = Invocation {
            arguments,
            environment: BTreeMap::new(),
            now: NOW,
            anchors,
            stderr: Terminal::File,
        };
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let mut stdin = stdin.as_bytes();
        let code = casque_cli::run(&invocation, &mut stdin, &mut stdout, &mut stderr);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (code, text(stdout), text(stderr))
    }

    fn explained(&self, arguments: &[&str]) -> (u8, Value) {
        let (code, stdout, stderr) = self.explain(arguments);
        assert_eq!(stderr, "", "{arguments:?}");
        (code, serde_json::from_str(&stdout).unwrap())
    }
}

fn token_file(token: &str) -> String {
    json!({"type": "maa", "token": token}).to_string()
}

fn policy(security: &str) -> String {
    let measurement = hex::encode(MEASUREMENT);
    format!(
        "name: shop
version: \"0.3.12\"
security:
  attestation:
    {security}
services:
  - name: web
    command: web
    attestation: {{mrenclave: {measurement}}}
"
    )
}

fn both() -> String {
    let needs = "require: [maa, evidence]\n    tolerate: maa-managed-tcb";
    policy(&format!("mode: maa\n    url: {INSTANCE}\n    {needs}"))
}

const ALONE: [&str; 4] = ["--evidence", "%evidence", "--endorsements", "%endorsements"];
const WITH_TOKEN: [&str; 6] = [
    "--evidence",
    "%evidence",
    "--evidence",
    "%token",
    "--endorsements",
    "%endorsements",
];
const POLICY: [&str; 4] = ["--policy", "%policy", "--service", "web"];

fn with<'a>(first: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [first, more].concat()
}

#[test]
fn evidence_and_a_token_about_it_are_judged_together() {
    let files = Files::new();
    let (code, found) = files.explained(&WITH_TOKEN);
    assert_eq!((code, &found["outcome"]), (0, &json!("appraised")));
    assert_eq!(found["evidence"], "sgx");
    assert_eq!(found["verifier"], format!("casque and maa {INSTANCE}"));
    assert_eq!(found["tcb"]["status"], "UpToDate");
    let swapped = ["--evidence", "%token", "--evidence", "%evidence"];
    let (_, same) = files.explained(&with(&swapped, &["--endorsements", "%endorsements"]));
    assert_eq!(found, same);
}

#[test]
fn policy_that_demands_both_is_applied_to_both() {
    let files = Files::new();
    files.write("policy", &both());
    let (code, found) = files.explained(&with(&WITH_TOKEN, &POLICY));
    assert_eq!((code, &found["outcome"]), (0, &json!("granted")), "{found}");
    // One alone is the other verifier.
    let (code, found) = files.explained(&with(&ALONE, &POLICY));
    assert_eq!((code, &found["outcome"]), (4, &json!("denied")));
    assert!(found.to_string().contains("verifier-mismatch"));
}

#[test]
fn token_that_contradicts_the_evidence_proves_nothing() {
    let files = Files::new();
    files.write("token", &token_file(&WORLD.contradicting));
    files.write("policy", &both());
    for arguments in [with(&WITH_TOKEN, &[]), with(&WITH_TOKEN, &POLICY)] {
        let (code, found) = files.explained(&arguments);
        let ended = (code, &found["outcome"], &found["code"]);
        let expected = json!("token-contradicts-evidence");
        assert_eq!(ended, (5, &json!("not-authentic"), &expected));
        assert!(found.get("decision").is_none());
    }
}

/// Nothing but a policy makes anything of a quote in debug mode; a token is what the service makes of it.
#[test]
fn debug_mode_is_refused_in_quotes_and_told_of_tokens() {
    let intel = SoftwareTee::generate(NOW).unwrap();
    let maa = SoftwareMaa::generate(INSTANCE.parse().unwrap(), NOW).unwrap();
    let mut identity = software_identity(MEASUREMENT.into());
    identity.debug = true;
    let runtime = RuntimeClaim::Json(RUNTIME.to_vec());
    let mut report_data = [0; 64];
    report_data[..32].copy_from_slice(sha256(RUNTIME).as_bytes());
    let quote = intel.quote(&identity, &report_data).unwrap();
    let mut spec = TokenSpec::sgx(identity, report_data, NOW).with_runtime(runtime);
    let stated = intel.endorsements(NOW).unwrap();
    spec.collateral = Some(TokenCollateral::of(&quote, &stated));
    let files = Files::new();
    let jwks: Value = serde_json::from_str(&maa.jwks(JwksShape::WithNumbers)).unwrap();
    let mut endorsements = endorsements_of(&stated);
    endorsements["maa"] = json!({"issuer": INSTANCE, "jwks": jwks});
    files.write("endorsements", &endorsements.to_string());
    files.write("token", &token_file(&maa.token(&spec).unwrap()));
    let quote = json!({"type": "sgx", "quote": STANDARD.encode(&quote)});
    files.write("evidence", &quote.to_string());
    let root = intel.root_der().to_vec();
    let anchors = TrustAnchors::vendors().dangerous_with_sgx_root(root);
    let explained = |arguments: &[&str]| {
        let (code, stdout, stderr) = files.run(anchors.clone(), arguments, "", "json");
        assert_eq!(stderr, "");
        let found: Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!(found["claims"]["debug"], "true", "{found}");
        (code, found["outcome"].clone(), found["code"].clone())
    };
    let refused = (5, json!("not-authentic"), json!("quote-debug"));
    assert_eq!(explained(&ALONE), refused);
    assert_eq!(explained(&WITH_TOKEN), refused);
    let token = ["--evidence", "%token", "--endorsements", "%endorsements"];
    let appraised = (0, json!("appraised"), Value::Null);
    assert_eq!(explained(&token), appraised);
    // A policy says what is to become of it.
    let tolerant = policy("tolerate: [debug-mode]");
    files.write("policy", &tolerant);
    let granted = (0, json!("granted"), Value::Null);
    assert_eq!(explained(&with(&ALONE, &POLICY)), granted);
}

/// The signature is judged first, so it is of whom it says: not false, but not understood.
#[test]
fn report_that_is_signed_and_of_another_layout_is_unusable() {
    let amd = SoftwareSnp::generate(SnpProduct::Milan, NOW).unwrap();
    let anchors = TrustAnchors::vendors().dangerous_with_amd(vec![amd.anchor()]);
    let files = Files::new();
    let explain = |flaw, change: &dyn Fn(&mut Vec<u8>)| {
        let identity = software_snp_identity([2; 48].into());
        let spec = ReportSpec::new(identity, [7; 64]).with_flaw(flaw);
        let mut report = amd.report(&spec).unwrap();
        change(&mut report);
        let (report, vek) = (STANDARD.encode(report), amd.chain_pem(SnpSigner::Vcek));
        let evidence = json!({"type": "snp", "report": report, "vek": vek});
        files.write("evidence", &evidence.to_string());
        files.run(anchors.clone(), &ALONE, "", "json")
    };
    for flaw in [ReportFlaw::Version(6), ReportFlaw::SignatureAlgorithm(2)] {
        let (code, stdout, stderr) = explain(flaw, &|_| {});
        assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
        assert!(stderr.contains("\"evidence-unusable\""), "{stderr}");
        assert!(stderr.contains("its layout is not known"), "{stderr}");
        // Changed by somebody else.
        let (code, stdout, _) = explain(flaw, &|report| report[0x90] ^= 1);
        assert_eq!(code, 5, "{stdout}");
        assert!(stdout.contains("\"snp-signature\""), "{stdout}");
    }
}

#[test]
fn software_tee_is_nothing_under_the_vendors_roots() {
    let files = Files::new();
    let (code, stdout, _) = files.run(TrustAnchors::vendors(), &ALONE, "", "json");
    assert_eq!(code, 5, "{stdout}");
    let (code, _) = files.explained(&ALONE);
    assert_eq!(code, 0);
}

#[test]
fn evidence_comes_from_standard_input_too() {
    let files = Files::new();
    let stdin = WORLD.evidence.to_string();
    let arguments = ["--evidence", "-", "--endorsements", "%endorsements"];
    let (code, stdout, _) = files.run(WORLD.anchors.clone(), &arguments, &stdin, "json");
    assert_eq!(code, 0, "{stdout}");
}

#[test]
fn no_evidence_proves_nothing_and_is_what_the_policy_makes_of_it() {
    let files = Files::new();
    files.write("evidence", "{\"type\": \"none\"}");
    let (code, found) = files.explained(&ALONE);
    let ended = (code, &found["outcome"], &found["code"]);
    let expected = json!("evidence-absent");
    assert_eq!(ended, (5, &json!("not-authentic"), &expected));
    let arguments = with(&ALONE, &POLICY);
    let (code, found) = files.explained(&arguments);
    assert_eq!((code, &found["outcome"]), (4, &json!("denied")));
    assert!(found.to_string().contains("\"evidence-missing\""));
    files.write("policy", &policy("mode: none"));
    let (code, found) = files.explained(&arguments);
    assert_eq!((code, &found["outcome"]), (0, &json!("granted")));
    assert_eq!(found["scope"], "nothing");
}

#[test]
fn second_factor_is_not_judged_offline() {
    let files = Files::new();
    let account = "{issuer: 'https://oidc.example', namespace: shop, service_account: web}";
    let entry = format!("{}, kubernetes: {account}}}", hex::encode(MEASUREMENT));
    let text = policy("mode: hardware").replace(&format!("{}}}", hex::encode(MEASUREMENT)), &entry);
    files.write("policy", &text);
    let arguments = with(&ALONE, &POLICY);
    let (code, text, stderr) = files.run(WORLD.anchors.clone(), &arguments, "", "text");
    assert_eq!((code, stderr.as_str()), (0, ""), "{text}");
    assert!(text.starts_with("outcome       granted\n"), "{text}");
    assert!(
        text.contains("\n  open  services[web].attestation[0].kubernetes"),
        "{text}"
    );
    assert!(!text.contains("FAILS"), "{text}");
}

/// Nothing is printed, exit code 2, and an error with this code whose text has these words.
fn assert_unusable(files: &Files, arguments: &[&str], code: &str, words: &str) {
    let (exit, stdout, stderr) = files.explain(arguments);
    assert_eq!((exit, stdout.as_str()), (2, ""), "{arguments:?}: {stderr}");
    let found: Value = serde_json::from_str(&stderr).unwrap();
    assert_eq!(found["error"]["code"], code, "{arguments:?}: {stderr}");
    assert!(stderr.contains(words), "{words}: {stderr}");
}

#[test]
fn evidence_that_is_none_is_unusable() {
    let files = Files::new();
    let quote = WORLD.evidence["quote"].as_str().unwrap();
    let truncated = STANDARD.encode(&STANDARD.decode(quote).unwrap()[..600]);
    let vtpm = |pcrs: Value| {
        json!({
            "type": "azure-snp-vtpm", "hcl": "AA==",
            "quote": {"message": "AA==", "signature": "AA==", "pcrs": pcrs},
        })
    };
    let cases = [
        (json!("evidence"), "holds no evidence"),
        (json!({}), "type"),
        (json!({"type": "nitro", "quote": quote}), "nitro"),
        (json!({"type": "sgx"}), "quote"),
        (json!({"type": "sgx", "quote": 7}), "holds no evidence"),
        (json!({"type": "sgx", "quote": "no base64!"}), "base64"),
        (json!({"type": "sgx", "quote": ""}), "SGX quote"),
        (json!({"type": "sgx", "quote": truncated}), "SGX quote"),
        (json!({"type": "tdx", "quote": quote}), "TDX quote"),
        (json!({"type": "snp", "report": "AAAA"}), "report"),
        (
            json!({"type": "snp", "report": "AAAA", "vek": "%"}),
            "certificate",
        ),
        (json!({"type": "aci-snp", "report": "AAAA"}), "policy"),
        (vtpm(json!([])), "24 registers"),
        (vtpm(json!(vec!["zz"; 24])), "24 registers"),
        (vtpm(json!(vec!["00".repeat(32); 24])), "HCL"),
        (json!({"type": "maa", "token": "a.b"}), "token"),
    ];
    for (evidence, words) in cases {
        files.write("evidence", &evidence.to_string());
        assert_unusable(&files, &ALONE, "evidence-unusable", words);
    }
    for text in ["", "{", "[]", "no JSON"] {
        files.write("evidence", text);
        assert_unusable(&files, &ALONE, "evidence-unusable", "holds no evidence");
    }
}

#[test]
fn endorsements_of_another_shape_are_unusable() {
    let files = Files::new();
    let without = |member: &str| {
        let mut bent = WORLD.endorsements.clone();
        bent["intel"].as_object_mut().unwrap().remove(member);
        bent
    };
    let with = |pointer: &str, value: Value| {
        let mut bent = WORLD.endorsements.clone();
        *bent.pointer_mut(pointer).unwrap() = value;
        bent
    };
    let cases = [
        (json!([]), "holds no endorsements"),
        (json!({"nvidia": {}}), "nvidia"),
        (without("tcb_info"), "tcb_info"),
        (with("/intel/pck_crl", json!("no digits")), "intel.pck_crl"),
        (
            with("/intel/tcb_info_signature", json!(7)),
            "expected a string",
        ),
        (json!({"amd": {"chain": "-----BEGIN NOTHING"}}), "amd.chain"),
        (with("/maa/issuer", json!("http://plain")), "maa.issuer"),
        (with("/maa/jwks", json!({})), "maa.jwks"),
    ];
    for (endorsements, words) in cases {
        files.write("endorsements", &endorsements.to_string());
        assert_unusable(&files, &ALONE, "endorsements-unusable", words);
    }
}

#[test]
fn endorsements_that_are_missing_are_named() {
    let files = Files::new();
    let alone = ["--evidence", "%evidence"];
    assert_unusable(
        &files,
        &alone,
        "endorsements-missing",
        "Intel's endorsements",
    );
    let token = ["--evidence", "%token"];
    assert_unusable(
        &files,
        &token,
        "endorsements-missing",
        "keys of the attestation service",
    );
    files.write("endorsements", "{}");
    assert_unusable(
        &files,
        &WITH_TOKEN,
        "endorsements-missing",
        "keys of the attestation",
    );
}

#[test]
fn files_that_cannot_be_read_are_unusable_and_bounded() {
    let files = Files::new();
    let absent = ["--evidence", "%absent"];
    assert_unusable(&files, &absent, "file", "cannot read");
    let absent = with(&ALONE[..2], &["--endorsements", "%absent"]);
    assert_unusable(&files, &absent, "file", "cannot read");
    let absent = with(&ALONE, &["--policy", "%absent", "--service", "web"]);
    assert_unusable(&files, &absent, "file", "cannot read");
    let padding = " ".repeat(4 * 1024 * 1024);
    files.write("evidence", &format!("{}{padding}", WORLD.evidence));
    assert_unusable(&files, &ALONE, "file", "longer than 4194304 bytes");
    let files = Files::new();
    files.write("policy", &format!("{}{}", both(), " ".repeat(1024 * 1024)));
    let arguments = with(&ALONE, &POLICY);
    assert_unusable(&files, &arguments, "file", "longer than 1048576 bytes");
}

#[test]
fn options_that_say_nothing_are_unusable() {
    let files = Files::new();
    for at in [
        "yesterday",
        "2026-11-24",
        "1795500000",
        "1960-01-01T00:00:00Z",
        "",
    ] {
        let arguments = with(&ALONE, &["--at", at]);
        assert_unusable(&files, &arguments, "usage", "--at: expected a time");
    }
    for digits in ["xyz", "123", &"00".repeat(65)] {
        let arguments = with(&ALONE, &["--report-data", digits]);
        assert_unusable(&files, &arguments, "usage", "--report-data: expected");
    }
    let twice = with(&ALONE, &["--evidence", "%evidence"]);
    assert_unusable(&files, &twice, "evidence-unusable", "given 2 times");
    let tokens = ["--evidence", "%token", "--evidence", "%token"];
    assert_unusable(&files, &tokens, "evidence-unusable", "given 2 times");
}

#[test]
fn policies_that_cannot_be_applied_are_unusable() {
    let files = Files::new();
    let arguments = with(&ALONE, &POLICY);
    let other = with(&ALONE, &["--policy", "%policy", "--service", "database"]);
    assert_unusable(&files, &other, "no-such-service", "`database`");
    let no_name = with(&ALONE, &["--policy", "%policy", "--service", "a/b"]);
    assert_unusable(&files, &no_name, "no-such-service", "a/b");
    files.write("policy", &policy("mode: software"));
    assert_unusable(&files, &arguments, "policy", "bad-word");
    files.write("policy", &policy("mode: $MODE"));
    assert_unusable(&files, &arguments, "policy", "MODE");
    let filled = with(&arguments, &["-e", "MODE=hardware"]);
    assert_eq!(files.explained(&filled).0, 0);
    // What the policy itself says of its secret is known; what another one exports is not.
    let open = policy("tolerate: $$SCONE::tolerated$$");
    let said = "secrets: [{name: tolerated, kind: config-fragment, value: [outdated-tcb]}]\n";
    files.write("policy", &format!("{open}{said}"));
    assert_eq!(files.explained(&arguments).0, 0);
    let import = "import: {session: other, secret: tolerated}";
    let imported = format!("secrets: [{{name: tolerated, kind: config-fragment, {import}}}]\n");
    files.write("policy", &format!("{open}{imported}"));
    assert_unusable(&files, &arguments, "demands-open", "`tolerated`");
}

/// What clap refuses has the same exit code, of this command alone.
#[test]
fn arguments_that_do_not_go_together_are_unusable() {
    let files = Files::new();
    let cases: [&[&str]; 9] = [
        &[],
        &["--evidence"],
        &["--no-such-option"],
        &["--service", "web", "--evidence", "%evidence"],
        &["--policy", "%policy", "--evidence", "%evidence"],
        &["-e", "A=b", "--evidence", "%evidence"],
        &["shop/web", "--evidence", "%evidence"],
        &["--evidence", "%evidence", "--last"],
        &["no config id", "--last"],
    ];
    for arguments in cases {
        let (exit, stdout, stderr) = files.explain(arguments);
        assert_eq!((exit, stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(stderr.contains("error: "), "{arguments:?}: {stderr}");
    }
    let (exit, stdout, _) = files.explain(&["--help"]);
    assert_eq!(exit, 0);
    assert!(stdout.contains("--report-data"));
}

/// Whoever changes a token in whatever place has it refused as what it is: not the instance's.
#[test]
fn token_with_any_character_changed_is_not_authentic() {
    let files = Files::new();
    let arguments = ["--evidence", "%token", "--endorsements", "%endorsements"];
    let token = &WORLD.token;
    let (mut unread, mut read) = (0, 0);
    for at in (0..token.len()).step_by(7) {
        let mut changed = token.clone().into_bytes();
        if changed[at] == b'.' {
            continue;
        }
        changed[at] = match changed[at] {
            b'A' => b'B',
            _ => b'A',
        };
        let changed = String::from_utf8(changed).unwrap();
        if changed == *token {
            continue;
        }
        files.write("token", &token_file(&changed));
        let (code, found) = files.explained(&arguments);
        assert_eq!(
            (code, &found["outcome"]),
            (5, &json!("not-authentic")),
            "{at}"
        );
        let message = found["message"].as_str().unwrap();
        match message.contains("it cannot be read: ") {
            true => {
                assert_eq!(found["code"], "token-signature");
                unread += 1;
            }
            false => read += 1,
        }
    }
    assert!(unread > 10 && read > 10, "{unread} {read}");
    // What is no token at all, or was signed as it stands and cannot be read, is unusable.
    let maa = SoftwareMaa::generate(INSTANCE.parse().unwrap(), NOW).unwrap();
    let identity = software_identity(MEASUREMENT.into());
    let mut spec = TokenSpec::sgx(identity, [0; 64], NOW);
    spec.further = vec![("x-ms-runtime".to_owned(), json!(7))];
    let jwks: Value = serde_json::from_str(&maa.jwks(JwksShape::WithNumbers)).unwrap();
    let endorsements = json!({"maa": {"issuer": INSTANCE, "jwks": jwks}});
    files.write("endorsements", &endorsements.to_string());
    for unusable in [
        maa.token(&spec).unwrap(),
        "a.b".to_owned(),
        "a.b!.c".to_owned(),
    ] {
        files.write("token", &token_file(&unusable));
        let (code, stdout, stderr) = files.explain(&arguments);
        assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
        assert!(stderr.contains("\"evidence-unusable\""), "{stderr}");
    }
}
