//! The JSON messages of Casque's HTTP interface, version 1: the only crate that knows HTTP bodies.
//!
//! Every message is a plain mirror: fields are the wire's, bytes are base64url without padding ([`B64`]).
//! Meaning is given to them by those who convert: the server into requests of the use cases, the client
//! into types of `casque-types`. Requests refuse unknown members; answers ignore them, so that a newer
//! server can speak to an older client.
//!
//! | method, path | request | answer |
//! |---|---|---|
//! | `POST /v1/challenge` | empty | [`Challenge`] |
//! | `POST /v1/attest` | [`AttestRequest`] | [`AttestAnswer`] |
//! | `POST /v1/attest/azure-guest` | [`GuestRequest`] | [`GuestAnswer`] |
//! | `POST /v1/exports` | [`ExportRequest`] | [`ExportAnswer`] |
//! | `GET /v1/attempts/<name>/<service>` | | [`Attempts`] |
//! | `GET /v1/version` | | [`Version`] |
//! | `POST /session` | policy text or [`SignedSession`] | [`PolicyCreated`] |
//! | `PUT /v1/encrypted_sessions` | [`EncryptedSession`] | [`PolicyCreated`] |
//! | `GET /v1/sessions[?namespace=N&after=X&limit=K]` | | [`PolicyList`] |
//! | `GET /v1/sessions/<name>[?hash=H]` | | [`PolicyRead`] |
//! | `GET /v1/history/<name>` | | [`History`] |
//! | `GET /v1/hashes/<name>` | | [`CurrentHash`] |
//! | `GET /v1/values/session=S[,secret=N][,session_hash=H]` | | [`Value`] or [`Values`] |
//!
//! Errors are [`ErrorAnswer`] on every route; SCONE's routes add `msg`, SCONE's own list of causes.
//!
//! The feature `openapi` adds schemas of all messages, for the server's description of itself.

mod any_b64;
mod b64;
mod evidence;
mod explanation;
mod shown;

use std::collections::BTreeMap;

pub use any_b64::AnyB64;
pub use b64::{B64, B64Error};
pub use evidence::Evidence;
pub use explanation::{Attempt, Attempts, Decision, Explanation, Outcome, Rule, TcbState};
use serde::{Deserialize, Serialize};
pub use shown::LengthOf;

/// An offer to attest.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Challenge {
    /// The nonce for the runtime data.
    pub nonce: B64,
    /// Until when it is good, seconds since 1970.
    pub expires: u64,
    /// Key hash of the server's identity.
    pub server: String,
    /// Key encapsulation mechanisms that answers can be sealed with: `X-Wing`.
    pub kems: Vec<String>,
    /// Kinds of evidence that this server appraises: `sgx`, `tdx`, `snp`,
    /// `azure-snp-vtpm`, `azure-tdx-vtpm`, `aci-snp`, `maa`, `none`.
    pub evidence: Vec<String>,
}

/// Runtime data and the evidence that is bound to it. Not printed: it can hold a one-time password.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AttestRequest {
    /// The runtime data, verbatim.
    pub runtime_data: B64,
    /// The evidence.
    pub evidence: Evidence,
    /// A one-time password of 6 digits, for policies that share a secret for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otp: Option<String>,
    /// The attester's proof that it knows the service access token, 32 bytes, over the binding of the
    /// runtime data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_token_proof: Option<B64>,
    /// A token of Microsoft Azure Attestation about this evidence, for policies that demand both; left out, the
    /// server asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maa_token: Option<String>,
    /// A projected service account token of a Kubernetes cluster, for policies that demand one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_token: Option<String>,
}

/// What an Azure virtual machine wants the policy's attestation service to judge with its TPM.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct GuestRequest {
    /// The runtime data, verbatim.
    pub runtime_data: B64,
    /// Evidence of kind `azure-snp-vtpm` or `azure-tdx-vtpm`, bound to the runtime data.
    pub evidence: Evidence,
    /// `AttestationInfo` of the service's `attest/AzureGuest`: base64url without padding, at most 1 MiB.
    pub attestation_info: String,
}

/// The service's answer.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GuestAnswer {
    /// A token that only the guest's TPM opens: base64url without padding.
    pub sealed_token: String,
}

/// A quote of a TPM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TpmQuote {
    /// `TPMS_ATTEST`.
    pub message: AnyB64,
    /// Its signature by the attestation key.
    pub signature: AnyB64,
    /// The registers of the SHA-256 bank from 0 to 23, each 64 hexadecimal digits.
    pub pcrs: Vec<String>,
}

/// A released configuration.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AttestAnswer {
    /// The sealed configuration.
    pub sealed: Sealed,
    /// After how many seconds to ask again.
    pub refresh_after_s: u64,
}

/// A configuration, sealed to the key in the runtime data and signed by the server.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Sealed {
    /// Encapsulated key.
    pub encapsulated: B64,
    /// Ciphertext with tag.
    pub ciphertext: B64,
    /// `SubjectPublicKeyInfo` of the server's identity, DER.
    pub server_key: B64,
    /// Its signature.
    pub signature: B64,
}

/// One CAS asks another for a secret's value that a policy there exports to a policy here.
///
/// Who asks is the key of the client certificate; what it says of itself in `importer` counts for that key alone.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ExportRequest {
    /// The policy that exports.
    pub session: String,
    /// The hash that it must have; left out when any version will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_hash: Option<String>,
    /// The secret.
    pub secret: String,
    /// The policy that imports.
    pub importer: String,
    /// Its hash.
    pub importer_hash: String,
}

/// The value of an exported secret.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExportAnswer {
    /// The stored form, version 1 (`crates/casque-secrets/src/value.rs`): plaintext, which whoever takes it out
    /// must wipe. `Debug` shows its length alone.
    pub value: B64,
}

/// What answers.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Version {
    /// `casque`.
    pub name: String,
    /// Version of the program.
    pub version: String,
    /// Key hash of the server's identity.
    pub server: String,
    /// `SubjectPublicKeyInfo` of the server's identity, DER.
    pub server_key: B64,
    /// To which policies are encrypted before they are uploaded: X25519, 64 hexadecimal digits.
    #[serde(default)]
    pub session_encryption_key: String,
}

/// A policy was put.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PolicyCreated {
    /// Its hash.
    pub hash: String,
    /// Warnings; left out when there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Diagnostic>,
}

/// A policy with signatures over its text (SCONE: signed session). On `POST /session` in place of the text.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SignedSession {
    /// The text.
    pub session: String,
    /// The signatures.
    pub signatures: Vec<SessionSignature>,
}

/// One signature over a policy's text.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SessionSignature {
    /// The signer's public key: PEM of its `SubjectPublicKeyInfo`, or SCONE's legacy Base58Check.
    pub signer: String,
    /// The signature: hexadecimal digits, or base64 with padding.
    pub signature: String,
}

/// A policy, signed or not, encrypted to the server (SCONE: encrypted session).
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct EncryptedSession {
    /// Base64 with padding: the encapsulated key, then the ciphertext.
    pub encrypted_session: String,
    /// The server's session encryption key that it is encrypted to, 64 hexadecimal digits.
    pub encryption_key: String,
}

/// Names of policies.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PolicyList {
    /// In the order of their bytes.
    pub sessions: Vec<String>,
    /// Where the next page begins (`after`); left out on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// All versions of a policy.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct History {
    /// The first one first.
    pub versions: Vec<VersionEntry>,
}

/// One version of a policy.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VersionEntry {
    /// Its hash.
    pub hash: String,
    /// The version before it.
    pub predecessor: Option<String>,
    /// When it was put, RFC 3339.
    pub created: String,
}

/// The hash of a policy's current version.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CurrentHash {
    /// The hash.
    pub hash: String,
}

/// A policy's text.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PolicyRead {
    /// The text.
    pub session: String,
    /// Its hash.
    pub hash: String,
}

/// One value.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Value {
    /// The kind.
    pub kind: String,
    /// The value as text; `binary` in hexadecimal digits.
    pub value: String,
    /// When it runs out, RFC 3339; `null` when never.
    pub expires: Option<String>,
    /// When it will be renewed, RFC 3339; `null` when never.
    pub renew: Option<String>,
}

/// All public values of a policy.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Values {
    /// By name.
    pub values: BTreeMap<String, Value>,
}

/// One finding in a policy.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Diagnostic {
    /// `error` or `warning`.
    pub severity: String,
    /// Stable code.
    pub code: String,
    /// What was expected and what was found.
    pub message: String,
    /// From 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
    /// What to do next.
    pub hint: Option<String>,
}

/// Why a request was refused or failed.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ErrorAnswer {
    /// The failure.
    pub error: Failure,
    /// SCONE's form: the outermost message first, then its causes. On SCONE's routes alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub msg: Vec<String>,
}

/// A failure.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Failure {
    /// Stable code.
    pub code: String,
    /// What was expected and what was found.
    pub message: String,
    /// What led to it, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The rules of the policy that failed, for a denial.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
    /// What is wrong with a policy that was to be put.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diagnostics: Vec<Diagnostic>,
}

/// One rule of a policy that failed.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Reason {
    /// Stable code.
    pub code: String,
    /// Path in the policy.
    pub path: String,
    /// What the policy expects; left out unless anyone may read the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What was found.
    pub found: String,
    /// What to do next.
    pub hint: String,
}

#[cfg(test)]
mod tests;
