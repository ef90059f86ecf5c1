//! The stable codes of diagnostics. Each has its section in `docs/diagnostics.md`; a test compares both.

/// Declares the codes, and the list of all of them.
macro_rules! codes {
    ($($name:ident = $text:literal;)*) => {
        $(pub(crate) const $name: &str = $text;)*
        /// Every code that a [`Diagnostic`](crate::Diagnostic) can have, in the order of `docs/diagnostics.md`.
        pub const DIAGNOSTIC_CODES: &[&str] = &[$($text),*];
    };
}

codes! {
    TEXT_TOO_LONG = "text-too-long";
    TEXT_ENCODING = "text-encoding";
    YAML_CHARACTER = "yaml-character";
    YAML_SYNTAX = "yaml-syntax";
    YAML_TAB = "yaml-tab";
    YAML_TOO_DEEP = "yaml-too-deep";
    YAML_TOO_MANY = "yaml-too-many";
    YAML_ALIAS = "yaml-alias";
    YAML_DOCUMENTS = "yaml-documents";
    YAML_KEY = "yaml-key";
    YAML_TAG = "yaml-tag";
    DUPLICATE_KEY = "duplicate-key";
    TOO_MANY_FINDINGS = "too-many-findings";
    UNKNOWN_KEY = "unknown-key";
    NOT_SUPPORTED_YET = "not-supported-yet";
    LEGACY_KEY = "legacy-key";
    MISSING_KEY = "missing-key";
    EXCLUSIVE_KEYS = "exclusive-keys";
    KEY_NOT_FOR_KIND = "key-not-for-kind";
    KEY_NOT_FOR_MODE = "key-not-for-mode";
    WRONG_TYPE = "wrong-type";
    EMPTY_LIST = "empty-list";
    EMPTY_TEXT = "empty-text";
    NUL_CHARACTER = "nul-character";
    BAD_NUMBER = "bad-number";
    BAD_WORD = "bad-word";
    BAD_NAME = "bad-name";
    DUPLICATE_NAME = "duplicate-name";
    VERSION_MISSING = "version-missing";
    VERSION_UNKNOWN = "version-unknown";
    VERSION_OLD = "version-old";
    BAD_HASH = "bad-hash";
    BAD_CERTIFICATE = "bad-certificate";
    BAD_KEY_HASH = "bad-key-hash";
    WORD_NOT_ALONE = "word-not-alone";
    BAD_SIGNER_KEY = "bad-signer-key";
    ENTRY_NOT_HERE = "entry-not-here";
    BAD_COUNT = "bad-count";
    OLD_KEY_HASH = "old-key-hash";
    UNKNOWN_SECRET_IN_ACCESS = "unknown-secret-in-access";
    NEWER_THAN_VERSION = "newer-than-version";
    FILLED_TOO_LARGE = "filled-too-large";
    PLACEHOLDER_MISPLACED = "placeholder-misplaced";
    BAD_SHARED_SECRET = "bad-shared-secret";
    SCONE_RUNTIME_ONLY = "scone-runtime-only";
    MAA_CERTIFICATES_UNUSED = "maa-certificates-unused";
    LOCAL_ATTESTATION = "local-attestation";
    BAD_PLATFORM = "bad-platform";
    PLATFORMS_UNUSED = "platforms-unused";
    BAD_URL = "bad-url";
    DANGEROUS_MODE_NONE = "dangerous-mode-none";
    MAA_MANAGED_TCB_MISSING = "maa-managed-tcb-missing";
    RSA_KEY_SIZE = "rsa-key-size";
    DEBUG_ALIAS = "debug-alias";
    TOLERATION_UNUSED = "toleration-unused";
    BAD_ADVISORY = "bad-advisory";
    ADVISORIES_ALL_IGNORED = "advisories-all-ignored";
    ATTESTATION_MISSING = "attestation-missing";
    ATTESTATION_EMPTY = "attestation-empty";
    SVN_RANGE = "svn-range";
    UNBALANCED_QUOTE = "unbalanced-quote";
    ENVIRONMENT_NAME = "environment-name";
    UNKNOWN_IMAGE = "unknown-image";
    FILE_PATH = "file-path";
    DUPLICATE_PATH = "duplicate-path";
    FILE_PERMISSION = "file-permission";
    KIND_MISSING = "kind-missing";
    KIND_UNKNOWN = "kind-unknown";
    KIND_NOT_IMPORTABLE = "kind-not-importable";
    SIZE_UNUSED = "size-unused";
    BAD_HEX = "bad-hex";
    BAD_PRIVATE_KEY = "bad-private-key";
    BAD_DURATION = "bad-duration";
    DNS_WITH_CLIENT = "dns-with-client";
    PRIVATE_KEY_REFERENCE = "private-key-reference";
    ISSUER_REFERENCE = "issuer-reference";
    ISSUER_CYCLE = "issuer-cycle";
    NESTED_PLACEHOLDER = "nested-placeholder";
    FRAGMENT_MISFIT = "fragment-misfit";
    BAD_AZURE_ID = "bad-azure-id";
    CREDENTIAL_MISSING = "credential-missing";
    CREDENTIAL_TWICE = "credential-twice";
    THUMBPRINT_WITHOUT_KEY = "thumbprint-without-key";
    KEY_WITHOUT_THUMBPRINT = "key-without-thumbprint";
    BAD_VAULT = "bad-vault";
    VAULT_SECRET_NAME = "vault-secret-name";
    TOKEN_MISSING = "token-missing";
    TOKEN_AMBIGUOUS = "token-ambiguous";
    TOKEN_REFERENCE = "token-reference";
    PLACEHOLDER_SYNTAX = "placeholder-syntax";
    PLACEHOLDER_TYPO = "placeholder-typo";
    UNKNOWN_SECRET = "unknown-secret";
    UNKNOWN_FORMAT = "unknown-format";
    FORMAT_NOT_OF_KIND = "format-not-of-kind";
    AAD_TOKEN_SUFFIX = "aad-token-suffix";
    UNKNOWN_ENCODING = "unknown-encoding";
    UNKNOWN_VARIABLE = "unknown-variable";
    BAD_VARIABLE = "bad-variable";
    VARIABLE_UNSAFE = "variable-unsafe";
}
