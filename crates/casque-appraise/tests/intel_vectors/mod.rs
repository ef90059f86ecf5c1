//! Real quotes and endorsements of Intel's TEEs, found through `CASQUE_VECTORS` (default `../shared/vectors` beside the
//! repository); absent ones are skipped and said so.
#![expect(
    unreachable_pub,
    clippy::print_stdout,
    reason = "a part of tests, in files of their own"
)]

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use casque_appraise::IntelEndorsements;
use serde_json::Value;

/// A vector's bytes, or `None`, said aloud, when it is not there.
pub fn vector(path: &str) -> Option<Vec<u8>> {
    let root = std::env::var_os("CASQUE_VECTORS").map_or_else(
        || {
            PathBuf::from(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../../../shared/vectors"
            ))
        },
        PathBuf::from,
    );
    let read = fs::read(root.join("evidence").join(path)).ok();
    if read.is_none() {
        println!("skipped: no vector {path}");
    }
    read
}

/// Endorsements in the JSON form of `dcap-qvl`.
pub fn endorsements(path: &str) -> Option<Arc<IntelEndorsements>> {
    let json: Value = serde_json::from_slice(&vector(path)?).unwrap();
    let text = |name: &str| json[name].as_str().unwrap().to_owned();
    let bytes = |name: &str| {
        let digits = text(name).into_bytes();
        (digits.chunks(2))
            .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect::<Vec<u8>>()
    };
    Some(Arc::new(IntelEndorsements {
        tcb_info_issuer_chain: text("tcb_info_issuer_chain"),
        tcb_info: text("tcb_info"),
        tcb_info_signature: bytes("tcb_info_signature"),
        qe_identity_issuer_chain: text("qe_identity_issuer_chain"),
        qe_identity: text("qe_identity"),
        qe_identity_signature: bytes("qe_identity_signature"),
        pck_crl_issuer_chain: text("pck_crl_issuer_chain"),
        pck_crl: bytes("pck_crl"),
        root_ca_crl: bytes("root_ca_crl"),
    }))
}
