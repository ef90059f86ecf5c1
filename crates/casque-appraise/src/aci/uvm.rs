//! References of utility virtual machines: `COSE_Sign1` (RFC 9052) over the measurement and its version.
//!
//! ```text
//! 18([protected, unprotected, payload, signature])
//! protected: 1 alg | 3 "application/json" | 33 x5chain: leaf .. root | "iss" | "feed" | "signingtime": 1(seconds)
//!   newer: 15 {1: iss, 2: feed, 6: signed at, "svn": …} in place of "iss" and "feed" (RFC 9597)
//! payload: {"x-ms-sevsnpvm-launchmeasurement": 96 hex digits, "x-ms-sevsnpvm-guestsvn": "100" or 100}
//! ```
//! Only what is protected counts. Where the protected header says that the payload is a digest (258, RFC 9995), 48
//! bytes of payload are the measurement itself, and the version is the claim `svn`; that form is from memory, no real
//! one was at hand.
//!
//! Certificates that sign references live for a year, references for as long as their machines run. So the chain is
//! judged at the time at which the reference says that it was signed, as Microsoft's own verifier does (CCF looks at no
//! dates at all), and where it does not say, at the beginning of the leaf's life. Neither stops whoever
//! holds an old leaf's key: the policy's minimum version does.

use aws_lc_rs::signature::{
    ECDSA_P384_SHA384_FIXED, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384,
    VerificationAlgorithm,
};
use casque_types::{Digest, Timestamp, UvmIdentity, strict_json};
use coset::cbor::value::Value;
use coset::{
    CborSerializable as _, Header, Label, ProtectedHeader, RegisteredLabelWithPrivate,
    SignatureContext, iana, sig_structure_data,
};
use serde::Deserialize;

use super::frame::Frame;
use super::issuer::expect_issuer;
use crate::x509::Certificate;
use crate::{AciAppraiseError, Appraiser, EvidenceParseError};

/// A reference, parsed, not verified. What is signed may be anything until its signature was verified: that it cannot
/// be read is kept, and said after that.
#[derive(Clone, Debug)]
pub(crate) struct UvmReference {
    signer: Result<Signer, EvidenceParseError>,
    statement: Result<UvmStatement, EvidenceParseError>,
    /// What the signature goes over (`Sig_structure`).
    message: Vec<u8>,
    signature: Vec<u8>,
}

/// Who signed, as the protected header says.
#[derive(Clone, Debug)]
struct Signer {
    issuer: String,
    feed: String,
    signed: Option<Timestamp>,
    /// Leaf first.
    chain: Vec<Certificate>,
    algorithm: SignatureAlgorithm,
}

/// What a reference states.
#[derive(Clone, Debug)]
pub(super) struct UvmStatement {
    pub(super) identity: UvmIdentity,
    pub(super) measurement: Digest<48>,
}

impl UvmReference {
    /// Reads a reference of at most 64 KiB, with 2 to 5 certificates of at most 8 KiB each.
    ///
    /// # Errors
    /// [`EvidenceParseError`]: it is longer, or no `COSE_Sign1` with a payload.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, EvidenceParseError> {
        if bytes.len() > MAX_BYTES {
            return Err(EvidenceParseError::TooLong {
                kind: KIND,
                limit_bytes: MAX_BYTES,
                found_bytes: bytes.len(),
            });
        }
        let Frame {
            protected,
            payload,
            signature,
        } = Frame::parse(bytes).ok_or(malformed("one `COSE_Sign1` with its tag 18"))?;
        let payload = payload.ok_or(malformed("a payload"))?;
        let header = Header::from_slice(&protected)
            .map_err(|_| malformed("a protected header, each parameter once"));
        let (signer, statement) = match &header {
            Ok(header) => (Signer::of(header), UvmStatement::of(header, &payload)),
            Err(error) => (Err(error.clone()), Err(error.clone())),
        };
        let protected = ProtectedHeader {
            original_data: Some(protected),
            header: Header::default(),
        };
        let context = SignatureContext::CoseSign1;
        Ok(Self {
            signer,
            statement,
            message: sig_structure_data(context, protected, None, &[], &payload),
            signature,
        })
    }

    /// What it claims; `None` where it cannot be read.
    pub(super) fn claimed(&self) -> Option<&UvmStatement> {
        self.statement.as_ref().ok()
    }

    /// Verifies that somebody who is believed issued it, and gives what it states.
    pub(super) fn verify(
        &self,
        appraiser: &Appraiser,
        now: Timestamp,
    ) -> Result<&UvmStatement, AciAppraiseError> {
        let signer = self.signer.as_ref();
        let signer = signer.map_err(|source| AciAppraiseError::Header {
            source: source.clone(),
        })?;
        signer.verify(&self.message, &self.signature, appraiser, now)?;
        let statement = self.statement.as_ref();
        statement.map_err(|source| AciAppraiseError::Payload {
            source: source.clone(),
        })
    }
}

impl Signer {
    fn of(header: &Header) -> Result<Self, EvidenceParseError> {
        if !header.crit.is_empty() {
            return Err(malformed("no critical header parameters"));
        }
        let HeaderClaims {
            issuer,
            feed,
            signed,
            ..
        } = HeaderClaims::of(header)?;
        Ok(Self {
            issuer,
            feed,
            signed,
            chain: chain_of(header)?,
            algorithm: SignatureAlgorithm::of(header)?,
        })
    }

    /// Verifies that it is believed, and that it signed.
    fn verify(
        &self,
        message: &[u8],
        signature: &[u8],
        appraiser: &Appraiser,
        now: Timestamp,
    ) -> Result<(), AciAppraiseError> {
        let broken = |source| AciAppraiseError::Chain { source };
        let chain: Vec<&Certificate> = self.chain.iter().collect();
        let ([leaf, ..], [.., root]) = (chain.as_slice(), chain.as_slice()) else {
            return Err(AciAppraiseError::Signature);
        };
        expect_issuer(&self.issuer, &self.feed, &self.chain, &appraiser.anchors)?;
        let memory = &appraiser.certificates;
        let at = self.signed.unwrap_or(leaf.not_before());
        memory.chain(&chain, at).map_err(broken)?;
        // The root has signed itself.
        memory.chain(&[root, root], at).map_err(broken)?;
        let (name, algorithm) = self.algorithm.verification();
        let key = memory.key(leaf, name, algorithm).map_err(broken)?;
        key.verify_sig(message, signature)
            .map_err(|_| AciAppraiseError::Signature)?;
        match self.signed {
            Some(signed) if signed > now => Err(AciAppraiseError::SignedLater { signed, now }),
            _ => Ok(()),
        }
    }
}

impl UvmStatement {
    fn of(header: &Header, payload: &[u8]) -> Result<Self, EvidenceParseError> {
        let HeaderClaims {
            issuer, feed, svn, ..
        } = HeaderClaims::of(header)?;
        let (measurement, svn) = read_payload(payload, header, svn)?;
        Ok(Self {
            identity: UvmIdentity { issuer, feed, svn },
            measurement,
        })
    }
}

/// The algorithms that sign references.
#[derive(Clone, Copy, Debug)]
enum SignatureAlgorithm {
    Ps256,
    Ps384,
    Es384,
}

impl SignatureAlgorithm {
    fn of(header: &Header) -> Result<Self, EvidenceParseError> {
        let expected = malformed("the algorithm PS384, PS256 or ES384");
        let Some(RegisteredLabelWithPrivate::Assigned(algorithm)) = &header.alg else {
            return Err(expected);
        };
        match algorithm {
            iana::Algorithm::PS256 => Ok(Self::Ps256),
            iana::Algorithm::PS384 => Ok(Self::Ps384),
            iana::Algorithm::ES384 => Ok(Self::Es384),
            _ => Err(expected),
        }
    }

    fn verification(self) -> (&'static str, &'static dyn VerificationAlgorithm) {
        match self {
            Self::Ps256 => ("PS256", &RSA_PSS_2048_8192_SHA256),
            Self::Ps384 => ("PS384", &RSA_PSS_2048_8192_SHA384),
            Self::Es384 => ("ES384", &ECDSA_P384_SHA384_FIXED),
        }
    }
}

/// What the protected header says of the reference.
struct HeaderClaims {
    issuer: String,
    feed: String,
    svn: Option<u64>,
    signed: Option<Timestamp>,
}

impl HeaderClaims {
    fn of(header: &Header) -> Result<Self, EvidenceParseError> {
        let claims = match find(header, &Label::Int(CWT_CLAIMS)) {
            None => None,
            Some(Value::Map(claims)) => Some(claims.as_slice()),
            Some(_) => return Err(malformed("CWT claims as a map")),
        };
        let (issuer, feed) = match claims {
            None => (find(header, &text("iss")), find(header, &text("feed"))),
            Some(claims) => (
                claim(claims, &Value::from(1))?,
                claim(claims, &Value::from(2))?,
            ),
        };
        let claims = claims.unwrap_or_default();
        let signed_claim = claim(claims, &Value::from(6))?;
        let signed = find(header, &text("signingtime")).or(signed_claim);
        Ok(Self {
            issuer: plain_text(issuer, MAX_ISSUER_BYTES).ok_or(malformed("an issuer"))?,
            feed: plain_text(feed, MAX_FEED_BYTES).ok_or(malformed("a feed"))?,
            svn: claim(claims, &Value::from("svn"))?
                .map(svn_of)
                .transpose()?,
            signed: signed.map(time_of).transpose()?,
        })
    }
}

fn find<'a>(header: &'a Header, label: &Label) -> Option<&'a Value> {
    let mut rest = header.rest.iter();
    rest.find(|(found, _)| found == label)
        .map(|(_, value)| value)
}

fn text(label: &str) -> Label {
    Label::Text(label.to_owned())
}

/// A claim that stands at most once.
fn claim<'a>(
    claims: &'a [(Value, Value)],
    name: &Value,
) -> Result<Option<&'a Value>, EvidenceParseError> {
    let mut found = claims.iter().filter(|(found, _)| found == name);
    match (found.next(), found.next()) {
        (_, Some(_)) => Err(malformed("each claim once")),
        (first, None) => Ok(first.map(|(_, value)| value)),
    }
}

fn plain_text(value: Option<&Value>, limit: usize) -> Option<String> {
    let text = value?.as_text()?;
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    (!text.is_empty() && text.len() <= limit && plain).then(|| text.to_owned())
}

fn time_of(value: &Value) -> Result<Timestamp, EvidenceParseError> {
    let seconds = match value {
        Value::Tag(1, inner) => inner.as_integer(),
        other => other.as_integer(),
    };
    seconds
        .and_then(|seconds| u64::try_from(seconds).ok())
        .map(Timestamp::from_unix_s)
        .ok_or(malformed("the time of signing in whole seconds"))
}

fn svn_of(value: &Value) -> Result<u64, EvidenceParseError> {
    let number = match value {
        Value::Text(digits) => digits_of(digits),
        other => other
            .as_integer()
            .and_then(|number| u64::try_from(number).ok()),
    };
    number.ok_or(malformed("a version that is a number"))
}

fn digits_of(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

fn chain_of(header: &Header) -> Result<Vec<Certificate>, EvidenceParseError> {
    let expected = malformed("2 to 5 certificates (`x5chain`) of at most 8 KiB each");
    let Some(Value::Array(certificates)) = find(header, &Label::Int(X5_CHAIN)) else {
        return Err(expected);
    };
    if !CERTIFICATES.contains(&certificates.len()) {
        return Err(expected);
    }
    (certificates.iter())
        .map(|certificate| {
            let der = certificate.as_bytes().ok_or(expected.clone())?;
            Certificate::from_der(der, MAX_CERTIFICATE_BYTES).map_err(|_| expected.clone())
        })
        .collect()
}

fn read_payload(
    payload: &[u8],
    header: &Header,
    claimed_svn: Option<u64>,
) -> Result<(Digest<48>, u64), EvidenceParseError> {
    let is_digest = find(header, &Label::Int(PAYLOAD_HASH_ALGORITHM)).is_some();
    if is_digest && let Ok(measurement) = <[u8; 48]>::try_from(payload) {
        let svn = claimed_svn.ok_or(malformed("the claim `svn` beside a digest"))?;
        return Ok((measurement.into(), svn));
    }
    let text = str::from_utf8(payload).map_err(|_| malformed("a payload in JSON"))?;
    let raw: Payload = strict_json::from_str(text).map_err(|_| {
        malformed("JSON with `x-ms-sevsnpvm-launchmeasurement` and `x-ms-sevsnpvm-guestsvn`")
    })?;
    let measurement = (raw.measurement.parse())
        .map_err(|_| malformed("a measurement of 96 hexadecimal digits"))?;
    let svn = match raw.svn {
        Svn::Number(svn) => Some(svn),
        Svn::Text(digits) => digits_of(&digits),
    };
    let svn = svn.ok_or(malformed("a version that is a number"))?;
    if claimed_svn.is_some_and(|claimed| claimed != svn) {
        return Err(malformed("one version in header and payload"));
    }
    Ok((measurement, svn))
}

/// The payload as Microsoft writes it.
#[derive(Deserialize)]
struct Payload {
    #[serde(rename = "x-ms-sevsnpvm-launchmeasurement")]
    measurement: String,
    #[serde(rename = "x-ms-sevsnpvm-guestsvn")]
    svn: Svn,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Svn {
    Number(u64),
    Text(String),
}

const fn malformed(expected: &'static str) -> EvidenceParseError {
    EvidenceParseError::Malformed {
        kind: KIND,
        expected,
    }
}

const KIND: &str = "UVM reference";
const MAX_BYTES: usize = 64 * 1024;
const CERTIFICATES: std::ops::RangeInclusive<usize> = 2..=5;
const MAX_CERTIFICATE_BYTES: usize = 8 * 1024;
const MAX_ISSUER_BYTES: usize = 512;
const MAX_FEED_BYTES: usize = 128;
/// RFC 9597.
const CWT_CLAIMS: i64 = 15;
/// RFC 9360.
const X5_CHAIN: i64 = 33;
/// RFC 9995.
const PAYLOAD_HASH_ALGORITHM: i64 = 258;
