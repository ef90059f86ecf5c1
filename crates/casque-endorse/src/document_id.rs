//! Which document: a kind and a subject, in words that name it in files, bundles and messages.

use std::fmt;

use casque_appraise::{
    AmdEndorsementsId, EndorsementsId, IntelEndorsementsId, IntelTee, PckAuthority, VcekId,
};
use casque_types::{SnpProduct, SnpSigner, SnpTcb};

/// Which document.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DocumentId {
    /// Intel's TCB information, QE identity and revocation lists.
    Intel(IntelEndorsementsId),
    /// The certificate of a VCEK.
    AmdVcek {
        /// The generation.
        product: SnpProduct,
        /// The key.
        vcek: VcekId,
    },
    /// Intermediate and root.
    AmdChain {
        /// The generation.
        product: SnpProduct,
        /// Over which kind of keys.
        signer: SnpSigner,
    },
    /// The revocation list.
    AmdCrl {
        /// The generation.
        product: SnpProduct,
        /// Over which kind of keys.
        signer: SnpSigner,
    },
}

/// Who publishes a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vendor {
    Intel,
    Amd,
}

impl DocumentId {
    /// All that a piece of evidence needs.
    #[must_use]
    pub fn of(id: &EndorsementsId) -> Vec<Self> {
        match id {
            EndorsementsId::Intel(id) => vec![Self::Intel(*id)],
            EndorsementsId::Amd(id) => Self::of_amd(id),
        }
    }

    /// All that a report of SEV-SNP needs; the chain first, since the certificate is verified by it.
    #[must_use]
    pub fn of_amd(id: &AmdEndorsementsId) -> Vec<Self> {
        let (product, signer) = (id.product, id.signer);
        let crl = Self::AmdCrl { product, signer };
        let chain = Self::AmdChain { product, signer };
        let all = [chain, crl].into_iter();
        all.chain(Self::vcek_of(id)).collect()
    }

    /// The processor's certificate, where evidence does not bring it.
    pub(crate) fn vcek_of(id: &AmdEndorsementsId) -> Option<Self> {
        let product = id.product;
        let vcek = id.vcek.clone();
        let vcek = vcek.filter(|_| id.signer == SnpSigner::Vcek)?;
        Some(Self::AmdVcek { product, vcek })
    }

    /// The word for its kind: `intel`, `amd-vcek`, `amd-chain`, `amd-crl`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Intel(_) => "intel",
            Self::AmdVcek { .. } => "amd-vcek",
            Self::AmdChain { .. } => "amd-chain",
            Self::AmdCrl { .. } => "amd-crl",
        }
    }

    /// What it is about, as a word that may stand in a file name: `sgx-00906ed50000-platform`,
    /// `milan-<chip>-3.0.8.115` (boot loader, TEE, SNP, microcode; on Turin FMC before them), `genoa-vcek`.
    #[must_use]
    pub fn subject(&self) -> String {
        match self {
            Self::Intel(id) => {
                let (tee, authority) = (id.tee.as_str(), id.authority.as_str());
                format!("{tee}-{}-{authority}", hex::encode(id.fmspc))
            }
            Self::AmdVcek { product, vcek } => {
                let (chip, tcb) = (hex::encode(&vcek.chip_id), tcb_text(vcek.tcb));
                format!("{}-{chip}-{tcb}", lower(*product))
            }
            Self::AmdChain { product, signer } | Self::AmdCrl { product, signer } => {
                format!("{}-{}", lower(*product), signer.as_str())
            }
        }
    }

    /// Reads what [`DocumentId::kind`] and [`DocumentId::subject`] write.
    #[must_use]
    pub fn parse(kind: &str, subject: &str) -> Option<Self> {
        let parts: Vec<&str> = subject.split('-').collect();
        let id = match (kind, parts.as_slice()) {
            ("intel", [tee, fmspc, authority]) => Self::Intel(IntelEndorsementsId {
                tee: tee_of(tee)?,
                fmspc: fmspc_of(fmspc)?,
                authority: authority_of(authority)?,
            }),
            ("amd-vcek", [product, chip, tcb]) => Self::AmdVcek {
                product: product.parse().ok()?,
                vcek: VcekId {
                    chip_id: chip_of(chip)?,
                    tcb: tcb_of(tcb)?,
                },
            },
            ("amd-chain", [product, signer]) => Self::AmdChain {
                product: product.parse().ok()?,
                signer: signer_of(signer)?,
            },
            ("amd-crl", [product, signer]) => Self::AmdCrl {
                product: product.parse().ok()?,
                signer: signer_of(signer)?,
            },
            _ => return None,
        };
        // One spelling for each, since it names a file.
        (id.subject() == subject).then_some(id)
    }

    /// How its bytes end in a file's name.
    pub(crate) const fn extension(&self) -> &'static str {
        match self {
            Self::Intel(_) => "json",
            Self::AmdVcek { .. } => "der",
            Self::AmdChain { .. } => "pem",
            Self::AmdCrl { .. } => "crl",
        }
    }

    /// A name for its file, without what it ends in.
    pub(crate) fn file_stem(&self) -> String {
        format!("{}-{}", self.kind(), self.subject())
    }

    /// Whether evidence names it that nobody has verified; of the others there are few.
    pub(crate) const fn is_named_by_evidence(&self) -> bool {
        matches!(self, Self::Intel(_) | Self::AmdVcek { .. })
    }

    /// Whether there are as many as processors times levels.
    pub(crate) const fn is_of_one_processor(&self) -> bool {
        matches!(self, Self::AmdVcek { .. })
    }

    pub(crate) const fn vendor(&self) -> Vendor {
        match self {
            Self::Intel(_) => Vendor::Intel,
            Self::AmdVcek { .. } | Self::AmdChain { .. } | Self::AmdCrl { .. } => Vendor::Amd,
        }
    }
}

impl fmt::Display for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), self.subject())
    }
}

fn lower(product: SnpProduct) -> String {
    product.as_str().to_ascii_lowercase()
}

fn tcb_text(tcb: SnpTcb) -> String {
    let SnpTcb {
        fmc,
        bootloader,
        tee,
        snp,
        microcode,
    } = tcb;
    let fmc = fmc.map(|fmc| format!("{fmc}.")).unwrap_or_default();
    format!("{fmc}{bootloader}.{tee}.{snp}.{microcode}")
}

/// Four numbers, or five with FMC first.
pub(crate) fn tcb_of(text: &str) -> Option<SnpTcb> {
    let numbers: Vec<u8> = text
        .split('.')
        .map(|part| part.parse().ok())
        .collect::<Option<_>>()?;
    let (fmc, rest) = match numbers.as_slice() {
        [fmc, rest @ ..] if rest.len() == 4 => (Some(*fmc), rest),
        rest => (None, rest),
    };
    let [bootloader, tee, snp, microcode] = *rest else {
        return None;
    };
    Some(SnpTcb {
        fmc,
        bootloader,
        tee,
        snp,
        microcode,
    })
}

pub(crate) fn chip_of(text: &str) -> Option<Vec<u8>> {
    let chip = hex::decode(text).ok()?;
    matches!(chip.len(), 8 | 64).then_some(chip)
}

pub(crate) fn fmspc_of(text: &str) -> Option<[u8; 6]> {
    let mut fmspc = [0; 6];
    hex::decode_to_slice(text, &mut fmspc).ok()?;
    Some(fmspc)
}

pub(crate) fn tee_of(text: &str) -> Option<IntelTee> {
    [IntelTee::Sgx, IntelTee::Tdx]
        .into_iter()
        .find(|tee| tee.as_str() == text)
}

pub(crate) fn authority_of(text: &str) -> Option<PckAuthority> {
    let mut all = [PckAuthority::Processor, PckAuthority::Platform].into_iter();
    all.find(|authority| authority.as_str() == text)
}

pub(crate) fn signer_of(text: &str) -> Option<SnpSigner> {
    [SnpSigner::Vcek, SnpSigner::Vlek]
        .into_iter()
        .find(|signer| signer.as_str() == text)
}
