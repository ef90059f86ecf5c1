//! HCL reports, valid or bent in one place; for the layout see the verifier's module `azure_vm::hcl`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use casque_types::TdxIdentity;

use super::{SoftwareVtpm, SoftwareVtpmError};

/// What a paravisor says of its machine.
#[derive(Clone, Debug)]
pub struct HclSpec {
    /// `secure-boot`; left out where it is `None`.
    pub secure_boot: Option<bool>,
    /// `vmUniqueId`.
    pub vm_unique_id: String,
    /// `user-data`: 64 bytes.
    pub user_data: [u8; 64],
    /// The modulus of `HCLAkPub`, of an RSA key with the exponent 65537 in another TPM; this one's when none.
    pub attestation_key: Option<Vec<u8>>,
    /// What is wrong with the blob.
    pub flaw: Option<HclFlaw>,
}

/// Of which TEE the hardware report in a blob is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HclTee {
    /// A report of SNP, 1184 bytes.
    Snp,
    /// A TDREPORT, 1024 bytes.
    Tdx,
}

/// One thing wrong with a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HclFlaw {
    /// Another magic.
    Magic,
    /// This version of the frame.
    Version(u32),
    /// This type of report.
    ReportType(u32),
    /// This type of hash.
    HashType(u32),
    /// This length of the data.
    DataLength(u32),
    /// A size of the data that is not 20 more than their length.
    DataSize,
    /// Something behind the data.
    Padding,
    /// Its data end early.
    CutOff,
    /// More than 4 KiB.
    TooLong,
    /// The data were changed after the TEE reported them.
    ChangedData,
    /// The data are no JSON.
    NotJson,
    /// The data name no attestation key.
    NoKey,
    /// The data name two attestation keys.
    TwoKeys,
    /// A member stands twice.
    MemberTwice,
    /// The key is too short.
    ShortKey,
    /// `user-data` are no hexadecimal digits.
    UserData,
    /// `vmUniqueId` holds markup.
    VmUniqueId,
}

impl Default for HclSpec {
    fn default() -> Self {
        Self {
            secure_boot: Some(true),
            vm_unique_id: "CA59CE00-0000-4000-8000-000000000001".to_owned(),
            user_data: [0; 64],
            attestation_key: None,
            flaw: None,
        }
    }
}

impl HclSpec {
    /// The same with one thing wrong.
    #[must_use]
    pub const fn with_flaw(mut self, flaw: HclFlaw) -> Self {
        self.flaw = Some(flaw);
        self
    }

    /// The same for another TPM: the modulus of its attestation key.
    #[must_use]
    pub fn with_attestation_key(mut self, modulus: &[u8]) -> Self {
        self.attestation_key = Some(modulus.to_vec());
        self
    }
}

impl SoftwareVtpm {
    /// The paravisor's data.
    #[must_use]
    pub fn paravisor_data(&self, spec: &HclSpec) -> Vec<u8> {
        let modulus = spec.attestation_key.as_ref().unwrap_or(&self.modulus);
        let modulus = match spec.flaw {
            Some(HclFlaw::ShortKey) => modulus.get(..128).unwrap_or_default(),
            _ => modulus.as_slice(),
        };
        let key = |kid: &str, operation: &str| {
            let (n, e) = (
                URL_SAFE_NO_PAD.encode(modulus),
                URL_SAFE_NO_PAD.encode(&self.exponent),
            );
            format!(
                r#"{{"kid":"{kid}","key_ops":["{operation}"],"kty":"RSA","e":"{e}","n":"{n}"}}"#
            )
        };
        let attestation_key = key("HCLAkPub", "sign");
        let keys = match spec.flaw {
            Some(HclFlaw::NoKey) => key("HCLEkPub", "encrypt"),
            Some(HclFlaw::TwoKeys) => format!("{attestation_key},{attestation_key}"),
            _ => attestation_key,
        };
        let secure_boot =
            (spec.secure_boot).map_or_else(String::new, |flag| format!(r#""secure-boot":{flag},"#));
        let id = match spec.flaw {
            Some(HclFlaw::VmUniqueId) => "<script>",
            _ => &spec.vm_unique_id,
        };
        let user_data = match spec.flaw {
            Some(HclFlaw::UserData) => "not digits".to_owned(),
            _ => hex::encode_upper(spec.user_data),
        };
        let twice = match spec.flaw {
            Some(HclFlaw::MemberTwice) => r#","keys":[]"#,
            _ => "",
        };
        let json = format!(
            r#"{{"keys":[{keys}],"vm-configuration":{{"root-cert-thumbprint":"","console-enabled":true,{secure_boot}"tpm-enabled":true,"tpm-persisted":true,"vmUniqueId":"{id}"}},"user-data":"{user_data}"{twice}}}"#
        );
        match spec.flaw {
            Some(HclFlaw::NotJson) => b"HCLAkPub".to_vec(),
            _ => json.into_bytes(),
        }
    }

    /// The blob of 2600 bytes around a hardware report, which should be over [`SoftwareVtpm::report_data`].
    ///
    /// # Errors
    /// [`SoftwareVtpmError::TooLong`]: the hardware report is longer than its 1184 bytes.
    pub fn hcl_report(
        &self,
        spec: &HclSpec,
        tee: HclTee,
        hardware_report: &[u8],
    ) -> Result<Vec<u8>, SoftwareVtpmError> {
        let mut data = self.paravisor_data(spec);
        if spec.flaw == Some(HclFlaw::ChangedData) {
            data = String::from_utf8_lossy(&data)
                .replace("\"tpm-enabled\":true", "\"tpm-enabled\":null")
                .into_bytes();
        }
        let length = u32::try_from(data.len()).map_err(|_| SoftwareVtpmError::TooLong)?;
        let mut header = Header::new(tee, length);
        header.bend(spec.flaw);
        let mut blob = Vec::with_capacity(BLOB_BYTES);
        blob.extend(header.magic);
        blob.extend(header.version.to_le_bytes());
        blob.extend(length.saturating_add(REPORT_FRAME_BYTES).to_le_bytes());
        blob.extend(REQUEST_AK_CERTIFICATE.to_le_bytes());
        blob.extend([0; 16]);
        blob.extend(hardware_report);
        if blob.len() > HARDWARE_END {
            return Err(SoftwareVtpmError::TooLong);
        }
        blob.resize(HARDWARE_END, 0);
        let of_data = [
            header.data_size,
            1,
            header.report_type,
            header.hash_type,
            header.length,
        ];
        blob.extend(of_data.into_iter().flat_map(u32::to_le_bytes));
        blob.extend(data);
        let whole = blob.len();
        blob.resize(BLOB_BYTES.max(whole), 0);
        match spec.flaw {
            Some(HclFlaw::Padding) => blob.splice(whole.., [1]).for_each(drop),
            Some(HclFlaw::CutOff) => blob.truncate(whole.saturating_sub(1)),
            Some(HclFlaw::TooLong) => blob.resize(4097, 0),
            _ => {}
        }
        Ok(blob)
    }
}

/// A TDREPORT of this trust domain, 1024 bytes, whose hashes and MAC are zero: only the processor could make them, and a
/// quote over it says all that is judged. Source: Intel TDX Module ABI, `TDREPORT_STRUCT`.
#[must_use]
pub fn td_report(identity: &TdxIdentity, report_data: &[u8; 64]) -> Vec<u8> {
    let mut report = vec![0x81, 0, 0, 0];
    report.resize(0x80, 0);
    report.extend(report_data);
    report.resize(0x100, 0);
    report.extend([0xFF, 0x01, 0x03, 0, 0, 0, 0, 0]);
    report.extend(identity.tee_tcb_svn.as_bytes());
    report.extend(identity.mr_seam.as_bytes());
    report.extend(identity.mr_signer_seam.as_bytes());
    report.extend(identity.seam_attributes.as_bytes());
    report.resize(0x200, 0);
    report.extend(identity.td_attributes.as_bytes());
    report.extend(identity.xfam.as_bytes());
    let registers = [
        &identity.mr_td,
        &identity.mr_config_id,
        &identity.mr_owner,
        &identity.mr_owner_config,
    ];
    for register in registers.into_iter().chain(&identity.rtmr) {
        report.extend(register.as_bytes());
    }
    report.resize(1024, 0);
    report
}

struct Header {
    magic: [u8; 4],
    version: u32,
    data_size: u32,
    report_type: u32,
    hash_type: u32,
    length: u32,
}

impl Header {
    fn new(tee: HclTee, length: u32) -> Self {
        Self {
            magic: *b"HCLA",
            version: 2,
            data_size: length.saturating_add(20),
            report_type: match tee {
                HclTee::Snp => 2,
                HclTee::Tdx => 4,
            },
            hash_type: 1,
            length,
        }
    }

    fn bend(&mut self, flaw: Option<HclFlaw>) {
        match flaw {
            Some(HclFlaw::Magic) => self.magic = *b"HCLB",
            Some(HclFlaw::Version(version)) => self.version = version,
            Some(HclFlaw::ReportType(kind)) => self.report_type = kind,
            Some(HclFlaw::HashType(kind)) => self.hash_type = kind,
            Some(HclFlaw::DataLength(length)) => {
                self.length = length;
                self.data_size = length.wrapping_add(20);
            }
            Some(HclFlaw::DataSize) => self.data_size ^= 1,
            _ => {}
        }
    }
}

/// As in real blobs.
const BLOB_BYTES: usize = 2600;
const HARDWARE_END: usize = 0x4C0;
/// Everything before the data.
const REPORT_FRAME_BYTES: u32 = 0x4D4;
const REQUEST_AK_CERTIFICATE: u32 = 2;
