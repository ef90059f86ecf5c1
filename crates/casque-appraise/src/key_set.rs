//! Sets of public keys (RFC 7517), as far as those who issue tokens have it in common; which entries are keys, and what is in
//! them, is each issuer's own.

use der::Sequence;
use der::asn1::UintRef;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use casque_types::strict_json;

use crate::EndorsementsParseError;

/// A key with its id.
pub(crate) type Entry<K> = (String, K);

/// Reads a document of at most `limit_bytes` and 64 keys, each id once; `key_of` says of an entry which key it is, if
/// any.
///
/// # Errors
/// [`EndorsementsParseError`] when it is no key set, names a key twice, or `key_of` refuses an entry.
pub(crate) fn read<E: DeserializeOwned, K>(
    json: &[u8],
    document: &'static str,
    limit_bytes: usize,
    key_of: impl Fn(E) -> Result<Option<Entry<K>>, EndorsementsParseError>,
) -> Result<Vec<Entry<K>>, EndorsementsParseError> {
    let malformed = |expected| EndorsementsParseError::Malformed { document, expected };
    if json.len() > limit_bytes {
        return Err(EndorsementsParseError::TooLong {
            document,
            limit_bytes,
            found_bytes: json.len(),
        });
    }
    let no_key_set = || malformed("a JSON object with `keys`, each with `kty` and no member twice");
    let text = str::from_utf8(json).map_err(|_| no_key_set())?;
    let raw: KeySet<E> = strict_json::from_str(text).map_err(|_| no_key_set())?;
    if raw.keys.len() > MAX_KEYS {
        return Err(malformed("at most 64 keys"));
    }
    let mut keys: Vec<Entry<K>> = Vec::new();
    for entry in raw.keys {
        let Some((id, key)) = key_of(entry)? else {
            continue;
        };
        if keys.iter().any(|(known, _)| *known == id) {
            return Err(malformed("each `kid` once"));
        }
        keys.push((id, key));
    }
    Ok(keys)
}

/// The key with this id.
pub(crate) fn find<'k, K>(keys: &'k [Entry<K>], key_id: &str) -> Option<&'k K> {
    let found = keys.iter().find(|(id, _)| id == key_id);
    found.map(|(_, key)| key)
}

/// `RSAPublicKey` (RFC 8017 appendix A.1.1).
#[derive(Sequence)]
pub(crate) struct RsaNumbers<'a> {
    pub(crate) modulus: UintRef<'a>,
    pub(crate) exponent: UintRef<'a>,
}

impl RsaNumbers<'_> {
    /// Length of the modulus.
    pub(crate) fn modulus_bits(&self) -> u32 {
        let bytes = self.modulus.as_bytes();
        let zeros = bytes.first().map_or(0, |byte| byte.leading_zeros());
        u32::try_from(bytes.len())
            .unwrap_or(u32::MAX)
            .saturating_mul(8)
            .saturating_sub(zeros)
    }
}

const MAX_KEYS: usize = 64;

#[derive(Deserialize)]
struct KeySet<E> {
    keys: Vec<E>,
}
