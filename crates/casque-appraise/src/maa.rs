//! Tokens of Microsoft Azure Attestation (spec/azure.md section 3; RFC 7515, RFC 7519).
//!
//! Steps of `verify`, each with its own error:
//!
//! 1. `alg` is RS256, `typ` is JWT. `none` is real: instances answer drafts of policies so.
//! 2. `iss` is exactly the trusted instance: anyone may own another one, whose policy says what he likes.
//!    `jku`, where it stands, is `iss` and `/certs`; it is never fetched.
//! 3. The key is the instance's and long enough; the signature fits.
//! 4. `nbf`, `iat` and `exp` hold now, give or take the clock skew, and the token is not too old.
//! 5. The token is about a TEE, and its identity is complete (module `subject`).
//! 6. Where it is demanded, the instance's own key is proved to be in a TEE (module `signer`).
//!
//! How a token is bound to a request: module `binding`.
//!
//! Two ways lead here. A token may come as a passport ([`appraise`]): the guest had the service judge its own
//! evidence. Or the server submitted evidence that it holds ([`appraise_submitted`], [`appraise_both`]): then
//! the token must say of the TEE what the evidence says, claim by claim, and be bound by its runtime data
//! exactly. Of an Azure VM the server submits the report of the TEE with the paravisor's data: the token
//! vouches for the attestation key in them, and the TPM's quote, which is bound to the request, is verified
//! here with that key. The service seals answers of `attest/AzureGuest` to a key of the guest's TPM: a server
//! cannot read them, so that tokens of type `azurevm` are brought by the guest, along with evidence.
//!
//! SGX: no statement of the platform's TCB; the instance's baseline decided it (`maa-managed-tcb`).
//! Not judged: the instance's own policy (see [`TokenStatement::policy_hash`]).

mod binding;
mod compare;
mod error;
mod json;
mod keys;
mod signer;
mod statement;
mod subject;
mod token;

use casque_types::{
    AttestationKeyProof, AzureVmIdentity, MaaUrl, RuntimeData, Seconds, Timestamp, sha256,
};

use crate::endorsements::MaaKey;
use crate::{
    Appraisal, AppraiseError, Appraiser, AzureVmEvidence, Bound, Endorsements, Evidence, Identity,
    MaaKeys, Scope, Submitted, Verdict, Verifier, aci, azure_vm,
};
use binding::Paravisor;
pub use error::MaaAppraiseError;
pub use statement::{ClaimValue, SignerProof, TokenStatement};
use subject::Subject;
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

/// Whether the instance's own key must be proved to be in a TEE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignerDemand {
    /// Any key that the instance publishes.
    Any,
    /// One with such a proof ([`SignerProof::InTee`]).
    InTee,
}

pub(crate) fn verify(
    appraiser: &Appraiser,
    token: &MaaToken,
    keys: &MaaKeys,
    trust: &MaaTrust,
    now: Timestamp,
) -> Result<Verdict, MaaAppraiseError> {
    // 1. and 2.
    expect_algorithm(&token.header)?;
    expect_issuer(token, &trust.issuer)?;
    // 3.
    let key = verify_signature(token, keys, trust.min_rsa_bits)?;
    // 4.
    let claims = &token.claims;
    expect_life(claims, trust, now)?;
    // 5.
    let subject = claims.subject.as_ref().map_err(Clone::clone)?;
    // 6.
    let signer = match trust.signer {
        SignerDemand::Any => SignerProof::Published,
        SignerDemand::InTee => signer::prove(appraiser, token.key_id(), key, now)?,
    };
    let bound = subject.report_data.as_ref();
    Ok(Verdict {
        identity: subject.identity.clone(),
        tcb: subject.tcb.clone(),
        verifier: Verifier::Maa {
            issuer: trust.issuer.clone(),
        },
        scope: subject.scope,
        platform: None,
        bound: bound.map_or(Bound::Nothing, |it| Bound::ReportData(*it.as_bytes())),
        token: Some(TokenStatement {
            policy_hash: claims.policy_hash.clone(),
            issued: claims.issued,
            signer,
            claims: claims.text.clone(),
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
    let (mut verdict, subject) = verify_submitted(appraiser, submitted, &runtime, trust, now)?;
    no_differences(compare::identities(submitted.evidence, subject))?;
    match submitted.evidence {
        Evidence::AzureVm(vm) => {
            azure_vm::verify_tpm_quote(vm)?;
            // The token says nothing of a certificate of that key.
            verdict.identity = Identity::AzureVm(AzureVmIdentity {
                attestation_key: AttestationKeyProof::Report,
                ..vm.claimed_identity()
            });
            verdict.scope = Scope::Vm;
            verdict.bound = Bound::ExtraData(vm.extra_data().to_vec());
        }
        Evidence::Aci(containers) => {
            aci::verify_beside_report(appraiser, containers, now)?;
            verdict.identity = Identity::Aci(containers.claimed_identity());
            verdict.scope = Scope::Pod;
        }
        _ => {}
    }
    Ok(Appraisal::new(verdict, runtime))
}

pub(crate) fn appraise_both(
    appraiser: &Appraiser,
    submitted: &Submitted<'_>,
    runtime: RuntimeData,
    endorsements: &Endorsements,
    trust: &MaaTrust,
    now: Timestamp,
) -> Result<Appraisal, AppraiseError> {
    let (token, subject) = verify_submitted(appraiser, submitted, &runtime, trust, now)?;
    let direct = appraiser.appraise(submitted.evidence, runtime.clone(), endorsements, now)?;
    let verdict = direct.verdict().clone();
    let both = joined(submitted.evidence, verdict, token, subject, trust)?;
    Ok(Appraisal::new(both, runtime))
}

pub(crate) fn verify_both(
    appraiser: &Appraiser,
    submitted: &Submitted<'_>,
    endorsements: &Endorsements,
    trust: &MaaTrust,
    now: Timestamp,
) -> Result<Verdict, AppraiseError> {
    let Submitted {
        evidence,
        token,
        keys,
    } = *submitted;
    let of_token = verify(appraiser, token, keys, trust, now)?;
    let subject = token.claims.subject.as_ref().map_err(Clone::clone)?;
    if let Evidence::AzureVm(vm) = evidence {
        expect_attestation_key(vm, subject)?;
    }
    let verdict = appraiser.verify(evidence, endorsements, now)?;
    joined(evidence, verdict, of_token, subject, trust)
}

/// The verdict of both, if they say the same.
fn joined(
    evidence: &Evidence,
    mut verdict: Verdict,
    token: Verdict,
    subject: &Subject,
    trust: &MaaTrust,
) -> Result<Verdict, AppraiseError> {
    let mut differences = compare::identities(evidence, subject);
    differences.extend(compare::platforms(&verdict.tcb, &subject.tcb));
    no_differences(differences)?;
    verdict.verifier = Verifier::Both {
        issuer: trust.issuer.clone(),
    };
    verdict.valid_until = match (verdict.valid_until, token.valid_until) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
    verdict.token = token.token;
    Ok(verdict)
}

/// Verifies the token, and that it and the evidence are bound to the request; does not compare them yet.
fn verify_submitted<'t>(
    appraiser: &Appraiser,
    submitted: &Submitted<'t>,
    runtime: &RuntimeData,
    trust: &MaaTrust,
    now: Timestamp,
) -> Result<(Verdict, &'t Subject), AppraiseError> {
    let Submitted {
        evidence,
        token,
        keys,
    } = *submitted;
    let verdict = verify(appraiser, token, keys, trust, now)?;
    let subject = &token.claims.subject;
    let known = subject.as_ref().map_err(Clone::clone)?;
    match evidence {
        Evidence::Absent | Evidence::MaaToken(_) => {
            let found = evidence.kind();
            return Err(MaaAppraiseError::NotSubmitted { found }.into());
        }
        Evidence::AzureVm(vm) => {
            expect_attestation_key(vm, known)?;
            if !token.claims.binding.is_of_request(subject, runtime) {
                return Err(MaaAppraiseError::NotBound.into());
            }
        }
        Evidence::Sgx(_) | Evidence::Tdx(_) | Evidence::Snp(_) | Evidence::Aci(_) => {
            if !token.claims.binding.fits_exactly(subject, runtime) {
                return Err(MaaAppraiseError::NotBound.into());
            }
        }
    }
    if !evidence.claims_binding(runtime) {
        return Err(AppraiseError::NotBound);
    }
    Ok((verdict, known))
}

/// The token vouches for the attestation key of the evidence: the service says that the paravisor is Azure's,
/// and that its data, whose digest the TEE signed, have this key.
fn expect_attestation_key(vm: &AzureVmEvidence, subject: &Subject) -> Result<(), MaaAppraiseError> {
    if !subject.is_compliant_vm() {
        return Err(MaaAppraiseError::NotCompliant {
            found: subject.compliance.clone(),
        });
    }
    let missing = |claim| MaaAppraiseError::MissingClaim { claim };
    let stated = subject
        .paravisor()
        .and_then(|it| it.attestation_key.as_ref());
    let stated = stated.ok_or(missing("x-ms-runtime.keys: HCLAkPub"))?;
    let report_data = subject.report_data.ok_or(missing("report data"))?;
    let digest = sha256(vm.paravisor_data());
    if !report_data.as_bytes().starts_with(digest.as_bytes()) {
        return Err(MaaAppraiseError::ParavisorData);
    }
    let evidence = Paravisor::parse(vm.paravisor_data()).and_then(|it| it.attestation_key);
    if evidence.as_ref() != Some(stated) {
        return Err(MaaAppraiseError::AttestationKey);
    }
    Ok(())
}

fn no_differences(differences: Vec<crate::Difference>) -> Result<(), AppraiseError> {
    if differences.is_empty() {
        return Ok(());
    }
    Err(AppraiseError::Contradiction { differences })
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

fn verify_signature<'k>(
    token: &MaaToken,
    keys: &'k MaaKeys,
    expected_bits: u32,
) -> Result<&'k MaaKey, MaaAppraiseError> {
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
        .map_err(|_| MaaAppraiseError::Signature)?;
    Ok(key)
}

fn expect_life(claims: &Claims, trust: &MaaTrust, now: Timestamp) -> Result<(), MaaAppraiseError> {
    let skew = trust.clock_skew;
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
    if claims.issued.plus(trust.max_age) < now.minus(skew) {
        return Err(MaaAppraiseError::TooOld {
            issued: claims.issued,
            max_age_s: trust.max_age.0,
            now,
        });
    }
    Ok(())
}
