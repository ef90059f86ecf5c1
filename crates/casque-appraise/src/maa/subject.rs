//! Of whom a token speaks, by the claims of the service (spec/azure.md section 3.3).
//!
//! Only names that the service itself writes are read: `x-ms-sgx-*`, `x-ms-sevsnpvm-*`, `tdx_*` and
//! `attester_*` (with `dbgstat`) of TDX. Older names (`is-debuggable`, `sgx-mrenclave`) are written by the
//! instance's policy, and so by whoever owns an instance. `secureboot` is of that kind too: it can only take
//! away what the paravisor says of secure boot.
//!
//! A token of type `azurevm` speaks of a TEE in `x-ms-isolation-tee` alone. Virtual machines of trusted launch
//! get such tokens too, without it: they have no TEE.

use casque_types::{
    AttestationKeyProof, AzureVmIdentity, AzureVmTee, Digest, SgxIdentity, SnpIdentity,
    SnpPlatform, SnpProduct, SnpTcb, TdxIdentity,
};

use super::MaaAppraiseError;
use super::binding::{Paravisor, Runtime};
use super::json::{Json, Object};
use super::token::malformed;
use crate::{EvidenceParseError, Identity, Scope, Tcb, TcbStatus};

/// Of whom a token speaks.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub(super) identity: Identity,
    pub(super) tcb: Tcb,
    pub(super) scope: Scope,
    /// The report data of the TEE; tokens of early 2021 lack it.
    pub(super) report_data: Option<Digest<64>>,
    /// `x-ms-compliance-status` beside the TEE's claims.
    pub(super) compliance: Option<String>,
    /// `x-ms-sgx-collateral.quotehash`: of the quote as it was submitted.
    pub(super) quote_hash: Option<Digest<32>>,
    /// `x-ms-runtime` beside the TEE's claims.
    pub(super) runtime: Option<Runtime>,
}

/// Of whom a token speaks, or why of nobody; that is said once its signature is verified.
pub(super) type Stated = Result<Subject, MaaAppraiseError>;

impl Subject {
    /// Reads the claims of a token of this type.
    pub(super) fn parse(kind: &str, claims: &Object<'_>) -> Result<Stated, EvidenceParseError> {
        match kind {
            "sgx" | "sevsnpvm" | "tdxvm" => Self::of_tee(kind, claims),
            "azurevm" => Self::of_azure_vm(claims),
            found => Ok(Err(MaaAppraiseError::AttestationType {
                found: found.to_owned(),
            })),
        }
    }

    /// The paravisor's data, if those are the runtime data.
    pub(super) const fn paravisor(&self) -> Option<&Paravisor> {
        match &self.runtime {
            Some(Runtime::Paravisor(paravisor)) => Some(paravisor),
            _ => None,
        }
    }

    /// Whether the service says that it is a confidential virtual machine of Azure, paravisor and all.
    pub(super) fn is_compliant_vm(&self) -> bool {
        self.compliance.as_deref() == Some(COMPLIANT_VM)
    }

    fn of_tee(kind: &str, claims: &Object<'_>) -> Result<Stated, EvidenceParseError> {
        let mut reading = Reading::of(claims);
        let compliance = reading.optional_text(&COMPLIANCE)?;
        let (identity, tcb, scope, report_data) = match kind {
            "sgx" => (
                Identity::Sgx(sgx(&mut reading)?),
                Tcb::unknown(),
                Scope::Process,
                SGX_REPORT_DATA,
            ),
            "sevsnpvm" => (
                Identity::Snp(snp(&mut reading)?),
                snp_tcb(&mut reading)?,
                match compliance.as_deref() {
                    Some("azure-signed-katacc-uvm" | "azure-compliant-uvm") => Scope::Pod,
                    _ => Scope::Vm,
                },
                SNP_REPORT_DATA,
            ),
            _ => (
                Identity::Tdx(tdx(&mut reading)?),
                tdx_tcb(&mut reading)?,
                Scope::Vm,
                TDX_REPORT_DATA,
            ),
        };
        let subject = Self {
            identity,
            tcb,
            scope,
            report_data: reading.optional_digest(&report_data)?,
            compliance,
            quote_hash: quote_hash(claims)?,
            runtime: Runtime::parse_claim(claims)?,
        };
        Ok(reading.whole(subject))
    }

    fn of_azure_vm(claims: &Object<'_>) -> Result<Stated, EvidenceParseError> {
        let tee = match claims.member("x-ms-isolation-tee") {
            None | Some(Json::Null) => return Ok(Err(MaaAppraiseError::NoTee)),
            Some(Json::Object(tee)) => tee,
            Some(_) => return Err(malformed("`x-ms-isolation-tee` to be a JSON object")),
        };
        let kind = match tee.text("x-ms-attestation-type") {
            Some(kind @ ("sevsnpvm" | "tdxvm")) => kind,
            found => {
                return Ok(Err(MaaAppraiseError::AttestationType {
                    found: found.unwrap_or("nothing").chars().take(64).collect(),
                }));
            }
        };
        let said = Reading::of(claims).optional_flag(&SECURE_BOOT)?;
        let inner = match Self::of_tee(kind, tee)? {
            Ok(inner) => inner,
            Err(error) => return Ok(Err(error)),
        };
        if !inner.is_compliant_vm() {
            return Ok(Err(MaaAppraiseError::NotCompliant {
                found: inner.compliance,
            }));
        }
        let tee = match inner.identity {
            Identity::Snp(snp) => AzureVmTee::Snp(Box::new(snp)),
            Identity::Tdx(tdx) => AzureVmTee::Tdx(Box::new(tdx)),
            // `kind` is one of the two.
            _ => return Ok(Err(MaaAppraiseError::NoTee)),
        };
        let paravisor = match &inner.runtime {
            Some(Runtime::Paravisor(paravisor)) => Some(paravisor),
            _ => None,
        };
        let secure_boot = match said {
            Some(false) => Some(false),
            _ => paravisor.and_then(|it| it.secure_boot),
        };
        let identity = Identity::AzureVm(AzureVmIdentity {
            tee,
            pcrs: std::collections::BTreeMap::new(),
            secure_boot,
            vm_unique_id: paravisor.and_then(|it| it.vm_unique_id.clone()),
            attestation_key: AttestationKeyProof::Report,
        });
        Ok(Ok(Self { identity, ..inner }))
    }
}

fn sgx(reading: &mut Reading<'_>) -> Result<SgxIdentity, EvidenceParseError> {
    Ok(SgxIdentity {
        mr_enclave: reading.digest(&digits!("x-ms-sgx-mrenclave", 64))?.into(),
        mr_signer: reading.digest(&digits!("x-ms-sgx-mrsigner", 64))?.into(),
        product_id: reading.number(&number!("x-ms-sgx-product-id", 65535))?,
        svn: reading.number(&number!("x-ms-sgx-svn", 65535))?,
        debug: reading.flag(&flag!("x-ms-sgx-is-debuggable"))?,
    })
}

fn snp(reading: &mut Reading<'_>) -> Result<SnpIdentity, EvidenceParseError> {
    Ok(SnpIdentity {
        measurement: reading.digest(&digits!("x-ms-sevsnpvm-launchmeasurement", 96))?,
        host_data: reading.digest(&digits!("x-ms-sevsnpvm-hostdata", 64))?,
        id_key_digest: reading.digest(&digits!("x-ms-sevsnpvm-idkeydigest", 96))?,
        author_key_digest: reading.digest(&digits!("x-ms-sevsnpvm-authorkeydigest", 96))?,
        family_id: reading.digest(&digits!("x-ms-sevsnpvm-familyId", 32))?,
        image_id: reading.digest(&digits!("x-ms-sevsnpvm-imageId", 32))?,
        report_id: reading.digest(&digits!("x-ms-sevsnpvm-reportid", 64))?,
        guest_svn: reading.number(&number!("x-ms-sevsnpvm-guestsvn", 4294967295))?,
        vmpl: reading.number(&number!("x-ms-sevsnpvm-vmpl", 3))?,
        debug: reading.flag(&flag!("x-ms-sevsnpvm-is-debuggable"))?,
        migration_allowed: reading.flag(&flag!("x-ms-sevsnpvm-migration-allowed"))?,
        smt_allowed: reading.flag(&flag!("x-ms-sevsnpvm-smt-allowed"))?,
    })
}

/// The service states the versions that the report was made at; not that of the FMC, which Turin has.
fn snp_tcb(reading: &mut Reading<'_>) -> Result<Tcb, EvidenceParseError> {
    let family = reading.optional_text(&text!("x-ms-sevsnpvm-chip-family"))?;
    let product: Option<SnpProduct> = family.and_then(|family| family.parse().ok());
    let chip_id: Option<Digest<64>> =
        reading.optional_digest(&digits!("x-ms-sevsnpvm-chipid", 128))?;
    let reported_tcb = SnpTcb {
        fmc: None,
        bootloader: reading.number(&number!("x-ms-sevsnpvm-bootloader-svn", 255))?,
        tee: reading.number(&number!("x-ms-sevsnpvm-tee-svn", 255))?,
        snp: reading.number(&number!("x-ms-sevsnpvm-snpfw-svn", 255))?,
        microcode: reading.number(&number!("x-ms-sevsnpvm-microcode-svn", 255))?,
    };
    Ok(Tcb {
        status: TcbStatus::ByVersions,
        advisories: Vec::new(),
        snp: Some(SnpPlatform {
            product,
            reported_tcb,
            chip_id: chip_id.and_then(|id| chip_of(product, &id)),
            signer: None,
            revocation_judged: false,
        }),
    })
}

/// All zero when it is masked; Turin's have 8 bytes.
fn chip_of(product: Option<SnpProduct>, id: &Digest<64>) -> Option<Vec<u8>> {
    let length = match product {
        Some(SnpProduct::Turin) => 8,
        _ => 64,
    };
    let id = id.as_bytes().get(..length)?;
    id.iter().any(|byte| *byte != 0).then(|| id.to_vec())
}

fn tdx(reading: &mut Reading<'_>) -> Result<TdxIdentity, EvidenceParseError> {
    let td_attributes: Digest<8> = reading.digest(&digits!("tdx_td_attributes", 16))?;
    // Debug is what any of the three says.
    let [untrusted, ..] = td_attributes.as_bytes();
    let said = reading.optional_flag(&flag!("tdx_td_attributes_debug"))?;
    let state = reading.optional_text(&text!("dbgstat"))?;
    let debug = *untrusted != 0
        || said == Some(true)
        || state.is_some_and(|state| !NOT_DEBUGGED.contains(&state.as_str()));
    Ok(TdxIdentity {
        mr_td: reading.digest(&digits!("tdx_mrtd", 96))?,
        rtmr: [
            reading.digest(&digits!("tdx_rtmr0", 96))?,
            reading.digest(&digits!("tdx_rtmr1", 96))?,
            reading.digest(&digits!("tdx_rtmr2", 96))?,
            reading.digest(&digits!("tdx_rtmr3", 96))?,
        ],
        mr_config_id: reading.digest(&digits!("tdx_mrconfigid", 96))?,
        mr_owner: reading.digest(&digits!("tdx_mrowner", 96))?,
        mr_owner_config: reading.digest(&digits!("tdx_mrownerconfig", 96))?,
        mr_seam: reading.digest(&digits!("tdx_mrseam", 96))?,
        mr_signer_seam: reading.digest(&digits!("tdx_mrsignerseam", 96))?,
        seam_attributes: reading.digest(&digits!("tdx_seam_attributes", 16))?,
        td_attributes,
        xfam: reading.digest(&digits!("tdx_xfam", 16))?,
        tee_tcb_svn: reading.digest(&digits!("tdx_tee_tcb_svn", 32))?,
        debug,
    })
}

/// Where the status is not stated, it is [`TcbStatus::Unstated`], which a policy must tolerate by name.
fn tdx_tcb(reading: &mut Reading<'_>) -> Result<Tcb, EvidenceParseError> {
    const STATUS: Named = Named {
        name: "attester_tcb_status",
        expected: "`attester_tcb_status` to be one of Intel's words",
    };
    const ADVISORIES: &str = "`attester_advisory_ids` to be a list of at most 256 advisories";
    let status = match reading.optional_text(&STATUS)? {
        None => TcbStatus::Unstated,
        Some(word) => {
            let mut all = INTEL_STATUSES.into_iter();
            let status = all.find(|status| status.as_str() == word);
            status.ok_or(malformed(STATUS.expected))?
        }
    };
    let mut advisories = Vec::new();
    match reading.claims.member("attester_advisory_ids") {
        None | Some(Json::Null) => {}
        Some(Json::List(list)) if list.len() <= 256 => {
            for id in list {
                let Json::Text(id) = id else {
                    return Err(malformed(ADVISORIES));
                };
                advisories.push(id.parse().map_err(|_| malformed(ADVISORIES))?);
            }
        }
        Some(_) => return Err(malformed(ADVISORIES)),
    }
    advisories.sort_unstable();
    advisories.dedup();
    Ok(Tcb {
        status,
        advisories,
        snp: None,
    })
}

fn quote_hash(claims: &Object<'_>) -> Result<Option<Digest<32>>, EvidenceParseError> {
    const EXPECTED: &str = "`x-ms-sgx-collateral.quotehash` to be 64 hexadecimal digits";
    match claims.member("x-ms-sgx-collateral") {
        None => Ok(None),
        Some(Json::Object(collateral)) => Reading::of(collateral).optional_digest(&Named {
            name: "quotehash",
            expected: EXPECTED,
        }),
        Some(_) => Err(malformed(EXPECTED)),
    }
}

/// A claim's name, and what is expected of it.
pub(super) struct Named {
    pub(super) name: &'static str,
    pub(super) expected: &'static str,
}

macro_rules! digits {
    ($name:literal, $digits:literal) => {
        Named {
            name: $name,
            expected: concat!("`", $name, "` to be ", $digits, " hexadecimal digits"),
        }
    };
}
macro_rules! number {
    ($name:literal, $most:literal) => {
        Named {
            name: $name,
            expected: concat!("`", $name, "` to be 0 to ", $most),
        }
    };
}
macro_rules! flag {
    ($name:literal) => {
        Named {
            name: $name,
            expected: concat!("`", $name, "` to be true or false"),
        }
    };
}
macro_rules! text {
    ($name:literal) => {
        Named {
            name: $name,
            expected: concat!("`", $name, "` to be a short text"),
        }
    };
}
use {digits, flag, number, text};

/// Reads claims, and notes the first that is missing: a stand-in takes its place until [`Reading::whole`].
pub(super) struct Reading<'t> {
    claims: &'t Object<'t>,
    missing: Option<&'static str>,
}

impl<'t> Reading<'t> {
    pub(super) const fn of(claims: &'t Object<'t>) -> Self {
        Self {
            claims,
            missing: None,
        }
    }

    /// `subject`, if nothing was missing.
    fn whole(&self, subject: Subject) -> Stated {
        match self.missing {
            None => Ok(subject),
            Some(claim) => Err(MaaAppraiseError::MissingClaim { claim }),
        }
    }

    fn note<T>(&mut self, named: &Named, found: Option<T>, stand_in: T) -> T {
        if found.is_none() {
            self.missing.get_or_insert(named.name);
        }
        found.unwrap_or(stand_in)
    }

    fn digest<const N: usize>(&mut self, named: &Named) -> Result<Digest<N>, EvidenceParseError> {
        let found = self.optional_digest(named)?;
        Ok(self.note(named, found, Digest::from([0; N])))
    }

    pub(super) fn optional_digest<const N: usize>(
        &self,
        named: &Named,
    ) -> Result<Option<Digest<N>>, EvidenceParseError> {
        match self.claims.member(named.name) {
            None => Ok(None),
            Some(Json::Text(digits)) => {
                let digest = digits.parse().map_err(|_| malformed(named.expected))?;
                Ok(Some(digest))
            }
            Some(_) => Err(malformed(named.expected)),
        }
    }

    fn number<T: TryFrom<u64> + Default>(
        &mut self,
        named: &Named,
    ) -> Result<T, EvidenceParseError> {
        let found = match self.claims.member(named.name) {
            None => None,
            Some(Json::Number(number)) => {
                Some(T::try_from(*number).map_err(|_| malformed(named.expected))?)
            }
            Some(_) => return Err(malformed(named.expected)),
        };
        Ok(self.note(named, found, T::default()))
    }

    fn flag(&mut self, named: &Named) -> Result<bool, EvidenceParseError> {
        let found = self.optional_flag(named)?;
        Ok(self.note(named, found, true))
    }

    fn optional_flag(&self, named: &Named) -> Result<Option<bool>, EvidenceParseError> {
        match self.claims.member(named.name) {
            None => Ok(None),
            Some(Json::Flag(flag)) => Ok(Some(*flag)),
            Some(_) => Err(malformed(named.expected)),
        }
    }

    /// A text that may stand in a message: at most 512 printable characters.
    pub(super) fn optional_text(
        &self,
        named: &Named,
    ) -> Result<Option<String>, EvidenceParseError> {
        match self.claims.member(named.name) {
            None => Ok(None),
            Some(Json::Text(text)) if is_word(text) => Ok(Some(text.clone().into_owned())),
            Some(_) => Err(malformed(named.expected)),
        }
    }
}

fn is_word(text: &str) -> bool {
    text.len() <= MAX_WORD_BYTES && text.bytes().all(|b| (b' '..=b'~').contains(&b))
}

const MAX_WORD_BYTES: usize = 512;
const COMPLIANT_VM: &str = "azure-compliant-cvm";
const COMPLIANCE: Named = text!("x-ms-compliance-status");
const SECURE_BOOT: Named = flag!("secureboot");
const SGX_REPORT_DATA: Named = digits!("x-ms-sgx-report-data", 128);
const SNP_REPORT_DATA: Named = digits!("x-ms-sevsnpvm-reportdata", 128);
const TDX_REPORT_DATA: Named = digits!("tdx_report_data", 128);
/// Words of RFC 9711 section 4.2.9 for a domain that is not being debugged.
const NOT_DEBUGGED: [&str; 4] = [
    "disabled",
    "disabled-since-boot",
    "disabled-permanently",
    "disabled-fully-and-permanently",
];
const INTEL_STATUSES: [TcbStatus; 9] = [
    TcbStatus::UpToDate,
    TcbStatus::SwHardeningNeeded,
    TcbStatus::ConfigurationNeeded,
    TcbStatus::ConfigurationAndSwHardeningNeeded,
    TcbStatus::OutOfDate,
    TcbStatus::OutOfDateConfigurationNeeded,
    TcbStatus::TdRelaunchAdvised,
    TcbStatus::TdRelaunchAdvisedConfigurationNeeded,
    TcbStatus::Revoked,
];
