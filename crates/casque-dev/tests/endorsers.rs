//! The local services of Intel and AMD, asked by what a server asks them with; and quotes of the metadata service.
#![allow(
    clippy::unwrap_used,
    reason = "the functions that tests call are tests"
)]

mod support;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use casque_appraise::{
    AmdEndorsementsId, Appraiser, Endorsements, Evidence, Identity, IntelTee, TdxQuote, VcekId,
};
use casque_endorse::{EndorserSettings, Endorsers};
use casque_testkit::azure_vm::td_report;
use casque_testkit::tdx::software_tdx_identity;
use casque_types::{SnpProduct, SnpSigner, Timestamp};
use hyper::{Method, StatusCode};
use support::Local;

fn now() -> Timestamp {
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    Timestamp::from_unix_s(now.try_into().unwrap())
}

fn endorsers(local: &Local) -> Endorsers {
    let settings = EndorserSettings {
        intel: vec![local.at().pccs.clone()],
        amd: vec![local.at().pccs.clone()],
        amd_spacing: Duration::ZERO,
        ca_file: Some(local.at().ca_file.clone()),
        ..EndorserSettings::default()
    };
    Endorsers::new(&settings, &local.tees.anchors()).unwrap()
}

#[tokio::test]
async fn endorsements_of_every_software_tee_verify_as_they_come() {
    let local = Local::start().await;
    let endorsers = endorsers(&local);
    for tee in [IntelTee::Sgx, IntelTee::Tdx] {
        let id = local.tee.endorsements_id_of(tee);
        endorsers.intel(id, now()).await.unwrap();
    }
    let snp = &local.tees.snp;
    let known = VcekId {
        chip_id: snp.platform().chip_id.clone(),
        tcb: snp.platform().tcb,
    };
    let id = |vcek| AmdEndorsementsId {
        product: SnpProduct::Milan,
        signer: SnpSigner::Vcek,
        vcek: Some(vcek),
    };
    let amd = endorsers.amd(&id(known.clone()), now()).await.unwrap();
    assert_eq!(amd.vcek.as_deref(), Some(snp.certificate(SnpSigner::Vcek)));
    assert_eq!((amd.chain.len(), amd.crl.is_some()), (2, true));
    let mut other = known;
    other.tcb.snp = 1;
    let failure = endorsers.amd(&id(other), now()).await.unwrap_err();
    assert_eq!(failure.code, "endorser-unknown-platform");
}

#[tokio::test]
async fn metadata_service_quotes_a_report_of_tdx() {
    let local = Local::start().await;
    let identity = software_tdx_identity([7; 48]);
    let report = URL_SAFE_NO_PAD.encode(td_report(&identity, &[9; 64]));
    let url = format!("{}/acc/tdquote", local.at().imds);
    let json = [("content-type", "application/json")];
    let body = format!(r#"{{"report":"{report}"}}"#);
    let answer = local.ask(Method::POST, &url, &json, &body).await;
    assert_eq!(answer.status, StatusCode::OK);
    let answer: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let quote = URL_SAFE_NO_PAD
        .decode(answer["quote"].as_str().unwrap())
        .unwrap();
    let quote = TdxQuote::parse(&quote).unwrap();
    let id = quote.endorsements_id().unwrap();
    let endorsements = Endorsements {
        intel: Some(endorsers(&local).intel(id, now()).await.unwrap()),
        amd: None,
    };
    let appraiser = Appraiser::new(local.tees.anchors());
    let verdict = appraiser
        .verify(&Evidence::Tdx(quote), &endorsements, now())
        .unwrap();
    assert_eq!(*verdict.identity(), Identity::Tdx(identity));
    let refused = local
        .ask(Method::POST, &url, &json, r#"{"report":"AAAA"}"#)
        .await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
}
