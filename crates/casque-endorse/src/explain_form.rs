//! Documents in the form of the endorsements file of `casque explain`:
//! `{"intel":{…},"amd":{"chain":PEM,"vcek":PEM,"crl":base64}}`, each where there is one.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::value::RawValue;
use thiserror::Error;

use crate::bundle::{BundleError, read_bounded};
use crate::document::{Content, Document, Malformed, Validity, certificates, chain_validity};
use crate::{json, x509};

/// The form has room for one document of each kind, and there are two.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "expected at most one document of the kind `{kind}`, found those of `{first}` and `{second}`"
)]
pub struct TooManyDocuments {
    /// The kind.
    pub kind: &'static str,
    /// The subject of one.
    pub first: String,
    /// The subject of the other.
    pub second: String,
}

/// The file's bytes; of two documents about the same thing the later one counts.
///
/// # Errors
/// [`TooManyDocuments`] when two are of one kind and about different things.
pub fn explain_file(documents: &[Document]) -> Result<Vec<u8>, TooManyDocuments> {
    let mut file = raw::File::default();
    let mut seen: Vec<&Document> = Vec::new();
    for document in documents {
        let (kind, subject) = (document.id().kind(), document.id().subject());
        let other = seen
            .iter()
            .find(|seen| seen.id().kind() == kind && seen.id() != document.id());
        if let Some(other) = other {
            return Err(TooManyDocuments {
                kind,
                first: other.id().subject(),
                second: subject,
            });
        }
        seen.push(document);
        put(document, &mut file);
    }
    Ok(json::pretty(&file))
}

fn put(document: &Document, file: &mut raw::File) {
    match document.content() {
        Content::Intel(_) => {
            let json = String::from_utf8(document.to_bytes()).ok();
            file.intel =
                json.and_then(|json| RawValue::from_string(json.trim_end().to_owned()).ok());
        }
        Content::Certificate(der) => file.amd().vcek = Some(x509::pem(der)),
        Content::Chain(chain) => {
            file.amd().chain = Some(chain.iter().map(|der| x509::pem(der)).collect());
        }
        Content::Crl(der) => file.amd().crl = Some(STANDARD.encode(der)),
    }
}

/// A document in such a file, which does not say its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stated {
    /// Its kind, as of [`DocumentId::kind`](crate::DocumentId::kind).
    pub kind: &'static str,
    /// What it is about: the subject where it can be told, or else who issued it to whom.
    pub about: String,
    /// From when until when.
    pub validity: Validity,
}

/// What such a file holds; `None` where it is of another form. Keys of an attestation service state no dates
/// and are left out.
///
/// # Errors
/// [`BundleError`] when the file cannot be read, or a member of it is not as it should be.
pub fn read_explain_file(path: &Path) -> Result<Option<Vec<Stated>>, BundleError> {
    let bytes = read_bounded(path, MAX_FILE_BYTES)?;
    let Some(file) = raw::Read::parse(&bytes) else {
        return Ok(None);
    };
    let stated = stated_in(&file).map_err(|Malformed(expected)| BundleError::Malformed {
        path: path.to_owned(),
        expected,
    });
    stated.map(Some)
}

fn stated_in(file: &raw::Read<'_>) -> Result<Vec<Stated>, Malformed> {
    let mut all = Vec::new();
    if let Some(intel) = file.intel {
        let document = Document::of_collateral(intel.get().as_bytes())?;
        all.push(Stated {
            kind: document.id().kind(),
            about: document.id().subject(),
            validity: document.validity().clone(),
        });
    }
    let Some(amd) = &file.amd else {
        return Ok(all);
    };
    let parts = [("amd-chain", &amd.chain), ("amd-vcek", &amd.vcek)];
    for (kind, text) in parts {
        if let Some(text) = text {
            let chain = chain_in(text)?;
            let names = chain.iter().map(|der| x509::certificate_name(der));
            all.push(Stated {
                kind,
                about: names.collect::<Result<Vec<_>, _>>()?.join(", "),
                validity: chain_validity(&chain)?,
            });
        }
    }
    if let Some(text) = &amd.crl {
        let der = decoded(text)?;
        all.push(Stated {
            kind: "amd-crl",
            about: x509::crl_name(&der)?,
            validity: x509::crl_validity(&der)?,
        });
    }
    Ok(all)
}

/// In PEM, or one in base64.
fn chain_in(text: &str) -> Result<Vec<Vec<u8>>, Malformed> {
    match text.contains("-----BEGIN") {
        true => certificates(text.as_bytes()),
        false => Ok(vec![decoded(text)?]),
    }
}

fn decoded(text: &str) -> Result<Vec<u8>, Malformed> {
    let text: String = text.split_ascii_whitespace().collect();
    STANDARD
        .decode(text)
        .map_err(|_| Malformed("DER in base64"))
}

const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// The JSON.
mod raw {
    use serde::Deserialize;

    use super::{RawValue, Serialize};

    /// As it is read: members of others are of no interest, but one must be there.
    #[derive(Deserialize)]
    pub(super) struct Read<'a> {
        #[serde(borrow)]
        pub(super) intel: Option<&'a RawValue>,
        pub(super) amd: Option<ReadAmd>,
        #[serde(borrow)]
        maa: Option<&'a RawValue>,
    }

    #[derive(Deserialize)]
    pub(super) struct ReadAmd {
        pub(super) chain: Option<String>,
        pub(super) vcek: Option<String>,
        pub(super) crl: Option<String>,
    }

    impl<'a> Read<'a> {
        pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
            let read: Self = serde_json::from_slice(bytes).ok()?;
            let is_of_this_form = read.intel.is_some() || read.amd.is_some() || read.maa.is_some();
            is_of_this_form.then_some(read)
        }
    }

    #[derive(Default, Serialize)]
    pub(super) struct File {
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(super) intel: Option<Box<RawValue>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        amd: Option<Amd>,
    }

    impl File {
        pub(super) fn amd(&mut self) -> &mut Amd {
            self.amd.get_or_insert_default()
        }
    }

    #[derive(Default, Serialize)]
    pub(super) struct Amd {
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(super) chain: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(super) vcek: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(super) crl: Option<String>,
    }
}
