//! The requests about policies: put, read, list, and look back.
//!
//! Everything that a server answers is bounded and parsed; a list is read part by part, in an order that
//! ends.

use casque_types::{ConfigId, PolicyHash, PolicyName, Secret};
use casque_wire as wire;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::client::JSON;
use crate::exchange::Expected;
use crate::{Client, ClientError};

/// A policy was put.
#[derive(Debug)]
pub struct PutPolicy {
    /// Its hash.
    pub hash: PolicyHash,
    /// What the server warns of.
    pub warnings: Vec<wire::Diagnostic>,
}

/// A version of a policy, as it was put.
#[derive(Debug)]
pub struct PolicyText {
    /// The text; it may hold given secrets.
    pub text: Secret,
    /// Its hash.
    pub hash: PolicyHash,
}

/// A version in the history of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyVersion {
    /// Its hash.
    pub hash: PolicyHash,
    /// The version before it; none for the first one.
    pub predecessor: Option<PolicyHash>,
    /// When it was put, RFC 3339.
    pub created: String,
}

/// A part of the names in a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyPage {
    /// In the order of their bytes.
    pub names: Vec<PolicyName>,
    /// What to ask the next part after; none when this is the last one.
    pub next: Option<PolicyName>,
}

impl Client {
    /// Puts a policy: creates it, or replaces the version that its text names as predecessor.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with status 400 and diagnostics, 401, 403 or 409.
    pub fn put_policy(&self, text: &str) -> Result<PutPolicy, ClientError> {
        let answer = self.exchange.send(
            "/session",
            "application/yaml",
            text.as_bytes(),
            Expected::small(PUT),
        )?;
        self.put_answer(answer)
    }

    /// Puts a policy with signatures over its text: who signed it is who puts it.
    ///
    /// # Errors
    /// As [`Client::put_policy`]; status 401 when a signature is not one of its signer.
    pub fn put_signed(&self, signed: &wire::SignedSession) -> Result<PutPolicy, ClientError> {
        let body = self.json_of(signed, PUT)?;
        let answer = self
            .exchange
            .send("/session", JSON, &body, Expected::small(PUT))?;
        self.put_answer(answer)
    }

    /// Puts a policy, signed or not, that is encrypted to the server.
    ///
    /// # Errors
    /// As [`Client::put_policy`]; status 400 when it is encrypted to another server.
    pub fn put_encrypted(
        &self,
        encrypted: &wire::EncryptedSession,
    ) -> Result<PutPolicy, ClientError> {
        let body = self.json_of(encrypted, PUT)?;
        let path = "/v1/encrypted_sessions";
        let answer = self
            .exchange
            .replace(path, JSON, &body, Expected::small(PUT))?;
        self.put_answer(answer)
    }

    fn put_answer(&self, answer: wire::PolicyCreated) -> Result<PutPolicy, ClientError> {
        Ok(PutPolicy {
            hash: (answer.hash.parse()).map_err(|_| self.exchange.malformed(201, PUT))?,
            warnings: answer.warnings,
        })
    }

    /// JSON in memory that is wiped: a policy may hold given secrets.
    fn json_of(
        &self,
        message: &impl Serialize,
        expected: &'static str,
    ) -> Result<Zeroizing<Vec<u8>>, ClientError> {
        let mut body = Zeroizing::new(Vec::with_capacity(MAX_UPLOAD_BYTES));
        serde_json::to_writer(&mut *body, message)
            .map_err(|_| self.exchange.malformed(0, expected))?;
        Ok(body)
    }

    /// Reads a part of the names of the policies in a namespace: the first one, or the one after a name.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with status 401, 403 or 404; [`ClientError::Malformed`] also when the next
    /// part would not come after this one.
    pub fn list_policies(
        &self,
        namespace: &PolicyName,
        after: Option<&PolicyName>,
        limit: usize,
    ) -> Result<PolicyPage, ClientError> {
        let expected = "names of policies";
        let malformed = || self.exchange.malformed(200, expected);
        // Names hold no character that a query does not.
        let mut path = format!("/v1/sessions?namespace={namespace}");
        if let Some(after) = after {
            path.push_str(&format!("&after={after}"));
        }
        path.push_str(&format!("&limit={limit}"));
        let answer: wire::PolicyList = self.exchange.read(&path, Expected::policy(expected))?;
        let names: Result<Vec<PolicyName>, _> =
            answer.sessions.iter().map(|name| name.parse()).collect();
        let next: Option<PolicyName> =
            (answer.next.map(|next| next.parse()).transpose()).map_err(|_| malformed())?;
        if next.is_some() && next.as_ref() <= after {
            return Err(malformed());
        }
        Ok(PolicyPage {
            names: names.map_err(|_| malformed())?,
            next,
        })
    }

    /// Reads the names of all policies in a namespace, part by part; at most [`MAX_LISTED`].
    ///
    /// # Errors
    /// As [`Client::list_policies`]; [`ClientError::TooMany`] when there are more.
    pub fn list_all(&self, namespace: &PolicyName) -> Result<Vec<PolicyName>, ClientError> {
        let mut names: Vec<PolicyName> = Vec::new();
        let mut after: Option<PolicyName> = None;
        loop {
            let page = self.list_policies(namespace, after.as_ref(), PAGE_NAMES)?;
            names.extend(page.names);
            if names.len() > MAX_LISTED {
                return Err(ClientError::TooMany { limit: MAX_LISTED });
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(names),
            }
        }
    }

    /// Reads the versions of a policy, the first one first.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with status 401, 403 or 404.
    pub fn history(&self, name: &PolicyName) -> Result<Vec<PolicyVersion>, ClientError> {
        let expected = "the versions of a policy";
        let path = format!("/v1/history/{}", in_path(name));
        let answer: wire::History = self.exchange.read(&path, Expected::policy(expected))?;
        let parsed = |text: &str| {
            text.parse()
                .map_err(|_| self.exchange.malformed(200, expected))
        };
        let version = |raw: wire::VersionEntry| {
            Ok(PolicyVersion {
                hash: parsed(&raw.hash)?,
                predecessor: raw.predecessor.as_deref().map(parsed).transpose()?,
                created: raw.created,
            })
        };
        answer.versions.into_iter().map(version).collect()
    }

    /// Reads how the last attempts to attest for a service were judged, the latest first: as many as the server's
    /// process remembers, eight at most.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with status 403 or 404.
    pub fn attempts(&self, config: &ConfigId) -> Result<Vec<wire::Attempt>, ClientError> {
        let path = format!("/v1/attempts/{config}");
        let answer: wire::Attempts = self
            .exchange
            .read(&path, Expected::policy("attempts to attest"))?;
        Ok(answer.attempts)
    }

    /// Reads the hash of a policy's current version; where the policy has a salt, everyone may.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with status 401, 403 or 404.
    pub fn current_hash(&self, name: &PolicyName) -> Result<PolicyHash, ClientError> {
        let expected = "the hash of a policy";
        let path = format!("/v1/hashes/{}", in_path(name));
        let answer: wire::CurrentHash = self.exchange.read(&path, Expected::small(expected))?;
        (answer.hash.parse()).map_err(|_| self.exchange.malformed(200, expected))
    }

    /// Reads the current version of a policy, or the one of this hash.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with status 401, 403 or 404.
    pub fn read_policy(
        &self,
        name: &PolicyName,
        hash: Option<&PolicyHash>,
    ) -> Result<PolicyText, ClientError> {
        let expected = "a policy's text and hash";
        let query = hash.map_or_else(String::new, |hash| format!("?hash={hash}"));
        let path = format!("/v1/sessions/{}{query}", in_path(name));
        let answer: wire::PolicyRead = self.exchange.read(&path, Expected::policy(expected))?;
        Ok(PolicyText {
            text: Secret::new(answer.session.into_bytes()),
            hash: (answer.hash.parse()).map_err(|_| self.exchange.malformed(200, expected))?,
        })
    }
}

/// A name within a path; that of the root namespace would be lost there.
fn in_path(name: &PolicyName) -> &str {
    match name.is_root() {
        true => "%2F",
        false => name.as_str(),
    }
}

/// The most names that [`Client::list_all`] reads.
pub const MAX_LISTED: usize = 100_000;
/// How many names are asked for at once.
const PAGE_NAMES: usize = 1000;
/// A policy of 1 MiB in base64, or with signatures; an escaped text may take more, and then moves once.
const MAX_UPLOAD_BYTES: usize = 2 * 1024 * 1024;
const PUT: &str = "the hash of the policy";
