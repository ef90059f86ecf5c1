//! Having an instance of the attestation service judge the TPM and the boot of an Azure virtual machine.
//!
//! `attest/AzureGuest` seals its token to a key of the guest's TPM, so that no server can read it. The guest makes the
//! request, the server hands it to the instance of the policy, the guest opens the answer and attests with the token
//! beside its evidence. Nothing is believed here: what counts is the token's signature, and that it speaks of the same
//! machine as evidence bound to the request (ARCHITECTURE.md, "One release, step by step").
//!
//! Nobody who merely knows a name makes the server call others: the nonce must be this server's, the evidence be bound
//! to the runtime data, and its claims not be denied by the policy already, as far as that can be said before others are
//! asked for the policy's secrets. Where Casque judges the evidence too, it does so first.

use std::fmt;

use casque_appraise::Evidence;
use casque_policy::{Mode, Service};
use casque_types::{RuntimeData, Timestamp};
use thiserror::Error;

use crate::attempts::Told;
use crate::attest::service_of;
use crate::casque::LoadedPolicy;
use crate::{AttestError, Casque, Clock as _, MaaSource as _, Ports};

/// A guest's request to be judged by `attest/AzureGuest`.
pub struct GuestRequest {
    runtime_data: Vec<u8>,
    evidence: Evidence,
    info: AttestationInfo,
}

/// `AttestationInfo` of a request to `attest/AzureGuest`: base64url without padding. What it says is between the guest and
/// the service; `Debug` shows its length, since it can be handed on with another payload.
#[derive(Clone, PartialEq, Eq)]
pub struct AttestationInfo(String);

/// A token that only the guest's TPM opens: base64url without padding. `Debug` shows its length.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedToken(String);

/// Why this is no request of a guest.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum GuestRequestError {
    /// Other evidence.
    #[error(
        "expected evidence of an Azure virtual machine (`azure-snp-vtpm` or `azure-tdx-vtpm`), found `{found}`"
    )]
    Kind {
        /// Its kind.
        found: &'static str,
    },
    /// Not `AttestationInfo`.
    #[error("`attestation_info`: {0}")]
    Info(#[from] GuestTextError),
}

/// Why a text is none that a guest and the service exchange.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum GuestTextError {
    /// Too long, or nothing.
    #[error("expected 1 to {limit_bytes} bytes, found {found_bytes}")]
    Length {
        /// The most.
        limit_bytes: usize,
        /// Those found.
        found_bytes: usize,
    },
    /// Not base64url without padding.
    #[error("expected base64url without padding")]
    Base64,
}

impl GuestRequest {
    /// From what came in.
    ///
    /// # Errors
    /// [`GuestRequestError`]: evidence that is not of an Azure virtual machine, or text that is no `AttestationInfo`.
    pub fn new(
        runtime_data: Vec<u8>,
        evidence: Evidence,
        attestation_info: String,
    ) -> Result<Self, GuestRequestError> {
        if !matches!(evidence, Evidence::AzureVm(_)) {
            let found = evidence.kind().as_str();
            return Err(GuestRequestError::Kind { found });
        }
        Ok(Self {
            runtime_data,
            evidence,
            info: AttestationInfo::parse(attestation_info)?,
        })
    }
}

impl AttestationInfo {
    /// The most bytes of its text: a measured boot's log has some 64 KiB, the rest less than that.
    pub const MAX_BYTES: usize = 1024 * 1024;

    /// Takes text of that form.
    ///
    /// # Errors
    /// [`GuestTextError`].
    pub fn parse(text: String) -> Result<Self, GuestTextError> {
        base64url(text, Self::MAX_BYTES).map(Self)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl SealedToken {
    /// The most bytes of its text.
    pub const MAX_BYTES: usize = 256 * 1024;

    /// Takes text of that form; padding is taken off.
    ///
    /// # Errors
    /// [`GuestTextError`].
    pub fn parse(text: &str) -> Result<Self, GuestTextError> {
        base64url(text.trim_end_matches('=').to_owned(), Self::MAX_BYTES).map(Self)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same, to be sent.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Debug for GuestRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuestRequest")
            .field("evidence", &self.evidence.kind())
            .field("info", &self.info)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for AttestationInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AttestationInfo({} bytes)", self.0.len())
    }
}

impl fmt::Debug for SealedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedToken({} bytes)", self.0.len())
    }
}

fn base64url(text: String, limit_bytes: usize) -> Result<String, GuestTextError> {
    let found_bytes = text.len();
    if !(1..=limit_bytes).contains(&found_bytes) {
        return Err(GuestTextError::Length {
            limit_bytes,
            found_bytes,
        });
    }
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    // One digit alone is no byte.
    match text.bytes().all(is_digit) && found_bytes % 4 != 1 {
        true => Ok(text),
        false => Err(GuestTextError::Base64),
    }
}

impl<P: Ports> Casque<P> {
    /// Hands a guest's request to the instance of the attestation service that the policy names, and gives back the
    /// answer, which only the guest can open.
    ///
    /// # Errors
    /// [`AttestError`], by whose fault it is: as for a release, until the evidence would be judged;
    /// [`AttestError::NoGuestJudge`] where the policy has no such instance; what the instance refuses.
    pub async fn submit_guest(&self, request: GuestRequest) -> Result<SealedToken, AttestError> {
        let now = self.ports.clock().now();
        let runtime = self.redeemed(&request.runtime_data, now)?;
        let config = runtime.config();
        let loaded = self.policy_of(config).await?;
        let service = service_of(&loaded, config)?;
        let outcome = self
            .hand_on(&request, &loaded, service, &runtime, now)
            .await;
        if let Err(error) = &outcome {
            let told = Told::default();
            let failed = Err::<&SealedToken, _>(error);
            let attempt = told.attempt(&request.evidence, loaded.hash, failed, now);
            self.attempts.keep(config, attempt);
        }
        outcome
    }

    async fn hand_on(
        &self,
        request: &GuestRequest,
        loaded: &LoadedPolicy,
        service: &Service,
        runtime: &RuntimeData,
        now: Timestamp,
    ) -> Result<SealedToken, AttestError> {
        let config = runtime.config();
        if !request.evidence.claims_binding(runtime) {
            return Err(AttestError::NotBound);
        }
        let screened = self
            .screened(loaded, service, config, &request.evidence, now)
            .await?;
        let mode = screened.mode();
        let maa = mode.maa().ok_or_else(|| AttestError::NoGuestJudge {
            config: config.clone(),
        })?;
        if matches!(mode, Mode::Both(_)) {
            self.appraise_evidence(&request.evidence, runtime.clone(), now)
                .await?;
        }
        let asked = self.ports.maa().attest_guest(&maa.url, &request.info, now);
        Ok(asked.await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_lengths() {
        let request = GuestRequest {
            runtime_data: Vec::new(),
            evidence: Evidence::Absent,
            info: AttestationInfo::parse("e30".to_owned()).unwrap(),
        };
        let shown = format!("{request:?} {:?}", SealedToken::parse("e30").unwrap());
        let expected = "GuestRequest { evidence: Absent, info: AttestationInfo(3 bytes), .. } SealedToken(3 bytes)";
        assert_eq!(shown, expected);
    }

    #[test]
    fn texts_are_base64url_of_bounded_length() {
        assert_eq!(SealedToken::parse("e30=").unwrap().as_str(), "e30");
        assert_eq!(
            AttestationInfo::parse("e30".to_owned()).unwrap().as_str(),
            "e30"
        );
        for text in ["e30=", "e3+", "e 30", "e"] {
            let refused = AttestationInfo::parse(text.to_owned());
            assert_eq!(refused, Err(GuestTextError::Base64), "{text}");
        }
        let length = |limit_bytes, found_bytes| GuestTextError::Length {
            limit_bytes,
            found_bytes,
        };
        let refused = AttestationInfo::parse(String::new());
        assert_eq!(refused, Err(length(AttestationInfo::MAX_BYTES, 0)));
        let long = "A".repeat(SealedToken::MAX_BYTES + 4);
        let refused = SealedToken::parse(&long);
        assert_eq!(refused, Err(length(SealedToken::MAX_BYTES, long.len())));
    }

    #[test]
    fn evidence_is_of_an_azure_virtual_machine() {
        let refused = GuestRequest::new(Vec::new(), Evidence::Absent, "e30".to_owned());
        let refused = refused.unwrap_err();
        assert_eq!(refused, GuestRequestError::Kind { found: "none" });
    }
}
