//! Which kinds of secrets there are, and which keys belong to each.

use casque_types::SecretKind;

use crate::fields::Keys;

pub(super) const fn keys_of(kind: SecretKind) -> &'static [&'static str] {
    match kind {
        SecretKind::Ascii | SecretKind::Binary => &["value", "size"],
        SecretKind::PrivateKey => &["value", "key_type", "migrate"],
        SecretKind::X509 => &[
            "value",
            "private_key",
            "issuer",
            "common_name",
            "endpoint",
            "dns",
            "valid_for",
        ],
        SecretKind::X509Ca => &[
            "value",
            "private_key",
            "issuer",
            "common_name",
            "dns",
            "valid_for",
        ],
        SecretKind::AadToken => &[
            "tenant_id",
            "client_id",
            "application_secret",
            "private_key",
            "certificate_thumbprint",
        ],
        // The table of kinds below does not let these in yet.
        SecretKind::PublicKey
        | SecretKind::SessionCa
        | SecretKind::ConfigFragment
        | SecretKind::PgpKey
        | SecretKind::Jwt => &[],
    }
}

pub(super) const KIND_KEYS: &[&str] = &[
    "value",
    "size",
    "key_type",
    "migrate",
    "private_key",
    "issuer",
    "common_name",
    "endpoint",
    "dns",
    "valid_for",
    "tenant_id",
    "client_id",
    "application_secret",
    "certificate_thumbprint",
];

#[derive(Clone, Copy)]
pub(super) enum Kind {
    Supported(SecretKind),
    NotYet,
}

impl Kind {
    pub(super) const fn supported(self) -> Option<SecretKind> {
        match self {
            Self::Supported(kind) => Some(kind),
            Self::NotYet => None,
        }
    }
}

pub(super) const KINDS: &[(&str, Kind)] = &[
    ("ascii", Kind::Supported(SecretKind::Ascii)),
    ("binary", Kind::Supported(SecretKind::Binary)),
    ("private-key", Kind::Supported(SecretKind::PrivateKey)),
    ("x509", Kind::Supported(SecretKind::X509)),
    ("x509-ca", Kind::Supported(SecretKind::X509Ca)),
    ("aad-token", Kind::Supported(SecretKind::AadToken)),
    ("public-key", Kind::NotYet),
    ("session-ca", Kind::NotYet),
    ("config-fragment", Kind::NotYet),
    ("pgp-key", Kind::NotYet),
    ("jwt", Kind::NotYet),
];

pub(super) const KEYS: Keys = Keys {
    place: "a secret",
    read: &[
        "name",
        "kind",
        "export_public",
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
        "valid_for",
        "tenant_id",
        "client_id",
        "application_secret",
        "certificate_thumbprint",
    ],
    not_yet: &[
        "import",
        "export",
        "san",
        "signer",
        "alg",
        "validity",
        "payload",
        "scope",
        "authority",
        "credential",
        "certificate",
    ],
    legacy: &[],
};
