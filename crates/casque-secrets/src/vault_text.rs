//! Values of Key Vault whose encoding the policy states (`import_akv.encoding`, an extension of Casque).
//!
//! Nothing is guessed then: `utf8` is the text itself, `base64` (RFC 4648 section 4, padded and canonical) and
//! `hex` are the bytes that it writes down. Bytes without a `kind` are a `binary` value.

use casque_types::{Secret, SecretKind};
use data_encoding::{BASE64, Encoding, HEXLOWER_PERMISSIVE};
use zeroize::Zeroizing;

use crate::{ImportError, SecretValue};

/// How a vault's text becomes bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VaultText {
    /// Its UTF-8 bytes.
    Utf8,
    /// Those that it writes in base64.
    Base64,
    /// Those that it writes in hexadecimal digits.
    Hex,
}

impl SecretValue {
    /// The value of a Key Vault secret whose encoding is known; a `kind` is read from the decoded bytes.
    ///
    /// # Errors
    /// The text is not in that encoding, or no value of that kind.
    pub fn from_vault_text(
        kind: Option<SecretKind>,
        value: &Secret,
        encoding: VaultText,
    ) -> Result<Self, ImportError> {
        let decoded = match encoding {
            // A second owner, since the source of the text keeps its own.
            VaultText::Utf8 => value.duplicate(),
            VaultText::Base64 => decoded(value, &BASE64).ok_or(ImportError::Encoding)?,
            VaultText::Hex => decoded(value, &HEXLOWER_PERMISSIVE).ok_or(ImportError::Encoding)?,
        };
        match kind {
            Some(SecretKind::Binary) => Ok(Self::Binary(decoded)),
            None if encoding != VaultText::Utf8 => Ok(Self::Binary(decoded)),
            kind => Self::from_vault(kind, &decoded),
        }
    }
}

fn decoded(value: &Secret, encoding: &Encoding) -> Option<Secret> {
    // Exposed to be decoded into a wiped buffer of its final size.
    let text = value.expose_text()?.trim();
    let mut bytes = Zeroizing::new(vec![0_u8; encoding.decode_len(text.len()).ok()?]);
    let written = encoding.decode_mut(text.as_bytes(), &mut bytes).ok()?;
    bytes.truncate(written);
    Some(Secret::from(bytes))
}

#[cfg(test)]
mod tests {
    use assert_matches::assert_matches;

    use super::*;
    use crate::testing::secret;

    fn read(kind: Option<SecretKind>, text: &str, as_: VaultText) -> Result<Vec<u8>, ImportError> {
        match SecretValue::from_vault_text(kind, &secret(text), as_)? {
            SecretValue::Binary(bytes) | SecretValue::Ascii(bytes) => Ok(bytes.expose().to_vec()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn vault_text_is_decoded_as_the_policy_says() {
        let binary = Some(SecretKind::Binary);
        assert_eq!(read(binary, "00ff", VaultText::Utf8).unwrap(), b"00ff");
        assert_eq!(read(binary, "00Ff", VaultText::Hex).unwrap(), [0, 0xff]);
        assert_eq!(read(None, "AP8=\n", VaultText::Base64).unwrap(), [0, 0xff]);
        let ascii = Some(SecretKind::Ascii);
        assert_eq!(read(ascii, "aGk=", VaultText::Base64).unwrap(), b"hi");
    }

    #[test]
    fn vault_text_in_another_encoding_is_refused() {
        let refused = read(None, "AP8", VaultText::Base64);
        assert_matches!(refused, Err(ImportError::Encoding));
        assert_matches!(read(None, "0", VaultText::Hex), Err(ImportError::Encoding));
    }
}
