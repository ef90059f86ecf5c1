//! A software issuer of references of utility virtual machines: true `COSE_Sign1` messages under a root of its own, and
//! policies of confidential containers.
//!
//! ```text
//! root (P-256) ── intermediate ── certificate that signs references (RSA-2048, PS384)
//! ```
//! For the form see the verifier's module `aci::uvm`. It protects nothing.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PSS_SHA384, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use casque_types::{Digest, Seconds, Secret, SnpIdentity, SnpSigner, Timestamp, sha256};
use coset::cbor::value::Value;
use coset::{
    CborSerializable as _, CoseSign1Builder, HeaderBuilder, TaggedCborSerializable as _, iana,
};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use thiserror::Error;
use time::OffsetDateTime;

use crate::sgx::SoftwareTeeError;
use crate::snp::{ReportSpec, SoftwareSnp};

/// An issuer made of software.
#[derive(Debug)]
pub struct SoftwareUvmIssuer {
    /// PKCS#8 DER.
    key: Secret,
    /// Leaf, intermediate, root.
    chain: [Vec<u8>; 3],
}

/// What a reference is to say.
#[derive(Clone, Debug)]
pub struct UvmSpec {
    /// The measurement of the utility virtual machine.
    pub measurement: Digest<48>,
    /// Its security version.
    pub svn: u64,
    /// The feed.
    pub feed: String,
    /// When it was signed, if it says so.
    pub signed: Option<Timestamp>,
    /// Which form.
    pub form: UvmForm,
    /// What is wrong with it.
    pub flaw: Option<UvmFlaw>,
}

/// Where a reference says what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UvmForm {
    /// Header parameters with names; the version as digits in the payload.
    Named,
    /// CWT claims; the version as a number in the payload.
    Claims,
    /// CWT claims with the version; the payload is the measurement.
    Envelope,
}

/// One thing wrong with a reference; it is signed as it stands, unless the signature is it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UvmFlaw {
    /// The payload was changed after it was signed.
    Payload,
    /// The protected header was changed after it was signed.
    Header,
    /// Signed by another key than the leaf's.
    ForeignKey,
    /// Another algorithm (PS512) in the header.
    Algorithm,
    /// It has a critical header parameter.
    Critical,
    /// The issuer's name has another fingerprint.
    Fingerprint,
    /// The issuer's name has another key usage.
    KeyUsage,
    /// The leaf was changed after it was signed.
    Leaf,
    /// The intermediate is missing.
    NoIntermediate,
    /// The leaf stands alone.
    LeafAlone,
    /// Six certificates.
    TooMany,
    /// No issuer.
    NoIssuer,
    /// No version in the payload.
    NoSvn,
    /// A version that is no number.
    SvnText,
    /// Another version in the header than in the payload.
    TwoSvns,
    /// A member of the payload stands twice.
    MemberTwice,
    /// No tag.
    NoTag,
    /// A byte stands behind it.
    TrailingByte,
}

/// Why the software issuer could not make something.
#[derive(Debug, Error)]
pub enum SoftwareUvmError {
    /// The crypto provider made or took no key.
    #[error("the crypto provider did not make or accept a key")]
    Key,
    /// A certificate could not be issued.
    #[error("a certificate could not be issued")]
    Issue(#[from] rcgen::Error),
    /// The TEE under it made nothing.
    #[error(transparent)]
    Tee(#[from] SoftwareTeeError),
    /// The message could not be encoded.
    #[error("the message could not be encoded: {0}")]
    Cose(coset::CoseError),
    /// A time that X.509 cannot say.
    #[error("expected a time before the year 10000, found {found}")]
    Time {
        /// The time.
        found: Timestamp,
    },
}

impl UvmSpec {
    /// A valid reference of version 100, signed now.
    #[must_use]
    pub fn new(measurement: Digest<48>, now: Timestamp) -> Self {
        Self {
            measurement,
            svn: 100,
            feed: FEED.to_owned(),
            signed: Some(now),
            form: UvmForm::Named,
            flaw: None,
        }
    }

    /// The same with one thing wrong.
    #[must_use]
    pub const fn with_flaw(mut self, flaw: UvmFlaw) -> Self {
        self.flaw = Some(flaw);
        self
    }

    fn payload(&self) -> Vec<u8> {
        if self.form == UvmForm::Envelope {
            return self.measurement.as_bytes().to_vec();
        }
        let svn = match (self.flaw, self.form) {
            (Some(UvmFlaw::NoSvn), _) => String::new(),
            (Some(UvmFlaw::SvnText), _) => r#","x-ms-sevsnpvm-guestsvn":"+1""#.to_owned(),
            (_, UvmForm::Named) => format!(r#","x-ms-sevsnpvm-guestsvn":"{}""#, self.svn),
            (_, _) => format!(r#","x-ms-sevsnpvm-guestsvn":{}"#, self.svn),
        };
        let twice = match self.flaw {
            Some(UvmFlaw::MemberTwice) => r#","x":1,"x":2"#,
            _ => "",
        };
        let measurement = self.measurement;
        format!(r#"{{"x-ms-sevsnpvm-launchmeasurement":"{measurement}"{svn}{twice}}}"#).into_bytes()
    }
}

impl SoftwareUvmIssuer {
    /// Makes an issuer; the certificate that signs is good from a day before `now` for a year, the others for twenty.
    ///
    /// # Errors
    /// [`SoftwareUvmError`]: the provider failed, or `now` is past the year 9979.
    pub fn generate(now: Timestamp) -> Result<Self, SoftwareUvmError> {
        let root_key = KeyPair::generate()?;
        let root_params = authority("Casque Software Supply Chain Root", now)?;
        let root = root_params.self_signed(&root_key)?.der().to_vec();
        let root_issuer = Issuer::new(root_params, root_key);
        let middle_key = KeyPair::generate()?;
        let middle_params = authority("Casque Software Products CA", now)?;
        let middle = middle_params
            .signed_by(&middle_key, &root_issuer)?
            .der()
            .to_vec();
        let middle_issuer = Issuer::new(middle_params, middle_key);
        let key = new_key()?;
        let mut leaf_params = params("Casque Software Containers", now)?;
        leaf_params.not_after = date(now.plus(A_YEAR))?;
        leaf_params.is_ca = IsCa::ExplicitNoCa;
        leaf_params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf_params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Other(KEY_USAGE.to_vec())];
        // Exposed: the certificate writer reads the public key from it.
        let der = key.expose().into();
        let pair = KeyPair::from_pkcs8_der_and_sign_algo(&der, &rcgen::PKCS_RSA_SHA256)?;
        let leaf = leaf_params.signed_by(&pair, &middle_issuer)?.der().to_vec();
        Ok(Self {
            key,
            chain: [leaf, middle, root],
        })
    }

    /// Its identifier, to be believed: `did:x509:…`.
    #[must_use]
    pub fn did(&self) -> String {
        did_of(&self.chain[2], &dotted(KEY_USAGE))
    }

    /// A reference as specified.
    ///
    /// # Errors
    /// [`SoftwareUvmError`]: the provider failed.
    pub fn reference(&self, spec: &UvmSpec) -> Result<Vec<u8>, SoftwareUvmError> {
        let header = self.header(spec);
        let mut cose = CoseSign1Builder::new()
            .protected(header)
            .payload(spec.payload())
            .build();
        // As a reader has it: with its own bytes.
        cose = coset::CoseSign1::from_slice(&cose.to_vec().map_err(SoftwareUvmError::Cose)?)
            .map_err(SoftwareUvmError::Cose)?;
        let key = match spec.flaw {
            Some(UvmFlaw::ForeignKey) => &new_key()?,
            _ => &self.key,
        };
        cose.signature = sign(key, &cose.tbs_data(&[]))?;
        let untagged = spec.flaw == Some(UvmFlaw::NoTag);
        let bytes = if untagged {
            cose.to_vec()
        } else {
            cose.to_tagged_vec()
        };
        let mut bytes = bytes.map_err(SoftwareUvmError::Cose)?;
        match spec.flaw {
            Some(UvmFlaw::Payload) => replace(&mut bytes, b"launchmeasurement\":\"", 0x01),
            Some(UvmFlaw::Header) => replace(&mut bytes, b"application/", 0x04),
            Some(UvmFlaw::TrailingByte) => bytes.push(0),
            _ => {}
        }
        Ok(bytes)
    }

    fn header(&self, spec: &UvmSpec) -> coset::Header {
        let algorithm = match spec.flaw {
            Some(UvmFlaw::Algorithm) => iana::Algorithm::PS512,
            _ => iana::Algorithm::PS384,
        };
        let chain = self.chain_of(spec.flaw).into_iter().map(Value::Bytes);
        let mut header = HeaderBuilder::new()
            .algorithm(algorithm)
            .content_type("application/json".to_owned())
            .value(X5_CHAIN, Value::Array(chain.collect()));
        if spec.flaw == Some(UvmFlaw::Critical) {
            header = header.add_critical(iana::HeaderParameter::Alg);
        }
        let issuer = self.issuer_of(spec.flaw);
        let at = |signed: Timestamp| Value::from(signed.as_unix_s());
        if spec.form == UvmForm::Named {
            if let Some(issuer) = issuer {
                header = header.text_value("iss".to_owned(), issuer.into());
            }
            header = header.text_value("feed".to_owned(), spec.feed.clone().into());
            if let Some(signed) = spec.signed {
                let tagged = Value::Tag(1, Box::new(at(signed)));
                header = header.text_value("signingtime".to_owned(), tagged);
            }
            return header.build();
        }
        let mut claims = vec![(Value::from(2), Value::from(spec.feed.clone()))];
        claims.extend(issuer.map(|issuer| (Value::from(1), Value::from(issuer))));
        claims.extend(spec.signed.map(|signed| (Value::from(6), at(signed))));
        let svn = match spec.flaw {
            Some(UvmFlaw::TwoSvns) => spec.svn.wrapping_add(1),
            _ => spec.svn,
        };
        claims.push((Value::from("svn"), Value::from(svn)));
        header = header.value(CWT_CLAIMS, Value::Map(claims));
        if spec.form == UvmForm::Envelope {
            header = header.value(PAYLOAD_HASH_ALGORITHM, Value::from(SHA_384));
        }
        header.build()
    }

    fn issuer_of(&self, flaw: Option<UvmFlaw>) -> Option<String> {
        match flaw {
            Some(UvmFlaw::NoIssuer) => None,
            Some(UvmFlaw::Fingerprint) => Some(self.did_with_other_fingerprint()),
            Some(UvmFlaw::KeyUsage) => Some(self.did_with_other_key_usage()),
            _ => Some(self.did()),
        }
    }

    /// The identifier that a reference with [`UvmFlaw::Fingerprint`] names: of the leaf, which is no authority.
    #[must_use]
    pub fn did_with_other_fingerprint(&self) -> String {
        did_of(&self.chain[0], &dotted(KEY_USAGE))
    }

    /// The identifier that a reference with [`UvmFlaw::KeyUsage`] names.
    #[must_use]
    pub fn did_with_other_key_usage(&self) -> String {
        did_of(&self.chain[2], "1.3.6.1.5.5.7.3.3")
    }

    fn chain_of(&self, flaw: Option<UvmFlaw>) -> Vec<Vec<u8>> {
        let [leaf, middle, root] = self.chain.clone();
        match flaw {
            Some(UvmFlaw::Leaf) => {
                let mut bent = leaf;
                if let Some(byte) = bent.last_mut() {
                    *byte ^= 1;
                }
                vec![bent, middle, root]
            }
            Some(UvmFlaw::NoIntermediate) => vec![leaf, root],
            Some(UvmFlaw::LeafAlone) => vec![leaf],
            Some(UvmFlaw::TooMany) => vec![
                leaf,
                middle.clone(),
                middle.clone(),
                middle.clone(),
                middle,
                root,
            ],
            _ => vec![leaf, middle, root],
        }
    }
}

/// What the agent of a group sends; valid.
#[derive(Clone, Debug)]
pub struct GroupEvidence {
    /// The report, whose host data is the digest of the policy.
    pub report: Vec<u8>,
    /// The certificate of the VCEK and its authorities, PEM.
    pub vek: String,
    /// The policy, its text.
    pub policy: Vec<u8>,
    /// The reference.
    pub uvm: Vec<u8>,
}

impl SoftwareUvmIssuer {
    /// A group that runs under this policy, in a utility virtual machine of version 100 that this issuer knows.
    ///
    /// # Errors
    /// [`SoftwareUvmError`]: the provider failed.
    pub fn group(
        &self,
        platform: &SoftwareSnp,
        identity: &SnpIdentity,
        policy: &[u8],
        report_data: [u8; 64],
    ) -> Result<GroupEvidence, SoftwareUvmError> {
        let mut identity = identity.clone();
        identity.host_data = sha256(policy);
        let uvm = UvmSpec::new(identity.measurement, platform.created());
        Ok(GroupEvidence {
            report: platform.report(&ReportSpec::new(identity, report_data))?,
            vek: platform.chain_pem(SnpSigner::Vcek),
            policy: policy.to_vec(),
            uvm: self.reference(&uvm)?,
        })
    }
}

/// A policy that names its containers, as the tools of confidential containers write it.
#[must_use]
pub fn software_policy(command: &str) -> String {
    format!(
        "package policy\n\napi_svn := \"0.10.0\"\nframework_svn := \"0.2.3\"\n\nfragments := []\n\ncontainers := [{{\"command\": [\"{command}\"], \"layers\": []}}]\n\nmount_device := data.framework.mount_device\ncreate_container := data.framework.create_container\n"
    )
}

fn did_of(certificate: &[u8], key_usage: &str) -> String {
    let fingerprint = URL_SAFE_NO_PAD.encode(sha256(certificate).as_bytes());
    format!("did:x509:0:sha256:{fingerprint}::eku:{key_usage}")
}

fn dotted(oid: &[u64]) -> String {
    let parts: Vec<String> = oid.iter().map(u64::to_string).collect();
    parts.join(".")
}

fn new_key() -> Result<Secret, SoftwareUvmError> {
    let failed = |_| SoftwareUvmError::Key;
    let pair =
        aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).map_err(failed)?;
    let pkcs8 = aws_lc_rs::encoding::AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&pair)
        .map_err(failed)?;
    Ok(Secret::copied_from(pkcs8.as_ref()))
}

fn sign(key: &Secret, message: &[u8]) -> Result<Vec<u8>, SoftwareUvmError> {
    // Exposed: the provider needs the key to sign with it.
    let pair = RsaKeyPair::from_pkcs8(key.expose()).map_err(|_| SoftwareUvmError::Key)?;
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(
        &RSA_PSS_SHA384,
        &SystemRandom::new(),
        message,
        &mut signature,
    )
    .map_err(|_| SoftwareUvmError::Key)?;
    Ok(signature)
}

/// Flips these bits of the byte behind a text.
fn replace(bytes: &mut [u8], text: &[u8], bits: u8) {
    let found = bytes.windows(text.len()).position(|window| window == text);
    let behind = found.and_then(|at| bytes.get_mut(at..)?.get_mut(text.len()));
    if let Some(byte) = behind {
        *byte ^= bits;
    }
}

fn authority(common_name: &str, now: Timestamp) -> Result<CertificateParams, SoftwareUvmError> {
    let mut params = params(common_name, now)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn params(common_name: &str, now: Timestamp) -> Result<CertificateParams, SoftwareUvmError> {
    let mut distinguished_name = DistinguishedName::new();
    distinguished_name.push(DnType::CommonName, common_name);
    distinguished_name.push(
        DnType::OrganizationName,
        "Casque software TEE, for tests only",
    );
    let mut params = CertificateParams::default();
    params.distinguished_name = distinguished_name;
    params.not_before = date(now.minus(A_DAY))?;
    params.not_after = date(now.plus(TWENTY_YEARS))?;
    Ok(params)
}

fn date(at: Timestamp) -> Result<OffsetDateTime, SoftwareUvmError> {
    let out_of_range = || SoftwareUvmError::Time { found: at };
    let seconds = i64::try_from(at.as_unix_s()).map_err(|_| out_of_range())?;
    OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| out_of_range())
}

const FEED: &str = "Casque-Software-UVM";
/// Under the number that IANA keeps for examples (RFC 5612).
const KEY_USAGE: &[u64] = &[1, 3, 6, 1, 4, 1, 32473, 4, 2];
const X5_CHAIN: i64 = 33;
const CWT_CLAIMS: i64 = 15;
const PAYLOAD_HASH_ALGORITHM: i64 = 258;
const SHA_384: i64 = -43;
const A_DAY: Seconds = Seconds(86_400);
const A_YEAR: Seconds = Seconds(365 * 86_400);
const TWENTY_YEARS: Seconds = Seconds(20 * 365 * 86_400);
