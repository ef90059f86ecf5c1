//! Intel's provisioning certification service, version 4, as a PCCS mirrors it: for the software TEE alone, for SGX and for
//! TDX.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use casque_appraise::IntelTee;
use casque_testkit::sgx::{EndorsementSpec, PcsDocuments, SoftwareTeeError};
use serde::Deserialize;

use super::faults::Faults;
use crate::tees::SoftwareTees;

/// Endorsements of one software TEE, made when they are asked for.
pub(super) struct Documents {
    tees: Arc<SoftwareTees>,
    faults: Arc<Faults>,
}

impl Documents {
    pub(super) fn new(tees: Arc<SoftwareTees>, faults: Arc<Faults>) -> Arc<Self> {
        Arc::new(Self { tees, faults })
    }

    fn now(&self, tee: IntelTee) -> Result<PcsDocuments, SoftwareTeeError> {
        let spec = EndorsementSpec::valid_for(tee, self.faults.now());
        self.tees.intel.pcs_documents(&spec)
    }
}

pub(super) fn router(documents: Arc<Documents>) -> Router {
    Router::new()
        .route("/{tee}/certification/v4/tcb", get(tcb))
        .route("/{tee}/certification/v4/qe/identity", get(qe_identity))
        .route("/sgx/certification/v4/pckcrl", get(pck_crl))
        .route("/sgx/certification/v4/rootcacrl", get(root_crl))
        .with_state(documents)
}

#[derive(Deserialize)]
struct TcbQuery {
    fmspc: String,
}

async fn tcb(
    State(documents): State<Arc<Documents>>,
    Path(tee): Path<String>,
    Query(query): Query<TcbQuery>,
) -> Response {
    let Some(tee) = tee_of(&tee) else {
        return absent("expected `sgx` or `tdx` in the path");
    };
    let known = hex::encode(documents.tees.intel.platform().fmspc);
    if !query.fmspc.eq_ignore_ascii_case(&known) {
        return absent(&format!("TCB info of another FMSPC than {known}"));
    }
    answer(documents.now(tee), |d| {
        let header = ("tcb-info-issuer-chain", d.tcb_info_issuer_chain);
        (JSON, d.tcb_info.into_bytes(), Some(header))
    })
}

fn tee_of(word: &str) -> Option<IntelTee> {
    let mut tees = [IntelTee::Sgx, IntelTee::Tdx].into_iter();
    tees.find(|tee| tee.as_str() == word)
}

async fn qe_identity(State(documents): State<Arc<Documents>>, Path(tee): Path<String>) -> Response {
    let Some(tee) = tee_of(&tee) else {
        return absent("expected `sgx` or `tdx` in the path");
    };
    answer(documents.now(tee), |d| {
        let header = (
            "sgx-enclave-identity-issuer-chain",
            d.qe_identity_issuer_chain,
        );
        (JSON, d.qe_identity.into_bytes(), Some(header))
    })
}

#[derive(Deserialize)]
struct CrlQuery {
    ca: String,
    encoding: Option<String>,
}

async fn pck_crl(
    State(documents): State<Arc<Documents>>,
    Query(query): Query<CrlQuery>,
) -> Response {
    let known = documents.tees.intel.platform().authority.as_str();
    if query.ca != known {
        return absent(&format!(
            "revocation list of another authority than {known}"
        ));
    }
    let der = query.encoding.as_deref() == Some("der");
    answer(documents.now(IntelTee::Sgx), |d| {
        let header = ("sgx-pck-crl-issuer-chain", d.pck_crl_issuer_chain);
        let body = if der { d.pck_crl } else { pem(&d.pck_crl) };
        let kind = if der {
            "application/pkix-crl"
        } else {
            "application/x-pem-file"
        };
        (kind, body, Some(header))
    })
}

/// In hexadecimal digits, as a PCCS answers it.
async fn root_crl(State(documents): State<Arc<Documents>>) -> Response {
    answer(documents.now(IntelTee::Sgx), |d| {
        ("text/plain", hex::encode(d.root_ca_crl).into_bytes(), None)
    })
}

type Parts = (&'static str, Vec<u8>, Option<(&'static str, String)>);

fn answer(
    documents: Result<PcsDocuments, SoftwareTeeError>,
    pick: impl FnOnce(PcsDocuments) -> Parts,
) -> Response {
    let documents = match documents {
        Ok(documents) => documents,
        Err(error) => {
            tracing::error!(%error, "the software TEE could not endorse itself");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    let (kind, body, chain) = pick(documents);
    let mut response = ([("content-type", kind)], body).into_response();
    if let Some((name, pem)) = chain
        && let Ok(value) = HeaderValue::from_str(&percent_encoded(&pem))
    {
        response
            .headers_mut()
            .insert(HeaderName::from_static(name), value);
    }
    response
}

fn absent(what: &str) -> Response {
    (StatusCode::NOT_FOUND, what.to_owned()).into_response()
}

/// Issuer chains stand percent-encoded in headers.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _written = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

fn pem(der: &[u8]) -> Vec<u8> {
    let text = der::pem::encode_string("X509 CRL", der::pem::LineEnding::LF, der);
    text.map(String::into_bytes).unwrap_or_default()
}

const JSON: &str = "application/json";
