//! Tokens of Microsoft Azure Attestation about SGX enclaves (spec/azure.md section 3; RFC 7515, RFC 7519).
//!
//! Steps of [`verify_maa_token`], each with its own error:
//!
//! 1. `alg` is RS256, `typ` is JWT. `none` is real: instances answer drafts of policies so.
//! 2. `iss` is exactly the trusted instance: anyone may own another one, whose policy says what he likes.
//!    `jku`, where it stands, is `iss` and `/certs`; it is never fetched.
//! 3. The key is the instance's and long enough; the signature fits.
//! 4. `nbf`, `iat` and `exp` hold now, give or take the clock skew.
//! 5. The token is about an SGX enclave, and its identity is complete.
//!
//! No statement of the platform's TCB: the instance's baseline decided it (`maa-managed-tcb`).
//! Not judged: the instance's own policy (see [`MaaVerdict::policy_hash`]), and whether it runs in a TEE.

mod error;
mod keys;
mod token;

use casque_types::{Digest, MaaUrl, RuntimeData, Seconds, SgxIdentity, Timestamp};

use crate::{Appraisal, Identity, MaaKeys, Scope, Tcb, Verifier};
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
}

/// What a token's signature proves; not bound to a request.
#[derive(Clone, Debug)]
pub struct MaaVerdict {
    /// The enclave.
    pub identity: SgxIdentity,
    /// Who says so.
    pub issuer: MaaUrl,
    /// Digest of the attestation policy of the instance, if stated: base64url of SHA-256.
    pub policy_hash: Option<String>,
    /// SHA-256 of the quote as it was submitted, if stated.
    pub quote_hash: Option<Digest<32>>,
    /// End of the token's life.
    pub expires: Timestamp,
}

/// Verifies that the instance issued the token, for an SGX enclave, and that it holds now.
///
/// Says nothing of freshness: [`appraise_maa`] binds it to a request.
///
/// # Errors
/// [`MaaAppraiseError`] for the first step that fails.
pub fn verify_maa_token(
    token: &MaaToken,
    keys: &MaaKeys,
    trust: &MaaTrust,
    now: Timestamp,
) -> Result<MaaVerdict, MaaAppraiseError> {
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
    Ok(MaaVerdict {
        identity,
        issuer: trust.issuer.clone(),
        policy_hash: claims.policy_hash.clone(),
        quote_hash: claims.quote_hash,
        expires: claims.expires,
    })
}

/// Verifies the token, and checks that it is bound to `runtime`.
///
/// Bound means: it states the runtime data, as `x-ms-runtime` with exactly its members and values or as
/// `x-ms-sgx-ehd` with its bytes, and no statement in it (these two, `x-ms-sgx-report-data`) contradicts.
///
/// # Errors
/// Why it does not verify, or [`MaaAppraiseError::NotBound`].
pub fn appraise_maa(
    token: &MaaToken,
    runtime: &RuntimeData,
    keys: &MaaKeys,
    trust: &MaaTrust,
    now: Timestamp,
) -> Result<Appraisal, MaaAppraiseError> {
    let verdict = verify_maa_token(token, keys, trust, now)?;
    if !token.claims_binding(runtime) {
        return Err(MaaAppraiseError::NotBound);
    }
    Ok(Appraisal::new(
        Identity::Sgx(verdict.identity),
        Tcb::unknown(),
        Verifier::Maa {
            issuer: verdict.issuer,
        },
        Scope::Process,
        runtime.clone(),
        Some(verdict.expires),
    ))
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
