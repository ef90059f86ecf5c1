//! Whether the instance's own key is in a TEE, by the evidence in its certificate (spec/azure.md section 3.4).
//!
//! Since 2026 instances run in confidential containers, and the certificates of their keys hold in extension
//! 1.3.6.1.4.1.311.105.1000.1 a JSON object with `SnpReport`, `VcekCertChain` (PEM) and `Endorsements`, each in
//! base64url, and in …1000.2 the word `acisevsnp`. Steps:
//!
//! 1. Both extensions are there and can be read. Older ones (1.3.6.1.4.1.311.105.1, 1.2.840.113556.10.1.1) hold
//!    an SGX quote; the enclaves in all that were ever seen run with DEBUG, so that they never count.
//! 2. The report is signed by a key of AMD's; revocation is not judged.
//! 3. Its report data are the SHA-256 of the key's PEM (lines end with LF, a NUL byte follows) and zeros; so is
//!    the key's id, where it has that form.
//! 4. It is not debugged.
//! 5. Microsoft's reference of the utility virtual machine has the report's measurement.
//!
//! Which policy the containers run under (`host_data`) is not judged: Microsoft does not publish it.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use casque_types::{Digest, Timestamp, sha256};
use der::asn1::ObjectIdentifier;
use der::{Decode as _, Encode as _, Tagged as _};
use x509_cert::Certificate;

use super::json::{Json, Object};
use super::token::LENIENT_URL;
use super::{MaaAppraiseError, SignerProof};
use crate::endorsements::MaaKey;
use crate::{AmdEndorsements, Appraiser, Bound, Endorsements, Identity, SnpEvidence, aci, snp};

/// Proves that the key is in a TEE.
pub(super) fn prove(
    appraiser: &Appraiser,
    key_id: &str,
    key: &MaaKey,
    now: Timestamp,
) -> Result<SignerProof, MaaAppraiseError> {
    let unreadable = || malformed("a certificate in DER");
    let certificate = (key.certificate.as_ref()).ok_or(MaaAppraiseError::SignerNotProved)?;
    let certificate = Certificate::from_der(certificate).map_err(|_| unreadable())?;
    // 1.
    let evidence = SignerEvidence::of(&certificate)?;
    // 2.
    let amd = Endorsements {
        intel: None,
        amd: Some(Arc::new(AmdEndorsements::default())),
    };
    let parsed = SnpEvidence::parse(&evidence.report, Some(&evidence.chain));
    let parsed = parsed.map_err(MaaAppraiseError::SignerEvidence)?;
    let verdict = snp::verify(appraiser, &parsed, &amd, now);
    let verdict = verdict.map_err(MaaAppraiseError::SignerReport)?;
    // 3.
    let spki = certificate.tbs_certificate().subject_public_key_info();
    let digest = sha256(&pem_with_nul(&spki.to_der().map_err(|_| unreadable())?));
    let mut expected = [0; 64];
    if let Some(first) = expected.first_chunk_mut() {
        *first = *digest.as_bytes();
    }
    if *verdict.bound() != Bound::ReportData(expected) {
        return Err(MaaAppraiseError::SignerKey);
    }
    let id = STANDARD.decode(key_id).ok().filter(|id| id.len() == 32);
    if id.is_some_and(|id| id != digest.as_bytes()) {
        return Err(MaaAppraiseError::SignerKeyId {
            key_id: key_id.to_owned(),
        });
    }
    // 4.
    let Identity::Snp(identity) = verdict.identity() else {
        return Err(MaaAppraiseError::SignerNotProved);
    };
    if identity.debug {
        return Err(MaaAppraiseError::SignerDebug);
    }
    // 5.
    expect_reference(appraiser, &evidence.references, &identity.measurement, now)?;
    Ok(SignerProof::InTee)
}

/// One of the references is believed and has this measurement.
fn expect_reference(
    appraiser: &Appraiser,
    references: &[Vec<u8>],
    measurement: &Digest<48>,
    now: Timestamp,
) -> Result<(), MaaAppraiseError> {
    let mut refused = malformed(ENDORSEMENTS);
    for bytes in references {
        let reference = aci::parse_reference(bytes).map_err(MaaAppraiseError::SignerEvidence)?;
        match aci::verify_reference(appraiser, &reference, measurement, now) {
            Ok(()) => return Ok(()),
            Err(error) => refused = MaaAppraiseError::SignerReference(error),
        }
    }
    Err(refused)
}

/// What the certificate holds.
struct SignerEvidence {
    report: Vec<u8>,
    chain: Vec<u8>,
    /// `COSE_Sign1` each.
    references: Vec<Vec<u8>>,
}

impl SignerEvidence {
    fn of(certificate: &Certificate) -> Result<Self, MaaAppraiseError> {
        let all = certificate.tbs_certificate().extensions();
        let find = |id| {
            let mut all = all.into_iter().flatten();
            all.find(|one| one.extn_id == id)
                .map(|one| text(one.extn_value.as_bytes()))
        };
        let (Some(json), Some(kind)) = (find(EVIDENCE), find(KIND)) else {
            return Err(match OLDER.into_iter().any(|id| find(id).is_some()) {
                true => MaaAppraiseError::SignerOldProof,
                false => MaaAppraiseError::SignerNotProved,
            });
        };
        if kind != b"acisevsnp" {
            return Err(MaaAppraiseError::SignerNotProved);
        }
        let json = str::from_utf8(json).ok().and_then(Object::parse);
        let json = json.ok_or(malformed("a JSON object in extension …1000.1"))?;
        let endorsements = blob(&json, "Endorsements", ENDORSEMENTS)?;
        Ok(Self {
            report: blob(&json, "SnpReport", "`SnpReport` in base64url")?,
            chain: blob(&json, "VcekCertChain", "`VcekCertChain` in base64url")?,
            references: references(&endorsements).ok_or(malformed(ENDORSEMENTS))?,
        })
    }
}

/// The extension's text, whether it stands there bare, or as OCTET STRING or UTF8String.
fn text(value: &[u8]) -> &[u8] {
    let inner = der::AnyRef::from_der(value).ok();
    let inner = inner.filter(|any| TEXT_TAGS.contains(&any.tag()));
    inner.map_or(value, der::AnyRef::value)
}

fn blob(
    json: &Object<'_>,
    name: &str,
    expected: &'static str,
) -> Result<Vec<u8>, MaaAppraiseError> {
    let text = json.text(name).ok_or(malformed(expected))?;
    LENIENT_URL.decode(text).map_err(|_| malformed(expected))
}

fn references(endorsements: &[u8]) -> Option<Vec<Vec<u8>>> {
    let object = Object::parse(str::from_utf8(endorsements).ok()?)?;
    let Json::List(list) = object.member("Uvm")? else {
        return None;
    };
    let one = |json: &Json<'_>| match json {
        Json::Text(text) => LENIENT_URL.decode(&**text).ok(),
        _ => None,
    };
    (list.len() <= MAX_REFERENCES).then_some(())?;
    list.iter().map(one).collect()
}

/// `SubjectPublicKeyInfo` in PEM, lines ended by LF, and a NUL byte.
fn pem_with_nul(spki: &[u8]) -> Vec<u8> {
    let mut text = String::from("-----BEGIN PUBLIC KEY-----\n");
    for line in spki.chunks(48) {
        STANDARD.encode_string(line, &mut text);
        text.push('\n');
    }
    text.push_str("-----END PUBLIC KEY-----\n\0");
    text.into_bytes()
}

const fn malformed(expected: &'static str) -> MaaAppraiseError {
    MaaAppraiseError::SignerMalformed { expected }
}

const ENDORSEMENTS: &str =
    "`Endorsements` in base64url, a JSON object with 1 to 4 references in `Uvm`";
const MAX_REFERENCES: usize = 4;
const TEXT_TAGS: [der::Tag; 2] = [der::Tag::OctetString, der::Tag::Utf8String];
const EVIDENCE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.105.1000.1");
const KIND: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.105.1000.2");
const OLDER: [ObjectIdentifier; 2] = [
    ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.105.1"),
    ObjectIdentifier::new_unwrap("1.2.840.113556.10.1.1"),
];
