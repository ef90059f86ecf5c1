//! The wall clock of the local Azure, and ids that nobody can guess: the only place that asks for either.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use casque_types::Timestamp;

/// Now.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the one place in this program that reads the wall clock"
)]
pub(crate) fn system_now() -> Timestamp {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH);
    Timestamp::from_unix_s(elapsed.map_or(0, |e| e.as_secs()))
}

/// A point of time to measure from.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the one place in this program that reads the monotonic clock"
)]
pub(crate) fn monotonic() -> Instant {
    Instant::now()
}

/// A random version 4 GUID.
#[must_use]
pub(crate) fn guid() -> String {
    let mut b = random::<16>();
    b[6] = (b[6] & 0x0f) | 0x40;
    b[8] = (b[8] & 0x3f) | 0x80;
    let hex = hex::encode(b);
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32];
    let parts: Vec<&str> = parts.into_iter().filter_map(|r| hex.get(r)).collect();
    parts.join("-")
}

/// 32 random hexadecimal digits: the version of a Key Vault object.
#[must_use]
pub(crate) fn version_id() -> String {
    hex::encode(random::<16>())
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0_u8; N];
    // Ids need to differ, not to be secret: should the source fail, zeroes are a visible id.
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        tracing::error!("the source of randomness failed");
    }
    bytes
}
