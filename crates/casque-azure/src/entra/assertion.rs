//! The client assertion: a JWT signed with the key of a registered certificate (RFC 7523 section 2.2).
//!
//! Only the certificate's SHA-1 thumbprint is known, so that it is named by `x5t` (RFC 7515 section
//! 4.1.7), with RS256: Microsoft's newer form, PS256 with `x5t#S256`, would need the certificate.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use casque_core::SourceFailure;
use casque_types::{CertificateThumbprint, Seconds, Timestamp};
use serde::Serialize;

use super::key::{SigningKey, unsupported};

/// What an assertion says.
#[derive(Debug)]
pub(super) struct Assertion<'a> {
    /// The token endpoint.
    pub(super) audience: &'a str,
    /// The application, issuer and subject at once.
    pub(super) client: &'a str,
    /// 16 random bytes, for `jti`.
    pub(super) id: [u8; 16],
    /// When it is made.
    pub(super) now: Timestamp,
}

impl Assertion<'_> {
    /// The compact JWS.
    pub(super) fn sign(
        &self,
        key: &SigningKey,
        thumbprint: &CertificateThumbprint,
    ) -> Result<String, SourceFailure> {
        let header = RawHeader {
            alg: "RS256",
            typ: "JWT",
            x5t: URL_SAFE_NO_PAD.encode(thumbprint.as_bytes()),
        };
        let claims = RawClaims {
            aud: self.audience,
            iss: self.client,
            sub: self.client,
            jti: uuid(self.id),
            nbf: self.now.minus(NOT_BEFORE).as_unix_s(),
            exp: self.now.plus(LIFE).as_unix_s(),
        };
        let mut text = format!("{}.{}", part(&header)?, part(&claims)?);
        let mut signature = vec![0_u8; key.0.public_modulus_len()];
        key.0
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                text.as_bytes(),
                &mut signature,
            )
            .map_err(|_| unsupported("a key that can sign"))?;
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(&signature, &mut text);
        Ok(text)
    }
}

fn part(value: &impl Serialize) -> Result<String, SourceFailure> {
    // Plain structs of texts and numbers always have a JSON form.
    let json = serde_json::to_vec(value).map_err(|_| unsupported("claims in JSON"))?;
    Ok(URL_SAFE_NO_PAD.encode(json))
}

/// A version 4 UUID (RFC 9562 section 5.4) of random bytes.
fn uuid(random: [u8; 16]) -> String {
    let mut number = u128::from_be_bytes(random);
    number = (number & !(0xf << 76)) | (4 << 76);
    number = (number & !(0x3 << 62)) | (2 << 62);
    let digits = format!("{number:032x}");
    let mut out = String::with_capacity(36);
    for (index, digit) in digits.chars().enumerate() {
        if matches!(index, 8 | 12 | 16 | 20) {
            out.push('-');
        }
        out.push(digit);
    }
    out
}

/// The header as it stands on the wire.
#[derive(Serialize)]
struct RawHeader {
    alg: &'static str,
    typ: &'static str,
    x5t: String,
}

/// The claims as they stand on the wire.
#[derive(Serialize)]
struct RawClaims<'a> {
    aud: &'a str,
    iss: &'a str,
    sub: &'a str,
    jti: String,
    nbf: u64,
    exp: u64,
}

/// How far Entra's clock may be behind ours.
const NOT_BEFORE: Seconds = Seconds(60);
/// How long an assertion lives.
const LIFE: Seconds = Seconds(600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuid_of_random_bytes_is_version_4() {
        assert_eq!(uuid([0xff; 16]), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(uuid([0; 16]), "00000000-0000-4000-8000-000000000000");
    }
}
