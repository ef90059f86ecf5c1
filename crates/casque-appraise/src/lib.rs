//! Appraisal, ring 1: untrusted bytes become [`Evidence`]; evidence, endorsements, trust anchors and a
//! time become an [`Appraisal`].
//!
//! Pure and synchronous: no clock, no network. What cannot be decided from its arguments is an argument.
//! An [`Appraisal`] says what was proved; whether that is enough is the policy's to say (`casque-policy`).
//! Words are RFC 9334's; formats and checks are listed in the module of each kind of evidence.

mod aci;
mod appraisal;
mod appraiser;
mod azure_vm;
mod bytes;
mod endorsed;
mod endorsements;
mod error;
mod evidence;
mod intel;
mod key_set;
mod kubernetes;
mod maa;
mod snp;
mod verdict;
mod x509;

pub use aci::{AciAppraiseError, AciEvidence};
pub use appraisal::{
    AdvisoryId, AdvisoryIdParseError, Appraisal, Identity, Scope, Tcb, TcbStatus, Verifier,
    appraise_absent,
};
pub use appraiser::{Appraiser, Submitted};
pub use azure_vm::{AzureVmAppraiseError, AzureVmEvidence, AzureVmParts};
pub use endorsed::EndorsedError;
pub use endorsements::{
    AmdAnchor, AmdEndorsements, AmdEndorsementsId, Endorsements, EndorsementsId,
    EndorsementsParseError, IntelEndorsements, IntelEndorsementsId, IntelEndorsementsValidity,
    IntelTee, MaaKeys, PckAuthority, TrustAnchors, VcekId,
};
pub use error::{AppraiseError, Difference};
pub use evidence::{Evidence, EvidenceKind, EvidenceParseError};
pub use intel::{IntelEndorsement, QuoteAppraiseError, RevokedThing, SgxQuote, TdxQuote};
pub use kubernetes::{
    ServiceAccount, ServiceAccountKeys, ServiceAccountToken, ServiceAccountTokenError,
    ServiceAccountTrust,
};
pub use maa::{
    ClaimValue, MaaAppraiseError, MaaToken, MaaTrust, SignerDemand, SignerProof, TokenStatement,
};
pub use snp::{SnpAppraiseError, SnpEvidence, SnpReport};
pub use verdict::{Bound, Claim, Verdict};
pub use x509::CertificateError;
