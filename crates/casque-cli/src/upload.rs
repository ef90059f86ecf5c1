//! What goes to a server: a policy, a policy with signatures over it, or either encrypted to the server.
//!
//! Files of all three are told apart by what they hold: signed and encrypted sessions are JSON documents
//! with members that no policy has.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use casque_secrets::{
    SessionEncryptionPublicKey, SignerKey, SigningKey, encrypt_session, session_message,
};
use casque_types::{KeyHash, Secret};
use casque_wire::{EncryptedSession, SessionSignature, SignedSession};
use zeroize::{Zeroize as _, Zeroizing};

use crate::args::ChangeArgs;
use crate::error::CliError;
use crate::identity::SystemRng;
use crate::invocation::Invocation;
use crate::policy_file::{PolicyFile, read_text, text_of};

/// What a file holds.
pub(crate) enum Upload {
    /// A policy, perhaps with signatures.
    Readable(Box<SignedFile>),
    /// An encrypted session; nobody but the server knows what it says.
    Encrypted(EncryptedSession),
}

/// A policy that parses, and the signatures over its text, each of which is its signer's.
#[derive(Debug)]
pub(crate) struct SignedFile {
    pub(crate) file: PolicyFile,
    signatures: Vec<SessionSignature>,
    pub(crate) signers: BTreeSet<KeyHash>,
}

impl Upload {
    /// Reads a file of any of the three kinds.
    pub(crate) fn load(
        path: &Path,
        change: &ChangeArgs,
        invocation: &Invocation,
        stdin: &mut dyn Read,
    ) -> Result<Self, CliError> {
        let text = read_text(path, stdin)?;
        // exposed: the author's own file is told apart and parsed
        let json = text.expose();
        if let Ok(signed) = serde_json::from_slice::<SignedSession>(json) {
            refuse_changes(change, path)?;
            let file = SignedFile::of(signed, path)?;
            return Ok(Self::Readable(file.into()));
        }
        if let Ok(encrypted) = serde_json::from_slice::<EncryptedSession>(json) {
            refuse_changes(change, path)?;
            return Ok(Self::Encrypted(encrypted));
        }
        let file = PolicyFile::of(&text, path, change, invocation)?;
        Ok(Self::Readable(SignedFile::unsigned(file).into()))
    }

    /// The policy, if it can be read here.
    pub(crate) fn into_readable(self, path: &Path) -> Result<SignedFile, CliError> {
        match self {
            Self::Readable(file) => Ok(*file),
            Self::Encrypted(_) => Err(CliError::Unreadable {
                path: path.to_owned(),
            }),
        }
    }
}

impl SignedFile {
    pub(crate) const fn unsigned(file: PolicyFile) -> Self {
        Self {
            file,
            signatures: Vec::new(),
            signers: BTreeSet::new(),
        }
    }

    fn of(signed: SignedSession, path: &Path) -> Result<Self, CliError> {
        let text = Secret::new(signed.session.into_bytes());
        let mut all = Self::unsigned(PolicyFile::as_it_is(text, path)?);
        for (index, signature) in signed.signatures.into_iter().enumerate() {
            let refused = || CliError::Signature {
                number: index.saturating_add(1),
                path: path.to_owned(),
            };
            let signer: SignerKey = signature.signer.parse().map_err(|_| refused())?;
            let bytes = decoded(signature.signature.as_bytes());
            let mut bytes = bytes.into_iter();
            let is_his = bytes.any(|bytes| all.is_signed_by(&signer, &bytes));
            if !is_his {
                return Err(refused());
            }
            all.signers.insert(signer.key_hash());
            all.signatures.push(signature);
        }
        Ok(all)
    }

    pub(crate) const fn is_signed(&self) -> bool {
        !self.signatures.is_empty()
    }

    fn is_signed_by(&self, signer: &SignerKey, signature: &[u8]) -> bool {
        let message = session_message(self.file.text());
        signer.verify(&message, signature).is_ok()
    }

    /// Signs it.
    pub(crate) fn sign(&mut self, key: &SigningKey) -> Result<(), CliError> {
        let signature = key.sign(&session_message(self.file.text()))?;
        self.add(key.signer(), &signature);
        Ok(())
    }

    /// Adds a signature that was made elsewhere: its bytes, or their text.
    pub(crate) fn add_foreign(&mut self, signer: &SignerKey, content: &[u8]) -> Option<()> {
        let mut forms = decoded(content);
        forms.push(content.to_vec());
        let signature = (forms.into_iter()).find(|form| self.is_signed_by(signer, form))?;
        self.add(signer, &signature);
        Some(())
    }

    /// A second signature of the same signer takes the place of the first.
    fn add(&mut self, signer: &SignerKey, signature: &[u8]) {
        let is_other = |known: &SessionSignature| known.signer.parse().as_ref() != Ok(signer);
        self.signatures.retain(is_other);
        self.signers.insert(signer.key_hash());
        self.signatures.push(SessionSignature {
            signer: format!("{signer}\n"),
            signature: hex::encode(signature),
        });
    }

    /// As it goes onto the wire.
    pub(crate) fn to_wire(&self) -> SignedSession {
        let copied = |known: &SessionSignature| SessionSignature {
            signer: known.signer.clone(),
            signature: known.signature.clone(),
        };
        SignedSession {
            session: self.file.text().to_owned(),
            signatures: self.signatures.iter().map(copied).collect(),
        }
    }

    /// The text, or with signatures the signed session in JSON.
    fn to_send(&self) -> Result<Secret, CliError> {
        if !self.is_signed() {
            // duplicated: it is encrypted, and its findings are shown beside it still
            return Ok(Secret::copied_from(self.file.text().as_bytes()));
        }
        let mut message = self.to_wire();
        let size = message.session.len().saturating_mul(2);
        let mut json = Zeroizing::new(Vec::with_capacity(size.saturating_add(64 * 1024)));
        let written = serde_json::to_writer(&mut *json, &message);
        message.session.zeroize();
        written.map_err(std::io::Error::from)?;
        Ok(Secret::from(json))
    }

    /// Encrypted to a server.
    pub(crate) fn encrypted_to(
        &self,
        key: &SessionEncryptionPublicKey,
    ) -> Result<EncryptedSession, CliError> {
        let bytes = encrypt_session(key, &self.to_send()?, &SystemRng)?;
        Ok(EncryptedSession {
            encrypted_session: STANDARD.encode(bytes),
            encryption_key: key.to_string(),
        })
    }
}

/// What hexadecimal digits or base64 may stand for.
fn decoded(text: &[u8]) -> Vec<Vec<u8>> {
    let is_digit = |byte: &u8| !byte.is_ascii_whitespace();
    let digits: Vec<u8> = text.iter().copied().filter(is_digit).collect();
    let forms = [hex::decode(&digits).ok(), STANDARD.decode(&digits).ok()];
    forms.into_iter().flatten().collect()
}

fn refuse_changes(change: &ChangeArgs, path: &Path) -> Result<(), CliError> {
    let has_none = change.variables.is_empty() && !change.use_env && change.name.is_none();
    has_none.then_some(()).ok_or_else(|| CliError::Sealed {
        path: path.to_owned(),
    })
}

/// The text of what a file holds, if it is a policy in clear.
pub(crate) fn plain_text(path: &Path, stdin: &mut dyn Read) -> Result<Secret, CliError> {
    let text = read_text(path, stdin)?;
    match serde_json::from_str::<SignedSession>(text_of(&text)) {
        Ok(signed) => Ok(Secret::new(signed.session.into_bytes())),
        Err(_) if serde_json::from_str::<EncryptedSession>(text_of(&text)).is_ok() => {
            Err(CliError::Unreadable {
                path: path.to_owned(),
            })
        }
        Err(_) => Ok(text),
    }
}
