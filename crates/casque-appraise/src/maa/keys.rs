//! The key document of an instance, `<url>/certs` (RFC 7517), in both shapes that instances serve:
//! `x5c` alone (2021), or with `n` and `e` beside it (2026).
//!
//! The key is that of the first certificate of `x5c`. The certificate's own signature and life are not
//! judged: who serves the document over TLS says which keys are the instance's. It is kept, for the evidence
//! that it may hold (module `signer`). Where there is no certificate, as in a document that was cut down to what a
//! verifier needs, the key is `n` and `e`; it proves no TEE. Entries that are no RSA signing keys are skipped: a token
//! signed by one finds no key.

use aws_lc_rs::signature::{
    ParsedPublicKey, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY as RS256,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use der::asn1::{ObjectIdentifier, UintRef};
use der::{Decode as _, Encode as _};
use x509_cert::Certificate;

use super::token::LENIENT_URL;
use crate::endorsements::MaaKey;
use crate::key_set::{self, RsaNumbers};
use crate::{EndorsementsParseError, MaaKeys};

impl MaaKeys {
    /// Reads the document under `<url>/certs`: at most 1 MiB and 64 keys.
    ///
    /// Key ids are kept as they stand, with `+`, `/` and `=`.
    ///
    /// # Errors
    /// [`EndorsementsParseError`] when it is no key set, or an RSA entry in it contradicts itself.
    pub fn parse(json: &[u8]) -> Result<Self, EndorsementsParseError> {
        let keys = key_set::read(json, DOCUMENT, Self::MAX_BYTES, parse_entry)?;
        Ok(Self { keys })
    }

    /// Whether a key with this id is there.
    #[must_use]
    pub fn contains(&self, key_id: &str) -> bool {
        self.find(key_id).is_some()
    }

    pub(super) fn find(&self, key_id: &str) -> Option<&MaaKey> {
        key_set::find(&self.keys, key_id)
    }

    /// The most bytes that a key document may have.
    pub const MAX_BYTES: usize = 1024 * 1024;
}

fn parse_entry(entry: raw::Key) -> Result<Option<(String, MaaKey)>, EndorsementsParseError> {
    let signs = entry.usage.is_none_or(|usage| usage == "sig");
    let is_rs256 = entry.alg.is_none_or(|name| name == "RS256");
    let (Some(id), true) = (entry.kid, signs && is_rs256 && entry.kty == "RSA") else {
        return Ok(None);
    };
    let chain = entry.x5c.unwrap_or_default();
    let Some(leaf) = chain.first() else {
        let key = match (entry.n, entry.e) {
            (Some(modulus), Some(exponent)) => bare_key(&modulus, &exponent)?,
            _ => return Ok(None),
        };
        return Ok(Some((id, key)));
    };
    let der = STANDARD
        .decode(leaf)
        .map_err(|_| malformed("certificates in base64 in `x5c`"))?;
    let certificate =
        Certificate::from_der(&der).map_err(|_| malformed("certificates in DER in `x5c`"))?;
    let spki = certificate.tbs_certificate().subject_public_key_info();
    if spki.algorithm.oid != RSA_ENCRYPTION {
        return Ok(None);
    }
    let numbers =
        RsaNumbers::from_der(spki.subject_public_key.raw_bytes()).map_err(|_| NOT_AN_RSA_KEY)?;
    expect_same(entry.n.as_deref(), numbers.modulus)?;
    expect_same(entry.e.as_deref(), numbers.exponent)?;
    let spki_der = spki.to_der().map_err(|_| NOT_AN_RSA_KEY)?;
    let key = MaaKey {
        public_key: ParsedPublicKey::new(&RS256, spki_der).map_err(|_| NOT_AN_RSA_KEY)?,
        modulus_bits: numbers.modulus_bits(),
        certificate: Some(der.as_slice().into()),
    };
    Ok(Some((id, key)))
}

/// A key without a certificate.
fn bare_key(modulus: &str, exponent: &str) -> Result<MaaKey, EndorsementsParseError> {
    let (modulus, exponent) = (decode_number(modulus)?, decode_number(exponent)?);
    let numbers = RsaNumbers {
        modulus: UintRef::new(&modulus).map_err(|_| NO_NUMBERS)?,
        exponent: UintRef::new(&exponent).map_err(|_| NO_NUMBERS)?,
    };
    let der = numbers.to_der().map_err(|_| NO_NUMBERS)?;
    Ok(MaaKey {
        public_key: ParsedPublicKey::new(&RS256, der).map_err(|_| NO_NUMBERS)?,
        modulus_bits: numbers.modulus_bits(),
        certificate: None,
    })
}

/// `n` or `e`, where it is there, says the same as the certificate.
fn expect_same(text: Option<&str>, number: UintRef<'_>) -> Result<(), EndorsementsParseError> {
    let Some(text) = text else { return Ok(()) };
    if without_leading_zeros(&decode_number(text)?) == number.as_bytes() {
        Ok(())
    } else {
        Err(malformed(
            "`n` and `e` to be the key of the certificate in `x5c`",
        ))
    }
}

fn decode_number(text: &str) -> Result<Vec<u8>, EndorsementsParseError> {
    LENIENT_URL.decode(text).map_err(|_| NO_NUMBERS)
}

fn without_leading_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

const fn malformed(expected: &'static str) -> EndorsementsParseError {
    EndorsementsParseError::Malformed {
        document: DOCUMENT,
        expected,
    }
}

const DOCUMENT: &str = "key document";
const NOT_AN_RSA_KEY: EndorsementsParseError = malformed("certificates of RSA keys in `x5c`");
const NO_NUMBERS: EndorsementsParseError = malformed("`n` and `e` of an RSA key in base64url");
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// The JSON as it stands on the wire; other members are of no use here.
mod raw {
    use serde::Deserialize;

    #[derive(Deserialize)]
    pub(super) struct Key {
        pub(super) kty: String,
        pub(super) kid: Option<String>,
        pub(super) alg: Option<String>,
        #[serde(rename = "use")]
        pub(super) usage: Option<String>,
        pub(super) x5c: Option<Vec<String>>,
        pub(super) n: Option<String>,
        pub(super) e: Option<String>,
    }
}
