//! A `COSE_Sign1` (RFC 9052 section 4.2) cut into its parts, so that what is signed can be verified before it is read.

use coset::cbor::value::Value;
use coset::{AsCborValue as _, CborSerializable as _, CoseSign1, Header, TaggedCborSerializable};

/// The parts of a `COSE_Sign1`, nothing in them read.
pub(super) struct Frame {
    pub(super) protected: Vec<u8>,
    pub(super) payload: Option<Vec<u8>>,
    pub(super) signature: Vec<u8>,
}

impl Frame {
    /// `None`: it is none. The unprotected header, which nobody signs, must be one.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let Value::Tag(<CoseSign1 as TaggedCborSerializable>::TAG, inner) =
            Value::from_slice(bytes).ok()?
        else {
            return None;
        };
        let parts: [Value; 4] = inner.into_array().ok()?.try_into().ok()?;
        let [protected, unprotected, payload, signature] = parts;
        Header::from_cbor_value(unprotected).ok()?;
        Some(Self {
            protected: protected.into_bytes().ok()?,
            payload: match payload {
                Value::Null => None,
                payload => Some(payload.into_bytes().ok()?),
            },
            signature: signature.into_bytes().ok()?,
        })
    }
}
