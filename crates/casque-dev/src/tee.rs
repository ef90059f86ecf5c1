//! The software TEE of a local world, kept in its state folder.

use std::sync::Arc;

use casque_testkit::sgx::{SoftwareTee, SoftwareTeeError};
use casque_testkit::snp::SoftwareSnp;
use casque_types::{Secret, SnpProduct};
use thiserror::Error;

use crate::clock::system_now;
use crate::state::{FileError, StateDirectory};

/// Why there is no software TEE.
#[derive(Debug, Error)]
pub enum TeeError {
    /// Its file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// It cannot be made, or its file is none.
    #[error("the software TEE in `{TEE_FILE}`")]
    Tee(#[from] SoftwareTeeError),
    /// There is none yet.
    #[error("there is no software TEE in this state folder yet: start `casque-dev up` first")]
    Absent,
}

/// The one in the state folder, or a new one.
///
/// # Errors
/// [`TeeError`]
pub fn load_or_make(state: &StateDirectory) -> Result<Arc<SoftwareTee>, TeeError> {
    match load(state) {
        Err(TeeError::Absent) => {
            let tee = SoftwareTee::generate(system_now())?;
            // Exposed: to be kept in a file of mode 0600.
            state.write(TEE_FILE, tee.to_bytes().expose())?;
            Ok(Arc::new(tee))
        }
        found => found.map(Arc::new),
    }
}

/// The one in the state folder.
///
/// # Errors
/// [`TeeError`]
pub fn load(state: &StateDirectory) -> Result<SoftwareTee, TeeError> {
    let stored = state.read(TEE_FILE)?.ok_or(TeeError::Absent)?;
    Ok(SoftwareTee::from_bytes(&Secret::new(stored))?)
}

/// The platform of SEV-SNP in the state folder, or a new one: a Milan.
///
/// # Errors
/// [`TeeError`]
pub fn load_or_make_snp(state: &StateDirectory) -> Result<Arc<SoftwareSnp>, TeeError> {
    if let Some(stored) = state.read(SNP_FILE)? {
        return Ok(Arc::new(SoftwareSnp::from_bytes(&Secret::new(stored))?));
    }
    let snp = SoftwareSnp::generate(SnpProduct::Milan, system_now())?;
    // Exposed: to be kept in a file of mode 0600.
    state.write(SNP_FILE, snp.to_bytes()?.expose())?;
    Ok(Arc::new(snp))
}

const SNP_FILE: &str = "software-snp.json";
const TEE_FILE: &str = "software-tee.json";
