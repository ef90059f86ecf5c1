//! Quotes of version 3 (ECDSA P-256), valid or bent in one place.
//!
//! ```text
//! header 48 | report body 384 | length 4 | signature 64 | attestation key 64 | QE report 384
//!   | its signature by the PCK key 64 | QE authentication data 2 + 32 | certification data 2 + 4 + PEM chain
//! header: version 2, key type 2, reserved 4, QE SVN 2, PCE SVN 2, QE vendor 16, QE id 16, unused 4
//! report body: CPUSVN 16, MISCSELECT 4, reserved 28, ATTRIBUTES 16, MRENCLAVE 32, reserved 32, MRSIGNER 32,
//!   reserved 96, ISVPRODID 2, ISVSVN 2, reserved 60, report data 64
//! ```
//! A TDX quote (see `tdx`) has the same header, and the same parts from the QE report on, in certification data of
//! type 6. Integers are little endian. The report data of the QE's report is SHA-256 over the attestation key and
//! the authentication data, then zeros.

use std::sync::PoisonError;

use casque_types::{MrSigner, SgxIdentity, sha256};

use super::{SoftwareTee, SoftwareTeeError, pki};

/// What a quote is to say.
#[derive(Clone, Debug)]
pub struct QuoteSpec {
    /// The enclave.
    pub identity: SgxIdentity,
    /// The 64 bytes that it chose.
    pub report_data: [u8; 64],
    /// What is wrong with it.
    pub flaw: Option<QuoteFlaw>,
}

/// One thing wrong with a quote; everything that covers it is signed again, unless the signature is it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuoteFlaw {
    /// The report was changed after it was signed.
    ReportSignature,
    /// The QE's report was changed after it was signed.
    QeReportSignature,
    /// The QE's report vouches for another attestation key.
    QeReportData,
    /// The QE's report is of another signer's enclave.
    QeSigner,
    /// The QE runs in debug mode.
    QeDebug,
    /// The QE has this security version.
    QeSvn(u16),
    /// The header names another vendor of the QE.
    QeVendor,
    /// The header has this version.
    Version(u16),
    /// The header has this type of attestation key.
    KeyType(u16),
    /// The header has this type of TEE.
    TeeType(u32),
    /// The certification data are of this type.
    CertificationType(u16),
    /// There is no certificate in it.
    NoCertificates,
    /// The PCK certificate is of another software TEE's platform than the key that signed.
    ForeignCertificates,
    /// Bytes follow it.
    TrailingBytes,
    /// Its last byte is missing.
    CutOff,
    /// TDX: the certification data around the QE report are of this type.
    OuterCertificationType(u16),
    /// TDX: something follows the certification data around the QE report.
    OuterTrailingBytes,
    /// TDX, version 5: the header of the body has this type.
    BodyType(u16),
    /// TDX, version 5: the header of the body has this size.
    BodySize(u32),
    /// TDX: that many zeros follow it, as clouds do; no flaw to a verifier.
    Padding(usize),
}

impl QuoteSpec {
    /// A valid quote.
    #[must_use]
    pub const fn new(identity: SgxIdentity, report_data: [u8; 64]) -> Self {
        Self {
            identity,
            report_data,
            flaw: None,
        }
    }

    /// The same with one thing wrong.
    #[must_use]
    pub const fn with_flaw(mut self, flaw: QuoteFlaw) -> Self {
        self.flaw = Some(flaw);
        self
    }
}

impl SoftwareTee {
    /// A valid quote of this enclave over these 64 bytes.
    ///
    /// # Errors
    /// [`SoftwareTeeError::Key`]: the provider failed.
    pub fn quote(
        &self,
        identity: &SgxIdentity,
        report_data: &[u8; 64],
    ) -> Result<Vec<u8>, SoftwareTeeError> {
        self.quote_of(&QuoteSpec::new(identity.clone(), *report_data))
    }

    /// A quote as specified.
    ///
    /// # Errors
    /// [`SoftwareTeeError::Key`]: the provider failed.
    pub fn quote_of(&self, spec: &QuoteSpec) -> Result<Vec<u8>, SoftwareTeeError> {
        let flaw = spec.flaw;
        let mut quote = self.header(3, TEE_TYPE_SGX, flaw);
        quote.extend(self.report_body(&spec.identity, isv_attributes(spec), &spec.report_data));
        let signature = pki::sign(&self.attestation_key, &quote)?;
        if flaw == Some(QuoteFlaw::ReportSignature) {
            change_byte(&mut quote, MR_ENCLAVE_AT);
        }
        let mut authentication = signature.to_vec();
        authentication.extend(pki::public_point(&self.attestation_key)?);
        authentication.extend(self.qe_part(&SGX_QE, flaw)?);
        extend_with_length(&mut quote, &authentication)?;
        bend_end(&mut quote, flaw);
        Ok(quote)
    }

    /// The header of a quote of this version and TEE.
    pub(crate) fn header(&self, version: u16, tee_type: u32, flaw: Option<QuoteFlaw>) -> Vec<u8> {
        let mut vendor = INTEL_QE_VENDOR;
        let (mut version, mut tee_type, mut key_type) = (version, tee_type, ECDSA_P256);
        match flaw {
            Some(QuoteFlaw::Version(other)) => version = other,
            Some(QuoteFlaw::TeeType(other)) => tee_type = other,
            Some(QuoteFlaw::KeyType(other)) => key_type = other,
            Some(QuoteFlaw::QeVendor) => vendor[0] ^= 1,
            _ => {}
        }
        let mut header = Vec::with_capacity(QUOTE_CAPACITY);
        header.extend(version.to_le_bytes());
        header.extend(key_type.to_le_bytes());
        header.extend(tee_type.to_le_bytes());
        header.extend(SGX_QE.svn.to_le_bytes());
        header.extend(self.platform.pce_svn.to_le_bytes());
        header.extend(vendor);
        header.extend(self.qe_id());
        header.extend([0; 4]);
        header
    }

    fn report_body(
        &self,
        identity: &SgxIdentity,
        attributes: u8,
        report_data: &[u8; 64],
    ) -> Vec<u8> {
        let mut body = Vec::with_capacity(384);
        body.extend(self.platform.cpu_svn);
        body.extend([0; 4 + 28]);
        body.extend([attributes, 0, 0, 0, 0, 0, 0, 0]);
        body.extend([XFRM, 0, 0, 0, 0, 0, 0, 0]);
        body.extend(identity.mr_enclave.as_bytes());
        body.extend([0; 32]);
        body.extend(identity.mr_signer.as_bytes());
        body.extend([0; 96]);
        body.extend(identity.product_id.to_le_bytes());
        body.extend(identity.svn.to_le_bytes());
        body.extend([0; 60]);
        body.extend(report_data);
        body
    }

    /// Everything from the quoting enclave's report on, which vouches for the attestation key.
    pub(crate) fn qe_part(
        &self,
        enclave: &QuotingEnclave,
        flaw: Option<QuoteFlaw>,
    ) -> Result<Vec<u8>, SoftwareTeeError> {
        let attestation_key = pki::public_point(&self.attestation_key)?;
        let mut qe_report = self.qe_report(enclave, flaw, &attestation_key);
        let qe_signature = self.qe_signature(&qe_report)?;
        if flaw == Some(QuoteFlaw::QeReportSignature) {
            change_byte(&mut qe_report, 0);
        }
        let mut out = qe_report;
        out.extend(qe_signature);
        out.extend(32_u16.to_le_bytes());
        out.extend(QE_AUTHENTICATION);
        let (kind, chain) = self.certification(flaw)?;
        out.extend(kind.to_le_bytes());
        extend_with_length(&mut out, chain.as_bytes())?;
        Ok(out)
    }

    /// As on a real platform the quoting enclave is certified once: all quotes carry the same signature.
    fn qe_signature(&self, qe_report: &[u8]) -> Result<[u8; 64], SoftwareTeeError> {
        let digest = sha256(qe_report);
        let mut certified = self
            .certified
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some((_, signature)) = certified.iter().find(|(known, _)| *known == digest) {
            return Ok(*signature);
        }
        let signature = pki::sign(&self.pck.key, qe_report)?;
        certified.push((digest, signature));
        Ok(signature)
    }

    fn qe_report(
        &self,
        enclave: &QuotingEnclave,
        flaw: Option<QuoteFlaw>,
        attestation_key: &[u8; 64],
    ) -> Vec<u8> {
        let mut identity = SgxIdentity {
            mr_enclave: sha256(enclave.program).into(),
            mr_signer: quoting_enclave_signer(),
            product_id: enclave.product_id,
            svn: enclave.svn,
            debug: false,
        };
        let mut attributes = INIT | MODE_64_BIT | PROVISION_KEY;
        let vouched = sha256(&[attestation_key.as_slice(), &QE_AUTHENTICATION].concat());
        let mut report_data = [0_u8; 64];
        report_data[..32].copy_from_slice(vouched.as_bytes());
        match flaw {
            Some(QuoteFlaw::QeReportData) => report_data[0] ^= 1,
            Some(QuoteFlaw::QeSigner) => identity.mr_signer = [0xEE; 32].into(),
            Some(QuoteFlaw::QeDebug) => attributes |= DEBUG,
            Some(QuoteFlaw::QeSvn(svn)) => identity.svn = svn,
            _ => {}
        }
        self.report_body(&identity, attributes, &report_data)
    }

    fn certification(&self, flaw: Option<QuoteFlaw>) -> Result<(u16, String), SoftwareTeeError> {
        let chain = || pki::pem_chain(&[&self.pck, &self.authority, &self.root]);
        Ok(match flaw {
            Some(QuoteFlaw::CertificationType(kind)) => (kind, chain()),
            Some(QuoteFlaw::NoCertificates) => (PCK_CHAIN, String::new()),
            Some(QuoteFlaw::ForeignCertificates) => {
                let other = pki::issue_pck(&self.platform, &self.authority, self.created)?;
                let chain = pki::pem_chain(&[&other, &self.authority, &self.root]);
                (PCK_CHAIN, chain)
            }
            _ => (PCK_CHAIN, chain()),
        })
    }
}

fn isv_attributes(spec: &QuoteSpec) -> u8 {
    let debug = if spec.identity.debug { DEBUG } else { 0 };
    INIT | MODE_64_BIT | debug
}

/// Appends four bytes of length, and what is that long.
pub(crate) fn extend_with_length(bytes: &mut Vec<u8>, part: &[u8]) -> Result<(), SoftwareTeeError> {
    let length = u32::try_from(part.len()).map_err(|_| SoftwareTeeError::TooLong)?;
    bytes.extend(length.to_le_bytes());
    bytes.extend(part);
    Ok(())
}

/// What is wrong with a quote behind all of its parts.
pub(crate) fn bend_end(quote: &mut Vec<u8>, flaw: Option<QuoteFlaw>) {
    match flaw {
        Some(QuoteFlaw::TrailingBytes) => quote.extend([1; 16]),
        Some(QuoteFlaw::Padding(zeros)) => quote.resize(quote.len().saturating_add(zeros), 0),
        Some(QuoteFlaw::CutOff) => drop(quote.pop()),
        _ => {}
    }
}

pub(crate) fn change_byte(bytes: &mut [u8], at: usize) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1;
    }
}

/// The signer of the quoting enclave, as the enclave identity names it.
pub(super) fn quoting_enclave_signer() -> MrSigner {
    sha256(b"casque software TEE: signer of the quoting enclave").into()
}

/// A quoting enclave, as it is measured and as the enclave identity lists it.
#[derive(Debug)]
pub(crate) struct QuotingEnclave {
    pub(crate) id: &'static str,
    pub(crate) program: &'static [u8],
    pub(crate) product_id: u16,
    pub(crate) svn: u16,
}

/// That of SGX quotes.
pub(crate) const SGX_QE: QuotingEnclave = QuotingEnclave {
    id: "QE",
    program: b"casque software quoting enclave",
    product_id: 1,
    svn: 8,
};
/// That of TDX quotes.
pub(crate) const TD_QE: QuotingEnclave = QuotingEnclave {
    id: "TD_QE",
    program: b"casque software TD quoting enclave",
    product_id: 2,
    svn: 8,
};
const TEE_TYPE_SGX: u32 = 0;
const QE_AUTHENTICATION: [u8; 32] = *b"casque software QE authenticated";
const INTEL_QE_VENDOR: [u8; 16] = [
    0x93, 0x9A, 0x72, 0x33, 0xF7, 0x9C, 0x4C, 0xA9, 0x94, 0x0A, 0x0D, 0xB3, 0x95, 0x7F, 0x06, 0x07,
];
const ECDSA_P256: u16 = 2;
const PCK_CHAIN: u16 = 5;
const INIT: u8 = 0x01;
const DEBUG: u8 = 0x02;
const MODE_64_BIT: u8 = 0x04;
const PROVISION_KEY: u8 = 0x10;
const XFRM: u8 = 0xE7;
const MR_ENCLAVE_AT: usize = 48 + 64;
const QUOTE_CAPACITY: usize = 4608;
