//! The policy language, ring 1: text in, [`Policy`] out, or [`Diagnostic`]s with their places; the
//! canonical hash; placeholders; and [`decide`], which turns an appraisal into a [`Grant`] or a [`Denial`].
//!
//! The language is SCONE's session language (spec/policy-language.md). Pure: no clock, no network, no file.

mod clause;
mod codes;
mod command;
mod decide;
mod diagnostic;
mod fields;
mod findings;
mod hash;
mod model;
mod parse;
mod pem;
mod placeholder;
mod reason;
mod splice;
mod substitute;
mod yaml;

pub use clause::{Clause, ClauseError, Fill, Fills, OpenClause};
pub use codes::DIAGNOSTIC_CODES;
pub use decide::{
    Decision, Demands, EntryScope, FactorOutcome, Factors, Grant, RuleOutcome,
    ServiceAccountFactor, ServiceAccountOutcome, decide, explain, screen,
};
pub use diagnostic::{Diagnostic, Position, Severity};
pub use hash::{policy_hash, with_creator};
pub use model::{
    AccessPolicy, AciRule, AllowAllRule, AttestationEntry, AttestationKeyRule, AzureVmRule,
    AzureVmTeeRule, CasKey, CertificateSpec, ClaimCondition, ClaimConstant, ClaimDemand,
    ClaimValue, ClusterIssuer, ClusterIssuerParseError, Content, Credentials, Endpoint,
    ExportTarget, FileProtection, Generation, IgnoredAdvisories, Image, Import, InjectionFile,
    JwtSpec, KeptIn, KeyType, LanguageVersion, MaaDemands, MaaRule, MigrationRule, Mode, Mount,
    Operation, Origin, OwnVolume, Part, Placeholder, Platform, Policy, Principal, Principals,
    ProtectionUpdate, RemoteCas, Salt, SecretSpec, SecureBootRule, Security, Service,
    ServiceAccountDemand, ServiceAccountRule, SgxRule, SignerRule, SmtRule, SnpFloor, SnpFloors,
    SnpRule, SvnRule, TdxFloor, TdxRule, TeeRule, Template, Toleration, ValueEncoding, Variable,
    VaultImport, VaultSecretVersion, Volume, VolumeExport, VolumeImport, VolumeOrigin,
};
pub use parse::{LANGUAGE_MAPS, LanguageMap, Parsed};
pub use reason::{Denial, Reason, ReasonCode};
pub use substitute::substitute;
