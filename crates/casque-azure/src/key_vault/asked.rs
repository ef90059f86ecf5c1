//! What is asked of which vault, and the request that asks it.

use bytes::Bytes;
use casque_core::{AccessToken, SourceFailure, SourceKind};
use casque_types::VaultSecretName;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Url};

use crate::clouds::Cloud;
use crate::code::Code;
use crate::failure::{VAULT, lasting};
use crate::http::{Call, bearer};

/// What is asked of which vault, with what.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) cloud: &'a Cloud,
    pub(super) host: String,
    pub(super) name: &'a VaultSecretName,
    pub(super) purpose: Purpose<'a>,
    pub(super) token: &'a AccessToken,
}

/// What is to be done with the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose<'a> {
    /// To read one version, or the current one.
    Read {
        /// The version; the current one when none.
        version: Option<&'a str>,
    },
    /// To give it a new version.
    Set,
}

impl<'a> Purpose<'a> {
    /// The version that is asked for by its id.
    pub(super) const fn version(self) -> Option<&'a str> {
        match self {
            Self::Read { version } => version,
            Self::Set => None,
        }
    }
}

impl Asked<'_> {
    /// What was asked of whom, to begin a failure with.
    pub(super) fn sentence(&self) -> String {
        let (host, name) = (&self.host, self.name.as_str());
        match self.purpose {
            Purpose::Read { version: None } => {
                format!("asked vault `{host}` for secret `{name}`")
            }
            Purpose::Read {
                version: Some(version),
            } => format!("asked vault `{host}` for version `{version}` of secret `{name}`"),
            Purpose::Set => format!("asked vault `{host}` to set secret `{name}`"),
        }
    }

    /// A version becomes part of an address: nothing but letters and digits may.
    pub(super) fn check_version(&self) -> Result<(), SourceFailure> {
        let Some(version) = self.purpose.version() else {
            return Ok(());
        };
        let is_version = version.len() == VERSION_BYTES
            && version.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if is_version {
            return Ok(());
        }
        let (host, name) = (&self.host, self.name.as_str());
        Err(lasting(
            SourceKind::KeyVault,
            Code::VaultVersionMalformed,
            format!(
                "was to ask vault `{host}` for a version of secret `{name}`: expected a version of \
                 {VERSION_BYTES} letters and digits, found something else"
            ),
            "copy the version's id from the vault, without the address before it",
        ))
    }

    /// The request that does what is asked; its body is `value` when that is to be set.
    pub(super) fn call(&self, value: Option<Bytes>) -> Result<Call, SourceFailure> {
        let name = self.name.as_str();
        let path = match self.purpose.version() {
            Some(version) => format!("secrets/{name}/{version}"),
            None => format!("secrets/{name}"),
        };
        let mut call = self.call_to(&path)?;
        if let Some(body) = value {
            let json = HeaderValue::from_static("application/json");
            call.method = Method::PUT;
            call.headers.insert(CONTENT_TYPE, json);
            call.body = body;
        }
        Ok(call)
    }

    /// The request that looks whether the secret was deleted and can be recovered.
    pub(super) fn deleted_call(&self) -> Result<Call, SourceFailure> {
        self.call_to(&format!("deletedsecrets/{}", self.name.as_str()))
    }

    fn call_to(&self, path: &str) -> Result<Call, SourceFailure> {
        let host = &self.host;
        let url = format!("https://{host}/{path}?api-version={API_VERSION}");
        let malformed = |expected| VAULT.malformed(&self.sentence(), host, expected);
        // Host, name and version were checked, and tokens are when they are read: neither fails but by
        // Casque's own fault.
        let url = Url::parse(&url).map_err(|_| malformed("an address that makes a URL"))?;
        let bearer = bearer(&self.token.token).ok_or_else(|| malformed("a token of ASCII text"))?;
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, bearer);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        Ok(Call {
            method: Method::GET,
            url,
            headers,
            body: Bytes::new(),
            limit_bytes: MAX_SECRET_ANSWER_BYTES,
        })
    }
}

/// Understood by every vault, on Azure Stack too.
const API_VERSION: &str = "7.4";
/// A version's id in a vault.
const VERSION_BYTES: usize = 32;
/// A vault's secret has at most 25 kB; escapes can make six bytes of one.
const MAX_SECRET_ANSWER_BYTES: usize = 160 * 1024;
