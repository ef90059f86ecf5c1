//! Debian packages that some tests take as peers: installed where that is possible, done without elsewhere.
//!
//! A test whose peer is missing says `skipped: …` and is counted as skipped.

use std::process::Stdio;

use crate::run::{is_there, program};

/// A program that tests run, how it shows that it is there, and the package that brings it.
struct Peer {
    program: &'static str,
    argument: &'static str,
    package: &'static str,
}

/// Installs the packages whose programs are missing, as root on Debian; says what cannot be had.
pub fn install() {
    let missing: Vec<&Peer> = (PEERS.iter())
        .filter(|peer| !is_there(program(peer.program).arg(peer.argument)))
        .collect();
    if missing.is_empty() {
        return;
    }
    let packages: Vec<&str> = missing.iter().map(|peer| peer.package).collect();
    if !is_root() || !is_there(program("apt-get").arg("--version")) {
        println!(
            "not installed, tests that need them are skipped: {}",
            packages.join(" ")
        );
        return;
    }
    let outcome = if install_debian(&packages) {
        "installed"
    } else {
        "could not be installed"
    };
    println!("{outcome}: {}", packages.join(" "));
}

/// Whether Debian's packages could be installed: on another system, as another user than root, and without a registry that
/// answers they cannot, which is no failure of the project.
pub(crate) fn install_debian(packages: &[&str]) -> bool {
    let apt = |arguments: &[&str]| {
        let mut command = program("apt-get");
        command
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(arguments);
        is_there(&mut command)
    };
    let install = ["install", "-qq", "--yes", "--no-install-recommends"];
    apt(&["update", "-qq"]) && apt(&[&install, packages].concat())
}

fn is_root() -> bool {
    let answer = program("id").arg("-u").stderr(Stdio::null()).output();
    answer.is_ok_and(|answer| answer.stdout.trim_ascii() == b"0")
}

const PEERS: [Peer; 10] = [
    peer("openssl", "version", "openssl"),
    peer("gpg", "--version", "gnupg"),
    peer("oathtool", "--version", "oathtool"),
    peer("gocryptfs", "-version", "gocryptfs"),
    peer("fusermount3", "-V", "fuse3"),
    peer("python3", "--version", "python3-venv"),
    peer("swtpm", "--version", "swtpm"),
    peer("swtpm_setup", "--version", "swtpm-tools"),
    peer("tpm2_checkquote", "--version", "tpm2-tools"),
    // The way of tpm2-tools to swtpm: a library.
    peer("tpm2_checkquote", "--version", "libtss2-tcti-swtpm0"),
];

const fn peer(program: &'static str, argument: &'static str, package: &'static str) -> Peer {
    Peer {
        program,
        argument,
        package,
    }
}
