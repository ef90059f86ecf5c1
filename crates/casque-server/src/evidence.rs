//! Evidence and second factors from the wire.

use casque_appraise::{MaaToken, ServiceAccountToken};
use casque_core::{AttestRequest, Blame, GuestRequest, SecondFactors};
use casque_secrets::OtpCode;
use casque_wire as wire;
use zeroize::Zeroizing;

use crate::answer::Refusal;
use crate::code::Code;

/// Parses a request; bounds are the parsers' own.
pub(crate) fn request(raw: wire::AttestRequest) -> Result<AttestRequest, Refusal> {
    let evidence = casque_explain::evidence_of(&raw.evidence)?;
    Ok(AttestRequest {
        runtime_data: raw.runtime_data.0,
        evidence,
        maa_token: raw
            .maa_token
            .map(|token| MaaToken::parse(&token))
            .transpose()?,
        factors: SecondFactors {
            one_time_password: raw
                .otp
                .map(Zeroizing::new)
                .map(|text| code(&text))
                .transpose()?,
            access_token_proof: raw.access_token_proof.map(proof).transpose()?,
            service_account_token: raw
                .service_account_token
                .map(Zeroizing::new)
                .map(|text| ServiceAccountToken::parse(&text))
                .transpose()?,
        },
    })
}

/// Parses what a guest wants the attestation service to judge.
pub(crate) fn guest_request(raw: wire::GuestRequest) -> Result<GuestRequest, Refusal> {
    let evidence = casque_explain::evidence_of(&raw.evidence)?;
    let request = GuestRequest::new(raw.runtime_data.0, evidence, raw.attestation_info);
    request.map_err(|error| {
        let hint = "docs/http.md says what it is; `casque-agent run --azure-guest` makes it";
        let (blame, code) = (Blame::Malformed, Code::RequestMalformed);
        Refusal::new(blame, code, error.to_string(), Some(hint))
    })
}

fn code(text: &str) -> Result<OtpCode, Refusal> {
    text.parse().map_err(|error| {
        let message = format!("otp: {error}");
        let hint = "give the code that the authenticator shows now";
        Refusal::new(
            Blame::Malformed,
            Code::RequestMalformed,
            message,
            Some(hint),
        )
    })
}

fn proof(wire::B64(bytes): wire::B64) -> Result<[u8; 32], Refusal> {
    bytes.as_slice().try_into().map_err(|_| {
        let found = bytes.len();
        let message =
            format!("access_token_proof: expected 32 bytes in base64url, found {found} bytes");
        let hint = "docs/http.md says what it is; `casque-agent` makes it from the access token";
        Refusal::new(
            Blame::Malformed,
            Code::RequestMalformed,
            message,
            Some(hint),
        )
    })
}

#[cfg(test)]
mod tests {
    use assert_matches::assert_matches;

    use super::*;

    fn raw(bend: impl FnOnce(&mut wire::AttestRequest)) -> wire::AttestRequest {
        let mut raw = wire::AttestRequest {
            runtime_data: wire::B64(b"{}".to_vec()),
            evidence: wire::Evidence::None {},
            otp: Some("012345".to_owned()),
            access_token_proof: Some(wire::B64(vec![7; 32])),
            maa_token: None,
            service_account_token: None,
        };
        bend(&mut raw);
        raw
    }

    fn refused(bend: impl FnOnce(&mut wire::AttestRequest)) -> String {
        let refusal = request(raw(bend)).map(|_| ()).unwrap_err();
        assert_eq!(refusal.code, "request-malformed");
        refusal.message().to_owned()
    }

    #[test]
    fn second_factors_reach_the_use_case() {
        let factors = request(raw(|_| {})).unwrap().factors;
        assert_matches!(factors.one_time_password, Some(_));
        assert_eq!(factors.access_token_proof, Some([7; 32]));
        let bend = |raw: &mut wire::AttestRequest| (raw.otp, raw.access_token_proof) = (None, None);
        let factors = request(raw(bend)).unwrap().factors;
        assert!(factors.one_time_password.is_none());
        assert!(factors.access_token_proof.is_none());
    }

    #[test]
    fn one_time_password_of_other_shape_is_refused() {
        for text in ["", "12345", "1234567", "12a456", " 12345", "１２３４５６"] {
            let message = refused(|raw| raw.otp = Some(text.to_owned()));
            assert!(message.starts_with("otp: expected"), "{message}");
            assert!(text.len() < 5 || !message.contains(text), "{message}");
        }
    }

    #[test]
    fn access_token_proof_of_other_length_is_refused() {
        for length in [0, 31, 33] {
            let message = refused(|raw| raw.access_token_proof = Some(wire::B64(vec![7; length])));
            let expected =
                format!("access_token_proof: expected 32 bytes in base64url, found {length} bytes");
            assert_eq!(message, expected);
        }
    }
}
