//! Evidence from the wire.

use casque_appraise::{Evidence, MaaToken, SgxQuote};
use casque_core::{AttestRequest, Blame, SecondFactors};
use casque_wire as wire;

use crate::answer::Refusal;

/// The kinds that this server appraises, as the challenge lists them.
pub(crate) const KINDS: [&str; 3] = ["sgx", "maa", "none"];

/// Parses a request; bounds are the parsers' own.
pub(crate) fn request(raw: wire::AttestRequest) -> Result<AttestRequest, Refusal> {
    if raw.otp.is_some() || raw.access_token_proof.is_some() {
        return Err(second_factor());
    }
    let evidence = match raw.evidence {
        wire::Evidence::None {} => Evidence::Absent,
        wire::Evidence::Sgx { quote } => Evidence::Sgx(SgxQuote::parse(&quote.0)?),
        wire::Evidence::Maa { token } => Evidence::MaaToken(MaaToken::parse(&token)?),
    };
    Ok(AttestRequest {
        runtime_data: raw.runtime_data.0,
        evidence,
        factors: SecondFactors::default(),
    })
}

/// A factor that nobody looks at must not seem to have counted.
fn second_factor() -> Refusal {
    Refusal::new(
        Blame::Malformed,
        "request-malformed",
        "second factors are not taken yet: found `otp` or `access_token_proof` in the request",
        Some("start the agent without a one-time password and without a service access token"),
    )
}

#[cfg(test)]
mod tests {
    use assert_matches::assert_matches;

    use super::*;

    fn raw(bend: fn(&mut wire::AttestRequest)) -> wire::AttestRequest {
        let mut raw = wire::AttestRequest {
            runtime_data: wire::B64(b"{}".to_vec()),
            evidence: wire::Evidence::None {},
            otp: None,
            access_token_proof: None,
        };
        bend(&mut raw);
        raw
    }

    #[test]
    fn request_with_second_factor_is_refused() {
        assert!(request(raw(|_| {})).is_ok());
        for bend in [
            |raw: &mut wire::AttestRequest| raw.otp = Some("123456".to_owned()),
            |raw: &mut wire::AttestRequest| raw.access_token_proof = Some(wire::B64(vec![0; 32])),
        ] {
            let refused = request(raw(bend));
            assert_matches!(
                refused,
                Err(Refusal {
                    code: "request-malformed",
                    ..
                })
            );
        }
    }
}
