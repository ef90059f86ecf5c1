//! Tokens of Microsoft Azure Attestation about SGX enclaves (spec/azure.md section 3; RFC 7515, RFC 7519).
//!
//! Steps of `verify`, each with its own error:
//!
//! 1. `alg` is RS256, `typ` is JWT. `none` is real: instances answer drafts of policies so.
//! 2. `iss` is exactly the trusted instance: anyone may own another one, whose policy says what he likes.
//!    `jku`, where it stands, is `iss` and `/certs`; it is never fetched.
//! 3. The key is the instance's and long enough; the signature fits.
//! 4. `nbf`, `iat` and `exp` hold now, give or take the clock skew.
//! 5. The token is about an SGX enclave, and its identity is complete.
//!
//! No statement of the platform's TCB: the instance's baseline decided it (`maa-managed-tcb`).
//! Not judged: the instance's own policy (see [`TokenStatement::policy_hash`]), and whether it runs in a TEE.

mod error;
mod keys;
mod token;

use casque_types::{MaaUrl, RuntimeData, Seconds, Timestamp};

use crate::{
    Appraisal, AppraiseError, Appraiser, Bound, Endorsements, Identity, MaaKeys, Scope, Submitted,
    Tcb, Verdict, Verifier,
};
pub use error::MaaAppraiseError;
pub use token::MaaToken;
use token::{Claims, Header};

/// What the relying party demands of a token.
#[derive(Clone, Debug)]
pub struct MaaTrust {
    /// The only instance whose tokens count.
    pub issuer: MaaUrl,
    /// The least RSA modulus, 2048 by default; keys of 1024 bits signed tokens until 2021.
    pub min_rsa_bits: u32,
    /// How far clocks may differ.
    pub clock_skew: Seconds,
    /// How old a token may be, by its `iat`. Tokens live 8 hours.
    pub max_age: Seconds,
    /// What is demanded of the instance's own key.
    pub signer: SignerDemand,
}

/// What a verified token says beside the identity.
#[derive(Clone, Debug)]
pub struct TokenStatement {
    /// Digest of the attestation policy of the instance, if stated: base64url of SHA-256.
    pub policy_hash: Option<String>,
    /// When it was issued.
    pub issued: Timestamp,
    /// Whether the instance's key is proved to be in a TEE.
    pub signer: SignerProof,
    /// The claims, JSON, as signed.
    pub(crate) claims: String,
}

/// What is known of the key that signed a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignerProof {
    /// The instance publishes it.
    Published,
    /// And a report of SEV-SNP in its certificate proves that it is in a TEE.
    InTee,
}

/// Whether the instance's own key must be proved to be in a TEE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignerDemand {
    /// Any key that the instance publishes.
    Any,
    /// One with such a proof ([`SignerProof::InTee`]).
    InTee,
}

/// A claim's value, for conditions of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimValue {
    /// A text.
    Text(String),
    /// A whole number.
    Number(u64),
    /// True or false.
    Flag(bool),
    /// A list of such values.
    List(Vec<ClaimValue>),
    /// Something else: an object, a fraction, null.
    Other,
}

impl TokenStatement {
    /// The claim at a path of member names joined by `.`, such as `x-ms-isolation-tee.x-ms-compliance-status`;
    /// the longest name that fits is taken at each step. `None` if it is not there.
    #[must_use]
    pub fn claim(&self, _path: &str) -> Option<ClaimValue> {
        None
    }
}

pub(crate) fn verify(
    _appraiser: &Appraiser,
    token: &MaaToken,
    keys: &MaaKeys,
    trust: &MaaTrust,
    now: Timestamp,
) -> Result<Verdict, MaaAppraiseError> {
    expect_algorithm(&token.header)?;
    expect_issuer(token, &trust.issuer)?;
    verify_signature(token, keys, trust.min_rsa_bits)?;
    expect_life(&token.claims, trust.clock_skew, now)?;
    let claims = &token.claims;
    if claims.attestation_type != "sgx" {
        return Err(MaaAppraiseError::AttestationType {
            found: claims.attestation_type.clone(),
        });
    }
    let identity = claims
        .identity
        .clone()
        .map_err(|claim| MaaAppraiseError::MissingClaim { claim })?;
    Ok(Verdict {
        identity: Identity::Sgx(identity),
        tcb: Tcb::unknown(),
        verifier: Verifier::Maa {
            issuer: trust.issuer.clone(),
        },
        scope: Scope::Process,
        platform: None,
        bound: Bound::Nothing,
        token: Some(TokenStatement {
            policy_hash: claims.policy_hash.clone(),
            issued: claims.issued,
            signer: SignerProof::Published,
            claims: String::new(),
        }),
        valid_until: Some(claims.expires),
    })
}

pub(crate) fn appraise(
    appraiser: &Appraiser,
    token: &MaaToken,
    runtime: RuntimeData,
    keys: &MaaKeys,
    trust: &MaaTrust,
    now: Timestamp,
) -> Result<Appraisal, AppraiseError> {
    let verdict = verify(appraiser, token, keys, trust, now)?;
    if !token.claims_binding(&runtime) {
        return Err(MaaAppraiseError::NotBound.into());
    }
    Ok(Appraisal::new(verdict, runtime))
}

pub(crate) fn appraise_submitted(
    appraiser: &Appraiser,
    submitted: &Submitted<'_>,
    runtime: RuntimeData,
    trust: &MaaTrust,
    now: Timestamp,
) -> Result<Appraisal, AppraiseError> {
    appraise(
        appraiser,
        submitted.token,
        runtime,
        submitted.keys,
        trust,
        now,
    )
}

pub(crate) fn appraise_both(
    appraiser: &Appraiser,
    submitted: &Submitted<'_>,
    runtime: RuntimeData,
    endorsements: &Endorsements,
    trust: &MaaTrust,
    now: Timestamp,
) -> Result<Appraisal, AppraiseError> {
    appraise_submitted(appraiser, submitted, runtime.clone(), trust, now)?;
    appraiser.appraise(submitted.evidence, runtime, endorsements, now)
}

fn expect_algorithm(header: &Header) -> Result<(), MaaAppraiseError> {
    match header.algorithm.as_str() {
        "RS256" => {}
        "none" => return Err(MaaAppraiseError::Unsigned),
        found => {
            return Err(MaaAppraiseError::Algorithm {
                found: found.to_owned(),
            });
        }
    }
    if header.kind == "JWT" {
        return Ok(());
    }
    Err(MaaAppraiseError::Type {
        found: header.kind.clone(),
    })
}

fn expect_issuer(token: &MaaToken, issuer: &MaaUrl) -> Result<(), MaaAppraiseError> {
    if token.claims.issuer != issuer.as_str() {
        return Err(MaaAppraiseError::Issuer {
            expected: issuer.clone(),
            found: token.claims.issuer.clone(),
        });
    }
    let Some(found) = &token.header.key_url else {
        return Ok(());
    };
    if found.strip_suffix("/certs") == Some(issuer.as_str()) {
        return Ok(());
    }
    Err(MaaAppraiseError::KeyUrl {
        expected: format!("{issuer}/certs"),
        found: found.clone(),
    })
}

fn verify_signature(
    token: &MaaToken,
    keys: &MaaKeys,
    expected_bits: u32,
) -> Result<(), MaaAppraiseError> {
    let key = keys
        .find(token.key_id())
        .ok_or_else(|| MaaAppraiseError::UnknownKey {
            key_id: token.key_id().to_owned(),
        })?;
    if key.modulus_bits < expected_bits {
        return Err(MaaAppraiseError::KeyTooShort {
            expected_bits,
            found_bits: key.modulus_bits,
        });
    }
    key.public_key
        .verify_sig(token.signed(), token.signature())
        .map_err(|_| MaaAppraiseError::Signature)
}

fn expect_life(claims: &Claims, skew: Seconds, now: Timestamp) -> Result<(), MaaAppraiseError> {
    let latest = now.plus(skew);
    if claims.not_before > latest {
        return Err(MaaAppraiseError::NotYetValid {
            not_before: claims.not_before,
            now,
        });
    }
    if claims.issued > latest {
        return Err(MaaAppraiseError::IssuedInFuture {
            issued: claims.issued,
            now,
        });
    }
    // RFC 7519 section 4.1.4: not on or after `exp`.
    if now.minus(skew) >= claims.expires {
        return Err(MaaAppraiseError::Expired {
            expires: claims.expires,
            now,
        });
    }
    Ok(())
}
