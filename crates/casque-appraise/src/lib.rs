//! Appraisal, ring 1: untrusted bytes become [`Evidence`]; evidence, endorsements, trust anchors and a
//! time become an [`Appraisal`].
//!
//! Pure and synchronous: no clock, no network. What cannot be decided from its arguments is an argument.
//! An [`Appraisal`] says what was proved; whether that is enough is the policy's to say (`casque-policy`).
//! Words are RFC 9334's; formats and checks are listed in the module of each kind of evidence.

mod appraisal;
mod bytes;
mod endorsements;
mod evidence;
mod maa;
mod sgx;
mod strict_json;

pub use appraisal::{
    AdvisoryId, AdvisoryIdParseError, Appraisal, Identity, Scope, Tcb, TcbStatus, Verifier,
    appraise_absent,
};
pub use endorsements::{
    EndorsementsParseError, MaaKeys, PckAuthority, SgxEndorsements, SgxEndorsementsId,
    SgxEndorsementsValidity, TrustAnchors,
};
pub use evidence::{Evidence, EvidenceKind, EvidenceParseError};
pub use maa::{MaaAppraiseError, MaaToken, MaaTrust, MaaVerdict, appraise_maa, verify_maa_token};
pub use sgx::{
    RevokedThing, SgxAppraiseError, SgxEndorsement, SgxQuote, SgxVerdict, appraise_sgx,
    verify_sgx_quote,
};
