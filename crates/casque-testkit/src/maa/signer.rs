//! The certificate of a key that lives in confidential containers, as instances publish it since 2026 (spec/azure.md
//! section 3.4): with a report of SEV-SNP over the key, and the reference of the utility virtual machine.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use casque_types::{Digest, MaaUrl, SnpSigner, Timestamp, sha256};
use der::Encode as _;
use der::asn1::{OctetString, Utf8StringRef};
use rcgen::CustomExtension;
use serde_json::json;

use super::{RsaKeyPair, SoftwareMaa, SoftwareMaaError, issue_certificate, spki_of};
use crate::aci::{SoftwareUvmIssuer, UvmSpec};
use crate::snp::{ReportFlaw, ReportSpec, SoftwareSnp, software_snp_identity};

/// What vouches for a key in a TEE.
#[derive(Clone, Copy, Debug)]
pub struct SignerTee<'a> {
    /// The platform.
    pub platform: &'a SoftwareSnp,
    /// Who issues references of utility virtual machines.
    pub issuer: &'a SoftwareUvmIssuer,
    /// What is wrong.
    pub flaw: Option<SignerFlaw>,
}

/// One thing wrong with the evidence in a key's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignerFlaw {
    /// There is none.
    Absent,
    /// There is the older extension alone.
    OlderAlone,
    /// The word for the kind is another.
    Kind,
    /// It is no JSON.
    NotJson,
    /// A member stands twice.
    MemberTwice,
    /// The report is not in base64url.
    NotBase64,
    /// There is no reference.
    NoReference,
    /// There are too many references.
    ManyReferences,
    /// The reference is no `COSE_Sign1`.
    ReferenceMalformed,
    /// The reference is of another measurement.
    OtherMeasurement,
    /// The report was changed after it was signed.
    ReportSignature,
    /// The report is cut off.
    ReportCut,
    /// The report is about another key.
    OtherKey,
    /// The report's data do not end in zeros.
    MoreReportData,
    /// The key's id is the digest of another key.
    KeyId,
    /// The containers are being debugged.
    Debug,
}

impl SoftwareMaa {
    /// An instance with a fresh key, whose certificate proves that it is in a TEE, or seems to.
    ///
    /// # Errors
    /// [`SoftwareMaaError`].
    pub fn generate_in_tee(
        url: MaaUrl,
        tee: SignerTee<'_>,
        now: Timestamp,
    ) -> Result<Self, SoftwareMaaError> {
        let key =
            RsaKeyPair::generate(super::KeySize::Rsa2048).map_err(|_| SoftwareMaaError::Key)?;
        let extensions = tee.extensions(&spki_of(&key)?, now)?;
        let certificate = issue_certificate(&url, &key, now, extensions)?;
        let mut maa = Self::assemble(url, key, certificate)?;
        if tee.flaw == Some(SignerFlaw::KeyId) {
            maa.key_id = STANDARD.encode(sha256(b"another key").as_bytes());
        }
        Ok(maa)
    }
}

impl SignerTee<'_> {
    fn extensions(
        &self,
        spki: &[u8],
        now: Timestamp,
    ) -> Result<Vec<CustomExtension>, SoftwareMaaError> {
        let kind = match self.flaw {
            Some(SignerFlaw::Absent) => return Ok(Vec::new()),
            Some(SignerFlaw::OlderAlone) => return Ok(vec![extension(OLDER, vec![4, 0])]),
            Some(SignerFlaw::Kind) => "sgx",
            _ => "acisevsnp",
        };
        let json = self.json(spki, now)?;
        let json = OctetString::new(json.into_bytes()).and_then(|it| it.to_der());
        let kind = Utf8StringRef::new(kind).and_then(|it| it.to_der());
        let (Ok(json), Ok(kind)) = (json, kind) else {
            return Err(SoftwareMaaError::Tee);
        };
        Ok(vec![extension(EVIDENCE, json), extension(KIND, kind)])
    }

    fn json(&self, spki: &[u8], now: Timestamp) -> Result<String, SoftwareMaaError> {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let measurement = Digest::from([0xA2; 48]);
        let report = self.report(measurement, spki)?;
        let chain = self.platform.chain_pem(SnpSigner::Vcek);
        let endorsements = json!({ "Uvm": self.references(measurement, now)? }).to_string();
        let report = match self.flaw {
            Some(SignerFlaw::NotBase64) => "*".to_owned(),
            _ => encode(&report),
        };
        let json = json!({
            "Endorsements": encode(endorsements.as_bytes()),
            "SnpReport": report,
            "VcekCertChain": encode(chain.as_bytes()),
        });
        Ok(match self.flaw {
            Some(SignerFlaw::NotJson) => "acisevsnp".to_owned(),
            Some(SignerFlaw::MemberTwice) => {
                json.to_string().replacen('{', r#"{"SnpReport":"","#, 1)
            }
            _ => json.to_string(),
        })
    }

    fn report(&self, measurement: Digest<48>, spki: &[u8]) -> Result<Vec<u8>, SoftwareMaaError> {
        let about = match self.flaw {
            Some(SignerFlaw::OtherKey) => b"another key",
            _ => spki,
        };
        let mut report_data = [0; 64];
        report_data[..32].copy_from_slice(super::key_digest(about).as_bytes());
        if self.flaw == Some(SignerFlaw::MoreReportData) {
            report_data[63] = 1;
        }
        let mut identity = software_snp_identity(measurement);
        identity.debug = self.flaw == Some(SignerFlaw::Debug);
        let mut spec = ReportSpec::new(identity, report_data);
        spec.flaw = match self.flaw {
            Some(SignerFlaw::ReportSignature) => Some(ReportFlaw::Signature),
            Some(SignerFlaw::ReportCut) => Some(ReportFlaw::CutOff),
            _ => None,
        };
        let report = self.platform.report(&spec);
        report.map_err(|_| SoftwareMaaError::Tee)
    }

    fn references(
        &self,
        measurement: Digest<48>,
        now: Timestamp,
    ) -> Result<Vec<String>, SoftwareMaaError> {
        let measurement = match self.flaw {
            Some(SignerFlaw::OtherMeasurement) => Digest::from([0xA3; 48]),
            _ => measurement,
        };
        let reference = match self.flaw {
            Some(SignerFlaw::ReferenceMalformed) => vec![0xD2, 0x84],
            _ => (self.issuer.reference(&UvmSpec::new(measurement, now)))
                .map_err(|_| SoftwareMaaError::Tee)?,
        };
        let count = match self.flaw {
            Some(SignerFlaw::NoReference) => 0,
            Some(SignerFlaw::ManyReferences) => 5,
            _ => 1,
        };
        Ok(vec![URL_SAFE_NO_PAD.encode(reference); count])
    }
}

fn extension(id: &[u64], content: Vec<u8>) -> CustomExtension {
    CustomExtension::from_oid_content(id, content)
}

const EVIDENCE: &[u64] = &[1, 3, 6, 1, 4, 1, 311, 105, 1000, 1];
const KIND: &[u64] = &[1, 3, 6, 1, 4, 1, 311, 105, 1000, 2];
const OLDER: &[u64] = &[1, 3, 6, 1, 4, 1, 311, 105, 1];
