//! Values in the formats that a placeholder can ask for.
//!
//! What each format is stands beside [`Format`]. PEM has lines of 64 characters and line feeds. PKCS#12
//! (RFC 7292) is under the empty password, as the language has it: its encryption (PBES2 with AES-256 and
//! HMAC-SHA-256) hides nothing, so it is iterated as seldom as readers accept. An Ed25519 key stands in it
//! in version 1 of PKCS#8, the only one that PKCS#12 knows and OpenSSL 3.0 opens. The PKCS#12 crate keeps
//! copies of the key in memory that it does not wipe; every other format is written into wiped buffers
//! that were sized beforehand.

use casque_types::{Encoding, Format, Secret, SecretKind};
use data_encoding::{BASE32, BASE32_NOPAD, BASE64, BASE64URL, Encoding as TextEncoding, HEXLOWER};
use p12_keystore::{Certificate, KeyStore, KeyStoreEntry, PrivateKey, PrivateKeyChain};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::import::is_pkcs12_text;
use crate::key::PrivateKey as ReadKey;
use crate::openpgp::{KeyHalf, armored, public_half};
use crate::pem::{CERTIFICATE, PRIVATE_KEY, PUBLIC_KEY, pem_bytes, write_pem};
use crate::{CertificateChain, SecretValue};

/// Why a value cannot be written in a format.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum RenderError {
    /// The kind has no such format.
    #[error("a secret of kind `{kind}` has no format `{}`; it has {}", .format.suffix(), formats_of(*.kind))]
    Format {
        /// The kind.
        kind: SecretKind,
        /// The format asked for.
        format: Format,
    },
    /// A part of a certificate is asked for, and Key Vault gave PKCS#12.
    #[error(
        "expected a certificate for `{}`, found the PKCS#12 text that Key Vault holds, which is kept as it is: set the certificate's content type to PEM in Key Vault", .format.suffix()
    )]
    Pkcs12 {
        /// The format asked for.
        format: Format,
    },
    /// A part of a certificate or a key is asked for, and the value is plain text.
    #[error(
        "expected a certificate for `{}`, found plain text of kind `ascii`: no PEM certificate was imported", .format.suffix()
    )]
    PlainText {
        /// The format asked for.
        format: Format,
    },
    /// The key is asked for and is not held.
    #[error(
        "the private key of this secret of kind `{kind}` is not held, so there is no `{}`: was the certificate imported without its key?", .format.suffix()
    )]
    NoPrivateKey {
        /// The kind.
        kind: SecretKind,
        /// The format asked for.
        format: Format,
    },
    /// Bytes that are no UTF-8 text cannot be escaped for JSON.
    #[error(
        "expected text for `|escape(json)`, found bytes of kind `{kind}` that are none: ask for `:hex` or `:base64`"
    )]
    NotText {
        /// The kind.
        kind: SecretKind,
    },
    /// A certificate or key does not go into PKCS#12.
    #[error("the certificate or its key cannot be written as PKCS#12")]
    Pkcs12Failed,
    /// The bytes kept are no OpenPGP key of ours.
    #[error(
        "the OpenPGP key kept is not one that this service made, so its public half cannot be told"
    )]
    PgpKey,
}

/// The bytes that take a placeholder's place.
///
/// # Errors
/// The kind has no such format, or the value lacks what the format needs.
pub fn render(
    value: &SecretValue,
    format: Format,
    encoding: Encoding,
) -> Result<Secret, RenderError> {
    let formatted = formatted(value, format)?;
    match encoding {
        Encoding::Verbatim => Ok(formatted),
        Encoding::EscapeJson => {
            let kind = value.kind();
            let text = formatted.expose_text();
            Ok(json_escaped(text.ok_or(RenderError::NotText { kind })?))
        }
    }
}

fn formatted(value: &SecretValue, format: Format) -> Result<Secret, RenderError> {
    match value {
        SecretValue::Ascii(secret)
        | SecretValue::AadToken(secret)
        | SecretValue::ConfigFragment(secret)
        | SecretValue::Jwt(secret) => text(value, secret, format),
        SecretValue::Binary(secret) => binary(secret, format),
        SecretValue::PrivateKey(secret) => private_key(secret, format),
        SecretValue::X509(chain) | SecretValue::X509Ca(chain) => {
            certificate(value.kind(), chain, format)
        }
        SecretValue::PublicKey(spki) => public_key(spki, format),
        SecretValue::PgpKey(key) => openpgp_key(key, format),
    }
}

fn text(value: &SecretValue, secret: &Secret, format: Format) -> Result<Secret, RenderError> {
    let kind = value.kind();
    if format == Format::Plain {
        // The rendered configuration and the stored value each need one.
        return Ok(secret.duplicate());
    }
    if kind != SecretKind::Ascii || !SecretKind::X509.formats().contains(&format) {
        return Err(RenderError::Format { kind, format });
    }
    if is_pkcs12_text(secret) {
        return Err(RenderError::Pkcs12 { format });
    }
    Err(RenderError::PlainText { format })
}

fn binary(secret: &Secret, format: Format) -> Result<Secret, RenderError> {
    let encoding = match format {
        // The rendered configuration and the stored value each need one.
        Format::Plain | Format::Bin => return Ok(secret.duplicate()),
        Format::Hex => HEXLOWER,
        Format::Base64 => BASE64,
        Format::Base64Url => BASE64URL,
        Format::Base32 => BASE32,
        Format::Base32NoPad => BASE32_NOPAD,
        _ => {
            let kind = SecretKind::Binary;
            return Err(RenderError::Format { kind, format });
        }
    };
    Ok(encoded(&encoding, secret))
}

fn encoded(encoding: &TextEncoding, secret: &Secret) -> Secret {
    // Exposed to be encoded into a wiped buffer of its final size.
    let bytes = secret.expose();
    let mut text = Zeroizing::new(vec![0_u8; encoding.encode_len(bytes.len())]);
    encoding.encode_mut(bytes, &mut text);
    Secret::from(text)
}

fn private_key(secret: &Secret, format: Format) -> Result<Secret, RenderError> {
    match format {
        // Exposed to be written as PEM into a wiped buffer of its final size.
        Format::Plain | Format::Pem => Ok(pem(PRIVATE_KEY, [secret.expose()].into_iter())),
        // The rendered configuration and the stored value each need one.
        Format::Der => Ok(secret.duplicate()),
        _ => {
            let kind = SecretKind::PrivateKey;
            Err(RenderError::Format { kind, format })
        }
    }
}

fn public_key(spki: &[u8], format: Format) -> Result<Secret, RenderError> {
    match format {
        Format::Plain | Format::SpkiPem => Ok(pem(PUBLIC_KEY, [spki].into_iter())),
        Format::SpkiDer => Ok(Secret::copied_from(spki)),
        _ => {
            let kind = SecretKind::PublicKey;
            Err(RenderError::Format { kind, format })
        }
    }
}

fn openpgp_key(key: &Secret, format: Format) -> Result<Secret, RenderError> {
    let public = || public_half(key).ok_or(RenderError::PgpKey);
    match format {
        // The rendered configuration and the stored value each need one.
        Format::PgpPrivateBinary => Ok(key.duplicate()),
        Format::PgpPrivateBase64 => Ok(encoded(&BASE64, key)),
        Format::PgpPrivateArmored => Ok(armored(KeyHalf::Private, key)),
        Format::PgpPublicBinary => public(),
        Format::PgpPublicBase64 => Ok(encoded(&BASE64, &public()?)),
        Format::PgpPublicArmored => Ok(armored(KeyHalf::Public, &public()?)),
        _ => {
            let kind = SecretKind::PgpKey;
            Err(RenderError::Format { kind, format })
        }
    }
}

fn certificate(
    kind: SecretKind,
    chain: &CertificateChain,
    format: Format,
) -> Result<Secret, RenderError> {
    let certificates = || chain.certificates.iter().map(Vec::as_slice);
    let no_key = RenderError::NoPrivateKey { kind, format };
    let key = || chain.private_key.as_ref().ok_or(no_key);
    match format {
        Format::Plain | Format::CertificatePem => Ok(pem(CERTIFICATE, certificates().take(1))),
        Format::CertificateDer => Ok(Secret::copied_from(chain.leaf())),
        // Exposed to be written as PEM into a wiped buffer of its final size.
        Format::PrivateKeyPem => Ok(pem(PRIVATE_KEY, [key()?.expose()].into_iter())),
        // The rendered configuration and the stored value each need one.
        Format::PrivateKeyDer => Ok(key()?.duplicate()),
        Format::Chain => Ok(pem(CERTIFICATE, certificates().skip(1))),
        Format::LegacyChain => Ok(pem(CERTIFICATE, certificates().rev())),
        Format::Pkcs12WithPrivateKey => pkcs12(chain, key()?),
        _ => Err(RenderError::Format { kind, format }),
    }
}

fn pem<'a>(label: &str, blocks: impl Iterator<Item = &'a [u8]> + Clone) -> Secret {
    let size = blocks.clone().fold(0_usize, |size, der| {
        size.saturating_add(pem_bytes(label, der.len()))
    });
    let mut text = Zeroizing::new(String::with_capacity(size));
    for der in blocks {
        write_pem(&mut text, label, der);
    }
    Secret::new(std::mem::take(&mut *text).into_bytes())
}

fn pkcs12(chain: &CertificateChain, key: &Secret) -> Result<Secret, RenderError> {
    let failed = |_| RenderError::Pkcs12Failed;
    let older = ReadKey::parse(key).and_then(|key| key.in_version_1());
    // Exposed to be handed to the PKCS#12 writer.
    let key = older.as_ref().unwrap_or(key).expose();
    let key = PrivateKey::from_der(key).map_err(failed)?;
    let certificates: Result<Vec<_>, _> = chain
        .certificates
        .iter()
        .map(|der| Certificate::from_der(der))
        .collect();
    let entry = PrivateKeyChain::new("1", key, certificates.map_err(failed)?);
    let mut store = KeyStore::new();
    store.add_entry("1", KeyStoreEntry::PrivateKeyChain(entry));
    let written = store
        .writer("")
        .encryption_iterations(PKCS12_ITERATIONS)
        .mac_iterations(PKCS12_ITERATIONS)
        .write();
    written.map(Secret::new).map_err(failed)
}

/// RFC 8259 section 7: quotes, backslashes and control characters; everything else as it stands.
pub(crate) fn json_escaped(text: &str) -> Secret {
    let size = text.chars().fold(0_usize, |size, character| {
        size.saturating_add(
            escape_of(character).map_or(character.len_utf8(), |escape| escape.len()),
        )
    });
    let mut escaped = Zeroizing::new(String::with_capacity(size));
    for character in text.chars() {
        match escape_of(character) {
            Some(escape) => escape.write(&mut escaped),
            None => escaped.push(character),
        }
    }
    Secret::new(std::mem::take(&mut *escaped).into_bytes())
}

/// How a character is written in a JSON string, when not as itself.
enum JsonEscape {
    /// A backslash and this character.
    Short(char),
    /// `\u00` and two hexadecimal digits.
    Code(u8),
}

impl JsonEscape {
    const fn len(&self) -> usize {
        match self {
            Self::Short(_) => 2,
            Self::Code(_) => 6,
        }
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Short(character) => {
                out.push('\\');
                out.push(*character);
            }
            Self::Code(code) => {
                out.push_str("\\u00");
                HEXLOWER.encode_append(&[*code], out);
            }
        }
    }
}

fn escape_of(character: char) -> Option<JsonEscape> {
    match character {
        '"' | '\\' => Some(JsonEscape::Short(character)),
        '\u{8}' => Some(JsonEscape::Short('b')),
        '\u{c}' => Some(JsonEscape::Short('f')),
        '\n' => Some(JsonEscape::Short('n')),
        '\r' => Some(JsonEscape::Short('r')),
        '\t' => Some(JsonEscape::Short('t')),
        '\0'..='\u{1f}' => u8::try_from(character).ok().map(JsonEscape::Code),
        _ => None,
    }
}

/// The formats of a kind, for a message.
pub(crate) fn formats_of(kind: SecretKind) -> String {
    let named = kind.formats().iter().map(|format| match format.suffix() {
        "" => "none".to_owned(),
        suffix => format!("`{suffix}`"),
    });
    named.collect::<Vec<_>>().join(", ")
}

/// OpenSSL's default, since more would protect nothing under the empty password.
const PKCS12_ITERATIONS: u32 = 2048;

#[cfg(test)]
mod tests;
