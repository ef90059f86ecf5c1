//! A token as it comes: a compact JWS (RFC 7515) over claims (spec/azure.md section 3.3). Reads it;
//! verifies nothing.
//!
//! Only `x-ms-sgx-*` claims speak of the enclave: the older `is-debuggable`, `sgx-mrenclave` and so on are
//! written by the instance's policy, and so by whoever owns an instance.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use casque_types::{Digest, MrEnclave, MrSigner, RuntimeData, SgxIdentity, Timestamp, ct_eq};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::{Claim, EvidenceParseError, Identity, strict_json};

/// A token, parsed, not verified: whatever it says, anyone may have written.
#[derive(Clone, Debug)]
pub struct MaaToken {
    text: String,
    signed_bytes: usize,
    signature: Vec<u8>,
    pub(super) header: Header,
    pub(super) claims: Box<Claims>,
}

#[derive(Clone, Debug)]
pub(super) struct Header {
    pub(super) algorithm: String,
    pub(super) kind: String,
    pub(super) key_id: String,
    pub(super) key_url: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) struct Claims {
    pub(super) issuer: String,
    pub(super) issued: Timestamp,
    pub(super) not_before: Timestamp,
    pub(super) expires: Timestamp,
    pub(super) attestation_type: String,
    /// The enclave, or the claim that is missing.
    pub(super) identity: Result<SgxIdentity, &'static str>,
    pub(super) policy_hash: Option<String>,
    pub(super) quote_hash: Option<Digest<32>>,
    binding: BindingClaims,
}

/// What a token states of the runtime data that the instance compared with the evidence.
#[derive(Clone, Debug)]
struct BindingClaims {
    /// `x-ms-runtime`: runtime data of type JSON, written anew by the instance.
    runtime: Option<Runtime>,
    /// `x-ms-sgx-ehd`: runtime data of type Binary.
    binary: Option<Vec<u8>>,
    /// `x-ms-sgx-report-data`; tokens of early 2021 lack it.
    report_data: Option<Digest<64>>,
}

#[derive(Clone, Debug)]
enum Runtime {
    Casque(raw::RuntimeData),
    OfAnotherProtocol,
}

impl MaaToken {
    /// Reads a compact JWS of at most 64 KiB: three base64url parts, JSON with no member twice.
    ///
    /// An unsigned token is read as well, to be refused by its name when it is verified.
    ///
    /// # Errors
    /// [`EvidenceParseError`] names the first member that is not as it should be.
    pub fn parse(text: &str) -> Result<Self, EvidenceParseError> {
        if text.len() > Self::MAX_BYTES {
            return Err(EvidenceParseError::TooLong {
                kind: KIND,
                limit_bytes: Self::MAX_BYTES,
                found_bytes: text.len(),
            });
        }
        let mut parts = text.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(malformed("three parts with dots between them"));
        };
        Ok(Self {
            header: parse_header(&decode_text(header)?)?,
            claims: Box::new(parse_claims(&decode_text(claims)?)?),
            signature: decode(signature)?,
            signed_bytes: text.len().saturating_sub(signature.len()).saturating_sub(1),
            text: text.to_owned(),
        })
    }

    /// The token as it came.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The id of the key that it says it is signed with.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.header.key_id
    }

    /// The enclave that it claims to speak of; `None` if a claim of an SGX enclave's identity is missing.
    #[must_use]
    pub fn claimed_identity(&self) -> Option<Identity> {
        match &self.claims.identity {
            Ok(identity) => Some(Identity::Sgx(identity.clone())),
            Err(_) => None,
        }
    }

    /// Everything that it states.
    #[must_use]
    pub fn claims(&self) -> Vec<Claim> {
        Vec::new()
    }

    /// Whether every statement in it of runtime data fits `runtime`, and there is one.
    #[must_use]
    pub fn claims_binding(&self, runtime: &RuntimeData) -> bool {
        self.claims.binding.fits(runtime)
    }

    /// Header and claims as they were signed.
    pub(super) fn signed(&self) -> &[u8] {
        self.text
            .as_bytes()
            .get(..self.signed_bytes)
            .unwrap_or_default()
    }

    pub(super) fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// The most bytes that a token may have.
    pub const MAX_BYTES: usize = 64 * 1024;
}

impl BindingClaims {
    fn fits(&self, expected: &RuntimeData) -> bool {
        let stated = self.runtime.is_some() || self.binary.is_some();
        stated
            && self.runtime.as_ref().is_none_or(|it| it.fits(expected))
            && self
                .binary
                .as_ref()
                .is_none_or(|bytes| ct_eq(bytes, expected.as_bytes()))
            && self
                .report_data
                .is_none_or(|found| expected.report_data().is_carried_by(found.as_bytes()))
    }
}

impl Runtime {
    /// Compared member by member: the instance sorts them and drops white space.
    fn fits(&self, expected: &RuntimeData) -> bool {
        let Self::Casque(found) = self else {
            return false;
        };
        serde_json::from_slice::<raw::RuntimeData>(expected.as_bytes())
            .is_ok_and(|expected| expected == *found)
    }
}

fn parse_header(text: &str) -> Result<Header, EvidenceParseError> {
    let raw: raw::Header<'_> =
        strict_json::from_str(text).map_err(|_| malformed("a JSON object as its header"))?;
    Ok(Header {
        algorithm: word(raw.alg, "`alg` in its header, a short text")?,
        kind: word(raw.typ, "`typ` in its header, a short text")?,
        key_id: word(raw.kid, "`kid` in its header, a short text")?,
        key_url: raw
            .jku
            .map(|jku| word(Some(jku), "`jku` in its header to be a short text"))
            .transpose()?,
    })
}

fn parse_claims(text: &str) -> Result<Claims, EvidenceParseError> {
    let raw: raw::Claims<'_> = strict_json::from_str(text)
        .map_err(|_| malformed("a JSON object of claims, none twice"))?;
    let time = |claim, expected| {
        let seconds = read::<u64>(claim, expected)?.ok_or(malformed(expected))?;
        Ok(Timestamp::from_unix_s(seconds))
    };
    Ok(Claims {
        issuer: word(raw.iss, "the claim `iss`, a short text")?,
        issued: time(raw.iat, "the claim `iat`, whole seconds")?,
        not_before: time(raw.nbf, "the claim `nbf`, whole seconds")?,
        expires: time(raw.exp, "the claim `exp`, whole seconds")?,
        attestation_type: word(
            raw.attestation_type,
            "the claim `x-ms-attestation-type`, a short text",
        )?,
        identity: parse_identity(&raw)?,
        policy_hash: raw
            .policy_hash
            .map(|hash| word(Some(hash), "`x-ms-policy-hash` to be a short text"))
            .transpose()?,
        quote_hash: parse_quote_hash(raw.collateral)?,
        binding: parse_binding(&raw)?,
    })
}

fn parse_identity(
    raw: &raw::Claims<'_>,
) -> Result<Result<SgxIdentity, &'static str>, EvidenceParseError> {
    let enclave = digest(
        raw.mr_enclave,
        "`x-ms-sgx-mrenclave` to be 64 hexadecimal digits",
    )?;
    let signer = digest(
        raw.mr_signer,
        "`x-ms-sgx-mrsigner` to be 64 hexadecimal digits",
    )?;
    let product = read(raw.product_id, "`x-ms-sgx-product-id` to be 0 to 65535")?;
    let svn = read(raw.svn, "`x-ms-sgx-svn` to be 0 to 65535")?;
    let debug = read(raw.debug, "`x-ms-sgx-is-debuggable` to be true or false")?;
    let identity = || {
        Ok(SgxIdentity {
            mr_enclave: MrEnclave::from(enclave.ok_or("x-ms-sgx-mrenclave")?),
            mr_signer: MrSigner::from(signer.ok_or("x-ms-sgx-mrsigner")?),
            product_id: product.ok_or("x-ms-sgx-product-id")?,
            svn: svn.ok_or("x-ms-sgx-svn")?,
            debug: debug.ok_or("x-ms-sgx-is-debuggable")?,
        })
    };
    Ok(identity())
}

fn parse_quote_hash(
    collateral: Option<&RawValue>,
) -> Result<Option<Digest<32>>, EvidenceParseError> {
    const EXPECTED: &str = "`x-ms-sgx-collateral.quotehash` to be 64 hexadecimal digits";
    let Some(collateral) = collateral else {
        return Ok(None);
    };
    let raw: raw::Collateral<'_> =
        serde_json::from_str(collateral.get()).map_err(|_| malformed(EXPECTED))?;
    digest(raw.quotehash, EXPECTED)
}

fn parse_binding(raw: &raw::Claims<'_>) -> Result<BindingClaims, EvidenceParseError> {
    Ok(BindingClaims {
        runtime: raw.runtime.map(parse_runtime).transpose()?,
        binary: read::<String>(raw.binary, "`x-ms-sgx-ehd` to be text")?
            .map(|text| decode(&text))
            .transpose()?,
        report_data: digest(
            raw.report_data,
            "`x-ms-sgx-report-data` to be 128 hexadecimal digits",
        )?,
    })
}

fn parse_runtime(raw: &RawValue) -> Result<Runtime, EvidenceParseError> {
    if !raw.get().starts_with('{') {
        return Err(malformed("`x-ms-runtime` to be a JSON object"));
    }
    Ok(serde_json::from_str(raw.get()).map_or(Runtime::OfAnotherProtocol, Runtime::Casque))
}

/// A claim's value, if the claim is there.
fn read<T: DeserializeOwned>(
    raw: Option<&RawValue>,
    expected: &'static str,
) -> Result<Option<T>, EvidenceParseError> {
    raw.map(|raw| serde_json::from_str(raw.get()))
        .transpose()
        .map_err(|_| malformed(expected))
}

/// A text that may stand in a message: present, at most 512 printable characters.
fn word(raw: Option<&RawValue>, expected: &'static str) -> Result<String, EvidenceParseError> {
    read::<String>(raw, expected)?
        .filter(|text| {
            text.len() <= MAX_WORD_BYTES && text.bytes().all(|b| (b' '..=b'~').contains(&b))
        })
        .ok_or(malformed(expected))
}

fn digest<const N: usize>(
    raw: Option<&RawValue>,
    expected: &'static str,
) -> Result<Option<Digest<N>>, EvidenceParseError> {
    read::<String>(raw, expected)?
        .map(|text| text.parse())
        .transpose()
        .map_err(|_| malformed(expected))
}

fn decode_text(part: &str) -> Result<String, EvidenceParseError> {
    String::from_utf8(decode(part)?).map_err(|_| malformed("UTF-8 in its parts"))
}

fn decode(part: &str) -> Result<Vec<u8>, EvidenceParseError> {
    URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| malformed("base64url without padding in its parts"))
}

const fn malformed(expected: &'static str) -> EvidenceParseError {
    EvidenceParseError::Malformed {
        kind: KIND,
        expected,
    }
}

const KIND: &str = "MAA token";
const MAX_WORD_BYTES: usize = 512;

/// The JSON as it stands on the wire. Members of other names are for others.
mod raw {
    use serde::Deserialize;
    use serde_json::value::RawValue;

    #[derive(Deserialize)]
    pub(super) struct Header<'a> {
        #[serde(borrow)]
        pub(super) alg: Option<&'a RawValue>,
        #[serde(borrow)]
        pub(super) typ: Option<&'a RawValue>,
        #[serde(borrow)]
        pub(super) kid: Option<&'a RawValue>,
        #[serde(borrow)]
        pub(super) jku: Option<&'a RawValue>,
    }

    #[derive(Deserialize)]
    pub(super) struct Claims<'a> {
        #[serde(borrow)]
        pub(super) iss: Option<&'a RawValue>,
        #[serde(borrow)]
        pub(super) iat: Option<&'a RawValue>,
        #[serde(borrow)]
        pub(super) nbf: Option<&'a RawValue>,
        #[serde(borrow)]
        pub(super) exp: Option<&'a RawValue>,
        #[serde(borrow, rename = "x-ms-attestation-type")]
        pub(super) attestation_type: Option<&'a RawValue>,
        #[serde(borrow, rename = "x-ms-policy-hash")]
        pub(super) policy_hash: Option<&'a RawValue>,
        #[serde(borrow, rename = "x-ms-runtime")]
        pub(super) runtime: Option<&'a RawValue>,
        #[serde(borrow, rename = "x-ms-sgx-ehd")]
        pub(super) binary: Option<&'a RawValue>,
        #[serde(borrow, rename = "x-ms-sgx-report-data")]
        pub(super) report_data: Option<&'a RawValue>,
        #[serde(borrow, rename = "x-ms-sgx-collateral")]
        pub(super) collateral: Option<&'a RawValue>,
        #[serde(borrow, rename = "x-ms-sgx-mrenclave")]
        pub(super) mr_enclave: Option<&'a RawValue>,
        #[serde(borrow, rename = "x-ms-sgx-mrsigner")]
        pub(super) mr_signer: Option<&'a RawValue>,
        #[serde(borrow, rename = "x-ms-sgx-product-id")]
        pub(super) product_id: Option<&'a RawValue>,
        #[serde(borrow, rename = "x-ms-sgx-svn")]
        pub(super) svn: Option<&'a RawValue>,
        #[serde(borrow, rename = "x-ms-sgx-is-debuggable")]
        pub(super) debug: Option<&'a RawValue>,
    }

    #[derive(Deserialize)]
    pub(super) struct Collateral<'a> {
        #[serde(borrow)]
        pub(super) quotehash: Option<&'a RawValue>,
    }

    /// Runtime data of ours: exactly these members.
    #[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct RuntimeData {
        v: String,
        server: String,
        config: String,
        nonce: String,
        key: Key,
    }

    #[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Key {
        kem: String,
        public: String,
    }
}
