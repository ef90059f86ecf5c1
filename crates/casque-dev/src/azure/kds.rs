//! AMD's key distribution service, version 1, for the software TEE's platform alone. On the port of the PCCS.
//!
//! | path | answer |
//! |---|---|
//! | `/vcek/v1/<product>/<chip id>?blSPL=…&teeSPL=…&snpSPL=…&ucodeSPL=…` | the certificate, DER |
//! | `/vcek/v1/<product>/cert_chain`, `/vlek/v1/<product>/cert_chain` | authority and root, PEM |
//! | `/vcek/v1/<product>/crl`, `/vlek/v1/<product>/crl` | the revocation list, DER |

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use casque_testkit::snp::RevocationSpec;
use casque_types::{SnpSigner, SnpTcb};

use super::faults::Faults;
use crate::tees::SoftwareTees;

/// The service.
pub(super) struct Keys {
    tees: Arc<SoftwareTees>,
    faults: Arc<Faults>,
}

impl Keys {
    pub(super) fn new(tees: Arc<SoftwareTees>, faults: Arc<Faults>) -> Arc<Self> {
        Arc::new(Self { tees, faults })
    }

    fn knows(&self, product: &str) -> bool {
        self.tees.snp.platform().product.as_str() == product
    }

    fn is_its_level(&self, query: &[(String, String)]) -> bool {
        let part = |name: &str| {
            let found = query.iter().find(|(known, _)| known == name);
            found.and_then(|(_, value)| value.parse::<u8>().ok())
        };
        let asked = || {
            Some(SnpTcb {
                fmc: part("fmcSPL"),
                bootloader: part("blSPL")?,
                tee: part("teeSPL")?,
                snp: part("snpSPL")?,
                microcode: part("ucodeSPL")?,
            })
        };
        asked() == Some(self.tees.snp.platform().tcb)
    }
}

pub(super) fn router(keys: Arc<Keys>) -> Router {
    Router::new()
        .route("/vcek/v1/{product}/{what}", get(of_chip))
        .route("/vlek/v1/{product}/{what}", get(of_provider))
        .with_state(keys)
}

async fn of_chip(
    State(keys): State<Arc<Keys>>,
    Path((product, what)): Path<(String, String)>,
    Query(query): Query<Vec<(String, String)>>,
) -> Response {
    let chip = hex::encode(&keys.tees.snp.platform().chip_id);
    if !what.eq_ignore_ascii_case(&chip) {
        return shared(&keys, &product, &what, SnpSigner::Vcek);
    }
    if !keys.knows(&product) || !keys.is_its_level(&query) {
        return absent();
    }
    let der = keys.tees.snp.certificate(SnpSigner::Vcek).to_vec();
    ([("content-type", "application/pkix-cert")], der).into_response()
}

async fn of_provider(
    State(keys): State<Arc<Keys>>,
    Path((product, what)): Path<(String, String)>,
) -> Response {
    shared(&keys, &product, &what, SnpSigner::Vlek)
}

fn shared(keys: &Keys, product: &str, what: &str, signer: SnpSigner) -> Response {
    if !keys.knows(product) {
        return absent();
    }
    match what {
        "cert_chain" => {
            let pem = keys.tees.snp.chain_pem(signer);
            // Behind the first certificate, which is not the service's to give here.
            let after = pem.split_once(END).map_or("", |(_, rest)| rest);
            let headers = [("content-type", "application/x-pem-file")];
            (headers, after.to_owned()).into_response()
        }
        "crl" => {
            let spec = RevocationSpec::empty(keys.faults.now());
            match keys.tees.snp.revocation_list(&spec) {
                Ok(der) => ([("content-type", "application/pkix-crl")], der).into_response(),
                Err(error) => {
                    tracing::error!(%error, "no revocation list");
                    StatusCode::INTERNAL_SERVER_ERROR.into_response()
                }
            }
        }
        _ => absent(),
    }
}

fn absent() -> Response {
    let why = "the local KDS knows the software TEE's platform at its level alone";
    (StatusCode::NOT_FOUND, why).into_response()
}

const END: &str = "-----END CERTIFICATE-----\n";
