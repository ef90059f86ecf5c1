//! What this crate's tests share.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};

use casque_types::{Rng, RngError, Secret, Timestamp};

use crate::pem::write_pem;
use crate::{
    CertificateChain, CertificateRequest, EndpointUse, KeyAlgorithm, issue_certificate,
    make_private_key,
};

/// Counts: 0, 1, 2, … so that what is made from it is the same every time.
#[derive(Default)]
pub(crate) struct CountingRng(AtomicU8);

impl Rng for CountingRng {
    fn fill(&self, out: &mut [u8]) -> Result<(), RngError> {
        for byte in out {
            *byte = self.0.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Always fails.
pub(crate) struct BrokenRng;

impl Rng for BrokenRng {
    fn fill(&self, _out: &mut [u8]) -> Result<(), RngError> {
        Err(RngError)
    }
}

/// Runs `openssl` with `input` on its standard input; `None`, said aloud, where it is not installed.
pub(crate) fn openssl(arguments: &[&str], input: &[u8]) -> Option<(bool, String)> {
    let started = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = started else {
        println!("skipped: openssl is not installed");
        return None;
    };
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    Some((
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    ))
}

/// 2026-11-18T…Z.
pub(crate) const NOW: Timestamp = Timestamp::from_unix_s(1_795_000_000);

/// What a certificate for `common_name` would say, of no authority and self-signed.
pub(crate) fn request<'a>(key: &'a Secret, common_name: &'a str) -> CertificateRequest<'a> {
    CertificateRequest {
        private_key: key,
        issuer: None,
        common_name,
        endpoint: None,
        dns: &[],
        valid_for: None,
        authority: false,
        now: NOW,
    }
}

/// A root, an authority under it, and a leaf under that, all on P-256.
pub(crate) fn chain_of_three() -> CertificateChain {
    chain_of([KeyAlgorithm::P256; 3])
}

/// A root, an authority under it, and a leaf under that, with keys of these types.
pub(crate) fn chain_of(algorithms: [KeyAlgorithm; 3]) -> CertificateChain {
    let rng = CountingRng::default();
    let keys = algorithms.map(|algorithm| make_private_key(algorithm).unwrap());
    let mut root = request(&keys[0], "root");
    root.authority = true;
    let root = issue_certificate(&root, &rng).unwrap();
    let mut middle = request(&keys[1], "middle");
    middle.authority = true;
    middle.issuer = Some(&root);
    let middle = issue_certificate(&middle, &rng).unwrap();
    let dns = [
        "leaf.example".to_owned(),
        "*.leaf.example".to_owned(),
        "192.0.2.7".to_owned(),
        "2001:db8::7".to_owned(),
    ];
    let mut leaf = request(&keys[2], "leaf");
    leaf.issuer = Some(&middle);
    leaf.dns = &dns;
    leaf.endpoint = Some(EndpointUse::Server);
    issue_certificate(&leaf, &rng).unwrap()
}

/// One PEM block.
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let mut text = zeroize::Zeroizing::new(String::new());
    write_pem(&mut text, label, der);
    text.to_string()
}

/// Every type of keys.
pub(crate) const ALGORITHMS: [KeyAlgorithm; 5] = [
    KeyAlgorithm::P256,
    KeyAlgorithm::P384,
    KeyAlgorithm::Ed25519,
    KeyAlgorithm::Rsa2048,
    KeyAlgorithm::Rsa3072,
];

/// A secret of this text.
pub(crate) fn secret(text: &str) -> Secret {
    Secret::copied_from(text.as_bytes())
}

/// A secret's text.
pub(crate) fn shown(secret: &Secret) -> &str {
    secret.expose_text().unwrap()
}
