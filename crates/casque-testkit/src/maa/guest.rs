//! The software MAA's judgement of a guest of Azure, its TPM included: `POST /attest/AzureGuest` without the HTTP.
//!
//! ```text
//! the vendor's root ── report of SNP, or TD quote
//!   └─ report data begin with SHA-256(RunTimeData)
//!        └─ `HCLAkPub` in RunTimeData = AikPub
//!             ├─ PcrQuote: the registers in PcrSet, their digest
//!             └─ EncKeyCertifyInfo: the name of EncKeyPub
//!                  └─ to be used while these registers hold these values
//! ```
//! The token is sealed to `EncKeyPub`, so that nobody but this guest, booted like this, reads it
//! ([`AttestationInfo::seal`]).
//!
//! What the real service does and this one does not: `TcgLogs` are taken and not replayed, so that claims about boot
//! are the paravisor's (`secure-boot`) or say what is good; `AikCert` is taken and not judged, as the TEE's report
//! vouches for the key; machines of trusted launch, which have no TEE, are refused, and so are others than Linux.
//!
//! Source: spec/azure.md section 3.3; facts of the official client azure-guest-attestation-sdk 0.1.1.

mod info;
mod seal;
mod tpm;

use casque_appraise::{Appraiser, Endorsements, Evidence, EvidenceParseError};
use casque_types::{AzureVmTee, SnpPlatform, SnpTcb, Timestamp, ct_eq};
use serde_json::{Value, json};
use thiserror::Error;

use super::subject::{AzureVmToken, TokenSubject};
use super::{MaaRefusal, RuntimeClaim, SoftwareMaa, TokenSpec};
use crate::azure_vm::{KeyArea, pcr_policy};
use info::Paravisor;
use tpm::{PublicArea, Statement};

/// `AttestationInfo`: parsed, nothing of it judged.
#[derive(Debug)]
pub struct AttestationInfo {
    os: OperatingSystem,
    /// Names and values in base64, as they came.
    payload: Vec<(String, String)>,
    tpm: TpmInfo,
    tee: Evidence,
    /// The paravisor's data.
    runtime_data: Vec<u8>,
}

/// What the guest says that it runs; nothing proves it.
#[derive(Debug)]
struct OperatingSystem {
    distribution: String,
    major: u32,
    minor: u32,
    build: String,
}

#[derive(Debug)]
struct TpmInfo {
    attestation_key: PublicArea,
    quote: Statement,
    quote_signature: Vec<u8>,
    /// Rising, each once; as many as `PcrSet` names, and the same.
    registers: Vec<(u8, [u8; 32])>,
    encryption_key: PublicArea,
    certification: Statement,
    certification_signature: Vec<u8>,
}

/// Why the software MAA gave a guest no token.
#[derive(Debug, Error)]
pub enum GuestRefusal {
    /// More than a request can have.
    #[error("`AttestationInfo`: expected at most {limit_bytes} bytes, found {found_bytes}")]
    TooLong {
        /// The limit.
        limit_bytes: usize,
        /// How many there are.
        found_bytes: usize,
    },
    /// It is no JSON, or lacks a member, or has one twice.
    #[error("`AttestationInfo` does not parse")]
    Json(#[source] serde_json::Error),
    /// A member has another form.
    #[error("`{member}`: expected {expected}")]
    Member {
        /// Its path.
        member: &'static str,
        /// What should have stood there.
        expected: &'static str,
    },
    /// The machine has no TEE.
    #[error(
        "`IsolationInfo.Type`: `TrustedLaunch` is not supported by the local MAA, expected `SevSnp` or `Tdx`"
    )]
    TrustedLaunch,
    /// The TEE's part is none.
    #[error("`IsolationInfo.Evidence.Proof` cannot be read")]
    Proof(#[from] EvidenceParseError),
    /// The TEE's part proves nothing, or not the paravisor's data.
    #[error(transparent)]
    Tee(#[from] MaaRefusal),
    /// The attestation key is not the paravisor's.
    #[error("`TpmInfo.AikPub` is not the key `HCLAkPub` in `RunTimeData`")]
    AttestationKey,
    /// The quote is not the attestation key's.
    #[error("`TpmInfo.PcrSignature` is not of `AikPub` over `PcrQuote`")]
    QuoteSignature,
    /// The quote selects other registers.
    #[error(
        "`TpmInfo.PcrQuote` does not select exactly the registers in `PcrSet` of the SHA-256 bank"
    )]
    QuoteSelection,
    /// The registers had other values.
    #[error("`TpmInfo.PcrQuote` is over other values than those in `PCRs`")]
    QuoteDigest,
    /// What is said of the encryption key is not the attestation key's.
    #[error("`TpmInfo.EncKeyCertifyInfoSignature` is not of `AikPub` over `EncKeyCertifyInfo`")]
    CertificationSignature,
    /// It is said of another key.
    #[error("`TpmInfo.EncKeyCertifyInfo` is about another key than `EncKeyPub`")]
    CertificationName,
    /// The key could leave the TPM, or be used without its policy.
    #[error(
        "`TpmInfo.EncKeyPub` has the attributes 0x{found:08x}, expected fixedTPM, fixedParent, sensitiveDataOrigin \
         and decrypt, neither restricted nor userWithAuth"
    )]
    KeyAttributes {
        /// `TPMA_OBJECT`.
        found: u32,
    },
    /// The key could be used with other registers.
    #[error("the policy of `TpmInfo.EncKeyPub` is not PolicyPCR over the values in `PCRs`")]
    KeyPolicy,
    /// The token could not be sealed.
    #[error("the crypto provider did not seal the token")]
    Seal,
}

impl AttestationInfo {
    /// What the hardware said, whose endorsements are needed.
    #[must_use]
    pub const fn tee(&self) -> &Evidence {
        &self.tee
    }

    /// `x-ms-runtime`: the client's payload as it came, and the key that the token is sealed to.
    fn runtime_claim(&self) -> RuntimeClaim {
        let key = &self.tpm.encryption_key;
        let mut runtime = json!({"keys": [{
            "e": key.exponent_text(),
            "key_ops": ["encrypt"],
            "kid": "TpmEphemeralEncryptionKey",
            "kty": "RSA",
            "n": key.modulus_text(),
        }]});
        if let (Value::Object(members), false) = (&mut runtime, self.payload.is_empty()) {
            let values = self.payload.iter();
            let values = values.map(|(name, value)| (name.clone(), value.as_str().into()));
            members.insert("client-payload".into(), Value::Object(values.collect()));
        }
        RuntimeClaim::Json(runtime.to_string().into_bytes())
    }

    fn expect_tpm(&self, paravisor: &Paravisor) -> Result<(), GuestRefusal> {
        let tpm = &self.tpm;
        let key = &tpm.attestation_key;
        if !paravisor.attestation_key_is(key) {
            return Err(GuestRefusal::AttestationKey);
        }
        if !key.verifies(&tpm.quote.message, &tpm.quote_signature) {
            return Err(GuestRefusal::QuoteSignature);
        }
        let (selected, digest) = tpm.quote.quoted().ok_or(GuestRefusal::QuoteSelection)?;
        let given = tpm.registers.iter().map(|(register, _)| *register);
        if !selected.iter().copied().eq(given) {
            return Err(GuestRefusal::QuoteSelection);
        }
        if !ct_eq(&tpm::digest_of(&tpm.registers), digest) {
            return Err(GuestRefusal::QuoteDigest);
        }
        if !key.verifies(&tpm.certification.message, &tpm.certification_signature) {
            return Err(GuestRefusal::CertificationSignature);
        }
        if tpm.certification.certified_name() != Some(tpm.encryption_key.name().as_slice()) {
            return Err(GuestRefusal::CertificationName);
        }
        self.expect_encryption_key()
    }

    fn expect_encryption_key(&self) -> Result<(), GuestRefusal> {
        const SET: u32 = KeyArea::FIXED_TPM
            | KeyArea::FIXED_PARENT
            | KeyArea::SENSITIVE_DATA_ORIGIN
            | KeyArea::DECRYPT;
        const CLEAR: u32 = KeyArea::RESTRICTED | KeyArea::USER_WITH_AUTH;
        let key = &self.tpm.encryption_key;
        if key.attributes & (SET | CLEAR) != SET {
            return Err(GuestRefusal::KeyAttributes {
                found: key.attributes,
            });
        }
        if !ct_eq(&key.policy, &pcr_policy(&self.tpm.registers)) {
            return Err(GuestRefusal::KeyPolicy);
        }
        Ok(())
    }
}

impl SoftwareMaa {
    /// Judges a guest of Azure: its TEE as [`SoftwareMaa::judge`] does, then its TPM. The token that this says is for
    /// [`AttestationInfo::seal`].
    ///
    /// # Errors
    /// [`GuestRefusal`].
    pub fn judge_guest(
        info: &AttestationInfo,
        endorsements: &Endorsements,
        appraiser: &Appraiser,
        now: Timestamp,
    ) -> Result<TokenSpec, GuestRefusal> {
        let data = RuntimeClaim::Json(info.runtime_data.clone());
        let tee = Self::judge(&info.tee, Some(data), endorsements, appraiser, now)?;
        let paravisor = Paravisor::parse(&info.runtime_data)?;
        info.expect_tpm(&paravisor)?;
        let registers = info.tpm.registers.iter();
        let mut machine = AzureVmToken {
            tee: None,
            platform: no_platform(),
            compliance: None,
            paravisor_data: info.runtime_data.clone(),
            secure_boot: paravisor.secure_boot,
            vm_id: paravisor.vm_id,
            pcrs: registers.map(|(register, _)| *register).collect(),
            payload_nonce: None,
        };
        let mut further = info.os.claims();
        match tee.subject {
            TokenSubject::Snp(guest) => {
                machine.tee = Some(AzureVmTee::Snp(Box::new(guest.identity)));
                (machine.platform, machine.compliance) = (guest.platform, guest.compliance);
            }
            TokenSubject::Tdx(domain) => {
                further.extend(domain.tcb_claims("x-ms-isolation-tee."));
                machine.tee = Some(AzureVmTee::Tdx(Box::new(domain.identity)));
                machine.compliance = domain.compliance;
            }
            TokenSubject::Sgx | TokenSubject::AzureVm(_) => return Err(MaaRefusal::Kind.into()),
        }
        Ok(TokenSpec {
            report_data: tee.report_data,
            runtime: Some(info.runtime_claim()),
            further,
            ..TokenSpec::azure_vm(machine, now)
        })
    }
}

impl OperatingSystem {
    fn claims(&self) -> Vec<(String, Value)> {
        let claims = [
            ("osbuild", self.build.as_str().into()),
            ("osdistro", self.distribution.as_str().into()),
            ("osversion-major", self.major.into()),
            ("osversion-minor", self.minor.into()),
        ];
        let named = |(name, value)| (format!("x-ms-azurevm-{name}"), value);
        claims.into_iter().map(named).collect()
    }
}

/// In the place of the platform of SEV-SNP, where a machine is on another.
const fn no_platform() -> SnpPlatform {
    SnpPlatform {
        product: None,
        reported_tcb: SnpTcb {
            fmc: None,
            bootloader: 0,
            tee: 0,
            snp: 0,
            microcode: 0,
        },
        chip_id: None,
        signer: None,
        revocation_judged: false,
    }
}

#[cfg(test)]
mod tests;
