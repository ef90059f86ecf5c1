//! What identifies a trust domain of Intel TDX (Intel TDX Module ABI, TDREPORT; TDX DCAP quote, TD report body).

use crate::Digest;

/// What a quote states of its trust domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TdxIdentity {
    /// Digest of the initial memory (`MRTD`).
    pub mr_td: Digest<48>,
    /// Registers that software in the domain extends (`RTMR0` to `RTMR3`); all zero behind Azure's paravisor.
    pub rtmr: [Digest<48>; 4],
    /// What the host said of the configuration at launch (`MRCONFIGID`).
    pub mr_config_id: Digest<48>,
    /// What the host said of the owner (`MROWNER`).
    pub mr_owner: Digest<48>,
    /// What the host said of the owner's configuration (`MROWNERCONFIG`).
    pub mr_owner_config: Digest<48>,
    /// Digest of the TDX module (`MRSEAM`).
    pub mr_seam: Digest<48>,
    /// Digest of the module's signer (`MRSIGNERSEAM`); zero for Intel's.
    pub mr_signer_seam: Digest<48>,
    /// Attributes of the module, as in the quote.
    pub seam_attributes: Digest<8>,
    /// Attributes of the domain, as in the quote; bits of the first byte but 0 are reserved.
    pub td_attributes: Digest<8>,
    /// Features of the processor that the domain may use, as in the quote.
    pub xfam: Digest<8>,
    /// Versions of the module's and platform's components (`TEE_TCB_SVN`).
    pub tee_tcb_svn: Digest<16>,
    /// Any bit of the byte TUD of the attributes: the host may read the domain's memory, or profile it.
    pub debug: bool,
}
