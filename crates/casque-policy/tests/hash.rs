//! The hash of a policy: vectors, and laws.

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

use casque_policy::{Policy, policy_hash, with_creator};
use casque_types::KeyHash;
use proptest::prelude::*;

const BASE: &str = include_str!("base.yaml");

fn creator() -> KeyHash {
    KeyHash::of_spki(b"creator")
}

fn hash(text: &str, creator: Option<&KeyHash>) -> String {
    let parsed = Policy::parse(text).unwrap_or_else(|found| panic!("{found:#?}\n{text}"));
    policy_hash(&parsed.policy, creator).to_string()
}

fn header<'t>(text: &'t str, key: &str) -> &'t str {
    let mut lines = text.lines().take_while(|line| line.starts_with('#'));
    lines
        .find_map(|line| line.strip_prefix(key))
        .unwrap()
        .trim()
}

#[test]
fn policy_hash_vectors_hold() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/policy-hash");
    let mut families: BTreeMap<String, String> = BTreeMap::new();
    for entry in std::fs::read_dir(PathBuf::from(folder)).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let creator = header(&text, "# creator:").parse().ok();
        let found = hash(&text, creator.as_ref());
        assert_eq!(found, header(&text, "# hash:"), "{}", path.display());
        let stem = path.file_stem().unwrap().to_str().unwrap();
        if let Some((family, _)) = stem.rsplit_once('-').filter(|(f, _)| f.starts_with("same")) {
            let first = families
                .entry(family.to_owned())
                .or_insert_with(|| found.clone());
            assert_eq!(*first, found, "{stem}");
        }
    }
    assert!(!families.is_empty(), "there are vectors");
}

#[test]
fn policy_hash_layout_quotes_and_order_do_not_count() {
    let a = "name: x\nversion: \"0.3\"\npredecessor: ~\nservices:\n- name: s\n  mrenclaves: []\n";
    let text = a.replace("mrenclaves: []", "environment: {B: 2, A: 'y'}");
    let none = "security: {attestation: {mode: none}}\n";
    let other = "# a comment\n{services: [{environment: {A: y, 'B': \"2\"}, name: 's'}],\n  security: {attestation: {mode: none}}, version: 0.3, \"name\": x}\n";
    assert_eq!(hash(&format!("{text}{none}"), None), hash(other, None));
}

#[test]
fn policy_hash_meaning_counts() {
    let before = hash(BASE, None);
    for (from, to) in [
        ("MODE: hw", "MODE: sim"),
        ("MODE: hw", "MODE2: hw"),
        ("[job, --fast]", "[--fast, job]"),
        ("[job, --fast]", "[job--fast]"),
        (
            "predecessor: ~",
            "predecessor: b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9",
        ),
        ("EMPTY:\n", "EMPTY: \"~\"\n"),
    ] {
        assert_ne!(
            hash(&BASE.replacen(from, to, 1), None),
            before,
            "{from} -> {to}"
        );
    }
}

#[test]
fn policy_hash_creator_counts_where_it_may_do_something() {
    let default = "name: x\nversion: 0.3\n";
    assert_ne!(hash(default, None), hash(default, Some(&creator())));
    let open = "name: x\nversion: 0.3\naccess_policy: {read: ANY, update: NONE}\n";
    assert_eq!(hash(open, None), hash(open, Some(&creator())));
}

#[test]
fn policy_hash_creator_of_the_text_counts_before_the_given_one() {
    let said = format!("name: x\nversion: 0.3\ncreator: {}\n", creator());
    let other = KeyHash::of_spki(b"other");
    assert_eq!(
        hash(&said, Some(&other)),
        hash("name: x\nversion: 0.3\n", Some(&creator()))
    );
}

#[test]
fn with_creator_inserts_a_line_before_the_first_key() {
    let line = format!("creator: {}\n", creator());
    let text = "# about\n---\n# more\nname: x # é\nversion: 0.3\n";
    let expected = format!("# about\n---\n# more\n{line}name: x # é\nversion: 0.3\n");
    assert_eq!(with_creator(text, &creator()), expected);
    let indented = "  name: x\n  version: 0.3\n";
    assert_eq!(
        with_creator(indented, &creator()),
        format!("  {line}{indented}")
    );
}

#[test]
fn with_creator_leaves_a_creator_alone() {
    let text = format!("name: x\nversion: 0.3\ncreator: {}\n", creator());
    assert_eq!(with_creator(&text, &KeyHash::of_spki(b"other")), text);
}

#[test]
fn with_creator_every_root_says_its_own_hash() {
    for text in [
        "name: x\nversion: 0.3\n",
        "\u{feff}name: x\r\nversion: 0.3\r\n",
        "? name\n: x\n? version\n: 0.3\n",
        "{\"name\": \"é\", \"name\": 1}"
            .replace("\"é\", \"name\": 1", "\"x\", \"version\": \"0.3\"")
            .as_str(),
        "--- # c\n{ # d\n  name: x,\n  version: 0.3}\n",
        "%YAML 1.2\n---\n!!map {name: x, version: 0.3}\n",
        "--- !!map\nname: x\nversion: 0.3\n...\n",
        "!!str name: x\nversion: 0.3\n",
        BASE,
    ] {
        let stored = with_creator(text, &creator());
        assert_ne!(stored, text);
        assert_eq!(
            hash(&stored, None),
            hash(text, Some(&creator())),
            "{stored}"
        );
    }
}

fn scalar() -> impl Strategy<Value = String> {
    "[ -~é]{0,10}".prop_filter("no placeholder", |text| !text.contains("$$"))
}

/// Any YAML: the value of a config-fragment.
#[derive(Clone, Debug, PartialEq)]
enum Tree {
    Null,
    Text(String),
    List(Vec<Self>),
    Map(BTreeMap<String, Self>),
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![Just(Tree::Null), scalar().prop_map(Tree::Text)];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Tree::List),
            prop::collection::btree_map("[a-c]{1,2}", inner, 0..4).prop_map(Tree::Map),
        ]
    })
}

fn double_quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

impl Tree {
    fn flow(&self) -> String {
        let join = |items: Vec<String>| items.join(", ");
        match self {
            Self::Null => "null".to_owned(),
            Self::Text(text) => double_quoted(text),
            Self::List(items) => format!("[{}]", join(items.iter().map(Self::flow).collect())),
            Self::Map(entries) => {
                let entries = entries.iter().rev();
                let entries = entries.map(|(key, value)| format!("{key}: {}", value.flow()));
                format!("{{{}}}", join(entries.collect()))
            }
        }
    }

    /// As a block that stands behind a key or a dash, `indent` deep.
    fn block(&self, indent: usize) -> String {
        let pad = " ".repeat(indent);
        match self {
            Self::Null => " ~\n".to_owned(),
            Self::Text(text) => format!(" '{}' # a comment\n", text.replace('\'', "''")),
            Self::List(items) if !items.is_empty() => {
                let items = items
                    .iter()
                    .map(|item| format!("{pad}-{}", item.block(indent + 2)));
                format!("\n{}", items.collect::<String>())
            }
            Self::Map(entries) if !entries.is_empty() => {
                let entries = entries.iter();
                let entries =
                    entries.map(|(key, value)| format!("{pad}'{key}':{}", value.block(indent + 2)));
                format!("\n{}", entries.collect::<String>())
            }
            empty => format!(" {}\n", empty.flow()),
        }
    }
}

fn of_fragment(value: &str) -> String {
    let value = if value.starts_with('\n') || value.starts_with(' ') {
        value.to_owned()
    } else {
        format!(" {value}\n")
    };
    hash(
        &format!(
            "name: x\nversion: 0.3\nsecrets:\n- name: f\n  kind: config-fragment\n  value:{value}"
        ),
        None,
    )
}

proptest! {
    /// Whatever a policy says: another tree is another hash, another layout is not.
    #[test]
    fn policy_hash_tells_trees_apart_and_layouts_not(a in tree(), b in tree()) {
        prop_assume!(a != Tree::Null && b != Tree::Null);
        prop_assert_eq!(of_fragment(&a.flow()), of_fragment(&a.block(4)));
        prop_assert_eq!(of_fragment(&a.flow()) == of_fragment(&b.flow()), a == b);
    }

    /// parse(render(parse(x))) = parse(x), whatever a policy says and however it was laid out.
    #[test]
    fn policy_normalised_has_the_same_hash_and_is_its_own_normal_form(a in tree()) {
        prop_assume!(a != Tree::Null);
        let head = "name: x\nversion: 0.3\nsecrets:\n- name: f\n  kind: config-fragment\n  value:";
        let flow = format!("{head} {}\n", a.flow());
        let normal = Policy::normalised(&flow).unwrap();
        let normal = normal.expose_text().unwrap();
        prop_assert_eq!(hash(&flow, Some(&creator())), hash(normal, Some(&creator())));
        let again = Policy::normalised(normal).unwrap();
        prop_assert_eq!(again.expose_text(), Some(normal));
    }

    /// A salt is part of what is hashed.
    #[test]
    fn policy_hash_tells_salts_apart(a in any::<[u8; 16]>(), b in any::<[u8; 16]>()) {
        let text = |salt: [u8; 16]| {
            let digits: String = salt.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("name: x\nversion: 0.3.12\nsalt: '{digits}'\n")
        };
        prop_assert_eq!(hash(&text(a), None) == hash(&text(b), None), a == b);
    }

    /// What differs in meaning differs in hash; what is written otherwise does not.
    #[test]
    fn policy_hash_tells_environments_apart(a in scalar(), b in scalar()) {
        let text = |value: &str| {
            let quoted = value.replace('\'', "''");
            format!("name: x\nversion: 0.3\nsecurity: {{attestation: {{mode: none}}}}\nservices: [{{name: s, environment: {{V: '{quoted}'}}}}]\n")
        };
        let double = |value: &str| {
            let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
            format!("version: '0.3'\nname: x\nservices:\n- environment:\n    V: \"{quoted}\"\n  name: s\nsecurity:\n  attestation:\n    mode: none\n")
        };
        prop_assert_eq!(hash(&text(&a), None) == hash(&text(&b), None), a == b);
        prop_assert_eq!(hash(&text(&a), None), hash(&double(&a), None));
    }

    /// No text makes the parser fail badly.
    #[test]
    fn policy_parse_any_text_answers(text in "(name|services|secrets|- |: |\\[|\\]|\\{|\\}|\n|  |\\||>|&a|\\*a|'|\"|\\$\\$SCONE::x\\$\\$|#|~|!|\\?|,|x){0,40}") {
        let parsed = Policy::parse(&text);
        prop_assert!(parsed.is_ok() || !parsed.unwrap_err().is_empty());
    }
}
