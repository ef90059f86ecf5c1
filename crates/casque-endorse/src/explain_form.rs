//! Documents in the form of the endorsements file of `casque explain`:
//! `{"intel":{…},"amd":{"chain":PEM,"vcek":PEM,"crl":base64}}`, each where there is one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::value::RawValue;
use thiserror::Error;

use crate::document::{Content, Document};
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

/// The JSON.
mod raw {
    use super::{RawValue, Serialize};

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
