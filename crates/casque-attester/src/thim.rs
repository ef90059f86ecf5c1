//! The host's certificates in the JSON of Azure's "Trusted Hardware Identity Management" (THIM), as the
//! metadata service and the security context of confidential containers give it:
//!
//! ```json
//! {"vcekCert":"<PEM>","certificateChain":"<PEM of ASK, ARK>","tcbm":"<hex>","cacheControl":"86400"}
//! ```
//!
//! Nothing is verified here: whoever appraises the report does.

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::{alphabet, engine::DecodePaddingMode};
use serde::Deserialize;

/// The certificate of the key that signs reports, then its authorities, PEM; `None` when this is no such JSON.
pub(crate) fn certificates_pem(json: &[u8]) -> Option<String> {
    let thim: Thim = serde_json::from_slice(json).ok()?;
    let (vcek, chain) = (thim.vcek_cert.trim(), thim.certificate_chain.trim());
    let is_pem = |text: &str| text.starts_with(BEGIN);
    (is_pem(vcek) && (chain.is_empty() || is_pem(chain))).then_some(())?;
    let separator = if chain.is_empty() { "" } else { "\n" };
    Some(format!("{vcek}{separator}{chain}\n"))
}

/// Base64 or base64url, with padding or without, and white space around it.
pub(crate) fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.trim_ascii();
    let is_url = text.iter().any(|byte| matches!(byte, b'-' | b'_'));
    let engine = if is_url { &URL } else { &STANDARD };
    engine.decode(text).ok()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Thim {
    vcek_cert: String,
    #[serde(default)]
    certificate_chain: String,
}

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const ANY_PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, ANY_PADDING);
const URL: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, ANY_PADDING);
