//! `casque session sign`: signatures over the text of a policy.

use std::path::Path;

use casque_secrets::{SignerKey, SigningKey, session_message};

use super::Session;
use crate::args::{AddSignatureArgs, SignArgs, SignCommand, SignOptions, TextArgs};
use crate::error::CliError;
use crate::exit;
use crate::pem;
use crate::policy_file::{read_bounded, text_of};
use crate::upload::SignedFile;

impl Session<'_, '_> {
    pub(super) fn sign(&mut self, args: &SignArgs) -> Result<u8, CliError> {
        match (&args.command, &args.file) {
            (Some(SignCommand::SignWithCliIdentity(args)), _) => {
                self.sign_with_key(&args.file, &args.options)
            }
            (Some(SignCommand::GenerateMessageToBeSigned(text)), _) => self.message(text),
            (Some(SignCommand::AddSignature(args)), _) => self.add_signature(args),
            (None, Some(file)) => self.sign_with_key(file, &args.options),
            // clap demands a file where there is no subcommand.
            (None, None) => Err(CliError::NoFile),
        }
    }

    fn sign_with_key(&mut self, path: &Path, options: &SignOptions) -> Result<u8, CliError> {
        let mut signed = self.loaded(path, &options.change)?;
        let key = self.signing_key(options)?;
        if let Some(hash) = &options.predecessor {
            let file = unsigned(signed, path)?.file;
            signed = SignedFile::unsigned(file.with_predecessor(&hash.to_string())?);
        }
        if options.with_self_as_creator {
            let file = unsigned(signed, path)?.file;
            signed = SignedFile::unsigned(file.with_creator(key.signer())?);
        }
        signed.sign(&key)?;
        self.console.document(&signed.to_wire())?;
        Ok(exit::OK)
    }

    fn signing_key(&self, options: &SignOptions) -> Result<SigningKey, CliError> {
        let Some(path) = &options.key else {
            let identity = self.identity(options.identity.path())?;
            return Ok(identity.signing_key()?);
        };
        let no_key = || CliError::NoSigningKey { path: path.clone() };
        // exposed: PEM is decoded from memory that is wiped
        let key = pem::private_key(read_bounded(path)?.expose()).ok_or_else(no_key)?;
        SigningKey::from_pkcs8(&key).map_err(|_| no_key())
    }

    fn message(&mut self, args: &TextArgs) -> Result<u8, CliError> {
        let file = self.loaded(&args.file, &args.change)?.file;
        self.console.data(&session_message(file.text()))?;
        Ok(exit::OK)
    }

    fn add_signature(&mut self, args: &AddSignatureArgs) -> Result<u8, CliError> {
        let mut signed = self.loaded(&args.text.file, &args.text.change)?;
        let signer: SignerKey = text_of(&read_bounded(&args.signer)?)
            .parse()
            .map_err(CliError::SignerKey)?;
        let content = read_bounded(&args.signature)?;
        // exposed: a signature is no secret
        let added = signed.add_foreign(&signer, content.expose());
        added.ok_or_else(|| CliError::ForeignSignature {
            path: args.signature.clone(),
        })?;
        self.console.document(&signed.to_wire())?;
        Ok(exit::OK)
    }
}

/// A text that others signed must stay as it is.
fn unsigned(signed: SignedFile, path: &Path) -> Result<SignedFile, CliError> {
    match signed.is_signed() {
        true => Err(CliError::Sealed {
            path: path.to_owned(),
        }),
        false => Ok(signed),
    }
}
