//! Request bodies: bounded before they are kept.

use axum::body::Body;
use bytes::Bytes;
use casque_core::Blame;
use http_body_util::BodyExt as _;
use zeroize::Zeroizing;

use crate::answer::Refusal;
use crate::code::Code;

/// Reads a body of at most `most_bytes`; `hint` is for who sends more.
///
/// What comes beyond is thrown away as it comes, so that a client that sends first and reads then meets the
/// answer, and not a broken pipe; the time limit of requests bounds that. What is kept is wiped: a policy can
/// hold secrets.
pub(crate) async fn bounded(
    mut body: Body,
    most_bytes: usize,
    hint: &'static str,
) -> Result<Bytes, Refusal> {
    let mut kept = Zeroizing::new(Vec::new());
    let mut found_bytes = 0_usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken_off(&error))?;
        let Ok(chunk) = frame.into_data() else {
            continue;
        };
        found_bytes = found_bytes.saturating_add(chunk.len());
        if found_bytes <= most_bytes {
            keep(&mut kept, &chunk);
        } else {
            kept = Zeroizing::new(Vec::new());
        }
        if found_bytes > MOST_DISCARDED_BYTES {
            break;
        }
    }
    if found_bytes > most_bytes {
        return Err(too_large(most_bytes, hint));
    }
    Ok(Bytes::from_owner(kept))
}

/// Grows by a new block, so that the old one is wiped.
fn keep(kept: &mut Zeroizing<Vec<u8>>, chunk: &[u8]) {
    let wanted = kept.len().saturating_add(chunk.len());
    if wanted > kept.capacity() {
        let mut grown = Zeroizing::new(Vec::with_capacity(wanted.next_power_of_two()));
        grown.extend_from_slice(kept);
        *kept = grown;
    }
    kept.extend_from_slice(chunk);
}

pub(crate) fn too_large(most_bytes: usize, hint: &'static str) -> Refusal {
    let message = format!("expected a body of at most {most_bytes} bytes, found more");
    Refusal::new(Blame::TooLarge, Code::BodyTooLarge, message, Some(hint))
}

fn broken_off(error: &axum::Error) -> Refusal {
    let message = format!("the body broke off: {error}");
    let hint = "send it again";
    Refusal::new(Blame::Malformed, Code::BodyBrokenOff, message, Some(hint))
}

const MOST_DISCARDED_BYTES: usize = 256 * 1024 * 1024;
