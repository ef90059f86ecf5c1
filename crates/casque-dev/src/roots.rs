//! The roots of the software TEEs as a file, for a casqued in another process.

use casque_appraise::{AmdAnchor, TrustAnchors};
use casque_types::{SnpProduct, SnpProductParseError};
use casque_wire::AnyB64;
use serde::{Deserialize, Serialize};

/// What vouches for the software TEEs of one local world.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SoftwareRoots {
    /// Root of SGX and TDX, DER.
    pub sgx: AnyB64,
    /// Of SEV-SNP.
    pub amd: AmdRoots,
    /// Root over the keys of virtual TPMs, DER.
    pub azure_vtpm: AnyB64,
    /// Who may endorse utility virtual machines.
    pub uvm_issuers: Vec<String>,
}

/// Root and authorities of a generation, DER.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AmdRoots {
    /// The generation, as AMD spells it.
    pub product: String,
    /// Root.
    pub ark: AnyB64,
    /// Authority over VCEKs.
    pub ask: AnyB64,
    /// Authority over VLEKs.
    pub asvk: AnyB64,
}

impl SoftwareRoots {
    /// Beside those of the vendors, whom nothing of a local world comes from.
    ///
    /// # Errors
    /// [`SnpProductParseError`]: an unknown generation.
    pub fn anchors(self) -> Result<TrustAnchors, SnpProductParseError> {
        let product: SnpProduct = self.amd.product.parse()?;
        Ok(TrustAnchors::vendors()
            .dangerous_with_sgx_root(self.sgx.0)
            .dangerous_with_amd(vec![AmdAnchor {
                product,
                ark: self.amd.ark.0,
                ask: self.amd.ask.0,
                asvk: self.amd.asvk.0,
            }])
            .dangerous_with_azure_vtpm_root(self.azure_vtpm.0)
            .dangerous_with_uvm_issuers(self.uvm_issuers))
    }
}
