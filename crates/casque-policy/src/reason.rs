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
    /// The evidence is of another kind of TEE than the entry.
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
    /// Another host data.
    SnpHostDataMismatch = "snp-host-data-mismatch",
    /// Another key signed the id block of the guest.
    SnpIdKeyMismatch = "snp-id-key-mismatch",
    /// Another key signed the key of the id block.
    SnpAuthorKeyMismatch = "snp-author-key-mismatch",
    /// Another family in the id block.
    SnpFamilyMismatch = "snp-family-mismatch",
    /// Another image in the id block.
    SnpImageMismatch = "snp-image-mismatch",
    /// The guest states an older security version than demanded.
    GuestSvnTooLow = "guest-svn-too-low",
    /// Another privilege level asked for the report.
    VmplMismatch = "vmpl-mismatch",
    /// The guest may be moved by a migration agent.
    MigrationAllowed = "migration-allowed",
    /// The guest may share a core with others.
    SmtAllowed = "smt-allowed",
    /// A register of the trust domain holds something else.
    TdxRtmrMismatch = "tdx-rtmr-mismatch",
    /// Another configuration of the trust domain.
    TdxConfigMismatch = "tdx-config-mismatch",
    /// Another owner of the trust domain.
    TdxOwnerMismatch = "tdx-owner-mismatch",
    /// Another configuration of the owner's.
    TdxOwnerConfigMismatch = "tdx-owner-config-mismatch",
    /// Another TDX module.
    TdxModuleMismatch = "tdx-module-mismatch",
    /// Another signer of the TDX module.
    TdxModuleSignerMismatch = "tdx-module-signer-mismatch",
    /// A component of the TDX platform is older than the policy's floor.
    TdxSvnTooLow = "tdx-svn-too-low",
    /// A register of the virtual TPM holds something else.
    PcrMismatch = "pcr-mismatch",
    /// A register of the virtual TPM was not quoted.
    PcrNotQuoted = "pcr-not-quoted",
    /// Secure boot is off.
    SecureBootOff = "secure-boot-off",
    /// Secure boot is on.
    SecureBootOn = "secure-boot-on",
    /// Nobody states whether secure boot is on.
    SecureBootUnstated = "secure-boot-unstated",
    /// Another virtual machine.
    VmUniqueIdMismatch = "vm-unique-id-mismatch",
    /// No certificate of Azure's vouches for the attestation key of the virtual TPM.
    AttestationKeyNotCertified = "attestation-key-not-certified",
    /// The entry does not say which paravisor is Azure's, and nobody else vouches for it.
    ParavisorNotPinned = "paravisor-not-pinned",
    /// The group of containers runs under another policy.
    AciPolicyMismatch = "aci-policy-mismatch",
    /// The group of containers runs under the policy that allows everything.
    AciAllowsAll = "aci-allows-all",
    /// The utility virtual machine is of another feed.
    UvmFeedMismatch = "uvm-feed-mismatch",
    /// Somebody else endorses the utility virtual machine.
    UvmIssuerMismatch = "uvm-issuer-mismatch",
    /// The utility virtual machine is older than demanded.
    UvmSvnTooLow = "uvm-svn-too-low",
    /// The policy has conditions on a token, and there was none.
    MaaTokenMissing = "maa-token-missing",
    /// The token lacks a claim.
    MaaClaimMissing = "maa-claim-missing",
    /// A claim of the token has another value, or is of another type.
    MaaClaimMismatch = "maa-claim-mismatch",
    /// The attestation service judged by another policy of its own.
    MaaPolicyHashMismatch = "maa-policy-hash-mismatch",
    /// The TEE's memory can be read from outside.
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
    /// A component of AMD's platform is older than the policy's floor.
    TcbBelowMinimum = "tcb-below-minimum",
    /// The policy has floors, and none for this generation of processors.
    TcbFloorMissingForGeneration = "tcb-floor-missing-for-generation",
    /// An advisory that the policy does not accept.
    AdvisoryNotIgnored = "advisory-not-ignored",
    /// The machine is none of those that the service may run on.
    PlatformMismatch = "platform-mismatch",
    /// The entry needs a service account token, and there was none.
    ServiceAccountMissing = "service-account-missing",
    /// The service account token does not verify.
    ServiceAccountWrong = "service-account-wrong",
    /// The service account token is of another account.
    ServiceAccountMismatch = "service-account-mismatch",
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
