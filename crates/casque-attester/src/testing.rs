//! What this crate's tests share.

use std::thread;

use casque_types::{Kem, KemPublicKey, KeyHash, Nonce, RuntimeData};

use crate::{GuestData, Wait, Waiter};

/// Lets other threads run between attempts, and gives up after very many.
pub(crate) struct Patient;

impl Waiter for Patient {
    fn wait(&self, attempt: u32) -> Wait {
        thread::yield_now();
        if attempt < 1_000_000 {
            Wait::Again
        } else {
            Wait::GiveUp
        }
    }
}

/// Gives up after a few attempts.
pub(crate) struct Impatient;

impl Waiter for Impatient {
    fn wait(&self, attempt: u32) -> Wait {
        if attempt < 5 {
            Wait::Again
        } else {
            Wait::GiveUp
        }
    }
}

/// The report data of some request.
pub(crate) fn report_data(nonce: u8) -> GuestData {
    let key = KemPublicKey::from_bytes(Kem::XWing, vec![0; 1216]).unwrap();
    let nonce = Nonce::from_bytes(vec![nonce]).unwrap();
    let config = "app/web".parse().unwrap();
    let runtime = RuntimeData::new(KeyHash::from([0; 32]), config, nonce, key);
    runtime.report_data().into()
}

/// Bytes that carry report data at `offset`.
pub(crate) fn carrying(report_data: &[u8], offset: usize) -> Vec<u8> {
    let mut bytes = vec![0_u8; offset];
    bytes.extend_from_slice(report_data);
    bytes.extend_from_slice(&[0; 100]);
    bytes
}
