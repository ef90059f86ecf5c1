//! The refusals of Microsoft Azure Attestation in words.
//!
//! Source: Azure Attestation REST API, `CloudError`: `{"error":{"code","message"}}`.

use casque_core::{SourceFailure, SourceKind};
use casque_types::Timestamp;
use serde::Deserialize;

use super::{Asked, GUEST};
use crate::code::Code;
use crate::failure::{lasting, passing, quoted};
use crate::http::Answer;
use crate::json;

/// The failure that an answer other than 200 is.
pub(super) fn failure(asked: &Asked<'_>, answer: &Answer, now: Timestamp) -> SourceFailure {
    let raw: RawRefusal = json::read(&answer.body).unwrap_or_default();
    let code = code(answer, &raw.error);
    let what = what(asked, answer, &raw.error);
    match code {
        Code::MaaThrottled | Code::MaaUnavailable => passing(
            SourceKind::Maa,
            code,
            what,
            mend(code, asked),
            answer.retry_after(now),
        ),
        _ => lasting(SourceKind::Maa, code, what, mend(code, asked)),
    }
}

fn code(answer: &Answer, error: &RawError) -> Code {
    match answer.status.as_u16() {
        400 if error.code.starts_with("Policy") => Code::MaaPolicyRefused,
        400 => Code::MaaEvidenceRefused,
        401 | 403 => Code::MaaAccessDenied,
        404 => Code::MaaInstanceNotFound,
        429 => Code::MaaThrottled,
        500.. => Code::MaaUnavailable,
        _ => Code::MaaRefused,
    }
}

fn what(asked: &Asked<'_>, answer: &Answer, error: &RawError) -> String {
    let mut facts = vec![format!("HTTP {}", answer.status.as_u16())];
    if !error.code.is_empty() {
        facts.push(quoted(&error.code, 60));
    }
    if !error.message.is_empty() {
        facts.push(format!(
            "\"{}\"",
            quoted(&error.message, 300).replace('"', "'")
        ));
    }
    if let Some(id) = answer.header("x-ms-request-id") {
        facts.push(format!("request id {}", quoted(id, 60)));
    }
    format!("{}: it refused ({})", asked.sentence(), facts.join(", "))
}

fn mend(code: Code, asked: &Asked<'_>) -> &'static str {
    match code {
        Code::MaaEvidenceRefused if asked.what == GUEST => {
            "the report, the TPM's key, its certificate, its registers or the boot's log do not fit together for this \
             instance, or the platform's TCB is below the baseline of its policy: update the platform, attest again, \
             or leave `--azure-guest` out"
        }
        Code::MaaEvidenceRefused => {
            "the evidence is not authentic for this instance, or the platform's TCB is below the baseline of \
             its policy: update the platform, or look at the instance's baseline"
        }
        Code::MaaPolicyRefused => {
            "the instance's own attestation policy denies this evidence: change that policy, or use \
             another instance"
        }
        Code::MaaAccessDenied => {
            "the instance takes requests from signed-in users only: use an instance that does not, such \
             as a shared one, or have the workload bring its own token"
        }
        Code::MaaInstanceNotFound => "check the attestation URL in the policy",
        Code::MaaThrottled => "try again later, or use an instance of your own",
        Code::MaaUnavailable => "try again later; see Azure's service status if it lasts",
        _ => {
            "check the attestation URL in the policy; report it with the request id if it is right"
        }
    }
}

/// The refusal as it stands on the wire.
#[derive(Debug, Default, Deserialize)]
struct RawRefusal {
    error: RawError,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawError {
    code: String,
    message: String,
}
