//! What identifies an SGX enclave (Intel SDM volume 3D, REPORT structure).

use crate::digest::named_digest;

named_digest!(
    /// The measurement of an enclave's initial code and data (`MRENCLAVE`).
    MrEnclave,
    32
);
named_digest!(
    /// The digest of the key that signed the enclave (`MRSIGNER`).
    MrSigner,
    32
);

/// The identity that an SGX report states of its enclave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SgxIdentity {
    /// Measurement of the enclave.
    pub mr_enclave: MrEnclave,
    /// Digest of its signer's key.
    pub mr_signer: MrSigner,
    /// `ISVPRODID`, the signer's number for the product.
    pub product_id: u16,
    /// `ISVSVN`, the product's security version.
    pub svn: u16,
    /// Whether the DEBUG attribute is set: its memory can be read from outside.
    pub debug: bool,
}
