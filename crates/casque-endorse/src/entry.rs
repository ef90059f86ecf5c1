//! A document among others in a file: JSON with what it is about, its dates, its digest, and its bytes or
//! the name of the file that holds them.
//!
//! ```json
//! {
//!   "kind": "amd-crl",
//!   "id": "milan-vcek",
//!   "not_before": "2026-10-01T00:00:00Z",
//!   "not_after": "2027-10-01T00:00:00Z",
//!   "sha256": "…",
//!   "file": "amd-crl-milan-vcek.crl"
//! }
//! ```
//!
//! With `content` in place of `file` the bytes stand there in base64. Digest and dates are there to find
//! damage and for people; what counts are the dates in the document.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::document::Document;
use crate::document_id::DocumentId;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    kind: String,
    id: String,
    not_before: String,
    not_after: String,
    sha256: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content: Option<String>,
}

impl Entry {
    /// With its bytes in it.
    pub(crate) fn whole(document: &Document) -> Self {
        let bytes = document.to_bytes();
        Self {
            content: Some(STANDARD.encode(&bytes)),
            ..Self::without_bytes(document, &bytes)
        }
    }

    /// With its bytes in a file of its own, whose name and bytes come with it.
    pub(crate) fn beside(document: &Document) -> (Self, String, Vec<u8>) {
        let bytes = document.to_bytes();
        let id = document.id();
        let name = format!("{}.{}", id.file_stem(), id.extension());
        let entry = Self {
            file: Some(name.clone()),
            ..Self::without_bytes(document, &bytes)
        };
        (entry, name, bytes)
    }

    fn without_bytes(document: &Document, bytes: &[u8]) -> Self {
        Self {
            kind: document.id().kind().to_owned(),
            id: document.id().subject(),
            not_before: document.validity().from.to_string(),
            not_after: document.validity().until.to_string(),
            sha256: hex::encode(digest(&SHA256, bytes)),
            file: None,
            content: None,
        }
    }

    /// The document whose bytes stand in the entry itself.
    pub(crate) fn document(&self) -> Result<Document, &'static str> {
        let content = self.content.as_ref().ok_or("`content`")?;
        let bytes = STANDARD
            .decode(content)
            .map_err(|_| "`content` in base64")?;
        self.document_of(&bytes)
    }

    /// The document, from its bytes; else what was expected.
    pub(crate) fn document_of(&self, bytes: &[u8]) -> Result<Document, &'static str> {
        let id = DocumentId::parse(&self.kind, &self.id).ok_or("`kind` and `id` of a document")?;
        if hex::encode(digest(&SHA256, bytes)) != self.sha256 {
            return Err("bytes with the digest that `sha256` says");
        }
        let document =
            Document::from_bytes(id, bytes).map_err(|_| "a document as its `kind` and `id` say")?;
        let dated = Self::without_bytes(&document, bytes);
        if (&dated.not_before, &dated.not_after) != (&self.not_before, &self.not_after) {
            return Err("the dates that the document itself states");
        }
        Ok(document)
    }
}
