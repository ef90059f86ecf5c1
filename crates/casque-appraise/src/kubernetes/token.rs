//! A token as it comes, and how it is verified (the steps of the module above).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use casque_types::{Seconds, Timestamp, strict_json};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::{
    ServiceAccount, ServiceAccountKeys, ServiceAccountTokenError as Error, ServiceAccountTrust,
};
use crate::EvidenceParseError;

/// A token, parsed, not verified. It is a bearer token: not printed, not copied.
pub struct ServiceAccountToken {
    /// Header and claims as they were signed.
    signed: Vec<u8>,
    signature: Vec<u8>,
    algorithm: String,
    kind: Option<String>,
    key_id: String,
    claims: Claims,
}

/// An algorithm that tokens are signed with (RFC 7518 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Rs256,
    Es256,
}

impl Algorithm {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
        }
    }
}

struct Claims {
    issuer: String,
    subject: String,
    audiences: Vec<String>,
    not_before: Option<Timestamp>,
    issued: Option<Timestamp>,
    expires: Option<Timestamp>,
    account: Option<Account>,
}

/// The claim `kubernetes.io`.
struct Account {
    namespace: String,
    name: String,
    pod: Option<String>,
}

impl ServiceAccountToken {
    /// Reads a compact JWS of at most 16 KiB: three base64url parts, JSON with no member twice.
    ///
    /// An unsigned token is read as well, to be refused by its name when it is verified.
    ///
    /// # Errors
    /// [`EvidenceParseError`] names the first member that is not as it should be, and nothing of its content.
    pub fn parse(text: &str) -> Result<Self, EvidenceParseError> {
        if text.len() > Self::MAX_BYTES {
            return Err(EvidenceParseError::TooLong {
                kind: KIND,
                limit_bytes: Self::MAX_BYTES,
                found_bytes: text.len(),
            });
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(NOT_COMPACT)?;
        let (header, claims) = signed.split_once('.').ok_or(NOT_COMPACT)?;
        if claims.contains('.') {
            return Err(NOT_COMPACT);
        }
        let header = decode_text(header)?;
        let header: raw::Header<'_> = strict_json::from_str(&header)
            .map_err(|_| malformed("a JSON object as its header, no member twice"))?;
        if header.crit.is_some() {
            return Err(malformed("no `crit` in its header"));
        }
        Ok(Self {
            algorithm: word(header.alg, "`alg` in its header, a short text")?,
            kind: optional_word(header.typ, "`typ` in its header to be a short text")?,
            key_id: word(header.kid, "`kid` in its header, a short text")?,
            claims: parse_claims(&decode_text(claims)?)?,
            signed: signed.as_bytes().to_vec(),
            signature: decode(signature)?,
        })
    }

    /// Who says that it issued it; unverified.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.claims.issuer
    }

    /// The id of the key that it says it is signed with.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Verifies that the cluster issued it, for this audience, and that it holds now.
    ///
    /// # Errors
    /// [`ServiceAccountTokenError`](super::ServiceAccountTokenError) for the first step that fails.
    pub fn verify(
        &self,
        keys: &ServiceAccountKeys,
        trust: &ServiceAccountTrust,
        now: Timestamp,
    ) -> Result<ServiceAccount, Error> {
        // 1.
        let algorithm = self.algorithm()?;
        // 2.
        if self.claims.issuer != trust.issuer {
            return Err(Error::Issuer {
                expected: trust.issuer.clone(),
                found: self.claims.issuer.clone(),
            });
        }
        // 3., 4.
        self.verify_signature(keys, algorithm)?;
        // 5., 6.
        let claims = &self.claims;
        let missing = |missing| Error::NotProjected { missing };
        let account = (claims.account.as_ref()).ok_or_else(|| missing("kubernetes.io"))?;
        let expires = self.expect_life(trust.clock_skew, now)?;
        // 7.
        if !claims.audiences.contains(&trust.audience) {
            return Err(Error::Audience {
                expected: trust.audience.clone(),
                found: claims.audiences.clone(),
            });
        }
        // 8.
        let subject = format!(
            "system:serviceaccount:{}:{}",
            account.namespace, account.name
        );
        if subject != claims.subject {
            return Err(Error::Subject {
                expected: subject,
                found: claims.subject.clone(),
            });
        }
        Ok(ServiceAccount {
            issuer: claims.issuer.clone(),
            namespace: account.namespace.clone(),
            name: account.name.clone(),
            pod: account.pod.clone(),
            expires,
        })
    }

    fn algorithm(&self) -> Result<Algorithm, Error> {
        let algorithm = match self.algorithm.as_str() {
            "RS256" => Algorithm::Rs256,
            "ES256" => Algorithm::Es256,
            "none" => return Err(Error::Unsigned),
            found => {
                return Err(Error::Algorithm {
                    found: found.to_owned(),
                });
            }
        };
        match &self.kind {
            Some(found) if found != "JWT" => Err(Error::Type {
                found: found.clone(),
            }),
            _ => Ok(algorithm),
        }
    }

    fn verify_signature(
        &self,
        keys: &ServiceAccountKeys,
        algorithm: Algorithm,
    ) -> Result<(), Error> {
        let key = keys.find(&self.key_id).ok_or_else(|| Error::UnknownKey {
            key_id: self.key_id.clone(),
        })?;
        if key.algorithm != algorithm {
            return Err(Error::KeyOfOtherAlgorithm {
                expected: key.algorithm.name(),
                found: algorithm.name(),
            });
        }
        if algorithm == Algorithm::Rs256 && key.modulus_bits < MIN_RSA_BITS {
            return Err(Error::KeyTooShort {
                expected_bits: MIN_RSA_BITS,
                found_bits: key.modulus_bits,
            });
        }
        let verified = key.public_key.verify_sig(&self.signed, &self.signature);
        verified.map_err(|_| Error::Signature)
    }

    /// The end of its life, if it holds now.
    fn expect_life(&self, skew: Seconds, now: Timestamp) -> Result<Timestamp, Error> {
        let missing = |missing| Error::NotProjected { missing };
        let claims = &self.claims;
        let not_before = claims.not_before.ok_or_else(|| missing("nbf"))?;
        let issued = claims.issued.ok_or_else(|| missing("iat"))?;
        let expires = claims.expires.ok_or_else(|| missing("exp"))?;
        let latest = now.plus(skew);
        if not_before > latest {
            return Err(Error::NotYetValid { not_before, now });
        }
        if issued > latest {
            return Err(Error::IssuedInFuture { issued, now });
        }
        // RFC 7519 section 4.1.4: not on or after `exp`.
        if now.minus(skew) >= expires {
            return Err(Error::Expired { expires, now });
        }
        Ok(expires)
    }

    /// The most bytes that a token may have.
    pub const MAX_BYTES: usize = 16 * 1024;
}

impl fmt::Debug for ServiceAccountToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceAccountToken")
            .finish_non_exhaustive()
    }
}

fn parse_claims(text: &str) -> Result<Claims, EvidenceParseError> {
    let raw: raw::Claims<'_> = strict_json::from_str(text)
        .map_err(|_| malformed("a JSON object of claims, none twice"))?;
    let time = |claim, expected| {
        let seconds = read::<u64>(claim, expected)?;
        Ok(seconds.map(Timestamp::from_unix_s))
    };
    Ok(Claims {
        issuer: word(raw.iss, "the claim `iss`, a short text")?,
        subject: word(raw.sub, "the claim `sub`, a short text")?,
        audiences: raw.aud.map_or_else(|| Ok(Vec::new()), parse_audiences)?,
        not_before: time(raw.nbf, "the claim `nbf` to be whole seconds")?,
        issued: time(raw.iat, "the claim `iat` to be whole seconds")?,
        expires: time(raw.exp, "the claim `exp` to be whole seconds")?,
        account: raw.kubernetes.map(parse_account).transpose()?,
    })
}

/// One audience, or a list of them (RFC 7519 section 4.1.3).
fn parse_audiences(raw: &RawValue) -> Result<Vec<String>, EvidenceParseError> {
    const EXPECTED: &str = "the claim `aud` to be a text, or a list of at most 64";
    let texts: Vec<&RawValue> = match raw.get().starts_with('[') {
        true => serde_json::from_str(raw.get()).map_err(|_| malformed(EXPECTED))?,
        false => vec![raw],
    };
    if texts.len() > MAX_AUDIENCES {
        return Err(malformed(EXPECTED));
    }
    let texts = texts.into_iter().map(|text| word(Some(text), EXPECTED));
    texts.collect()
}

fn parse_account(raw: &RawValue) -> Result<Account, EvidenceParseError> {
    const EXPECTED: &str = "the claim `kubernetes.io` with `namespace` and `serviceaccount`, and `pod` if any, named by short texts";
    let raw: raw::Kubernetes<'_> =
        serde_json::from_str(raw.get()).map_err(|_| malformed(EXPECTED))?;
    let account = raw.serviceaccount.ok_or(malformed(EXPECTED))?;
    let pod = raw.pod.map(|pod| word(pod.name, EXPECTED));
    Ok(Account {
        namespace: word(raw.namespace, EXPECTED)?,
        name: word(account.name, EXPECTED)?,
        pod: pod.transpose()?,
    })
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

/// A text that may stand in a message: at most 512 printable characters.
fn optional_word(
    raw: Option<&RawValue>,
    expected: &'static str,
) -> Result<Option<String>, EvidenceParseError> {
    let text = read::<String>(raw, expected)?;
    let fits = |text: &String| {
        (1..=MAX_WORD_BYTES).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
    };
    match text {
        Some(text) if !fits(&text) => Err(malformed(expected)),
        text => Ok(text),
    }
}

fn word(raw: Option<&RawValue>, expected: &'static str) -> Result<String, EvidenceParseError> {
    optional_word(raw, expected)?.ok_or(malformed(expected))
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

const KIND: &str = "service account token";
const NOT_COMPACT: EvidenceParseError = malformed("three parts with dots between them");
const MAX_WORD_BYTES: usize = 512;
const MAX_AUDIENCES: usize = 64;
const MIN_RSA_BITS: u32 = 2048;

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
        /// Extensions that must be understood (RFC 7515 section 4.1.11): none are.
        #[serde(borrow)]
        pub(super) crit: Option<&'a RawValue>,
    }

    #[derive(Deserialize)]
    pub(super) struct Claims<'a> {
        #[serde(borrow)]
        pub(super) iss: Option<&'a RawValue>,
        #[serde(borrow)]
        pub(super) sub: Option<&'a RawValue>,
        #[serde(borrow)]
        pub(super) aud: Option<&'a RawValue>,
        #[serde(borrow)]
        pub(super) nbf: Option<&'a RawValue>,
        #[serde(borrow)]
        pub(super) iat: Option<&'a RawValue>,
        #[serde(borrow)]
        pub(super) exp: Option<&'a RawValue>,
        #[serde(borrow, rename = "kubernetes.io")]
        pub(super) kubernetes: Option<&'a RawValue>,
    }

    #[derive(Deserialize)]
    pub(super) struct Kubernetes<'a> {
        #[serde(borrow)]
        pub(super) namespace: Option<&'a RawValue>,
        #[serde(borrow)]
        pub(super) serviceaccount: Option<Object<'a>>,
        #[serde(borrow)]
        pub(super) pod: Option<Object<'a>>,
    }

    /// An object of the cluster; its `uid` tells it from one of the same name before it.
    #[derive(Deserialize)]
    pub(super) struct Object<'a> {
        #[serde(borrow)]
        pub(super) name: Option<&'a RawValue>,
    }
}
