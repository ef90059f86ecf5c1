//! What identifies a guest of AMD SEV-SNP (AMD publication 56860, SNP Firmware ABI, table "ATTESTATION_REPORT").

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::Digest;

/// What a report states of its guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnpIdentity {
    /// Digest of the guest's initial memory (`MEASUREMENT`).
    pub measurement: Digest<48>,
    /// What the host said at launch (`HOST_DATA`); in confidential containers the digest of their policy.
    pub host_data: Digest<32>,
    /// Digest of the key that signed the guest's id block (`ID_KEY_DIGEST`).
    pub id_key_digest: Digest<48>,
    /// Digest of the key that signed that key (`AUTHOR_KEY_DIGEST`).
    pub author_key_digest: Digest<48>,
    /// `FAMILY_ID` of the id block.
    pub family_id: Digest<16>,
    /// `IMAGE_ID` of the id block.
    pub image_id: Digest<16>,
    /// Changes with each launch of a guest (`REPORT_ID`).
    pub report_id: Digest<32>,
    /// Security version of the guest (`GUEST_SVN`).
    pub guest_svn: u32,
    /// Privilege level that asked for the report, 0 (highest) to 3.
    pub vmpl: u32,
    /// Policy bit 19: the host may read the guest's memory.
    pub debug: bool,
    /// Policy bit 18: a migration agent may move the guest elsewhere.
    pub migration_allowed: bool,
    /// Policy bit 16: the guest may run beside others on a core.
    pub smt_allowed: bool,
}

/// The platform that a report is from, as far as it is stated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnpPlatform {
    /// The generation of processors; a token of the attestation service may not say it.
    pub product: Option<SnpProduct>,
    /// The level that the report was made at (`REPORTED_TCB`).
    pub reported_tcb: SnpTcb,
    /// The processor: 64 bytes, 8 on Turin; absent where it is masked (VLEK) or not said.
    pub chip_id: Option<Vec<u8>>,
    /// The key that signed the report, if the report itself was judged.
    pub signer: Option<SnpSigner>,
    /// Whether AMD's revocation list was looked at, and names none of the certificates.
    pub revocation_judged: bool,
}

/// A generation of processors with SEV-SNP, by the name of its root key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SnpProduct {
    /// EPYC 7003.
    Milan,
    /// EPYC 9004, 8004 and their kin.
    Genoa,
    /// EPYC 9005.
    Turin,
}

impl SnpProduct {
    /// All, in the order of their age.
    pub const ALL: [Self; 3] = [Self::Milan, Self::Genoa, Self::Turin];

    /// AMD's name in paths of its key service: `Milan`, `Genoa`, `Turin`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Milan => "Milan",
            Self::Genoa => "Genoa",
            Self::Turin => "Turin",
        }
    }
}

impl fmt::Display for SnpProduct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SnpProduct {
    type Err = SnpProductParseError;
    /// In any case of letters.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut all = Self::ALL.into_iter();
        all.find(|one| one.as_str().eq_ignore_ascii_case(text))
            .ok_or(SnpProductParseError)
    }
}

/// A text names no generation.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
#[error("expected `milan`, `genoa` or `turin`")]
pub struct SnpProductParseError;

/// Which key signs a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SnpSigner {
    /// The versioned chip endorsement key: of one processor at one level.
    Vcek,
    /// The versioned loaded endorsement key: of a cloud provider at one level.
    Vlek,
}

impl SnpSigner {
    /// `vcek` or `vlek`, as in paths of AMD's key service.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Vcek => "vcek",
            Self::Vlek => "vlek",
        }
    }
}

impl fmt::Display for SnpSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vcek => "VCEK",
            Self::Vlek => "VLEK",
        })
    }
}

/// Versions of a platform's trusted computing base, one for each component. Not ordered as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SnpTcb {
    /// Of the FMC; Turin and later alone.
    pub fmc: Option<u8>,
    /// Of the boot loader.
    pub bootloader: u8,
    /// Of the operating system of the security processor.
    pub tee: u8,
    /// Of the SNP firmware.
    pub snp: u8,
    /// The lowest patch level of the cores.
    pub microcode: u8,
}

impl fmt::Display for SnpTcb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(fmc) = self.fmc {
            write!(f, "fmc {fmc} ")?;
        }
        write!(
            f,
            "bootloader {} tee {} snp {} microcode {}",
            self.bootloader, self.tee, self.snp, self.microcode
        )
    }
}
