//! What the software TEE calls the measurement of a program.
//!
//! `MRENCLAVE` is SHA-256 over the bytes of the program's file, as stored: a changed program is another
//! service. Arguments, environment and libraries are not measured. `MRSIGNER` is SHA-256 over a fixed
//! text, product id and security version are 1.

use std::io::{self, Read};

use aws_lc_rs::digest;
use casque_types::{MrEnclave, MrSigner, SgxIdentity, sha256};

/// Measures a program: SHA-256 over everything that `program` yields.
///
/// # Errors
/// The reader's own.
pub fn measure_program(program: impl Read) -> io::Result<MrEnclave> {
    let measurement: [u8; 32] = digest_of(program, &digest::SHA256)?;
    Ok(measurement.into())
}

/// The digest, `N` bytes long, of everything that `program` yields.
pub(crate) fn digest_of<const N: usize>(
    mut program: impl Read,
    algorithm: &'static digest::Algorithm,
) -> io::Result<[u8; N]> {
    let mut context = digest::Context::new(algorithm);
    let mut block = [0_u8; 16 * 1024];
    loop {
        let read = match program.read(&mut block) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        context.update(block.get(..read).unwrap_or_default());
    }
    let mut measurement = [0_u8; N];
    measurement.copy_from_slice(context.finish().as_ref());
    Ok(measurement)
}

/// The signer of every program in the software TEE.
#[must_use]
pub fn software_signer() -> MrSigner {
    sha256(SIGNER).into()
}

/// The identity of a program of this measurement: the software signer's product 1, version 1, not debug.
#[must_use]
pub fn software_identity(mr_enclave: MrEnclave) -> SgxIdentity {
    SgxIdentity {
        mr_enclave,
        mr_signer: software_signer(),
        product_id: 1,
        svn: 1,
        debug: false,
    }
}

const SIGNER: &[u8] = b"casque software TEE: signer of every program";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measure_program_is_sha256_of_its_bytes() {
        let program = vec![7_u8; 100_000];
        let measured = measure_program(program.as_slice()).unwrap();
        assert_eq!(measured.as_bytes(), sha256(&program).as_bytes());
    }

    #[test]
    fn measure_program_one_changed_byte_is_another_measurement() {
        let mut program = vec![7_u8; 100_000];
        let before = measure_program(program.as_slice()).unwrap();
        program[99_999] ^= 1;
        let after = measure_program(program.as_slice()).unwrap();
        assert_ne!(before, after);
    }
}
