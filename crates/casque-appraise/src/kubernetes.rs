//! Projected service account tokens of Kubernetes: a second factor that tells pods of one machine apart.
//!
//! A compact JWS (RFC 7515) over claims (RFC 7519), signed with a key that the cluster publishes (RFC 7517). It is a
//! bearer token: whoever reads it is the pod until it expires, so that it never stands alone, and proves nothing of a
//! TEE. Source: Kubernetes, "Managing Service Accounts" (schema of the private claims) and "Service account issuer
//! discovery"; the claims of `TokenRequest` are those of `pkg/serviceaccount/claims.go`.
//!
//! A token is verified in this order, and the first step that fails is the error:
//! 1. the algorithm: RS256 or ES256, and a token is signed; the type, if stated, is `JWT`;
//! 2. the issuer, exactly;
//! 3. the key of its id, of the algorithm that the token states, RSA with 2048 bits or more;
//! 4. the signature;
//! 5. it is a bound token of `TokenRequest`: tokens of the old kind, in secrets, never expire, and are refused;
//! 6. `nbf`, `iat`, `exp`, within the clocks' difference;
//! 7. the audience: a token for another party must not count here;
//! 8. `sub` names the namespace and the service account of the claim `kubernetes.io`.

mod keys;
mod token;

use casque_types::{Seconds, Timestamp};
use thiserror::Error;

pub use self::keys::ServiceAccountKeys;
pub use self::token::ServiceAccountToken;

/// What is demanded of a token.
#[derive(Clone, Debug)]
pub struct ServiceAccountTrust {
    /// `iss`, exactly.
    pub issuer: String,
    /// One of `aud`.
    pub audience: String,
    /// How far clocks may differ.
    pub clock_skew: Seconds,
}

/// Whom a verified token speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAccount {
    /// The cluster.
    pub issuer: String,
    /// The namespace.
    pub namespace: String,
    /// The service account.
    pub name: String,
    /// The pod that the token is bound to, if any.
    pub pod: Option<String>,
    /// End of the token's life.
    pub expires: Timestamp,
}

/// Why a token proves nothing.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum ServiceAccountTokenError {
    /// The header says `none`.
    #[error(
        "the service account token is not signed (`alg` is `none`): anyone can have written it"
    )]
    Unsigned,
    /// Another algorithm.
    #[error("expected a service account token signed with RS256 or ES256, found `{found}`")]
    Algorithm {
        /// What the header says.
        found: String,
    },
    /// The header states another type.
    #[error("expected a service account token of type `JWT` or of no stated type, found `{found}`")]
    Type {
        /// What the header says.
        found: String,
    },
    /// Another cluster.
    #[error("expected a service account token of the cluster `{expected}`, found one of `{found}`")]
    Issuer {
        /// The cluster that the policy names.
        expected: String,
        /// `iss`.
        found: String,
    },
    /// The cluster publishes no such key.
    #[error(
        "the cluster publishes no key `{key_id}` for service account tokens: it was withdrawn, or the token is of another cluster"
    )]
    UnknownKey {
        /// `kid`.
        key_id: String,
    },
    /// The key is of another algorithm than the header says.
    #[error("the service account token says `{found}`, and its key is one for `{expected}`")]
    KeyOfOtherAlgorithm {
        /// What the key is for.
        expected: &'static str,
        /// What the header says.
        found: &'static str,
    },
    /// The RSA key is too short.
    #[error(
        "expected an RSA key of at least {expected_bits} bits behind the service account token, found {found_bits}"
    )]
    KeyTooShort {
        /// The least length.
        expected_bits: u32,
        /// The length found.
        found_bits: u32,
    },
    /// The signature does not fit.
    #[error(
        "the signature of the service account token does not fit: it was changed, or signed with another key"
    )]
    Signature,
    /// A token of the old kind, from a secret.
    #[error(
        "expected a projected service account token, found one without `{missing}`, as secrets hold them: mount a volume with `projected: sources: [serviceAccountToken: …]`"
    )]
    NotProjected {
        /// The claim that is missing.
        missing: &'static str,
    },
    /// Its life has not begun.
    #[error("the service account token is not valid before {not_before}; it is {now}")]
    NotYetValid {
        /// `nbf`.
        not_before: Timestamp,
        /// The time of the judgement.
        now: Timestamp,
    },
    /// It was issued in the future.
    #[error("the service account token says that it was issued at {issued}; it is {now}")]
    IssuedInFuture {
        /// `iat`.
        issued: Timestamp,
        /// The time of the judgement.
        now: Timestamp,
    },
    /// Its life is over.
    #[error(
        "the service account token expired at {expires}; it is {now}: read the file anew, the kubelet renews it"
    )]
    Expired {
        /// `exp`.
        expires: Timestamp,
        /// The time of the judgement.
        now: Timestamp,
    },
    /// For others.
    #[error(
        "expected a service account token for the audience `{expected}`, found one for {}: set `audience` of the projected volume", list(.found)
    )]
    Audience {
        /// The audience that the policy names.
        expected: String,
        /// `aud`.
        found: Vec<String>,
    },
    /// Subject and claims name different accounts.
    #[error(
        "the subject of the service account token is `{found}`, and its claims are those of `{expected}`"
    )]
    Subject {
        /// As the claim `kubernetes.io` has it.
        expected: String,
        /// `sub`.
        found: String,
    },
}

/// Declares the codes of all variants, and the list of them, from one table.
macro_rules! codes {
    ($($variant:pat => $code:literal,)+) => {
        impl ServiceAccountTokenError {
            /// The stable code of the cause.
            #[must_use]
            pub const fn code(&self) -> &'static str {
                match self { $($variant => $code,)+ }
            }

            /// All codes.
            pub const CODES: &'static [&'static str] = &[$($code,)+];
        }
    };
}

codes! {
    Self::Unsigned => "service-account-token-unsigned",
    Self::Algorithm { .. } => "service-account-token-algorithm",
    Self::Type { .. } => "service-account-token-type",
    Self::Issuer { .. } => "service-account-token-issuer",
    Self::UnknownKey { .. } => "service-account-token-unknown-key",
    Self::KeyOfOtherAlgorithm { .. } => "service-account-token-key-algorithm",
    Self::KeyTooShort { .. } => "service-account-token-key-too-short",
    Self::Signature => "service-account-token-signature",
    Self::NotProjected { .. } => "service-account-token-not-projected",
    Self::NotYetValid { .. } => "service-account-token-not-yet-valid",
    Self::IssuedInFuture { .. } => "service-account-token-issued-in-future",
    Self::Expired { .. } => "service-account-token-expired",
    Self::Audience { .. } => "service-account-token-audience",
    Self::Subject { .. } => "service-account-token-subject",
}

fn list(audiences: &[String]) -> String {
    if audiences.is_empty() {
        return "nobody".to_owned();
    }
    let quoted = audiences.iter().map(|audience| format!("`{audience}`"));
    quoted.collect::<Vec<_>>().join(", ")
}
