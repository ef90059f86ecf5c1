//! Request bodies: bounded before they are kept.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use casque_core::Blame;
use http_body_util::BodyExt as _;

use crate::answer::Refusal;
use crate::code::Code;

/// Reads a body of at most `most_bytes`.
///
/// What comes beyond is thrown away as it comes, so that a client that sends first and reads then meets the
/// answer, and not a broken pipe; the time limit of requests bounds that.
pub(crate) async fn bounded(mut body: Body, most_bytes: usize) -> Result<Bytes, Refusal> {
    let mut kept = BytesMut::new();
    let mut found_bytes = 0_usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken_off(&error))?;
        let Ok(chunk) = frame.into_data() else {
            continue;
        };
        found_bytes = found_bytes.saturating_add(chunk.len());
        if found_bytes <= most_bytes {
            kept.extend_from_slice(&chunk);
        } else {
            kept = BytesMut::new();
        }
        if found_bytes > MOST_DISCARDED_BYTES {
            break;
        }
    }
    if found_bytes > most_bytes {
        return Err(too_large(most_bytes));
    }
    Ok(kept.freeze())
}

pub(crate) fn too_large(most_bytes: usize) -> Refusal {
    let message = format!("expected a body of at most {most_bytes} bytes, found more");
    let hint = "split the policy, or import large values from Key Vault";
    Refusal::new(Blame::TooLarge, Code::BodyTooLarge, message, Some(hint))
}

fn broken_off(error: &axum::Error) -> Refusal {
    let message = format!("the body broke off: {error}");
    Refusal::new(Blame::Malformed, Code::BodyBrokenOff, message, None)
}

const MOST_DISCARDED_BYTES: usize = 256 * 1024 * 1024;
