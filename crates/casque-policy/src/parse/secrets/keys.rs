//! Which kinds of secrets there are, and which keys belong to each.

use casque_types::SecretKind;

use crate::fields::Keys;

pub(super) const fn keys_of(kind: SecretKind) -> &'static [&'static str] {
    match kind {
        SecretKind::Ascii | SecretKind::Binary => &["value", "size"],
        SecretKind::PrivateKey => &["value", "key_type", "migrate"],
        SecretKind::PublicKey => &["value", "private_key"],
        SecretKind::X509 => &[
            "value",
            "private_key",
            "issuer",
            "common_name",
            "endpoint",
            "dns",
            "san",
            "valid_for",
        ],
        SecretKind::X509Ca => &[
            "value",
            "private_key",
            "issuer",
            "common_name",
            "dns",
            "san",
            "valid_for",
        ],
        SecretKind::AadToken => &[
            "tenant_id",
            "client_id",
            "application_secret",
            "private_key",
            "certificate_thumbprint",
        ],
        SecretKind::ConfigFragment => &["value"],
        SecretKind::Jwt => &["signer", "alg", "validity", "payload"],
        SecretKind::SessionCa | SecretKind::PgpKey => &[],
    }
}

/// Those of [`KEYS`] that not every kind has.
pub(super) const KIND_KEYS: &[&str] = KEYS.read.split_at(KEYS_OF_ALL_KINDS).1;

const KEYS_OF_ALL_KINDS: usize = 6;

pub(super) const KINDS: &[(&str, SecretKind)] = &[
    ("ascii", SecretKind::Ascii),
    ("binary", SecretKind::Binary),
    ("private-key", SecretKind::PrivateKey),
    ("public-key", SecretKind::PublicKey),
    ("x509", SecretKind::X509),
    ("x509-ca", SecretKind::X509Ca),
    ("session-ca", SecretKind::SessionCa),
    ("aad-token", SecretKind::AadToken),
    ("config-fragment", SecretKind::ConfigFragment),
    ("pgp-key", SecretKind::PgpKey),
    ("jwt", SecretKind::Jwt),
];

pub(in crate::parse) const KEYS: Keys = Keys {
    place: "a secret",
    // The first `KEYS_OF_ALL_KINDS` are those of every kind.
    read: &[
        "name",
        "kind",
        "export",
        "export_public",
        "import",
        "import_akv",
        "value",
        "size",
        "key_type",
        "migrate",
        "private_key",
        "issuer",
        "common_name",
        "endpoint",
        "dns",
        "san",
        "valid_for",
        "tenant_id",
        "client_id",
        "application_secret",
        "certificate_thumbprint",
        "signer",
        "alg",
        "validity",
        "payload",
    ],
    not_yet: &["scope", "authority", "credential", "certificate"],
    legacy: &[],
};
