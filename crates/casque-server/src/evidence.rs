//! Evidence from the wire.

use casque_appraise::{Evidence, EvidenceParseError, MaaToken, SgxQuote};
use casque_core::{AttestRequest, SecondFactors};
use casque_wire as wire;

/// The kinds that this server appraises, as the challenge lists them.
pub(crate) const KINDS: [&str; 3] = ["sgx", "maa", "none"];

/// Parses a request; bounds are the parsers' own.
pub(crate) fn request(raw: wire::AttestRequest) -> Result<AttestRequest, EvidenceParseError> {
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
