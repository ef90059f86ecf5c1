//! `casque cert`: what certificates in files say.

use std::path::Path;

use casque_types::KeyHash;
use der::{Decode as _, Encode as _};
use serde::Serialize;
use x509_cert::Certificate;

use crate::args::CertCommand;
use crate::console::Console;
use crate::error::CliError;
use crate::exit;
use crate::pem;
use crate::policy_file::{read_text, text_of};

/// What is printed with `--output json`.
#[derive(Serialize)]
struct Shown {
    key_hash: String,
}

pub(crate) fn run(command: &CertCommand, console: &mut Console<'_>) -> Result<u8, CliError> {
    let CertCommand::ShowKeyHash { file } = command;
    let hash = key_hash(file, console)?;
    let key_hash = hash.to_string();
    console.result(&format!("{hash}\n"), &Shown { key_hash })?;
    Ok(exit::OK)
}

/// Of the first certificate of a file, or of its public key.
fn key_hash(path: &Path, console: &mut Console<'_>) -> Result<KeyHash, CliError> {
    let text = read_text(path, console.stdin)?;
    let spki = match pem::certificate(text.expose()) {
        Some(certificate) => Certificate::from_der(&certificate)
            .and_then(|parsed| parsed.tbs_certificate().subject_public_key_info().to_der())
            .ok(),
        None => pem::public_key(text_of(&text).as_bytes()),
    };
    let spki = spki.ok_or_else(|| CliError::NoCertificate {
        path: path.to_owned(),
    })?;
    Ok(KeyHash::of_spki(&spki))
}
