//! `casque self`: the author's identity.

use std::path::Path;

use serde::Serialize;

use crate::args::SelfCommand;
use crate::console::Console;
use crate::error::CliError;
use crate::exit;
use crate::identity::Identity;
use crate::invocation::Invocation;

/// What every command here prints with `--output json`.
#[derive(Serialize)]
struct Own {
    key_hash: String,
    certificate: String,
    session_signing_key: String,
}

pub(crate) fn run(
    command: &SelfCommand,
    invocation: &Invocation,
    config: Option<&Path>,
    console: &mut Console<'_>,
) -> Result<u8, CliError> {
    let identity = Identity::load(None, config, invocation.now)?;
    let own = Own {
        key_hash: identity.key_hash().to_string(),
        certificate: identity.certificate_pem(),
        session_signing_key: format!("{}\n", identity.signing_key()?.signer()),
    };
    let text = match command {
        SelfCommand::Show => format!("key hash: {}\n{}", own.key_hash, own.certificate),
        SelfCommand::ShowKeyHash => format!("{}\n", own.key_hash),
        SelfCommand::ShowCertificate => own.certificate.clone(),
        SelfCommand::ShowSessionSigningKey => own.session_signing_key.clone(),
    };
    console.result(&text, &own)?;
    Ok(exit::OK)
}
