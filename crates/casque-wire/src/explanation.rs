//! How evidence was judged, for people and programs: what `casque explain` prints, offline and live. No secrets.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The last attempts to attest for one service, the latest first.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Attempts {
    /// The attempts that this process remembers.
    pub attempts: Vec<Attempt>,
}

/// One attempt.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Attempt {
    /// When, RFC 3339.
    pub at: String,
    /// Hash of the policy that it was judged by.
    pub session_hash: String,
    /// What came of it.
    #[serde(flatten)]
    pub explanation: Explanation,
}

/// How one piece of evidence was judged.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Explanation {
    /// The kind of evidence, as in [`Evidence`](crate::Evidence).
    pub evidence: String,
    /// What came of it.
    pub outcome: Outcome,
    /// Stable code of why it proves nothing; absent where it proves something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The same as a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Who judged it: `casque`, `maa <url>` or `casque and maa <url>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verifier: Option<String>,
    /// How much it speaks for: `process`, `pod` or `vm`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The state of the platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcb: Option<TcbState>,
    /// What the attester bound it to, hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report_data: Option<String>,
    /// When the first of what it rests on runs out, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<String>,
    /// What it states, by the names of the vendor's document; not proved where `outcome` is `not-authentic`.
    pub claims: BTreeMap<String, String>,
    /// What the policy makes of it, if one was applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
}

/// What came of evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It is authentic; no policy was applied.
    Appraised,
    /// It is authentic, and the policy grants.
    Granted,
    /// The policy denies.
    Denied,
    /// It proves nothing.
    NotAuthentic,
    /// It was granted or not judged to the end, and something that was needed beside could not be had.
    Failed,
}

/// The state of a platform.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TcbState {
    /// Intel's word, such as `UpToDate`; `ByVersions` for AMD; `Unstated`.
    pub status: String,
    /// The advisories of that status.
    pub advisories: Vec<String>,
    /// AMD: the version of each component at which the report was made.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub components: BTreeMap<String, u8>,
}

/// What a policy makes of evidence.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Decision {
    /// The service, `<policy>/<service>`.
    pub config: String,
    /// Whether it grants.
    pub granted: bool,
    /// Every rule that was judged, in order.
    pub rules: Vec<Rule>,
}

/// One rule of a policy, judged.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Rule {
    /// Path in the policy.
    pub path: String,
    /// Whether it holds. Of the entries of `attestation` one needs to.
    pub holds: bool,
    /// What the policy expects.
    pub expected: String,
    /// What was found.
    pub found: String,
    /// Stable code, where it fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What to do next, where it fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}
