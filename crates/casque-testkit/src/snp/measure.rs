//! What the software TEE calls the measurement of a guest: SHA-384 over the bytes of the program's file.

use std::io::{self, Read};

use aws_lc_rs::digest;
use casque_types::{Digest, SnpIdentity, sha256};

use crate::sgx::digest_of;

/// Measures a program: SHA-384 over everything that `program` yields.
///
/// # Errors
/// The reader's own.
pub fn measure_snp_program(program: impl Read) -> io::Result<Digest<48>> {
    let measurement: [u8; 48] = digest_of(program, &digest::SHA384)?;
    Ok(measurement.into())
}

/// The guest of this measurement: privilege level 0, version 1, not debug, host data zero, as Azure's guests
/// with multithreading.
#[must_use]
pub fn software_snp_identity(measurement: Digest<48>) -> SnpIdentity {
    SnpIdentity {
        measurement,
        host_data: [0; 32].into(),
        id_key_digest: [0x1D; 48].into(),
        author_key_digest: [0; 48].into(),
        family_id: [1; 16].into(),
        image_id: [2; 16].into(),
        report_id: sha256(measurement.as_bytes()),
        guest_svn: 1,
        vmpl: 0,
        debug: false,
        migration_allowed: false,
        smt_allowed: true,
    }
}
