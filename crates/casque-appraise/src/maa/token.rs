//! A token as it comes: a compact JWS (RFC 7515) over claims (spec/azure.md section 3.3). Reads it;
//! verifies nothing.

use std::fmt;

use std::sync::Arc;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use casque_types::{RuntimeData, Timestamp};

use super::binding::Binding;
use super::json::{Json, Object};
use super::statement;
use super::subject::{Named, Reading, Stated, Subject};
use crate::{Claim, EvidenceParseError, Identity, MaaKeys};

/// A token, parsed, not verified: whatever it says, anyone may have written.
#[derive(Clone)]
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
    pub(super) policy_hash: Option<String>,
    /// Of whom it speaks, or why of nobody.
    pub(super) subject: Stated,
    pub(super) binding: Binding,
    /// The JSON, as signed.
    pub(super) text: Arc<str>,
}

/// Whoever has it may show it as his own evidence, as long as it is fresh: not printed.
impl fmt::Debug for MaaToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MaaToken({} bytes)", self.text.len())
    }
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

    /// Whether a text is signed by one of these keys, as far as it has the form of a compact JWS, whatever it says: tells
    /// a token that was changed from one of a service that writes them otherwise. For people who look for the cause;
    /// nothing is proved by it.
    #[must_use]
    pub fn is_signed_by(text: &str, keys: &MaaKeys) -> bool {
        let Some((signed, signature)) = text.rsplit_once('.') else {
            return false;
        };
        let Ok(signature) = decode(signature) else {
            return false;
        };
        let is_bounded = text.len() <= Self::MAX_BYTES;
        is_bounded
            && keys.keys.iter().any(|(_, key)| {
                let verified = key.public_key.verify_sig(signed.as_bytes(), &signature);
                verified.is_ok()
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

    /// The instance that it says issued it (`iss`).
    #[must_use]
    pub fn claimed_issuer(&self) -> &str {
        &self.claims.issuer
    }

    /// Whom it claims to speak of; `None` if that is no TEE, or a claim of the identity is missing.
    #[must_use]
    pub fn claimed_identity(&self) -> Option<Identity> {
        let subject = self.claims.subject.as_ref().ok();
        subject.map(|subject| subject.identity.clone())
    }

    /// Everything that it states, by the names of its claims; those of objects inside are joined by `.`, as
    /// in [`TokenStatement::claim`](crate::TokenStatement::claim). Long lists are cut, and at most 512 claims
    /// are given.
    #[must_use]
    pub fn claims(&self) -> Vec<Claim> {
        statement::flat(&self.claims.text)
    }

    /// Whether it claims to be bound to `runtime`, in one of the ways of the module `maa`.
    #[must_use]
    pub fn claims_binding(&self, runtime: &RuntimeData) -> bool {
        self.claims.binding.fits(&self.claims.subject, runtime)
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

fn parse_header(text: &str) -> Result<Header, EvidenceParseError> {
    let header = Object::parse(text).ok_or(malformed("a JSON object as its header"))?;
    let word = |name, expected| needed_text(&header, name, expected);
    Ok(Header {
        algorithm: word("alg", "`alg` in its header, a short text")?,
        kind: word("typ", "`typ` in its header, a short text")?,
        key_id: word("kid", "`kid` in its header, a short text")?,
        key_url: Reading::of(&header).optional_text(&Named {
            name: "jku",
            expected: "`jku` in its header to be a short text",
        })?,
    })
}

fn parse_claims(text: &str) -> Result<Claims, EvidenceParseError> {
    let claims = Object::parse(text).ok_or(malformed("a JSON object of claims, none twice"))?;
    let word = |name, expected| needed_text(&claims, name, expected);
    let time = |name, expected| match claims.member(name) {
        Some(Json::Number(seconds)) => Ok(Timestamp::from_unix_s(*seconds)),
        _ => Err(malformed(expected)),
    };
    let expected = "the claim `x-ms-attestation-type`, a short text";
    let kind = word("x-ms-attestation-type", expected)?;
    Ok(Claims {
        issuer: word("iss", "the claim `iss`, a short text")?,
        issued: time("iat", "the claim `iat`, whole seconds")?,
        not_before: time("nbf", "the claim `nbf`, whole seconds")?,
        expires: time("exp", "the claim `exp`, whole seconds")?,
        policy_hash: Reading::of(&claims).optional_text(&Named {
            name: "x-ms-policy-hash",
            expected: "`x-ms-policy-hash` to be a short text",
        })?,
        subject: Subject::parse(&kind, &claims)?,
        binding: Binding::parse(&claims)?,
        text: Arc::from(text),
    })
}

fn needed_text(
    object: &Object<'_>,
    name: &'static str,
    expected: &'static str,
) -> Result<String, EvidenceParseError> {
    let found = Reading::of(object).optional_text(&Named { name, expected })?;
    found.ok_or(malformed(expected))
}

fn decode_text(part: &str) -> Result<String, EvidenceParseError> {
    String::from_utf8(decode(part)?).map_err(|_| malformed("UTF-8 in its parts"))
}

pub(super) fn decode(part: &str) -> Result<Vec<u8>, EvidenceParseError> {
    URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| malformed("base64url without padding in its parts"))
}

pub(super) const fn malformed(expected: &'static str) -> EvidenceParseError {
    EvidenceParseError::Malformed {
        kind: KIND,
        expected,
    }
}

const KIND: &str = "MAA token";
const ANY_PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
/// Base64 with or without padding, for what others than the token's writer encode.
pub(super) const LENIENT: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, ANY_PADDING);
/// The same in the alphabet of URLs.
pub(super) const LENIENT_URL: GeneralPurpose =
    GeneralPurpose::new(&alphabet::URL_SAFE, ANY_PADDING);
