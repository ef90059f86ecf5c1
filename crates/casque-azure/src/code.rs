//! Every stable code of this crate's failures, in one closed list; `docs/errors-azure.md` explains each, and
//! `docs/errors-clusters.md` those of clusters.
//!
//! A code is a promise: it is never renamed and never given another meaning.

/// Declares the codes, their texts and the list of all of them from one table.
macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)+) => {
        /// Why a party of Azure's did not give what was asked.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum Code {
            $($(#[$doc])* $name,)+
        }

        impl Code {
            /// The code as users see it.
            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// All codes.
            #[cfg(test)]
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name,)+];
        }
    };
}

codes! {
    // Entra ID: before anything is sent
    EntraKeyMalformed = "entra-key-malformed",
    EntraKeyUnsupported = "entra-key-unsupported",
    EntraKeyTooSmall = "entra-key-too-small",
    EntraThumbprintMismatch = "entra-thumbprint-mismatch",
    EntraRandomnessFailed = "entra-randomness-failed",
    // Entra ID: its refusals
    EntraTenantNotFound = "entra-tenant-not-found",
    EntraTenantMalformed = "entra-tenant-malformed",
    EntraTenantInOtherCloud = "entra-tenant-in-other-cloud",
    EntraApplicationNotFound = "entra-application-not-found",
    EntraApplicationDisabled = "entra-application-disabled",
    EntraApplicationPublic = "entra-application-public",
    EntraApplicationNotAssigned = "entra-application-not-assigned",
    EntraConsentMissing = "entra-consent-missing",
    EntraWrongSecret = "entra-wrong-secret",
    EntraSecretExpired = "entra-secret-expired",
    EntraRequestMalformed = "entra-request-malformed",
    EntraAssertionRefused = "entra-assertion-refused",
    EntraClockSkew = "entra-clock-skew",
    EntraCertificateSubject = "entra-certificate-subject",
    EntraFederationMismatch = "entra-federation-mismatch",
    EntraFederationTokenKind = "entra-federation-token-kind",
    EntraResourceNotFound = "entra-resource-not-found",
    EntraScopeRefused = "entra-scope-refused",
    EntraConditionalAccess = "entra-conditional-access",
    EntraThrottled = "entra-throttled",
    EntraUnavailable = "entra-unavailable",
    EntraRefused = "entra-refused",
    // Entra ID: the way to it and the form of its answers
    EntraNameUnresolved = "entra-name-unresolved",
    EntraUnreachable = "entra-unreachable",
    EntraTlsUntrusted = "entra-tls-untrusted",
    EntraTimeout = "entra-timeout",
    EntraRedirected = "entra-redirected",
    EntraAnswerTooLong = "entra-answer-too-long",
    EntraAnswerMalformed = "entra-answer-malformed",
    // Key Vault: before anything is sent
    VaultHostNotAllowed = "vault-host-not-allowed",
    VaultNameIncomplete = "vault-name-incomplete",
    VaultTokenForeign = "vault-token-foreign",
    VaultVersionMalformed = "vault-version-malformed",
    VaultValueNotText = "vault-value-not-text",
    VaultValueTooLarge = "vault-value-too-large",
    // Key Vault: its refusals
    VaultTokenWrongTenant = "vault-token-wrong-tenant",
    VaultTokenWrongAudience = "vault-token-wrong-audience",
    VaultTokenRefused = "vault-token-refused",
    VaultForbiddenByRole = "vault-forbidden-by-role",
    VaultForbiddenByPolicy = "vault-forbidden-by-policy",
    VaultSetForbiddenByRole = "vault-set-forbidden-by-role",
    VaultSetForbiddenByPolicy = "vault-set-forbidden-by-policy",
    VaultForbiddenByFirewall = "vault-forbidden-by-firewall",
    VaultForbiddenByConnection = "vault-forbidden-by-connection",
    VaultForbidden = "vault-forbidden",
    VaultSecretDisabled = "vault-secret-disabled",
    VaultSecretExpired = "vault-secret-expired",
    VaultSecretNotYetValid = "vault-secret-not-yet-valid",
    VaultSecretNotFound = "vault-secret-not-found",
    VaultSecretDeleted = "vault-secret-deleted",
    VaultSecretBusy = "vault-secret-busy",
    VaultConflict = "vault-conflict",
    VaultRequestMalformed = "vault-request-malformed",
    VaultThrottled = "vault-throttled",
    VaultUnavailable = "vault-unavailable",
    VaultRefused = "vault-refused",
    // Key Vault: the way to it and the form of its answers
    VaultNameUnresolved = "vault-name-unresolved",
    VaultUnreachable = "vault-unreachable",
    VaultTlsUntrusted = "vault-tls-untrusted",
    VaultTimeout = "vault-timeout",
    VaultRedirected = "vault-redirected",
    VaultAnswerTooLong = "vault-answer-too-long",
    VaultAnswerMalformed = "vault-answer-malformed",
    // Microsoft Azure Attestation
    MaaHostNotAllowed = "maa-host-not-allowed",
    MaaEvidenceRefused = "maa-evidence-refused",
    MaaPolicyRefused = "maa-policy-refused",
    MaaAccessDenied = "maa-access-denied",
    MaaInstanceNotFound = "maa-instance-not-found",
    MaaThrottled = "maa-throttled",
    MaaUnavailable = "maa-unavailable",
    MaaRefused = "maa-refused",
    MaaNameUnresolved = "maa-name-unresolved",
    MaaUnreachable = "maa-unreachable",
    MaaTlsUntrusted = "maa-tls-untrusted",
    MaaTimeout = "maa-timeout",
    MaaRedirected = "maa-redirected",
    MaaAnswerTooLong = "maa-answer-too-long",
    MaaAnswerMalformed = "maa-answer-malformed",
    // Kubernetes clusters
    ClusterNotTrusted = "cluster-not-trusted",
    ClusterFileUnusable = "cluster-file-unusable",
    ClusterIssuerMismatch = "cluster-issuer-mismatch",
    ClusterKeysElsewhere = "cluster-keys-elsewhere",
    ClusterAccessDenied = "cluster-access-denied",
    ClusterNotFound = "cluster-not-found",
    ClusterUnavailable = "cluster-unavailable",
    ClusterRefused = "cluster-refused",
    ClusterNameUnresolved = "cluster-name-unresolved",
    ClusterUnreachable = "cluster-unreachable",
    ClusterTlsUntrusted = "cluster-tls-untrusted",
    ClusterTimeout = "cluster-timeout",
    ClusterRedirected = "cluster-redirected",
    ClusterAnswerTooLong = "cluster-answer-too-long",
    ClusterAnswerMalformed = "cluster-answer-malformed",
}
