//! The rings of ARCHITECTURE.md, held over `cargo metadata` and over the text of the inner rings.
//!
//! To change a table here is a design decision: say it in ARCHITECTURE.md.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test program: a failed step is a failed test"
)]

use std::collections::{BTreeSet, HashMap};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId};
use xtask::run::{cargo, root};
use xtask::source::{code_of, is_test_file, rust_files, without_tests};

/// Who may import whom; names without `casque-`.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("appraise", &["types"]),
    ("secrets", &["types"]),
    ("policy", &["appraise", "types"]),
    ("core", &["policy", "appraise", "secrets", "types"]),
    ("store", &["core", "appraise", "types"]),
    ("azure", &["core", "appraise", "types"]),
    ("endorse", &["core", "appraise", "types"]),
    ("tls", &["types"]),
    ("remote", &["core", "tls", "wire", "types"]),
    ("ioctl", &[]),
    ("attester", &["appraise", "ioctl", "types"]),
    ("wire", &["types"]),
    ("explain", &["appraise", "policy", "wire", "types"]),
    ("client", &["tls", "wire", "appraise", "secrets", "types"]),
    (
        "server",
        &[
            "core", "policy", "appraise", "secrets", "store", "azure", "endorse", "explain",
            "remote", "attester", "tls", "wire", "types",
        ],
    ),
    (
        "cli",
        &[
            "client", "policy", "appraise", "endorse", "explain", "secrets", "wire", "types",
        ],
    ),
    ("agent", &["attester", "client", "secrets", "wire", "types"]),
    (
        "testkit",
        &["core", "policy", "appraise", "secrets", "types"],
    ),
    (
        "dev",
        &[
            "server", "agent", "testkit", "types", "appraise", "secrets", "policy", "core",
            "store", "azure", "endorse", "explain", "attester", "wire", "client",
        ],
    ),
];

const INNER_RINGS: [&str; 5] = ["types", "appraise", "secrets", "policy", "core"];
const SHIPPED: [&str; 3] = ["server", "cli", "agent"];
const NEVER: [&str; 7] = [
    "openssl",
    "openssl-sys",
    "native-tls",
    "tokio-native-tls",
    "hyper-tls",
    "boring",
    "boring-sys",
];

/// All packages, and who needs whom to be built and run.
struct Graph {
    metadata: Metadata,
    needs: HashMap<PackageId, Vec<PackageId>>,
}

impl Graph {
    fn load() -> Self {
        let metadata = MetadataCommand::new()
            .manifest_path(root().join("Cargo.toml"))
            .exec()
            .unwrap();
        let mut needs = HashMap::new();
        for node in &metadata.resolve.as_ref().unwrap().nodes {
            let is_built = |dep: &&cargo_metadata::NodeDep| {
                dep.dep_kinds
                    .iter()
                    .any(|kind| kind.kind != DependencyKind::Development)
            };
            let ids = node.deps.iter().filter(is_built).map(|dep| dep.pkg.clone());
            needs.insert(node.id.clone(), ids.collect());
        }
        Self { metadata, needs }
    }

    fn ours(&self) -> Vec<&Package> {
        let is_ours = |package: &&Package| package.name.starts_with("casque-");
        let members = self.metadata.workspace_packages();
        members.into_iter().filter(is_ours).collect()
    }

    fn package(&self, name: &str) -> &Package {
        let full = format!("casque-{name}");
        let found = self
            .ours()
            .into_iter()
            .find(|package| *package.name == full);
        found.unwrap_or_else(|| panic!("no package `{full}`"))
    }

    /// The names of all packages that `start` needs, itself too, without passing through `except`.
    fn reach(&self, start: &PackageId, except: &str) -> BTreeSet<String> {
        let mut open = vec![start.clone()];
        let mut seen = BTreeSet::new();
        let mut names = BTreeSet::new();
        while let Some(id) = open.pop() {
            let name = self.metadata[&id].name.to_string();
            if name != except && seen.insert(id.clone()) {
                names.insert(name);
                open.extend(self.needs[&id].iter().cloned());
            }
        }
        names
    }
}

/// The names of our packages without `casque-`.
fn short(name: &str) -> Option<&str> {
    name.strip_prefix("casque-")
}

#[test]
fn imports_between_our_crates_are_those_of_the_table() {
    let graph = Graph::load();
    let mut wrong = Vec::new();
    for package in graph.ours() {
        let name = short(&package.name).unwrap();
        let row = MAY_IMPORT.iter().find(|(krate, _)| *krate == name);
        let (_, allowed) = row.unwrap_or_else(|| panic!("`{name}` is not in the table"));
        for dependency in &package.dependencies {
            let Some(imported) = short(&dependency.name) else {
                continue;
            };
            let is_built = dependency.kind != DependencyKind::Development;
            if is_built && !allowed.contains(&imported) {
                wrong.push(format!("{name} imports {imported}"));
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn table_names_every_crate_once() {
    let graph = Graph::load();
    let crates: Vec<_> = graph
        .ours()
        .iter()
        .map(|package| package.name.to_string())
        .collect();
    let crates: BTreeSet<_> = crates.iter().filter_map(|name| short(name)).collect();
    let table: BTreeSet<_> = MAY_IMPORT.iter().map(|(krate, _)| *krate).collect();
    assert_eq!(crates, table);
    assert_eq!(table.len(), MAY_IMPORT.len());
}

#[test]
fn inner_rings_need_no_runtime_no_http_and_no_database() {
    let graph = Graph::load();
    for krate in INNER_RINGS {
        let reached = graph.reach(&graph.package(krate).id, "");
        for name in [
            "tokio", "reqwest", "axum", "hyper", "ureq", "rusqlite", "sqlx",
        ] {
            assert!(!reached.contains(name), "`{krate}` reaches `{name}`");
        }
    }
}

#[test]
fn shipped_programs_cannot_reach_the_software_tee() {
    let graph = Graph::load();
    for krate in SHIPPED {
        let reached = graph.reach(&graph.package(krate).id, "");
        for name in ["casque-testkit", "casque-dev"] {
            assert!(!reached.contains(name), "`{krate}` reaches `{name}`");
        }
    }
}

#[test]
fn other_tls_stacks_are_nowhere() {
    let graph = Graph::load();
    let found = graph
        .metadata
        .packages
        .iter()
        .map(|package| package.name.to_string());
    let found: Vec<_> = found
        .filter(|name| NEVER.contains(&name.as_str()))
        .collect();
    assert_eq!(found, [""; 0]);
}

#[test]
fn ring_comes_in_through_dcap_qvl_alone() {
    let which = [
        "--workspace",
        "--target",
        "all",
        "--edges",
        "normal,build",
        "--invert",
        "ring",
    ];
    let found = tree(
        &which,
        &["--depth", "1", "--prefix", "depth", "--format", "{p}"],
    );
    let users = found.iter().filter_map(|line| line.strip_prefix('1'));
    let users: BTreeSet<_> = users.filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(users, BTreeSet::from(["dcap-qvl", "dcap-qvl-webpki"]));
}

#[test]
fn agent_built_alone_has_one_crypto_provider_and_no_async_runtime() {
    let arguments = ["--package", "casque-agent", "--edges", "normal"];
    let libraries = tree(&arguments, &["--prefix", "none", "--format", "{lib}"]);
    assert!(libraries.contains("aws_lc_rs"));
    for name in ["ring", "dcap_qvl", "tokio", "hyper", "reqwest"] {
        assert!(!libraries.contains(name), "`casque-agent` has `{name}`");
    }
}

/// What `cargo tree` lists: features as they are built, which the metadata shows but roughly.
fn tree(which: &[&str], shown: &[&str]) -> BTreeSet<String> {
    let output = cargo(&["tree"]).args(which).args(shown).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| line.trim_end_matches(" (*)").to_owned())
        .collect()
}

#[test]
fn inner_rings_read_no_clock_no_file_and_no_environment() {
    let words = [
        "std::fs",
        "std::env",
        "std::process",
        "SystemTime::now",
        "Instant::now",
        "TcpStream",
        "UdpSocket",
    ];
    let mut wrong = Vec::new();
    for krate in INNER_RINGS {
        let folder = root()
            .join("crates")
            .join(format!("casque-{krate}"))
            .join("src");
        for path in rust_files(&folder).unwrap() {
            if is_test_file(path.strip_prefix(root()).unwrap()) {
                continue;
            }
            let code = without_tests(&code_of(&std::fs::read_to_string(&path).unwrap()));
            let found = words.iter().filter(|word| code.contains(**word));
            wrong.extend(found.map(|word| format!("{}: {word}", path.display())));
        }
    }
    assert_eq!(wrong, [""; 0]);
}
