//! `POST /attest/AzureGuest`: a guest with its TPM, answered with a token that its TPM alone can open.
//!
//! `{"AttestationInfo": "<base64url of JSON>"}`, answered `{"token": "<base64url of JSON>"}`: see
//! `casque_testkit::maa::AttestationInfo` for both, and for what is judged.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use casque_testkit::maa::{AttestationInfo, SoftwareMaa};
use serde::Deserialize;

use super::{ApiVersion, AttestError, Maa, answer};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GuestBody {
    attestation_info: String,
}

pub(super) async fn attest(
    State(maa): State<Arc<Maa>>,
    query: ApiVersion,
    body: Bytes,
) -> Response {
    let request = serde_json::from_slice::<GuestBody>(&body).map_err(AttestError::Body);
    let token = request.and_then(|request| maa.attest_guest(&request.attestation_info));
    answer(&query, token)
}

impl Maa {
    /// Judges a guest, and seals the token to its TPM.
    fn attest_guest(&self, info: &str) -> Result<String, AttestError> {
        let now = self.faults.now();
        let info = AttestationInfo::parse(info)?;
        let endorsements = self.endorsements(info.tee(), now)?;
        let mut spec = SoftwareMaa::judge_guest(&info, &endorsements, &self.appraiser, now)?;
        spec.expires = self.expiry(now);
        Ok(info.seal(&self.sign(&spec)?)?)
    }
}
