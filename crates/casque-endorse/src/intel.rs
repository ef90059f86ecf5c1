//! Four documents of Intel's PCS version 4, and what they are made into ("Intel SGX and TDX Provisioning
//! Certification Service", API documentation version 4; a PCCS serves the same paths).
//!
//! | path | body | issuer chain |
//! |---|---|---|
//! | `/sgx/certification/v4/tcb?fmspc=`, `/tdx/…` | `{"tcbInfo":{…},"signature":"…"}` | `TCB-Info-Issuer-Chain` |
//! | `/sgx/certification/v4/qe/identity`, `/tdx/…` | `{"enclaveIdentity":{…},"signature":"…"}` | `SGX-Enclave-Identity-Issuer-Chain` |
//! | `/sgx/certification/v4/pckcrl?ca=&encoding=der` | DER, or hexadecimal digits of it | `SGX-PCK-CRL-Issuer-Chain` |
//! | Intel: `IntelSGXRootCA.der`; PCCS: `/sgx/certification/v4/rootcacrl` | DER, or hexadecimal digits of it | – |
//!
//! Chains are PEM, URL-encoded. The texts of `tcbInfo` and `enclaveIdentity` are kept byte for byte:
//! signatures go over them.

use std::sync::Arc;

use casque_appraise::{IntelEndorsements, IntelEndorsementsId};
use percent_encoding::percent_decode_str;
use reqwest::header::HeaderMap;

use crate::document::{Content, Document};
use crate::document_id::DocumentId;
use crate::failure::FetchError;
use crate::http::Answer;
use crate::source::{Asker, Place};

/// Fetches the endorsements for `id`: those of that platform family, whatever their dates.
pub(crate) async fn fetch(
    asker: &Asker<'_>,
    place: &Place,
    id: IntelEndorsementsId,
) -> Result<Document, FetchError> {
    let Place::Pcs { base, root_crl } = place else {
        return Err(FetchError::NoSource {
            document: DocumentId::Intel(id),
        });
    };
    let tee = id.tee.as_str();
    let fmspc = hex::encode_upper(id.fmspc);
    let tcb_url = format!("{base}/{tee}/certification/v4/tcb?fmspc={fmspc}");
    let qe_url = format!("{base}/{tee}/certification/v4/qe/identity");
    let authority = id.authority.as_str();
    let crl_url = format!("{base}/sgx/certification/v4/pckcrl?ca={authority}&encoding=der");
    let tcb = async {
        let answer = asker.get(&tcb_url).await;
        answer.map_err(|error| error.of_platform(format!("FMSPC {fmspc}")))
    };
    // All are awaited, so that of several failures always the same one is told.
    let (tcb, qe, crl, root) = tokio::join!(
        tcb,
        asker.get(&qe_url),
        asker.get(&crl_url),
        asker.get(root_crl)
    );
    let (tcb, qe, crl, root) = (tcb?, qe?, crl?, root?);
    let (tcb_info, tcb_info_signature) = signed_member::<raw::TcbInfo<'_>>(&tcb_url, &tcb.body)?;
    let (qe_identity, qe_identity_signature) =
        signed_member::<raw::QeIdentity<'_>>(&qe_url, &qe.body)?;
    let endorsements = IntelEndorsements {
        tcb_info_issuer_chain: chain(&tcb_url, &tcb, &TCB_CHAIN_HEADERS)?,
        tcb_info,
        tcb_info_signature,
        qe_identity_issuer_chain: chain(&qe_url, &qe, &QE_CHAIN_HEADERS)?,
        qe_identity,
        qe_identity_signature,
        pck_crl_issuer_chain: chain(&crl_url, &crl, &CRL_CHAIN_HEADERS)?,
        pck_crl: revocation_list(&crl_url, crl.body)?,
        root_ca_crl: revocation_list(root_crl, root.body)?,
    };
    let content = Content::Intel(Arc::new(endorsements));
    let document = Document::new(DocumentId::Intel(id), content);
    document.map_err(|error| FetchError::of_document(&tcb_url, error))
}

/// The signed member's text as it stands in `body`, and the signature.
fn signed_member<'a, T>(url: &str, body: &'a [u8]) -> Result<(String, Vec<u8>), FetchError>
where
    T: serde::Deserialize<'a> + raw::Signed,
{
    let malformed = || FetchError::Malformed {
        url: url.to_owned(),
        expected: T::EXPECTED,
    };
    let document: T = serde_json::from_slice(body).map_err(|_| malformed())?;
    let signature = hex::decode(document.signature()).map_err(|_| malformed())?;
    Ok((document.member().to_owned(), signature))
}

fn chain(url: &str, answer: &Answer, names: &[&str]) -> Result<String, FetchError> {
    chain_in(&answer.headers, names).ok_or_else(|| FetchError::Malformed {
        url: url.to_owned(),
        expected: "a URL-encoded PEM chain in its issuer chain header",
    })
}

fn chain_in(headers: &HeaderMap, names: &[&str]) -> Option<String> {
    let value = names.iter().find_map(|name| headers.get(*name))?;
    let text = value
        .to_str()
        .ok()
        .filter(|text| text.len() <= MAX_CHAIN_BYTES)?;
    let pem = percent_decode_str(text).decode_utf8().ok()?;
    pem.starts_with("-----BEGIN CERTIFICATE-----")
        .then(|| pem.into_owned())
}

/// DER as it is, or from hexadecimal digits, which no DER of a sequence consists of.
fn revocation_list(url: &str, body: Vec<u8>) -> Result<Vec<u8>, FetchError> {
    if body.first() == Some(&DER_SEQUENCE) && !body.iter().all(u8::is_ascii_hexdigit) {
        return Ok(body);
    }
    hex::decode(body.trim_ascii()).map_err(|_| FetchError::Malformed {
        url: url.to_owned(),
        expected: "a revocation list in DER or in hexadecimal digits",
    })
}

/// The second is an older PCCS's.
const TCB_CHAIN_HEADERS: [&str; 2] = ["TCB-Info-Issuer-Chain", "SGX-TCB-Info-Issuer-Chain"];
/// Of TDX's quoting enclave too.
const QE_CHAIN_HEADERS: [&str; 1] = ["SGX-Enclave-Identity-Issuer-Chain"];
const CRL_CHAIN_HEADERS: [&str; 1] = ["SGX-PCK-CRL-Issuer-Chain"];
const DER_SEQUENCE: u8 = 0x30;
const MAX_CHAIN_BYTES: usize = 16 * 1024;

/// The JSON as it stands on the wire.
mod raw {
    use serde::Deserialize;
    use serde_json::value::RawValue;

    pub(super) trait Signed {
        const EXPECTED: &'static str;
        fn member(&self) -> &str;
        fn signature(&self) -> &str;
    }

    #[derive(Deserialize)]
    pub(super) struct TcbInfo<'a> {
        #[serde(borrow, rename = "tcbInfo")]
        member: &'a RawValue,
        signature: String,
    }

    #[derive(Deserialize)]
    pub(super) struct QeIdentity<'a> {
        #[serde(borrow, rename = "enclaveIdentity")]
        member: &'a RawValue,
        signature: String,
    }

    impl Signed for TcbInfo<'_> {
        const EXPECTED: &'static str =
            "JSON with `tcbInfo` and a `signature` in hexadecimal digits";
        fn member(&self) -> &str {
            self.member.get()
        }
        fn signature(&self) -> &str {
            &self.signature
        }
    }

    impl Signed for QeIdentity<'_> {
        const EXPECTED: &'static str =
            "JSON with `enclaveIdentity` and a `signature` in hexadecimal digits";
        fn member(&self) -> &str {
            self.member.get()
        }
        fn signature(&self) -> &str {
            &self.signature
        }
    }
}
