//! Why something was denied. Each code has its section in `docs/reason-codes.md`; a test compares both.

/// Every rule that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// At least one.
    pub reasons: Vec<Reason>,
}

/// One rule that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Stable code.
    pub code: ReasonCode,
    /// Path in the policy, such as `services[web].attestation[0].mrenclave`.
    pub path: String,
    /// What the policy expects; for its readers only.
    pub expected: String,
    /// What was found.
    pub found: String,
    /// What to do next.
    pub hint: String,
}

/// Declares the codes with their texts.
macro_rules! reason_codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// Stable code of a reason.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ReasonCode {
            $($(#[$doc])* $name,)*
        }

        impl ReasonCode {
            /// Every code, in the order of `docs/reason-codes.md`.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The code as text.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

reason_codes! {
    /// The evidence is bound to another policy or service.
    ConfigMismatch = "config-mismatch",
    /// The policy demands evidence, and there was none.
    EvidenceMissing = "evidence-missing",
    /// Another verifier judged the evidence than the policy demands.
    VerifierMismatch = "verifier-mismatch",
    /// Another instance of the attestation service issued the token.
    IssuerMismatch = "issuer-mismatch",
    /// The evidence is of a kind that the policy's rules do not speak of.
    IdentityMismatch = "identity-mismatch",
    /// The service has no rule that evidence could satisfy.
    AttestationMissing = "attestation-missing",
    /// Another program, or another build of it.
    MeasurementMismatch = "measurement-mismatch",
    /// Another signer.
    SignerMismatch = "signer-mismatch",
    /// Another product of the signer's.
    ProductMismatch = "product-mismatch",
    /// An older security version than demanded.
    SvnTooLow = "svn-too-low",
    /// A newer security version than accepted.
    SvnTooHigh = "svn-too-high",
    /// The enclave's memory can be read from outside.
    DebugEnclave = "debug-enclave",
    /// The policy does not leave the TCB to the attestation service.
    TcbManagedByMaa = "tcb-managed-by-maa",
    /// Nobody stated the platform's TCB status.
    TcbUnstated = "tcb-unstated",
    /// The platform's TCB is out of date.
    TcbOutdated = "tcb-outdated",
    /// The platform needs software to be hardened.
    TcbNeedsHardening = "tcb-needs-hardening",
    /// The platform needs to be configured.
    TcbNeedsConfiguration = "tcb-needs-configuration",
    /// The platform is revoked.
    TcbRevoked = "tcb-revoked",
    /// An advisory that the policy does not accept.
    AdvisoryNotIgnored = "advisory-not-ignored",
    /// The machine is none of those that the service may run on.
    PlatformMismatch = "platform-mismatch",
    /// The service needs a one-time password, and there was none.
    OtpMissing = "otp-missing",
    /// The one-time password is not the one of this moment.
    OtpWrong = "otp-wrong",
    /// The one-time password was used before within its time step.
    OtpUsed = "otp-used",
    /// Too many wrong one-time passwords within one time step.
    OtpBlocked = "otp-blocked",
    /// The service needs a proof of the service access token, and there was none.
    AccessTokenMissing = "access-token-missing",
    /// The proof is of another service access token.
    AccessTokenWrong = "access-token-wrong",
}
