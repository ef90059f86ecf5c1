//! The commands that need no server: what they print, where, and with which exit code.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "a test that cannot go on fails"
)]

mod harness;

use std::os::unix::fs::PermissionsExt as _;

use harness::{Place, Ran, assert_snapshot};

const GOOD: &str = r#"# A policy with two variables.
name: demo
version: "0.3"
access_policy:
  read: ANY
services:
  - name: web
    mrenclaves: [$MEASUREMENT]
    command: web --greeting $$SCONE::greeting$$
secrets:
  - name: greeting
    kind: ascii
    value: ${GREETING}
"#;

const MEASUREMENT: &str =
    "MEASUREMENT=aabbccddeeff00112233445566778899aabbccddeeff00112233445566778899";

const BAD: &str = r#"name: demo
version: "0.3"
services:
  - name: web
    mrenclave: [aa]
    command: web $$SCONE::greting$$
secrets:
  - name: greeting
    kind: ascii
"#;

const WARNED: &str = r#"name: demo
version: "0.3"
access_policy:
  read: NONE
  update: NONE
security:
  attestation:
    mode: none
services:
  - name: web
    command: web
"#;

fn place_with(name: &str, text: &str) -> Place {
    let place = Place::new();
    place.write(name, text);
    place
}

fn filled_in(place: &Place, command: &str, more: &[&str]) -> Ran {
    let mut arguments = vec!["session", command, "good.yaml", "-e", MEASUREMENT];
    arguments.extend_from_slice(&["-e", "GREETING=hello there"]);
    arguments.extend_from_slice(more);
    place.run(&arguments)
}

#[test]
fn help_of_every_command_is_as_recorded() {
    let place = Place::new();
    let mut all = String::new();
    for path in command_paths(&casque_cli::command()) {
        let mut arguments: Vec<&str> = path.iter().map(String::as_str).collect();
        arguments.push("--help");
        let ran = place.run(&arguments);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{path:?}");
        all.push_str(&format!(
            "$ casque {}\n{}\n",
            arguments.join(" "),
            ran.stdout
        ));
    }
    let ran = Ran {
        code: 0,
        stdout: all,
        stderr: String::new(),
    };
    assert_snapshot("help", &ran);
}

fn command_paths(command: &clap::Command) -> Vec<Vec<String>> {
    let mut paths = vec![Vec::new()];
    for child in command.get_subcommands() {
        for mut path in command_paths(child) {
            path.insert(0, child.get_name().to_owned());
            paths.push(path);
        }
    }
    paths
}

#[test]
fn documentation_names_every_command_option_and_exit_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/cli.md");
    let documentation = std::fs::read_to_string(path).unwrap();
    let command = casque_cli::command();
    for path in command_paths(&command) {
        let name = format!("casque {}", path.join(" "));
        assert!(documentation.contains(name.trim_end()), "{name}");
        let found = path
            .iter()
            .try_fold(&command, |at, name| at.find_subcommand(name));
        for option in found
            .unwrap()
            .get_arguments()
            .filter_map(|arg| arg.get_long())
        {
            assert!(
                documentation.contains(&format!("--{option}")),
                "--{option} of {name}"
            );
        }
    }
    use casque_cli::exit;
    let first = [
        exit::OK,
        exit::USAGE,
        exit::POLICY,
        exit::WARNINGS,
        exit::DENIED,
    ];
    for code in first.into_iter().chain([
        exit::UNREACHABLE,
        exit::CONFLICT,
        exit::ABSENT,
        exit::SERVER,
    ]) {
        assert!(
            documentation.contains(&format!("\n| {code} | ")),
            "exit code {code}"
        );
    }
}

#[test]
fn documentation_shows_commands_that_exist_and_policies_that_are_some() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/cli.md");
    let documentation = std::fs::read_to_string(path).unwrap();
    let mut commands = 0;
    for line in blocks(&documentation, "sh")
        .iter()
        .flat_map(|block| block.lines())
    {
        let inner = line.split_once("$(").map_or(line, |(_, inner)| inner);
        let Some(arguments) = inner.trim_end_matches(')').strip_prefix("casque ") else {
            assert!(line.starts_with("openssl "), "{line}");
            continue;
        };
        let words = std::iter::once("casque").chain(arguments.split(' '));
        let parsed = casque_cli::command().try_get_matches_from(words);
        assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
        commands += 1;
    }
    assert!(commands > 10, "{commands}");
    for block in blocks(&documentation, "yaml") {
        casque_policy::Policy::parse(block).unwrap();
    }
}

fn blocks<'t>(documentation: &'t str, language: &str) -> Vec<&'t str> {
    let opening = format!("\n```{language}\n");
    let behind = documentation.split(&opening).skip(1).collect::<Vec<_>>();
    let inside = behind.into_iter().map(|text| text.split("\n```").next());
    inside.map(Option::unwrap).collect()
}

#[test]
fn check_good_policy_prints_it_filled_in() {
    let place = place_with("good.yaml", GOOD);
    let ran = filled_in(&place, "check", &["--identity", "id.pem"]);
    assert_eq!(
        ran.code, 1,
        "the identity file does not exist: {}",
        ran.stderr
    );
    let ran = filled_in(&place, "check", &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("value: hello there\n"));
    assert!(
        ran.stdout
            .starts_with("# A policy with two variables.\nname: demo\n")
    );
    assert!(
        ran.stderr.starts_with("ok: policy `demo`, hash "),
        "{}",
        ran.stderr
    );
}

#[test]
fn check_tells_how_much_each_entry_proves() {
    let text = format!(
        "name: demo\nversion: '0.3'\nsecurity: {{service_access_token: t}}\nservices:\n\
         - name: web\n  attestation:\n  - mrenclave: {sgx}\n  - tdx: {{mrtd: {tdx}}}\n    \
         kubernetes: {{issuer: 'https://c.example', namespace: a, service_account: b}}\n\
         - name: group\n  attestation:\n    aci: {{policy_digest: {sgx}, svn_min: 1, tcb: {{milan: {{snp: 8}}}}}}\n\
         - name: later\n  attestation: $$SCONE::entry$$\n\
         secrets:\n- {{name: entry, kind: config-fragment, import: {{session: other, secret: entry}}}}\n",
        sgx = "ab".repeat(32),
        tdx = "cd".repeat(48),
    );
    let place = place_with("scoped.yaml", &text);
    let ran = place.run(&["session", "check", "scoped.yaml"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let told = "scope of `web`: process, or vm and service account\nscope of `group`: pod\n\
                scope of `later`: what secrets say, or nothing\n";
    assert!(ran.stderr.ends_with(told), "{}", ran.stderr);
    let ran = place.run(&["session", "check", "scoped.yaml", "--output", "json"]);
    let scopes = r#""scopes":[{"service":"web","entries":[{"entry":0,"scope":"process","service_account":false},{"entry":1,"scope":"vm","service_account":true}]},{"service":"group","entries":[{"entry":0,"scope":"pod","service_account":false}]},{"service":"later","entries":[]}]"#;
    assert!(ran.stdout.contains(scopes), "{}", ran.stdout);
}

#[test]
fn verify_prints_the_hash_that_check_has_and_nothing_else() {
    let place = place_with("good.yaml", GOOD);
    let verified = filled_in(&place, "verify", &[]);
    assert_eq!((verified.code, verified.stderr.as_str()), (0, ""));
    let hash = verified.stdout.strip_suffix('\n').unwrap();
    assert!(hash.len() == 64 && hash.chars().all(|c| c.is_ascii_hexdigit()));
    let checked = filled_in(&place, "check", &["--output", "json"]);
    let scopes =
        r#"[{"service":"web","entries":[{"entry":0,"scope":"process","service_account":false}]}]"#;
    let expected =
        format!("{{\"ok\":true,\"hash\":\"{hash}\",\"diagnostics\":[],\"scopes\":{scopes}}}\n");
    assert_eq!(checked.stdout, expected);
}

#[test]
fn verify_depends_on_who_the_creator_will_be() {
    let (one, other) = (place_with("good.yaml", GOOD), place_with("good.yaml", GOOD));
    let hashes = [&one, &one, &other].map(|place| filled_in(place, "verify", &[]).stdout);
    assert_eq!(hashes[0], hashes[1]);
    assert_ne!(hashes[0], hashes[2]);
}

#[test]
fn check_normalised_prints_one_layout_of_the_same_hash() {
    let place = place_with(
        "policy.yaml",
        "name: demo # mine\nversion: '0.3'\nsecrets: [{name: a, kind: ascii, value: \"x: y\"}]\n",
    );
    let ran = place.run(&["session", "check", "policy.yaml", "--normalised"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let expected = "---\nname: demo\nversion: 0.3\nsecrets:\n  - name: a\n    kind: ascii\n    value: \"x: y\"\n";
    assert_eq!(ran.stdout, expected);
    let hash = |file: &str| place.run(&["session", "verify", file]).stdout;
    place.write("normal.yaml", &ran.stdout);
    assert_eq!(hash("policy.yaml"), hash("normal.yaml"));
}

#[test]
fn check_bad_policy_shows_each_error_at_its_place() {
    let place = place_with("bad.yaml", BAD);
    assert_snapshot("check_bad", &place.run(&["session", "check", "bad.yaml"]));
    let json = place.run(&["--output", "json", "session", "check", "bad.yaml"]);
    assert_snapshot("check_bad_json", &json);
}

#[test]
fn check_warnings_fail_only_when_asked_to() {
    let place = place_with("warned.yaml", WARNED);
    let ran = place.run(&["session", "check", "warned.yaml"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let asked = ["session", "check", "warned.yaml", "--fail-on-warning"];
    assert_snapshot("check_warned", &place.run(&asked));
    let verified = place.run(&["session", "verify", "warned.yaml", "--fail-on-warning"]);
    assert_eq!((verified.code, verified.stdout.as_str()), (3, ""));
    let json = place.run(&[
        "session",
        "check",
        "warned.yaml",
        "--fail-on-warning",
        "--output=json",
    ]);
    assert_eq!(json.code, 3);
    assert!(
        json.stdout.starts_with(r#"{"ok":false,"hash":""#),
        "{}",
        json.stdout
    );
    assert!(json.stdout.contains(r#""severity":"warning""#));
}

#[test]
fn check_variable_without_value_is_an_error_of_the_policy() {
    let place = place_with("good.yaml", GOOD);
    let ran = place.run(&["session", "check", "good.yaml", "-e", MEASUREMENT]);
    assert_snapshot("check_unknown_variable", &ran);
}

#[test]
fn check_value_of_a_variable_is_not_shown_in_excerpts() {
    let place = place_with(
        "bad.yaml",
        "name: demo\nversion: \"0.3\"\nservices:\n  - name: $NAME\n",
    );
    let ran = place.run(&["session", "check", "bad.yaml", "-e", "NAME=top secret"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("- name: $NAME"), "{}", ran.stderr);
    let excerpt = ran
        .stderr
        .lines()
        .find(|line| line.contains("- name:"))
        .unwrap();
    assert!(!excerpt.contains("top secret"), "{excerpt}");
}

#[test]
fn use_env_fills_in_what_no_option_does() {
    let place = place_with("good.yaml", GOOD);
    let arguments = [
        "session",
        "check",
        "good.yaml",
        "--use-env",
        "-e",
        MEASUREMENT,
    ];
    let environment = [
        ("GREETING", "from outside"),
        ("MEASUREMENT", "not this one"),
    ];
    let ran = place.run_with(&arguments, &environment, "");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("value: from outside\n"));
    let ran = place.run_with(&["session", "check", "good.yaml"], &environment, "");
    assert_eq!(ran.code, 2);
}

#[test]
fn name_option_replaces_the_name() {
    let place = place_with("good.yaml", GOOD);
    let ran = filled_in(&place, "check", &["-n", "team/other"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stdout.contains("\nname: team/other\nversion"),
        "{}",
        ran.stdout
    );
    assert!(ran.stderr.contains("policy `team/other`"));
    let ran = filled_in(&place, "check", &["-n", "no good"]);
    assert_eq!(ran.code, 1);
}

#[test]
fn dash_is_standard_input() {
    let place = Place::new();
    let ran = place.run_with(&["session", "check", "-"], &[], BAD);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("<stdin>:"), "{}", ran.stderr);
}

#[test]
fn usage_errors_exit_with_1() {
    let place = place_with("good.yaml", GOOD);
    for arguments in [
        &["session", "check", "absent.yaml"][..],
        &["session", "check", "good.yaml", "-e", "NOVALUE"],
        &["session", "check", "good.yaml", "-e", "1X=2"],
        &["session", "check"],
        &["session"],
        &["nonsense"],
        &[],
        &["cas", "attest", "http://cas"],
        &["cas", "attest", "cas", "--key-hash", "abc"],
    ] {
        let ran = place.run(arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{arguments:?}");
        assert!(!ran.stderr.is_empty(), "{arguments:?}");
    }
    let ran = place.run(&["--version"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert!(ran.stdout.starts_with("casque "));
}

#[test]
fn file_that_is_no_text_or_too_long_is_refused() {
    let place = Place::new();
    std::fs::write(place.path("binary"), [0xff, 0xfe]).unwrap();
    let ran = place.run(&["session", "check", "binary"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr.contains("`binary` is no UTF-8 text"),
        "{}",
        ran.stderr
    );
    place.write("long", &" ".repeat(1024 * 1024 + 1));
    let ran = place.run(&["session", "check", "long"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr.contains("longer than 1048576 bytes"),
        "{}",
        ran.stderr
    );
}

#[test]
fn error_in_json_is_one_document_on_standard_error() {
    let place = Place::new();
    let ran = place.run(&["--output", "json", "session", "check", "absent.yaml"]);
    assert_snapshot("error_json", &ran);
}

#[test]
fn identity_is_made_once_and_kept_from_others() {
    let place = Place::new();
    let first = place.run(&["self", "show-key-hash"]);
    assert_eq!((first.code, first.stderr.as_str()), (0, ""));
    assert_eq!(place.run(&["self", "show-key-hash"]).stdout, first.stdout);
    let mode = std::fs::metadata(place.config())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let shown = place.run(&["self", "show"]).stdout;
    assert!(shown.starts_with(&format!("key hash: {}-----BEGIN CERTIFICATE", first.stdout)));
    let certificate = place.run(&["self", "show-certificate"]).stdout;
    assert!(shown.ends_with(&certificate));
    assert!(!shown.contains("PRIVATE KEY"));
}

#[test]
fn identity_of_two_first_runs_at_once_is_the_same() {
    let place = Place::new();
    let hashes = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| place.run(&["self", "show-key-hash"])))
            .collect();
        runs.into_iter()
            .map(|run| run.join().unwrap())
            .collect::<Vec<_>>()
    });
    assert!(
        hashes.iter().all(|ran| ran.code == 0 && *ran == hashes[0]),
        "{hashes:?}"
    );
}

#[test]
fn identity_file_takes_the_place_of_the_configurations() {
    let place = place_with("good.yaml", GOOD);
    let own = filled_in(&place, "verify", &[]);
    let config = std::fs::read_to_string(place.config()).unwrap();
    let config: serde_json::Value = serde_json::from_str(&config).unwrap();
    place.write("id.pem", config["identity"].as_str().unwrap());
    let elsewhere = place_with("good.yaml", GOOD);
    let pem = place.path("id.pem");
    let with_file = filled_in(&elsewhere, "verify", &["--identity", pem.to_str().unwrap()]);
    assert_eq!(with_file, own);
    place.write("id.pem", "no identity");
    let refused = filled_in(&elsewhere, "verify", &["--identity", pem.to_str().unwrap()]);
    assert_eq!(refused.code, 1);
    assert!(
        refused.stderr.contains("holds no identity"),
        "{}",
        refused.stderr
    );
}

#[test]
fn configuration_that_others_may_read_is_refused() {
    let place = Place::new();
    place.run(&["self", "show-key-hash"]);
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(place.config(), open).unwrap();
    let ran = place.run(&["self", "show-key-hash"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""));
    assert!(ran.stderr.contains("hint: chmod 600 "), "{}", ran.stderr);
}

#[test]
fn configuration_of_another_program_is_refused_and_left_alone() {
    let place = Place::new();
    let other = r#"{"default_cas":"cas","cas_db":{}}"#;
    place.write("scone.json", other);
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(place.path("scone.json"), private).unwrap();
    let ran = place.run_with(&["self", "show"], &[("SCONE_CLI_CONFIG", "scone.json")], "");
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr.contains("no configuration of casque"),
        "{}",
        ran.stderr
    );
    assert_eq!(
        std::fs::read_to_string(place.path("scone.json")).unwrap(),
        other
    );
}

#[test]
fn configuration_is_sought_where_it_is_said_to_be() {
    let place = Place::new();
    let environment = [
        ("CASQUE_CONFIG", "env.json"),
        ("SCONE_CLI_CONFIG", "scone.json"),
    ];
    place.run_with(&["self", "show"], &environment, "");
    assert!(place.path("env.json").exists() && !place.path("scone.json").exists());
    place.run_with(&["-c", "short.json", "self", "show"], &environment, "");
    place.run_with(&["self", "show", "--config", "long.json"], &environment, "");
    assert!(place.path("short.json").exists() && place.path("long.json").exists());
    let ran = place.run_with(&["self", "show"], &[("HOME", "")], "");
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("no home directory"), "{}", ran.stderr);
}

#[test]
fn session_commands_need_a_pinned_server() {
    let place = place_with("good.yaml", GOOD);
    let ran = filled_in(&place, "create", &[]);
    assert_snapshot("create_without_cas", &ran);
    let ran = filled_in(&place, "create", &["--cas", "cas.example.org"]);
    assert_snapshot("create_not_pinned", &ran);
    let ran = place.run(&["session", "read", "demo", "-c", "not an address"]);
    assert_eq!(ran.code, 5);
    assert!(
        ran.stderr
            .contains("no pinned CAS is called `not an address`")
    );
}

#[test]
fn cas_list_without_any_is_empty() {
    let place = Place::new();
    let ran = place.run(&["cas", "list"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""));
    let ran = place.run(&["cas", "list", "--output", "json"]);
    assert_eq!(ran.stdout, "{\"default\":null,\"cas\":[]}\n");
}

#[test]
fn completions_and_manual_pages_are_written() {
    let place = Place::new();
    let ran = place.run(&["completions", "bash"]);
    assert_eq!(ran.code, 0);
    assert!(ran.stdout.contains("session"));
    std::fs::create_dir(place.path("man")).unwrap();
    assert_eq!(place.run(&["man", "man"]).code, 0);
    assert!(place.path("man/casque-session-create.1").exists());
    let ran = place.run(&["man", "absent"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("`absent`"), "{}", ran.stderr);
}

/// Whether there is an OpenSSL to compare with.
fn openssl(place: &Place, arguments: &[&str]) -> bool {
    let command = std::process::Command::new("openssl")
        .args(arguments)
        .current_dir(place.path(""))
        .output();
    match command {
        Ok(output) => {
            assert!(output.status.success(), "{output:?}");
            true
        }
        Err(error) => {
            println!("skipped: no openssl: {error}");
            false
        }
    }
}

#[test]
fn sign_with_keys_of_every_algorithm_makes_what_it_takes() {
    let place = place_with("warned.yaml", WARNED);
    for (name, algorithm) in [
        ("ed25519", &["ed25519"][..]),
        ("p384", &["EC", "-pkeyopt", "ec_paramgen_curve:P-384"][..]),
    ] {
        let file = format!("{name}.pem");
        let mut arguments = vec!["genpkey", "-out", &file, "-algorithm"];
        arguments.extend_from_slice(algorithm);
        if !openssl(&place, &arguments) {
            return;
        }
        let ran = place.run(&[
            "session",
            "sign",
            "warned.yaml",
            "--key",
            &file,
            "-o",
            "one.json",
        ]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let both = place.run(&["session", "sign", "sign-with-cli-identity", "one.json"]);
        let document: serde_json::Value = serde_json::from_str(&both.stdout).unwrap();
        assert_eq!(document["session"], WARNED);
        assert_eq!(document["signatures"].as_array().unwrap().len(), 2);
        let own = place.run(&["self", "show-session-signing-key"]).stdout;
        assert_eq!(document["signatures"][1]["signer"], own);
        place.write("both.json", &both.stdout);
        assert_eq!(place.run(&["session", "verify", "both.json"]).code, 0);
    }
}

#[test]
fn signature_made_elsewhere_is_added_when_it_fits() {
    let place = place_with("warned.yaml", WARNED);
    let message = [
        "session",
        "sign",
        "generate-message-to-be-signed",
        "warned.yaml",
    ];
    let ran = place.run(&[&message[..], &["-o", "message"]].concat());
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""));
    let key = ["genpkey", "-algorithm", "ed25519", "-out", "key.pem"];
    let public = ["pkey", "-in", "key.pem", "-pubout", "-out", "public.pem"];
    let sign = [
        "pkeyutl",
        "-sign",
        "-rawin",
        "-inkey",
        "key.pem",
        "-in",
        "message",
        "-out",
        "signature",
    ];
    if !(openssl(&place, &key) && openssl(&place, &public) && openssl(&place, &sign)) {
        return;
    }
    let add = [
        "session",
        "sign",
        "add-signature",
        "warned.yaml",
        "--signer",
        "public.pem",
        "--signature",
    ];
    let added = place.run(&[&add[..], &["signature"]].concat());
    assert_eq!(added.code, 0, "{}", added.stderr);
    let document: serde_json::Value = serde_json::from_str(&added.stdout).unwrap();
    let digits = document["signatures"][0]["signature"].as_str().unwrap();
    place.write("digits", &format!("{digits}\n"));
    let again = place.run(&[&add[..], &["digits"]].concat());
    assert_eq!(again.stdout, added.stdout);
    place.write("digits", &digits.replace(['0', '1', '2'], "3"));
    let ran = place.run(&[&add[..], &["digits"]].concat());
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""));
    assert!(
        ran.stderr.contains("error[bad-signature]: "),
        "{}",
        ran.stderr
    );
}

#[test]
fn signer_becomes_the_creator_when_asked() {
    let place = place_with("warned.yaml", WARNED);
    for (name, text) in [
        ("block", WARNED.to_owned()),
        (
            "flow",
            format!(
                "{{\"version\": \"0.3\", {}}}",
                r#""name": "demo", "services": []"#
            ),
        ),
    ] {
        place.write("policy.yaml", &text);
        let arguments = ["session", "sign", "policy.yaml", "--with-self-as-creator"];
        let ran = place.run(&arguments);
        assert_eq!(ran.code, 0, "{name}: {}", ran.stderr);
        place.write("signed.json", &ran.stdout);
        let document: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        let signed = document["session"].as_str().unwrap();
        assert!(
            signed.contains("signer\": \"-----BEGIN PUBLIC KEY-----\\n"),
            "{signed}"
        );
        // Said or not, it is the same creator.
        let said = place.run(&["session", "calculate-hash", "signed.json"]);
        for how in ["tls", "signer"] {
            let arguments = [
                "session",
                "calculate-hash",
                "policy.yaml",
                "--with-self-as-creator",
            ];
            let ours = place.run(&[&arguments[..], &[how]].concat());
            assert_eq!(ours.stdout, said.stdout, "{name}");
        }
    }
}

#[test]
fn hash_that_depends_on_the_creator_is_not_made_up() {
    let place = place_with("good.yaml", GOOD);
    let ran = filled_in(&place, "calculate-hash", &[]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""));
    assert!(
        ran.stderr.starts_with("error[creator-unknown]: "),
        "{}",
        ran.stderr
    );
    let own = filled_in(&place, "calculate-hash", &["--with-self-as-creator", "tls"]);
    assert_eq!(own.stdout, filled_in(&place, "verify", &[]).stdout);
    place.write("warned.yaml", WARNED);
    // `create_sessions` follows `update`, so that nobody's key counts.
    assert_eq!(
        place
            .run(&["session", "calculate-hash", "warned.yaml"])
            .code,
        0
    );
}

#[test]
fn check_portable_warns_of_what_leaves_the_language() {
    let text = "name: demo\nversion: \"0.3.10\"\nsecrets:\n- name: token\n  kind: aad-token\n  tenant_id: \
        e7cac514-f1aa-4e0d-b207-50b1d9a89d21\n  client_id: 3f2c210e-83b4-4217-9eee-4f747d8aeeb3\n  \
        application_secret: s3cr3t\n- name: imported\n  import_akv: {vault: my-vault, encoding: hex}\n";
    let place = place_with("policy.yaml", text);
    let ran = place.run(&["session", "check", "policy.yaml", "--portable"]);
    assert_eq!(ran.stdout, text);
    let hidden = Ran {
        stdout: String::new(),
        stderr: ran.stderr.split("ok: ").next().unwrap().to_owned(),
        ..ran
    };
    assert_snapshot("check_portable", &hidden);
    let json = [
        "session",
        "check",
        "policy.yaml",
        "--portable",
        "--output",
        "json",
    ];
    let ran = place.run(&[&json[..], &["--fail-on-warning"]].concat());
    assert_eq!(ran.code, 3);
    let document: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(document["ok"], false);
    let found = &document["diagnostics"][0];
    assert_eq!(
        (&found["code"], &found["line"]),
        (&"not-portable".into(), &10.into())
    );
    let without = place.run(&["session", "check", "policy.yaml", "--output", "json"]);
    assert!(
        without.stdout.contains("\"diagnostics\":[]"),
        "{}",
        without.stdout
    );
}

#[test]
fn diff_of_two_files_needs_no_server() {
    let place = place_with("old.yaml", WARNED);
    place.write(
        "new.yaml",
        &WARNED.replace("command: web", "command: web --fast"),
    );
    let ran = place.run(&["session", "diff", "--files", "old.yaml", "new.yaml"]);
    assert_snapshot("diff_files", &ran);
    place.write("new.yaml", "name: [");
    let ran = place.run(&["session", "diff", "--files", "old.yaml", "new.yaml"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""));
    assert!(ran.stderr.starts_with("error[no-tree]: "), "{}", ran.stderr);
}

#[test]
fn schema_is_printed_as_it_is() {
    let ran = Place::new().run(&["session", "schema"]);
    let schema: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        schema["$schema"],
        "https://json-schema.org/draft/2020-12/schema"
    );
}

#[test]
fn out_file_is_made_by_success_alone_and_for_its_owner() {
    let place = place_with("warned.yaml", WARNED);
    place.write("bad.yaml", BAD);
    place.write("hash", "kept");
    let ran = place.run(&["-o", "hash", "session", "verify", "bad.yaml"]);
    assert_eq!(ran.code, 2);
    let kept = || std::fs::read_to_string(place.path("hash")).unwrap();
    assert_eq!(kept(), "kept");
    let ran = place.run(&["session", "verify", "warned.yaml", "--out", "hash"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""));
    assert_eq!(kept().len(), 65);
    place.run(&["session", "verify", "warned.yaml", "--out", "new"]);
    let mode = std::fs::metadata(place.path("new"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn arguments_are_read_from_files() {
    let place = place_with("good.yaml", GOOD);
    place.write(
        "arguments",
        &format!("-e\n{MEASUREMENT}\n\n-e\nGREETING=hello there\n"),
    );
    let ran = place.run(&["session", "verify", "good.yaml", "@arguments"]);
    assert_eq!(ran.stdout, filled_in(&place, "verify", &[]).stdout);
    let ran = place.run(&["session", "verify", "good.yaml", "@nowhere"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr.contains("cannot read `nowhere`"),
        "{}",
        ran.stderr
    );
}

#[test]
fn flags_that_would_leave_a_server_unchecked_are_refused_by_name() {
    let flag = "--only_for_testing-disable-attestation-verification";
    let ran = Place::new().run(&["session", "create", "x.yaml", flag]);
    assert_snapshot("testing_flag", &ran);
}

#[test]
fn key_hash_of_certificates_and_public_keys_is_the_same() {
    let place = Place::new();
    let own = place.run(&["self", "show-key-hash"]).stdout;
    for file in ["show-certificate", "show-session-signing-key"] {
        place.write("own.pem", &place.run(&["self", file]).stdout);
        let ran = place.run(&["cert", "show-key-hash", "own.pem"]);
        assert_eq!((ran.code, &ran.stdout), (0, &own), "{file}");
    }
    place.write("own.pem", "-----BEGIN NOTHING-----\n");
    let ran = place.run(&["cert", "show-key-hash", "own.pem"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr.starts_with("error[no-certificate]: "),
        "{}",
        ran.stderr
    );
}
