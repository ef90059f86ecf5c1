//! The keys that a cluster publishes for its tokens: `<issuer>/openid/v1/jwks` (RFC 7517, RFC 7518 section 6).
//!
//! RSA and P-256 signing keys are read. Entries that hold no public signing key of these are skipped, and so is every
//! entry that holds a private or a symmetric key: who publishes one has lost it, and nothing is verified with it.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED as ES256, ParsedPublicKey,
    RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY as RS256,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use der::Encode as _;
use der::asn1::UintRef;

use super::token::Algorithm;
use crate::EndorsementsParseError;
use crate::key_set::{self, RsaNumbers};

/// The keys that a cluster publishes for its tokens.
#[derive(Clone, Debug)]
pub struct ServiceAccountKeys {
    keys: Vec<(String, Key)>,
}

/// One key, ready to verify with.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) public_key: ParsedPublicKey,
    pub(super) algorithm: Algorithm,
    /// Length of the modulus, for RSA.
    pub(super) modulus_bits: u32,
}

impl ServiceAccountKeys {
    /// Reads a JWKS of at most 256 KiB and 64 keys: RSA and P-256.
    ///
    /// # Errors
    /// [`EndorsementsParseError`] when it is no key set, names a key twice, or a public key in it is none.
    pub fn parse(json: &[u8]) -> Result<Self, EndorsementsParseError> {
        let keys = key_set::read(json, DOCUMENT, Self::MAX_BYTES, parse_entry)?;
        Ok(Self { keys })
    }

    /// Whether a key with this id is there.
    #[must_use]
    pub fn contains(&self, key_id: &str) -> bool {
        self.find(key_id).is_some()
    }

    pub(super) fn find(&self, key_id: &str) -> Option<&Key> {
        key_set::find(&self.keys, key_id)
    }

    /// The most bytes that a key document may have.
    pub const MAX_BYTES: usize = 256 * 1024;
}

/// A public signing key with its id; `None` for everything else.
fn parse_entry(entry: raw::Key) -> Result<Option<(String, Key)>, EndorsementsParseError> {
    let signs = entry.usage.as_deref().is_none_or(|usage| usage == "sig");
    let is_secret = entry.d.is_some() || entry.k.is_some();
    let (Some(id), true, false) = (entry.kid, signs, is_secret) else {
        return Ok(None);
    };
    let named = entry.alg.as_deref();
    let is_named = |algorithm: Algorithm| named.is_none_or(|found| found == algorithm.name());
    let key = match (entry.kty.as_str(), entry.crv.as_deref()) {
        ("RSA", _) if is_named(Algorithm::Rs256) => rsa(entry.n.as_deref(), entry.e.as_deref())?,
        ("EC", Some("P-256")) if is_named(Algorithm::Es256) => {
            p256(entry.x.as_deref(), entry.y.as_deref())?
        }
        _ => return Ok(None),
    };
    Ok(Some((id, key)))
}

fn rsa(modulus: Option<&str>, exponent: Option<&str>) -> Result<Key, EndorsementsParseError> {
    const EXPECTED: EndorsementsParseError = malformed("`n` and `e` of an RSA key in base64url");
    let modulus = decode(modulus).ok_or(EXPECTED)?;
    let exponent = decode(exponent).ok_or(EXPECTED)?;
    let numbers = RsaNumbers {
        modulus: UintRef::new(&modulus).map_err(|_| EXPECTED)?,
        exponent: UintRef::new(&exponent).map_err(|_| EXPECTED)?,
    };
    let der = numbers.to_der().map_err(|_| EXPECTED)?;
    Ok(Key {
        public_key: ParsedPublicKey::new(&RS256, der).map_err(|_| EXPECTED)?,
        algorithm: Algorithm::Rs256,
        modulus_bits: numbers.modulus_bits(),
    })
}

fn p256(x: Option<&str>, y: Option<&str>) -> Result<Key, EndorsementsParseError> {
    const EXPECTED: EndorsementsParseError =
        malformed("`x` and `y` of a point of P-256, 32 bytes each in base64url");
    let coordinate = |text| {
        let bytes = decode(text).filter(|bytes| bytes.len() == 32);
        bytes.ok_or(EXPECTED)
    };
    // SEC 1 section 2.3.3: a point that is not compressed.
    let point = [vec![4], coordinate(x)?, coordinate(y)?].concat();
    Ok(Key {
        public_key: ParsedPublicKey::new(&ES256, point).map_err(|_| EXPECTED)?,
        algorithm: Algorithm::Es256,
        modulus_bits: 0,
    })
}

fn decode(text: Option<&str>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text?).ok()
}

const fn malformed(expected: &'static str) -> EndorsementsParseError {
    EndorsementsParseError::Malformed {
        document: DOCUMENT,
        expected,
    }
}

const DOCUMENT: &str = "key document of a cluster";

/// The JSON as it stands on the wire; other members are of no use here.
mod raw {
    use serde::Deserialize;
    use serde::de::IgnoredAny;

    #[derive(Deserialize)]
    pub(super) struct Key {
        pub(super) kty: String,
        pub(super) kid: Option<String>,
        #[serde(rename = "use")]
        pub(super) usage: Option<String>,
        pub(super) alg: Option<String>,
        pub(super) crv: Option<String>,
        pub(super) n: Option<String>,
        pub(super) e: Option<String>,
        pub(super) x: Option<String>,
        pub(super) y: Option<String>,
        /// Of a private key.
        pub(super) d: Option<IgnoredAny>,
        /// Of a symmetric key.
        pub(super) k: Option<IgnoredAny>,
    }
}
