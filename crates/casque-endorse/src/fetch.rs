//! Four documents of Intel's PCS version 4, and what they are made into ("Intel SGX and TDX Provisioning
//! Certification Service", API documentation version 4; a PCCS serves the same paths).
//!
//! | path | body | issuer chain |
//! |---|---|---|
//! | `/sgx/certification/v4/tcb?fmspc=` | `{"tcbInfo":{…},"signature":"…"}` | `TCB-Info-Issuer-Chain` |
//! | `/sgx/certification/v4/qe/identity` | `{"enclaveIdentity":{…},"signature":"…"}` | `SGX-Enclave-Identity-Issuer-Chain` |
//! | `/sgx/certification/v4/pckcrl?ca=&encoding=der` | DER, or hexadecimal digits of it | `SGX-PCK-CRL-Issuer-Chain` |
//! | Intel: `IntelSGXRootCA.der`; PCCS: `/sgx/certification/v4/rootcacrl` | DER, or hexadecimal digits of it | – |
//!
//! Chains are PEM, URL-encoded. The texts of `tcbInfo` and `enclaveIdentity` are kept byte for byte:
//! signatures go over them.

use casque_appraise::{IntelEndorsements, IntelEndorsementsId};
use casque_types::Timestamp;
use percent_encoding::percent_decode_str;
use reqwest::Client;
use reqwest::header::HeaderMap;

use crate::failure::FetchError;
use crate::http::{self, Answer};
use crate::settings::Service;

/// Fetches the endorsements for `id`: those of that platform family, in force at `now`.
pub(crate) async fn fetch(
    client: &Client,
    service: &Service,
    id: IntelEndorsementsId,
    now: Timestamp,
) -> Result<IntelEndorsements, FetchError> {
    let at = |path: String| format!("{}/sgx/certification/v4/{path}", service.base);
    let tcb_url = at(format!("tcb?fmspc={}", hex::encode_upper(id.fmspc)));
    let qe_url = at("qe/identity".to_owned());
    let crl_url = at(format!("pckcrl?ca={}&encoding=der", id.authority.as_str()));
    let get = |url| http::get(client, url, MAX_BODY_BYTES);
    let tcb = async {
        let answer = get(&tcb_url).await;
        answer.map_err(|error| error.of_tcb_info(id.fmspc))
    };
    let (tcb, qe, crl, root) =
        tokio::try_join!(tcb, get(&qe_url), get(&crl_url), get(&service.root_crl),)?;
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
        root_ca_crl: revocation_list(&service.root_crl, root.body)?,
    };
    expect_for(&endorsements, id, &tcb_url)?;
    expect_in_force(&endorsements, service, now)?;
    Ok(endorsements)
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

fn expect_for(
    endorsements: &IntelEndorsements,
    id: IntelEndorsementsId,
    url: &str,
) -> Result<(), FetchError> {
    let found = endorsements.fmspc().map_err(|_| FetchError::Malformed {
        url: url.to_owned(),
        expected: "TCB info with `fmspc`",
    })?;
    if found == id.fmspc {
        return Ok(());
    }
    Err(FetchError::OtherPlatform {
        url: url.to_owned(),
        expected: hex::encode_upper(id.fmspc),
        found: hex::encode_upper(found),
    })
}

fn expect_in_force(
    endorsements: &IntelEndorsements,
    service: &Service,
    now: Timestamp,
) -> Result<(), FetchError> {
    let url = service.base.clone();
    let Ok(validity) = endorsements.validity() else {
        return Err(FetchError::Malformed {
            url,
            expected: "documents that state from when until when they are in force",
        });
    };
    if now < validity.from {
        let from = validity.from;
        return Err(FetchError::NotYetValid { url, from, now });
    }
    if now > validity.until {
        return Err(FetchError::Expired {
            url,
            document: validity.first_to_expire,
            until: validity.until,
            now,
        });
    }
    Ok(())
}

const TCB_CHAIN_HEADERS: [&str; 2] = ["TCB-Info-Issuer-Chain", "SGX-TCB-Info-Issuer-Chain"];
const QE_CHAIN_HEADERS: [&str; 1] = ["SGX-Enclave-Identity-Issuer-Chain"];
const CRL_CHAIN_HEADERS: [&str; 1] = ["SGX-PCK-CRL-Issuer-Chain"];
const DER_SEQUENCE: u8 = 0x30;
const MAX_BODY_BYTES: usize = 1024 * 1024;
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
