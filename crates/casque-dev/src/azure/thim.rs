//! What the metadata service of a confidential machine of Azure gives beside tokens: the certificate of its
//! processor (Trusted Hardware Identity Management), and quotes over reports of TDX.
//!
//! | request | answer |
//! |---|---|
//! | `GET /metadata/THIM/amd/certification`, header `Metadata: true` | `{"vcekCert","certificateChain","tcbm","cacheControl"}` |
//! | `POST /acc/tdquote` `{"report":"<TDREPORT, base64url>"}` | `{"quote":"<base64url>"}` |
//!
//! A report of the software TEE has no MAC, so that whatever is asked for is quoted: the fake protects nothing.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use casque_testkit::sgx::SoftwareTee;
use casque_testkit::snp::SoftwareSnp;
use casque_types::{Digest, SnpSigner, SnpTcb, TdxIdentity};
use serde::Deserialize;
use serde_json::json;

use super::kds;

/// The machine: it is on both kinds of processors.
pub(super) struct Machine {
    pub(super) tee: Arc<SoftwareTee>,
    pub(super) snp: Arc<SoftwareSnp>,
}

pub(super) fn router(machine: Arc<Machine>) -> Router {
    Router::new()
        .route("/metadata/THIM/amd/certification", get(certification))
        .route("/acc/tdquote", post(td_quote))
        .with_state(machine)
}

async fn certification(State(machine): State<Arc<Machine>>, headers: HeaderMap) -> Response {
    let metadata = headers.get("metadata").and_then(|v| v.to_str().ok());
    if !metadata.is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return refused("Required metadata header not specified");
    }
    let snp = &machine.snp;
    let all = snp.chain_pem(SnpSigner::Vcek);
    let chain = kds::authorities_pem(snp, SnpSigner::Vcek);
    let own = all.strip_suffix(&chain).unwrap_or(&all);
    Json(json!({
        "vcekCert": own,
        "certificateChain": chain,
        "tcbm": tcbm(snp.platform().tcb),
        "cacheControl": "86400",
    }))
    .into_response()
}

/// The level as a number in 16 digits: microcode and SNP first, TEE and boot loader last.
fn tcbm(tcb: SnpTcb) -> String {
    let SnpTcb {
        bootloader,
        tee,
        snp,
        microcode,
        ..
    } = tcb;
    format!("{microcode:02X}{snp:02X}00000000{tee:02X}{bootloader:02X}")
}

#[derive(Deserialize)]
struct QuoteRequest {
    report: String,
}

async fn td_quote(
    State(machine): State<Arc<Machine>>,
    Json(request): Json<QuoteRequest>,
) -> Response {
    let report = request.report.trim_end_matches('=');
    let report = URL_SAFE_NO_PAD.decode(report).unwrap_or_default();
    let Some((identity, report_data)) = domain_of(&report) else {
        return refused("expected a TDREPORT of 1024 bytes in base64url");
    };
    match machine.tee.tdx_quote(&identity, &report_data) {
        Ok(quote) => Json(json!({"quote": URL_SAFE_NO_PAD.encode(quote)})).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// The trust domain and the 64 bytes that a report is over (Intel TDX Module ABI, `TDREPORT_STRUCT`).
fn domain_of(report: &[u8]) -> Option<(TdxIdentity, [u8; 64])> {
    if report.len() != 1024 || report.first() != Some(&0x81) {
        return None;
    }
    let attributes = at::<8>(report, 0x200)?;
    let register = |number: usize| {
        let offset = 0x210_usize.checked_add(number.checked_mul(48)?)?;
        at::<48>(report, offset).map(Digest::from)
    };
    let identity = TdxIdentity {
        mr_td: register(0)?,
        rtmr: [register(4)?, register(5)?, register(6)?, register(7)?],
        mr_config_id: register(1)?,
        mr_owner: register(2)?,
        mr_owner_config: register(3)?,
        tee_tcb_svn: at::<16>(report, 0x108)?.into(),
        mr_seam: at::<48>(report, 0x118)?.into(),
        mr_signer_seam: at::<48>(report, 0x148)?.into(),
        seam_attributes: at::<8>(report, 0x178)?.into(),
        td_attributes: attributes.into(),
        xfam: at::<8>(report, 0x208)?.into(),
        debug: attributes.first() != Some(&0),
    };
    Some((identity, at::<64>(report, 0x80)?))
}

fn at<const N: usize>(report: &[u8], offset: usize) -> Option<[u8; N]> {
    report.get(offset..)?.first_chunk::<N>().copied()
}

fn refused(description: &str) -> Response {
    let body = json!({"error": "invalid_request", "error_description": description});
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use casque_testkit::azure_vm::td_report;
    use casque_testkit::tdx::software_tdx_identity;

    use super::*;

    #[test]
    fn report_is_read_as_it_is_made() {
        let mut identity = software_tdx_identity([7; 48]);
        identity.rtmr = [[1; 48], [2; 48], [3; 48], [4; 48]].map(Digest::from);
        identity.mr_config_id = [5; 48].into();
        identity.mr_owner = [6; 48].into();
        identity.mr_owner_config = [8; 48].into();
        let report = td_report(&identity, &[9; 64]);
        assert_eq!(domain_of(&report), Some((identity, [9; 64])));
        assert_eq!(domain_of(&report[..1023]), None);
    }
}
