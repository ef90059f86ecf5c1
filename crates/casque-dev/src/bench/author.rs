//! An author of policies, and the policies of the scenarios.

use std::fmt::Write as _;

use casque_client::{Client, ClientIdentity, ServerAddress, ServerTrust, Timeouts};
use casque_types::{KeyHash, Secret};

use super::BenchError;

/// Where a server is and how it is known.
#[derive(Clone, Debug)]
pub(super) struct Pinned {
    pub(super) address: ServerAddress,
    pub(super) key_hash: KeyHash,
}

impl Pinned {
    /// A client without identity, on a connection of its own.
    pub(super) fn client(&self) -> Result<Client, BenchError> {
        self.client_as(None)
    }

    /// A client with a fresh identity.
    pub(super) fn author(&self) -> Result<Client, BenchError> {
        let key = rcgen::KeyPair::generate()?;
        let params = rcgen::CertificateParams::new(Vec::new())?;
        let certificate = params.self_signed(&key)?.der().to_vec();
        let pkcs8 = Secret::new(key.serialize_der());
        self.client_as(Some(ClientIdentity::new(certificate, &pkcs8)?))
    }

    fn client_as(&self, identity: Option<ClientIdentity>) -> Result<Client, BenchError> {
        let trust = ServerTrust::Pinned(self.key_hash);
        let address = self.address.clone();
        Ok(Client::new(address, &trust, identity, Timeouts::default())?)
    }
}

/// A policy whose one service has ten generated secrets in its environment; `entry` says who the service is.
pub(super) fn policy(name: &str, attestation: &str, entry: Option<&str>) -> String {
    let mut text =
        format!("name: {name}\nversion: \"0.3\"\nsecurity: {{attestation: {attestation}}}\n");
    text.push_str("secrets:\n");
    for number in 0..SECRETS {
        line(
            &mut text,
            format_args!("  - {{name: s{number}, kind: binary, size: 32}}"),
        );
    }
    line(
        &mut text,
        format_args!("services:\n  - name: web\n    command: \"true\""),
    );
    if let Some(entry) = entry {
        line(&mut text, format_args!("    attestation: {{{entry}}}"));
    }
    text.push_str("    environment:\n");
    for number in 0..SECRETS {
        line(
            &mut text,
            format_args!("      S{number}: $$SCONE::s{number}:hex$$"),
        );
    }
    text
}

/// A policy with one value that everyone may read.
pub(super) fn public_value(name: &str) -> String {
    format!(
        "name: {name}\nversion: \"0.3\"\nsecrets:\n  - {{name: value, kind: ascii, value: hello, export_public: true}}\n"
    )
}

/// A policy of 10 KiB: that of a service with many variables.
pub(super) fn large_policy() -> String {
    let mut text = policy("large", "{mode: none}", None);
    let mut number = 0;
    while text.len() < 10 * 1024 {
        line(
            &mut text,
            format_args!("      V{number}: \"a value of some length, {number}\""),
        );
        number += 1;
    }
    text
}

fn line(text: &mut String, content: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _written = writeln!(text, "{content}");
}

const SECRETS: u32 = 10;
