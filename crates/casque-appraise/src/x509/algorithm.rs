//! The algorithms of signatures on certificates and revocation lists (RFC 4055, RFC 5758); no others.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA384,
    VerificationAlgorithm,
};
use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Decode as _, Sequence, Tag, Tagged as _};
use x509_cert::spki::AlgorithmIdentifierRef;

use super::{Certificate, CertificateError, Signed};

/// Whether `issuer`'s key signed it. `subject` names what is signed, for the error.
pub(super) fn verify(
    signed: &Signed,
    issuer: &Certificate,
    subject: impl Fn() -> String,
) -> Result<(), CertificateError> {
    let algorithm = AlgorithmIdentifierRef::from_der(&signed.algorithm)
        .ok()
        .and_then(|identifier| of_identifier(&identifier))
        .ok_or_else(|| CertificateError::Algorithm { subject: subject() })?;
    let forged = || CertificateError::Signature {
        subject: subject(),
        issuer: issuer.subject(),
    };
    let key = ParsedPublicKey::new(algorithm, issuer.spki_der()).map_err(|_| forged())?;
    key.verify_sig(&signed.tbs, &signed.signature)
        .map_err(|_| forged())
}

fn of_identifier(
    identifier: &AlgorithmIdentifierRef<'_>,
) -> Option<&'static dyn VerificationAlgorithm> {
    let parameters = identifier.parameters;
    let plain = |algorithm: &'static dyn VerificationAlgorithm| {
        is_absent_or_null(parameters).then_some(algorithm)
    };
    let elliptic =
        |algorithm: &'static dyn VerificationAlgorithm| parameters.is_none().then_some(algorithm);
    match identifier.oid {
        SHA256_WITH_RSA => plain(&RSA_PKCS1_2048_8192_SHA256),
        SHA384_WITH_RSA => plain(&RSA_PKCS1_2048_8192_SHA384),
        SHA512_WITH_RSA => plain(&RSA_PKCS1_2048_8192_SHA512),
        ECDSA_WITH_SHA256 => elliptic(&ECDSA_P256_SHA256_ASN1),
        ECDSA_WITH_SHA384 => elliptic(&ECDSA_P384_SHA384_ASN1),
        RSASSA_PSS if is_pss_sha384(parameters?) => Some(&RSA_PSS_2048_8192_SHA384),
        _ => None,
    }
}

/// SHA-384, MGF1 with SHA-384, 48 bytes of salt (RFC 4055 section 3.1): AMD's, and none of the defaults.
fn is_pss_sha384(parameters: AnyRef<'_>) -> bool {
    let Ok(parameters) = parameters.decode_as::<PssParameters<'_>>() else {
        return false;
    };
    let Some(mask_hash) = parameters.mask.parameters else {
        return false;
    };
    let Ok(mask_hash) = mask_hash.decode_as::<AlgorithmIdentifierRef<'_>>() else {
        return false;
    };
    is_sha384(&parameters.hash)
        && parameters.mask.oid == MGF1
        && is_sha384(&mask_hash)
        && parameters.salt_bytes == 48
        && parameters.trailer.is_none_or(|trailer| trailer == 1)
}

fn is_sha384(hash: &AlgorithmIdentifierRef<'_>) -> bool {
    hash.oid == SHA384 && is_absent_or_null(hash.parameters)
}

fn is_absent_or_null(parameters: Option<AnyRef<'_>>) -> bool {
    parameters.is_none_or(|any| any.tag() == Tag::Null && any.value().is_empty())
}

#[derive(Sequence)]
struct PssParameters<'a> {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    hash: AlgorithmIdentifierRef<'a>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT")]
    mask: AlgorithmIdentifierRef<'a>,
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT")]
    salt_bytes: u8,
    /// The default, 1; AMD's older certificates write it out.
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT", optional = "true")]
    trailer: Option<u8>,
}

const RSASSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
const SHA256_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
const SHA384_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.12");
const SHA512_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.13");
const ECDSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const ECDSA_WITH_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
const MGF1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.8");
const SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2");
