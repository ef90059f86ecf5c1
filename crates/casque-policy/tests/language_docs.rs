//! The reference of the policy language is true: every block of YAML in it is read, has the findings that it is
//! marked with and no others, and together the blocks show every key, kind and format.
//!
//! A block is a whole policy, or has a comment before it that says where it stands; `docs/language/README.md`
//! describes the comments.

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
use std::ops::Range;
use std::path::PathBuf;
use std::process::Command;

use casque_policy::{
    DIAGNOSTIC_CODES, Diagnostic, LANGUAGE_MAPS, Policy, ReasonCode, Severity, substitute,
};
use casque_types::{Format, KeyHash, SecretKind};
use saphyr_parser::{Event, Parser};

type Words = BTreeSet<String>;

// ---- documents ----

/// The documents whose blocks are tested: the folder of the language, and the comparison with SCONE.
fn documents() -> Vec<(String, String)> {
    let docs = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(docs.join("language"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    paths.push(docs.join("coming-from-scone.md"));
    paths.sort();
    let read = |path: PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, std::fs::read_to_string(path).unwrap())
    };
    paths.into_iter().map(read).collect()
}

/// A block of YAML with its marks.
#[derive(Default)]
struct Block {
    /// Document and line.
    place: String,
    text: String,
    /// What it stands in; a whole policy when none.
    within: Option<String>,
    /// Secrets that stand beside it.
    with: Vec<String>,
    refused: Words,
    warned: Words,
}

fn blocks() -> Vec<Block> {
    let mut blocks = Vec::new();
    for (document, text) in documents() {
        let lines: Vec<&str> = text.lines().collect();
        let mut index = 0;
        while index < lines.len() {
            if lines[index].trim() == "```yaml" {
                assert_eq!(lines[index], "```yaml", "{document}: no indentation");
                let end = index + 1 + lines[index + 1..].iter().position(|l| *l == "```").unwrap();
                let mark = index.checked_sub(1).map_or("", |before| lines[before]);
                blocks.push(Block {
                    place: format!("{document}:{}", index + 1),
                    text: format!("{}\n", lines[index + 1..end].join("\n")),
                    ..marked(mark, &document)
                });
                index = end;
            }
            index += 1;
        }
    }
    blocks
}

/// `<!-- in: service; with: key, token; refused: bad-name; warned: version-old -->`
fn marked(line: &str, document: &str) -> Block {
    let mut block = Block::default();
    let comment = line
        .strip_prefix("<!--")
        .and_then(|l| l.strip_suffix("-->"));
    for mark in comment.unwrap_or_default().split(';') {
        let Some((name, value)) = mark.split_once(':') else {
            assert!(mark.trim().is_empty(), "{document}: {line}");
            continue;
        };
        let words = value.split(',').map(|word| word.trim().to_owned());
        match name.trim() {
            "in" => block.within = Some(value.trim().to_owned()),
            "with" => block.with = words.collect(),
            "refused" => block.refused = words.collect(),
            "warned" => block.warned = words.collect(),
            _ => panic!("{document}: unknown mark in {line}"),
        }
    }
    block
}

// ---- from blocks to policies ----

const MEASUREMENT: &str = "291645fc02749ef4f895da626d1ffe9bf45d34aad2177507844e1b87d220219f";

impl Block {
    /// The policy, and which of its lines are the block's.
    fn policy(&self) -> (String, Range<usize>) {
        let Some(within) = &self.within else {
            return (self.text.clone(), 0..usize::MAX);
        };
        let states = |key: &str| self.text.lines().any(|line| line.starts_with(key));
        let mut head = String::from("name: my-namespace/app\n");
        if !states("version:") {
            head.push_str("version: \"0.3.12\"\n");
        }
        let indent = match within.as_str() {
            "policy" => 0,
            "service" => {
                head.push_str("services:\n  - name: web\n");
                if !states("attestation:") && !states("mrenclaves:") {
                    head.push_str(&format!("    mrenclaves: [{MEASUREMENT}]\n"));
                }
                4
            }
            "access_policy" => {
                head.push_str("access_policy:\n");
                2
            }
            "security" => {
                head.push_str("security:\n");
                2
            }
            "security.attestation" => {
                head.push_str("security:\n  attestation:\n");
                4
            }
            other => panic!("{}: unknown place `{other}`", self.place),
        };
        let secrets: String = self.with.iter().map(|name| self.secret(name)).collect();
        let mut lines: Vec<String> = self
            .text
            .lines()
            .map(|line| match line {
                "" => String::new(),
                _ => format!("{}{line}", " ".repeat(indent)),
            })
            .collect();
        let start = head.lines().count();
        // The block's own list of secrets goes on with those beside it.
        let own = lines.iter().position(|line| line == "secrets:");
        match own {
            Some(_) if secrets.is_empty() => {}
            Some(at) => {
                let behind = lines[at + 1..]
                    .iter()
                    .position(|line| !line.is_empty() && !line.starts_with([' ', '#']));
                let at = behind.map_or(lines.len(), |behind| at + 1 + behind);
                assert_eq!(at, lines.len(), "{}: `secrets` last", self.place);
            }
            None if secrets.is_empty() => {}
            None => lines.push("secrets:".to_owned()),
        }
        let own_lines = self.text.lines().count();
        let text = format!("{head}{}\n{secrets}", lines.join("\n"));
        (text, start + 1..start + own_lines + 1)
    }

    /// The secrets that blocks may have beside them.
    fn secret(&self, name: &str) -> String {
        let fields = match name {
            "vault-token" => {
                "{name: vault-token, kind: aad-token, tenant_id: e1c3b6de-6f5f-4b0e-9b1c-3f2a7d54c0a1, client_id: 5a0d1c7e-2f7b-4d0b-8a55-6c1f0e9b7a11, application_secret: not-a-secret}"
            }
            "password" => "{name: password, kind: ascii}",
            "key" => "{name: key, kind: binary, size: 32}",
            "signing-key" => "{name: signing-key, kind: private-key, key_type: P-384}",
            "web-key" => "{name: web-key, kind: private-key}",
            "web" => "{name: web, kind: x509, private_key: web-key}",
            "root-key" => "{name: root-key, kind: private-key, migrate: true}",
            "root" => "{name: root, kind: x509-ca, private_key: root-key}",
            other => panic!("{}: unknown secret `{other}`", self.place),
        };
        format!("  - {fields}\n")
    }

    fn findings(&self) -> Vec<Diagnostic> {
        let (text, _) = self.policy();
        match substitute(&text, &variable) {
            Err(found) => found,
            Ok(text) => match Policy::parse(&text) {
                Ok(parsed) => parsed.warnings,
                Err(found) => found,
            },
        }
    }
}

/// What the documents write as `$NAME`.
fn variable(name: &str) -> Option<String> {
    let value = match name {
        "MEASUREMENT" => MEASUREMENT,
        "CERTIFICATE" => include_str!("keys/certificate.pem"),
        "PRIVATE_KEY" => include_str!("keys/ec.pem"),
        "APPLICATION_KEY" => include_str!("keys/rsa.pem"),
        "PUBLIC_KEY" => include_str!("keys/public.pem"),
        "CLIENT_SECRET" => "not-a-secret",
        "PREDECESSOR" => "~",
        _ => return None,
    };
    Some(value.to_owned())
}

#[test]
fn every_block_has_exactly_the_findings_that_it_is_marked_with() {
    let mut wrong = Vec::new();
    for block in blocks() {
        let found = block.findings();
        let of = |severity| {
            let codes = found.iter().filter(|f| f.severity == severity);
            codes.map(|f| f.code.to_owned()).collect::<Words>()
        };
        if of(Severity::Error) != block.refused || of(Severity::Warning) != block.warned {
            let found: Vec<String> = found.iter().map(ToString::to_string).collect();
            wrong.push(format!("{}: {found:#?}", block.place));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

// ---- what the blocks show ----

/// The keys of a text, by the path of the map that they stand in, as far as they stand on `own` lines; and its
/// scalars.
#[derive(Default)]
struct Shown {
    keys: BTreeSet<(String, String)>,
    scalars: Vec<(String, String)>,
}

enum Open {
    List,
    Map { path: String, key: Option<String> },
}

fn show(text: &str, own: &Range<usize>, shown: &mut Shown) -> Result<(), String> {
    let mut open: Vec<Open> = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| error.to_string())?;
        let is_own = own.contains(&span.start.line());
        match event {
            Event::MappingStart(..) => {
                let path = path_of(&open);
                open.push(Open::Map { path, key: None });
            }
            Event::SequenceStart(..) => open.push(Open::List),
            Event::MappingEnd | Event::SequenceEnd => {
                open.pop();
                end(&mut open);
            }
            Event::Scalar(scalar, ..) => match open.last_mut() {
                Some(Open::Map { path, key }) if key.is_none() => {
                    let name = canonical(&scalar);
                    if is_own {
                        shown.keys.insert((path.clone(), name.clone()));
                    }
                    *key = Some(name);
                }
                _ => {
                    if is_own {
                        shown.scalars.push((path_of(&open), scalar.to_string()));
                    }
                    end(&mut open);
                }
            },
            _ => {}
        }
    }
    Ok(())
}

/// A value has ended: a key may come.
fn end(open: &mut [Open]) {
    if let Some(Open::Map { key, .. }) = open.last_mut() {
        *key = None;
    }
}

/// Where the next value stands: lists are passed through, and so are requirements of the access policy.
fn path_of(open: &[Open]) -> String {
    let map = open.iter().rev().find_map(|open| match open {
        Open::Map { path, key } => Some((path, key)),
        Open::List => None,
    });
    match map {
        None => String::new(),
        Some((path, Some(key))) if key.starts_with("require-") => path.clone(),
        Some((path, key)) => {
            let key = key.clone().unwrap_or_default();
            match path.is_empty() {
                true => key,
                false => format!("{path}.{key}"),
            }
        }
    }
}

fn canonical(key: &str) -> String {
    match key.strip_prefix("require-at-least-") {
        Some(_) => "require-at-least-N".to_owned(),
        None => key.to_owned(),
    }
}

fn shown() -> Shown {
    let mut shown = Shown::default();
    for block in blocks() {
        let (text, own) = block.policy();
        if let Err(error) = show(&text, &own, &mut shown) {
            // A block may show what is no YAML.
            assert!(!block.refused.is_empty(), "{}: {error}", block.place);
        }
    }
    shown
}

/// Where the documents describe a place: maps of one form are described once.
fn documented_path(path: &str) -> &str {
    match path {
        "access_policy.create_sessions" => "access_policy.update",
        "volumes.export.to" => "volumes.export",
        "services.attestation.azure_vm.snp" => "services.attestation.snp",
        "services.attestation.azure_vm.tdx" => "services.attestation.tdx",
        "services.attestation.aci.tcb" => "services.attestation.snp.tcb",
        "services.attestation.snp.tcb.milan" | "services.attestation.snp.tcb.genoa" => {
            "services.attestation.snp.tcb.turin"
        }
        path => path,
    }
}

#[test]
fn every_key_has_an_example() {
    let shown = shown().keys;
    let shown: BTreeSet<(&str, &str)> = (shown.iter())
        .map(|(path, key)| (documented_path(path), key.as_str()))
        .collect();
    let mut missing = Vec::new();
    for map in LANGUAGE_MAPS {
        for key in map.keys.iter().chain(map.not_yet).chain(map.legacy) {
            if !shown.contains(&(documented_path(map.path), *key)) {
                missing.push(format!("{}.{key}", map.path));
            }
        }
    }
    assert!(missing.is_empty(), "no example of {missing:#?}");
}

#[test]
fn every_kind_and_every_format_has_an_example() {
    let shown = shown();
    let kinds: BTreeSet<&str> = shown
        .scalars
        .iter()
        .filter(|(path, _)| path == "secrets.kind")
        .map(|(_, kind)| kind.as_str())
        .collect();
    for kind in SecretKind::ALL {
        assert!(kinds.contains(kind.as_str()), "no example of kind {kind}");
    }
    let texts: Vec<&str> = shown
        .scalars
        .iter()
        .map(|(_, text)| text.as_str())
        .collect();
    for (suffix, _) in Format::SUFFIXES {
        let end = format!("{suffix}$$");
        let is_shown = texts.iter().any(|text| {
            let mut bodies = text.split("$$SCONE::").skip(1);
            bodies.any(|body| body.split_once("$$").is_some_and(|(b, _)| ends(b, suffix)))
        });
        assert!(is_shown, "no example of {end}");
    }
}

/// Whether a placeholder's body is a name with this suffix and no other.
fn ends(body: &str, suffix: &str) -> bool {
    let Some(name) = body.strip_suffix(suffix) else {
        return false;
    };
    !name.is_empty() && !name.contains([':', '.', '|'])
}

// ---- tables ----

/// The rows of the tables of keys: after `<!-- keys: PATH -->`, the first column is a key, the last one the codes
/// of what is refused.
fn rows() -> Vec<(String, String, String)> {
    let mut rows = Vec::new();
    for (document, text) in documents() {
        let mut path: Option<String> = None;
        for line in text.lines() {
            if let Some(mark) = line.strip_prefix("<!-- keys:") {
                path = Some(mark.trim_end_matches("-->").trim().to_owned());
                continue;
            }
            match (&path, line.strip_prefix("| `")) {
                (Some(of), Some(row)) => {
                    let (key, _) = row.split_once('`').unwrap();
                    let codes = line.trim_end_matches(" |").rsplit(" | ").next().unwrap();
                    let place = of.trim_matches('/').to_owned();
                    rows.push((place, key.to_owned(), format!("{document}\n{codes}")));
                }
                (Some(_), None) if !line.starts_with('|') => path = None,
                _ => {}
            }
        }
    }
    rows
}

#[test]
fn tables_list_exactly_the_keys_of_the_parser() {
    let mut expected: BTreeMap<&str, Words> = BTreeMap::new();
    for map in LANGUAGE_MAPS {
        let keys = map.keys.iter().map(|key| (*key).to_owned());
        let path = documented_path(map.path);
        expected.entry(path).or_default().extend(keys);
    }
    let mut documented: BTreeMap<String, Words> = BTreeMap::new();
    for (path, key, _) in rows() {
        documented.entry(path).or_default().insert(key);
    }
    for (path, keys) in expected {
        let found = documented.remove(path).unwrap_or_default();
        assert_eq!(found, keys, "keys of `{path}`");
    }
    assert_eq!(documented, BTreeMap::new(), "places that are none");
}

#[test]
fn tables_name_codes_that_exist() {
    let known: BTreeSet<&str> = (DIAGNOSTIC_CODES.iter().copied())
        .chain(ReasonCode::ALL.iter().map(|code| code.as_str()))
        .collect();
    for (path, key, cell) in rows() {
        let (document, cell) = cell.split_once('\n').unwrap();
        for code in cell.split('`').skip(1).step_by(2) {
            assert!(known.contains(code), "{document}: `{path}`.`{key}`: {code}");
        }
    }
}

// ---- links ----

/// The anchor of a heading, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let lower = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = lower
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn links_lead_somewhere() {
    let docs = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    for (document, text) in documents() {
        let folder = match document.as_str() {
            "coming-from-scone.md" => docs.clone(),
            _ => docs.join("language"),
        };
        for link in text.split("](").skip(1) {
            let (target, _) = link.split_once(')').unwrap();
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let path = match file {
                "" => folder.join(&document),
                file => folder.join(file),
            };
            assert!(path.exists(), "{document}: {target}");
            if !heading.is_empty() {
                let there = std::fs::read_to_string(&path).unwrap();
                let mut headings = there.lines().filter(|line| line.starts_with('#'));
                let is_there = headings.any(|line| anchor(line) == heading);
                assert!(is_there, "{document}: {target}");
            }
        }
    }
}

// ---- commands ----

/// `docs/coming-from-scone.md` says how to compute a key hash; its command prints the SHA-256 of what is hashed here.
#[test]
fn key_hash_is_that_of_the_documented_command() {
    let command =
        "openssl x509 -in me.pem -noout -pubkey | openssl pkey -pubin -outform DER | sha256sum";
    let (_, document) = documents()
        .into_iter()
        .find(|(name, _)| name == "coming-from-scone.md")
        .unwrap();
    assert!(document.contains(command));
    let certificate = include_str!("keys/certificate.pem");
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("key-hash");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("me.pem"), certificate).unwrap();
    let has_openssl = Command::new("openssl").arg("version").output();
    if !has_openssl.is_ok_and(|output| output.status.success()) {
        println!("skipped: no openssl (Debian package openssl)");
        return;
    }
    let output = Command::new("sh")
        .args(["-c", command])
        .current_dir(&folder)
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let hash: KeyHash = printed.split(' ').next().unwrap().parse().unwrap();
    let certificate = certificate.replace('\n', "\n  ");
    let text = format!("name: a\nversion: \"0.3\"\ncreator: |\n  {certificate}\n");
    assert_eq!(Policy::parse(&text).unwrap().policy.creator, Some(hash));
}

// ---- reasons ----

/// The codes of errors before and behind the decision stand in ring 2, which this crate cannot import: its source
/// is looked at.
#[test]
fn reason_codes_document_has_every_code_of_a_release() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let source = std::fs::read_to_string(root.join("crates/casque-core/src/error.rs")).unwrap();
    let document = std::fs::read_to_string(root.join("docs/reason-codes.md")).unwrap();
    let (_, of_attest) = source.split_once("impl AttestError {").unwrap();
    let (of_attest, _) = of_attest.split_once("\nimpl ").unwrap_or((of_attest, ""));
    let codes: Vec<&str> = of_attest
        .lines()
        .filter_map(|line| line.split_once("=> \"")?.1.split('"').next())
        .collect();
    assert!(codes.len() > 10, "{codes:?}");
    for code in codes {
        assert!(document.contains(&format!("`{code}`")), "{code}");
    }
}
