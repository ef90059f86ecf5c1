//! Certificates in the forms in which people, tools and hosts hand them on:
//!
//! | form | where it comes from |
//! |---|---|
//! | PEM, with or without text around it | files; `openssl pkcs12` and `openssl x509 -text` write text before it |
//! | JSON of Azure's "Trusted Hardware Identity Management": `vcekCert`, `certificateChain`, each PEM | the metadata service, and `host-amd-cert-base64` of a security context |
//! | base64 of either, of DER, or of the host's table | JSON has no bytes |
//!
//! Nothing is verified here.

use casque_wire::AnyB64;
use serde::Deserialize;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

/// PEM from its first block on, or the bytes of anything else; `None` when it is none of these forms.
pub(crate) fn read_certificates(text: &str) -> Option<Vec<u8>> {
    if let Some(pem) = pem_in(text) {
        return Some(pem.into_bytes());
    }
    let bytes = text.parse::<AnyB64>().ok()?.0;
    // DER and tables may have PEM in them; both have bytes of zero, which text has not.
    let text = str::from_utf8(&bytes).ok();
    let pem = text.filter(|text| !text.contains('\0')).and_then(pem_in);
    Some(pem.map_or(bytes, String::into_bytes))
}

/// The same as DER of each certificate, in their order; `None` where there is none, too many or too long ones, or
/// something else.
pub(crate) fn read_der_certificates(text: &str) -> Option<Vec<Vec<u8>>> {
    let bytes = read_certificates(text)?;
    let all = match str::from_utf8(&bytes) {
        Ok(pem) if pem.starts_with(BEGIN) => blocks_of(pem)?,
        _ => vec![bytes],
    };
    let is_certificate =
        |der: &Vec<u8>| der.len() <= MAX_BYTES && Certificate::from_der(der).is_ok();
    let is_bounded = (1..=MAX_CERTIFICATES).contains(&all.len());
    (is_bounded && all.iter().all(is_certificate)).then_some(all)
}

/// Whether AMD says in it which product its key is of: the certificate of a VCEK or VLEK.
pub(crate) fn is_of_signing_key(der: &[u8]) -> bool {
    let certificate = Certificate::from_der(der);
    certificate.is_ok_and(|certificate| {
        let extensions = certificate.tbs_certificate().extensions();
        let mut extensions = extensions.into_iter().flatten();
        extensions.any(|one| one.extn_id.to_string() == AMD_PRODUCT)
    })
}

/// What is PEM in a text: THIM's JSON, or everything from the first block on.
fn pem_in(text: &str) -> Option<String> {
    if let Ok(thim) = serde_json::from_str::<Thim>(text) {
        let (vcek, chain) = (thim.vcek_cert, thim.certificate_chain.unwrap_or_default());
        return from_begin(&vcek).map(|vcek| format!("{vcek}\n{chain}\n"));
    }
    from_begin(text).map(str::to_owned)
}

fn from_begin(text: &str) -> Option<&str> {
    text.get(text.find(BEGIN)?..)
}

/// `None`: a block without its end, of another label, or whose body is not base64.
fn blocks_of(pem: &str) -> Option<Vec<Vec<u8>>> {
    let mut all = Vec::new();
    for block in pem.split(BEGIN).skip(1) {
        let (body, _) = block.strip_prefix(LABEL)?.split_once(END)?;
        all.push(body.parse::<AnyB64>().ok()?.0);
    }
    Some(all)
}

/// Other members, such as `tcbm` and `cacheControl`, say nothing of certificates.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Thim {
    vcek_cert: String,
    certificate_chain: Option<String>,
}

const BEGIN: &str = "-----BEGIN ";
const LABEL: &str = "CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";
/// As many as an appraisal takes.
const MAX_CERTIFICATES: usize = 16;
const MAX_BYTES: usize = 8 * 1024;
const AMD_PRODUCT: &str = "1.3.6.1.4.1.3704.1.2";

#[cfg(test)]
mod tests;
