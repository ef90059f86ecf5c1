//! The schema accepts what the parser accepts, and refuses what is bent within one place.

use std::path::PathBuf;

use casque_policy::{Policy, substitute};
use jsonschema::Validator;
use serde_json::{Map, Number, Value as Json};

use super::SCHEMA;
use crate::yaml::{self, Node, Value};

fn validator() -> Validator {
    let schema: Json = serde_json::from_str(SCHEMA).unwrap();
    jsonschema::draft202012::options().build(&schema).unwrap()
}

/// As an editor's YAML parser sees it: plain scalars by the core schema of YAML 1.2.
fn json_of(node: &Node) -> Json {
    match &node.value {
        _ if node.is_null() => Json::Null,
        Value::Text(text) if text.is_plain => plain(&text.text),
        Value::Text(text) => Json::String(text.text.to_string()),
        Value::List(items) => items.iter().map(json_of).collect(),
        Value::Map(entries) => {
            let members = entries.iter();
            let members = members.map(|entry| (entry.key.clone(), json_of(&entry.value)));
            Json::Object(members.collect::<Map<_, _>>())
        }
    }
}

fn plain(text: &str) -> Json {
    let radix = |prefix: &str, radix| {
        let digits = text.strip_prefix(prefix)?;
        u64::from_str_radix(digits, radix).ok()
    };
    match text {
        "true" | "True" | "TRUE" => return Json::Bool(true),
        "false" | "False" | "FALSE" => return Json::Bool(false),
        _ => {}
    }
    if let Some(number) = radix("0o", 8).or_else(|| radix("0x", 16)) {
        return Json::Number(number.into());
    }
    let is_number = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
        && text
            .chars()
            .all(|c| c.is_ascii_digit() || "+-.eE".contains(c));
    if is_number && let Ok(number) = text.parse::<u64>() {
        return Json::Number(number.into());
    }
    let float = text.parse::<f64>().ok().filter(|_| is_number);
    match float.and_then(Number::from_f64) {
        Some(number) => Json::Number(number),
        None => Json::String(text.to_owned()),
    }
}

fn errors_of(validator: &Validator, text: &str) -> Vec<String> {
    let instance = json_of(&yaml::load(text).unwrap());
    let errors = validator.iter_errors(&instance);
    errors
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

/// Third-party files, beside the repository.
fn texts() -> Vec<(String, String)> {
    let default = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/corpus/sessions"
    );
    let path = PathBuf::from(option_env!("CASQUE_CORPUS").unwrap_or(default));
    let Ok(entries) = std::fs::read_dir(&path) else {
        println!("skipped: no corpus at {}", path.display());
        return Vec::new();
    };
    let mut texts: Vec<(String, String)> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    texts.sort();
    texts
}

/// Values that fit where the files use these variables.
fn value_of(name: &str) -> String {
    let hash = "291645fc02749ef4f895da626d1ffe9bf45d34aad2177507844e1b87d220219f";
    let value = match name {
        "MAA_PROVIDER" => "https://sharedeus.eus.attest.azure.net",
        "AZURE_TENANT_ID" | "AZURE_CLIENT_ID" => "e7cac514-f1aa-4e0d-b207-50b1d9a89d21",
        "AKV_VAULT" => "https://my-vault.vault.azure.net/",
        "AKV_SECRET_NAME" => "my-secret",
        "AKV_CERT_SECRET_NAME" => "my-certificate",
        "OTPSECRET" | "secret" => "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
        "SESSION_LANG_VERSION" => "0.3.10",
        "ISVPRODID" | "ISVSVN" => "1",
        "SCONE_FSPF" => "/fspf.pb",
        "predecessor_key" => "predecessor",
        "predecessor" => "~",
        "OWNER" | "MRSIGNER" | "mrenclave" | "HSESSION2" | "PLATFORM" => hash,
        _ if name.contains("MRENCLAVE") || name.contains("PREDECESSOR") => hash,
        _ if name.ends_with("FSPF_KEY") => hash,
        _ if name.ends_with("FSPF_TAG") => "291645fc02749ef4f895da626d1ffe9b",
        _ => return name.to_ascii_lowercase().replace('_', "-"),
    };
    value.to_owned()
}

#[test]
fn schema_is_one_of_its_draft() {
    let schema: Json = serde_json::from_str(SCHEMA).unwrap();
    assert!(jsonschema::meta::is_valid(&schema));
    // Every definition is used, and every reference leads to one.
    for name in schema["$defs"].as_object().unwrap().keys() {
        let reference = format!("\"$ref\": \"#/$defs/{name}\"");
        assert!(SCHEMA.contains(&reference), "{name}");
    }
}

#[test]
fn schema_accepts_every_published_policy_that_the_parser_accepts() {
    let validator = validator();
    let (mut accepted, mut refused) = (0, Vec::new());
    for (name, text) in texts() {
        let Ok(filled) = substitute(&text, &|name| Some(value_of(name))) else {
            continue;
        };
        if Policy::parse(&filled).is_err() {
            continue;
        }
        accepted += 1;
        for version in [&filled, &text] {
            // With variables it may be no YAML yet.
            if yaml::load(version).is_ok() {
                let errors = errors_of(&validator, version);
                refused.extend(errors.into_iter().map(|error| format!("{name}: {error}")));
            }
        }
    }
    println!("{accepted} policies");
    assert_eq!(refused, Vec::<String>::new());
}

/// The YAML of this repository: files, and blocks of the documentation.
fn own_texts() -> Vec<(String, String)> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let mut texts = Vec::new();
    for folder in [
        "docs",
        "examples/aks",
        "examples/demo",
        "vectors/policy-hash",
        "fuzz/seeds/policy",
        "crates/casque-policy/tests",
    ] {
        let entries = std::fs::read_dir(format!("{root}/{folder}"));
        for entry in entries.into_iter().flatten() {
            let path = entry.unwrap().path();
            let name = path.display().to_string();
            let Ok(text) = std::fs::read_to_string(&path) else {
                continue;
            };
            if name.ends_with(".md") {
                let blocks = text.split("```yaml\n").skip(1);
                let inside = blocks.map(|block| block.split("```").next().unwrap().to_owned());
                texts.extend(inside.map(|block| (name.clone(), block)));
            } else {
                texts.push((name, text));
            }
        }
    }
    texts
}

#[test]
fn schema_accepts_every_policy_of_this_repository() {
    let validator = validator();
    let (mut accepted, mut refused) = (0, Vec::new());
    for (name, text) in own_texts() {
        let filled = substitute(&text, &|name| Some(value_of(name)));
        for version in [text, filled.unwrap_or_default()] {
            if Policy::parse(&version).is_ok() {
                accepted += 1;
                let errors = errors_of(&validator, &version).into_iter();
                refused.extend(errors.map(|error| format!("{name}: {error}")));
            }
        }
    }
    println!("{accepted} policies");
    assert_eq!(refused, Vec::<String>::new());
    assert!(accepted > 5, "{accepted}");
}

/// A policy with everything in it.
const WHOLE: &str = include_str!("whole.yaml");

#[test]
fn schema_and_parser_accept_a_policy_with_every_key() {
    let found = Policy::parse(WHOLE).map_err(|found| format!("{found:#?}"));
    assert!(found.is_ok(), "{}", found.unwrap_err());
    assert_eq!(errors_of(&validator(), WHOLE), Vec::<String>::new());
    let schema: Json = serde_json::from_str(SCHEMA).unwrap();
    let of_entries = [
        "attestationEntry",
        "snpRule",
        "snpFloors",
        "snpFloorTurin",
        "tdxRule",
        "azureVmRule",
        "aciRule",
        "maaRule",
        "serviceAccountRule",
        "claimCondition",
    ];
    for definition in ["secret", "service", "image", "volume"]
        .iter()
        .chain(&of_entries)
    {
        let definition = &schema["$defs"][*definition];
        // A map that a placeholder may stand for is the first of two.
        let map = definition.get("anyOf").map_or(definition, |any| &any[0]);
        let properties = map["properties"].as_object();
        for (key, described) in properties.unwrap() {
            // The thumbprint stands beside an RSA key, which published policies have.
            let is_old = described.get("deprecated").is_some() || key == "certificate_thumbprint";
            assert!(is_old || WHOLE.contains(&format!("{key}:")), "{key}");
        }
    }
}

#[test]
fn schema_and_parser_refuse_what_is_bent_in_one_place() {
    let validator = validator();
    let mut lax = Vec::new();
    for (old, new) in BENT {
        assert!(WHOLE.contains(old), "{old}");
        let bent = WHOLE.replacen(old, new, 1);
        if errors_of(&validator, &bent).is_empty() {
            lax.push(format!("the schema takes {new}"));
        }
        if Policy::parse(&bent).is_ok() {
            lax.push(format!("the parser takes {new}"));
        }
    }
    assert_eq!(lax, Vec::<String>::new());
}

/// What stands in the whole policy, and what is put there.
const BENT: &[(&str, &str)] = &[
    ("name: team/app\n", ""),
    ("name: team/app", "name: team//app"),
    ("name: team/app", "name: $$SCONE::text$$"),
    ("version: 0.3.12", "version: 0.4"),
    ("predecessor: ~", "predecessor: abc"),
    ("salt: 00112233445566778899aabbccddeeff", "salt: \"00\""),
    ("access_policy:", "acces_policy:"),
    ("  read:", "  reed:"),
    ("read: ANY", "read: [signer: x]"),
    ("require-all:", "require-most:"),
    ("mode: maa", "mode: mma"),
    ("- maa-managed-tcb", "- maa-managed"),
    ("INTEL-SA-00334", "SA-334"),
    ("singleton_enclaves: true", "singleton_enclaves: maybe"),
    ("isvprodid: 1", "isvprodid: 70000"),
    ("isvprodid: 1", "product: 1"),
    ("isvsvn_min: 2", "isvsvn_min: 2, isvsvn: 3"),
    ("platforms: [INTEL_QE_ID:", "platforms: [QE:"),
    ("require: [maa, evidence]", "require: [tokens]"),
    ("require: [maa, evidence]", "require: []"),
    ("max_token_age_s: 300", "max_token_age_s: 30000"),
    ("require_tee_signer: true", "require_tee_signer: perhaps"),
    ("measurement: [a1", "measurement: [zz"),
    ("host_data: a2", "host_data: a2a2"),
    ("family_id: 00", "family_id: 000"),
    ("guest_svn_min: 3", "guest_svn_min: 4294967296"),
    ("vmpl: 1", "vmpl: 4"),
    ("dangerous_allow_migration: true", "allow_migration: true"),
    ("smt: forbidden", "smt: off"),
    ("milan: {bootloader: 3", "milan: {fmc: 3"),
    ("genoa: {snp: 23}", "genoa: {}"),
    ("turin: {fmc: 1", "turin: {fmc: 256"),
    ("issuer: \"https://oidc", "issuer: \"http://oidc"),
    ("namespace: shop, ", ""),
    ("mrtd: b1", "mrtd: b"),
    ("rtmr0: b2", "rtmr4: b2"),
    ("tee_tcb_svn_min: 0501", "tee_tcb_svn_min: x501"),
    ("policy_hash: [9NY0VnTQ]", "policy_hash: []"),
    ("equals: {text: \"1\"}", "equals: {number: 1}"),
    ("any_of: [1, 2]", "any_of: []"),
    ("at_least: 1", "at_least: few"),
    ("\"4\": c1", "\"24\": c1"),
    ("secure_boot: true", "secure_boot: on"),
    ("attestation_key: certified", "attestation_key: signed"),
    ("policy_digest: d1", "policy_digest: d"),
    ("svn_min: 22", "svn_min: new"),
    ("dangerous_allow_all_policy: true", "allow_all_policy: true"),
    ("pwd: /srv", "pwd: srv"),
    ("      LEVEL: 3", "      \"A=B\": 3"),
    ("environment:\n", "environment: text\n    x-environment:\n"),
    (
        "kind: ascii\n    size: 24",
        "kind: ascii\n    key_type: P-256",
    ),
    ("size: 24", "size: many"),
    ("kind: binary", "kind: binery"),
    ("key_type: RSA-3072", "key_type: RSA-1024"),
    ("migrate: true", "migrate: perhaps"),
    ("valid_for: 90 days", "valid_for: 90 moons"),
    ("endpoint: server", "endpoint: both"),
    ("san: [\"dns:*.example.org\"", "san: [\"*.example.org\""),
    ("tenant_id:", "tenant:"),
    ("import_akv: {vault: kv.vault.azure.net, ", "import_akv: {"),
    ("encoding: base64", "encoding: base32"),
    ("alg: ES384", "alg: ES256"),
    ("payload: {sub: web", "payload: {exp: web"),
    ("validity: {for: 24h}", "validity: {}"),
    (
        "import: {session: ../other, secret: theirs}",
        "import: {session: ../other}",
    ),
    (
        "import: {session: ../other, secret: theirs}",
        "import: {session: ../other, secret: theirs}\n    value: x",
    ),
    ("permission: 0o600", "permission: rw"),
    ("path: /etc/app.conf", "path: etc/app.conf"),
    ("update_policy: ephemeral", "update_policy: sometimes"),
    ("files: authenticated-only", "files: plain"),
    (
        "fspf_tag: 000102030405060708090a0b0c0d0e0f",
        "fspf_tag: 00zz",
    ),
    ("to: {session: other}", "for: {session: other}"),
    ("store_in: !akv {", "store_at: !akv {"),
];
