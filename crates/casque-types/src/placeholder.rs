//! Kinds of secrets, and the formats in which a placeholder can ask for one.
//!
//! Source: spec/policy-language.md section 3.2. Suffixes that mean the same are one [`Format`].

use std::fmt;

/// What a secret is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SecretKind {
    /// Text without NUL.
    Ascii,
    /// Bytes.
    Binary,
    /// An asymmetric private key.
    PrivateKey,
    /// A certificate, its issuers, and its private key if that is held too.
    X509,
    /// A certificate that may issue others.
    X509Ca,
    /// An OAuth 2.0 access token of Microsoft Entra ID.
    AadToken,
    /// The public half of an asymmetric private key.
    PublicKey,
    /// The certificate of a policy's own authority, as language 0.2 has it: never its key.
    SessionCa,
    /// A part of a policy, kept in YAML or JSON text.
    ConfigFragment,
    /// An OpenPGP key, both halves.
    PgpKey,
    /// A JSON Web Token that the service signs.
    Jwt,
}

impl SecretKind {
    /// Every kind of the language.
    pub const ALL: &'static [Self] = &[
        Self::Ascii,
        Self::Binary,
        Self::PrivateKey,
        Self::PublicKey,
        Self::X509,
        Self::X509Ca,
        Self::SessionCa,
        Self::AadToken,
        Self::ConfigFragment,
        Self::PgpKey,
        Self::Jwt,
    ];

    /// The word in a policy.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ascii => "ascii",
            Self::Binary => "binary",
            Self::PrivateKey => "private-key",
            Self::X509 => "x509",
            Self::X509Ca => "x509-ca",
            Self::AadToken => "aad-token",
            Self::PublicKey => "public-key",
            Self::SessionCa => "session-ca",
            Self::ConfigFragment => "config-fragment",
            Self::PgpKey => "pgp-key",
            Self::Jwt => "jwt",
        }
    }

    /// The formats that a placeholder for this kind may ask for; one without `Plain` must name another.
    #[must_use]
    pub const fn formats(self) -> &'static [Format] {
        match self {
            Self::Ascii | Self::AadToken | Self::ConfigFragment | Self::Jwt => &[Format::Plain],
            Self::Binary => &[
                Format::Plain,
                Format::Bin,
                Format::Hex,
                Format::Base64,
                Format::Base64Url,
                Format::Base32,
                Format::Base32NoPad,
            ],
            Self::PrivateKey => &[Format::Plain, Format::Pem, Format::Der],
            Self::X509 | Self::X509Ca => &[
                Format::Plain,
                Format::CertificatePem,
                Format::CertificateDer,
                Format::PrivateKeyPem,
                Format::PrivateKeyDer,
                Format::Chain,
                Format::LegacyChain,
                Format::Pkcs12WithPrivateKey,
            ],
            Self::PublicKey => &[Format::Plain, Format::SpkiPem, Format::SpkiDer],
            Self::SessionCa => &[
                Format::Plain,
                Format::CertificatePem,
                Format::CertificateDer,
                Format::Chain,
                Format::LegacyChain,
            ],
            Self::PgpKey => &[
                Format::PgpPrivateArmored,
                Format::PgpPrivateBinary,
                Format::PgpPrivateBase64,
                Format::PgpPublicArmored,
                Format::PgpPublicBinary,
                Format::PgpPublicBase64,
            ],
        }
    }
}

impl fmt::Display for SecretKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a placeholder wants a value written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// No suffix: the kind's own text or bytes (PEM for keys and certificates).
    Plain,
    /// `:bin`, the raw bytes.
    Bin,
    /// `:hex`, lower-case digits; also `.hex`.
    Hex,
    /// `:base64`, with padding.
    Base64,
    /// `:base64url`, RFC 4648 section 5, with padding.
    Base64Url,
    /// `:base32`, with padding.
    Base32,
    /// `:base32nopad`.
    Base32NoPad,
    /// `:pem` or `:pkcs8:pem` of a private key.
    Pem,
    /// `:der` or `:pkcs8:der` of a private key.
    Der,
    /// `:crt`, `:crt:pem` or `.crt`.
    CertificatePem,
    /// `:crt:der`.
    CertificateDer,
    /// `:privatekey`, `:privatekey:pem`, `:privatekey:pkcs8:pem` or `.key`.
    PrivateKeyPem,
    /// `:privatekey:der` or `:privatekey:pkcs8:der`.
    PrivateKeyDer,
    /// `:chain`: the issuers from the first intermediate to the root, the leaf left out.
    Chain,
    /// `.chain`: the root first, the leaf last.
    LegacyChain,
    /// `:pkcs12-with-private-key`: DER with certificate, key and chain, empty password.
    Pkcs12WithPrivateKey,
    /// `:spki:pem` of a public key: `SubjectPublicKeyInfo` in PEM.
    SpkiPem,
    /// `:spki:der` of a public key.
    SpkiDer,
    /// `:privatekey:asciiarmored` of an OpenPGP key: both halves, without passphrase.
    PgpPrivateArmored,
    /// `:privatekey:binary` of an OpenPGP key.
    PgpPrivateBinary,
    /// `:privatekey:base64` of an OpenPGP key: the binary form in one line with padding.
    PgpPrivateBase64,
    /// `:publickey:asciiarmored` of an OpenPGP key: its public half alone.
    PgpPublicArmored,
    /// `:publickey:binary` of an OpenPGP key.
    PgpPublicBinary,
    /// `:publickey:base64` of an OpenPGP key: the binary form in one line with padding.
    PgpPublicBase64,
}

impl Format {
    /// Every suffix of the language with its format, the usual spelling of each format first.
    pub const SUFFIXES: &'static [(&'static str, Self)] = &[
        ("", Self::Plain),
        (":bin", Self::Bin),
        (":hex", Self::Hex),
        (".hex", Self::Hex),
        (":base64", Self::Base64),
        (":base64url", Self::Base64Url),
        (":base32", Self::Base32),
        (":base32nopad", Self::Base32NoPad),
        (":pem", Self::Pem),
        (":pkcs8:pem", Self::Pem),
        (":der", Self::Der),
        (":pkcs8:der", Self::Der),
        (":crt", Self::CertificatePem),
        (":crt:pem", Self::CertificatePem),
        (".crt", Self::CertificatePem),
        (":crt:der", Self::CertificateDer),
        (":privatekey", Self::PrivateKeyPem),
        (":privatekey:pem", Self::PrivateKeyPem),
        (":privatekey:pkcs8:pem", Self::PrivateKeyPem),
        (".key", Self::PrivateKeyPem),
        (":privatekey:der", Self::PrivateKeyDer),
        (":privatekey:pkcs8:der", Self::PrivateKeyDer),
        (":chain", Self::Chain),
        (".chain", Self::LegacyChain),
        (":pkcs12-with-private-key", Self::Pkcs12WithPrivateKey),
        (":spki:pem", Self::SpkiPem),
        (":spki:der", Self::SpkiDer),
        (":privatekey:asciiarmored", Self::PgpPrivateArmored),
        (":privatekey:binary", Self::PgpPrivateBinary),
        (":privatekey:base64", Self::PgpPrivateBase64),
        (":publickey:asciiarmored", Self::PgpPublicArmored),
        (":publickey:binary", Self::PgpPublicBinary),
        (":publickey:base64", Self::PgpPublicBase64),
    ];

    /// The format of a suffix, with its `:` or `.`; `None` if the language has no such suffix.
    #[must_use]
    pub fn from_suffix(suffix: &str) -> Option<Self> {
        let found = Self::SUFFIXES.iter().find(|(text, _)| *text == suffix)?;
        Some(found.1)
    }

    /// The usual suffix, as an author would write it.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        let found = Self::SUFFIXES.iter().find(|(_, format)| *format == self);
        found.map_or("", |(text, _)| text)
    }
}

/// What is done to a formatted value before it takes the placeholder's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Nothing.
    Verbatim,
    /// `|escape(json)`: JSON string escapes, without quotes added.
    EscapeJson,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn format_usual_suffix_names_the_same_format() {
        for (_, format) in Format::SUFFIXES {
            assert_eq!(Format::from_suffix(format.suffix()), Some(*format));
        }
    }

    #[test]
    fn format_every_one_of_a_kind_has_a_suffix() {
        for kind in SecretKind::ALL {
            for format in kind.formats() {
                assert_eq!(
                    Format::from_suffix(format.suffix()),
                    Some(*format),
                    "{kind}"
                );
            }
        }
    }

    #[test]
    fn format_every_suffix_is_of_some_kind_and_stands_once() {
        for (position, (suffix, format)) in Format::SUFFIXES.iter().enumerate() {
            let mut kinds = SecretKind::ALL.iter();
            assert!(
                kinds.any(|kind| kind.formats().contains(format)),
                "{suffix}"
            );
            let later = &Format::SUFFIXES[position + 1..];
            assert!(later.iter().all(|(other, _)| other != suffix), "{suffix}");
        }
    }

    #[test]
    fn format_without_suffix_is_plain_but_an_openpgp_key_has_no_plain_form() {
        assert_eq!(Format::from_suffix(""), Some(Format::Plain));
        for kind in SecretKind::ALL {
            let has_plain = kind.formats().contains(&Format::Plain);
            assert_eq!(has_plain, *kind != SecretKind::PgpKey, "{kind}");
        }
    }

    #[test]
    fn format_session_ca_has_no_key() {
        for format in [
            Format::PrivateKeyPem,
            Format::PrivateKeyDer,
            Format::Pkcs12WithPrivateKey,
        ] {
            assert!(SecretKind::X509Ca.formats().contains(&format));
            assert!(!SecretKind::SessionCa.formats().contains(&format));
        }
    }

    #[test]
    fn format_unknown_suffix_is_none() {
        assert_eq!(Format::from_suffix(":pfx"), None);
    }
}
