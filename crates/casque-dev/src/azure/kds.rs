//! AMD's key distribution service (AMD publication 57230), on the PCCS's port: for the software platform alone.
//!
//! It knows one processor at one level; the levels in the query must be that level's.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use casque_testkit::snp::SoftwareSnp;
use casque_types::{Seconds, SnpSigner};
use serde::Deserialize;

use super::faults::Faults;

/// What the service knows.
pub(super) struct Platform {
    pub(super) snp: Arc<SoftwareSnp>,
    pub(super) faults: Arc<Faults>,
}

pub(super) fn router(platform: Arc<Platform>) -> Router {
    Router::new()
        .route("/vcek/v1/{product}/{chip}", get(vcek))
        .route("/vcek/v1/{product}/cert_chain", get(vcek_chain))
        .route("/vlek/v1/{product}/cert_chain", get(vlek_chain))
        .route("/vcek/v1/{product}/crl", get(list))
        .route("/vlek/v1/{product}/crl", get(list))
        .with_state(platform)
}

#[derive(Deserialize, PartialEq, Eq)]
struct Level {
    #[serde(rename = "fmcSPL")]
    fmc: Option<u8>,
    #[serde(rename = "blSPL")]
    bootloader: u8,
    #[serde(rename = "teeSPL")]
    tee: u8,
    #[serde(rename = "snpSPL")]
    snp: u8,
    #[serde(rename = "ucodeSPL")]
    microcode: u8,
}

async fn vcek(
    State(platform): State<Arc<Platform>>,
    Path((product, chip)): Path<(String, String)>,
    Query(level): Query<Level>,
) -> Response {
    let known = platform.snp.platform();
    let known_level = Level {
        fmc: known.tcb.fmc,
        bootloader: known.tcb.bootloader,
        tee: known.tcb.tee,
        snp: known.tcb.snp,
        microcode: known.tcb.microcode,
    };
    if !platform.is_of(&product) || chip != hex::encode(&known.chip_id) || level != known_level {
        return absent();
    }
    let certificate = platform.snp.certificate(SnpSigner::Vcek).to_vec();
    ([("content-type", "application/pkix-cert")], certificate).into_response()
}

async fn vcek_chain(
    State(platform): State<Arc<Platform>>,
    Path(product): Path<String>,
) -> Response {
    platform.chain(&product, SnpSigner::Vcek)
}

async fn vlek_chain(
    State(platform): State<Arc<Platform>>,
    Path(product): Path<String>,
) -> Response {
    platform.chain(&product, SnpSigner::Vlek)
}

async fn list(State(platform): State<Arc<Platform>>, Path(product): Path<String>) -> Response {
    if !platform.is_of(&product) {
        return absent();
    }
    // Who asks took his time before this service did.
    let issued = platform.faults.now().minus(Seconds(3600));
    let endorsements = platform.snp.endorsements(issued);
    match endorsements.map(|it| it.crl) {
        Ok(Some(list)) => ([("content-type", "application/pkix-crl")], list).into_response(),
        _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

impl Platform {
    fn is_of(&self, product: &str) -> bool {
        self.snp.platform().product.as_str() == product
    }

    fn chain(&self, product: &str, signer: SnpSigner) -> Response {
        if !self.is_of(product) {
            return absent();
        }
        let pem = authorities_pem(&self.snp, signer);
        ([("content-type", "application/x-pem-file")], pem).into_response()
    }
}

/// Intermediate and root, PEM: what stands after the certificate itself.
pub(super) fn authorities_pem(snp: &SoftwareSnp, signer: SnpSigner) -> String {
    let all = snp.chain_pem(signer);
    let behind = all.split_once(PEM_END).map(|(_, behind)| behind);
    behind.unwrap_or_default().trim_start().to_owned()
}

fn absent() -> Response {
    let what =
        "no certificate of another processor, level or generation than the software platform's";
    (StatusCode::NOT_FOUND, what).into_response()
}

const PEM_END: &str = "-----END CERTIFICATE-----";
